//! Lists of downloads and descriptions of datasets, against what other programs read in them and against real datasets.
//!
//! The suites and the datasets lie below the folder named by `SHARDPROOF_SHARED` (default: `../shared`).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{run, shared, verifying};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use shardproof::audit::{Report, SourceSpec};
use shardproof::check::balance::ClaimClass;
use shardproof::claim::{Claim, ClaimSink, Scope, SourceId, Unusable};
use shardproof::digest::{Algorithm, DigestSet};
use shardproof::error;
use shardproof::manifest::{Context, ManifestError, by_name, recognise};

#[derive(Default)]
struct Kept {
    claims: Vec<Claim>,
    uncheckable: BTreeMap<u64, (String, Unusable)>,
    rejected: Vec<u64>,
}

impl ClaimSink for Kept {
    fn claim(&mut self, claim: Claim) -> error::Result<()> {
        self.claims.push(claim);
        Ok(())
    }

    fn reject(&mut self, line: u64, _reason: String) -> error::Result<()> {
        self.rejected.push(line);
        Ok(())
    }

    fn uncheckable(&mut self, line: u64, name: &[u8], why: Unusable) -> error::Result<()> {
        self.uncheckable.insert(line, (String::from_utf8(name.to_vec()).unwrap(), why));
        Ok(())
    }

    fn broken(&mut self, _line: Option<u64>, reason: String) -> error::Result<()> {
        panic!("{reason}")
    }
}

/// Reads a file that must be recognised as one of this format.
fn read(format: &str, path: &Path) -> (Result<Scope, ManifestError>, Kept) {
    let content = fs::read(path).unwrap();
    let file_name = path.file_name().unwrap().as_encoded_bytes();
    let head = &content[..content.len().min(1 << 16)];
    let found = recognise(file_name, head).map(|format| format.name());
    assert_eq!(found, Some(format), "{}", path.display());
    let mut kept = Kept::default();
    let context = Context { source: SourceId(0), file_name, path, declared: DigestSet::EMPTY };
    let scope = by_name(format).unwrap().read(&mut content.as_slice(), &context, &mut kept);
    (scope, kept)
}

fn expected(suite: &Path) -> Vec<(String, Value)> {
    let text = fs::read_to_string(suite.join("expected.json")).unwrap();
    let Value::Object(cases) = serde_json::from_str(&text).unwrap() else { panic!("no object") };
    cases.into_iter().collect()
}

#[test]
#[ignore = "needs the conformance suites"]
fn checksums_of_tfds_are_taken_apart_as_tfds_does() {
    let suite = shared("conformance/manifests/tfds-checksums");
    let cases = expected(&suite);
    assert_eq!(cases.len(), 12);
    for (name, expected) in cases {
        let path = suite.join(&name);
        let (scope, kept) = read("tfds", &path);
        let count = |key: &str| expected[key].as_u64().unwrap();
        assert_eq!(scope.is_ok(), count("entries") > 0, "{name}");
        assert_eq!(kept.claims.len() as u64, count("entries"), "{name}");
        assert!(kept.rejected.is_empty(), "{name}");
        assert_eq!(kept.claims.iter().map(|c| c.size.unwrap()).sum::<u64>(), count("total_bytes"), "{name}");
        let empty = kept.claims.iter().filter(|c| matches!(c.unusable, Some(Unusable::NotComputable(_))));
        assert_eq!(empty.count() as u64, count("empty_checksum"), "{name}");
        // Of the URL only the path is kept in a claim; the line says which it was.
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut triples: Vec<(String, u64, String)> = kept
            .claims
            .iter()
            .map(|claim| {
                let url = lines[claim.line as usize - 1].split(['\t', ' ']).next().unwrap().to_owned();
                let sum = claim.digests.of(Algorithm::Sha256).map(|d| hex(d.bytes()));
                (url, claim.size.unwrap(), sum.unwrap_or_default())
            })
            .collect();
        triples.sort();
        let joined: Vec<String> =
            triples.iter().map(|(u, size, sum)| format!("{u}\t{size}\t{sum}")).collect();
        assert_eq!(expected["sha256_of_sorted_triples"], hex(&Sha256::digest(joined.join("\n"))), "{name}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What is said of an entry of a Croissant file: the class of its digest, in the words of the suite.
fn digest_class(kept: &Kept, line: u64, text: &str) -> &'static str {
    let claim = kept.claims.iter().find(|claim| claim.line == line);
    let unusable =
        claim.and_then(|c| c.unusable.as_ref()).or(kept.uncheckable.get(&line).map(|(_, why)| why));
    match (claim.and_then(|claim| claim.digests.strongest()), unusable) {
        (Some(digest), None) if digest.algorithm() == Algorithm::Sha256 => "sha256",
        (Some(digest), None) if digest.algorithm() == Algorithm::Md5 && text.ends_with('=') => "md5-base64",
        (Some(digest), None) if digest.algorithm() == Algorithm::Md5 => "md5",
        (None, Some(Unusable::Impossible(_))) => match claim.and_then(|claim| claim.doubtful.as_ref()) {
            Some(bytes) if bytes.len() == 16 => "placeholder-32hex-in-sha256",
            _ => "placeholder",
        },
        (None, Some(Unusable::NotComputable(_))) => "none",
        other => panic!("{other:?}"),
    }
}

/// The findings of a report on an entry, as codes.
fn told(report: &Report) -> BTreeMap<u64, Vec<String>> {
    let mut all: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for finding in report.findings() {
        let finding = finding.unwrap();
        all.entry(finding.line.unwrap()).or_default().push(finding.code.name().to_owned());
    }
    all
}

#[test]
#[ignore = "needs the conformance suites"]
fn croissant_cases_come_out_as_recomputed() {
    let suite = shared("conformance/manifests/croissant");
    let cases = expected(&suite);
    assert_eq!(cases.len(), 54);
    let mut files = 0;
    for (case, expected) in cases {
        let folder = suite.join(&case);
        let path = folder.join(expected["json"].as_str().unwrap());
        let (scope, kept) = read("croissant", &path);
        let entries = expected["file_objects"].as_array().unwrap();
        let sets = expected["file_sets"].as_u64().unwrap();
        if entries.is_empty() && sets == 0 {
            assert!(matches!(scope, Err(ManifestError::NotThisFormat(why)) if why.contains("no FileObject")));
            continue;
        }
        assert_eq!(scope.unwrap(), Scope::Named, "{case}");
        assert!(kept.rejected.is_empty(), "{case}");

        let text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let listed: Vec<&Value> = match &text["distribution"] {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        assert_eq!(listed.len() as u64, entries.len() as u64 + sets, "{case}");
        let report = run(&verifying(&folder, &path));
        let findings = told(&report);
        let mut ok = 0;
        for entry in entries {
            files += 1;
            let id = entry["id"].as_str().unwrap();
            let called = |node: &&&Value| node["@id"] == id || node["@id"].is_null() && node["name"] == id;
            let node = listed.iter().find(called).unwrap();
            let line = listed.iter().position(|other| other == node).unwrap() as u64 + 1;
            let is_repository = node["encodingFormat"] == "git+https";
            let class = entry["digest_class"].as_str().unwrap();
            let verdict = entry["verdict"].as_str().unwrap();
            let of_text = node["sha256"].as_str().or(node["md5"].as_str()).unwrap_or_default();
            let codes = findings.get(&line).cloned().unwrap_or_default();
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            match verdict {
                "contained" => {
                    assert_eq!(class, "none", "{case}: {id}");
                    let outer = node["containedIn"]["@id"].as_str().or(node["containedIn"].as_str()).unwrap();
                    let outer = entries.iter().find(|e| e["id"] == outer).unwrap();
                    match (outer["digest_class"].as_str().unwrap(), outer["verdict"].as_str().unwrap()) {
                        ("placeholder", _) => assert_eq!(codes, ["unverifiable"], "{case}: {id}"),
                        // It shares what became of its container, which is told once.
                        (_, "ok") => {
                            assert_eq!(codes, [""; 0], "{case}: {id}");
                            ok += 1;
                        }
                        _ => assert_eq!(codes, [""; 0], "{case}: {id}"),
                    }
                    continue;
                }
                "ok" => {
                    assert_eq!(codes, [""; 0], "{case}: {id}");
                    ok += 1;
                }
                "mismatch" => assert_eq!(codes, ["altered"], "{case}: {id}"),
                "not-local" => match (is_repository, class) {
                    (true, "placeholder") => assert_eq!(codes, ["bad-claim"], "{case}: {id}"),
                    (true, _) => assert_eq!(codes, ["unverifiable"], "{case}: {id}"),
                    (false, class) if class.starts_with("placeholder") => {
                        assert_eq!(codes, ["bad-claim", "missing"], "{case}: {id}");
                    }
                    (false, _) => assert_eq!(codes, ["missing"], "{case}: {id}"),
                },
                other => panic!("{case}: {id}: {other}"),
            }
            // A digest of a repository is one in the suite, and of no bytes here.
            let said = digest_class(&kept, line, of_text);
            assert_eq!(said, if is_repository && class == "sha256" { "none" } else { class }, "{case}: {id}");
        }
        assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), ok, "{case}");
        let uncovered = kept.uncheckable.len() as u64;
        assert_eq!(report.coverage.balance.claims_in, kept.claims.len() as u64 + uncovered, "{case}");
        // Only sets have no entry, and only those that lie in something with a digest.
        let without = listed.len() as u64 - report.coverage.balance.claims_in;
        assert!(without <= sets, "{case}");
        let is_sound = entries.iter().all(|e| matches!(e["verdict"].as_str().unwrap(), "ok" | "contained"));
        let all_covered = without == sets && !findings.values().flatten().any(|code| code == "unverifiable");
        let code = if is_sound && all_covered { 0 } else { 3 };
        let wrong = findings.values().flatten().any(|code| code == "missing" || code == "altered");
        assert_eq!(report.exit_code, if wrong { 1 } else { code }, "{case}");
    }
    assert_eq!(files, 106, "FileObjects of the suite");
}

/// A dataset of `hf-tfds` against lists of downloads in `_manifests`.
fn downloads(dataset: &str, lists: &[&str]) -> Report {
    let folder = shared("datasets/hf-tfds");
    let mut options = verifying(&folder.join(dataset), &folder.join("_manifests").join(lists[0]));
    options.manifests = lists
        .iter()
        .map(|list| SourceSpec { format: None, path: folder.join("_manifests").join(list) })
        .collect();
    run(&options)
}

#[test]
#[ignore = "needs the shared datasets"]
fn downloads_of_real_datasets_are_found_by_their_urls() {
    let hf = "hf-1.18.3/blimp.dataset_infos.json";
    let tfds = "tfds-4.9.10/datasets__blimp__checksums.tsv";
    for (dataset, lists, ok) in [
        ("blimp", vec![hf], 67),
        ("blimp", vec![tfds], 67),
        ("blimp", vec![hf, tfds], 134),
        ("codah", vec!["hf-1.18.3/codah.dataset_infos.json"], 16),
        ("human-eval", vec!["hf-1.18.3/openai_humaneval.dataset_infos.json"], 1),
    ] {
        let report = downloads(dataset, &lists);
        let found = (
            report.coverage.balance.claims_in,
            report.coverage.balance.claims_of(ClaimClass::Ok),
            report.exit_code,
        );
        assert_eq!(found, (ok, ok, 0), "{dataset} {lists:?}");
        assert_eq!(report.findings().count(), 0, "{dataset} {lists:?}");
        assert!(report.sources.iter().all(|s| s.entries == ok / lists.len() as u64), "{dataset}");
    }
}
