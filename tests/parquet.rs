//! Parquet from end to end: a planted value is found at its row and column, and nothing else; a claim on the file
//! holds; what is hidden or damaged is told.

// Clippy's leave to unwrap in tests does not reach functions beside the tests themselves.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/parquet_files.rs"]
mod files;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::ArrayRef;
use bytes::Bytes;
use common::{count, run, scan, scan_with, told, verifying};
use files::{Shape, footer, table, write};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterVersion;
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Samples, SourceSpec};
use shardproof::digest::{Algorithm, Completed, DigestSet, Hasher, LoopHasher, MsgId, Offer};
use shardproof::finding::{Code, Finding};
use shardproof::observation::Kind;
use shardproof::source::MemorySource;

const SHAPES: [(Compression, bool, WriterVersion); 4] = [
    (Compression::SNAPPY, true, WriterVersion::PARQUET_1_0),
    (Compression::SNAPPY, false, WriterVersion::PARQUET_2_0),
    (Compression::UNCOMPRESSED, true, WriterVersion::PARQUET_2_0),
    (Compression::UNCOMPRESSED, false, WriterVersion::PARQUET_1_0),
];

struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    fn new(content: &[u8]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("d")).unwrap();
        fs::write(home.path().join("d/a.parquet"), content).unwrap();
        Bench { home }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    /// Options for seeking these values.
    fn seeking(&self, values: &[&[u8]]) -> AuditOptions {
        let lines = values.iter().map(|value| format!("{}\n", hex::encode(Sha256::digest(value))));
        fs::write(self.path("bad.txt"), lines.collect::<String>()).unwrap();
        let mut options = AuditOptions::new(Mode::Flag, vec![self.path("d")]);
        options.hash_lists = vec![SourceSpec { format: None, path: self.path("bad.txt") }];
        options.threads = 2;
        options
    }
}

fn hits(options: &AuditOptions) -> Vec<(u64, String)> {
    let known = |finding: Finding| {
        let locator = finding.locator.filter(|_| finding.code == Code::KnownBad)?;
        Some((locator.row.unwrap(), locator.column.unwrap()))
    };
    run(options).findings().filter_map(|finding| known(finding.unwrap())).collect()
}

#[test]
fn a_planted_value_is_found_at_its_row_and_column_and_nothing_else() {
    for (codec, dictionary, version) in SHAPES {
        let bench = Bench::new(&write(&table(), Shape { codec, dictionary, version, rows_per_group: 3 }));
        for (planted, row, column) in [
            (&[3u8; 3][..], 3, "blob"),
            (b"image 1", 1, "image.bytes"),
            (b"4.jpg", 4, "image.path"),
            (b"d", 4, "tags.list.item"),
        ] {
            assert_eq!(hits(&bench.seeking(&[planted])), [(row, column.to_string())]);
        }
        let twice = [(1, "text".to_string()), (3, "text".to_string())];
        assert_eq!(hits(&bench.seeking(&[b"text 1", b"nothing like it"])), twice);
        let options = bench.seeking(&[b"nothing like it"]);
        assert_eq!(told(&run(&options)), ["external-reference a.parquet"]);
        assert_eq!(run(&options).samples, files::ROWS);
    }
}

#[test]
fn a_claim_on_the_file_is_valid() {
    let codec = Compression::ZSTD(ZstdLevel::default());
    // The image without bytes lies outside of the file, which is a gap: left out here.
    let bytes = write(&table().project(&[0, 1, 2, 4]).unwrap(), Shape { codec, ..Shape::PLAIN });
    let bench = Bench::new(&bytes);
    fs::write(bench.path("SUMS"), format!("{}  a.parquet\n", hex::encode(Sha256::digest(&bytes)))).unwrap();
    let mut options = verifying(&bench.path("d"), &bench.path("SUMS"));
    for samples in [Samples::Auto, Samples::Always, Samples::Never] {
        options.samples = samples;
        let report = run(&options);
        assert_eq!((told(&report), report.exit_code), (Vec::new(), 0), "{samples:?}");
    }
    options.samples = Samples::Always;
    let listed = bench.seeking(&[b"text 1"]);
    options.mode = Mode::Audit;
    options.hash_lists = listed.hash_lists;
    let report = run(&options);
    assert_eq!((count(&report, Code::KnownBad), report.samples), (2, files::ROWS));
}

#[test]
fn hidden_bytes_are_looked_up_and_a_damaged_chunk_leaves_the_others() {
    let bytes = write(&table(), Shape::PLAIN);
    let (metadata, at) = footer(&bytes);
    let hidden = [&bytes[..at], b"hidden content", &bytes[at..]].concat();
    let bench = Bench::new(&hidden);
    let report = run(&bench.seeking(&[b"hidden content"]));
    let known: Vec<_> = report.findings().map(Result::unwrap).filter(|f| f.code == Code::KnownBad).collect();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].locator.as_ref().unwrap().offset, Some(at as u64));

    let mut damaged = bytes;
    let (start, _) = metadata.row_group(0).column(1).byte_range();
    damaged[start as usize] = 0xff;
    let bench = Bench::new(&damaged);
    let options = bench.seeking(&[&[0; 3], &[3; 3], b"text 0"]);
    let text = |row| (row, "text".to_string());
    // Row 0 of `blob` lies in the damaged chunk.
    assert_eq!(hits(&options), [text(0), (3, "blob".to_string()), text(4)]);
    assert_eq!(count(&run(&options), Code::Unreadable), 1);
}

/// A hasher with no lane free at first, and then one only now and then; what ends is given out late and backwards.
#[derive(Default)]
struct Reluctant {
    inner: LoopHasher,
    calls: u64,
    late: Completed,
}

impl Hasher for Reluctant {
    fn lanes(&self) -> usize {
        1
    }

    fn open(&mut self, message: MsgId, algorithms: DigestSet, len: Option<u64>) {
        self.inner.open(message, algorithms, len);
    }

    fn offer(&mut self, message: MsgId, piece: Bytes, last: bool) -> Offer {
        self.inner.offer(message, piece, last)
    }

    fn offer_cells(&mut self, first: MsgId, algorithms: DigestSet, values: &ArrayRef) -> bool {
        self.calls += 1;
        self.calls.is_multiple_of(3) && self.inner.offer_cells(first, algorithms, values)
    }

    fn is_hungry(&self) -> bool {
        self.inner.is_hungry()
    }

    fn drain(&mut self, out: &mut Completed, more: bool) -> bool {
        let mut done = Completed::default();
        let any = self.inner.drain(&mut done, more);
        self.late.messages.append(&mut done.messages);
        self.late.cells.append(&mut done.cells);
        out.messages.extend(self.late.messages.pop());
        out.cells.extend(self.late.cells.pop());
        any
    }
}

#[test]
fn a_hasher_without_a_free_lane_loses_no_value() {
    let bytes = write(&table(), Shape { dictionary: true, ..Shape::PLAIN });
    let source = || Arc::new(MemorySource(Bytes::from(bytes.clone())));
    let set = DigestSet::of(Algorithm::Sha256);
    let cells = |scan: common::Scan| {
        let mut cells: Vec<_> = scan.observations.into_iter().filter(|o| o.kind == Kind::Cell).collect();
        cells.sort_by_key(|cell| cell.item);
        cells
    };
    let eager = cells(scan(source(), "a.parquet", set));
    let late = cells(scan_with(&mut Reluctant::default(), source(), "a.parquet", set));
    assert_eq!(eager, late);
    assert_eq!(eager.len(), files::expected().len());
    assert!(eager.windows(2).all(|pair| pair[0].item < pair[1].item), "each value has a number of its own");
    for cell in &eager {
        let (column, row) = (cell.locator.column.as_deref().unwrap(), cell.locator.row.unwrap());
        let digest = cell.digests.strongest().unwrap().to_string();
        let matches = |(c, r, value): &(&str, u64, Vec<u8>)| {
            (*c, *r, value.len() as u64) == (column, row, cell.length)
                && digest == format!("sha256:{}", hex::encode(Sha256::digest(value)))
        };
        assert!(files::expected().iter().any(matches), "{column} {row}");
    }
}
