//! Limits on JSON from outside: how long what is held of it may be, and how deep it nests.
//!
//! The parser holds a key, a text or an entry whole before it hands it on, so the reader counts meanwhile. What is passed
//! over is not held and may be as long as it likes; only its nesting is remembered, a byte for each level.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

use super::ManifestError;

/// Bytes of the longest key, or of a value that is a number or a short text.
pub(super) const LONGEST_KEY: u64 = 64 << 10;

/// Objects and arrays in one another. The parser itself follows no more than 128 of those that it holds.
const DEEPEST: u64 = 4096;

/// Bytes that may be read until what is being read is held whole. The reader takes some kilobytes at once, which count.
#[derive(Clone, Default)]
pub(super) struct Limit(Rc<State>);

#[derive(Default)]
struct State {
    /// What may still be read, and what it is of how much; `None` where nothing is held.
    at_hand: Cell<Option<(u64, &'static str, u64)>>,
    failure: RefCell<Option<String>>,
}

impl Limit {
    /// Holds what is read to `most` bytes, and no longer. `what` is what it is called: `an entry`.
    pub fn within<T>(&self, most: u64, what: &'static str, read: impl FnOnce() -> T) -> T {
        self.begin(most, what);
        let read = read();
        self.end();
        read
    }

    /// Holds what is read from here on to `most` bytes, until the end or another beginning.
    pub fn begin(&self, most: u64, what: &'static str) {
        self.0.at_hand.set(Some((most, what, most)));
    }

    /// What is read from here on is not held.
    pub fn end(&self) {
        self.0.at_hand.set(None);
    }

    /// Reads a key.
    pub fn key<T>(&self, read: impl FnOnce() -> T) -> T {
        self.within(LONGEST_KEY, "a key or value", read)
    }

    /// Why reading was stopped, if a limit was passed.
    pub fn failure(&self) -> Option<ManifestError> {
        self.0.failure.borrow_mut().take().map(ManifestError::NotThisFormat)
    }

    fn stop(&self, why: String) -> io::Error {
        *self.0.failure.borrow_mut() = Some(why);
        io::Error::new(io::ErrorKind::InvalidData, "a limit is passed")
    }
}

/// Hands on JSON within a limit.
pub(super) struct Limited<R> {
    inner: R,
    limit: Limit,
    depth: u64,
    in_text: bool,
    is_escaped: bool,
}

impl<R: Read> Limited<R> {
    pub fn new(inner: R, limit: Limit) -> Self {
        Limited { inner, limit, depth: 0, in_text: false, is_escaped: false }
    }

    /// Follows the nesting. What is no JSON is followed somehow, for the parser stops at it.
    fn follow(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_text => self.is_escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        return false;
                    }
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        true
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        if let Some((left, what, most)) = self.limit.0.at_hand.get() {
            let Some(left) = left.checked_sub(n as u64) else {
                let why = format!("{what} of it is larger than {most} bytes, the most that are read of one");
                return Err(self.limit.stop(why));
            };
            self.limit.0.at_hand.set(Some((left, what, most)));
        }
        if !self.follow(&into[..n]) {
            let why = format!("it nests more than {DEEPEST} objects and arrays in one another");
            return Err(self.limit.stop(why));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use serde::de::IgnoredAny;

    use super::*;

    fn limited(text: &str) -> Limited<&[u8]> {
        Limited::new(text.as_bytes(), Limit::default())
    }

    #[test]
    fn only_what_is_held_is_limited() {
        let text = "x".repeat(100_000);
        let mut read = limited(&text);
        let limit = read.limit.clone();
        let mut into = [0; 1000];
        for _ in 0..80 {
            assert_eq!(read.read(&mut into).unwrap(), 1000);
        }
        assert!(limit.within(10_000, "a thing", || (0..10).all(|_| read.read(&mut into).is_ok())));
        assert!(limit.failure().is_none() && read.read(&mut into).is_ok());
        assert!(
            limit
                .within(1500, "a thing", || read.read(&mut into).and_then(|_| read.read(&mut into)))
                .is_err()
        );
        assert!(limit.failure().unwrap().to_string().contains("a thing of it is larger than 1500 bytes"));
    }

    #[test]
    fn nesting_is_limited_and_brackets_in_texts_are_none() {
        let mut text = Vec::new();
        write!(text, "[{}]", vec![r#""[[\"[{", [{}]"#; 9000].join(",")).unwrap();
        let read = Limited::new(text.as_slice(), Limit::default());
        serde_json::from_reader::<_, IgnoredAny>(BufReader::new(read)).unwrap();
        let deep = "[".repeat(10_000);
        let mut read = limited(&deep).take(10_000);
        assert!(io::copy(&mut read, &mut io::sink()).is_err());
        assert!(read.get_ref().limit.failure().unwrap().to_string().contains("nests"));
    }
}
