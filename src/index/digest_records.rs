//! What the join by digest keeps of a claim or an item: a digest, a size, a handle, in as few bytes as they take.
//!
//! A record is the digest, a byte that says how long the rest is, then the size and the handle without their leading
//! zeros. Numbers are stored and loaded at full width and the excess is overwritten or masked, so that nothing depends
//! on their lengths but where the next one begins.

/// One record, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) digest: &'a [u8],
    pub(super) size: Option<u64>,
    pub(super) handle: u128,
}

/// Bytes that must be there after the digest whenever a record is written or read, however short it is.
pub(super) const SLACK: usize = 1 + 8 + 16;

/// Handles are zero to sixteen bytes long.
const HANDLES: u8 = 17;

/// Lengths of sizes: none, or zero to eight bytes.
const SIZES: u8 = 10;

/// Writes a record to the beginning of `into`, which is at least [`SLACK`] longer than the digest; returns its length.
#[inline]
pub(super) fn write(into: &mut [u8], digest: &[u8], size: Option<u64>, handle: u128) -> usize {
    let size_len = size.map_or(0, |size| 8 - size.leading_zeros() as usize / 8);
    let handle_len = 16 - handle.leading_zeros() as usize / 8;
    // At most 9 × 17 + 16.
    let lengths = size.map_or(0, |_| 1 + size_len) * usize::from(HANDLES) + handle_len;
    let (stored, rest) = into.split_at_mut(digest.len());
    copy(stored, digest);
    rest[0] = lengths as u8;
    rest[1..9].copy_from_slice(&size.unwrap_or(0).to_le_bytes());
    rest[1 + size_len..17 + size_len].copy_from_slice(&handle.to_le_bytes());
    digest.len() + 1 + size_len + handle_len
}

/// Copies a digest; of known lengths without a call.
#[inline]
fn copy(into: &mut [u8], digest: &[u8]) {
    fn known<const N: usize>(into: &mut [u8], digest: &[u8]) -> Option<()> {
        *into.first_chunk_mut::<N>()? = *digest.first_chunk::<N>()?;
        Some(())
    }
    let copied = match digest.len() {
        16 => known::<16>(into, digest),
        20 => known::<20>(into, digest),
        32 => known::<32>(into, digest),
        64 => known::<64>(into, digest),
        _ => None,
    };
    if copied.is_none() {
        into.copy_from_slice(digest);
    }
}

/// The record at the beginning of `bytes` and its length. `None` where the bytes are no record, or are not [`SLACK`]
/// longer than its digest.
#[inline]
pub(super) fn read(bytes: &[u8], width: usize) -> Option<(Record<'_>, usize)> {
    let (digest, rest) = bytes.get(..width + SLACK)?.split_at(width);
    let (has_size, size_len, handle_len) = lengths(rest[0])?;
    let number = |at: usize| {
        let mut number = [0; 16];
        number.copy_from_slice(&rest[at..at + 16]);
        u128::from_le_bytes(number)
    };
    let size = has_size.then(|| masked(number(1), size_len) as u64);
    let handle = masked(number(1 + size_len), handle_len);
    Some((Record { digest, size, handle }, width + 1 + size_len + handle_len))
}

/// The length of the record at the beginning of `bytes`, if that much of it is there to tell. `None` where it is none.
pub(super) fn length(bytes: &[u8], width: usize) -> Option<usize> {
    let (_, size_len, handle_len) = lengths(*bytes.get(width)?)?;
    Some(width + 1 + size_len + handle_len)
}

#[inline]
fn lengths(byte: u8) -> Option<(bool, usize, usize)> {
    let (size, handle) = (byte / HANDLES, byte % HANDLES);
    (size < SIZES).then_some((size > 0, usize::from(size.saturating_sub(1)), usize::from(handle)))
}

#[inline]
fn masked(number: u128, bytes: usize) -> u128 {
    if bytes == 0 { 0 } else { number & (u128::MAX >> (128 - 8 * bytes)) }
}

/// 64 well-mixed bits of a digest. Digests may be chosen by somebody: their own bits are no fair partition.
#[inline]
pub(super) fn mix(digest: &[u8]) -> u64 {
    let mut mixed = digest.len() as u64 ^ 0x2d35_8dcc_aa6c_78a5;
    let mut words = digest.chunks_exact(8);
    for word in &mut words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        mixed = fold(mixed ^ u64::from_le_bytes(bytes));
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut bytes = [0; 8];
        bytes[..rest.len()].copy_from_slice(rest);
        mixed = fold(mixed ^ u64::from_le_bytes(bytes));
    }
    fold(mixed ^ 0x8bb8_4b93_962e_acc9)
}

#[inline]
fn fold(word: u64) -> u64 {
    let product = u128::from(word) * 0x9e37_79b9_7f4a_7c15;
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_come_back(
            digest in proptest::collection::vec(any::<u8>(), 4..=64),
            size in any::<Option<u64>>(),
            handle in any::<u128>(),
            shift in 0u32..=128,
        ) {
            let size = size.map(|size| size.checked_shr(shift / 2).unwrap_or(0));
            let handle = handle.checked_shr(shift).unwrap_or(0);
            // What was there before must not shine through.
            let mut bytes = vec![0xff; digest.len() + SLACK];
            let written = write(&mut bytes, &digest, size, handle);
            prop_assert_eq!(length(&bytes, digest.len()), Some(written));
            let record = Record { digest: &digest, size, handle };
            prop_assert_eq!(read(&bytes, digest.len()), Some((record, written)));
            prop_assert_eq!(read(&bytes[1..], digest.len()), None);
        }
    }

    #[test]
    fn a_byte_that_no_record_has_is_refused() {
        assert_eq!(read(&[255; 64], 4), None);
        assert_eq!(length(&[255; 64], 4), None);
    }

    #[test]
    fn bits_are_spread_whatever_the_digests_share() {
        let mut buckets = [0u32; 64];
        for i in 0..64_000u32 {
            let mut digest = [0u8; 20];
            digest[12..16].copy_from_slice(&i.to_be_bytes());
            buckets[(mix(&digest) >> 58) as usize] += 1;
        }
        assert!(buckets.iter().all(|&n| (800..1200).contains(&n)), "{buckets:?}");
    }
}
