//! The Parquet reader as a whole: what it tells of sound files, of hostile ones, and of every damage to small ones.

#[path = "../../../../tests/common/parquet_files.rs"]
mod files;

mod checked;
mod damage;
mod lies;
mod lockstep;
mod odd;
mod sound;
mod sparse;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow_array::{Array, ArrayRef, cast::AsArray, types::BinaryViewType};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::digest::{Algorithm, DigestSet};
use crate::finding::Code;
use crate::plan::{Inside, ShardPlan};
use crate::shard::{Batch, Column, ItemId, RegionClass, Step, open};
use crate::source::{Block, Got, MemorySource, Pool, Source, SourceError, Stamp};

/// Everything but records.
fn plan() -> ShardPlan {
    let set = DigestSet::of(Algorithm::Sha256);
    ShardPlan { file: set, inside: Inside::Open, stream: set, samples: set, records: false }
}

/// All that a cursor tells of a file.
#[derive(Debug, Default, PartialEq)]
struct Told {
    cells: Vec<(String, u64, Vec<u8>)>,
    /// The rows' records, with the digests of their contents in place.
    records: Vec<(u64, Option<Vec<u8>>)>,
    rows: usize,
    regions: Vec<(Range<u64>, RegionClass)>,
    faults: Vec<(Code, String)>,
    items: usize,
    file: Vec<u8>,
}

impl Told {
    fn of(bytes: &[u8]) -> Told {
        let told = Told::by(Arc::new(MemorySource(Bytes::copy_from_slice(bytes))));
        assert!(told.file == bytes, "the file's own bytes are told once and whole");
        let mut at = 0;
        for (range, _) in &told.regions {
            assert_eq!(range.start, at, "regions leave no gap and do not overlap");
            assert!(range.end > at);
            at = range.end;
        }
        assert_eq!(at, bytes.len() as u64, "regions cover the file");
        let hidden = told.regions.iter().filter(|(_, class)| class.is_hidden()).count();
        assert_eq!(told.items, 1 + hidden, "every hidden region is an item");
        told
    }

    /// The file as far as its rows are concerned, for which only parts of it are read.
    fn sparse(bytes: &[u8]) -> Told {
        let source = Arc::new(MemorySource(Bytes::copy_from_slice(bytes)));
        Told::with(source, ShardPlan { file: DigestSet::EMPTY, ..plan() })
    }

    /// The rows as records, too.
    fn whole(bytes: &[u8]) -> Told {
        let source = Arc::new(MemorySource(Bytes::copy_from_slice(bytes)));
        Told::with(source, ShardPlan { records: true, ..plan() })
    }

    fn by(source: Arc<dyn Source>) -> Told {
        Told::with(source, plan())
    }

    fn with(source: Arc<dyn Source>, plan: ShardPlan) -> Told {
        let mut cursor = open(source, b"a.parquet", &plan);
        let mut pool = Pool::new();
        let mut told = Told::default();
        loop {
            match cursor.step(&mut pool) {
                Step::Open { .. } => told.items += 1,
                Step::Data { item: ItemId::FILE, bytes } => told.file.extend_from_slice(&bytes),
                Step::Data { bytes, .. } => assert!(bytes.len() <= 64 * 1024),
                Step::Region { range, class, .. } => told.regions.push((range, class)),
                Step::Fault(fault) => told.faults.push((fault.code, fault.detail)),
                Step::Batch(batch) => told.batch(*batch),
                Step::Close { .. } | Step::Quiet | Step::NotYet => {}
                Step::Done => return told,
            }
        }
    }

    fn batch(&mut self, batch: Batch) {
        self.rows += batch.rows;
        let mut records = batch.records;
        for (column, Column { name, rows, values }) in batch.columns.into_iter().enumerate() {
            let there = (0..values.len()).filter(|index| values.is_valid(*index));
            for (ordinal, index) in there.enumerate() {
                let row = rows.of(index).expect("every value has a row");
                let value = bytes_at(&values, index);
                self.cells.push((name.to_string(), row, value.to_vec()));
                if let Some(records) = &mut records {
                    records.fill(column, ordinal, &Sha256::digest(value));
                }
            }
        }
        let Some(records) = records else { return };
        let messages = records.messages();
        let each = messages.as_binary::<i32>().iter().zip(batch.first_row..);
        self.records.extend(each.map(|(message, row)| (row, message.map(<[u8]>::to_vec))));
    }

    /// The cells column by column.
    fn sorted(&self) -> Vec<(&str, u64, Vec<u8>)> {
        let mut cells: Vec<_> =
            self.cells.iter().map(|(column, row, value)| (column.as_str(), *row, value.clone())).collect();
        let order = ["blob", "text", "image.bytes", "image.path", "tags.list.item", "hash"];
        cells.sort_by_key(|(column, row, _)| (order.iter().position(|name| name == column), *row));
        cells
    }

    fn classes(&self, wanted: RegionClass) -> Vec<Range<u64>> {
        self.regions.iter().filter(|(_, class)| *class == wanted).map(|(range, _)| range.clone()).collect()
    }
}

/// The value at an index of any array that cells come in.
fn bytes_at(values: &ArrayRef, index: usize) -> &[u8] {
    use arrow_array::types::StringViewType;
    if let Some(views) = values.as_byte_view_opt::<BinaryViewType>() {
        views.value(index)
    } else if let Some(views) = values.as_byte_view_opt::<StringViewType>() {
        views.value(index).as_bytes()
    } else if let Some(texts) = values.as_string_opt::<i32>() {
        texts.value(index).as_bytes()
    } else if let Some(texts) = values.as_string_opt::<i64>() {
        texts.value(index).as_bytes()
    } else if let Some(bytes) = values.as_binary_opt::<i32>() {
        bytes.value(index)
    } else {
        values.as_fixed_size_binary().value(index)
    }
}

/// A source that gives a little at a time and now and then nothing yet, and remembers what was asked of it.
struct Recording {
    bytes: Bytes,
    most: usize,
    reads: Mutex<Vec<(u64, usize)>>,
    not_yet: bool,
}

impl Recording {
    fn new(bytes: &[u8], most: usize, not_yet: bool) -> Recording {
        Recording { bytes: Bytes::copy_from_slice(bytes), most, reads: Mutex::default(), not_yet }
    }
}

impl Source for Recording {
    fn stamp(&self) -> Result<Stamp, SourceError> {
        Ok(Stamp { size: self.bytes.len() as u64, ..Stamp::default() })
    }

    fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError> {
        let mut reads = self.reads.lock().unwrap();
        reads.push((at, into.space().len()));
        if self.not_yet && reads.len() % 3 == 1 {
            return Ok(Got::NotYet);
        }
        let rest = &self.bytes[at as usize..];
        let n = rest.len().min(self.most).min(into.space().len());
        into.space()[..n].copy_from_slice(&rest[..n]);
        into.fill(n);
        Ok(if n == 0 { Got::End } else { Got::Bytes(n) })
    }
}
