//! File trees of the Hugging Face Hub, as its tree API answers and as `hf download` keeps them on the disk.
//!
//! API (`GET /api/datasets/ID/tree/REVISION?recursive=true`): an array of `{type, oid, size, path, lfs?: {oid, size,
//! pointerSize}}`, in pages. On disk (huggingface_hub 2.4.0, `_tree_cache.py`): `trees/COMMIT.json`, an object
//! `{"format_version": 1, "files": {PATH: {size, blob_id, lfs_sha256?, lfs_size?}}}`. Where there is an LFS entry, its
//! `oid` is the SHA-256 of the content, and the outer one the git object name of the pointer; else the outer one is the
//! git object name of the content. Xet hashes are left alone.

mod entry;

use std::fmt;
use std::io::{BufRead, BufReader};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use self::entry::{ApiEntry, ApiLfs, Content, KeptEntry};
use super::{Context, ManifestError, ManifestFormat, begins_like_json, subject};
use crate::claim::{Claim, ClaimSink, Scope, SourceId};
use crate::digest::Digests;

/// The format of file trees of the Hub.
#[derive(Clone, Copy, Debug)]
pub struct HfTree;

impl ManifestFormat for HfTree {
    fn name(&self) -> &'static str {
        "hf-tree"
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
        let api = has(b"\"type\"") && has(b"\"oid\"") && has(b"\"path\"");
        let kept = has(b"\"format_version\"") && has(b"\"files\"");
        match head.trim_ascii_start().first() {
            Some(b'[') => api,
            Some(b'{') => kept && !api,
            _ => false,
        }
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let head = input.fill_buf()?;
        if head.is_empty() {
            return Err(not_this_format("it is empty"));
        }
        if !begins_like_json(head) {
            return Err(not_this_format("it does not begin with a JSON array or object"));
        }
        let mut reading = Reading { source: context.source, sink, ordinal: 0, claims: 0, failure: None };
        let mut json = serde_json::Deserializer::from_reader(BufReader::new(input));
        loop {
            if let Err(e) = Page(&mut reading).deserialize(&mut json) {
                return Err(reading.failure.take().unwrap_or_else(|| broken(e)));
            }
            match json.end() {
                Ok(()) => break,
                Err(e) if e.is_io() => return Err(broken(e)),
                // More follows: the next page.
                Err(_) => {}
            }
        }
        if reading.claims == 0 {
            return Err(not_this_format("it lists no file"));
        }
        Ok(Scope::Folder(Vec::new()))
    }
}

fn not_this_format(why: &str) -> ManifestError {
    ManifestError::NotThisFormat(why.to_owned())
}

/// Says where the JSON is broken. The parser's own message may hold a value and is not passed on.
fn broken(e: serde_json::Error) -> ManifestError {
    let (line, column) = (e.line(), e.column());
    match e.classify() {
        serde_json::error::Category::Io => ManifestError::Io(e.into()),
        serde_json::error::Category::Eof => not_this_format("its JSON ends in the middle; fetch it again"),
        serde_json::error::Category::Syntax => {
            ManifestError::NotThisFormat(format!("its JSON is broken at line {line}, column {column}"))
        }
        serde_json::error::Category::Data => ManifestError::NotThisFormat(format!(
            "it is JSON, but at line {line}, column {column} not of the shape of a Hugging Face tree"
        )),
    }
}

/// One run over a file.
struct Reading<'a> {
    source: SourceId,
    sink: &'a mut dyn ClaimSink,
    ordinal: u64,
    claims: u64,
    /// Why parsing was stopped from inside.
    failure: Option<ManifestError>,
}

impl Reading<'_> {
    fn api_entry(&mut self, entry: ApiEntry) -> Result<(), ManifestError> {
        self.ordinal += 1;
        match entry.kind.as_str() {
            Some("directory") => return Ok(()),
            Some("file") => {}
            _ => {
                return Ok(self
                    .sink
                    .reject(self.ordinal, "it is neither a file nor a directory".to_owned())?);
            }
        }
        let Some(path) = entry.path.as_str() else {
            return Ok(self.sink.reject(self.ordinal, "it has no path".to_owned())?);
        };
        self.file(path, &Content { oid: &entry.oid, size: &entry.size, lfs: entry.lfs })
    }

    fn kept_entry(&mut self, path: &str, entry: KeptEntry) -> Result<(), ManifestError> {
        self.ordinal += 1;
        let KeptEntry { size, blob_id, lfs_sha256, lfs_size } = entry;
        let lfs = (!lfs_sha256.is_null()).then_some(ApiLfs {
            oid: lfs_sha256,
            size: lfs_size,
            pointer_size: Value::Null,
        });
        self.file(path, &Content { oid: &blob_id, size: &size, lfs })
    }

    fn file(&mut self, path: &str, content: &Content<'_>) -> Result<(), ManifestError> {
        let (digests, unusable) = match content.digest() {
            Ok(digest) => (Digests::from_iter([digest]), None),
            Err(why) => (Digests::new(), Some(why)),
        };
        self.claims += 1;
        self.sink.claim(Claim {
            size: content.size(),
            digests,
            unusable,
            ..Claim::new(self.source, self.ordinal, subject(path.as_bytes()))
        })?;
        Ok(())
    }
}

/// One JSON value of the file: a page of the API's answer, or the tree as it is kept on the disk.
struct Page<'r, 'a>(&'r mut Reading<'a>);

impl<'de> DeserializeSeed<'de> for Page<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Page<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tree of the Hub")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element::<ApiEntry>()? {
            let taken = self.0.api_entry(entry);
            stop_on_error(&mut self.0.failure, taken)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut version, mut files) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            let checked = match key.as_str() {
                "format_version" => {
                    version = true;
                    check_version(&map.next_value()?)
                }
                "files" => {
                    files = true;
                    map.next_value_seed(KeptFiles(&mut *self.0))?;
                    Ok(())
                }
                "siblings" => Err(not_this_format(
                    "it is the Hub's description of a repository, which has no digests; fetch its file tree \
                     (`/api/datasets/ID/tree/REVISION?recursive=true`)",
                )),
                "error" => {
                    Err(not_this_format("it is an error message of the Hub; fetch the file tree again"))
                }
                _ => map.next_value::<IgnoredAny>().map(|_| Ok(()))?,
            };
            stop_on_error(&mut self.0.failure, checked)?;
        }
        let whole = if version && files { Ok(()) } else { Err(not_this_format(NO_TREE)) };
        stop_on_error(&mut self.0.failure, whole)
    }
}

const NO_TREE: &str = "it is JSON, but not of the shape of a Hugging Face tree";

fn check_version(version: &Value) -> Result<(), ManifestError> {
    if version.as_u64() == Some(1) {
        return Ok(());
    }
    Err(not_this_format(
        "its format_version is not 1, the only one known; give the answer of the Hub's tree API as manifest instead",
    ))
}

/// The `files` of a tree on the disk.
struct KeptFiles<'r, 'a>(&'r mut Reading<'a>);

impl<'de> DeserializeSeed<'de> for KeptFiles<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeptFiles<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("files by path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut files: A) -> Result<(), A::Error> {
        while let Some((path, entry)) = files.next_entry::<String, KeptEntry>()? {
            let taken = self.0.kept_entry(&path, entry);
            stop_on_error(&mut self.0.failure, taken)?;
        }
        Ok(())
    }
}

/// Keeps an error of ours beside the parser, which knows only its own.
fn stop_on_error<E: de::Error>(
    failure: &mut Option<ManifestError>,
    result: Result<(), ManifestError>,
) -> Result<(), E> {
    result.map_err(|e| {
        *failure = Some(e);
        E::custom("stopped")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::claim::Unusable;
    use crate::digest::DigestSet;

    /// From the conformance suite `hf-tree/ok`.
    const LFS: &str = r#"{"type": "file", "oid": "110ce42a059ec37e16f345cc884a9cfe2a793355", "size": 208, "lfs": {"oid":
        "22db654d134538ed471dc0c745a04b52e6ce4cb1ca7f75b87638ef51e14ef76e", "size": 208, "pointerSize": 128},
        "xetHash": "c9207e13c3398b770ac67e24858a517ed372c5508dfac55a2545fec59812deab", "path": "data/a.parquet"}"#;
    const GIT: &str =
        r#"{"type": "file", "oid": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "size": 0, "path": "e"}"#;
    const DIR: &str =
        r#"{"type": "directory", "oid": "a17c9aaa61e80a1bf71d0d850af4e5baa9800bbd", "path": "data"}"#;
    const KEPT: &str = r#"{"format_version": 1, "files": {"data/a.parquet": {"size": 208, "blob_id":
        "110ce42a059ec37e16f345cc884a9cfe2a793355", "lfs_sha256":
        "22db654d134538ed471dc0c745a04b52e6ce4cb1ca7f75b87638ef51e14ef76e", "lfs_size": 208}}}"#;

    fn tree(content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&HfTree, "tree.json", DigestSet::EMPTY, content.as_bytes())
    }

    fn algorithms(kept: &Kept) -> Vec<&'static str> {
        kept.claims.iter().map(|c| c.digests.strongest().map_or("none", |d| d.algorithm().name())).collect()
    }

    #[test]
    fn entries_of_the_api_in_one_page_or_several() {
        for content in [
            format!("[{DIR},{LFS},{GIT}]"),
            format!(" [{DIR},{LFS}]\n[{GIT}]\n"),
            format!("[{DIR},{LFS}][{GIT}]"),
        ] {
            let (scope, kept) = tree(&content);
            assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
            assert_eq!(kept.paths(), ["data/a.parquet", "e"]);
            assert_eq!(algorithms(&kept), ["sha256", "git_blob"]);
            assert_eq!(
                kept.claims.iter().map(|c| (c.line, c.size)).collect::<Vec<_>>(),
                [(2, Some(208)), (3, Some(0))]
            );
        }
    }

    #[test]
    fn the_tree_on_the_disk() {
        let (scope, kept) = tree(KEPT);
        assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
        assert_eq!((algorithms(&kept), kept.claims[0].size), (vec!["sha256"], Some(208)));
        let reason = |content: &str| tree(content).0.unwrap_err().to_string();
        assert!(reason(&KEPT.replace(": 1,", ": 2,")).contains("tree API"));
        assert!(reason(r#"{"files": {}}"#).contains("shape"));
        assert!(reason(r#"{"format_version": 1, "files": {}}"#).contains("no file"));
    }

    #[test]
    fn an_lfs_entry_must_agree_with_its_pointer() {
        let unusable = |content: String| tree(&content).1.claims[0].unusable.clone();
        assert_eq!(unusable(format!("[{LFS}]")), None);
        for (from, to) in [
            ("22db654d", "22db654e"),
            ("110ce42a", "110ce42b"),
            ("\"size\": 208, \"pointerSize\"", "\"size\": 209, \"pointerSize\""),
            ("22db654d", "22db654"),
        ] {
            let why = unusable(format!("[{}]", LFS.replacen(from, to, 1)));
            assert!(
                matches!(&why, Some(Unusable::Impossible(why)) if !why.contains("22db")),
                "{from}: {why:?}"
            );
        }
        let by_hand = LFS.replacen("110ce42a", "110ce42b", 1).replace("128", "127");
        assert_eq!(unusable(format!("[{by_hand}]")), None, "the text of such a pointer is not known");
        let kept = tree(&KEPT.replacen("110ce42a", "110ce42b", 1)).1;
        assert!(matches!(kept.claims[0].unusable, Some(Unusable::Impossible(_))));
    }

    #[test]
    fn odd_entries_are_rejected_and_the_rest_is_read() {
        let (_, kept) = tree(&format!(r#"[{{"type": "commit"}}, {{"type": "file", "path": 3}}, {GIT}]"#));
        assert_eq!(kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(kept.claims[0].line, 3);
    }

    #[test]
    fn what_is_no_tree_says_so_without_its_content() {
        let reason = |content: &str| tree(content).0.unwrap_err().to_string();
        assert_eq!(reason(""), "it is empty");
        assert!(reason("[").contains("ends in the middle"));
        assert!(reason(&format!("[{GIT}")).contains("ends in the middle"));
        assert!(reason("[1, x]").contains("shape"));
        assert!(reason(&format!("[{GIT} x")).contains("broken"));
        assert!(reason(r#"{"siblings": []}"#).contains("no digests"));
        assert!(reason(r#"{"error": "x"}"#).contains("error message"));
        assert!(reason("5891 a").contains("array or object"));
        let twice = GIT.replace("\"size\"", "\"oid\": \"secret\", \"size\"");
        assert!(!reason(&format!("[{twice}]")).contains("secret"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, at in 0usize..400) {
            let mut mangled = format!("[{LFS}]").into_bytes();
            mangled.truncate(at);
            mangled.extend_from_slice(&content);
            for content in [content, mangled] {
                let _ = read(&HfTree, "x", DigestSet::EMPTY, &content);
                HfTree.recognises(b"x", &content);
            }
        }
    }
}
