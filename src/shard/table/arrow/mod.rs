//! Rows of Arrow record batches: their texts and bytes as cells, and what they are as records.
//!
//! A batch is gone through twice, both times in the order of its rows: once for the cells, which leave it without a
//! copy, and once for the records, with a hole for each cell.

mod cells;
mod gather;
mod map_order;
mod plain;
mod reader;
mod records;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use self::cells::Cells;
use self::reader::Reader;
use self::shape::Table;
use super::Batch;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::{ItemId, Steps};

/// Fields that tell of images that were resized or encoded anew after their download.
const MADE_ANEW: [&str; 2] = ["original_width", "original_height"];

/// What is done with each batch of one table.
#[derive(Debug)]
pub struct ArrowRows {
    table: Arc<Table>,
    records: bool,
    /// The table says that its content was made of other files, as img2dataset's tables do.
    made_anew: bool,
    sums: Sums,
}

/// What is told once of a whole table.
#[derive(Debug, Default)]
pub struct Sums {
    /// Values that lie outside of the table: how many and the first one's row, for each column.
    outside: BTreeMap<Arc<str>, (u64, u64)>,
    /// Rows without an identity of their own accord: how many, and the first.
    refused: Tally,
    /// Rows of batches that were not looked at in full: how many, the first, and why that one was not.
    lost: Tally,
    why_lost: String,
}

impl ArrowRows {
    /// For a table of this schema. Where its rows are to be identified and cannot be (a field's name stands twice, a
    /// type has no encoding), that is told once.
    pub fn new(schema: &Schema, item: ItemId, out: &mut Steps) -> Self {
        let table = Arc::new(Table::of(schema));
        let mut records = out.plan().records;
        if out.wants_rows() {
            for column in &table.unread {
                let column = Escaped(column.as_bytes());
                let detail = format!(
                    "column `{column}`: its type is nested deeper than {} levels, and what lies below was not \
                     looked at",
                    shape::DEPTH
                );
                out.fault(Code::Unreadable, item, None, detail);
            }
        }
        if let (true, Some(why)) = (records, &table.unidentified) {
            out.fault(Code::Unverifiable, item, None, format!("its rows have no identity: {why}"));
            records = false;
        }
        let made_anew = schema.fields().iter().any(|field| MADE_ANEW.contains(&field.name().as_str()));
        ArrowRows { table, records, made_anew, sums: Sums::default() }
    }

    /// The cells and records of a batch whose first row is this one of the table.
    pub fn batch(&mut self, item: ItemId, first_row: u64, rows: &RecordBatch) -> Batch {
        let count = rows.num_rows();
        let (columns, made_anew, number) = (Vec::new(), self.made_anew, 0);
        let mut batch =
            Batch { item, first_row, rows: count, lines: None, columns, records: None, made_anew, number };
        let table = Arc::clone(&self.table);
        let Some(reader) = Reader::of_rows(&table.root, rows, self.records) else {
            self.lose(
                first_row,
                count,
                "they are not of the table's schema, or have too many entries for one batch",
            );
            return batch;
        };
        // Rows without a byte of their own cost nothing to declare.
        if count > cells::most_values(&reader) {
            self.lose(first_row, count, "they are too many for one batch");
            return batch;
        }
        let cells = Cells::of(&reader, first_row, count, table.leaves);
        for (name, found, row) in cells.outside {
            self.sums.outside.entry(name).or_insert((0, row)).0 += found;
        }
        batch.columns = cells.columns;
        if let Some(why) = cells.lost {
            self.lose(first_row, count, why);
        } else if self.records {
            match records::of_rows(&reader, count, &cells.numbers, batch.columns.len()) {
                Some(identified) => {
                    let first = first_row.saturating_add(identified.first_refused);
                    self.sums.refused.add(first, identified.refused);
                    batch.records = Some(identified.records);
                }
                None => self.lose(first_row, count, "their records are too long for one batch"),
            }
        }
        batch
    }

    /// The table has ended: tells what could be known only now, values that lie outside of it.
    pub fn conclude(&mut self, item: ItemId, out: &mut Steps) {
        self.sums().tell(item, out);
    }

    /// The table has ended, as far as it was read here: what is to be told with what was seen of it elsewhere.
    pub fn sums(&mut self) -> Sums {
        std::mem::take(&mut self.sums)
    }

    fn lose(&mut self, first_row: u64, rows: usize, why: &str) {
        if self.sums.lost.first.is_none() {
            self.sums.why_lost = why.to_string();
        }
        self.sums.lost.add(first_row, rows as u64);
    }
}

impl Sums {
    /// Adds what was seen of other rows of the table.
    pub fn add(&mut self, other: Sums) {
        for (column, (count, first)) in other.outside {
            let (sum, least) = self.outside.entry(column).or_insert((0, first));
            *sum = sum.saturating_add(count);
            *least = first.min(*least);
        }
        if self.lost.first.is_none() || other.lost.first.is_some_and(|row| Some(row) < self.lost.first) {
            self.why_lost = other.why_lost;
        }
        self.lost.merge(&other.lost);
        self.refused.merge(&other.refused);
    }

    /// Tells it.
    pub fn tell(self, item: ItemId, out: &mut Steps) {
        for (column, (count, first)) in self.outside {
            let values = if count == 1 { "value" } else { "values" };
            let column = Escaped(column.as_bytes());
            let detail = format!(
                "column `{column}`: {count} {values} without bytes, the first in row {first}, of which a path says \
                 that they lie outside of the file"
            );
            out.fault(Code::ExternalReference, item, None, detail);
        }
        let refused = self.refused;
        if let Some(first) = refused.first {
            let rows = if refused.count == 1 { "row has" } else { "rows have" };
            let detail = format!(
                "{} {rows} no identity, the first is row {first}: a key stands twice in a map",
                refused.count
            );
            out.fault(Code::Unverifiable, item, None, detail);
        }
        let lost = self.lost;
        if let Some(first) = lost.first {
            let why = self.why_lost;
            let detail = format!(
                "{} rows, the first is row {first}, were not looked at in full and have no identity: {why}",
                lost.count
            );
            out.fault(Code::Unreadable, item, None, detail);
        }
    }
}

/// Rows that are told of once.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    first: Option<u64>,
}

impl Tally {
    fn add(&mut self, first: u64, count: u64) {
        if count > 0 {
            self.first.get_or_insert(first);
            self.count = self.count.saturating_add(count);
        }
    }

    fn merge(&mut self, other: &Tally) {
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.count = self.count.saturating_add(other.count);
    }
}
