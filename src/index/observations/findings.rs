//! The findings that were made while an index was written: what could not be read stays known.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::columns::NESTED;
use super::finding_rows::{Beside, FindingRows};
use super::part::{damaged, guarded, not_written};
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::locator::Locator;
use crate::schema;

/// Name of the file.
const FILE: &str = "findings.parquet";

/// Findings that are gathered before they are handed to the encoder.
const BATCH: usize = 4096;

/// Writes the table `findings`.
pub struct FindingsWriter {
    path: PathBuf,
    writer: ArrowWriter<File>,
    rows: FindingRows,
    count: u64,
}

impl FindingsWriter {
    /// Begins the table in the folder of an index.
    ///
    /// # Errors
    /// Where nothing can be written there.
    pub fn create(index: &Path) -> Result<FindingsWriter> {
        let path = index.join(FILE);
        let file = File::create(&path).map_err(|error| not_written(&path, ParquetError::from(error)))?;
        let properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let writer = ArrowWriter::try_new(file, schema::findings(), Some(properties))
            .map_err(|error| not_written(&path, error))?;
        Ok(FindingsWriter { path, writer, rows: FindingRows::new(schema::findings()), count: 0 })
    }

    /// Adds a finding about a dataset whose roots are called so.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn push(&mut self, finding: &Finding, roots: &[String]) -> Result<()> {
        let root = finding.locator.as_ref().and_then(|place| roots.get(usize::from(place.root?)).cloned());
        self.rows.push(finding, Beside { root, ..Beside::default() });
        self.count += 1;
        if self.rows.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let batch = self.rows.take().map_err(ParquetError::from);
        batch.and_then(|batch| self.writer.write(&batch)).map_err(|error| not_written(&self.path, error))
    }

    /// Ends the table: how many findings are in it.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn finish(mut self) -> Result<u64> {
        self.flush()?;
        let file = self.writer.into_inner().map_err(|error| not_written(&self.path, error))?;
        file.sync_all().map_err(|cause| not_written(&self.path, ParquetError::from(cause)))?;
        Ok(self.count)
    }
}

/// The findings that an index keeps, one after the other.
///
/// # Errors
/// Where the table is damaged or holds another number of findings.
pub fn read_findings(
    index: &Path,
    roots: &[String],
    due: u64,
    mut each: impl FnMut(Finding) -> Result<()>,
) -> Result<()> {
    let path = index.join(FILE);
    let cannot = |cause| Error::Unreadable { role: "index", path: path.clone(), cause };
    let file = File::open(&path).map_err(cannot)?;
    let mut batches = guarded(&path, || ParquetRecordBatchReaderBuilder::try_new(file)?.build())?;
    let mut count = 0;
    while let Some(batch) = guarded(&path, || batches.next().transpose().map_err(ParquetError::from))? {
        let wrong = || damaged(&path, "a finding in it makes no sense".to_string());
        for at in 0..batch.num_rows() {
            each(finding(&batch, at, roots).ok_or_else(wrong)?)?;
            count += 1;
        }
    }
    match count == due {
        true => Ok(()),
        false => Err(damaged(&path, format!("it holds {count} findings and not {due}"))),
    }
}

fn finding(batch: &RecordBatch, at: usize, roots: &[String]) -> Option<Finding> {
    let text = |name: &str| -> Option<Option<&str>> {
        let array = batch.column_by_name(name)?.as_string_opt::<i32>()?;
        Some((!array.is_null(at)).then(|| array.value(at)))
    };
    let number = |name: &str| -> Option<Option<u64>> {
        let array = batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
        match array.is_null(at) {
            true => Some(None),
            false => u64::try_from(array.value(at)).ok().map(Some),
        }
    };
    let bytes = |name: &str| -> Option<Option<Vec<u8>>> {
        let array = batch.column_by_name(name)?.as_binary_opt::<i32>()?;
        Some((!array.is_null(at)).then(|| array.value(at).to_vec()))
    };
    let code = text("code")??;
    let code = Code::ALL.into_iter().find(|c| c.name() == code)?;
    let shard = bytes("shard_bytes")?.or(text("shard")?.map(|shard| shard.as_bytes().to_vec()));
    let locator = match shard {
        None => None,
        Some(shard) => {
            let root = match text("root")? {
                None => 0,
                Some(name) => u16::try_from(roots.iter().position(|root| root == name)?).ok()?,
            };
            let member = match bytes("member_bytes")? {
                Some(member) => vec![member],
                None => text("member")?
                    .map(|m| m.split(NESTED).map(|name| name.as_bytes().to_vec()).collect())
                    .unwrap_or_default(),
            };
            Some(Locator {
                root: Some(root),
                shard,
                member,
                row: number("row")?,
                column: text("column")?.map(str::to_string),
                offset: number("offset")?,
            })
        }
    };
    Some(Finding {
        code,
        level: None,
        locator,
        source: None,
        line: None,
        expected: None,
        found: None,
        distance: None,
        detail: text("detail")??.to_string(),
    })
}
