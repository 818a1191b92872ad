//! The program as a process: signals, permissions, pipes, reports that appear whole or not at all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

fn shardproof() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shardproof"))
}

/// A dataset that takes minutes to hash and no space on the disk.
fn endless(home: &Path) {
    fs::create_dir(home.join("d")).unwrap();
    File::create(home.join("d/sparse.bin")).unwrap().set_len(1 << 40).unwrap();
    fs::write(home.join("SUMS"), format!("{}  sparse.bin\n", "ab".repeat(32))).unwrap();
}

#[test]
fn a_signal_ends_the_run_without_a_report() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let home = tempfile::tempdir().unwrap();
        endless(home.path());
        let mut child = shardproof()
            .args(["verify", "d", "--manifest", "SUMS", "--report", "json:report.json"])
            .current_dir(home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let kill =
            Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
        assert!(kill.success());
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{signal} does not end the run");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!((status.code(), status.signal()), (Some(code), None), "{signal}");
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "something was left behind: {left:?}");
    }
}

#[test]
fn what_may_not_be_read_is_told() {
    let home = tempfile::tempdir().unwrap();
    let at = |p: &str| home.path().join(p);
    fs::create_dir_all(at("d/closed")).unwrap();
    let sum = |content: &[u8]| hex::encode(Sha256::digest(content));
    let mut sums = String::new();
    for (name, content) in [("open", "1"), ("secret", "2"), ("closed/x", "3")] {
        fs::write(at("d").join(name), content).unwrap();
        sums.push_str(&format!("{}  {name}\n", sum(content.as_bytes())));
    }
    sums.push_str(&format!("{}  gone\n", sum(b"4")));
    fs::write(at("SUMS"), sums).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_shardproof"), at("shardproof")).unwrap();
    for (path, mode) in [("", 0o755), ("shardproof", 0o755), ("d/secret", 0), ("d/closed", 0)] {
        fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = Command::new(at("shardproof"));
    command.args(["verify", "d", "--manifest", "SUMS", "--format", "json"]).current_dir(home.path());
    let i_am_root = fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if i_am_root {
        // Root may read everything: be nobody.
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    fs::set_permissions(at("d/closed"), fs::Permissions::from_mode(0o755)).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let told: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| format!("{} {}", f["code"].as_str().unwrap(), f["locator"]["shard"].as_str().unwrap()))
        .collect();
    assert_eq!(told, ["unreadable closed", "unverified closed/x", "missing gone", "unreadable secret"]);
    assert_eq!(report["coverage"]["ok"], 1);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_broken_pipe_is_a_normal_end() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("d")).unwrap();
    let mut sums = String::new();
    for i in 0..5000 {
        sums.push_str(&format!("{}  missing-{i}\n", hex::encode(Sha256::digest(format!("{i}")))));
    }
    fs::write(home.path().join("SUMS"), sums).unwrap();
    let mut child = shardproof()
        .args(["verify", "d", "--manifest", "SUMS", "--format", "json"])
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("panicked").count(), 0);
}

#[test]
fn nothing_is_written_into_the_dataset() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("d")).unwrap();
    fs::write(home.path().join("d/a"), "a").unwrap();
    fs::write(home.path().join("SUMS"), format!("{}  a\n", hex::encode(Sha256::digest("a")))).unwrap();
    let inside = shardproof()
        .args(["verify", "d", "--manifest", "SUMS", "--report", "json:d/report.json"])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert_eq!(inside.status.code(), Some(2), "{}", String::from_utf8_lossy(&inside.stderr));
    assert!(!home.path().join("d/report.json").exists());
    let beside = shardproof()
        .args(["verify", "d", "--manifest", "SUMS", "--report", "json:report.json", "--quiet"])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert_eq!(beside.status.code(), Some(0));
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(home.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report["verdict"], "valid");
}
