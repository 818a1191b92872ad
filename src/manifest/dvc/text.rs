//! The MD5 that DVC before 3.0 took of texts: with CR LF as LF.
//!
//! It read pieces of 1 MiB, took each for text whose first 512 bytes hold no NUL and at most 30 % of other than printable
//! ASCII and blanks, and replaced CR LF in those. Where the text here has such an MD5, it is as published, and what it
//! has to be when it is read is its own MD5.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use md5::{Digest as _, Md5};

use super::super::open_regular;
use crate::claim::Claim;
use crate::digest::{Algorithm, Digest, Digests};

/// What DVC reads at once.
const PIECE: u64 = 1 << 20;
/// What tells whether a piece is text.
const BLOCK: usize = 512;

/// The claim with the plain MD5 of `file` in place of the one that DVC took of it, where both are known to be of this
/// content; else as it is. Only files that begin like text are read.
pub(super) fn with_plain_md5(claim: Claim, file: Option<&Path>) -> Claim {
    let Some(claimed) = claim.digests.of(Algorithm::Md5) else { return claim };
    let Some(Ok(opened)) = file.map(open_regular) else { return claim };
    let Ok(size) = opened.metadata().map(|metadata| metadata.len()) else { return claim };
    if claim.size.is_some_and(|claimed| claimed != size) {
        return claim;
    }
    match sums(opened) {
        Some(Sums { plain, changed }) if changed == claimed.bytes() && plain != changed => {
            match Digest::new(Algorithm::Md5, &plain) {
                Ok(digest) => Claim { digests: Digests::from_iter([digest]), ..claim },
                Err(_) => claim,
            }
        }
        _ => claim,
    }
}

struct Sums {
    plain: [u8; 16],
    /// As DVC took it.
    changed: [u8; 16],
}

/// Both sums of a file; `None` where it does not begin like text, or cannot be read.
fn sums(mut file: File) -> Option<Sums> {
    let (mut plain, mut changed) = (Md5::new(), Md5::new());
    let mut piece = Vec::new();
    // Most files are told by their first bytes.
    file.by_ref().take(BLOCK as u64).read_to_end(&mut piece).ok()?;
    if !is_text(&piece) {
        return None;
    }
    loop {
        let rest = PIECE.saturating_sub(piece.len() as u64);
        file.by_ref().take(rest).read_to_end(&mut piece).ok()?;
        if piece.is_empty() {
            return Some(Sums { plain: plain.finalize().into(), changed: changed.finalize().into() });
        }
        plain.update(&piece);
        let mut left = piece.as_slice();
        while let Some(at) = memchr::memmem::find(left, b"\r\n").filter(|_| is_text(&piece)) {
            changed.update(&left[..at]);
            left = &left[at + 1..];
        }
        changed.update(left);
        piece.clear();
    }
}

/// Whether DVC takes a piece for text.
fn is_text(piece: &[u8]) -> bool {
    let block = &piece[..piece.len().min(BLOCK)];
    let plain = |b: &&u8| matches!(**b, 32..=126 | b'\n' | b'\r' | b'\t' | 12 | 8);
    let others = block.len() - block.iter().filter(plain).count();
    !block.contains(&0) && others * 10 <= block.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_as_dvc_does() {
        assert!(
            is_text(b"")
                && is_text(b"a,b\r\n")
                && is_text("aé".repeat(300).replace('é', "e\u{e9}eee").as_bytes())
        );
        assert!(
            !is_text(b"a\0b")
                && !is_text(&[200; 10])
                && is_text(&[b"aaaaaaa".as_slice(), &[200; 3]].concat())
        );
        assert!(!is_text(&[b"aaaaaa".as_slice(), &[200; 3]].concat()));
    }

    #[test]
    fn line_ends_are_changed_in_pieces() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        let of = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            sums(File::open(&path).unwrap())
        };
        let sum = |content: &[u8]| <[u8; 16]>::from(Md5::digest(content));
        let both = of(b"a\r\nb\r\r\nc\r").unwrap();
        assert_eq!((both.plain, both.changed), (sum(b"a\r\nb\r\r\nc\r"), sum(b"a\nb\r\nc\r")));
        assert!(of(b"\0a\r\n").is_none());
        // The line end that two pieces share stays.
        let long = [vec![b'a'; (1 << 20) - 1], b"\r\nb\r\n".to_vec()].concat();
        let changed = [vec![b'a'; (1 << 20) - 1], b"\r\nb\n".to_vec()].concat();
        assert_eq!(of(&long).unwrap().changed, sum(&changed));
    }
}
