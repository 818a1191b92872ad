//! The values of one column chunk, batch by batch.
//!
//! Columns are read below the level of records, as values with their definition and repetition levels (Dremel; Parquet
//! format, "Nested encoding"): the row of every value is known however deep it is nested, and no schema has to be
//! converted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{ArrayRef, builder::BinaryViewBuilder};
use arrow_buffer::Buffer;
use bytes::Bytes;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArrayType};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ParquetMetaData;

use super::layout::Chunk;
use super::leaves::Leaf;
use super::limits;
use super::pages::{Meter, Pages};
use super::reads::Reads;
use crate::shard::Rows;

/// Values from this length on stay where the page was decompressed to; shorter ones are gathered.
const GATHERED: usize = 4096;

/// A column chunk being decoded.
pub struct Values {
    leaf: Leaf,
    typed: Typed,
    meter: Arc<Meter>,
    /// Rows decoded.
    pub rows: u64,
    /// Levels decoded.
    levels: u64,
    /// Bytes of its largest page.
    largest: u64,
}

enum Typed {
    Variable(ColumnReaderImpl<ByteArrayType>),
    Fixed(ColumnReaderImpl<FixedLenByteArrayType>),
}

/// Some rows of a column.
#[derive(Default)]
pub struct Batch {
    /// How many.
    pub rows: usize,
    def: Vec<i16>,
    rep: Vec<i16>,
    values: Vec<ByteArray>,
    levels: usize,
}

impl Values {
    /// Begins to decode a chunk whose pages were walked and are sound.
    pub fn open(
        metadata: &ParquetMetaData,
        chunk: &Chunk,
        leaf: &Leaf,
        reads: &Reads,
    ) -> Result<Values, String> {
        guarded(|| {
            let meta = metadata.row_group(chunk.group).column(chunk.column);
            let descriptor = meta.column_descr_ptr();
            let meter = Arc::new(Meter::default());
            let pages = Pages::new(reads.clone(), chunk, meta, Arc::clone(&meter));
            let reader = get_column_reader(descriptor, Box::new(pages));
            let typed = match leaf.fixed {
                true => Typed::Fixed(get_typed_column_reader(reader)),
                false => Typed::Variable(get_typed_column_reader(reader)),
            };
            Ok(Values { leaf: leaf.clone(), typed, meter, rows: 0, levels: 0, largest: chunk.largest })
        })
    }

    /// The next rows: as many as are asked for, or as fit in bounded memory; none at the end of the chunk.
    pub fn next(&mut self, asked: Option<usize>) -> Result<Batch, String> {
        self.meter.batch.store(0, Ordering::Relaxed);
        guarded(|| {
            let mut batch = Batch::default();
            if let Some(asked) = asked {
                while batch.rows < asked && self.read(asked - batch.rows, &mut batch)? > 0 {}
            } else if self.leaf.max_rep > 0 {
                // Each row may lie in a page of its own.
                let rows = limits::BATCH_PAGES / self.largest.max(1);
                self.read(rows.clamp(1, limits::BATCH_ROWS as u64) as usize, &mut batch)?;
            } else {
                // The first row brings a page; the others must not bring the next.
                if self.left_in_page() == 0 {
                    self.read(1, &mut batch)?;
                }
                let left = self.left_in_page().min((limits::BATCH_ROWS - batch.rows) as u64);
                if left > 0 {
                    self.read(left as usize, &mut batch)?;
                }
            }
            Ok(batch)
        })
    }

    fn left_in_page(&self) -> u64 {
        self.meter.values.load(Ordering::Relaxed).saturating_sub(self.levels)
    }

    fn read(&mut self, rows: usize, batch: &mut Batch) -> ParquetResult<usize> {
        let def = (self.leaf.max_def > 0).then_some(&mut batch.def);
        let rep = (self.leaf.max_rep > 0).then_some(&mut batch.rep);
        let (read, _, levels) = match &mut self.typed {
            Typed::Variable(reader) => reader.read_records(rows, def, rep, &mut batch.values)?,
            Typed::Fixed(reader) => {
                let mut values = Vec::new();
                let read = reader.read_records(rows, def, rep, &mut values)?;
                batch.values.extend(values.into_iter().map(ByteArray::from));
                read
            }
        };
        batch.rows += read;
        batch.levels += levels;
        self.rows += read as u64;
        self.levels += levels as u64;
        Ok(read)
    }
}

impl Batch {
    /// How many values, nulls included.
    pub fn levels(&self) -> u64 {
        self.levels as u64
    }

    /// How many bytes its values have.
    pub fn bytes(&self) -> u64 {
        self.values.iter().map(|value| value.as_ref().len() as u64).sum()
    }

    /// The values as an array with their rows, of which the first is given; `None` if all are null. A column with one
    /// value for each row keeps its nulls; where rows hold lists, only values that are there are given.
    pub fn cells(self, leaf: &Leaf, first_row: u64) -> Result<Option<(Rows, ArrayRef)>, String> {
        if self.values.is_empty() {
            return Ok(None);
        }
        let flat = leaf.max_rep == 0;
        let mut builder = BinaryViewBuilder::with_capacity(self.levels);
        let mut rows = Vec::new();
        let mut values = self.values.into_iter();
        let (def, rep) = (&self.def, &self.rep);
        let mut row = first_row;
        for level in 0..self.levels {
            // The first level of a batch begins its first row, whatever it says.
            if level > 0 && rep.get(level).is_none_or(|rep| *rep == 0) {
                row = row.saturating_add(1);
            }
            if def.get(level).is_none_or(|def| *def == leaf.max_def) {
                let value = values.next().ok_or("it has fewer values than levels")?;
                append(&mut builder, value)?;
                if !flat {
                    rows.push(row);
                }
            } else if flat {
                builder.append_null();
            }
        }
        let rows = if flat { Rows::From(first_row) } else { Rows::Each(rows.into()) };
        Ok(Some((rows, Arc::new(builder.finish()))))
    }

    /// Rows, counted from 0 in the batch, where these bytes are null though the path is not: how many, and the first.
    pub fn without_bytes(&self, leaf: &Leaf, path: &Batch, path_leaf: &Leaf) -> (u64, Option<u64>) {
        let (mut count, mut first) = (0, None);
        if self.levels != path.levels || self.def.is_empty() {
            return (count, first);
        }
        let mut row = 0u64;
        let mut paths = path.values.iter();
        for (level, def) in self.def.iter().enumerate() {
            if level > 0 && path.rep.get(level).is_none_or(|rep| *rep == 0) {
                row += 1;
            }
            let named = path.def.get(level).is_none_or(|def| *def == path_leaf.max_def);
            let named = named && paths.next().is_some_and(|path| !path.as_ref().is_empty());
            if named && *def < leaf.max_def {
                count += 1;
                first.get_or_insert(row);
            }
        }
        (count, first)
    }
}

fn append(builder: &mut BinaryViewBuilder, value: ByteArray) -> Result<(), String> {
    if value.as_ref().len() < GATHERED {
        builder.append_value(value.as_ref());
        return Ok(());
    }
    let buffer = Buffer::from(Bytes::from_owner(value));
    let len = u32::try_from(buffer.len()).map_err(|_| "a value is over the limit".to_string())?;
    let block = builder.append_block(buffer);
    builder.try_append_view(block, 0, len).map_err(|error| error.to_string())
}

/// Runs what decodes bytes from outside: an error or a panic of it is a sentence about the bytes.
fn guarded<T>(decode: impl FnOnce() -> ParquetResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("it cannot be decoded: {error}")),
        Err(_) => Err("it cannot be decoded: the decoder gave up on it".to_string()),
    }
}
