//! What is wrong with a Parquet file: a damaged footer can speak of a million column chunks, so only the first faults
//! are told one by one.

use super::limits;
use crate::finding::Code;
use crate::shard::{ItemId, Steps};

/// Counts the faults of a file.
#[derive(Debug, Default)]
pub struct Faults {
    count: u64,
}

impl Faults {
    /// Tells of a fault, or counts it.
    pub fn tell(&mut self, code: Code, out: &mut Steps, detail: impl FnOnce() -> String) {
        self.count += 1;
        if self.count <= limits::FAULTS {
            out.fault(code, ItemId::FILE, None, detail());
        }
    }

    /// Says how many were not told.
    pub fn conclude(&mut self, out: &mut Steps) {
        let more = self.count.saturating_sub(limits::FAULTS);
        if more > 0 {
            let detail = format!("{more} more faults of its column chunks are not told one by one");
            out.fault(Code::Unreadable, ItemId::FILE, None, detail);
        }
        self.count = 0;
    }
}
