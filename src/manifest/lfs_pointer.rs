//! Git LFS pointers: the small text that stands in a git tree in place of a large file.
//!
//! Rules of git-lfs (`docs/spec.md`, `lfs/pointer.go` at af13aa8): less than 1024 bytes; lines `key value`; the version
//! first, then extensions, `oid sha256:…` and `size`. The specification calls an empty file the pointer of an empty file;
//! here an empty file is never a pointer, since it is its own data.

use crate::claim::{Claim, SourceId, Subject};
use crate::digest::{Algorithm, Digest, Digests};
use crate::locator::ItemPath;

/// A file of this length or more is no pointer (`blobSizeCutoff`).
pub const TOO_LONG: usize = 1024;

/// The version that is written today.
const VERSION: &str = "https://git-lfs.github.com/spec/v1";
/// Versions of the time before git-lfs 1.0, which mean the same.
const OLD_VERSIONS: [&str; 2] = ["https://hawser.github.com/spec/v1", "http://git-media.io/v/2"];

/// What a pointer says about the file it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// SHA-256 of the content.
    pub oid: [u8; 32],
    /// Length of the content in bytes.
    pub size: u64,
}

/// How a pointer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Byte for byte as git-lfs writes it.
    Canonical,
    /// Another way that git-lfs reads.
    Noncanonical,
}

/// The pointer that `content`, a whole file, is. Empty content is none.
pub fn parse(content: &[u8]) -> Option<Pointer> {
    read(content).map(|(pointer, _)| pointer)
}

/// The pointer that `content` is, and how it is written.
pub fn read(content: &[u8]) -> Option<(Pointer, Form)> {
    if content.len() >= TOO_LONG {
        return None;
    }
    let text = std::str::from_utf8(content).ok()?.trim();
    let mut expected = ["version", "oid", "size"].into_iter().peekable();
    let (mut oid, mut size, mut extensions) = (None, None, Vec::new());
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if line.is_empty() {
            continue;
        }
        let (key, value) = line.split_once(' ')?;
        if expected.peek()? != &key {
            // The version comes first of all.
            if expected.len() == 3 {
                return None;
            }
            extensions.push(Extension::parse(key, value)?);
            continue;
        }
        match expected.next()? {
            "version" if value == VERSION || OLD_VERSIONS.contains(&value) => {}
            "oid" => oid = Some(sha256(value)?),
            "size" => size = Some(decimal(value)?),
            _ => return None,
        }
    }
    let pointer = Pointer { oid: oid?, size: size? };
    extensions.sort_unstable_by_key(|extension| extension.priority);
    if extensions.windows(2).any(|pair| pair[0].priority == pair[1].priority) {
        return None;
    }
    let canonical = write(&pointer, &extensions).as_bytes() == content;
    Some((pointer, if canonical { Form::Canonical } else { Form::Noncanonical }))
}

/// The text of a pointer without extensions, byte for byte as git-lfs writes it.
pub fn canonical(pointer: &Pointer) -> String {
    write(pointer, &[])
}

/// What a pointer that stands at `path` claims about the item there.
pub fn claim(pointer: &Pointer, path: &ItemPath, source: SourceId, ordinal: u64) -> Claim {
    Claim {
        size: Some(pointer.size),
        digests: Digest::new(Algorithm::Sha256, &pointer.oid).into_iter().collect::<Digests>(),
        yields: true,
        ..Claim::new(source, ordinal, Subject::Path(path.clone()))
    }
}

/// `ext-PRIORITY-NAME sha256:…`: a program that changed the content before it was stored.
struct Extension<'a> {
    priority: u32,
    name: &'a str,
    oid: [u8; 32],
}

impl<'a> Extension<'a> {
    fn parse(key: &'a str, value: &str) -> Option<Self> {
        let (priority, name) = key.strip_prefix("ext-")?.split_once('-')?;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if priority.len() != 1 || !name.starts_with(word) {
            return None;
        }
        Some(Extension { priority: priority.parse().ok()?, name, oid: sha256(value)? })
    }
}

fn write(pointer: &Pointer, extensions: &[Extension<'_>]) -> String {
    let mut text = format!("version {VERSION}\n");
    for extension in extensions {
        let (priority, name, oid) = (extension.priority, extension.name, hex::encode(extension.oid));
        text.push_str(&format!("ext-{priority}-{name} sha256:{oid}\n"));
    }
    text.push_str(&format!("oid sha256:{}\nsize {}\n", hex::encode(pointer.oid), pointer.size));
    text
}

/// `sha256:` and 64 lower-case digits.
fn sha256(value: &str) -> Option<[u8; 32]> {
    let digits = value.strip_prefix("sha256:")?;
    if digits.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut oid = [0; 32];
    hex::decode_to_slice(digits, &mut oid).ok()?;
    Some(oid)
}

/// A size as git-lfs takes it: it must fit a signed 64-bit number.
fn decimal(value: &str) -> Option<u64> {
    if !value.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    value.parse::<i64>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    fn form(text: &str) -> Option<Form> {
        read(text.replace("OID", &format!("oid sha256:{OID}")).as_bytes()).map(|(_, form)| form)
    }

    const V1: &str = "version https://git-lfs.github.com/spec/v1\n";

    #[test]
    fn pointers_are_read_in_every_way_git_lfs_reads_them() {
        assert_eq!(form(&format!("{V1}OID\nsize 12345\n")), Some(Form::Canonical));
        assert_eq!(form(&format!("{V1}OID\nsize 12345")), Some(Form::Noncanonical));
        assert_eq!(form(&format!("{V1}OID\r\nsize 12345  \r\n")), Some(Form::Noncanonical));
        let old = "version https://hawser.github.com/spec/v1\nOID\nsize 0\n";
        assert_eq!(form(old), Some(Form::Noncanonical));
        assert_eq!(form("version http://git-media.io/v/2\nOID\nsize 0\n"), Some(Form::Noncanonical));
        let extended = format!("{V1}ext-1-b sha256:{OID}\next-0-a sha256:{OID}\nOID\nsize 1\n");
        assert_eq!(form(&extended), Some(Form::Noncanonical));
    }

    #[test]
    fn what_only_resembles_a_pointer_is_none() {
        for text in [
            String::new(),
            "\n".to_owned(),
            V1.to_owned(),
            format!("{V1}OID\n"),
            format!("{V1}size 1\nOID\n"),
            format!("{V1}OID\nsize -1\n"),
            format!("{V1}OID\nsize 9223372036854775808\n"),
            format!("{V1}OID\nsize 1\nmore lines\n"),
            format!("OID\n{V1}size 1\n"),
            "version https://git-lfs.github.com/spec/v2\nOID\nsize 1\n".to_owned(),
            format!("{V1}oid sha256:{}\nsize 1\n", OID.to_uppercase()),
            format!("{V1}ext-0-a sha256:{OID}\next-0-b sha256:{OID}\nOID\nsize 1\n"),
            format!("{V1}OID\nsize 1\n{}", "\n".repeat(TOO_LONG)),
        ] {
            assert_eq!(form(&text), None, "{text:?}");
        }
    }

    #[test]
    fn a_pointer_claims_size_and_sha256() {
        let pointer = parse(format!("{V1}oid sha256:{OID}\nsize 12345\n").as_bytes()).unwrap();
        let claim = claim(&pointer, &ItemPath::parse(b"d/a.bin").unwrap(), SourceId(1), 4);
        assert_eq!((claim.line, claim.size), (4, Some(12345)));
        assert_eq!(claim.digests.strongest().unwrap().to_string(), format!("sha256:{OID}"));
    }

    proptest! {
        #[test]
        fn a_written_pointer_comes_back(oid: [u8; 32], size in 0..=i64::MAX as u64) {
            let pointer = Pointer { oid, size };
            prop_assert_eq!(read(canonical(&pointer).as_bytes()), Some((pointer, Form::Canonical)));
        }

        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, at in 0usize..128) {
            let mut mangled = canonical(&Pointer { oid: [7; 32], size: 5 }).into_bytes();
            mangled.truncate(at);
            mangled.extend_from_slice(&content);
            let _ = (parse(&content), parse(&mangled));
        }
    }
}
