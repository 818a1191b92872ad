//! The byte ledger of one layer: every byte gets one class, in order, and what is hidden becomes an item of its own.

use std::collections::VecDeque;

use bytes::Bytes;
use memchr::memchr;

use super::steps::{Opening, Steps};
use super::{End, ItemId, Kind, RegionClass};
use crate::source::first_nonzero;

/// Accounts for the bytes of a layer in the order in which they lie there.
///
/// Adjacent bytes of one class are one region. Bytes whose class is not known yet are *held*, as refcounted slices,
/// until they are settled; a reader holds no more than one header, one extension record or one compressed block.
#[derive(Debug)]
pub struct Ledger {
    layer: ItemId,
    /// Where the region being written begins, and where the bytes that have a class end.
    start: u64,
    at: u64,
    class: Option<RegionClass>,
    hidden: Option<Hidden>,
    announced: Option<u64>,
    held: VecDeque<Bytes>,
    held_len: u64,
}

/// The item of a hidden region that is being written.
#[derive(Debug)]
struct Hidden {
    item: ItemId,
    /// Bytes to come, where its length was announced.
    left: Option<u64>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(layer: ItemId) -> Self {
        Ledger {
            layer,
            start: 0,
            at: 0,
            class: None,
            hidden: None,
            announced: None,
            held: VecDeque::new(),
            held_len: 0,
        }
    }

    /// Bytes of memory it keeps from being used again: those held.
    pub fn footprint(&self) -> usize {
        usize::try_from(self.held_len).unwrap_or(usize::MAX)
    }

    /// Whether all bytes held are zero.
    pub fn held_is_zero(&self) -> bool {
        self.held.iter().all(|bytes| first_nonzero(bytes).is_none())
    }

    /// Says how long the next region is, which begins with the next byte.
    pub fn announce(&mut self, len: u64) {
        self.announced = Some(len);
    }

    /// The next bytes are of this class.
    pub fn add(&mut self, class: RegionClass, bytes: Bytes, out: &mut Steps) {
        debug_assert_eq!(self.held_len, 0, "held bytes are settled before others get a class");
        self.write(class, bytes, out);
    }

    /// So many of the next bytes are of this class, which is not hidden, and are not looked at.
    pub fn pass(&mut self, class: RegionClass, len: u64, out: &mut Steps) {
        debug_assert!(self.held_len == 0 && !class.is_hidden(), "what is hidden is looked at");
        if len > 0 {
            self.enter(class, out);
            self.at += len;
        }
    }

    /// The next bytes get their class later.
    pub fn hold(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.held_len += bytes.len() as u64;
            self.held.push_back(bytes);
        }
    }

    /// The first `len` of the bytes held are of this class; hidden ones are a region of their own.
    pub fn settle(&mut self, len: u64, class: RegionClass, out: &mut Steps) {
        debug_assert!(len <= self.held_len, "only what is held can be settled");
        if class.is_hidden() && len > 0 {
            self.announced = Some(len);
        }
        let mut left = len;
        while left > 0
            && let Some(mut bytes) = self.held.pop_front()
        {
            // At most the length of `bytes`, so it fits.
            let n = left.min(bytes.len() as u64) as usize;
            let part = bytes.split_to(n);
            left -= n as u64;
            self.held_len -= n as u64;
            if !bytes.is_empty() {
                self.held.push_front(bytes);
            }
            self.write(class, part, out);
        }
    }

    /// All the bytes held are of this class.
    pub fn settle_all(&mut self, class: RegionClass, out: &mut Steps) {
        self.settle(self.held_len, class, out);
    }

    /// All the bytes held are of this class, and more of the same region may follow.
    pub fn settle_open(&mut self, class: RegionClass, out: &mut Steps) {
        for bytes in self.release() {
            self.write(class, bytes, out);
        }
    }

    /// Takes back the bytes held: they will be offered again.
    pub fn release(&mut self) -> VecDeque<Bytes> {
        self.held_len = 0;
        std::mem::take(&mut self.held)
    }

    /// The layer has ended. Bytes still held could not be interpreted.
    pub fn finish(&mut self, end: End, out: &mut Steps) {
        self.settle_all(RegionClass::Opaque, out);
        self.end_region(end, out);
    }

    fn write(&mut self, class: RegionClass, bytes: Bytes, out: &mut Steps) {
        if bytes.is_empty() {
            return;
        }
        self.enter(class, out);
        let len = bytes.len() as u64;
        self.at += len;
        if let Some(hidden) = &mut self.hidden {
            hidden.left = hidden.left.map(|left| left.saturating_sub(len));
            out.sample(hidden.item, bytes);
        }
    }

    /// The next byte is of this class.
    fn enter(&mut self, class: RegionClass, out: &mut Steps) {
        let full = self.hidden.as_ref().is_some_and(|hidden| hidden.left == Some(0));
        if self.class != Some(class) || self.announced.is_some() || full {
            self.end_region(End::Complete, out);
            self.class = Some(class);
            let len = self.announced.take();
            if class.is_hidden() {
                let item = out.open(Opening {
                    parent: Some(self.layer),
                    kind: Kind::Region,
                    name: Vec::new(),
                    offset: self.start,
                    len,
                    hidden: false,
                    region: Some(class),
                });
                self.hidden = Some(Hidden { item, left: len });
            }
        }
    }

    fn end_region(&mut self, end: End, out: &mut Steps) {
        if let Some(Hidden { item, left }) = self.hidden.take() {
            let cut = left.is_some_and(|left| left > 0) && end == End::Complete;
            out.close(item, if cut { End::Truncated } else { end });
        }
        if let Some(class) = self.class.take() {
            out.region(self.layer, self.start..self.at, class);
        }
        self.start = self.at;
    }
}

/// The bytes up to the first NUL, and the range of what stands after it that is not zero, if anything does.
pub fn split_at_nul(field: &[u8]) -> (&[u8], Option<std::ops::Range<usize>>) {
    let Some(nul) = memchr(0, field) else {
        return (field, None);
    };
    let hidden = first_nonzero(&field[nul..]).map(|first| {
        let last = field.iter().rposition(|&b| b != 0).unwrap_or(nul + first);
        nul + first..last + 1
    });
    (&field[..nul], hidden)
}

#[cfg(test)]
mod tests {
    use super::super::Step;
    use super::*;
    use crate::digest::{Algorithm, DigestSet};
    use crate::plan::ShardPlan;

    fn told(mut out: Steps) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(step) = out.pop() {
            told.push(match step {
                Step::Open { item, offset, len, .. } => format!("open {} {offset} {len:?}", item.0),
                Step::Data { item, bytes } => format!("data {} {}", item.0, String::from_utf8_lossy(&bytes)),
                Step::Close { item, end } => format!("close {} {end:?}", item.0),
                Step::Region { range, class, .. } => format!("{range:?} {}", class.name()),
                other => format!("{other:?}"),
            });
        }
        told
    }

    fn steps() -> Steps {
        Steps::new(&ShardPlan { samples: DigestSet::of(Algorithm::Sha256), ..ShardPlan::default() })
    }

    #[test]
    fn bytes_of_one_class_are_one_region_and_hidden_ones_are_items() {
        let (mut out, mut ledger) = (steps(), Ledger::new(ItemId::FILE));
        ledger.add(RegionClass::Structure, Bytes::from_static(b"ab"), &mut out);
        ledger.hold(Bytes::from_static(b"cde"));
        ledger.hold(Bytes::from_static(b"fg"));
        ledger.settle(1, RegionClass::Structure, &mut out);
        ledger.settle(3, RegionClass::Dead, &mut out);
        ledger.settle_all(RegionClass::Payload, &mut out);
        ledger.announce(9);
        ledger.add(RegionClass::Dead, Bytes::from_static(b"h"), &mut out);
        ledger.finish(End::Complete, &mut out);
        assert_eq!(
            told(out),
            [
                "0..3 structure",
                "open 0 3 Some(3)",
                "data 0 de",
                "data 0 f",
                "close 0 Complete",
                "3..6 dead",
                "6..7 payload",
                "open 1 7 Some(9)",
                "data 1 h",
                "close 1 Truncated",
                "7..8 dead",
            ]
        );
    }

    #[test]
    fn what_is_held_at_the_end_is_opaque() {
        let (mut out, mut ledger) = (steps(), Ledger::new(ItemId::FILE));
        ledger.hold(Bytes::from_static(b"x"));
        ledger.finish(End::Damaged, &mut out);
        assert_eq!(told(out), ["open 0 0 Some(1)", "data 0 x", "close 0 Damaged", "0..1 opaque"]);
    }

    #[test]
    fn what_stands_after_a_nul_is_found() {
        assert_eq!(split_at_nul(b"abc"), (&b"abc"[..], None));
        assert_eq!(split_at_nul(b"a\0\0"), (&b"a"[..], None));
        assert_eq!(split_at_nul(b"a\0\0b\0c\0"), (&b"a"[..], Some(3..6)));
    }
}
