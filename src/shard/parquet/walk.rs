//! The walk over a Parquet file while it is read once from front to back: every byte gets its class, every page header
//! is decoded, every page check sum verified.
//!
//! Where nobody wants the file as a whole, bodies of pages are passed over unless a check sum of a wanted column is to
//! be verified; page headers, indexes and whatever is hidden are read all the same.
//!
//! A column chunk is its pages, one after the other, each with its header (Parquet format, "Column chunks"): they must
//! fill `total_compressed_size` and hold `num_values` values exactly.

use bytes::Bytes;
use parquet::file::metadata::ParquetMetaData;

use super::faults::Faults;
use super::layout::{Chunk, Layout, Part, Standing, chunk_name};
use super::limits;
use super::page_header::{PageHeader, PageKind, page_header};
use super::thrift::Trouble;
use crate::finding::Code;
use crate::shard::ledger::Ledger;
use crate::shard::{End, ItemId, Need, RegionClass, Steps};
use crate::source::{PIECE, first_nonzero};

/// Bytes by which an unfinished page header is fed at first.
const FIRST_BITE: usize = 1024;
/// Bytes that are read where a page header is to come: most are shorter.
const HEADER_READ: usize = 256;

/// The walk's state between pieces.
pub struct Walk {
    /// The parts of the file; chunks get their standing here.
    pub layout: Layout,
    ledger: Ledger,
    /// Bytes classed.
    at: u64,
    /// The part of the file that comes next.
    next: usize,
    state: State,
    /// The beginning of a page header of which more is to come.
    partial: Vec<u8>,
    /// Something in the present gap is not zero.
    dirty: bool,
    /// Values and pages of the present chunk.
    values: u64,
    pages: u64,
}

enum State {
    /// In a gap, or where a part begins.
    Between,
    /// So many bytes of structure follow.
    Structure(u64),
    /// A page header is to come, in a chunk with so many bytes left.
    Header { chunk: usize, left: u64 },
    /// So many bytes of a page are to come.
    Body {
        chunk: usize,
        left: u64,
        body: u64,
        class: RegionClass,
        header: PageHeader,
        /// Of its bytes so far; none once any was passed over.
        crc: Option<crc32fast::Hasher>,
    },
    /// So many bytes follow that cannot be interpreted.
    Lost(u64),
    /// So many bytes follow that others read.
    Elsewhere(u64),
}

impl Walk {
    /// At the beginning of a file of this layout.
    pub fn new(layout: Layout) -> Self {
        Walk {
            layout,
            ledger: Ledger::new(ItemId::FILE),
            at: 0,
            next: 0,
            state: State::Between,
            partial: Vec::new(),
            dirty: false,
            values: 0,
            pages: 0,
        }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.partial.capacity()
            + self.layout.chunks.capacity() * size_of::<Chunk>()
            + self.layout.spans.capacity() * size_of::<super::layout::Span>()
    }

    /// Whether a file of this length was walked to its end.
    pub fn is_over(&self, len: u64) -> bool {
        self.at + self.partial.len() as u64 >= len
    }

    /// Takes the next bytes.
    pub fn feed(
        &mut self,
        mut bytes: Bytes,
        metadata: &ParquetMetaData,
        faults: &mut Faults,
        out: &mut Steps,
    ) {
        while !bytes.is_empty() {
            if self.partial.is_empty() {
                if !self.go(&mut bytes, metadata, faults, out) {
                    // A page header that goes on in the next piece.
                    self.partial.extend_from_slice(&bytes);
                    return;
                }
            } else {
                let bite = self.partial.len().clamp(FIRST_BITE, PIECE).min(bytes.len());
                self.partial.extend_from_slice(&bytes.split_to(bite));
                let mut whole = Bytes::from(std::mem::take(&mut self.partial));
                while !whole.is_empty() {
                    if !self.go(&mut whole, metadata, faults, out) {
                        self.partial.extend_from_slice(&whole);
                        break;
                    }
                }
            }
        }
    }

    /// What is needed next, if the values of these columns are wanted.
    pub fn need(&self, wants: impl Fn(usize) -> bool) -> Need {
        let bytes = |most: u64| Need::Bytes(usize::try_from(most).unwrap_or(usize::MAX));
        match &self.state {
            State::Between => {
                let Some(span) = self.layout.spans.get(self.next) else { return bytes(u64::MAX) };
                let (start, end) = (span.range.start, span.range.end);
                match span.part {
                    _ if self.at < start => bytes(start - self.at),
                    // The last part is the footer, which was read.
                    Part::Structure if self.next + 1 == self.layout.spans.len() => Need::Pass(end - start),
                    Part::Structure => bytes(end - start),
                    Part::Elsewhere => Need::Pass(end - start),
                    Part::Chunk(_) => bytes((end - start).min(HEADER_READ as u64)),
                }
            }
            State::Structure(left) => bytes(*left),
            State::Elsewhere(left) => Need::Pass(*left),
            State::Lost(left) => bytes(*left),
            State::Header { left, .. } => {
                let more = self.partial.len().clamp(HEADER_READ, PIECE) as u64;
                bytes(more.min(left.saturating_sub(self.partial.len() as u64)).max(1))
            }
            State::Body { chunk, body, class, header, .. } => {
                let wanted = self.layout.chunks.get(*chunk).is_some_and(|chunk| wants(chunk.column));
                match class {
                    RegionClass::Payload if header.crc.is_none() || !wanted => Need::Pass(*body),
                    _ => bytes(*body),
                }
            }
        }
    }

    /// So many bytes of a footer, a page or what others read, as [`Walk::need`] said, are passed over.
    pub fn pass(&mut self, len: u64, metadata: &ParquetMetaData, faults: &mut Faults, out: &mut Steps) {
        self.at += len;
        match &mut self.state {
            State::Body { body, left, crc, .. } => {
                *body = body.saturating_sub(len);
                *left = left.saturating_sub(len);
                *crc = None;
                let over = *body == 0;
                self.ledger.pass(RegionClass::Payload, len, out);
                if over {
                    self.end_page(metadata, faults, out);
                }
                return;
            }
            State::Elsewhere(left) => {
                *left = left.saturating_sub(len);
                if *left == 0 {
                    self.state = State::Between;
                }
            }
            _ => self.next += 1,
        }
        self.ledger.pass(RegionClass::Structure, len, out);
    }

    /// The file has ended.
    pub fn finish(&mut self, end: End, out: &mut Steps) {
        let rest = Bytes::from(std::mem::take(&mut self.partial));
        self.add_lost(rest, out);
        self.ledger.finish(end, out);
    }

    /// Takes some of the bytes; `false` if there are too few of them.
    fn go(
        &mut self,
        bytes: &mut Bytes,
        metadata: &ParquetMetaData,
        faults: &mut Faults,
        out: &mut Steps,
    ) -> bool {
        match &mut self.state {
            State::Between => self.between(bytes, out),
            State::Structure(left) => {
                let part = take(bytes, *left);
                *left -= part.len() as u64;
                if *left == 0 {
                    self.state = State::Between;
                }
                self.add(RegionClass::Structure, part, out);
            }
            State::Elsewhere(left) => {
                let part = take(bytes, *left);
                *left -= part.len() as u64;
                if *left == 0 {
                    self.state = State::Between;
                }
                self.add(RegionClass::Structure, part, out);
            }
            State::Lost(left) => {
                let part = take(bytes, *left);
                *left -= part.len() as u64;
                if *left == 0 {
                    self.state = State::Between;
                }
                self.add_lost(part, out);
            }
            State::Header { chunk, left } => {
                let (chunk, left) = (*chunk, *left);
                return self.header(chunk, left, bytes, metadata, faults, out);
            }
            State::Body { body, left, class, crc, .. } => {
                let part = take(bytes, *body);
                *body -= part.len() as u64;
                *left -= part.len() as u64;
                if let Some(crc) = crc {
                    crc.update(&part);
                }
                let (class, over) = (*class, *body == 0);
                self.add(class, part, out);
                if over {
                    self.end_page(metadata, faults, out);
                }
            }
        }
        true
    }

    /// A gap up to the next part: zeros are padding; from the first byte that is not zero on it is dead.
    fn between(&mut self, bytes: &mut Bytes, out: &mut Steps) {
        let Some(span) = self.layout.spans.get(self.next) else {
            // The file grew after its footer was read.
            let rest = take(bytes, u64::MAX);
            return self.add(RegionClass::Trailing, rest, out);
        };
        let (start, len) = (span.range.start, span.range.end - span.range.start);
        if self.at < start {
            let mut part = take(bytes, start - self.at);
            if !self.dirty {
                let zeros = first_nonzero(&part).unwrap_or(part.len());
                self.add(RegionClass::ZeroPad, part.split_to(zeros), out);
                if !part.is_empty() {
                    self.dirty = true;
                    self.ledger.announce(start - self.at);
                }
            }
            return self.add(RegionClass::Dead, part, out);
        }
        self.next += 1;
        self.dirty = false;
        self.state = match span.part {
            Part::Structure => State::Structure(len),
            Part::Elsewhere => State::Elsewhere(len),
            Part::Chunk(chunk) => {
                (self.values, self.pages) = (0, 0);
                State::Header { chunk, left: len }
            }
        };
    }

    fn header(
        &mut self,
        chunk: usize,
        left: u64,
        bytes: &mut Bytes,
        metadata: &ParquetMetaData,
        faults: &mut Faults,
        out: &mut Steps,
    ) -> bool {
        // What is left of the chunk and at hand.
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (header, len) = match page_header(&bytes[..here]) {
            Ok(found) => found,
            Err(Trouble::Short) if (here as u64) < left && here < limits::PAGE_HEADER => return false,
            Err(trouble) => {
                let why = match trouble {
                    Trouble::Bad(why) => why,
                    Trouble::Short if here as u64 == left => "its last page header is cut off by its end",
                    Trouble::Short => "its page header is over the limit of 1 MiB",
                };
                self.lose(chunk, left, why, metadata, faults, out);
                return true;
            }
        };
        let left = left - len as u64;
        let stretch = self.layout.chunks.get(chunk).and_then(|chunk| chunk.stretch);
        if let Err(why) = header.check(left, stretch) {
            self.lose(chunk, left + len as u64, why, metadata, faults, out);
            return true;
        }
        self.add(RegionClass::Structure, bytes.split_to(len), out);
        let class = match header.kind {
            PageKind::Data | PageKind::Dictionary => RegionClass::Payload,
            PageKind::Skipped => RegionClass::Dead,
        };
        if class == RegionClass::Dead && header.compressed > 0 {
            self.ledger.announce(u64::from(header.compressed));
        }
        let body = u64::from(header.compressed);
        self.state = State::Body { chunk, left, body, class, header, crc: Some(crc32fast::Hasher::new()) };
        if body == 0 {
            self.end_page(metadata, faults, out);
        }
        true
    }

    /// A page has ended, and perhaps its chunk.
    fn end_page(&mut self, metadata: &ParquetMetaData, faults: &mut Faults, out: &mut Steps) {
        let State::Body { chunk: index, left, header, crc, .. } =
            std::mem::replace(&mut self.state, State::Between)
        else {
            return;
        };
        let Some(chunk) = self.layout.chunks.get_mut(index) else { return };
        chunk.largest = chunk.largest.max(u64::from(header.uncompressed));
        let crc = crc.map(crc32fast::Hasher::finalize);
        if crc.is_some_and(|crc| header.crc.is_some_and(|said| said != crc)) {
            let (page, name) = (self.pages, || chunk_name(metadata, chunk.group, chunk.column));
            faults.tell(Code::Unreadable, out, || {
                format!("{}, page {page}: the page check sum is wrong", name())
            });
            chunk.standing = Standing::Refused;
        }
        if header.kind == PageKind::Data {
            self.values += u64::from(header.values);
        }
        self.pages += 1;
        if left > 0 {
            self.state = State::Header { chunk: index, left };
            return;
        }
        if chunk.standing == Standing::Claimed {
            chunk.standing = Standing::Sound;
            if self.values != chunk.values {
                let (held, said) = (self.values, chunk.values);
                let name = || chunk_name(metadata, chunk.group, chunk.column);
                faults.tell(Code::Unreadable, out, || {
                    format!("{}: its pages hold {held} values, its footer says {said}", name())
                });
                chunk.standing = Standing::Refused;
            }
        }
    }

    /// What is left of a chunk cannot be interpreted.
    fn lose(
        &mut self,
        index: usize,
        left: u64,
        why: &str,
        metadata: &ParquetMetaData,
        faults: &mut Faults,
        out: &mut Steps,
    ) {
        if let Some(chunk) = self.layout.chunks.get_mut(index) {
            chunk.standing = Standing::Refused;
            let (page, name) = (self.pages, || chunk_name(metadata, chunk.group, chunk.column));
            faults.tell(Code::Unreadable, out, || format!("{}, page {page}: {why}", name()));
        }
        self.ledger.announce(left);
        self.state = State::Lost(left);
    }

    fn add(&mut self, class: RegionClass, bytes: Bytes, out: &mut Steps) {
        self.at += bytes.len() as u64;
        self.ledger.add(class, bytes, out);
    }

    fn add_lost(&mut self, bytes: Bytes, out: &mut Steps) {
        // A header that was given up may be longer than a piece may be.
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let part = take(&mut bytes, PIECE as u64);
            self.add(RegionClass::Opaque, part, out);
        }
    }
}

fn take(bytes: &mut Bytes, most: u64) -> Bytes {
    let n = usize::try_from(most).map_or(bytes.len(), |most| most.min(bytes.len()));
    bytes.split_to(n)
}
