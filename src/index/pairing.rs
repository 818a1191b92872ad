//! Pairs the claims and items of one digest, one to one. The rule of the join by digest, for what fits in memory.

use super::join::Events;
use crate::error::Result;

/// A claim or an item of the digest. Sizes come before handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) size: Option<u64>,
    pub(super) handle: u128,
}

impl Member {
    /// By size, those without one last, then by handle.
    fn order(&self) -> (bool, u64, u128) {
        (self.size.is_none(), self.size.unwrap_or(0), self.handle)
    }
}

/// Whether a claim can be answered by an item of its digest.
pub(super) fn agree(claimed: Option<u64>, seen: Option<u64>) -> bool {
    claimed.is_none() || claimed == seen
}

/// Pairs them off, lowest handles first on both sides: claims with a size with items of that size, then claims without
/// one with whatever items are left.
pub(super) fn pair_off(
    claims: &mut [Member],
    seen: &mut [Member],
    rest: &mut Vec<u128>,
    events: &mut Events<'_>,
) -> Result<()> {
    claims.sort_unstable_by_key(Member::order);
    let (sized, open) = claims.split_at(claims.partition_point(|claim| claim.size.is_some()));
    // Without sized claims any item will do, and only the handles count.
    rest.clear();
    rest.reserve_exact(seen.len());
    if sized.is_empty() {
        rest.extend(seen.iter().map(|item| item.handle));
    } else {
        seen.sort_unstable_by_key(Member::order);
        let mut items = seen.iter().peekable();
        for claim in sized {
            let before = |item: &&Member| (item.size.is_none(), item.size) < (false, claim.size);
            while let Some(item) = items.next_if(before) {
                rest.push(item.handle);
            }
            match items.next_if(|item| item.size == claim.size) {
                Some(item) => events.pair(claim.handle, item.handle)?,
                None => events.claim_left(claim.handle)?,
            }
        }
        rest.extend(items.map(|item| item.handle));
    }
    rest.sort_unstable();
    for (i, claim) in open.iter().enumerate() {
        match rest.get(i) {
            Some(&item) => events.pair(claim.handle, item)?,
            None => events.claim_left(claim.handle)?,
        }
    }
    rest.iter().skip(open.len()).try_for_each(|&item| events.seen_left(item))
}
