//! One line of a sums file, taken apart by the rules of `split_3` in coreutils 9.1 (`src/digest.c`).

use super::naming::Tag;
use crate::digest::Algorithm;

/// A line that names a file and says something of its digest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SumLine<'a> {
    /// The name, unescaped.
    pub(super) name: Vec<u8>,
    /// What stands in place of the digest.
    pub(super) stated: Stated<'a>,
}

/// What a line says of the digest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stated<'a> {
    /// Hexadecimal digits, any number of them, of the tag's algorithm.
    Tagged(Algorithm, &'a [u8]),
    /// Hexadecimal digits, any number of them; nothing on the line tells the algorithm.
    Untagged(&'a [u8]),
    /// The CRC and size of POSIX `cksum`.
    Cksum(u32, u64),
    /// A digest of an algorithm that is not computed.
    Foreign,
    /// A word such as `TODO`.
    Placeholder,
}

/// Takes lines apart. It remembers which of the two untagged forms the file uses, since coreutils let no file mix
/// them: else a leading blank could be added to a name.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    one_blank: Option<bool>,
    /// A line with a hexadecimal digest was seen: three words with two numbers are prose from then on.
    hexadecimal: bool,
}

const NOT_A_SUM: &str = "it is not a checksum line";
const BAD_ESCAPE: &str = "its name is escaped by another rule than `\\\\`, `\\n` and `\\r`";

impl Splitter {
    /// Takes apart a line that is neither empty nor a comment. `fits` says whether an untagged digest of so many digits
    /// is of an algorithm that the file may use.
    pub(super) fn split<'a>(
        &mut self,
        line: &'a [u8],
        fits: impl Fn(usize) -> bool,
    ) -> Result<SumLine<'a>, &'static str> {
        let line = skip_blanks(line);
        let (escaped, line) = match line.strip_prefix(b"\\") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let end = line.iter().position(|&b| is_blank(b)).unwrap_or(line.len());
        let field = &line[..end];
        let rest = line.get(end + 1..).unwrap_or_default();
        if is_hex(field) && fits(field.len()) {
            self.hexadecimal = true;
            let name = self.untagged_name(rest)?;
            return Ok(SumLine { name: unescape(name, escaped)?, stated: Stated::Untagged(field) });
        }
        if let Some((tag, rest)) = split_tag(line) {
            self.hexadecimal = true;
            return tagged(tag, rest, escaped);
        }
        if !self.hexadecimal
            && let Some((stated, name)) = cksum(field, rest)
        {
            return Ok(SumLine { name: unescape(name, escaped)?, stated });
        }
        self.misfit(field, rest, escaped)
    }

    /// The name after a digest and one blank: `␠name` or `*name`, or in the one-blank form `name`.
    fn untagged_name<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], &'static str> {
        match rest {
            [] => Err("it has no name"),
            [b' ' | b'*', name @ ..] if !name.is_empty() => {
                if self.one_blank == Some(true) {
                    return Ok(rest);
                }
                self.one_blank = Some(false);
                Ok(name)
            }
            _ if self.one_blank == Some(false) => {
                Err("one blank stands between digest and name, where earlier lines have two")
            }
            _ => {
                self.one_blank = Some(true);
                Ok(rest)
            }
        }
    }

    /// A line whose first field is no digest of a length that fits, but clearly stands in its place. coreutils call it
    /// malformed; its name tells which item goes unchecked.
    fn misfit<'a>(
        &self,
        field: &'a [u8],
        rest: &'a [u8],
        escaped: bool,
    ) -> Result<SumLine<'a>, &'static str> {
        let hex = is_hex(field) && field.len() >= 8;
        // `SHA256  (name)` is a broken tag, not a word in place of a digest.
        if !hex && (!is_placeholder(field) || rest.starts_with(b" (")) {
            return Err(NOT_A_SUM);
        }
        let name = match rest {
            [b' ' | b'*', name @ ..] if !name.is_empty() && self.one_blank != Some(true) => name,
            [_, ..] if hex && self.one_blank == Some(true) => rest,
            _ => return Err(NOT_A_SUM),
        };
        let stated = if hex { Stated::Untagged(field) } else { Stated::Placeholder };
        Ok(SumLine { name: unescape(name, escaped)?, stated })
    }
}

/// `TAG (` or `TAG(`: the tag and what follows the bracket.
fn split_tag(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/')))?;
    let (tag, rest) = line.split_at(end);
    let rest = rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"(")?;
    (!tag.is_empty()).then_some((tag, rest))
}

/// `name) = digest`: the last bracket ends the name (`bsd_split_3`).
fn tagged<'a>(tag: &[u8], rest: &'a [u8], escaped: bool) -> Result<SumLine<'a>, &'static str> {
    let algorithm = match Tag::parse(tag) {
        Tag::Known(algorithm) => Some(algorithm),
        Tag::Foreign => None,
        Tag::Malformed => return Err("its algorithm is not written as `cksum --tag` writes it"),
    };
    let close = rest.iter().rposition(|&b| b == b')').ok_or(NOT_A_SUM)?;
    let value = skip_blanks(&rest[close + 1..]).strip_prefix(b"=").ok_or(NOT_A_SUM)?;
    let value = skip_blanks(value);
    let stated = match algorithm {
        _ if is_placeholder(value) => Stated::Placeholder,
        _ if !is_hex(value) => return Err("its digest is not hexadecimal"),
        Some(algorithm) => Stated::Tagged(algorithm, value),
        None => Stated::Foreign,
    };
    Ok(SumLine { name: unescape(&rest[..close], escaped)?, stated })
}

/// `CRC SIZE name`, all numbers decimal: what POSIX `cksum` writes (IEEE Std 1003.1).
fn cksum<'a>(field: &'a [u8], rest: &'a [u8]) -> Option<(Stated<'a>, &'a [u8])> {
    let end = rest.iter().position(|&b| b == b' ')?;
    let (size, name) = (&rest[..end], &rest[end + 1..]);
    if name.is_empty() || field.len() > 10 {
        return None;
    }
    Some((Stated::Cksum(decimal(field)?, decimal(size)?), name))
}

fn decimal<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Undoes `filename_escape`: `\\`, `\n` and `\r` are all that coreutils write.
fn unescape(name: &[u8], escaped: bool) -> Result<Vec<u8>, &'static str> {
    if !escaped {
        return Ok(name.to_vec());
    }
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'\\') => b'\\',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => return Err(BAD_ESCAPE),
            },
            byte => byte,
        });
    }
    Ok(out)
}

/// Words that people leave where a digest is to come.
fn is_placeholder(field: &[u8]) -> bool {
    let word = field.to_ascii_lowercase();
    let filler = word.len() >= 8 && word.iter().all(|&b| matches!(b, b'x' | b'?' | b'-' | b'.'));
    let bare = word.strip_prefix(b"<").and_then(|w| w.strip_suffix(b">")).unwrap_or(&word);
    let words: [&[u8]; 16] = [
        b"todo",
        b"tbd",
        b"fixme",
        b"none",
        b"null",
        b"n/a",
        b"na",
        b"unknown",
        b"placeholder",
        b"checksum",
        b"hash",
        b"digest",
        b"md5",
        b"sha1",
        b"sha256",
        b"sha512",
    ];
    filler || words.contains(&bare)
}

fn is_hex(field: &[u8]) -> bool {
    !field.is_empty() && field.iter().all(u8::is_ascii_hexdigit)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    &line[line.iter().position(|&b| !is_blank(b)).unwrap_or(line.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: &str = "b1946ac92492d2347c6235b4d2611184";

    fn names(lines: &[&str]) -> Vec<Option<String>> {
        let mut splitter = Splitter::default();
        let mut name = |line: &&str| {
            let line = line.replace('H', H);
            let split = splitter.split(line.as_bytes(), |digits| digits == 32);
            split.ok().map(|l| String::from_utf8(l.name).unwrap())
        };
        lines.iter().map(&mut name).collect()
    }

    fn name(line: &str) -> Option<String> {
        names(&[line]).remove(0)
    }

    #[test]
    fn untagged_forms() {
        assert_eq!(name("H  a b").as_deref(), Some("a b"));
        assert_eq!(name(" \tH *a").as_deref(), Some("a"));
        assert_eq!(name("H\ta.txt").as_deref(), Some("a.txt"));
        assert_eq!(name("H   lead ").as_deref(), Some(" lead "));
        assert_eq!(name("H  "), Some(" ".into()), "coreutils read a name of one blank");
        assert_eq!(name("H"), None);
        assert_eq!(name("H "), None);
        assert_eq!(name("garbage"), None);
    }

    #[test]
    fn the_first_line_decides_between_one_blank_and_two() {
        assert_eq!(names(&["H a", "H  a"]), [Some("a".into()), Some(" a".into())]);
        assert_eq!(names(&["H  a", "H a"]), [Some("a".into()), None]);
        assert_eq!(names(&["12345678  x", "H a"]), [Some("x".into()), Some("a".into())]);
    }

    #[test]
    fn escapes() {
        assert_eq!(name("\\H  a\\\\b\\nc\\rd").as_deref(), Some("a\\b\nc\rd"));
        assert_eq!(name("\\H  plain").as_deref(), Some("plain"));
        assert_eq!(name("H  a\\b").as_deref(), Some("a\\b"));
        assert_eq!(name("\\H  a\\"), None);
        assert_eq!(name("\\H  a\\t"), None);
        assert_eq!(name("\\MD5 (a\\nb) = H").as_deref(), Some("a\nb"));
    }

    #[test]
    fn tags() {
        let split = |line: &str| {
            let line = line.replace('#', H);
            let split = Splitter::default().split(line.as_bytes(), |n| n == 32).ok()?;
            let kind = match split.stated {
                Stated::Tagged(algorithm, _) => algorithm.name(),
                Stated::Foreign => "foreign",
                Stated::Placeholder => "placeholder",
                Stated::Untagged(_) => "untagged",
                Stated::Cksum(..) => "cksum",
            };
            Some((kind, String::from_utf8(split.name).unwrap()))
        };
        let is = |kind, name: &str| Some((kind, name.to_owned()));
        assert_eq!(split("SHA256 (a) = b.txt) = #"), is("sha256", "a) = b.txt"));
        assert_eq!(split("SHA256(a)= #"), is("sha256", "a"));
        assert_eq!(split("BLAKE2b-256 (a) = #"), is("blake2b-256", "a"));
        assert_eq!(split("BLAKE3 (a) = #"), is("blake3", "a"));
        assert_eq!(split("BLAKE2b-128 (a) = #"), is("foreign", "a"));
        assert_eq!(split("SHA3-256 (a) = #"), is("foreign", "a"));
        assert_eq!(split("RMD160 (a) = #"), is("foreign", "a"));
        assert_eq!(split("SHA256 (a) = TODO"), is("placeholder", "a"));
        for malformed in
            ["sha256 (a) = #", "SHA2-256(a)= #", "SHA256 (a) #", "SHA256 (a = #", "SHA256  (a) = #"]
        {
            assert_eq!(split(malformed), None, "{malformed}");
        }
        assert_eq!(split("SHA256 (a) = x#"), None);
    }

    #[test]
    fn cksum_lines_and_misfits() {
        let stated =
            |line: &'static str| Splitter::default().split(line.as_bytes(), |n| n == 32).map(|l| l.stated);
        assert_eq!(stated("4294967295 0 empty"), Ok(Stated::Cksum(u32::MAX, 0)));
        assert!(stated("4294967296 0 empty").is_err());
        assert!(stated("12 x y").is_err());
        assert_eq!(names(&["H  a", "2024 10 30 release"]), [Some("a".into()), None]);
        assert_eq!(stated("deadbeef0  a"), Ok(Stated::Untagged(b"deadbeef0")));
        assert_eq!(stated("TODO  a"), Ok(Stated::Placeholder));
        assert_eq!(stated("<sha256> *a"), Ok(Stated::Placeholder));
        assert!(stated("TODO a list").is_err());
        assert!(stated("face  to face").is_err());
    }
}
