//! The walk over a zip while it is read once from front to back: every byte gets its class, every member is
//! decompressed and checked where it lies.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::again::Again;
use super::content::{Content, Progress};
use super::directory::{Directory, Slot};
use super::end::Ending;
use super::faults::Faults;
use super::gap::Gap;
use super::header::{CENTRAL_FIXED, DESCRIPTOR, Header, central_len, number32, number64};
use super::input::Input;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::ledger::Ledger;
use crate::shard::parquet::reads::Reads;
use crate::shard::{End, ItemId, Reader, RegionClass, Steps};
use crate::source::Pool;

/// What of a file is no entry.
#[derive(Debug)]
pub struct Frame {
    directory: Range<u64>,
    entries: u64,
    /// Records after the directory, the next one first.
    records: VecDeque<Range<u64>>,
    comment: Range<u64>,
    /// What the bytes after the end are.
    tail: RegionClass,
    contradictions: Vec<(u64, String)>,
}

impl Frame {
    /// As the end of an archive says.
    pub fn new(ending: Ending) -> Self {
        let Ending { directory, entries, records, comment, contradictions, .. } = ending;
        Frame {
            directory,
            entries,
            records: records.into(),
            comment,
            tail: RegionClass::Trailing,
            contradictions,
        }
    }

    /// Nothing tells what the bytes are.
    pub fn without_directory(tail: RegionClass) -> Self {
        Frame {
            directory: 0..0,
            entries: 0,
            records: VecDeque::new(),
            comment: 0..0,
            tail,
            contradictions: Vec::new(),
        }
    }
}

/// A zip being walked.
pub struct Walk {
    pub(super) layer: ItemId,
    pub(super) reads: Reads,
    pub(super) directory: Directory,
    frame: Frame,
    pub(super) ledger: Ledger,
    pub(super) input: Input,
    /// The entry that comes next, and how many before it were left for later, which stand in front.
    next: usize,
    later: usize,
    pub(super) state: State,
    pub(super) faults: Faults,
    again: Again,
}

pub(super) enum State {
    /// Where a part of the archive begins.
    Between,
    Gap(Gap),
    Data {
        content: Box<Content>,
        /// Its header, if sizes follow.
        header: Option<Box<Header>>,
    },
    /// The sizes after the data of an entry.
    Descriptor(Box<Header>),
}

impl Walk {
    /// At the beginning of a file.
    pub fn new(layer: ItemId, reads: Reads, directory: Directory, frame: Frame, out: &mut Steps) -> Self {
        let mut faults = Faults::new(layer);
        for (at, what) in &frame.contradictions {
            faults.of_archive(*at, out, || what.clone());
        }
        let found = directory.slots.len() as u64;
        if directory.range.end < frame.directory.end {
            faults.of_archive(directory.range.end, out, || {
                format!("the central directory is damaged here; {found} of its entries were read")
            });
        } else if found != frame.entries {
            faults.of_archive(frame.directory.start, out, || {
                format!(
                    "the central directory has {found} entries, its end says {}: readers disagree",
                    frame.entries
                )
            });
        }
        Walk {
            layer,
            again: Again::new(layer, frame.directory.start, reads.len),
            reads,
            directory,
            frame,
            ledger: Ledger::new(layer),
            input: Input::default(),
            next: 0,
            later: 0,
            state: State::Between,
            faults,
        }
    }

    /// Where entries end: the directory's first byte.
    pub(super) fn limit(&self) -> u64 {
        self.frame.directory.start
    }

    /// The entry that comes next; those that begin in what has passed are left for later.
    fn next_slot(&mut self) -> Option<Slot> {
        let (at, limit) = (self.input.at, self.limit());
        while let Some(slot) = self.directory.slots.get(self.next).copied() {
            if slot.local >= at && slot.local < limit {
                return Some(slot);
            }
            self.directory.slots[self.later] = slot;
            self.later += 1;
            self.next += 1;
        }
        None
    }

    fn advance(&mut self, pool: &mut Pool, out: &mut Steps) -> Progress {
        match &mut self.state {
            State::Between => match self.between(out) {
                Some(()) => Progress::More,
                None => Progress::Wait,
            },
            State::Gap(gap) => {
                let progress = gap.turn(&mut self.input, &mut self.ledger, &mut self.faults, pool, out);
                if progress == Progress::Done {
                    self.state = State::Between;
                    return Progress::More;
                }
                progress
            }
            State::Data { content, header } => {
                let progress = content.turn(&mut self.input, Some(&mut self.ledger), pool, out);
                if progress == Progress::Done {
                    self.state = header.take().map_or(State::Between, State::Descriptor);
                    return Progress::More;
                }
                progress
            }
            State::Descriptor(_) => match self.descriptor(out) {
                Some(()) => Progress::More,
                None => Progress::Wait,
            },
        }
    }

    /// What begins here; nothing if more input is needed.
    fn between(&mut self, out: &mut Steps) -> Option<()> {
        let at = self.input.at;
        let slot = self.next_slot();
        if at < self.limit() {
            return match slot {
                Some(slot) if slot.local == at => {
                    self.begin(slot, out)?;
                    self.next += 1;
                    Some(())
                }
                _ => self.enter_gap(slot.map_or(self.limit(), |slot| slot.local), RegionClass::Dead),
            };
        }
        if at < self.directory.range.end {
            return self.central(out);
        }
        let record = self.frame.records.front().cloned();
        match record {
            Some(record) if record.start == at => {
                let len = record.end - record.start;
                // A record after the directory is short, so it fits.
                self.input.peek(len as usize)?;
                self.pass(&[(len as usize, RegionClass::Structure)], out);
                self.frame.records.pop_front();
                Some(())
            }
            Some(record) => self.enter_gap(record.start, RegionClass::Dead),
            None if at < self.frame.comment.end => self.enter_gap(self.frame.comment.end, RegionClass::Dead),
            None if at < self.reads.len => self.enter_gap(self.reads.len, self.frame.tail),
            // A file that has grown meanwhile.
            None if self.input.len() > 0 => self.enter_gap(u64::MAX, self.frame.tail),
            None => None,
        }
    }

    fn enter_gap(&mut self, until: u64, class: RegionClass) -> Option<()> {
        // Nothing is known of bytes that have not come.
        (self.input.len() > 0).then(|| self.state = State::Gap(Gap::new(self.layer, until, class)))
    }

    /// A header of the directory.
    fn central(&mut self, out: &mut Steps) -> Option<()> {
        let fixed = self.input.peek(CENTRAL_FIXED)?;
        let len = fixed.first_chunk().map_or(CENTRAL_FIXED, central_len);
        let end = self.directory.range.end;
        if self.input.at + len as u64 <= end {
            let record = self.input.peek(len)?;
            if let Some(central) = super::header::Central::parse(&record) {
                self.pass(&central.classes(), out);
                return Some(());
            }
        }
        let at = self.input.at;
        self.faults.of_archive(at, out, || "the central directory changed while it was read".into());
        self.enter_gap(end, RegionClass::Opaque)
    }

    /// The sizes that follow the data of an entry, with or without a signature, of four or eight bytes (APPNOTE 4.3.9).
    fn descriptor(&mut self, out: &mut Steps) -> Option<()> {
        let limit = self.next_slot().map_or(self.limit(), |slot| slot.local);
        let State::Descriptor(header) = &self.state else { return Some(()) };
        let room = usize::try_from(limit.saturating_sub(self.input.at)).unwrap_or(usize::MAX).min(24);
        let bytes = self.input.peek(room)?;
        let mut len = descriptor_len(&bytes, header);
        if len.is_none() {
            let marked = bytes.starts_with(&DESCRIPTOR) && room >= 16;
            let what = if marked { "other sizes than the directory's" } else { "no sizes" };
            let name = Escaped(&header.name);
            self.faults.of_archive(self.input.at, out, || format!("{what} follow the data of `{name}`"));
            len = marked.then_some(if room == 24 { 24 } else { 16 });
        }
        self.pass(&[(len.unwrap_or(0), RegionClass::Structure)], out);
        self.state = State::Between;
        Some(())
    }

    /// The next bytes, which are there, are of these classes.
    pub(super) fn pass(&mut self, classes: &[(usize, RegionClass)], out: &mut Steps) {
        for (len, class) in classes {
            if *len > 0 && class.is_hidden() {
                self.ledger.announce(*len as u64);
            }
            let end = self.input.at + *len as u64;
            while self.input.at < end && self.input.len() > 0 {
                let bytes = self.input.take(end - self.input.at);
                self.ledger.add(*class, bytes, out);
            }
        }
    }
}

/// The length of the descriptor that these bytes begin with, the longest that fits.
fn descriptor_len(bytes: &Bytes, header: &Header) -> Option<usize> {
    let fits = |at: usize, wide: bool| {
        let end = at + if wide { 20 } else { 12 };
        let sizes = if wide {
            (number64(bytes, at + 4), number64(bytes, at + 12))
        } else {
            (u64::from(number32(bytes, at + 4)), u64::from(number32(bytes, at + 8)))
        };
        let equal = number32(bytes, at) == header.crc && sizes == (header.compressed, header.uncompressed);
        (bytes.len() >= end && equal).then_some(end)
    };
    let marked = bytes.starts_with(&DESCRIPTOR);
    let with = |wide| if marked { fits(4, wide) } else { None };
    with(true).or_else(|| fits(0, true)).or_else(|| with(false)).or_else(|| fits(0, false))
}

impl Reader for Walk {
    fn footprint(&self) -> usize {
        let state = match &self.state {
            State::Gap(gap) => gap.footprint(),
            State::Data { content, .. } => content.footprint(),
            State::Between | State::Descriptor(_) => 0,
        };
        size_of::<Self>()
            + state
            + self.directory.footprint()
            + self.ledger.footprint()
            + self.input.len()
            + self.again.footprint()
    }

    fn feed(&mut self, bytes: Bytes, _out: &mut Steps) {
        self.input.push(bytes);
    }

    fn work(&mut self, pool: &mut Pool, out: &mut Steps) -> bool {
        let walked = self.input.at >= self.reads.len && self.input.len() == 0;
        if walked && matches!(self.state, State::Between) {
            self.next_slot();
            return self.again.work(
                self.later,
                &mut self.directory,
                &self.reads,
                &mut self.faults,
                pool,
                out,
            );
        }
        self.advance(pool, out) != Progress::Wait
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Gap(mut gap) => gap.abort(end, out),
            State::Data { mut content, .. } => {
                let detail = "it ends within an entry whose size its directory told";
                out.fault(Code::Unreadable, content.item, Some(self.input.at), detail);
                content.abort(end, out);
            }
            State::Between | State::Descriptor(_) => {}
        }
        self.again.abort(end, out);
        let left = self.directory.slots.len() - self.next + self.later - self.again.done();
        if left > 0 {
            let detail = format!("{left} of its entries were not read");
            out.fault(Code::Unreadable, self.layer, Some(self.input.at), detail);
        }
        self.ledger.settle_open(RegionClass::Opaque, out);
        while self.input.len() > 0 {
            let bytes = self.input.take(u64::MAX);
            self.ledger.add(RegionClass::Opaque, bytes, out);
        }
        self.faults.conclude(out);
        self.ledger.finish(end, out);
    }
}
