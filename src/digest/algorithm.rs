//! The algorithms that manifests use, sets of them, and digest values.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::raw;

/// A digest algorithm that shardproof computes.
///
/// The order is the strength by which a claim with several digests is reported: later is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Algorithm {
    /// POSIX `cksum`: CRC-32/CKSUM over the bytes and their count (IEEE Std 1003.1, `cksum`).
    Cksum,
    /// xxHash with 32 bits (`xxhash_spec.md` of Cyan4973/xxHash), seed 0: shows damage, and that by chance.
    Xxh32,
    /// xxHash with 64 bits, likewise.
    Xxh64,
    /// XXH3 with 64 bits, likewise.
    Xxh3,
    /// XXH3 with 128 bits, likewise.
    Xxh128,
    /// MD5 (RFC 1321): shows damage, not tampering.
    Md5,
    /// SHA-1 (FIPS 180-4): shows damage, not tampering.
    Sha1,
    /// SHA-1 of `blob LEN\0` and the bytes, git's object name of a file.
    GitBlob,
    /// SM3 (GB/T 32905-2016).
    Sm3,
    /// SHA-224 (FIPS 180-4).
    Sha224,
    /// SHA3-224 (FIPS 202).
    Sha3With224,
    /// BLAKE2b with 160 bits (RFC 7693).
    Blake2b160,
    /// BLAKE2b with 256 bits (RFC 7693).
    Blake2b256,
    /// BLAKE2s with 256 bits (RFC 7693).
    Blake2s,
    /// BLAKE2b with 384 bits (RFC 7693).
    Blake2b384,
    /// BLAKE2b with 512 bits (RFC 7693), what `b2sum` writes.
    Blake2b512,
    /// BLAKE3 with 256 bits, what `b3sum` writes.
    Blake3,
    /// SHA3-256 (FIPS 202).
    Sha3With256,
    /// SHA-512/256 (FIPS 180-4).
    Sha512With256,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA3-384 (FIPS 202).
    Sha3With384,
    /// SHA-384 (FIPS 180-4).
    Sha384,
    /// SHA3-512 (FIPS 202).
    Sha3With512,
    /// SHA-512 (FIPS 180-4).
    Sha512,
}

impl Algorithm {
    /// All algorithms, weakest first.
    pub const ALL: [Algorithm; 24] = [
        Algorithm::Cksum,
        Algorithm::Xxh32,
        Algorithm::Xxh64,
        Algorithm::Xxh3,
        Algorithm::Xxh128,
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::GitBlob,
        Algorithm::Sm3,
        Algorithm::Sha224,
        Algorithm::Sha3With224,
        Algorithm::Blake2b160,
        Algorithm::Blake2b256,
        Algorithm::Blake2s,
        Algorithm::Blake2b384,
        Algorithm::Blake2b512,
        Algorithm::Blake3,
        Algorithm::Sha3With256,
        Algorithm::Sha512With256,
        Algorithm::Sha256,
        Algorithm::Sha3With384,
        Algorithm::Sha384,
        Algorithm::Sha3With512,
        Algorithm::Sha512,
    ];

    /// The name in options, reports and tables.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Cksum => "cksum",
            Algorithm::Xxh32 => "xxh32",
            Algorithm::Xxh64 => "xxh64",
            Algorithm::Xxh3 => "xxh3_64",
            Algorithm::Xxh128 => "xxh128",
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::GitBlob => "git_blob",
            Algorithm::Sm3 => "sm3",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha3With224 => "sha3_224",
            Algorithm::Blake2b160 => "blake2b-160",
            Algorithm::Blake2b256 => "blake2b-256",
            Algorithm::Blake2s => "blake2s",
            Algorithm::Blake2b384 => "blake2b-384",
            Algorithm::Blake2b512 => "blake2b",
            Algorithm::Blake3 => "blake3",
            Algorithm::Sha3With256 => "sha3_256",
            Algorithm::Sha512With256 => "sha512_256",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha3With384 => "sha3_384",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha3With512 => "sha3_512",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// The name in sentences, where the one in tables would not be understood.
    pub fn title(self) -> &'static str {
        match self {
            Algorithm::GitBlob => "git-blob SHA-1",
            other => other.name(),
        }
    }

    /// The algorithm of a name as people write it: any case, `-`, `_` and `/` ignored, `b2` for BLAKE2b, `b3` for BLAKE3.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        let folded: String =
            name.chars().filter(|c| !matches!(c, '-' | '_' | '/')).flat_map(char::to_lowercase).collect();
        Some(match folded.as_str() {
            "cksum" | "crc" => Algorithm::Cksum,
            "xxh32" | "xxhash32" => Algorithm::Xxh32,
            "xxh64" | "xxhash64" => Algorithm::Xxh64,
            "xxh364" | "xxh3" => Algorithm::Xxh3,
            "xxh128" | "xxh3128" => Algorithm::Xxh128,
            "md5" => Algorithm::Md5,
            "sha1" => Algorithm::Sha1,
            "gitblob" | "gitsha1" | "gitblobsha1" => Algorithm::GitBlob,
            "sm3" => Algorithm::Sm3,
            "sha224" => Algorithm::Sha224,
            "blake2b160" => Algorithm::Blake2b160,
            "blake2b256" => Algorithm::Blake2b256,
            "blake2b384" => Algorithm::Blake2b384,
            "blake2b" | "blake2b512" | "b2" => Algorithm::Blake2b512,
            "blake3" | "b3" => Algorithm::Blake3,
            "sha3224" => Algorithm::Sha3With224,
            "blake2s" | "blake2s256" => Algorithm::Blake2s,
            "sha3256" => Algorithm::Sha3With256,
            "sha512256" => Algorithm::Sha512With256,
            "sha256" => Algorithm::Sha256,
            "sha3384" => Algorithm::Sha3With384,
            "sha384" => Algorithm::Sha384,
            "sha3512" => Algorithm::Sha3With512,
            "sha512" => Algorithm::Sha512,
            _ => return None,
        })
    }

    /// Length of a value in bytes.
    #[allow(clippy::len_without_is_empty, reason = "no algorithm has an empty value")]
    pub fn len(self) -> usize {
        match self {
            Algorithm::Cksum | Algorithm::Xxh32 => 4,
            Algorithm::Xxh64 | Algorithm::Xxh3 => 8,
            Algorithm::Md5 | Algorithm::Xxh128 => 16,
            Algorithm::Sha1 | Algorithm::GitBlob | Algorithm::Blake2b160 => 20,
            Algorithm::Sha224 | Algorithm::Sha3With224 => 28,
            Algorithm::Sm3
            | Algorithm::Blake2b256
            | Algorithm::Blake2s
            | Algorithm::Blake3
            | Algorithm::Sha3With256
            | Algorithm::Sha512With256
            | Algorithm::Sha256 => 32,
            Algorithm::Blake2b384 | Algorithm::Sha3With384 | Algorithm::Sha384 => 48,
            Algorithm::Blake2b512 | Algorithm::Sha3With512 | Algorithm::Sha512 => 64,
        }
    }

    /// How hard it is to find two messages with one digest, in bits as far as known attacks go; for `--require`.
    pub fn strength(self) -> u16 {
        match self {
            Algorithm::Cksum | Algorithm::Xxh32 | Algorithm::Xxh64 | Algorithm::Xxh3 | Algorithm::Xxh128 => 0,
            Algorithm::Md5 => 18,
            Algorithm::Sha1 | Algorithm::GitBlob => 61,
            Algorithm::Blake2b160 => 80,
            Algorithm::Sha224 | Algorithm::Sha3With224 => 112,
            Algorithm::Sm3
            | Algorithm::Blake2b256
            | Algorithm::Blake2s
            | Algorithm::Blake3
            | Algorithm::Sha3With256
            | Algorithm::Sha512With256
            | Algorithm::Sha256 => 128,
            Algorithm::Blake2b384 | Algorithm::Sha3With384 | Algorithm::Sha384 => 192,
            Algorithm::Blake2b512 | Algorithm::Sha3With512 | Algorithm::Sha512 => 256,
        }
    }

    /// Whether a match shows that nobody tampered, not only that nothing broke: no practical collisions are known.
    pub fn resists_tampering(self) -> bool {
        !self.is_checksum() && !matches!(self, Algorithm::Md5 | Algorithm::Sha1 | Algorithm::GitBlob)
    }

    /// Whether it was never meant to tell more than damage: two contents with one value are made at will.
    pub fn is_checksum(self) -> bool {
        self.strength() == 0
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of algorithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DigestSet(u32);

impl DigestSet {
    /// No algorithm.
    pub const EMPTY: DigestSet = DigestSet(0);

    /// The set of one algorithm.
    pub fn of(algorithm: Algorithm) -> Self {
        DigestSet(1 << algorithm as u8)
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `algorithm` is in it.
    pub fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u8) != 0
    }

    /// Adds `algorithm`.
    pub fn insert(&mut self, algorithm: Algorithm) {
        self.0 |= 1 << algorithm as u8;
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: DigestSet) -> DigestSet {
        DigestSet(self.0 | other.0)
    }

    /// What is in `self` and not in `other`.
    #[must_use]
    pub fn minus(self, other: DigestSet) -> DigestSet {
        DigestSet(self.0 & !other.0)
    }

    /// The algorithms in it, weakest first.
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |&a| self.contains(a))
    }
}

impl FromIterator<Algorithm> for DigestSet {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        algorithms.into_iter().fold(DigestSet::EMPTY, |set, a| set.union(DigestSet::of(a)))
    }
}

/// A digest value with its algorithm.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// The value, and zeros behind it: there are as many of these as of files, and none has an allocation of its own.
    bytes: [u8; LONGEST],
}

/// Bytes of the longest value.
const LONGEST: usize = 64;

impl Digest {
    /// Takes raw bytes.
    ///
    /// # Errors
    /// Where the length is not the algorithm's.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Digest, DigestParseError> {
        if bytes.len() == algorithm.len() {
            let mut value = [0; LONGEST];
            value[..bytes.len()].copy_from_slice(bytes);
            Ok(Digest { algorithm, bytes: value })
        } else {
            Err(DigestParseError::Length { algorithm, expected: algorithm.len(), got: bytes.len() })
        }
    }

    /// Reads hexadecimal digits of either case.
    ///
    /// # Errors
    /// Where a character is no hexadecimal digit, or their number is not the algorithm's.
    pub fn from_hex(algorithm: Algorithm, text: &[u8]) -> Result<Digest, DigestParseError> {
        if text.len() != algorithm.len() * 2 {
            return Err(DigestParseError::Digits {
                algorithm,
                expected: algorithm.len() * 2,
                got: text.len(),
            });
        }
        let mut value = [0; LONGEST];
        hex::decode_to_slice(text, &mut value[..algorithm.len()]).map_err(|_| DigestParseError::NotHex)?;
        Ok(Digest { algorithm, bytes: value })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The value.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.len()]
    }
}

impl fmt::Display for Digest {
    /// `sha256:0a1b…`, the whole value in lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, hex::encode(self.bytes()))
    }
}

impl fmt::Debug for Digest {
    /// Only the algorithm: a value may stand on a hash list, and no log or panic shows one of those.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({}:…)", self.algorithm)
    }
}

/// As a digest is written to scratch files and states: the algorithm, and the bytes that it has.
#[derive(Serialize)]
struct Written<'a> {
    algorithm: Algorithm,
    #[serde(serialize_with = "raw::serialize")]
    bytes: &'a [u8],
}

/// As it is read again.
#[derive(Deserialize)]
struct Read {
    algorithm: Algorithm,
    #[serde(deserialize_with = "raw::deserialize")]
    value: Value,
}

/// Bytes of a digest, and how many.
struct Value {
    bytes: [u8; LONGEST],
    len: usize,
}

impl TryFrom<&[u8]> for Value {
    type Error = ();

    fn try_from(from: &[u8]) -> Result<Value, ()> {
        let mut bytes = [0; LONGEST];
        bytes.get_mut(..from.len()).ok_or(())?.copy_from_slice(from);
        Ok(Value { bytes, len: from.len() })
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { algorithm: self.algorithm, bytes: self.bytes() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { algorithm, value: Value { bytes, len } } = Read::deserialize(deserializer)?;
        if len != algorithm.len() {
            let error = DigestParseError::Length { algorithm, expected: algorithm.len(), got: len };
            return Err(serde::de::Error::custom(error));
        }
        Ok(Digest { algorithm, bytes })
    }
}

/// Why a digest was refused. The value itself is never in the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestParseError {
    /// Wrong number of bytes.
    #[error("{algorithm} has {expected} bytes, not {got}")]
    Length {
        /// The algorithm it was to be.
        algorithm: Algorithm,
        /// Its length in bytes.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// Wrong number of digits.
    #[error("{algorithm} has {expected} hexadecimal digits, not {got}")]
    Digits {
        /// The algorithm it was to be.
        algorithm: Algorithm,
        /// Its number of digits.
        expected: usize,
        /// The number found.
        got: usize,
    },
    /// A character that is no hexadecimal digit.
    #[error("it is not hexadecimal")]
    NotHex,
}

/// Digests of one message, at most one per algorithm, weakest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digests(Vec<Digest>);

impl Digests {
    /// None.
    pub fn new() -> Self {
        Digests(Vec::new())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a digest. A second one of the same algorithm is refused: `false` if it differs from the first.
    pub fn insert(&mut self, digest: Digest) -> bool {
        match self.0.binary_search_by_key(&digest.algorithm, |d| d.algorithm) {
            Ok(at) => self.0[at] == digest,
            Err(at) => {
                // Most often it stays the only one.
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, digest);
                true
            }
        }
    }

    /// The digest of one algorithm.
    pub fn of(&self, algorithm: Algorithm) -> Option<&Digest> {
        self.0.iter().find(|d| d.algorithm == algorithm)
    }

    /// Those of some algorithms.
    #[must_use]
    pub fn only(self, algorithms: DigestSet) -> Digests {
        Digests(self.0.into_iter().filter(|digest| algorithms.contains(digest.algorithm)).collect())
    }

    /// The strongest one.
    pub fn strongest(&self) -> Option<&Digest> {
        self.0.last()
    }

    /// The algorithms in it.
    pub fn set(&self) -> DigestSet {
        self.0.iter().map(|d| d.algorithm).collect()
    }

    /// All, weakest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Digest> {
        self.0.iter()
    }
}

impl FromIterator<Digest> for Digests {
    fn from_iter<I: IntoIterator<Item = Digest>>(digests: I) -> Self {
        let digests = digests.into_iter();
        let mut set = Digests(Vec::with_capacity(digests.size_hint().0));
        for digest in digests {
            set.insert(digest);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(algorithm: Algorithm) -> Digest {
        let bytes: Vec<u8> = (0..algorithm.len()).map(|at| at as u8 + algorithm as u8).collect();
        Digest::new(algorithm, &bytes).unwrap()
    }

    #[test]
    fn a_digest_comes_back_as_it_was_written() {
        for algorithm in Algorithm::ALL {
            assert!(algorithm.len() <= LONGEST, "{algorithm}");
            let digest = sample(algorithm);
            assert_eq!(digest.bytes().len(), algorithm.len());
            let written = postcard::to_stdvec(&digest).unwrap();
            // What scratch files and states have always held.
            let by_hand = [&[algorithm as u8, algorithm.len() as u8], digest.bytes()].concat();
            assert_eq!(written, by_hand);
            assert_eq!(postcard::from_bytes::<Digest>(&written).unwrap(), digest);
            let hex = hex::encode(digest.bytes());
            assert_eq!(Digest::from_hex(algorithm, hex.as_bytes()).unwrap(), digest);
            assert_eq!(digest.to_string(), format!("{algorithm}:{hex}"));
        }
    }

    #[test]
    fn what_is_no_digest_is_refused_when_it_is_read() {
        let written = postcard::to_stdvec(&sample(Algorithm::Sha256)).unwrap();
        for cut in 0..written.len() {
            assert!(postcard::from_bytes::<Digest>(&written[..cut]).is_err(), "cut at {cut}");
        }
        // Another algorithm, and another length than the algorithm's.
        for (at, byte) in [(0, Algorithm::Md5 as u8), (0, 99), (1, 31), (1, 200)] {
            let mut other = written.clone();
            other.extend_from_slice(&[0; 200]);
            other[at] = byte;
            assert!(postcard::from_bytes::<Digest>(&other).is_err(), "{byte} at {at}");
        }
    }

    #[test]
    fn digests_compare_by_algorithm_and_then_by_value() {
        let of = |algorithm, byte| Digest::new(algorithm, &vec![byte; Algorithm::len(algorithm)]).unwrap();
        assert!(of(Algorithm::Md5, 9) < of(Algorithm::Sha1, 1));
        assert!(of(Algorithm::Md5, 1) < of(Algorithm::Md5, 2));
        assert_ne!(of(Algorithm::Sha1, 1), of(Algorithm::GitBlob, 1));
    }
}
