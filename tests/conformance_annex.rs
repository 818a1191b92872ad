//! Keys of git-annex as git-annex takes them apart, and a real dataset whose content was never fetched.
//!
//! The material lies below the folder named by `SHARDPROOF_SHARED` (default: `../shared`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::{run, shared, told};
use serde_json::Value;
use shardproof::audit::{AuditOptions, Mode};
use shardproof::manifest::annex_key::Key;

#[test]
#[ignore = "needs the conformance suites"]
fn keys_are_taken_apart_as_git_annex_does() {
    let suite = shared("conformance/manifests/git-annex");
    let expected = fs::read_to_string(suite.join("expected.json")).unwrap();
    let Value::Object(cases) = serde_json::from_str(&expected).unwrap() else { panic!("no object") };
    assert_eq!(cases.len(), 8);
    for (name, expected) in cases {
        let of = |file: &str| fs::read(suite.join(&name).join(file)).unwrap();
        let text = |field: &str| expected[field].as_str().unwrap();
        let key = Key::parse(text("key").as_bytes()).unwrap();
        assert_eq!(key.backend, text("backend"), "{name}");
        assert_eq!(key.size, expected["size"].as_u64(), "{name}");
        assert_eq!(key.name, text("keyname").as_bytes(), "{name}");
        assert_eq!(Key::of_link(of("link-target").trim_ascii_end()).as_ref(), Some(&key), "{name}");
        assert_eq!(Key::of_pointer(&of("link-target")).as_ref(), Some(&key), "{name}");
        assert_eq!(Key::of_pointer(&of("pointer")).as_ref(), Some(&key), "{name}");

        // The content is what the key says where that is a digest, and other content is not.
        let checked = match text("content") {
            "matches" => true,
            "not-content-addressed" => false,
            other => panic!("{name}: {other}"),
        };
        for hashed in ["hashdirmixed", "hashdirlower"] {
            let home = tempfile::tempdir().unwrap();
            let object = format!(".git/annex/objects/{}{1}/{1}", text(hashed), text("key"));
            let place = home.path().join(&object);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, of("content")).unwrap();
            symlink(&object, home.path().join("file")).unwrap();
            let options = AuditOptions::new(Mode::Verify, vec![home.path().to_path_buf()]);
            let verdict = |report: &shardproof::audit::Report| (told(report), report.exit_code);
            let intact = if checked { (vec![], 0) } else { (vec!["unverifiable file".to_string()], 3) };
            assert_eq!(verdict(&run(&options)), intact, "{name}");
            let mut other = of("content");
            other[0] ^= 1;
            fs::write(&place, &other).unwrap();
            let altered = if checked { (vec!["altered file".to_string()], 1) } else { intact };
            assert_eq!(verdict(&run(&options)), altered, "{name}");
            other.push(0);
            fs::write(&place, &other).unwrap();
            assert_eq!(verdict(&run(&options)), (vec!["altered file".to_string()], 1), "{name}");
        }
    }
}

#[test]
#[ignore = "needs the datasets of others"]
fn a_dataset_that_was_cloned_and_not_fetched_is_told_file_by_file() {
    let dataset = shared("datasets/openneuro-ds000001");
    let report = run(&AuditOptions::new(Mode::Verify, vec![dataset]));
    let told = told(&report);
    assert_eq!((told.len(), report.exit_code), (80, 1));
    let expected = |line: &String| line.starts_with("pointer sub-") && line.ends_with(".nii.gz");
    assert!(told.iter().all(expected), "{told:?}");
    assert_eq!((report.sources.len(), report.sources[0].entries), (1, 80));
    for finding in report.findings() {
        let detail = finding.unwrap().detail;
        assert!(detail.contains(" bytes "), "{detail}");
    }
}
