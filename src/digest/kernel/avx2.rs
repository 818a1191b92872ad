//! Eight messages in the lanes of AVX2's vectors, for CPUs without AVX-512.
#![allow(unsafe_code, reason = "a kernel: it reads through the pointers of its caller")]

use std::arch::x86_64::*;

use super::transposed::{Transposed, pointers};
use super::{BLOCK, Kernel, Words, constants};

type Vector = __m256i;

/// Words in a vector.
const WIDTH: usize = 8;

multi_buffer!("avx2");

/// The 16 words that begin `at` bytes on in each of eight messages, low byte first.
///
/// # Safety
/// Each pointer is readable for 64 bytes from `at` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn block(from: &[*const u8; WIDTH], at: usize) -> [Vector; 16] {
    let mut words = [zero(); 16];
    for half in 0..2 {
        // SAFETY: both halves of 32 bytes lie within the 64 that the caller vouches for.
        let eight = unsafe { half_block(from, at + 32 * half) };
        words[8 * half..8 * half + 8].copy_from_slice(&eight);
    }
    words
}

/// Likewise, high byte first.
///
/// # Safety
/// Each pointer is readable for 64 bytes from `at` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn block_big_endian(from: &[*const u8; WIDTH], at: usize) -> [Vector; 16] {
    // SAFETY: the caller vouches for the same.
    let mut words = unsafe { block(from, at) };
    for word in &mut words {
        *word = swap_bytes(*word);
    }
    words
}

/// Eight words of each of eight messages: a transposition, in which the halves of the vectors are filled from two
/// messages while they are loaded, and words and pairs of words are then interleaved within the halves.
///
/// # Safety
/// Each pointer is readable for 32 bytes from `at` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn half_block(from: &[*const u8; WIDTH], at: usize) -> [Vector; 8] {
    let mut words = [zero(); 8];
    for quarter in 0..2 {
        let mut rows = [zero(); 4];
        for (row, vector) in rows.iter_mut().enumerate() {
            let at = at + 16 * quarter;
            // SAFETY: 16 bytes from `at` or from `at + 16` on, of the 32 that the caller vouches for.
            *vector = unsafe { _mm256_loadu2_m128i(from[row + 4].add(at).cast(), from[row].add(at).cast()) };
        }
        let low01 = _mm256_unpacklo_epi32(rows[0], rows[1]);
        let high01 = _mm256_unpackhi_epi32(rows[0], rows[1]);
        let low23 = _mm256_unpacklo_epi32(rows[2], rows[3]);
        let high23 = _mm256_unpackhi_epi32(rows[2], rows[3]);
        words[4 * quarter] = _mm256_unpacklo_epi64(low01, low23);
        words[4 * quarter + 1] = _mm256_unpackhi_epi64(low01, low23);
        words[4 * quarter + 2] = _mm256_unpacklo_epi64(high01, high23);
        words[4 * quarter + 3] = _mm256_unpackhi_epi64(high01, high23);
    }
    words
}

#[inline]
#[target_feature(enable = "avx2")]
fn swap_bytes(x: Vector) -> Vector {
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(words: &[u32; WIDTH]) -> Vector {
    // SAFETY: the array is as long as the vector.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(x: Vector, words: &mut [u32; WIDTH]) {
    // SAFETY: the array is as long as the vector.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), x) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero() -> Vector {
    _mm256_setzero_si256()
}

#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(x: u32) -> Vector {
    _mm256_set1_epi32(x.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(x: Vector, y: Vector) -> Vector {
    _mm256_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_left<const N: i32, const M: i32>(x: Vector) -> Vector {
    _mm256_or_si256(_mm256_slli_epi32::<N>(x), _mm256_srli_epi32::<M>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_right<const N: i32, const M: i32>(x: Vector) -> Vector {
    rotate_left::<M, N>(x)
}

#[inline]
#[target_feature(enable = "avx2")]
fn shift_right<const N: i32>(x: Vector) -> Vector {
    _mm256_srli_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(x: Vector, y: Vector) -> Vector {
    _mm256_xor_si256(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    xor(x, xor(y, z))
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_or_si256(_mm256_and_si256(x, y), _mm256_andnot_si256(x, z))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_or_si256(_mm256_and_si256(y, z), _mm256_and_si256(x, _mm256_or_si256(y, z)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor_or_not(x: Vector, y: Vector, z: Vector) -> Vector {
    xor(x, _mm256_or_si256(y, xor(z, broadcast(u32::MAX))))
}
