//! The second round: what is left on both sides, joined by digest. Claimed here, found there.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::places::{Absent, Leftovers, Loose, Role};
use super::{is_below, place_of_claim, place_of_item, root_of_item};
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
/// Files of which an index claims the samples come before all else: where one was found as a whole, its samples were
/// found with it, and answer for no others.
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
    let mut strongest_first: Vec<Algorithm> = algorithms.iter().collect();
    strongest_first.reverse();
    let mut whole = Whole { names: Spool::new(scratch).sorted()?, items: Spool::new(scratch).sorted()? };
    let mut answered: Vec<Sorted<()>> = Vec::new();
    for containers in [true, false] {
        let mut found_now = Spool::new(scratch);
        let mut taken_now = Spool::new(scratch);
        let layers = [Layer::Itself, Layer::Decompressed].into_iter();
        let passes =
            layers.flat_map(|layer| strongest_first.iter().map(move |&algorithm| (layer, algorithm)));
        for (layer, algorithm) in passes {
            let wanted = wanted(left, algorithm, containers, &whole, &answered, scratch)?;
            if wanted.is_empty() {
                continue;
            }
            let sought = Sought { algorithm, layer, files_only: containers };
            let offered = offered(left, sought, &whole, &used, scratch)?;
            let mut taken = Spool::new(scratch);
            let mut names = Spool::new(scratch);
            pair_off(&wanted, &offered, |absent, digest, key, loose| {
                let place = super::claim_key(&place_key(&absent.name));
                found.push(&place, &loose.seen.locator.to_string())?;
                names.push(&place, &())?;
                if containers {
                    found_now.push(&place, &())?;
                    taken_now.push(key, &())?;
                }
                taken.push(key, &())?;
                let Absent { name, source, line, shard, shard_is_here, .. } = absent;
                let (name, digest) = (name.clone(), digest.clone());
                let inside = shard.is_some() && !shard_is_here;
                homes.push(key, &Home { name, source: *source, line: *line, digest, inside })
            })?;
            used.push(taken.sorted()?);
            answered.push(names.sorted()?);
        }
        if containers {
            whole = Whole { names: found_now.sorted()?, items: taken_now.sorted()? };
        }
    }
    Ok(Pairs { homes: homes.sorted()?, found: found.sorted()? })
}

/// What of an item is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// Its own bytes.
    Itself,
    /// What it decompresses to: the same archive under another name, only compressed.
    Decompressed,
}

/// What is sought in one pass.
#[derive(Clone, Copy)]
struct Sought {
    algorithm: Algorithm,
    layer: Layer,
    files_only: bool,
}

/// Files that were found as a whole with all samples that an index claims of them: as claimed, by place, and as they
/// were seen, by item key.
struct Whole {
    names: Sorted<()>,
    items: Sorted<()>,
}

/// Absent names by the content that is sought, where this algorithm is the strongest claimed: of files whose samples an
/// index claims (`containers`), or else of whatever was not found with one of those.
fn wanted(
    left: &Leftovers,
    algorithm: Algorithm,
    containers: bool,
    whole: &Whole,
    answered: &[Sorted<()>],
    scratch: &Scratch,
) -> Result<Sorted<Absent>> {
    let mut wanted = Spool::new(scratch);
    let mut answered: Vec<_> = answered.iter().map(|keys| keys.iter().peekable()).collect();
    let mut names = whole.names.iter().peekable();
    let mut holder: Option<Vec<u8>> = None;
    for record in left.absent.iter() {
        let (key, absent) = record?;
        while let Some(next) = names.next_if(|r| r.as_ref().map_or(true, |(k, ())| *k <= key)) {
            holder = Some(place_of_claim(&next?.0).to_vec());
        }
        let mut is_answered = false;
        for keys in &mut answered {
            while let Some(next) = keys.next_if(|r| r.as_ref().map_or(true, |(k, _)| *k <= key)) {
                is_answered |= next?.0 == key;
            }
        }
        let place = place_of_claim(&key);
        let is_held = holder.as_ref().is_some_and(|holder| place == holder || is_below(place, holder));
        if is_answered || is_held || (containers && absent.inside.is_none()) {
            continue;
        }
        if let Some(strongest) = absent.digests.strongest().filter(|d| d.algorithm() == algorithm) {
            wanted.push(strongest.bytes(), &absent)?;
        }
    }
    wanted.sorted()
}

/// Loose items by content, those left out that belong somewhere already, or with the file that holds them.
fn offered(
    left: &Leftovers,
    sought: Sought,
    whole: &Whole,
    used: &[Sorted<()>],
    scratch: &Scratch,
) -> Result<Sorted<(Vec<u8>, Loose)>> {
    let mut offered = Spool::new(scratch);
    let mut used: Vec<_> = used.iter().map(|keys| keys.iter().peekable()).collect();
    let mut files = whole.items.iter().peekable();
    let mut holders: HashMap<u16, Vec<u8>> = HashMap::new();
    for record in left.loose.iter() {
        let (key, loose) = record?;
        let mut taken = false;
        for keys in &mut used {
            while let Some(next) = keys.next_if(|r| r.as_ref().map_or(true, |(k, ())| *k <= key)) {
                taken |= next?.0 == key;
            }
        }
        let root = loose.seen.locator.root.unwrap_or(0);
        while let Some(next) = files.next_if(|r| r.as_ref().map_or(true, |(k, ())| *k <= key)) {
            let file = next?.0;
            holders.insert(root_of_item(&file), place_of_item(&file).to_vec());
        }
        let place = place_of_item(&key);
        let is_held =
            holders.get(&root).is_some_and(|holder| place == holder.as_slice() || is_below(place, holder));
        if taken || is_held || (sought.files_only && loose.seen.kind != Kind::File) || !can_be_a_home(&loose)
        {
            continue;
        }
        let digests = match sought.layer {
            Layer::Itself => Some(&loose.seen.digests),
            Layer::Decompressed => loose.seen.stream.as_ref().map(|(digests, _)| digests),
        };
        if let Some(digest) = digests.and_then(|digests| digests.of(sought.algorithm)) {
            offered.push(digest.bytes(), &(key, loose.clone()))?;
        }
    }
    offered.sorted()
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

/// Files and samples can be what was claimed elsewhere; hidden bytes cannot, nor what was not read, nor a file in the
/// place of a claimed one, whose content is told sample by sample.
pub(super) fn can_be_a_home(loose: &Loose) -> bool {
    let seen = &loose.seen;
    seen.state == State::Read
        && !seen.hidden
        && matches!(seen.kind, Kind::File | Kind::Member | Kind::Stream)
        && !matches!(loose.role, Role::Altered(_))
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
