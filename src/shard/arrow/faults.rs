//! What is wrong with an Arrow layer: a file can hold a million damaged batches, so only the first faults are told one
//! by one.

use super::limits;
use crate::finding::Code;
use crate::shard::{ItemId, Steps};

/// Counts the faults of a layer.
#[derive(Debug)]
pub struct Faults {
    layer: ItemId,
    count: u64,
}

impl Faults {
    /// None yet.
    pub fn new(layer: ItemId) -> Self {
        Faults { layer, count: 0 }
    }

    /// Tells of a fault at this byte of the layer, or counts it.
    pub fn tell(&mut self, at: u64, out: &mut Steps, detail: impl Into<String>) {
        self.tell_as(Code::Unreadable, at, out, detail);
    }

    /// Tells of a fault of this kind.
    pub fn tell_as(&mut self, code: Code, at: u64, out: &mut Steps, detail: impl Into<String>) {
        self.count += 1;
        if self.count <= limits::FAULTS {
            out.fault(code, self.layer, Some(at), detail);
        }
    }

    /// Says how many were not told.
    pub fn conclude(&mut self, out: &mut Steps) {
        let more = self.count.saturating_sub(limits::FAULTS);
        if more > 0 {
            let detail = format!("{more} more faults of its messages are not told one by one");
            out.fault(Code::Unreadable, self.layer, None, detail);
        }
        self.count = 0;
    }
}
