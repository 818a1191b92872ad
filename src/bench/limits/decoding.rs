//! Decoding alone: the `parquet` crate's own reader, which checks no page and accounts for no byte, on the same files.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::threads::{Rate, measure};
use crate::bench::synthetic::{Dataset, Layout};

/// Rows that are decoded at once.
const BATCH: usize = 4096;

/// Bytes of files that are decoded, by the rows that came out; `None` for layouts that nothing has to be decoded of.
pub fn decoding(dataset: &Dataset, threads: usize, time: Duration, stop: &AtomicBool) -> Option<Rate> {
    if dataset.recipe.layout != Layout::Parquet {
        return None;
    }
    let next = AtomicU64::new(0);
    let rows = measure(threads, time, stop, |_| {
        let mut reader: Option<ParquetRecordBatchReader> = None;
        let next = &next;
        move || {
            loop {
                // What cannot be decoded ends it: there is no limit then, and none is told.
                match reader.as_mut().map(Iterator::next) {
                    Some(Some(Ok(batch))) => return std::hint::black_box(batch).num_rows() as u64,
                    Some(Some(Err(_))) => return 0,
                    Some(None) | None => {
                        let shard = next.fetch_add(1, Ordering::Relaxed) % dataset.recipe.shards;
                        reader = open(dataset, shard);
                        if reader.is_none() {
                            return 0;
                        }
                    }
                }
            }
        }
    });
    let of_a_row = dataset.made.bytes as f64 / dataset.made.samples.max(1) as f64;
    Some(Rate { amount: (rows.amount as f64 * of_a_row) as u64, time: rows.time })
}

fn open(dataset: &Dataset, shard: u64) -> Option<ParquetRecordBatchReader> {
    let file = File::open(dataset.files_of(shard).next()?).ok()?;
    ParquetRecordBatchReaderBuilder::try_new(file).ok()?.with_batch_size(BATCH).build().ok()
}
