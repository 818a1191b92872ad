//! The walk over a shard from its first byte to its last.

use std::ops::Range;

use bytes::Bytes;

use super::config::Columns;
use super::header_len;
use super::offsets::{Offsets, Span};
use super::rows::{MdsRows, Sample};
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::faults::Faults;
use crate::shard::ledger::Ledger;
use crate::shard::lines::MOST;
use crate::shard::text::over_limit;
use crate::shard::{End, ItemId, Reader, RegionClass, Steps};
use crate::source::PIECE;

/// Samples of a shard: each takes four bytes of memory while the shard is read.
const MOST_SAMPLES: u32 = 1 << 24;

/// Bytes of the description.
const MOST_CONFIG: u64 = 1 << 20;

/// Columns of an encoding that is not known which are told one by one.
const TOLD: usize = 16;

/// A shard being read.
pub struct Walk {
    layer: ItemId,
    ledger: Ledger,
    /// Bytes that were taken: the next one's place in the layer.
    at: u64,
    /// The beginning of what is wanted whole, where that lies in pieces before.
    carry: Vec<u8>,
    offsets: Offsets,
    rows: Option<MdsRows>,
    faults: Faults,
    state: State,
    most_samples: u32,
    most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The number of samples comes next.
    Count,
    /// So many offsets are left.
    Offsets(u32),
    /// The description, in so many bytes at most, after which so many are passed over.
    Config { len: u64, lost: u64 },
    /// A sample of so many bytes.
    Sample(usize),
    /// So many bytes that are no rows, of this class.
    Pass(u64, RegionClass),
    /// All that is left is of this class.
    Rest(RegionClass),
}

/// Bytes that were fed, and how many of them were taken. Samples that lie in one piece keep one block, whatever they
/// are taken for.
struct Piece {
    block: Bytes,
    at: usize,
}

impl Piece {
    /// Bytes that are left.
    fn len(&self) -> usize {
        self.block.len() - self.at
    }

    /// Where the next so many bytes lie, which are no more than are left.
    fn take(&mut self, len: usize) -> Range<usize> {
        self.at += len;
        self.at - len..self.at
    }
}

/// What was wanted whole, in what it lies in.
type Whole = (Bytes, Range<usize>);

impl Walk {
    /// A shard that is this layer.
    pub fn new(layer: ItemId) -> Self {
        Walk {
            layer,
            ledger: Ledger::new(layer),
            at: 0,
            carry: Vec::new(),
            offsets: Offsets::default(),
            rows: None,
            faults: Faults::new(layer),
            state: State::Count,
            most_samples: MOST_SAMPLES,
            most: MOST,
        }
    }

    /// With other limits, for tests.
    #[cfg(test)]
    pub fn with_limits(self, most_samples: u32, most: usize) -> Self {
        Walk { most_samples, most, ..self }
    }

    /// Goes on with what is left of a piece; `false` if that is not enough.
    fn step(&mut self, piece: &mut Piece, out: &mut Steps) -> bool {
        match self.state {
            State::Count => {
                let Some((block, range)) = self.want(4, piece) else { return false };
                let count = number(&block[range.clone()]);
                self.ledger.add(RegionClass::Structure, block.slice(range), out);
                if count > self.most_samples {
                    let detail = format!(
                        "it has {count} samples, and {} are read: it was hashed whole, and its samples are not \
                         read as rows",
                        self.most_samples
                    );
                    out.fault(Code::Unreadable, self.layer, Some(0), detail);
                    self.state = State::Rest(RegionClass::Opaque);
                } else {
                    self.state = State::Offsets(count + 1);
                }
            }
            State::Offsets(0) => self.locate(out),
            State::Offsets(left) => {
                let most = (piece.len() / 4).clamp(1, left as usize);
                // Where an offset lies in two pieces, it is taken alone.
                let most = if self.carry.is_empty() { most } else { 1 };
                let Some((block, range)) = self.want(4 * most, piece) else { return false };
                for offset in block[range.clone()].chunks_exact(4) {
                    self.offsets.push(number(offset));
                }
                self.ledger.add(RegionClass::Structure, block.slice(range), out);
                self.state = State::Offsets(left - most as u32);
            }
            State::Config { len, lost } => {
                // At most `MOST_CONFIG`.
                let Some(whole) = self.want(len as usize, piece) else { return false };
                self.config(whole, lost, out);
            }
            State::Sample(len) => {
                let Some(whole) = self.want(len, piece) else { return false };
                self.sample(whole, out);
            }
            State::Pass(0, _) => self.next(out),
            State::Pass(left, class) => {
                let len = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
                let range = piece.take(len);
                self.pass(class, piece.block.slice(range), out);
                self.state = State::Pass(left - len as u64, class);
                return len > 0;
            }
            State::Rest(class) => {
                let range = piece.take(piece.len());
                self.pass(class, piece.block.slice(range), out);
                return false;
            }
        }
        true
    }

    /// So many bytes, once they are there.
    fn want(&mut self, len: usize, piece: &mut Piece) -> Option<Whole> {
        if self.carry.is_empty() && len <= piece.len() {
            self.at += len as u64;
            return Some((piece.block.clone(), piece.take(len)));
        }
        let part = piece.take(piece.len().min(len - self.carry.len()));
        self.at += part.len() as u64;
        self.carry.extend_from_slice(&piece.block[part]);
        (self.carry.len() == len).then(|| (Bytes::from(std::mem::take(&mut self.carry)), 0..len))
    }

    /// Bytes that nothing is made of.
    fn pass(&mut self, class: RegionClass, bytes: Bytes, out: &mut Steps) {
        self.at += bytes.len() as u64;
        self.ledger.add(class, bytes, out);
    }

    /// All offsets are there: what comes between them and the first sample.
    fn locate(&mut self, out: &mut Steps) {
        let samples = self.offsets.samples();
        // It is below the limit, which is that of a `u32`.
        self.state = match self.offsets.begin(header_len(samples as u32)) {
            Span::Sample(len) if len <= MOST_CONFIG => State::Config { len, lost: 0 },
            Span::Sample(_) => {
                let detail = format!(
                    "the description of its columns is longer than 1 MiB: its {samples} samples are not read as rows"
                );
                out.fault(Code::Unreadable, self.layer, Some(4), detail);
                State::Rest(RegionClass::Opaque)
            }
            Span::Lost { samples: lost, len: Some(len) } => {
                self.tell_lost(lost, out);
                let first = len.min(MOST_CONFIG);
                State::Config { len: first, lost: len - first }
            }
            Span::Lost { .. } | Span::End => {
                self.tell_lost(samples, out);
                State::Rest(RegionClass::Opaque)
            }
        };
    }

    /// The description. What follows it up to the first sample that is read is no part of the format.
    fn config(&mut self, (block, range): Whole, lost: u64, out: &mut Steps) {
        let area = block.slice(range);
        let begin = self.at - area.len() as u64;
        let (columns, len) = match Columns::read(&area) {
            Ok(read) => read,
            Err(why) => {
                let samples = self.offsets.samples();
                let detail = format!(
                    "the description of its columns cannot be read: {why}; its {samples} samples are not read as rows"
                );
                out.fault(Code::Unreadable, self.layer, Some(begin), detail);
                self.add_all(RegionClass::Opaque, area, out);
                self.state = State::Rest(RegionClass::Opaque);
                return;
            }
        };
        self.say(&columns, begin, out);
        // Samples that were lost lie there as well.
        let class = if self.offsets.next_sample() > 0 { RegionClass::Opaque } else { RegionClass::Dead };
        self.add_all(RegionClass::Structure, area.slice(..len), out);
        if class == RegionClass::Dead && len < area.len() {
            self.ledger.announce((area.len() - len) as u64);
        }
        self.add_all(class, area.slice(len..), out);
        let mut rows = MdsRows::new(self.layer, columns, out);
        (0..self.offsets.next_sample()).for_each(|_| rows.pass(out));
        self.rows = Some(rows);
        self.state = State::Pass(lost, RegionClass::Opaque);
    }

    /// What has to be said of the columns.
    fn say(&self, columns: &Columns, begin: u64, out: &mut Steps) {
        let short = |name: &'_ str| name[..name.floor_char_boundary(64)].to_string();
        if let Some(name) = &columns.twice {
            let name = short(name);
            let detail = format!(
                "two of its columns are called `{}`, and readers disagree about which counts: as records its \
                 samples have no identity",
                Escaped(name.as_bytes())
            );
            out.fault(Code::Unverifiable, self.layer, Some(begin), detail);
        }
        for (name, encoding) in columns.unknown.iter().take(TOLD) {
            let (name, encoding) = (short(name), short(encoding));
            let detail = format!(
                "the encoding `{}` of its column `{}` is not known: the values count as bytes",
                Escaped(encoding.as_bytes()),
                Escaped(name.as_bytes())
            );
            out.fault(Code::Opaque, self.layer, Some(begin), detail);
        }
        if columns.unknown.len() > TOLD {
            let more = columns.unknown.len() - TOLD;
            let detail =
                format!("{more} more columns have encodings that are not known: their values count as bytes");
            out.fault(Code::Opaque, self.layer, Some(begin), detail);
        }
    }

    /// A sample.
    fn sample(&mut self, (block, range): Whole, out: &mut Steps) {
        let bytes = block.slice(range.clone());
        let offset = self.at - bytes.len() as u64;
        let Some(rows) = &mut self.rows else { return };
        let row = self.offsets.next_sample().saturating_sub(1);
        match rows.take(&Sample { block: &block, range, offset }, &mut self.faults, out) {
            Ok(dead) => {
                let mut at = 0;
                for range in dead {
                    self.add_all(RegionClass::Payload, bytes.slice(at..range.start), out);
                    self.ledger.announce(range.len() as u64);
                    self.add_all(RegionClass::Dead, bytes.slice(range.clone()), out);
                    at = range.end;
                }
                self.add_all(RegionClass::Payload, bytes.slice(at..), out);
            }
            Err(_) => {
                rows.pass(out);
                let detail =
                    || format!("the values of sample {row} do not lie in it: it is not read as a row");
                self.faults.tell(Code::Unreadable, offset, out, detail);
                self.add_all(RegionClass::Opaque, bytes, out);
            }
        }
        self.next(out);
    }

    /// What comes after a sample, or after the description.
    fn next(&mut self, out: &mut Steps) {
        self.state = match self.offsets.advance() {
            Span::End => State::Rest(RegionClass::Trailing),
            Span::Sample(len) => match usize::try_from(len).ok().filter(|len| *len <= self.most) {
                Some(len) => State::Sample(len),
                None => {
                    if let Some(rows) = &mut self.rows {
                        rows.pass(out);
                    }
                    self.faults.tell(Code::Unreadable, self.at, out, || over_limit("sample", self.most));
                    State::Pass(len, RegionClass::Opaque)
                }
            },
            Span::Lost { samples, len } => {
                if let Some(rows) = &mut self.rows {
                    (0..samples).for_each(|_| rows.pass(out));
                }
                self.tell_lost(samples, out);
                len.map_or(State::Rest(RegionClass::Opaque), |len| State::Pass(len, RegionClass::Opaque))
            }
        };
    }

    fn tell_lost(&mut self, samples: u64, out: &mut Steps) {
        let first = self.offsets.next_sample().saturating_sub(samples);
        let detail = || {
            format!(
                "the offsets around sample {first} contradict each other: {samples} samples from there on are \
                 not read as rows"
            )
        };
        self.faults.tell(Code::Unreadable, self.at, out, detail);
    }

    /// Bytes that were taken already.
    fn add_all(&mut self, class: RegionClass, mut bytes: Bytes, out: &mut Steps) {
        while !bytes.is_empty() {
            self.ledger.add(class, bytes.split_to(bytes.len().min(PIECE)), out);
        }
    }

    /// Says what is not there, where the layer was not cut or damaged itself.
    fn tell_cut(&mut self, out: &mut Steps) {
        let (samples, next) = (self.offsets.samples(), self.offsets.next_sample());
        let detail = match self.state {
            State::Rest(_) => return,
            State::Count | State::Offsets(_) | State::Config { .. } => {
                "it ends within its header: its samples are not there".to_string()
            }
            State::Sample(_) | State::Pass(..) => {
                let read = next.saturating_sub(1);
                format!(
                    "it ends within sample {read}: {} of {samples} samples are not there whole",
                    samples - read
                )
            }
        };
        out.fault(Code::Unreadable, self.layer, Some(self.at), detail);
    }
}

/// A number of four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

impl Reader for Walk {
    fn footprint(&self) -> usize {
        size_of::<Self>()
            + self.carry.capacity()
            + self.offsets.footprint()
            + self.rows.as_ref().map_or(0, MdsRows::footprint)
    }

    fn feed(&mut self, mut bytes: Bytes, out: &mut Steps) {
        while !bytes.is_empty() {
            let mut piece = Piece { block: bytes.split_to(bytes.len().min(PIECE)), at: 0 };
            while self.step(&mut piece, out) {}
        }
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        // Samples without a byte may be left.
        let mut nothing = Piece { block: Bytes::new(), at: 0 };
        while self.step(&mut nothing, out) {}
        if end == End::Complete {
            self.tell_cut(out);
        }
        let carry = Bytes::from(std::mem::take(&mut self.carry));
        self.add_all(RegionClass::Opaque, carry, out);
        if let Some(rows) = &mut self.rows {
            rows.flush(out);
        }
        self.faults.conclude(out);
        self.ledger.finish(end, out);
    }
}
