//! The rows of an Arrow layer: batches and dictionaries that were looked over are decoded by the `arrow-ipc` crate with
//! all its checks, and told some rows at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{DictionaryBatch, MetadataVersion};
use arrow_schema::{ArrowError, DataType, Schema};

use super::faults::Faults;
use super::limits;
use super::shape::{Bounds, Shape, look_over};
use super::spread::{content_len, spread};
use crate::shard::table::arrow::ArrowRows;
use crate::shard::{ItemId, Steps};

/// A table whose schema is known.
pub struct Table {
    layer: ItemId,
    schema: Arc<Schema>,
    rows: ArrowRows,
    /// Dictionaries by number, and bytes of memory each may hold.
    dictionaries: HashMap<i64, ArrayRef>,
    sizes: BTreeMap<i64, u64>,
    /// Those that could not be read: whatever names them cannot be either.
    broken: BTreeSet<i64>,
    /// Batches and rows so far, those that cannot be read counted.
    pub batches: u64,
    pub next_row: u64,
    /// Values and bytes so far, of which a layer may have only so many.
    values: u64,
    bytes: u64,
    pending: Option<Pending>,
}

/// A decoded batch of which rows are still to be told.
struct Pending {
    batch: RecordBatch,
    first_row: u64,
    told: usize,
    /// Rows told at once.
    slice: usize,
    at: u64,
    size: u64,
}

impl Table {
    /// A table of this schema.
    pub fn new(schema: Schema, layer: ItemId, out: &mut Steps) -> Self {
        Table {
            layer,
            rows: ArrowRows::new(&schema, layer, out),
            schema: Arc::new(schema),
            dictionaries: HashMap::new(),
            sizes: BTreeMap::new(),
            broken: BTreeSet::new(),
            batches: 0,
            next_row: 0,
            values: 0,
            bytes: 0,
            pending: None,
        }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.size);
        usize::try_from(pending + self.sizes.values().sum::<u64>()).unwrap_or(usize::MAX)
    }

    /// Its schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A dictionary could not be read. One that no column names is missed by none.
    pub fn lose_dictionary(&mut self, id: i64) {
        if values_of(&self.schema, id).is_some() {
            self.dictionaries.remove(&id);
            self.sizes.remove(&id);
            self.broken.insert(id);
        }
    }

    /// A batch could not be read, which is said to have so many rows: those after it keep their ordinals, if it can
    /// have been so many.
    pub fn lose_batch(&mut self, rows: i64) {
        self.batches += 1;
        self.next_row += u64::from(u32::try_from(rows).unwrap_or(0));
    }

    /// Looks over a batch in a layer of which `len` bytes were seen.
    pub fn look_over_batch(
        &mut self,
        batch: arrow_ipc::RecordBatch<'_>,
        version: MetadataVersion,
        body: &[u8],
        len: u64,
    ) -> Result<Shape, String> {
        let columns = self.schema.fields().iter().map(|field| field.data_type());
        let shape = look_over(columns, batch, version, body, self.bounds(len))?;
        self.charge(&shape);
        Ok(shape)
    }

    /// Looks over a dictionary.
    pub fn look_over_dictionary(
        &mut self,
        dictionary: DictionaryBatch<'_>,
        version: MetadataVersion,
        body: &[u8],
        len: u64,
    ) -> Result<Shape, String> {
        let schema = Arc::clone(&self.schema);
        let values = values_of(&schema, dictionary.id()).ok_or("its schema has no such dictionary")?;
        let batch = dictionary.data().ok_or("it has no values")?;
        let shape = look_over(std::iter::once(values), batch, version, body, self.bounds(len))?;
        self.charge(&shape);
        // What a dictionary is added to is copied.
        let size = body.len() as u64 + shape.inflated;
        let before = self.sizes.get(&dictionary.id()).copied().unwrap_or(0);
        let (copied, after) = if dictionary.isDelta() { (before, before + size) } else { (0, size) };
        self.bytes = self.bytes.saturating_add(copied);
        if self.bytes > limits::value_bytes(len) {
            return Err(
                "it adds to a dictionary more often than the limit for a file of its size".to_string()
            );
        }
        let others: u64 = self.sizes.values().sum::<u64>() - before;
        if others + after > limits::DICTIONARIES {
            return Err("its dictionaries are over the limit of 512 MiB".to_string());
        }
        Ok(shape)
    }

    fn bounds(&self, len: u64) -> Bounds {
        Bounds {
            values: limits::values(len).saturating_sub(self.values),
            inflated: limits::value_bytes(len).saturating_sub(self.bytes),
        }
    }

    fn charge(&mut self, shape: &Shape) {
        self.values = self.values.saturating_add(shape.values);
        self.bytes = self.bytes.saturating_add(shape.inflated);
    }

    /// Decodes a dictionary that was looked over.
    pub fn read_dictionary(
        &mut self,
        dictionary: DictionaryBatch<'_>,
        version: MetadataVersion,
        body: &Buffer,
        shape: &Shape,
    ) -> Result<(), String> {
        let id = dictionary.id();
        if dictionary.isDelta() && self.broken.contains(&id) {
            return Err("the dictionary that it adds to could not be read".to_string());
        }
        let (schema, dictionaries) = (&self.schema, &mut self.dictionaries);
        caught(|| read_dictionary(body, dictionary, schema, dictionaries, &version))?;
        let before = if dictionary.isDelta() { self.sizes.get(&id).copied().unwrap_or(0) } else { 0 };
        self.sizes.insert(id, before + body.len() as u64 + shape.inflated);
        self.broken.remove(&id);
        Ok(())
    }

    /// Decodes a batch that was looked over; its rows wait to be told. `at` is where its message lies.
    pub fn read_batch(
        &mut self,
        batch: arrow_ipc::RecordBatch<'_>,
        version: MetadataVersion,
        body: &Buffer,
        shape: &Shape,
        at: u64,
    ) -> Result<(), String> {
        if !self.broken.is_empty() {
            return Err("a dictionary that it may need could not be read".to_string());
        }
        let (schema, dictionaries) = (&self.schema, &self.dictionaries);
        let decoded = caught(|| {
            RecordBatchDecoder::try_new(body, batch, Arc::clone(schema), dictionaries, &version)?
                .read_record_batch()
        })?;
        let spread = caught(|| Ok(decoded.columns().iter().map(|column| spread(column, false)).max()))?;
        let spread = spread.unwrap_or(1).max(1);
        if spread > limits::SPREAD {
            return Err("its rows repeat lists more often than the limit".to_string());
        }
        let slice = (limits::BATCH_SPREAD / spread).clamp(1, limits::BATCH_ROWS as u64) as usize;
        let size = body.len() as u64 + shape.inflated;
        let first_row = self.next_row;
        self.pending = Some(Pending { batch: decoded, first_row, told: 0, slice, at, size });
        Ok(())
    }

    /// Tells some rows of the batch that was read last; `false` when there are no more.
    pub fn tell(&mut self, len: u64, faults: &mut Faults, out: &mut Steps) -> bool {
        let Some(pending) = &mut self.pending else { return false };
        let n = pending.slice.min(pending.batch.num_rows() - pending.told);
        if n > 0 {
            let slice = pending.batch.slice(pending.told, n);
            #[cfg(test)]
            super::tests::tap(&slice);
            let first_row = pending.first_row + pending.told as u64;
            let batch = self.rows.batch(self.layer, first_row, &slice);
            pending.told += n;
            self.bytes = batch
                .columns
                .iter()
                .fold(self.bytes, |bytes, column| bytes.saturating_add(content_len(&column.values)));
            if self.bytes <= limits::value_bytes(len) {
                out.batch(batch);
            } else {
                let why = "repeats so many bytes that they are over the limit for a file of its size";
                faults.tell(pending.at, out, format!("rows from {first_row} on: a batch {why}"));
                pending.told = pending.batch.num_rows();
            }
        }
        if pending.told == pending.batch.num_rows() {
            self.pending = None;
        }
        true
    }

    /// The table has ended.
    pub fn conclude(&mut self, out: &mut Steps) {
        self.rows.conclude(self.layer, out);
    }
}

/// Decoders answer damage with errors, and here and there with a panic.
fn caught<T>(decode: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(decoded)) => Ok(decoded),
        Ok(Err(error)) => Err(format!("it cannot be decoded: {error}")),
        Err(_) => Err("it cannot be decoded: the decoder gave up on it".to_string()),
    }
}

/// The type of the values of a dictionary.
fn values_of(schema: &Schema, id: i64) -> Option<&DataType> {
    #[expect(deprecated, reason = "nothing else ties a dictionary to its field")]
    let field = schema.fields_with_dict_id(id).into_iter().next()?;
    match field.data_type() {
        DataType::Dictionary(_, values) => Some(values),
        _ => None,
    }
}
