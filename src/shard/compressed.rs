//! A compressed layer: its bytes go through a decoder, and what comes out is a layer of its own.

use std::collections::VecDeque;

use bytes::Bytes;

use super::formats::Layer;
use super::ledger::Ledger;
use super::steps::{Opening, share};
use super::{End, Format, ItemId, Kind, Part, Place, Reader, Steps};
use crate::finding::Code;
use crate::source::bzip2::{self, Bzip2};
use crate::source::decoder::{Damage, Decoder, Turn};
use crate::source::gzip::Gzip;
use crate::source::xz::{self, Xz};
use crate::source::zstd::Zstd;
use crate::source::{PIECE, Pool, RegionClass};

/// A format that is one compressed stream.
pub struct Codec {
    name: &'static str,
    /// Endings of file names, and what takes their place in the name of the stream.
    endings: &'static [(&'static [u8], &'static [u8])],
    begins: fn(&[u8]) -> bool,
    decoder: fn() -> Box<dyn Decoder>,
}

/// gzip (RFC 1952 §2.3.1: two magic bytes and the only method there is).
pub static GZIP: Codec = Codec {
    name: "gzip",
    endings: &[(b".gz", b""), (b".gzip", b""), (b".tgz", b".tar"), (b".taz", b".tar")],
    begins: |head| head.starts_with(&[0x1f, 0x8b, 8]),
    decoder: || Box::new(Gzip::default()),
};

/// Zstandard, which may begin with a skippable frame (RFC 8878 §3.1.1 and §3.1.2).
pub static ZSTD: Codec = Codec {
    name: "zstd",
    endings: &[(b".zst", b""), (b".zstd", b""), (b".tzst", b".tar")],
    begins: |head| matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]),
    decoder: || Box::new(Zstd::default()),
};

/// bzip2. Its three magic letters may begin a text: what follows them is asked for as well.
pub static BZIP2: Codec = Codec {
    name: "bzip2",
    endings: &[(b".bz2", b""), (b".tbz2", b".tar"), (b".tbz", b".tar")],
    begins: bzip2::begins,
    decoder: || Box::new(Bzip2::default()),
};

/// xz (xz-file-format 1.2.1).
pub static XZ: Codec = Codec {
    name: "xz",
    endings: &[(b".xz", b""), (b".txz", b".tar")],
    begins: xz::begins,
    decoder: || Box::new(Xz::default()),
};

/// All compressed streams that are decoded.
pub static CODECS: [&Codec; 4] = [&GZIP, &ZSTD, &BZIP2, &XZ];

impl Codec {
    /// What the stream in a file of this name is called; `None` if the name is not of this format.
    pub fn stream_name(&self, name: &[u8]) -> Option<Vec<u8>> {
        let lower = name.to_ascii_lowercase();
        let (ending, instead) = self.endings.iter().find(|(ending, _)| lower.ends_with(ending))?;
        Some([&name[..name.len() - ending.len()], instead].concat())
    }
}

impl Format for Codec {
    fn name(&self) -> &'static str {
        self.name
    }

    fn recognises(&self, _name: &[u8], head: &[u8]) -> bool {
        (self.begins)(head)
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        // What a stream holds may be a tar, but no further stream.
        let name = self.stream_name(&place.name).unwrap_or_else(|| place.name.clone());
        let place = Place { name, source: None, part: Part::Whole, ..*place };
        (place.depth == 0)
            .then(|| Box::new(Compressed::new((self.decoder)(), &place, out)) as Box<dyn Reader>)
    }
}

/// A compressed layer being read.
pub struct Compressed {
    decoder: Box<dyn Decoder>,
    ledger: Ledger,
    /// Pieces fed and not yet decoded.
    input: VecDeque<Bytes>,
    stream: ItemId,
    inside: Layer,
    /// How the stream ends if nothing else happens to it.
    end: End,
    /// A decoder's error: what is left of the layer is opaque.
    lost: bool,
}

impl Compressed {
    /// Begins the stream that the layer decodes to; the place has the stream's name.
    pub fn new(decoder: Box<dyn Decoder>, place: &Place, out: &mut Steps) -> Self {
        let stream = out.open(Opening {
            parent: Some(place.layer),
            kind: Kind::Stream,
            name: Vec::new(),
            offset: 0,
            len: None,
            hidden: false,
            region: None,
        });
        Compressed {
            decoder,
            ledger: Ledger::new(place.layer),
            input: VecDeque::new(),
            stream,
            inside: Layer::new(Place {
                layer: stream,
                name: place.name.clone(),
                depth: place.depth + 1,
                source: None,
                part: Part::Whole,
            }),
            end: End::Complete,
            lost: false,
        }
    }

    fn damaged(&mut self, damage: Damage, out: &mut Steps) {
        // The first damage says how the stream ended.
        if self.end == End::Complete {
            self.end = if damage.cut { End::Truncated } else { End::Damaged };
        }
        out.fault(Code::Unreadable, self.stream, Some(damage.at), damage.detail);
    }

    fn take(&mut self, n: usize) -> Bytes {
        let Some(front) = self.input.front_mut() else {
            return Bytes::new();
        };
        let part = front.split_to(n.min(front.len()));
        if front.is_empty() {
            self.input.pop_front();
        }
        part
    }

    fn lose_rest(&mut self, out: &mut Steps) {
        self.ledger.settle_open(RegionClass::Opaque, out);
        while let Some(bytes) = self.input.pop_front() {
            self.ledger.add(RegionClass::Opaque, bytes, out);
        }
    }
}

impl Reader for Compressed {
    fn footprint(&self) -> usize {
        let waiting: usize = self.input.iter().map(Bytes::len).sum();
        size_of::<Self>()
            + self.decoder.footprint()
            + waiting
            + self.ledger.footprint()
            + self.inside.footprint()
    }

    fn feed(&mut self, bytes: Bytes, out: &mut Steps) {
        self.input.push_back(bytes);
        if self.lost {
            self.lose_rest(out);
        }
    }

    fn work(&mut self, pool: &mut Pool, out: &mut Steps) -> bool {
        // What is inside is done with one piece before it gets the next.
        if self.inside.work(pool, out) {
            return true;
        }
        if self.lost {
            return false;
        }
        let mut block = pool.block();
        let mut filled = 0;
        let mut more = true;
        while filled < PIECE {
            let input = self.input.front().map_or(&[][..], |bytes| bytes);
            let (read, class, wrote) = match self.decoder.turn(input, &mut block.space()[filled..]) {
                Turn::Took { read, class, wrote } => (read, Some(class), wrote),
                Turn::Held { read, wrote } => (read, None, wrote),
                Turn::Settled(RegionClass::Trailing) => {
                    self.ledger.settle_open(RegionClass::Trailing, out);
                    continue;
                }
                Turn::Settled(class) => {
                    self.ledger.settle_all(class, out);
                    continue;
                }
                Turn::Announced(len) => {
                    self.ledger.announce(len);
                    continue;
                }
                Turn::Failed(damage) => {
                    self.damaged(damage, out);
                    continue;
                }
                Turn::Lost(damage) => {
                    self.damaged(damage, out);
                    self.lost = true;
                    (0, None, 0)
                }
                Turn::Idle => {
                    more = false;
                    (0, None, 0)
                }
            };
            let bytes = self.take(read);
            match class {
                Some(class) => self.ledger.add(class, bytes, out),
                None => self.ledger.hold(bytes),
            }
            filled += wrote;
            if self.lost || !more {
                break;
            }
        }
        if filled > 0 {
            block.fill(filled);
            let piece = share(block);
            out.stream(self.stream, &piece);
            self.inside.feed(piece, out);
        }
        if self.lost {
            self.lose_rest(out);
        }
        // What was decoded may be work for what is inside.
        filled > 0 || more && !self.lost
    }

    fn finish(&mut self, end: End, out: &mut Steps) {
        match end {
            End::Complete if !self.lost => {
                if let Some(damage) = self.decoder.finish() {
                    self.damaged(damage, out);
                }
            }
            End::Complete => {}
            // The layer's own damage comes first.
            _ => self.end = end,
        }
        self.inside.finish(self.end, out);
        out.close(self.stream, self.end);
        self.ledger.finish(end, out);
    }
}
