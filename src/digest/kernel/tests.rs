//! Every kernel against the compression function of its algorithm's crate, lane by lane.
//!
//! Every message stands at the very end of an allocation of exactly its size, so that AddressSanitizer sees each byte
//! read too many. What this CPU cannot run is said on standard error, past the capturing of tests.
#![allow(unsafe_code, reason = "the kernels under test are called")]

use std::io::{self, Write as _};
use std::sync::Once;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{BLOCK, Compression, Kernel, Name, Words, dispatch};

#[test]
fn every_lane_computes_what_the_crate_does() {
    for name in available() {
        for blocks in 1..=40 {
            let mut lanes = Lanes::random(name, blocks as u64);
            lanes.add_random_blocks(blocks, |_| 0);
            lanes.check();
        }
    }
}

#[test]
fn messages_need_no_alignment() {
    for name in available() {
        for offset in 0..=BLOCK {
            let mut lanes = Lanes::random(name, offset as u64);
            lanes.add_random_blocks(3, |_| offset);
            lanes.check();
            lanes.add_random_blocks(2, |lane| (offset + 7 * lane) % BLOCK);
            lanes.check();
        }
    }
}

#[test]
fn several_lanes_may_read_the_same_bytes() {
    for name in available() {
        let mut lanes = Lanes::random(name, 5);
        lanes.add_random_blocks(9, |_| 0);
        let shared = lanes.messages[0].clone();
        let mut from = vec![shared.start(); name.lanes()];
        for (lane, expected) in lanes.expected.iter_mut().enumerate() {
            *expected = compressed(name.compression(), &lanes.start[lane], shared.blocks());
        }
        dispatch!(name, K => lanes.run::<K>(&mut from));
    }
}

#[test]
fn no_blocks_change_nothing() {
    for name in available() {
        let mut lanes = Lanes::random(name, 6);
        lanes.add_random_blocks(0, |_| 0);
        lanes.check();
    }
}

#[test]
fn lanes_are_set_and_read_by_themselves() {
    fn check<K: Kernel>(name: Name) {
        let used = name.compression().words();
        let mut random = Random(7);
        let mut state = K::new();
        for lane in 0..K::LANES {
            assert_eq!(K::get(&state, lane), [0; 8], "{} is not new in lane {lane}", name.text());
        }
        let mut expected: Vec<Words> = vec![[0; 8]; K::LANES];
        for turn in 0..4 * K::LANES {
            let lane = turn * 5 % K::LANES;
            // Words that the algorithm does not use are not kept.
            let given: Words = std::array::from_fn(|_| random.word());
            K::set(&mut state, lane, &given);
            expected[lane] = std::array::from_fn(|word| if word < used { given[word] } else { 0 });
            for (lane, expected) in expected.iter().enumerate() {
                assert_eq!(K::get(&state, lane), *expected, "{}, lane {lane}", name.text());
            }
        }
    }
    for name in available() {
        dispatch!(name, K => check::<K>(name));
    }
}

#[test]
fn a_wrong_number_of_pointers_is_refused() {
    fn check<K: Kernel>(pointers: usize) -> bool {
        let message = [0_u8; BLOCK];
        let mut from = vec![message.as_ptr(); pointers];
        let run = || {
            // SAFETY: only available kernels are run, and each pointer has one block.
            unsafe { K::compress(&mut K::new(), &mut from, 1) }
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
    }
    for name in available() {
        for pointers in [0, name.lanes() - 1, name.lanes() + 1, 2 * name.lanes()] {
            assert!(dispatch!(name, K => check::<K>(pointers)), "{} took {pointers}", name.text());
        }
        assert!(!dispatch!(name, K => check::<K>(name.lanes())), "{}", name.text());
    }
}

/// RFC 1321, appendix A.5, and the examples of FIPS 180-4 (NIST's "Secure Hash Standard" examples), in every lane in
/// turn beside other messages.
#[test]
fn published_vectors_come_out_of_every_lane() {
    let million = vec![b'a'; 1_000_000];
    let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".as_slice();
    let digits = b"12345678901234567890123456789012345678901234567890123456789012345678901234567890";
    let vectors: [(Compression, &[u8], &str); 13] = [
        (Compression::Md5, b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (Compression::Md5, b"abc", "900150983cd24fb0d6963f7d28e17f72"),
        (Compression::Md5, b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (Compression::Md5, digits, "57edf4a22be3c955ac49da2e2107b67a"),
        (Compression::Md5, &million, "7707d6ae4e027c70eea2a935c2296f21"),
        (Compression::Sha1, b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (Compression::Sha1, b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Compression::Sha1, two_blocks, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
        (Compression::Sha1, &million, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        (Compression::Sha256, b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (Compression::Sha256, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (Compression::Sha256, two_blocks, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        (Compression::Sha256, &million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for name in available() {
        for (compression, message, digest) in &vectors {
            if name.compression() != *compression {
                continue;
            }
            // One lane is enough of the long one.
            let lanes = if message.len() > 1000 { name.lanes() - 1..name.lanes() } else { 0..name.lanes() };
            for lane in lanes {
                let padded = Message::new(&padded(message, compression.is_big_endian()), 0);
                let mut all = Lanes::random(name, lane as u64);
                all.add_random_blocks(padded.blocks().len(), |_| 0);
                all.start[lane] = compression.start();
                all.messages[lane] = padded;
                let ended = all.check()[lane];
                assert_eq!(hex(*compression, &ended), *digest, "{}, lane {lane}", name.text());
            }
        }
    }
}

#[test]
fn the_start_of_sha224_is_that_of_the_standard() {
    let mut words = super::SHA224_START;
    sha2::block_api::compress256(&mut words, Message::new(&padded(b"abc", true), 0).blocks());
    let digest = hex(Compression::Sha256, &words);
    assert_eq!(digest[..56], *"23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any chaining values and bytes, in runs of any number of blocks one after another.
    #[test]
    fn runs_follow_one_another(
        seed in any::<u64>(),
        runs in vec((0_usize..6, 0_usize..64), 1..5),
        bytes in vec(any::<u8>(), 5 * BLOCK),
    ) {
        for name in available() {
            let mut lanes = Lanes::random(name, seed);
            for &(blocks, offset) in &runs {
                lanes.add_random_blocks(blocks, |lane| (offset + lane) % BLOCK);
                let lane = seed as usize % name.lanes();
                lanes.messages[lane] = Message::new(&bytes[..BLOCK * blocks.min(5)], offset);
                lanes.start = lanes.check();
            }
        }
    }
}

/// The kernels that this CPU has the instructions for. The others are named on standard error, once.
fn available() -> Vec<Name> {
    static TOLD: Once = Once::new();
    let (run, not_run): (Vec<Name>, Vec<Name>) = Name::ALL.iter().partition(|name| name.is_available());
    TOLD.call_once(|| {
        for name in not_run {
            let text = name.text();
            let _ =
                writeln!(io::stderr(), "{text} was NOT RUN by the tests: this CPU lacks its instructions");
        }
    });
    assert!(run.len() >= 3, "the portable kernels are always there");
    run
}

/// What all lanes of a kernel begin with, read, and shall end with.
struct Lanes {
    name: Name,
    random: Random,
    start: Vec<Words>,
    messages: Vec<Message>,
    expected: Vec<Words>,
}

impl Lanes {
    fn random(name: Name, seed: u64) -> Lanes {
        let mut random = Random(seed);
        let used = name.compression().words();
        let start = (0..name.lanes())
            .map(|_| std::array::from_fn(|word| if word < used { random.word() } else { 0 }))
            .collect();
        Lanes { name, random, start, messages: Vec::new(), expected: vec![[0; 8]; name.lanes()] }
    }

    /// Gives every lane a message of its own, `offset` bytes into its allocation.
    fn add_random_blocks(&mut self, blocks: usize, offset: impl Fn(usize) -> usize) {
        self.messages = (0..self.name.lanes())
            .map(|lane| {
                let bytes: Vec<u8> =
                    (0..blocks * BLOCK / 4).flat_map(|_| self.random.word().to_le_bytes()).collect();
                Message::new(&bytes, offset(lane))
            })
            .collect();
    }

    /// Runs the kernel, holds it against the crate, and returns the chaining values at the end.
    fn check(&mut self) -> Vec<Words> {
        for (lane, expected) in self.expected.iter_mut().enumerate() {
            *expected = compressed(self.name.compression(), &self.start[lane], self.messages[lane].blocks());
        }
        let mut from: Vec<*const u8> = self.messages.iter().map(Message::start).collect();
        let name = self.name;
        dispatch!(name, K => self.run::<K>(&mut from))
    }

    fn run<K: Kernel>(&self, from: &mut [*const u8]) -> Vec<Words> {
        let (text, blocks) = (self.name.text(), self.messages[0].blocks().len());
        assert!(self.messages.iter().all(|message| message.blocks().len() == blocks));
        let before = from.to_vec();
        let mut state = K::new();
        for (lane, words) in self.start.iter().enumerate() {
            K::set(&mut state, lane, words);
        }
        // The second call goes on where the first ended.
        for part in [blocks / 3, blocks - blocks / 3] {
            // SAFETY: only available kernels are run, and all messages have this many blocks.
            unsafe { K::compress(&mut state, from, part) };
        }
        for (lane, expected) in self.expected.iter().enumerate() {
            assert_eq!(K::get(&state, lane), *expected, "{text}, lane {lane} after {blocks} blocks");
            let passed = from[lane] as usize - before[lane] as usize;
            assert_eq!(passed, BLOCK * blocks, "{text}, pointer of lane {lane}");
        }
        self.expected.clone()
    }
}

/// Whole blocks at the end of an allocation that ends with them.
#[derive(Clone)]
struct Message {
    allocation: Box<[u8]>,
    offset: usize,
}

impl Message {
    fn new(bytes: &[u8], offset: usize) -> Message {
        let mut all = vec![0xee; offset];
        all.extend_from_slice(bytes);
        Message { allocation: all.into_boxed_slice(), offset }
    }

    fn start(&self) -> *const u8 {
        self.allocation[self.offset..].as_ptr()
    }

    fn blocks(&self) -> &[[u8; BLOCK]] {
        let (blocks, rest) = self.allocation[self.offset..].as_chunks();
        assert!(rest.is_empty(), "whole blocks");
        blocks
    }
}

/// What the crates compute.
fn compressed(compression: Compression, start: &Words, blocks: &[[u8; BLOCK]]) -> Words {
    let mut words = [0; 8];
    match compression {
        Compression::Md5 => {
            let mut used = [start[0], start[1], start[2], start[3]];
            md5::block_api::compress(&mut used, blocks);
            words[..4].copy_from_slice(&used);
        }
        Compression::Sha1 => {
            let mut used = [start[0], start[1], start[2], start[3], start[4]];
            sha1::block_api::compress(&mut used, blocks);
            words[..5].copy_from_slice(&used);
        }
        Compression::Sha256 => {
            words = *start;
            sha2::block_api::compress256(&mut words, blocks);
        }
    }
    words
}

/// The padding of RFC 1321, sections 3.1 and 3.2, and of FIPS 180-4, section 5.1.1.
fn padded(message: &[u8], big_endian: bool) -> Vec<u8> {
    let bits = message.len() as u64 * 8;
    let mut all = message.to_vec();
    all.push(0x80);
    while all.len() % BLOCK != 56 {
        all.push(0);
    }
    all.extend(if big_endian { bits.to_be_bytes() } else { bits.to_le_bytes() });
    all
}

fn hex(compression: Compression, words: &Words) -> String {
    let order = if compression.is_big_endian() { u32::to_be_bytes } else { u32::to_le_bytes };
    hex::encode(words[..compression.words()].iter().flat_map(|&word| order(word)).collect::<Vec<u8>>())
}

/// SplitMix64: equal numbers in every run.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 32) as u32
    }
}
