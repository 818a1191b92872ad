//! The header block of a tar entry.
//!
//! POSIX.1-2017 *pax*, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format", for what GNU does differently.

use std::ops::Range;

use crate::shard::ledger::split_at_nul;
use crate::source::first_nonzero;

/// Bytes of a header and the unit in which all of a tar is laid out.
pub const BLOCK: usize = 512;

/// Where the fields lie that are used here.
const NAME: Range<usize> = 0..100;
const SIZE: Range<usize> = 124..136;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;
/// Old GNU sparse: whether a block with more of the map follows, in the header and in such a block.
const SPARSE_MORE: usize = 482;
const SPARSE_MORE_AGAIN: usize = 504;

/// What 512 bytes are, where a header is expected.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// All zero: the end-of-archive mark is two of them.
    Zero,
    /// No header: its check sum does not fit.
    Invalid,
    /// A header.
    Header(Header),
}

/// The fields of a header that matter here.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// `prefix/name`, up to the first NUL of each field.
    pub name: Vec<u8>,
    /// The link's target, up to the first NUL.
    pub link: Vec<u8>,
    /// The type flag.
    pub kind: u8,
    /// Bytes of data that follow; `None` if the field holds no number from 0 to 2^63-1.
    pub size: Option<u64>,
    /// Bytes of the block that stand after the NUL of a name and are not zero.
    pub dead: [Option<Range<usize>>; 2],
    /// Whether a block with more of an old GNU sparse map follows.
    pub more_sparse: bool,
}

impl Block {
    /// Reads 512 bytes. Anything shorter is no header.
    pub fn parse(block: &[u8]) -> Block {
        if block.len() != BLOCK || !checksum_fits(block) {
            return if first_nonzero(block).is_none() { Block::Zero } else { Block::Invalid };
        }
        let (name, dead_name) = split_at_nul(&block[NAME]);
        let (link, dead_link) = split_at_nul(&block[LINK]);
        let (prefix, _) = split_at_nul(&block[PREFIX]);
        // GNU and v7 headers keep other things where POSIX has the prefix.
        let name = if &block[MAGIC][..6] == b"ustar\0" && !prefix.is_empty() {
            [prefix, b"/", name].concat()
        } else {
            name.to_vec()
        };
        Block::Header(Header {
            name,
            link: link.to_vec(),
            kind: block[TYPE],
            size: number(&block[SIZE]),
            dead: [
                dead_name.map(|r| NAME.start + r.start..NAME.start + r.end),
                dead_link.map(|r| LINK.start + r.start..LINK.start + r.end),
            ],
            more_sparse: block[SPARSE_MORE] != 0,
        })
    }
}

/// Whether one more block of an old GNU sparse map follows this one.
pub fn more_sparse_again(block: &[u8]) -> bool {
    block.get(SPARSE_MORE_AGAIN).is_some_and(|&b| b != 0)
}

/// Whether the block's check sum is right: the sum of its bytes with the field itself as blanks. POSIX sums unsigned
/// bytes; historic tars summed signed ones, and readers take both.
fn checksum_fits(block: &[u8]) -> bool {
    let field = &block[CHECKSUM];
    // A blank field is no check sum, or a block of zeros and blanks would be a header.
    let Some(stored) = octal(field).filter(|_| field.iter().any(u8::is_ascii_digit)) else {
        return false;
    };
    let sum = |bytes: &[u8]| bytes.iter().map(|&b| u32::from(b)).sum::<u32>();
    let unsigned = i64::from(sum(block) - sum(field)) + 8 * i64::from(b' ');
    if i64::try_from(stored) == Ok(unsigned) {
        return true;
    }
    let high = |bytes: &[u8]| bytes.iter().filter(|b| **b >= 0x80).count() as i64;
    let signed = unsigned - 256 * (high(block) - high(field));
    i64::try_from(stored) == Ok(signed)
}

/// A number field: octal, or base-256 where the first bit is set (GNU tar manual, "Extensions to tar format").
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            // The next bit is the sign of a two's complement number.
            if first & 0x40 != 0 {
                return None;
            }
            let value = rest.iter().try_fold(u64::from(first & 0x3f), |value, &b| {
                value.checked_mul(256).map(|value| value | u64::from(b))
            })?;
            i64::try_from(value).ok().map(i64::unsigned_abs)
        }
        _ => octal(field),
    }
}

/// Octal digits with leading blanks, ended by a blank, a NUL or the field's end; a blank field is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|&b| b == b' ' || b == 0).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0u64, |value, &b| match b {
        b'0'..=b'7' => value.checked_mul(8).map(|value| value | u64::from(b - b'0')),
        _ => None,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A POSIX header block.
    pub fn block(name: &[u8], size: u64, kind: u8, edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name);
        block[100..108].copy_from_slice(b"0000644\0");
        block[SIZE].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[TYPE] = kind;
        block[MAGIC].copy_from_slice(b"ustar\x0000");
        edit(&mut block);
        seal(&mut block, i64::from);
        block
    }

    fn seal(block: &mut [u8], value: impl Fn(u8) -> i64) {
        block[CHECKSUM].fill(b' ');
        let sum: i64 = block.iter().map(|&b| value(b)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    fn header(block: &[u8]) -> Header {
        match Block::parse(block) {
            Block::Header(header) => header,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_end_at_nul_and_take_the_posix_prefix_only() {
        let with_prefix = |magic: &'static [u8]| {
            header(&block(b"b\0x\0", 3, b'0', |b| {
                b[MAGIC].copy_from_slice(magic);
                b[345] = b'a';
                b[160] = b'L';
            }))
        };
        let posix = with_prefix(b"ustar\x0000");
        assert_eq!((posix.name.as_slice(), posix.size), (&b"a/b"[..], Some(3)));
        assert_eq!(posix.dead, [Some(2..3), Some(160..161)]);
        assert_eq!(with_prefix(b"ustar  \0").name, b"b");
        assert_eq!(with_prefix(&[0; 8]).name, b"b");
    }

    #[test]
    fn numbers() {
        for (field, value) in [
            (&b"00000000017\0"[..], Some(15)),
            (b"        17  ", Some(15)),
            (b"777777777777", Some(0o777777777777)),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", Some(0)),
            (b"00000000018\0", None),
            (b"-0000000001\0", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\x02", Some(258)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX as u64)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x81\0\0\0\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn both_sums_fit_and_no_other() {
        let mut signed = block(b"\xff\xfe.jpg", 0, b'0', |_| {});
        assert_eq!(header(&signed).name, b"\xff\xfe.jpg");
        seal(&mut signed, |b| i64::from(b.cast_signed()));
        assert_eq!(header(&signed).name, b"\xff\xfe.jpg");
        let good = block(b"a", 0, b'0', |_| {});
        for i in 0..BLOCK {
            let mut bad = good.clone();
            bad[i] ^= 1;
            // Behind the NUL that ends the sum nothing is read.
            assert_eq!(Block::parse(&bad) == Block::Invalid, i != 155, "byte {i}");
        }
        assert_eq!(Block::parse(&[0; BLOCK]), Block::Zero);
        assert_eq!(Block::parse(&[b' '; BLOCK]), Block::Invalid);
    }
}
