//! How much of a Parquet file's word is taken; to exceed a limit is told, never passed over.

/// Bytes of a footer.
pub const FOOTER: u64 = 64 << 20;
/// Bytes of a page header: statistics in it may hold whole values.
pub const PAGE_HEADER: usize = 1 << 20;
/// Bytes of a page in the file.
pub const PAGE_COMPRESSED: u32 = 64 << 20;
/// Bytes of a page once decompressed.
pub const PAGE_UNCOMPRESSED: u32 = 256 << 20;
/// Values of a page that is decoded: run lengths let a page of some bytes declare two thousand million.
pub const PAGE_VALUES: u32 = 1 << 24;
/// Elements of a schema.
pub const SCHEMA_ELEMENTS: u64 = 100_000;
/// Levels of a schema: builders of it recurse.
pub const SCHEMA_DEPTH: usize = 64;
/// Structs that a list in the footer may hold whatever is left of it …
pub const FREE_STRUCTS: u64 = 65_536;
/// … and the bytes that each of more must have on average: a column chunk needs more than forty.
pub const STRUCT_BYTES: u64 = 16;
/// Rows of one batch at most …
pub const BATCH_ROWS: u64 = 4096;
/// … and bytes that its rows are to have together, by estimate.
pub const BATCH_TARGET: u64 = 8 << 20;
/// Batches of a row group that are decoded once more to find what can be read of one that cannot.
pub const BATCHES_AGAIN: u64 = 1 << 16;
/// Bytes of pages that one batch may decode to at all: a single row can be a list without end.
pub const BATCH_BYTES: u64 = if cfg!(test) { 4 << 20 } else { 512 << 20 };
/// Numbers of items that a row group has for itself, in bits: more than it has values ...
pub const NUMBER_BITS: u32 = 40;
/// ... and row groups that have numbers of their own: together they stay below those of what is put together.
pub const NUMBERED_GROUPS: u64 = 1 << 21;
/// Cursors that share in one file at most: each reads its footer.
pub const DIVISIONS: u64 = 64;
/// Faults told of one file; the others are counted.
pub const FAULTS: u64 = 100;

/// Values that a file of this length may hold: run lengths let 42 kB declare petabytes.
pub fn values(file_len: u64) -> u64 {
    file_len.saturating_mul(1024).saturating_add(1 << 24)
}

/// Bytes of values that a file of this length may hold, a value of a dictionary counted as often as it occurs.
pub fn value_bytes(file_len: u64) -> u64 {
    file_len.saturating_mul(4096).saturating_add(1 << 30)
}
