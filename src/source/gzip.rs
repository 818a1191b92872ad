//! gzip (RFC 1952), member by member.
//!
//! Libraries stop after the first member, or skip extra fields and comments in silence; here every byte is told of.

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

use super::RegionClass::{self, Dead, Payload, Structure, Trailing, ZeroPad};
use super::decoder::{Damage, Decoder, Turn};
use super::first_nonzero;

/// Flags of a member's header (RFC 1952 §2.3.1).
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Extra subfields that describe the compressed data: block sizes of BGZF (SAM specification §4.1) and the chunk table
/// of dictzip (its man page).
const KNOWN_SUBFIELDS: [[u8; 2]; 2] = [*b"BC", *b"RA"];

/// The longest original file name that is taken for one; what is longer hides something.
const NAME_LIMIT: u64 = 4096;

/// A gzip decoder.
#[derive(Debug)]
pub struct Gzip {
    state: State,
    /// Bytes of the input taken so far.
    at: u64,
    /// Bytes of the field that is being gathered.
    field: Vec<u8>,
    /// Flags of the member's header.
    flags: u8,
    /// Members begun.
    members: u64,
    header_crc: Hasher,
    data_crc: Hasher,
    data_len: u64,
    inflate: Decompress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Where a member may begin.
    Between,
    /// The ten fixed bytes of a header.
    Fixed,
    ExtraLen,
    SubfieldHead {
        extra_left: u64,
    },
    Subfield {
        left: u64,
        extra_left: u64,
        class: RegionClass,
    },
    Name {
        len: u64,
    },
    Comment,
    HeaderCrc,
    Deflate,
    Trailer,
    /// After the last member.
    Trailing,
    Lost,
}

impl Default for Gzip {
    fn default() -> Self {
        Gzip {
            state: State::Between,
            at: 0,
            field: Vec::with_capacity(16),
            flags: 0,
            members: 0,
            header_crc: Hasher::new(),
            data_crc: Hasher::new(),
            data_len: 0,
            // Raw deflate: the frame around it is read here.
            inflate: Decompress::new(false),
        }
    }
}

impl Decoder for Gzip {
    fn footprint(&self) -> usize {
        // The window and the tables of zlib-rs.
        size_of::<Self>() + 64 * 1024
    }

    fn turn(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        // Inflate may owe output without needing input; all else needs a byte.
        if input.is_empty() && self.state != State::Deflate {
            return self.turn_without_input();
        }
        match self.state {
            State::Between => self.between(input),
            State::Fixed => self.fixed(input),
            State::ExtraLen => self.extra_len(input),
            State::SubfieldHead { extra_left } => self.subfield_head(input, extra_left),
            State::Subfield { left, extra_left, class } => self.subfield(input, left, extra_left, class),
            State::Name { len } => self.name(input, len),
            State::Comment => self.comment(input),
            State::HeaderCrc => self.check_header(input),
            State::Deflate => self.deflate(input, output),
            State::Trailer => self.trailer(input),
            State::Trailing => self.took(input.len(), Trailing),
            State::Lost => Turn::Idle,
        }
    }

    fn finish(&mut self) -> Option<Damage> {
        let what = match self.state {
            State::Between if self.members > 0 => return None,
            State::Trailing | State::Lost => return None,
            State::Between => "there is no gzip member",
            State::Deflate => "the deflate data is cut short",
            State::Trailer => "the check sum at the end is cut off",
            _ => "a gzip header is cut short",
        };
        Some(Damage { at: self.at, cut: true, detail: what.into() })
    }
}

impl Gzip {
    /// Settles what is decided without a further byte.
    fn turn_without_input(&mut self) -> Turn {
        match self.state {
            State::Fixed if self.fixed_verdict() != Verdict::Open => self.fixed(&[]),
            State::HeaderCrc if self.field.len() == 2 => self.check_header(&[]),
            State::Trailer if self.field.len() == 8 => self.trailer(&[]),
            _ => Turn::Idle,
        }
    }

    fn between(&mut self, input: &[u8]) -> Turn {
        // Zeros fill the blocks of a tape. Python reads on after them, gzip(1) does not: a member is looked for.
        if self.members > 0 && input[0] == 0 {
            let zeros = first_nonzero(input).unwrap_or(input.len());
            return self.took(zeros, ZeroPad);
        }
        self.state = State::Fixed;
        self.field.clear();
        self.fixed(input)
    }

    fn fixed(&mut self, input: &[u8]) -> Turn {
        match self.fixed_verdict() {
            Verdict::Open => {
                // Byte by byte, so that nothing is taken that is no header.
                self.field.push(input[0]);
                self.at += 1;
                Turn::Held { read: 1, wrote: 0 }
            }
            Verdict::Header => {
                self.flags = self.field[3];
                self.members += 1;
                self.header_crc = Hasher::new();
                self.header_crc.update(&self.field);
                self.data_crc = Hasher::new();
                self.data_len = 0;
                self.enter(if self.flags & FEXTRA != 0 { State::ExtraLen } else { self.after_extra() });
                Turn::Settled(Structure)
            }
            Verdict::None if self.members > 0 => {
                self.enter(State::Trailing);
                Turn::Settled(Trailing)
            }
            Verdict::None => {
                self.enter(State::Lost);
                self.lost(0, "the gzip header is of an unknown method or has reserved flags")
            }
        }
    }

    /// Whether the bytes gathered are a header (RFC 1952 §2.3: a reader must refuse reserved flags).
    fn fixed_verdict(&self) -> Verdict {
        const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
        let field = &self.field;
        let magic = field.iter().zip(&MAGIC).all(|(a, b)| a == b);
        if !magic || field.get(3).is_some_and(|flags| flags & RESERVED != 0) {
            Verdict::None
        } else if field.len() == 10 {
            Verdict::Header
        } else {
            Verdict::Open
        }
    }

    fn after_extra(&self) -> State {
        if self.flags & FNAME != 0 { State::Name { len: 0 } } else { self.after_name() }
    }

    fn after_name(&self) -> State {
        if self.flags & FCOMMENT != 0 { State::Comment } else { self.after_comment() }
    }

    fn after_comment(&self) -> State {
        if self.flags & FHCRC != 0 { State::HeaderCrc } else { State::Deflate }
    }

    fn extra_len(&mut self, input: &[u8]) -> Turn {
        let n = self.gather(input, 2);
        if let [low, high] = self.field[..] {
            self.enter_extra(u64::from(u16::from_le_bytes([low, high])));
        }
        self.took_header(&input[..n], Structure)
    }

    fn enter_extra(&mut self, extra_left: u64) {
        let state = match extra_left {
            0 => self.after_extra(),
            // Too short for a subfield's head.
            1..4 => State::Subfield { left: extra_left, extra_left: 0, class: Dead },
            _ => State::SubfieldHead { extra_left },
        };
        self.enter(state);
    }

    fn subfield_head(&mut self, input: &[u8], extra_left: u64) -> Turn {
        let n = self.gather(input, 4);
        if let [si1, si2, low, high] = self.field[..] {
            let rest = extra_left - 4;
            let len = u64::from(u16::from_le_bytes([low, high]));
            let class = if KNOWN_SUBFIELDS.contains(&[si1, si2]) { Structure } else { Dead };
            if len > rest {
                // It overruns the extra field: what remains of that is not a subfield of any kind.
                self.enter(State::Subfield { left: rest, extra_left: 0, class: Dead });
            } else {
                self.enter(State::Subfield { left: len, extra_left: rest - len, class });
            }
        }
        self.took_header(&input[..n], Structure)
    }

    fn subfield(&mut self, input: &[u8], left: u64, extra_left: u64, class: RegionClass) -> Turn {
        if left == 0 {
            self.enter_extra(extra_left);
            return Turn::Took { read: 0, class, wrote: 0 };
        }
        // `field` is empty until the region has been announced.
        if class == Dead && self.field.is_empty() {
            self.field.push(0);
            return Turn::Announced(left);
        }
        let n = left.min(input.len() as u64) as usize;
        let left = left - n as u64;
        if left == 0 {
            self.enter_extra(extra_left);
        } else {
            self.state = State::Subfield { left, extra_left, class };
        }
        self.took_header(&input[..n], class)
    }

    fn name(&mut self, input: &[u8], len: u64) -> Turn {
        let room = NAME_LIMIT.saturating_sub(len);
        let class = if room == 0 { Dead } else { Structure };
        let end = memchr::memchr(0, input);
        if end == Some(0) {
            self.enter(self.after_name());
            return self.took_header(&input[..1], Structure);
        }
        let mut n = end.unwrap_or(input.len());
        if class == Structure {
            n = n.min(room as usize);
        }
        self.state = State::Name { len: len + n as u64 };
        self.took_header(&input[..n], class)
    }

    fn comment(&mut self, input: &[u8]) -> Turn {
        match memchr::memchr(0, input) {
            Some(0) => {
                self.enter(self.after_comment());
                self.took_header(&input[..1], Structure)
            }
            end => self.took_header(&input[..end.unwrap_or(input.len())], Dead),
        }
    }

    fn check_header(&mut self, input: &[u8]) -> Turn {
        if let [low, high] = self.field[..] {
            self.enter(State::Deflate);
            let computed = (self.header_crc.clone().finalize() & 0xffff) as u16;
            if computed != u16::from_le_bytes([low, high]) {
                return self.failed(2, "the check sum of the gzip header is wrong");
            }
            return Turn::Took { read: 0, class: Structure, wrote: 0 };
        }
        let n = self.gather(input, 2);
        self.took(n, Structure)
    }

    fn deflate(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        let (read_before, wrote_before) = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, output, FlushDecompress::None);
        let read = (self.inflate.total_in() - read_before) as usize;
        let wrote = (self.inflate.total_out() - wrote_before) as usize;
        self.data_crc.update(&output[..wrote]);
        self.data_len += wrote as u64;
        if read > 0 || wrote > 0 {
            // An error that comes with progress comes again without it.
            if matches!(result, Ok(Status::StreamEnd)) {
                self.enter(State::Trailer);
            }
            self.at += read as u64;
            return Turn::Took { read, class: Payload, wrote };
        }
        match result {
            Ok(Status::StreamEnd) => {
                self.enter(State::Trailer);
                Turn::Took { read: 0, class: Payload, wrote: 0 }
            }
            Ok(_) if input.is_empty() || output.is_empty() => Turn::Idle,
            Ok(_) => self.lost(0, "the deflate data stands still"),
            Err(_) => self.lost(0, "the deflate data is damaged"),
        }
    }

    fn trailer(&mut self, input: &[u8]) -> Turn {
        if let [a, b, c, d, e, f, g, h] = self.field[..] {
            self.inflate.reset(false);
            self.enter(State::Between);
            if u32::from_le_bytes([a, b, c, d]) != self.data_crc.clone().finalize() {
                return self.failed(8, "the CRC-32 of a gzip member is wrong");
            }
            // ISIZE is the length modulo 2^32.
            if u32::from_le_bytes([e, f, g, h]) != self.data_len as u32 {
                return self.failed(4, "the length of a gzip member is wrong");
            }
            return Turn::Took { read: 0, class: Structure, wrote: 0 };
        }
        let n = self.gather(input, 8);
        self.took(n, Structure)
    }

    /// Adds to `field` up to `len` bytes in all; returns how many were taken.
    fn gather(&mut self, input: &[u8], len: usize) -> usize {
        let n = input.len().min(len - self.field.len());
        self.field.extend_from_slice(&input[..n]);
        n
    }

    fn enter(&mut self, state: State) {
        self.field.clear();
        self.state = state;
    }

    fn took(&mut self, read: usize, class: RegionClass) -> Turn {
        self.at += read as u64;
        Turn::Took { read, class, wrote: 0 }
    }

    fn took_header(&mut self, bytes: &[u8], class: RegionClass) -> Turn {
        self.header_crc.update(bytes);
        self.took(bytes.len(), class)
    }

    fn failed(&self, back: u64, detail: &str) -> Turn {
        Turn::Failed(Damage { at: self.at - back, cut: false, detail: detail.into() })
    }

    fn lost(&mut self, back: u64, detail: &str) -> Turn {
        self.state = State::Lost;
        Turn::Lost(Damage { at: self.at - back, cut: false, detail: detail.into() })
    }
}

/// What the bytes gathered for a fixed header are.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Header,
    None,
}

#[cfg(test)]
mod tests;
