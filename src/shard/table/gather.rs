//! Rows of a text format being gathered into a batch. Lines and values stay where they lie, in refcounted pieces of the
//! layer; only what had to be unescaped is copied.

use std::sync::Arc;

use arrow_array::builder::make_view;
use arrow_array::{ArrayRef, BinaryViewArray};
use arrow_buffer::{Buffer, ScalarBuffer};
use bytes::Bytes;

use super::{Batch, Column, Records, RecordsBuilder};
use crate::shard::{ItemId, Rows, Steps};

/// Rows of one batch.
const MOST_ROWS: usize = 1024;
/// Bytes of text that the rows of one batch take, but for a single long row.
const MOST_BYTES: usize = 1 << 20;
/// Bytes of pieces that one batch keeps from being used again: blank lines lie in them as well.
const MOST_HELD: usize = 2 << 20;
/// Columns after which a batch ends: rows may have other names each.
const MOST_COLUMNS: usize = 1024;

/// Values of at most so many bytes stand in their view.
const INLINE: usize = 12;

/// A batch that grows row by row.
#[derive(Debug)]
pub struct Gather {
    item: ItemId,
    first_row: u64,
    rows: usize,
    bytes: usize,
    /// Values that lie in no block: the first buffer of the batch.
    made: Vec<u8>,
    /// The other buffers.
    blocks: Vec<Bytes>,
    held: usize,
    /// Views of the rows' lines, where rows are lines.
    lines: Option<Vec<u128>>,
    columns: Vec<Growing>,
    /// Where the plan asks for them.
    records: Option<RecordsBuilder>,
}

/// A column so far.
#[derive(Debug)]
struct Growing {
    name: Arc<str>,
    rows: Vec<u64>,
    views: Vec<u128>,
}

/// Where a value lies: the number of its block, and the first byte there.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// As [`Gather::block`] gave it.
    pub block: u32,
    /// Blocks are far smaller than 4 GiB.
    pub offset: usize,
}

impl Spot {
    /// So many bytes further.
    pub fn plus(self, bytes: usize) -> Spot {
        Spot { offset: self.offset + bytes, ..self }
    }
}

impl Gather {
    /// For the rows of this table; `lines` says that each is a line.
    pub fn new(item: ItemId, lines: bool, out: &Steps) -> Self {
        Gather {
            item,
            first_row: 0,
            rows: 0,
            bytes: 0,
            made: Vec::new(),
            blocks: Vec::new(),
            held: 0,
            lines: lines.then(Vec::new),
            columns: Vec::new(),
            records: out.plan().records.then(|| RecordsBuilder::new(0)),
        }
    }

    /// No row of this table is a record.
    pub fn without_records(self) -> Self {
        Gather { records: None, ..self }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        let values: usize = self.columns.iter().map(|column| column.views.capacity()).sum();
        // Beside a view of 16 bytes stands a row, and in the record a hole with its tag and its place.
        self.held + self.made.capacity() + values * 72 + self.lines.as_ref().map_or(0, Vec::capacity) * 16
    }

    /// The ordinal of the row being gathered.
    pub fn row(&self) -> u64 {
        self.first_row + self.rows as u64
    }

    /// Whether another row of this length would be too much for the batch.
    pub fn is_full_for(&self, len: usize) -> bool {
        self.rows > 0
            && (self.bytes + len > MOST_BYTES
                || self.rows >= MOST_ROWS
                || self.held > MOST_HELD
                || self.columns.len() >= MOST_COLUMNS)
    }

    /// A block that values lie in: its number. It is the same for the same block as last time.
    pub fn block(&mut self, block: &Bytes) -> u32 {
        let same = |last: &Bytes| last.as_ptr() == block.as_ptr() && last.len() == block.len();
        if !self.blocks.last().is_some_and(same) {
            self.held += block.len();
            self.blocks.push(block.clone());
        }
        // Each has a byte at least, and a batch few of those.
        self.blocks.len() as u32
    }

    /// The line that the row is.
    pub fn line(&mut self, line: &[u8], spot: Spot) {
        let view = self.view(line, Some(spot));
        if let Some(lines) = &mut self.lines {
            lines.push(view);
        }
    }

    /// A column more: its number.
    pub fn add_column(&mut self, name: Arc<str>) -> usize {
        if let Some(records) = &mut self.records {
            records.add_column();
        }
        self.columns.push(Growing { name, rows: Vec::new(), views: Vec::new() });
        self.columns.len() - 1
    }

    /// The next value of a column in the present row, and its place in the record. What lies in no block is copied.
    pub fn value(&mut self, column: usize, value: &[u8], spot: Option<Spot>) {
        let (view, row) = (self.view(value, spot), self.row());
        let Some(growing) = self.columns.get_mut(column) else { return };
        growing.rows.push(row);
        growing.views.push(view);
        if let Some(records) = &mut self.records {
            records.content(column);
        }
    }

    /// Where the present row's record is written, if records are wanted.
    pub fn records(&mut self) -> Option<&mut RecordsBuilder> {
        self.records.as_mut()
    }

    /// The present row, of so many bytes, is complete; as a record it ends in this way.
    pub fn end_row(&mut self, len: usize, end: RowEnd<'_>) {
        if let Some(records) = &mut self.records {
            match end {
                RowEnd::Record => records.end_row(),
                RowEnd::Refused => records.refuse_row(),
                RowEnd::Raw(bytes) => records.raw_row(bytes),
            }
        }
        self.rows += 1;
        self.bytes += len;
    }

    /// A row that is told in another way has passed: nothing may have been gathered of it.
    pub fn pass_row(&mut self, out: &mut Steps) {
        self.flush(out);
        self.first_row += 1;
    }

    /// Tells the rows gathered so far.
    pub fn flush(&mut self, out: &mut Steps) {
        if self.rows == 0 {
            return;
        }
        let made = Buffer::from_vec(std::mem::take(&mut self.made));
        let blocks = self.blocks.drain(..).map(Buffer::from);
        let buffers: Arc<[Buffer]> = std::iter::once(made).chain(blocks).collect();
        // Each view was made of bytes in these buffers, at their place.
        let array = |views: Vec<u128>| -> ArrayRef {
            Arc::new(BinaryViewArray::new(ScalarBuffer::from(views), Arc::clone(&buffers), None))
        };
        let columns = self.columns.drain(..).map(|Growing { name, rows, views }| Column {
            name,
            rows: Rows::Each(rows.into()),
            values: array(views),
        });
        let columns = columns.collect();
        let lines = self.lines.as_mut().map(|lines| array(std::mem::take(lines)));
        let records: Option<Records> =
            self.records.as_mut().map(|records| std::mem::replace(records, RecordsBuilder::new(0)).finish());
        let (item, first_row, rows) = (self.item, self.first_row, self.rows);
        let (made_anew, number) = (false, 0);
        out.batch(Batch { item, first_row, rows, lines, columns, records, made_anew, number });
        self.first_row += self.rows as u64;
        (self.rows, self.bytes, self.held) = (0, 0, 0);
    }

    fn view(&mut self, value: &[u8], spot: Option<Spot>) -> u128 {
        let (block, offset) = match spot {
            _ if value.len() <= INLINE => (0, 0),
            Some(spot) => (spot.block, spot.offset),
            None => {
                let offset = self.made.len();
                self.made.extend_from_slice(value);
                (0, offset)
            }
        };
        // Blocks, and what is made of one batch, are far smaller than 4 GiB.
        make_view(value, block, offset as u32)
    }
}

/// What a row is as a record.
#[derive(Clone, Copy, Debug)]
pub enum RowEnd<'a> {
    /// It was written to [`Gather::records`].
    Record,
    /// It has no identity.
    Refused,
    /// It is known by these bytes.
    Raw(&'a [u8]),
}
