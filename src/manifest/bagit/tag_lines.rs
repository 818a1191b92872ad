//! Lines of tag files in the encoding that the bag declares, as UTF-8. They end with LF, CR or both.

use std::io::{self, BufRead, ErrorKind};

use super::super::lines::LONGEST_LINE;

/// The encodings of tag files that are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8, and ASCII, which is a part of it.
    #[default]
    Utf8,
    /// ISO-8859-1.
    Latin1,
    /// UTF-16: a byte order mark says which; without one big endian (RFC 2781, 4.3).
    Utf16,
    /// UTF-16 with the low byte first.
    Utf16Le,
}

impl Encoding {
    /// The encoding of this name (of those registered with IANA, any case).
    pub(super) fn from_name(name: &str) -> Option<Encoding> {
        Some(match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" | "US-ASCII" | "ASCII" => Encoding::Utf8,
            "ISO-8859-1" | "ISO_8859-1" | "LATIN1" => Encoding::Latin1,
            "UTF-16" | "UTF-16BE" => Encoding::Utf16,
            "UTF-16LE" => Encoding::Utf16Le,
            _ => return None,
        })
    }

    /// What it is called in sentences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Latin1 => "ISO-8859-1",
            Encoding::Utf16 | Encoding::Utf16Le => "UTF-16",
        }
    }
}

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TagLine<'a> {
    /// As UTF-8; as it stands where it is not what was declared.
    Text {
        /// The text.
        text: &'a [u8],
        /// Whether it is of the declared encoding.
        well_formed: bool,
    },
    /// It is longer than is read; it was skipped without being kept.
    TooLong,
}

/// Reads lines and counts them from 1. The last one may lack its end.
pub(super) struct TagLines<R> {
    input: R,
    encoding: Encoding,
    line: Vec<u8>,
    units: Vec<u16>,
    number: u64,
    after_cr: bool,
}

impl<R: BufRead> TagLines<R> {
    pub(super) fn new(input: R, encoding: Encoding) -> Self {
        TagLines { input, encoding, line: Vec::new(), units: Vec::new(), number: 0, after_cr: false }
    }

    /// The next line with its number.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, TagLine<'_>)>> {
        self.line.clear();
        self.units.clear();
        let any = match self.encoding {
            Encoding::Utf8 | Encoding::Latin1 => self.next_bytes()?,
            Encoding::Utf16 | Encoding::Utf16Le => self.next_units()?,
        };
        let Some(whole) = any else { return Ok(None) };
        self.number += 1;
        if self.line.len() > LONGEST_LINE || self.units.len() > LONGEST_LINE {
            return Ok(Some((self.number, TagLine::TooLong)));
        }
        let well_formed = whole && self.decode();
        Ok(Some((self.number, TagLine::Text { text: &self.line, well_formed })))
    }

    /// Makes the line UTF-8; whether it was what was declared.
    fn decode(&mut self) -> bool {
        match self.encoding {
            Encoding::Utf8 => std::str::from_utf8(&self.line).is_ok(),
            Encoding::Latin1 => {
                self.line = self.line.iter().map(|&b| char::from(b)).collect::<String>().into_bytes();
                true
            }
            Encoding::Utf16 | Encoding::Utf16Le => {
                let sound = char::decode_utf16(self.units.iter().copied()).all(|c| c.is_ok());
                self.line = String::from_utf16_lossy(&self.units).into_bytes();
                sound
            }
        }
    }

    /// Takes the bytes of a line; one more than the limit of those that are too long.
    fn next_bytes(&mut self) -> io::Result<Option<bool>> {
        let mut any = false;
        loop {
            let available = fill(&mut self.input)?;
            if available.is_empty() {
                return Ok(any.then_some(true));
            }
            if std::mem::take(&mut self.after_cr) && available.first() == Some(&b'\n') {
                self.input.consume(1);
                continue;
            }
            any = true;
            let end = memchr::memchr2(b'\n', b'\r', available);
            let piece = &available[..end.unwrap_or(available.len())];
            let room = (LONGEST_LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            self.after_cr = end.is_some_and(|at| available.get(at) == Some(&b'\r'));
            let used = piece.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(true));
            }
        }
    }

    /// Takes the units of a line; `false` where a byte is left over at the end.
    fn next_units(&mut self) -> io::Result<Option<bool>> {
        let mut any = false;
        loop {
            let Some(first) = self.byte()? else { return Ok(any.then_some(true)) };
            let Some(second) = self.byte()? else { return Ok(Some(false)) };
            let unit = match self.encoding {
                Encoding::Utf16Le => u16::from_le_bytes([first, second]),
                _ => u16::from_be_bytes([first, second]),
            };
            if std::mem::take(&mut self.after_cr) && unit == u16::from(b'\n') {
                continue;
            }
            let is_first = self.number == 0 && !any;
            any = true;
            match unit {
                0xfeff if is_first => {}
                0xfffe if is_first => self.encoding = Encoding::Utf16Le,
                0x0a => return Ok(Some(true)),
                0x0d => {
                    self.after_cr = true;
                    return Ok(Some(true));
                }
                unit if self.units.len() <= LONGEST_LINE => self.units.push(unit),
                _ => {}
            }
        }
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = fill(&mut self.input)?.first().copied();
        if byte.is_some() {
            self.input.consume(1);
        }
        Ok(byte)
    }
}

fn fill(input: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    input.fill_buf()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(content: &[u8], encoding: Encoding) -> Vec<(String, bool)> {
        let mut lines = TagLines::new(BufReader::with_capacity(3, content), encoding);
        let mut out = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            assert_eq!(number, out.len() as u64 + 1);
            let TagLine::Text { text, well_formed } = line else { panic!("too long") };
            out.push((String::from_utf8_lossy(text).into_owned(), well_formed));
        }
        out
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn every_line_end_ends_a_line_in_every_encoding() {
        let text = "a\r\nbé\rc\n\nlast";
        let expected: Vec<_> = ["a", "bé", "c", "", "last"].map(|t| (t.to_owned(), true)).to_vec();
        assert_eq!(lines(text.as_bytes(), Encoding::Utf8), expected);
        let latin1: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        assert_eq!(lines(&latin1, Encoding::Latin1), expected);
        assert_eq!(lines(&utf16(text, u16::to_be_bytes), Encoding::Utf16), expected);
        assert_eq!(lines(&utf16(text, u16::to_le_bytes), Encoding::Utf16Le), expected);
        let marked = format!("\u{feff}{text}");
        assert_eq!(lines(&utf16(&marked, u16::to_be_bytes), Encoding::Utf16), expected);
        assert_eq!(lines(&utf16(&marked, u16::to_le_bytes), Encoding::Utf16), expected);
        assert!(lines(b"", Encoding::Utf8).is_empty());
    }

    #[test]
    fn what_is_not_as_declared_is_said() {
        assert!(!lines(b"a\xffb\n", Encoding::Utf8)[0].1);
        assert!(!lines(b"\x00a\x00", Encoding::Utf16)[0].1);
        assert!(!lines(b"\xd8\x00\x00a", Encoding::Utf16)[0].1);
    }

    #[test]
    fn a_line_over_the_limit_is_skipped() {
        let mut content = vec![b'x'; LONGEST_LINE + 5];
        content.extend_from_slice(b"\nnext\n");
        let mut lines = TagLines::new(&content[..], Encoding::Utf8);
        assert_eq!(lines.next().unwrap(), Some((1, TagLine::TooLong)));
        assert_eq!(lines.next().unwrap(), Some((2, TagLine::Text { text: b"next", well_formed: true })));
        assert_eq!(lines.next().unwrap(), None);
    }
}
