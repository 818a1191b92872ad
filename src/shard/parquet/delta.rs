//! The lengths in delta-encoded pages, looked over before a decoder reserves room by them.
//!
//! `DELTA_BINARY_PACKED` (Parquet format, "Encodings"): a header of block size, miniblocks per block, count and first
//! value; then blocks of a least delta, the miniblocks' bit widths, and the miniblocks that are needed.

use super::limits;

/// Numbers of one run of lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// How many lengths.
    pub count: u64,
    /// What they come to.
    pub sum: u64,
    /// Where their bytes end.
    pub end: usize,
}

/// Reads the lengths that the bytes begin with; there may be `most` of them.
pub fn lengths(bytes: &[u8], most: u64) -> Option<Lengths> {
    let mut at = 0;
    let block = varint(bytes, &mut at)?;
    let minis = varint(bytes, &mut at)?;
    let count = varint(bytes, &mut at)?;
    let mut value = zigzag(bytes, &mut at)?;
    if minis == 0 || block == 0 || block % 128 != 0 || block % minis != 0 || count > most {
        return None;
    }
    let per = block / minis;
    if per % 32 != 0 {
        return None;
    }
    let mut sum = if count > 0 { u64::try_from(value).ok()? } else { 0 };
    let mut left = count.saturating_sub(1);
    while left > 0 {
        let least = zigzag(bytes, &mut at)?;
        let widths = bytes.get(at..at.checked_add(usize::try_from(minis).ok()?)?)?;
        at += widths.len();
        for &width in widths {
            if left == 0 {
                break;
            }
            let len = usize::try_from(per.checked_mul(u64::from(width))? / 8).ok()?;
            let packed = bytes.get(at..at.checked_add(len)?)?;
            at += len;
            if width > 64 {
                return None;
            }
            for index in 0..per.min(left) {
                let delta = unpack(packed, index, u32::from(width))? as i64;
                // Lengths are numbers of 32 bits, and deltas wrap in them.
                value = i64::from(value.wrapping_add(least).wrapping_add(delta) as i32);
                sum = sum.checked_add(u64::try_from(value).ok()?)?;
            }
            left -= per.min(left);
        }
    }
    Some(Lengths { count, sum, end: at })
}

/// Whether values in `DELTA_LENGTH_BYTE_ARRAY`, or with prefixes in `DELTA_BYTE_ARRAY`, are as many as their page may
/// have and come to no more than a page may.
pub fn plausible(bytes: &[u8], prefixes: bool, values: u32) -> bool {
    let most = u64::from(values);
    let (shared, rest) = if prefixes {
        let Some(shared) = lengths(bytes, most) else { return false };
        (shared.sum, &bytes[shared.end..])
    } else {
        (0, bytes)
    };
    lengths(rest, most).is_some_and(|own| {
        own.sum <= (rest.len() - own.end) as u64
            && shared.saturating_add(own.sum) <= u64::from(limits::PAGE_UNCOMPRESSED)
    })
}

/// The number at this index, packed into so many bits, least significant bit first.
fn unpack(packed: &[u8], index: u64, width: u32) -> Option<u64> {
    if width == 0 {
        return Some(0);
    }
    let bit = index.checked_mul(u64::from(width))?;
    let (first, shift) = (usize::try_from(bit / 8).ok()?, (bit % 8) as u32);
    let mut wide = 0u128;
    for (n, byte) in packed.get(first..)?.iter().take(9).enumerate() {
        wide |= u128::from(*byte) << (8 * n);
    }
    Some(((wide >> shift) & ((1u128 << width) - 1)) as u64)
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn zigzag(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let value = varint(bytes, at)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_added_up() {
        // Blocks of 128, four miniblocks, five values from 7: deltas -2 + {0, 2, 3, 1} in two bits.
        let bytes = [0x80, 1, 4, 5, 14, 3, 2, 0, 0, 0, 0b01_11_10_00, 0, 0, 0, 0, 0, 0, 0, 99];
        let expected = Lengths { count: 5, sum: 7 + 5 + 5 + 6 + 5, end: bytes.len() - 1 };
        assert_eq!(lengths(&bytes, 5), Some(expected));
        assert_eq!(lengths(&bytes, 4), None);
        assert_eq!(lengths(&bytes[..17], 5), None);
    }

    #[test]
    fn declared_counts_and_prefixes_are_bounded() {
        // A thousand million equal lengths in ten bytes.
        let run = [0x80, 0x80, 0x80, 0x80, 8, 1, 0x80, 0x80, 0x80, 0x80, 4, 2];
        assert!(!plausible(&run, false, 1000));
        // A value of one byte that is not there.
        assert!(!plausible(&[0x80, 1, 4, 1, 2, 0x80, 1, 4, 1, 2], true, 1000));
        assert!(plausible(&[0x80, 1, 4, 1, 2, b'x'], false, 1));
        assert!(plausible(&[0x80, 1, 4, 1, 0, 0x80, 1, 4, 1, 2, b'x'], true, 1));
    }
}
