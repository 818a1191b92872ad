//! Known-bad digests: one file per format, each turning a list into entries.
//!
//! Lists hold junk. A reader refuses what cannot be meant (wrong lengths, the digest of nothing, placeholders) and
//! counts it; no digest of a list is ever in a message.

mod beginnings;
mod columns;
mod csv;
mod junk;
pub use junk::is_harmless;
mod lines;
mod plain;
mod records;

use std::io::BufRead;

use crate::digest::Digest;
use crate::error::Error;

pub use csv::Csv;
pub use plain::Plain;

/// The formats this version reads, in the order in which they are tried.
pub fn formats() -> &'static [&'static dyn HashListFormat] {
    &[&Csv, &Plain]
}

/// The format of a name as it stands before the colon of `FORMAT:FILE`.
pub fn by_name(name: &str) -> Option<&'static dyn HashListFormat> {
    formats().iter().copied().find(|format| format.name() == name)
}

/// The format of a file of this name that begins with these bytes (up to 64 KiB).
///
/// # Errors
/// [`HashListError::NotThisFormat`], saying what it seems to be and what to do, where no format reads it.
pub fn recognise(file_name: &[u8], head: &[u8]) -> Result<&'static dyn HashListFormat, HashListError> {
    if let Some(what) = beginnings::foreign(head) {
        return Err(HashListError::NotThisFormat(what.to_owned()));
    }
    formats().iter().copied().find(|format| format.recognises(file_name, head)).ok_or_else(|| {
        HashListError::NotThisFormat(
            "neither a line of digests nor a header that names a column of them was found at its beginning; \
             a plain list has one hexadecimal digest on each line, and a CSV needs a header such as md5, sha1 or \
             sha256, or the name of its digest column"
                .to_owned(),
        )
    })
}

/// A format of hash lists.
pub trait HashListFormat: Sync {
    /// Its name in reports and before the colon of `FORMAT:FILE`.
    fn name(&self) -> &'static str;

    /// Whether a file of this name that begins with these bytes (up to 64 KiB) is one.
    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool;

    /// Reads all entries.
    ///
    /// # Errors
    /// Where the whole cannot be used, or reading fails.
    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn EntrySink,
    ) -> Result<(), HashListError>;
}

/// What a reader knows beside the bytes.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// Its file name without folders.
    pub file_name: &'a [u8],
    /// The algorithm the user declared for digests that do not say theirs; `None`: by length.
    pub declared: Option<crate::digest::Algorithm>,
    /// Columns the user named, for formats with columns.
    pub columns: Columns,
}

/// Which column of a table holds what, by header name or by number from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The digest.
    pub digest: Option<String>,
    /// The digest's algorithm.
    pub algorithm: Option<String>,
    /// The list's own category code.
    pub category: Option<String>,
    /// The entry's identifier.
    pub id: Option<String>,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line of the entry, from 1.
    pub line: u64,
    /// The digest.
    pub digest: Digest,
    /// The list's own category code.
    pub category: Option<String>,
    /// The list's own identifier of the entry.
    pub id: Option<String>,
}

/// What a reader of lists hands its entries to.
pub trait EntrySink {
    /// Takes an entry.
    fn entry(&mut self, entry: Entry) -> Result<(), Error>;

    /// Takes a line that is refused: where, and why as a fragment without any digest.
    fn reject(&mut self, line: u64, reason: String) -> Result<(), Error>;
}

/// Why a list cannot be used as a whole.
#[derive(Debug, thiserror::Error)]
pub enum HashListError {
    /// Its bytes are not of this format.
    #[error("{0}")]
    NotThisFormat(String),
    /// Reading failed.
    #[error("reading it failed: {0}")]
    Io(#[from] std::io::Error),
    /// The sink gave up.
    #[error(transparent)]
    Sink(#[from] Error),
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// What a reader handed over.
    #[derive(Debug, Default)]
    pub(super) struct Collected {
        pub(super) entries: Vec<Entry>,
        pub(super) rejected: Vec<(u64, String)>,
    }

    impl EntrySink for Collected {
        fn entry(&mut self, entry: Entry) -> Result<(), Error> {
            self.entries.push(entry);
            Ok(())
        }

        fn reject(&mut self, line: u64, reason: String) -> Result<(), Error> {
            self.rejected.push((line, reason));
            Ok(())
        }
    }

    impl Collected {
        /// Line, algorithm and the first byte of each entry.
        pub(super) fn brief(&self) -> Vec<(u64, &'static str, u8)> {
            self.entries.iter().map(|e| (e.line, e.digest.algorithm().name(), e.digest.bytes()[0])).collect()
        }

        /// Asserts that nothing but the entries holds 32 hexadecimal digits in a row.
        pub(super) fn assert_discreet(&self) {
            for (_, reason) in &self.rejected {
                assert_discreet(reason);
            }
            assert_discreet(&format!("{:?}", self.entries));
        }
    }

    pub(super) fn assert_discreet(text: &str) {
        let longest = text.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max().unwrap_or(0);
        assert!(longest < 32, "a digest is shown");
    }

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in formats() {
            assert_eq!(by_name(format.name()).map(|f| f.name()), Some(format.name()));
        }
        assert!(by_name("stix").is_none());
    }

    #[test]
    fn formats_are_recognised_by_their_beginning() {
        let name = |head: &[u8]| recognise(b"list.txt", head).map(|f| f.name()).ok();
        let md5 = "0cc175b9c0f1b6a831c399e269772661";
        assert_eq!(name(md5.as_bytes()), Some("plain"));
        assert_eq!(name(format!("MD5\r\n{md5}\r\n").as_bytes()), Some("plain"));
        assert_eq!(name(format!("id,md5\n1,{md5}\n").as_bytes()), Some("csv"));
        assert_eq!(name(format!("\u{feff}\"MD5\";\"Image ID\"\n{md5};1\n").as_bytes()), Some("csv"));
        assert_eq!(name(format!("{{\"md5\": \"{md5}\"}}").as_bytes()), None);
        assert_eq!(name(b"a picture of a cat\n"), None);
        assert_eq!(name(b""), None);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_advice_and_without_digests() {
        let md5 = "0cc175b9c0f1b6a831c399e269772661";
        for head in [format!("[\"{md5}\"]"), format!("<a>{md5}</a>"), format!("{md5},{md5}"), md5[1..].into()]
        {
            let Err(HashListError::NotThisFormat(text)) = recognise(md5.as_bytes(), head.as_bytes()) else {
                panic!("it is no list");
            };
            assert_discreet(&text);
            assert!(text.contains("plain list"));
        }
    }

    #[test]
    fn lists_are_read_however_they_are_cut() {
        // Digests of synthetic texts, and of nothing, which is refused.
        let (a, b) = ("0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f");
        let sha1 = "86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8";
        let nothing = "d41d8cd98f00b204e9800998ecf8427e";
        let nsrl = format!(
            "\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\"\r\n\"{sha1}\",\"{a}\",\"E8B7BE43\",\"a, b\"\r\n"
        );
        for (name, text, format_name, entries, rejected) in [
            ("md5sum.txt", format!("{a}  a.txt\n{nothing} *empty\n{b}  b.txt\n"), "plain", 2, 1),
            ("sha1-upper.txt", format!("{sha1}\n"), "plain", 1, 0),
            ("NSRLFile.txt", nsrl, "csv", 2, 0),
        ] {
            let bytes = text.as_bytes();
            let format = recognise(name.as_bytes(), bytes).expect("recognised");
            assert_eq!(format.name(), format_name, "{name}");
            for end in 0..=bytes.len() {
                let mut sink = Collected::default();
                let outcome = format.read(&mut &bytes[..end], &Context::default(), &mut sink);
                assert_eq!(outcome.is_err(), sink.entries.is_empty(), "{name} cut at {end}");
                sink.assert_discreet();
                if end == bytes.len() {
                    assert_eq!((sink.entries.len(), sink.rejected.len()), (entries, rejected), "{name}");
                }
            }
        }
    }

    #[test]
    #[ignore = "needs the conformance suites"]
    fn samples_of_other_tools_are_read_or_refused() {
        let shared = std::env::var_os("SHARDPROOF_SHARED")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
        let read = |name: &str| {
            fs::read(shared.join("conformance/hashlists").join(name)).expect("the sample is there")
        };
        for (name, format_name, entries, rejected) in [
            ("hfind/md5sum.txt", "plain", 4, 1),
            ("hashdeep/md5deep.txt", "plain", 4, 1),
            ("dcso-bloom/sha1-upper.txt", "plain", 1, 1),
            ("hfind/NSRLFile.txt", "csv", 2, 1),
        ] {
            let bytes = read(name);
            let format = recognise(name.as_bytes(), &bytes).expect("recognised");
            assert_eq!(format.name(), format_name, "{name}");
            let mut sink = Collected::default();
            format.read(&mut &bytes[..], &Context::default(), &mut sink).expect("it is read");
            assert_eq!((sink.entries.len(), sink.rejected.len()), (entries, rejected), "{name}");
        }
        for name in [
            "dcso-bloom/mini-sha1-upper.bloom",
            "hashdeep/known.hashdeep",
            "hashdeep/dfxml.xml",
            "stix-misp/misp-event.json",
            "vics/vics-2.0.json",
        ] {
            assert!(recognise(name.as_bytes(), &read(name)).is_err(), "{name} is not read by this version");
        }
    }
}
