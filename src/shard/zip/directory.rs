//! The central directory: read once to know where entries lie, and again entry by entry when they come.
//!
//! An archive can have millions of entries, so that of each no more is kept than its two places.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::header::{CENTRAL_FIXED, Central, central_len};
use super::limits;
use crate::shard::parquet::reads::Reads;
use crate::source::PIECE;

/// Bytes that are read of a directory out of order.
const PEEK: u64 = 1024;

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Its local header.
    pub local: u64,
    /// Its header in the directory.
    pub central: u64,
}

/// A central directory.
pub struct Directory {
    reads: Reads,
    /// Its bytes, as far as they are headers.
    pub range: Range<u64>,
    /// Its entries in the order of their local headers.
    pub slots: Vec<Slot>,
    cached: Bytes,
    cached_at: u64,
}

impl Directory {
    /// One without entries.
    pub fn empty(reads: Reads, at: u64) -> Self {
        Directory { reads, range: at..at, slots: Vec::new(), cached: Bytes::new(), cached_at: at }
    }

    /// Reads a directory from the first byte; it ends where no header follows. Offsets are counted from `base`.
    ///
    /// # Errors
    /// Where it cannot be read or is over a limit, in words.
    pub fn load(reads: Reads, range: Range<u64>, base: u64) -> Result<Directory, String> {
        let mut directory = Directory::empty(reads, range.start);
        directory.range = range.clone();
        let mut at = range.start;
        while let Some((central, len)) =
            directory.read(at).map_err(|error| format!("its directory cannot be read: {error}"))?
        {
            if directory.slots.len() >= limits::ENTRIES {
                return Err(format!("its directory is over the limit of {} entries", limits::ENTRIES));
            }
            // An offset past all numbers is past the end of the file as well.
            let local = base.saturating_add(central.offset);
            directory.slots.push(Slot { local, central: at });
            at += len;
        }
        directory.range.end = at;
        directory.slots.sort_unstable();
        Ok(directory)
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.cached.len()
    }

    /// The header at this place and its length; none if there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(&mut self, at: u64) -> io::Result<Option<(Central, u64)>> {
        let Some(fixed) = self.bytes(at, CENTRAL_FIXED)? else { return Ok(None) };
        let Some(fixed) = fixed.first_chunk() else { return Ok(None) };
        let len = central_len(fixed);
        let record = self.bytes(at, len)?;
        Ok(record.and_then(|record| Central::parse(&record)).map(|central| (central, len as u64)))
    }

    fn bytes(&mut self, at: u64, len: usize) -> io::Result<Option<Bytes>> {
        let left = self.range.end.saturating_sub(at);
        if (len as u64) > left {
            return Ok(None);
        }
        let held = |directory: &Directory| {
            let start = usize::try_from(at.checked_sub(directory.cached_at)?).ok()?;
            let end = start.checked_add(len).filter(|end| *end <= directory.cached.len())?;
            Some(directory.cached.slice(start..end))
        };
        if let Some(bytes) = held(self) {
            return Ok(Some(bytes));
        }
        let end = self.cached_at + self.cached.len() as u64;
        let in_order = at >= self.cached_at && at <= end;
        let most = if in_order { PIECE as u64 } else { PEEK };
        // No longer than a piece or a record, so it fits.
        let most = most.max(len as u64).min(left) as usize;
        self.cached = self.reads.exactly(at, most)?;
        self.cached_at = at;
        Ok(held(self))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::header::number32;
    use super::*;
    use crate::source::MemorySource;

    /// Headers of entries that all begin at these places.
    fn load(offsets: impl Iterator<Item = u32>, cut: usize) -> Result<Directory, String> {
        let mut bytes = Vec::new();
        for offset in offsets {
            let mut record = [0; CENTRAL_FIXED + 1];
            record[..4].copy_from_slice(b"PK\x01\x02");
            record[28] = 1;
            record[42..46].copy_from_slice(&offset.to_le_bytes());
            assert_eq!(number32(&record, 42), offset);
            bytes.extend_from_slice(&record);
        }
        bytes.truncate(bytes.len() - cut);
        let len = bytes.len() as u64;
        Directory::load(Reads::new(Arc::new(MemorySource(bytes.into())), len), 0..len, 5)
    }

    #[test]
    fn entries_come_in_the_order_of_their_places() {
        let directory = load([9, 3, 3].into_iter(), 0).unwrap_or_else(|why| panic!("{why}"));
        let slot = |local, number: u64| Slot { local, central: number * 47 };
        assert_eq!(directory.slots, [slot(8, 1), slot(8, 2), slot(14, 0)]);
        let cut = load([9, 3, 3].into_iter(), 1).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((cut.slots.len(), cut.range), (2, 0..94));
    }

    #[test]
    fn more_entries_than_the_limit_are_refused() {
        assert!(load((0..1000).rev(), 0).is_ok_and(|directory| directory.slots.len() == 1000));
        assert!(load(0..1001, 0).is_err_and(|why| why.contains("over the limit of 1000 entries")));
    }
}
