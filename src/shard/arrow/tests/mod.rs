//! The Arrow reader as a whole: what it tells of sound layers, of hostile ones, and of every damage to small ones.

#![allow(clippy::single_range_in_vec_init, reason = "ranges of rows and bytes are what is told")]

mod damage;
mod files;
mod hidden;
mod lies;
mod sound;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;

use crate::digest::{Algorithm, DigestSet};
use crate::finding::Code;
use crate::plan::{Inside, ShardPlan};
use crate::shard::{ItemId, Kind, RegionClass, Step, open};
use crate::source::{Block, Got, Pool, Source, SourceError, Stamp};

thread_local! {
    static TAPPED: RefCell<Vec<RecordBatch>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the rows that a test's reader decodes, as they were before they became cells.
pub(super) fn tap(rows: &RecordBatch) {
    TAPPED.with_borrow_mut(|tapped| tapped.push(rows.clone()));
}

/// All that a cursor tells of a layer.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// Rows as they were decoded.
    batches: Vec<RecordBatch>,
    /// Ordinals of the rows that were told.
    rows: Vec<Range<u64>>,
    regions: Vec<(Range<u64>, RegionClass)>,
    faults: Vec<(Code, String)>,
    /// Bytes of each region that is hidden.
    hidden: Vec<Vec<u8>>,
    most_memory: usize,
}

impl Told {
    fn of(bytes: &[u8]) -> Told {
        Told::by(bytes, 64 * 1024, "a.arrow", true)
    }

    /// Reads a layer of this name in pieces of so many bytes.
    fn by(bytes: &[u8], most: usize, name: &str, rows: bool) -> Told {
        let set = DigestSet::of(Algorithm::Sha256);
        let samples = if rows { set } else { DigestSet::EMPTY };
        let plan = ShardPlan { file: set, inside: Inside::Open, stream: set, samples, records: rows };
        let source = Arc::new(Pieces { bytes: Bytes::copy_from_slice(bytes), most });
        let mut cursor = open(source, name.as_bytes(), &plan);
        let mut pool = Pool::new();
        let mut told = Told::default();
        let (mut file, mut stream, mut layer) = (Vec::new(), Vec::new(), ItemId::FILE);
        let mut regions = Vec::new();
        TAPPED.take();
        loop {
            told.most_memory = told.most_memory.max(cursor.footprint());
            match cursor.step(&mut pool) {
                Step::Open { item, kind: Kind::Stream, .. } => layer = item,
                Step::Open { kind: Kind::Region, .. } => told.hidden.push(Vec::new()),
                Step::Data { item: ItemId::FILE, bytes } => file.extend_from_slice(&bytes),
                Step::Data { item, bytes } if item == layer => stream.extend_from_slice(&bytes),
                Step::Data { bytes, .. } => {
                    assert!(bytes.len() <= 64 * 1024);
                    told.hidden.last_mut().expect("a region is open").extend_from_slice(&bytes);
                }
                Step::Region { layer, range, class } => regions.push((layer, range, class)),
                Step::Fault(fault) => told.faults.push((fault.code, fault.detail)),
                Step::Batch(batch) => {
                    assert!(batch.rows <= 1024);
                    assert!(batch.columns.iter().all(|column| column.values.len() <= 1 << 21));
                    told.rows.push(batch.first_row..batch.first_row + batch.rows as u64);
                }
                Step::Open { .. } | Step::Close { .. } | Step::Quiet | Step::NotYet => {}
                Step::Done => break,
            }
        }
        assert!(file == bytes, "the file's own bytes are told once and whole");
        told.regions = regions
            .into_iter()
            .filter(|(of, ..)| *of == layer)
            .map(|(_, range, class)| (range, class))
            .collect();
        let whole = if layer == ItemId::FILE { &file } else { &stream };
        let mut at = 0;
        let mut hidden = told.hidden.iter();
        for (range, class) in &told.regions {
            assert_eq!(range.start, at, "regions leave no gap and do not overlap");
            assert!(range.end > at);
            if class.is_hidden() && rows {
                let bytes = hidden.next().expect("every hidden region is an item");
                assert!(*bytes == whole[at as usize..range.end as usize], "hidden bytes are given whole");
            }
            at = range.end;
        }
        assert_eq!(at, whole.len() as u64, "regions cover the layer");
        told.batches = TAPPED.take();
        told
    }

    fn classes(&self, wanted: RegionClass) -> Vec<Range<u64>> {
        self.regions.iter().filter(|(_, class)| *class == wanted).map(|(range, _)| range.clone()).collect()
    }

    fn unreadable(&self) -> Vec<&str> {
        self.faults
            .iter()
            .filter(|(code, _)| *code == Code::Unreadable)
            .map(|(_, why)| why.as_str())
            .collect()
    }

    /// Nothing is wrong and nothing hidden.
    fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.hidden.is_empty()
    }
}

/// A source that gives so many bytes at a time.
struct Pieces {
    bytes: Bytes,
    most: usize,
}

impl Source for Pieces {
    fn stamp(&self) -> Result<Stamp, SourceError> {
        Ok(Stamp { size: self.bytes.len() as u64, ..Stamp::default() })
    }

    fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError> {
        let rest = &self.bytes[at as usize..];
        let n = rest.len().min(self.most).min(into.space().len());
        into.space()[..n].copy_from_slice(&rest[..n]);
        into.fill(n);
        Ok(if n == 0 { Got::End } else { Got::Bytes(n) })
    }
}
