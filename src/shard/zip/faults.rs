//! What is wrong with an archive: a damaged directory can contradict a million headers, so only the first faults are
//! told one by one. What makes a member unreadable is told with the member and never counted only.

use super::limits;
use crate::finding::Code;
use crate::shard::{ItemId, Steps};

/// Counts the faults of an archive.
#[derive(Debug)]
pub struct Faults {
    layer: ItemId,
    count: u64,
    /// Names that are odd, which nothing was left unread for.
    odd: u64,
}

impl Faults {
    /// Of this file.
    pub fn new(layer: ItemId) -> Self {
        Faults { layer, count: 0, odd: 0 }
    }

    /// Tells of a fault, or counts it.
    pub fn tell(
        &mut self,
        code: Code,
        item: ItemId,
        at: u64,
        out: &mut Steps,
        detail: impl FnOnce() -> String,
    ) {
        let count = if code == Code::OddName { &mut self.odd } else { &mut self.count };
        *count += 1;
        if *count <= limits::FAULTS {
            out.fault(code, item, Some(at), detail());
        }
    }

    /// Tells of a fault of the archive itself.
    pub fn of_archive(&mut self, at: u64, out: &mut Steps, detail: impl FnOnce() -> String) {
        self.tell(Code::Unreadable, self.layer, at, out, detail);
    }

    /// Says how many were not told.
    pub fn conclude(&mut self, out: &mut Steps) {
        let more = self.count.saturating_sub(limits::FAULTS);
        if more > 0 {
            let detail = format!("{more} more faults of its headers are not told one by one");
            out.fault(Code::Unreadable, self.layer, None, detail);
        }
        let odd = self.odd.saturating_sub(limits::FAULTS);
        if odd > 0 {
            let detail = format!("{odd} more of its names are odd in the same way");
            out.fault(Code::OddName, self.layer, None, detail);
        }
        (self.count, self.odd) = (0, 0);
    }
}
