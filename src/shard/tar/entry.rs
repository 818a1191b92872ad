//! What an entry of a tar is: its header together with the extension records before it.

use super::header::Header;
use super::pax::{Records, decimal};

/// What the extension records before an entry say about it.
#[derive(Debug, Default)]
pub struct Overrides {
    /// PAX records of `x` headers.
    pub pax: Records,
    /// A GNU `L` record.
    pub name: Option<Vec<u8>>,
    /// A GNU `K` record.
    pub link: Option<Vec<u8>>,
}

/// An entry: what follows a header.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its full name as bytes.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of data that follow; `None` if that cannot be told.
    pub size: Option<u64>,
    /// A PAX `size` that is no number.
    pub bad_pax_size: bool,
}

/// What kind of entry it is.
#[derive(Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file with data; unknown types are taken for files, as POSIX asks.
    File,
    /// A file whose stored data is a map and pieces of the whole.
    Sparse {
        /// Whether a block with more of an old GNU map follows the header.
        more: bool,
    },
    /// A directory.
    Directory,
    /// A link and what it names.
    Link {
        /// `hard` or `symbolic`.
        how: &'static str,
        /// Its target.
        target: Vec<u8>,
    },
    /// A device or FIFO, in words.
    Special(&'static str),
    /// GNU's label of the volume.
    Label,
}

impl Entry {
    /// The entry that a header begins. A PAX path goes before a GNU long name whichever came first, as in GNU tar.
    pub fn new(header: Header, before: Overrides) -> Entry {
        let Overrides { pax, name, link } = before;
        let set = |value: Option<Vec<u8>>| value.filter(|value| !value.is_empty());
        let name = (pax.sparse.then_some(set(pax.sparse_name)).flatten())
            .or(set(pax.path))
            .or(name)
            .unwrap_or(header.name);
        let target = set(pax.link).or(link).unwrap_or(header.link);
        let stated = set(pax.size);
        let pax_size = stated.as_deref().and_then(decimal);
        let kind = match header.kind {
            b'1' => EntryKind::Link { how: "hard", target },
            b'2' => EntryKind::Link { how: "symbolic", target },
            b'3' => EntryKind::Special("a character device"),
            b'4' => EntryKind::Special("a block device"),
            b'6' => EntryKind::Special("a FIFO"),
            b'5' => EntryKind::Directory,
            b'V' => EntryKind::Label,
            // v7 tar had no type for directories: their names end with a slash.
            0 if name.ends_with(b"/") => EntryKind::Directory,
            b'S' => EntryKind::Sparse { more: header.more_sparse },
            _ if pax.sparse => EntryKind::Sparse { more: false },
            _ => EntryKind::File,
        };
        Entry {
            name,
            kind,
            size: pax_size.or(header.size),
            bad_pax_size: stated.is_some() && pax_size.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::{Block, tests::block};
    use super::*;

    fn entry(kind: u8, records: &[u8], name: Option<&[u8]>) -> Entry {
        let Block::Header(header) = Block::parse(&block(b"head/", 7, kind, |b| b[157] = b't')) else {
            panic!("no header");
        };
        let mut before = Overrides { name: name.map(<[u8]>::to_vec), ..Overrides::default() };
        before.pax.read(records);
        Entry::new(header, before)
    }

    #[test]
    fn pax_goes_before_gnu_and_both_before_the_header() {
        assert_eq!(entry(b'0', b"", None).name, b"head/");
        assert_eq!(entry(b'0', b"", Some(b"gnu")).name, b"gnu");
        assert_eq!(entry(b'0', b"12 path=pax\n", Some(b"gnu")).name, b"pax");
        assert_eq!(entry(b'0', b"12 path=pax\n8 path=\n", Some(b"gnu")).name, b"gnu");
        let sized = entry(b'0', b"9 size=5\n", None);
        assert_eq!((sized.size, sized.bad_pax_size), (Some(5), false));
        let bad = entry(b'0', b"11 size=-5\n", None);
        assert_eq!((bad.size, bad.bad_pax_size), (Some(7), true));
    }

    #[test]
    fn kinds() {
        assert_eq!(entry(0, b"", None).kind, EntryKind::Directory);
        assert_eq!(entry(0, b"", Some(b"x")).kind, EntryKind::File);
        for file in [b'0', b'7', b'Q', b'D'] {
            assert_eq!(entry(file, b"", None).kind, EntryKind::File);
        }
        assert_eq!(entry(b'2', b"", None).kind, EntryKind::Link { how: "symbolic", target: b"t".to_vec() });
        assert_eq!(
            entry(b'1', b"14 linkpath=u\n", None).kind,
            EntryKind::Link { how: "hard", target: b"u".to_vec() }
        );
        let sparse = entry(b'0', b"22 GNU.sparse.major=1\n24 GNU.sparse.name=real\n12 path=pax\n", None);
        assert_eq!((sparse.kind, sparse.name.as_slice()), (EntryKind::Sparse { more: false }, &b"real"[..]));
    }
}
