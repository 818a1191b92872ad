//! `--plan`: a look that checks nothing, says so, and writes nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::Digest as _;

fn dataset(home: &Path) {
    fs::create_dir(home.join("d")).unwrap();
    let mut sums = String::new();
    for (name, content) in [("a.txt", "one\n"), ("b.rar", "Rar!\u{1a}\u{7}"), ("c", "other than published")] {
        fs::write(home.join("d").join(name), content).unwrap();
        let published = if name == "c" { "published" } else { content };
        sums.push_str(&format!("{}  {name}\n", hex::encode(sha2::Sha256::digest(published))));
    }
    sums.push_str(&format!("{}  gone\n", "ab".repeat(32)));
    fs::write(home.join("SUMS"), sums).unwrap();
    std::os::unix::fs::symlink("/nowhere", home.join("d/link")).unwrap();
}

fn shardproof(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shardproof")).args(args).current_dir(home).output().unwrap()
}

fn plan(home: &Path, args: &[&str]) -> Value {
    let args = [args, &["--plan", "--format", "json"]].concat();
    let output = shardproof(home, &args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema: Value = serde_json::from_str(shardproof::report::outlook::PLAN_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    value
}

fn names(folder: &Path) -> Vec<String> {
    let mut all: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

#[test]
fn a_plan_tells_what_would_be_read_and_what_stays_unchecked() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    dataset(home);
    let audit = ["audit", "d", "--manifest", "SUMS", "--state", "s", "--settling", "0s"];
    let told = plan(home, &audit);
    assert_eq!(told["checked"], false);
    assert_eq!(told["dataset"]["files"], 3);
    assert_eq!(told["to_read"], json!({ "files": 3, "bytes": 30 }));
    assert_eq!(told["claims"], 4);
    assert_eq!(told["unchecked"]["absent_names"], 1);
    assert_eq!(told["unchecked"]["not_opened"], 1);
    assert_eq!(told["unchecked"]["closed_files"], 1);
    let formats = told["formats"].as_array().unwrap();
    assert!(
        formats.contains(&json!({ "format": "rar", "files": 1, "bytes": 6, "opened": 0 })),
        "{formats:?}"
    );
    assert_eq!(told["time"]["measured_bytes"].as_u64().unwrap(), 30);
    assert_eq!(names(home), ["SUMS", "d"], "something was written");

    assert_eq!(shardproof(home, &audit).status.code(), Some(1));
    let state = names(&home.join("s"));
    let told = plan(home, &audit);
    assert_eq!(told["to_read"], json!({ "files": 0, "bytes": 0 }));
    assert_eq!(told["reused"], json!({ "files": 3, "bytes": 30 }));
    assert_eq!(names(&home.join("s")), state, "the state was written to");

    let told = plan(home, &["verify", "d", "--manifest", "SUMS", "--include", "a.txt"]);
    assert_eq!((&told["to_read"]["files"], &told["unchecked"]["left_out"]), (&json!(1), &json!(3)));
}

#[test]
fn a_plan_is_no_report() {
    let home = tempfile::tempdir().unwrap();
    dataset(home.path());
    let verify = ["verify", "d", "--manifest", "SUMS", "--plan"];
    let output = shardproof(home.path(), &verify);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("A plan. Nothing was checked"), "{text}");
    for word in ["valid", "VALID", "intact"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    let output = shardproof(home.path(), &[&verify[..], &["--report", "json:r.json"]].concat());
    assert_eq!(output.status.code(), Some(2));
    // Where the run could not be made, nor can the plan.
    assert_eq!(shardproof(home.path(), &["flag", "d", "--plan"]).status.code(), Some(2));
}

#[test]
fn a_plan_for_what_takes_hours_takes_seconds() {
    let home = tempfile::tempdir().unwrap();
    dataset(home.path());
    fs::File::create(home.path().join("d/sparse")).unwrap().set_len(1 << 40).unwrap();
    let begun = Instant::now();
    let told = plan(home.path(), &["verify", "d", "--manifest", "SUMS"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let least = told["time"]["least_seconds"].as_f64().unwrap();
    let most = told["time"]["most_seconds"].as_f64().unwrap();
    assert!(60.0 < least && least < most, "{least} to {most}");
}
