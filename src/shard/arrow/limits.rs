//! How much of an Arrow file's word is taken; to exceed a limit is told, never passed over.

/// Bytes of a message's metadata, and of a footer.
pub const METADATA: usize = 16 << 20;
/// Bytes of a message's body, which is in memory as a whole while it is decoded.
pub const BODY: u64 = 512 << 20;
/// Levels of tables in metadata: builders of a schema recurse.
pub const DEPTH: usize = 64;
/// Bytes that metadata may come to once what is shared in it is written out.
pub const APPARENT: usize = 64 << 20;
/// Tables in metadata.
pub const TABLES: usize = 1_000_000;
/// Fields of a schema, those inside of others counted.
pub const FIELDS: usize = 100_000;
/// Bytes of one buffer once decompressed …
pub const BUFFER: u64 = 256 << 20;
/// … and of all buffers of a batch.
pub const INFLATED: u64 = 512 << 20;
/// Bytes of all dictionaries that are kept.
pub const DICTIONARIES: u64 = 512 << 20;
/// Rows that are told at once.
pub const BATCH_ROWS: usize = 1024;
/// Values that one row may name by views of lists, dictionaries or runs, each as often as it is named.
pub const SPREAD: u64 = 1 << 24;
/// Such values that are told at once.
pub const BATCH_SPREAD: u64 = 1 << 20;
/// Messages of a file that are compared with its footer: one within its limit lists no more.
pub const MESSAGES: usize = 1 << 20;
/// Regions of a body that are written to the ledger at once.
pub const REGIONS: usize = 64;
/// Faults told of one layer; the others are counted.
pub const FAULTS: u64 = 100;

/// Values that so many bytes may hold: a column of nulls needs none for any number of them.
pub fn values(len: u64) -> u64 {
    len.saturating_mul(1024).saturating_add(1 << 24)
}

/// Bytes that so many may decompress to or repeat: a view or a dictionary can name the same long value in each row.
pub fn value_bytes(len: u64) -> u64 {
    len.saturating_mul(4096).saturating_add(1 << 30)
}
