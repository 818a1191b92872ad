//! An index as a manifest where it is easily misread: duplicates across files, several manifests, copies beside copies,
//! what an index does not hold.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/copies.rs"]
mod copies;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use common::{run, told, verifying};
use copies::{Sample, gzip, jsonl, parquet, samples, tar, write};
use parquet::basic::Compression;
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Report, Samples, ScopeOption, Silent, SourceSpec, index};
use shardproof::check::balance::ClaimClass;

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

    fn put(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    fn indexing(&self, name: &str) -> AuditOptions {
        let mut options = AuditOptions::new(Mode::Index, vec![self.path(name)]);
        options.output = Some(self.path(&format!("{name}.index")));
        options.threads = 2;
        options
    }

    fn index(&self, name: &str) -> Report {
        index(&self.indexing(name), &Silent, &AtomicBool::new(false)).unwrap()
    }

    fn options(&self, dataset: &str, manifest: &str) -> AuditOptions {
        verifying(&self.path(dataset), &self.path(&format!("{manifest}.index")))
    }

    fn against(&self, dataset: &str, manifest: &str) -> Report {
        run(&self.options(dataset, manifest))
    }
}

fn raw(samples: &[Sample]) -> Vec<u8> {
    parquet(samples, Compression::UNCOMPRESSED, 4)
}

fn snappy(samples: &[Sample]) -> Vec<u8> {
    parquet(samples, Compression::SNAPPY, 3)
}

fn archive(members: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = ::tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn claim(content: &[u8], name: &str) -> String {
    format!("{}  {name}\n", hex::encode(Sha256::digest(content)))
}

fn glob(text: &str) -> Option<globset::GlobSet> {
    let glob = globset::Glob::new(text).unwrap();
    Some(globset::GlobSetBuilder::new().add(glob).build().unwrap())
}

#[test]
fn samples_of_files_that_are_claimed_themselves_do_not_answer_for_a_table() {
    let bench = Bench::new();
    let published = samples(6, 0);
    write(&bench.path("d"), "folder", &published);
    bench.put("d/x.parquet", &raw(&published));
    bench.index("d");
    assert_eq!(bench.against("d", "d").exit_code, 0);
    bench.remove("d/x.parquet");
    let report = bench.against("d", "d");
    assert_eq!((told(&report), report.exit_code), (vec!["missing x.parquet".to_string()], 1));
}

#[test]
fn samples_of_an_archive_packed_anew_do_not_answer_for_a_table() {
    let bench = Bench::new();
    let published = samples(6, 1);
    let members = tar(&published);
    bench.put("d/s.tar", &members);
    bench.put("d/x.parquet", &raw(&published));
    bench.index("d");
    bench.remove("d/x.parquet");
    let mut anew = members;
    anew.extend_from_slice(&[0; 10240]);
    bench.put("d/s.tar", &anew);
    assert_eq!(told(&bench.against("d", "d")), ["missing x.parquet", "moved s.tar"]);
}

#[test]
fn a_table_beside_the_intact_archive_is_no_move() {
    let bench = Bench::new();
    let published = samples(6, 2);
    bench.put("d/s.tar", &tar(&published));
    bench.index("d");
    bench.put("d/x.parquet", &raw(&published));
    assert_eq!(told(&bench.against("d", "d")), ["undisclosed x.parquet"]);
    let mut options = bench.options("d", "d");
    options.scope = Some(ScopeOption::None);
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
}

#[test]
fn a_file_that_moved_as_a_whole_answers_for_no_other() {
    let published = samples(6, 3);
    for (one, other, from, to, new) in [
        (raw(&published), snappy(&published), "x.parquet", "y.parquet", "z.parquet"),
        (snappy(&published), raw(&published), "x.parquet", "y.parquet", "z.parquet"),
        (raw(&published), snappy(&published), "y.parquet", "x.parquet", "z.parquet"),
        (tar(&published), gzip(&tar(&published)), "x.tar", "y.tar.gz", "z.tar"),
        (gzip(&tar(&published)), tar(&published), "x.tar.gz", "y.tar", "z.tar.gz"),
        (gzip(&tar(&published)), tar(&published), "y.tar.gz", "x.tar", "z.tar.gz"),
    ] {
        let bench = Bench::new();
        bench.put(&format!("d/{from}"), &one);
        bench.put(&format!("d/{to}"), &other);
        bench.index("d");
        bench.put(&format!("e/{new}"), &one);
        let report = bench.against("e", "d");
        assert_eq!(told(&report), [format!("missing {to}"), format!("moved {new}")], "{from} {to}");
    }
}

#[test]
fn one_text_answers_for_one_value() {
    let bench = Bench::new();
    let twice: Vec<Sample> =
        (0..2).map(|i| (format!("{i}"), "same".to_string(), format!("url {i}"))).collect();
    bench.put("d/x.parquet", &raw(&twice));
    bench.index("d");
    bench.put("e/0.txt", b"same");
    bench.put("e/0.url", b"url 0");
    bench.put("e/1.url", b"url 1");
    let report = bench.against("e", "d");
    let all = told(&report);
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Missing), 1, "{all:?}");

    // And the other way: a text that is claimed as a file and as its only line.
    let bench = Bench::new();
    bench.put("d/0.txt", b"same");
    bench.put("d/0.url", b"url 0");
    bench.index("d");
    let mut twice = twice;
    twice[1].2 = "url 0".into();
    bench.put("e/x.parquet", &raw(&twice));
    // Its text and its url are claimed as files; the second row is one too many.
    let all = told(&bench.against("e", "d"));
    assert_eq!(all, ["moved x.parquet", "moved x.parquet", "undisclosed x.parquet"]);
}

#[test]
fn sums_beside_an_index_are_settled_with_it() {
    let bench = Bench::new();
    let published = samples(9, 4);
    let whole = raw(&published);
    bench.put("d/x.parquet", &whole);
    bench.index("d");
    bench.put("SUMS", claim(&whole, "x.parquet").as_bytes());
    for first in [true, false] {
        let mut options = bench.options("d", "d");
        let sums = SourceSpec { format: None, path: bench.path("SUMS") };
        options.manifests.insert(if first { 0 } else { 1 }, sums);
        bench.put("d/x.parquet", &whole);
        let report = run(&options);
        assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
        bench.put("d/x.parquet", &snappy(&published));
        assert_eq!(told(&run(&options)), ["moved x.parquet"]);
        let mut changed = published.clone();
        changed[3].1 = "other".into();
        bench.put("d/x.parquet", &raw(&changed));
        let report = run(&options);
        assert_eq!(told(&report), ["altered x.parquet", "altered x.parquet"]);
        bench.remove("d/x.parquet");
        bench.put("d/y.jsonl", &jsonl(&published));
        assert_eq!(told(&run(&options)), ["moved y.jsonl"]);
        bench.remove("d/y.jsonl");
    }
}

#[test]
fn an_archive_with_two_entries_of_a_name_verifies_against_its_own_index() {
    let bench = Bench::new();
    bench.put("d/s.tar", &archive(&[("a.txt", "one"), ("a.txt", "two"), ("b.txt", "b")]));
    bench.index("d");
    let report = bench.against("d", "d");
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    assert_eq!(told(&bench.against("d.index", "d")), ["duplicate s.tar a.txt"]);
    for second in ["two", "other", "one"] {
        let members = [("a.txt", "one"), ("a.txt", second), ("b.txt", "b"), ("c.txt", "c")];
        bench.put("e/s.tar", &archive(&members));
        let mut due = vec!["altered s.tar", "duplicate s.tar a.txt", "undisclosed s.tar c.txt"];
        if second != "two" {
            due.extend(["altered s.tar a.txt", "missing s.tar a.txt"]);
        }
        due.sort_unstable();
        assert_eq!(told(&bench.against("e", "d")), due, "{second}");
    }
    bench.put("e/s.tar", &archive(&[("a.txt", "one"), ("b.txt", "b")]));
    assert_eq!(told(&bench.against("e", "d")), ["altered s.tar", "missing s.tar a.txt"]);
}

#[test]
fn an_index_that_does_not_hold_everything_claims_no_completeness() {
    let bench = Bench::new();
    bench.put("d/a.txt", b"a");
    bench.put("d/b.md", b"b");
    let mut options = bench.indexing("d");
    options.include = glob("*.txt");
    index(&options, &Silent, &AtomicBool::new(false)).unwrap();
    // Whether the rest is as published cannot be told: neither undisclosed nor valid.
    let report = bench.against("d", "d");
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 3));
    let mut options = bench.options("d", "d");
    options.subset = true;
    assert_eq!(run(&options).exit_code, 0);
}

#[test]
fn patterns_take_samples_with_their_shard() {
    let bench = Bench::new();
    let published = samples(4, 5);
    bench.put("d/s.tar", &tar(&published));
    bench.put("d/x.parquet", &raw(&published));
    bench.index("d");
    let mut changed = published.clone();
    changed[1].1 = "other".into();
    bench.put("e/s.tar", &tar(&changed));
    bench.index("e");
    for dataset in ["e", "e.index"] {
        let mut options = bench.options(dataset, "d");
        options.include = glob("?.tar");
        assert_eq!(told(&run(&options)), ["altered s.tar", "altered s.tar 00001.txt"], "{dataset}");
    }
    // Of a shard that is left out, no sample is missing.
    let mut options = bench.options("e", "d");
    bench.remove("e/s.tar");
    bench.put("e/x.parquet", &raw(&published));
    options.exclude = glob("*.tar");
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
}

#[test]
fn shards_that_changed_places_are_not_as_claimed() {
    let bench = Bench::new();
    let published = samples(8, 6);
    bench.put("d/x.parquet", &raw(&published[..4]));
    bench.put("d/y.parquet", &raw(&published[4..]));
    bench.index("d");
    bench.put("e/x.parquet", &snappy(&published[4..]));
    bench.put("e/z.parquet", &snappy(&published[..4]));
    let report = bench.against("e", "d");
    let all: Vec<_> = report.findings().map(Result::unwrap).collect();
    assert!(all.iter().all(|finding| !finding.detail.contains("packed anew")), "{all:?}");
    assert!(all.iter().any(|f| f.code.name() == "altered" && f.locator.as_ref().unwrap().row.is_none()));
    assert!(!told(&report).iter().any(|f| f.starts_with("missing") || f.starts_with("undisclosed")));
}

#[test]
fn of_equal_rows_the_one_that_is_gone_is_missed_where_it_was() {
    for (keeps, loses) in [("x.parquet", "y.parquet"), ("y.parquet", "x.parquet")] {
        let bench = Bench::new();
        let published = samples(4, 7);
        bench.put(&format!("d/{keeps}"), &raw(&published));
        bench.put(&format!("d/{loses}"), &raw(&published));
        bench.index("d");
        bench.put(&format!("d/{keeps}"), &snappy(&published));
        bench.put(&format!("d/{loses}"), &snappy(&published[..3]));
        let all = told(&bench.against("d", "d"));
        assert_eq!(
            all,
            [format!("altered {loses}"), format!("missing {loses}"), format!("moved {keeps}")],
            "{keeps}"
        );
    }
}

#[test]
fn the_order_in_which_files_are_opened_does_not_count() {
    let bench = Bench::new();
    let published = samples(9, 8);
    bench.put("d/a.parquet", &raw(&published[..4]));
    bench.put("d/c.parquet", &raw(&published[4..]));
    bench.index("d");
    // The first has the size that is claimed: only its digest says that it must be opened.
    let mut changed = raw(&published[..4]);
    let text = published[0].2.as_bytes();
    let at = memchr::memmem::find(&changed, text).unwrap();
    changed[at] ^= 1;
    bench.put("e/a.parquet", &changed);
    bench.put("e/b.parquet", &raw(&published[4..6]));
    bench.put("e/d.parquet", &snappy(&published[6..]));
    let mut others: Option<Vec<String>> = None;
    bench.index("e");
    for dataset in ["e", "e.index"] {
        let all = told(&bench.against(dataset, "d"));
        assert_eq!(&all, others.get_or_insert(all.clone()), "{dataset}");
        assert!(all.contains(&"altered a.parquet".to_string()), "{all:?}");
        assert!(!all.iter().any(|finding| finding.starts_with("missing c")), "{all:?}");
    }
}

#[test]
fn an_unread_file_of_an_index_is_never_valid() {
    let bench = Bench::new();
    let whole = archive(&[("b.txt", "b"), ("c.txt", &"long ".repeat(1000))]);
    let half = 3000;
    bench.put("d/s.tar", &whole[..half]);
    bench.put("d/a.txt", b"a");
    assert_eq!(bench.index("d").exit_code, 3);
    for here in [&whole[..], &whole[..half]] {
        bench.put("d/s.tar", here);
        let report = bench.against("d", "d");
        assert_ne!(report.exit_code, 0, "{:?}", told(&report));
    }
}

#[test]
fn known_bad_rows_show_no_digest() {
    let bench = Bench::new();
    let published = samples(6, 10);
    bench.put("d/x.parquet", &raw(&published));
    bench.index("d");
    let mut changed = published.clone();
    changed[2].1 = "harmless text that plays the part".into();
    changed.remove(4);
    bench.put("e/x.parquet", &raw(&changed));
    let mut options = bench.options("e", "d");
    options.mode = Mode::Audit;
    let bad = [changed[2].1.as_bytes(), published[4].1.as_bytes()];
    let list: String = bad.iter().map(|text| hex::encode(Sha256::digest(text)) + "\n").collect();
    bench.put("list.txt", list.as_bytes());
    options.hash_lists = vec![SourceSpec { format: None, path: bench.path("list.txt") }];
    let report = run(&options);
    assert!(told(&report).contains(&"known-bad x.parquet".to_string()));
    let mut text = Vec::new();
    use shardproof::report::Renderer;
    shardproof::report::Json.render(&report, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    for bad in bad {
        assert!(!text.contains(&hex::encode(Sha256::digest(bad))));
    }
}

#[test]
fn an_index_beside_a_folder_is_one_dataset() {
    let bench = Bench::new();
    let published = samples(8, 11);
    bench.put("d/x.parquet", &raw(&published[..4]));
    bench.put("d/y.parquet", &raw(&published[4..]));
    bench.index("d");
    bench.put("e/x.parquet", &raw(&published[..4]));
    bench.put("f/y.parquet", &raw(&published[4..]));
    bench.index("e");
    let mut options = bench.options("e.index", "d");
    options.roots.push(bench.path("f"));
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    bench.put("f/y.parquet", &snappy(&published[4..]));
    assert_eq!(told(&run(&options)), ["moved y.parquet"]);
    bench.put("f/y.parquet", &raw(&published[5..]));
    assert_eq!(told(&run(&options)), ["altered y.parquet", "missing y.parquet"]);
    bench.remove("f/y.parquet");
    assert_eq!(told(&run(&options)), ["missing y.parquet"]);
    options.subset = true;
    assert_eq!(run(&options).exit_code, 0);
}

#[test]
fn an_index_that_was_not_opened_claims_files_only() {
    let bench = Bench::new();
    let published = samples(8, 12);
    bench.put("d/x.parquet", &raw(&published));
    let mut options = bench.indexing("d");
    options.samples = Samples::Never;
    index(&options, &Silent, &AtomicBool::new(false)).unwrap();
    assert_eq!(bench.against("d", "d").exit_code, 0);
    bench.put("d/x.parquet", &snappy(&published));
    assert_eq!(told(&bench.against("d", "d")), ["altered x.parquet"]);
    bench.put("e/y.parquet", &raw(&published));
    assert_eq!(told(&bench.against("e", "d")), ["moved y.parquet"]);

    // The dataset is not opened though the index holds samples.
    let bench = Bench::new();
    bench.put("d/x.parquet", &raw(&published));
    bench.put("d/s.tar", &tar(&published));
    bench.index("d");
    for samples in [Samples::Never, Samples::Always] {
        let mut options = bench.options("d", "d");
        options.samples = samples;
        let report = run(&options);
        assert_eq!((told(&report), report.exit_code), (Vec::new(), 0), "{samples:?}");
    }
    bench.put("d/x.parquet", &snappy(&published));
    bench.put("d/s.tar", &tar(&published[1..]));
    let mut options = bench.options("d", "d");
    options.samples = Samples::Never;
    let report = run(&options);
    assert_eq!(report.exit_code, 1);
    let all = told(&report);
    assert!(!all.iter().any(|f| f.starts_with("missing") || f.starts_with("moved")), "{all:?}");
}

#[test]
fn lines_without_an_identity_are_known_by_their_bytes() {
    let bench = Bench::new();
    let lines = "{\"a\":\"1\",\"a\":\"2\"}\n{\"a\":\"3\"}\nno json\n";
    bench.put("d/r.jsonl", lines.as_bytes());
    bench.index("d");
    assert_eq!(bench.against("d", "d").exit_code, 0);
    bench.put("e/r.jsonl.gz", &gzip(lines.as_bytes()));
    let all = told(&bench.against("e", "d"));
    assert_eq!(all, ["moved r.jsonl.gz", "unreadable r.jsonl.gz", "unverifiable r.jsonl.gz"]);
    bench.remove("e/r.jsonl.gz");
    bench.put("e/r.jsonl", lines.replace("\"2\"", "\"9\"").as_bytes());
    let report = bench.against("e", "d");
    assert_eq!(report.exit_code, 1, "{:?}", told(&report));
}

#[test]
fn files_of_one_name_in_two_roots_are_both_looked_into() {
    let bench = Bench::new();
    let published = samples(8, 13);
    bench.put("d/x.parquet", &raw(&published));
    bench.index("d");
    bench.put("e/x.parquet", &raw(&published[..4]));
    bench.put("f/x.parquet", &raw(&published[4..]));
    let mut options = bench.options("e", "d");
    options.roots.push(bench.path("f"));
    let report = run(&options);
    let all = told(&report);
    assert_eq!(report.exit_code, 1);
    assert!(!all.iter().any(|f| f.starts_with("missing") || f.starts_with("undisclosed")), "{all:?}");
}

#[test]
fn a_table_under_the_name_of_another_is_told_row_by_row() {
    let bench = Bench::new();
    let published = samples(8, 14);
    bench.put("d/x.parquet", &raw(&published[..4]));
    bench.put("d/y.parquet", &raw(&published[4..]));
    bench.index("d");
    bench.put("e/x.parquet", &raw(&published[4..]));
    let report = run(&bench.options("e", "d"));
    let mut all = told(&report);
    all.dedup();
    assert_eq!(all, ["altered x.parquet", "missing x.parquet", "moved x.parquet"]);
    // The first four rows are gone, and nothing else.
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Missing), 12);
}

#[test]
fn samples_are_told_apart_as_a_loader_does() {
    let bench = Bench::new();
    let members = [("a.TXT", "a"), ("b.txt", "b"), ("a.url", "u"), ("b.url", "v"), ("README", "r")];
    bench.put("d/s.tar", &archive(&members));
    bench.index("d");
    assert_eq!(bench.against("d", "d").exit_code, 0);
    let mut again = members;
    again.reverse();
    bench.put("e/s.tar", &archive(&again));
    assert_eq!(told(&bench.against("e", "d")), ["moved s.tar"]);
    // What a loader would not put together is no record: whether the rows are samples cannot be told.
    let rows = [("0".into(), "a".into(), "u".into()), ("1".into(), "b".into(), "v".into())];
    bench.remove("e/s.tar");
    bench.put("e/x.parquet", &raw(&rows));
    let all = told(&bench.against("e", "d"));
    assert_eq!(all, ["missing s.tar README", "moved x.parquet"]);
}

#[test]
fn empty_tables_are_files_like_others() {
    let bench = Bench::new();
    bench.put("d/x.parquet", &raw(&[]));
    bench.put("d/y.jsonl", b"");
    bench.index("d");
    for dataset in ["d", "d.index"] {
        let report = bench.against(dataset, "d");
        assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    }
    bench.put("d/x.parquet", &snappy(&samples(2, 15)));
    assert_eq!(bench.against("d", "d").exit_code, 1);
    bench.remove("d/x.parquet");
    assert_eq!(told(&bench.against("d", "d")), ["missing x.parquet"]);
}

#[test]
fn lines_that_moved_to_a_text_that_was_empty_are_found() {
    let bench = Bench::new();
    bench.put("d/a.txt", b"two\nlines");
    bench.put("d/b.txt", b"");
    bench.index("d");
    bench.put("e/a.txt", b"");
    bench.put("e/b.txt", b"two\nlines");
    bench.index("e");
    for dataset in ["e", "e.index"] {
        let all = told(&bench.against(dataset, "d"));
        assert!(!all.iter().any(|f| f.starts_with("missing") || f.starts_with("undisclosed")), "{all:?}");
    }
}
