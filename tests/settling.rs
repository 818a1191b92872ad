//! How claims and items settle: containers and their samples, several roots, scope, hidden bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use common::{run, told, verifying};
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Samples, ScopeOption, SourceSpec};
use shardproof::check::balance::{ClaimClass, ItemClass};

/// A dataset under construction, with the lines of its manifest.
struct Bench {
    home: tempfile::TempDir,
    sums: String,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("d")).unwrap();
        Bench { home, sums: String::new() }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn put(&mut self, path: &str, content: &[u8]) -> &mut Self {
        let path = self.path("d").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn claim(&mut self, path: &str, content: &[u8]) -> &mut Self {
        self.sums.push_str(&format!("{}  {path}\n", hex::encode(Sha256::digest(content))));
        self
    }

    fn options(&self) -> AuditOptions {
        fs::write(self.path("SUMS"), &self.sums).unwrap();
        verifying(&self.path("d"), &self.path("SUMS"))
    }

    fn told(&self) -> Vec<String> {
        told(&run(&self.options()))
    }
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const A: &[u8] = b"sample a";
const B: &[u8] = b"sample b";

#[test]
fn a_claim_on_a_container_covers_what_is_in_it() {
    let mut bench = Bench::new();
    let mut shard = tar(&[("a", A), ("b", B)]);
    shard.extend_from_slice(b"hidden bytes that the claim on the file covers");
    bench.put("s.tar", &shard).claim("s.tar", &shard);
    let mut options = bench.options();
    options.samples = Samples::Always;
    let report = run(&options);
    assert_eq!(told(&report), Vec::<String>::new());
    assert_eq!((report.exit_code, report.samples), (0, 2));
    // The file, two samples, and the hidden region.
    assert_eq!(report.coverage.balance.items_of(ItemClass::Ok), 4);
}

#[test]
fn claims_on_all_samples_cover_the_payload_but_not_hidden_bytes() {
    let mut bench = Bench::new();
    bench.put("s.tar", &tar(&[("a", A), ("b", B)])).claim("s.tar/a", A).claim("s.tar/b", B);
    let report = run(&bench.options());
    assert_eq!((report.exit_code, report.coverage.bytes_read), (0, report.bytes));

    let mut shard = tar(&[("a", A), ("b", B)]);
    shard.extend_from_slice(b"hidden");
    bench.put("s.tar", &shard);
    assert_eq!(bench.told(), ["undisclosed s.tar"]);
    let finding = run(&bench.options()).findings().next().unwrap().unwrap();
    assert_eq!(finding.locator.unwrap().offset, Some(shard.len() as u64 - 6));
    assert!(finding.detail.contains("trailing"), "{}", finding.detail);
}

#[test]
fn a_container_that_nothing_claims_is_one_finding() {
    let mut bench = Bench::new();
    bench.put("s.tar", &tar(&[("a", A), ("b", B)])).put("x", b"x").claim("x", b"x");
    let mut options = bench.options();
    options.samples = Samples::Always;
    let report = run(&options);
    assert_eq!(told(&report), ["undisclosed s.tar"]);
    assert_eq!(report.coverage.balance.items_of(ItemClass::Undisclosed), 3);
}

#[test]
fn one_sample_that_nothing_claims_is_told_beside_claimed_ones() {
    let mut bench = Bench::new();
    bench.put("s.tar", &tar(&[("a", A), ("b", B)])).claim("s.tar/a", A);
    assert_eq!(bench.told(), ["undisclosed s.tar b"]);
}

#[test]
fn re_sharded_samples_are_one_move() {
    let mut bench = Bench::new();
    bench.claim("images/a", A).claim("images/b", B);
    bench.put("s.tar.gz", &gzip(&tar(&[("a", A), ("b", B)])));
    let report = run(&bench.options());
    assert_eq!(told(&report), ["moved s.tar.gz"]);
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Moved), 2);

    // Bytes hidden beside them are told all the same.
    let mut shard = tar(&[("a", A), ("b", B)]);
    shard.extend_from_slice(b"hidden");
    fs::remove_file(bench.path("d/s.tar.gz")).unwrap();
    bench.put("s.tar", &shard);
    assert_eq!(bench.told(), ["moved s.tar", "undisclosed s.tar"]);

    // And a sample more makes it a shard of which some samples are known.
    fs::remove_file(bench.path("d/s.tar")).unwrap();
    bench.put("t.tar", &tar(&[("a", A), ("b", B), ("c", b"new")]));
    assert_eq!(bench.told(), ["moved t.tar a", "moved t.tar b", "undisclosed t.tar c"]);
}

#[test]
fn a_renamed_shard_is_one_move_and_a_recompressed_one_too() {
    let mut bench = Bench::new();
    let shard = tar(&[("a", A), ("b", B)]);
    bench.claim("old.tar", &shard).put("new.tar", &shard);
    assert_eq!(bench.told(), ["moved new.tar"]);

    let mut bench = Bench::new();
    bench.claim("old/text.jsonl", b"{}\n").put("text.jsonl.gz", &gzip(b"{}\n"));
    assert_eq!(bench.told(), ["moved text.jsonl.gz"]);
}

#[test]
fn a_sample_that_changed_shards_is_moved() {
    let mut bench = Bench::new();
    bench.claim("s.tar/a", A).claim("s.tar/b", B).claim("t.tar/c", b"c");
    bench.put("s.tar", &tar(&[("a", A)])).put("t.tar", &tar(&[("c", b"c"), ("b", B)]));
    assert_eq!(bench.told(), ["moved t.tar b"]);
}

#[test]
fn a_second_copy_is_no_move() {
    let mut bench = Bench::new();
    bench.claim("a", A).claim("gone", A).put("a", A);
    assert_eq!(bench.told(), ["missing gone"]);
    bench.put("copy1", A).put("copy2", A);
    assert_eq!(bench.told(), ["moved copy1", "undisclosed copy2"]);
}

#[test]
fn an_altered_shard_whose_samples_are_intact_is_one_finding() {
    let mut bench = Bench::new();
    bench.claim("s.tar", b"as it was").claim("s.tar/a", A).put("s.tar", &tar(&[("a", A), ("b", B)]));
    let report = run(&bench.options());
    assert_eq!(told(&report), ["altered s.tar"]);
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), 1);
}

#[test]
fn what_lies_in_a_cut_shard_cannot_be_told() {
    let mut bench = Bench::new();
    let shard = tar(&[("a", A), ("b", &[1; 2000])]);
    bench
        .claim("s.tar/a", A)
        .claim("s.tar/b", &[1; 2000])
        .claim("s.tar/c", b"c")
        .put("s.tar", &shard[..2000]);
    let report = run(&bench.options());
    assert_eq!(told(&report), ["unreadable s.tar b", "unverified s.tar c"]);
    assert_eq!((report.exit_code, report.coverage.balance.claims_of(ClaimClass::Ok)), (3, 1));
}

#[test]
fn entries_of_one_name_are_told_and_the_wrong_one_is_altered() {
    let mut bench = Bench::new();
    bench.claim("s.tar/a", A).put("s.tar", &tar(&[("a", A), ("a", B)]));
    assert_eq!(bench.told(), ["altered s.tar a", "duplicate s.tar a"]);
    bench.put("s.tar", &tar(&[("a", A), ("a", A)]));
    assert_eq!(bench.told(), ["duplicate s.tar a"]);
}

#[test]
fn a_claim_may_hold_in_any_root() {
    let mut bench = Bench::new();
    bench.claim("a", A).claim("b", B).claim("c", b"c").put("a", A);
    fs::create_dir(bench.path("e")).unwrap();
    fs::write(bench.path("e/b"), B).unwrap();
    fs::write(bench.path("e/a"), b"another a").unwrap();
    let mut options = bench.options();
    options.roots.push(bench.path("e"));
    let report = run(&options);
    assert_eq!(told(&report), ["altered a", "missing c"]);
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), 2);
}

#[test]
fn subset_and_scope_change_what_is_asked_for() {
    let mut bench = Bench::new();
    bench.claim("a", A).claim("gone", B).put("a", A).put("more", b"m");
    assert_eq!(bench.told(), ["missing gone", "undisclosed more"]);
    let mut options = bench.options();
    options.subset = true;
    assert_eq!(told(&run(&options)), ["undisclosed more"]);
    options.scope = Some(ScopeOption::None);
    let report = run(&options);
    assert_eq!((told(&report).len(), report.exit_code), (0, 0));
    options.subset = false;
    assert_eq!(told(&run(&options)), ["missing gone"]);
}

#[test]
fn a_subset_with_nothing_in_it_is_no_success() {
    let mut bench = Bench::new();
    bench.claim("gone", B);
    let mut options = bench.options();
    options.subset = true;
    assert_eq!(run(&options).exit_code, 3);
}

#[test]
fn a_manifest_in_a_folder_speaks_of_that_folder() {
    let mut bench = Bench::new();
    bench.put("x/a", A).put("other", b"o");
    let line = format!("{}  a\n", hex::encode(Sha256::digest(A)));
    bench.put("x/SHA256SUMS", line.as_bytes());
    let mut options = AuditOptions::new(Mode::Verify, vec![bench.path("d")]);
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    // Named, it says the same; with --base, what the user says.
    options.manifests = vec![SourceSpec { format: None, path: bench.path("d/x/SHA256SUMS") }];
    assert_eq!(run(&options).exit_code, 0);
    options.base = Some(PathBuf::from("x"));
    assert_eq!(run(&options).exit_code, 0);
    options.base = Some(bench.path("d"));
    assert_eq!(told(&run(&options)), ["moved x/a", "undisclosed other"]);
}

#[test]
fn a_dataset_below_the_manifests_base_is_compared_with_its_part() {
    let mut bench = Bench::new();
    bench.claim("d/a", A).claim("e/b", B).put("a", A);
    let mut options = bench.options();
    options.base = Some(bench.path(""));
    assert_eq!(told(&run(&options)), ["unverified e/b"]);
}

fn flagging(bench: &Bench, digests: &[&[u8]]) -> AuditOptions {
    let lines: String = digests.iter().map(|d| format!("{}\n", hex::encode(Sha256::digest(d)))).collect();
    fs::write(bench.path("list.txt"), lines).unwrap();
    let mut options = AuditOptions::new(Mode::Flag, vec![bench.path("d")]);
    options.hash_lists = vec![SourceSpec { format: None, path: bench.path("list.txt") }];
    options
}

#[test]
fn known_bad_content_is_found_wherever_it_lies() {
    let bad: &[u8] = b"harmless bytes that play the part";
    let mut bench = Bench::new();
    let mut after_end = tar(&[("a", A)]);
    after_end.extend_from_slice(&tar(&[("late", bad)]));
    let mut trailing = tar(&[("a", A)]);
    trailing.extend_from_slice(bad);
    bench
        .put("plain", bad)
        .put(".hidden/x", bad)
        .put("s.tar", &tar(&[("a", A), ("m", bad)]))
        .put("s.tar.gz", &gzip(&tar(&[("m", bad)])))
        .put("stream.txt.gz", &gzip(bad))
        .put("after-end.tar", &after_end)
        .put("trailing.tar", &trailing)
        .put("fine", b"fine");
    let report = run(&flagging(&bench, &[bad]));
    let bad_ones: Vec<String> = told(&report).into_iter().filter(|t| t.starts_with("known-bad")).collect();
    assert_eq!(
        bad_ones,
        [
            "known-bad .hidden/x",
            "known-bad after-end.tar late",
            "known-bad plain",
            "known-bad s.tar m",
            "known-bad s.tar.gz m",
            "known-bad stream.txt.gz",
            "known-bad trailing.tar",
        ]
    );
    assert_eq!(report.exit_code, 1);
}

#[test]
fn no_digest_of_a_list_is_in_any_finding() {
    let bad: &[u8] = b"harmless bytes that play the part";
    let mut bench = Bench::new();
    // Altered into it, missing though claimed, moved, undisclosed: each would show its digest.
    bench.claim("altered", A).put("altered", bad).claim("missing", bad).put("undisclosed", bad);
    let mut options = bench.options();
    options.mode = Mode::Audit;
    options.hash_lists = flagging(&bench, &[bad]).hash_lists;
    let report = run(&options);
    assert_eq!(
        told(&report),
        ["altered altered", "known-bad altered", "known-bad undisclosed", "moved undisclosed"]
    );
    let digest = Sha256::digest(bad);
    for finding in report.findings() {
        let finding = finding.unwrap();
        for shown in [finding.expected, finding.found].into_iter().flatten() {
            assert_ne!(shown.bytes(), &digest[..], "{}", finding.code);
        }
    }
    options.reveal = true;
    let revealed = run(&options).findings().filter(|f| f.as_ref().unwrap().found.is_some()).count();
    assert!(revealed >= 2);
}

#[test]
fn a_flag_run_that_looked_nothing_up_is_no_success() {
    let bench = Bench::new();
    assert_eq!(run(&flagging(&bench, &[A])).exit_code, 3);
}

#[test]
fn a_pipe_or_a_link_in_the_way_is_told_and_nothing_hangs() {
    let mut bench = Bench::new();
    bench.claim("pipe", A).claim("link/x", B).claim("a", A).put("a", A);
    let pipe = bench.path("d/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/nonexistent", bench.path("d/link")).unwrap();
    assert_eq!(bench.told(), ["unfollowed-link link", "unreadable pipe", "unverified link x"]);
    let _: &Path = &pipe;
}
