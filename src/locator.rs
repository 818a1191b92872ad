//! Where something is: a path below a root, and what inside the file there.
//!
//! Names are bytes. [`ItemPath`] is the only way a name from outside (a manifest, an archive) becomes a path that is
//! joined to a root: it refuses whatever could leave the root.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The place of an item or a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Locator {
    /// Index of the dataset root; `None` for a claim that no item answers.
    pub root: Option<u16>,
    /// Path of the file below its root, with `/`.
    #[serde(with = "crate::raw")]
    pub shard: Vec<u8>,
    /// Name inside the file, outermost container first; empty for the file itself.
    pub member: Vec<Vec<u8>>,
    /// Ordinal of the row, from 0.
    pub row: Option<u64>,
    /// Name of the column.
    pub column: Option<String>,
    /// First byte, for a region of the file or of the decompressed stream.
    pub offset: Option<u64>,
}

impl Locator {
    /// The place of a file.
    pub fn file(root: Option<u16>, shard: impl Into<Vec<u8>>) -> Self {
        Locator { root, shard: shard.into(), ..Locator::default() }
    }

    /// The key by which claims and items meet: shard and member names as one path, `/` as the lowest byte, so that
    /// what is inside a file follows it directly in sorted order.
    pub fn place_key(&self) -> Vec<u8> {
        let mut key = place_key(&self.shard);
        for name in &self.member {
            key.push(0);
            key.extend(name.iter().map(|&b| if b == b'/' { 0 } else { b }));
        }
        key
    }
}

impl fmt::Display for Locator {
    /// `shard ▸ member` with control characters and odd bytes escaped, for people and logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(&self.shard))?;
        for name in &self.member {
            write!(f, " ▸ {}", Escaped(name))?;
        }
        if let Some(row) = self.row {
            write!(f, " row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, " column {}", Escaped(column.as_bytes()))?;
        }
        if let Some(offset) = self.offset {
            write!(f, " @ byte {offset}")?;
        }
        Ok(())
    }
}

/// The sort key of a path: see [`Locator::place_key`].
pub fn place_key(path: &[u8]) -> Vec<u8> {
    path.iter().map(|&b| if b == b'/' { 0 } else { b }).collect()
}

/// A relative path that stays below its root: `./` and `//` have fallen away; no `..`, drive, UNC or NUL is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemPath(#[serde(with = "crate::raw")] Vec<u8>);

impl ItemPath {
    /// Takes a name from outside.
    ///
    /// # Errors
    /// Says why the name is refused.
    pub fn parse(raw: &[u8]) -> Result<ItemPath, UnsafeName> {
        if raw.contains(&0) {
            return Err(UnsafeName::Nul);
        }
        if raw.first() == Some(&b'/') {
            return Err(UnsafeName::Absolute);
        }
        if raw.starts_with(b"\\\\") {
            return Err(UnsafeName::Unc);
        }
        if let [letter, b':', rest @ ..] = raw
            && letter.is_ascii_alphabetic()
            && matches!(rest.first(), None | Some(b'/' | b'\\'))
        {
            return Err(UnsafeName::Drive);
        }
        if raw.split(|&b| b == b'/' || b == b'\\').any(|part| part == b"..") {
            return Err(UnsafeName::Parent);
        }
        let mut path = Vec::with_capacity(raw.len());
        for part in raw.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".") {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        if path.is_empty() { Err(UnsafeName::Empty) } else { Ok(ItemPath(path)) }
    }

    /// The path as bytes, parts joined by `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as owned bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// `base/self`; an empty base changes nothing.
    pub fn below(&self, base: &[u8]) -> ItemPath {
        if base.is_empty() {
            return self.clone();
        }
        let mut path = base.to_vec();
        path.push(b'/');
        path.extend_from_slice(&self.0);
        ItemPath(path)
    }
}

/// Why a name is refused: joined to a root it could point outside of it, or it cannot be a name at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum UnsafeName {
    /// A `..` part.
    #[error("it contains `..`")]
    Parent,
    /// A leading `/`.
    #[error("it is absolute")]
    Absolute,
    /// A Windows drive, `C:\`.
    #[error("it names a drive")]
    Drive,
    /// A Windows network path, `\\server`.
    #[error("it is a UNC path")]
    Unc,
    /// A home folder of a shell, `~user`. Only formats whose rules forbid it refuse such a name.
    #[error("it begins with `~`, which stands for a home folder")]
    Home,
    /// A NUL byte.
    #[error("it contains a NUL byte")]
    Nul,
    /// Nothing is left of it.
    #[error("it is empty")]
    Empty,
}

/// Bytes of a name, shown so that no terminal or log is driven by them: UTF-8 as it is, controls and bidirectional
/// marks as `\u{..}`, other bytes as `\x..`, a backslash doubled.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() || is_format_control(c) => write!(f, "\\u{{{:x}}}", c as u32)?,
                    c => write!(f, "{c}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Characters that reorder or hide text: bidirectional controls, zero-width characters, line separators, tags.
pub fn is_format_control(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_or_refused() {
        let ok = |raw: &[u8]| ItemPath::parse(raw).unwrap().into_bytes();
        assert_eq!(ok(b"./a//b/./c.txt"), b"a/b/c.txt");
        assert_eq!(ok(b"sub\\f.bin"), b"sub\\f.bin");
        assert_eq!(ok(b"a..b/..c"), b"a..b/..c");
        assert_eq!(ok(b"a:b"), b"a:b");
        for (raw, why) in [
            (&b"../x"[..], UnsafeName::Parent),
            (b"a/../b", UnsafeName::Parent),
            (b"..\\x", UnsafeName::Parent),
            (b"/etc/passwd", UnsafeName::Absolute),
            (b"C:\\x", UnsafeName::Drive),
            (b"c:/x", UnsafeName::Drive),
            (b"\\\\host\\x", UnsafeName::Unc),
            (b"a\0b", UnsafeName::Nul),
            (b"", UnsafeName::Empty),
            (b"./", UnsafeName::Empty),
        ] {
            assert_eq!(ItemPath::parse(raw), Err(why), "{}", Escaped(raw));
        }
    }

    #[test]
    fn members_follow_their_shard_in_key_order() {
        let shard = Locator::file(Some(0), "a.tar");
        let member = Locator { member: vec![b"d/x".to_vec()], ..shard.clone() };
        let sibling = Locator::file(Some(0), "a.tar.gz");
        assert!(shard.place_key() < member.place_key());
        assert!(member.place_key() < sibling.place_key());
        assert_eq!(member.place_key(), place_key(b"a.tar/d/x"));
    }

    #[test]
    fn escaping_shows_controls_and_odd_bytes() {
        assert_eq!(Escaped(b"a\n\x1b[31m\xff\\").to_string(), "a\\n\\u{1b}[31m\\xff\\\\");
        assert_eq!(Escaped("x\u{202e}gpj.exe".as_bytes()).to_string(), "x\\u{202e}gpj.exe");
    }
}
