//! A small writer of zips that also writes what no sound writer would.
#![allow(clippy::unwrap_used, dead_code, reason = "each suite uses a part")]

use std::io::Write;

/// An entry to be written; what is not set is as a sound writer would have it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    /// The compressed data, where it is not what the method makes of the data.
    pub packed: Option<Vec<u8>>,
    pub crc: Option<u32>,
    pub size: Option<u64>,
    /// The name before the data, where it is another.
    pub local_name: Option<Vec<u8>>,
    pub extra: Vec<u8>,
    pub comment: Vec<u8>,
    /// Sizes follow the data: with a signature, of eight bytes.
    pub descriptor: Option<(bool, bool)>,
    /// Sizes stand in zip64 subfields.
    pub zip64: bool,
    /// Unix mode.
    pub mode: u32,
    /// Bytes after it that nothing claims.
    pub gap: Vec<u8>,
    /// The directory does not have it.
    pub unlisted: bool,
}

/// An entry of this name and data.
pub fn entry(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Entry {
    Entry { name: name.as_ref().to_vec(), data: data.as_ref().to_vec(), ..Entry::default() }
}

/// Such an entry, deflated.
pub fn deflated(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Entry {
    Entry { method: 8, ..entry(name, data) }
}

/// What stands around the entries.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    pub prefix: Vec<u8>,
    /// Offsets count from the prefix's end.
    pub unadjusted: bool,
    pub comment: Vec<u8>,
    pub zip64: bool,
    pub entries: Option<u16>,
    pub tail: Vec<u8>,
}

pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A zip of these entries.
pub fn zip(entries: &[Entry]) -> Vec<u8> {
    framed(entries, &Frame::default())
}

/// A zip of these entries in this frame.
pub fn framed(entries: &[Entry], frame: &Frame) -> Vec<u8> {
    let mut out = frame.prefix.clone();
    let base = if frame.unadjusted { out.len() } else { 0 };
    let mut directory = Vec::new();
    let mut listed = 0u16;
    for entry in entries {
        let offset = (out.len() - base) as u32;
        let packed = entry.packed.clone().unwrap_or_else(|| match entry.method {
            8 => deflate(&entry.data),
            _ => entry.data.clone(),
        });
        let crc = entry.crc.unwrap_or_else(|| crc32fast::hash(&entry.data));
        let (narrow, wide) = (packed.len() as u64, entry.size.unwrap_or(entry.data.len() as u64));
        let flags = entry.flags | if entry.descriptor.is_some() { 8 } else { 0 };
        let mut extra = entry.extra.clone();
        if entry.zip64 {
            extra.extend_from_slice(&[1, 0, 16, 0]);
            extra.extend_from_slice(&wide.to_le_bytes());
            extra.extend_from_slice(&narrow.to_le_bytes());
        }
        let short = |size: u64| if entry.zip64 { u32::MAX } else { size as u32 };
        let header = |later: bool, name: &[u8]| {
            let mut bytes = Vec::new();
            bytes.extend_from_slice(&flags.to_le_bytes());
            bytes.extend_from_slice(&entry.method.to_le_bytes());
            bytes.extend_from_slice(&[0, 0, 0x21, 0]);
            let (crc, narrow, wide) = if later { (0, 0, 0) } else { (crc, short(narrow), short(wide)) };
            for number in [crc, narrow, wide] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
            bytes
        };
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        let later = entry.descriptor.is_some();
        let local_extra = if later { &entry.extra } else { &extra };
        out.extend_from_slice(b"PK\x03\x04\x14\0");
        out.extend_from_slice(&header(later, local_name));
        out.extend_from_slice(&(local_extra.len() as u16).to_le_bytes());
        out.extend_from_slice(local_name);
        out.extend_from_slice(local_extra);
        out.extend_from_slice(&packed);
        if let Some((signed, eight)) = entry.descriptor {
            out.extend_from_slice(if signed { b"PK\x07\x08" } else { b"" });
            out.extend_from_slice(&crc.to_le_bytes());
            for size in [narrow, wide] {
                out.extend_from_slice(&size.to_le_bytes()[..if eight { 8 } else { 4 }]);
            }
        }
        out.extend_from_slice(&entry.gap);
        if entry.unlisted {
            continue;
        }
        listed += 1;
        directory.extend_from_slice(b"PK\x01\x02\x14\x03\x14\0");
        directory.extend_from_slice(&header(false, &entry.name));
        directory.extend_from_slice(&(extra.len() as u16).to_le_bytes());
        directory.extend_from_slice(&(entry.comment.len() as u16).to_le_bytes());
        directory.extend_from_slice(&[0; 4]);
        directory.extend_from_slice(&(entry.mode << 16).to_le_bytes());
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(&entry.name);
        directory.extend_from_slice(&extra);
        directory.extend_from_slice(&entry.comment);
    }
    let (at, size) = (out.len() - base, directory.len());
    out.extend_from_slice(&directory);
    let count = frame.entries.unwrap_or(listed);
    if frame.zip64 {
        let place = (out.len() - base) as u64;
        out.extend_from_slice(b"PK\x06\x06");
        out.extend_from_slice(&44u64.to_le_bytes());
        out.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [u64::from(count), u64::from(count), size as u64, at as u64] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        out.extend_from_slice(&place.to_le_bytes());
        out.extend_from_slice(&1u32.to_le_bytes());
    }
    let (count, size, at) =
        if frame.zip64 { (u16::MAX, u32::MAX, u32::MAX) } else { (count, size as u32, at as u32) };
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&(frame.comment.len() as u16).to_le_bytes());
    out.extend_from_slice(&frame.comment);
    out.extend_from_slice(&frame.tail);
    out
}
