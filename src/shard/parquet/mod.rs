//! Parquet: walked once from front to back for the ledger of its bytes, then read row group by row group for its values.
//!
//! "It parses" proves nothing here: of files with a flipped bit, most decode without an error. So the file's own word
//! is checked before the decoders of the `parquet` crate see any of it: [`footer`] bounds and looks over the metadata,
//! [`layout`] checks where it says that things lie, [`walk`] accounts for every byte and decodes each page header.
//! Only then [`groups`] has the chunks decoded that were found sound: [`pages`] reads and decompresses their pages, and
//! the crate decodes levels and values and puts all columns of some rows together ([`decoder`]).
//!
//! What is not known of the bytes: metadata in the footer and page headers, page indexes and bloom filters are
//! structure whatever they say, and bytes after the last value inside a page are not seen.

mod codec;
mod decoder;
mod delta;
mod faults;
mod footer;
mod groups;
mod keys;
mod layout;
mod leaves;
mod limits;
mod page_header;
mod pages;
pub(super) mod reads;
mod shape;
#[cfg(test)]
mod tests;
mod thrift;
mod walk;

use std::sync::Arc;

use bytes::Bytes;
use parquet::file::metadata::RowGroupMetaData;

use self::faults::Faults;
use self::footer::{Footer, MAGIC, NoFooter};
use self::groups::{Context, Groups};
use self::layout::Layout;
use self::reads::Reads;
use self::walk::Walk;
use super::division::{RowGroups, Shared};
use super::ledger::Ledger;
use super::{End, Format, ItemId, Need, Part, Place, Reader, RegionClass, Step, Steps};
use crate::finding::Code;
use crate::source::{Pool, Source};

/// Apache Parquet.
pub struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn recognises(&self, _name: &[u8], head: &[u8]) -> bool {
        head.starts_with(b"PAR1")
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        // Its footer lies at the end: in a stream or an archive it is not looked into.
        let source = place.source.as_ref()?;
        let footer = match source.stamp() {
            Ok(stamp) => {
                let reads = Reads::new(source.clone(), stamp.size);
                footer::read(&reads).map(|footer| (footer, reads))
            }
            Err(error) => Err(NoFooter::Unreadable(error.to_string())),
        };
        match footer {
            Ok((footer, reads)) => Some(Box::new(ParquetReader::new(footer, reads, place.part.clone(), out))),
            Err(NoFooter::Encrypted) => None,
            Err(NoFooter::Unreadable(why)) => {
                out.fault(Code::Unreadable, ItemId::FILE, None, why);
                Some(Box::new(Unfooted { ledger: Ledger::new(ItemId::FILE), at: 0 }))
            }
        }
    }

    fn is_divided(&self) -> bool {
        true
    }

    fn divide(&self, source: &Arc<dyn Source>, least: u64) -> Vec<Part> {
        let Ok(stamp) = source.stamp() else { return Vec::new() };
        let reads = Reads::new(source.clone(), stamp.size);
        let Ok(Footer { metadata, .. }) = footer::read(&reads) else { return Vec::new() };
        let groups = metadata.row_groups();
        let natural = |number: i64| u64::try_from(number).unwrap_or(0);
        let values = |group: &RowGroupMetaData| group.columns().iter().map(|c| natural(c.num_values())).sum();
        let values: u64 = groups.iter().map(values).fold(0, u64::saturating_add);
        // What may be over a limit is counted by one reader alone.
        if groups.len() < 2 || values > limits::values(reads.len) {
            return Vec::new();
        }
        let least = least.max(reads.len / limits::DIVISIONS);
        let mut ranges = Vec::new();
        let (mut start, mut bytes) = (0, 0u64);
        for (number, group) in groups.iter().enumerate() {
            bytes = bytes.saturating_add(natural(group.compressed_size()));
            if bytes >= least {
                ranges.push(start..number + 1);
                (start, bytes) = (number + 1, 0);
            }
        }
        match ranges.last_mut() {
            Some(last) => last.end = groups.len(),
            None => ranges.push(0..groups.len()),
        }
        let shared = Arc::new(Shared::new(ranges.len()));
        let part = |range| Part::Rows(RowGroups { range, shared: Arc::clone(&shared) });
        ranges.into_iter().map(part).collect()
    }
}

/// A Parquet file with a footer.
struct ParquetReader {
    footer: Footer,
    /// Bytes of memory that the footer takes once decoded.
    footer_size: usize,
    reads: Reads,
    walk: Walk,
    groups: Groups,
    faults: Faults,
    over: bool,
    /// Where another reader walks over the file: what the walk finds here, of which only faults are told.
    aside: Option<Steps>,
    /// Others decode the row groups.
    is_walk: bool,
}

impl ParquetReader {
    fn new(footer: Footer, reads: Reads, part: Part, out: &mut Steps) -> Self {
        let mut faults = Faults::default();
        let mut layout = Layout::new(&footer, &reads, &mut faults, out);
        let mut groups = Groups::new(&footer.metadata, &mut faults, out);
        let is_walk = matches!(part, Part::Walk);
        let mut aside = None;
        if let Part::Rows(part) = part {
            layout.keep(&part.range, reads.len);
            groups = groups.only(part);
            aside = Some(Steps::new(out.plan()));
        }
        ParquetReader {
            walk: Walk::new(layout),
            groups,
            footer_size: footer.metadata.memory_size(),
            footer,
            reads,
            faults,
            over: false,
            aside,
            is_walk,
        }
    }

    /// Does something with the walk; of what it says, only what is to be told here.
    fn walking(&mut self, out: &mut Steps, go: impl FnOnce(&mut Walk, &Footer, &mut Faults, &mut Steps)) {
        let Some(aside) = &mut self.aside else {
            return go(&mut self.walk, &self.footer, &mut self.faults, out);
        };
        go(&mut self.walk, &self.footer, &mut self.faults, aside);
        while let Some(step) = aside.pop() {
            if let Step::Fault(fault) = step {
                out.fault(fault.code, fault.item, fault.offset, fault.detail);
            }
        }
    }
}

impl Reader for ParquetReader {
    fn footprint(&self) -> usize {
        self.footer_size + self.walk.footprint() + self.groups.footprint(&self.walk.layout)
    }

    fn feed(&mut self, bytes: Bytes, out: &mut Steps) {
        self.walking(out, |walk, footer, faults, out| walk.feed(bytes, &footer.metadata, faults, out));
    }

    /// Once the last byte was fed, each piece of work decodes a batch of rows.
    fn work(&mut self, _pool: &mut Pool, out: &mut Steps) -> bool {
        if self.over || self.is_walk || !self.walk.is_over(self.reads.len) {
            return false;
        }
        let (metadata, layout, reads) = (&self.footer.metadata, &self.walk.layout, &self.reads);
        let context = Context { metadata, layout, reads };
        let more = self.groups.work(&context, &mut self.faults, out);
        self.over = !more;
        more
    }

    fn need(&self) -> Need {
        // Whoever decodes pages verifies their check sums.
        self.walk.need(|column| !self.is_walk && self.groups.wants(column))
    }

    fn pass(&mut self, len: u64, out: &mut Steps) {
        self.walking(out, |walk, footer, faults, out| walk.pass(len, &footer.metadata, faults, out));
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        self.groups.conclude(out);
        self.faults.conclude(out);
        self.walking(out, |walk, _, _, out| walk.finish(end, out));
    }
}

/// What begins as a Parquet file and has no footer: nothing tells what its bytes are.
struct Unfooted {
    ledger: Ledger,
    at: u64,
}

impl Reader for Unfooted {
    fn footprint(&self) -> usize {
        size_of::<Self>()
    }

    fn feed(&mut self, mut bytes: Bytes, out: &mut Steps) {
        let magic = bytes.split_to(MAGIC.saturating_sub(self.at).min(bytes.len() as u64) as usize);
        self.at += magic.len() as u64;
        self.ledger.add(RegionClass::Structure, magic, out);
        self.ledger.add(RegionClass::Opaque, bytes, out);
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        self.ledger.finish(end, out);
    }
}
