//! How much of a zip's word is taken; to exceed a limit is told, never passed over.

/// Entries of an archive: each takes sixteen bytes of memory while the archive is read.
pub const ENTRIES: usize = if cfg!(test) { 1000 } else { 1 << 23 };
/// Bytes after the end record in which it is sought; its comment has at most 65,535.
pub const TAIL: u64 = 1 << 20;
/// Faults of headers that are told of one archive; the others are counted. What makes a member unreadable is always
/// told.
pub const FAULTS: u64 = 1000;
/// Bytes that may be read once more, for entries that share bytes with others: some overlap in a damaged archive, but
/// entries that all share one body make petabytes of a few megabytes.
pub fn read_again(file_len: u64) -> u64 {
    file_len.saturating_add(1 << 20)
}
