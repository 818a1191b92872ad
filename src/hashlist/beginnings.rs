//! Beginnings of files that are no text list, told apart so that the message can say what to do.

/// What a file that begins with `head` seems to be, where this version certainly does not read it: a sentence with
/// advice.
pub(super) fn foreign(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Some("it is UTF-16 text; save it as UTF-8, as a plain list or CSV");
    }
    if head.starts_with(b"SQLite format 3\0") {
        return Some(
            "it is an SQLite database; this version reads plain lists and CSV; export its table of digests as CSV",
        );
    }
    if COMPRESSED.iter().any(|magic| head.starts_with(magic)) {
        return Some(
            "it is compressed; this version reads plain lists and CSV; decompress it and name the file inside",
        );
    }
    if head.starts_with(b"PAR1") {
        return Some(
            "it is a Parquet file; this version reads plain lists and CSV; export its digest column as CSV",
        );
    }
    if is_bloom(head) {
        return Some(
            "it is a Bloom filter, which can only say that a digest may be on a list; this version reads plain lists \
             and CSV; ask its publisher for the list itself",
        );
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    match text.first() {
        Some(b'{' | b'[') => Some(
            "it is JSON; this version reads plain lists and CSV; export its digests as CSV with a header such as \
             md5, sha1 or sha256",
        ),
        Some(b'<') => Some(
            "it is XML; this version reads plain lists and CSV; export its digests as CSV with a header such as \
             md5, sha1 or sha256",
        ),
        _ => None,
    }
}

/// gzip, zstd, zip, xz, bzip2, 7z.
const COMPRESSED: [&[u8]; 6] =
    [&[0x1F, 0x8B], &[0x28, 0xB5, 0x2F, 0xFD], b"PK\x03\x04", b"\xFD7zXZ\0", b"BZh", b"7z\xBC\xAF\x27\x1C"];

/// A filter as DCSO's `bloom` writes it: six little-endian words, the first of them flags whose low byte is the version.
fn is_bloom(head: &[u8]) -> bool {
    head.len() >= 48 && head.starts_with(&[1, 0, 0, 0, 0, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_list_is_named() {
        let says = |head: &[u8], word: &str| foreign(head).is_some_and(|text| text.contains(word));
        assert!(says(b"SQLite format 3\0\x10\0", "SQLite"));
        assert!(says(b"\xEF\xBB\xBF \n{\"value\":[]}", "JSON"));
        assert!(says(b"[]", "JSON"));
        assert!(says(b"<?xml version=\"1.0\"?>", "XML"));
        assert!(says(&[0x1F, 0x8B, 8, 0], "compressed"));
        assert!(says(b"\xFF\xFEm\0d\x005\0", "UTF-16"));
        let mut bloom = [0; 48];
        bloom[0] = 1;
        assert!(says(&bloom, "Bloom"));
    }

    #[test]
    fn text_is_left_to_the_formats() {
        assert_eq!(foreign(b""), None);
        assert_eq!(foreign(b"md5\n0cc175b9c0f1b6a831c399e269772661\n"), None);
        assert_eq!(foreign(b"# a list\n"), None);
    }
}
