//! The walk through delimited text: fed in pieces of any size, it accounts for every byte and shows each record once it
//! is whole.

use bytes::Bytes;
use memchr::memchr;

use super::rows::{CsvRows, Record};
use super::sniff::Sniffer;
use super::split::{Found, Splitter};
use crate::shard::ledger::Ledger;
use crate::shard::{End, ItemId, Reader, RegionClass, Steps};
use crate::source::PIECE;

/// Delimited text being walked.
pub struct Walker {
    ledger: Ledger,
    /// Where the present record begins in the layer, or what is passed over goes on.
    at: u64,
    /// The beginning of the present record, where that lies in pieces before.
    carry: Vec<u8>,
    /// Bytes of a record.
    most: usize,
    state: State,
    rows: CsvRows,
}

enum State {
    /// The delimiter is not known yet.
    Sniffing(Sniffer),
    Records(Splitter),
    /// A record was given up: up to the end of the line nothing is interpreted.
    Lost(Splitter),
}

impl Walker {
    /// A walk from the layer's first byte.
    pub fn new(layer: ItemId, most: usize, sniffer: Sniffer, rows: CsvRows) -> Self {
        Walker {
            ledger: Ledger::new(layer),
            at: 0,
            carry: Vec::new(),
            most,
            state: State::Sniffing(sniffer),
            rows,
        }
    }

    fn add(&mut self, class: RegionClass, bytes: Bytes, out: &mut Steps) {
        self.at += bytes.len() as u64;
        self.ledger.add(class, bytes, out);
    }

    /// Begins with the records, at what the sniffer has seen.
    fn decide(&mut self, out: &mut Steps) {
        let State::Sniffing(sniffer) = &mut self.state else { return };
        let sniffer = std::mem::replace(sniffer, Sniffer::new(None));
        self.state = State::Records(Splitter::new(sniffer.delimiter()));
        let (mark, seen) = sniffer.into_seen();
        self.add(RegionClass::Structure, Bytes::from(mark), out);
        self.walk(Bytes::from(seen), out);
    }

    fn walk(&mut self, mut bytes: Bytes, out: &mut Steps) {
        while !bytes.is_empty() {
            let block = bytes.split_to(bytes.len().min(PIECE));
            let mut piece = block.clone();
            while !piece.is_empty() {
                match self.state {
                    State::Sniffing(_) => return,
                    State::Records(_) => self.pass(&block, &mut piece, out),
                    State::Lost(_) => self.pass_over(&mut piece, out),
                }
            }
        }
    }

    /// Passes line ends, a record, or the beginning of one.
    fn pass(&mut self, block: &Bytes, piece: &mut Bytes, out: &mut Steps) {
        if self.carry.is_empty() {
            let ends = piece.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if ends > 0 {
                return self.add(RegionClass::Payload, piece.split_to(ends), out);
            }
        }
        let State::Records(splitter) = &mut self.state else { return };
        // One byte over the limit: the end of the longest record.
        let here = piece.len().min(self.most + 1 - self.carry.len());
        match splitter.look(&piece[..here], self.carry.len()) {
            Found::Record(n) if self.carry.is_empty() => {
                let start = block.len() - piece.len();
                self.show(block, start, piece.split_to(n), None, out);
            }
            Found::Record(n) => {
                self.carry.extend_from_slice(&piece.split_to(n));
                let record = Bytes::from(std::mem::take(&mut self.carry));
                self.show(&record.clone(), 0, record, None, out);
            }
            Found::TooMany(n) => {
                self.carry.extend_from_slice(&piece.split_to(n + 1));
                self.lose(Why::Fields, out);
            }
            Found::More => {
                self.carry.extend_from_slice(&piece.split_to(here));
                if self.carry.len() > self.most {
                    self.lose(Why::Bytes, out);
                }
            }
        }
    }

    /// Shows a record that begins at this byte of its block; `last` says how the layer ended, if it did so first.
    fn show(&mut self, block: &Bytes, start: usize, record: Bytes, last: Option<End>, out: &mut Steps) {
        let State::Records(splitter) = &mut self.state else { return };
        let unclosed = last.is_some() && splitter.end(record.len());
        let cut = last.is_some_and(|end| end != End::Complete);
        let seen = Record { block, start, bytes: &record, offset: self.at, unclosed, cut };
        self.rows.record(seen, splitter.fields(), out);
        splitter.begin();
        self.add(RegionClass::Payload, record, out);
    }

    fn lose(&mut self, why: Why, out: &mut Steps) {
        let delimiter = match &self.state {
            State::Records(splitter) => splitter.delimiter(),
            _ => return,
        };
        self.state = State::Lost(Splitter::new(delimiter));
        self.rows.lost(self.at, why, out);
        let mut bytes = Bytes::from(std::mem::take(&mut self.carry));
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(PIECE));
            self.add(RegionClass::Opaque, part, out);
        }
    }

    fn pass_over(&mut self, piece: &mut Bytes, out: &mut Steps) {
        let end = memchr(b'\n', piece);
        let part = piece.split_to(end.unwrap_or(piece.len()));
        self.add(RegionClass::Opaque, part, out);
        if end.is_some()
            && let State::Lost(splitter) = &mut self.state
        {
            self.state = State::Records(Splitter::new(splitter.delimiter()));
        }
    }
}

/// Why a record is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is too long.
    Bytes,
    /// It has too many fields.
    Fields,
}

impl Reader for Walker {
    fn footprint(&self) -> usize {
        let state = match &self.state {
            State::Sniffing(sniffer) => sniffer.footprint(),
            State::Records(splitter) | State::Lost(splitter) => splitter.footprint(),
        };
        size_of::<Self>() + self.carry.capacity() + state + self.rows.footprint()
    }

    fn feed(&mut self, mut bytes: Bytes, out: &mut Steps) {
        if self.rows.is_idle() {
            return self.add(RegionClass::Payload, bytes, out);
        }
        if let State::Sniffing(sniffer) = &mut self.state {
            let (taken, enough) = sniffer.look(&bytes);
            let _ = bytes.split_to(taken);
            if enough {
                self.decide(out);
            }
        }
        self.walk(bytes, out);
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        self.decide(out);
        if !self.carry.is_empty() {
            let record = Bytes::from(std::mem::take(&mut self.carry));
            self.show(&record.clone(), 0, record, Some(end), out);
        }
        self.rows.finish(out);
        self.ledger.finish(end, out);
    }
}
