//! `--state`: whatever ran before, was stopped or was damaged, the next report is that of a run that read everything.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/copies.rs"]
mod copies;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use copies::samples;
use parquet::basic::Compression;
use proptest::prelude::*;
use sha2::Digest as _;
use shardproof::audit::{AuditOptions, Mode, Progress, Report, Silent, SourceSpec, audit, index};
use shardproof::error::Error;
use shardproof::finding::Code;

fn json(report: &Report) -> String {
    common::lasting(report, &common::REUSED)
}

fn run(options: &AuditOptions) -> Report {
    let report = audit(options, &Silent, &AtomicBool::new(false)).unwrap();
    assert_eq!(report.coverage.broken, Vec::<String>::new(), "the books do not balance");
    report
}

fn sha256(content: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(content))
}

fn md5(content: &[u8]) -> String {
    hex::encode(md5::Md5::digest(content))
}

/// Time stamps of what is written next differ from those of what was written before.
fn tick() {
    std::thread::sleep(Duration::from_millis(12));
}

/// Files of all kinds; what they hold depends on a number.
fn content(name: &str, salt: usize) -> Vec<u8> {
    let some = samples(5 + salt % 3, salt);
    match name {
        "t/twice.tar" => {
            let tar = copies::tar(&some);
            // The same entries again behind the first, in front of the end.
            let entries = &tar[..tar.len() - 1024];
            [entries, entries, &[0; 1024]].concat()
        }
        "t/hidden.tar" => [&copies::tar(&some)[..], b"what no reader shows", &[salt as u8]].concat(),
        "t/cut.tar" => copies::tar(&some)[..1500].to_vec(),
        "t/good.tar.gz" => copies::gzip(&copies::tar(&some)),
        "p/a.parquet" | "p/b.parquet" => copies::parquet(&samples(40, salt), Compression::SNAPPY, 4),
        "p/a.jsonl" => copies::jsonl(&some),
        "p/a.csv" => copies::csv(&some),
        "z.7z" => [b"7z\xbc\xaf\x27\x1c".as_slice(), format!("{salt}").as_bytes()].concat(),
        // A row that claims the digest of its own content, and one that claims another.
        "p/claims.jsonl" => format!(
            "{{\"text\":\"a{salt}\",\"sha256\":\"{}\"}}\n{{\"text\":\"b\",\"sha256\":\"{}\"}}\n{{\"text\":\"c\"}}\n",
            sha256(format!("a{salt}").as_bytes()),
            sha256(b"other"),
        )
        .into_bytes(),
        _ => format!("content {salt} of {name}").into_bytes(),
    }
}

const NAMES: [&str; 12] = [
    "a",
    "b/odd\u{202e}name",
    "b/c.txt",
    "p/a.csv",
    "p/a.jsonl",
    "p/a.parquet",
    "p/b.parquet",
    "p/claims.jsonl",
    "t/cut.tar",
    "t/good.tar.gz",
    "t/hidden.tar",
    "z.7z",
];

struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    /// A dataset, and what it is checked against.
    fn new(names: &[&str]) -> Bench {
        let bench = Bench { home: tempfile::tempdir().unwrap() };
        let mut sums = String::new();
        for (salt, name) in names.iter().enumerate() {
            bench.put(name, salt);
            sums.push_str(&format!("{}  {name}\n", sha256(&content(name, salt))));
        }
        // A member of one of them, something that is nowhere, and something that has moved.
        let member = samples(5, 1).remove(1).1;
        sums.push_str(&format!("{}  t/good.tar.gz/00001.txt\n", sha256(member.as_bytes())));
        sums.push_str(&format!("{}  gone\n", "ab".repeat(32)));
        fs::write(bench.path("SUMS"), sums).unwrap();
        let sample = samples(9, 2).remove(0).1;
        let listed = [&b"content 0 of a"[..], sample.as_bytes()];
        fs::write(bench.path("list.md5"), listed.map(|c| md5(c) + "\n").concat()).unwrap();
        fs::write(bench.path("list.sha256"), listed.map(|c| sha256(c) + "\n").concat()).unwrap();
        let mut options = bench.options(Mode::Index);
        options.output = Some(bench.path("first.index"));
        index(&options, &Silent, &AtomicBool::new(false)).unwrap();
        bench
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn put(&self, name: &str, salt: usize) {
        let path = self.path("d").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content(name, salt)).unwrap();
    }

    fn options(&self, mode: Mode) -> AuditOptions {
        let mut options = AuditOptions::new(mode, vec![self.path("d")]);
        options.threads = 2;
        options.settling = Duration::ZERO;
        options
    }

    /// One of several ways to check it.
    fn check(&self, which: usize) -> AuditOptions {
        let of = |path: &str| vec![SourceSpec { format: None, path: self.path(path) }];
        let mut options = self.options([Mode::Verify, Mode::Audit, Mode::Flag][which % 3]);
        match which {
            0 => options.manifests = of("SUMS"),
            1 => (options.manifests, options.hash_lists) = (of("SUMS"), of("list.sha256")),
            2 => options.hash_lists = of("list.md5"),
            3 => options.manifests = of("first.index"),
            4 => (options.manifests, options.hash_lists) = (of("first.index"), of("list.md5")),
            5 => options.hash_lists = [of("list.sha256"), of("list.md5")].concat(),
            _ => {
                options.mode = Mode::Verify;
                options.digest_columns = vec![("sha256".into(), shardproof::digest::Algorithm::Sha256)];
            }
        }
        options
    }

    fn with_state(&self, options: &AuditOptions) -> AuditOptions {
        AuditOptions { state: Some(self.path("state")), ..options.clone() }
    }
}

/// Stops a run once so many files were begun.
struct StopAfter(AtomicI64, AtomicBool);

impl Progress for StopAfter {
    fn stage(&self, _: &'static str) {}
    fn planned(&self, _: u64, _: u64) {}
    fn begin(&self, _: &[u8]) {
        if self.0.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.1.store(true, Ordering::SeqCst);
        }
    }
    fn read(&self, _: u64) {}
    fn notice(&self, _: &str) {}
}

/// What happens to the dataset between two runs.
#[derive(Clone, Debug)]
enum Edit {
    Put(&'static str, usize),
    Remove(&'static str),
    Swap(&'static str, &'static str),
}

fn edit() -> impl Strategy<Value = Edit> {
    let name = || prop::sample::select(NAMES.to_vec());
    prop_oneof![
        (name(), 0usize..4).prop_map(|(name, salt)| Edit::Put(name, salt)),
        name().prop_map(Edit::Remove),
        (name(), name()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

impl Edit {
    fn make(&self, bench: &Bench) {
        let at = |name: &str| bench.path("d").join(name);
        match self {
            Edit::Put(name, salt) => bench.put(name, *salt),
            Edit::Remove(name) => drop(fs::remove_file(at(name))),
            Edit::Swap(a, b) if a != b && at(a).exists() && at(b).exists() => {
                fs::rename(at(a), bench.path("swapped")).unwrap();
                fs::rename(at(b), at(a)).unwrap();
                fs::rename(bench.path("swapped"), at(b)).unwrap();
            }
            Edit::Swap(..) => {}
        }
    }
}

/// Edits, which check, how many files are begun before it is stopped, from which size on files are divided.
type Day = (Vec<Edit>, usize, Option<i64>, u64);

fn day() -> impl Strategy<Value = Day> {
    let edits = prop::collection::vec(edit(), 0..3);
    let stop = prop::option::weighted(0.4, 0i64..12);
    (edits, 0usize..7, stop, prop::sample::select(vec![1u64, 2000, u64::MAX]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_report_is_that_of_a_run_that_reads_everything(days in prop::collection::vec(day(), 1..8)) {
        let bench = Bench::new(&NAMES);
        for (edits, which, stop, divide) in days {
            tick();
            edits.iter().for_each(|edit| edit.make(&bench));
            tick();
            let options = AuditOptions { divide, ..bench.check(which) };
            if let Some(files) = stop {
                let progress = StopAfter(AtomicI64::new(files), AtomicBool::new(false));
                let stopped = audit(&bench.with_state(&options), &progress, &progress.1);
                prop_assert!(matches!(stopped, Ok(_) | Err(Error::Interrupted { .. })), "{stopped:?}");
            }
            let fresh = run(&options);
            let kept = run(&bench.with_state(&options));
            prop_assert_eq!(json(&kept), json(&fresh), "check {}", which);
            let again = run(&bench.with_state(&options));
            prop_assert_eq!(json(&again), json(&fresh), "check {} again", which);
            let files = again.coverage.shards_read + again.coverage.shards_reused;
            prop_assert_eq!(files, fresh.coverage.shards_read);
            // What could not be read to its end is read again each time; of the others everything is known by now.
            let unreadable = again.counts.get(&Code::Unreadable).copied().unwrap_or(0);
            prop_assert!(again.coverage.shards_read <= unreadable, "{} were read again", again.coverage.shards_read);
        }
    }
}

#[test]
fn unchanged_files_are_not_read_and_changed_ones_are() {
    let bench = Bench::new(&["a", "b/c.txt", "t/good.tar.gz"]);
    tick();
    let options = bench.with_state(&bench.check(1));
    let reused = |report: &Report| {
        let coverage = &report.coverage;
        (coverage.shards_read, coverage.shards_reused, coverage.bytes_read > 0)
    };
    assert_eq!(reused(&run(&options)), (3, 0, true));
    assert_eq!(reused(&run(&options)), (0, 3, false));
    // Less than was measured is known, more is not.
    let less = bench.with_state(&bench.check(0));
    assert_eq!(
        run(&less).coverage.shards_reused,
        1,
        "a file that is not opened now is not what was opened then"
    );
    tick();
    bench.put("b/c.txt", 3);
    tick();
    assert_eq!(reused(&run(&options)), (1, 2, true));
    // The same content under new time stamps: nobody has looked at it.
    bench.put("a", 0);
    tick();
    assert_eq!(reused(&run(&options)), (1, 2, true));
    assert_eq!(json(&run(&options)), json(&run(&bench.check(1))));
}

#[test]
fn what_has_just_been_written_is_not_known_by_its_stamp() {
    let bench = Bench::new(&["a"]);
    let options = AuditOptions { settling: Duration::from_secs(3600), ..bench.with_state(&bench.check(0)) };
    for _ in 0..2 {
        assert_eq!(run(&options).coverage.shards_reused, 0);
    }
}

#[test]
fn an_index_from_a_state_is_the_index() {
    let bench = Bench::new(&NAMES);
    tick();
    let files = |name: &str| {
        let parts = fs::read_dir(bench.path(name).join("observations")).unwrap();
        let mut all: Vec<_> = parts
            .map(|e| e.unwrap().path())
            .map(|p| (p.file_name().unwrap().to_owned(), fs::read(p).unwrap()))
            .collect();
        all.sort();
        let others = ["shardproof-index.json", "findings.parquet"];
        (all, others.map(|other| fs::read(bench.path(name).join(other)).unwrap()))
    };
    for _ in 0..2 {
        let mut options = bench.with_state(&bench.options(Mode::Index));
        options.output = Some(bench.path("other.index"));
        index(&options, &Silent, &AtomicBool::new(false)).unwrap();
        assert!(files("other.index") == files("first.index"), "the indexes differ");
    }
}

#[test]
fn a_state_of_other_folders_is_kept_beside() {
    let bench = Bench::new(&["a", "b/c.txt"]);
    fs::create_dir_all(bench.path("other")).unwrap();
    fs::copy(bench.path("d/a"), bench.path("other/a")).unwrap();
    tick();
    let here = bench.with_state(&bench.check(2));
    let there = AuditOptions { roots: vec![bench.path("other")], ..here.clone() };
    let both = AuditOptions { roots: vec![bench.path("other"), bench.path("d")], ..here.clone() };
    assert_eq!(run(&here).coverage.shards_reused, 0);
    assert_eq!(run(&there).coverage.shards_reused, 0);
    assert_eq!(run(&here).coverage.shards_reused, 2);
    assert_eq!(run(&both).coverage.shards_reused, 3);
    let fresh = AuditOptions { state: None, ..both.clone() };
    assert_eq!(json(&run(&both)), json(&run(&fresh)));
}

/// The segments of a state, sorted.
fn segments(state: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    all.sort();
    all
}

#[test]
fn a_state_that_is_cut_or_flipped_anywhere_never_leads_to_another_report() {
    let bench = Bench::new(&["a", "z.7z"]);
    tick();
    let options = AuditOptions { threads: 1, ..bench.check(1) };
    let due = json(&run(&options));
    let options = bench.with_state(&options);
    run(&options);
    let [segment] = segments(&bench.path("state")).try_into().unwrap();
    let whole = fs::read(&segment).unwrap();
    let mut reused = [0; 3];
    let mut hold = |damaged: &[u8], what: &str| {
        segments(&bench.path("state")).iter().for_each(|path| fs::remove_file(path).unwrap());
        fs::write(&segment, damaged).unwrap();
        let report = run(&options);
        assert_eq!(json(&report), due, "{what}");
        reused[report.coverage.shards_reused as usize] += 1;
    };
    for at in 0..whole.len() {
        hold(&whole[..at], &format!("cut at byte {at}"));
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        hold(&flipped, &format!("byte {at} flipped"));
    }
    hold(&[&whole[..], &whole[..]].concat(), "twice");
    hold(b"something else", "foreign");
    assert!(reused.iter().all(|&n| n > 0), "what stands before the damage is of use: {reused:?}");
}

#[test]
fn a_damaged_marker_a_foreign_file_and_a_fifo_do_no_harm() {
    let bench = Bench::new(&["a", "b/c.txt"]);
    tick();
    let options = bench.with_state(&bench.check(1));
    let due = json(&run(&options));
    let state = bench.path("state");
    fs::write(state.join("shardproof-state.json"), "{").unwrap();
    fs::write(state.join("notes.txt"), "mine").unwrap();
    let fifo = Command::new("mkfifo").arg(state.join("segment-000009.log")).status().unwrap();
    assert!(fifo.success());
    let report = run(&options);
    assert_eq!(json(&report), due);
    assert_eq!(report.coverage.shards_reused, 2);
    assert_eq!(fs::read(state.join("notes.txt")).unwrap(), b"mine");
}

#[test]
fn what_is_gone_does_not_stay_forever() {
    let bench = Bench::new(&["a"]);
    let long = |salt: usize| copies::jsonl(&samples(6000, salt));
    for salt in 0..6 {
        fs::write(bench.path("d/rows.jsonl"), long(salt)).unwrap();
        tick();
        let report = run(&bench.with_state(&bench.check(1)));
        assert_eq!(json(&report), json(&run(&bench.check(1))));
        assert_eq!(report.coverage.shards_reused, u64::from(salt > 0));
    }
    let all: u64 = segments(&bench.path("state")).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let one = {
        let mut options = bench.with_state(&bench.check(1));
        options.state = Some(bench.path("small"));
        run(&options);
        fs::metadata(&segments(&bench.path("small"))[0]).unwrap().len()
    };
    assert!(one > 1 << 20, "{one} bytes are too few for this test");
    assert!(all < one * 5 / 2, "{all} bytes are kept of {one}");
}

fn shardproof(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardproof"));
    command.args(args).current_dir(home).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Small files, and one that takes minutes.
fn endless(home: &Path) {
    fs::create_dir(home.join("d")).unwrap();
    let mut sums = String::new();
    for i in 0..200 {
        fs::write(home.join(format!("d/{i}")), format!("{i}")).unwrap();
        sums.push_str(&format!("{}  {i}\n", sha256(format!("{i}").as_bytes())));
    }
    fs::File::create(home.join("d/sparse")).unwrap().set_len(1 << 40).unwrap();
    sums.push_str(&format!("{}  sparse\n", "ab".repeat(32)));
    fs::File::create(home.join("SUMS")).unwrap().write_all(sums.as_bytes()).unwrap();
    tick();
}

const VERIFY: [&str; 10] =
    ["verify", "d", "--manifest", "SUMS", "--state", "s", "--settling", "0s", "--threads", "2"];

#[test]
fn a_run_that_is_stopped_says_how_to_go_on() {
    for (signal, code) in [("INT", Some(130)), ("TERM", Some(143)), ("KILL", None)] {
        let home = tempfile::tempdir().unwrap();
        endless(home.path());
        let child = shardproof(home.path(), &VERIFY).spawn().unwrap();
        let begun = Instant::now();
        let is_kept = || {
            let segments =
                if home.path().join("s").exists() { segments(&home.path().join("s")) } else { Vec::new() };
            segments.iter().any(|path| fs::metadata(path).unwrap().len() > 20_000)
        };
        while !is_kept() {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is kept");
            std::thread::sleep(Duration::from_millis(20));
        }
        let second = shardproof(home.path(), &VERIFY).output().unwrap();
        let told = String::from_utf8_lossy(&second.stderr).into_owned();
        assert_eq!(second.status.code(), Some(2));
        assert!(told.contains("another run uses the state s"), "{told}");
        let kill =
            Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
        assert!(kill.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), code);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(told.contains("kept in s: the same command goes on"), code.is_some(), "{told}");
        fs::write(home.path().join("d/sparse"), "no longer").unwrap();
        let args = [&VERIFY[..], &["--report", "json:r.json", "--progress", "always"]].concat();
        let output = shardproof(home.path(), &args).output().unwrap();
        let report = fs::read(home.path().join("r.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(report["counts"], serde_json::json!({"altered": 1}));
        assert_eq!(report["coverage"]["shards_reused"], 200);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("200 files are as the state knows"), "{told}");
    }
}

#[test]
fn a_time_limit_ends_reading_and_tells_what_was_not_read() {
    let home = tempfile::tempdir().unwrap();
    endless(home.path());
    let args = [&VERIFY[..], &["--report", "json:r.json", "--time-limit", "1s500ms"]].concat();
    let begun = Instant::now();
    let output = shardproof(home.path(), &args).output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("the time limit was reached; the same command goes on"), "{told}");
    let report = fs::read(home.path().join("r.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["verdict"], "incomplete");
    assert_eq!(report["counts"], serde_json::json!({"unreadable": 1}));
    assert_eq!(report["findings"][0]["locator"]["shard"], "sparse");
    assert_eq!(report["coverage"]["ok"], 200);
    assert_eq!(report["coverage"]["settled"]["items"]["not_read"], 1);
}

#[test]
fn past_the_time_limit_nothing_is_read_and_everything_is_told() {
    let bench = Bench::new(&NAMES);
    for which in 0..7 {
        for divide in [1, u64::MAX] {
            let options = AuditOptions { time_limit: Some(Duration::ZERO), divide, ..bench.check(which) };
            let report = match audit(&options, &Silent, &AtomicBool::new(false)) {
                Ok(report) => report,
                Err(error) => panic!("check {which}: {error}"),
            };
            assert_eq!(report.coverage.broken, Vec::<String>::new());
            assert_eq!((report.coverage.bytes_read, report.coverage.shards_read), (0, 0));
            assert_ne!(report.exit_code, 0, "check {which}");
            let unreadable = report.counts.get(&Code::Unreadable);
            assert_eq!(unreadable, Some(&(NAMES.len() as u64)), "check {which}");
        }
    }
}
