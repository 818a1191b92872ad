//! One digest under way, by the crate that computes it.

use blake2::digest::consts::{U20, U32, U48, U64};
use std::hash::Hasher as _;

use blake2::{Blake2b, Blake2s256, Digest as _};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use twox_hash::{XxHash3_64, XxHash3_128, XxHash32, XxHash64};

use super::{Algorithm, Digest};

/// CRC-32/CKSUM: the polynomial of POSIX `cksum`, not reflected.
const CKSUM: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_CKSUM);

/// The running state of one algorithm over one message.
pub(super) enum State {
    Cksum {
        crc: crc::Digest<'static, u32, crc::Table<16>>,
        length: u64,
    },
    Xxh32(Box<XxHash32>),
    Xxh64(Box<XxHash64>),
    Xxh3(Box<XxHash3_64>),
    Xxh128(Box<XxHash3_128>),
    Md5(md5::Md5),
    Sha1(Sha1),
    /// `declared` is the length in the header, hashed first: the value is void if the message has another one.
    GitBlob {
        sha1: Sha1,
        declared: u64,
        length: u64,
    },
    Sm3(sm3::Sm3),
    Sha224(Sha224),
    Sha3With224(Sha3_224),
    Blake2b160(Blake2b<U20>),
    Blake2b256(Blake2b<U32>),
    Blake2s(Blake2s256),
    Blake2b384(Blake2b<U48>),
    Blake2b512(Blake2b<U64>),
    Blake3(Box<blake3::Hasher>),
    Sha3With256(Sha3_256),
    Sha512With256(Sha512_256),
    Sha256(Sha256),
    Sha3With384(Sha3_384),
    Sha384(Sha384),
    Sha3With512(Sha3_512),
    Sha512(Sha512),
}

impl State {
    /// A fresh state; `None` for a git blob of unknown length, whose header cannot be written.
    pub(super) fn new(algorithm: Algorithm, length: Option<u64>) -> Option<State> {
        static CKSUM_TABLE: crc::Crc<u32, crc::Table<16>> = CKSUM;
        Some(match algorithm {
            Algorithm::Cksum => State::Cksum { crc: CKSUM_TABLE.digest(), length: 0 },
            Algorithm::Xxh32 => State::Xxh32(Box::new(XxHash32::with_seed(0))),
            Algorithm::Xxh64 => State::Xxh64(Box::new(XxHash64::with_seed(0))),
            Algorithm::Xxh3 => State::Xxh3(Box::new(XxHash3_64::new())),
            Algorithm::Xxh128 => State::Xxh128(Box::new(XxHash3_128::new())),
            Algorithm::Md5 => State::Md5(md5::Md5::new()),
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::GitBlob => {
                let declared = length?;
                let mut sha1 = Sha1::new();
                sha1.update(format!("blob {declared}\0"));
                State::GitBlob { sha1, declared, length: 0 }
            }
            Algorithm::Sm3 => State::Sm3(sm3::Sm3::new()),
            Algorithm::Sha224 => State::Sha224(Sha224::new()),
            Algorithm::Sha3With224 => State::Sha3With224(Sha3_224::new()),
            Algorithm::Blake2b160 => State::Blake2b160(Blake2b::new()),
            Algorithm::Blake2b256 => State::Blake2b256(Blake2b::new()),
            Algorithm::Blake2s => State::Blake2s(Blake2s256::new()),
            Algorithm::Blake2b384 => State::Blake2b384(Blake2b::new()),
            Algorithm::Blake2b512 => State::Blake2b512(Blake2b::new()),
            Algorithm::Blake3 => State::Blake3(Box::new(blake3::Hasher::new())),
            Algorithm::Sha3With256 => State::Sha3With256(Sha3_256::new()),
            Algorithm::Sha512With256 => State::Sha512With256(Sha512_256::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha3With384 => State::Sha3With384(Sha3_384::new()),
            Algorithm::Sha384 => State::Sha384(Sha384::new()),
            Algorithm::Sha3With512 => State::Sha3With512(Sha3_512::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            State::Cksum { crc, length } => {
                crc.update(bytes);
                *length += bytes.len() as u64;
            }
            State::Xxh32(s) => s.write(bytes),
            State::Xxh64(s) => s.write(bytes),
            State::Xxh3(s) => s.write(bytes),
            State::Xxh128(s) => s.write(bytes),
            State::Md5(s) => s.update(bytes),
            State::Sha1(s) => s.update(bytes),
            State::GitBlob { sha1, length, .. } => {
                sha1.update(bytes);
                *length += bytes.len() as u64;
            }
            State::Sm3(s) => s.update(bytes),
            State::Sha224(s) => s.update(bytes),
            State::Sha3With224(s) => s.update(bytes),
            State::Blake2b160(s) => s.update(bytes),
            State::Blake2b256(s) => s.update(bytes),
            State::Blake2s(s) => s.update(bytes),
            State::Blake2b384(s) => s.update(bytes),
            State::Blake2b512(s) => s.update(bytes),
            State::Blake3(s) => {
                s.update(bytes);
            }
            State::Sha3With256(s) => s.update(bytes),
            State::Sha512With256(s) => s.update(bytes),
            State::Sha256(s) => s.update(bytes),
            State::Sha3With384(s) => s.update(bytes),
            State::Sha384(s) => s.update(bytes),
            State::Sha3With512(s) => s.update(bytes),
            State::Sha512(s) => s.update(bytes),
        }
    }

    /// The value; `None` where the message was not as long as its git header said.
    pub(super) fn finish(self) -> Option<Digest> {
        let digest = |algorithm, bytes: &[u8]| Digest::new(algorithm, bytes).ok();
        match self {
            State::Cksum { mut crc, length } => {
                // POSIX: the count follows the bytes, least significant octet first, without leading zero octets.
                let mut rest = length;
                while rest != 0 {
                    crc.update(&[rest as u8]);
                    rest >>= 8;
                }
                digest(Algorithm::Cksum, &crc.finalize().to_be_bytes())
            }
            // The canonical form is the number with its most significant byte first (`xxhash_spec.md`).
            State::Xxh32(s) => digest(Algorithm::Xxh32, &s.finish_32().to_be_bytes()),
            State::Xxh64(s) => digest(Algorithm::Xxh64, &s.finish().to_be_bytes()),
            State::Xxh3(s) => digest(Algorithm::Xxh3, &s.finish().to_be_bytes()),
            State::Xxh128(s) => digest(Algorithm::Xxh128, &s.finish_128().to_be_bytes()),
            State::Md5(s) => digest(Algorithm::Md5, &s.finalize()),
            State::Sha1(s) => digest(Algorithm::Sha1, &s.finalize()),
            State::GitBlob { sha1, declared, length } => {
                (declared == length).then(|| digest(Algorithm::GitBlob, &sha1.finalize())).flatten()
            }
            State::Sm3(s) => digest(Algorithm::Sm3, &s.finalize()),
            State::Sha224(s) => digest(Algorithm::Sha224, &s.finalize()),
            State::Sha3With224(s) => digest(Algorithm::Sha3With224, &s.finalize()),
            State::Blake2b160(s) => digest(Algorithm::Blake2b160, &s.finalize()),
            State::Blake2b256(s) => digest(Algorithm::Blake2b256, &s.finalize()),
            State::Blake2s(s) => digest(Algorithm::Blake2s, &s.finalize()),
            State::Blake2b384(s) => digest(Algorithm::Blake2b384, &s.finalize()),
            State::Blake2b512(s) => digest(Algorithm::Blake2b512, &s.finalize()),
            State::Blake3(s) => digest(Algorithm::Blake3, s.finalize().as_bytes()),
            State::Sha3With256(s) => digest(Algorithm::Sha3With256, &s.finalize()),
            State::Sha512With256(s) => digest(Algorithm::Sha512With256, &s.finalize()),
            State::Sha256(s) => digest(Algorithm::Sha256, &s.finalize()),
            State::Sha3With384(s) => digest(Algorithm::Sha3With384, &s.finalize()),
            State::Sha384(s) => digest(Algorithm::Sha384, &s.finalize()),
            State::Sha3With512(s) => digest(Algorithm::Sha3With512, &s.finalize()),
            State::Sha512(s) => digest(Algorithm::Sha512, &s.finalize()),
        }
    }
}

/// Puts the digest of a whole message in its place.
pub(super) fn whole(algorithm: Algorithm, message: &[u8], place: &mut [u8]) {
    let digest = State::new(algorithm, Some(message.len() as u64)).and_then(|mut state| {
        state.update(message);
        state.finish()
    });
    debug_assert!(digest.is_some(), "a message of known length has every digest");
    if let Some(digest) = digest {
        place.copy_from_slice(digest.bytes());
    }
}
