//! DVC: `.dvc` files and `dvc.lock`, which hold the MD5 of data that git does not.
//!
//! Facts from dvc 3.67 (`schema.py`, `output.py`) and dvc-data 3.18 (`hashfile/{hash,tree,istextfile}.py`): YAML; `outs`,
//! or `stages.NAME.outs`, each with `path`, `md5`, `size` and for a folder `nfiles`. Without `hash: md5` DVC before 3.0
//! wrote it and took the MD5 of texts with their line ends changed: see [`text`]. The digest of a folder ends in `.dir`
//! and is of a list that lies in DVC's cache: see [`folder`]. Paths are relative to `wdir`, and that to the file.

mod folder;
mod shape;
mod text;

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use self::shape::{File, Out};
use super::labelled::Writing;
use super::{Context, ManifestError, ManifestFormat, subject, url_subject};
use crate::claim::{Claim, ClaimSink, Scope, SourceId, Subject, Unusable};

/// `.dvc` files and `dvc.lock`.
pub struct Dvc;

/// A longer file is not read: it is parsed as a whole.
const LONGEST: u64 = 32 << 20;

impl ManifestFormat for Dvc {
    fn name(&self) -> &'static str {
        "dvc"
    }

    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool {
        is_called(file_name) && {
            let begins = |word: &[u8]| head.split(|&b| b == b'\n').any(|line| line.starts_with(word));
            begins(b"outs:") || (begins(b"stages:") && begins(b"schema:"))
        }
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let at = Place { source: context.source, file: context.path, below: b"" };
        Ok(match read(input, &at, sink)?.as_slice() {
            [] => Scope::Named,
            [one] => Scope::Folder(one.clone()),
            several => Scope::Folders(several.to_vec()),
        })
    }
}

/// Whether a file of this name may be one of DVC's.
pub fn is_called(file_name: &[u8]) -> bool {
    file_name == b"dvc.lock" || (file_name.len() > 4 && file_name.ends_with(b".dvc"))
}

/// Whether `content`, a whole file, is one of DVC's and nothing beside it.
pub fn is_one(content: &[u8]) -> bool {
    File::parse(content).is_ok_and(|file| !file.is_empty())
}

/// Where a file of DVC lies.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The number of the manifest among the run's sources.
    pub source: SourceId,
    /// On the disk.
    pub file: &'a Path,
    /// The folder that it lies in, below that which claimed names are relative to.
    pub below: &'a [u8],
}

/// Reads all claims, and says which folders are listed completely.
///
/// # Errors
/// Where the file is none of DVC's, or reading fails.
pub fn read(
    input: &mut dyn Read,
    at: &Place<'_>,
    sink: &mut dyn ClaimSink,
) -> Result<Vec<Vec<u8>>, ManifestError> {
    let mut content = Vec::new();
    input.take(LONGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LONGEST {
        let why = format!("it is longer than {} MiB, and a file of DVC is read as a whole", LONGEST >> 20);
        return Err(ManifestError::NotThisFormat(why));
    }
    let file = File::parse(&content).map_err(ManifestError::NotThisFormat)?;
    if file.is_empty() {
        return Err(ManifestError::NotThisFormat("it lists no outs".to_string()));
    }
    let mut folders = Vec::new();
    for (number, (wdir, out)) in file.outs().enumerate() {
        let claiming = Claiming { at, wdir, line: number as u64 + 1 };
        folders.extend(claiming.out(out, sink)?);
    }
    Ok(folders)
}

/// One entry.
struct Claiming<'a> {
    at: &'a Place<'a>,
    wdir: &'a str,
    line: u64,
}

impl Claiming<'_> {
    /// Hands on what an entry claims; the folder it lists completely, if one.
    fn out(&self, out: &Out, sink: &mut dyn ClaimSink) -> Result<Option<Vec<u8>>, ManifestError> {
        let digest = out.md5.as_deref().unwrap_or_default();
        if out.path.contains("://") {
            let why = "it lies in a store of its own, and what DVC keeps of it is no digest of the content";
            let claim = Claim::new(self.at.source, self.line, url_subject(out.path.as_bytes(), &[]));
            sink.claim(Claim { unusable: Some(Unusable::NotComputable(why.into())), ..claim })?;
            return Ok(None);
        }
        let name = self.name(&out.path);
        let claim = Claim::new(self.at.source, self.line, subject(&name));
        if let Some(files) = &out.files {
            for file in files {
                let name = [name.as_slice(), file.relpath.as_bytes()].join(&b'/');
                let claim = Claim::new(self.at.source, self.line, subject(&name));
                let claim = Claim { size: file.size, ..claim };
                sink.claim(self.digest(claim, file.md5.as_deref(), out.hash.as_deref()))?;
            }
            return Ok(self.folder_of(&claim));
        }
        let Some(list) = digest.strip_suffix(".dir") else {
            sink.claim(self.digest(Claim { size: out.size, ..claim }, Some(digest), out.hash.as_deref()))?;
            return Ok(None);
        };
        let why = match folder::of_cache(self.at.file, list) {
            Ok(listed) => {
                let mut count = 0;
                folder::each(&listed, &mut |file| {
                    count += 1;
                    let name = [name.as_slice(), file.relpath.as_bytes()].join(&b'/');
                    let claim = Claim::new(self.at.source, self.line, subject(&name));
                    sink.claim(self.digest(claim, Some(&file.md5), out.hash.as_deref()))
                })?;
                if out.nfiles.is_some_and(|nfiles| nfiles != count) {
                    let why = format!(
                        "the list of a folder in DVC's cache has {count} files, and its entry says {}",
                        out.nfiles.unwrap_or_default()
                    );
                    sink.broken(Some(self.line), why)?;
                }
                return Ok(self.folder_of(&claim));
            }
            Err(why) => why,
        };
        let files = out.nfiles.map_or_else(String::new, |n| format!(" of {n} files"));
        let size = out.size.map_or_else(String::new, |n| format!(" with {n} bytes in all"));
        let why = format!("it is a folder{files}{size}, of which DVC keeps the digest of a list; {why}");
        sink.folder(Claim { unusable: Some(Unusable::NotComputable(why)), ..claim })?;
        Ok(None)
    }

    /// The claim with the digest that an entry gives.
    fn digest(&self, claim: Claim, md5: Option<&str>, hash: Option<&str>) -> Claim {
        let md5 = md5.unwrap_or_default();
        match hash {
            _ if md5.is_empty() => {
                let why = "it gives no MD5: it was never put into DVC's cache, or lies in a store that has its own digests";
                Claim { unusable: Some(Unusable::NotComputable(why.into())), ..claim }
            }
            Some(label) if label != "md5-dos2unix" => claim.labelled(label, md5.as_bytes(), Writing::Hex),
            // Written before DVC 3.0.
            _ => {
                let plain = claim.labelled("md5", md5.as_bytes(), Writing::Hex);
                match &plain.subject {
                    Subject::Path(path) => {
                        let file = self.on_disk(path.as_bytes());
                        text::with_plain_md5(plain, file.as_deref())
                    }
                    _ => plain,
                }
            }
        }
    }

    /// The name that a path in the file stands for. What leads above where names are relative to keeps its `..`, and is
    /// refused by whoever takes it.
    fn name(&self, path: &str) -> Vec<u8> {
        if path.starts_with('/') {
            return path.as_bytes().to_vec();
        }
        let whole = [self.at.below, self.wdir.as_bytes(), path.as_bytes()].join(&b'/');
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in whole.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".") {
            match parts.last() {
                Some(last) if part == b".." && *last != b".." => drop(parts.pop()),
                _ => parts.push(part),
            }
        }
        parts.join(&b'/')
    }

    fn folder_of(&self, claim: &Claim) -> Option<Vec<u8>> {
        match &claim.subject {
            Subject::Path(path) => Some(path.as_bytes().to_vec()),
            _ => None,
        }
    }

    /// Where a name stands on the disk.
    fn on_disk(&self, name: &[u8]) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        let mut base = self.at.file.parent()?.to_path_buf();
        for _ in self.at.below.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
            base = base.parent()?.to_path_buf();
        }
        Some(base.join(std::ffi::OsStr::from_bytes(name)))
    }
}

#[cfg(test)]
mod tests;
