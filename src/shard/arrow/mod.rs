//! Arrow IPC, files and streams: walked once from front to back, message by message.
//!
//! A flipped bit gives other data without an error more often than not, and panics in the decoder now and then. So
//! before the `arrow-ipc` crate sees a message, [`metadata`] verifies and bounds its flatbuffer and [`shape`] holds
//! what it says of rows and buffers against the schema and the body; [`table`] then has it decoded with all the checks
//! of the crate. [`regions`] gives the bytes of a body their class, and at the end of a file [`footer`] holds what the
//! footer lists against what was walked.
//!
//! A stream may end without its marker, as it may for all readers: one that was cut between two messages is not told
//! from a whole one. What is not known of the bytes: metadata is structure whatever it says; bits of validity, values
//! under nulls, values of dictionaries that no row names and bytes of long texts that no view names are payload.

mod faults;
mod footer;
mod frame;
mod input;
mod limits;
mod metadata;
mod regions;
mod shape;
mod spread;
mod table;
mod tail;
#[cfg(test)]
mod tests;
mod walk;

use bytes::Bytes;

use self::walk::{CONTINUATION, MAGIC_PADDING, Walk};
use super::{End, Format, Place, Reader, Steps};
use crate::source::{Pool, first_nonzero};

/// Arrow IPC.
pub struct Arrow;

impl Format for Arrow {
    fn name(&self) -> &'static str {
        "arrow"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        matches!(begins(name, head), Some(Begins::File | Begins::Stream))
    }

    fn reader(&self, place: &Place, _out: &mut Steps) -> Option<Box<dyn Reader>> {
        Some(Box::new(ArrowReader { walk: None, layer: place.layer }))
    }
}

/// Arrow IPC as it was before version 0.15: messages without a continuation marker.
pub struct OldArrow;

impl Format for OldArrow {
    fn name(&self) -> &'static str {
        "file of Arrow before 0.15"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        begins(name, head) == Some(Begins::Old)
    }

    fn reader(&self, _place: &Place, _out: &mut Steps) -> Option<Box<dyn Reader>> {
        None
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Begins {
    File,
    Stream,
    Old,
}

/// As what a layer begins. A stream has no magic number: its name must be that of Arrow data, and it must begin with a
/// schema so far as its head shows.
fn begins(name: &[u8], head: &[u8]) -> Option<Begins> {
    if let Some(rest) = head.strip_prefix(footer::MAGIC) {
        let padded = rest.get(2..).unwrap_or_default();
        let zeros = first_nonzero(padded).unwrap_or(padded.len()).min(MAGIC_PADDING as usize - 8) / 8 * 8;
        let old = begins_old(&padded[zeros..]);
        return Some(if old { Begins::Old } else { Begins::File });
    }
    if !name.is_empty() && !is_called(name, &[b".arrow", b".arrows", b".ipc", b".feather"]) {
        return None;
    }
    match head.strip_prefix(&CONTINUATION) {
        Some(rest) => {
            let metadata = rest.get(4..)?;
            (has_length(rest) && metadata::begins_with_schema(metadata)).then_some(Begins::Stream)
        }
        None => begins_old(head).then_some(Begins::Old),
    }
}

fn begins_old(bytes: &[u8]) -> bool {
    has_length(bytes) && bytes.get(4..).is_some_and(metadata::begins_with_schema)
}

/// Whether the length of metadata stands here.
fn has_length(bytes: &[u8]) -> bool {
    let len = bytes.first_chunk().map(|len| i32::from_le_bytes(*len));
    len.is_some_and(|len| (8..=limits::METADATA as i32).contains(&len))
}

/// Whether a file is called as only Arrow data is.
pub fn is_called_arrow(name: &[u8]) -> bool {
    is_called(name, &[b".arrow", b".arrows"])
}

fn is_called(name: &[u8], endings: &[&[u8]]) -> bool {
    let lower = name.to_ascii_lowercase();
    endings.iter().any(|ending| lower.ends_with(ending))
}

/// A layer of Arrow data; the first bytes say of which kind.
struct ArrowReader {
    walk: Option<Walk>,
    layer: super::ItemId,
}

impl ArrowReader {
    fn walk(&mut self, first: &[u8]) -> &mut Walk {
        let layer = self.layer;
        self.walk.get_or_insert_with(|| Walk::new(layer, first.first() != Some(&CONTINUATION[0])))
    }
}

impl Reader for ArrowReader {
    fn footprint(&self) -> usize {
        size_of::<Self>() + self.walk.as_ref().map_or(0, Walk::footprint)
    }

    fn feed(&mut self, bytes: Bytes, _out: &mut Steps) {
        if !bytes.is_empty() {
            self.walk(&bytes).feed(bytes);
        }
    }

    fn work(&mut self, _pool: &mut Pool, out: &mut Steps) -> bool {
        self.walk.as_mut().is_some_and(|walk| walk.work(out))
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        self.walk(&CONTINUATION).finish(end, out);
    }
}
