//! One part of an index: a Parquet file whose footer says what must be in it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::columns::{Columns, DIGESTS};
use super::marker::PartEntry;
use super::rows::Rows;
use super::sum::DigestSum;
use crate::error::{Error, Result};
use crate::observation::Observation;
use crate::schema;

/// Rows that are gathered before they are handed to the encoder.
const BATCH: usize = 4096;

/// Rows of a row group: what the encoder holds at once, some ten megabytes.
const ROW_GROUP: usize = 1 << 16;

/// Writes a part, under a name of its own until it is whole.
pub struct PartWriter {
    unfinished: PathBuf,
    path: PathBuf,
    name: String,
    roots: Arc<Vec<String>>,
    writer: ArrowWriter<File>,
    columns: Columns,
    entry: (u64, u64, DigestSum),
}

impl PartWriter {
    /// Begins part `number` in the folder `observations` of an index, or a piece of it; its pieces come before the
    /// part.
    ///
    /// # Errors
    /// Where nothing can be written there.
    pub fn create(
        index: &Path,
        number: u64,
        piece: Option<usize>,
        roots: Arc<Vec<String>>,
    ) -> Result<PartWriter> {
        let name = match piece {
            None => format!("part-{number:06}.parquet"),
            Some(piece) => format!("part-{number:06}-{piece:04}.parquet"),
        };
        let folder = index.join("observations");
        let path = folder.join(&name);
        let unfinished = folder.join(format!(".{name}.unfinished"));
        let file = File::create(&unfinished).map_err(|cause| failed(&unfinished, cause))?;
        let writer = ArrowWriter::try_new(file, schema::observations(), Some(properties()))
            .map_err(|error| not_written(&unfinished, error))?;
        let entry = Default::default();
        Ok(PartWriter { unfinished, path, name, roots, writer, columns: Columns::new(), entry })
    }

    /// Adds an item.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn push(&mut self, seen: &Observation) -> Result<()> {
        let (rows, bytes, sum) = &mut self.entry;
        *rows += 1;
        *bytes = bytes.wrapping_add(seen.length);
        sum.add(seen);
        self.columns.push(seen, &self.roots).map_err(|error| not_encoded(&self.unfinished, &error))?;
        if self.columns.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.entry.0 == 0
    }

    /// Leaves no part behind.
    ///
    /// # Errors
    /// Where the unfinished file cannot be removed.
    pub fn discard(self) -> Result<()> {
        std::fs::remove_file(&self.unfinished).map_err(|cause| failed(&self.unfinished, cause))
    }

    fn flush(&mut self) -> Result<()> {
        let batch = self.columns.batch().map_err(|error| not_encoded(&self.unfinished, &error))?;
        self.writer.write(&batch).map_err(|error| not_written(&self.unfinished, error))
    }

    /// Ends the part and gives it its name.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn finish(mut self) -> Result<(PartEntry, DigestSum)> {
        self.flush()?;
        let (rows, bytes, sum) = self.entry;
        for (key, value) in
            [("rows", rows.to_string()), ("bytes", bytes.to_string()), ("digest_sum", sum.to_hex())]
        {
            self.writer.append_key_value_metadata(KeyValue::new(format!("shardproof.{key}"), value));
        }
        let file = self.writer.into_inner().map_err(|error| not_written(&self.unfinished, error))?;
        file.sync_all().map_err(|cause| failed(&self.unfinished, cause))?;
        std::fs::rename(&self.unfinished, &self.path).map_err(|cause| failed(&self.path, cause))?;
        Ok((PartEntry { name: self.name, rows, bytes, digest_sum: sum.to_hex() }, sum))
    }
}

fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(format!("shardproof {}", env!("CARGO_PKG_VERSION")));
    // Digests repeat hardly ever and cannot be compressed: a dictionary of them only costs.
    for name in DIGESTS.iter().map(|algorithm| algorithm.name()).chain(["record"]) {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_compression(column.clone(), Compression::UNCOMPRESSED)
            .set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    properties.build()
}

/// Reads a part from the first row to the last, and holds it to what its index says of it.
pub struct PartReader {
    path: PathBuf,
    roots: Arc<Vec<String>>,
    batches: ParquetRecordBatchReader,
    entry: PartEntry,
    seen: (u64, u64, DigestSum),
}

impl PartReader {
    /// Opens a part.
    ///
    /// # Errors
    /// Where it is not there, or is no part of an index of this version.
    pub fn open(index: &Path, entry: &PartEntry, roots: Arc<Vec<String>>) -> Result<PartReader> {
        let path = index.join("observations").join(&entry.name);
        let cannot = |cause| Error::Unreadable { role: "index", path: path.clone(), cause };
        let file = File::open(&path).map_err(cannot)?;
        let builder = guarded(&path, || ParquetRecordBatchReaderBuilder::try_new(file))?;
        let version = builder.schema().metadata().get(schema::VERSION_KEY).cloned().unwrap_or_default();
        if version != schema::OBSERVATIONS {
            return Err(damaged(&path, format!("its table is {version:?}, not {:?}", schema::OBSERVATIONS)));
        }
        let batches = guarded(&path, || builder.with_batch_size(BATCH).build())?;
        let (entry, seen) = (entry.clone(), Default::default());
        Ok(PartReader { path, roots, batches, entry, seen })
    }

    /// The next items; none at the end.
    ///
    /// # Errors
    /// Where the part is damaged, or ends without having held what it must.
    pub fn read(&mut self) -> Result<Option<Vec<Observation>>> {
        let batches = &mut self.batches;
        let Some(batch) = guarded(&self.path, || batches.next().transpose().map_err(ParquetError::from))?
        else {
            let (rows, bytes, sum) = self.seen;
            let PartEntry { rows: due, bytes: due_bytes, digest_sum, .. } = &self.entry;
            if (rows, bytes) != (*due, *due_bytes) || sum.to_hex() != *digest_sum {
                return Err(damaged(&self.path, "it does not hold what its index says it holds".to_string()));
            }
            return Ok(None);
        };
        let wrong = |column| damaged(&self.path, format!("its column {column} makes no sense"));
        let rows = Rows::of(&batch).map_err(wrong)?;
        let mut all = Vec::with_capacity(batch.num_rows());
        for at in 0..batch.num_rows() {
            let seen = rows.observation(at, &self.roots).map_err(wrong)?;
            self.seen.0 += 1;
            self.seen.1 = self.seen.1.wrapping_add(seen.length);
            self.seen.2.add(&seen);
            all.push(seen);
        }
        Ok(Some(all))
    }
}

/// Runs the decoder: an error or a panic of it is a sentence about the part.
pub(super) fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> std::result::Result<T, ParquetError>,
) -> Result<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged(path, format!("it cannot be decoded: {error}"))),
        Err(_) => Err(damaged(path, "it cannot be decoded".to_string())),
    }
}

/// A part that is not what it must be.
pub fn damaged(path: &Path, reason: String) -> Error {
    let advice = "Make the index anew with `shardproof index`.".to_string();
    Error::Unusable { role: "index", path: path.to_path_buf(), reason, advice }
}

fn failed(path: &Path, cause: std::io::Error) -> Error {
    let advice = "Free some space there, or name another folder with --output.";
    Error::Io { doing: "write", path: path.to_path_buf(), cause, advice }
}

fn not_encoded(path: &Path, error: &ArrowError) -> Error {
    failed(path, std::io::Error::other(error.to_string()))
}

pub(super) fn not_written(path: &Path, error: ParquetError) -> Error {
    let cause = match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(cause) => *cause,
            Err(other) => std::io::Error::other(other.to_string()),
        },
        other => std::io::Error::other(other.to_string()),
    };
    failed(path, cause)
}
