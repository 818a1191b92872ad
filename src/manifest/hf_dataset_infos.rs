//! `dataset_infos.json` of the Hugging Face `datasets` library up to 2.x, and the `dataset_info.json` of its cache.
//!
//! For each configuration the file holds `download_checksums: {URL: {num_bytes, checksum}}`: what the loading script
//! downloaded, with its SHA-256 (datasets 1.18.3, `utils/info_utils.py`). The library compares them only if it is told to
//! (`verification_mode="all_checks"`); `checksum` is null where it did not record them. The files of the dataset itself
//! are not listed.

use std::collections::HashSet;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::json_walk::{Step, Walk, walk};
use super::labelled::Writing;
use super::{Context, ManifestError, ManifestFormat, download_subject, without_digest};
use crate::claim::{Claim, ClaimSink, Scope, SourceId, Unusable};

/// Downloads that are remembered, so that one which several configurations list counts once. More are counted each time.
const REMEMBERED: usize = 1 << 16;

/// The format of `dataset_infos.json`.
#[derive(Clone, Copy, Debug)]
pub struct HfDatasetInfos;

impl ManifestFormat for HfDatasetInfos {
    fn name(&self) -> &'static str {
        "hf-dataset-infos"
    }

    fn is_used_where_it_lies(&self) -> bool {
        false
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
        let of_info = has(b"\"features\"") || has(b"\"download_size\"") || has(b"\"dataset_size\"");
        head.trim_ascii_start().first() == Some(&b'{') && has(b"\"download_checksums\"") && of_info
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let mut reading =
            Reading { source: context.source, sink, ordinal: 0, claims: 0, seen: HashSet::new() };
        walk(input, &mut reading)?;
        if reading.claims == 0 {
            let why = "it lists no download with its URL: it was written without their checksums";
            return Err(ManifestError::NotThisFormat(why.to_owned()));
        }
        Ok(Scope::Named)
    }
}

/// A download.
#[derive(Deserialize)]
struct Download {
    #[serde(default)]
    num_bytes: Value,
    #[serde(default)]
    checksum: Value,
}

/// One run over a file.
struct Reading<'a> {
    source: SourceId,
    sink: &'a mut dyn ClaimSink,
    ordinal: u64,
    claims: u64,
    /// Digests of the downloads so far.
    seen: HashSet<[u8; 32]>,
}

impl Walk for Reading<'_> {
    type Entry = Download;
    const WHAT: &'static str = "Hugging Face's dataset_infos.json";

    fn step(&mut self, key: &str, depth: usize) -> Step {
        match (key, depth) {
            ("download_checksums", _) => Step::Entries,
            // The configurations; of a `dataset_info.json` nothing that holds downloads.
            (_, 0) => Step::Into,
            _ => Step::Skip,
        }
    }

    fn entry(&mut self, key: Option<String>, download: Download) -> Result<(), ManifestError> {
        self.ordinal += 1;
        let Some(url) = key else {
            return Ok(self.sink.reject(self.ordinal, "it has no URL".to_owned())?);
        };
        let Download { num_bytes, checksum } = download;
        let whole = Sha256::digest(format!("{url}\0{num_bytes}\0{checksum}"));
        if self.seen.contains::<[u8; 32]>(&whole.into()) {
            return Ok(());
        }
        if self.seen.len() < REMEMBERED {
            self.seen.insert(whole.into());
        }
        self.claims += 1;
        let mut claim = Claim::new(self.source, self.ordinal, download_subject(url.as_bytes(), &[]));
        claim.size = num_bytes.as_u64();
        claim = match (&checksum, &num_bytes) {
            (_, Value::String(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                Claim { unusable: Some(Unusable::Impossible("its size is not a number".to_owned())), ..claim }
            }
            (Value::String(text), _) => claim.labelled("sha256", text.as_bytes(), Writing::Hex),
            (Value::Null, _) => without_digest(claim),
            _ => {
                Claim { unusable: Some(Unusable::Impossible("its checksum is no text".to_owned())), ..claim }
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

    const SUM: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

    fn infos(content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&HfDatasetInfos, "dataset_infos.json", DigestSet::EMPTY, content.as_bytes())
    }

    fn config(downloads: &str) -> String {
        format!(
            r#"{{"features": {{"a": {{"download_checksums": 1}}}}, "download_checksums": {{{downloads}}}}}"#
        )
    }

    fn download(url: &str, checksum: &str) -> String {
        format!(r#""{url}": {{"num_bytes": 6, "checksum": {checksum}}}"#)
    }

    #[test]
    fn downloads_of_all_configurations_are_claims_of_urls() {
        let sum = format!("\"{SUM}\"");
        let first = config(&download("https://h.org/d/a.csv?raw=1", &sum));
        let second = config(&[download("https://h.org/d/b.csv", &sum), download("c.csv", "null")].join(", "));
        let (scope, kept) = infos(&format!(r#"{{"one": {first}, "two": {second}}}"#));
        assert_eq!(scope.unwrap(), Scope::Named);
        assert_eq!(kept.names(), ["url d/a.csv", "url d/b.csv", "url c.csv"]);
        assert_eq!(kept.claims[0].digests.strongest().unwrap().to_string(), format!("sha256:{SUM}"));
        assert!(kept.claims.iter().all(|c| c.size == Some(6)));
        assert!(kept.claims[2].digests.is_empty());
        // One of the cache, without a name around it.
        assert_eq!(infos(&first).1.names(), ["url d/a.csv"]);
    }

    #[test]
    fn one_download_in_several_configurations_counts_once_unless_its_values_differ() {
        let sum = format!("\"{SUM}\"");
        let same = config(&download("https://h.org/d/a.csv", &sum));
        let other = config(&download("https://h.org/d/a.csv", "null"));
        let lines = |text: &str| infos(text).1.claims.iter().map(|c| c.line).collect::<Vec<_>>();
        assert_eq!(lines(&format!(r#"{{"one": {same}, "two": {same}, "three": {other}}}"#)), [1, 3]);
    }

    #[test]
    fn values_that_cannot_be_right_are_impossible() {
        for checksum in ["\"md5\"", "7", &format!("\"{}\"", &SUM[..40])] {
            let (_, kept) = infos(&config(&download("https://h.org/d/a", checksum)));
            assert!(matches!(kept.claims[0].unusable, Some(Unusable::Impossible(_))), "{checksum}");
        }
        let (_, kept) = infos(&config(r#""https://h.org/d/a": {"num_bytes": "6", "checksum": null}"#));
        assert!(matches!(kept.claims[0].unusable, Some(Unusable::Impossible(_))));
    }

    #[test]
    fn without_a_download_it_cannot_be_used() {
        let reason = |text: &str| infos(text).0.unwrap_err().to_string();
        assert!(reason("{}").contains("no download"));
        assert!(reason(r#"{"a": {"download_checksums": null}}"#).contains("no download"));
        assert!(
            reason(r#"{"download_checksums": [{"num_bytes": 6, "checksum": null}]}"#).contains("no download")
        );
        assert!(reason(r#"{"a": {"download_checksums": {"u": 1}}}"#).contains("shape"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, at in 0usize..300) {
            let mut mangled = config(&download("https://h.org/d/a.csv", &format!("\"{SUM}\""))).into_bytes();
            mangled.truncate(at);
            mangled.extend_from_slice(&content);
            for content in [content, mangled] {
                let _ = read(&HfDatasetInfos, "x", DigestSet::EMPTY, &content);
                HfDatasetInfos.recognises(b"x", &content);
            }
        }

        #[test]
        fn a_text_cut_short_is_never_used(at in 1usize..150) {
            let whole = config(&download("https://h.org/d/a.csv", &format!("\"{SUM}\"")));
            prop_assert!(at >= whole.len() || infos(&whole[..at]).0.is_err());
        }
    }
}
