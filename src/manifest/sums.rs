//! Sums files: what `sha256sum`, `md5sum`, `b2sum`, `b3sum`, `cksum` and the BSD and OpenSSL tools write.
//!
//! Lines are taken apart exactly as coreutils 9.1 do, with four differences: a name that could leave the root is
//! refused, a digest of the wrong length is a claim that cannot be right (coreutils skip the line), one of an algorithm
//! that is not computed is a claim too, and the frame of a PGP clear-signed file is no malformed line.

mod armour;
mod line;
mod naming;

use std::io::BufRead;

use self::armour::{Armour, Framed};
use self::line::{Splitter, Stated, SumLine};
use self::naming::Naming;
use super::lines::{LONGEST_LINE, Line, Lines};
use super::{Context, ManifestError, ManifestFormat, begins_like_json, discover, subject};
use crate::claim::{Claim, ClaimSink, Scope, Unusable};
use crate::digest::{Algorithm, Digest, DigestParseError, DigestSet, Digests};

/// The format of sums files.
#[derive(Clone, Copy, Debug)]
pub struct Sums;

impl ManifestFormat for Sums {
    fn name(&self) -> &'static str {
        "sums"
    }

    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool {
        if begins_like_json(head) {
            return false;
        }
        discover::looks_like_manifest(file_name) || has_checksum_line(head)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let head = input.fill_buf()?;
        refuse_other_formats(head, context.file_name)?;
        let json = begins_like_json(head);
        let mut reading = Reading {
            naming: Naming::new(context.declared, context.file_name),
            splitter: Splitter::default(),
            context,
            sink,
            claims: 0,
            first_name: Vec::new(),
        };
        let mut lines = Lines::new(input);
        let mut armour = Armour::default();
        while let Some((number, line)) = lines.next()? {
            let Line::Text(text) = line else {
                reading.sink.reject(number, format!("it is longer than {LONGEST_LINE} bytes"))?;
                continue;
            };
            match armour.strip(text) {
                Framed::Text(text) => reading.line(number, text)?,
                Framed::Frame => {}
                Framed::Broken(why) => reading.sink.reject(number, why.to_owned())?,
            }
        }
        if let Some(why) = armour.missing() {
            reading.sink.reject(lines.number(), why.to_owned())?;
        }
        reading.scope(json)
    }
}

/// One run over a file.
struct Reading<'a> {
    naming: Naming,
    splitter: Splitter,
    context: &'a Context<'a>,
    sink: &'a mut dyn ClaimSink,
    claims: u64,
    first_name: Vec<u8>,
}

impl Reading<'_> {
    fn line(&mut self, number: u64, text: &[u8]) -> Result<(), ManifestError> {
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(());
        }
        if text.contains(&0) {
            let why = "it contains NUL bytes, as `sha256sum -z` writes them; write the sums without `-z`";
            return Ok(self.sink.reject(number, why.to_owned())?);
        }
        let naming = self.naming;
        match self.splitter.split(text, |digits| naming.fits(digits)) {
            Ok(line) => self.claim(number, line),
            Err(_) if number == 1 && text.starts_with(b"\xef\xbb\xbf") => {
                Ok(self.sink.reject(number, "it begins with a byte order mark".to_owned())?)
            }
            Err(why) => Ok(self.sink.reject(number, why.to_owned())?),
        }
    }

    fn claim(&mut self, number: u64, line: SumLine<'_>) -> Result<(), ManifestError> {
        let (digest, size) = self.digest(&line.stated);
        let (digests, unusable) = match digest {
            Ok(digest) => (Digests::from_iter([digest]), None),
            Err(why) => (Digests::new(), Some(why)),
        };
        self.claims += 1;
        let subject = subject(&line.name);
        if self.claims == 1 {
            self.first_name = line.name;
        }
        let source = self.context.source;
        self.sink.claim(Claim { size, digests, unusable, ..Claim::new(source, number, subject) })?;
        Ok(())
    }

    fn digest(&self, stated: &Stated<'_>) -> (Result<Digest, Unusable>, Option<u64>) {
        let impossible = |e: DigestParseError| Unusable::Impossible(e.to_string());
        let digest = match *stated {
            Stated::Tagged(algorithm, hex) => Digest::from_hex(algorithm, hex).map_err(impossible),
            Stated::Untagged(hex) => {
                self.naming.resolve(hex.len()).and_then(|a| Digest::from_hex(a, hex).map_err(impossible))
            }
            Stated::Cksum(crc, size) => {
                let digest = Digest::new(Algorithm::Cksum, &crc.to_be_bytes()).map_err(impossible);
                return (digest, Some(size));
            }
            Stated::Foreign => {
                Err(Unusable::NotComputable("its algorithm is not one that shardproof computes".to_owned()))
            }
            Stated::Placeholder => {
                Err(Unusable::Impossible("a word stands in place of the digest".to_owned()))
            }
        };
        (digest, None)
    }

    /// What the file claims to list completely, now that it was read.
    fn scope(self, json: bool) -> Result<Scope, ManifestError> {
        if self.claims == 0 {
            let why = if json {
                "it is JSON of no shape that shardproof knows as a manifest"
            } else {
                "no line in it is a checksum line (`DIGEST  NAME` or `SHA256 (NAME) = DIGEST`)"
            };
            return Err(ManifestError::NotThisFormat(why.to_owned()));
        }
        if self.claims == 1 && is_sidecar(self.context.file_name, &self.first_name) {
            return Ok(Scope::Named);
        }
        Ok(Scope::Folder(Vec::new()))
    }
}

/// Says what a file is that cannot be a sums file at all.
fn refuse_other_formats(head: &[u8], file_name: &[u8]) -> Result<(), ManifestError> {
    let why = if head.is_empty() {
        "it is empty"
    } else if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        "it is UTF-16 text, as some Windows tools write it; save it as UTF-8 without a byte order mark"
    } else if file_name.to_ascii_lowercase().ends_with(b".sfv") {
        "it is an SFV list of CRC-32 values, which shardproof does not read"
    } else {
        return Ok(());
    };
    Err(ManifestError::NotThisFormat(why.to_owned()))
}

/// Whether `manifest` is `<base name of the claimed file>.<algorithm>`, such as `a.tar.sha256` beside `a.tar`.
fn is_sidecar(manifest: &[u8], claimed: &[u8]) -> bool {
    let base = claimed.rsplit(|&b| b == b'/').next().unwrap_or(claimed);
    let ending = manifest.strip_prefix(base).and_then(|rest| rest.strip_prefix(b"."));
    let tells = |ending: &[u8]| !naming::algorithms_of_name(ending).is_empty() && !ending.contains(&b'.');
    !base.is_empty() && ending.is_some_and(tells)
}

/// Whether a line of the beginning of a file is beyond doubt a checksum line.
fn has_checksum_line(head: &[u8]) -> bool {
    let naming = Naming::new(DigestSet::EMPTY, b"");
    head.split(|&b| b == b'\n').any(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") || line.contains(&0) {
            return false;
        }
        match Splitter::default().split(line, |digits| naming.fits(digits)).map(|line| line.stated) {
            Ok(Stated::Tagged(..) | Stated::Foreign) => true,
            Ok(Stated::Untagged(hex)) => naming.fits(hex.len()),
            // Small numbers are found in any table.
            Ok(Stated::Cksum(crc, _)) => crc >= 10_000_000,
            Ok(Stated::Placeholder) | Err(_) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::claim::Subject;
    use crate::locator::UnsafeName;

    const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    const MD5: &str = "b1946ac92492d2347c6235b4d2611184";

    fn sums(file_name: &str, content: &str) -> (Result<Scope, ManifestError>, Kept) {
        read(&Sums, file_name, DigestSet::EMPTY, content.as_bytes())
    }

    fn refusal(file_name: &str, content: &[u8]) -> String {
        read(&Sums, file_name, DigestSet::EMPTY, content).0.unwrap_err().to_string()
    }

    #[test]
    fn claims_have_lines_paths_and_digests() {
        let content =
            format!("# made by hand\r\n{SHA256}  ./a.txt\r\n\r\nwhat\nSHA256 (b) = {SHA256}\n{SHA256}  ../c");
        let (scope, kept) = sums("checksums.txt", &content);
        assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
        assert_eq!(kept.claims.iter().map(|c| c.line).collect::<Vec<_>>(), [2, 5, 6]);
        assert_eq!(kept.paths(), ["a.txt", "b"]);
        assert!(matches!(kept.claims[2].subject, Subject::Refused { why: UnsafeName::Parent, .. }));
        assert_eq!(kept.claims[0].digests.strongest().unwrap().to_string(), format!("sha256:{SHA256}"));
        assert_eq!(kept.rejected, [(4, "it is not a checksum line".to_owned())]);
    }

    #[test]
    fn what_cannot_be_compared_is_still_located() {
        let content =
            format!("{SHA256}0  long\nSHA3-256 (three) = {SHA256}\nTODO  later\nMD5 (short) = {SHA256}\n");
        let (_, kept) = sums("checksums.txt", &content);
        assert_eq!(kept.paths(), ["long", "three", "later", "short"]);
        let kinds: Vec<_> = kept.claims.iter().map(|c| c.unusable.clone().unwrap()).collect();
        assert!(matches!(
            &kinds[..],
            [
                Unusable::Impossible(_),
                Unusable::NotComputable(_),
                Unusable::Impossible(_),
                Unusable::Impossible(_)
            ]
        ));
        assert!(kept.claims.iter().all(|c| c.digests.is_empty()));
        assert!(!format!("{kinds:?}").contains(&SHA256[..8]), "a reason shows no digest");
    }

    #[test]
    fn the_file_name_and_the_user_tell_the_algorithm() {
        let (_, kept) = sums("SHA256SUMS", &format!("{MD5}  a\n{SHA256}  b\n"));
        let why = "it has 32 hexadecimal digits, sha256 has 64".to_owned();
        assert_eq!(kept.claims[0].unusable, Some(Unusable::Impossible(why)));
        assert!(kept.claims[1].digests.of(Algorithm::Sha256).is_some());
        let declared = DigestSet::of(Algorithm::Blake3);
        let (_, kept) = read(&Sums, "SHA256SUMS", declared, format!("{SHA256}  b\n").as_bytes());
        assert!(kept.claims[0].digests.of(Algorithm::Blake3).is_some());
    }

    #[test]
    fn cksum_lines_carry_a_size() {
        assert!(Sums.recognises(b"x", b"3015617425 6 a\n") && !Sums.recognises(b"x", b"10 6 a\n"));
        let (_, kept) = sums("CKSUMS", "4294967295 0 empty\n3015617425 6 a b.txt\n");
        assert_eq!(kept.paths(), ["empty", "a b.txt"]);
        assert_eq!(kept.claims[1].size, Some(6));
        assert_eq!(
            kept.claims[1].digests.of(Algorithm::Cksum).unwrap().bytes(),
            3_015_617_425u32.to_be_bytes()
        );
    }

    #[test]
    fn a_signed_file_is_read_without_its_frame() {
        let content = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{SHA256}  a\n-----BEGIN PGP SIGNATURE-----\n\nAbc=\n\
             -----END PGP SIGNATURE-----\n"
        );
        let (_, kept) = sums("SHA256SUMS", &content);
        assert_eq!((kept.paths(), kept.rejected), (vec!["a".to_owned()], vec![]));
    }

    #[test]
    fn a_sidecar_names_one_file_only() {
        let line = format!("{SHA256}  data/a.tar\n");
        assert_eq!(sums("a.tar.sha256", &line).0.unwrap(), Scope::Named);
        assert_eq!(sums("a.tar.sha256sum", &line).0.unwrap(), Scope::Named);
        assert_eq!(sums("b.tar.sha256", &line).0.unwrap(), Scope::Folder(Vec::new()));
        assert_eq!(sums("a.tar.gz.sha256", &line).0.unwrap(), Scope::Folder(Vec::new()));
        assert_eq!(sums("SHA256SUMS", &line).0.unwrap(), Scope::Folder(Vec::new()));
    }

    #[test]
    fn files_without_a_claim_say_what_they_are() {
        assert_eq!(refusal("SHA256SUMS", b""), "it is empty");
        assert!(refusal("x", b"garbage\n").starts_with("no line in it is a checksum line"));
        assert!(refusal("x", b"{\"a\": 1}").contains("JSON"));
        assert!(refusal("x.sfv", b"a.txt DEADBEEF\n").contains("SFV"));
        assert!(refusal("x", b"\xff\xfeA\0").contains("UTF-16"));
        let (scope, kept) = sums("x", &format!("{SHA256}  a\0{SHA256}  b\0"));
        assert!(scope.is_err() && kept.rejected[0].1.contains("-z"));
        let (_, kept) = sums("x", &format!("\u{feff}{SHA256}  a\n{SHA256}  b\n"));
        assert_eq!(kept.rejected, [(1, "it begins with a byte order mark".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, name: Vec<u8>) {
            let context = Context { source: crate::claim::SourceId(0), file_name: &name, path: std::path::Path::new(""), declared: DigestSet::EMPTY };
            let _ = Sums.read(&mut content.as_slice(), &context, &mut Kept::default());
            Sums.recognises(&name, &content);
        }

        #[test]
        fn names_escaped_as_coreutils_do_come_back(name in "[ -~\\n\\r\\\\]{1,20}", tagged: bool) {
            let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
            let flag = if escaped == name { "" } else { "\\" };
            let line = if tagged {
                format!("{flag}SHA256 ({escaped}) = {SHA256}\n")
            } else {
                format!("{flag}{SHA256}  {escaped}\n")
            };
            let (_, kept) = sums("SHA256SUMS", &line);
            prop_assert_eq!(kept.claims.len(), 1);
            prop_assert_eq!(&kept.claims[0].subject, &subject(name.as_bytes()));
        }
    }
}
