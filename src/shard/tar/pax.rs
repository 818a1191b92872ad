//! Extended header records (POSIX.1-2017 *pax*, "pax Extended Header"): lines of `LENGTH KEY=VALUE\n`.

use crate::source::first_nonzero;

/// What the records of one extended header say about the next entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// `path`; an empty value takes back an earlier one.
    pub path: Option<Vec<u8>>,
    /// `linkpath`.
    pub link: Option<Vec<u8>>,
    /// `size`, as it stands there.
    pub size: Option<Vec<u8>>,
    /// Any `GNU.sparse.*` (GNU tar manual, "PAX Format, Versions 0.0, 0.1 and 1.0").
    pub sparse: bool,
    /// `GNU.sparse.name`: the real name of a sparse member.
    pub sparse_name: Option<Vec<u8>>,
    /// Where the first record stands that breaks the rules; it and all after it were not read.
    pub broken_at: Option<usize>,
}

impl Records {
    /// Reads the content of an extended header on top of what earlier ones said: the last record of a key counts.
    pub fn read(&mut self, content: &[u8]) {
        let mut at = 0;
        self.broken_at = None;
        while at < content.len() {
            let Some((len, key, value)) = record(&content[at..]) else {
                // Some writers fill the rest with zeros.
                if first_nonzero(&content[at..]).is_some() {
                    self.broken_at = Some(at);
                }
                return;
            };
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(value.to_vec()),
                b"GNU.sparse.name" => {
                    self.sparse = true;
                    self.sparse_name = Some(value.to_vec());
                }
                _ => self.sparse |= key.starts_with(b"GNU.sparse."),
            }
            at += len;
        }
    }
}

/// The first record: its length, key and value.
fn record(content: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let blank = content.iter().take(20).position(|&b| b == b' ')?;
    let len = usize::try_from(decimal(&content[..blank])?).ok()?;
    let body = content.get(blank + 1..len)?.strip_suffix(b"\n")?;
    let equals = memchr::memchr(b'=', body)?;
    if equals == 0 {
        return None;
    }
    Some((len, &body[..equals], &body[equals + 1..]))
}

/// A number of decimal digits and nothing else, at most 2^63-1.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, &b| match b {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })?;
    i64::try_from(value).ok().map(i64::unsigned_abs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Records {
        let mut records = Records::default();
        records.read(content);
        records
    }

    #[test]
    fn the_last_record_of_a_key_counts() {
        let records = read(b"12 path=one\n12 path=two\n13 size=0123\n20 comment=x\n=y 1 z\n");
        assert_eq!(records.path.as_deref(), Some(&b"two"[..]));
        assert_eq!(records.size.as_deref(), Some(&b"0123"[..]));
        assert_eq!((records.sparse, records.broken_at), (false, None));
        let again = read(b"22 GNU.sparse.major=1\n28 GNU.sparse.name=real.jpg\n\0\0");
        assert_eq!((again.sparse, again.broken_at), (true, None));
        assert_eq!(again.sparse_name.as_deref(), Some(&b"real.jpg"[..]));
    }

    #[test]
    fn broken_records_are_not_read() {
        for (content, at) in [
            (&b"99 path=one\n"[..], 0),
            (b"12 path=one\n12 path=twoX", 12),
            (b"0 path=one\n", 0),
            (b"2 path=one\n", 0),
            (b"18446744073709551616 path=one\n", 0),
            (b"-1 path=one\n", 0),
            (b"5 =x\n", 0),
            (b"5 xy\n", 0),
            (b"path=one\n", 0),
            (b"12 path=one\n\0x", 12),
        ] {
            assert_eq!(read(content).broken_at, Some(at), "{}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(decimal(b"9223372036854775807"), Some(i64::MAX as u64));
        for bad in [&b""[..], b"-1", b"+1", b" 1", b"1x", b"9223372036854775808", b"99999999999999999999"] {
            assert_eq!(decimal(bad), None);
        }
    }
}
