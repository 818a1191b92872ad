//! One digest on each line: bare, before a name as `md5sum` writes it, after its algorithm, or in a BSD tag.

use std::io::BufRead;

use crate::digest::Digest;

use super::junk::{self, Word};
use super::lines::{Advance, Lines, TOO_LONG};
use super::{Context, Entry, EntrySink, HashListError, HashListFormat};

/// Lists of bare digests, and the output of `md5sum` and its kin.
///
/// Names beside the digests are of whatever the publisher had: they are not looked at and never repeated. Comments
/// begin with `#` or `;`. One header line is allowed; if it names an algorithm, that is the list's, unless the user
/// declared one. Without either the length tells it, and 64 digits are SHA-256.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl HashListFormat for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
        text.split(|&b| b == b'\n').any(|line| match Line::read(line.trim_ascii()) {
            Line::Bare(hex) => junk::is_digest_shaped(hex),
            Line::Labelled(kind, hex) => is_of_length(kind, hex) || junk::is_digest_shaped(hex),
            Line::Nothing | Line::Refused(_) => false,
        })
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn EntrySink,
    ) -> Result<(), HashListError> {
        let mut lines = Lines::new(input);
        let mut listing = Listing { kind: context.declared.map(Word::Algorithm), begun: false };
        let mut entries = 0_u64;
        let mut first_refusal = None;
        loop {
            let outcome = match lines.advance()? {
                Advance::End => break,
                Advance::TooLong => Err(TOO_LONG.to_owned()),
                Advance::Line => listing.digest_of(lines.trimmed()),
            };
            let line = lines.number();
            match outcome {
                Ok(None) => {}
                Ok(Some(digest)) => {
                    entries += 1;
                    sink.entry(Entry { line, digest, category: None, id: None })?;
                }
                Err(reason) => {
                    first_refusal.get_or_insert_with(|| (line, reason.clone()));
                    sink.reject(line, reason)?;
                }
            }
        }
        if entries == 0 { Err(nothing_usable(first_refusal)) } else { Ok(()) }
    }
}

/// What is known of the list while it is read.
struct Listing {
    /// What digests are that do not say it themselves.
    kind: Option<Word>,
    /// Whether a line that is neither blank nor a comment has been met.
    begun: bool,
}

impl Listing {
    /// The digest of a line; `None` where it is not meant to hold any.
    fn digest_of(&mut self, line: &[u8]) -> Result<Option<Digest>, String> {
        let line = Line::read(line);
        if line == Line::Nothing {
            return Ok(None);
        }
        let first = !std::mem::replace(&mut self.begun, true);
        let (kind, hex) = match line {
            Line::Bare(word) if first && is_header(word) => {
                let named = Word::read(word);
                // A declared algorithm outdoes the header's, but nothing makes a perceptual hash a digest.
                if self.kind.is_none() || matches!(named, Some(Word::Unsupported(_))) {
                    self.kind = named;
                }
                return Ok(None);
            }
            Line::Nothing => return Ok(None),
            Line::Refused(reason) => return Err(reason.to_owned()),
            Line::Bare(hex) => (self.kind, hex),
            Line::Labelled(kind, hex) => (Some(kind), hex),
        };
        match kind {
            Some(Word::Unsupported(reason)) => Err(reason.to_owned()),
            Some(Word::Algorithm(algorithm)) => junk::usable_digest(Some(algorithm), hex).map(Some),
            None => junk::usable_digest(None, hex).map(Some),
        }
    }
}

/// A line, taken apart.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// Blank, or a comment.
    Nothing,
    /// What should be a digest, without its algorithm.
    Bare(&'a [u8]),
    /// What should be a digest, and what the line says it is.
    Labelled(Word, &'a [u8]),
    /// Neither, and why.
    Refused(&'static str),
}

impl<'a> Line<'a> {
    /// Takes a line apart that has no blanks around it.
    fn read(line: &'a [u8]) -> Line<'a> {
        if matches!(line.first(), None | Some(b'#' | b';')) {
            return Line::Nothing;
        }
        if line.iter().any(|b| matches!(b, b'\0' | b'\r')) {
            return Line::Refused(
                "it holds a NUL or carriage return, so that several lines may be run together in it",
            );
        }
        let line = line.strip_prefix(b"\\").unwrap_or(line);
        let line = line.strip_prefix(b"\"").and_then(|l| l.strip_suffix(b"\"")).unwrap_or(line);
        let end = line.iter().position(|b| matches!(b, b' ' | b'\t' | b':')).unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        let (separator, rest) = rest.split_at(rest.len().min(1));
        if word.len() >= 32 && word.iter().all(u8::is_ascii_hexdigit) {
            return match separator {
                b":" => Line::Refused("something other than a name follows the digest"),
                // `md5sum` puts two characters before the name, which may well be a digest too.
                _ if junk::is_digest_shaped(rest) => {
                    Line::Refused("it holds two digests, which only a CSV may")
                }
                _ => Line::Bare(word),
            };
        }
        if let Some(tag) = bsd_tag(line) {
            return tag;
        }
        let hex = rest.trim_ascii();
        match Word::read(word) {
            Some(kind) if junk::is_digest_shaped(hex) || is_of_length(kind, hex) => Line::Labelled(kind, hex),
            _ if is_header(line) => Line::Bare(line),
            _ if separator == b":" => Line::Refused("it is not a hexadecimal digest"),
            _ => Line::Bare(word),
        }
    }
}

/// `SHA256 (name) = HEX`, and `SHA256(name)= HEX` as OpenSSL writes it.
fn bsd_tag(line: &[u8]) -> Option<Line<'_>> {
    let equals = memchr::memrchr(b'=', line)?;
    let before = line[..equals].trim_ascii_end().strip_suffix(b")")?;
    let open = memchr::memchr(b'(', before)?;
    let hex = line[equals + 1..].trim_ascii();
    Some(match Word::read(before[..open].trim_ascii()) {
        Some(kind) => Line::Labelled(kind, hex),
        None => Line::Refused("it names an algorithm that this version does not compute"),
    })
}

fn is_of_length(kind: Word, hex: &[u8]) -> bool {
    matches!(kind, Word::Algorithm(algorithm) if hex.len() == algorithm.len() * 2)
        && hex.iter().all(u8::is_ascii_hexdigit)
}

/// Whether a whole line is a heading over digests: an algorithm, or a word for digests in general.
fn is_header(line: &[u8]) -> bool {
    const GENERAL: [&[u8]; 9] = [
        b"hash",
        b"hashes",
        b"digest",
        b"digests",
        b"checksum",
        b"checksums",
        b"fingerprint",
        b"hash_value",
        b"value",
    ];
    GENERAL.iter().any(|word| line.eq_ignore_ascii_case(word))
        || (!line.iter().all(u8::is_ascii_hexdigit) && Word::read(line).is_some())
}

/// The error of a list without any entry.
fn nothing_usable(first_refusal: Option<(u64, String)>) -> HashListError {
    HashListError::NotThisFormat(match first_refusal {
        None => "no line of it is a digest: there are none but comments and blank lines; check that it was written \
                 to its end"
            .to_owned(),
        Some((line, reason)) if reason == junk::PDQ => {
            format!("no line of it is a digest that this version can look up: line {line}: {reason}; list MD5, SHA-1, \
                     SHA-256 or SHA-512 digests")
        }
        Some((line, reason)) => format!(
            "no line of it is a digest that can be used: line {line}: {reason}; a plain list has one hexadecimal \
             digest of 32, 40, 64 or 128 digits on each line, and other algorithms have to be declared"
        ),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{Collected, assert_discreet};
    use super::*;
    use crate::digest::Algorithm;

    const MD5: &str = "0cc175b9c0f1b6a831c399e269772661";
    const SHA1: &str = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8";
    const SHA256: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

    fn read(text: impl AsRef<[u8]>, declared: Option<Algorithm>) -> (Collected, Result<(), HashListError>) {
        let mut sink = Collected::default();
        let context = Context { declared, ..Context::default() };
        let outcome = Plain.read(&mut text.as_ref(), &context, &mut sink);
        sink.assert_discreet();
        if let Err(error) = &outcome {
            assert_discreet(&error.to_string());
        }
        (sink, outcome)
    }

    #[test]
    fn every_common_form_is_read() {
        let upper = SHA1.to_uppercase();
        let text = format!(
            "\u{feff}# from the hotline\r\n\r\n; checked\r\nHash\r\n{MD5}\r\n{upper}\r\n{SHA256}  a name.jpg\r\n\
             {MD5} *b\r\n\\{MD5}  c\\n\r\nSHA256 (d (1) = 2.jpg) = {SHA256}\r\nSHA1(e)= {SHA1}\r\n\
             sha256:{SHA256}\r\nblake3 {SHA256}\r\n\"{MD5}\"\r\n  {MD5}  f (g) = h\r\n{MD5}  {MD5}"
        );
        let (sink, outcome) = read(&text, None);
        outcome.expect("it is a list");
        assert_eq!(sink.rejected, []);
        let expected = [
            (5, "md5", 0x0C),
            (6, "sha1", 0x86),
            (7, "sha256", 0xCA),
            (8, "md5", 0x0C),
            (9, "md5", 0x0C),
            (10, "sha256", 0xCA),
            (11, "sha1", 0x86),
            (12, "sha256", 0xCA),
            (13, "blake3", 0xCA),
            (14, "md5", 0x0C),
            (15, "md5", 0x0C),
            (16, "md5", 0x0C),
        ];
        assert_eq!(sink.brief(), expected);
    }

    #[test]
    fn only_the_first_line_may_be_a_header() {
        for header in ["MD5", "sha-256", "hash", "MD5 hash", "Checksums", "md5 filename"] {
            let (sink, outcome) = read(format!("{header}\n{MD5}\n{SHA256}\n{header}\n"), None);
            outcome.expect("it is a list");
            assert_eq!(sink.rejected.last().map(|r| r.0), Some(4), "{header}");
        }
        let (sink, _) = read(format!("a list of mine\n{MD5}"), None);
        assert_eq!(sink.rejected.len(), 1);
    }

    #[test]
    fn a_header_or_the_user_tells_the_algorithm() {
        let algorithm = |text: &str, declared| read(text, declared).0.brief().first().map(|e| e.1);
        let headed = format!("blake3\n{SHA256}");
        assert_eq!(algorithm(&headed, None), Some("blake3"));
        assert_eq!(algorithm(&headed, Some(Algorithm::Sm3)), Some("sm3"));
        assert_eq!(algorithm(SHA256, Some(Algorithm::Sha256)), Some("sha256"));
        assert_eq!(algorithm(MD5, Some(Algorithm::Sha256)), None);
        let (sink, _) = read(format!("{SHA256}\n{MD5}\nMD5 (x) = {MD5}"), Some(Algorithm::Sha256));
        assert_eq!(sink.rejected, [(2, "sha256 has 64 hexadecimal digits, not 32".to_owned())]);
        assert_eq!(sink.entries.len(), 2);
    }

    #[test]
    fn perceptual_hashes_are_not_taken_for_sha256() {
        for text in [format!("pdq\n{SHA256}"), format!("pdq {SHA256}"), format!("PDQ hash\n{SHA256}")] {
            for declared in [None, Some(Algorithm::Sha256)] {
                let (sink, outcome) = read(&text, declared);
                assert!(sink.entries.is_empty());
                assert_eq!(sink.rejected[0].1, junk::PDQ);
                assert!(outcome.expect_err("nothing can be used").to_string().contains("PDQ"));
            }
        }
    }

    #[test]
    fn junk_is_counted_with_its_line() {
        let zeros = "0".repeat(64);
        let text = format!(
            "{zeros}\nd41d8cd98f00b204e9800998ecf8427e\n{}\nx{}\n{MD5},1\n{MD5}:7\n{MD5}\t{SHA1}\n{MD5}\0{MD5}\n\
             {MD5}\r{MD5}\nFOO (x) = {MD5}\n{MD5}\n",
            &MD5[1..],
            &MD5[1..]
        );
        let (sink, outcome) = read(&text, None);
        outcome.expect("one entry remains");
        assert_eq!(sink.rejected.iter().map(|r| r.0).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
        assert_eq!(sink.brief(), [(11, "md5", 0x0C)]);
    }

    #[test]
    fn a_list_without_entries_is_an_error() {
        for text in ["", "# nothing\n", "MD5\n", "some text\nof mine\n", &"0".repeat(32), &MD5[1..]] {
            let (_, outcome) = read(text, None);
            let text = outcome.expect_err("it has no entry").to_string();
            assert!(text.starts_with("no line of it is a digest"), "{text}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_in_memory() {
        let mut text = vec![b'0'; 3 << 20];
        text.extend_from_slice(format!("\n{MD5}").as_bytes());
        let (sink, _) = read(text, None);
        assert_eq!(sink.rejected, [(1, TOO_LONG.to_owned())]);
        assert_eq!(sink.brief(), [(2, "md5", 0x0C)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            Plain.recognises(b"x", &bytes);
            let (sink, outcome) = read(&bytes, None);
            prop_assert_eq!(outcome.is_err(), sink.entries.is_empty());
        }

        #[test]
        fn anything_like_a_list_is_read_or_refused(
            text in "(([0-9a-f]{32}|[0-9A-F]{40}|MD5|pdq|SHA1 ?\\(|\\)? ?= ?|[ \t:*#;\\\\\"\r]|sha256)*\n){0,6}"
        ) {
            Plain.recognises(b"x", text.as_bytes());
            let (sink, outcome) = read(&text, None);
            prop_assert_eq!(outcome.is_err(), sink.entries.is_empty());
            prop_assert!(sink.entries.len() + sink.rejected.len() <= text.lines().count());
        }
    }
}
