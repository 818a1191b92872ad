//! What digests turned out to be that do not hold as their manifest labels them.

use serde::{Deserialize, Serialize};

use super::judgement::Claims;
use crate::claim::SourceId;
use crate::digest::Digest;
use crate::observation::Observation;

/// A claimed digest that is one of the file at its place after all, only not the one that the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// The root of the file.
    pub root: u16,
    /// The claim's manifest.
    pub source: SourceId,
    /// And line.
    pub line: u64,
    /// What the digest is of.
    pub of: Fitting,
}

/// What a claimed digest is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fitting {
    /// The bytes of the file, by this algorithm.
    Bytes(Digest),
    /// What the file decompresses to.
    Content,
    /// The text with other line ends: the file is not what was published, only as a text it is the same.
    LineEnds {
        /// Whether the file has CRLF where LF was published, or the other way round.
        crlf_here: bool,
    },
}

impl Fitting {
    /// Makes the claims on a place, and the item there, say what was found out.
    pub(super) fn apply(fits: &[Fit], claims: &mut Claims, item: Option<&Observation>) {
        for fit in fits {
            for claim in claims.iter_mut().filter(|c| (c.source, c.line) == (fit.source, fit.line)) {
                match &fit.of {
                    Fitting::Bytes(digest) => claim.digests = std::iter::once(digest.clone()).collect(),
                    Fitting::Content => {
                        claim.digests =
                            item.and_then(|item| item.digests.strongest().cloned()).into_iter().collect();
                        claim.size = None;
                    }
                    Fitting::LineEnds { .. } => continue,
                }
                claim.unusable = None;
                claim.doubtful = None;
            }
        }
    }

    /// The digests of the file at `root` that were measured to find out.
    pub(super) fn measured(fits: &[Fit], root: u16) -> impl Iterator<Item = &Digest> {
        fits.iter().filter(move |fit| fit.root == root).filter_map(|fit| match &fit.of {
            Fitting::Bytes(digest) => Some(digest),
            _ => None,
        })
    }

    /// What is to be said of the file at `root` beside that it is altered.
    pub(super) fn line_ends(fits: &[Fit], root: u16) -> Option<&'static str> {
        fits.iter().find(|fit| fit.root == root).and_then(|fit| match fit.of {
            Fitting::LineEnds { crlf_here: true } => {
                Some("with LF in place of its CRLF line ends it is as published")
            }
            Fitting::LineEnds { crlf_here: false } => {
                Some("with CRLF in place of its LF line ends it is as published")
            }
            _ => None,
        })
    }
}
