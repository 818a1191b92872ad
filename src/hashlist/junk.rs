//! What lists hold beside digests of content, and must not match anything: placeholders, digests of nothing, hashes of
//! other kinds, identifiers that repeat the digest.

use std::sync::LazyLock;

use crate::digest::{Algorithm, Digest, Digests, Running};

/// Why a perceptual hash is refused.
pub(super) const PDQ: &str = "it is a PDQ hash; PDQ lists are not supported yet by this version";

/// Why a digest that no content has is refused.
const PLACEHOLDER: &str = "it is a placeholder, not the digest of anything";

/// Why the digest of nothing is refused.
const OF_EMPTY: &str = "it is the digest of empty content";

/// Whether a line that was refused for this reason could not have named any harmful content: nothing is lost with it.
pub fn is_harmless(reason: &str) -> bool {
    reason == PLACEHOLDER || reason == OF_EMPTY
}

/// What a word that stands for an algorithm, in a header, a column or before a digest, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// An algorithm whose digests can be looked up.
    Algorithm(Algorithm),
    /// One that cannot, and why.
    Unsupported(&'static str),
}

impl Word {
    /// Reads a name of an algorithm as lists write it: in any case, with `hash`, `sum` or `digest` before or after it.
    pub(super) fn read(text: &[u8]) -> Option<Word> {
        if text.len() > 40 {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let folded: String =
            text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let mut name = folded.as_str();
        for affix in ["checksum", "digest", "hash", "sum", "hex"] {
            name = name.strip_suffix(affix).unwrap_or(name);
            name = name.strip_prefix(affix).unwrap_or(name);
        }
        Some(match name {
            "pdq" => Word::Unsupported(PDQ),
            "photodna" | "pdna" => {
                Word::Unsupported("it is a PhotoDNA hash, which this version cannot compare with anything")
            }
            "tmk" | "tmkpdqf" | "vpdq" | "videopdq" => {
                Word::Unsupported("it is a perceptual hash of a video, which this version does not support")
            }
            "crc" | "ck" | "cksum" | "crc32" => {
                Word::Unsupported("it is a CRC, which is too short to tell one content from another")
            }
            "videomd5" => Word::Algorithm(Algorithm::Md5),
            "sha2256" => Word::Algorithm(Algorithm::Sha256),
            "sha2512" => Word::Algorithm(Algorithm::Sha512),
            name => Word::Algorithm(Algorithm::from_name(name)?),
        })
    }
}

/// Reads a digest whose algorithm is `algorithm`, or told by its length.
///
/// # Errors
/// Why it is refused, as a fragment that does not repeat it.
pub(super) fn usable_digest(algorithm: Option<Algorithm>, hex: &[u8]) -> Result<Digest, String> {
    let algorithm = match algorithm {
        Some(algorithm) if algorithm.is_checksum() => {
            return Err("it is a checksum, which cannot tell one content from another for sure".to_owned());
        }
        Some(algorithm) => algorithm,
        None if !hex.iter().all(u8::is_ascii_hexdigit) => {
            return Err("it is not a hexadecimal digest".to_owned());
        }
        None => by_length(hex.len()).ok_or_else(|| {
            format!(
                "it has {} hexadecimal digits; digests have 32 (MD5), 40 (SHA-1), 64 (SHA-256) or 128 (SHA-512)",
                hex.len()
            )
        })?,
    };
    let digest = Digest::from_hex(algorithm, hex).map_err(|error| error.to_string())?;
    if is_pattern(digest.bytes()) {
        return Err(PLACEHOLDER.to_owned());
    }
    if OF_NOTHING.iter().any(|nothing| nothing.bytes() == digest.bytes()) {
        return Err(OF_EMPTY.to_owned());
    }
    Ok(digest)
}

/// Whether `text` has the shape of a digest that says no algorithm.
pub(super) fn is_digest_shaped(text: &[u8]) -> bool {
    by_length(text.len()).is_some() && text.iter().all(u8::is_ascii_hexdigit)
}

/// Whether `text` is so long a row of hexadecimal digits that it is meant to be a digest of some kind.
pub(super) fn is_long_hex(text: &[u8]) -> bool {
    text.len() >= 16 && text.iter().all(u8::is_ascii_hexdigit)
}

/// A category or identifier as it can be shown: `None` where there is none, where it is too long to be one, and where
/// it repeats a digest.
pub(super) fn label(text: &[u8]) -> Option<String> {
    let text = text.trim_ascii();
    let longest_hex = text.split(|b| !b.is_ascii_hexdigit()).map(<[u8]>::len).max().unwrap_or(0);
    (!text.is_empty() && text.len() <= LONGEST_LABEL && longest_hex < 32)
        .then(|| String::from_utf8_lossy(text).into_owned())
}

/// Longest category or identifier in bytes.
const LONGEST_LABEL: usize = 256;

/// The algorithm of a digest of so many hexadecimal digits that says none.
fn by_length(digits: usize) -> Option<Algorithm> {
    match digits {
        32 => Some(Algorithm::Md5),
        40 => Some(Algorithm::Sha1),
        64 => Some(Algorithm::Sha256),
        128 => Some(Algorithm::Sha512),
        _ => None,
    }
}

/// Digests of the empty message in every algorithm: whichever a list means, none of them is of any content.
static OF_NOTHING: LazyLock<Digests> = LazyLock::new(|| {
    Algorithm::ALL.into_iter().filter_map(|algorithm| Running::new(algorithm, Some(0))?.finish()).collect()
});

/// Whether the bytes follow a pattern no digest would: all alike, a group of up to eight repeated (`deadbeef`,
/// `0123456789abcdef`), or counting up or down. The chance of it in a digest of 16 bytes is below 2⁻⁶⁰.
fn is_pattern(bytes: &[u8]) -> bool {
    let repeats = |period: usize| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b);
    let counts = bytes.windows(3).all(|w| w[1].wrapping_sub(w[0]) == w[2].wrapping_sub(w[1]));
    (bytes.len() >= 16 && (1..=8).any(repeats)) || counts || is_palindrome_of_digits(bytes)
}

/// `0123456789abcdeffedcba9876543210` and what begins like it.
fn is_palindrome_of_digits(bytes: &[u8]) -> bool {
    const UP_AND_DOWN: [u8; 16] =
        [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10];
    bytes.iter().zip(UP_AND_DOWN.iter().cycle()).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(hex: &str) -> String {
        usable_digest(None, hex.as_bytes()).expect_err("it is junk")
    }

    #[test]
    fn a_digest_is_read_by_its_length_or_as_declared() {
        let hex = "0CC175b9c0f1b6a831c399e269772661";
        let algorithm = |declared, hex: &str| usable_digest(declared, hex.as_bytes()).map(|d| d.algorithm());
        assert_eq!(algorithm(None, hex), Ok(Algorithm::Md5));
        let long = format!("{hex}{}", "86f7e437faa5a7fce15d1ddcb9eaeaea");
        assert_eq!(algorithm(None, &long), Ok(Algorithm::Sha256));
        assert_eq!(algorithm(Some(Algorithm::Blake3), &long), Ok(Algorithm::Blake3));
        assert!(algorithm(Some(Algorithm::Sha1), &long).is_err());
        assert!(algorithm(Some(Algorithm::Cksum), "86f7e437").is_err());
    }

    #[test]
    fn digests_of_nothing_are_refused_in_any_algorithm() {
        assert_eq!(OF_NOTHING.iter().count(), Algorithm::ALL.len());
        for nothing in OF_NOTHING.iter().filter(|d| !d.algorithm().is_checksum()) {
            let hex = hex::encode(nothing.bytes());
            for algorithm in [nothing.algorithm(), Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256] {
                assert!(usable_digest(Some(algorithm), hex.as_bytes()).is_err(), "{algorithm}");
            }
        }
        assert!(refused("D41D8CD98F00B204E9800998ECF8427E").contains("empty"));
    }

    #[test]
    fn placeholders_are_refused() {
        for length in [32, 40, 64, 128] {
            for group in [
                "0",
                "f",
                "a",
                "ab",
                "123",
                "deadbeef",
                "0123456789abcdef",
                "0123456789abcdeffedcba9876543210",
            ] {
                let hex: String = group.chars().cycle().take(length).collect();
                let expected = "it is a placeholder, not the digest of anything";
                assert_eq!(refused(&hex), expected, "{group} to {length}");
            }
        }
        assert!(refused("000102030405060708090a0b0c0d0e0f").contains("placeholder"));
    }

    #[test]
    fn other_junk_is_refused_without_being_repeated() {
        for junk in ["", "zz", "0cc175b9c0f1b6a831c399e26977266", "0cc175b9c0f1b6a831c399e26977266g", "md5"] {
            super::super::tests::assert_discreet(&refused(junk));
        }
    }

    #[test]
    fn names_of_algorithms_are_read_as_lists_write_them() {
        for (text, algorithm) in [
            ("SHA-1", Algorithm::Sha1),
            ("sha_256", Algorithm::Sha256),
            ("MD5 hash", Algorithm::Md5),
            ("hash_md5", Algorithm::Md5),
            ("md5sum", Algorithm::Md5),
            ("video_md5", Algorithm::Md5),
            ("SHA2-256", Algorithm::Sha256),
        ] {
            assert_eq!(Word::read(text.as_bytes()), Some(Word::Algorithm(algorithm)), "{text}");
        }
        for text in ["pdq", "PhotoDNA", "TMK", "CRC32", "cksum"] {
            assert!(matches!(Word::read(text.as_bytes()), Some(Word::Unsupported(_))), "{text}");
        }
        for text in ["hash", "url_md5", "", "\u{e9}", "name"] {
            assert_eq!(Word::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_label_never_repeats_a_digest() {
        assert_eq!(label(b" 1 "), Some("1".to_owned()));
        assert_eq!(label(b"6f1f7a9e-1c1e-4f0e-9d6e-2a2b8f1d7c11").map(|l| l.len()), Some(36));
        assert_eq!(label(b""), None);
        assert_eq!(label(b"md5:0cc175b9c0f1b6a831c399e269772661"), None);
        assert_eq!(label(&[b'x'; 257]), None);
    }
}
