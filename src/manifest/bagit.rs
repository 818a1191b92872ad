//! Bags: folders as BagIt 0.93 to 1.0 lay them out (RFC 8493, and `draft-kunze-bagit` 00 to 14 before it).
//!
//! A bag is one manifest in several files beside its `data/`: the declaration, the payload manifests that list `data/`
//! completely, tag manifests for the other files, what is still to be fetched, and a total of files and bytes. Claims
//! carry the number of their line in the file that they stand in. What breaks a rule of the format is told as that,
//! though the bag can be read: the rules are how a bag says that it is whole.

mod declaration;
mod entry;
mod lists;
mod oxum;
mod tag_lines;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use self::declaration::Declaration;
use self::entry::Names;
use self::lists::{List, Listed};
use self::tag_lines::{TagLine, TagLines};
use super::{Context, ManifestError, ManifestFormat, begins_like_json, open_regular};
use crate::claim::{Claim, ClaimSink, Scope, Subject};
use crate::digest::Algorithm;
use crate::manifest::labelled::Writing;

/// The file that makes a folder a bag.
pub const DECLARATION: &str = "bagit.txt";

/// More manifests of one kind have no different algorithms any more.
const MOST_MANIFESTS: usize = 24;

/// The format of bags.
#[derive(Clone, Copy, Debug)]
pub struct BagIt;

impl ManifestFormat for BagIt {
    fn name(&self) -> &'static str {
        "bagit"
    }

    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool {
        if file_name == DECLARATION.as_bytes() {
            return memchr::memmem::find(&head[..head.len().min(1024)], b"BagIt-Version").is_some();
        }
        let algorithm = algorithm_of(file_name, b"manifest-");
        algorithm.is_some_and(|name| Algorithm::from_name(&name).is_some()) && !begins_like_json(head)
    }

    fn base(&self, file: &Path) -> Option<PathBuf> {
        file.parent().map(Path::to_path_buf)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let folder = context.path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let declaration = declared(input, context, folder, sink)?;
        let bag = Bag { folder, declaration, context };
        let manifests = bag.manifests(b"manifest-")?;
        if manifests.is_empty() {
            bag.broken(sink, "it has no payload manifest (`manifest-ALGORITHM.txt`)")?;
        }
        let mut claims = 0;
        for list in manifests.iter().chain(&bag.manifests(b"tagmanifest-")?) {
            claims += bag.claims(list, sink)?;
        }
        let fetch = bag.list("fetch.txt", None);
        if let Some(list) = &fetch {
            bag.to_fetch(list, sink)?;
        }
        if claims == 0 {
            return Err(ManifestError::NotThisFormat("no manifest of the bag lists a file".to_owned()));
        }
        let listed = bag.check_lists(&manifests, fetch.as_ref(), sink)?;
        oxum::check(&bag, listed, sink)?;
        Ok(Scope::Folder(b"data".to_vec()))
    }
}

/// A bag whose declaration was read.
struct Bag<'a> {
    folder: &'a Path,
    declaration: Declaration,
    context: &'a Context<'a>,
}

impl Bag<'_> {
    /// The manifests whose names begin so, by name.
    fn manifests(&self, beginning: &[u8]) -> Result<Vec<List>, ManifestError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.folder)? {
            let name = entry?.file_name();
            if let Some(algorithm) = algorithm_of(name.as_bytes(), beginning) {
                found.push(self.list(&name, Some(algorithm)).into_iter());
            }
            if found.len() > MOST_MANIFESTS {
                let why = format!("the bag has more than {MOST_MANIFESTS} manifests of one kind");
                return Err(ManifestError::NotThisFormat(why));
            }
        }
        let mut found: Vec<List> = found.into_iter().flatten().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// A tag file of this name, if there is one.
    fn list(&self, name: impl AsRef<OsStr>, algorithm: Option<String>) -> Option<List> {
        let name: OsString = name.as_ref().to_owned();
        // Only what is not there is no list: one that cannot be opened is an error when it is read.
        std::fs::symlink_metadata(self.folder.join(&name)).is_ok().then_some(List { name, algorithm })
    }

    fn lines(&self, list: &List) -> Result<TagLines<BufReader<std::fs::File>>, ManifestError> {
        let file = open_regular(&self.folder.join(&list.name)).map_err(|e| {
            ManifestError::Io(std::io::Error::new(e.kind(), format!("{} of the bag: {e}", list.shown())))
        })?;
        Ok(TagLines::new(BufReader::with_capacity(1 << 16, file), self.declaration.encoding))
    }

    fn names(&self) -> Names<'_> {
        Names { folder: self.folder, percent_is_escaped: self.declaration.is_1_0() }
    }

    /// Claims what a manifest lists; how many entries it has.
    fn claims(&self, list: &List, sink: &mut dyn ClaimSink) -> Result<u64, ManifestError> {
        let algorithm = list.algorithm.as_deref().unwrap_or_default();
        let is_payload = list.name.as_bytes().starts_with(b"manifest-");
        let (mut claims, mut odd) = (0, Told::default());
        let mut lines = self.lines(list)?;
        while let Some((number, line)) = lines.next()? {
            let Some(text) = self.text(list, number, line, &mut odd, sink)? else { continue };
            let Some((digest, name)) = entry::split(text) else {
                let why = format!("in {} it is not `DIGEST NAME`", list.shown());
                sink.reject(number, why)?;
                continue;
            };
            let subject = self.names().subject(name);
            claims += 1;
            if is_payload && !is_refused(&subject) && !in_payload(&subject) {
                odd.tell(sink, || format!("{} line {number}: it lists a file outside data/", list.shown()))?;
            }
            let claim = Claim::new(self.context.source, number, subject);
            sink.claim(claim.labelled(algorithm, digest, Writing::Hex))?;
        }
        Ok(claims)
    }

    /// Claims what is to be fetched: `URL LENGTH NAME`, the length `-` where it is not known (RFC 8493, 2.2.3).
    fn to_fetch(&self, list: &List, sink: &mut dyn ClaimSink) -> Result<(), ManifestError> {
        let mut odd = Told::default();
        let mut lines = self.lines(list)?;
        while let Some((number, line)) = lines.next()? {
            let Some(text) = self.text(list, number, line, &mut odd, sink)? else { continue };
            let Some((url, size, name)) = entry::split_fetch(text) else {
                sink.reject(number, "in fetch.txt it is not `URL LENGTH NAME`".to_owned())?;
                continue;
            };
            let subject = self.names().subject(name);
            if !is_refused(&subject) && !in_payload(&subject) {
                odd.tell(sink, || format!("fetch.txt line {number}: it names a file outside data/"))?;
                continue;
            }
            let claim = Claim::new(self.context.source, number, subject);
            sink.claim(Claim { size, fetch: Some(url.to_vec()), ..claim })?;
        }
        Ok(())
    }

    /// The text of a line, unless it is empty or was told to be none.
    fn text<'l>(
        &self,
        list: &List,
        number: u64,
        line: TagLine<'l>,
        odd: &mut Told,
        sink: &mut dyn ClaimSink,
    ) -> Result<Option<&'l [u8]>, ManifestError> {
        match line {
            TagLine::TooLong => {
                sink.reject(number, format!("in {} it is too long", list.shown()))?;
                Ok(None)
            }
            TagLine::Text { text, well_formed } => {
                if !well_formed {
                    let encoding = self.declaration.encoding.name();
                    odd.tell(sink, || format!("{} line {number}: it is not {encoding} text", list.shown()))?;
                }
                Ok((!text.trim_ascii().is_empty()).then_some(text))
            }
        }
    }

    /// Holds the lists against each other: see [`lists::check`].
    fn check_lists(
        &self,
        manifests: &[List],
        fetch: Option<&List>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Listed, ManifestError> {
        let each = |list: &List, take: &mut dyn FnMut(u64, &[u8])| -> Result<(), ManifestError> {
            let mut lines = self.lines(list)?;
            while let Some((number, line)) = lines.next()? {
                let TagLine::Text { text, .. } = line else { continue };
                let name = match list.algorithm {
                    Some(_) => entry::split(text).map(|(_, name)| name),
                    None => entry::split_fetch(text).map(|(_, _, name)| name),
                };
                // What lies outside data/ was told as that.
                if let Some(Subject::Path(path)) = name.map(|name| self.names().subject(name))
                    && path.as_bytes().starts_with(b"data/")
                {
                    take(number, path.as_bytes());
                }
            }
            Ok(())
        };
        lists::check(manifests, fetch, self.declaration.is_1_0(), &each, sink)
    }

    fn broken(&self, sink: &mut dyn ClaimSink, why: &str) -> Result<(), ManifestError> {
        Ok(sink.broken(None, why.to_owned())?)
    }
}

/// Broken rules of one list: the first of them are told, the others are many of a kind.
#[derive(Debug, Default)]
struct Told(u32);

impl Told {
    const MOST: u32 = 20;

    fn tell(&mut self, sink: &mut dyn ClaimSink, what: impl FnOnce() -> String) -> Result<(), ManifestError> {
        self.0 = self.0.saturating_add(1);
        match self.0.cmp(&(Self::MOST + 1)) {
            std::cmp::Ordering::Less => sink.broken(None, what())?,
            std::cmp::Ordering::Equal => sink.broken(None, format!("{}; and so on", what()))?,
            std::cmp::Ordering::Greater => {}
        }
        Ok(())
    }
}

/// The declaration of the bag that the file lies in.
fn declared(
    input: &mut dyn BufRead,
    context: &Context<'_>,
    folder: &Path,
    sink: &mut dyn ClaimSink,
) -> Result<Declaration, ManifestError> {
    if context.file_name == DECLARATION.as_bytes() {
        return Declaration::read(input, sink);
    }
    match open_regular(&folder.join(DECLARATION)) {
        Ok(file) => Declaration::read(&mut BufReader::new(file), sink),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let why = "there is no bagit.txt beside it, so that it is no bag; a sums file of such a name is read as \
                       `sums:FILE`";
            sink.broken(None, why.to_owned())?;
            Ok(Declaration::default())
        }
        Err(e) => Err(ManifestError::Io(e)),
    }
}

/// The algorithm in the name of a manifest: `md5` of `manifest-md5.txt`.
fn algorithm_of(file_name: &[u8], beginning: &[u8]) -> Option<String> {
    let name = file_name.strip_prefix(beginning)?.strip_suffix(b".txt")?;
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (!name.is_empty() && name.iter().all(is_word)).then(|| String::from_utf8_lossy(name).into_owned())
}

fn is_refused(subject: &Subject) -> bool {
    matches!(subject, Subject::Refused { .. })
}

fn in_payload(subject: &Subject) -> bool {
    matches!(subject, Subject::Path(path) if path.as_bytes().starts_with(b"data/"))
}

#[cfg(test)]
mod tests;
