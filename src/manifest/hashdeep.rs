//! hashdeep 1.0: what `hashdeep -r -l -c …` writes, with a size and several digests on each line.
//!
//! Facts from hashdeep 4.4: a version line, a columns line that begins with `size` and ends with `filename`, `#` comments
//! of which one says where it was run, then one line per file. The name comes last and is written raw, so commas and
//! quotes in it mean nothing.

use std::io::BufRead;

use super::lines::{LONGEST_LINE, Line, Lines};
use super::{Context, ManifestError, ManifestFormat, subject};
use crate::claim::{Claim, ClaimSink, Scope, Unusable};
use crate::digest::{Algorithm, Digest, Digests};

const VERSION: &[u8] = b"%%%% HASHDEEP-1.0";
const INVOKED_FROM: &[u8] = b"## Invoked from: ";

/// The format of hashdeep.
#[derive(Clone, Copy, Debug)]
pub struct Hashdeep;

impl ManifestFormat for Hashdeep {
    fn name(&self) -> &'static str {
        "hashdeep"
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        head.starts_with(b"%%%% HASHDEEP-")
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let mut lines = Lines::new(input);
        let mut reading = Reading { context, sink, columns: Vec::new(), invoked_from: Vec::new(), claims: 0 };
        while let Some((number, line)) = lines.next()? {
            match line {
                Line::TooLong => {
                    reading.sink.reject(number, format!("it is longer than {LONGEST_LINE} bytes"))?;
                }
                Line::Text(text) if number == 1 => check_version(text)?,
                Line::Text(text) => reading.line(number, text)?,
            }
        }
        match (lines.number(), reading.columns.is_empty(), reading.claims) {
            (0, ..) => Err(not_this_format("it is empty")),
            (_, true, _) => Err(not_this_format(NO_COLUMNS)),
            (.., 0) => Err(not_this_format("no line in it names a file")),
            _ => Ok(Scope::Folder(Vec::new())),
        }
    }
}

const NO_COLUMNS: &str = "it has no line that names its columns (`%%%% size,md5,sha256,filename`)";

fn check_version(line: &[u8]) -> Result<(), ManifestError> {
    if line == VERSION {
        Ok(())
    } else if line.starts_with(b"%%%% HASHDEEP-") {
        Err(not_this_format("it is of another version than HASHDEEP-1.0, the only one known"))
    } else {
        Err(not_this_format("its first line is not `%%%% HASHDEEP-1.0`"))
    }
}

fn not_this_format(why: &str) -> ManifestError {
    ManifestError::NotThisFormat(why.to_owned())
}

/// One run over a file.
struct Reading<'a> {
    context: &'a Context<'a>,
    sink: &'a mut dyn ClaimSink,
    /// The digests between size and name; `None` for an algorithm that is not computed.
    columns: Vec<Option<Algorithm>>,
    invoked_from: Vec<u8>,
    claims: u64,
}

impl Reading<'_> {
    fn line(&mut self, number: u64, text: &[u8]) -> Result<(), ManifestError> {
        if let Some(folder) = text.strip_prefix(INVOKED_FROM) {
            self.invoked_from = folder.to_vec();
        } else if let Some(columns) = text.strip_prefix(b"%%%% ") {
            // A list appended to another repeats both lines of the head.
            if text != VERSION {
                self.columns = columns_of(columns)?;
            }
        } else if !text.is_empty() && !text.starts_with(b"#") {
            if self.columns.is_empty() {
                return Err(not_this_format(NO_COLUMNS));
            }
            self.file(number, text)?;
        }
        Ok(())
    }

    fn file(&mut self, number: u64, text: &[u8]) -> Result<(), ManifestError> {
        let fields: Vec<&[u8]> = text.splitn(self.columns.len() + 2, |&b| b == b',').collect();
        let [size, digests @ .., name] = fields.as_slice() else {
            return Ok(self.sink.reject(number, "it has no name".to_owned())?);
        };
        if digests.len() != self.columns.len() {
            let why = "it has fewer fields than there are columns";
            return Ok(self.sink.reject(number, why.to_owned())?);
        }
        let size = decimal(size);
        let usable = match size {
            Some(_) => self.digests(digests),
            None => Err(Unusable::Impossible("its size is not a number".to_owned())),
        };
        let (digests, unusable) = match usable {
            Ok(digests) => (digests, None),
            Err(why) => (Digests::new(), Some(why)),
        };
        self.claims += 1;
        self.sink.claim(Claim {
            size,
            digests,
            unusable,
            ..Claim::new(self.context.source, number, subject(self.relative(name)))
        })?;
        Ok(())
    }

    fn digests(&self, fields: &[&[u8]]) -> Result<Digests, Unusable> {
        let mut digests = Digests::new();
        for (&column, field) in self.columns.iter().zip(fields) {
            let Some(algorithm) = column else { continue };
            let digest =
                Digest::from_hex(algorithm, field).map_err(|e| Unusable::Impossible(e.to_string()))?;
            digests.insert(digest);
        }
        if digests.is_empty() {
            let why = "none of its algorithms is one that shardproof computes";
            return Err(Unusable::NotComputable(why.to_owned()));
        }
        Ok(digests)
    }

    /// The name below the folder where hashdeep was run: without `-l` it writes absolute names.
    fn relative<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        let end = self.invoked_from.iter().rposition(|&b| !matches!(b, b'/' | b'\\')).map_or(0, |at| at + 1);
        let folder = &self.invoked_from[..end];
        match name.strip_prefix(folder) {
            Some([b'/' | b'\\', rest @ ..]) if !folder.is_empty() => rest,
            _ => name,
        }
    }
}

fn columns_of(line: &[u8]) -> Result<Vec<Option<Algorithm>>, ManifestError> {
    let columns: Vec<&[u8]> = line.split(|&b| b == b',').collect();
    let [b"size", digests @ .., b"filename"] = columns.as_slice() else {
        return Err(not_this_format("its columns do not go from `size` to `filename`"));
    };
    let mut sorted = digests.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if digests.is_empty() || sorted.len() != digests.len() {
        return Err(not_this_format("its columns name no digest, or one of them twice"));
    }
    Ok(digests
        .iter()
        .map(|name| match *name {
            b"md5" => Some(Algorithm::Md5),
            b"sha1" => Some(Algorithm::Sha1),
            b"sha256" => Some(Algorithm::Sha256),
            _ => None,
        })
        .collect())
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::claim::Subject;
    use crate::digest::DigestSet;
    use crate::locator::UnsafeName;

    const MD5: &str = "b1946ac92492d2347c6235b4d2611184";

    fn hashdeep(content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&Hashdeep, "known.hashdeep", DigestSet::EMPTY, content.as_bytes())
    }

    fn with_md5(lines: &str) -> (Result<Scope, ManifestError>, Kept) {
        hashdeep(&format!("%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n{lines}"))
    }

    #[test]
    fn lines_carry_size_digests_and_raw_names() {
        let (scope, kept) = with_md5(&format!("## Invoked from: /data\r\n6,{MD5},./co,mma \"q\".txt\r\n"));
        assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
        assert_eq!(kept.paths(), ["co,mma \"q\".txt"]);
        let claim = &kept.claims[0];
        assert_eq!((claim.line, claim.size), (4, Some(6)));
        assert_eq!(claim.digests.strongest().unwrap().to_string(), format!("md5:{MD5}"));
    }

    #[test]
    fn algorithms_that_are_not_computed_leave_the_others_usable() {
        let tiger = "x".repeat(48);
        let (_, kept) =
            hashdeep(&format!("%%%% HASHDEEP-1.0\n%%%% size,tiger,md5,filename\n6,{tiger},{MD5},a\n"));
        assert_eq!(kept.claims[0].digests.set(), DigestSet::of(Algorithm::Md5));
        let (_, kept) = hashdeep(&format!("%%%% HASHDEEP-1.0\n%%%% size,tiger,filename\n6,{tiger},a\n"));
        assert!(matches!(kept.claims[0].unusable, Some(Unusable::NotComputable(_))));
    }

    #[test]
    fn absolute_names_are_read_below_the_folder_of_the_run_and_refused_elsewhere() {
        let lines = format!(
            "## Invoked from: /data/set/\n6,{MD5},/data/set/a\n6,{MD5},/data/settle\n6,{MD5},/etc/b\n"
        );
        let (_, kept) = with_md5(&lines);
        assert_eq!(kept.paths(), ["a"]);
        let refused = |c: &Claim| matches!(c.subject, Subject::Refused { why: UnsafeName::Absolute, .. });
        assert!(refused(&kept.claims[1]) && refused(&kept.claims[2]));
        let (_, kept) = with_md5(&format!("## Invoked from: /\n6,{MD5},/etc/b\n"));
        assert!(refused(&kept.claims[0]));
    }

    #[test]
    fn broken_lines_are_rejected_or_claims_that_cannot_be_right() {
        let (scope, kept) = with_md5(&format!("6,{MD5}\nsix,{MD5},a\n6,{MD5}0,b\n"));
        assert!(scope.is_ok());
        assert_eq!(kept.rejected, [(3, "it has fewer fields than there are columns".to_owned())]);
        assert_eq!(kept.paths(), ["a", "b"]);
        assert!(kept.claims.iter().all(|c| matches!(c.unusable, Some(Unusable::Impossible(_)))));
    }

    #[test]
    fn another_version_or_a_missing_head_is_refused() {
        let refusal = |content: &str| hashdeep(content).0.unwrap_err().to_string();
        assert!(refusal("%%%% HASHDEEP-9.9\n%%%% size,md5,filename\n").contains("another version"));
        assert!(refusal(&format!("%%%% HASHDEEP-1.0\n6,{MD5},a\n")).contains("columns"));
        assert!(refusal("%%%% HASHDEEP-1.0\n").contains("columns"));
        assert!(refusal("%%%% HASHDEEP-1.0\n%%%% size,md5,md5,filename\n").contains("twice"));
        assert!(refusal("%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n").contains("names a file"));
        assert_eq!(refusal(""), "it is empty");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>) {
            let mut framed = b"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n".to_vec();
            framed.extend_from_slice(&content);
            for content in [content, framed] {
                let _ = read(&Hashdeep, "x", DigestSet::EMPTY, &content);
            }
        }
    }
}
