//! One side of the join by digest: records in buckets by mixed bits of their digest, in bounded memory.
//!
//! Each bucket fills blocks of its own, so that what is joined together lies together. Past the budget all buckets are
//! written behind one another to an unnamed scratch file in one go; a bucket then is a few extents of that file, and is
//! read back in a few large reads.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::digest_records::{self, Record, SLACK, mix};
use super::spool::Scratch;
use crate::error::{Error, Result};

/// Bits of a digest's mix that choose its bucket; a bucket that is too large is parted again by the next ones.
/// More of them cost more to fill, for each is another page to be found, than they spare when they are joined.
const BITS: u32 = 8;

/// Buckets of a side.
const BUCKETS: usize = 1 << BITS;

/// The smallest block holds the longest record, and more than one as a rule.
const LEAST_BLOCK: usize = 256;

/// The largest block: past this, larger writes gain nothing.
const MOST_BLOCK: usize = 64 * 1024;

/// Records of one side: claims, or what was seen.
#[derive(Debug)]
pub struct Side {
    width: usize,
    level: u32,
    scratch: Scratch,
    budget: usize,
    /// Blocks grow up to this with their bucket.
    block: usize,
    /// The block that each bucket fills: few and small, since every push needs a random one of them.
    open: Vec<Block>,
    buckets: Vec<Bucket>,
    /// Largest blocks that were written out and wait to be filled again.
    spare: Vec<Box<[u8]>>,
    held: usize,
    file: Option<Arc<File>>,
    file_bytes: u64,
    len: u64,
}

impl Side {
    /// An empty side for digests of `width` bytes, 4 to 64, that holds about `budget` bytes in memory. A block is the
    /// least that a bucket can hold: budgets under a megabyte make many small writes.
    ///
    /// # Panics
    /// If no digest has that width.
    pub fn new(width: usize, scratch: &Scratch, budget: usize) -> Self {
        assert!((4..=64).contains(&width), "digests are 4 to 64 bytes long, not {width}");
        Side::at_level(width, 0, scratch, budget)
    }

    /// A side that parts by the bits of a level: a bucket of the level above it.
    pub(super) fn at_level(width: usize, level: u32, scratch: &Scratch, budget: usize) -> Self {
        Side {
            width,
            level,
            scratch: scratch.clone(),
            budget,
            block: (budget / (8 * BUCKETS)).clamp(LEAST_BLOCK, MOST_BLOCK),
            open: (0..BUCKETS).map(|_| Block::default()).collect(),
            buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(),
            spare: Vec::new(),
            held: 0,
            file: None,
            file_bytes: 0,
            len: 0,
        }
    }

    /// Adds a record. `handle` is the caller's word for it, and unique on its side.
    ///
    /// # Errors
    /// Where the scratch folder has no space left, or cannot be written.
    ///
    /// # Panics
    /// If the digest is not as wide as the side.
    #[inline]
    pub fn push(&mut self, digest: &[u8], size: Option<u64>, handle: u128) -> Result<()> {
        assert_eq!(digest.len(), self.width, "a side holds digests of one width");
        let at = (mix(digest) << (BITS * self.level) >> (64 - BITS)) as usize;
        if self.open[at].room() < self.width + SLACK {
            self.open_block(at)?;
        }
        self.open[at].push(digest, size, handle);
        self.len += 1;
        Ok(())
    }

    /// Gives a bucket an empty block; blocks double with their bucket, so that small sides stay small.
    fn open_block(&mut self, at: usize) -> Result<()> {
        let mut size = self.block_for(at);
        if self.held > 0 && self.held + size > self.budget {
            self.spill()?;
            size = self.block_for(at);
        }
        let spare = if size == self.block { self.spare.pop() } else { None };
        let bytes = spare.unwrap_or_else(|| vec![0; size].into_boxed_slice());
        self.held += size;
        let full = std::mem::replace(&mut self.open[at], Block { bytes, used: 0, records: 0 });
        self.buckets[at].keep(full);
        Ok(())
    }

    fn block_for(&self, at: usize) -> usize {
        let grown = 2 * self.open[at].bytes.len();
        if self.buckets[at].extents.is_empty() { grown.clamp(LEAST_BLOCK, self.block) } else { self.block }
    }

    /// Takes all records of another side, as one worker's are added to the others'. Its budget comes with them.
    ///
    /// # Errors
    /// Where the scratch folder has no space left, or cannot be written.
    ///
    /// # Panics
    /// If the other side holds digests of another width.
    pub fn absorb(&mut self, mut other: Side) -> Result<()> {
        assert_eq!(
            (self.width, self.level),
            (other.width, other.level),
            "sides of one kind are put together"
        );
        for (at, from) in other.buckets.into_iter().enumerate() {
            // The emptier block is filled on.
            let mut full = std::mem::take(&mut other.open[at]);
            if full.room() > self.open[at].room() {
                std::mem::swap(&mut full, &mut self.open[at]);
            }
            self.buckets[at].absorb(from);
            self.buckets[at].keep(full);
        }
        self.len += other.len;
        self.held += other.held;
        self.budget = self.budget.saturating_add(other.budget);
        if self.held > self.budget { self.spill() } else { Ok(()) }
    }

    /// Number of records so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes in memory.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The buckets, in the same order for every side of one level.
    pub(super) fn into_buckets(mut self) -> Vec<Bucket> {
        self.close_blocks();
        self.buckets
    }

    fn close_blocks(&mut self) {
        for (bucket, open) in self.buckets.iter_mut().zip(&mut self.open) {
            bucket.keep(std::mem::take(open));
        }
    }

    /// Writes everything that is held.
    pub(super) fn spill(&mut self) -> Result<()> {
        self.close_blocks();
        let bytes: u64 = self.buckets.iter().map(Bucket::held).sum();
        self.scratch.room_for(bytes)?;
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(self.scratch.create()?))),
        };
        let parts = self.buckets.iter().flat_map(|bucket| &bucket.full).map(Block::filled);
        append(&file, parts).map_err(|cause| self.scratch.failed("write a scratch file in", cause))?;
        self.scratch.wrote(bytes);
        let mut at = self.file_bytes;
        for bucket in &mut self.buckets {
            let bytes = bucket.held();
            if bytes > 0 {
                bucket.extents.push(Extent { file: Arc::clone(&file), at, bytes });
                at += bytes;
            }
            let largest = bucket.full.drain(..).filter(|block| block.bytes.len() == self.block);
            self.spare.extend(largest.map(|block| block.bytes));
        }
        self.file_bytes = at;
        self.held = 0;
        Ok(())
    }
}

/// Writes slices to the end of a file, many with one call.
fn append<'a>(mut file: &File, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
    /// What Linux takes at once.
    const AT_ONCE: usize = 1024;
    let mut parts = parts.filter(|part| !part.is_empty()).map(IoSlice::new).peekable();
    while parts.peek().is_some() {
        let mut some: Vec<IoSlice<'_>> = parts.by_ref().take(AT_ONCE).collect();
        let mut left = some.as_mut_slice();
        while !left.is_empty() {
            match file.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
    }
    Ok(())
}

/// Records that share the bits of their level.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    records: u64,
    full: Vec<Block>,
    extents: Vec<Extent>,
}

#[derive(Debug, Default)]
struct Block {
    bytes: Box<[u8]>,
    used: u32,
    records: u32,
}

impl Block {
    fn room(&self) -> usize {
        self.bytes.len() - self.used as usize
    }

    #[inline]
    fn push(&mut self, digest: &[u8], size: Option<u64>, handle: u128) {
        let into = &mut self.bytes[self.used as usize..];
        // Records are shorter than a block, and a block than 64 KiB.
        self.used += digest_records::write(into, digest, size, handle) as u32;
        self.records += 1;
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[..self.used as usize]
    }
}

/// Part of a bucket in a scratch file, which is there as long as somebody has an extent of it.
#[derive(Debug)]
struct Extent {
    file: Arc<File>,
    at: u64,
    bytes: u64,
}

impl Bucket {
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Bytes of all records, held or not.
    pub(super) fn bytes(&self) -> usize {
        let spilled: u64 = self.extents.iter().map(|extent| extent.bytes).sum();
        usize::try_from(self.held() + spilled).unwrap_or(usize::MAX)
    }

    /// Bytes of records that are in memory.
    fn held(&self) -> u64 {
        self.full.iter().map(|block| u64::from(block.used)).sum()
    }

    fn keep(&mut self, block: Block) {
        if block.used > 0 {
            self.records += u64::from(block.records);
            self.full.push(block);
        }
    }

    fn absorb(&mut self, mut other: Bucket) {
        self.records += other.records;
        self.full.append(&mut other.full);
        self.extents.append(&mut other.extents);
    }

    /// Moves all records into one buffer and says how many bytes of it are theirs; the rest of it is slack.
    pub(super) fn load(self, scratch: &Scratch, into: &mut Vec<u8>) -> Result<usize> {
        let needed = self.bytes() + SLACK;
        if into.len() < needed {
            into.reserve_exact(needed - into.len());
            into.resize(needed, 0);
        }
        let mut at = 0;
        for block in self.full {
            let filled = block.filled();
            into[at..at + filled.len()].copy_from_slice(filled);
            at += filled.len();
        }
        for extent in self.extents {
            let end = at + extent.bytes as usize;
            extent.read(&mut into[at..end], 0).map_err(|cause| unread(scratch, cause))?;
            at = end;
        }
        Ok(at)
    }

    /// Every record in turn, in memory that does not grow with the bucket.
    pub(super) fn each(
        self,
        width: usize,
        scratch: &Scratch,
        mut visit: impl FnMut(Record<'_>) -> Result<()>,
    ) -> Result<()> {
        /// Read at once.
        const PIECE: usize = 256 * 1024;
        for block in self.full {
            records(&block.bytes, block.used as usize, width, |_, record| visit(record))?;
        }
        let mut piece = Vec::new();
        for extent in self.extents {
            let (mut at, mut kept) = (0, 0);
            while at < extent.bytes {
                let more = usize::try_from(extent.bytes - at).map_or(PIECE, |left| left.min(PIECE));
                piece.resize(piece.len().max(kept + more + SLACK), 0);
                extent.read(&mut piece[kept..kept + more], at).map_err(|cause| unread(scratch, cause))?;
                at += more as u64;
                let used = kept + more;
                // A record cut by the end of the piece waits for the next one.
                let mut whole = 0;
                while let Some(length) = digest_records::length(&piece[whole..used], width)
                    && whole + length <= used
                {
                    whole += length;
                }
                records(&piece, whole, width, |_, record| visit(record))?;
                piece.copy_within(whole..used, 0);
                kept = used - whole;
            }
            if kept > 0 {
                return Err(garbled());
            }
        }
        Ok(())
    }
}

impl Extent {
    fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(into, self.at + offset)
    }
}

/// Visits the records in the first `used` bytes, each with where it begins.
pub(super) fn records(
    bytes: &[u8],
    used: usize,
    width: usize,
    mut visit: impl FnMut(usize, Record<'_>) -> Result<()>,
) -> Result<()> {
    let mut at = 0;
    while at < used {
        let (record, length) = digest_records::read(&bytes[at..], width).ok_or_else(garbled)?;
        visit(at, record)?;
        at += length;
    }
    if at == used { Ok(()) } else { Err(garbled()) }
}

fn unread(scratch: &Scratch, cause: io::Error) -> Error {
    scratch.failed("read a scratch file in", cause)
}

pub(super) fn garbled() -> Error {
    Error::Scratch("a record of a bucket has no sense".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(i: u32) -> [u8; 16] {
        let mut digest = [0; 16];
        digest[..4].copy_from_slice(&i.to_be_bytes());
        digest
    }

    fn filled(n: u32, budget: usize) -> (Side, Scratch) {
        let scratch = Scratch::new(&std::env::temp_dir(), 1);
        let mut side = Side::new(16, &scratch, budget);
        for i in 0..n {
            side.push(&digest(i), i.is_multiple_of(2).then_some(u64::from(i)), u128::from(i)).unwrap();
        }
        (side, scratch)
    }

    #[test]
    fn records_come_back_from_memory_and_from_files() {
        let n = 100_000;
        for (budget, spills) in [(1 << 30, false), (1 << 20, true)] {
            let (side, scratch) = filled(n, budget);
            assert!(side.held() <= budget);
            assert_eq!((side.len(), scratch.spilled() > 0), (u64::from(n), spills));
            let mut handles = Vec::new();
            for bucket in side.into_buckets() {
                let (records, before) = (bucket.records(), handles.len());
                bucket
                    .each(16, &scratch, |record| {
                        let i = record.handle as u32;
                        assert_eq!(record.digest, digest(i));
                        assert_eq!(record.size, i.is_multiple_of(2).then_some(u64::from(i)));
                        handles.push(i);
                        Ok(())
                    })
                    .unwrap();
                assert_eq!((handles.len() - before) as u64, records);
            }
            handles.sort_unstable();
            assert!(handles.into_iter().eq(0..n));
        }
    }

    #[test]
    fn small_sides_take_little() {
        let (side, _) = filled(1000, 1 << 30);
        assert!(side.held() < 300_000, "{} bytes for 1000 records", side.held());
    }

    #[test]
    fn a_full_disk_is_said() {
        let (mut side, scratch) = filled(1000, 1 << 30);
        side.file = Some(Arc::new(File::options().write(true).open("/dev/full").unwrap()));
        let told = side.spill().unwrap_err().to_string();
        assert!(told.contains("No space left on device") && told.contains("--scratch"), "{told}");
        assert_eq!(scratch.spilled(), 0);
    }

    #[test]
    fn a_scratch_file_that_was_cut_is_an_error() {
        let (mut side, scratch) = filled(1000, 1 << 30);
        side.spill().unwrap();
        side.file.as_ref().unwrap().set_len(side.file_bytes - 1).unwrap();
        let last = side.into_buckets().into_iter().rfind(|bucket| bucket.records() > 0).unwrap();
        assert!(last.load(&scratch, &mut Vec::new()).is_err());
    }
}
