//! The report as a table: a row for each finding, as `schema::reported_findings` describes it, and the rest of the report
//! in the metadata of the file, by keys.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::json::{Head, Run};
use super::{NOTICE, RenderError, Renderer};
use crate::audit::Report;
use crate::finding::{Code, Finding};
use crate::index::observations::{Beside, FindingRows};
use crate::locator::Escaped;
use crate::schema;

/// Findings that are handed to the encoder at once.
const BATCH: usize = 4096;

/// Findings in a row group: so many are held in memory, encoded.
const GROUP: usize = 1 << 16;

/// A Parquet file.
#[derive(Clone, Copy, Debug)]
pub struct Parquet;

impl Renderer for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn render(&self, report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(metadata(report)?))
            .build();
        let encoded = Encoded::default();
        let schema = schema::reported_findings();
        let mut writer =
            ArrowWriter::try_new(encoded.clone(), Arc::clone(&schema), Some(properties)).map_err(failed)?;
        let mut rows = FindingRows::new(schema);
        for finding in report.findings() {
            let finding = finding?;
            rows.push(&finding, beside(&finding, report));
            if rows.len() < BATCH {
                continue;
            }
            writer.write(&rows.take().map_err(ParquetError::from).map_err(failed)?).map_err(failed)?;
            if writer.in_progress_rows() >= GROUP {
                writer.flush().map_err(failed)?;
                encoded.pass_on(out)?;
            }
        }
        writer.write(&rows.take().map_err(ParquetError::from).map_err(failed)?).map_err(failed)?;
        writer.close().map_err(failed)?;
        encoded.pass_on(out)
    }

    fn is_text(&self) -> bool {
        false
    }
}

/// What is no finding. Under `shardproof.report` stands the head of the JSON report; the keys beside it are for those who
/// look at the metadata only.
fn metadata(report: &Report) -> Result<Vec<KeyValue>, RenderError> {
    let json = |value: serde_json::Result<String>| value.map_err(|error| RenderError::Write(error.into()));
    let head = serde_json::to_value(Head::of(report)).map_err(|error| RenderError::Write(error.into()))?;
    let mut pairs = Vec::new();
    if report.has_hits() {
        pairs.push(("shardproof.notice", NOTICE.to_string()));
    }
    pairs.extend([
        (schema::VERSION_KEY, schema::REPORTED_FINDINGS.to_string()),
        ("shardproof.verdict", report.verdict.name().to_string()),
        ("shardproof.exit_code", report.exit_code.to_string()),
        ("shardproof.counts", head["counts"].to_string()),
        ("shardproof.coverage", head["coverage"].to_string()),
        ("shardproof.report", json(serde_json::to_string(&Head::of(report)))?),
        ("shardproof.run", json(serde_json::to_string(&Run::of(report)))?),
    ]);
    Ok(pairs.into_iter().map(|(key, value)| KeyValue::new(key.to_string(), value)).collect())
}

fn beside(finding: &Finding, report: &Report) -> Beside {
    let text = |path: &[u8]| match std::str::from_utf8(path) {
        Ok(text) => text.to_string(),
        Err(_) => Escaped(path).to_string(),
    };
    let root = finding.locator.as_ref().and_then(|place| place.root).filter(|_| report.roots.len() > 1);
    let root = root.and_then(|root| report.roots.get(usize::from(root)));
    let source = finding.source.and_then(|id| report.sources.get(id.0 as usize));
    let entry = report.accepted(finding);
    Beside {
        root: root.map(|root| text(root.as_os_str().as_bytes())),
        source: source.map(|source| text(&source.path)),
        accepted: entry.map(|entry| entry.reason.clone()),
        accepted_until: entry.and_then(|entry| entry.expires).map(|day| day.to_string()),
        without_digests: finding.code == Code::KnownBad && !report.reveal,
    }
}

fn failed(error: ParquetError) -> RenderError {
    RenderError::Write(io::Error::other(error.to_string()))
}

/// What the encoder has made and nobody has got yet. (It writes only to what could be sent to another thread.)
#[derive(Clone, Default)]
struct Encoded(Arc<Mutex<Vec<u8>>>);

impl Encoded {
    fn pass_on(&self, out: &mut dyn Write) -> Result<(), RenderError> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(out.write_all(&bytes)?)
    }
}

impl Write for Encoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::{Array, RecordBatch};
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use serde_json::Value;

    use super::super::sample;
    use super::*;

    fn read(report: &Report) -> (Vec<RecordBatch>, Vec<(String, String)>) {
        let mut out = Vec::new();
        Parquet.render(report, &mut out).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(out)).unwrap();
        let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
        let pairs = pairs.into_iter().map(|pair| (pair.key, pair.value.unwrap_or_default())).collect();
        (reader.build().unwrap().map(Result::unwrap).collect(), pairs)
    }

    fn text<'a>(batch: &'a RecordBatch, column: &str, at: usize) -> Option<&'a str> {
        let array = batch.column_by_name(column).unwrap().as_string::<i32>();
        (!array.is_null(at)).then(|| array.value(at))
    }

    #[test]
    fn findings_and_the_head_come_back() {
        let report = sample::bad(2);
        let (batches, pairs) = read(&report);
        let batch = &batches[0];
        assert_eq!(batch.num_rows() as u64, report.findings.len());
        assert_eq!(text(batch, "code", 0), Some("altered"));
        assert_eq!(text(batch, "root", 0), Some("data/b"));
        assert_eq!(text(batch, "member", 0), Some("000.jpg"));
        assert_eq!(text(batch, "source", 0), Some("SHA256SUMS"));
        assert_eq!(text(batch, "found", 0), Some(format!("sha256:{}", "02".repeat(32)).as_str()));
        assert_eq!(batch.column_by_name("shard_bytes").unwrap().as_binary::<i32>().value(1), b"a\xff");
        let of = |key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str()).unwrap();
        assert_eq!((of("shardproof.verdict"), of("shardproof.exit_code")), ("invalid", "1"));
        let head: Value = serde_json::from_str(of("shardproof.report")).unwrap();
        let counts: Value = serde_json::from_str(of("shardproof.counts")).unwrap();
        let coverage: Value = serde_json::from_str(of("shardproof.coverage")).unwrap();
        assert_eq!((&head["counts"], &head["coverage"]), (&counts, &coverage));
    }

    #[test]
    fn a_hit_carries_a_notice_and_no_digest() {
        let (batches, pairs) = read(&sample::hit(false));
        assert_eq!(pairs[0].0, "shardproof.notice");
        assert_eq!((text(&batches[0], "expected", 0), text(&batches[0], "found", 0)), (None, None));
        let (revealed, _) = read(&sample::hit(true));
        assert!(text(&revealed[0], "expected", 0).is_some());
    }

    #[test]
    fn a_clean_report_is_an_empty_table() {
        let (batches, _) = read(&sample::clean());
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    }
}
