//! The end of a message: its last bytes, a one bit, zeros, and its length (RFC 1321, 3.1–3.2; FIPS 180-4, 5.1.1).

use super::super::kernel::{BLOCK, Compression, Words};
use super::Seam;

/// Blocks that the end of a message takes whose last bytes, those past its whole blocks, are so many.
pub(super) fn blocks(rest: usize) -> usize {
    debug_assert!(rest < BLOCK);
    // One byte for the one bit, eight for the length.
    if rest + 9 <= BLOCK { 1 } else { 2 }
}

/// Writes the end of a message of `length` bytes, of which the last `rest` stand at the seam's start.
pub(super) fn write(seam: &mut Seam, rest: usize, length: u64, compression: Compression) -> usize {
    let blocks = blocks(rest);
    seam[rest] = 0x80;
    let bits = length.wrapping_mul(8);
    let at = blocks * BLOCK - 8;
    seam[rest + 1..at].fill(0);
    let bits = if compression.is_big_endian() { bits.to_be_bytes() } else { bits.to_le_bytes() };
    seam[at..at + 8].copy_from_slice(&bits);
    blocks
}

/// Writes a chaining value as the digest that it is once the last block was hashed.
pub(super) fn digest(words: &Words, compression: Compression, into: &mut [u8]) {
    for (bytes, word) in into.chunks_exact_mut(4).zip(&words[..compression.words()]) {
        let word = if compression.is_big_endian() { word.to_be_bytes() } else { word.to_le_bytes() };
        bytes.copy_from_slice(&word);
    }
}
