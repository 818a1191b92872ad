//! Rows of tables on their way from a reader to the hasher: what all formats of tables have in common.

pub mod arrow;
pub mod gather;
mod records;
#[cfg(test)]
pub mod told;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

pub use self::records::{Records, RecordsBuilder};
use super::{ItemId, Rows};

/// Some rows of a table, one after the other.
#[derive(Debug)]
pub struct Batch {
    /// The file, stream or member that is the table.
    pub item: ItemId,
    /// The ordinal of the first row in the table, from 0.
    pub first_row: u64,
    /// How many rows; those that an earlier batch told other columns of are left out.
    pub rows: usize,
    /// The bytes of each row, where a row is a run of bytes of its own: a line without its end.
    pub lines: Option<ArrayRef>,
    /// Texts and bytes in the rows.
    pub columns: Vec<Column>,
    /// What the rows are as records, where that was asked for.
    pub records: Option<Records>,
    /// The least number of its rows and cells among the items of the file: rows get the same numbers whoever read
    /// those before them.
    pub number: u64,
    /// The table says that its content was made of other files: images that were resized or encoded anew.
    pub made_anew: bool,
}

/// Values of one column: cells.
#[derive(Clone, Debug)]
pub struct Column {
    /// The names from the row to the value, joined by dots: `image.bytes`, `tags.list.element`.
    pub name: Arc<str>,
    /// Which rows the values stand in.
    pub rows: Rows,
    /// Bytes or texts; a null is a missing value.
    pub values: ArrayRef,
}

impl Column {
    /// Values that are there.
    pub fn count(&self) -> usize {
        self.values.len() - self.values.null_count()
    }
}
