//! `RECORD` of an installed Python distribution (PEP 376, PEP 427, "Recording installed projects"): a line of CSV for each
//! file, `path,algorithm=digest,size`. The digest is base64 with the alphabet for URLs and without padding; paths are
//! relative to the folder above `NAME-VERSION.dist-info/`.
//!
//! `RECORD` itself has no digest, and neither has what is made at installation (`*.pyc`). Scripts are listed as
//! `../../../bin/NAME`, which leads out of the folder and is refused.

use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::labelled::Writing;
use super::lines::{LONGEST_LINE, Line, Lines};
use super::{Context, ManifestError, ManifestFormat, csv_line, subject};
use crate::claim::{Claim, ClaimSink, Scope, Subject, Unusable};
use crate::digest::Algorithm;

/// The format of `RECORD`.
#[derive(Clone, Copy, Debug)]
pub struct Record;

impl ManifestFormat for Record {
    fn name(&self) -> &'static str {
        "record"
    }

    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool {
        let has_digest = |line: &[u8]| {
            fields(line)
                .is_some_and(|[_, digest, _]| digest.iter().position(|&b| b == b'=').is_some_and(|at| at > 0))
        };
        file_name == b"RECORD" && head.split(|&b| b == b'\n').any(has_digest)
    }

    fn base(&self, file: &Path) -> Option<PathBuf> {
        let folder = file.parent()?;
        let is_of_distribution = folder.file_name()?.as_bytes().ends_with(b".dist-info");
        is_of_distribution.then(|| folder.parent().map(Path::to_path_buf)).flatten()
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
            let Line::Text(text) = line else {
                sink.reject(number, format!("it is longer than {LONGEST_LINE} bytes"))?;
                continue;
            };
            if text.is_empty() {
                continue;
            }
            let Some([path, digest, size]) = fields(text) else {
                sink.reject(number, "it is not `PATH,ALGORITHM=DIGEST,SIZE`".to_owned())?;
                continue;
            };
            let Ok(size) = parsed_size(&size) else {
                sink.reject(number, "its size is no number".to_owned())?;
                continue;
            };
            claims += 1;
            let subject = subject(&path);
            if digest.is_empty() && is_itself(&subject) {
                continue;
            }
            let claim = Claim { size, ..Claim::new(context.source, number, subject) };
            sink.claim(with_digest(claim, &digest))?;
        }
        if claims == 0 {
            let why = "no line in it is `PATH,ALGORITHM=DIGEST,SIZE`".to_owned();
            return Err(ManifestError::NotThisFormat(why));
        }
        // The folder holds other distributions as well.
        Ok(Scope::Named)
    }
}

/// The three fields of a line.
fn fields(line: &[u8]) -> Option<[Vec<u8>; 3]> {
    let fields: [Vec<u8>; 3] = csv_line::fields(line).ok()?.try_into().ok()?;
    (!fields[0].is_empty()).then_some(fields)
}

fn parsed_size(text: &[u8]) -> Result<Option<u64>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.map(Some).ok_or(())
}

fn is_itself(subject: &Subject) -> bool {
    matches!(subject, Subject::Path(path) if path.as_bytes().ends_with(b".dist-info/RECORD"))
}

fn with_digest(claim: Claim, digest: &[u8]) -> Claim {
    let because = |why: &str| Some(Unusable::NotComputable(why.to_owned()));
    if digest.is_empty() {
        return Claim { unusable: because("RECORD gives no digest of it"), ..claim };
    }
    let Some(at) = digest.iter().position(|&b| b == b'=') else {
        let why = "its digest is not written as ALGORITHM=DIGEST".to_owned();
        return Claim { unusable: Some(Unusable::Impossible(why)), ..claim };
    };
    let (label, text) = (String::from_utf8_lossy(&digest[..at]), &digest[at + 1..]);
    let unpadded = text.strip_suffix(b"=").map_or(text, |text| text.strip_suffix(b"=").unwrap_or(text));
    let fits = |bytes: &Vec<u8>| Algorithm::from_name(&label).is_some_and(|a| a.len() == bytes.len());
    match URL_SAFE_NO_PAD.decode(unpadded).ok().filter(|bytes| fits(bytes)) {
        Some(bytes) => claim.labelled(&label, hex::encode(bytes).as_bytes(), Writing::Hex),
        None => claim.labelled(&label, text, Writing::Hex),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::digest::DigestSet;

    /// SHA-256 of `hello\n`.
    const LINE: &str = "pkg/a.py,sha256=WJG1tSLV3whtD_CxEPvZ0hu0_HFjrzTQgoai6Eb2vgM,6\n";
    const HEX: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

    fn record(content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&Record, "RECORD", DigestSet::EMPTY, content.as_bytes())
    }

    #[test]
    fn files_of_a_distribution_are_claimed() {
        let content = format!(
            "{LINE}\"pkg/a,\"\"b\"\".py\",sha256={HEX},6\r\npkg/__pycache__/a.pyc,,\n../../../bin/a,sha256=x,1\n\
             pkg-1.dist-info/RECORD,,\nwhat\nx,sha256=,many\n"
        );
        let (scope, kept) = record(&content);
        assert_eq!(scope.unwrap(), Scope::Named);
        assert_eq!(kept.paths(), ["pkg/a.py", "pkg/a,\"b\".py", "pkg/__pycache__/a.pyc"]);
        let digests: Vec<_> =
            kept.claims.iter().map(|c| c.digests.strongest().map(ToString::to_string)).collect();
        assert_eq!(digests[..3], [Some(format!("sha256:{HEX}")), Some(format!("sha256:{HEX}")), None]);
        assert!(matches!(kept.claims[2].unusable, Some(Unusable::NotComputable(_))));
        assert!(matches!(kept.claims[3].subject, Subject::Refused { .. }));
        assert_eq!(kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [6, 7]);
    }

    #[test]
    fn what_cannot_be_the_digest_is_said() {
        for digest in ["sha256=foo", "md5=WJG1tSLV3whtD_CxEPvZ0hu0_HFjrzTQgoai6Eb2vgM", "WJG1"] {
            let (_, kept) = record(&format!("a,{digest},\n"));
            assert!(matches!(kept.claims[0].unusable, Some(Unusable::Impossible(_))), "{digest}");
        }
        let (_, kept) = record("a,whirlpool=abcd,\n");
        assert!(matches!(kept.claims[0].unusable, Some(Unusable::NotComputable(_))));
        assert!(record("what\n").0.is_err() && record("").0.is_err());
    }

    #[test]
    fn its_name_and_a_line_tell_it_and_its_folder_where_names_begin() {
        assert!(Record.recognises(b"RECORD", LINE.as_bytes()));
        assert!(
            !Record.recognises(b"record.csv", LINE.as_bytes()) && !Record.recognises(b"RECORD", b"a,b,c\n")
        );
        assert_eq!(Record.base(Path::new("/s/pkg-1.dist-info/RECORD")), Some("/s".into()));
        assert_eq!(Record.base(Path::new("/s/RECORD")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, cut in 0usize..70, line in "[a\",=\\n]{0,20}") {
            for content in [[&LINE.as_bytes()[..cut.min(LINE.len())], &content[..]].concat(), line.into_bytes()] {
                let _ = read(&Record, "RECORD", DigestSet::EMPTY, &content);
                Record.recognises(b"RECORD", &content);
            }
        }
    }
}
