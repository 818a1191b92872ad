//! One message at a time, by the compression functions of each algorithm's crate. For SHA-1 and SHA-256 these use the
//! CPU's instructions for them where there are any, on aarch64 too.

#![allow(unsafe_code, reason = "a kernel: it reads through the pointers of its caller")]

use std::slice;

use super::{BLOCK, Kernel, Words};

macro_rules! portable {
    ($(#[$doc:meta])* $name:ident, $words:literal, $compress:path) => {
        $(#[$doc])*
        pub(in crate::digest) struct $name;

        impl Kernel for $name {
            const LANES: usize = 1;
            type State = [u32; $words];

            fn new() -> Self::State {
                [0; $words]
            }

            fn set(state: &mut Self::State, lane: usize, words: &Words) {
                assert_eq!(lane, 0, "there is one lane");
                state.copy_from_slice(&words[..$words]);
            }

            fn get(state: &Self::State, lane: usize) -> Words {
                assert_eq!(lane, 0, "there is one lane");
                let mut words = [0; 8];
                words[..$words].copy_from_slice(state);
                words
            }

            unsafe fn compress(state: &mut Self::State, from: &mut [*const u8], blocks: usize) {
                let [from] = from else { panic!("one lane takes one pointer, not {}", from.len()) };
                if blocks == 0 {
                    return;
                }
                // SAFETY: the caller vouches for 64 * blocks readable bytes, and bytes need no alignment. The slice is
                // not empty and ends before the caller may change them.
                let read = unsafe { slice::from_raw_parts(from.cast::<[u8; BLOCK]>(), blocks) };
                $compress(state, read);
                *from = from.wrapping_add(BLOCK * blocks);
            }
        }
    };
}

portable!(
    /// MD5 by `md-5`.
    Md5, 4, md5::block_api::compress
);
portable!(
    /// SHA-1 by `sha1`.
    Sha1, 5, sha1::block_api::compress
);
portable!(
    /// SHA-256 by `sha2`.
    Sha256, 8, sha2::block_api::compress256
);
