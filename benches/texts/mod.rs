//! Rows of one text each, as Parquet files in zstd: what the benchmarks of rows are made of.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Bytes of a text.
pub const TEXT: usize = 126;

/// A text that no other row has, of words that others have too.
pub fn text(row: u64) -> String {
    let mut text = format!("{row:09}");
    let mut state = row;
    while text.len() < TEXT {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        text.push_str(&format!(" w{}", (x ^ (x >> 31)) % 20_000));
    }
    text.truncate(TEXT);
    text
}

/// The texts of some rows as a column.
pub fn texts(rows: &[u64]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(|&row| text(row))))
}

/// A Parquet file of one column of texts.
pub struct Table {
    writer: ArrowWriter<File>,
}

impl Table {
    /// A new file, with so many rows in each of its groups.
    pub fn create(path: &Path, rows_per_group: usize) -> Table {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(rows_per_group))
            .build();
        let schema = RecordBatch::try_from_iter([("text", texts(&[]))]).expect("one column").schema();
        let file = File::create(path).expect("a file for the rows");
        Table { writer: ArrowWriter::try_new(file, schema, Some(properties)).expect("a writer") }
    }

    /// Appends rows.
    pub fn write(&mut self, texts: &ArrayRef) {
        let batch = RecordBatch::try_from_iter([("text", Arc::clone(texts))]).expect("one column");
        self.writer.write(&batch).expect("the rows are written");
    }

    /// Ends the file.
    pub fn close(self) {
        self.writer.close().expect("the file ends");
    }
}
