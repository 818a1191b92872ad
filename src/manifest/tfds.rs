//! Checksums of TensorFlow Datasets: `checksums.tsv` beside a dataset's code, and the older `url_checksums/NAME.txt`.
//!
//! A line is `URL<tab>size<tab>sha256[<tab>file name]`, or, written by older versions, `URL size sha256`, taken apart from
//! its end (tensorflow_datasets 4.9.10, `core/download/checksums.py`). `#` begins a comment. A file may hold nothing else,
//! where a dataset has to be downloaded by hand.

use std::io::BufRead;

use super::labelled::Writing;
use super::lines::{LONGEST_LINE, Line, Lines};
use super::{Context, ManifestError, ManifestFormat, begins_like_json, download_subject, without_digest};
use crate::claim::{Claim, ClaimSink, Scope, Unusable};

/// The format of TensorFlow Datasets.
#[derive(Clone, Copy, Debug)]
pub struct Tfds;

impl ManifestFormat for Tfds {
    fn name(&self) -> &'static str {
        "tfds"
    }

    fn is_used_where_it_lies(&self) -> bool {
        false
    }

    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool {
        if begins_like_json(head) {
            return false;
        }
        let text = |line: &'_ &[u8]| !line.is_empty() && !line.starts_with(b"#");
        let first = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).find(text);
        match first {
            Some(line) => fields(line).is_some_and(|fields| {
                let is_url = memchr::memmem::find(fields.url, b"://").is_some();
                let sum = fields.sha256;
                is_url && decimal(fields.size).is_some() && (sum.is_empty() || is_sha256(sum))
            }),
            // Only comments.
            None => !head.is_empty() && file_name.ends_with(b"checksums.tsv"),
        }
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let mut lines = Lines::new(input);
        let mut claims = 0u64;
        while let Some((number, line)) = lines.next()? {
            let text = match line {
                Line::Text(text) => text,
                Line::TooLong => {
                    sink.reject(number, format!("it is longer than {LONGEST_LINE} bytes"))?;
                    continue;
                }
            };
            if text.trim_ascii().is_empty() || text.trim_ascii_start().starts_with(b"#") {
                continue;
            }
            let Some(fields) = fields(text) else {
                sink.reject(number, "it has no size and checksum after its URL".to_owned())?;
                continue;
            };
            claims += 1;
            let also: &[&[u8]] = if fields.file_name.is_empty() { &[] } else { &[fields.file_name] };
            let claim = Claim::new(context.source, number, download_subject(fields.url, also));
            let size = decimal(fields.size);
            let claim = match size {
                Some(_) if fields.sha256.is_empty() => without_digest(Claim { size, ..claim }),
                Some(_) => Claim { size, ..claim.labelled("sha256", fields.sha256, Writing::Hex) },
                None => {
                    let why = "its size is not a number".to_owned();
                    Claim { unusable: Some(Unusable::Impossible(why)), ..claim }
                }
            };
            sink.claim(claim)?;
        }
        match (claims, lines.number()) {
            (0, 0) => Err(ManifestError::NotThisFormat("it is empty".to_owned())),
            (0, _) => Err(ManifestError::NotThisFormat(
                "it lists no download: where a dataset is downloaded by hand, its publisher gives no checksums"
                    .to_owned(),
            )),
            _ => Ok(Scope::Named),
        }
    }
}

/// The parts of a line.
struct Fields<'a> {
    url: &'a [u8],
    size: &'a [u8],
    sha256: &'a [u8],
    /// Empty where the line has none.
    file_name: &'a [u8],
}

fn fields(line: &[u8]) -> Option<Fields<'_>> {
    if line.contains(&b'\t') {
        let mut columns = line.split(|&b| b == b'\t').map(<[u8]>::trim_ascii);
        let (url, size) = (columns.next()?, columns.next()?);
        let (sha256, file_name) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        let fits = !url.is_empty() && columns.next().is_none();
        return fits.then_some(Fields { url, size, sha256, file_name });
    }
    let mut columns = line.trim_ascii().rsplitn(3, |&b| b == b' ');
    let (sha256, size, url) = (columns.next()?, columns.next()?, columns.next()?);
    (!url.is_empty()).then_some(Fields { url, size, sha256, file_name: b"" })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| all)?.parse().ok()
}

fn is_sha256(text: &[u8]) -> bool {
    text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::digest::DigestSet;

    const SUM: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

    fn tfds(content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&Tfds, "checksums.tsv", DigestSet::EMPTY, content.as_bytes())
    }

    #[test]
    fn lines_of_both_times() {
        let (scope, kept) = tfds(&format!(
            "# by hand\n\nhttps://h.org/d/a.zip\t6\t{SUM}\ta b.zip\nhttps://h.org/x y?z=1 7 {SUM}\r\n\
             https://h.org/d/c.zip\t8\t{SUM}\n"
        ));
        assert_eq!(scope.unwrap(), Scope::Named);
        assert_eq!(kept.names(), ["url d/a.zip or a b.zip", "url x y?z=1 or x y", "url d/c.zip"]);
        let told: Vec<_> = kept.claims.iter().map(|c| (c.line, c.size)).collect();
        assert_eq!(told, [(3, Some(6)), (4, Some(7)), (5, Some(8))]);
        assert!(kept.claims.iter().all(|c| c.digests.strongest().unwrap().to_string().ends_with(SUM)));
        assert!(kept.rejected.is_empty());
    }

    #[test]
    fn a_line_without_checksum_cannot_be_checked_and_a_wrong_one_is_impossible() {
        let (_, kept) = tfds(&format!(
            "https://h.org/a\t6\t\ta\nhttps://h.org/b\t6\nhttps://h.org/c\tsix\t{SUM}\nhttps://h.org/d\t6\t{}\n\
             https://h.org/e\nnothing at\t1\t2\t3\t4\n",
            &SUM[..32]
        ));
        let is = |at: usize| kept.claims[at].unusable.as_ref();
        for claim in &kept.claims[..2] {
            assert!(claim.digests.is_empty() && claim.size == Some(6) && claim.unusable.is_none());
        }
        assert!(matches!(is(2), Some(Unusable::Impossible(_))));
        assert!(matches!(is(3), Some(Unusable::Impossible(_))) && kept.claims[3].doubtful.is_some());
        assert_eq!(kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn a_file_of_comments_says_that_it_lists_nothing() {
        let comments = "# The links to the data are downloaded manually.\n";
        assert!(Tfds.recognises(b"x.checksums.tsv", comments.as_bytes()));
        assert!(!Tfds.recognises(b"notes.txt", comments.as_bytes()));
        assert!(tfds(comments).0.unwrap_err().to_string().contains("by hand"));
        assert_eq!(tfds("").0.unwrap_err().to_string(), "it is empty");
    }

    #[test]
    fn it_is_known_by_its_first_line() {
        let is = |text: String| Tfds.recognises(b"list", text.as_bytes());
        assert!(is(format!("# x\nhttps://h.org/a\t6\t{SUM}\n")) && is(format!("https://h.org/a 6 {SUM}")));
        assert!(is("https://h.org/a\t6\t\n".to_owned()));
        assert!(!is(format!("{SUM}  https://h.org/a\n")) && !is(format!("a.csv {SUM} https://h.org/a\n")));
        assert!(!is("a\t6\tb\n".to_owned()) && !is(format!("data/a\t6\t{SUM}\n")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, at in 0usize..120) {
            let mut mangled = format!("https://h.org/d/a.zip\t6\t{SUM}\ta.zip\n").into_bytes();
            mangled.truncate(at);
            mangled.extend_from_slice(&content);
            for content in [content, mangled] {
                let _ = read(&Tfds, "checksums.tsv", DigestSet::EMPTY, &content);
                Tfds.recognises(b"x", &content);
            }
        }

        #[test]
        fn a_line_cut_short_claims_no_digest(at in 0usize..88) {
            let line = format!("https://h.org/d/a.zip\t6\t{SUM}");
            let (_, kept) = tfds(&line[..at.min(line.len() - 1)]);
            prop_assert!(kept.claims.iter().all(|c| c.digests.is_empty()));
        }
    }
}
