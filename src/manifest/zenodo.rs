//! Records of Zenodo and other InvenioRDM repositories, as their API answers.
//!
//! `GET /api/records/ID`: `files: [{key, size, checksum: "md5:HEX"}]`; `GET /api/records/ID/files` and an exported record:
//! `entries`, an array or an object by name, of the same; a deposition's files: `[{filename, filesize, checksum: HEX}]`.
//! A record lists its files completely. Zenodo gives MD5 only, which shows damage, not tampering.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::json_walk::{Step, Walk, walk};
use super::labelled::Writing;
use super::{Context, ManifestError, ManifestFormat, subject, without_digest};
use crate::claim::{Claim, ClaimSink, Scope, SourceId, Unusable};

/// The format of records of Zenodo.
#[derive(Clone, Copy, Debug)]
pub struct Zenodo;

impl ManifestFormat for Zenodo {
    fn name(&self) -> &'static str {
        "zenodo"
    }

    fn is_used_where_it_lies(&self) -> bool {
        false
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
        let of_record = has(b"\"key\"") && has(b"\"size\"") && (has(b"\"files\"") || has(b"\"entries\""));
        let of_deposition = has(b"\"filename\"") && has(b"\"filesize\"") && !has(b"\"dataFile\"");
        super::begins_like_json(head) && has(b"\"checksum\"") && (of_record || of_deposition)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let mut reading = Reading { source: context.source, sink, ordinal: 0, claims: 0, count: None };
        walk(input, &mut reading)?;
        if reading.claims == 0 {
            let why = "it lists no file: those of a restricted record are listed to its owners only";
            return Err(ManifestError::NotThisFormat(why.to_owned()));
        }
        if let Some(count) = reading.count.filter(|count| *count != reading.ordinal) {
            let why = format!("it says that it has {count} files, and lists {}", reading.ordinal);
            sink.broken(None, why)?;
        }
        Ok(Scope::Folder(Vec::new()))
    }
}

/// A file of a record.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    key: Value,
    #[serde(default)]
    filename: Value,
    #[serde(default)]
    size: Value,
    #[serde(default)]
    filesize: Value,
    #[serde(default)]
    checksum: Value,
}

/// One run over a file.
struct Reading<'a> {
    source: SourceId,
    sink: &'a mut dyn ClaimSink,
    ordinal: u64,
    claims: u64,
    /// How many files the record says it has.
    count: Option<u64>,
}

impl Walk for Reading<'_> {
    type Entry = File;
    const WHAT: &'static str = "a record of Zenodo";

    fn step(&mut self, key: &str, depth: usize) -> Step {
        match (key, depth) {
            ("files", 0) => Step::Either,
            ("entries", 0 | 1) => Step::Entries,
            ("count", 1) => Step::Value,
            ("hits", 0) => Step::Value,
            _ => Step::Skip,
        }
    }

    fn value(&mut self, key: &str, value: Value) -> Result<(), ManifestError> {
        if key == "hits" {
            let why = "it is a list of records; give one record as manifest (`/api/records/ID`)";
            return Err(ManifestError::NotThisFormat(why.to_owned()));
        }
        self.count = value.as_u64();
        Ok(())
    }

    fn entry(&mut self, key: Option<String>, file: File) -> Result<(), ManifestError> {
        self.ordinal += 1;
        let File { key: own, filename, size, filesize, checksum } = file;
        let name = [own.as_str(), filename.as_str(), key.as_deref()].into_iter().flatten().next();
        let Some(name) = name else {
            return Ok(self.sink.reject(self.ordinal, "it has no name".to_owned())?);
        };
        self.claims += 1;
        let claim = Claim::new(self.source, self.ordinal, subject(name.as_bytes()));
        let size = if size.is_null() { filesize } else { size };
        let claim = match (whole(&size), &size) {
            (None, Value::Null) => labelled(claim, &checksum),
            (None, _) => impossible(claim, "its size is not a number"),
            (size, _) => labelled(Claim { size, ..claim }, &checksum),
        };
        Ok(self.sink.claim(claim)?)
    }
}

/// `md5:HEX`, or the MD5 alone in answers about depositions.
fn labelled(claim: Claim, checksum: &Value) -> Claim {
    match checksum {
        Value::Null => without_digest(claim),
        Value::String(text) => {
            let (label, text) = text.split_once(':').unwrap_or(("md5", text));
            claim.labelled(label, text.as_bytes(), Writing::Hex)
        }
        _ => impossible(claim, "its checksum is no text"),
    }
}

fn impossible(claim: Claim, why: &str) -> Claim {
    Claim { unusable: Some(Unusable::Impossible(why.to_owned())), ..claim }
}

/// A size: depositions of some time write whole numbers as `1.0`.
fn whole(size: &Value) -> Option<u64> {
    size.as_u64().or_else(|| {
        let float = size.as_f64().filter(|f| f.fract() == 0.0 && (0.0..9e15).contains(f))?;
        Some(float as u64)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::digest::DigestSet;

    const MD5: &str = "b1946ac92492d2347c6235b4d2611184";

    fn zenodo(content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&Zenodo, "record.json", DigestSet::EMPTY, content.as_bytes())
    }

    fn record() -> String {
        let file = |key: &str| {
            let links = r#"{"self": "https://zenodo.org/api/records/1/files/x/content"}"#;
            format!(r#"{{"id": "0", "key": "{key}", "size": 6, "checksum": "md5:{MD5}", "links": {links}}}"#)
        };
        let files = [file("a.csv"), file("d/b c.csv")].join(", ");
        format!(r#"{{"id": 1, "metadata": {{"files": [3], "title": "t"}}, "files": [{files}]}}"#)
    }

    #[test]
    fn answers_of_all_shapes_list_the_same() {
        let entry = format!(r#""size": 6, "checksum": "md5:{MD5}""#);
        for text in [
            record(),
            format!(
                r#"{{"enabled": true, "entries": [{{"key": "a.csv", {entry}}}, {{"key": "d/b c.csv", {entry}}}]}}"#
            ),
            format!(
                r#"{{"files": {{"count": 2, "entries": {{"a.csv": {{"key": "a.csv", {entry}}}, "d/b c.csv":
                {{{entry}}}}}}}}}"#
            ),
            format!(
                r#"[{{"filename": "a.csv", "filesize": 6, "checksum": "{MD5}"}},
                {{"filename": "d/b c.csv", "filesize": 6.0, "checksum": "{MD5}"}}]"#
            ),
        ] {
            assert!(Zenodo.recognises(b"x.json", text.as_bytes()), "{text}");
            let (scope, kept) = zenodo(&text);
            assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
            assert_eq!(kept.paths(), ["a.csv", "d/b c.csv"]);
            assert!(kept.claims.iter().all(|c| c.size == Some(6) && c.unusable.is_none()));
            assert_eq!(kept.claims[0].digests.strongest().unwrap().to_string(), format!("md5:{MD5}"));
            assert!(kept.rejected.is_empty() && kept.broken.is_empty());
        }
    }

    #[test]
    fn a_list_that_is_not_whole_breaks_its_own_rules() {
        let entry = format!(r#"{{"key": "a", "size": 6, "checksum": "md5:{MD5}"}}"#);
        let (_, kept) = zenodo(&format!(r#"{{"files": {{"count": 2, "entries": [{entry}]}}}}"#));
        assert_eq!(kept.broken, [(None, "it says that it has 2 files, and lists 1".to_owned())]);
    }

    #[test]
    fn odd_files_are_told() {
        let (_, kept) = zenodo(&format!(
            r#"{{"files": [{{"size": 6}}, {{"key": "a", "size": "6", "checksum": "md5:{MD5}"}}, {{"key": "b",
            "checksum": "md5:"}}, {{"key": "c", "checksum": "whirlpool:{MD5}"}}, {{"key": "../d"}}]}}"#
        ));
        assert_eq!(kept.rejected, [(1, "it has no name".to_owned())]);
        assert!(matches!(kept.claims[0].unusable, Some(Unusable::Impossible(_))));
        assert!(matches!(kept.claims[1].unusable, Some(Unusable::NotComputable(_))));
        assert!(matches!(kept.claims[2].unusable, Some(Unusable::NotComputable(_))));
        assert_eq!(kept.names()[3], "refused");
    }

    #[test]
    fn what_is_no_record_says_so() {
        let reason = |text: &str| zenodo(text).0.unwrap_err().to_string();
        assert!(reason("{}").contains("restricted"));
        assert!(reason(r#"{"hits": {"hits": []}}"#).contains("one record"));
        assert!(reason(r#"{"files": [1]}"#).contains("not of the shape of a record of Zenodo"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, at in 0usize..400) {
            let mut mangled = record().into_bytes();
            mangled.truncate(at);
            mangled.extend_from_slice(&content);
            for content in [content, mangled] {
                let _ = read(&Zenodo, "x", DigestSet::EMPTY, &content);
                Zenodo.recognises(b"x", &content);
            }
        }

        #[test]
        fn a_record_cut_short_is_never_used(at in 0usize..400) {
            let whole = record();
            prop_assert!(at >= whole.len() || zenodo(&whole[..at]).0.is_err());
        }
    }
}
