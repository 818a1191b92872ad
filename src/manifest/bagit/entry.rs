//! One line of a payload manifest, a tag manifest or `fetch.txt`, and the name in it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::claim::Subject;
use crate::locator::{ItemPath, UnsafeName};

/// `DIGEST NAME`, with the `*` that md5sum writes before names.
pub(super) fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (digest, rest) = word(text)?;
    let name = rest.strip_prefix(b"*").unwrap_or(rest);
    (!name.is_empty()).then_some((digest, name))
}

/// `URL LENGTH NAME`; the length may be `-`.
pub(super) fn split_fetch(text: &[u8]) -> Option<(&[u8], Option<u64>, &[u8])> {
    let (url, rest) = word(text)?;
    let (length, name) = word(rest)?;
    let size = match length {
        b"-" => None,
        digits if digits.iter().all(u8::is_ascii_digit) => {
            Some(std::str::from_utf8(digits).ok()?.parse().ok()?)
        }
        _ => return None,
    };
    Some((url, size, name))
}

/// A word and what follows the blanks behind it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let end = text.iter().position(is_blank)?;
    let rest = &text[end..];
    let begin = rest.iter().position(|b| !is_blank(b))?;
    (end > 0).then(|| (&text[..end], &rest[begin..]))
}

/// How names in the lists of one bag are read.
pub(super) struct Names<'a> {
    /// The bag.
    pub(super) folder: &'a Path,
    /// Since 1.0 a `%` in a name is written as `%25`.
    pub(super) percent_is_escaped: bool,
}

impl Names<'_> {
    /// What a name is about. `%0A` and `%0D` stand for line ends (RFC 8493, 2.1.3) in every version, and no other
    /// escape does. `%25` stands for `%` since 1.0; but hardly anybody writes it, so that a file that has it in its name
    /// is what is meant.
    pub(super) fn subject(&self, name: &[u8]) -> Subject {
        let literal = self.parsed(name, false);
        if !self.percent_is_escaped || memchr::memmem::find(name, b"%25").is_none() {
            return literal;
        }
        match &literal {
            Subject::Path(path) if self.exists(path) => literal,
            _ => self.parsed(name, true),
        }
    }

    fn parsed(&self, name: &[u8], percent: bool) -> Subject {
        let decoded = decoded(name, percent);
        let refuse = |why| Subject::Refused { name: name.to_vec(), why };
        if decoded.first() == Some(&b'~') {
            return refuse(UnsafeName::Home);
        }
        ItemPath::parse(&decoded).map_or_else(refuse, Subject::Path)
    }

    fn exists(&self, path: &ItemPath) -> bool {
        std::fs::symlink_metadata(self.folder.join(OsStr::from_bytes(path.as_bytes()))).is_ok()
    }
}

fn decoded(name: &[u8], percent: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        let escape = rest.get(..3).map(<[u8]>::to_ascii_uppercase);
        let (byte, after) = match escape.as_deref() {
            Some(b"%0A") => (b'\n', &rest[3..]),
            Some(b"%0D") => (b'\r', &rest[3..]),
            Some(b"%25") if percent => (b'%', &rest[3..]),
            _ => (byte, after),
        };
        out.push(byte);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        assert_eq!(split(b"ab  data/a b"), Some((&b"ab"[..], &b"data/a b"[..])));
        assert_eq!(split(b"ab *data/a"), Some((&b"ab"[..], &b"data/a"[..])));
        assert_eq!(split(b"ab\t \t./data/a"), Some((&b"ab"[..], &b"./data/a"[..])));
        for line in [&b"ab"[..], b"ab ", b" ab data/a", b"ab *", b""] {
            assert_eq!(split(line), None);
        }
        assert_eq!(split_fetch(b"u - data/a b"), Some((&b"u"[..], None, &b"data/a b"[..])));
        assert_eq!(split_fetch(b"u 12 data/a"), Some((&b"u"[..], Some(12), &b"data/a"[..])));
        for line in [&b"u data/a"[..], b"u 1x data/a", b"u -", b"u 99999999999999999999 data/a"] {
            assert_eq!(split_fetch(line), None);
        }
    }

    #[test]
    fn only_line_ends_and_since_1_0_the_percent_sign_are_escaped() {
        let name = b"data/%7E%0a%0D%25%250A%2";
        assert_eq!(decoded(name, false), b"data/%7E\n\r%25%250A%2");
        assert_eq!(decoded(name, true), b"data/%7E\n\r%%0A%2");
    }

    #[test]
    fn a_file_with_the_escape_in_its_name_is_meant_by_it() {
        let bag = tempfile::tempdir().unwrap();
        let path = |percent_is_escaped: bool, name: &[u8]| {
            let names = Names { folder: bag.path(), percent_is_escaped };
            match names.subject(name) {
                Subject::Path(path) => path.into_bytes(),
                Subject::Refused { why, .. } => why.to_string().into_bytes(),
                Subject::Url { .. } => Vec::new(),
            }
        };
        assert_eq!(path(true, b"data/50%25"), b"data/50%");
        assert_eq!(path(false, b"data/50%25"), b"data/50%25");
        std::fs::create_dir(bag.path().join("data")).unwrap();
        std::fs::write(bag.path().join("data/50%25"), b"").unwrap();
        assert_eq!(path(true, b"data/50%25"), b"data/50%25");
        assert_eq!(path(true, b"~root/x"), UnsafeName::Home.to_string().into_bytes());
        assert_eq!(path(true, b"data/../../x"), UnsafeName::Parent.to_string().into_bytes());
        assert_eq!(path(true, b"%2e./x"), b"%2e./x");
    }
}
