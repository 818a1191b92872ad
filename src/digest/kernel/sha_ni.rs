//! Two or three messages interleaved, by the SHA extensions of x86-64 (Intel's manual, volume 1, "Programming with
//! Intel SHA extensions").
//!
//! The instruction for two rounds of SHA-256 takes four cycles, and one can begin every two: one message alone leaves
//! half of its time unused, and what else there is to do for a message fills the rest.
#![allow(unsafe_code, reason = "a kernel: it reads through the pointers of its caller")]

use std::arch::x86_64::*;

use super::{BLOCK, Kernel, Words, constants};

/// Writes a kernel of `N` interleaved messages by the function `$compress`.
macro_rules! interleaved_kernel {
    ($(#[$doc:meta])* $name:ident, $words:literal, $compress:ident) => {
        $(#[$doc])*
        pub(in crate::digest) struct $name<const N: usize>;

        impl<const N: usize> Kernel for $name<N> {
            const LANES: usize = N;
            type State = [Words; N];

            fn new() -> Self::State {
                [[0; 8]; N]
            }

            fn set(state: &mut Self::State, lane: usize, words: &Words) {
                state[lane][..$words].copy_from_slice(&words[..$words]);
            }

            fn get(state: &Self::State, lane: usize) -> Words {
                state[lane]
            }

            unsafe fn compress(state: &mut Self::State, from: &mut [*const u8], blocks: usize) {
                let Ok(from): Result<&mut [*const u8; N], _> = from.try_into() else {
                    panic!("{N} lanes take as many pointers, not {}", from.len());
                };
                // SAFETY: the caller vouches for the instructions and for 64 * blocks bytes at each pointer.
                unsafe { $compress(state, from, blocks) };
                for pointer in from {
                    *pointer = pointer.wrapping_add(BLOCK * blocks);
                }
            }
        }
    };
}

interleaved_kernel!(
    /// SHA-256 (FIPS 180-4).
    Sha256, 8, sha256
);
interleaved_kernel!(
    /// SHA-1 (FIPS 180-4).
    Sha1, 5, sha1
);

/// Four rounds of SHA-256 for each message: the words 4i to 4i + 3, which are scheduled first where they are not the
/// block's own. Words stay in four vectors, of which each is written over by the one 16 words on.
macro_rules! sha256_four_rounds {
    ($i:literal, $abef:ident, $cdgh:ident, $w:ident) => {
        // SAFETY: four words of the table of 64, of which $i counts the fours.
        let constants = unsafe { _mm_loadu_si128(constants::SHA256.as_ptr().add(4 * $i).cast()) };
        for n in 0..N {
            let w = &mut $w[n];
            if $i >= 4 {
                let near = _mm_alignr_epi8::<4>(w[($i + 3) % 4], w[($i + 2) % 4]);
                let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[$i % 4], w[($i + 1) % 4]), near);
                w[$i % 4] = _mm_sha256msg2_epu32(sum, w[($i + 3) % 4]);
            }
            let sum = _mm_add_epi32(w[$i % 4], constants);
            $cdgh[n] = _mm_sha256rnds2_epu32($cdgh[n], $abef[n], sum);
            $abef[n] = _mm_sha256rnds2_epu32($abef[n], $cdgh[n], _mm_shuffle_epi32::<0x0e>(sum));
        }
    };
}

/// # Safety
/// Each pointer is readable for `64 * blocks` bytes.
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn sha256<const N: usize>(state: &mut [Words; N], from: &[*const u8; N], blocks: usize) {
    let mut abef_chain = [_mm_setzero_si128(); N];
    let mut cdgh_chain = [_mm_setzero_si128(); N];
    for n in 0..N {
        let [abcd, efgh] = load(&state[n]);
        let cdab = _mm_shuffle_epi32::<0xb1>(abcd);
        let hgfe = _mm_shuffle_epi32::<0x1b>(efgh);
        abef_chain[n] = _mm_alignr_epi8::<8>(cdab, hgfe);
        cdgh_chain[n] = _mm_blend_epi16::<0xf0>(hgfe, cdab);
    }
    for number in 0..blocks {
        let mut w = [[_mm_setzero_si128(); 4]; N];
        for n in 0..N {
            let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
            // SAFETY: it is one of the blocks that the caller vouches for.
            let words = unsafe { block(from[n].add(BLOCK * number)) };
            for i in 0..4 {
                w[n][i] = _mm_shuffle_epi8(words[i], order);
            }
        }
        let (mut abef, mut cdgh) = (abef_chain, cdgh_chain);
        sha256_four_rounds!(0, abef, cdgh, w);
        sha256_four_rounds!(1, abef, cdgh, w);
        sha256_four_rounds!(2, abef, cdgh, w);
        sha256_four_rounds!(3, abef, cdgh, w);
        sha256_four_rounds!(4, abef, cdgh, w);
        sha256_four_rounds!(5, abef, cdgh, w);
        sha256_four_rounds!(6, abef, cdgh, w);
        sha256_four_rounds!(7, abef, cdgh, w);
        sha256_four_rounds!(8, abef, cdgh, w);
        sha256_four_rounds!(9, abef, cdgh, w);
        sha256_four_rounds!(10, abef, cdgh, w);
        sha256_four_rounds!(11, abef, cdgh, w);
        sha256_four_rounds!(12, abef, cdgh, w);
        sha256_four_rounds!(13, abef, cdgh, w);
        sha256_four_rounds!(14, abef, cdgh, w);
        sha256_four_rounds!(15, abef, cdgh, w);
        for n in 0..N {
            abef_chain[n] = _mm_add_epi32(abef_chain[n], abef[n]);
            cdgh_chain[n] = _mm_add_epi32(cdgh_chain[n], cdgh[n]);
        }
    }
    for n in 0..N {
        let feba = _mm_shuffle_epi32::<0x1b>(abef_chain[n]);
        let dchg = _mm_shuffle_epi32::<0xb1>(cdgh_chain[n]);
        let abcd = _mm_blend_epi16::<0xf0>(feba, dchg);
        let efgh = _mm_alignr_epi8::<8>(dchg, feba);
        store([abcd, efgh], &mut state[n]);
    }
}

/// Four rounds of SHA-1 for each message: the words 4i to 4i + 3, which are scheduled first where they are not the
/// block's own. `$before` is a, b, c, d of four rounds ago, from whose a the instruction makes the e of these.
macro_rules! sha1_four_rounds {
    ($i:literal, $abcd:ident, $before:ident, $w:ident) => {
        for n in 0..N {
            let w = &mut $w[n];
            if $i >= 4 {
                let mixed = _mm_xor_si128(_mm_sha1msg1_epu32(w[$i % 4], w[($i + 1) % 4]), w[($i + 2) % 4]);
                w[$i % 4] = _mm_sha1msg2_epu32(mixed, w[($i + 3) % 4]);
            }
            // Before the first four rounds, e is the chaining value itself.
            let sum = if $i == 0 {
                _mm_add_epi32($before[n], w[0])
            } else {
                _mm_sha1nexte_epu32($before[n], w[$i % 4])
            };
            $before[n] = $abcd[n];
            $abcd[n] = _mm_sha1rnds4_epu32::<{ $i / 5 }>($abcd[n], sum);
        }
    };
}

/// # Safety
/// Each pointer is readable for `64 * blocks` bytes.
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn sha1<const N: usize>(state: &mut [Words; N], from: &[*const u8; N], blocks: usize) {
    let mut abcd_chain = [_mm_setzero_si128(); N];
    let mut e_chain = [_mm_setzero_si128(); N];
    for n in 0..N {
        abcd_chain[n] = _mm_shuffle_epi32::<0x1b>(load(&state[n])[0]);
        e_chain[n] = _mm_set_epi32(state[n][4].cast_signed(), 0, 0, 0);
    }
    for number in 0..blocks {
        let mut w = [[_mm_setzero_si128(); 4]; N];
        for n in 0..N {
            let order = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
            // SAFETY: it is one of the blocks that the caller vouches for.
            let words = unsafe { block(from[n].add(BLOCK * number)) };
            for i in 0..4 {
                w[n][i] = _mm_shuffle_epi8(words[i], order);
            }
        }
        let (mut abcd, mut before) = (abcd_chain, e_chain);
        sha1_four_rounds!(0, abcd, before, w);
        sha1_four_rounds!(1, abcd, before, w);
        sha1_four_rounds!(2, abcd, before, w);
        sha1_four_rounds!(3, abcd, before, w);
        sha1_four_rounds!(4, abcd, before, w);
        sha1_four_rounds!(5, abcd, before, w);
        sha1_four_rounds!(6, abcd, before, w);
        sha1_four_rounds!(7, abcd, before, w);
        sha1_four_rounds!(8, abcd, before, w);
        sha1_four_rounds!(9, abcd, before, w);
        sha1_four_rounds!(10, abcd, before, w);
        sha1_four_rounds!(11, abcd, before, w);
        sha1_four_rounds!(12, abcd, before, w);
        sha1_four_rounds!(13, abcd, before, w);
        sha1_four_rounds!(14, abcd, before, w);
        sha1_four_rounds!(15, abcd, before, w);
        sha1_four_rounds!(16, abcd, before, w);
        sha1_four_rounds!(17, abcd, before, w);
        sha1_four_rounds!(18, abcd, before, w);
        sha1_four_rounds!(19, abcd, before, w);
        for n in 0..N {
            abcd_chain[n] = _mm_add_epi32(abcd_chain[n], abcd[n]);
            e_chain[n] = _mm_sha1nexte_epu32(before[n], e_chain[n]);
        }
    }
    for n in 0..N {
        let abcd = _mm_shuffle_epi32::<0x1b>(abcd_chain[n]);
        let e = _mm_shuffle_epi32::<0x1b>(e_chain[n]);
        store([abcd, e], &mut state[n]);
    }
}

/// The 64 bytes of a block.
///
/// # Safety
/// `from` is readable for 64 bytes.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn block(from: *const u8) -> [__m128i; 4] {
    let from = from.cast::<__m128i>();
    // SAFETY: four vectors of 16 bytes; the load asks for no alignment.
    unsafe {
        [
            _mm_loadu_si128(from),
            _mm_loadu_si128(from.add(1)),
            _mm_loadu_si128(from.add(2)),
            _mm_loadu_si128(from.add(3)),
        ]
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(words: &Words) -> [__m128i; 2] {
    let from = words.as_ptr().cast::<__m128i>();
    // SAFETY: two vectors of 16 bytes are the eight words; the load asks for no alignment.
    unsafe { [_mm_loadu_si128(from), _mm_loadu_si128(from.add(1))] }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store(vectors: [__m128i; 2], words: &mut Words) {
    let to = words.as_mut_ptr().cast::<__m128i>();
    // SAFETY: two vectors of 16 bytes are the eight words; the store asks for no alignment.
    unsafe {
        _mm_storeu_si128(to, vectors[0]);
        _mm_storeu_si128(to.add(1), vectors[1]);
    }
}
