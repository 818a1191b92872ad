//! The joins: records with records, then values with values, the strongest algorithm first.

use std::sync::Mutex;

use super::super::contents::{Home, Pairs};
use super::super::places::{Absent, Leftovers};
use super::Sides;
use super::marks::{Beside, Gate, Mark, Marks, key_of_claim, key_of_item, open_claims, open_items};
use crate::digest::{Algorithm, Digest, DigestSet};
use crate::error::Result;
use crate::index::buckets::Side;
use crate::index::join::{Batch, join};
use crate::index::observations::StoredRow;
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::place_key;
use crate::observation::{Kind, Observation, State};

/// Marks of all stores.
pub struct Marked {
    pub claimed: Option<Marks>,
    pub seen: Vec<Marks>,
}

/// A handle in a join: what it is about, a number that files of one name share, and the place.
///
/// Handles pair lowest first, so the highest bit keeps for last what should not be taken while there is better.
#[derive(Clone, Copy)]
struct Handle {
    /// A sample put together from members, which claims nothing for itself.
    derived: bool,
    /// It has a name: an ordinal among those, not a place in a store.
    named: bool,
    /// Which of the stores.
    store: u8,
    /// Of the file's name.
    file: u64,
    /// Where in the store, or which of those with names.
    at: u64,
}

/// Bits of a file's number that a handle keeps.
const FILE_BITS: u64 = (1 << 54) - 1;

impl Handle {
    fn pack(self) -> u128 {
        u128::from(self.derived) << 127
            | u128::from(!self.named) << 126
            | u128::from(self.file & FILE_BITS) << 72
            | u128::from(self.store) << 64
            | u128::from(self.at)
    }

    fn unpack(packed: u128) -> Handle {
        Handle {
            derived: packed >> 127 & 1 == 1,
            named: packed >> 126 & 1 == 0,
            file: (packed >> 72) as u64 & FILE_BITS,
            store: (packed >> 64) as u8,
            at: packed as u64,
        }
    }
}

/// Runs all joins.
pub fn run(left: &Leftovers, pairs: &mut Pairs, sides: &Sides<'_>, scratch: &Scratch) -> Result<Marked> {
    let rounds = Rounds { left, sides, scratch };
    let (claimed, seen) = rounds.records()?;
    rounds.values(pairs, claimed, seen)
}

/// Marks of claimed rows, and of the rows of each store.
type RecordMarks = (Option<Sorted<Mark>>, Vec<Sorted<Mark>>);

struct Rounds<'a> {
    left: &'a Leftovers,
    sides: &'a Sides<'a>,
    scratch: &'a Scratch,
}

impl Rounds<'_> {
    fn side(&self, width: usize) -> Side {
        Side::new(width, self.scratch, self.sides.memory / 4)
    }

    /// Walks the rows of all open files of the dataset, with the ordinal of their store.
    fn each_seen(&self, each: &mut dyn FnMut(usize, u64, StoredRow) -> Result<()>) -> Result<()> {
        for (number, store) in self.sides.seen.iter().enumerate() {
            let mut open = open_items(self.left);
            let mut gate = Gate::new(|key: &[u8]| open.at(key));
            let mut file = 0;
            store.each_row(&mut |row| {
                let Some(first) = row.items.first() else { return Ok(()) };
                // A sample put together from files belongs to no file: it is always open.
                if first.derived && first.locator.member.is_empty() {
                    return each(number, 0, row);
                }
                let (open, is_new) = gate.enter(first, key_of_item)?;
                if is_new {
                    file = number_of(&first.locator.shard);
                }
                if open.is_some() { each(number, file, row) } else { Ok(()) }
            })?;
        }
        Ok(())
    }

    /// Walks the claimed rows of all open files.
    fn each_claimed(&self, pairs: &Pairs, each: &mut dyn FnMut(u64, StoredRow) -> Result<()>) -> Result<()> {
        let Some(store) = self.sides.claimed else { return Ok(()) };
        let mut open = open_claims(self.left, pairs)?;
        let mut gate = Gate::new(|key: &[u8]| open.at(key));
        let mut file = 0;
        store.each_row(&mut |row| {
            let Some(first) = row.items.first() else { return Ok(()) };
            if first.derived {
                return each(0, row);
            }
            let (open, is_new) = gate.enter(first, key_of_claim)?;
            if is_new {
                file = number_of(&first.locator.shard);
            }
            if open.is_some() { each(file, row) } else { Ok(()) }
        })
    }
}

impl Rounds<'_> {
    /// Rows of both sides by their records.
    fn records(&self) -> Result<RecordMarks> {
        let mut claims = self.side(32);
        let mut seen = self.side(32);
        let nothing =
            Pairs { homes: Spool::new(self.scratch).sorted()?, found: Spool::new(self.scratch).sorted()? };
        let handle = |row: &StoredRow, store: usize, file| {
            let derived = row.items.first().is_some_and(|first| first.derived);
            Handle { derived, named: false, store: store as u8, file, at: row.position }.pack()
        };
        let record = |row: &StoredRow| row.items.first().and_then(|first| first.record);
        if self.sides.claimed.is_some() {
            // What was found as a whole is left out by the walk over values; here it does no harm: its rows find each
            // other.
            self.each_claimed(&nothing, &mut |file, row| match record(&row) {
                Some(record) => claims.push(&record, None, handle(&row, 0, file)),
                None => Ok(()),
            })?;
        }
        if !claims.is_empty() {
            self.each_seen(&mut |store, file, row| match record(&row) {
                Some(record) => seen.push(&record, None, handle(&row, store, file)),
                None => Ok(()),
            })?;
        }
        let of_claims = Mutex::new(Spool::new(self.scratch));
        let of_seen: Vec<_> = self.sides.seen.iter().map(|_| Mutex::new(Spool::new(self.scratch))).collect();
        join(claims, seen, self.sides.memory / 2, self.sides.threads, |batch: &Batch| {
            for (claim, item) in &batch.pairs {
                let (claim, item) = (Handle::unpack(*claim), Handle::unpack(*item));
                let whole = !claim.derived && !item.derived;
                let in_place = whole && claim.file == item.file;
                let mark = |line| Mark { in_place, whole, home: None, line };
                if !claim.derived {
                    lock(&of_claims).push(&claim.at.to_be_bytes(), &mark(item.at))?;
                }
                if let Some(of_seen) = of_seen.get(usize::from(item.store)).filter(|_| !item.derived) {
                    lock(of_seen).push(&item.at.to_be_bytes(), &mark(claim.at))?;
                }
            }
            Ok(())
        })?;
        let of_claims = self.sides.claimed.map(|_| into(of_claims).sorted()).transpose()?;
        let of_seen = of_seen.into_iter().map(|spool| into(spool).sorted()).collect::<Result<_>>()?;
        Ok((of_claims, of_seen))
    }

    /// Values of both sides, and names that were not found, by single digests.
    fn values(
        &self,
        pairs: &mut Pairs,
        claimed_records: Option<Sorted<Mark>>,
        seen_records: Vec<Sorted<Mark>>,
    ) -> Result<Marked> {
        let mut algorithms = DigestSet::EMPTY;
        for record in self.left.absent.iter() {
            if let Some(strongest) = record?.1.digests.strongest() {
                algorithms.insert(strongest.algorithm());
            }
        }
        if self.sides.claimed.is_some() {
            algorithms.insert(Algorithm::Sha256);
        }
        let mut of_claims = Spool::new(self.scratch);
        let mut of_seen: Vec<Spool<Mark>> =
            self.sides.seen.iter().map(|_| Spool::new(self.scratch)).collect();
        let strongest_first: Vec<Algorithm> = algorithms.iter().collect();
        // Cells that an earlier algorithm used up.
        let mut used: Vec<Vec<Sorted<()>>> = self.sides.seen.iter().map(|_| Vec::new()).collect();
        for algorithm in strongest_first.into_iter().rev() {
            if self.sides.seen.is_empty() && (self.sides.claimed.is_none() || algorithm != Algorithm::Sha256)
            {
                continue;
            }
            let claims = self.wanted(algorithm, pairs, claimed_records.as_ref())?;
            if claims.is_empty() {
                continue;
            }
            let seen = self.offered(algorithm, pairs, &seen_records, &used)?;
            let made = Made::new(self.scratch, self.sides.seen.len());
            join(claims, seen, self.sides.memory / 2, self.sides.threads, |batch: &Batch| {
                batch
                    .pairs
                    .iter()
                    .try_for_each(|(claim, item)| made.pair(Handle::unpack(*claim), Handle::unpack(*item)))
            })?;
            self.resolve(made, algorithm, pairs, &mut of_claims, &mut of_seen, &mut used)?;
        }
        let claimed = match claimed_records {
            Some(records) => Some(Marks { records, values: of_claims.sorted()? }),
            None => None,
        };
        let seen = seen_records.into_iter().zip(of_seen);
        let seen = seen.map(|(records, values)| Ok(Marks { records, values: values.sorted()? }));
        Ok(Marked { claimed, seen: seen.collect::<Result<_>>()? })
    }

    /// Names that were not found whose strongest digest is of this algorithm, and claimed cells.
    fn wanted(&self, algorithm: Algorithm, pairs: &Pairs, records: Option<&Sorted<Mark>>) -> Result<Side> {
        let mut claims = self.side(algorithm.len());
        let mut found = Beside::new(pairs.found.iter());
        for (at, record) in (0..).zip(self.left.absent.iter()) {
            let (key, absent) = record?;
            let is_found = found.at(&key)?.is_some();
            if let Some(strongest) =
                absent.digests.strongest().filter(|d| d.algorithm() == algorithm && !is_found)
            {
                claims.push(strongest.bytes(), absent.size, named(at))?;
            }
        }
        if let Some(records) = records.filter(|_| algorithm == Algorithm::Sha256) {
            let mut records = Beside::new(records.iter());
            self.each_claimed(pairs, &mut |file, row| {
                if records.at(&row.position.to_be_bytes())?.is_some_and(|mark| mark.whole) {
                    return Ok(());
                }
                values_of(&row, algorithm).try_for_each(|(at, digest)| {
                    let handle = Handle { derived: false, named: false, store: 0, file, at };
                    claims.push(digest, None, handle.pack())
                })
            })?;
        }
        Ok(claims)
    }

    /// Cells of the dataset, and what has a name and is claimed by nothing.
    fn offered(
        &self,
        algorithm: Algorithm,
        pairs: &Pairs,
        records: &[Sorted<Mark>],
        used: &[Vec<Sorted<()>>],
    ) -> Result<Side> {
        let mut seen = self.side(algorithm.len());
        if self.sides.claimed.is_some() && algorithm == Algorithm::Sha256 {
            let mut homes = Beside::new(pairs.homes.iter());
            for (at, record) in (0..).zip(self.left.loose.iter()) {
                let (key, loose) = record?;
                let has_home = homes.at(&key)?.is_some();
                if has_home || !super::super::contents::can_be_a_home(&loose) {
                    continue;
                }
                if let Some(digest) = loose.seen.digests.of(algorithm) {
                    seen.push(digest.bytes(), Some(loose.seen.length), named(at))?;
                }
            }
        }
        let mut records: Vec<_> = records.iter().map(|records| Beside::new(records.iter())).collect();
        let mut used: Vec<Vec<_>> =
            used.iter().map(|of| of.iter().map(|used| Beside::new(used.iter())).collect()).collect();
        self.each_seen(&mut |store, file, row| {
            if records[store].at(&row.position.to_be_bytes())?.is_some_and(|mark| mark.whole) {
                return Ok(());
            }
            for (at, digest) in values_of(&row, algorithm) {
                let mut is_used = false;
                for used in &mut used[store] {
                    is_used |= used.at(&at.to_be_bytes())?.is_some();
                }
                if !is_used {
                    let length = row.items[(at - row.position) as usize].length;
                    let handle = Handle { derived: false, named: false, store: store as u8, file, at };
                    seen.push(digest, Some(length), handle.pack())?;
                }
            }
            Ok(())
        })?;
        Ok(seen)
    }

    /// Turns pairs of handles into marks, homes and found names.
    fn resolve(
        &self,
        made: Made,
        algorithm: Algorithm,
        pairs: &mut Pairs,
        of_claims: &mut Spool<Mark>,
        of_seen: &mut [Spool<Mark>],
        used: &mut [Vec<Sorted<()>>],
    ) -> Result<()> {
        let Made { values, named_claims, named_items } = made;
        let mut taken: Vec<Spool<()>> = used.iter().map(|_| Spool::new(self.scratch)).collect();
        for record in into(values).sorted()?.iter() {
            let (_, (claim, item)) = record?;
            let (claim, item) = (Handle::unpack(claim), Handle::unpack(item));
            let in_place = claim.file == item.file;
            let mark = |line| Mark { in_place, whole: false, home: None, line };
            of_claims.push(&claim.at.to_be_bytes(), &mark(item.at))?;
            if let Some(of_seen) = of_seen.get_mut(usize::from(item.store)) {
                of_seen.push(&item.at.to_be_bytes(), &mark(claim.at))?;
                taken[usize::from(item.store)].push(&item.at.to_be_bytes(), &())?;
            }
        }
        // Names that were found in a cell.
        let named_claims = into(named_claims).sorted()?;
        let mut found = again(&pairs.found, self.scratch)?;
        let mut beside = Beside::new(named_claims.iter());
        for (at, record) in (0u64..).zip(self.left.absent.iter()) {
            let (key, absent) = record?;
            let Some(item) = beside.at(&at.to_be_bytes())? else { continue };
            let item = Handle::unpack(item);
            found.push(&key, &"a value of a table".to_string())?;
            if let Some(of_seen) = of_seen.get_mut(usize::from(item.store)) {
                let home = home_of(&absent);
                let mark = Mark { in_place: false, whole: false, home, line: absent.line };
                of_seen.push(&item.at.to_be_bytes(), &mark)?;
                taken[usize::from(item.store)].push(&item.at.to_be_bytes(), &())?;
            }
        }
        // Items with a name that are claimed as a cell.
        let named_items = into(named_items).sorted()?;
        if !named_items.is_empty() {
            let cells = self.cells_of(&named_items, pairs)?;
            let mut homes = again(&pairs.homes, self.scratch)?;
            let mut beside = Beside::new(cells.iter());
            for (at, record) in (0u64..).zip(self.left.loose.iter()) {
                let (key, loose) = record?;
                let Some((name, line)) = beside.at(&at.to_be_bytes())? else { continue };
                if let Some(digest) = loose.seen.digests.of(algorithm).cloned() {
                    homes
                        .push(&key, &Home { name, source: self.sides.source, line, digest, inside: true })?;
                }
            }
            for record in named_items.iter() {
                let (claim, _) = record?;
                of_claims.push(&claim, &Mark { in_place: false, whole: false, home: None, line: 0 })?;
            }
            pairs.homes = homes.sorted()?;
        }
        pairs.found = found.sorted()?;
        for (used, taken) in used.iter_mut().zip(taken) {
            used.push(taken.sorted()?);
        }
        Ok(())
    }

    /// The places of claimed cells, by the ordinal of the item that was found for each.
    fn cells_of(&self, named_items: &Sorted<u64>, pairs: &Pairs) -> Result<Sorted<(Vec<u8>, u64)>> {
        let mut cells = Spool::new(self.scratch);
        let mut beside = Beside::new(named_items.iter());
        self.each_claimed(pairs, &mut |_, row| {
            for (at, seen) in (row.position..).zip(&row.items) {
                if let Some(item) = beside.at(&at.to_be_bytes())? {
                    let name = seen.locator.to_string().into_bytes();
                    cells.push(&item.to_be_bytes(), &(name, at + 1))?;
                }
            }
            Ok(())
        })?;
        cells.sorted()
    }
}

/// Pairs as they come out of a join.
struct Made {
    /// A claimed cell and one that was seen.
    values: Mutex<Spool<(u128, u128)>>,
    /// By the ordinal of a name that was not found: the cell that has its content.
    named_claims: Mutex<Spool<u128>>,
    /// By the place of a claimed cell: the ordinal of the item with a name that has its content.
    named_items: Mutex<Spool<u64>>,
}

impl Made {
    fn new(scratch: &Scratch, _stores: usize) -> Self {
        Made {
            values: Mutex::new(Spool::new(scratch)),
            named_claims: Mutex::new(Spool::new(scratch)),
            named_items: Mutex::new(Spool::new(scratch)),
        }
    }

    fn pair(&self, claim: Handle, item: Handle) -> Result<()> {
        match (claim.named, item.named) {
            (false, false) => lock(&self.values).push(&claim.at.to_be_bytes(), &(claim.pack(), item.pack())),
            (true, false) => lock(&self.named_claims).push(&claim.at.to_be_bytes(), &item.pack()),
            (false, true) => lock(&self.named_items).push(&claim.at.to_be_bytes(), &item.at),
            // The round before has seen both, and why they do not fit.
            (true, true) => Ok(()),
        }
    }
}

fn named(at: u64) -> u128 {
    Handle { derived: false, named: true, store: 0, file: 0, at }.pack()
}

/// What a name that was found in a cell is told with.
fn home_of(absent: &Absent) -> Option<Home> {
    let digest: Digest = absent.digests.strongest()?.clone();
    Some(Home { name: absent.name.clone(), source: absent.source, line: absent.line, digest, inside: false })
}

/// The cells of a row, or the line where the row is one, each with its place and its digest.
fn values_of(row: &StoredRow, algorithm: Algorithm) -> impl Iterator<Item = (u64, &[u8])> {
    (row.position..).zip(&row.items).filter_map(move |(at, seen)| {
        let digest = seen.digests.of(algorithm)?;
        (is_value(seen) && seen.state == State::Read).then_some((at, digest.bytes()))
    })
}

/// A line of a text is known by its bytes; a row of a table by its record and its cells.
pub fn is_value(seen: &Observation) -> bool {
    !seen.derived && (seen.kind == Kind::Cell || (seen.kind == Kind::Row && seen.record.is_none()))
}

/// A number that files of one name share.
fn number_of(name: &[u8]) -> u64 {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(place_key(name));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first) & FILE_BITS
}

/// The records once more in a spool that takes others.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(
    records: &Sorted<T>,
    scratch: &Scratch,
) -> Result<Spool<T>> {
    let mut spool = Spool::new(scratch);
    for record in records.iter() {
        let (key, value) = record?;
        spool.push(&key, &value)?;
    }
    Ok(spool)
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn into<T>(of: Mutex<T>) -> T {
    of.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
