//! Text that is a table, from end to end: the same rows have the same identity whatever holds them, and a planted value
//! is found at its row and column.

// Clippy's leave to unwrap in tests does not reach functions beside the tests themselves.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use common::{Scan, run, scan_plan};
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, SourceSpec};
use shardproof::digest::{Algorithm, DigestSet};
use shardproof::finding::Code;
use shardproof::observation::{Kind, State};
use shardproof::plan::{Inside, ShardPlan};
use shardproof::source::MemorySource;

const JSONL: &[u8] = b"{\"text\":\"one\",\"url\":\"http://x/1\"}\n\n{\"url\":\"two, \\\"quoted\\\"\\nlines\",\"text\":\"\"}\r\n{\"text\":null,\"url\":\"\xc3\xa9\"}";
const CSV: &[u8] = b"url,text\nhttp://x/1,one\n\"two, \"\"quoted\"\"\nlines\",\"\"\n\xc3\xa9,\n";
const TSV: &[u8] =
    b"\xef\xbb\xbftext\turl\r\none\thttp://x/1\r\n\"\"\t\"two, \"\"quoted\"\"\nlines\"\r\n\t\xc3\xa9";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn sha256() -> DigestSet {
    DigestSet::of(Algorithm::Sha256)
}

fn read(name: &str, content: &[u8], samples: DigestSet) -> Scan {
    let plan =
        ShardPlan { file: sha256(), inside: Inside::Open, stream: DigestSet::EMPTY, samples, records: true };
    scan_plan(Arc::new(MemorySource(Bytes::copy_from_slice(content))), name, plan)
}

fn records(scan: &Scan) -> BTreeMap<u64, [u8; 32]> {
    let rows = scan.observations.iter().filter(|seen| seen.kind == Kind::Row);
    rows.map(|seen| (seen.locator.row.unwrap(), seen.record.unwrap())).collect()
}

/// Cells with a row: row, column, digest.
fn cells(scan: &Scan) -> Vec<(u64, String, String)> {
    let cells = scan.observations.iter().filter(|seen| seen.kind == Kind::Cell);
    let cell = |seen: &shardproof::observation::Observation| {
        let digest = hex::encode(seen.digests.of(Algorithm::Sha256).unwrap().bytes());
        Some((seen.locator.row?, seen.locator.column.clone().unwrap(), digest))
    };
    let mut cells: Vec<_> = cells.filter_map(cell).collect();
    cells.sort();
    cells
}

#[test]
fn the_same_rows_have_the_same_identity_in_each_format() {
    let reference = read("a.jsonl", JSONL, sha256());
    assert_eq!((records(&reference).len(), reference.faults.len()), (3, 0));
    let hash = |value: &str| hex::encode(Sha256::digest(value));
    let expected = [
        (0, "text".to_string(), hash("one")),
        (0, "url".to_string(), hash("http://x/1")),
        (1, "text".to_string(), hash("")),
        (1, "url".to_string(), hash("two, \"quoted\"\nlines")),
        (2, "url".to_string(), hash("é")),
    ];
    assert_eq!(cells(&reference), expected);
    for (name, content) in [
        ("a.json", JSONL.to_vec()),
        ("a.csv", CSV.to_vec()),
        ("a.tsv", TSV.to_vec()),
        ("a.jsonl.gz", gzip(JSONL)),
        ("a.csv.gz", gzip(CSV)),
        ("a.tab.gz", gzip(TSV)),
    ] {
        let scan = read(name, &content, sha256());
        assert_eq!(scan.faults.len(), 0, "{name}: {:?}", scan.faults);
        assert_eq!(records(&scan), records(&reference), "{name}");
        assert_eq!(cells(&scan), expected, "{name}");
        // Records need no digests of samples to be asked for.
        let scan = read(name, &content, DigestSet::EMPTY);
        assert_eq!((records(&scan), cells(&scan).len()), (records(&reference), 0), "{name}");
    }
}

#[test]
fn lines_are_rows_and_their_digests_are_those_of_their_bytes() {
    for (name, content) in [("a.txt", b"first\r\n\nlast".to_vec()), ("a.txt.gz", gzip(b"first\nlast\n"))] {
        let scan = read(name, &content, sha256());
        let rows: Vec<_> = scan.observations.iter().filter(|seen| seen.kind == Kind::Row).collect();
        let digests: Vec<_> =
            rows.iter().map(|row| hex::encode(row.digests.of(Algorithm::Sha256).unwrap().bytes())).collect();
        assert_eq!(digests, [b"first".as_slice(), b"last"].map(|line| hex::encode(Sha256::digest(line))));
        assert!(rows.iter().all(|row| row.record.is_none() && row.state == State::Read), "{name}");
        assert_eq!(rows.iter().map(|row| row.length).collect::<Vec<_>>(), [5, 4]);
        assert_eq!(scan.faults.len(), 0);
    }
}

#[test]
fn a_planted_value_is_found_at_its_row_and_column() {
    let home = tempfile::tempdir().unwrap();
    let dataset = home.path().join("d");
    fs::create_dir(&dataset).unwrap();
    let mut long = String::new();
    for row in 0..3000 {
        long.push_str(&format!("{{\"id\":{row},\"tags\":[\"t\",\"value number {row} of the table\"]}}\n"));
    }
    fs::write(dataset.join("a.jsonl.gz"), gzip(long.as_bytes())).unwrap();
    fs::write(dataset.join("b.csv"), CSV).unwrap();
    fs::write(dataset.join("c.txt"), "x\ny\n").unwrap();
    let planted = ["value number 2500 of the table", "one", "url"];
    let list: String =
        planted.iter().map(|value| format!("{}\n", hex::encode(Sha256::digest(value)))).collect();
    fs::write(home.path().join("bad.txt"), list).unwrap();
    let mut options = AuditOptions::new(Mode::Flag, vec![dataset]);
    options.hash_lists = vec![SourceSpec { format: None, path: home.path().join("bad.txt") }];
    options.threads = 2;
    let report = run(&options);
    let mut hits: Vec<_> = report
        .findings()
        .map(Result::unwrap)
        .filter(|finding| finding.code == Code::KnownBad)
        .map(|finding| finding.locator.unwrap())
        .map(|place| (String::from_utf8(place.shard).unwrap(), place.row, place.column.unwrap()))
        .collect();
    hits.sort();
    let hit = |shard: &str, row, column: &str| (shard.to_string(), row, column.to_string());
    assert_eq!(
        hits,
        [
            hit("a.jsonl.gz", Some(2500), "tags.list.element"),
            hit("b.csv", None, "url"),
            hit("b.csv", Some(0), "text")
        ]
    );
}

#[test]
fn a_cut_stream_is_told_and_its_rows_are_read_as_far_as_they_go() {
    let lines = "{\"text\":\"a line of a table that is cut short\"}\n".repeat(50_000);
    let mut packed = gzip(lines.as_bytes());
    packed.truncate(packed.len() * 9 / 10);
    let scan = read("a.jsonl.gz", &packed, sha256());
    assert_eq!(scan.faults.len(), 1, "{:?}", scan.faults);
    let rows = records(&scan).len();
    assert!((10_000..50_000).contains(&rows), "{rows}");
}

#[test]
fn text_in_utf_16_is_told() {
    let scan = read("a.csv", b"\xff\xfea\0,\0b\0\n\0", sha256());
    assert_eq!(scan.faults.iter().map(|fault| fault.1).collect::<Vec<_>>(), [Code::Opaque]);
    assert!(scan.faults[0].2.contains("text in UTF-16"));
}
