//! Lines of a text of any origin, with a limit to what is kept of one.

use std::io::{self, BufRead, Read};

/// Longest line, in bytes, that is looked at. Longer ones are skipped without being kept.
pub(super) const LONGEST: usize = 1 << 20;

/// Why a line longer than [`LONGEST`] is refused.
pub(super) const TOO_LONG: &str = "the line is longer than 1 MiB";

/// Reads a text line by line. A byte order mark is dropped, CRLF becomes LF, and a last line without an end gets one.
pub(super) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    text: Vec<u8>,
    number: u64,
}

/// What [`Lines::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// A line, to be had from [`Lines::text`].
    Line,
    /// A line that is too long; nothing of it was kept.
    TooLong,
    /// The end of the text.
    End,
}

impl<'a> Lines<'a> {
    /// The lines of `input`.
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Lines { input, text: Vec::new(), number: 0 }
    }

    /// Goes to the next line.
    ///
    /// # Errors
    /// Where reading fails.
    pub(super) fn advance(&mut self) -> io::Result<Advance> {
        self.text.clear();
        let limit = LONGEST as u64 + 1;
        (&mut *self.input).take(limit).read_until(b'\n', &mut self.text)?;
        if self.text.is_empty() {
            return Ok(Advance::End);
        }
        self.number += 1;
        if self.number == 1 && self.text.starts_with(b"\xEF\xBB\xBF") {
            self.text.drain(..3);
        }
        if self.text.last() == Some(&b'\n') {
            self.text.pop();
        } else if self.text.len() > LONGEST - 3 && self.skip_rest()? {
            self.text.clear();
            return Ok(Advance::TooLong);
        }
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        self.text.push(b'\n');
        Ok(Advance::Line)
    }

    /// The line, with `\n` at its end.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The line without its end.
    pub(super) fn trimmed(&self) -> &[u8] {
        self.text.strip_suffix(b"\n").unwrap_or(&self.text).trim_ascii()
    }

    /// The number of the line, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Reads to the end of the line without keeping anything. Whether there was any more of it.
    fn skip_rest(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = memchr::memchr(b'\n', available);
            let used = end.map_or(available.len(), |at| at + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn all(mut input: impl BufRead) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Lines::new(&mut input);
        let mut found = Vec::new();
        loop {
            match lines.advance().expect("memory can be read") {
                Advance::Line => found.push((lines.number(), Some(lines.text().to_vec()))),
                Advance::TooLong => found.push((lines.number(), None)),
                Advance::End => return found,
            }
        }
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_fall_away() {
        let found = all(&b"\xEF\xBB\xBFa\r\n\nb\n c"[..]);
        let texts: Vec<_> = found.into_iter().filter_map(|(_, text)| text).collect();
        assert_eq!(texts, [b"a\n".to_vec(), b"\n".to_vec(), b"b\n".to_vec(), b" c\n".to_vec()]);
        assert!(all(&b""[..]).is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_counted() {
        for extra in [1, 5, 100_000] {
            let mut text = b"first\n".to_vec();
            text.resize(6 + LONGEST + extra, b'x');
            text.extend_from_slice(b"\nlast");
            let found = all(BufReader::with_capacity(100, text.as_slice()));
            assert_eq!(found[1], (2, None));
            assert_eq!(found[2], (3, Some(b"last\n".to_vec())));
            assert_eq!(found.len(), 3);
        }
    }

    #[test]
    fn the_longest_line_is_kept() {
        for (end, kept) in [(&b"\nlast"[..], 2), (b"", 1)] {
            let mut text = vec![b'x'; LONGEST];
            text.extend_from_slice(end);
            let found = all(text.as_slice());
            assert_eq!(found.len(), kept);
            assert!(found.iter().all(|(_, text)| text.is_some()));
        }
    }
}
