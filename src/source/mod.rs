//! Where bytes come from: positional reads, the blocks they are read into, and decoders of compressed streams.

mod block;
pub mod bzip2;
pub mod decoder;
pub mod deflate;
pub mod file;
pub mod gzip;
mod memory;
pub mod xz;
mod zeros;
pub mod zstd;

pub use crate::observation::{RegionClass, Stamp};
pub use block::{Block, PIECE, Pool};
pub use memory::MemorySource;
pub use zeros::first_nonzero;

use std::io;

/// Something that can be read at any position by several readers at once.
pub trait Source: Send + Sync {
    /// What identifies this state of the content, as of now.
    ///
    /// # Errors
    /// Where it is no longer there.
    fn stamp(&self) -> Result<Stamp, SourceError>;

    /// What identified it when it was opened, where that is known without asking again. What was read of it counts only
    /// if [`Source::stamp`] says the same afterwards.
    ///
    /// # Errors
    /// As [`Source::stamp`].
    fn opened(&self) -> Result<Stamp, SourceError> {
        self.stamp()
    }

    /// Reads from byte `at` into `into`, replacing what it holds, up to its capacity. A short read is not the end.
    ///
    /// # Errors
    /// Where the device or the store failed.
    fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError>;
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The position is at or past the end.
    End,
    /// Not here yet: step another cursor meanwhile.
    NotYet,
}

/// A read that failed.
#[derive(Debug, thiserror::Error)]
#[error("reading failed at byte {at}: {cause}")]
pub struct SourceError {
    /// Where.
    pub at: u64,
    /// What the operating system or store said.
    pub cause: io::Error,
}
