//! Zstandard (RFC 8878), frame by frame and block by block.
//!
//! libzstd swallows skippable frames in silence and tells of an error only for as much as it was given; here the frame
//! is read alongside, so that every byte is told of and a damaged block is known by its place.

mod seek_table;

use std::fmt;

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use self::seek_table::Before;
use super::RegionClass::{self, Dead, Payload, Structure, Trailing, ZeroPad};
use super::decoder::{Damage, Decoder, Turn};
use super::first_nonzero;

/// The largest window a frame may ask for, as a power of two: libzstd's own limit, 128 MiB.
const WINDOW_LOG_MAX: u32 = 27;

/// Magic numbers (RFC 8878 §3.1.1 and §3.1.2), as they lie in a file. The lower half of a skippable frame's first
/// byte is free.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// A Zstandard decoder.
pub struct Zstd {
    state: State,
    context: DCtx<'static>,
    /// Bytes of the input taken so far.
    at: u64,
    /// Bytes of the field that is being gathered.
    field: Vec<u8>,
    /// Where the current frame begins.
    frame_at: u64,
    frames: u64,
    /// Whether the frame ends with a check sum.
    checksum: bool,
    /// Whether libzstd has read the frame to its end and owes no output.
    ended: bool,
    /// Bytes written so far.
    written: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Where a frame may begin.
    Between,
    Magic,
    SkipLen,
    Skip {
        left: u64,
        announced: bool,
    },
    SeekTable {
        len: usize,
    },
    FrameHeader {
        len: usize,
    },
    BlockHeader,
    /// A block whose header stands at `at`. Its bytes are held until it is decoded.
    Block {
        left: u64,
        last: bool,
        at: u64,
    },
    BlockEnd {
        last: bool,
    },
    Checksum,
    /// After the last frame.
    Trailing,
    Lost,
}

impl Default for Zstd {
    fn default() -> Self {
        let mut context = DCtx::create();
        // It is libzstd's default; a value it refuses would leave that.
        let _ = context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX));
        Zstd {
            state: State::Between,
            context,
            at: 0,
            field: Vec::with_capacity(32),
            frame_at: 0,
            frames: 0,
            checksum: false,
            ended: false,
            written: 0,
        }
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("state", &self.state).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Decoder for Zstd {
    fn footprint(&self) -> usize {
        size_of::<Self>() + self.context.sizeof() + self.field.capacity()
    }

    fn turn(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        match self.state {
            State::Magic if self.magic_verdict() != Verdict::Open => self.begin_frame(),
            State::SeekTable { len } if self.field.len() == len => self.end_seek_table(),
            State::FrameHeader { len } if self.field.len() == len => self.end_frame_header(),
            State::BlockEnd { last } => self.end_block(output, last),
            State::Checksum if self.field.len() == 4 => self.check(output),
            State::Lost => Turn::Idle,
            State::Block { .. } if input.is_empty() => self.write_out(output),
            _ if input.is_empty() || output.is_empty() => Turn::Idle,
            State::Between => self.between(input),
            State::Magic => self.gather_held(input, self.field.len() + 1),
            State::SkipLen => self.skip_len(input),
            State::Skip { left, announced } => self.skip(input, left, announced),
            State::SeekTable { len } => self.gather_held(input, len),
            State::FrameHeader { len } => self.frame_header(input, len),
            State::BlockHeader => self.block_header(input, output),
            State::Block { left, last, at } => self.block(input, output, left, last, at),
            State::Checksum => {
                let read = self.gather(input, 4);
                self.took(read, Structure)
            }
            State::Trailing => self.took(input.len(), Trailing),
        }
    }

    fn finish(&mut self) -> Option<Damage> {
        let what = match self.state {
            State::Between if self.frames > 0 => return None,
            State::Trailing | State::Lost => return None,
            State::Between => "there is no zstd frame",
            State::Skip { .. } | State::SkipLen | State::SeekTable { .. } => {
                "a skippable zstd frame is cut short"
            }
            State::Magic | State::FrameHeader { .. } => "a zstd frame header is cut short",
            State::Checksum => "the check sum of a zstd frame is cut off",
            State::BlockHeader | State::Block { .. } | State::BlockEnd { .. } => "a zstd frame is cut short",
        };
        Some(Damage { at: self.at, cut: true, detail: what.into() })
    }
}

impl Zstd {
    fn between(&mut self, input: &[u8]) -> Turn {
        if self.frames > 0 && input[0] == 0 {
            let zeros = first_nonzero(input).unwrap_or(input.len());
            return self.took(zeros, ZeroPad);
        }
        self.frame_at = self.at;
        self.enter(State::Magic);
        self.gather_held(input, 1)
    }

    fn magic_verdict(&self) -> Verdict {
        let field = &self.field;
        let begins = |magic: [u8; 4], free: u8| {
            field
                .iter()
                .zip(&magic)
                .enumerate()
                .all(|(i, (a, b))| if i == 0 { a & !free == *b } else { a == b })
        };
        match (begins(FRAME, 0), begins(SKIPPABLE, 0x0f)) {
            (false, false) => Verdict::None,
            _ if field.len() < 4 => Verdict::Open,
            (true, _) => Verdict::Frame,
            _ => Verdict::Skippable(field[0]),
        }
    }

    fn begin_frame(&mut self) -> Turn {
        match self.magic_verdict() {
            Verdict::Frame => {
                // The magic stays gathered: libzstd wants the header whole.
                self.state = State::FrameHeader { len: 5 };
                self.frames += 1;
                Turn::Held { read: 0, wrote: 0 }
            }
            Verdict::Skippable(first) => {
                self.enter(State::SkipLen);
                self.field.push(first);
                self.frames += 1;
                Turn::Settled(Structure)
            }
            _ if self.frames > 0 => {
                self.enter(State::Trailing);
                Turn::Settled(Trailing)
            }
            _ => self.lost(self.frame_at, "there is no zstd frame"),
        }
    }

    fn skip_len(&mut self, input: &[u8]) -> Turn {
        let n = self.gather(input, 5);
        if let [kind, a, b, c, d] = self.field[..] {
            let left = u64::from(u32::from_le_bytes([a, b, c, d]));
            self.enter(match left {
                0 => State::Between,
                // A table of frames is nine bytes and more.
                9..=seek_table::LIMIT if kind == seek_table::FRAME => State::SeekTable { len: left as usize },
                _ => State::Skip { left, announced: false },
            });
        }
        self.took(n, Structure)
    }

    fn skip(&mut self, input: &[u8], left: u64, announced: bool) -> Turn {
        if !announced {
            self.state = State::Skip { left, announced: true };
            return Turn::Announced(left);
        }
        let n = left.min(input.len() as u64);
        self.state = if n == left { State::Between } else { State::Skip { left: left - n, announced } };
        self.took(n as usize, Dead)
    }

    fn end_seek_table(&mut self) -> Turn {
        let before = Before { frames: self.frames, compressed: self.frame_at, decompressed: self.written };
        let class = if seek_table::adds_up(&self.field, &before) { Structure } else { Dead };
        self.enter(State::Between);
        self.field.shrink_to(32);
        Turn::Settled(class)
    }

    /// Gathers a frame's header (RFC 8878 §3.1.1.1), whose fifth byte says how long it is.
    fn frame_header(&mut self, input: &[u8], len: usize) -> Turn {
        let turn = self.gather_held(input, len);
        if len == 5
            && let [_, _, _, _, descriptor] = self.field[..]
        {
            let single_segment = descriptor & 0x20 != 0;
            self.checksum = descriptor & 0x04 != 0;
            let window = usize::from(!single_segment);
            let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
            let content = [usize::from(single_segment), 2, 4, 8][usize::from(descriptor >> 6)];
            self.state = State::FrameHeader { len: 5 + window + dictionary + content };
        }
        turn
    }

    fn end_frame_header(&mut self) -> Turn {
        let field = std::mem::take(&mut self.field);
        let fed = self.feed(&field, &mut []);
        match fed {
            Ok(fed) if fed.read == field.len() => {
                self.field = field;
                self.enter(State::BlockHeader);
                Turn::Settled(Structure)
            }
            Ok(_) => self.lost(self.frame_at, "a zstd frame header is not understood"),
            Err(code) => self.lost(self.frame_at, zstd_safe::get_error_name(code)),
        }
    }

    /// Gathers a block's header (RFC 8878 §3.1.1.2): three bytes.
    fn block_header(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        let at = self.at - self.field.len() as u64;
        let wanted = input.len().min(3 - self.field.len());
        let fed = match self.feed(&input[..wanted], output) {
            Ok(fed) => fed,
            Err(code) => return self.lost(at, zstd_safe::get_error_name(code)),
        };
        self.gather(&input[..fed.read], 3);
        if let [a, b, c] = self.field[..] {
            let header = u32::from_le_bytes([a, b, c, 0]);
            let (last, kind, size) = (header & 1 != 0, (header >> 1) & 3, u64::from(header >> 3));
            // A block of type 1 is one byte, to be repeated.
            let left = if kind == 1 { 1 } else { size };
            self.enter(if left == 0 { State::BlockEnd { last } } else { State::Block { left, last, at } });
        }
        self.held(fed)
    }

    fn block(&mut self, input: &[u8], output: &mut [u8], left: u64, last: bool, at: u64) -> Turn {
        let wanted = left.min(input.len() as u64) as usize;
        let fed = match self.feed(&input[..wanted], output) {
            Ok(fed) => fed,
            Err(code) => return self.lost(at, zstd_safe::get_error_name(code)),
        };
        let left = left - fed.read as u64;
        self.state = if left == 0 { State::BlockEnd { last } } else { State::Block { left, last, at } };
        self.held(fed)
    }

    /// Of a block that is stored plainly, libzstd may owe output before the block's end.
    fn write_out(&mut self, output: &mut [u8]) -> Turn {
        match self.feed(&[], output) {
            Ok(Fed { wrote: 0, .. }) => Turn::Idle,
            Ok(fed) => Turn::Held { read: 0, wrote: fed.wrote },
            Err(code) => self.lost(self.at, zstd_safe::get_error_name(code)),
        }
    }

    /// Lets libzstd write what it owes before it gets more: at an error it forgets what it wrote in the same call.
    fn end_block(&mut self, output: &mut [u8], last: bool) -> Turn {
        if output.is_empty() {
            return Turn::Idle;
        }
        if !self.ended {
            match self.feed(&[], output) {
                Ok(Fed { wrote: 0, .. }) => {}
                Ok(fed) => return Turn::Held { read: 0, wrote: fed.wrote },
                Err(code) => return self.lost(self.at, zstd_safe::get_error_name(code)),
            }
        }
        self.enter(match (last, self.checksum) {
            (false, _) => State::BlockHeader,
            (true, true) => State::Checksum,
            (true, false) => State::Between,
        });
        Turn::Settled(Payload)
    }

    fn check(&mut self, output: &mut [u8]) -> Turn {
        let field = std::mem::take(&mut self.field);
        let fed = self.feed(&field, output);
        self.enter(State::Between);
        match fed {
            Ok(_) if self.ended => Turn::Took { read: 0, class: Structure, wrote: 0 },
            Ok(_) => self.lost(self.at - 4, "a frame does not end where its blocks do"),
            // The frame's end is known all the same: the next one can be read.
            Err(_) => {
                let _ = self.context.reset(ResetDirective::SessionOnly);
                let detail = "the check sum of a zstd frame is wrong".into();
                Turn::Failed(Damage { at: self.at - 4, cut: false, detail })
            }
        }
    }

    /// Gives libzstd bytes of the current frame.
    fn feed(&mut self, input: &[u8], output: &mut [u8]) -> Result<Fed, usize> {
        let (mut from, mut into) = (InBuffer::around(input), OutBuffer::around(output));
        let hint = self.context.decompress_stream(&mut into, &mut from)?;
        self.ended = hint == 0;
        self.written += into.pos() as u64;
        Ok(Fed { read: from.pos(), wrote: into.pos() })
    }

    fn held(&mut self, fed: Fed) -> Turn {
        if fed.read == 0 && fed.wrote == 0 {
            return self.lost(self.at, "a zstd block stands still");
        }
        self.at += fed.read as u64;
        Turn::Held { read: fed.read, wrote: fed.wrote }
    }

    /// Adds to `field` up to `len` bytes in all; returns how many were taken.
    fn gather(&mut self, input: &[u8], len: usize) -> usize {
        let n = input.len().min(len - self.field.len());
        self.field.extend_from_slice(&input[..n]);
        n
    }

    fn gather_held(&mut self, input: &[u8], len: usize) -> Turn {
        let read = self.gather(input, len);
        self.at += read as u64;
        Turn::Held { read, wrote: 0 }
    }

    fn enter(&mut self, state: State) {
        self.field.clear();
        self.state = state;
    }

    fn took(&mut self, read: usize, class: RegionClass) -> Turn {
        self.at += read as u64;
        Turn::Took { read, class, wrote: 0 }
    }

    fn lost(&mut self, at: u64, detail: &str) -> Turn {
        self.state = State::Lost;
        Turn::Lost(Damage { at, cut: false, detail: format!("the zstd data is damaged: {detail}") })
    }
}

/// What libzstd did with what it was given.
struct Fed {
    read: usize,
    wrote: usize,
}

/// What the bytes gathered for a magic number are.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Frame,
    Skippable(u8),
    None,
}

#[cfg(test)]
mod tests;
