//! Columns of one row group, decoded together: the crate's Arrow reader over guarded pages.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::basic::Type;
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::layout::Chunk;
use super::limits;
use super::pages::{Meter, Pages};
use super::reads::Reads;
use super::shape::{Shape, guarded};

/// A row group whose pages are at hand.
pub struct Group<'a> {
    /// What the footer says.
    pub metadata: &'a ParquetMetaData,
    /// Its number.
    pub number: usize,
    /// Its chunks, one for each column.
    pub chunks: &'a [Chunk],
    /// Where its bytes come from.
    pub reads: &'a Reads,
}

impl<'a> Group<'a> {
    /// How many rows the footer says it has.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.of().num_rows()).unwrap_or(0)
    }

    /// How many rows of these columns are decoded at a time: some MiB, if the footer's sizes are true.
    pub fn batch(&self, columns: &[usize]) -> usize {
        let size = |column: &usize| u64::try_from(self.of().column(*column).uncompressed_size()).unwrap_or(0);
        let whole = columns.iter().map(size).fold(0, u64::saturating_add);
        let row = (whole / self.rows().max(1)).max(self.padding(columns)).max(1);
        // At most `BATCH_ROWS`, so it fits.
        (limits::BATCH_TARGET / row).clamp(1, limits::BATCH_ROWS) as usize
    }

    /// Bytes that a row of these columns takes if it is null: values of a fixed length have them all the same.
    fn padding(&self, columns: &[usize]) -> u64 {
        let of = |column: &usize| {
            let column = self.of().column(*column).column_descr();
            let fixed = column.physical_type() == Type::FIXED_LEN_BYTE_ARRAY;
            if fixed { u64::try_from(column.type_length()).unwrap_or(0) } else { 0 }
        };
        columns.iter().map(of).fold(0, u64::saturating_add)
    }

    fn of(&self) -> &'a RowGroupMetaData {
        self.metadata.row_group(self.number)
    }
}

/// Decodes some columns of a row group.
pub struct Decoder {
    reader: ParquetRecordBatchReader,
    meter: Arc<Meter>,
    /// Bytes that a batch takes before any page.
    padding: u64,
}

impl Decoder {
    /// At the first row of the group.
    pub fn open(group: &Group<'_>, shape: &Shape, batch: usize) -> Result<Decoder, String> {
        let meter = Arc::new(Meter::default());
        let pages = Projected { group, columns: &shape.columns, meter: &meter };
        let reader = guarded(|| shape.reader(&pages, batch))?;
        let padding = group.padding(&shape.columns).saturating_mul(batch as u64);
        Ok(Decoder { reader, meter, padding })
    }

    /// The next rows: as many as were asked for, but at the end.
    pub fn next(&mut self) -> Result<Option<RecordBatch>, String> {
        self.meter.batch.store(self.padding, Ordering::Relaxed);
        guarded(|| self.reader.next().transpose().map_err(ParquetError::from))
    }

    /// Whether a batch was refused because its pages are too large together.
    pub fn is_over(&self) -> bool {
        self.meter.over.load(Ordering::Relaxed)
    }

    /// How many values were in the pages that were taken since the last call.
    pub fn values(&self) -> u64 {
        self.meter.values.swap(0, Ordering::Relaxed)
    }
}

/// Some columns of a row group, numbered anew.
struct Projected<'a> {
    group: &'a Group<'a>,
    columns: &'a [usize],
    meter: &'a Arc<Meter>,
}

impl RowGroups for Projected<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group.rows()).unwrap_or(usize::MAX)
    }

    fn column_chunks(&self, i: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let column = self.columns.get(i).copied();
        let chunk = column.and_then(|column| Some((column, self.group.chunks.get(column)?)));
        let Some((column, chunk)) = chunk else {
            return Err(ParquetError::General("there is no such column".to_string()));
        };
        let meta = self.group.of().column(column);
        let pages = Pages::new(self.group.reads.clone(), chunk, meta, Arc::clone(self.meter));
        Ok(Box::new(Once(iter::once(Ok(Box::new(pages) as Box<dyn PageReader>)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(iter::once(self.group.of()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.group.metadata
    }
}

/// The one chunk of a column.
struct Once(iter::Once<ParquetResult<Box<dyn PageReader>>>);

impl Iterator for Once {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl PageIterator for Once {}
