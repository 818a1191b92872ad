//! Files that tools keep for themselves beside a dataset: nobody publishes them, and they are no data.
//!
//! Such a file is known by its name **and** by its content, down to its last byte: a folder that everybody skips is where
//! something would be hidden. What is not known here is an item like any other. Facts from
//! huggingface_hub 2.4.0 (`_local_folder.py`, `_tree_cache.py`, `file_download.py`) and git 2.47 (`gitrepository-layout`).

use std::fmt;
use std::io::{self, BufReader, Read};

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha1::{Digest, Sha1};

use super::dvc;
use super::hf_local::record::{Record, is_commit};

/// The longest tree of a commit: some 300 bytes for each of a million files.
const LONGEST_TREE: u64 = 512 << 20;
/// The most bytes of a tree between two quotation marks: a path of 4096 bytes, each escaped.
const LONGEST_STRING: u64 = 32 << 10;
/// The longest text of git that is looked at.
const LONGEST_TEXT: usize = 8 << 10;
/// The most bytes that a loose git object may inflate to: it is checked whole, so it must fit into memory.
const LARGEST_OBJECT: u64 = 4 << 20;

/// Opens a file anew, to be read from its beginning; `None` where that fails.
pub type Whole<'a> = dyn FnMut() -> Option<Box<dyn Read>> + 'a;

/// Whether the file at `path` below the root, `len` bytes long and beginning with `head` (up to 64 KiB of it), is the
/// bookkeeping of a format or of git. `open` is asked where more than the head must be read.
pub fn is_bookkeeping(path: &[u8], head: &[u8], len: u64, open: &mut Whole<'_>) -> bool {
    if (head.len() as u64) > len {
        return false;
    }
    let parts: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
    // Of all but trees the whole content must be at hand.
    let whole = (head.len() as u64 == len).then_some(head);
    match parts.as_slice() {
        [b".cache", b"huggingface", rest @ ..] => is_of_local_dir(rest, head, len, whole, open),
        [b"trees", name] => is_tree(name, head, len, open),
        [b"refs", _, ..] => whole.is_some_and(is_object_name),
        [b".no_exist", commit, _, ..] => is_commit(commit) && len == 0,
        [b"blobs", name] => name.ends_with(b".lock") && len == 0,
        [b".git", rest @ ..] => whole.is_some_and(|content| is_of_git(rest, content)),
        [.., name] if dvc::is_called(name) => whole.is_some_and(|content| {
            // Comments and descriptions are free text: a long file may be anything.
            content.len() <= LONGEST_TEXT && is_text(content) && dvc::is_one(content)
        }),
        _ => false,
    }
}

/// Whether the file at `path` below the root is what a download of the Hub did not finish. Such a file may hold anything:
/// it is no bookkeeping, but it needs no claim of its own where one says that the download was interrupted.
pub fn is_partial_download(path: &[u8]) -> bool {
    let place = path.starts_with(b".cache/huggingface/download/") || path.starts_with(b"blobs/");
    place && path.ends_with(b".incomplete")
}

/// Files below `.cache/huggingface`.
fn is_of_local_dir(
    parts: &[&[u8]],
    head: &[u8],
    len: u64,
    whole: Option<&[u8]>,
    open: &mut Whole<'_>,
) -> bool {
    match parts {
        [b".gitignore"] => whole.is_some_and(|content| content.trim_ascii_end() == b"*" && len <= 2),
        [b"CACHEDIR.TAG"] => whole.is_some_and(is_cachedir_tag),
        [b"trees", name] => is_tree(name, head, len, open),
        [.., name] if name.ends_with(b".lock") => len == 0,
        [b"download", .., name] if name.ends_with(b".metadata") => {
            whole.is_some_and(|content| Record::parse(content).is_some())
        }
        [b"upload", .., name] if name.ends_with(b".metadata") => whole.is_some_and(is_upload_record),
        _ => false,
    }
}

/// A cache directory tag (bford.info/cachedir): its signature, then comments.
fn is_cachedir_tag(content: &[u8]) -> bool {
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let rest = match content.strip_prefix(SIGNATURE) {
        Some(rest) if content.len() <= 512 && (rest.is_empty() || rest.starts_with(b"\n")) => rest,
        _ => return false,
    };
    is_text(rest) && lines(rest).all(|line| line.is_empty() || line.starts_with(b"#"))
}

/// What `hf upload-large-folder` keeps: time, size, flag, SHA-256, mode, object name, and two flags; the third to the
/// sixth line may be empty.
fn is_upload_record(content: &[u8]) -> bool {
    let digits = |line: &[u8]| !line.is_empty() && line.iter().all(u8::is_ascii_digit);
    let time = |line: &[u8]| !line.is_empty() && line.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let flag = |line: &[u8]| matches!(line, b"0" | b"1");
    let lines: Vec<&[u8]> = match content.strip_suffix(b"\n") {
        Some(lines) if content.len() <= 512 => lines.split(|&b| b == b'\n').collect(),
        _ => return false,
    };
    let [stamp, size, ignored, sha256, mode, oid, uploaded, committed] = lines.as_slice() else {
        return false;
    };
    time(stamp)
        && digits(size)
        && (ignored.is_empty() || flag(ignored))
        && (sha256.is_empty() || is_lower_hex(sha256, 64))
        && matches!(*mode, b"" | b"regular" | b"lfs")
        && (oid.is_empty() || is_lower_hex(oid, 40) || is_lower_hex(oid, 64))
        && flag(uploaded)
        && flag(committed)
}

/// `COMMIT.json` that is a tree as `hf download` keeps it, from its first byte to its last.
fn is_tree(name: &[u8], head: &[u8], len: u64, open: &mut Whole<'_>) -> bool {
    if len > LONGEST_TREE || !name.strip_suffix(b".json").is_some_and(is_commit) {
        return false;
    }
    // The version comes first, so that what is no tree is seldom read on.
    let compact: Vec<u8> = head.iter().copied().filter(|b| !b.is_ascii_whitespace()).take(30).collect();
    if !compact.starts_with(b"{\"format_version\":1,\"files\":{") {
        return false;
    }
    let parses = |content: &mut dyn Read| {
        let mut content = Strings::new(content.take(len + 1));
        let parsed = serde_json::from_reader::<_, Tree>(BufReader::new(&mut content));
        // The parser reads on to the end: what follows the tree is none of it.
        parsed.is_ok() && content.read == len
    };
    if head.len() as u64 == len {
        return parses(&mut &*head);
    }
    open().is_some_and(|mut content| parses(&mut content))
}

/// Hands on what it reads as long as no string in it is too long to be held.
pub(super) struct Strings<R> {
    inner: R,
    read: u64,
    since_quote: u64,
}

impl<R: Read> Strings<R> {
    pub(super) fn new(inner: R) -> Self {
        Strings { inner, read: 0, since_quote: 0 }
    }
}

impl<R: Read> Read for Strings<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.read += n as u64;
        let mut pieces = into[..n].split(|&b| b == b'"');
        self.since_quote += pieces.next().map_or(0, |piece| piece.len() as u64);
        for piece in pieces {
            if self.since_quote > LONGEST_STRING {
                break;
            }
            self.since_quote = piece.len() as u64;
        }
        if self.since_quote > LONGEST_STRING {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a string is too long"));
        }
        Ok(n)
    }
}

/// The shape of a tree, and nothing beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether it parses is asked")]
struct Tree {
    format_version: u64,
    files: Files,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether it parses is asked")]
struct TreeEntry {
    size: u64,
    blob_id: HexDigits,
    lfs_sha256: Option<HexDigits>,
    lfs_size: Option<u64>,
    xet_hash: Option<HexDigits>,
}

/// The files of a tree: each is looked at, none is kept.
struct Files;

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Files)
    }
}

impl<'de> Visitor<'de> for Files {
    type Value = Files;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("files by path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut files: A) -> Result<Files, A::Error> {
        while files.next_entry::<String, TreeEntry>()?.is_some() {}
        Ok(Files)
    }
}

/// A string of 40 or 64 hexadecimal digits.
struct HexDigits;

impl<'de> Deserialize<'de> for HexDigits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fits = is_lower_hex(text.as_bytes(), 40) || is_lower_hex(text.as_bytes(), 64);
        if fits { Ok(HexDigits) } else { Err(de::Error::custom("no object name")) }
    }
}

/// Files below `.git`: its texts of a fixed form, names of objects, and loose objects that have the name of their content.
/// Packs, indexes over 64 KiB and LFS objects are not known: nothing short of reading them whole tells what they hold.
fn is_of_git(parts: &[&[u8]], content: &[u8]) -> bool {
    match parts {
        [b"HEAD"] => is_object_name(content) || is_branch(content),
        [b"ORIG_HEAD"] | [b"refs", _, ..] => is_object_name(content) || is_branch(content),
        [b"description"] => {
            content == b"Unnamed repository; edit this file 'description' to name the repository.\n"
        }
        [b"config"] => content.len() <= LONGEST_TEXT && is_text(content) && lines(content).all(is_setting),
        [b"info", b"exclude"] => {
            content.len() <= LONGEST_TEXT
                && is_text(content)
                && lines(content).all(|line| line.is_empty() || line.starts_with(b"#"))
        }
        [b"packed-refs"] => is_text(content) && lines(content).all(is_packed_ref),
        [b"hooks", name] => is_sample_hook(name, content),
        [b"index"] => content.starts_with(b"DIRC\0\0\0") && ends_with_its_sha1(content),
        [b"objects", folder, rest] => is_loose_object(&[*folder, *rest].concat(), content),
        _ => false,
    }
}

/// A line with the name of an object.
fn is_object_name(content: &[u8]) -> bool {
    let name = content.strip_suffix(b"\n").unwrap_or(content);
    is_lower_hex(name, 40) || is_lower_hex(name, 64)
}

/// `ref: refs/heads/NAME`.
fn is_branch(content: &[u8]) -> bool {
    let name = content.strip_prefix(b"ref: refs/").and_then(|name| name.strip_suffix(b"\n"));
    name.is_some_and(|name| name.len() <= 256 && name.iter().all(u8::is_ascii_graphic))
}

/// A line of git's configuration: empty, a comment, a section or `key = value`.
fn is_setting(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    match line.first() {
        None | Some(b'#' | b';') => true,
        Some(b'[') => line.ends_with(b"]"),
        Some(first) => first.is_ascii_alphabetic() && line.contains(&b'='),
    }
}

/// `OBJECT NAME`, `^OBJECT` or a comment.
fn is_packed_ref(line: &[u8]) -> bool {
    match line {
        [] | [b'#', ..] => true,
        [b'^', object @ ..] => is_object_name(object),
        _ => {
            line.get(..40).is_some_and(is_object_name)
                && line.get(40..46) == Some(b" refs/")
                && line.iter().skip(41).all(u8::is_ascii_graphic)
        }
    }
}

/// One of the samples that `git init` copies.
fn is_sample_hook(name: &[u8], content: &[u8]) -> bool {
    const HOOKS: [&[u8]; 14] = [
        b"applypatch-msg",
        b"commit-msg",
        b"fsmonitor-watchman",
        b"post-update",
        b"pre-applypatch",
        b"pre-commit",
        b"pre-merge-commit",
        b"pre-push",
        b"pre-rebase",
        b"pre-receive",
        b"prepare-commit-msg",
        b"push-to-checkout",
        b"sendemail-validate",
        b"update",
    ];
    name.strip_suffix(b".sample").is_some_and(|hook| HOOKS.contains(&hook))
        && content.len() <= LONGEST_TEXT
        && content.starts_with(b"#!/")
        && is_text(content)
}

/// A zlib stream of `KIND LENGTH\0` and the content, whose SHA-1 is the file's name, with nothing after it.
fn is_loose_object(name: &[u8], content: &[u8]) -> bool {
    if !is_lower_hex(name, 40) {
        return false;
    }
    let mut inflate = flate2::bufread::ZlibDecoder::new(content);
    let mut object = Vec::new();
    let inflated = inflate.by_ref().take(LARGEST_OBJECT + 1).read_to_end(&mut object);
    let kinds: [&[u8]; 4] = [b"blob ", b"tree ", b"commit ", b"tag "];
    inflated.is_ok()
        && object.len() as u64 <= LARGEST_OBJECT
        && inflate.total_in() == content.len() as u64
        && kinds.iter().any(|kind| object.starts_with(kind))
        && hex::encode(Sha1::digest(&object)).as_bytes() == name
}

fn ends_with_its_sha1(content: &[u8]) -> bool {
    content.split_last_chunk::<20>().is_some_and(|(rest, sum)| Sha1::digest(rest).as_slice() == sum)
}

fn is_lower_hex(text: &[u8], digits: usize) -> bool {
    text.len() == digits && text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this is UTF-8 text without control characters other than line ends and tabs.
fn is_text(content: &[u8]) -> bool {
    let plain = |c: char| matches!(c, '\n' | '\r' | '\t') || !c.is_control();
    std::str::from_utf8(content).is_ok_and(|text| text.chars().all(plain))
}

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const COMMIT: &str = "11c5a3d5811f50298f278a704980280950aedb10";
    const BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

    fn is(path: &str, content: &[u8]) -> bool {
        is_with_head(path, content, content.len())
    }

    /// Whether it is where only so much of it is the head.
    fn is_with_head(path: &str, content: &[u8], head: usize) -> bool {
        let mut open = || Some(Box::new(io::Cursor::new(content.to_vec())) as Box<dyn Read>);
        is_bookkeeping(path.as_bytes(), &content[..head], content.len() as u64, &mut open)
    }

    fn tree() -> String {
        format!(
            "{{\n \"format_version\": 1,\n \"files\": {{\"a\": {{\"size\": 0, \"blob_id\": \"{BLOB}\"}}}}}}"
        )
    }

    #[test]
    fn files_of_the_hub_are_known_by_name_and_content() {
        let record = format!("{COMMIT}\n{BLOB}\n1712656091.1\n");
        let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# This file is a cache directory tag\n";
        let upload = format!("1712656091.1\n5\n0\n\nregular\n{BLOB}\n1\n0\n");
        let home = ".cache/huggingface";
        for (path, content) in [
            (format!("{home}/.gitignore"), "*"),
            (format!("{home}/.gitignore.lock"), ""),
            (format!("{home}/CACHEDIR.TAG"), tag),
            (format!("{home}/download/d/a.metadata"), &record),
            (format!("{home}/download/d/a.lock"), ""),
            (format!("{home}/upload/d/a.metadata"), &upload),
            (format!("{home}/trees/{COMMIT}.json"), &tree()),
            (format!("trees/{COMMIT}.json"), &tree()),
            ("refs/main".to_owned(), COMMIT),
            (format!(".no_exist/{COMMIT}/config.json"), ""),
        ] {
            assert!(is(&path, content.as_bytes()), "{path}");
            assert!(!is(&path, format!("{content}\x01hidden").as_bytes()), "{path} with more in it");
            assert!(!is(&format!("sub/{path}"), content.as_bytes()), "{path} elsewhere");
            let terabyte = is_bookkeeping(path.as_bytes(), content.as_bytes(), 1 << 40, &mut || None);
            assert!(!terabyte, "{path} of a terabyte");
        }
        for (path, content) in [
            (format!("{home}/download/x.metadata"), "m"),
            (format!("{home}/download/x.jpg"), ""),
            (format!("{home}/trees/main.json"), &tree()),
            (format!("{home}/.gitignore"), ""),
            (".gitattributes".to_owned(), "* text\n"),
        ] {
            assert!(!is(&path, content.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_long_tree_is_read_to_its_end() {
        let path = format!("trees/{COMMIT}.json");
        let whole = tree();
        for head in 60..whole.len() {
            assert!(is_with_head(&path, whole.as_bytes(), head), "head of {head}");
            assert!(!is(&path, &whole.as_bytes()[..head]), "a whole file must not end at {head}");
            for more in ["\x07", "{}", "\"hidden\""] {
                assert!(!is_with_head(&path, format!("{whole}{more}").as_bytes(), head), "{more:?} follows");
            }
        }
        let other = whole.replace("\"size\"", "\"note\": \"hidden\", \"size\"");
        assert!(!is_with_head(&path, other.as_bytes(), 60));
        let long = whole.replace("\"a\"", &format!("\"{}\"", "a".repeat(1 << 16)));
        assert!(!is_with_head(&path, long.as_bytes(), 60), "no path is so long");
        let blank = format!("{whole}{}", " ".repeat(1 << 16));
        assert!(!is_with_head(&path, blank.as_bytes(), 60), "so many blanks are no tree");
        let entry = format!("{{\"size\": 0, \"blob_id\": \"{BLOB}\"}}");
        let files: Vec<String> = (0..5000).map(|n| format!("\"d/{n}\": {entry}")).collect();
        let many = format!("{{\"format_version\": 1, \"files\": {{{}}}}}", files.join(", "));
        assert!(is_with_head(&path, many.as_bytes(), 1 << 16));
        assert!(!is_bookkeeping(
            path.as_bytes(),
            &many.as_bytes()[..1 << 16],
            many.len() as u64,
            &mut || None
        ));
        assert!(!is(&path, whole.replace(": 1,", ": 2,").as_bytes()));
    }

    #[test]
    fn files_of_git_are_known_by_name_and_content() {
        let mut loose = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        loose.write_all(b"blob 0\0").unwrap();
        let loose = loose.finish().unwrap();
        let path = format!(".git/objects/{}/{}", &BLOB[..2], &BLOB[2..]);
        assert!(is(&path, &loose));
        assert!(!is(&path, &[loose.as_slice(), b"hidden"].concat()));
        assert!(!is(&path.replace("391", "392"), &loose));

        let mut index = b"DIRC\0\0\0\x02\0\0\0\0".to_vec();
        index.extend_from_slice(&Sha1::digest(&index));
        assert!(is(".git/index", &index));
        assert!(!is(".git/index", &[index.as_slice(), b"hidden"].concat()));

        let name = format!("{BLOB}\n");
        let packed = format!("# pack-refs with: peeled\n{BLOB} refs/heads/main\n^{BLOB}\n");
        for (path, content) in [
            ("HEAD", "ref: refs/heads/main\n"),
            ("HEAD", &name),
            ("refs/heads/main", &name),
            ("packed-refs", &packed),
            ("config", "[core]\n\tbare = false\n"),
            ("info/exclude", "# git ls-files\n"),
            ("hooks/pre-push.sample", "#!/bin/sh\nexit 0\n"),
        ] {
            assert!(is(&format!(".git/{path}"), content.as_bytes()), "{path}");
            assert!(!is(&format!(".git/{path}"), format!("{content}\x01hidden").as_bytes()), "{path}");
        }
        for (path, content) in
            [("hooks/pre-push", "#!/bin/sh\n"), ("hidden.jpg", ""), ("objects/pack/pack-1.pack", "PACK")]
        {
            assert!(!is(&format!(".git/{path}"), content.as_bytes()), "{path}");
        }
    }

    #[test]
    fn unfinished_downloads_are_told_by_place_and_ending() {
        assert!(is_partial_download(b".cache/huggingface/download/d/k.e.incomplete"));
        assert!(is_partial_download(b"blobs/e.incomplete"));
        assert!(!is_partial_download(b"data/e.incomplete"));
        assert!(!is(".cache/huggingface/download/d/k.e.incomplete", b""));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_panic(content: Vec<u8>, len: u64, at in 0usize..9) {
            let tree = format!("trees/{COMMIT}.json");
            let paths = [
                ".git/config", ".git/index", ".git/objects/aa/bb", ".git/packed-refs", "refs/x", "", &tree,
                ".cache/huggingface/CACHEDIR.TAG", ".cache/huggingface/download/x.metadata",
            ];
            let mut open = || Some(Box::new(io::Cursor::new(content.clone())) as Box<dyn Read>);
            is_bookkeeping(paths[at].as_bytes(), &content, len, &mut open);
        }
    }
}
