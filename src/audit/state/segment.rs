//! Segments: logs of frames. One is written by one run and never changed after; every frame carries a check sum over its
//! content and its place, so that a frame that is torn, flipped, exchanged or of another segment is none.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::first_half;
use super::folder::{FORMAT, failed, segment_name};
use crate::digest::Algorithm;
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::locator::Locator;
use crate::observation::{Kind, Observation};
use crate::shard;

/// The longest frame that is written or believed.
pub const LONGEST: usize = 4 << 20;

/// Length, kind and check sum of a frame.
const OVERHEAD: u64 = 4 + 1 + 16;

/// To be raised where a reader tells something else of the same bytes and nothing else in [`Header::of`] changes.
const READERS: &str = "readers 2";

/// What is kept for at most so long in memory of the system alone.
const SYNC_EVERY: Duration = Duration::from_secs(10);

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// The first: what the segment is.
    Header = 1,
    /// A whole record.
    Whole = 2,
    /// The begin of a long record.
    Begin = 3,
    /// Events of it.
    Events = 4,
    /// Its end.
    End = 5,
}

impl FrameKind {
    fn of(byte: u8) -> Option<FrameKind> {
        use FrameKind::{Begin, End, Events, Header, Whole};
        [Header, Whole, Begin, Events, End].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What a segment is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Identifies the program as far as it decides what is observed of a file, and how that is written.
    pub program: [u8; 16],
    /// The roots that its records are below, as real paths.
    pub roots: Vec<Vec<u8>>,
}

impl Header {
    /// Of this program, for these roots.
    pub fn of(roots: Vec<Vec<u8>>) -> Header {
        let mut hasher = blake3::Hasher::new();
        let mut add = |word: &str| {
            hasher.update(word.as_bytes());
            hasher.update(&[0]);
        };
        add(FORMAT);
        add(env!("CARGO_PKG_VERSION"));
        // Within a version as well: written are the numbers of codes and algorithms, and what is opened depends on the
        // formats that are known.
        Code::ALL.iter().for_each(|code| add(code.name()));
        Algorithm::ALL.iter().for_each(|algorithm| add(algorithm.name()));
        shard::formats().iter().for_each(|format| add(format.name()));
        add(READERS);
        // A field that was added makes the same observation longer.
        let sample = Observation::new(Locator::default(), 0, Kind::File);
        hasher.update(&postcard::to_stdvec(&sample).unwrap_or_default());
        Header { program: first_half(&hasher), roots }
    }
}

/// Writes a segment.
pub struct SegmentWriter {
    file: File,
    path: PathBuf,
    number: u32,
    at: u64,
    buffer: Vec<u8>,
    synced: Instant,
}

impl SegmentWriter {
    /// Begins a segment.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn create(folder: &Path, number: u32, header: &Header) -> Result<SegmentWriter> {
        let path = folder.join(segment_name(number));
        // It holds digests, maybe of what nobody may have.
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|cause| failed("create", &path, cause))?;
        let (buffer, synced) = (Vec::new(), Instant::now());
        let mut writer = SegmentWriter { file, path, number, at: 0, buffer, synced };
        let header = postcard::to_stdvec(header).map_err(|error| Error::Scratch(error.to_string()))?;
        writer.append(FrameKind::Header, &[&header])?;
        Ok(writer)
    }

    /// Adds a frame of these pieces; its check sum. They must not be longer than [`LONGEST`] together.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn append(&mut self, kind: FrameKind, pieces: &[&[u8]]) -> Result<[u8; 16]> {
        let len = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let sum = check_sum(self.number, self.at, kind, len, pieces);
        self.buffer.extend_from_slice(&len.to_le_bytes());
        self.buffer.push(kind as u8);
        pieces.iter().for_each(|piece| self.buffer.extend_from_slice(piece));
        self.buffer.extend_from_slice(&sum);
        self.at += OVERHEAD + u64::from(len);
        if self.buffer.len() >= 1 << 20 {
            self.write()?;
        }
        Ok(sum)
    }

    /// Gives all frames to the system, and now and then to the disk.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn flush(&mut self) -> Result<()> {
        self.write()?;
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Gives all frames to the disk.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn sync(&mut self) -> Result<()> {
        self.write()?;
        self.file.sync_data().map_err(|cause| failed("write", &self.path, cause))?;
        self.synced = Instant::now();
        Ok(())
    }

    /// Where the segment is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self) -> Result<()> {
        // A failed write may have written a part: nothing more may follow it, and the run ends.
        let buffer = std::mem::take(&mut self.buffer);
        self.file.write_all(&buffer).map_err(|cause| failed("write", &self.path, cause))?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }
}

/// A segment that an earlier run left.
pub struct OpenSegment {
    /// Its number.
    pub number: u32,
    /// Its path.
    pub path: PathBuf,
    /// Its file.
    pub file: File,
    /// Its length.
    pub bytes: u64,
    /// The numbers that its roots have in this run.
    pub roots: Vec<u16>,
}

impl OpenSegment {
    /// Its frames from this byte on, read one by one.
    pub fn frames(&self, at: u64) -> Frames<impl Read + '_> {
        Frames::new(From { file: &self.file, at }, self.number, at)
    }
}

/// Reads a file from some byte on.
struct From<'a> {
    file: &'a File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A frame as it was read.
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Its content.
    pub payload: Vec<u8>,
    /// Its check sum, which holds.
    pub sum: [u8; 16],
    /// Its first byte, and the first one after it.
    pub start: u64,
    /// The first byte after it.
    pub end: u64,
}

/// Frames one after the other, up to the first that does not hold.
pub struct Frames<R> {
    read: R,
    number: u32,
    at: u64,
}

impl<R: Read> Frames<R> {
    /// Of a segment of this number; the next byte is number `at`.
    pub fn new(read: R, number: u32, at: u64) -> Self {
        Frames { read, number, at }
    }

    /// The next frame; none where it does not hold, and at the end.
    pub fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 5];
        self.read.read_exact(&mut head).ok()?;
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let kind = FrameKind::of(head[4])?;
        if len as usize > LONGEST {
            return None;
        }
        let mut payload = vec![0; len as usize];
        self.read.read_exact(&mut payload).ok()?;
        let mut sum = [0; 16];
        self.read.read_exact(&mut sum).ok()?;
        if sum != check_sum(self.number, self.at, kind, len, &[&payload]) {
            return None;
        }
        let start = self.at;
        self.at += OVERHEAD + u64::from(len);
        Some(Frame { kind, payload, sum, start, end: self.at })
    }
}

fn check_sum(number: u32, at: u64, kind: FrameKind, len: u32, pieces: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(&[kind as u8]);
    hasher.update(&len.to_le_bytes());
    pieces.iter().for_each(|piece| {
        hasher.update(piece);
    });
    first_half(&hasher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_up_to_the_first_flipped_bit_and_no_further() {
        let home = tempfile::tempdir().unwrap();
        let header = Header::of(vec![b"/data".to_vec()]);
        let mut writer = SegmentWriter::create(home.path(), 5, &header).unwrap();
        let mut ends = vec![writer.at];
        for payload in [&b"one"[..], b"", b"three"] {
            writer.append(FrameKind::Whole, &[payload]).unwrap();
            ends.push(writer.at);
        }
        writer.sync().unwrap();
        let written = std::fs::read(writer.path()).unwrap();
        let read = |bytes: &[u8], number| {
            let mut frames = Frames::new(bytes, number, 0);
            std::iter::from_fn(|| frames.frame()).count()
        };
        assert_eq!(read(&written, 5), 4);
        assert_eq!(read(&written, 6), 0, "a frame of another segment is none");
        for at in 0..written.len() {
            let whole = ends.iter().filter(|&&end| end <= at as u64).count();
            assert_eq!(read(&written[..at], 5), whole);
            for bit in 0..8 {
                let mut flipped = written.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(read(&flipped, 5), whole, "byte {at}, bit {bit}");
            }
        }
    }
}
