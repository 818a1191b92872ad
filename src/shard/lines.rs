//! A layer as lines: fed in pieces of any size, it shows each line once it is whole, in the piece that it lies in.

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memchr_iter};

use super::ledger::Ledger;
use super::{End, ItemId, Reader, RegionClass, Steps};
use crate::source::PIECE;

/// Bytes of a line; a longer one is hashed as it passes, and not shown.
pub const MOST: usize = 64 << 20;

/// The mark that some programs write before UTF-8.
pub const BOM: &[u8] = b"\xef\xbb\xbf";

/// A line without its end (`\n` or `\r\n`) and without a byte order mark. It may be empty.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it lies in.
    pub block: Bytes,
    /// Its bytes there.
    pub range: Range<usize>,
    /// Its first byte in the layer.
    pub offset: u64,
    /// The layer was cut short or damaged within it.
    pub cut: bool,
    /// It is all of the layer, which has no line end.
    pub whole: bool,
}

impl Line {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.block[self.range.clone()]
    }
}

/// What is done with the lines of a layer.
pub trait Take: Send {
    /// Bytes of memory it holds.
    fn footprint(&self) -> usize;

    /// Nothing is asked of the lines, now or later.
    fn is_idle(&self) -> bool;

    /// The next line.
    fn line(&mut self, line: Line, out: &mut Steps);

    /// The line that begins here is too long: what its bytes are.
    fn too_long(&mut self, offset: u64, out: &mut Steps) -> RegionClass;

    /// There are no more lines.
    fn finish(&mut self, end: End, out: &mut Steps);
}

/// A reader of lines.
pub struct Lines<T> {
    ledger: Ledger,
    /// Where the present line begins in the layer; of a line that is too long, what comes next.
    at: u64,
    /// The beginning of the present line, where that lies in pieces before.
    carry: Vec<u8>,
    most: usize,
    /// The present line is too long.
    lost: Option<RegionClass>,
    take: T,
}

impl<T: Take> Lines<T> {
    /// The lines of this layer, of so many bytes each at most.
    pub fn new(layer: ItemId, most: usize, take: T) -> Self {
        Lines { ledger: Ledger::new(layer), at: 0, carry: Vec::new(), most, lost: None, take }
    }

    fn piece(&mut self, piece: &Bytes, out: &mut Steps) {
        let mut start = self.end_begun(piece, out);
        // What has no class yet begins here.
        let (first, mut open) = (start, start);
        for end in memchr_iter(b'\n', piece).skip_while(|&end| end < first) {
            if end - start > self.most {
                self.ledger.add(RegionClass::Payload, piece.slice(open..start), out);
                let class = self.take.too_long(self.at, out);
                self.ledger.add(class, piece.slice(start..end), out);
                open = end;
            } else {
                self.show(piece.clone(), start..end, None, out);
            }
            self.at += (end + 1 - start) as u64;
            start = end + 1;
        }
        self.ledger.add(RegionClass::Payload, piece.slice(open..start), out);
        self.begin(&piece.slice(start..), out);
    }

    /// Ends the line that began in a piece before; returns where the next one begins in this piece.
    fn end_begun(&mut self, piece: &Bytes, out: &mut Steps) -> usize {
        if self.lost.is_none() && self.carry.is_empty() {
            return 0;
        }
        let end = memchr(b'\n', piece);
        let part = piece.slice(..end.unwrap_or(piece.len()));
        self.begin(&part, out);
        let Some(end) = end else { return piece.len() };
        if self.lost.take().is_none() {
            let block = Bytes::from(std::mem::take(&mut self.carry));
            self.ledger.add(RegionClass::Payload, block.clone(), out);
            let (len, range) = (block.len() as u64, 0..block.len());
            self.show(block, range, None, out);
            self.at += len;
        }
        self.ledger.add(RegionClass::Payload, piece.slice(end..=end), out);
        self.at += 1;
        end + 1
    }

    /// Takes bytes of a line whose end is not seen yet.
    fn begin(&mut self, part: &Bytes, out: &mut Steps) {
        if self.lost.is_none() {
            if self.carry.len() + part.len() <= self.most {
                return self.carry.extend_from_slice(part);
            }
            let class = self.take.too_long(self.at, out);
            self.lost = Some(class);
            let mut carry = Bytes::from(std::mem::take(&mut self.carry));
            self.at += carry.len() as u64;
            while !carry.is_empty() {
                self.ledger.add(class, carry.split_to(carry.len().min(PIECE)), out);
            }
        }
        self.at += part.len() as u64;
        self.ledger.add(self.lost.unwrap_or(RegionClass::Opaque), part.clone(), out);
    }

    /// Shows a line; `last` says how the layer ended, if it did so before the line had an end.
    fn show(&mut self, block: Bytes, mut range: Range<usize>, last: Option<End>, out: &mut Steps) {
        if self.at == 0 && block[range.clone()].starts_with(BOM) {
            range.start += BOM.len();
        }
        if last.is_none() && block[range.clone()].ends_with(b"\r") {
            range.end -= 1;
        }
        let cut = last.is_some_and(|end| end != End::Complete);
        let whole = last.is_some() && self.at == 0 && range == (0..block.len());
        self.take.line(Line { block, range, offset: self.at, cut, whole }, out);
    }
}

impl<T: Take> Reader for Lines<T> {
    fn footprint(&self) -> usize {
        size_of::<Self>() + self.carry.capacity() + self.take.footprint()
    }

    fn feed(&mut self, mut bytes: Bytes, out: &mut Steps) {
        if self.take.is_idle() {
            let carry = Bytes::from(std::mem::take(&mut self.carry));
            self.ledger.add(RegionClass::Payload, carry, out);
            return self.ledger.add(RegionClass::Payload, bytes, out);
        }
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.piece(&piece, out);
        }
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        if !self.carry.is_empty() {
            let block = Bytes::from(std::mem::take(&mut self.carry));
            self.ledger.add(RegionClass::Payload, block.clone(), out);
            let range = 0..block.len();
            self.show(block, range, Some(end), out);
        }
        self.take.finish(end, out);
        self.ledger.finish(end, out);
    }
}
