//! bzip2, stream by stream. There is no specification; the magic numbers and sizes are those of `decompress.c` of
//! bzip2 1.0.8.
//!
//! Within a stream nothing but the beginning stands at a whole byte, so all of a stream is payload.

use std::fmt;
use std::ops::Range;

use bzip2::{Decompress, Error, Status};

use super::RegionClass::{self, Payload, Trailing, ZeroPad};
use super::decoder::{Damage, Decoder, Turn};
use super::first_nonzero;

/// Bytes that show a stream's beginning: `BZh`, the size of its blocks in units of 100,000 bytes as a digit, and what
/// begins a block or, in an empty stream, the end.
const BEGINNING: usize = 10;
const BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

/// The most bytes that are given to libbz2-rs at once. With eight and more it reads ahead of what it decodes, so that
/// the place of a damage would depend on how the input comes in pieces; with fewer it takes a byte when it needs it.
/// That costs a tenth of its speed.
const SLICE: usize = 7;

/// Bytes of output that are asked for at once. Of a block whose last run is damaged, libbz2-rs forgets what it wrote in
/// the same call: what is lost of it must not depend on the room for output.
const ROOM: usize = 16 * 1024;

/// Whether a file that begins so is bzip2.
pub fn begins(head: &[u8]) -> bool {
    verdict(head) == Verdict::Stream
}

/// A bzip2 decoder.
pub struct Bzip2 {
    state: State,
    /// Bytes of the input taken so far.
    at: u64,
    /// Bytes of a beginning that is being gathered.
    field: Vec<u8>,
    /// Streams begun.
    streams: u64,
    decompress: Decompress,
    /// Output, and what of it waits to be handed out.
    output: Box<[u8; ROOM]>,
    waiting: Range<usize>,
    /// What comes when all output has been handed out.
    next: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Where a stream may begin.
    Between,
    Beginning,
    Data,
    /// The data is damaged; what came before that has been told of.
    Damaged(&'static str),
    /// After the last stream.
    Trailing,
    Lost,
}

impl Default for Bzip2 {
    fn default() -> Self {
        Bzip2 {
            state: State::Between,
            at: 0,
            field: Vec::with_capacity(BEGINNING),
            streams: 0,
            decompress: Decompress::new(false),
            output: Box::new([0; ROOM]),
            waiting: 0..0,
            next: State::Data,
        }
    }
}

impl fmt::Debug for Bzip2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bzip2").field("state", &self.state).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Decoder for Bzip2 {
    fn footprint(&self) -> usize {
        // Four bytes for each of up to 900,000 in a block, and the tables of libbz2-rs.
        size_of::<Self>() + 3_600_000 + 64 * 1024 + ROOM
    }

    fn turn(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        match self.state {
            State::Beginning if verdict(&self.field) != Verdict::Open => self.begin(),
            State::Damaged(what) => self.lost(what),
            State::Data if !output.is_empty() => self.data(input, output),
            _ if input.is_empty() => Turn::Idle,
            State::Between => self.between(input),
            State::Beginning => self.gather(input),
            State::Trailing => self.took(input.len(), Trailing),
            State::Data | State::Lost => Turn::Idle,
        }
    }

    fn finish(&mut self) -> Option<Damage> {
        let what = match self.state {
            State::Between if self.streams > 0 => return None,
            State::Damaged(_) | State::Trailing | State::Lost => return None,
            State::Between => "there is no bzip2 stream",
            State::Beginning => "the beginning of a bzip2 stream is cut short",
            State::Data => "a bzip2 stream is cut short",
        };
        Some(Damage { at: self.at, cut: true, detail: what.into() })
    }
}

impl Bzip2 {
    fn between(&mut self, input: &[u8]) -> Turn {
        if self.streams > 0 && input[0] == 0 {
            let zeros = first_nonzero(input).unwrap_or(input.len());
            return self.took(zeros, ZeroPad);
        }
        self.field.clear();
        self.state = State::Beginning;
        self.gather(input)
    }

    /// Byte by byte, so that nothing is taken that is no beginning.
    fn gather(&mut self, input: &[u8]) -> Turn {
        self.field.push(input[0]);
        self.at += 1;
        Turn::Held { read: 1, wrote: 0 }
    }

    fn begin(&mut self) -> Turn {
        match verdict(&self.field) {
            Verdict::Stream => {
                self.streams += 1;
                self.decompress = Decompress::new(false);
                (self.state, self.next) = (State::Data, State::Data);
                self.waiting = 0..0;
                for part in self.field.chunks(SLICE) {
                    // Nothing is decoded before the first block is whole.
                    if let Err(error) = self.decompress.decompress(part, &mut []) {
                        self.next = State::Damaged(describe(error));
                    }
                }
                Turn::Settled(Payload)
            }
            _ if self.streams > 0 => {
                self.state = State::Trailing;
                Turn::Settled(Trailing)
            }
            _ => {
                self.at = 0;
                self.lost("there is no bzip2 stream")
            }
        }
    }

    fn data(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        let (mut read, mut wrote) = (0, 0);
        while wrote < output.len() {
            if !self.waiting.is_empty() {
                let n = self.waiting.len().min(output.len() - wrote);
                let end = self.waiting.start + n;
                output[wrote..wrote + n].copy_from_slice(&self.output[self.waiting.start..end]);
                self.waiting.start = end;
                wrote += n;
            } else if self.next != State::Data {
                self.state = self.next;
                break;
            } else {
                let part = &input[read..input.len().min(read + SLICE)];
                let took = self.decompress(part);
                read += took;
                if took == 0 && self.waiting.is_empty() && self.next == State::Data {
                    if part.is_empty() {
                        break;
                    }
                    self.next = State::Damaged("the bzip2 data stands still");
                }
            }
        }
        if read == 0 && wrote == 0 && self.state == State::Data {
            return Turn::Idle;
        }
        self.at += read as u64;
        Turn::Took { read, class: Payload, wrote }
    }

    /// Decodes into the room for output, all of which has been handed out; returns how many bytes were taken.
    fn decompress(&mut self, part: &[u8]) -> usize {
        let at = self.waiting.end % ROOM;
        let (read, wrote) = (self.decompress.total_in(), self.decompress.total_out());
        let result = self.decompress.decompress(part, &mut self.output[at..]);
        self.waiting = at..at + (self.decompress.total_out() - wrote) as usize;
        match result {
            Ok(Status::StreamEnd) => self.next = State::Between,
            Ok(Status::MemNeeded) => self.next = State::Damaged("there is not enough memory"),
            Ok(_) => {}
            Err(error) => self.next = State::Damaged(describe(error)),
        }
        (self.decompress.total_in() - read) as usize
    }

    fn took(&mut self, read: usize, class: RegionClass) -> Turn {
        self.at += read as u64;
        Turn::Took { read, class, wrote: 0 }
    }

    fn lost(&mut self, detail: &str) -> Turn {
        self.state = State::Lost;
        Turn::Lost(Damage { at: self.at, cut: false, detail: detail.into() })
    }
}

/// libbz2 has one error for damaged data and for the check sums of blocks and streams, after which it cannot go on.
fn describe(error: Error) -> &'static str {
    match error {
        Error::Data => "the bzip2 data is damaged, or a check sum in it is wrong",
        Error::DataMagic => "the bzip2 data is damaged: neither a block nor the end follows",
        Error::Sequence | Error::Param => "the bzip2 data cannot be decoded",
    }
}

/// What the first bytes of something are.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Stream,
    None,
}

fn verdict(bytes: &[u8]) -> Verdict {
    let (head, next) = bytes.split_at(bytes.len().min(4));
    let next = &next[..next.len().min(BLOCK.len())];
    let magic = head.iter().zip(b"BZh").all(|(a, b)| a == b);
    let level = head.get(3).is_none_or(|level| (b'1'..=b'9').contains(level));
    if !magic || !level || !(BLOCK.starts_with(next) || END.starts_with(next)) {
        Verdict::None
    } else if bytes.len() < BEGINNING {
        Verdict::Open
    } else {
        Verdict::Stream
    }
}

#[cfg(test)]
mod tests;
