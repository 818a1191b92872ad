//! A column of whole messages, hashed from the buffers where they lie.

use super::super::Algorithm;
use super::super::kernel::{BLOCK, Choice, Compression, Words};
use super::streams::start;
use super::{Seam, Span, Supply, padding, run_all};

/// From this length on, the lengths of values are looked at: long ones go first, so that none is alone at the end.
const LONG: usize = 4096;

/// Hashes all values; `into` takes their digests back to back, a value's at its own place. `None` is no message, and
/// its place is left as it is.
///
/// # Panics
/// Where `into` has another length.
pub(super) fn hash(
    values: &[Option<&[u8]>],
    algorithm: Algorithm,
    compression: Compression,
    into: &mut [u8],
) {
    assert_eq!(into.len(), values.len() * algorithm.len(), "a digest for each value");
    let mut order: Vec<u32> =
        (0..).zip(values).filter(|(_, value)| value.is_some()).map(|(index, _)| index).collect();
    let length = |index: &u32| values[*index as usize].map_or(0, <[u8]>::len);
    if order.iter().any(|index| length(index) >= LONG) {
        // Places are taken from the back.
        order.sort_by_key(length);
    } else {
        order.reverse();
    }
    let waiting = order.len();
    let mut column = Column { values, order, compression, algorithm, into };
    run_all(&mut column, waiting, Choice::of(compression), true);
}

/// Values that wait, and the place for their digests.
struct Column<'a> {
    values: &'a [Option<&'a [u8]>],
    order: Vec<u32>,
    compression: Compression,
    algorithm: Algorithm,
    into: &'a mut [u8],
}

/// A value in a lane.
struct Cell<'a> {
    index: u32,
    value: &'a [u8],
    /// What is hashed before the value.
    header: Header,
    /// Bytes hashed so far, of header, value and end.
    done: usize,
}

/// The header of a git object: `blob LENGTH` and a zero (gitformat-loose(5)); empty for all others.
struct Header {
    bytes: [u8; 28],
    len: usize,
}

impl Header {
    fn of(length: usize, is_git: bool) -> Header {
        let mut bytes = [0; 28];
        let mut len = 0;
        if is_git {
            let text = git_header(length as u64);
            len = text.len();
            bytes[..len].copy_from_slice(text.as_bytes());
        }
        Header { bytes, len }
    }
}

/// What git hashes before a blob of so many bytes.
pub(super) fn git_header(length: u64) -> String {
    format!("blob {length}\0")
}

// SAFETY: pointers lie in the values, which are borrowed for as long as the column is.
unsafe impl<'a> Supply for Column<'a> {
    type Message = Cell<'a>;

    fn next(&mut self) -> Option<(Cell<'a>, Words)> {
        let index = self.order.pop()?;
        let value = self.values[index as usize].unwrap_or_default();
        let header = Header::of(value.len(), self.algorithm == Algorithm::GitBlob);
        Some((Cell { index, value, header, done: 0 }, start(self.algorithm, self.compression)))
    }

    #[inline]
    fn span(&mut self, cell: &mut Cell<'a>, seam: &mut Seam) -> Option<Span> {
        let Cell { value, header, done, .. } = cell;
        let length = header.len + value.len();
        if *done == 0 && header.len > 0 && length >= BLOCK {
            seam[..header.len].copy_from_slice(&header.bytes[..header.len]);
            seam[header.len..BLOCK].copy_from_slice(&value[..BLOCK - header.len]);
            return Some(Span::Seam(0, 1));
        }
        let whole = length / BLOCK * BLOCK;
        if *done < whole {
            let rest = &value[*done - header.len..];
            return Some(Span::There(rest.as_ptr(), (whole - *done) / BLOCK));
        }
        let rest = length - whole;
        let padded = (*done - whole) / BLOCK;
        if padded == padding::blocks(rest) {
            return None;
        }
        if whole == 0 {
            seam[..header.len].copy_from_slice(&header.bytes[..header.len]);
            seam[header.len..rest].copy_from_slice(value);
        } else {
            seam[..rest].copy_from_slice(&value[value.len() - rest..]);
        }
        let blocks = padding::write(seam, rest, length as u64, self.compression);
        Some(Span::Seam(padded, blocks - padded))
    }

    #[inline]
    fn advance(&mut self, cell: &mut Cell<'a>, blocks: usize) {
        cell.done += blocks * BLOCK;
    }

    #[inline]
    fn rest(&mut self, cell: Cell<'a>, words: Words) {
        // All of a value is there from the start: what rests has ended.
        let width = self.algorithm.len();
        let place = &mut self.into[cell.index as usize * width..][..width];
        padding::digest(&words, self.compression, place);
    }
}
