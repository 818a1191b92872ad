//! An index: what it holds, that it serves in place of the dataset and as a manifest, and that other forms of the same
//! samples are recognised by it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/copies.rs"]
mod copies;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use common::{run, told, try_run, verifying};
use copies::{FORMS, Sample, samples, write};
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Report, Silent, SourceSpec, index};
use shardproof::check::balance::ClaimClass;
use shardproof::digest::Algorithm;
use shardproof::index::observations::{IndexDir, MARKER, Store};
use shardproof::observation::{Kind, Observation};
use shardproof::report::{Json, Renderer};

struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Bench { home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    /// Writes a copy and its index.
    fn copy(&self, name: &str, form: &str, samples: &[Sample]) {
        write(&self.path(name), form, samples);
        self.index(name);
    }

    fn index(&self, name: &str) -> Report {
        let mut options = AuditOptions::new(Mode::Index, vec![self.path(name)]);
        options.output = Some(self.path(&format!("{name}.index")));
        options.threads = 2;
        index(&options, &Silent, &AtomicBool::new(false)).unwrap()
    }

    fn observations(&self, name: &str) -> Vec<Observation> {
        let folder = self.path(&format!("{name}.index"));
        let index = IndexDir::open(&folder).unwrap();
        let mut all = Vec::new();
        let store = Store { folder, index, roots: vec![0], scratch: None };
        store
            .each(&mut |_, seen| {
                all.push(seen);
                Ok(())
            })
            .unwrap();
        all
    }

    /// A dataset (or its index) against the index of another copy.
    fn against(&self, dataset: &str, manifest: &str) -> Report {
        run(&verifying(&self.path(dataset), &self.path(&format!("{manifest}.index"))))
    }
}

/// Digests of what is a sample's field in any form: files, members and cells that are no containers.
fn contents(all: &[Observation]) -> BTreeMap<Vec<u8>, u64> {
    let mut counts = BTreeMap::new();
    for seen in all {
        let is_field = match seen.kind {
            Kind::Member | Kind::Cell => !seen.derived,
            Kind::File => {
                let name = &seen.locator.shard;
                name.ends_with(b".txt") || name.ends_with(b".url")
            }
            _ => false,
        };
        if is_field {
            let digest = seen.digests.of(Algorithm::Sha256).unwrap().bytes().to_vec();
            *counts.entry(digest).or_default() += 1;
        }
    }
    counts
}

fn records(all: &[Observation]) -> BTreeMap<[u8; 32], u64> {
    let mut counts = BTreeMap::new();
    for record in all.iter().filter_map(|seen| seen.record) {
        *counts.entry(record).or_default() += 1;
    }
    counts
}

#[test]
fn one_dataset_in_any_form_has_the_same_samples_and_records() {
    let bench = Bench::new();
    let samples = samples(40, 0);
    let mut expected = BTreeMap::new();
    for (_, text, url) in &samples {
        for content in [text, url] {
            *expected.entry(Sha256::digest(content).to_vec()).or_default() += 1;
        }
    }
    let mut reference = None;
    for form in FORMS {
        bench.copy(form, form, &samples);
        let all = bench.observations(form);
        assert_eq!(contents(&all), expected, "{form}");
        let records = records(&all);
        assert_eq!(records.values().sum::<u64>(), 40, "{form}");
        assert_eq!(&records, reference.get_or_insert(records.clone()), "{form}");
    }
}

#[test]
fn each_copy_verifies_against_the_index_of_any_other() {
    let bench = Bench::new();
    let samples = samples(30, 1);
    for form in FORMS {
        bench.copy(form, form, &samples);
    }
    for manifest in FORMS {
        for dataset in FORMS {
            for dataset_or_index in [dataset.to_string(), format!("{dataset}.index")] {
                let report = bench.against(&dataset_or_index, manifest);
                let told = told(&report);
                let what = format!("{dataset_or_index} against the index of {manifest}: {told:?}");
                if dataset == manifest {
                    assert_eq!((report.exit_code, told.len()), (0, 0), "{what}");
                    let balance = &report.coverage.balance;
                    assert_eq!(balance.claims_of(ClaimClass::Ok), balance.claims_in, "{what}");
                } else {
                    assert!(told.iter().all(|finding| finding.starts_with("moved ")), "{what}");
                    assert_eq!(report.exit_code, 1, "{what}");
                    // A container is one finding.
                    assert!(dataset == "folder" || told.len() <= 2, "{what}");
                }
            }
        }
    }
}

#[test]
fn edits_of_a_copy_give_exactly_their_findings() {
    for form in ["zstd.parquet", "arrow", "jsonl.gz", "csv", "tar.zst", "folder"] {
        let bench = Bench::new();
        let published = samples(30, 2);
        bench.copy("a", "snappy.parquet", &published);
        bench.copy("folder", "folder", &published);
        let mut here = published.clone();
        here[7].1.push_str(" changed");
        here.remove(20);
        here.push(("00099".into(), "a new text".into(), "https://new".into()));
        write(&bench.path("b"), form, &here);
        let report = bench.against("b", "a");
        let by_code = |code: &str| told(&report).iter().filter(|f| f.starts_with(code)).count();
        let (of_files, told) = (form == "folder" || form == "tar.zst", told(&report));
        // The row that changed and the row that was removed; their counterparts are other rows, or single files.
        let missing = by_code("missing");
        let undisclosed = by_code("undisclosed");
        assert_eq!(by_code("altered"), 0, "{form}: {told:?}");
        assert_eq!(missing, 2, "{form}: {told:?}");
        assert_eq!(undisclosed, if of_files { 3 } else { 2 }, "{form}: {told:?}");
    }
}

#[test]
fn edits_in_place_are_told_at_their_row() {
    let bench = Bench::new();
    let published = samples(30, 3);
    for form in ["zstd.parquet", "arrow", "jsonl", "csv"] {
        bench.copy(form, form, &published);
        let mut here = published.clone();
        here[7].1.push_str(" changed");
        write(&bench.path(form), form, &here);
        let report = bench.against(form, form);
        let rows: Vec<_> = report
            .findings()
            .map(Result::unwrap)
            .map(|f| {
                (f.code.name(), f.locator.as_ref().and_then(|l| l.row), f.locator.and_then(|l| l.column))
            })
            .collect();
        assert_eq!(
            rows,
            [("altered", None, None), ("altered", Some(7), Some("txt".to_string()))],
            "{form}: {:?}",
            told(&report)
        );
    }
}

#[test]
fn a_copy_packed_anew_under_the_same_name_is_moved() {
    let bench = Bench::new();
    let published = samples(30, 4);
    bench.copy("d", "zstd.parquet", &published);
    let other = copies::parquet(&published, parquet::basic::Compression::SNAPPY, 11);
    fs::write(bench.path("d/z.parquet"), other).unwrap();
    let report = bench.against("d", "d");
    assert_eq!(told(&report), ["moved z.parquet"]);
    assert!(report.findings().next().unwrap().unwrap().detail.contains("packed anew"));
}

#[test]
fn a_second_copy_in_another_form_is_undisclosed() {
    let bench = Bench::new();
    let published = samples(12, 11);
    for form in ["tar", "folder", "jsonl"] {
        bench.copy(form, form, &published);
        write(&bench.path(form), "csv", &published);
        let report = bench.against(form, form);
        assert_eq!(told(&report), ["undisclosed rows.csv"], "{form}");
        assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), report.coverage.balance.claims_in);
    }
}

#[test]
fn rows_that_moved_out_of_scope_are_not_missing() {
    let bench = Bench::new();
    let published = samples(12, 12);
    bench.copy("d", "jsonl", &published);
    fs::write(bench.path("d/rows.jsonl"), copies::jsonl(&published[..8])).unwrap();
    fs::write(bench.path("d/more.jsonl"), copies::jsonl(&published[8..])).unwrap();
    let mut options = verifying(&bench.path("d"), &bench.path("d.index"));
    for scope in [None, Some(shardproof::audit::ScopeOption::None)] {
        options.scope = scope;
        assert_eq!(told(&run(&options)), ["altered rows.jsonl", "moved more.jsonl"]);
    }
}

#[test]
fn an_index_serves_in_place_of_the_dataset() {
    let bench = Bench::new();
    let published = samples(12, 5);
    bench.copy("d", "tar", &published);
    let tar = fs::read(bench.path("d/s-000.tar")).unwrap();
    let line = |content: &[u8], name: &str| format!("{}  {name}\n", hex::encode(Sha256::digest(content)));
    let sums = [
        line(&tar, "s-000.tar"),
        line(b"other", "s-001.tar"),
        line(b"gone", "gone.tar"),
        line(published[0].1.as_bytes(), "s-000.tar/00000.txt"),
        line(b"x", "s-000.tar/00001.txt"),
    ];
    fs::write(bench.path("SUMS"), sums.concat()).unwrap();
    let of_folder = run(&verifying(&bench.path("d"), &bench.path("SUMS")));
    let of_index = run(&verifying(&bench.path("d.index"), &bench.path("SUMS")));
    assert_eq!(told(&of_folder), told(&of_index));
    assert_eq!(of_folder.exit_code, of_index.exit_code);
    assert_eq!((of_index.coverage.shards_read, of_index.coverage.shards_reused), (0, 2));
    assert_eq!(of_index.coverage.bytes_read, 0);

    let mut flagging = AuditOptions::new(Mode::Flag, vec![bench.path("d.index")]);
    let list = |name: &str, text: String| {
        fs::write(bench.path(name), text).unwrap();
        vec![SourceSpec { format: None, path: bench.path(name) }]
    };
    flagging.hash_lists = list("bad.txt", hex::encode(Sha256::digest(published[3].1.as_bytes())));
    assert_eq!(told(&run(&flagging)), ["known-bad s-000.tar 00003.txt"]);
    // A digest that the index lacks is no "none".
    flagging.hash_lists = list("sha512.txt", hex::encode(sha2::Sha512::digest(b"x")));
    let report = run(&flagging);
    assert_eq!((report.exit_code, told(&report).len()), (3, 1), "{:?}", told(&report));
}

#[test]
fn what_an_index_could_not_read_stays_unread() {
    let bench = Bench::new();
    let published = samples(12, 6);
    write(&bench.path("d"), "tar.gz", &published);
    let whole = fs::read(bench.path("d/all.tar.gz")).unwrap();
    fs::write(bench.path("d/all.tar.gz"), &whole[..whole.len() - 40]).unwrap();
    let made = bench.index("d");
    assert_eq!(made.exit_code, 3);
    let name = "all.tar.gz/00011.url";
    let line = format!("{}  {name}\n", hex::encode(Sha256::digest(b"never seen")));
    fs::write(bench.path("SUMS"), line).unwrap();
    let report = run(&verifying(&bench.path("d.index"), &bench.path("SUMS")));
    let told = told(&report);
    assert_ne!(report.exit_code, 0, "{told:?}");
    assert!(told.iter().any(|f| f.starts_with("unreadable")), "{told:?}");
    assert!(!told.iter().any(|f| f.starts_with("missing")), "{told:?}");
}

#[test]
fn a_damaged_or_unfinished_index_is_refused() {
    let bench = Bench::new();
    bench.copy("d", "csv", &samples(5, 7));
    fs::write(bench.path("SUMS"), format!("{}  x\n", "0f".repeat(32))).unwrap();
    let options = verifying(&bench.path("d.index"), &bench.path("SUMS"));
    let part = bench.path("d.index/observations/part-000000.parquet");
    let whole = fs::read(&part).unwrap();
    for damage in 0..whole.len().min(400) {
        let mut flipped = whole.clone();
        let at = damage * whole.len() / 400;
        flipped[at] ^= 0x10;
        fs::write(&part, &flipped).unwrap();
        match try_run(&options) {
            Err(error) => assert!(error.to_string().contains("index"), "{error}"),
            Ok(report) => assert_ne!(report.exit_code, 0),
        }
    }
    fs::write(&part, &whole[..whole.len() / 2]).unwrap();
    assert!(try_run(&options).is_err());
    fs::remove_file(&part).unwrap();
    assert!(try_run(&options).is_err());
    fs::write(&part, &whole).unwrap();
    assert!(try_run(&options).is_ok());
    let marker = bench.path("d.index").join(MARKER);
    let text = fs::read_to_string(&marker).unwrap();
    fs::write(&marker, text.replace("shardproof.index/1", "shardproof.index/9")).unwrap();
    assert!(try_run(&options).unwrap_err().to_string().contains("index/9"));
    fs::remove_file(&marker).unwrap();
    // Without its marker the folder is a dataset like any other.
    assert!(told(&run(&options)).iter().any(|f| f.contains("part-000000.parquet")));
}

#[test]
fn an_index_is_the_same_at_any_number_of_threads() {
    let bench = Bench::new();
    for (form, salt) in [("tar", 8), ("zstd.parquet", 9), ("folder", 10)] {
        write(&bench.path("d"), form, &samples(50, salt));
    }
    let files = |folder: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        for folder in [folder.to_path_buf(), folder.join("observations")] {
            for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
                all.insert(entry.path(), fs::read(entry.path()).unwrap());
            }
        }
        all
    };
    let mut options = AuditOptions::new(Mode::Index, vec![bench.path("d")]);
    options.output = Some(bench.path("d.index"));
    let mut reference = None;
    for threads in [1, 2, 7] {
        options.threads = threads;
        index(&options, &Silent, &AtomicBool::new(false)).unwrap();
        let here = files(&bench.path("d.index"));
        assert!(here == *reference.get_or_insert_with(|| here.clone()), "{threads} threads");
    }
}

#[test]
fn an_index_is_not_made_of_digests_that_it_cannot_keep() {
    let bench = Bench::new();
    write(&bench.path("d"), "csv", &samples(3, 11));
    let mut options = AuditOptions::new(Mode::Index, vec![bench.path("d")]);
    options.output = Some(bench.path("d.index"));
    options.declared.insert(Algorithm::Sha512);
    assert!(index(&options, &Silent, &AtomicBool::new(false)).is_ok());
    options.declared.insert(Algorithm::Blake3);
    let error = index(&options, &Silent, &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.contains("blake3") && error.contains("sha512"), "{error}");
}

/// Every kind of finding about rows, once from memory and once from scratch files.
#[test]
fn a_report_is_the_same_in_little_memory() {
    let bench = Bench::new();
    let row = |i: usize| (format!("{i}"), format!("text {i} {}", i * i), format!("u{}", i % 1000));
    let published: Vec<Sample> = (0..150_000).map(row).collect();
    let (first, second) = published.split_at(90_000);
    fs::create_dir(bench.path("a")).unwrap();
    let put = |name: &str, rows: &[Sample]| {
        let table = copies::parquet(rows, parquet::basic::Compression::SNAPPY, 40_000);
        fs::write(bench.path(name), table).unwrap();
    };
    put("a/1.parquet", first);
    put("a/2.parquet", second);
    bench.index("a");
    // The first file with an edit in place; of the second all but one row, a row twice and one that is new, elsewhere.
    fs::create_dir(bench.path("b")).unwrap();
    let mut here = first.to_vec();
    here[77_777].1.push('!');
    put("b/1.parquet", &here);
    let mut here = second.to_vec();
    here[5_000].2 = "another".into();
    here[40_000] = here[3].clone();
    here.reverse();
    put("b/other.parquet", &here);

    let mut options = verifying(&bench.path("b"), &bench.path("a.index"));
    let mut reports = Vec::new();
    for (memory, spills) in [(4 << 30, false), (16 << 20, true)] {
        options.memory = memory;
        let report = run(&options);
        assert_eq!(report.coverage.spilled > 0, spills, "{memory}: {} bytes", report.coverage.spilled);
        let mut json = Vec::new();
        Json.render(&report, &mut json).unwrap();
        let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        json.as_object_mut().unwrap().remove("run").unwrap();
        reports.push((told(&report), json.to_string()));
    }
    let codes: Vec<_> = reports[0].0.iter().map(|finding| finding.split(' ').next().unwrap()).collect();
    for code in ["altered", "missing", "moved", "undisclosed"] {
        assert!(codes.contains(&code), "no {code}: {codes:?}");
    }
    assert!(reports[0] == reports[1]);
}
