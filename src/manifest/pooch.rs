//! Registries of pooch: `NAME DIGEST [URL]`, as `Pooch.load_registry` of pooch 1.9 reads them and `make_registry` writes
//! them. The digest is a SHA-256, or `ALGORITHM:DIGEST`; a line that begins with `#` is a comment; words are split as a
//! shell does, so that names with blanks are quoted.

use std::io::BufRead;

use super::labelled::Writing;
use super::lines::{LONGEST_LINE, Line, Lines};
use super::{Context, ManifestError, ManifestFormat, begins_like_json, subject};
use crate::claim::{Claim, ClaimSink, Scope};
use crate::digest::Algorithm;

/// The format of pooch's registries.
#[derive(Clone, Copy, Debug)]
pub struct Pooch;

impl ManifestFormat for Pooch {
    fn name(&self) -> &'static str {
        "pooch"
    }

    /// Every whole line of the beginning must be an entry whose digest stands second, and not first as in a sums file.
    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        if begins_like_json(head) {
            return false;
        }
        let lines: Vec<&[u8]> = head.split(|&b| b == b'\n').collect();
        // The last line may have been cut.
        let whole = if head.len() < CUT { &lines[..] } else { &lines[..lines.len() - 1] };
        let mut entries = whole.iter().filter(|line| !is_blank(line)).peekable();
        entries.peek().is_some() && entries.all(|line| is_entry(line))
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
            if is_blank(text) {
                continue;
            }
            let (name, digest) = match words(text) {
                Some(words) => match &words[..] {
                    [name, digest] | [name, digest, _] => (name.clone(), digest.clone()),
                    _ => {
                        sink.reject(number, "it is not `NAME DIGEST` or `NAME DIGEST URL`".to_owned())?;
                        continue;
                    }
                },
                None => {
                    sink.reject(number, "a quotation mark in it is not closed".to_owned())?;
                    continue;
                }
            };
            claims += 1;
            let (label, digest) = split_label(&digest);
            let claim = Claim::new(context.source, number, subject(&name));
            sink.claim(claim.labelled(&label, digest, Writing::Hex))?;
        }
        if claims == 0 {
            let why = "no line in it is an entry of a registry (`NAME DIGEST`)".to_owned();
            return Err(ManifestError::NotThisFormat(why));
        }
        Ok(Scope::Folder(Vec::new()))
    }
}

/// A beginning of so many bytes may end within a line.
const CUT: usize = 64 * 1024;

fn is_blank(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || line.starts_with(b"#")
}

/// Whether a line is an entry beyond doubt.
fn is_entry(line: &[u8]) -> bool {
    let Some(words) = words(line) else { return false };
    let ([name, digest] | [name, digest, _]) = &words[..] else { return false };
    let fits = |digest: &[u8]| {
        let (label, hex) = split_label(digest);
        let digits = Algorithm::from_name(&label).map(|algorithm| algorithm.len() * 2);
        digits == Some(hex.len()) && hex.iter().all(u8::is_ascii_hexdigit)
    };
    let is_hex = |word: &[u8]| word.len() >= 32 && word.iter().all(u8::is_ascii_hexdigit);
    // `SHA2-256(name)= DIGEST` is how OpenSSL writes it.
    fits(digest) && !is_hex(name) && !name.ends_with(b"=")
}

/// The algorithm's name, SHA-256 where there is none, and the digest.
fn split_label(text: &[u8]) -> (String, &[u8]) {
    match text.iter().position(|&b| b == b':') {
        Some(at) => (String::from_utf8_lossy(&text[..at]).into_owned(), &text[at + 1..]),
        None => ("sha256".to_owned(), text),
    }
}

/// The words of a line as Python's `shlex.split` tells them apart: blanks part words, `'` quotes all, `"` all but `\` before
/// `"` and `\`, and elsewhere `\` quotes the next byte. `None` where a quotation is not closed.
fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.trim_ascii().iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\r' => words.extend(word.take()),
            b'\\' => word.get_or_insert_default().push(bytes.next()?),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'\'' => break,
                        byte => word.push(byte),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'\\' => match bytes.next()? {
                            byte @ (b'"' | b'\\') => word.push(byte),
                            byte => word.extend([b'\\', byte]),
                        },
                        byte => word.push(byte),
                    }
                }
            }
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::claim::{Subject, Unusable};
    use crate::digest::DigestSet;

    const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    const MD5: &str = "b1946ac92492d2347c6235b4d2611184";

    fn registry(content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&Pooch, "registry.txt", DigestSet::EMPTY, content.as_bytes())
    }

    #[test]
    fn entries_are_claims_with_their_algorithm() {
        let content = format!(
            "# made by hand\n\ndata/a.txt {SHA256}\n\"b c.txt\" md5:{MD5} https://h.org/b#c\r\n ../d sha256:{SHA256}\n\
             e None\nf\n'g {SHA256}\n"
        );
        let (scope, kept) = registry(&content);
        assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
        assert_eq!(kept.paths(), ["data/a.txt", "b c.txt", "e"]);
        let algorithms: Vec<_> =
            kept.claims.iter().map(|c| c.digests.strongest().map(|d| d.algorithm().name())).collect();
        assert_eq!(algorithms, [Some("sha256"), Some("md5"), Some("sha256"), None]);
        assert!(matches!(kept.claims[2].subject, Subject::Refused { .. }));
        assert!(matches!(kept.claims[3].unusable, Some(Unusable::Impossible(_))));
        assert_eq!(kept.claims.iter().map(|c| c.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn it_is_told_by_the_digest_that_stands_second() {
        let is = |head: &str| Pooch.recognises(b"registry.txt", head.as_bytes());
        assert!(is(&format!("# x\na {SHA256}\nb md5:{MD5} https://h.org/b\n")));
        for head in [
            format!("{SHA256}  a\n"),
            format!("{SHA256}  {SHA256}\n"),
            format!("a {MD5}\n"),
            format!("a {SHA256}\nwhat\n"),
            format!("SHA256 (a) = {SHA256}\n"),
            "# x\n".to_owned(),
            String::new(),
        ] {
            assert!(!is(&head), "{head}");
        }
    }

    #[test]
    fn words_are_those_of_a_shell() {
        let split = |line: &str| {
            let words = words(line.as_bytes())?;
            Some(words.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect::<Vec<_>>())
        };
        let some = |words: &[&str]| Some(words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>());
        assert_eq!(split(r#"a\ b 'c\ d'e "f\"g\h" #x"#), some(&["a b", r"c\ de", r#"f"g\h"#, "#x"]));
        assert_eq!(split("'' a"), some(&["", "a"]));
        assert_eq!((split("'a"), split("\"a"), split("a\\")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, cut in 0usize..80, line in "[ab\\\\\"' :\\n]{0,20}") {
            let sound = format!("a {SHA256}\n");
            for content in [[&sound.as_bytes()[..cut.min(sound.len())], &content[..]].concat(), line.into_bytes()] {
                let _ = read(&Pooch, "registry.txt", DigestSet::EMPTY, &content);
                Pooch.recognises(b"registry.txt", &content);
            }
        }
    }
}
