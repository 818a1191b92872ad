//! Whether the first record names the columns. Nothing in a file says so: it is guessed, and because a guess may be
//! wrong, the names are told as values, too.

/// How it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderRule {
    /// By what stands in the first record: see [`looks_like_names`].
    Auto,
}

/// Bytes of a column's name.
const MOST_NAME: usize = 128;

impl HeaderRule {
    /// Whether a first record of these values is a header.
    pub fn holds(self, fields: &[&[u8]]) -> bool {
        match self {
            HeaderRule::Auto => looks_like_names(fields),
        }
    }
}

/// Whether each value could be a column's name: a text that is not empty, has 128 bytes at most and no line end in it,
/// is no number and no URL.
///
/// A name that stands twice is not held against a header, for then no row would be a record by other names than those
/// that its readers see, and nobody would be told.
fn looks_like_names(fields: &[&[u8]]) -> bool {
    fields.iter().all(|field| {
        let Ok(name) = std::str::from_utf8(field) else { return false };
        !name.is_empty()
            && name.len() <= MOST_NAME
            && !name.contains("://")
            && !name.contains(['\n', '\r'])
            && !is_number(name)
    })
}

/// Whether it is a decimal number; `inf` and `nan`, which Rust reads as numbers, may be names.
fn is_number(name: &str) -> bool {
    let name = name.trim();
    name.contains(|c: char| c.is_ascii_digit()) && name.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_values() {
        let holds = |fields: &[&str]| {
            let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
            HeaderRule::Auto.holds(&fields)
        };
        assert!(holds(&["id", "text"]));
        assert!(holds(&["nan", "größe", "a b", "x1"]));
        assert!(holds(&["a", "a"]));
        assert!(holds(&[&"n".repeat(128)]));
        for other in ["", "1", " -1.5e3 ", "http://x", "a\nb", &"n".repeat(129)] {
            assert!(!holds(&["id", other]), "{other}");
        }
        assert!(!HeaderRule::Auto.holds(&[b"\xff"]));
    }
}
