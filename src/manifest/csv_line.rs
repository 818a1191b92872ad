//! A line of comma-separated values (RFC 4180): fields with a comma, a quotation mark or a line end stand in quotes.

/// Why a line has no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// A quoted field does not end: it may go on in the next line.
    Open,
    /// Something stands behind the quotation mark that ends a field.
    Malformed,
}

/// The fields of a line.
pub(super) fn fields(line: &[u8]) -> Result<Vec<Vec<u8>>, Broken> {
    let mut fields = Vec::new();
    let mut rest = Some(line.strip_suffix(b"\r").unwrap_or(line));
    while let Some(text) = rest {
        let (field, after) = field(text)?;
        fields.push(field);
        rest = after;
    }
    Ok(fields)
}

/// A field, and what follows the comma behind it.
fn field(text: &[u8]) -> Result<(Vec<u8>, Option<&[u8]>), Broken> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        return Ok(match memchr::memchr(b',', text) {
            Some(at) => (text[..at].to_vec(), Some(&text[at + 1..])),
            None => (text.to_vec(), None),
        });
    };
    let mut field = Vec::new();
    loop {
        let at = memchr::memchr(b'"', rest).ok_or(Broken::Open)?;
        field.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            Some(b'"') => field.push(b'"'),
            Some(b',') => return Ok((field, Some(&rest[at + 2..]))),
            None => return Ok((field, None)),
            Some(_) => return Err(Broken::Malformed),
        }
        rest = &rest[at + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas_and_quotes() {
        let read = |line: &str| {
            let fields = fields(line.as_bytes())?;
            let text = |f: &Vec<u8>| String::from_utf8_lossy(f).into_owned();
            Ok::<Vec<String>, Broken>(fields.iter().map(text).collect())
        };
        assert_eq!(read("a,\"b,\"\"c\"\"\",,d\r").unwrap(), ["a", "b,\"c\"", "", "d"]);
        assert_eq!(read("").unwrap(), [""]);
        assert_eq!(read("a,\"").unwrap_err(), Broken::Open);
        assert_eq!(read("a,\"b\"c").unwrap_err(), Broken::Malformed);
    }
}
