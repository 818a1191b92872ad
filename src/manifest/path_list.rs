//! Lists of paths and nothing else: `warc.paths.gz`, `wet.paths` and the like, as Common Crawl publishes them.
//!
//! A line is the path of a file below `https://data.commoncrawl.org/`, or a URL. No size and no digest: such a list tells
//! what is missing and what is there beside it, and never that something is as it should be.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::lines::{LONGEST_LINE, Line, Lines};
use super::{Context, ManifestError, ManifestFormat, download_subject};
use crate::claim::{Claim, ClaimSink, Scope, Unusable};

/// Bytes that a compressed list may have when decompressed: a crawl's longest has 90,000 lines, 15 MB.
const MOST: u64 = 4 << 30;

const GZIP: &[u8] = &[0x1f, 0x8b];

/// The format of lists of paths.
#[derive(Clone, Copy, Debug)]
pub struct PathList;

impl ManifestFormat for PathList {
    fn name(&self) -> &'static str {
        "paths"
    }

    fn is_used_where_it_lies(&self) -> bool {
        false
    }

    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool {
        let name = file_name.to_ascii_lowercase();
        if !name.ends_with(b".paths") && !name.ends_with(b".paths.gz") {
            return false;
        }
        let mut first = [0; 4096];
        let first = if head.starts_with(GZIP) {
            let mut decoder = MultiGzDecoder::new(head);
            // The first piece that decodes is enough; a broken stream is told when it is read.
            let n = decoder.read(&mut first).unwrap_or(0);
            &first[..n]
        } else {
            head
        };
        let end = memchr::memchr(b'\n', first).unwrap_or(first.len());
        is_path(first[..end].trim_ascii_end())
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        if input.fill_buf()?.starts_with(GZIP) {
            let mut text = BufReader::new(MultiGzDecoder::new(input).take(MOST));
            let scope = read_lines(&mut text, context, sink).map_err(|e| match e {
                ManifestError::Io(cause) => ManifestError::NotThisFormat(format!(
                    "it cannot be decompressed: {cause}; fetch it again"
                )),
                other => other,
            })?;
            if text.get_ref().limit() == 0 {
                let why = format!("it is longer than {MOST} bytes when decompressed, the most that are read");
                return Err(ManifestError::NotThisFormat(why));
            }
            return Ok(scope);
        }
        read_lines(input, context, sink)
    }
}

fn read_lines(
    input: &mut dyn BufRead,
    context: &Context<'_>,
    sink: &mut dyn ClaimSink,
) -> Result<Scope, ManifestError> {
    let mut lines = Lines::new(input);
    let mut claims = 0u64;
    while let Some((number, line)) = lines.next()? {
        let text = match line {
            Line::Text(text) => text.trim_ascii_end(),
            Line::TooLong => {
                sink.reject(number, format!("it is longer than {LONGEST_LINE} bytes"))?;
                continue;
            }
        };
        if text.is_empty() {
            continue;
        }
        if !is_path(text) {
            sink.reject(number, "it is no path: blanks or control characters are in it".to_owned())?;
            continue;
        }
        claims += 1;
        let why = "the list gives its name and no digest".to_owned();
        sink.claim(Claim {
            unusable: Some(Unusable::NotComputable(why)),
            ..Claim::new(context.source, number, download_subject(text, &[]))
        })?;
    }
    match (claims, lines.number()) {
        (0, 0) => Err(ManifestError::NotThisFormat("it is empty".to_owned())),
        (0, _) => Err(ManifestError::NotThisFormat("no line in it is a path".to_owned())),
        _ => Ok(Scope::Folder(Vec::new())),
    }
}

/// Whether a line may be the path of a file as crawls name theirs: no blanks, no control characters.
fn is_path(line: &[u8]) -> bool {
    !line.is_empty() && line.iter().all(|b| b.is_ascii_graphic() || !b.is_ascii())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::digest::DigestSet;

    const LIST: &str = "crawl-data/CC-MAIN-2025-43/segments/1.1/warc/CC-MAIN-1-00000.warc.gz\n\
                        crawl-data/CC-MAIN-2025-43/segments/1.1/warc/CC-MAIN-1-00001.warc.gz\n";

    fn list(content: &[u8]) -> (Result<Scope, ManifestError>, Kept) {
        read(&PathList, "warc.paths.gz", DigestSet::EMPTY, content)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn paths_are_claims_that_something_is_there_and_no_more() {
        for content in [LIST.as_bytes().to_vec(), gzip(LIST.as_bytes())] {
            assert!(PathList.recognises(b"warc.paths.gz", &content));
            let (scope, kept) = list(&content);
            assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
            assert_eq!(kept.names().len(), 2);
            assert!(kept.names()[1].starts_with("url crawl-data/CC-MAIN-2025-43/"), "{:?}", kept.names());
            assert_eq!(kept.claims[1].line, 2);
            assert!(kept.claims.iter().all(|c| matches!(c.unusable, Some(Unusable::NotComputable(_)))));
        }
    }

    #[test]
    fn lines_that_are_no_paths_are_rejected() {
        let (_, kept) = list(b"a/b.warc.gz\n\na b\n../x\nhttps://data.commoncrawl.org/c/d.gz\n");
        assert_eq!(kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3]);
        assert_eq!(kept.names(), ["url a/b.warc.gz", "refused", "url c/d.gz"]);
    }

    #[test]
    fn it_is_known_by_name_and_content() {
        assert!(!PathList.recognises(b"notes.txt", LIST.as_bytes()));
        assert!(!PathList.recognises(b"warc.paths", b"some words\n"));
        assert!(!PathList.recognises(b"warc.paths.gz", &gzip(b"some words\n")));
        assert!(PathList.recognises(b"wet.paths", LIST.as_bytes()));
    }

    #[test]
    fn a_list_cut_short_or_damaged_is_never_used() {
        let whole = gzip(LIST.as_bytes());
        for at in 2..whole.len() {
            assert!(list(&whole[..at]).0.is_err(), "{at}");
        }
        for at in (0..whole.len()).filter(|at| !(3..10).contains(at)) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            let (scope, kept) = list(&flipped);
            assert!(scope.is_err() || kept.names() == list(&whole).1.names(), "{at}");
        }
        assert_eq!(list(b"").0.unwrap_err().to_string(), "it is empty");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, at in 0usize..120) {
            let mut mangled = gzip(LIST.as_bytes());
            mangled.truncate(at);
            mangled.extend_from_slice(&content);
            for content in [content, mangled] {
                let _ = list(&content);
                PathList.recognises(b"warc.paths.gz", &content);
            }
        }
    }
}
