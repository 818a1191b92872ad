//! The round by digest: two multisets of digests joined in bounded memory, bucket by bucket, on several threads.
//!
//! Of `n` claims and `m` items with one digest, as many pairs are made as can be, one to one, lowest handles first.
//! A claim with a size pairs only with an item of that size, and is served before those without. What comes out depends
//! on neither the order of insertion, nor the memory, nor the threads; only the order of the batches does.
//!
//! A bucket is loaded whole, its records are sorted by 32 mixed bits of their digests, and equal neighbours are
//! compared in full. One too large for its share of memory is parted by further bits; one that stays too large, since it
//! is one digest many times, is sorted through scratch files (`merge_join.rs`).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::buckets::{Bucket, Side, garbled, records};
use super::digest_records::{self, Record, mix};
use super::merge_join;
use super::pairing::{Member, agree, pair_off};
use super::spool::Scratch;
use crate::error::Result;

/// How a join ended: every record of both sides is in exactly one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Claims that were answered, and items that answered one.
    pub pairs: u64,
    /// Claims that no item answers.
    pub claims_left: u64,
    /// Items that answer no claim.
    pub seen_left: u64,
}

/// Some of what came out, a few thousand records at a time.
#[derive(Debug, Default)]
pub struct Batch {
    /// Handles of a claim and of the item that answers it.
    pub pairs: Vec<(u128, u128)>,
    /// Handles of claims that no item answers.
    pub claims_left: Vec<u128>,
    /// Handles of items that answer no claim.
    pub seen_left: Vec<u128>,
}

/// Joins claims with what was seen within `memory` bytes, of which the sides may hold a half: what they hold past that
/// is written to scratch files first, so a quarter each is the best budget for them. `sink` is called with batches, from
/// several threads at once. Each thread needs some megabytes for its buffers, however little memory is given.
///
/// # Errors
/// Where scratch files fail, or the sink does; the first failure ends the join.
///
/// # Panics
/// If the sides hold digests of different widths.
pub fn join<S>(mut claims: Side, mut seen: Side, memory: usize, threads: usize, sink: S) -> Result<Tally>
where
    S: Fn(&Batch) -> Result<()> + Sync,
{
    assert_eq!(claims.width(), seen.width(), "digests of one algorithm are joined");
    let (width, scratch) = (claims.width(), claims.scratch().clone());
    let most_held = memory / 2;
    if claims.held() + seen.held() > most_held {
        let (larger, smaller) =
            if claims.held() > seen.held() { (&mut claims, &mut seen) } else { (&mut seen, &mut claims) };
        larger.spill()?;
        if smaller.held() > most_held {
            smaller.spill()?;
        }
    }
    let threads = threads.max(1);
    let worker = Worker { width, scratch: &scratch, level: 0, memory: (memory - most_held) / threads };

    let mut buckets: Vec<(Bucket, Bucket)> =
        claims.into_buckets().into_iter().zip(seen.into_buckets()).collect();
    // The largest come last and are taken first: no thread begins a long one when the others have ended.
    buckets.sort_by_cached_key(|(claims, seen)| claims.bytes().saturating_add(seen.bytes()));
    let buckets = Mutex::new(buckets);
    let failed = AtomicBool::new(false);
    let next = || buckets.lock().ok()?.pop().filter(|_| !failed.load(Ordering::Relaxed));
    let work = || {
        let mut events = Events::new(&sink);
        let mut room = Room::default();
        let mut run = || {
            while let Some((claims, seen)) = next() {
                worker.join(claims, seen, &mut room, &mut events)?;
            }
            events.flush()
        };
        let ended = run();
        failed.fetch_or(ended.is_err(), Ordering::Relaxed);
        ended.map(|()| events.tally)
    };
    let tallies: Vec<Result<Tally>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().map(|thread| thread.join());
        // A panic of the sink goes on in the caller's thread.
        let others = joined.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        std::iter::once(own).chain(others).collect()
    });
    let mut all = Tally::default();
    for tally in tallies {
        let Tally { pairs, claims_left, seen_left } = tally?;
        all.pairs += pairs;
        all.claims_left += claims_left;
        all.seen_left += seen_left;
    }
    Ok(all)
}

/// Events until a batch is full.
pub(super) struct Events<'a> {
    sink: &'a (dyn Fn(&Batch) -> Result<()> + Sync),
    batch: Batch,
    tally: Tally,
}

impl<'a> Events<'a> {
    /// Events of a kind in one batch.
    const BATCH: usize = 4096;

    fn new(sink: &'a (dyn Fn(&Batch) -> Result<()> + Sync)) -> Self {
        Events { sink, batch: Batch::default(), tally: Tally::default() }
    }

    pub(super) fn pair(&mut self, claim: u128, item: u128) -> Result<()> {
        self.tally.pairs += 1;
        self.batch.pairs.push((claim, item));
        if self.batch.pairs.len() < Self::BATCH { Ok(()) } else { self.flush() }
    }

    pub(super) fn claim_left(&mut self, claim: u128) -> Result<()> {
        self.tally.claims_left += 1;
        self.batch.claims_left.push(claim);
        if self.batch.claims_left.len() < Self::BATCH { Ok(()) } else { self.flush() }
    }

    pub(super) fn seen_left(&mut self, item: u128) -> Result<()> {
        self.tally.seen_left += 1;
        self.batch.seen_left.push(item);
        if self.batch.seen_left.len() < Self::BATCH { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<()> {
        let Batch { pairs, claims_left, seen_left } = &mut self.batch;
        if pairs.is_empty() && claims_left.is_empty() && seen_left.is_empty() {
            return Ok(());
        }
        (self.sink)(&self.batch)?;
        self.batch.pairs.clear();
        self.batch.claims_left.clear();
        self.batch.seen_left.clear();
        Ok(())
    }
}

/// Levels of buckets: sixteen million of them at the third. What is too large then is sorted.
const LEVELS: u32 = 3;

/// Memory that joining takes for each record of a bucket beside the record: its key, and at worst its place among all
/// records of one digest.
const BESIDE: usize = size_of::<u64>() + size_of::<Member>() + size_of::<u128>();

/// What a thread needs to know to join buckets of one level.
#[derive(Clone, Copy)]
struct Worker<'a> {
    width: usize,
    scratch: &'a Scratch,
    level: u32,
    memory: usize,
}

/// Buffers that go from bucket to bucket.
#[derive(Default)]
struct Room {
    claims: Vec<u8>,
    seen: Vec<u8>,
    keys: Vec<u64>,
    claimed: Vec<Member>,
    observed: Vec<Member>,
    rest: Vec<u128>,
}

impl Worker<'_> {
    fn join(&self, claims: Bucket, seen: Bucket, room: &mut Room, events: &mut Events<'_>) -> Result<()> {
        let records = claims.records() + seen.records();
        let bytes = claims.bytes().saturating_add(seen.bytes());
        let beside = usize::try_from(records).map_or(usize::MAX, |records| records.saturating_mul(BESIDE));
        let needed = bytes.saturating_add(beside);
        // Offsets have 31 bits.
        if records <= 1 || (needed <= self.memory && bytes < 1 << 31) {
            self.join_in_memory(claims, seen, room, events)?;
            if needed > self.memory / 8 {
                // Of unequal buckets each would leave another buffer large.
                *room = Room::default();
            }
            return Ok(());
        }
        *room = Room::default();
        if self.level + 1 < LEVELS {
            self.part(claims, seen, room, events)
        } else {
            merge_join::join(claims, seen, self.width, self.scratch, self.memory, events)
        }
    }

    /// Parts two buckets by the bits of the next level and joins what comes out, all in this thread.
    fn part(&self, claims: Bucket, seen: Bucket, room: &mut Room, events: &mut Events<'_>) -> Result<()> {
        let level = self.level + 1;
        let part = |bucket: Bucket| {
            let mut side = Side::at_level(self.width, level, self.scratch, self.memory / 4);
            bucket.each(self.width, self.scratch, |record| {
                side.push(record.digest, record.size, record.handle)
            })?;
            Ok::<_, crate::error::Error>(side.into_buckets())
        };
        let (claims, seen) = (part(claims)?, part(seen)?);
        let worker = Worker { level, memory: self.memory / 2, ..*self };
        for (claims, seen) in claims.into_iter().zip(seen) {
            worker.join(claims, seen, room, events)?;
        }
        Ok(())
    }

    fn join_in_memory(
        &self,
        claims: Bucket,
        seen: Bucket,
        room: &mut Room,
        events: &mut Events<'_>,
    ) -> Result<()> {
        room.keys.clear();
        room.keys.reserve_exact((claims.records() + seen.records()) as usize);
        for (bucket, into, side) in [(claims, &mut room.claims, 0), (seen, &mut room.seen, SEEN)] {
            let used = bucket.load(self.scratch, into)?;
            let keys = &mut room.keys;
            records(into, used, self.width, |at, record| {
                keys.push(mix(record.digest) << 32 | side | at as u64);
                Ok(())
            })?;
        }
        room.keys.sort_unstable();
        let loaded = Loaded { claims: &room.claims, seen: &room.seen, width: self.width };
        for run in room.keys.chunk_by_mut(|a, b| *a >> 32 == *b >> 32) {
            match *run {
                [key] if key & SEEN == 0 => events.claim_left(loaded.record(key)?.handle)?,
                [key] => events.seen_left(loaded.record(key)?.handle)?,
                // Claims sort before items.
                [claim, item] if claim & SEEN == 0 && item & SEEN != 0 => {
                    let (claim, item) = (loaded.record(claim)?, loaded.record(item)?);
                    if claim.digest == item.digest && agree(claim.size, item.size) {
                        events.pair(claim.handle, item.handle)?;
                    } else {
                        events.claim_left(claim.handle)?;
                        events.seen_left(item.handle)?;
                    }
                }
                _ => {
                    // Equal mixes are equal digests nearly always.
                    let digest = loaded.digest(run[0]);
                    if run.iter().any(|&key| loaded.digest(key) != digest) {
                        run.sort_unstable_by(|&a, &b| loaded.digest(a).cmp(loaded.digest(b)));
                    }
                    for one in run.chunk_by(|&a, &b| loaded.digest(a) == loaded.digest(b)) {
                        let items = one.iter().filter(|&key| key & SEEN != 0).count();
                        room.claimed.clear();
                        room.claimed.reserve_exact(one.len() - items);
                        room.observed.clear();
                        room.observed.reserve_exact(items);
                        for &key in one {
                            let Record { size, handle, .. } = loaded.record(key)?;
                            let members =
                                if key & SEEN == 0 { &mut room.claimed } else { &mut room.observed };
                            members.push(Member { size, handle });
                        }
                        pair_off(&mut room.claimed, &mut room.observed, &mut room.rest, events)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// In a key, between the mix of a digest and the offset of its record: whether it was seen or claimed.
const SEEN: u64 = 1 << 31;

/// The records of a bucket, by key.
struct Loaded<'a> {
    claims: &'a [u8],
    seen: &'a [u8],
    width: usize,
}

impl<'a> Loaded<'a> {
    #[inline]
    fn from(&self, key: u64) -> &'a [u8] {
        let bytes = if key & SEEN == 0 { self.claims } else { self.seen };
        &bytes[(key & (SEEN - 1)) as usize..]
    }

    #[inline]
    fn digest(&self, key: u64) -> &'a [u8] {
        &self.from(key)[..self.width]
    }

    #[inline]
    fn record(&self, key: u64) -> Result<Record<'a>> {
        digest_records::read(self.from(key), self.width).map(|(record, _)| record).ok_or_else(garbled)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A claim or an item: which digest, its size, its handle.
    type Row = (u8, Option<u64>, u128);

    /// Everything that came out, in order.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Outcome {
        pairs: Vec<(u128, u128)>,
        claims_left: Vec<u128>,
        seen_left: Vec<u128>,
    }

    impl Outcome {
        fn sorted(mut self) -> Self {
            self.pairs.sort_unstable();
            self.claims_left.sort_unstable();
            self.seen_left.sort_unstable();
            self
        }
    }

    /// Digests that share what they can: only the last byte, or the fourth, differs.
    fn digest(which: u8, width: usize) -> Vec<u8> {
        let mut digest = vec![7; width];
        digest[if which < 128 { width - 1 } else { 3 }] = which;
        digest
    }

    struct Setting {
        width: usize,
        budget: usize,
        memory: usize,
        threads: usize,
        workers: usize,
    }

    fn side(rows: &[Row], scratch: &Scratch, setting: &Setting) -> Side {
        let new = || Side::new(setting.width, scratch, setting.budget);
        let mut workers: Vec<Side> = (0..setting.workers).map(|_| new()).collect();
        for (i, &(which, size, handle)) in rows.iter().enumerate() {
            workers[i % setting.workers].push(&digest(which, setting.width), size, handle).unwrap();
        }
        let mut all = new();
        workers.into_iter().for_each(|worker| all.absorb(worker).unwrap());
        assert_eq!(all.len(), rows.len() as u64);
        all
    }

    fn outcome(claims: &[Row], seen: &[Row], setting: &Setting) -> (Outcome, u64) {
        let scratch = Scratch::new(&std::env::temp_dir(), 1 << 20);
        let (claims, seen) = (side(claims, &scratch, setting), side(seen, &scratch, setting));
        let all = Mutex::new(Outcome::default());
        let tally = join(claims, seen, setting.memory, setting.threads, |batch| {
            let mut all = all.lock().unwrap();
            all.pairs.extend(&batch.pairs);
            all.claims_left.extend(&batch.claims_left);
            all.seen_left.extend(&batch.seen_left);
            Ok(())
        })
        .unwrap();
        let all = all.into_inner().unwrap().sorted();
        let counted = Tally {
            pairs: all.pairs.len() as u64,
            claims_left: all.claims_left.len() as u64,
            seen_left: all.seen_left.len() as u64,
        };
        assert_eq!(tally, counted);
        (all, scratch.spilled())
    }

    /// The rule, as slowly as it can be said.
    fn model(claims: &[Row], seen: &[Row]) -> Outcome {
        let mut items: BTreeMap<u8, Vec<(u128, Option<u64>)>> = BTreeMap::new();
        for &(which, size, handle) in seen {
            items.entry(which).or_default().push((handle, size));
        }
        items.values_mut().for_each(|items| items.sort_unstable());
        let mut claims = claims.to_vec();
        claims.sort_unstable_by_key(|&(which, size, handle)| (which, size.is_none(), size, handle));
        let mut all = Outcome::default();
        for (which, claimed, claim) in claims {
            let items = items.entry(which).or_default();
            let found = items.iter().position(|&(_, size)| claimed.is_none() || size == claimed);
            match found {
                Some(at) => all.pairs.push((claim, items.remove(at).0)),
                None => all.claims_left.push(claim),
            }
        }
        all.seen_left = items.into_values().flatten().map(|(handle, _)| handle).collect();
        all.sorted()
    }

    /// Rows with handles of all lengths, in any order.
    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let size = prop::sample::select(vec![None, Some(0), Some(1), Some(300), Some(u64::MAX)]);
        let which = prop_oneof![Just(1u8), 0..4u8, any::<u8>()];
        let handles = prop::collection::btree_set(prop_oneof![0..400u128, any::<u128>()], 0..120);
        let rows = (prop::collection::vec((which, size), 120), handles).prop_map(|(contents, handles)| {
            let row = |((which, size), handle)| (which, size, handle);
            contents.into_iter().zip(handles).map(row).collect::<Vec<Row>>()
        });
        rows.prop_shuffle()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn joins_are_what_the_rule_says_whatever_the_memory_and_threads(
            claims in rows(),
            seen in rows(),
            width in prop::sample::select(vec![4usize, 16, 20, 32, 64]),
            // One byte: every block is written, buckets are parted again and those sorted.
            budget in prop::sample::select(vec![1usize, 20_000, 1 << 20]),
            memory in prop::sample::select(vec![1usize, 4_000, 50_000, 4 << 20]),
            workers in 1usize..4,
        ) {
            let expected = model(&claims, &seen);
            for threads in [1, 2, 7] {
                let setting = Setting { width, budget, memory, threads, workers };
                let (got, spilled) = outcome(&claims, &seen, &setting);
                prop_assert_eq!(&got, &expected);
                let most = budget.saturating_mul(workers + 1);
                prop_assert!(spilled > 0 || claims.len() + seen.len() < 100 || most > 20_000);
            }
        }
    }

    #[test]
    fn one_digest_a_million_times_is_no_harder_than_many_digests() {
        let n = 1_000_000;
        // Handles in no order; sizes on every second item, and on every fourth claim.
        let shuffled = |i: u64| u128::from(i.wrapping_mul(0x9e37_79b1) % (1 << 32));
        let claims: Vec<Row> = (0..n).map(|i| (1, (i % 4 == 0).then_some(5), shuffled(i))).collect();
        let seen: Vec<Row> = (0..n + 7).map(|i| (1, (i % 2 == 0).then_some(5), shuffled(i))).collect();
        let setting =
            |memory: usize| Setting { width: 32, budget: memory / 4, memory, threads: 2, workers: 1 };
        let (held, spilled) = outcome(&claims, &seen, &setting(1 << 30));
        assert_eq!(spilled, 0);
        assert_eq!((held.pairs.len(), held.claims_left.len(), held.seen_left.len()), (1_000_000, 0, 7));
        let (sorted, spilled) = outcome(&claims, &seen, &setting(16 << 20));
        assert!(spilled > 80_000_000, "{spilled} bytes were written");
        assert!(held == sorted, "what came out depends on the memory");
    }

    #[test]
    fn empty_sides_leave_the_other_one() {
        let rows: Vec<Row> = (0..10).map(|i| (i, None, u128::from(i))).collect();
        let setting = Setting { width: 20, budget: 1 << 20, memory: 4 << 20, threads: 2, workers: 1 };
        assert_eq!(outcome(&rows, &[], &setting).0.claims_left.len(), 10);
        assert_eq!(outcome(&[], &rows, &setting).0.seen_left.len(), 10);
        assert_eq!(outcome(&[], &[], &setting).0, Outcome::default());
    }

    #[test]
    fn a_sink_that_fails_ends_the_join() {
        let scratch = Scratch::new(&std::env::temp_dir(), 1 << 20);
        let mut claims = Side::new(4, &scratch, 1 << 20);
        for i in 0..50_000u32 {
            claims.push(&i.to_le_bytes(), None, u128::from(i)).unwrap();
        }
        let seen = Side::new(4, &scratch, 1 << 20);
        let failing = |_: &Batch| Err(crate::error::Error::Usage("enough".to_string()));
        assert_eq!(join(claims, seen, 8 << 20, 2, failing).unwrap_err().to_string(), "enough");
    }
}
