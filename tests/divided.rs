//! Large Parquet files that several workers share in: everything comes out as if one had read all of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/copies.rs"]
mod copies;
#[path = "common/parquet_files.rs"]
mod files;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use common::{count, told, verifying};
use copies::{Sample, samples};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Progress, Report, Samples, Silent, SourceSpec, audit, index};
use shardproof::check::balance::ClaimClass;
use shardproof::digest::Algorithm;
use shardproof::finding::Code;
use shardproof::index::observations::{IndexDir, Store};
use shardproof::observation::{Kind, Observation, State, Unread};

const WHOLE: u64 = u64::MAX;

struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Bench { home: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.path("d")).unwrap();
        bench
    }

    /// Small files, one of every shape of columns, and one of texts.
    fn with_files() -> Self {
        let bench = Bench::new();
        bench.put("d/a", b"a line\nanother\n");
        bench.put("d/odd.parquet", &odd());
        bench.put("d/t/texts.parquet", &texts(&samples(60, 1)));
        bench.put("d/z.jsonl", &copies::jsonl(&samples(5, 2)));
        bench
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn put(&self, below: &str, content: &[u8]) {
        fs::create_dir_all(self.path(below).parent().unwrap()).unwrap();
        fs::write(self.path(below), content).unwrap();
    }

    fn list(&self, values: &[&[u8]]) -> Vec<SourceSpec> {
        let lines = values.iter().map(|value| format!("{}\n", hex::encode(Sha256::digest(value))));
        self.put("list.txt", lines.collect::<String>().as_bytes());
        vec![SourceSpec { format: None, path: self.path("list.txt") }]
    }

    fn sums(&self, lines: &[(&str, &[u8])]) -> PathBuf {
        let line =
            |(name, content): &(&str, &[u8])| format!("{}  {name}\n", hex::encode(Sha256::digest(content)));
        self.put("SUMS", lines.iter().map(line).collect::<String>().as_bytes());
        self.path("SUMS")
    }

    /// Makes an index of `d`, and reads back all that is in it.
    fn index(&self, name: &str, divide: u64, threads: usize) -> (Report, Vec<Observation>) {
        let mut options = AuditOptions::new(Mode::Index, vec![self.path("d")]);
        options.output = Some(self.path(name));
        (options.divide, options.threads) = (divide, threads);
        let report = index(&options, &Silent, &AtomicBool::new(false)).unwrap();
        let marker = IndexDir::open(&self.path(name)).unwrap();
        let pieces = marker.parts.iter().filter(|part| part.name.matches('-').count() == 2).count();
        assert_eq!(pieces > 0, divide != WHOLE, "files are divided where they are to be: {:?}", marker.parts);
        let mut all = Vec::new();
        let store = Store { folder: self.path(name), index: marker, roots: vec![0], scratch: None };
        store
            .each(&mut |_, seen| {
                all.push(seen);
                Ok(())
            })
            .unwrap();
        (report, all)
    }
}

/// Row groups of three rows; numbers, bytes, texts, lists, structs, and images that lie elsewhere. Bytes are hidden
/// before the footer.
fn odd() -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(3))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build();
    let table = files::table();
    let mut writer = ArrowWriter::try_new(Vec::new(), table.schema(), Some(properties)).unwrap();
    (0..12).for_each(|_| writer.write(&table).unwrap());
    let bytes = writer.into_inner().unwrap();
    let (_, at) = files::footer(&bytes);
    [&bytes[..at], b"hidden content", &bytes[at..]].concat()
}

fn texts(samples: &[Sample]) -> Vec<u8> {
    copies::parquet(samples, Compression::SNAPPY, 4)
}

fn json(report: &Report) -> String {
    common::lasting(report, &["bytes_read"])
}

fn try_run(options: &AuditOptions) -> Report {
    let report = audit(options, &Silent, &AtomicBool::new(false)).unwrap();
    assert_eq!(report.coverage.broken, Vec::<String>::new(), "the books do not balance");
    report
}

/// Runs undivided and divided, coarsely and finely, at several numbers of threads; all reports are the same.
fn everywhere(options: &AuditOptions) -> Report {
    let mut options = options.clone();
    (options.divide, options.threads) = (WHOLE, 1);
    let reference = try_run(&options);
    for divide in [1, 2000] {
        let mut bytes_read = None;
        for threads in [1, 2, 7] {
            (options.divide, options.threads) = (divide, threads);
            let report = try_run(&options);
            assert_eq!(json(&report), json(&reference), "from {divide} bytes on, {threads} threads");
            let read = report.coverage.bytes_read;
            assert_eq!(*bytes_read.get_or_insert(read), read);
            assert!(read > reference.coverage.bytes_read, "no file was divided");
        }
    }
    reference
}

#[test]
fn an_index_holds_the_same_rows_in_the_same_order() {
    let bench = Bench::with_files();
    let (reference, rows) = bench.index("whole", WHOLE, 2);
    let findings = fs::read(bench.path("whole/findings.parquet")).unwrap();
    assert!(rows.iter().any(|seen| seen.kind == Kind::Row && seen.record.is_some()));
    let mut parts = None;
    for threads in [1, 2, 7] {
        for (name, divide) in [("coarse", 2000), ("fine", 1)] {
            let (report, here) = bench.index(name, divide, threads);
            assert_eq!(json(&report), json(&reference), "{name}, {threads} threads");
            assert_eq!(here.len(), rows.len());
            for (here, there) in here.iter().zip(&rows) {
                assert_eq!(here, there, "{name}, {threads} threads");
            }
            assert!(fs::read(bench.path(name).join("findings.parquet")).unwrap() == findings);
        }
        let folder = fs::read_dir(bench.path("fine/observations")).unwrap().map(Result::unwrap);
        let mut files: Vec<_> = folder.map(|e| (e.path(), fs::read(e.path()).unwrap())).collect();
        files.sort();
        assert!(files == *parts.get_or_insert_with(|| files.clone()), "{threads} threads");
    }
    // Either index serves as a dataset and as a manifest.
    for name in ["whole", "fine"] {
        for dataset in ["d", "whole", "fine"] {
            for divide in [WHOLE, 1] {
                let mut options = verifying(&bench.path(dataset), &bench.path(name));
                (options.divide, options.samples) = (divide, Samples::Always);
                let report = try_run(&options);
                let balance = &report.coverage.balance;
                assert_eq!(balance.claims_of(ClaimClass::Ok), balance.claims_in, "{dataset} against {name}");
            }
        }
    }
}

#[test]
fn values_are_found_and_claims_hold_as_in_the_whole() {
    let bench = Bench::with_files();
    let published = samples(60, 1);
    let mut options = AuditOptions::new(Mode::Flag, vec![bench.path("d")]);
    options.hash_lists = bench.list(&[published[33].1.as_bytes(), b"image 1", b"b", b"hidden content"]);
    assert_eq!(count(&everywhere(&options), Code::KnownBad), 1 + 12 + 12 + 1);

    let (odd, texts) = (odd(), texts(&published));
    let manifest = bench.sums(&[
        ("odd.parquet", &odd),
        ("z.jsonl", b"another content"),
        ("gone.txt", published[50].1.as_bytes()),
        ("gone.jpg", b"image 3"),
        ("never.txt", b"never seen"),
    ]);
    let mut options = verifying(&bench.path("d"), &manifest);
    options.samples = Samples::Always;
    let report = everywhere(&options);
    let of = |code| count(&report, code);
    let counts = [of(Code::Altered), of(Code::Missing), of(Code::Moved)];
    assert_eq!(counts, [1, 2, 1], "{:?}", told(&report));
    assert_eq!(count(&report, Code::ExternalReference), 1, "of all row groups together");
    // As nothing asks for the digest of a file, only what rows need is read.
    let manifest = bench.sums(&[("x/gone.txt", published[50].1.as_bytes()), ("t/texts.parquet", &texts)]);
    options = verifying(&bench.path("d"), &manifest);
    options.mode = Mode::Audit;
    options.hash_lists = bench.list(&[published[7].2.as_bytes()]);
    assert_eq!(count(&everywhere(&options), Code::KnownBad), 1);
}

#[test]
fn digests_in_rows_that_cannot_be_compared_are_counted_over_all_row_groups() {
    let bench = Bench::new();
    let odd_ones = [5, 17, 41];
    let digest = |i: usize, text: &String| match odd_ones.contains(&i) {
        true => "no digest".to_string(),
        false => hex::encode(Sha256::digest(text)),
    };
    let rows = samples(60, 1)
        .into_iter()
        .enumerate()
        .map(|(i, (key, text, _))| (key, text.clone(), digest(i, &text)));
    bench.put("d/t.parquet", &texts(&rows.collect::<Vec<_>>()));
    let mut options = AuditOptions::new(Mode::Verify, vec![bench.path("d")]);
    options.digest_columns = vec![("url".to_string(), Algorithm::Sha256)];
    let report = everywhere(&options);
    let details: Vec<String> = report.findings().map(|f| f.unwrap().detail).collect();
    assert_eq!(details.len(), 1, "{details:?}");
    assert!(details[0].starts_with("3 rows, the first is 5: "), "{details:?}");
}

#[test]
fn edits_are_told_at_their_rows() {
    let bench = Bench::with_files();
    bench.index("published", WHOLE, 2);
    let mut here = samples(60, 1);
    here[42].1.push_str(" changed");
    here.swap(3, 57);
    bench.put("d/u/texts.parquet", &texts(&here));
    fs::remove_file(bench.path("d/t/texts.parquet")).unwrap();
    let report = everywhere(&verifying(&bench.path("d"), &bench.path("published")));
    let at = |code| {
        let of = move |f: &shardproof::finding::Finding| f.code == code;
        let rows = report.findings().map(Result::unwrap).filter(of);
        rows.filter_map(|f| f.locator.and_then(|l| l.row)).collect::<Vec<_>>()
    };
    assert_eq!((at(Code::Undisclosed), at(Code::Missing)), (vec![42], vec![42]), "{:?}", told(&report));
    // In place, a file is first only compared as a whole; it is opened by one worker.
    bench.put("d/t/texts.parquet", &texts(&here));
    fs::remove_dir_all(bench.path("d/u")).unwrap();
    let mut options = verifying(&bench.path("d"), &bench.path("published"));
    options.samples = Samples::Always;
    let report = everywhere(&options);
    assert_eq!(count(&report, Code::Altered), 2, "{:?}", told(&report));
}

#[test]
fn damage_in_one_row_group_leaves_the_others() {
    let bench = Bench::with_files();
    let mut bytes = texts(&samples(60, 1));
    let (metadata, _) = files::footer(&bytes);
    let (start, _) = metadata.row_group(5).column(0).byte_range();
    bytes[start as usize] = 0xff;
    bench.put("d/t/texts.parquet", &bytes);
    // Rows without records do not wait for those before them to be identified.
    let sorted = |mut rows: Vec<Observation>| {
        rows.sort_by_key(|seen| (seen.locator.shard.clone(), seen.item));
        rows
    };
    let (reference, rows) = bench.index("whole", WHOLE, 2);
    let rows = sorted(rows);
    for threads in [1, 2, 7] {
        let (report, here) = bench.index("fine", 1, threads);
        assert_eq!(json(&report), json(&reference), "{threads} threads");
        assert!(sorted(here) == rows, "{threads} threads");
    }
    assert_eq!(count(&reference, Code::Unreadable), 1, "{:?}", told(&reference));
    let file = rows.iter().find(|s| s.kind == Kind::File && s.locator.shard == b"t/texts.parquet").unwrap();
    assert!(file.opened && file.inside_incomplete && file.state == State::Read);
    let mut options = AuditOptions::new(Mode::Flag, vec![bench.path("d")]);
    let published = samples(60, 1);
    options.hash_lists =
        bench.list(&[published[19].1.as_bytes(), published[20].1.as_bytes(), published[20].2.as_bytes()]);
    // The text of row 20 is in the damaged chunk.
    assert_eq!(count(&everywhere(&options), Code::KnownBad), 2);

    // A file cut short has no footer: nobody can share in it.
    bench.put("d/t/texts.parquet", &bytes[..bytes.len() - 9]);
    everywhere(&options);
}

#[test]
fn a_wrong_page_checksum_is_told_once() {
    let values: Vec<Vec<u8>> = (0..40).map(|i| format!("value number {i}").into_bytes()).collect();
    let crc =
        |wrong: usize| move |number: usize, body: &[u8]| crc32fast::hash(body) ^ u32::from(number == wrong);
    let list: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    for (wrong, faults) in [(usize::MAX, 0), (17, 1)] {
        let bench = Bench::new();
        bench.put("d/crc.parquet", &files::groups_with_crc(&values, crc(wrong)));
        // With the digest of the file and without.
        let mut flag = AuditOptions::new(Mode::Flag, vec![bench.path("d")]);
        flag.hash_lists = bench.list(&list);
        let manifest = bench.sums(&[("crc.parquet/none", b"none")]);
        for options in [flag, verifying(&bench.path("d"), &manifest)] {
            let report = everywhere(&options);
            assert_eq!(count(&report, Code::Unreadable), faults, "{:?}", told(&report));
            let found = if options.mode == Mode::Flag { 40 - faults } else { 0 };
            assert_eq!(count(&report, Code::KnownBad), found);
        }
    }
}

/// Touches a file when it is begun for the so manieth time.
struct Touch {
    file: PathBuf,
    left: AtomicU64,
}

impl Progress for Touch {
    fn stage(&self, _: &'static str) {}
    fn planned(&self, _: u64, _: u64) {}
    fn read(&self, _: u64) {}
    fn notice(&self, _: &str) {}

    fn begin(&self, path: &[u8]) {
        if path.ends_with(b"texts.parquet") && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let file = fs::File::options().append(true).open(&self.file).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        }
    }
}

#[test]
fn a_change_while_reading_is_told_once_and_settles_nothing() {
    let bench = Bench::new();
    let whole = texts(&samples(60, 1));
    bench.put("d/t/texts.parquet", &whole);
    let file = bench.path("d/t/texts.parquet");
    let manifest = bench.sums(&[("t/texts.parquet", &whole)]);
    let mut options = verifying(&bench.path("d"), &manifest);
    options.samples = Samples::Always;
    for (divide, threads, begun) in [(WHOLE, 1, 1), (1, 1, 1), (1, 1, 2), (1, 1, 9), (1, 7, 1), (1, 7, 3)] {
        (options.divide, options.threads) = (divide, threads);
        let touch = Touch { file: file.clone(), left: AtomicU64::new(begun) };
        let report = audit(&options, &touch, &AtomicBool::new(false)).unwrap();
        assert_eq!(report.coverage.broken, Vec::<String>::new());
        let changed: Vec<_> = told(&report).into_iter().filter(|f| f.starts_with("changed")).collect();
        assert_eq!(changed, ["changed-while-reading t/texts.parquet"], "{divide} {threads} {begun}");
        assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), 0);
        assert_eq!(report.exit_code, 3);
    }
    // In an index, the file is not read to its end.
    let mut indexing = AuditOptions::new(Mode::Index, vec![bench.path("d")]);
    indexing.output = Some(bench.path("i"));
    (indexing.divide, indexing.threads) = (1, 1);
    let touch = Touch { file, left: AtomicU64::new(4) };
    index(&indexing, &touch, &AtomicBool::new(false)).unwrap();
    let marker = IndexDir::open(&bench.path("i")).unwrap();
    let store = Store { folder: bench.path("i"), index: marker, roots: vec![0], scratch: None };
    let mut states = Vec::new();
    store
        .each(&mut |_, seen| {
            if seen.kind == Kind::File && seen.locator.shard.ends_with(b"texts.parquet") {
                states.push((seen.state, seen.digests.of(Algorithm::Sha256).is_some()));
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(states, [(State::Unread(Unread::ChangedWhileReading), true)]);
}
