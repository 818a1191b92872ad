//! Which algorithm a digest in a sums file is of: by its tag, by what the user declared, by the file's name, by length.

use crate::claim::Unusable;
use crate::digest::{Algorithm, DigestSet};

/// What the word before `(name) =` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// An algorithm that is computed, in the spelling of coreutils' `cksum`.
    Known(Algorithm),
    /// Another algorithm.
    Foreign,
    /// A spelling that coreutils take for no tag: lower case, or OpenSSL 3's `SHA2-256`.
    Malformed,
}

impl Tag {
    /// The tags are those of coreutils 9.1 `cksum --tag`, and `BLAKE3` of `b3sum --tag`.
    pub(super) fn parse(tag: &[u8]) -> Tag {
        let algorithm = match tag {
            b"MD5" => Algorithm::Md5,
            b"SHA1" => Algorithm::Sha1,
            b"SHA224" => Algorithm::Sha224,
            b"SHA256" => Algorithm::Sha256,
            b"SHA384" => Algorithm::Sha384,
            b"SHA512" => Algorithm::Sha512,
            b"BLAKE2b" | b"BLAKE2b-512" => Algorithm::Blake2b512,
            b"BLAKE2b-160" => Algorithm::Blake2b160,
            b"BLAKE2b-256" => Algorithm::Blake2b256,
            b"BLAKE2b-384" => Algorithm::Blake2b384,
            b"BLAKE3" => Algorithm::Blake3,
            b"SM3" => Algorithm::Sm3,
            _ if tag.starts_with(b"SHA2-") => return Tag::Malformed,
            [b'A'..=b'Z', ..] => return Tag::Foreign,
            _ => return Tag::Malformed,
        };
        Tag::Known(algorithm)
    }
}

/// How the digests without a tag are to be read in one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming {
    declared: DigestSet,
    named: DigestSet,
}

impl Naming {
    pub(super) fn new(declared: DigestSet, file_name: &[u8]) -> Naming {
        Naming { declared, named: algorithms_of_name(file_name) }
    }

    /// Whether a digest of so many digits is of an algorithm that this file may use.
    pub(super) fn fits(&self, digits: usize) -> bool {
        self.resolve(digits).is_ok()
    }

    /// The algorithm of a digest of so many hexadecimal digits.
    pub(super) fn resolve(&self, digits: usize) -> Result<Algorithm, Unusable> {
        let fitting = |set: DigestSet| set.iter().filter(|a| a.len() * 2 == digits).last();
        let asked = if self.declared.is_empty() { self.named } else { self.declared };
        if asked.is_empty() {
            return by_length(digits).ok_or_else(|| {
                Unusable::Impossible(format!(
                    "it has {digits} hexadecimal digits, which fits no algorithm of sums files"
                ))
            });
        }
        // Two declared algorithms of one length: the file's name decides, else the stronger one.
        let by_name = fitting(self.named).filter(|&a| asked.contains(a));
        by_name.or_else(|| fitting(asked)).ok_or_else(|| misfit(asked, digits))
    }
}

/// Why so many digits fit none of the algorithms that were asked for.
fn misfit(asked: DigestSet, digits: usize) -> Unusable {
    let algorithms: Vec<_> = asked.iter().collect();
    match algorithms.as_slice() {
        [one] => {
            Unusable::Impossible(format!("it has {digits} hexadecimal digits, {one} has {}", one.len() * 2))
        }
        _ if asked == blake2b() && digits.is_multiple_of(2) && digits < 128 => {
            Unusable::NotComputable(format!("BLAKE2b with {} bits is not computed", digits * 4))
        }
        _ => Unusable::Impossible(format!(
            "it has {digits} hexadecimal digits, which fits none of {}",
            algorithms.iter().map(|a| a.name()).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// The algorithm that is common for a length where nothing else tells: the SHA family before others.
fn by_length(digits: usize) -> Option<Algorithm> {
    Some(match digits {
        32 => Algorithm::Md5,
        40 => Algorithm::Sha1,
        56 => Algorithm::Sha224,
        64 => Algorithm::Sha256,
        96 => Algorithm::Sha384,
        128 => Algorithm::Sha512,
        _ => return None,
    })
}

/// The algorithms that the name of a sums file tells: `SHA256SUMS`, `md5sums.txt`, `x.tar.sha512`, `dump-md5sums.txt`.
/// `b2sum` tells the BLAKE2b length by the digits, so its names tell four algorithms.
pub(super) fn algorithms_of_name(file_name: &[u8]) -> DigestSet {
    let name = file_name.to_ascii_lowercase();
    let stem =
        [&b".txt"[..], b".asc"].iter().fold(name.as_slice(), |n, end| n.strip_suffix(*end).unwrap_or(n));
    let last = stem.rsplit(|b| matches!(b, b'.' | b'-' | b'_')).next().unwrap_or(stem);
    let word = [&b"sums"[..], b"sum"].iter().find_map(|end| last.strip_suffix(*end)).unwrap_or(last);
    let algorithm = match word {
        b"md5" => Algorithm::Md5,
        b"sha1" => Algorithm::Sha1,
        b"sha224" => Algorithm::Sha224,
        b"sha256" => Algorithm::Sha256,
        b"sha384" => Algorithm::Sha384,
        b"sha512" => Algorithm::Sha512,
        b"b3" | b"blake3" => Algorithm::Blake3,
        b"sm3" => Algorithm::Sm3,
        b"b2" | b"blake2b" => return blake2b(),
        _ => return DigestSet::EMPTY,
    };
    DigestSet::of(algorithm)
}

/// The BLAKE2b lengths that are computed.
fn blake2b() -> DigestSet {
    [Algorithm::Blake2b160, Algorithm::Blake2b256, Algorithm::Blake2b384, Algorithm::Blake2b512]
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_tell_their_algorithm() {
        for (name, algorithm) in [
            ("SHA256SUMS", Algorithm::Sha256),
            ("sha512sums.txt", Algorithm::Sha512),
            ("sha512sum.txt", Algorithm::Sha512),
            ("MD5SUMS", Algorithm::Md5),
            ("enwiki-20240101-md5sums.txt", Algorithm::Md5),
            ("spar-rgbd-sha256.txt", Algorithm::Sha256),
            ("a.tar.sha1", Algorithm::Sha1),
            ("a.tar.sha256sum", Algorithm::Sha256),
            ("B3SUMS", Algorithm::Blake3),
            ("SHA256SUMS.asc", Algorithm::Sha256),
        ] {
            assert_eq!(algorithms_of_name(name.as_bytes()), DigestSet::of(algorithm), "{name}");
        }
        assert_eq!(algorithms_of_name(b"b2sums"), blake2b());
        for name in ["checksums.txt", "sha256sums.json", "", "notes.txt", "sums"] {
            assert_eq!(algorithms_of_name(name.as_bytes()), DigestSet::EMPTY, "{name}");
        }
    }

    #[test]
    fn declared_goes_before_name_and_name_before_length() {
        let by_length = Naming::new(DigestSet::EMPTY, b"checksums.txt");
        assert_eq!(by_length.resolve(64), Ok(Algorithm::Sha256));
        assert!(matches!(by_length.resolve(65), Err(Unusable::Impossible(_))));

        let by_name = Naming::new(DigestSet::EMPTY, b"SHA256SUMS");
        let why = "it has 32 hexadecimal digits, sha256 has 64".to_owned();
        assert_eq!(by_name.resolve(32), Err(Unusable::Impossible(why)));

        let both: DigestSet = [Algorithm::Blake3, Algorithm::Sha256].into_iter().collect();
        assert_eq!(Naming::new(both, b"x").resolve(64), Ok(Algorithm::Sha256));
        assert_eq!(Naming::new(both, b"x.b3").resolve(64), Ok(Algorithm::Blake3));
        assert_eq!(
            Naming::new(DigestSet::of(Algorithm::GitBlob), b"x.sha1").resolve(40),
            Ok(Algorithm::GitBlob)
        );
        assert!(!Naming::new(both, b"MD5SUMS").fits(32));

        let b2 = Naming::new(DigestSet::EMPTY, b"b2sums.txt");
        assert_eq!(b2.resolve(64), Ok(Algorithm::Blake2b256));
        assert!(matches!(b2.resolve(32), Err(Unusable::NotComputable(_))));
    }
}
