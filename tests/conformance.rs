//! Other people's suites, end to end and case by case. Where shardproof's answer is not the peer's, the case is named
//! here with the reason.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{count, run, shared, told, try_run, verifying};
use serde_json::Value;
use shardproof::audit::ScopeOption;
use shardproof::digest::Algorithm;
use shardproof::error::Error;
use shardproof::finding::Code;

fn expectations(suite: &str, cases: usize) -> serde_json::Map<String, Value> {
    let path = shared(&format!("conformance/manifests/{suite}/expected.json"));
    let Value::Object(all) = serde_json::from_slice(&fs::read(path).unwrap()).unwrap() else {
        panic!("not an object")
    };
    assert_eq!(all.len(), cases, "the suite {suite} has another number of cases than this test knows");
    all
}

fn case(suite: &str, name: &str) -> PathBuf {
    shared(&format!("conformance/manifests/{suite}/{name}"))
}

#[test]
#[ignore = "needs the conformance suites"]
fn gnu_coreutils() {
    // Cases in which shardproof says more or something else than coreutils 9.1, each with the reason:
    let differs = |name: &str| match name {
        // GNU follows `..` wherever it leads; a name that could leave the dataset is refused.
        "one-inner-dotdot.sums" => Some((vec!["unsafe-name sub/../a.txt"], 0)),
        // GNU only says "no such file" or "is a directory"; the same bytes are there, under a name that differs in
        // case, in a trailing blank, in its Unicode form, in its separator, or altogether.
        "one-case-differs.sums" => Some((vec!["moved MixedCase.TXT"], 0)),
        "one-trailing-space-mismatch.sums" => Some((vec!["moved a.txt"], 0)),
        "one-nfd-name-listed-nfc.sums" => Some((vec!["moved u\u{308}n.txt"], 0)),
        "one-windows-backslash-path.sums" => Some((vec!["moved sub/f.bin"], 0)),
        "one-directory.sums" | "one-only-missing.sums" => Some((vec!["moved a.txt"], 0)),
        // Not so where the file with the content is itself claimed and intact: then a copy is missing.
        "one-missing-file.sums" => Some((vec!["missing nofile"], 1)),
        "one-one-space-then-two.sums" => Some((vec!["missing  a.txt"], 1)),
        _ => None,
    };
    let tree = tempfile::tempdir().unwrap();
    let unpacked = std::process::Command::new("tar")
        .arg("-xf")
        .arg(case("gnu-coreutils", "_tree.tar"))
        .arg("-C")
        .arg(tree.path())
        .status()
        .unwrap();
    assert!(unpacked.success());
    for (name, expected) in expectations("gnu-coreutils", 53) {
        let gnu = &expected["gnu_coreutils_9_1"];
        let n = |mode: &str, field: &str| gnu[mode][field].as_u64().unwrap();
        let mut options = verifying(tree.path(), &case("gnu-coreutils", &name));
        options.scope = Some(ScopeOption::None);
        let tool = expected["tool"].as_str().unwrap().trim_end_matches("sum");
        if tool != "ck" {
            options.declared = Algorithm::from_name(tool).into_iter().collect();
            assert!(!options.declared.is_empty(), "{tool}");
        }
        let report = match try_run(&options) {
            Ok(report) => report,
            Err(error) => {
                // No line is a claim: GNU ends with 1, we with a sentence and 2.
                assert!(matches!(error, Error::Unusable { .. }), "{name}: {error}");
                assert!(
                    gnu["default"]["no_valid_lines"].as_bool().unwrap() || n("default", "ok") == 0,
                    "{name}: {error}"
                );
                continue;
            }
        };
        assert!(report.coverage.broken.is_empty(), "{name}");
        let ok = report.coverage.balance.claims_of(shardproof::check::balance::ClaimClass::Ok);
        if let Some((expected_findings, expected_ok)) = differs(&name) {
            let absent: Vec<String> = told(&report);
            let kinds_match = expected_findings.iter().all(|f| {
                let (code, place) = f.split_once(' ').unwrap();
                absent
                    .iter()
                    .any(|t| t == f || (code == "missing" && t.starts_with("moved ") && !place.is_empty()))
            });
            assert!(kinds_match && ok == expected_ok, "{name}: {absent:?}, {ok} ok");
            assert_ne!(report.exit_code, 0, "{name}");
            continue;
        }
        assert_eq!(ok, n("default", "ok"), "{name}: {:?}", told(&report));
        assert_eq!(count(&report, Code::Altered), n("default", "failed"), "{name}");
        let absent = count(&report, Code::Missing) + count(&report, Code::Moved);
        assert_eq!(absent, n("default", "unreadable"), "{name}: {:?}", told(&report));
        // Where no line is valid GNU does not count; a digest of the wrong length is told at its name.
        if !gnu["default"]["no_valid_lines"].as_bool().unwrap() && n("default", "ok") > 0 {
            assert_eq!(
                count(&report, Code::BadClaim),
                n("default", "malformed_lines"),
                "{name}: {:?}",
                told(&report)
            );
        }
        assert_eq!(report.exit_code == 0, n("strict", "rc") == 0, "{name}: exit {}", report.exit_code);
    }
}

#[test]
#[ignore = "needs the conformance suites"]
fn hashdeep() {
    for (name, expected) in expectations("hashdeep", 9) {
        let peer = &expected["hashdeep_4_4"];
        let folder = case("hashdeep", &name);
        let outcome = try_run(&verifying(&folder.join("tree"), &folder.join("known.hashdeep")));
        if peer["rc"] == 64 {
            assert!(matches!(outcome, Err(Error::Unusable { .. })), "{name}");
            continue;
        }
        let report = outcome.unwrap();
        assert!(report.coverage.broken.is_empty(), "{name}");
        let ok = report.coverage.balance.claims_of(shardproof::check::balance::ClaimClass::Ok);
        assert_eq!(ok, peer["matched"].as_u64().unwrap(), "{name}: {:?}", told(&report));
        let expected: &[&str] = match name.as_str() {
            // hashdeep calls the second copy moved; it is not a move (hashdeep#386), nobody claims it.
            "duplicate-content" => &["undisclosed a2.txt"],
            "extra" => &["undisclosed new.bin"],
            // Two files that changed places: hashdeep says moved twice; at each place there is other content.
            "swapped" => &["altered a.txt", "altered b.bin"],
            // The list's last line is cut off; hashdeep passes over it, we tell of it.
            "truncated" => &["bad-claim ", "undisclosed a.txt"],
            _ => &[],
        };
        let told = told(&report);
        let swapped = name == "swapped" && told.len() == 2 && told.iter().all(|t| t.starts_with("altered "));
        assert!(swapped || told == expected, "{name}: {told:?}");
        assert_eq!(report.exit_code == 0, peer["passed"].as_bool().unwrap(), "{name}");
    }
}

#[test]
#[ignore = "needs the conformance suites"]
fn rclone_checksum() {
    for (name, expected) in expectations("rclone-checksum", 10) {
        let folder = case("rclone-checksum", &name);
        let mut options = verifying(&folder.join("tree"), &folder.join("SUMS"));
        if name == "extra-oneway" {
            options.scope = Some(ScopeOption::None);
        }
        let outcome = try_run(&options);
        if name == "empty-sums" {
            // rclone calls every file extra; a manifest that claims nothing cannot be used.
            assert!(matches!(outcome, Err(Error::Unusable { .. })));
            continue;
        }
        let report = outcome.unwrap();
        let ours = told(&report);
        let mut theirs: Vec<String> = expected["combined"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|line| {
                let (sign, path) = line.as_str().unwrap().split_at(2);
                let code = match sign.trim() {
                    "*" => "altered",
                    "-" => "undisclosed",
                    "+" => "missing",
                    _ => return None,
                };
                Some(format!("{code} {path}"))
            })
            .collect();
        theirs.sort();
        if matches!(name.as_str(), "bsd-tag" | "dotslash") {
            // rclone reads no tagged lines and does not normalise `./`: all seven files are as published.
            theirs.clear();
            assert_eq!(report.exit_code, 0, "{name}");
        } else {
            assert_eq!(report.exit_code == 0, expected["rc"] == 0, "{name}");
        }
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
#[ignore = "needs the conformance suites"]
fn hugging_face_trees() {
    for (name, expected) in expectations("hf-tree", 8) {
        let folder = case("hf-tree", &name);
        for tree in ["tree.json", "tree-cache.json"] {
            let report = run(&verifying(&folder.join("tree"), &folder.join(tree)));
            let list = |field: &str| -> Vec<String> {
                expected[field].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string()).collect()
            };
            let mut theirs: Vec<String> = list("extra").iter().map(|p| format!("undisclosed {p}")).collect();
            theirs.extend(list("missing").iter().map(|p| format!("missing {p}")));
            // huggingface_hub says "mismatch" of a pointer too; we say what it is.
            let wrong = if name == "pointer-instead-of-data" { "pointer" } else { "altered" };
            theirs.extend(list("mismatches").iter().map(|p| format!("{wrong} {p}")));
            if name == "hf-cache-dir-extra" {
                // The hub ignores whatever lies in its folder; this file there is no bookkeeping by its content.
                theirs.push("undisclosed .cache/huggingface/download/x.metadata".to_string());
            }
            theirs.sort();
            assert_eq!(told(&report), theirs, "{name} against {tree}");
            assert_eq!(report.coverage.balance.claims_in, expected["checked"].as_u64().unwrap(), "{name}");
        }
    }
}

#[test]
#[ignore = "needs the datasets"]
fn debian_gnome_backgrounds() {
    let folder = shared("datasets/debian-gnome-backgrounds");
    let report = run(&verifying(&folder.join("data"), &folder.join("DEBIAN/md5sums")));
    assert_eq!(told(&report), Vec::<String>::new());
    assert_eq!((report.exit_code, report.coverage.balance.claims_checked(), report.shards), (0, 44, 44));
    assert_eq!(report.coverage.balance.algorithms[&Algorithm::Md5], 44);
}

/// Members of every tar of three real projects, as Python's `tarfile` and `hashlib` give them: their number, and the
/// SHA-256 of the sorted lines `SHA256  NAME\n`.
#[test]
#[ignore = "needs the datasets"]
fn members_of_real_tars() {
    use sha2::{Digest, Sha256};
    use shardproof::observation::{Kind, State};
    const IMAGES: [&str; 4] = [
        "clip-retrieval/tests/test_clip_inference/test_tars/image1.tar",
        "clip-retrieval/tests/test_clip_inference/test_tars/image2.tar",
        "clip-retrieval/tests/test_clip_inference/test_tars/image3.tar",
        "clip-retrieval/tests/test_clip_inference/test_tars/image4.tar",
    ];
    const TARS: [(&str, usize, &str); 9] = [
        (
            "webdataset/testdata/compressed.tar",
            3,
            "69b581f9f5a2011032ec2b7b1fa40b478d8baf13c89f114d9d0477f7278eca1c",
        ),
        (
            "webdataset/testdata/mpdata.tar",
            100,
            "c82cd79fff7672bfecdc586cfeb55e740a0661c70ee05daa260df0160e9d5c82",
        ),
        (
            "webdataset/testdata/sample.tgz",
            180,
            "23125c16602366229d0aa019916cb0048f04b67a1e4cfae79335582bfb7a1216",
        ),
        (
            "webdataset/testdata/tendata.tar",
            100,
            "330f86530c288d67d68583dd884bea21ac72a7622ec22be9d9d15fc22723e6c2",
        ),
        (
            "webdataset/testdata/testgz.tar",
            1000,
            "fb28164fcf4c858ef1904b741bbd23c98e2e93dc428a9a9b76b1a318431af61f",
        ),
        (IMAGES[0], 4, "6029fb4648b75a472e2d852cacd3cb6dedf59ef4cffd1998f9d098dbc2842848"),
        (IMAGES[1], 3, "2254a32640b10eda060c25f55ff8e56f9d8f519c627fb9dd939aab2403455d48"),
        (IMAGES[2], 2, "590725770c558034e080353192c38fc3e6228f916f4e05bbddc32bfd0159329a"),
        (IMAGES[3], 2, "be1d6b3d03245cf70cf2362b16105b45b6172ff5e3a00dc49860b022f9ef6b1b"),
    ];
    let digests = [Algorithm::Sha256].into_iter().collect();
    for (name, members, expected) in TARS {
        let path = shared(&format!("datasets/{name}"));
        let source = shardproof::source::file::FileSource::open(&path, false).unwrap();
        let scan = common::scan(std::sync::Arc::new(source), name, digests);
        let mut lines: Vec<String> = scan
            .observations
            .iter()
            .filter(|seen| seen.kind == Kind::Member && !seen.hidden)
            .map(|seen| {
                assert_eq!(seen.state, State::Read, "{name}: {}", seen.locator);
                let digest = hex::encode(seen.digests.of(Algorithm::Sha256).unwrap().bytes());
                format!("{digest}  {}\n", String::from_utf8_lossy(&seen.locator.member[0]))
            })
            .collect();
        lines.sort();
        assert_eq!(lines.len(), members, "{name}");
        assert_eq!(hex::encode(Sha256::digest(lines.concat())), expected, "{name}: {:?}", lines.first());
    }
    // And nothing that looks like a tar was forgotten.
    let mut found = 0;
    for project in ["webdataset", "img2dataset", "clip-retrieval"] {
        found += tars(&shared(&format!("datasets/{project}")));
    }
    assert_eq!(found, TARS.len());
}

fn tars(folder: &Path) -> usize {
    let mut n = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            n += tars(&path);
        } else {
            n += usize::from(path.extension().is_some_and(|e| e == "tar" || e == "tgz"));
        }
    }
    n
}
