//! Zstandard (RFC 8878), frame by frame and block by block.
//!
//! libzstd swallows skippable frames in silence and tells of an error only for as much as it was given; here the frame
//! is read alongside, so that every byte is told of and a damaged block is known by its place.

use std::fmt;

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::RegionClass::{self, Dead, Payload, Structure, Trailing, ZeroPad};
use super::decoder::{Damage, Decoder, Turn};

/// The largest window a frame may ask for, as a power of two: libzstd's own limit, 128 MiB.
const WINDOW_LOG_MAX: u32 = 27;

/// Magic numbers (RFC 8878 §3.1.1 and §3.1.2), as they lie in a file. The lower half of a skippable frame's first
/// byte is free.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// The skippable frame and the footer of a seek table ("Zstandard Seekable Format" 0.1.0, in zstd's `contrib`).
const SEEK_TABLE: u8 = 0x5e;
const SEEK_FOOTER: [u8; 4] = 0x8f92_eab1_u32.to_le_bytes();
/// The longest seek table that is looked at; what is longer counts as hidden.
const SEEK_LIMIT: u64 = 4 << 20;

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
            let zeros = input.iter().position(|&b| b != 0).unwrap_or(input.len());
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
                9..=SEEK_LIMIT if kind == SEEK_TABLE => State::SeekTable { len: left as usize },
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
        let class = if self.is_seek_table() { Structure } else { Dead };
        self.enter(State::Between);
        self.field.shrink_to(32);
        Turn::Settled(class)
    }

    /// Whether the content gathered is a table of the frames before it: nothing else can hide in one that adds up,
    /// except in its check sums.
    fn is_seek_table(&self) -> bool {
        let Some((entries, [a, b, c, d, flags, magic @ ..])) = self.field.split_last_chunk::<9>() else {
            return false;
        };
        let count = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        let entry_len = if flags & 0x80 != 0 { 12 } else { 8 };
        if *magic != SEEK_FOOTER
            || flags & 0x7c != 0
            || count > self.frames
            || entries.len() as u64 != count * entry_len as u64
        {
            return false;
        }
        let (mut compressed, mut decompressed) = (0u64, 0u64);
        for entry in entries.chunks_exact(entry_len) {
            if let [a, b, c, d, e, f, g, h, ..] = *entry {
                compressed += u64::from(u32::from_le_bytes([a, b, c, d]));
                decompressed += u64::from(u32::from_le_bytes([e, f, g, h]));
            }
        }
        (compressed, decompressed) == (self.frame_at, self.written)
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
mod tests {
    use proptest::prelude::*;
    use zstd_safe::{CCtx, CParameter};

    use super::super::decoder::tests::{Outcome, drive};
    use super::*;

    fn zstd(data: &[u8], edit: impl FnOnce(&mut CCtx<'_>)) -> Vec<u8> {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
        edit(&mut context);
        let mut out = Vec::with_capacity(zstd_safe::compress_bound(data.len()));
        context.compress2(&mut out, data).unwrap();
        out
    }

    fn frame(data: &[u8]) -> Vec<u8> {
        zstd(data, |_| {})
    }

    fn skippable(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[kind, 0x2a, 0x4d, 0x18], &(content.len() as u32).to_le_bytes()[..], content].concat()
    }

    fn decode(input: &[u8]) -> Outcome {
        let whole = drive(&mut Zstd::default(), input, input.len().max(1), 1 << 16);
        for (piece, room) in [(1, 1 << 16), (7, 5), (100, 1)] {
            let parts = drive(&mut Zstd::default(), input, piece, room);
            assert_eq!((&parts.regions, &parts.damages), (&whole.regions, &whole.damages), "{piece}, {room}");
            assert!(parts.output == whole.output, "output differs by pieces of {piece}, room for {room}");
        }
        whole
    }

    fn damages(outcome: &Outcome) -> Vec<(u64, bool, &str)> {
        outcome.damages.iter().map(|d| (d.at, d.cut, d.detail.as_str())).collect()
    }

    /// Bytes that compress, but not to nothing.
    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8 ^ (i / 1000) as u8).collect()
    }

    #[test]
    fn frames_continue_one_stream() {
        let (a, b) = (frame(b"hello "), frame(b"world"));
        let outcome = decode(&[&a[..], &b].concat());
        assert_eq!((outcome.output.as_slice(), outcome.damages.len()), (&b"hello world"[..], 0));
        let n = a.len();
        let end = n + b.len();
        assert_eq!(
            outcome.regions,
            [(Structure, 6), (Payload, n - 4), (Structure, n + 6), (Payload, end - 4), (Structure, end)]
        );
        for len in [0, 1, 200_000, 1_000_000] {
            let data = sample(len);
            for plain in [true, false] {
                let input = zstd(&data, |c| {
                    c.set_parameter(CParameter::ChecksumFlag(plain)).unwrap();
                    c.set_parameter(CParameter::ContentSizeFlag(plain)).unwrap();
                });
                let outcome = drive(&mut Zstd::default(), &input, 1000, 1 << 16);
                assert!(outcome.output == data && outcome.damages.is_empty(), "{len}");
            }
        }
    }

    #[test]
    fn skippable_frames_are_dead() {
        let a = frame(b"hello");
        let n = a.len();
        let outcome = decode(&[&skippable(0x50, b"HIDDENDATA")[..], &a, &skippable(0x5f, b"")].concat());
        assert_eq!((outcome.output.as_slice(), outcome.damages.len()), (&b"hello"[..], 0));
        assert_eq!(
            outcome.regions,
            [(Structure, 8), (Dead, 18), (Structure, 24), (Payload, 18 + n - 4), (Structure, 18 + n + 8)]
        );
    }

    #[test]
    fn a_seek_table_that_adds_up_is_structure() {
        let (a, b) = (frame(b"hello "), frame(b"world"));
        let table = |sizes: [usize; 4], magic: [u8; 4]| {
            let mut content = Vec::new();
            for size in sizes {
                content.extend_from_slice(&(size as u32).to_le_bytes());
            }
            content.extend_from_slice(&[2, 0, 0, 0, 0]);
            content.extend_from_slice(&magic);
            [&a[..], &b, &skippable(SEEK_TABLE, &content)].concat()
        };
        let last = |input: &[u8]| decode(input).regions.last().unwrap().0;
        assert_eq!(last(&table([a.len(), 6, b.len(), 5], SEEK_FOOTER)), Structure);
        assert_eq!(last(&table([a.len(), 6, b.len(), 6], SEEK_FOOTER)), Dead);
        assert_eq!(last(&table([a.len(), 6, b.len() + 1, 5], SEEK_FOOTER)), Dead);
        assert_eq!(last(&table([a.len(), 6, b.len(), 5], *b"none")), Dead);
    }

    #[test]
    fn what_follows_is_trailing() {
        let a = frame(b"hello");
        let n = a.len();
        for tail in [&b"HIDDENDATA"[..], b"\x28\xb5\x2f\xfc", b"\x50\x2a\x4d\x19"] {
            let outcome = decode(&[&a[..], tail].concat());
            assert_eq!(
                (outcome.regions.last(), outcome.damages.len()),
                (Some(&(Trailing, n + tail.len())), 0)
            );
        }
        assert_eq!(decode(&[&a[..], &[0; 9]].concat()).regions.last(), Some(&(ZeroPad, n + 9)));
        let begun = decode(&[&a[..], b"\x28\xb5"].concat());
        assert_eq!(damages(&begun), [(n as u64 + 2, true, "a zstd frame header is cut short")]);
    }

    #[test]
    fn a_wrong_check_sum_is_told_and_reading_goes_on() {
        let (mut a, b) = (frame(b"hello "), frame(b"world"));
        let n = a.len();
        a[n - 1] ^= 1;
        let outcome = decode(&[&a[..], &b].concat());
        assert_eq!(damages(&outcome), [(n as u64 - 4, false, "the check sum of a zstd frame is wrong")]);
        assert_eq!(outcome.output, b"hello world");
    }

    #[test]
    fn a_damaged_block_is_known_by_its_place() {
        let mut input = frame(&sample(300_000));
        // The first block's type becomes 3, which is reserved.
        let header = 4 + 1 + 1 + 4;
        assert_eq!(decode(&input).regions[0], (Structure, header - 1 + usize::from(input[4] & 0x20 == 0)));
        let at = decode(&input).regions[0].1;
        input[at] |= 6;
        let outcome = decode(&input);
        assert_eq!(outcome.regions, [(Structure, at), (RegionClass::Opaque, input.len())]);
        assert_eq!(outcome.damages[0].at, at as u64);
    }

    #[test]
    fn a_window_over_the_limit_is_refused() {
        // Magic, no single segment, window exponent 18 = 2^28.
        let input = [&FRAME[..], &[0, 18 << 3], &[1, 0, 0]].concat();
        let outcome = decode(&input);
        assert_eq!(outcome.regions, [(RegionClass::Opaque, 9)]);
        assert!(outcome.damages[0].detail.contains("too much memory"), "{:?}", outcome.damages);
    }

    #[test]
    fn every_truncation_is_told() {
        let b = frame(b"world");
        let input = [frame(&sample(3000)), skippable(0x50, b"x"), b.clone()].concat();
        let ends = [input.len(), input.len() - b.len(), input.len() - b.len() - 9];
        for len in 0..=input.len() {
            assert_eq!(!decode(&input[..len]).damages.is_empty(), !ends.contains(&len), "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_damage_is_accounted_for(at in 0usize..2000, xor in 1u8.., tail in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut input = [frame(&sample(20_000)), tail].concat();
            let n = input.len();
            input[at % n] ^= xor;
            decode(&input);
        }
    }
}
