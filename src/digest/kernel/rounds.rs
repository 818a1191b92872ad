//! The rounds of MD5, SHA-1 and SHA-256 over vectors that hold the same word of several messages.
//!
//! They are written once, for vectors of any width: a module names its `Vector`, its `WIDTH` in words and the few
//! operations below as functions, and [`multi_buffer!`] writes the kernels over them. `WAVES` vectors of messages are
//! interleaved, which hides the latency of instructions where one wave alone would wait for itself.
//!
//! | operation | meaning, bit by bit or word by word |
//! |---|---|
//! | `zero()`, `broadcast(x)` | all words zero, all words `x` |
//! | `load(&words)`, `store(x, &mut words)` | from and to memory |
//! | `add(x, y)` | the sum modulo 2³² |
//! | `rotate_left::<N, M>(x)`, `rotate_right::<N, M>(x)` | by `N`, where `M` is `32 - N` |
//! | `shift_right::<N>(x)` | by `N` |
//! | `xor(x, y)`, `xor3(x, y, z)` | exclusive or |
//! | `choose(x, y, z)` | `y` where `x` is set, else `z` |
//! | `majority(x, y, z)` | what at least two of them are |
//! | `xor_or_not(x, y, z)` | `x ^ (y \| !z)` |
//! | `block(&pointers, at)`, `block_big_endian(&pointers, at)` | the 16 words `at` bytes on, of each message |
//!
//! No values move between rounds: what the standards write as `d = c; c = b; …` is a turn of the places that the next
//! round reads, and all of them stand where they began once a multiple of their number of rounds is done.

/// Repeats a macro for 16 rounds: `$first`, …, `$first + 15`.
macro_rules! sixteen {
    ($round:ident, $first:expr, $($more:tt)*) => {
        $round!($first, $($more)*);
        $round!($first + 1, $($more)*);
        $round!($first + 2, $($more)*);
        $round!($first + 3, $($more)*);
        $round!($first + 4, $($more)*);
        $round!($first + 5, $($more)*);
        $round!($first + 6, $($more)*);
        $round!($first + 7, $($more)*);
        $round!($first + 8, $($more)*);
        $round!($first + 9, $($more)*);
        $round!($first + 10, $($more)*);
        $round!($first + 11, $($more)*);
        $round!($first + 12, $($more)*);
        $round!($first + 13, $($more)*);
        $round!($first + 14, $($more)*);
        $round!($first + 15, $($more)*);
    };
}

/// Repeats a macro for 20 rounds: `$first`, …, `$first + 19`.
macro_rules! twenty {
    ($round:ident, $first:expr, $($more:tt)*) => {
        sixteen!($round, $first, $($more)*);
        $round!($first + 16, $($more)*);
        $round!($first + 17, $($more)*);
        $round!($first + 18, $($more)*);
        $round!($first + 19, $($more)*);
    };
}

/// One round of MD5 (RFC 1321, section 3.4): the message's words are taken in the order `$factor` · i + `$offset`, and
/// the amounts of `$shifts` in turn.
macro_rules! md5_round {
    ($i:expr, $s:ident, $w:ident, $mix:ident, $factor:literal, $offset:literal, $shifts:expr) => {
        let constant = broadcast(constants::MD5[$i]);
        for wave in 0..WAVES {
            let s = &mut $s[wave];
            let [a, b, c, d] = [(64 - ($i)) % 4, (65 - ($i)) % 4, (66 - ($i)) % 4, (67 - ($i)) % 4];
            // Summed in this order, all but the last sum can be had before the round before has ended.
            let early = add(s[a], add($w[wave][($factor * ($i) + $offset) % 16], constant));
            let sum = add(early, $mix(s[b], s[c], s[d]));
            s[a] = add(s[b], rotate_left::<{ $shifts[($i) % 4] }, { 32 - $shifts[($i) % 4] }>(sum));
        }
    };
}

/// One round of SHA-1 (FIPS 180-4, section 6.1.2), with the schedule of its word if it is not one of the first 16.
macro_rules! sha1_round {
    ($i:expr, $s:ident, $w:ident, $mix:ident, $constant:literal) => {
        let constant = broadcast(constants::SHA1[$constant]);
        for wave in 0..WAVES {
            if ($i) >= 16 {
                let w = &mut $w[wave];
                let mixed =
                    xor(xor3(w[(($i) + 13) % 16], w[(($i) + 8) % 16], w[(($i) + 2) % 16]), w[($i) % 16]);
                w[($i) % 16] = rotate_left::<1, 31>(mixed);
            }
            let s = &mut $s[wave];
            let [a, b, c, d, e] =
                [(80 - ($i)) % 5, (81 - ($i)) % 5, (82 - ($i)) % 5, (83 - ($i)) % 5, (84 - ($i)) % 5];
            let early = add(s[e], add($w[wave][($i) % 16], constant));
            s[e] = add(add(early, $mix(s[b], s[c], s[d])), rotate_left::<5, 27>(s[a]));
            s[b] = rotate_left::<30, 2>(s[b]);
        }
    };
}

/// Writes one word of the schedule of SHA-256 (FIPS 180-4, section 6.2.2, step 1) over the one 16 rounds before.
macro_rules! sha256_word {
    ($i:expr, $w:ident) => {
        for wave in 0..WAVES {
            let w = &mut $w[wave];
            let (far, near) = (w[(($i) + 1) % 16], w[(($i) + 14) % 16]);
            let far = xor3(rotate_right::<7, 25>(far), rotate_right::<18, 14>(far), shift_right::<3>(far));
            let near =
                xor3(rotate_right::<17, 15>(near), rotate_right::<19, 13>(near), shift_right::<10>(near));
            w[($i) % 16] = add(add(w[($i) % 16], w[(($i) + 9) % 16]), add(far, near));
        }
    };
}

/// One round of SHA-256 (FIPS 180-4, section 6.2.2, step 3), the `$i`th of the 16 that begin at `$first`.
macro_rules! sha256_round {
    ($i:expr, $s:ident, $w:ident, $constants:ident) => {
        let constant = broadcast($constants[$i]);
        for wave in 0..WAVES {
            let s = &mut $s[wave];
            let [a, b, c, d] = [(16 - ($i)) % 8, (17 - ($i)) % 8, (18 - ($i)) % 8, (19 - ($i)) % 8];
            let [e, f, g, h] = [(20 - ($i)) % 8, (21 - ($i)) % 8, (22 - ($i)) % 8, (23 - ($i)) % 8];
            let early = add(s[h], add($w[wave][$i], constant));
            let of_e =
                xor3(rotate_right::<6, 26>(s[e]), rotate_right::<11, 21>(s[e]), rotate_right::<25, 7>(s[e]));
            let first = add(add(early, choose(s[e], s[f], s[g])), of_e);
            let of_a =
                xor3(rotate_right::<2, 30>(s[a]), rotate_right::<13, 19>(s[a]), rotate_right::<22, 10>(s[a]));
            s[d] = add(s[d], first);
            s[h] = add(first, add(of_a, majority(s[a], s[b], s[c])));
        }
    };
}

/// One of the rounds 16 to 63 of SHA-256: the word, then the round.
macro_rules! sha256_word_and_round {
    ($i:expr, $s:ident, $w:ident, $constants:ident) => {
        sha256_word!($i, $w);
        sha256_round!($i, $s, $w, $constants);
    };
}

/// Runs `$rounds` on each block of every message, with the block's words in `$w` and the chaining values in `$s`, and
/// adds what comes of it to the chaining values.
macro_rules! each_block {
    ($state:ident: $words:literal, $from:ident, $blocks:ident, $block:ident, |$s:ident, $w:ident| $rounds:block) => {
        let mut chain = [[zero(); $words]; WAVES];
        for wave in 0..WAVES {
            for word in 0..$words {
                chain[wave][word] = load(&$state.0[wave][word]);
            }
        }
        let mut $w = [[zero(); 16]; WAVES];
        for number in 0..$blocks {
            for wave in 0..WAVES {
                // SAFETY: it is one of the blocks that the caller vouches for.
                $w[wave] = unsafe { $block(&$from[wave], BLOCK * number) };
            }
            let mut $s = chain;
            $rounds
            for wave in 0..WAVES {
                for word in 0..$words {
                    chain[wave][word] = add(chain[wave][word], $s[wave][word]);
                }
            }
        }
        for wave in 0..WAVES {
            for word in 0..$words {
                store(chain[wave][word], &mut $state.0[wave][word]);
            }
        }
    };
}

/// Writes a kernel of the module that calls it: the type, and `compress` by the function `$compress`.
macro_rules! multi_buffer_kernel {
    ($(#[$doc:meta])* $name:ident, $words:literal, $compress:ident) => {
        $(#[$doc])*
        pub(in crate::digest) struct $name<const WAVES: usize>;

        impl<const WAVES: usize> Kernel for $name<WAVES> {
            const LANES: usize = WIDTH * WAVES;
            type State = Transposed<WIDTH, $words, WAVES>;

            fn new() -> Self::State {
                Transposed::new()
            }

            fn set(state: &mut Self::State, lane: usize, words: &Words) {
                state.set(lane, words);
            }

            fn get(state: &Self::State, lane: usize) -> Words {
                state.get(lane)
            }

            unsafe fn compress(state: &mut Self::State, from: &mut [*const u8], blocks: usize) {
                let waves = pointers::<WIDTH, WAVES>(from);
                // SAFETY: the caller vouches for the instructions and for 64 * blocks bytes at each pointer.
                unsafe { $compress(state, waves, blocks) };
                for pointer in waves.as_flattened_mut() {
                    *pointer = pointer.wrapping_add(BLOCK * blocks);
                }
            }
        }
    };
}

/// Writes the kernels of MD5, SHA-1 and SHA-256 for the instructions of the module that calls it.
macro_rules! multi_buffer {
    ($features:tt) => {
        multi_buffer_kernel!(
            /// MD5 (RFC 1321).
            Md5, 4, md5
        );
        multi_buffer_kernel!(
            /// SHA-1 (FIPS 180-4).
            Sha1, 5, sha1
        );
        multi_buffer_kernel!(
            /// SHA-256 (FIPS 180-4).
            Sha256, 8, sha256
        );

        /// # Safety
        /// Each pointer is readable for `64 * blocks` bytes.
        #[target_feature(enable = $features)]
        unsafe fn md5<const WAVES: usize>(
            state: &mut Transposed<WIDTH, 4, WAVES>,
            from: &[[*const u8; WIDTH]; WAVES],
            blocks: usize,
        ) {
            each_block!(state: 4, from, blocks, block, |s, w| {
                sixteen!(md5_round, 0, s, w, md5_f, 1, 0, [7, 12, 17, 22]);
                sixteen!(md5_round, 16, s, w, md5_g, 5, 1, [5, 9, 14, 20]);
                sixteen!(md5_round, 32, s, w, md5_h, 3, 5, [4, 11, 16, 23]);
                sixteen!(md5_round, 48, s, w, md5_i, 7, 0, [6, 10, 15, 21]);
            });
        }

        /// # Safety
        /// Each pointer is readable for `64 * blocks` bytes.
        #[target_feature(enable = $features)]
        unsafe fn sha1<const WAVES: usize>(
            state: &mut Transposed<WIDTH, 5, WAVES>,
            from: &[[*const u8; WIDTH]; WAVES],
            blocks: usize,
        ) {
            each_block!(state: 5, from, blocks, block_big_endian, |s, w| {
                twenty!(sha1_round, 0, s, w, choose, 0);
                twenty!(sha1_round, 20, s, w, xor3, 1);
                twenty!(sha1_round, 40, s, w, majority, 2);
                twenty!(sha1_round, 60, s, w, xor3, 3);
            });
        }

        /// # Safety
        /// Each pointer is readable for `64 * blocks` bytes.
        #[target_feature(enable = $features)]
        unsafe fn sha256<const WAVES: usize>(
            state: &mut Transposed<WIDTH, 8, WAVES>,
            from: &[[*const u8; WIDTH]; WAVES],
            blocks: usize,
        ) {
            let (first, later) = constants::SHA256.as_chunks::<16>().0.split_at(1);
            each_block!(state: 8, from, blocks, block_big_endian, |s, w| {
                let constants = &first[0];
                sixteen!(sha256_round, 0, s, w, constants);
                // A loop of three: unrolled, the code of two waves would fill the cache for instructions.
                for constants in later {
                    sixteen!(sha256_word_and_round, 0, s, w, constants);
                }
            });
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn md5_f(b: Vector, c: Vector, d: Vector) -> Vector {
            choose(b, c, d)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn md5_g(b: Vector, c: Vector, d: Vector) -> Vector {
            choose(d, b, c)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn md5_h(b: Vector, c: Vector, d: Vector) -> Vector {
            xor3(b, c, d)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn md5_i(b: Vector, c: Vector, d: Vector) -> Vector {
            xor_or_not(c, b, d)
        }
    };
}
