//! `bench` as a command: it measures what was verified, and leaves nothing behind however it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn bench(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardproof"));
    command.arg("bench").args(args).env("TMPDIR", home).stdin(Stdio::null());
    command
}

fn ran(home: &Path, args: &[&str]) -> Output {
    let output = bench(home, args).output().unwrap();
    assert_eq!(names(home), Vec::<String>::new(), "something was left behind by {args:?}");
    output
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

fn measured(home: &Path, args: &[&str]) -> Value {
    let output = ran(home, &[args, &["--format", "json", "-q"]].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema: Value = serde_json::from_str(shardproof::bench::BENCH_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    value
}

#[test]
fn every_layout_is_measured_and_nothing_is_left() {
    let home = tempfile::tempdir().unwrap();
    for layout in ["folder", "tar", "parquet", "jsonl"] {
        let told = measured(home.path(), &["--layout", layout, "--bytes", "8MiB", "--shards", "3"]);
        let (data, run) = (&told["data"], &told["run"]);
        assert_eq!(data["layout"], layout);
        assert_eq!(data["content_bytes"], 8 << 20);
        let samples = data["samples"].as_u64().unwrap();
        let usual = if ["folder", "tar"].contains(&layout) { 40 << 10 } else { 200 };
        let about = (8 << 20) / usual;
        assert!(samples > about * 9 / 10 && samples < about * 11 / 10, "{layout}: {samples} of {about}");
        let files = if layout == "folder" { samples } else { 3 };
        assert_eq!(data["files"], files);
        let claims = match layout {
            "folder" => samples,
            "tar" => samples + 3,
            _ => 3,
        };
        assert_eq!((&data["claims"], &run["claims_intact"]), (&claims.into(), &claims.into()), "{layout}");
        let least = if layout == "folder" { samples } else { samples + 3 };
        assert!(run["looked_up"].as_u64().unwrap() >= least, "{layout}");
        assert!(run["bytes_per_second"].as_f64().unwrap() > 0.0);
        if cfg!(target_os = "linux") {
            let peak = run["peak_memory"].as_u64().unwrap();
            assert!(peak > 1 << 20 && peak < 300 << 20, "{layout}: {peak}");
        }
        let stage = |name: &str| {
            let all = told["stages"].as_array().unwrap();
            all.iter().find(|stage| stage["name"] == name).unwrap_or_else(|| panic!("no stage {name}"))
        };
        for name in ["read", "hash", "look up"] {
            assert!(stage(name)["limit"]["percent"].as_f64().unwrap() > 0.0, "{layout}: {name}");
        }
        assert_eq!(stage("decode")["limit"].is_null(), layout != "parquet", "{layout}");
        assert!(stage("join")["limit"].is_null());
        let rows = told["extrapolation"][1]["what"].as_str().unwrap();
        assert_eq!(rows.contains("metadata rows"), ["parquet", "jsonl"].contains(&layout), "{rows}");
    }
}

#[test]
fn options_are_heeded_and_people_are_told() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let dir = elsewhere.path().to_str().unwrap();
    let args = ["--bytes", "1MiB", "--shards", "2", "--dir", dir, "--algorithm", "md5,git_blob,sha512"];
    let told = measured(home.path(), &[&args[..], &["--threads", "1", "--seed", "7"]].concat());
    assert_eq!(told["data"]["algorithms"], serde_json::json!(["md5", "git_blob", "sha512"]));
    assert_eq!((&told["data"]["seed"], &told["run"]["threads"]), (&7.into(), &1.into()));
    assert_eq!(names(elsewhere.path()), Vec::<String>::new());

    let output = ran(home.path(), &["--bytes", "1MiB", "--shards", "1", "--layout", "jsonl"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["All of it was verified", "CPU seconds", "hasher alone", "1,000 cores", "metadata rows"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn data_can_be_held_in_memory() {
    let ours =
        || names(Path::new("/dev/shm")).into_iter().filter(|n| n.starts_with("shardproof-bench-")).count();
    let home = tempfile::tempdir().unwrap();
    let before = ours();
    let told = measured(home.path(), &["--bytes", "1MiB", "--shards", "2", "--in-memory"]);
    assert_eq!(told["data"]["place"], "memory");
    assert!(ours() <= before, "something was left behind");
}

#[test]
fn one_changed_byte_is_no_figure_but_an_error() {
    let home = tempfile::tempdir().unwrap();
    for layout in ["folder", "tar", "parquet", "jsonl"] {
        let args = ["--bytes", "1MiB", "--shards", "2", "--layout", layout, "--damage"];
        let output = ran(home.path(), &args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{layout}: {told}");
        assert!(told.contains("has not verified its own data"), "{layout}: {told}");
        assert!(output.stdout.is_empty(), "{layout}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let refused: [(&[&str], &str); 8] = [
        (&["--bytes", "0"], "leaves nothing to measure"),
        (&["--bytes", "many"], "write a number and a unit"),
        (&["--bytes", "10", "--shards", "11"], "each shard needs a byte"),
        (&["--shards", "0"], "--shards"),
        (&["--layout", "zip"], "zip"),
        (&["--layout", "jsonl", "--sample-bytes", "2MiB"], "1MiB at most"),
        (&["--bytes", "8000000T"], "are free"),
        (&["--dir", "/nowhere/at/all"], "/nowhere/at/all"),
    ];
    for (args, why) in refused {
        let output = ran(home.path(), args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(why), "{args:?}: {told}");
    }
}

#[test]
fn a_signal_leaves_nothing() {
    // While data are made; while the run is on its way, or about then.
    for (bytes, sign, signal, code) in
        [("4GiB", "data", "TERM", 143), ("4GiB", "data", "INT", 130), ("96MiB", "claims.csv", "TERM", 143)]
    {
        let home = tempfile::tempdir().unwrap();
        let mut child = bench(home.path(), &["--bytes", bytes, "-q"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let there = || {
            let made = fs::read_dir(home.path()).unwrap().flatten().next();
            made.is_some_and(|made| made.path().join(sign).exists())
        };
        while !there() {
            assert!(begun.elapsed() < Duration::from_secs(120), "nothing was made");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{signal} does not end it");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(code), "{signal} after {sign}");
        assert_eq!(names(home.path()), Vec::<String>::new(), "{signal} after {sign}");
    }
}
