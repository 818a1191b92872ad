//! For tests: all that a reader of rows tells of a layer, records hashed, and checked for what must always hold.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::digest::{Algorithm, DigestSet};
use crate::finding::Code;
use crate::plan::{Inside, ShardPlan};
use crate::shard::{Batch, End, ItemId, Reader, Step, Steps};

/// A row: its ordinal, its line, its record.
pub type Row = (u64, Option<Vec<u8>>, Option<[u8; 32]>);

/// What was told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Rows with their lines and records.
    pub rows: Vec<Row>,
    /// Cells with their columns and rows, batch by batch, column by column.
    pub cells: Vec<(String, Option<u64>, Vec<u8>)>,
    /// Code, offset and detail.
    pub faults: Vec<(Code, Option<u64>, String)>,
    /// Where hidden regions begin, and their bytes.
    pub hidden: Vec<(u64, Vec<u8>)>,
    /// How many batches.
    pub batches: usize,
    /// Columns of the batch that has most.
    pub most_columns: usize,
}

/// A plan under which everything is told.
pub fn plan() -> ShardPlan {
    let set = DigestSet::of(Algorithm::Sha256);
    ShardPlan { file: set, inside: Inside::Open, stream: set, samples: set, records: true }
}

/// Feeds a reader a layer in pieces of this size.
pub fn feed(mut reader: Box<dyn Reader>, text: &[u8], piece: usize, end: End, out: &mut Steps) -> Told {
    let mut told = Told::default();
    let mut at = 0;
    for piece in text.chunks(piece.clamp(1, 1 << 30)) {
        reader.feed(Bytes::copy_from_slice(piece), out);
        told.take(out, &mut at);
    }
    reader.finish(end, out);
    told.take(out, &mut at);
    assert_eq!(at, text.len() as u64, "the ledger covers the layer");
    for (offset, bytes) in &told.hidden {
        assert!(text[*offset as usize..].starts_with(bytes));
    }
    told
}

impl Told {
    fn take(&mut self, out: &mut Steps, at: &mut u64) {
        while let Some(step) = out.pop() {
            match step {
                Step::Batch(batch) => self.batch(*batch),
                Step::Region { layer, range, .. } => {
                    assert_eq!((layer, range.start), (ItemId::FILE, *at));
                    *at = range.end;
                }
                Step::Fault(fault) => self.faults.push((fault.code, fault.offset, fault.detail)),
                Step::Open { offset, .. } => self.hidden.push((offset, Vec::new())),
                Step::Data { bytes, .. } => self.hidden.last_mut().unwrap().1.extend_from_slice(&bytes),
                Step::Close { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn batch(&mut self, batch: Batch) {
        self.batches += 1;
        self.most_columns = self.most_columns.max(batch.columns.len());
        let mut records = batch.records;
        for (number, column) in batch.columns.iter().enumerate() {
            for (index, value) in values(&column.values).into_iter().flatten().enumerate() {
                if let Some(records) = &mut records {
                    records.fill(number, index, &Sha256::digest(&value));
                }
                self.cells.push((column.name.to_string(), column.rows.of(index), value));
            }
        }
        let lines = batch.lines.map(|lines| values(&lines));
        let messages = records.map(|records| values(&records.messages()));
        assert!(lines.as_ref().is_none_or(|lines| lines.len() == batch.rows));
        assert!(messages.as_ref().is_none_or(|messages| messages.len() == batch.rows));
        for row in 0..batch.rows {
            let line = lines.as_ref().and_then(|lines| lines[row].clone());
            let record = messages.as_ref().and_then(|all| all[row].as_ref());
            let record = record.map(|message| Sha256::digest(message).into());
            self.rows.push((batch.first_row + row as u64, line, record));
        }
    }
}

fn values(array: &ArrayRef) -> Vec<Option<Vec<u8>>> {
    if let Some(array) = array.as_binary_opt::<i32>() {
        return array.iter().map(|value| value.map(<[u8]>::to_vec)).collect();
    }
    array.as_binary_view().iter().map(|value| value.map(<[u8]>::to_vec)).collect()
}
