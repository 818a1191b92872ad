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
