//! The readers of manifests against verdicts of other programs, at the level of lines and claims.
//!
//! The suites lie in `conformance/manifests` below the folder named by `SHARDPROOF_SHARED` (default: `../shared`).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shardproof::claim::{Claim, ClaimSink, Scope, SourceId, Unusable};
use shardproof::digest::{Algorithm, DigestSet};
use shardproof::error;
use shardproof::manifest::hashdeep::Hashdeep;
use shardproof::manifest::hf_tree::HfTree;
use shardproof::manifest::lfs_pointer::{self, Form};
use shardproof::manifest::sums::Sums;
use shardproof::manifest::{Context, ManifestError, ManifestFormat, recognise};

#[derive(Default)]
struct Kept {
    claims: Vec<Claim>,
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

    fn broken(&mut self, _line: Option<u64>, _reason: String) -> error::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn usable(&self) -> u64 {
        self.claims.iter().filter(|c| c.unusable.is_none()).count() as u64
    }

    fn impossible(&self) -> u64 {
        self.claims.iter().filter(|c| matches!(c.unusable, Some(Unusable::Impossible(_)))).count() as u64
    }
}

fn suite(name: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("SHARDPROOF_SHARED").map_or_else(beside, PathBuf::from);
    shared.join("conformance/manifests").join(name)
}

/// The cases of a suite with what its `expected.json` says of each; never none.
fn cases(suite: &Path) -> Vec<(String, Value)> {
    let text = fs::read_to_string(suite.join("expected.json")).unwrap();
    let Value::Object(cases) = serde_json::from_str(&text).unwrap() else {
        panic!("expected.json is no object")
    };
    assert!(!cases.is_empty());
    cases.into_iter().collect()
}

fn read(
    format: &dyn ManifestFormat,
    path: &Path,
    declared: DigestSet,
) -> (Result<Scope, ManifestError>, Kept) {
    let content = fs::read(path).unwrap();
    let file_name = path.file_name().unwrap().as_encoded_bytes();
    let mut kept = Kept::default();
    let context = Context { source: SourceId(0), file_name, path, declared };
    let scope = format.read(&mut content.as_slice(), &context, &mut kept);
    (scope, kept)
}

/// What the digests in a case are of, by the program that was run on it.
fn declared(tool: &str) -> DigestSet {
    let blake2b =
        [Algorithm::Blake2b160, Algorithm::Blake2b256, Algorithm::Blake2b384, Algorithm::Blake2b512];
    match tool {
        "b2sum" => blake2b.into_iter().collect(),
        "cksum" => DigestSet::EMPTY,
        _ => DigestSet::of(Algorithm::from_name(tool.strip_suffix("sum").unwrap()).unwrap()),
    }
}

#[test]
#[ignore = "needs the conformance suites"]
fn sums_are_taken_apart_as_coreutils_do() {
    let suite = suite("gnu-coreutils");
    let all = cases(&suite);
    assert_eq!(all.len(), 53);
    for (name, expected) in all {
        let verdict = &expected["gnu_coreutils_9_1"]["default"];
        let count = |key: &str| verdict[key].as_u64().unwrap();
        let tool = expected["tool"].as_str().unwrap();
        let (scope, kept) = read(&Sums, &suite.join(&name), declared(tool));
        // A file that coreutils name and cannot open is a claim too.
        assert_eq!(kept.usable(), count("ok") + count("failed") + count("unreadable"), "{name}: claims");
        if verdict["no_valid_lines"].as_bool().unwrap() {
            // coreutils count no malformed lines then; a line of ours that cannot be right is none of theirs.
            assert!(scope.is_err() || kept.impossible() > 0, "{name}: it must not pass");
        } else {
            assert!(scope.is_ok(), "{name}");
            let malformed = kept.rejected.len() as u64 + kept.impossible();
            assert_eq!(malformed, count("malformed_lines"), "{name}: malformed lines");
        }
    }
}

#[test]
#[ignore = "needs the conformance suites"]
fn sums_of_the_rclone_suite_are_read_whole() {
    let suite = suite("rclone-checksum");
    for (name, _) in cases(&suite) {
        let path = suite.join(&name).join("SUMS");
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let (scope, kept) = read(&Sums, &path, DigestSet::EMPTY);
        assert_eq!(scope.is_ok(), lines > 0, "{name}");
        assert_eq!((kept.usable() as usize, kept.rejected.len()), (lines, 0), "{name}");
    }
}

#[test]
#[ignore = "needs the conformance suites"]
fn hashdeep_lists_are_read_or_refused() {
    let suite = suite("hashdeep");
    for (name, expected) in cases(&suite) {
        let path = suite.join(&name).join("known.hashdeep");
        let (scope, kept) = read(&Hashdeep, &path, DigestSet::EMPTY);
        let refused = expected["hashdeep_4_4"]["rc"] == 64;
        assert_eq!(scope.is_err(), refused, "{name}");
        if !refused {
            // The list `truncated` ends in the middle of its seventh line.
            let cut = usize::from(name == "truncated");
            assert_eq!((kept.usable() as usize, kept.rejected.len()), (7 - cut, cut), "{name}");
        }
    }
}

#[test]
#[ignore = "needs the conformance suites"]
fn trees_of_the_hub_are_equal_in_both_forms() {
    let suite = suite("hf-tree");
    for (name, expected) in cases(&suite) {
        let claims = |file: &str| {
            let path = suite.join(&name).join(file);
            let head = fs::read(&path).unwrap();
            assert_eq!(
                recognise(file.as_bytes(), &head).map(|f| f.name()),
                Some("hf-tree"),
                "{name}: {file}"
            );
            let (scope, kept) = read(&HfTree, &path, DigestSet::EMPTY);
            assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()), "{name}: {file}");
            assert_eq!(kept.rejected.len(), 0, "{name}: {file}");
            assert_eq!(kept.usable(), expected["checked"].as_u64().unwrap(), "{name}: {file}");
            kept.claims.into_iter().map(|claim| Claim { line: 0, ..claim }).collect::<Vec<_>>()
        };
        assert_eq!(claims("tree.json"), claims("tree-cache.json"), "{name}");
    }
}

#[test]
#[ignore = "needs the conformance suites"]
fn lfs_pointers_are_told_from_other_texts() {
    let suite = suite("git-lfs-pointer");
    let all = cases(&suite);
    assert_eq!(all.len(), 18);
    for (name, expected) in all {
        let found = lfs_pointer::read(&fs::read(suite.join(&name)).unwrap());
        let word = match found.map(|(_, form)| form) {
            Some(Form::Canonical) => "canonical",
            Some(Form::Noncanonical) => "noncanonical",
            None => "invalid",
        };
        assert_eq!(expected["expected"], word, "{name}");
        assert_eq!(lfs_pointer::parse(b""), None);
    }
}
