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
mod reads;
mod shape;
#[cfg(test)]
mod tests;
mod thrift;
mod walk;

use bytes::Bytes;

use self::faults::Faults;
use self::footer::{Footer, MAGIC, NoFooter};
use self::groups::{Context, Groups};
use self::layout::Layout;
use self::reads::Reads;
use self::walk::Walk;
use super::ledger::Ledger;
use super::{End, Format, ItemId, Need, Place, Reader, RegionClass, Steps};
use crate::finding::Code;
use crate::source::Pool;

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
            Ok((footer, reads)) => Some(Box::new(ParquetReader::new(footer, reads, out))),
            Err(NoFooter::Encrypted) => None,
            Err(NoFooter::Unreadable(why)) => {
                out.fault(Code::Unreadable, ItemId::FILE, None, why);
                Some(Box::new(Unfooted { ledger: Ledger::new(ItemId::FILE), at: 0 }))
            }
        }
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
}

impl ParquetReader {
    fn new(footer: Footer, reads: Reads, out: &mut Steps) -> Self {
        let mut faults = Faults::default();
        let layout = Layout::new(&footer, &reads, &mut faults, out);
        ParquetReader {
            walk: Walk::new(layout),
            groups: Groups::new(&footer.metadata, &mut faults, out),
            footer_size: footer.metadata.memory_size(),
            footer,
            reads,
            faults,
            over: false,
        }
    }
}

impl Reader for ParquetReader {
    fn footprint(&self) -> usize {
        self.footer_size + self.walk.footprint() + self.groups.footprint(&self.walk.layout)
    }

    fn feed(&mut self, bytes: Bytes, out: &mut Steps) {
        self.walk.feed(bytes, &self.footer.metadata, &mut self.faults, out);
    }

    /// Once the last byte was fed, each piece of work decodes a batch of rows.
    fn work(&mut self, _pool: &mut Pool, out: &mut Steps) -> bool {
        if self.over || !self.walk.is_over(self.reads.len) {
            return false;
        }
        let (metadata, layout, reads) = (&self.footer.metadata, &self.walk.layout, &self.reads);
        let context = Context { metadata, layout, reads };
        let more = self.groups.work(&context, &mut self.faults, out);
        self.over = !more;
        more
    }

    fn need(&self) -> Need {
        self.walk.need(|column| self.groups.wants(column))
    }

    fn pass(&mut self, len: u64, out: &mut Steps) {
        self.walk.pass(len, &self.footer.metadata, &mut self.faults, out);
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        self.groups.conclude(out);
        self.faults.conclude(out);
        self.walk.finish(end, out);
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
