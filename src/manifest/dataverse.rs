//! Datasets of Dataverse, as its API answers and as it exports them (`dataverse_json`).
//!
//! `GET /api/datasets/ID`: `data.latestVersion.files[]`; `…/versions/V`: `data.files[]`; `…/versions/V/files`: `data[]`;
//! the export: `datasetVersion.files[]`. Each is `{label, directoryLabel, dataFile: {filename, filesize, md5, checksum:
//! {type, value}}}`. A dataset lists its files completely.
//!
//! A table that Dataverse took in exists twice: as `x.tab`, which it made, and as the file that was uploaded
//! (`originalFileName`, `originalFileSize`). The digest is that of the upload (IQSS/dataverse#7275), the size that of the
//! `.tab` as it is stored, which may lack the header line that a download has (IQSS/dataverse#9501). So of `x.tab` nothing
//! can be compared, and the upload can be, where it lies beside the manifest in place of `x.tab`.

use std::ffi::OsStr;
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::json_walk::{Step, Walk, walk};
use super::labelled::Writing;
use super::{Context, ManifestError, ManifestFormat, subject, without_digest};
use crate::claim::{Claim, ClaimSink, Scope, SourceId, Subject, Unusable};
use crate::locator::Escaped;

/// The format of datasets of Dataverse.
#[derive(Clone, Copy, Debug)]
pub struct Dataverse;

impl ManifestFormat for Dataverse {
    fn name(&self) -> &'static str {
        "dataverse"
    }

    fn is_used_where_it_lies(&self) -> bool {
        false
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
        // The files come after the description, which may be long.
        let begins = has(b"\"latestVersion\"") || has(b"\"datasetVersion\"");
        super::begins_like_json(head) && (has(b"\"dataFile\"") || begins && has(b"\"storageIdentifier\""))
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let folder = context.path.parent();
        let mut reading =
            Reading { source: context.source, sink, folder, ordinal: 0, claims: 0, count: None };
        walk(input, &mut reading)?;
        if reading.claims == 0 {
            return Err(ManifestError::NotThisFormat("it lists no file".to_owned()));
        }
        if let Some(count) = reading.count.filter(|count| *count != reading.ordinal) {
            let why =
                format!("it says that it has {count} files, and lists {}: fetch all pages", reading.ordinal);
            sink.broken(None, why)?;
        }
        Ok(Scope::Folder(Vec::new()))
    }
}

/// A file of a dataset.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    label: Value,
    #[serde(default)]
    directory_label: Value,
    data_file: Option<DataFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DataFile {
    #[serde(default)]
    filename: Value,
    #[serde(default)]
    filesize: Value,
    #[serde(default)]
    md5: Value,
    #[serde(default)]
    checksum: Option<Checksum>,
    #[serde(default)]
    original_file_format: Value,
    #[serde(default)]
    original_file_name: Value,
    #[serde(default)]
    original_file_size: Value,
}

#[derive(Deserialize)]
struct Checksum {
    #[serde(default)]
    r#type: Value,
    #[serde(default)]
    value: Value,
}

impl DataFile {
    /// The claim with every digest that the entry gives, and this size.
    fn digests(&self, mut claim: Claim, size: &Value) -> Claim {
        claim.size = size.as_u64();
        if claim.size.is_none() && !size.is_null() {
            return impossible(claim, "its size is not a number");
        }
        if self.md5.is_null() && self.checksum.is_none() {
            return without_digest(claim);
        }
        if let Some(Checksum { r#type, value }) = &self.checksum {
            claim = match (r#type.as_str(), value.as_str()) {
                (Some(label), Some(text)) => claim.labelled(label, text.as_bytes(), Writing::Hex),
                _ => return impossible(claim, "its checksum has no type or no value"),
            };
        }
        match &self.md5 {
            Value::Null => claim,
            Value::String(text) => claim.labelled("md5", text.as_bytes(), Writing::Hex),
            _ => impossible(claim, "its MD5 is no text"),
        }
    }

    /// Whether Dataverse made the file from one that was uploaded.
    fn is_derived(&self) -> bool {
        !self.original_file_format.is_null() || !self.original_file_name.is_null()
    }
}

fn impossible(claim: Claim, why: &str) -> Claim {
    Claim { unusable: Some(Unusable::Impossible(why.to_owned())), ..claim }
}

/// One run over a file.
struct Reading<'a> {
    source: SourceId,
    sink: &'a mut dyn ClaimSink,
    /// Where the manifest lies.
    folder: Option<&'a Path>,
    ordinal: u64,
    claims: u64,
    /// How many files the answer says there are.
    count: Option<u64>,
}

impl Walk for Reading<'_> {
    type Entry = File;
    const WHAT: &'static str = "a dataset of Dataverse";

    fn step(&mut self, key: &str, depth: usize) -> Step {
        match (key, depth) {
            ("data", 0) => Step::Either,
            ("latestVersion" | "datasetVersion", 0 | 1) => Step::Into,
            ("files", 0..=2) => Step::Entries,
            ("totalCount", 0) => Step::Value,
            _ => Step::Skip,
        }
    }

    fn value(&mut self, _key: &str, value: Value) -> Result<(), ManifestError> {
        self.count = value.as_u64();
        Ok(())
    }

    fn entry(&mut self, _key: Option<String>, file: File) -> Result<(), ManifestError> {
        self.ordinal += 1;
        let Some(data) = file.data_file else {
            return Ok(self.sink.reject(self.ordinal, "it is no file: it has no dataFile".to_owned())?);
        };
        // The label is the name in this version of the dataset.
        let Some(name) = file.label.as_str().or(data.filename.as_str()) else {
            return Ok(self.sink.reject(self.ordinal, "it has no name".to_owned())?);
        };
        self.claims += 1;
        let folder = file.directory_label.as_str().unwrap_or_default();
        let claim = |name: &str| {
            let name = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            Claim::new(self.source, self.ordinal, subject(name.as_bytes()))
        };
        if !data.is_derived() {
            let claim = data.digests(claim(name), &data.filesize);
            return Ok(self.sink.claim(claim)?);
        }
        let original = data.original_file_name.as_str();
        let as_uploaded = original.map(&claim).filter(|original| {
            let lies_there = |claim: &Claim| match (&claim.subject, self.folder) {
                (Subject::Path(path), Some(folder)) => {
                    folder.join(OsStr::from_bytes(path.as_bytes())).symlink_metadata().is_ok()
                }
                _ => false,
            };
            lies_there(original) && !lies_there(&claim(name))
        });
        let claim = match as_uploaded {
            Some(original) => data.digests(original, &data.original_file_size),
            None => {
                let of = original
                    .map_or("the uploaded file".to_owned(), |name| Escaped(name.as_bytes()).to_string());
                let why = format!(
                    "Dataverse made it from {of}, and gives the digest of that one only; download the original and \
                     keep the manifest beside it"
                );
                Claim { unusable: Some(Unusable::NotComputable(why)), ..claim(name) }
            }
        };
        Ok(self.sink.claim(claim)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::digest::DigestSet;

    const MD5: &str = "b1946ac92492d2347c6235b4d2611184";

    fn dataverse(content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&Dataverse, "dataset.json", DigestSet::EMPTY, content.as_bytes())
    }

    fn file() -> String {
        format!(
            r#"{{"label": "a.csv", "directoryLabel": "d", "dataFile": {{"filename": "old.csv", "filesize": 6,
            "storageIdentifier": "s", "md5": "{MD5}", "checksum": {{"type": "MD5", "value": "{MD5}"}}}}}}"#
        )
    }

    fn table() -> String {
        format!(
            r#"{{"label": "t.tab", "dataFile": {{"filename": "t.tab", "filesize": 9, "originalFileFormat":
            "application/x-stata", "originalFileName": "t.dta", "originalFileSize": 6, "md5": "{MD5}", "checksum":
            {{"type": "MD5", "value": "{MD5}"}}}}}}"#
        )
    }

    #[test]
    fn answers_of_all_shapes_list_the_same() {
        let file = file();
        for text in [
            format!(r#"{{"status": "OK", "data": {{"id": 1, "latestVersion": {{"files": [{file}]}}}}}}"#),
            format!(r#"{{"status": "OK", "data": {{"files": [{file}]}}}}"#),
            format!(r#"{{"status": "OK", "totalCount": 1, "data": [{file}]}}"#),
            format!(r#"{{"id": 1, "datasetVersion": {{"files": [{file}]}}}}"#),
        ] {
            assert!(Dataverse.recognises(b"x.json", text.as_bytes()), "{text}");
            let (scope, kept) = dataverse(&text);
            assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
            assert_eq!(kept.paths(), ["d/a.csv"]);
            assert_eq!((kept.claims[0].size, kept.claims[0].unusable.clone()), (Some(6), None));
            assert_eq!(kept.claims[0].digests.strongest().unwrap().to_string(), format!("md5:{MD5}"));
            assert!(kept.rejected.is_empty() && kept.broken.is_empty());
        }
    }

    #[test]
    fn the_digest_of_a_table_is_that_of_the_upload() {
        let text = format!(r#"{{"data": [{}]}}"#, table());
        let folder = tempfile::tempdir().unwrap();
        let claim = |names: &[&str]| {
            for name in names {
                std::fs::write(folder.path().join(name), "x").unwrap();
            }
            let mut kept = Kept::default();
            let path = folder.path().join("dataset.json");
            let context = Context {
                source: SourceId(0),
                file_name: b"dataset.json",
                path: &path,
                declared: DigestSet::EMPTY,
            };
            Dataverse.read(&mut text.as_bytes(), &context, &mut kept).unwrap();
            (kept.paths()[0].clone(), kept.claims[0].size, kept.claims[0].unusable.is_none())
        };
        assert_eq!(claim(&[]), ("t.tab".to_owned(), None, false));
        assert_eq!(claim(&["t.dta"]), ("t.dta".to_owned(), Some(6), true));
        assert_eq!(claim(&["t.tab"]), ("t.tab".to_owned(), None, false));
    }

    #[test]
    fn odd_files_are_told() {
        let odd = file().replace(MD5, "none");
        let two = file().replacen(MD5, "a1946ac92492d2347c6235b4d2611184", 1);
        let bare = r#"{"label": "b", "dataFile": {"filesize": 1}}"#;
        let sha1 = r#"{"label": "c", "dataFile": {"checksum": {"type": "SHA-1", "value":
            "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"}}}"#;
        let text = format!(r#"{{"totalCount": 9, "data": [{odd}, {two}, {bare}, {{"files": []}}, {sha1}]}}"#);
        let (_, kept) = dataverse(&text);
        let unusable = |at: usize| kept.claims[at].unusable.as_ref();
        assert!(matches!(unusable(0), Some(Unusable::Impossible(_))));
        assert!(matches!(unusable(1), Some(Unusable::Impossible(_))));
        assert!(unusable(2).is_none() && kept.claims[2].digests.is_empty() && kept.claims[2].size == Some(1));
        assert!(unusable(3).is_none() && kept.claims[3].line == 5);
        assert_eq!(kept.rejected[0].0, 4);
        assert_eq!(kept.broken.len(), 1);
        let reason = |text: &str| dataverse(text).0.unwrap_err().to_string();
        assert!(reason(r#"{"data": {"files": []}}"#).contains("no file"));
        assert!(reason(r#"{"data": [3]}"#).contains("not of the shape of a dataset of Dataverse"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, at in 0usize..400) {
            let mut mangled = format!(r#"{{"data": [{}, {}]}}"#, file(), table()).into_bytes();
            mangled.truncate(at);
            mangled.extend_from_slice(&content);
            for content in [content, mangled] {
                let _ = read(&Dataverse, "x", DigestSet::EMPTY, &content);
                Dataverse.recognises(b"x", &content);
            }
        }

        #[test]
        fn an_answer_cut_short_is_never_used(at in 0usize..500) {
            let whole = format!(r#"{{"data": [{}, {}]}}"#, file(), table());
            prop_assert!(at >= whole.len() || dataverse(&whole[..at]).0.is_err());
        }
    }
}
