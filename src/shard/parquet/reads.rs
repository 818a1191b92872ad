//! Positional reads of a Parquet file: the footer before the file is read, column chunks after it.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::limits;
use crate::shard::steps::share;
use crate::source::{Got, PIECE, Pool, Source};

/// How long a source may have nothing.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_micros(500);
/// Bytes first read where a page header begins; most headers are shorter.
const HEADER_READ: usize = 128;

/// A file that is read where it is wanted.
///
/// The decoders of the `parquet` crate pull, so they cannot be suspended while a source has nothing yet: such a read
/// is tried again until the source has something, and the worker waits meanwhile.
#[derive(Clone)]
pub struct Reads {
    source: Arc<dyn Source>,
    pool: Pool,
    /// Bytes of the file.
    pub len: u64,
}

impl Reads {
    /// Reads of a file of this length.
    pub fn new(source: Arc<dyn Source>, len: u64) -> Self {
        Reads { source, pool: Pool::new(), len }
    }

    /// Exactly these bytes, which must lie in the file; no byte beside them is asked for.
    pub fn exactly(&self, at: u64, len: usize) -> io::Result<Bytes> {
        let end = at.checked_add(len as u64).filter(|end| *end <= self.len);
        if end.is_none() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the range is not in the file"));
        }
        if len <= PIECE {
            let first = self.some(at, len)?;
            if first.len() == len {
                return Ok(first);
            }
        }
        let mut all = Vec::with_capacity(len);
        while all.len() < len {
            let piece = self.some(at + all.len() as u64, len - all.len())?;
            all.extend_from_slice(&piece);
        }
        Ok(Bytes::from(all))
    }

    /// At least one and at most `most` bytes.
    fn some(&self, at: u64, most: usize) -> io::Result<Bytes> {
        if most == 0 {
            return Ok(Bytes::new());
        }
        let mut block = self.pool.clone().block();
        block.narrow(most);
        let mut waited = Duration::ZERO;
        loop {
            match self.source.read_at(at, &mut block) {
                Ok(Got::Bytes(_)) => return Ok(share(block)),
                Ok(Got::End) => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends too soon"));
                }
                Ok(Got::NotYet) if waited > PATIENCE => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the source has nothing"));
                }
                Ok(Got::NotYet) => {
                    std::thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
    }
}

/// One column chunk of a file, as the `parquet` crate reads it: nothing outside of the chunk can be asked for.
pub struct ChunkBytes {
    /// Where the file is read.
    pub reads: Reads,
    /// The chunk's bytes in it.
    pub range: Range<u64>,
}

impl ChunkBytes {
    fn refuse(what: &str) -> ParquetError {
        ParquetError::General(what.to_string())
    }
}

impl Length for ChunkBytes {
    fn len(&self) -> u64 {
        self.reads.len
    }
}

impl ChunkReader for ChunkBytes {
    type T = HeaderBytes;

    fn get_read(&self, start: u64) -> ParquetResult<HeaderBytes> {
        if !self.range.contains(&start) {
            return Err(Self::refuse("a page begins outside of its column chunk"));
        }
        Ok(HeaderBytes { reads: self.reads.clone(), at: start, end: self.range.end, ready: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let end = start.checked_add(length as u64);
        if start < self.range.start || end.is_none_or(|end| end > self.range.end) {
            return Err(Self::refuse("a page lies outside of its column chunk"));
        }
        if length > limits::PAGE_COMPRESSED as usize {
            return Err(Self::refuse("a page is over the limit"));
        }
        self.reads.exactly(start, length).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// The bytes from the beginning of a page header, read little by little.
pub struct HeaderBytes {
    reads: Reads,
    at: u64,
    end: u64,
    ready: Bytes,
}

impl io::Read for HeaderBytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() && self.at < self.end {
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            self.ready = self.reads.some(self.at, left.min(HEADER_READ))?;
            self.at += self.ready.len() as u64;
        }
        let n = self.ready.len().min(into.len());
        into[..n].copy_from_slice(&self.ready.split_to(n));
        Ok(n)
    }
}
