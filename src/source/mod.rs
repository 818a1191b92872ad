//! Where bytes come from: positional reads, the blocks they are read into, and decoders of compressed streams.

mod block;
pub mod bzip2;
pub mod decoder;
pub mod file;
pub mod gzip;
mod memory;
pub mod xz;
mod zeros;
pub mod zstd;

pub use crate::observation::RegionClass;
pub use block::{Block, PIECE, Pool};
pub use memory::MemorySource;
pub use zeros::first_nonzero;

use std::io;

use serde::{Deserialize, Serialize};

/// Something that can be read at any position by several readers at once.
pub trait Source: Send + Sync {
    /// What identifies this state of the content, as of now.
    ///
    /// # Errors
    /// Where it is no longer there.
    fn stamp(&self) -> Result<Stamp, SourceError>;

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

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub mtime: i128,
    /// Last change of content or attributes, nanoseconds since 1970.
    pub ctime: i128,
    /// Device and inode.
    pub inode: (u64, u64),
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
