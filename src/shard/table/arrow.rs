//! Rows of Arrow record batches: their texts and bytes as cells, and what they are as records.

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use super::Batch;
use crate::shard::{ItemId, Steps};

/// What is done with each batch of one table.
#[derive(Debug)]
pub struct ArrowRows {
    records: bool,
}

impl ArrowRows {
    /// For a table of this schema. Where its rows are to be identified and cannot be (a field's name stands twice, a
    /// type has no encoding), that is told once.
    pub fn new(_schema: &Schema, item: ItemId, out: &mut Steps) -> Self {
        let _ = item;
        ArrowRows { records: out.plan().records }
    }

    /// The cells and records of a batch whose first row is this one of the table.
    pub fn batch(&mut self, item: ItemId, first_row: u64, rows: &RecordBatch) -> Batch {
        let _ = self.records;
        Batch { item, first_row, rows: rows.num_rows(), lines: None, columns: Vec::new(), records: None }
    }

    /// The table has ended: tells what could be known only now, values that lie outside of it.
    pub fn conclude(&mut self, _item: ItemId, _out: &mut Steps) {}
}
