//! The data of one entry: taken from the file, decompressed, checked against its header.
//!
//! Nothing is allocated for what a header claims. What is longer than claimed is decoded to its end, so that the bytes
//! behind it are found, and handed to nobody.

use bytes::Bytes;

use super::header::{Header, flag, method_name};
use super::input::Input;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::formats::nested;
use crate::shard::ledger::Ledger;
use crate::shard::steps::{Steps, share};
use crate::shard::{End, HEAD, ItemId, RegionClass};
use crate::source::bzip2::Bzip2;
use crate::source::decoder::{Damage, Decoder, Turn};
use crate::source::deflate::Deflate;
use crate::source::xz::Xz;
use crate::source::zstd::Zstd;
use crate::source::{PIECE, Pool};

/// What came of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There may be more to do at once.
    More,
    /// More input is needed.
    Wait,
    /// It is over.
    Done,
}

/// The data of an entry on its way.
pub struct Content {
    /// The member.
    pub item: ItemId,
    name: Vec<u8>,
    decode: Decode,
    /// Bytes of the file that are left of it.
    left: u64,
    /// The size and the check sum it is said to have, where that is said before the data.
    said: Option<(u64, u32)>,
    /// It ends where its compressed data does, wherever that is.
    open_ended: bool,
    /// What all its bytes in the file are; where it is none, they are what the decoder says.
    class: Option<RegionClass>,
    crc: crc32fast::Hasher,
    len: u64,
    head: Vec<u8>,
    end: End,
}

enum Decode {
    Stored,
    Coded(Box<dyn Decoder>),
    /// The rest cannot be interpreted.
    Lost,
}

impl Content {
    /// The data of an entry that the directory names, of which `left` bytes lie in the file.
    pub fn new(item: ItemId, header: &Header, left: u64) -> Self {
        let decode = match decoder(header.method) {
            _ if header.has(flag::ENCRYPTED | flag::STRONG | flag::PATCH) => Decode::Lost,
            Some(decoder) => Decode::Coded(decoder),
            None if header.method == 0 => Decode::Stored,
            None => Decode::Lost,
        };
        Content {
            item,
            name: header.shown_name().to_vec(),
            decode,
            left,
            said: Some((header.uncompressed, header.crc)),
            open_ended: false,
            class: None,
            crc: crc32fast::Hasher::new(),
            len: 0,
            head: Vec::new(),
            end: End::Complete,
        }
    }

    /// The data of an entry that no directory names: all its bytes are of this class, `most` at most are its own.
    pub fn hidden(item: ItemId, header: &Header, most: u64, class: RegionClass) -> Self {
        let later = header.has(flag::DESCRIPTOR);
        let open_ended = later && header.compressed == 0;
        let left = if open_ended { most } else { most.min(header.compressed) };
        let cut = !open_ended && header.compressed > most;
        Content {
            said: (!later).then_some((header.uncompressed, header.crc)),
            open_ended,
            class: Some(class),
            end: if cut { End::Truncated } else { End::Complete },
            ..Content::new(item, header, left)
        }
    }

    /// All its bytes in the file are of this class, whatever they decode to.
    pub fn all_of(self, class: RegionClass) -> Self {
        Content { class: Some(class), ..self }
    }

    /// It ends so, whatever its data is like.
    pub fn ends(&mut self, end: End) {
        self.end = end;
    }

    /// Why it cannot be read at all, in words.
    pub fn refusal(header: &Header) -> Option<String> {
        if header.has(flag::ENCRYPTED | flag::STRONG) || header.method == 99 {
            return Some("is encrypted: its data cannot be looked at".into());
        }
        if header.has(flag::PATCH) {
            return Some("is stored as a patch of other data, which is not supported".into());
        }
        let known = header.method == 0 || decoder(header.method).is_some();
        (!known).then(|| {
            let (method, name) = (header.method, method_name(header.method));
            format!("is compressed by method {method} ({name}), which is not supported")
        })
    }

    /// Whether nothing but a directory tells where its data ends.
    pub fn is_endless(header: &Header) -> bool {
        let coded = decoder(header.method).is_some() && Content::refusal(header).is_none();
        header.has(flag::DESCRIPTOR) && header.compressed == 0 && !coded
    }

    /// Bytes of memory it holds, an upper bound.
    pub fn footprint(&self) -> usize {
        let decoder = if let Decode::Coded(decoder) = &self.decode { decoder.footprint() } else { 0 };
        size_of::<Self>() + decoder + self.name.capacity() + self.head.capacity()
    }

    /// Takes some input, and tells what it decodes to; the ledger is none where the bytes are accounted for already.
    pub fn turn(
        &mut self,
        input: &mut Input,
        ledger: Option<&mut Ledger>,
        pool: &mut Pool,
        out: &mut Steps,
    ) -> Progress {
        let mut account = Account { ledger, class: self.class };
        match &self.decode {
            Decode::Coded(_) => self.decode(input, &mut account, pool, out),
            Decode::Stored => {
                let bytes = input.take(self.left);
                self.left -= bytes.len() as u64;
                account.add(RegionClass::Payload, bytes.clone(), out);
                self.tell(bytes, out);
                self.progress(input, out)
            }
            Decode::Lost => {
                let bytes = input.take(self.left);
                self.left -= bytes.len() as u64;
                account.add(RegionClass::Opaque, bytes, out);
                self.progress(input, out)
            }
        }
    }

    /// The file has ended, or cannot be read on.
    pub fn abort(&mut self, end: End, out: &mut Steps) {
        self.end = if end == End::Damaged { end } else { End::Truncated };
        self.close(out);
    }

    fn progress(&mut self, input: &Input, out: &mut Steps) -> Progress {
        if self.left == 0 {
            self.conclude(out);
            Progress::Done
        } else if input.len() == 0 {
            Progress::Wait
        } else {
            Progress::More
        }
    }

    fn decode(
        &mut self,
        input: &mut Input,
        account: &mut Account<'_>,
        pool: &mut Pool,
        out: &mut Steps,
    ) -> Progress {
        let Decode::Coded(decoder) = &mut self.decode else { return Progress::Done };
        let mut block = pool.block();
        let mut filled = 0;
        let mut progress = Progress::More;
        let mut damages = Vec::new();
        while filled < PIECE {
            let front = input.front(self.left);
            match decoder.turn(front, &mut block.space()[filled..]) {
                // Whoever reads to the end of the stream takes nothing behind it.
                Turn::Took { class: RegionClass::Trailing, .. } | Turn::Settled(RegionClass::Trailing)
                    if self.open_ended =>
                {
                    progress = Progress::Done;
                    break;
                }
                Turn::Took { read, class, wrote } => {
                    let bytes = input.take(read as u64);
                    self.left -= bytes.len() as u64;
                    account.add(class, bytes, out);
                    filled += wrote;
                }
                Turn::Held { read, wrote } => {
                    let bytes = input.take(read as u64);
                    self.left -= bytes.len() as u64;
                    account.hold(bytes, out);
                    filled += wrote;
                }
                Turn::Settled(class) => account.settle(class, out),
                Turn::Announced(len) => account.announce(len),
                Turn::Failed(damage) => damages.push(damage),
                Turn::Lost(damage) => {
                    damages.push(damage);
                    account.settle(RegionClass::Opaque, out);
                    self.decode = Decode::Lost;
                    break;
                }
                Turn::Idle if !front.is_empty() => {
                    damages.push(Damage { at: 0, cut: false, detail: "the data stands still".into() });
                    account.settle(RegionClass::Opaque, out);
                    self.decode = Decode::Lost;
                    break;
                }
                Turn::Idle => {
                    progress = Progress::Wait;
                    break;
                }
            }
        }
        if progress == Progress::Wait && self.left == 0 {
            damages.extend(decoder_end(&mut self.decode));
            account.settle(RegionClass::Opaque, out);
            progress = Progress::Done;
        }
        if filled > 0 {
            block.fill(filled);
            self.tell(share(block), out);
        }
        for damage in damages {
            self.damaged(&damage, input.at, out);
        }
        if progress == Progress::Done {
            self.conclude(out);
        }
        progress
    }

    fn damaged(&mut self, damage: &Damage, at: u64, out: &mut Steps) {
        // The first damage says how it ended.
        if self.end == End::Complete {
            self.end = if damage.cut { End::Truncated } else { End::Damaged };
            let detail = format!("`{}`: {}", Escaped(&self.name), damage.detail);
            out.fault(Code::Unreadable, self.item, Some(at), detail);
        }
    }

    fn tell(&mut self, bytes: Bytes, out: &mut Steps) {
        if bytes.is_empty() {
            return;
        }
        self.crc.update(&bytes);
        let room = self.said.map_or(u64::MAX, |(size, _)| size.saturating_sub(self.len));
        self.len += bytes.len() as u64;
        // At most the length of `bytes`, so it fits.
        let shown = bytes.slice(..room.min(bytes.len() as u64) as usize);
        let wanted = HEAD - self.head.len();
        self.head.extend_from_slice(&shown[..shown.len().min(wanted)]);
        out.sample(self.item, shown);
    }

    /// All its bytes have passed: is it what its header says?
    fn conclude(&mut self, out: &mut Steps) {
        if let Some((size, crc)) = self.said
            && self.end == End::Complete
            && !matches!(self.decode, Decode::Lost)
        {
            let name = Escaped(&self.name);
            let problem = if self.len != size {
                Some(format!("`{name}` has {} bytes, its header says {size}", self.len))
            } else if self.crc.clone().finalize() != crc {
                Some(format!("the CRC-32 of `{name}` is wrong: it is damaged"))
            } else {
                None
            };
            if let Some(problem) = problem {
                self.end = End::Damaged;
                out.fault(Code::Unreadable, self.item, None, problem);
            }
        }
        if matches!(self.decode, Decode::Lost) && self.end == End::Complete {
            self.end = End::Damaged;
        }
        self.close(out);
    }

    fn close(&mut self, out: &mut Steps) {
        if let Some(format) = nested(&self.name, &self.head) {
            let detail = format!("hashed whole; what is inside a nested {} is not looked at", format.name());
            out.fault(Code::Opaque, self.item, None, detail);
        }
        out.close(self.item, self.end);
    }
}

fn decoder(method: u16) -> Option<Box<dyn Decoder>> {
    match method {
        8 => Some(Box::new(Deflate::default())),
        12 => Some(Box::new(Bzip2::default())),
        20 | 93 => Some(Box::new(Zstd::default())),
        95 => Some(Box::new(Xz::default())),
        _ => None,
    }
}

/// Whether these few bytes are the whole of a compressed nothing.
pub fn is_nothing(method: u16, mut bytes: &[u8]) -> bool {
    let Some(mut decoder) = decoder(method) else { return bytes.is_empty() };
    let mut byte = [0];
    // A decoder of so few bytes has few turns.
    for _ in 0..1000 {
        match decoder.turn(bytes, &mut byte) {
            Turn::Took { read, wrote: 0, class: RegionClass::Payload | RegionClass::Structure }
            | Turn::Held { read, wrote: 0 } => bytes = &bytes[read..],
            Turn::Settled(RegionClass::Payload | RegionClass::Structure) => {}
            Turn::Idle => return bytes.is_empty() && decoder.finish().is_none(),
            _ => return false,
        }
    }
    false
}

fn decoder_end(decode: &mut Decode) -> Option<Damage> {
    match decode {
        Decode::Coded(decoder) => decoder.finish(),
        Decode::Stored | Decode::Lost => None,
    }
}

/// Where the bytes of an entry are accounted for.
struct Account<'a> {
    ledger: Option<&'a mut Ledger>,
    class: Option<RegionClass>,
}

impl Account<'_> {
    fn add(&mut self, class: RegionClass, bytes: Bytes, out: &mut Steps) {
        if let Some(ledger) = &mut self.ledger {
            ledger.add(self.class.unwrap_or(within(class)), bytes, out);
        }
    }

    fn hold(&mut self, bytes: Bytes, out: &mut Steps) {
        match (&mut self.ledger, self.class) {
            (Some(ledger), Some(class)) => ledger.add(class, bytes, out),
            (Some(ledger), None) => ledger.hold(bytes),
            (None, _) => {}
        }
    }

    fn settle(&mut self, class: RegionClass, out: &mut Steps) {
        if let (Some(ledger), None) = (&mut self.ledger, self.class) {
            ledger.settle_open(within(class), out);
        }
    }

    fn announce(&mut self, len: u64) {
        if let (Some(ledger), None) = (&mut self.ledger, self.class) {
            ledger.announce(len);
        }
    }
}

/// What follows an entry's stream lies within the entry all the same.
fn within(class: RegionClass) -> RegionClass {
    if class == RegionClass::Trailing { RegionClass::Dead } else { class }
}
