//! The list of a folder's files, as it lies in DVC's cache.
//!
//! `json.dumps` of `[{"md5": …, "relpath": …}]`, sorted; its MD5 and `.dir` are its name. Since DVC 3.0 the cache is
//! `.dvc/cache/files/md5/AB/CDEF….dir`, before that `.dvc/cache/AB/CDEF….dir`.

use std::fmt;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::super::bookkeeping::Strings;
use super::super::{ManifestError, open_regular};
use crate::error;

/// A longer list is not read.
const LONGEST: u64 = 1 << 30;

/// A file of the folder.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) md5: String,
    pub(super) relpath: String,
}

/// The list with this MD5 in the cache of the project that `file` lies in; why there is none, as a sentence without its
/// capital.
pub(super) fn of_cache(file: &Path, md5: &str) -> Result<PathBuf, String> {
    let is_md5 = md5.len() == 32 && md5.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_md5 {
        return Err("that digest is no MD5".to_string());
    }
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
    let home = absolute.ancestors().skip(1).map(|folder| folder.join(".dvc")).find(|home| home.is_dir());
    let gone = || "the list is not here (`dvc fetch` brings it)".to_string();
    let cache = home.ok_or_else(gone)?.join("cache");
    let name = format!("{}/{}.dir", &md5[..2], &md5[2..]);
    let list =
        [cache.join("files/md5").join(&name), cache.join(&name)].into_iter().find(|list| list.is_file());
    let list = list.ok_or_else(gone)?;
    match sum(&list) {
        Ok(found) if found == md5 => Ok(list),
        Ok(_) => Err("the list in DVC's cache is damaged: its MD5 is not its name".to_string()),
        Err(cause) => Err(format!("the list in DVC's cache cannot be read: {cause}")),
    }
}

/// Hands on each file of a list.
pub(super) fn each(
    list: &Path,
    take: &mut dyn FnMut(Entry) -> error::Result<()>,
) -> Result<(), ManifestError> {
    let input = Strings::new(open_regular(list)?.take(LONGEST));
    let mut failed = None;
    let mut parser = serde_json::Deserializer::from_reader(BufReader::new(input));
    let parsed = parser.deserialize_seq(Entries { take, failed: &mut failed }).and_then(|()| parser.end());
    match (failed, parsed) {
        (Some(error), _) => Err(ManifestError::Sink(error)),
        (None, Err(error)) => Err(ManifestError::NotThisFormat(format!(
            "the list of a folder in DVC's cache is none: line {}, column {}",
            error.line(),
            error.column()
        ))),
        (None, Ok(())) => Ok(()),
    }
}

fn sum(list: &Path) -> std::io::Result<String> {
    let mut input = open_regular(list)?;
    if input.metadata()?.len() > LONGEST {
        return Err(std::io::Error::other("it is longer than 1 GiB"));
    }
    let mut hasher = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// The files one by one: no list is held.
struct Entries<'a> {
    take: &'a mut dyn FnMut(Entry) -> error::Result<()>,
    failed: &'a mut Option<error::Error>,
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element::<Entry>()? {
            if let Err(error) = (self.take)(entry) {
                *self.failed = Some(error);
                return Err(de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
