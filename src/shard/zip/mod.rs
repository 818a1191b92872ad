//! Zip archives (PKWARE APPNOTE 6.3.10), zip64 among them.
//!
//! The directory at the end is read first, by itself ([`end`], [`directory`]); then the file is walked once from front
//! to back ([`walk`]): members at the directory's word ([`content`]), and whatever the directory does not claim as
//! hidden bytes ([`gap`]). Entries that share bytes with others are read again where they lie ([`again`]).
//!
//! Readers disagree about zips more than about any other archive: some go by the directory, some front to back, some by
//! counts, some by sizes. What this one shows is what the last directory names; whatever another reader could show
//! besides is a fault or a hidden member.

mod again;
mod begin;
mod content;
mod directory;
mod end;
mod extra;
mod faults;
mod gap;
mod header;
mod input;
mod limits;
mod walk;

use std::sync::Arc;

use bytes::Bytes;

use self::directory::Directory;
use self::end::NoEnding;
use self::walk::{Frame, Walk};
use super::parquet::reads::Reads;
use super::text::{is_called, is_pointer};
use super::{Format, HEAD, Place, Reader, RegionClass, Steps, recognise};
use crate::finding::Code;
use crate::source::Source;

/// A zip archive, known by how it begins: with an entry, with its end, or with the mark of one in parts.
pub struct Zip;

/// What is called a zip and begins otherwise: something stands before the archive, or it is none. A zip is known by its
/// end, so that whatever stands before it, readers of zips show what is in it.
pub struct CalledZip;

/// A document or program that is a zip by the way: its entries are parts of one thing and are not samples.
pub struct ZippedDocument;

const ENDINGS: &[&[u8]] = &[b".zip", b".npz"];
const DOCUMENTS: &[&[u8]] = &[
    b".jar", b".war", b".ear", b".apk", b".aar", b".xpi", b".whl", b".docx", b".xlsx", b".pptx", b".docm",
    b".xlsm", b".pptm", b".odt", b".ods", b".odp", b".odg", b".epub", b".pt", b".pth", b".keras", b".nupkg",
    b".vsix",
];

fn begins(head: &[u8]) -> bool {
    [header::LOCAL, header::END, header::DESCRIPTOR].iter().any(|magic| head.starts_with(magic))
}

impl Format for Zip {
    fn name(&self) -> &'static str {
        "zip"
    }

    fn recognises(&self, _name: &[u8], head: &[u8]) -> bool {
        begins(head)
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        // Its directory lies at the end: in a stream or an archive it is not looked into.
        let source = place.source.as_ref()?;
        Some(Box::new(open(source, place, RegionClass::Opaque, out)))
    }
}

impl Format for CalledZip {
    fn name(&self) -> &'static str {
        Zip.name()
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        is_called(name, ENDINGS) && !is_pointer(head)
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        let source = place.source.as_ref()?;
        let head = head_of(source).unwrap_or_default();
        let other = other_format(source, &head);
        // What is no zip by anything but its name hides nothing.
        let class = if begins(&head) { RegionClass::Opaque } else { RegionClass::Payload };
        match other.map(|format| (format, format.reader(place, out))) {
            None => Some(Box::new(open(source, place, class, out))),
            Some((_, Some(reader))) => Some(reader),
            Some((format, None)) => {
                let detail = format!("hashed whole; what is inside a {} is not looked at", format.name());
                out.fault(Code::Opaque, place.layer, None, detail);
                Some(Box::new(without_directory(source, place, 0, RegionClass::Payload)))
            }
        }
    }
}

/// The first bytes of a file.
fn head_of(source: &Arc<dyn Source>) -> Option<Bytes> {
    let reads = Reads::new(Arc::clone(source), source.stamp().ok()?.size);
    reads.exactly(0, HEAD.min(usize::try_from(reads.len).unwrap_or(HEAD))).ok()
}

/// What a file that is called a zip is by its content, where that has no end of a zip.
fn other_format(source: &Arc<dyn Source>, head: &[u8]) -> Option<&'static dyn Format> {
    let format = recognise(b"", head).filter(|_| !begins(head))?;
    let reads = Reads::new(Arc::clone(source), source.stamp().ok()?.size);
    matches!(end::find(&reads), Err(NoEnding::Absent)).then_some(format)
}

impl Format for ZippedDocument {
    fn name(&self) -> &'static str {
        "zip that is a document or program"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        begins(head) && is_called(name, DOCUMENTS)
    }

    fn is_closed(&self) -> bool {
        true
    }

    fn reader(&self, _place: &Place, _out: &mut Steps) -> Option<Box<dyn Reader>> {
        None
    }
}

/// A walk over a file; where there is no directory, all of it is of this class.
fn open(source: &Arc<dyn Source>, place: &Place, otherwise: RegionClass, out: &mut Steps) -> Walk {
    let len = match source.stamp() {
        Ok(stamp) => stamp.size,
        Err(error) => {
            out.fault(Code::Unreadable, place.layer, None, error.to_string());
            0
        }
    };
    let reads = Reads::new(Arc::clone(source), len);
    let framed = end::find(&reads).and_then(|ending| {
        let loaded = Directory::load(reads.clone(), ending.directory.clone(), ending.base);
        Ok((loaded.map_err(NoEnding::Unreadable)?, ending))
    });
    match framed {
        Ok((directory, ending)) => Walk::new(place.layer, reads, directory, Frame::new(ending), out),
        Err(why) => {
            let why = match why {
                NoEnding::Unreadable(why) => why,
                NoEnding::Absent if otherwise == RegionClass::Opaque => {
                    "it begins as a zip and has no end of one: it may be cut short".into()
                }
                NoEnding::Absent => "its name is that of a zip, its content is not: it may be damaged".into(),
            };
            out.fault(Code::Unreadable, place.layer, None, why);
            without_directory(source, place, len, otherwise)
        }
    }
}

/// A walk over a file of this length of which nothing tells what its bytes are, so that all are of this class.
fn without_directory(source: &Arc<dyn Source>, place: &Place, len: u64, class: RegionClass) -> Walk {
    let reads = Reads::new(Arc::clone(source), len);
    let directory = Directory::empty(reads.clone(), 0);
    Walk::new(
        place.layer,
        reads,
        directory,
        Frame::without_directory(class),
        &mut Steps::new(&Default::default()),
    )
}
