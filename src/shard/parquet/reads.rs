//! Positional reads of a Parquet file: the footer before the file is read, column chunks after it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::shard::steps::share;
use crate::source::{Got, PIECE, Pool, Source};

/// How long a source may have nothing.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_micros(500);

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
