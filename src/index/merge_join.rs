//! The join by digest for a bucket that no partition makes small enough, as where one digest stands a million times:
//! both sides are sorted through scratch files and run past each other.

use super::buckets::Bucket;
use super::join::Events;
use super::spool::{Scratch, Sorted, Spool};
use crate::error::Result;

/// Joins two buckets within `memory` bytes and the fixed buffers of four spools.
pub(super) fn join(
    claims: Bucket,
    seen: Bucket,
    width: usize,
    scratch: &Scratch,
    memory: usize,
    events: &mut Events<'_>,
) -> Result<()> {
    // Four spools hold something at one time, and the vectors in them may be twice as large as what they hold.
    let spools = scratch.with_budget(memory / 8);
    let mut key = Vec::with_capacity(width + 25);
    let mut sized: Spool<()> = Spool::new(&spools);
    let mut open: Spool<()> = Spool::new(&spools);
    claims.each(width, scratch, |claim| match claim.size {
        Some(_) => sized.push(key_of(&mut key, claim.digest, Some(claim.size), claim.handle), &()),
        None => open.push(key_of(&mut key, claim.digest, None, claim.handle), &()),
    })?;
    let mut items: Spool<()> = Spool::new(&spools);
    seen.each(width, scratch, |item| {
        items.push(key_of(&mut key, item.digest, Some(item.size), item.handle), &())
    })?;

    let mut rest: Spool<()> = Spool::new(&spools);
    run_past(&sized.sorted()?, &items.sorted()?, |step| match step {
        Step::Pair(claim, item) => events.pair(handle_of(claim), handle_of(item)),
        Step::First(claim) => events.claim_left(handle_of(claim)),
        Step::Second(item) => rest.push(key_of(&mut key, &item[..width], None, handle_of(item)), &()),
    })?;
    run_past(&open.sorted()?, &rest.sorted()?, |step| match step {
        Step::Pair(claim, item) => events.pair(handle_of(claim), handle_of(item)),
        Step::First(claim) => events.claim_left(handle_of(claim)),
        Step::Second(item) => events.seen_left(handle_of(item)),
    })
}

/// What sorts as the rule of pairing wants it: the digest, the size where it counts, none last, then the handle.
fn key_of<'a>(key: &'a mut Vec<u8>, digest: &[u8], size: Option<Option<u64>>, handle: u128) -> &'a [u8] {
    key.clear();
    key.extend_from_slice(digest);
    if let Some(size) = size {
        key.push(u8::from(size.is_none()));
        key.extend_from_slice(&size.unwrap_or(0).to_be_bytes());
    }
    key.extend_from_slice(&handle.to_be_bytes());
    key
}

const HANDLE: usize = size_of::<u128>();

fn handle_of(key: &[u8]) -> u128 {
    let mut handle = [0; HANDLE];
    handle.copy_from_slice(&key[key.len() - HANDLE..]);
    u128::from_be_bytes(handle)
}

enum Step<'a> {
    Pair(&'a [u8], &'a [u8]),
    First(&'a [u8]),
    Second(&'a [u8]),
}

/// Pairs keys that are equal up to their handles, one to one in order, and tells those that are left.
fn run_past(
    first: &Sorted<()>,
    second: &Sorted<()>,
    mut step: impl FnMut(Step<'_>) -> Result<()>,
) -> Result<()> {
    let content = |key: &[u8]| key.len() - HANDLE;
    let (mut first, mut second) = (first.iter(), second.iter());
    let (mut a, mut b) = (first.next().transpose()?, second.next().transpose()?);
    loop {
        match (&a, &b) {
            (None, None) => return Ok(()),
            (Some((x, ())), Some((y, ()))) if x[..content(x)] == y[..content(y)] => {
                step(Step::Pair(x, y))?;
                a = first.next().transpose()?;
                b = second.next().transpose()?;
            }
            (Some((x, ())), other) if other.as_ref().is_none_or(|(y, ())| x < y) => {
                step(Step::First(x))?;
                a = first.next().transpose()?;
            }
            (_, Some((y, ()))) => {
                step(Step::Second(y))?;
                b = second.next().transpose()?;
            }
            (Some(_), None) => return Ok(()),
        }
    }
}
