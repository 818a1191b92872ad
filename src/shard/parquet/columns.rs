//! The second pass: column chunks that the walk found sound are decoded, row group by row group.

use std::collections::BTreeMap;
use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;

use super::faults::Faults;
use super::layout::{Chunk, Layout, Standing, chunk_name};
use super::leaves::{Leaf, Unit, units};
use super::limits;
use super::reads::Reads;
use super::values::{Batch, Values};
use crate::finding::Code;
use crate::shard::{self, Column, ItemId, Steps};

/// Where the second pass stands.
pub struct Columns {
    units: Vec<Unit>,
    group: usize,
    /// The unit of the row group that is next or open.
    unit: usize,
    open: Option<Open>,
    /// Values and bytes emitted, of which a file may have only so many.
    values: u64,
    bytes: u64,
    /// Values that lie outside of the file: how many and the first one's row, for each column.
    outside: BTreeMap<Arc<str>, (u64, u64)>,
}

/// A unit being decoded; a leaf that cannot be decoded, or not any more, is `None`.
struct Open {
    /// Bytes of the largest pages of its chunks.
    largest: u64,
    first: Option<(Leaf, Values)>,
    /// The path beside the bytes.
    second: Option<(Leaf, Values)>,
}

impl Columns {
    /// At the first row group.
    pub fn new(metadata: &ParquetMetaData) -> Self {
        Columns {
            units: units(metadata.file_metadata().schema_descr()),
            group: 0,
            unit: 0,
            open: None,
            values: 0,
            bytes: 0,
            outside: BTreeMap::new(),
        }
    }

    /// Bytes of memory it may hold: dictionary and page of each open chunk, once compressed.
    pub fn footprint(&self) -> usize {
        let open = self.open.as_ref().map_or(0, |open| open.largest.saturating_mul(3));
        usize::try_from(open).unwrap_or(usize::MAX)
    }

    /// Decodes one batch; `false` when there is no more.
    pub fn work(
        &mut self,
        metadata: &ParquetMetaData,
        layout: &Layout,
        reads: &Reads,
        faults: &mut Faults,
        out: &mut Steps,
    ) -> bool {
        // Row groups without their columns were told of, and end the list.
        let leaves = metadata.file_metadata().schema_descr().num_columns();
        let groups = layout.chunks.len().checked_div(leaves).unwrap_or(0);
        if self.group >= groups {
            return false;
        }
        let chunks = &layout.chunks[self.group * leaves..(self.group + 1) * leaves];
        match self.open.take() {
            None => self.begin(metadata, chunks, reads, faults, out),
            Some(open) => self.open = self.batch(open, metadata, layout, faults, out),
        }
        if self.open.is_none() {
            self.unit += 1;
            if self.unit >= self.units.len() {
                self.unit = 0;
                self.group += 1;
            }
        }
        true
    }

    /// Tells what could be known only at the end.
    pub fn conclude(&mut self, out: &mut Steps) {
        for (column, (count, first)) in std::mem::take(&mut self.outside) {
            let values = if count == 1 { "value" } else { "values" };
            let column = crate::locator::Escaped(column.as_bytes());
            let detail = format!(
                "column `{column}`: {count} {values} without bytes, the first in row {first}, of which a path says \
                 that they lie outside of the file"
            );
            out.fault(Code::ExternalReference, crate::shard::ItemId::FILE, None, detail);
        }
    }

    fn begin(
        &mut self,
        metadata: &ParquetMetaData,
        chunks: &[Chunk],
        reads: &Reads,
        faults: &mut Faults,
        out: &mut Steps,
    ) {
        let mut largest = 0u64;
        let mut open = |leaf: &Leaf| {
            let chunk = chunks.get(leaf.column).filter(|c| c.standing == Standing::Sound && c.values > 0)?;
            match Values::open(metadata, chunk, leaf, reads) {
                Ok(values) => {
                    largest = largest.saturating_add(chunk.largest);
                    Some((leaf.clone(), values))
                }
                Err(why) => {
                    let name = || format!("{}: {why}", chunk_name(metadata, chunk.group, chunk.column));
                    faults.tell(Code::Unreadable, out, name);
                    None
                }
            }
        };
        let (first, second) = match self.units.get(self.unit) {
            Some(Unit::One(leaf)) => (open(leaf), None),
            Some(Unit::Media { bytes, path }) => (open(bytes), open(path)),
            None => (None, None),
        };
        self.open = (first.is_some() || second.is_some()).then_some(Open { largest, first, second });
    }

    /// Decodes a batch of the unit; returns what is still open.
    fn batch(
        &mut self,
        mut open: Open,
        metadata: &ParquetMetaData,
        layout: &Layout,
        faults: &mut Faults,
        out: &mut Steps,
    ) -> Option<Open> {
        let group = self.group;
        let before =
            [&open.first, &open.second].into_iter().flatten().map(|(_, values)| values.rows).min()?;
        let base = layout.first_rows.get(group).copied().unwrap_or(0).saturating_add(before);
        let rows = u64::try_from(metadata.row_group(group).num_rows()).unwrap_or(0);
        let mut wrong = |leaf: &Leaf, why: &str, out: &mut Steps| {
            faults.tell(Code::Unreadable, out, || {
                format!("{}: {why}", chunk_name(metadata, group, leaf.column))
            });
        };
        let mut next = |of: &mut Option<(Leaf, Values)>, asked: Option<usize>, out: &mut Steps| {
            let (leaf, values) = of.as_mut()?;
            let why = match values.next(asked) {
                Ok(batch) if values.rows > rows => {
                    format!(
                        "it holds more rows than its row group: {} of {rows}",
                        values.rows - batch.rows as u64
                    )
                }
                Ok(batch) if batch.rows == 0 && values.rows < rows => {
                    format!("it holds {} of the {rows} rows of its row group", values.rows)
                }
                Ok(batch) => return Some(batch),
                Err(why) => why,
            };
            wrong(leaf, &why, out);
            *of = None;
            None
        };
        let first = next(&mut open.first, None, out);
        let second = next(&mut open.second, first.as_ref().map(|batch| batch.rows), out);
        if let (Some((bytes, _)), Some((path, _)), Some(first), Some(second)) =
            (&open.first, &open.second, &first, &second)
        {
            let (count, row) = first.without_bytes(bytes, second, path);
            if let Some(row) = row {
                let known = self.outside.entry(Arc::clone(&bytes.name)).or_insert((0, base + row));
                known.0 += count;
            }
        }
        let ended = first.as_ref().or(second.as_ref()).is_none_or(|batch| batch.rows == 0);
        for (of, batch) in [(&mut open.first, first), (&mut open.second, second)] {
            let (Some((leaf, _)), Some(batch)) = (of.as_ref(), batch) else { continue };
            if let Err(why) = self.emit(leaf, batch, base, layout, out) {
                wrong(leaf, &why, out);
                *of = None;
            }
        }
        (!ended && (open.first.is_some() || open.second.is_some())).then_some(open)
    }

    fn emit(
        &mut self,
        leaf: &Leaf,
        batch: Batch,
        base: u64,
        layout: &Layout,
        out: &mut Steps,
    ) -> Result<(), String> {
        let file_len = layout.spans.last().map_or(0, |span| span.range.end);
        self.values = self.values.saturating_add(batch.levels());
        self.bytes = self.bytes.saturating_add(batch.bytes());
        if self.values > limits::values(file_len) || self.bytes > limits::value_bytes(file_len) {
            return Err("the file decodes to more than the limit for one of its length".to_string());
        }
        let rows = batch.rows;
        if let Some((of, values)) = batch.cells(leaf, base)? {
            let column = Column { name: Arc::clone(&leaf.name), rows: of, values };
            let (item, columns) = (ItemId::FILE, vec![column]);
            out.batch(shard::Batch { item, first_row: base, rows, lines: None, columns, records: None });
        }
        Ok(())
    }
}
