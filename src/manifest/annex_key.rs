//! git-annex keys: the names under which git-annex keeps content, most of them a digest of it.
//!
//! Facts from git-annex's documentation (`internals/key_format`, `internals/pointer_file`, `backends`): a key is
//! `BACKEND[-sSIZE][-mMTIME][-SCHUNK-CNUMBER]--NAME`; older versions read the fields in any order. The name of a hash
//! backend is the digest in hexadecimal, that of its variant with an `E` at the end has the ending of the file's name
//! behind it. WORM and URL keys say nothing of the content but its size. In a working tree a key stands in the target of
//! a link, `…/.git/annex/objects/XX/YY/KEY/KEY`; in a small file of just that text where links cannot be checked out; or,
//! for an unlocked file, in a text that begins with the line `/annex/objects/KEY`.

use super::labelled::Writing;
use crate::claim::{Claim, SourceId, Subject, Unusable};

/// A text of this length or more is taken for no pointer. git-annex reads some that are longer, and writes none: a key is
/// a file name.
pub const TOO_LONG: usize = 1024;

/// No pointer is shorter: the path and the shortest key.
pub const SHORTEST: usize = 24;

/// Where objects lie below the folder of git.
pub const OBJECTS: &[u8] = b"annex/objects";

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What made it: `SHA256E`, `MD5`, `WORM`.
    pub backend: String,
    /// Length of the content in bytes.
    pub size: Option<u64>,
    /// Time of the file's last change, in seconds since 1970.
    pub mtime: Option<u64>,
    /// It is a piece of another key's content: how long pieces are, and which one.
    pub chunk: Option<(u64, u64)>,
    /// What follows `--`: a digest, with or without an ending, or something else.
    pub name: Vec<u8>,
}

impl Key {
    /// The key that this file name is.
    pub fn parse(text: &[u8]) -> Option<Key> {
        let at = memchr::memmem::find(text, b"--")?;
        let (fields, name) = (std::str::from_utf8(&text[..at]).ok()?, &text[at + 2..]);
        if name.is_empty() || name.iter().any(|&b| matches!(b, b'/' | b'\n' | b'\r' | 0)) {
            return None;
        }
        let mut fields = fields.split('-');
        let backend = fields.next()?;
        let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if !backend.starts_with(|c: char| c.is_ascii_uppercase()) || !backend.bytes().all(capital) {
            return None;
        }
        let (mut size, mut mtime, mut chunk_size, mut chunk) = (None, None, None, None);
        for field in fields {
            let (letter, number) = field.split_at_checked(1)?;
            let place = match letter {
                "s" => &mut size,
                "m" => &mut mtime,
                "S" => &mut chunk_size,
                "C" => &mut chunk,
                _ => return None,
            };
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            if place.replace(number.parse().ok()?).is_some() {
                return None;
            }
        }
        let chunk = match (chunk_size, chunk) {
            (None, None) => None,
            (Some(size), Some(number)) => Some((size, number)),
            _ => return None,
        };
        Some(Key { backend: backend.to_string(), size, mtime, chunk, name: name.to_vec() })
    }

    /// The key whose object a link of this target leads to.
    pub fn of_link(target: &[u8]) -> Option<Key> {
        let mut parts = target.rsplit(|&b| b == b'/');
        let (name, folder) = (parts.next()?, parts.next()?);
        let above = &target[..target.len() - name.len() - folder.len() - 1];
        // The middle is two levels of folders for the key's hash.
        let hashed = parts.next()?.len() + parts.next()?.len() + 2;
        let objects = above.get(..above.len().checked_sub(hashed + 1)?)?;
        let git = objects.strip_suffix(OBJECTS)?.strip_suffix(b"/")?;
        let is_git =
            git == b".git" || git.ends_with(b"/.git") || memchr::memmem::find(git, b".git/").is_some();
        if name != folder || !is_git {
            return None;
        }
        Key::parse(name)
    }

    /// The key that `content`, a whole file, stands for: a pointer, or the target of a link that was checked out as a
    /// file.
    pub fn of_pointer(content: &[u8]) -> Option<Key> {
        if !(SHORTEST..TOO_LONG).contains(&content.len()) {
            return None;
        }
        let mut lines = content.strip_suffix(b"\n").unwrap_or(content).split(|&b| b == b'\n');
        let first = lines.next()?;
        let first = first.strip_suffix(b"\r").unwrap_or(first);
        match first.strip_prefix(b"/annex/objects/") {
            // Lines that later versions may add begin like this; a file with other text is none of git-annex's.
            Some(key) if lines.all(|line| line.starts_with(b"/annex/")) => Key::parse(key),
            None if lines.next().is_none() => Key::of_link(first),
            _ => None,
        }
    }

    /// What is claimed of the item that this key stands at, or that is its object.
    pub fn claim(&self, subject: Subject, source: SourceId, ordinal: u64) -> Claim {
        let claim = Claim { size: self.size, ..Claim::new(source, ordinal, subject) };
        let of_nothing = |why: String| Some(Unusable::NotComputable(why));
        if self.chunk.is_some() {
            let why = "its key is that of a piece of a file, whose digest is of the whole".to_string();
            return Claim { unusable: of_nothing(why), size: None, ..claim };
        }
        let backend = self.backend.as_str();
        let Some(label) = hash_of(backend) else {
            let why = format!(
                "its git-annex key is of the backend {backend}, which takes no digest of the content"
            );
            return Claim { unusable: of_nothing(why), ..claim };
        };
        let digest = match backend.len() == label.len() {
            true => self.name.as_slice(),
            false => self.name.split(|&b| b == b'.').next().unwrap_or_default(),
        };
        claim.labelled(label, digest, Writing::Hex)
    }
}

/// The hash of a backend, without the `E` of those whose keys have an ending; `None` for what is no hash.
fn hash_of(backend: &str) -> Option<&str> {
    const HASHES: [&str; 8] = ["SHA", "MD5", "SKEIN", "BLAKE2B", "BLAKE2BP", "BLAKE2S", "BLAKE2SP", "X"];
    let hash = backend.strip_suffix('E').unwrap_or(backend);
    // What follows is a length, or for SHA-3 `3_256`. Of programs that users add (`X…`) nothing is known but a name.
    let is_length = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    HASHES
        .iter()
        .any(|known| hash.strip_prefix(known).is_some_and(|rest| *known == "X" || is_length(rest)))
        .then_some(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Algorithm;
    use crate::locator::ItemPath;

    const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    const MD5: &str = "b1946ac92492d2347c6235b4d2611184";

    fn key(text: &str) -> Option<Key> {
        Key::parse(text.as_bytes())
    }

    fn claim(text: &str) -> Claim {
        claim_of(&key(text).unwrap())
    }

    fn claim_of(key: &Key) -> Claim {
        key.claim(Subject::Path(ItemPath::parse(b"a").unwrap()), SourceId(0), 1)
    }

    #[test]
    fn keys_are_taken_apart() {
        let worm = key("WORM-s6-m1795446607--f_a--b.txt").unwrap();
        assert_eq!((worm.backend.as_str(), worm.size, worm.mtime), ("WORM", Some(6), Some(1_795_446_607)));
        assert_eq!(worm.name, b"f_a--b.txt");
        assert_eq!(key("WORM-m5-s6--a").unwrap().size, Some(6));
        assert_eq!(key("SHA256-s10-S4-C2--ab").unwrap().chunk, Some((4, 2)));
        assert_eq!(key("URL--http&c%%h%x").unwrap().size, None);
        for text in [
            "",
            "SHA256",
            "SHA256-s6",
            "SHA256-s6--",
            "sha256-s6--a",
            "-s6--a",
            "SHA256-s--a",
            "SHA256-s+6--a",
            "SHA256-s6-s6--a",
            "SHA256-x6--a",
            "SHA256-S4--a",
            "SHA256-s99999999999999999999--a",
            "SHA256--a/b",
            "SHA256--a\n",
            "SHA 256--a",
            "SHA256-é--a",
        ] {
            assert_eq!(key(text), None, "{text}");
        }
    }

    #[test]
    fn keys_of_hashes_are_claims_and_others_are_told() {
        let of = |text: &str| claim(text).digests.iter().map(|d| d.algorithm()).next();
        assert_eq!(of(&format!("SHA256E-s6--{SHA256}.txt")), Some(Algorithm::Sha256));
        assert_eq!(of(&format!("SHA256E-s6--{SHA256}")), Some(Algorithm::Sha256));
        assert_eq!(of(&format!("BLAKE2B256E-s6--{SHA256}.nii.gz")), Some(Algorithm::Blake2b256));
        assert_eq!(of(&format!("MD5E--{MD5}.nii.gz")), Some(Algorithm::Md5));
        assert_eq!(of(&format!("SHA1--{}", &SHA256[..40])), Some(Algorithm::Sha1));
        assert_eq!(of(&format!("SHA3_256-s6--{SHA256}")), Some(Algorithm::Sha3With256));
        assert_eq!(of(&format!("BLAKE2S256E-s6--{SHA256}.a")), Some(Algorithm::Blake2s));
        assert_eq!(claim(&format!("MD5-s6--{MD5}")).size, Some(6));
        for (text, word) in [
            (format!("BLAKE2S160E-s6--{}.a", &SHA256[..40]), "BLAKE2S160"),
            (format!("BLAKE2BP512-s6--{SHA256}{SHA256}"), "BLAKE2BP512"),
            (format!("SKEIN256-s6--{SHA256}"), "SKEIN256"),
            (format!("XDIGEST-s6--{SHA256}"), "XDIGEST"),
            ("WORM-s6-m1--a".into(), "backend WORM"),
            ("URL-s6--http&c%%h".into(), "backend URL"),
            (format!("SHA256-s6-S2-C1--{SHA256}"), "piece"),
        ] {
            let claim = claim(&text);
            assert!(claim.digests.is_empty());
            let why = claim.unusable.clone();
            assert!(matches!(&why, Some(Unusable::NotComputable(why)) if why.contains(word)), "{why:?}");
        }
        // What has the form of a key and no digest in it is a mistake, or made up.
        for text in [format!("SHA256-s6--{MD5}"), format!("MD5-s6--{MD5}.txt"), "MD5E-s6--x.txt".into()] {
            assert!(matches!(claim(&text).unusable, Some(Unusable::Impossible(_))), "{text}");
        }
    }

    #[test]
    fn keys_stand_in_links_and_pointers() {
        let key = format!("MD5E-s6--{MD5}.nii.gz");
        let link = |text: String| Key::of_link(text.as_bytes()).is_some();
        for folder in [".git", "../../.git", "/home/a/.git", "../.git/modules/sub"] {
            assert!(link(format!("{folder}/annex/objects/F4/53/{key}/{key}")), "{folder}");
            assert!(link(format!("{folder}/annex/objects/e43/794/{key}/{key}")), "{folder}");
        }
        for text in [
            format!(".git/annex/objects/F4/{key}/{key}"),
            format!(".git/annex/objects/F4/53/{key}"),
            format!(".git/annex/objects/F4/53/{key}/{key}x"),
            format!(".git/annex/others/F4/53/{key}/{key}"),
            format!("agit/annex/objects/F4/53/{key}/{key}"),
            format!("annex/objects/F4/53/{key}/{key}"),
            format!("{key}/{key}"),
            "/".into(),
            String::new(),
        ] {
            assert!(!link(text.clone()), "{text}");
        }
        let pointer = |text: &str| Key::of_pointer(text.as_bytes()).is_some();
        assert!(pointer(&format!("/annex/objects/{key}\n")) && pointer(&format!("/annex/objects/{key}")));
        assert!(pointer(&format!("/annex/objects/{key}\r\n")));
        assert!(pointer(&format!("/annex/objects/{key}\n/annex/more of it\n")));
        assert!(!pointer(&format!("/annex/objects/{key}\nand my own notes\n")));
        assert!(
            !pointer(&format!("see /annex/objects/{key}\n"))
                && !pointer("/annex/objects/readme of the annex\n")
        );
        let target = format!("../.git/annex/objects/F4/53/{key}/{key}");
        assert!(
            pointer(&target) && pointer(&format!("{target}\n")) && !pointer(&format!("{target}\n{target}\n"))
        );
        let long = format!("/annex/objects/{key}\n{}", "/annex/x\n".repeat(120));
        assert!(!pointer(&long), "{}", long.len());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, cut in 0usize..200, flip in 0usize..200) {
            let text = format!("../.git/annex/objects/F4/53/MD5-s6--{MD5}/MD5-s6--{MD5}");
            let mut mangled = text.into_bytes();
            if let Some(byte) = mangled.get_mut(flip) {
                *byte ^= 1;
            }
            mangled.truncate(cut);
            let plain = (Key::of_link(&bytes), Key::of_pointer(&bytes), Key::parse(&bytes));
            let _ = plain;
            mangled.extend_from_slice(&bytes);
            if let Some(key) = Key::of_pointer(&mangled).or_else(|| Key::parse(&mangled)) {
                let _ = claim_of(&key);
            }
        }

        #[test]
        fn a_cut_link_is_no_link(cut in 0usize..110) {
            let text = format!(".git/annex/objects/F4/53/MD5-s6--{MD5}/MD5-s6--{MD5}");
            prop_assume!(cut < text.len());
            prop_assert_eq!(Key::of_link(&text.as_bytes()[..cut]), None);
        }
    }
}
