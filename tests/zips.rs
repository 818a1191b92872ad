//! Zips in whole runs: claims on members, hash lists, indexes, and the same samples packed otherwise.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/zips.rs"]
mod zips;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use common::{run, told, verifying};
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Report, Silent, SourceSpec, index};
use shardproof::check::balance::ClaimClass;

use zips::{Entry, Frame, deflated, entry, framed, zip};

const A: &[u8] = b"sample a, sample a, sample a";
const B: &[u8] = b"sample b";
const BAD: &[u8] = b"on the list, on the list";

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
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn claim(&mut self, path: &str, content: &[u8]) -> &mut Self {
        self.sums += &format!("{}  {path}\n", hex_of(content));
        self
    }

    fn verify(&self) -> (Vec<String>, i32) {
        fs::write(self.path("SUMS"), &self.sums).unwrap();
        let report = run(&verifying(&self.path("d"), &self.path("SUMS")));
        (told(&report), i32::from(report.exit_code))
    }

    fn flag(&self, listed: &[u8]) -> (Vec<String>, i32) {
        fs::write(self.path("list.txt"), hex_of(listed) + "\n").unwrap();
        let mut options = AuditOptions::new(Mode::Flag, vec![self.path("d")]);
        options.hash_lists = vec![SourceSpec { format: None, path: self.path("list.txt") }];
        let report = run(&options);
        (told(&report), i32::from(report.exit_code))
    }

    fn index(&self, name: &str) -> Report {
        let mut options = AuditOptions::new(Mode::Index, vec![self.path(name)]);
        options.output = Some(self.path(&format!("{name}.index")));
        index(&options, &Silent, &AtomicBool::new(false)).unwrap()
    }

    fn against(&self, dataset: &str, manifest: &str) -> Report {
        run(&verifying(&self.path(dataset), &self.path(&format!("{manifest}.index"))))
    }
}

fn hex_of(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn both() -> Vec<Entry> {
    vec![deflated("x/a", A), entry("b", B)]
}

#[test]
fn claims_on_members_are_checked() {
    let mut bench = Bench::new();
    bench.put("d/s.zip", &zip(&both())).claim("s.zip/x/a", A).claim("s.zip/b", B);
    assert_eq!(bench.verify(), (vec![], 0));
    bench.claim("s.zip/c", BAD);
    assert_eq!(bench.verify(), (vec!["missing s.zip c".into()], 1));

    let mut bench = Bench::new();
    bench.put("d/s.zip", &zip(&both())).claim("s.zip/x/a", B);
    assert_eq!(bench.verify(), (vec!["altered s.zip x/a".into(), "undisclosed s.zip b".into()], 1));
}

#[test]
fn what_a_zip_hides_is_undisclosed_unless_the_file_is_claimed() {
    let hiding = [
        framed(&both(), &Frame { comment: BAD.to_vec(), ..Frame::default() }),
        framed(&both(), &Frame { prefix: BAD.to_vec(), ..Frame::default() }),
        framed(&both(), &Frame { tail: BAD.to_vec(), ..Frame::default() }),
        zip(&[Entry { gap: BAD.to_vec(), ..deflated("x/a", A) }, entry("b", B)]),
        zip(&[
            Entry { packed: Some([&zips::deflate(A)[..], BAD].concat()), ..deflated("x/a", A) },
            entry("b", B),
        ]),
        zip(&[deflated("x/a", A), entry("b", B), Entry { unlisted: true, ..deflated("h", BAD) }]),
    ];
    for bytes in hiding {
        let mut bench = Bench::new();
        bench.put("d/s.zip", &bytes).claim("s.zip/x/a", A).claim("s.zip/b", B);
        assert_eq!(bench.verify(), (vec!["undisclosed s.zip".into()], 1));
        bench.claim("s.zip", &bytes);
        assert_eq!(bench.verify(), (vec![], 0));
        let (flagged, exit) = bench.flag(BAD);
        assert_eq!(exit, 1, "{flagged:?}");
        assert!(flagged[0].starts_with("known-bad s.zip"), "{flagged:?}");
    }
}

#[test]
fn a_listed_member_is_found_whatever_its_method() {
    for bad in
        [entry("m", BAD), deflated("m", BAD), Entry { descriptor: Some((true, false)), ..deflated("m", BAD) }]
    {
        let mut bench = Bench::new();
        bench.put("d/s.zip", &zip(&[deflated("x/a", A), bad]));
        assert_eq!(bench.flag(BAD), (vec!["known-bad s.zip m".into()], 1));
        assert_eq!(bench.flag(B), (vec![], 0));
    }
}

#[test]
fn a_wrong_check_sum_hides_no_listed_member() {
    let more = [BAD, b"and more"].concat();
    let hidden = Entry { size: Some(BAD.len() as u64), ..deflated("m", &more) };
    for bad in [Entry { crc: Some(1), ..deflated("m", BAD) }, hidden] {
        let mut bench = Bench::new();
        bench.put("d/s.zip", &zip(&[deflated("x/a", A), bad]));
        let (findings, exit) = bench.flag(BAD);
        assert!(findings.contains(&"known-bad s.zip m".into()), "{findings:?}");
        assert_eq!(exit, 1);
    }
}

#[test]
fn names_that_lead_out_and_names_that_come_twice_are_told() {
    let mut bench = Bench::new();
    bench.put("d/s.zip", &zip(&[entry("../x", A), entry("/abs", A), entry("b", B)])).claim("s.zip/b", B);
    let (findings, exit) = bench.verify();
    assert_eq!(findings.iter().filter(|f| f.starts_with("unsafe-name")).count(), 2, "{findings:?}");
    assert_eq!(exit, 1);

    let mut bench = Bench::new();
    bench.put("d/s.zip", &zip(&[entry("b", B), entry("b", A)])).claim("s.zip/b", B);
    let (findings, exit) = bench.verify();
    assert!(findings.contains(&"duplicate s.zip b".into()), "{findings:?}");
    assert_eq!(exit, 1);
}

#[test]
fn an_unreadable_member_leaves_its_claim_open_and_the_rest_checked() {
    for bad in [
        Entry { crc: Some(1), ..deflated("x/a", A) },
        Entry { size: Some(1), ..deflated("x/a", A) },
        Entry { flags: 1, ..deflated("x/a", A) },
        Entry { method: 14, ..entry("x/a", A) },
    ] {
        let mut bench = Bench::new();
        let bytes = zip(&[bad.clone(), entry("b", B)]);
        bench.put("d/s.zip", &bytes).claim("s.zip/x/a", A).claim("s.zip/b", B);
        let (findings, exit) = bench.verify();
        assert!(findings.contains(&"unreadable s.zip x/a".into()), "{findings:?}");
        assert!(!findings.iter().any(|f| f.ends_with(" b")), "{findings:?}");
        assert!(exit != 0);
        assert_eq!(bench.flag(BAD).1, 3, "{bad:?}");
    }
}

#[test]
fn an_index_of_a_zip_finds_its_members_in_a_folder_and_the_other_way_round() {
    let mut bench = Bench::new();
    bench.put("d/s.zip", &zip(&both()));
    bench.put("e/t/x/a", A).put("e/t/b", B);
    bench.put("f/s.zip", &framed(&both(), &Frame { zip64: true, ..Frame::default() }));
    let report = bench.index("d");
    assert_eq!(report.exit_code, 0);
    bench.index("e");
    assert_eq!(bench.against("d", "d").exit_code, 0);
    for (dataset, manifest) in [("e", "d"), ("d", "e"), ("f", "d")] {
        let report = bench.against(dataset, manifest);
        let all = told(&report);
        assert_eq!(
            report.coverage.balance.claims_of(ClaimClass::Missing),
            0,
            "{dataset} {manifest}: {all:?}"
        );
        assert!(
            all.iter().all(|f| f.starts_with("moved")) && !all.is_empty(),
            "{dataset} {manifest}: {all:?}"
        );
    }
}
