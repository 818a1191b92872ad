//! The headers of streams and blocks, and the footer (xz-file-format 1.2.1 §2.1 and §3.1).

use lzma_rust2::{FilterConfig, FilterType};

use super::check::CheckKind;
use super::integer::Integer;

/// What begins a stream (§2.1.1.1) and what ends it (§2.1.2.4).
pub const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const FOOTER_MAGIC: [u8; 2] = *b"YZ";

/// The length of a stream's header, and of its footer.
pub const STREAM_HEADER: usize = 12;

/// The largest dictionary that a block may ask for. `xz -9` asks for 64 MiB.
pub const DICTIONARY_LIMIT: u32 = 128 << 20;

/// The check kind that a stream's header names.
pub fn stream(bytes: &[u8; STREAM_HEADER]) -> Result<CheckKind, &'static str> {
    let [.., null, kind, a, b, c, d] = *bytes;
    if crc32fast::hash(&[null, kind]) != u32::from_le_bytes([a, b, c, d]) {
        return Err("the check sum of its header is wrong");
    }
    if null != 0 || kind & 0xf0 != 0 {
        return Err("its header has reserved flags");
    }
    Ok(CheckKind(kind))
}

/// Whether a footer goes with the header of its stream and the length of its index.
pub fn footer(bytes: &[u8; STREAM_HEADER], kind: CheckKind, index: u64) -> Result<(), &'static str> {
    let [a, b, c, d, size @ .., null, check, y, z] = *bytes;
    if [y, z] != FOOTER_MAGIC {
        return Err("the footer of an xz stream is damaged");
    }
    if crc32fast::hash(&bytes[4..10]) != u32::from_le_bytes([a, b, c, d]) {
        return Err("the check sum of an xz footer is wrong");
    }
    if (u64::from(u32::from_le_bytes(size)) + 1) * 4 != index {
        return Err("an xz footer gives another length of the index");
    }
    if [null, check] != [0, kind.0] {
        return Err("the footer of an xz stream contradicts its header");
    }
    Ok(())
}

/// What a block's header says.
#[derive(Debug)]
pub struct Block {
    /// Length of the header.
    pub header: u64,
    /// Length of the compressed data, where it is given.
    pub compressed: Option<u64>,
    /// Length of the content, where it is given.
    pub content: Option<u64>,
    /// Size of the dictionary of LZMA2.
    pub dictionary: u32,
    /// What the content went through before LZMA2.
    pub filter: Option<FilterConfig>,
}

/// Reads a block's header, which is whole: its first byte is a quarter of its length, less one.
pub fn block(bytes: &[u8]) -> Result<Block, &'static str> {
    let (body, crc) = bytes.split_last_chunk().ok_or("it is too short")?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Err("its check sum is wrong");
    }
    let mut rest = body.get(1..).ok_or("it is too short")?;
    let flags = byte(&mut rest)?;
    if flags & 0x3c != 0 {
        return Err("it has reserved flags");
    }
    let mut size = |given: bool| given.then(|| integer(&mut rest)).transpose();
    let (compressed, content) = (size(flags & 0x40 != 0)?, size(flags & 0x80 != 0)?);
    let mut block = Block { header: bytes.len() as u64, compressed, content, dictionary: 0, filter: None };
    for before in (0..=flags & 3).rev() {
        let id = integer(&mut rest)?;
        let len = usize::try_from(integer(&mut rest)?).map_err(|_| "a filter overruns it")?;
        let properties = rest.split_off(..len).ok_or("a filter overruns it")?;
        match (before, FilterType::try_from(id)) {
            (0, Ok(FilterType::Lzma2)) => block.dictionary = dictionary(properties)?,
            (0, _) | (_, Ok(FilterType::Lzma2)) | (_, Err(())) => return Err("its filters are not known"),
            (1, Ok(kind)) => block.filter = Some(filter(kind, properties)?),
            (_, Ok(_)) => return Err("more than one filter before LZMA2 is not supported"),
        }
    }
    if rest.iter().any(|&b| b != 0) {
        return Err("its padding is not zero");
    }
    Ok(block)
}

/// The size of the dictionary (§5.3.1): an exponent and one bit of mantissa.
fn dictionary(properties: &[u8]) -> Result<u32, &'static str> {
    let bits = match *properties {
        [bits @ 0..=40] => u32::from(bits),
        _ => return Err("the size of its dictionary is not valid"),
    };
    // 2^32 - 1 is the largest.
    let size = if bits == 40 { u32::MAX } else { (2 | bits & 1) << (bits / 2 + 11) };
    if size > DICTIONARY_LIMIT {
        return Err("its dictionary is over the limit of 128 MiB");
    }
    Ok(size)
}

/// A filter for executables has a start offset or none (§5.3.2); that for differences has a distance (§5.3.3).
fn filter(filter_type: FilterType, properties: &[u8]) -> Result<FilterConfig, &'static str> {
    let property = match (filter_type, properties) {
        (FilterType::Delta, [distance]) => u32::from(*distance) + 1,
        (FilterType::Delta, _) => return Err("the properties of its filter are not valid"),
        (_, []) => 0,
        (_, [a, b, c, d]) => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => return Err("the properties of its filter are not valid"),
    };
    let alignment = match filter_type {
        FilterType::BcjIa64 => 16,
        FilterType::BcjPpc | FilterType::BcjArm | FilterType::BcjSparc | FilterType::BcjArm64 => 4,
        FilterType::BcjArmThumb | FilterType::BcjRiscv => 2,
        FilterType::Delta | FilterType::BcjX86 | FilterType::Lzma2 => 1,
    };
    if filter_type != FilterType::Delta && !property.is_multiple_of(alignment) {
        return Err("the properties of its filter are not valid");
    }
    Ok(FilterConfig { filter_type, property })
}

fn byte(rest: &mut &[u8]) -> Result<u8, &'static str> {
    rest.split_off_first().copied().ok_or("it is too short")
}

fn integer(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut integer = Integer::default();
    loop {
        if let Some(value) = integer.push(byte(rest)?)? {
            return Ok(value);
        }
    }
}
