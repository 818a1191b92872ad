//! Claims that do not hold for the file at their place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::check::judgement::Claims;
use crate::check::places::Onlooker;
use crate::claim::{Claim, SourceId};
use crate::digest::{Algorithm, Digests};
use crate::error::Result;
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::observation::{Kind, Observation, Stamp, State};

/// A digest that does not hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Doubt {
    /// The root of the file.
    pub root: u16,
    /// The file, below its root.
    pub path: Vec<u8>,
    /// The claim's manifest.
    pub source: SourceId,
    /// And line.
    pub line: u64,
    /// The bytes of the digest.
    pub value: Vec<u8>,
    /// The algorithm that it is labelled with; `None` where it cannot be that.
    pub label: Option<Algorithm>,
    /// The size claimed.
    pub size: Option<u64>,
    /// What was measured of the file.
    pub measured: Digests,
    /// Its length in bytes.
    pub length: u64,
    /// Its state when it was listed.
    pub stamp: Option<Stamp>,
}

impl Doubt {
    /// Where the file is.
    pub fn file(&self, roots: &[PathBuf]) -> Option<PathBuf> {
        roots.get(usize::from(self.root)).map(|root| crate::audit::listing::join(root, &self.path))
    }
}

/// How many claims of a manifest with one label met a file that could be compared.
pub type Met = BTreeMap<(SourceId, Option<Algorithm>), u64>;

/// What is doubted while claims and files meet.
pub struct Doubts {
    doubts: Spool<Doubt>,
    met: Met,
}

impl Doubts {
    /// None yet.
    pub fn new(scratch: &Scratch) -> Doubts {
        Doubts { doubts: Spool::new(scratch), met: Met::new() }
    }

    /// All doubts, by manifest and place, and how many claims there were to doubt.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn sorted(self) -> Result<(Sorted<Doubt>, Met)> {
        Ok((self.doubts.sorted()?, self.met))
    }
}

impl Onlooker for Doubts {
    fn meets(&mut self, place: &[u8], claims: &Claims, item: &Observation) -> Result<()> {
        if item.kind != Kind::File || matches!(item.state, State::Unread(_)) || item.known_bad {
            return Ok(());
        }
        for (claim, count) in claims.iter() {
            let Some((label, value)) = looked_at(claim, item, &mut self.met, count) else { continue };
            let doubt = Doubt {
                root: item.locator.root.unwrap_or(0),
                path: item.locator.shard.clone(),
                source: claim.source,
                line: claim.line,
                value,
                label,
                size: claim.size,
                measured: item.digests.clone(),
                length: item.length,
                stamp: item.stamp,
            };
            let mut key = claim.source.0.to_be_bytes().to_vec();
            key.extend_from_slice(place);
            self.doubts.push(&key, &doubt)?;
        }
        Ok(())
    }
}

/// Counts a claim that was compared with a file; its label and value if it does not hold.
fn looked_at(
    claim: &Claim,
    item: &Observation,
    met: &mut Met,
    count: u64,
) -> Option<(Option<Algorithm>, Vec<u8>)> {
    if claim.yields || claim.interrupted || claim.inside.is_some() || claim.url.is_some() {
        return None;
    }
    if let Some(bytes) = &claim.doubtful {
        *met.entry((claim.source, None)).or_default() += count;
        return Some((None, bytes.clone()));
    }
    if claim.unusable.is_some() {
        return None;
    }
    // The strongest that agree, and the strongest that do not.
    let (mut agrees, mut differs) = (None, None);
    for claimed in claim.digests.iter() {
        if let Some(measured) = item.digests.of(claimed.algorithm()) {
            *if measured == claimed { &mut agrees } else { &mut differs } = Some(claimed);
        }
    }
    let claimed = agrees.or(differs)?;
    *met.entry((claim.source, Some(claimed.algorithm()))).or_default() += count;
    agrees.is_none().then(|| (Some(claimed.algorithm()), claimed.bytes().to_vec()))
}
