//! The second round: what is left on both sides, joined by digest. Claimed here, found there.

use serde::{Deserialize, Serialize};

use super::places::{Absent, Leftovers, Loose, Role};
use crate::claim::SourceId;
use crate::digest::{Algorithm, Digest, DigestSet};
use crate::error::Result;
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::place_key;
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
    /// An index claims it as a part of a file: where that file moved as a whole, it needs no word of its own.
    pub inside: bool,
}

/// The pairs that the round found.
pub struct Pairs {
    /// For each item found elsewhere, by [`item_key`], where it belongs.
    pub homes: Sorted<Home>,
    /// The absent names that were found, by place, each with where.
    pub found: Sorted<String>,
}

/// Pairs absent names with loose items of equal content, one to one: a second copy of a moved item is not a move. Names
/// are sought by the strongest digest claimed of them, the strongest algorithm first.
///
/// # Errors
/// Where scratch files fail.
pub fn settle(left: &Leftovers, scratch: &Scratch) -> Result<Pairs> {
    let mut algorithms = DigestSet::EMPTY;
    for record in left.absent.iter() {
        if let Some(strongest) = record?.1.digests.strongest() {
            algorithms.insert(strongest.algorithm());
        }
    }
    let mut homes: Spool<Home> = Spool::new(scratch);
    let mut found = Spool::new(scratch);
    let mut used: Vec<Sorted<()>> = Vec::new();
    let strongest_first: Vec<Algorithm> = algorithms.iter().collect();
    for algorithm in strongest_first.into_iter().rev() {
        let wanted = wanted(left, algorithm, scratch)?;
        let offered = offered(left, algorithm, &used, scratch)?;
        let mut taken = Spool::new(scratch);
        pair_off(&wanted, &offered, |absent, digest, key, loose| {
            found.push(&super::claim_key(&place_key(&absent.name)), &loose.seen.locator.to_string())?;
            taken.push(key, &())?;
            let Absent { name, source, line, shard, shard_is_here, .. } = absent;
            let (name, digest, inside) = (name.clone(), digest.clone(), shard.is_some() && !shard_is_here);
            homes.push(key, &Home { name, source: *source, line: *line, digest, inside })
        })?;
        used.push(taken.sorted()?);
    }
    Ok(Pairs { homes: homes.sorted()?, found: found.sorted()? })
}

/// Absent names by the content that is sought, where this algorithm is the strongest claimed.
fn wanted(left: &Leftovers, algorithm: Algorithm, scratch: &Scratch) -> Result<Sorted<Absent>> {
    let mut wanted = Spool::new(scratch);
    for record in left.absent.iter() {
        let (_, absent) = record?;
        if let Some(strongest) = absent.digests.strongest().filter(|d| d.algorithm() == algorithm) {
            wanted.push(strongest.bytes(), &absent)?;
        }
    }
    wanted.sorted()
}

/// Loose items by content, those left out that belong somewhere already.
fn offered(
    left: &Leftovers,
    algorithm: Algorithm,
    used: &[Sorted<()>],
    scratch: &Scratch,
) -> Result<Sorted<(Vec<u8>, Loose)>> {
    let mut offered = Spool::new(scratch);
    let mut used: Vec<_> = used.iter().map(|keys| keys.iter().peekable()).collect();
    for record in left.loose.iter() {
        let (key, loose) = record?;
        let mut taken = false;
        for keys in &mut used {
            while let Some(next) = keys.next_if(|r| r.as_ref().map_or(true, |(k, ())| *k <= key)) {
                taken |= next?.0 == key;
            }
        }
        if taken || !can_be_a_home(&loose) {
            continue;
        }
        for digest in loose.seen.digests.of(algorithm).into_iter().chain(decompressed(&loose, algorithm)) {
            offered.push(digest.bytes(), &(key.clone(), loose.clone()))?;
        }
    }
    offered.sorted()
}

/// The digest of what a compressed archive decompresses to: the same archive under another name, only compressed.
fn decompressed(loose: &Loose, algorithm: Algorithm) -> Option<&Digest> {
    loose.seen.stream.as_ref().and_then(|(digests, _)| digests.of(algorithm))
}

/// Items of one content that no name has taken yet are kept while that content is sought: more than this are passed
/// over, and are copies of each other anyway.
const WAITING: usize = 1024;

fn pair_off(
    wanted: &Sorted<Absent>,
    offered: &Sorted<(Vec<u8>, Loose)>,
    mut pair: impl FnMut(&Absent, &Digest, &[u8], &Loose) -> Result<()>,
) -> Result<()> {
    let mut offered = offered.iter().peekable();
    let mut waiting: Vec<(Vec<u8>, Loose)> = Vec::new();
    let mut current: Vec<u8> = Vec::new();
    for record in wanted.iter() {
        let (content, absent) = record?;
        if content != current {
            waiting.clear();
            current.clone_from(&content);
        }
        while let Some(next) = offered.next_if(|r| r.as_ref().map_or(true, |(key, _)| *key < content)) {
            next?;
        }
        let mut candidate =
            waiting.iter().position(|(_, loose)| agrees(&absent, loose)).map(|at| waiting.remove(at));
        while candidate.is_none()
            && let Some(next) = offered.next_if(|r| r.as_ref().map_or(true, |(key, _)| *key == content))
        {
            let (_, (key, loose)) = next?;
            if agrees(&absent, &loose) {
                candidate = Some((key, loose));
            } else if waiting.len() < WAITING {
                waiting.push((key, loose));
            }
        }
        if let (Some((key, loose)), Some(digest)) = (candidate, absent.digests.strongest()) {
            pair(&absent, digest, &key, &loose)?;
        }
    }
    Ok(())
}

/// Files and samples can be what was claimed elsewhere; hidden bytes cannot, nor what was not read.
pub(super) fn can_be_a_home(loose: &Loose) -> bool {
    let seen = &loose.seen;
    seen.state == State::Read
        && !seen.hidden
        && matches!(seen.kind, Kind::File | Kind::Member | Kind::Stream)
        && !(loose.role == Role::InAltered && seen.kind == Kind::Stream)
}

/// Whether nothing else that is claimed of the name speaks against the item, or against what it decompresses to.
fn agrees(absent: &Absent, loose: &Loose) -> bool {
    let whole = (&loose.seen.digests, loose.seen.length);
    let stream = loose.seen.stream.as_ref().map(|(digests, length)| (digests, *length));
    std::iter::once(whole).chain(stream).any(|(digests, length)| {
        let compared = |claimed: &Digest| digests.of(claimed.algorithm()).map(|measured| measured == claimed);
        absent.size.is_none_or(|size| size == length)
            && absent.digests.strongest().and_then(compared) == Some(true)
            && absent.digests.iter().all(|claimed| compared(claimed) != Some(false))
    })
}
