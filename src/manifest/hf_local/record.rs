//! The small things that `hf download` writes: download records, ETags, and names of unfinished files.

use base64::Engine;
use sha1::Digest as _;

use crate::claim::Unusable;
use crate::digest::{Algorithm, Digest};

/// A record has three short lines; a longer file is none.
pub(in crate::manifest) const LONGEST_RECORD: u64 = 512;

/// A download record, `.cache/huggingface/download/PATH.metadata`: commit, ETag, and Unix time, a line each
/// (huggingface_hub 2.4.0, `_local_folder.py`).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::manifest) struct Record {
    pub(in crate::manifest) commit: String,
    pub(in crate::manifest) etag: Vec<u8>,
    pub(in crate::manifest) time: f64,
}

impl Record {
    pub(in crate::manifest) fn parse(content: &[u8]) -> Option<Record> {
        if content.len() as u64 > LONGEST_RECORD {
            return None;
        }
        let text = std::str::from_utf8(content).ok()?;
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let [commit, etag, time] = lines.as_slice() else { return None };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '"' | '/');
        if etag.is_empty() || etag.len() > 128 || !etag.chars().all(plain) {
            return None;
        }
        if time.is_empty() || !time.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        is_commit(commit.as_bytes()).then_some(Record {
            commit: (*commit).to_owned(),
            etag: etag.as_bytes().to_vec(),
            time: time.parse().ok()?,
        })
    }
}

/// Whether this is the full name of a commit: 40 lower-case hexadecimal digits.
pub(in crate::manifest) fn is_commit(name: &[u8]) -> bool {
    name.len() == 40 && name.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The digest that an ETag of the Hub is: SHA-256 of an LFS file, else the git object name.
pub(super) fn digest_of_etag(etag: &[u8]) -> Result<Digest, Unusable> {
    let algorithm = if etag.len() == 40 { Algorithm::GitBlob } else { Algorithm::Sha256 };
    Digest::from_hex(algorithm, etag).map_err(|_| {
        Unusable::NotComputable("its ETag is neither a SHA-256 nor a git object name".to_owned())
    })
}

/// The name of a file that a download did not finish: `[KEY.]ETAG[.RANDOM].incomplete`. In a local folder `KEY` is the
/// [`key_of_record`] of the file's record, in the cache there is none; 2.4.0 adds eight random digits, older releases
/// do not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartialName<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) etag: &'a [u8],
}

impl<'a> PartialName<'a> {
    pub(super) fn parse(name: &'a [u8]) -> Option<Self> {
        let stem = name.strip_suffix(b".incomplete")?;
        let mut parts: Vec<&[u8]> = stem.split(|&b| b == b'.').collect();
        if parts.len() > 1
            && parts.last().is_some_and(|p| p.len() == 8 && p.iter().all(u8::is_ascii_hexdigit))
        {
            parts.pop();
        }
        match parts.as_slice() {
            [etag] if !etag.is_empty() => Some(PartialName { key: None, etag }),
            [key, etag] if !etag.is_empty() => Some(PartialName { key: Some(key), etag }),
            _ => None,
        }
    }
}

/// What stands for a record's file name in the name of an unfinished file: URL-safe base64 of its SHA-1.
pub(super) fn key_of_record(record_name: &[u8]) -> Vec<u8> {
    let digest = sha1::Sha1::digest(record_name);
    base64::engine::general_purpose::URL_SAFE.encode(digest).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "11c5a3d5811f50298f278a704980280950aedb10";
    const SHA256: &str = "7c5d3f4b8b76583b422fcb9189ad6c89d5d97a094541ce8932dce3ecabde1421";

    #[test]
    fn records_have_three_lines_of_their_kind() {
        let record = Record::parse(format!("{COMMIT}\n{SHA256}\n1712656091.123\n").as_bytes()).unwrap();
        assert_eq!((record.commit.as_str(), record.etag.as_slice()), (COMMIT, SHA256.as_bytes()));
        assert_eq!(record.time, 1_712_656_091.123);
        for bad in [
            "m".to_owned(),
            String::new(),
            format!("{COMMIT}\n{SHA256}\n"),
            format!("{COMMIT}\n{SHA256}\nnever\n"),
            format!("main\n{SHA256}\n1\n"),
            format!("{COMMIT}\n{SHA256}\n1\nmore\n"),
            format!("{COMMIT}\n{}\n1\n", "e".repeat(129)),
            format!("{COMMIT}\n{SHA256}\n1\n{}", " ".repeat(600)),
        ] {
            assert_eq!(Record::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn etags_are_digests_by_their_length() {
        assert_eq!(digest_of_etag(SHA256.as_bytes()).unwrap().algorithm(), Algorithm::Sha256);
        assert_eq!(digest_of_etag(COMMIT.as_bytes()).unwrap().algorithm(), Algorithm::GitBlob);
        assert!(matches!(digest_of_etag(b"W/abc"), Err(Unusable::NotComputable(_))));
    }

    #[test]
    fn names_of_unfinished_files() {
        let key = key_of_record(b"a.bin.metadata");
        assert_eq!(key, b"s6T6AoPTKInBOAC7UnHxaJif5Us=", "what `_short_hash` of huggingface_hub gives");
        let name = [key.as_slice(), b".abc.0123abcd.incomplete"].concat();
        assert_eq!(PartialName::parse(&name), Some(PartialName { key: Some(&key), etag: b"abc" }));
        let name = [key.as_slice(), b".abc.incomplete"].concat();
        assert_eq!(PartialName::parse(&name), Some(PartialName { key: Some(&key), etag: b"abc" }));
        assert_eq!(PartialName::parse(b"abc.incomplete"), Some(PartialName { key: None, etag: b"abc" }));
        assert_eq!(PartialName::parse(b".incomplete"), None);
        assert_eq!(PartialName::parse(b"abc"), None);
    }
}
