//! Paths in reports for machines: a string where it is one, base64 where its bytes are not UTF-8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A path as JSON: `"a/b.tar"`, or `{"bytes":"<base64>"}`, from which every path can be had back exactly.
#[derive(Clone, Copy, Debug)]
pub struct PathText<'a>(pub &'a [u8]);

impl Serialize for PathText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("bytes", &STANDARD.encode(self.0))?;
                map.end()
            }
        }
    }
}

/// The name of what is inside a file: null for the file itself, a string, or an array where containers are nested.
#[derive(Clone, Copy, Debug)]
pub struct MemberText<'a>(pub &'a [Vec<u8>]);

impl Serialize for MemberText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [] => serializer.serialize_none(),
            [one] => PathText(one).serialize(serializer),
            nested => serializer.collect_seq(nested.iter().map(|name| PathText(name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_bytes_come_back_exactly() {
        let json = |path: &[u8]| serde_json::to_string(&PathText(path)).unwrap();
        assert_eq!(json("a/ü\n".as_bytes()), "\"a/ü\\n\"");
        assert_eq!(json(b"a\xff"), r#"{"bytes":"Yf8="}"#);
    }

    #[test]
    fn a_nested_member_is_an_array() {
        let json = |names: &[&[u8]]| {
            let names: Vec<Vec<u8>> = names.iter().map(|n| n.to_vec()).collect();
            serde_json::to_string(&MemberText(&names)).unwrap()
        };
        assert_eq!(json(&[]), "null");
        assert_eq!(json(&[b"x"]), r#""x""#);
        assert_eq!(json(&[b"a.zip", b"\xff"]), r#"["a.zip",{"bytes":"/w=="}]"#);
    }
}
