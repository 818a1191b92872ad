//! Sixteen messages in the lanes of AVX-512's vectors. Rotations and functions of three words are one instruction each.
#![allow(unsafe_code, reason = "a kernel: it reads through the pointers of its caller")]

use std::arch::x86_64::*;

use super::transposed::{Transposed, pointers};
use super::{BLOCK, Kernel, Words, constants};

type Vector = __m512i;

/// Words in a vector.
const WIDTH: usize = 16;

multi_buffer!("avx512f,avx512bw");

/// The 16 words that begin `at` bytes on in each of 16 messages, low byte first: a transposition, of words within the
/// quarters of vectors and then of the quarters.
///
/// # Safety
/// Each pointer is readable for 64 bytes from `at` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn block(from: &[*const u8; WIDTH], at: usize) -> [Vector; 16] {
    let mut rows = [zero(); 16];
    for (row, pointer) in rows.iter_mut().zip(from) {
        // SAFETY: the caller vouches for these 64 bytes; the load asks for no alignment.
        *row = unsafe { _mm512_loadu_si512(pointer.add(at).cast()) };
    }
    // Of four messages each: quarter q of `fours[4 * g + n]` has the words 4 * q + n of the messages from 4 * g on.
    let mut fours = [zero(); 16];
    for g in 0..4 {
        let rows = &rows[4 * g..4 * g + 4];
        let low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
        let high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
        let low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
        let high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
        fours[4 * g] = _mm512_unpacklo_epi64(low01, low23);
        fours[4 * g + 1] = _mm512_unpackhi_epi64(low01, low23);
        fours[4 * g + 2] = _mm512_unpacklo_epi64(high01, high23);
        fours[4 * g + 3] = _mm512_unpackhi_epi64(high01, high23);
    }
    let mut words = [zero(); 16];
    for n in 0..4 {
        let [a, b, c, d] = [fours[n], fours[n + 4], fours[n + 8], fours[n + 12]];
        // Even quarters of both, then odd ones.
        let (even_ab, odd_ab) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (even_cd, odd_cd) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        words[n] = _mm512_shuffle_i32x4::<0x88>(even_ab, even_cd);
        words[n + 4] = _mm512_shuffle_i32x4::<0x88>(odd_ab, odd_cd);
        words[n + 8] = _mm512_shuffle_i32x4::<0xdd>(even_ab, even_cd);
        words[n + 12] = _mm512_shuffle_i32x4::<0xdd>(odd_ab, odd_cd);
    }
    words
}

/// Likewise, high byte first.
///
/// # Safety
/// Each pointer is readable for 64 bytes from `at` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn block_big_endian(from: &[*const u8; WIDTH], at: usize) -> [Vector; 16] {
    // SAFETY: the caller vouches for the same.
    let mut words = unsafe { block(from, at) };
    for word in &mut words {
        *word = swap_bytes(*word);
    }
    words
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_bytes(x: Vector) -> Vector {
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(order))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u32; WIDTH]) -> Vector {
    // SAFETY: the array is as long as the vector; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(x: Vector, words: &mut [u32; WIDTH]) {
    // SAFETY: the array is as long as the vector; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), x) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> Vector {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast(x: u32) -> Vector {
    _mm512_set1_epi32(x.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(x: Vector, y: Vector) -> Vector {
    _mm512_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rotate_left<const N: i32, const M: i32>(x: Vector) -> Vector {
    _mm512_rol_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rotate_right<const N: i32, const M: i32>(x: Vector) -> Vector {
    _mm512_ror_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn shift_right<const N: u32>(x: Vector) -> Vector {
    _mm512_srli_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(x: Vector, y: Vector) -> Vector {
    _mm512_xor_si512(x, y)
}

// The number of a function of three words is its truth table: bit 4x + 2y + z is what comes of the bits x, y and z.

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1001_0110>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn choose(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1100_1010>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1110_1000>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor_or_not(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b0010_1101>(x, y, z)
}
