//! The table of formats, and the layer that asks it what its bytes are.

use bytes::Bytes;

use super::arrow::{Arrow, OldArrow, is_called_arrow};
use super::compressed::{BZIP2, CODECS, GZIP, XZ, ZSTD};
use super::csv::Csv;
use super::jsonl::JsonLines;
use super::ledger::Ledger;
use super::mds::{Mds, is_called_mds};
use super::parquet::Parquet;
use super::tar::{CalledTar, Tar};
use super::text::{Text, Wide, is_pointer};
use super::zip::{CalledZip, Zip, ZippedDocument};
use super::{End, Format, HEAD, ItemId, Need, Part, Place, Reader, RegionClass, Steps};
use crate::finding::Code;
use crate::source::Pool;

/// What is called a zip comes first, since its end and not its beginning makes it one. Then tar, as in GNU tar: a check
/// sum that fits is better evidence than a magic number, which the name of a first member can imitate. What is only
/// called a tar comes last.
static FORMATS: &[&dyn Format] = &[
    &CalledZip,
    &Tar,
    &GZIP,
    &ZSTD,
    &BZIP2,
    &XZ,
    &ZippedDocument,
    &Zip,
    &Closed { name: "7z", magics: &[b"7z\xbc\xaf\x27\x1c"] },
    &Closed { name: "rar", magics: &[b"Rar!\x1a\x07"] },
    &Parquet,
    &Closed { name: "encrypted Parquet file", magics: &[b"PARE"] },
    &Arrow,
    &OldArrow,
    &Closed { name: "Feather file of version 1", magics: &[b"FEA1"] },
    &Closed { name: "hdf5", magics: &[b"\x89HDF\r\n\x1a\n"] },
    &Closed { name: "sqlite", magics: &[b"SQLite format 3\0"] },
    &Closed { name: "lz4", magics: &[b"\x04\x22\x4d\x18"] },
    &Mds,
    &Wide,
    &JsonLines,
    &Csv,
    &Text,
    &CalledTar,
    &Miscalled,
];

/// All formats that are recognised, in the order in which they are asked.
pub fn formats() -> &'static [&'static dyn Format] {
    FORMATS
}

/// The format of what is called so and begins so. An empty name leaves it to the content.
pub fn recognise(name: &[u8], head: &[u8]) -> Option<&'static dyn Format> {
    formats().iter().copied().find(|format| format.recognises(name, head))
}

/// The format of a member of an archive that would be opened if it lay in a folder: by its first bytes, and by the names
/// that tables and archives have. Other texts are samples as they are.
pub fn nested(name: &[u8], head: &[u8]) -> Option<&'static dyn Format> {
    const NAMES: [&[u8]; 8] = [b".jsonl", b".ndjson", b".csv", b".tsv", b".zip", b".npz", b".mds", b".tar"];
    let lower = name.to_ascii_lowercase();
    let is_named = !head.is_empty() && NAMES.iter().any(|ending| lower.ends_with(ending));
    recognise(b"", head).or_else(|| is_named.then(|| recognise(name, head)).flatten())
}

/// A format that is known by its magic number and not looked into.
struct Closed {
    name: &'static str,
    magics: &'static [&'static [u8]],
}

impl Format for Closed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn recognises(&self, _name: &[u8], head: &[u8]) -> bool {
        self.magics.iter().any(|magic| head.starts_with(magic))
    }

    fn is_closed(&self) -> bool {
        true
    }

    fn reader(&self, _place: &Place, _out: &mut Steps) -> Option<Box<dyn Reader>> {
        None
    }
}

/// What is called a tar, a compressed stream, Arrow data or an MDS shard, and is none of them.
struct Miscalled;

impl Format for Miscalled {
    fn name(&self) -> &'static str {
        "container by its name only"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        // A pointer stands in place of data of any name, and is told as what it is.
        if is_pointer(head) {
            return false;
        }
        let compressed = CODECS.iter().any(|codec| codec.stream_name(name).is_some());
        compressed
            || is_called_arrow(name)
            || is_called_mds(name)
            || name.to_ascii_lowercase().ends_with(b".tar")
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        let detail = if is_called_arrow(&place.name) {
            "its name is that of Arrow data, its content is not: it may be damaged"
        } else if is_called_mds(&place.name) {
            "its name is that of an MDS shard, its content is not: it may be damaged"
        } else {
            "its name is that of an archive or compressed file, its content is not: it may be damaged"
        };
        out.fault(Code::Unreadable, place.layer, Some(0), detail);
        Some(Box::new(Plain(Ledger::new(place.layer))))
    }
}

/// A layer without a format: all of it is content.
struct Plain(Ledger);

impl Reader for Plain {
    fn footprint(&self) -> usize {
        size_of::<Self>()
    }

    fn feed(&mut self, bytes: Bytes, out: &mut Steps) {
        self.0.add(RegionClass::Payload, bytes, out);
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        self.0.finish(end, out);
    }
}

/// The bytes of a file or stream in order. They wait until its head shows what it is; then they go to the reader of
/// its format, or are plain content.
pub struct Layer {
    place: Place,
    state: State,
}

enum State {
    Waiting { pieces: Vec<Bytes>, len: usize },
    Read(Box<dyn Reader>),
}

impl Layer {
    /// A layer whose format is not yet known.
    pub fn new(place: Place) -> Self {
        Layer { place, state: State::Waiting { pieces: Vec::new(), len: 0 } }
    }

    /// A layer that is not looked into.
    pub fn plain(layer: ItemId) -> Self {
        let place = Place { layer, name: Vec::new(), depth: 0, source: None, part: Part::Whole };
        Layer { place, state: State::Read(Box::new(Plain(Ledger::new(layer)))) }
    }

    /// No more bytes will come: if the format was not known it is to be decided now, after which there may be work.
    pub fn decide(&mut self, out: &mut Steps) {
        let State::Waiting { pieces, .. } = &mut self.state else {
            return;
        };
        let pieces = std::mem::take(pieces);
        let mut head = Vec::with_capacity(HEAD);
        for piece in &pieces {
            head.extend_from_slice(&piece[..piece.len().min(HEAD - head.len())]);
        }
        let mut format = recognise(&self.place.name, &head);
        if self.place.part.is_rows() && !format.is_some_and(|format| format.is_divided()) {
            let detail = "its content is no longer that of a file whose rows can be read by themselves";
            out.fault(Code::Unreadable, self.place.layer, Some(0), detail);
            format = None;
        }
        self.state = match format.and_then(|format| format.reader(&self.place, out)) {
            Some(reader) => State::Read(reader),
            None => {
                if let Some(format) = format {
                    let detail = format!("hashed whole; what is inside a {} is not looked at", format.name());
                    out.fault(Code::Opaque, self.place.layer, None, detail);
                }
                State::Read(Box::new(Plain(Ledger::new(self.place.layer))))
            }
        };
        for piece in pieces {
            self.feed(piece, out);
        }
    }
}

impl Reader for Layer {
    fn footprint(&self) -> usize {
        size_of::<Self>()
            + match &self.state {
                State::Waiting { len, .. } => *len,
                State::Read(reader) => reader.footprint(),
            }
    }

    fn feed(&mut self, bytes: Bytes, out: &mut Steps) {
        match &mut self.state {
            State::Waiting { pieces, len } => {
                *len += bytes.len();
                pieces.push(bytes);
                if *len >= HEAD {
                    self.decide(out);
                }
            }
            State::Read(reader) => reader.feed(bytes, out),
        }
    }

    fn work(&mut self, pool: &mut Pool, out: &mut Steps) -> bool {
        match &mut self.state {
            State::Read(reader) => reader.work(pool, out),
            _ => false,
        }
    }

    fn need(&self) -> Need {
        match &self.state {
            // Whatever it turns out to be may need no more than its head.
            State::Waiting { len, .. } => Need::Bytes(HEAD.saturating_sub(*len).max(1)),
            State::Read(reader) => reader.need(),
        }
    }

    fn pass(&mut self, len: u64, out: &mut Steps) {
        if let State::Read(reader) = &mut self.state {
            reader.pass(len, out);
        }
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        self.decide(out);
        match &mut self.state {
            State::Waiting { .. } => {}
            State::Read(reader) => reader.finish(end, out),
        }
    }
}
