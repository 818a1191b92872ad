//! MDS datasets and wids indexes as a run sees them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/copies.rs"]
mod copies;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{count, run, told, verifying};
use md5::Md5;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Report};
use shardproof::check::balance::ClaimClass;
use shardproof::digest::Algorithm;
use shardproof::finding::Code;

/// Verifies a folder against what lies in it.
fn verify(folder: &Path) -> Report {
    let mut options = AuditOptions::new(Mode::Verify, vec![folder.to_path_buf()]);
    options.threads = 2;
    run(&options)
}

fn hashes(content: &[u8]) -> Value {
    json!({"md5": hex::encode(Md5::digest(content)), "sha256": hex::encode(Sha256::digest(content))})
}

fn file(name: &str, content: &[u8], hashes: Value) -> Value {
    json!({"basename": name, "bytes": content.len(), "hashes": hashes})
}

/// A dataset of two shards that were compressed, with its index: the shards as they are.
fn dataset(folder: &Path) -> Vec<Vec<u8>> {
    let columns = [("n", "int", Some(8)), ("text", "str", None)];
    let row = |n: i64| vec![n.to_le_bytes().to_vec(), format!("text of sample {n}").into_bytes()];
    let shards: Vec<_> =
        [0, 5].map(|first| copies::mds(&columns, &(first..first + 5).map(row).collect::<Vec<_>>())).into();
    let mut entries = Vec::new();
    for (number, shard) in shards.iter().enumerate() {
        let (name, packed) = (format!("shard.{number:05}.mds"), copies::zstd(shard));
        let zip_name = format!("{name}.zstd");
        entries.push(json!({
            "version": 2, "format": "mds", "samples": 5, "compression": "zstd",
            "raw_data": file(&name, shard, hashes(shard)),
            "zip_data": file(&zip_name, &packed, hashes(&packed)),
        }));
        fs::write(folder.join(&zip_name), packed).unwrap();
    }
    fs::write(folder.join("index.json"), json!({"shards": entries, "version": 2}).to_string()).unwrap();
    shards
}

#[test]
fn an_index_in_its_dataset_is_used_whatever_form_the_shards_have() {
    let folder = tempfile::tempdir().unwrap();
    let shards = dataset(folder.path());
    let ok = |report: &Report, claims: u64| {
        assert_eq!(told(report), Vec::<String>::new());
        assert_eq!((report.exit_code, report.coverage.balance.claims_of(ClaimClass::Ok)), (0, claims));
    };
    ok(&verify(folder.path()), 2);
    // One is there in both forms, then raw only.
    let at = |name: &str| folder.path().join(name);
    fs::write(at("shard.00000.mds"), &shards[0]).unwrap();
    ok(&verify(folder.path()), 3);
    fs::remove_file(at("shard.00000.mds.zstd")).unwrap();
    ok(&verify(folder.path()), 2);
    // Neither: what was published is missing.
    fs::remove_file(at("shard.00000.mds")).unwrap();
    let report = verify(folder.path());
    assert_eq!((told(&report), report.exit_code), (vec!["missing shard.00000.mds.zstd".to_string()], 1));
    fs::write(at("other.mds"), &shards[1]).unwrap();
    let report = verify(folder.path());
    assert!(told(&report).contains(&"undisclosed other.mds".to_string()), "{:?}", told(&report));
}

#[test]
fn a_raw_shard_that_is_not_that_of_the_compressed_one_is_altered() {
    let folder = tempfile::tempdir().unwrap();
    let shards = dataset(folder.path());
    let mut other = shards[0].clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    fs::write(folder.path().join("shard.00000.mds"), other).unwrap();
    let report = verify(folder.path());
    assert_eq!((told(&report), report.exit_code), (vec!["altered shard.00000.mds".to_string()], 1));
}

#[test]
fn without_hashes_sizes_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let shards = dataset(folder.path());
    let entry = |content: &[u8]| {
        let shard = json!({"version": 2, "format": "mds", "samples": 5, "zip_data": null,
            "raw_data": file("s.mds", content, json!({}))});
        json!({"shards": [shard], "version": 2}).to_string()
    };
    let only = folder.path().join("only");
    fs::create_dir(&only).unwrap();
    fs::write(only.join("s.mds"), &shards[0]).unwrap();
    fs::write(only.join("index.json"), entry(&shards[0])).unwrap();
    let report = verify(&only);
    assert_eq!(
        (count(&report, Code::Unverifiable), count(&report, Code::Altered), report.exit_code),
        (1, 0, 3)
    );
    fs::write(only.join("index.json"), entry(&shards[0][1..])).unwrap();
    let report = verify(&only);
    assert_eq!((count(&report, Code::Altered), report.exit_code), (1, 1));
}

#[test]
fn indexes_of_parts_and_of_the_whole_agree() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for part in ["train", "val"] {
        let below = folder.path().join(part);
        fs::create_dir(&below).unwrap();
        dataset(&below);
        let index: Value = serde_json::from_slice(&fs::read(below.join("index.json")).unwrap()).unwrap();
        for shard in index["shards"].as_array().unwrap() {
            let mut shard = shard.clone();
            for key in ["raw_data", "zip_data"] {
                let name = format!("{part}/{}", shard[key]["basename"].as_str().unwrap());
                shard[key]["basename"] = json!(name);
            }
            all.push(shard);
        }
    }
    fs::write(folder.path().join("index.json"), json!({"shards": all, "version": 2}).to_string()).unwrap();
    let report = verify(folder.path());
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    assert_eq!(report.coverage.balance.claims_in, 8);
}

#[test]
fn a_wids_index_is_checked_by_its_md5sums() {
    let folder = tempfile::tempdir().unwrap();
    let tar = copies::tar(&copies::samples(3, 0));
    let shard = |url: &str| json!({"url": url, "nsamples": 3, "md5sum": hex::encode(Md5::digest(&tar)), "filesize": tar.len()});
    let index = json!({"wids_version": 1, "shardlist": [shard("a.tar"), shard("https://h.org/x/b.tar")]});
    fs::write(folder.path().join("index.json"), index.to_string()).unwrap();
    for name in ["a.tar", "b.tar"] {
        fs::write(folder.path().join(name), &tar).unwrap();
    }
    let report = verify(folder.path());
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    assert_eq!(report.coverage.balance.algorithms[&Algorithm::Md5], 2);
    let mut other = tar.clone();
    other[600] ^= 1;
    fs::write(folder.path().join("a.tar"), other).unwrap();
    let report = verify(folder.path());
    assert!(told(&report).contains(&"altered a.tar".to_string()), "{:?}", told(&report));
}

/// Verdicts of MosaicML Streaming, shard by shard.
#[test]
#[ignore = "needs the conformance suites"]
fn datasets_of_streaming_get_its_verdicts() {
    let suite: PathBuf = common::shared("conformance/manifests/mds");
    let expected: BTreeMap<String, Value> =
        serde_json::from_slice(&fs::read(suite.join("expected.json")).unwrap()).unwrap();
    assert_eq!(expected.len(), 5);
    for (name, expected) in expected {
        let folder = suite.join(&name);
        let mut verdicts: Vec<String> = Vec::new();
        let shards = expected["shards"].as_array().unwrap();
        for shard in shards {
            let (name, verdict) = (shard[0].as_str().unwrap(), shard[1].as_str().unwrap());
            match verdict {
                "ok" => {}
                "missing" => verdicts.push(format!("missing {name}")),
                "mismatch" | "truncated" => verdicts.push(format!("altered {name}")),
                other => panic!("the suite has no {other}"),
            }
        }
        for report in [verify(&folder), run(&verifying(&folder, &folder.join("index.json")))] {
            // What a damaged shard cannot be read for is told beside that it is altered.
            let mut found = told(&report);
            found.retain(|finding| {
                finding.starts_with("altered")
                    || finding.starts_with("missing")
                    || finding.starts_with("undisclosed")
            });
            assert_eq!(found, verdicts, "{name}");
            let ok = (shards.len() - verdicts.len()) as u64;
            assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), ok, "{name}");
            assert_eq!(report.exit_code == 0, verdicts.is_empty(), "{name}");
        }
    }
}
