//! MDS shards (MosaicML Streaming, version 2): the number of samples, where each begins, a description of the columns,
//! and the samples.
//!
//! `u32 n`, `u32[n + 1]` offsets in the file, the description as JSON, the samples one after the other; all numbers are
//! little-endian. A sample is a `u32` length for each column without a fixed one, then the values in the order of the
//! columns (`streaming/base/format/mds/` of mosaicml-streaming 0.13.0).

mod array;
mod config;
mod encoding;
mod offsets;
mod rows;
#[cfg(test)]
mod tests;
mod walk;

use self::walk::Walk;
use super::text::{is_called, is_pointer};
use super::{Format, Place, Reader, Steps};

/// The ending of its names. Compressed shards have one more, and are streams that are called so.
const ENDINGS: &[&[u8]] = &[b".mds"];

/// Bytes before the description of a shard of so many samples.
fn header_len(samples: u32) -> u64 {
    4 + 4 * (u64::from(samples) + 1)
}

/// Whether a name is that of an MDS shard.
pub fn is_called_mds(name: &[u8]) -> bool {
    is_called(name, ENDINGS)
}

/// An MDS shard. There is no magic number: it is known by its name, and a header that can be one.
pub struct Mds;

impl Format for Mds {
    fn name(&self) -> &'static str {
        "MDS"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let (Some(samples), Some(first)) = (number(0), number(4)) else { return false };
        // The description is at least `{}`.
        is_called_mds(name) && !is_pointer(head) && u64::from(first) >= header_len(samples) + 2
    }

    fn reader(&self, place: &Place, _out: &mut Steps) -> Option<Box<dyn Reader>> {
        Some(Box::new(Walk::new(place.layer)))
    }
}
