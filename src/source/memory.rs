//! Bytes in memory as a source: tests, fuzzing, and small metadata.

use bytes::Bytes;

use super::{Block, Got, Source, SourceError, Stamp};

/// A source over bytes in memory.
#[derive(Clone, Debug)]
pub struct MemorySource(pub Bytes);

impl Source for MemorySource {
    fn stamp(&self) -> Result<Stamp, SourceError> {
        Ok(Stamp { size: self.0.len() as u64, ..Stamp::default() })
    }

    fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let n = rest.len().min(into.space().len());
        into.space()[..n].copy_from_slice(&rest[..n]);
        into.fill(n);
        Ok(if n == 0 { Got::End } else { Got::Bytes(n) })
    }
}
