//! The demo of the README: what is checked in is what its program writes, and its audit shows every finding.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../testdata/make_demo.rs"]
#[allow(dead_code, missing_docs)]
mod make_demo;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(base: &Path, folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(base, &path, all);
            } else {
                all.insert(path.strip_prefix(base).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(folder, folder, &mut all);
    all
}

#[test]
fn the_checked_in_demo_is_what_its_program_writes() {
    let written = tempfile::tempdir().unwrap();
    make_demo::write_demo(written.path()).unwrap();
    let (written, kept) =
        (tree(written.path()), tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo")));
    assert!(written == kept, "run `cargo run --example make_demo` and commit what it writes");
    assert!(kept.values().map(Vec::len).sum::<usize>() < 1 << 20);
}

#[test]
fn the_readmes_first_command_shows_every_finding() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let command =
        readme.lines().find_map(|line| line.trim().strip_prefix("cargo run --release -- ")).unwrap();
    let run = |extra: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_shardproof"))
            .args(command.split_whitespace())
            .args(extra)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap()
    };
    let human = run(&[]);
    assert_eq!(human.status.code(), Some(1));
    let text = String::from_utf8(human.stdout).unwrap();
    let json = run(&["--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    for (code, n) in [
        ("altered", 3),
        ("missing", 1),
        ("moved", 1),
        ("undisclosed", 2),
        ("known-bad", 1),
        ("unreadable", 1),
        ("pointer", 1),
        ("conflict", 1),
        ("bad-claim", 1),
        ("unverifiable", 1),
        ("unsafe-name", 1),
        ("opaque", 1),
    ] {
        assert!(text.contains(code), "the human report does not show {code}");
        assert_eq!(report["counts"][code], n, "{code}: {}", report["counts"]);
    }
    let listed =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo/known-bad.txt"))
            .unwrap();
    let digest = listed.lines().last().unwrap();
    assert!(!text.contains(digest) && !String::from_utf8_lossy(&json.stdout).contains(digest));
}
