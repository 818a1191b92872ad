//! Compression functions that work on the blocks of several messages at once ("multi-buffer hashing").
//!
//! One message of a Merkle–Damgård hash is a chain: no block can begin before the one before it has ended, and a core
//! waits for itself most of the time. Independent messages fill that time: side by side in the lanes of a vector, or
//! interleaved instruction by instruction, or both. A kernel knows blocks and chaining values only; lengths, padding
//! and which message is in which lane are the scheduler's.
//!
//! Which kernels there are stands in [`Name`], and which one to use for how many messages in [`Choice`].

mod choice;
mod constants;
mod forced;
mod name;
pub(super) mod portable;

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod rounds;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(super) mod sha_ni;
#[cfg(target_arch = "x86_64")]
mod transposed;

#[cfg(test)]
mod tests;

pub(super) use choice::Choice;
pub(super) use constants::SHA224_START;
pub use forced::{Instructions, KernelError, forced_kernel};
use name::define_names;
pub(super) use name::{Name, dispatch, dispatch_arms, with_kernels};

/// Bytes in a block of each of the compression functions.
pub(super) const BLOCK: usize = 64;

/// A chaining value: eight words, of which MD5 uses the first four and SHA-1 the first five. The others are zero.
pub(super) type Words = [u32; 8];

/// A compression function that works on the blocks of several messages at once.
#[allow(unsafe_code, reason = "what a kernel reads, and on which CPU it runs, is its caller's to hold")]
pub(super) trait Kernel {
    /// Messages worked on at once.
    const LANES: usize;
    /// Chaining values of all lanes, laid out as the kernel likes.
    type State;

    /// Chaining values of zeros.
    fn new() -> Self::State;

    /// Puts a chaining value into a lane.
    fn set(state: &mut Self::State, lane: usize, words: &Words);

    /// The chaining value in a lane; words that the algorithm does not use are zero.
    fn get(state: &Self::State, lane: usize) -> Words;

    /// Advances every lane by `blocks` blocks of 64 bytes, and the pointers with them.
    ///
    /// # Panics
    /// Where `from` has not one pointer for each lane.
    ///
    /// # Safety
    /// The CPU has the kernel's instructions ([`Name::is_available`]), and each pointer is readable for
    /// `64 * blocks` bytes. They need no alignment, and those of several lanes may be equal.
    unsafe fn compress(state: &mut Self::State, from: &mut [*const u8], blocks: usize);
}

/// Families of algorithms that share a compression function: git blob is SHA-1 with a header before the message, and
/// SHA-224 is SHA-256 with another start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1321.
    Md5,
    /// FIPS 180-4, section 6.1.
    Sha1,
    /// FIPS 180-4, section 6.2.
    Sha256,
}

impl Compression {
    /// All of them.
    pub const ALL: [Compression; 3] = [Compression::Md5, Compression::Sha1, Compression::Sha256];

    /// The chaining value that a message begins with. That of SHA-224 is [`SHA224_START`].
    pub fn start(self) -> Words {
        match self {
            Compression::Md5 => constants::MD5_START,
            Compression::Sha1 => constants::SHA1_START,
            Compression::Sha256 => constants::SHA256_START,
        }
    }

    /// Whether the length in the padding and the words of the digest are written with the high byte first.
    pub fn is_big_endian(self) -> bool {
        self != Compression::Md5
    }

    /// Words of a chaining value that are used.
    pub fn words(self) -> usize {
        match self {
            Compression::Md5 => 4,
            Compression::Sha1 => 5,
            Compression::Sha256 => 8,
        }
    }
}
