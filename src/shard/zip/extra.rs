//! Extra fields (APPNOTE 4.5): which of them are known, what they say, and what of them no reader shows.

use std::ops::Range;

use crate::source::RegionClass::{self, Dead, Structure, ZeroPad};
use crate::source::first_nonzero;

/// Sizes and offsets that do not fit into 32 bits (APPNOTE 4.5.3).
const ZIP64: u16 = 0x0001;
/// The name in UTF-8, and the CRC-32 of the name that it stands for (APPNOTE 4.6.9).
const UNICODE_PATH: u16 = 0x7075;
/// What pads data to a boundary: the boundary, and zeros (Android's zipalign).
const ALIGNMENT: u16 = 0xd935;
/// Bytes of a subfield's identifier and length.
const HEAD: usize = 4;

/// Subfields that hold times, owners and the like, and how long they can be: NTFS times, extended times, Unix of three
/// kinds (Info-ZIP `proginfo/extrafld.txt`), the AES header, Java's mark.
const KNOWN: [(u16, usize); 7] =
    [(0x000a, 32), (0x5455, 13), (0x5855, 12), (0x7855, 4), (0x7875, 19), (0x9901, 7), (0xcafe, 0)];

/// The subfields, each with its data; the last has no identifier if it is none.
fn subfields(extra: &[u8]) -> impl Iterator<Item = (Option<u16>, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = extra.get(at..).filter(|rest| !rest.is_empty())?;
        let head = rest.first_chunk::<HEAD>();
        let id = head.map(|h| u16::from_le_bytes([h[0], h[1]]));
        let len = head.map(|h| usize::from(u16::from_le_bytes([h[2], h[3]])));
        let told = match (id, len) {
            (Some(id), Some(len)) if len <= rest.len() - HEAD => (Some(id), at + HEAD..at + HEAD + len),
            // It overruns the field: what remains is not a subfield of any kind.
            _ => (None, at..extra.len()),
        };
        at = told.1.end;
        Some(told)
    })
}

/// What a zip64 subfield says: only fields of the header that are all ones stand in it, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Zip64 {
    /// Length of the data.
    pub uncompressed: Option<u64>,
    /// Length in the file.
    pub compressed: Option<u64>,
    /// Where the local header lies.
    pub offset: Option<u64>,
    /// Bytes of the subfield that were read.
    pub read: usize,
    /// There is one.
    pub is_there: bool,
}

/// Reads the first zip64 subfield; the three say whether the header leaves the field to it.
pub fn zip64(extra: &[u8], uncompressed: bool, compressed: bool, offset: bool) -> Zip64 {
    let mut told = Zip64::default();
    let Some((_, range)) = subfields(extra).find(|(id, _)| *id == Some(ZIP64)) else { return told };
    told.is_there = true;
    let data = &extra[range];
    let mut next = |wanted: bool| {
        let bytes = data.get(told.read..)?.first_chunk::<8>().filter(|_| wanted)?;
        told.read += 8;
        Some(u64::from_le_bytes(*bytes))
    };
    let (a, b, c) = (next(uncompressed), next(compressed), next(offset));
    (told.uncompressed, told.compressed, told.offset) = (a, b, c);
    told
}

/// The name in a Unicode path subfield that was made for this name.
pub fn unicode_path<'a>(extra: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let crc = crc32fast::hash(name);
    subfields(extra).filter(|(id, _)| *id == Some(UNICODE_PATH)).find_map(|(_, range)| {
        let (head, path) = extra[range].split_first_chunk::<5>()?;
        let fits = head[0] == 1 && u32::from_le_bytes([head[1], head[2], head[3], head[4]]) == crc;
        (fits && std::str::from_utf8(path).is_ok()).then_some(path)
    })
}

/// What the bytes of an extra field are: lengths and classes, in order. `zip64` are the bytes read of that subfield.
pub fn classes(extra: &[u8], name: &[u8], zip64: usize) -> Vec<(usize, RegionClass)> {
    let mut told = Vec::new();
    let mut first = true;
    let hidden = |bytes: &[u8]| if first_nonzero(bytes).is_none() { ZeroPad } else { Dead };
    for (id, range) in subfields(extra) {
        let data = &extra[range.clone()];
        let Some(id) = id else {
            told.push((data.len(), hidden(data)));
            continue;
        };
        told.push((HEAD, Structure));
        let known = match id {
            ZIP64 if std::mem::take(&mut first) => zip64,
            UNICODE_PATH if unicode_path(&extra[range.start - HEAD..range.end], name).is_some() => data.len(),
            ALIGNMENT => data.len().min(2),
            _ => KNOWN
                .iter()
                .find(|(known, most)| *known == id && data.len() <= *most)
                .map_or(0, |_| data.len()),
        };
        told.push((known, Structure));
        told.push((data.len() - known, hidden(&data[known..])));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subfield(id: u16, data: &[u8]) -> Vec<u8> {
        [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
    }

    #[test]
    fn zip64_holds_what_the_header_leaves_to_it() {
        let data: Vec<u8> = [5u64, 6, 7].iter().flat_map(|n| n.to_le_bytes()).collect();
        let extra = [subfield(0x5455, b"\x01abcd"), subfield(ZIP64, &data)].concat();
        let all = zip64(&extra, true, true, true);
        assert_eq!((all.uncompressed, all.compressed, all.offset, all.read), (Some(5), Some(6), Some(7), 24));
        let one = zip64(&extra, false, false, true);
        assert_eq!((one.uncompressed, one.compressed, one.offset, one.read), (None, None, Some(5), 8));
        let short = zip64(&subfield(ZIP64, &data[..12]), true, true, false);
        assert_eq!((short.uncompressed, short.compressed, short.read), (Some(5), None, 8));
        assert!(!zip64(b"\x01\0\xff\0x", true, true, true).is_there);
    }

    #[test]
    fn what_no_reader_shows_is_hidden() {
        let merged = |extra: &[u8], zip64| {
            let mut told: Vec<(usize, RegionClass)> = Vec::new();
            for (len, class) in classes(extra, b"n", zip64) {
                match told.last_mut() {
                    _ if len == 0 => {}
                    Some(last) if last.1 == class => last.0 += len,
                    _ => told.push((len, class)),
                }
            }
            told
        };
        assert_eq!(merged(&subfield(0x5455, b"\x01abcd"), 0), [(9, Structure)]);
        assert_eq!(merged(&subfield(0x5455, &[1; 14]), 0), [(4, Structure), (14, Dead)]);
        assert_eq!(merged(&subfield(0x1234, b"secret"), 0), [(4, Structure), (6, Dead)]);
        assert_eq!(merged(&subfield(ZIP64, &[1; 24]), 16), [(20, Structure), (8, Dead)]);
        assert_eq!(merged(&subfield(ALIGNMENT, &[4, 0, 0, 0]), 0), [(6, Structure), (2, ZeroPad)]);
        assert_eq!(merged(b"\x55\x54\xff\0abc", 0), [(7, Dead)]);
        assert_eq!(merged(&[0; 3], 0), [(3, ZeroPad)]);
        let path = [&[1][..], &crc32fast::hash(b"n").to_le_bytes(), "ñ".as_bytes()].concat();
        assert_eq!(merged(&subfield(UNICODE_PATH, &path), 0), [(11, Structure)]);
        assert_eq!(unicode_path(&subfield(UNICODE_PATH, &path), b"n"), Some("ñ".as_bytes()));
        assert_eq!(unicode_path(&subfield(UNICODE_PATH, &path), b"m"), None);
    }
}
