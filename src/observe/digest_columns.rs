//! Columns that hold digests of what else is in their row: claims that a table makes of itself, settled where the row
//! is read.
//!
//! Such a digest is often not one of the bytes that are stored: img2dataset keeps the hash of the download beside the
//! image it made of it. So a verdict has three values: match, mismatch, not comparable.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use serde::{Deserialize, Serialize};

use crate::claim::SourceId;
use crate::digest::{Algorithm, Digest, Digests};

/// A column of digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestColumn {
    /// The column's name as typed, names in structs joined by dots; any case.
    pub name: String,
    /// What its digests are of.
    pub algorithm: Algorithm,
    /// Nobody named it: it is called as such columns are.
    pub discovered: bool,
    /// Its number among the run's manifests.
    pub source: SourceId,
}

/// Names that such columns usually have, the algorithm in them.
pub const USUAL: [(&str, Algorithm); 12] = [
    ("sha256", Algorithm::Sha256),
    ("sha-256", Algorithm::Sha256),
    ("image_sha256", Algorithm::Sha256),
    ("content_sha256", Algorithm::Sha256),
    ("file_sha256", Algorithm::Sha256),
    ("sha512", Algorithm::Sha512),
    ("sha1", Algorithm::Sha1),
    ("image_sha1", Algorithm::Sha1),
    ("md5", Algorithm::Md5),
    ("md5sum", Algorithm::Md5),
    ("image_md5", Algorithm::Md5),
    ("content_md5", Algorithm::Md5),
];

/// Names of columns that hold content, the likeliest first, where the digest's own name says nothing.
const CONTENT: [&str; 22] = [
    "bytes", "content", "image", "img", "jpg", "jpeg", "png", "webp", "gif", "audio", "wav", "mp3", "flac",
    "video", "mp4", "data", "raw", "blob", "binary", "text", "txt", "body",
];

/// What became of a digest in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InRow {
    /// Something in the row has it.
    Match(Algorithm),
    /// The content beside it has another one.
    Mismatch {
        /// The column of the content.
        column: String,
        /// What is claimed.
        expected: Digest,
        /// What was measured.
        found: Digest,
    },
    /// It is a digest of other bytes than those stored, or there is nothing to compare it with: why.
    NotComparable(Cow<'static, str>),
    /// It is no digest of its algorithm: why.
    Bad(Cow<'static, str>),
}

/// A cell as far as this matters.
pub struct CellSeen<'a> {
    /// The name of its column.
    pub column: &'a str,
    /// Its digests.
    pub digests: &'a Digests,
}

impl DigestColumn {
    /// Whether a column of the table is this one.
    pub fn is_called(&self, column: &str) -> bool {
        column.eq_ignore_ascii_case(&self.name)
    }

    /// Holds a digest against the other cells of its row; `None` where it claims nothing: a column that nobody named
    /// says something only of content beside it. `made_anew`: the table says that its content was made of other files.
    pub fn judge(&self, value: &[u8], cells: &[CellSeen<'_>], made_anew: bool) -> Option<InRow> {
        let others = || cells.iter().filter(|cell| !self.is_called(cell.column));
        let content = self.content(others());
        if content.is_none() && self.discovered {
            return None;
        }
        let expected = match decode(value, self.algorithm) {
            Ok(digest) => digest,
            Err(why) => return Some(InRow::Bad(why.into())),
        };
        let measured = |cell: &CellSeen<'_>| cell.digests.of(self.algorithm).cloned();
        if others().any(|cell| measured(cell).as_ref() == Some(&expected)) {
            return Some(InRow::Match(self.algorithm));
        }
        let Some(content) = content else {
            return Some(InRow::NotComparable("its row has no content that it could be a digest of".into()));
        };
        if made_anew {
            let why = "the content was resized or encoded anew (the table has original_width), and this is the digest \
                       of what was downloaded";
            return Some(InRow::NotComparable(why.into()));
        }
        Some(match measured(content) {
            Some(found) => InRow::Mismatch { column: content.column.to_string(), expected, found },
            None => InRow::NotComparable("its algorithm was not measured".into()),
        })
    }

    /// The cell that the digest is of, going by names.
    fn content<'a, 'b: 'a>(
        &self,
        others: impl Iterator<Item = &'a CellSeen<'b>> + Clone,
    ) -> Option<&'a CellSeen<'b>> {
        let (parent, own) = self.name.rsplit_once('.').map_or(("", self.name.as_str()), |(p, own)| (p, own));
        let named =
            |wanted: String| others.clone().find(move |cell| cell.column.eq_ignore_ascii_case(&wanted));
        let below =
            |name: &str| if parent.is_empty() { name.to_string() } else { format!("{parent}.{name}") };
        // `image_sha256` is of `image`, or of `image.bytes`.
        let lower = own.to_ascii_lowercase();
        let stem = ["sha256", "sha-256", "sha512", "sha1", "md5sum", "md5", "hash", "digest"]
            .iter()
            .find_map(|end| lower.strip_suffix(end))
            .map(|stem| stem.trim_end_matches(['_', '-', '.']).to_string())
            .filter(|stem| !stem.is_empty() && !matches!(stem.as_str(), "content" | "file"));
        if let Some(stem) = stem {
            return named(below(&stem)).or_else(|| named(below(&format!("{stem}.bytes"))));
        }
        let mut media = others.clone().filter(|cell| {
            cell.column.rsplit_once('.').is_some_and(|(above, last)| {
                last.eq_ignore_ascii_case("bytes")
                    && (parent.is_empty() || above.eq_ignore_ascii_case(parent))
            })
        });
        match (media.next(), media.next()) {
            (Some(only), None) => return Some(only),
            (Some(_), Some(_)) => return None,
            _ => {}
        }
        CONTENT.iter().find_map(|name| named(below(name)))
    }
}

/// A digest as tables write it: hexadecimal, base64, or its bytes as they are.
fn decode(value: &[u8], algorithm: Algorithm) -> Result<Digest, &'static str> {
    let len = algorithm.len();
    let digest = |bytes: &[u8]| Digest::new(algorithm, bytes).map_err(|_| "it has another length");
    let text = value.trim_ascii();
    let text = match text.iter().position(|&b| b == b':') {
        // `sha256:…`, as some write it.
        Some(colon)
            if std::str::from_utf8(&text[..colon]).ok().and_then(Algorithm::from_name) == Some(algorithm) =>
        {
            &text[colon + 1..]
        }
        _ => text,
    };
    let bytes = if value.len() == len && !(text.len() == len && text.is_ascii() && len < 8) {
        value.to_vec()
    } else if text.len() == len * 2 {
        hex::decode(text).map_err(|_| "it is not hexadecimal")?
    } else {
        let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
        let decoded = engines.iter().find_map(|engine| engine.decode(text).ok());
        decoded.filter(|bytes| bytes.len() == len).ok_or("it is no digest of this algorithm")?
    };
    if bytes.iter().all(|&byte| byte == bytes[0]) {
        return Err("it is a placeholder: all its bytes are the same");
    }
    digest(&bytes)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn sha256(content: &[u8]) -> Digest {
        Digest::new(Algorithm::Sha256, &Sha256::digest(content)).unwrap()
    }

    fn column(name: &str, discovered: bool) -> DigestColumn {
        let (name, algorithm) = (name.to_string(), Algorithm::Sha256);
        DigestColumn { name, algorithm, discovered, source: SourceId(0) }
    }

    fn judged(
        column: &DigestColumn,
        value: &[u8],
        cells: &[(&str, &[u8])],
        made_anew: bool,
    ) -> Option<InRow> {
        let digests: Vec<Digests> = cells.iter().map(|(_, c)| [sha256(c)].into_iter().collect()).collect();
        let cells: Vec<_> =
            cells.iter().zip(&digests).map(|((column, _), digests)| CellSeen { column, digests }).collect();
        column.judge(value, &cells, made_anew)
    }

    #[test]
    fn digests_are_read_in_every_writing() {
        let bytes = Sha256::digest(b"x");
        let hex = hex::encode(bytes);
        let writings: [Vec<u8>; 6] = [
            hex.clone().into_bytes(),
            hex.to_uppercase().into_bytes(),
            format!(" sha256:{hex}\n").into_bytes(),
            bytes.to_vec(),
            STANDARD.encode(bytes).into_bytes(),
            URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
        ];
        for value in writings {
            assert_eq!(decode(&value, Algorithm::Sha256), Ok(sha256(b"x")), "{value:?}");
        }
        for bad in [&b""[..], b"none", b"0000", &[b'0'; 64], &[0; 32], &[b'g'; 64], &hex.as_bytes()[1..]] {
            assert!(decode(bad, Algorithm::Sha256).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_verdict_has_three_values() {
        let hex = hex::encode(Sha256::digest(b"picture"));
        let cells =
            |content: &'static [u8]| [("image.bytes", content), ("image.path", b"p"), ("sha256", b"h")];
        let own = column("sha256", false);
        assert_eq!(
            judged(&own, hex.as_bytes(), &cells(b"picture"), true),
            Some(InRow::Match(Algorithm::Sha256))
        );
        assert!(matches!(
            judged(&own, hex.as_bytes(), &cells(b"other"), false),
            Some(InRow::Mismatch { column, .. }) if column == "image.bytes"
        ));
        assert!(matches!(
            judged(&own, hex.as_bytes(), &cells(b"other"), true),
            Some(InRow::NotComparable(_))
        ));
        assert!(matches!(judged(&own, b"SHA256", &cells(b"picture"), false), Some(InRow::Bad(_))));
        let alone = [("url", &b"u"[..]), ("sha256", b"h")];
        assert!(matches!(judged(&own, hex.as_bytes(), &alone, false), Some(InRow::NotComparable(_))));
        assert_eq!(judged(&column("sha256", true), hex.as_bytes(), &alone, false), None);
    }

    #[test]
    fn the_content_is_known_by_names() {
        let hex = hex::encode(Sha256::digest(b"a"));
        let told = |name: &str, cells: &[(&str, &[u8])]| match judged(
            &column(name, false),
            hex.as_bytes(),
            cells,
            false,
        ) {
            Some(InRow::Mismatch { column, .. }) => column,
            other => format!("{other:?}"),
        };
        assert_eq!(told("image_sha256", &[("text", b"t"), ("image", b"i")]), "image");
        assert_eq!(told("image_sha256", &[("text", b"t"), ("image.bytes", b"i")]), "image.bytes");
        assert_eq!(told("meta.sha256", &[("text", b"t"), ("meta.content", b"i")]), "meta.content");
        assert_eq!(told("content_sha256", &[("url", b"u"), ("text", b"t")]), "text");
        assert!(told("sha256", &[("a.bytes", b"1"), ("b.bytes", b"2")]).contains("NotComparable"));
    }
}
