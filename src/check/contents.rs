//! The second round: what is left on both sides, joined by digest. Claimed here, found there.

use serde::{Deserialize, Serialize};

use super::places::{Absent, Leftovers, Loose, Role};
use crate::claim::SourceId;
use crate::digest::Digest;
use crate::error::Result;
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::observation::{Kind, State};

/// Where an item that was found elsewhere belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// The name it is claimed under.
    pub name: Vec<u8>,
    /// The claim's manifest.
    pub source: SourceId,
    /// And line.
    pub line: u64,
    /// The digest by which it was found.
    pub digest: Digest,
}

/// The pairs that the round found.
pub struct Pairs {
    /// For each item found elsewhere, by [`item_key`], where it belongs.
    pub homes: Sorted<Home>,
    /// The absent names that were found, by place, each with where.
    pub found: Sorted<String>,
}

/// Pairs absent names with loose items of equal content, one to one: a second copy of a moved item is not a move.
///
/// # Errors
/// Where scratch files fail.
pub fn settle(left: &Leftovers, scratch: &Scratch) -> Result<Pairs> {
    let mut wanted: Spool<Absent> = Spool::new(scratch);
    let mut algorithms = crate::digest::DigestSet::EMPTY;
    for record in left.absent.iter() {
        let (_, absent) = record?;
        if let Some(strongest) = absent.digests.strongest() {
            algorithms.insert(strongest.algorithm());
            wanted.push(&content_key(strongest), &absent)?;
        }
    }
    let wanted = wanted.sorted()?;
    let mut homes = Spool::new(scratch);
    let mut found = Spool::new(scratch);
    if wanted.is_empty() {
        return Ok(Pairs { homes: homes.sorted()?, found: found.sorted()? });
    }
    let mut offered: Spool<(Vec<u8>, Loose)> = Spool::new(scratch);
    for record in left.loose.iter() {
        let (key, loose) = record?;
        if !can_be_a_home(&loose) {
            continue;
        }
        for digest in loose.seen.digests.iter().filter(|d| algorithms.contains(d.algorithm())) {
            offered.push(&content_key(digest), &(key.clone(), loose.clone()))?;
        }
    }
    let offered = offered.sorted()?;
    let mut offered = offered.iter().peekable();
    for record in wanted.iter() {
        let (content, absent) = record?;
        // Both sides are sorted by content, so equal contents pair off in order.
        while let Some(Ok((key, _))) = offered.peek()
            && *key < content
        {
            offered.next();
        }
        let Some(candidate) = offered.next_if(|r| r.as_ref().map_or(true, |(key, _)| *key == content)) else {
            continue;
        };
        let (_, (key, loose)) = candidate?;
        if !agrees(&absent, &loose) {
            continue;
        }
        let Some(digest) = absent.digests.strongest().cloned() else { continue };
        found.push(
            &super::claim_key(&crate::locator::place_key(&absent.name)),
            &loose.seen.locator.to_string(),
        )?;
        homes.push(&key, &Home { name: absent.name, source: absent.source, line: absent.line, digest })?;
    }
    Ok(Pairs { homes: homes.sorted()?, found: found.sorted()? })
}

/// Files and samples can be what was claimed elsewhere; hidden bytes cannot, nor what was not read.
fn can_be_a_home(loose: &Loose) -> bool {
    let seen = &loose.seen;
    seen.state == State::Read
        && !seen.hidden
        && matches!(seen.kind, Kind::File | Kind::Member | Kind::Stream | Kind::Cell)
        && !(loose.role == Role::InAltered && seen.kind == Kind::Stream)
}

/// Whether nothing else that is claimed of the name speaks against the item.
fn agrees(absent: &Absent, loose: &Loose) -> bool {
    let size = absent.size.is_none_or(|size| size == loose.seen.length);
    let digests = absent
        .digests
        .iter()
        .all(|claimed| loose.seen.digests.of(claimed.algorithm()).is_none_or(|measured| measured == claimed));
    size && digests
}

fn content_key(digest: &Digest) -> Vec<u8> {
    let mut key = vec![digest.algorithm() as u8];
    key.extend_from_slice(digest.bytes());
    key
}
