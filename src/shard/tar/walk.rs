//! The walk through a tar: fed the bytes of a layer in order, in pieces of any size, it accounts for every one of them.
//!
//! Where readers disagree it does as GNU tar does, but goes on behind damage. After the end of the archive no reader
//! shows anything; what lies there is one region, and members found in it are hidden ones.

mod begin;

use bytes::Bytes;

use super::entry::Overrides;
use super::header::{BLOCK, Block, Header, more_sparse_again};
use super::pax::Records;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::formats::nested;
use crate::shard::ledger::{Ledger, split_at_nul};
use crate::shard::steps::Steps;
use crate::shard::{End, HEAD, ItemId, Reader, RegionClass};
use crate::source::first_nonzero;

/// A tar being walked.
#[derive(Debug)]
pub struct Walker {
    layer: ItemId,
    ledger: Ledger,
    /// Bytes of the layer that the walk has passed.
    at: u64,
    state: State,
    /// The part of a header block that has come so far.
    block: Vec<u8>,
    before: Overrides,
    /// A header could not be read: the next valid one is sought.
    lost: bool,
    mark: Mark,
    /// After the end of the archive, a byte that is not zero has come.
    trailing: bool,
}

/// How much of the end-of-archive mark, two zero blocks, has come.
#[derive(Debug, PartialEq, Eq)]
enum Mark {
    None,
    Half,
    /// The archive has ended.
    Whole,
}

#[derive(Debug)]
enum State {
    Header,
    /// A further block of an old GNU sparse map.
    SparseMap {
        stored: u64,
    },
    Content {
        left: u64,
        padding: u64,
        what: Content,
    },
    Padding {
        left: u64,
    },
}

#[derive(Debug)]
enum Content {
    Member(Member),
    /// Data that belongs to no member.
    Stray(RegionClass),
    Extension {
        kind: u8,
        content: Vec<u8>,
    },
}

/// The member whose data is passing.
#[derive(Debug)]
struct Member {
    item: ItemId,
    name: Vec<u8>,
    head: Vec<u8>,
}

impl Walker {
    /// A walk from the layer's first byte.
    pub fn new(layer: ItemId) -> Self {
        Walker {
            layer,
            ledger: Ledger::new(layer),
            at: 0,
            state: State::Header,
            block: Vec::with_capacity(BLOCK),
            before: Overrides::default(),
            lost: false,
            mark: Mark::None,
            trailing: false,
        }
    }

    fn pass_block(&mut self, bytes: &mut Bytes, out: &mut Steps) {
        let part = bytes.split_to(bytes.len().min(BLOCK - self.block.len()));
        self.at += part.len() as u64;
        if self.mark != Mark::Whole {
            self.ledger.hold(part.clone());
        }
        if self.block.is_empty() && part.len() == BLOCK {
            self.read_block(&part, out);
        } else {
            self.block.extend_from_slice(&part);
            if self.block.len() == BLOCK {
                let mut block = std::mem::take(&mut self.block);
                self.read_block(&block, out);
                block.clear();
                self.block = block;
            }
        }
    }

    fn read_block(&mut self, block: &[u8], out: &mut Steps) {
        if let State::SparseMap { stored } = self.state {
            self.settle(BLOCK as u64, RegionClass::Structure, out);
            if !more_sparse_again(block) {
                self.enter(stored, Content::Stray(RegionClass::Opaque), out);
            }
            return;
        }
        let parsed = Block::parse(block);
        if self.mark == Mark::Half && parsed != Block::Zero {
            self.end_archive(out);
        }
        match parsed {
            Block::Zero => {
                self.before = Overrides::default();
                if self.lost {
                    self.continue_lost(out);
                } else {
                    self.settle(BLOCK as u64, RegionClass::Structure, out);
                    self.mark = if self.mark == Mark::None { Mark::Half } else { Mark::Whole };
                }
            }
            Block::Invalid => {
                self.before = Overrides::default();
                if !self.lost {
                    let start = self.at - BLOCK as u64;
                    self.fault(start, "no valid tar header stands here; the next one was sought", out);
                    self.lost = self.mark != Mark::Whole;
                }
                self.continue_lost(out);
            }
            Block::Header(header) => {
                self.lost = false;
                self.settle_header(&header, out);
                self.begin(header, out);
            }
        }
    }

    fn continue_lost(&mut self, out: &mut Steps) {
        if self.mark != Mark::Whole {
            self.ledger.settle_open(RegionClass::Opaque, out);
        }
    }

    fn settle_header(&mut self, header: &Header, out: &mut Steps) {
        let mut at = 0;
        for dead in header.dead.iter().flatten() {
            self.settle((dead.start - at) as u64, RegionClass::Structure, out);
            self.settle(dead.len() as u64, RegionClass::Dead, out);
            at = dead.end;
        }
        self.settle((BLOCK - at) as u64, RegionClass::Structure, out);
    }

    fn pass_content(&mut self, bytes: &mut Bytes, out: &mut Steps) {
        let State::Content { left, what, .. } = &mut self.state else {
            return;
        };
        // At most the length of `bytes`, so it fits.
        let n = (*left).min(bytes.len() as u64) as usize;
        *left -= n as u64;
        self.at += n as u64;
        let part = bytes.split_to(n);
        let ended = self.mark == Mark::Whole;
        match what {
            Content::Member(member) => {
                let wanted = HEAD - member.head.len();
                member.head.extend_from_slice(&part[..part.len().min(wanted)]);
                out.sample(member.item, part.clone());
                if !ended {
                    self.ledger.add(RegionClass::Payload, part, out);
                }
            }
            Content::Stray(class) if !ended => self.ledger.add(*class, part, out),
            Content::Stray(_) => {}
            Content::Extension { content, .. } => {
                content.extend_from_slice(&part);
                if !ended {
                    self.ledger.hold(part);
                }
            }
        }
        self.leave_if_passed(out);
    }

    fn leave_if_passed(&mut self, out: &mut Steps) {
        let State::Content { left: 0, padding, .. } = self.state else {
            return;
        };
        let next = if padding > 0 { State::Padding { left: padding } } else { State::Header };
        let State::Content { what, .. } = std::mem::replace(&mut self.state, next) else {
            return;
        };
        match what {
            Content::Member(member) => end_member(&member, End::Complete, out),
            Content::Stray(_) => {}
            Content::Extension { kind, content } => self.read_extension(kind, &content, out),
        }
    }

    fn read_extension(&mut self, kind: u8, content: &[u8], out: &mut Steps) {
        let start = self.at - content.len() as u64;
        if matches!(kind, b'L' | b'K') {
            let (name, dead) = split_at_nul(content);
            let dead = dead.unwrap_or(content.len()..content.len());
            self.settle(dead.start as u64, RegionClass::Structure, out);
            self.settle(dead.len() as u64, RegionClass::Dead, out);
            self.settle((content.len() - dead.end) as u64, RegionClass::Structure, out);
            let place = if kind == b'L' { &mut self.before.name } else { &mut self.before.link };
            *place = Some(name.to_vec());
            return;
        }
        // Global records are read for damage only: GNU tar takes no name or size from them.
        let mut global = Records::default();
        let records = if kind == b'g' { &mut global } else { &mut self.before.pax };
        records.read(content);
        let broken_at = records.broken_at.unwrap_or(content.len());
        self.settle(broken_at as u64, RegionClass::Structure, out);
        if broken_at < content.len() {
            self.settle((content.len() - broken_at) as u64, RegionClass::Opaque, out);
            self.fault(
                start + broken_at as u64,
                "a PAX record is malformed; it and the rest were not read",
                out,
            );
        }
    }

    fn pass_padding(&mut self, bytes: &mut Bytes, out: &mut Steps) {
        let State::Padding { left } = &mut self.state else {
            return;
        };
        let n = (*left).min(bytes.len() as u64) as usize;
        *left -= n as u64;
        self.at += n as u64;
        let passed = *left == 0;
        let part = bytes.split_to(n);
        if self.mark != Mark::Whole {
            self.ledger.hold(part);
            if passed {
                self.settle_padding(out);
            }
        }
        if passed {
            self.state = State::Header;
        }
    }

    fn settle_padding(&mut self, out: &mut Steps) {
        let zero = self.ledger.held_is_zero();
        self.ledger.settle_all(if zero { RegionClass::ZeroPad } else { RegionClass::NonzeroPad }, out);
    }

    /// The archive has ended before the bytes held.
    fn end_archive(&mut self, out: &mut Steps) {
        self.mark = Mark::Whole;
        for bytes in self.ledger.release() {
            self.tail(&bytes, out);
        }
    }

    /// Accounts for bytes after the end of the archive.
    fn tail(&mut self, bytes: &Bytes, out: &mut Steps) {
        let zeros = if self.trailing { 0 } else { first_nonzero(bytes).unwrap_or(bytes.len()) };
        self.ledger.add(RegionClass::ZeroPad, bytes.slice(..zeros), out);
        self.ledger.add(RegionClass::Trailing, bytes.slice(zeros..), out);
        self.trailing |= zeros < bytes.len();
    }

    fn settle(&mut self, len: u64, class: RegionClass, out: &mut Steps) {
        if self.mark != Mark::Whole {
            self.ledger.settle(len, class, out);
        }
    }

    fn fault(&mut self, offset: u64, detail: impl Into<String>, out: &mut Steps) {
        if self.mark != Mark::Whole {
            out.fault(Code::Unreadable, self.layer, Some(offset), detail);
        }
    }
}

impl Reader for Walker {
    fn footprint(&self) -> usize {
        let extension = match &self.state {
            State::Content { what: Content::Extension { content, .. }, .. } => content.capacity(),
            _ => 0,
        };
        size_of::<Self>() + self.block.capacity() + extension + self.ledger.footprint()
    }

    fn feed(&mut self, mut bytes: Bytes, out: &mut Steps) {
        if self.mark == Mark::Whole {
            self.tail(&bytes, out);
        }
        while !bytes.is_empty() {
            let ended = self.mark == Mark::Whole;
            match self.state {
                State::Header | State::SparseMap { .. } => self.pass_block(&mut bytes, out),
                State::Content { .. } => self.pass_content(&mut bytes, out),
                State::Padding { .. } => self.pass_padding(&mut bytes, out),
            }
            if !ended && self.mark == Mark::Whole {
                self.tail(&bytes, out);
            }
        }
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        let partial = self.block.len() as u64;
        if self.mark == Mark::Half && partial > 0 {
            self.end_archive(out);
        }
        // A layer that was itself cut or damaged has been told of; a member it cut is told of all the same.
        let cut = |walker: &mut Self, at: u64, detail: &str, out: &mut Steps| {
            if end == End::Complete {
                walker.fault(at, detail, out);
            }
        };
        let no_mark = "no end-of-archive mark: it may be cut short";
        match std::mem::replace(&mut self.state, State::Header) {
            State::Header if partial > 0 && self.mark == Mark::None => {
                if self.lost {
                    self.continue_lost(out);
                } else if self.ledger.held_is_zero() {
                    self.ledger.settle_all(RegionClass::ZeroPad, out);
                    cut(self, self.at, no_mark, out);
                } else {
                    cut(self, self.at - partial, "the archive is cut short in a header", out);
                }
            }
            State::Header if self.mark == Mark::None && !self.lost => cut(self, self.at, no_mark, out),
            State::Header => {}
            State::SparseMap { .. } => cut(self, self.at, "the archive is cut short in a sparse map", out),
            State::Padding { .. } => {
                self.settle_padding(out);
                cut(self, self.at, no_mark, out);
            }
            State::Content { what: Content::Member(member), left, .. } => {
                if self.mark != Mark::Whole {
                    let detail =
                        format!("`{}` is cut short: {left} bytes are missing", Escaped(&member.name));
                    out.fault(Code::Unreadable, member.item, Some(self.at), detail);
                }
                end_member(&member, if end == End::Damaged { end } else { End::Truncated }, out);
            }
            State::Content { .. } => {
                cut(self, self.at, "the archive is cut short in the data of an entry", out)
            }
        }
        self.ledger.finish(end, out);
    }
}

/// Closes a member, and says so if it is a container itself.
fn end_member(member: &Member, end: End, out: &mut Steps) {
    if let Some(format) = nested(&member.name, &member.head) {
        let detail = format!("hashed whole; what is inside a nested {} is not looked at", format.name());
        out.fault(Code::Opaque, member.item, None, detail);
    }
    out.close(member.item, end);
}
