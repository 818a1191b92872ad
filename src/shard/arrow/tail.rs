//! What follows the last message: a footer in a file, nothing in a stream.

use std::collections::VecDeque;

use arrow_schema::Schema;
use bytes::Bytes;

use super::faults::Faults;
use super::footer::{self, END, Walked};
use super::limits;
use crate::shard::ledger::Ledger;
use crate::shard::{RegionClass, Steps};
use crate::source::{PIECE, first_nonzero};

/// The last bytes of a layer. As many are kept as a footer may have: where it begins shows only at the end.
pub struct Tail {
    /// Where the bytes kept begin.
    at: u64,
    kept: VecDeque<Bytes>,
    len: usize,
    /// Something before them is not zero.
    dirty: bool,
}

impl Tail {
    /// Begins there.
    pub fn new(at: u64) -> Self {
        Tail { at, kept: VecDeque::new(), len: 0, dirty: false }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.len + self.kept.capacity() * size_of::<Bytes>()
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: Bytes, ledger: &mut Ledger, out: &mut Steps) {
        self.len += bytes.len();
        self.kept.push_back(bytes);
        while let Some(front) = self.kept.front()
            && self.len - front.len() >= limits::METADATA + END
            && let Some(front) = self.kept.pop_front()
        {
            self.give_up(front, RegionClass::Dead, ledger, out);
        }
    }

    /// The file has ended: the footer is held against what was walked.
    pub fn end_file(
        mut self,
        schema: Option<&Schema>,
        walked: &[Walked],
        ledger: &mut Ledger,
        faults: &mut Faults,
        out: &mut Steps,
    ) {
        let kept: Vec<u8> = self.kept.drain(..).flatten().collect();
        let mut kept = Bytes::from(kept);
        let at = match footer::find(&kept) {
            Ok(at) => at,
            Err(why) => {
                faults.tell(self.at, out, why);
                ledger.announce(kept.len() as u64);
                while !kept.is_empty() {
                    ledger.add(RegionClass::Opaque, kept.split_to(PIECE.min(kept.len())), out);
                }
                return;
            }
        };
        let footer = kept.split_off(at);
        self.give_up(kept, RegionClass::Dead, ledger, out);
        let bytes = footer.slice(..footer.len() - END);
        footer::compare(&bytes, self.at, schema, walked, |at, why| faults.tell(at, out, why));
        ledger.add(RegionClass::Structure, footer, out);
    }

    /// The stream has ended: whatever follows its end is not shown by readers.
    pub fn end_stream(mut self, ledger: &mut Ledger, out: &mut Steps) {
        while let Some(bytes) = self.kept.pop_front() {
            self.give_up(bytes, RegionClass::Trailing, ledger, out);
        }
    }

    /// Bytes that no reader shows: padding while they are zero.
    fn give_up(&mut self, mut bytes: Bytes, class: RegionClass, ledger: &mut Ledger, out: &mut Steps) {
        self.len -= bytes.len().min(self.len);
        self.at += bytes.len() as u64;
        if !self.dirty {
            let zeros = first_nonzero(&bytes).unwrap_or(bytes.len());
            ledger.add(RegionClass::ZeroPad, bytes.split_to(zeros), out);
            self.dirty = !bytes.is_empty();
        }
        while !bytes.is_empty() {
            ledger.add(class, bytes.split_to(PIECE.min(bytes.len())), out);
        }
    }
}
