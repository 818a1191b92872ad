//! Claims that do not hold for the file at their place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::check::judgement::Claims;
use crate::check::{place_of_claim, place_of_item};
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

/// All doubts, by manifest and place, and how many claims there were to doubt.
pub fn doubts(
    claims: &Sorted<Claim>,
    items: &Sorted<Observation>,
    scratch: &Scratch,
) -> Result<(Sorted<Doubt>, Met)> {
    let mut doubts = Spool::new(scratch);
    let mut met = Met::new();
    let mut claims = claims.iter().peekable();
    let mut here: (Vec<u8>, Claims) = Default::default();
    for record in items.iter() {
        let (key, item) = record?;
        if item.kind != Kind::File || matches!(item.state, State::Unread(_)) || item.known_bad {
            continue;
        }
        let place = place_of_item(&key);
        while let Some(next) =
            claims.next_if(|r| r.as_ref().map_or(true, |(k, _)| place_of_claim(k) <= place))
        {
            let (key, claim) = next?;
            if place_of_claim(&key) != here.0 {
                here = (place_of_claim(&key).to_vec(), Claims::default());
            }
            here.1.push(claim);
        }
        if here.0 != place {
            continue;
        }
        for (claim, count) in here.1.iter() {
            let Some((label, value)) = looked_at(claim, &item, &mut met, count) else { continue };
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
            doubts.push(&key, &doubt)?;
        }
    }
    Ok((doubts.sorted()?, met))
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
    let compared = claim.digests.iter().filter_map(|d| Some((d, item.digests.of(d.algorithm())?)));
    let (agree, differ): (Vec<_>, Vec<_>) = compared.partition(|(claimed, measured)| claimed == measured);
    let (claimed, _) = agree.last().or(differ.last())?;
    *met.entry((claim.source, Some(claimed.algorithm()))).or_default() += count;
    agree.is_empty().then(|| (Some(claimed.algorithm()), claimed.bytes().to_vec()))
}
