//! What is wrong with the rows of a table: each of a thousand million may be broken, so only the first faults are told
//! one by one.

use super::{ItemId, Steps};
use crate::finding::Code;

/// Faults told of one table; the others are counted.
const TOLD: u64 = 100;

/// Counts the faults of a table.
#[derive(Debug)]
pub struct Faults {
    item: ItemId,
    count: u64,
}

impl Faults {
    /// Of this file, stream or member.
    pub fn new(item: ItemId) -> Self {
        Faults { item, count: 0 }
    }

    /// Tells of a fault at this byte, or counts it.
    pub fn tell(&mut self, code: Code, offset: u64, out: &mut Steps, detail: impl FnOnce() -> String) {
        self.count += 1;
        if self.count <= TOLD {
            out.fault(code, self.item, Some(offset), detail());
        }
    }

    /// Says how many were not told.
    pub fn conclude(&mut self, out: &mut Steps) {
        let more = self.count.saturating_sub(TOLD);
        if more > 0 {
            let detail = format!("{more} more faults of its rows are not told one by one");
            out.fault(Code::Unreadable, self.item, None, detail);
        }
        self.count = 0;
    }
}
