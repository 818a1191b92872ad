//! Lines of a text manifest, none of them longer than a limit.

use std::io::{self, BufRead, ErrorKind};

/// Bytes of the longest line that is read: names have at most a few KiB, so a longer one is no line of a manifest.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// One line without its end.
pub(super) enum Line<'a> {
    /// Its bytes, without `\n` and without one `\r` before it.
    Text(&'a [u8]),
    /// It is longer than [`LONGEST_LINE`]; it was skipped without being kept.
    TooLong,
}

/// Reads lines and counts them from 1. The last one may lack its end.
pub(super) struct Lines<'r> {
    input: &'r mut dyn BufRead,
    buffer: Vec<u8>,
    number: u64,
}

impl<'r> Lines<'r> {
    pub(super) fn new(input: &'r mut dyn BufRead) -> Self {
        Lines { input, buffer: Vec::new(), number: 0 }
    }

    /// The number of the line that was read last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line with its number.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.buffer.clear();
        let mut any = false;
        let mut too_long = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if available.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', available);
            let piece = &available[..end.unwrap_or(available.len())];
            too_long |= self.buffer.len() + piece.len() > LONGEST_LINE;
            if !too_long {
                self.buffer.extend_from_slice(piece);
            }
            let used = piece.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        let text = self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer);
        Ok(Some((self.number, if too_long { Line::TooLong } else { Line::Text(text) })))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(content: &[u8]) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut input = BufReader::with_capacity(3, content);
        let mut lines = Lines::new(&mut input);
        let mut out = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            out.push((number, if let Line::Text(text) = line { Some(text.to_vec()) } else { None }));
        }
        out
    }

    #[test]
    fn line_ends_fall_away_and_empty_lines_count() {
        let got = lines(b"a\r\n\nbcdefgh\r\r\nlast\r");
        let expected = [(1, &b"a"[..]), (2, b""), (3, b"bcdefgh\r"), (4, b"last")];
        assert_eq!(got, expected.map(|(n, t)| (n, Some(t.to_vec()))));
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_and_the_next_one_read() {
        let mut content = vec![b'x'; LONGEST_LINE + 1];
        content.extend_from_slice(b"\nnext\n");
        assert_eq!(lines(&content), [(1, None), (2, Some(b"next".to_vec()))]);
        assert_eq!(lines(&content[1..])[0].1.as_ref().map(Vec::len), Some(LONGEST_LINE));
    }
}
