//! What digests turned out to be that do not hold as their manifest labels them.

use serde::{Deserialize, Serialize};

use super::judgement::Claims;
use crate::claim::{Claim, SourceId};
use crate::digest::{Digest, DigestSet};
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
    /// The digest as it is claimed.
    pub value: Vec<u8>,
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

impl Fit {
    /// Puts what was found out in the place of the digest that does not hold.
    fn amend(&self, claim: &mut Claim, item: &Observation) {
        let doubted = claim.digests.iter().find(|digest| digest.bytes() == self.value);
        let doubted = doubted.map(|digest| DigestSet::of(digest.algorithm()));
        if doubted.is_none() && claim.doubtful.as_ref() != Some(&self.value) {
            return;
        }
        let others = claim.digests.set().minus(doubted.unwrap_or(DigestSet::EMPTY));
        let mut digests = claim.digests.clone().only(others);
        let holds = match &self.of {
            // Where it does not go in, there is another value for its algorithm: the claim contradicts itself.
            Fitting::Bytes(digest) => digests.insert(digest.clone()),
            Fitting::Content => {
                claim.size = None;
                item.digests.strongest().is_some_and(|measured| digests.insert(measured.clone()))
            }
            Fitting::LineEnds { .. } => false,
        };
        if holds {
            claim.digests = digests;
            claim.unusable = None;
            claim.doubtful = None;
        }
    }
}

impl Fitting {
    /// The claims on the place of an item, as they are after what was found out about it. Digests of a claim that are
    /// not in doubt stay as they are.
    pub(super) fn apply(fits: &[Fit], claims: &Claims, item: &Observation) -> Claims {
        let mut claims = claims.clone();
        let root = item.locator.root.unwrap_or(0);
        for fit in fits.iter().filter(|fit| fit.root == root) {
            for claim in claims.iter_mut().filter(|c| (c.source, c.line) == (fit.source, fit.line)) {
                fit.amend(claim, item);
            }
        }
        claims
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
