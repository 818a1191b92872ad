//! The two headers of an entry (APPNOTE 4.3.7 and 4.3.12): one in the central directory, one before the data.

use super::extra::{self, Zip64};
use crate::source::RegionClass::{self, Dead, Structure};

/// Signatures of records, as they lie in a file.
pub const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// A header of the central directory.
pub const CENTRAL: [u8; 4] = *b"PK\x01\x02";
/// A data descriptor; the same four bytes mark an archive of several parts.
pub const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
/// The end of the central directory.
pub const END: [u8; 4] = *b"PK\x05\x06";
/// The zip64 end of the central directory.
pub const END64: [u8; 4] = *b"PK\x06\x06";
/// The locator of that.
pub const LOCATOR: [u8; 4] = *b"PK\x06\x07";

/// Bytes of a central header before its name.
pub const CENTRAL_FIXED: usize = 46;
/// Bytes of a local header before its name.
pub const LOCAL_FIXED: usize = 30;

/// General purpose bits (APPNOTE 4.4.4).
pub mod flag {
    /// Encrypted.
    pub const ENCRYPTED: u16 = 1;
    /// Check sum and sizes follow the data.
    pub const DESCRIPTOR: u16 = 1 << 3;
    /// The data is a patch.
    pub const PATCH: u16 = 1 << 5;
    /// Strong encryption.
    pub const STRONG: u16 = 1 << 6;
    /// Name and comment are UTF-8.
    pub const UTF8: u16 = 1 << 11;
    /// Parts of the local header are hidden.
    pub const MASKED: u16 = 1 << 13;
}

/// What both headers of an entry say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// General purpose bits.
    pub flags: u16,
    /// The compression method.
    pub method: u16,
    /// CRC-32 of the data.
    pub crc: u32,
    /// Bytes in the file.
    pub compressed: u64,
    /// Bytes of the data.
    pub uncompressed: u64,
    /// The name as it stands there.
    pub name: Vec<u8>,
    /// The extra field.
    pub extra: Vec<u8>,
    /// Bytes read of its zip64 subfield.
    pub zip64: usize,
    /// It has such a subfield.
    pub is_zip64: bool,
}

/// A header of the central directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Central {
    /// What it shares with the local one.
    pub header: Header,
    /// The system whose attributes follow.
    pub system: u8,
    /// The part of the archive that holds the entry.
    pub disk: u16,
    /// External attributes.
    pub attributes: u32,
    /// Where the local header lies, as it is written.
    pub offset: u64,
    /// Bytes of its comment.
    pub comment: usize,
}

/// The length of the central header that begins so.
pub fn central_len(fixed: &[u8; CENTRAL_FIXED]) -> usize {
    CENTRAL_FIXED + number16(fixed, 28) + number16(fixed, 30) + number16(fixed, 32)
}

/// The length of the local header that begins so.
pub fn local_len(fixed: &[u8; LOCAL_FIXED]) -> usize {
    LOCAL_FIXED + number16(fixed, 26) + number16(fixed, 28)
}

impl Central {
    /// Reads a record of the length that [`central_len`] tells.
    pub fn parse(record: &[u8]) -> Option<Central> {
        let fixed = record.first_chunk::<CENTRAL_FIXED>().filter(|fixed| fixed.starts_with(&CENTRAL))?;
        let (name, extra) = (number16(fixed, 28), number16(fixed, 30));
        let extra_at = CENTRAL_FIXED + name;
        let offset = number32(fixed, 42);
        let (header, zip64) = Header::new(
            Fields { flags: 8, method: 10, crc: 16 },
            fixed,
            record.get(CENTRAL_FIXED..extra_at)?,
            record.get(extra_at..extra_at + extra)?,
            offset == u32::MAX,
        );
        Some(Central {
            header,
            system: fixed[5],
            disk: number16(fixed, 34) as u16,
            attributes: number32(fixed, 38),
            offset: zip64.offset.unwrap_or(u64::from(offset)),
            comment: number16(fixed, 32),
        })
    }

    /// What the bytes of the record are.
    pub fn classes(&self) -> Vec<(usize, RegionClass)> {
        let mut told = self.header.classes(CENTRAL_FIXED);
        told.push((self.comment, Dead));
        told
    }

    /// Whether the attributes are those of a symbolic link (`S_IFLNK` of Unix).
    pub fn is_link(&self) -> bool {
        // 3 is Unix, 19 is OS X (APPNOTE 4.4.2.2).
        matches!(self.system, 3 | 19) && self.attributes >> 28 == 0o12
    }
}

impl Header {
    /// Reads a local header of the length that [`local_len`] tells.
    pub fn parse_local(record: &[u8]) -> Option<Header> {
        let fixed = record.first_chunk::<LOCAL_FIXED>().filter(|fixed| fixed.starts_with(&LOCAL))?;
        let extra_at = LOCAL_FIXED + number16(fixed, 26);
        let name = record.get(LOCAL_FIXED..extra_at)?;
        let extra = record.get(extra_at..extra_at + number16(fixed, 28))?;
        Some(Header::new(Fields { flags: 6, method: 8, crc: 14 }, fixed, name, extra, false).0)
    }

    fn new(at: Fields, fixed: &[u8], name: &[u8], extra: &[u8], offset: bool) -> (Header, Zip64) {
        let (compressed, uncompressed) = (number32(fixed, at.crc + 4), number32(fixed, at.crc + 8));
        let zip64 = extra::zip64(extra, uncompressed == u32::MAX, compressed == u32::MAX, offset);
        let header = Header {
            flags: number16(fixed, at.flags) as u16,
            method: number16(fixed, at.method) as u16,
            crc: number32(fixed, at.crc),
            compressed: zip64.compressed.unwrap_or(u64::from(compressed)),
            uncompressed: zip64.uncompressed.unwrap_or(u64::from(uncompressed)),
            name: name.to_vec(),
            extra: extra.to_vec(),
            zip64: zip64.read,
            is_zip64: zip64.is_there,
        };
        (header, zip64)
    }

    /// What the bytes of a record are, up to the end of its extra field.
    pub fn classes(&self, fixed: usize) -> Vec<(usize, RegionClass)> {
        let mut told = vec![(fixed + self.name.len(), Structure)];
        told.extend(extra::classes(&self.extra, &self.name, self.zip64));
        told
    }

    /// Whether a bit is set.
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// The name that readers show, which a Unicode path subfield may give.
    pub fn shown_name(&self) -> &[u8] {
        extra::unicode_path(&self.extra, &self.name).unwrap_or(&self.name)
    }

    /// In what a local header contradicts this one of the directory, in words.
    pub fn contradiction(&self, local: &Header) -> Option<&'static str> {
        // Where sizes follow the data, they are zero here or right (APPNOTE 4.4.4).
        let later = local.has(flag::DESCRIPTOR);
        let differs = |local: u64, here: u64| local != here && !(later && local == 0);
        let path = |header: &Header| extra::unicode_path(&header.extra, &header.name).map(<[u8]>::to_vec);
        let names =
            self.name != local.name || path(self).zip(path(local)).is_some_and(|(here, there)| here != there);
        let told = [
            (names, "another name"),
            (self.method != local.method, "another compression method"),
            (self.has(flag::ENCRYPTED) != local.has(flag::ENCRYPTED), "otherwise encrypted data"),
            (self.has(flag::DESCRIPTOR) != later, "another place for sizes"),
            (differs(local.crc.into(), self.crc.into()), "another check sum"),
            (differs(local.compressed, self.compressed), "another size in the file"),
            (differs(local.uncompressed, self.uncompressed), "another size of the data"),
        ];
        told.iter().find(|(differs, _)| *differs).map(|(_, what)| *what)
    }
}

/// Where both kinds of header have their common fields; sizes follow the check sum.
struct Fields {
    flags: usize,
    method: usize,
    crc: usize,
}

/// Two bytes of a record that is long enough.
pub fn number16(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).and_then(<[u8]>::first_chunk::<2>).map_or(0, |b| usize::from(u16::from_le_bytes(*b)))
}

/// Four bytes of a record that is long enough.
pub fn number32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).map_or(0, |b| u32::from_le_bytes(*b))
}

/// Eight bytes of a record that is long enough.
pub fn number64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk::<8>).map_or(0, |b| u64::from_le_bytes(*b))
}

/// The name of a compression method (APPNOTE 4.4.5).
pub fn method_name(method: u16) -> &'static str {
    match method {
        0 => "stored",
        1 => "shrunk",
        2..=5 => "reduced",
        6 => "imploded",
        8 => "deflate",
        9 => "Deflate64",
        10 | 18 => "IBM TERSE",
        12 => "bzip2",
        14 => "LZMA",
        16 => "IBM z/OS CMPSC",
        19 => "IBM LZ77",
        20 | 93 => "zstd",
        94 => "MP3",
        95 => "xz",
        96 => "JPEG variant",
        97 => "WavPack",
        98 => "PPMd",
        99 => "AES encryption",
        _ => "unknown",
    }
}
