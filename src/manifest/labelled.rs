//! A digest as a manifest writes it: an algorithm's name and a text, neither of which is to be trusted.
//!
//! Publishers write placeholders, URLs and digests of other algorithms where a digest should stand. What cannot be the
//! digest that the label says makes its claim unusable; where the text is a digest of another length, its bytes are kept,
//! so that it can be told which digest of the item it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::claim::{Claim, Unusable};
use crate::digest::{Algorithm, Digest};
use crate::locator::Escaped;

/// Longer texts are not looked at: no digest is.
const LONGEST: usize = 1024;

/// How a format writes digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Hexadecimal digits only.
    Hex,
    /// Hexadecimal digits, or base64.
    HexOrBase64,
}

impl Claim {
    /// The claim with the digest that a manifest gives as `label` and `text`, or with the reason why that is none. A
    /// claim that has a usable digest already keeps it.
    #[must_use]
    pub fn labelled(mut self, label: &str, text: &[u8], writing: Writing) -> Claim {
        match read(label, text, writing) {
            Ok(digest) => {
                // A second value for one algorithm contradicts the first: neither can be relied on.
                if self.digests.of(digest.algorithm()).is_some_and(|other| *other != digest) {
                    let why = format!("it gives two different {} digests", digest.algorithm());
                    self.unusable = Some(Unusable::Impossible(why));
                    self.digests = crate::digest::Digests::new();
                    return self;
                }
                self.digests.insert(digest);
                if self.doubtful.is_none() && !matches!(self.unusable, Some(Unusable::Impossible(_))) {
                    self.unusable = None;
                }
            }
            Err(Refused { why, bytes }) => {
                let is_worse = matches!(why, Unusable::Impossible(_)) || self.digests.is_empty();
                if is_worse && !matches!(self.unusable, Some(Unusable::Impossible(_))) {
                    self.unusable = Some(why);
                    self.doubtful = bytes;
                }
            }
        }
        self
    }
}

/// Why a text is no digest of the algorithm it is labelled with.
struct Refused {
    why: Unusable,
    /// What it says, if it is a digest of something.
    bytes: Option<Vec<u8>>,
}

fn read(label: &str, text: &[u8], writing: Writing) -> Result<Digest, Refused> {
    let text = text.trim_ascii();
    let refuse = |why: Unusable, bytes: Option<Vec<u8>>| Err(Refused { why, bytes });
    if text.is_empty() {
        return refuse(Unusable::NotComputable(format!("it gives no {}", shown(label.as_bytes()))), None);
    }
    let Some(algorithm) = Algorithm::from_name(label) else {
        let why = format!("its digest is of {}, which shardproof does not compute", shown(label.as_bytes()));
        return refuse(Unusable::NotComputable(why), None);
    };
    let hex = (text.len() <= LONGEST).then(|| hex::decode(text).ok()).flatten();
    if let Some(bytes) = &hex
        && is_blank(bytes)
    {
        let why = format!("{} stands where its {algorithm} should: a placeholder", shown(text));
        return refuse(Unusable::Impossible(why), None);
    }
    let base64 = || (text.len() <= LONGEST).then(|| STANDARD.decode(text).ok()).flatten();
    match (&hex, writing) {
        (Some(bytes), _) if bytes.len() == algorithm.len() => {
            Digest::new(algorithm, bytes).map_err(|_| impossible(text, algorithm, None))
        }
        (Some(bytes), _) if is_a_length(bytes) => {
            let why = format!("it has {} digits and a {algorithm} has {}", text.len(), algorithm.len() * 2);
            refuse(Unusable::Impossible(why), hex)
        }
        (_, Writing::HexOrBase64) => match base64() {
            Some(bytes) if bytes.len() == algorithm.len() && !is_blank(&bytes) => {
                Digest::new(algorithm, &bytes).map_err(|_| impossible(text, algorithm, None))
            }
            bytes => Err(impossible(text, algorithm, bytes)),
        },
        (_, Writing::Hex) => Err(impossible(text, algorithm, base64())),
    }
}

fn impossible(text: &[u8], algorithm: Algorithm, bytes: Option<Vec<u8>>) -> Refused {
    let bytes = bytes.filter(|bytes| is_a_length(bytes) && !is_blank(bytes));
    let why = match bytes {
        Some(_) => format!("its {algorithm} is written in base64, or is none"),
        None => format!("{} stands where its {algorithm} should: a placeholder, or a mistake", shown(text)),
    };
    Refused { why: Unusable::Impossible(why), bytes }
}

/// Whether some digest has so many bytes.
fn is_a_length(bytes: &[u8]) -> bool {
    bytes.len() >= 16 && Algorithm::ALL.iter().any(|algorithm| algorithm.len() == bytes.len())
}

/// Zeros or ones all over: what stands where there is no digest, and nobody's digest.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && (bytes.iter().all(|&b| b == 0) || bytes.iter().all(|&b| b == 0xff))
}

/// A text from a manifest in a sentence: quoted, escaped and cut.
fn shown(text: &[u8]) -> String {
    const MOST: usize = 60;
    let cut = if text.len() > MOST { "…" } else { "" };
    format!("\"{}{cut}\"", Escaped(&text[..text.len().min(MOST)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{SourceId, Subject};
    use crate::locator::ItemPath;

    fn claim(label: &str, text: &str, writing: Writing) -> Claim {
        let subject = Subject::Path(ItemPath::parse(b"a").unwrap());
        Claim::new(SourceId(0), 1, subject).labelled(label, text.as_bytes(), writing)
    }

    fn refused(label: &str, text: &str, writing: Writing) -> (bool, bool) {
        let claim = claim(label, text, writing);
        assert!(claim.digests.is_empty());
        (matches!(claim.unusable, Some(Unusable::Impossible(_))), claim.doubtful.is_some())
    }

    #[test]
    fn digests_are_taken_where_they_fit_their_label() {
        let md5 = "b1946ac92492d2347c6235b4d2611184";
        let base64 = "sZRqySSS0jR8YjW00mERhA==";
        assert!(claim("md5", md5, Writing::Hex).unusable.is_none());
        assert!(claim("MD5", &md5.to_uppercase(), Writing::Hex).unusable.is_none());
        let both = (claim("md5", md5, Writing::Hex), claim("md5", base64, Writing::HexOrBase64));
        assert_eq!(both.0.digests, both.1.digests);
        assert_eq!(refused("sha256", md5, Writing::Hex), (true, true));
        assert_eq!(refused("md5", base64, Writing::Hex), (true, true));
        assert_eq!(refused("sha256", base64, Writing::HexOrBase64), (true, true));
        for placeholder in
            ["https://github.com/mlcommons/croissant/issues/80", "sha256", "foo", "deadbee", "0", "xyz"]
        {
            assert_eq!(refused("sha256", placeholder, Writing::HexOrBase64), (true, false), "{placeholder}");
        }
        assert_eq!(refused("sha256", &"0".repeat(64), Writing::Hex), (true, false));
        assert_eq!(refused("sha256", "", Writing::Hex), (false, false));
        assert_eq!(refused("whirlpool", md5, Writing::Hex), (false, false));
    }

    #[test]
    fn of_several_digests_none_may_be_wrong() {
        let md5 = b"b1946ac92492d2347c6235b4d2611184";
        let other = b"a1946ac92492d2347c6235b4d2611184";
        let first = || claim("whirlpool", "12", Writing::Hex).labelled("md5", md5, Writing::Hex);
        assert!(first().unusable.is_none() && first().digests.of(Algorithm::Md5).is_some());
        assert!(first().labelled("crc99", b"12", Writing::Hex).unusable.is_none());
        assert!(first().labelled("sha256", b"foo", Writing::Hex).unusable.is_some());
        assert!(first().labelled("md5", md5, Writing::Hex).unusable.is_none());
        let contradiction = first().labelled("md5", other, Writing::Hex);
        assert!(contradiction.unusable.is_some() && contradiction.digests.is_empty());
    }
}
