//! Where reports go when that is no plain file: a full disk, a pipe, a link.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

fn shardproof(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardproof"));
    command.args(args).current_dir(home);
    command
}

/// A dataset with much to tell.
fn talkative() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("data")).unwrap();
    let sums: String = (0..2000).map(|i| format!("{i:064x}  gone/{i}.bin\n")).collect();
    fs::write(home.path().join("SUMS"), sums).unwrap();
    home
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_that_keeps_other_reports() {
    let home = talkative();
    let args = ["verify", "data", "--manifest", "SUMS", "--report", "json:r.json"];
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = shardproof(home.path(), &args).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("shardproof: error: cannot write to standard output: No space left"), "{told}");
    assert!(home.path().join("r.json").exists());
}

#[test]
fn reports_go_to_pipes_and_through_links() {
    let home = talkative();
    fs::write(home.path().join("kept.txt"), "old").unwrap();
    std::os::unix::fs::symlink("kept.txt", home.path().join("link.txt")).unwrap();
    let args = ["verify", "data", "--manifest", "SUMS", "-q"];
    let output = shardproof(home.path(), &args)
        .args(["--report", "human:/dev/stderr", "--report", "human:link.txt"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, output.stderr);
    assert!(home.path().join("link.txt").is_symlink());
    assert_eq!(fs::read(home.path().join("kept.txt")).unwrap(), output.stdout);
}
