//! What delimits the fields: told by the first line.

use crate::shard::lines::BOM;

/// Delimiters that are looked for; of those that occur equally often, the first.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// Bytes that are looked at where the first line does not end.
const MOST: usize = 64 << 10;

/// Looks at a layer's first bytes, however they come.
#[derive(Debug)]
pub struct Sniffer {
    /// Known beforehand.
    known: Option<u8>,
    seen: Vec<u8>,
    counts: [usize; DELIMITERS.len()],
    quoted: bool,
    /// The line has begun: line ends before it are none of its own.
    begun: bool,
}

impl Sniffer {
    /// For a layer whose delimiter is known, or is to be found.
    pub fn new(known: Option<u8>) -> Self {
        Sniffer { known, seen: Vec::new(), counts: [0; DELIMITERS.len()], quoted: false, begun: false }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.seen.capacity()
    }

    /// Looks at more bytes; returns how many of them it took, and whether it has seen enough.
    pub fn look(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, &byte) in bytes.iter().enumerate() {
            self.seen.push(byte);
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' | b'\r' if self.begun && !self.quoted => return (index + 1, true),
                _ if self.quoted => {}
                _ => {
                    if let Some(which) = DELIMITERS.iter().position(|&delimiter| delimiter == byte) {
                        self.counts[which] += 1;
                    }
                }
            }
            self.begun |= !matches!(byte, b'\n' | b'\r') && !BOM.contains(&byte);
            if self.seen.len() >= MOST {
                return (index + 1, true);
            }
        }
        (bytes.len(), false)
    }

    /// The delimiter.
    pub fn delimiter(&self) -> u8 {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let first = self.counts.iter().position(|&count| count == most).unwrap_or(0);
        self.known.unwrap_or(DELIMITERS[first])
    }

    /// What it has seen: a byte order mark, if there is one, and the bytes after it.
    pub fn into_seen(self) -> (Vec<u8>, Vec<u8>) {
        match self.seen.strip_prefix(BOM) {
            Some(rest) => (BOM.to_vec(), rest.to_vec()),
            None => (Vec::new(), self.seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_outside_quotes_is_the_delimiter() {
        for (text, delimiter) in [
            (&b"a,b;c,d\nx;y;z;w;v"[..], b','),
            (b"a;b;c,d\n", b';'),
            (b"\r\n\na|b\n", b'|'),
            (b"a\tb", b'\t'),
            (b"\"x,y,z\";b\n", b';'),
            (b"\"x\n,,,,\"|b\n", b'|'),
            (b"one\n", b','),
            (b"", b','),
            (b"a,b;c", b','),
        ] {
            let mut whole = Sniffer::new(None);
            whole.look(text);
            assert_eq!(whole.delimiter(), delimiter, "{text:?}");
            let mut single = Sniffer::new(None);
            let _ = text.chunks(1).any(|byte| single.look(byte).1);
            assert_eq!((single.delimiter(), single.seen), (delimiter, whole.seen));
        }
        assert_eq!(Sniffer::new(Some(b'\t')).delimiter(), b'\t');
    }
}
