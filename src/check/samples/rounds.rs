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
    let (claimed, seen) = rounds.records(pairs)?;
    rounds.values(pairs, claimed, seen)
}

/// The file of a row.
#[derive(Clone, Copy, Default)]
struct Whose {
    /// The number of its name.
    file: u64,
    /// A file of its name is on the other side, too.
    in_place: bool,
}

/// What takes part in a join of values. Each comes before the next, so that nothing is used up by what is less like it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Rows and cells of files that are on both sides under one name.
    SameFile,
    /// What is a whole: names, and the cells of tables.
    Whole,
    /// Lines of texts as well. A text of which no name was answered is no longer taken as a whole: it would count twice.
    All,
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
    fn each_seen(
        &self,
        pairs: &Pairs,
        each: &mut dyn FnMut(usize, Whose, StoredRow) -> Result<()>,
    ) -> Result<()> {
        for (number, store) in self.sides.seen.iter().enumerate() {
            let mut open = open_items(self.left, pairs);
            let mut gate = Gate::new(|key: &[u8]| open.at(key));
            let mut file = 0;
            store.each_row(&mut |row| {
                let Some(first) = row.items.first() else { return Ok(()) };
                // A sample put together from files belongs to no file: it is always open.
                if first.derived && first.locator.member.is_empty() {
                    return each(number, Whose::default(), row);
                }
                let (open, is_new) = gate.enter(first, key_of_item)?;
                if is_new {
                    file = number_of(&first.locator.shard);
                }
                open.map_or(Ok(()), |in_place| each(number, Whose { file, in_place }, row))
            })?;
        }
        Ok(())
    }

    /// Walks the claimed rows of all open files.
    fn each_claimed(
        &self,
        pairs: &Pairs,
        each: &mut dyn FnMut(Whose, StoredRow) -> Result<()>,
    ) -> Result<()> {
        let Some(store) = self.sides.claimed else { return Ok(()) };
        let mut open = open_claims(self.left, pairs)?;
        let mut gate = Gate::new(|key: &[u8]| open.at(key));
        let mut absent = self.left.absent.iter().peekable();
        let mut file = 0;
        store.each_row(&mut |row| {
            let Some(first) = row.items.first() else { return Ok(()) };
            if first.derived && first.locator.member.is_empty() {
                // A sample put together from files is sought only where one of them is: else a second copy of it would be
                // taken for a move.
                let mut files = place_key(&first.locator.shard);
                files.push(b'.');
                while absent.next_if(|r| r.as_ref().is_ok_and(|(key, _)| *key < files)).is_some() {}
                let is_sought = match absent.peek() {
                    Some(Ok((key, _))) => key.starts_with(&files),
                    // The failure is told where the list is read for itself.
                    Some(Err(_)) => true,
                    None => false,
                };
                return if is_sought { each(Whose::default(), row) } else { Ok(()) };
            }
            if first.derived {
                let (open, _) = gate.enter(first, key_of_claim)?;
                return if open.is_some() { each(Whose::default(), row) } else { Ok(()) };
            }
            let (open, is_new) = gate.enter(first, key_of_claim)?;
            if is_new {
                file = number_of(&first.locator.shard);
            }
            open.map_or(Ok(()), |in_place| each(Whose { file, in_place }, row))
        })
    }
}

impl Rounds<'_> {
    /// Rows of both sides by their records: within files of one name first, so that of equal rows those are left over
    /// that are in no such file.
    fn records(&self, pairs: &Pairs) -> Result<RecordMarks> {
        let mut claimed = self.sides.claimed.map(|_| Spool::new(self.scratch).sorted()).transpose()?;
        let nothing = self.sides.seen.iter().map(|_| Spool::new(self.scratch).sorted());
        let mut seen = nothing.collect::<Result<Vec<Sorted<Mark>>>>()?;
        let Some(claims) = &mut claimed else { return Ok((None, seen)) };
        for same_file in [true, false] {
            if !same_file || !self.left.opened.is_empty() {
                self.join_records(pairs, same_file, claims, &mut seen)?;
            }
        }
        Ok((claimed, seen))
    }

    /// Joins rows that have no mark yet, and adds their marks.
    fn join_records(
        &self,
        pairs: &Pairs,
        same_file: bool,
        claimed_marks: &mut Sorted<Mark>,
        seen_marks: &mut [Sorted<Mark>],
    ) -> Result<()> {
        let width = if same_file { 40 } else { 32 };
        let (mut claims, mut seen) = (self.side(width), self.side(width));
        let push = |side: &mut Side, row: &StoredRow, store: usize, whose: Whose| {
            let Some(first) = row.items.first() else { return Ok(()) };
            let Some(record) = first.record.filter(|_| whose.in_place || !same_file) else { return Ok(()) };
            let derived = first.derived;
            let handle =
                Handle { derived, named: false, store: store as u8, file: whose.file, at: row.position };
            match same_file {
                true => side.push(&within_file(&record, whose), None, handle.pack()),
                false => side.push(&record, None, handle.pack()),
            }
        };
        let mut marked = Beside::new(claimed_marks.iter());
        self.each_claimed(pairs, &mut |whose, row| match marked.at(&row.position.to_be_bytes())? {
            Some(_) => Ok(()),
            None => push(&mut claims, &row, 0, whose),
        })?;
        if claims.is_empty() {
            return Ok(());
        }
        let mut marked: Vec<_> = seen_marks.iter().map(|marks| Beside::new(marks.iter())).collect();
        self.each_seen(
            pairs,
            &mut |store, whose, row| match marked[store].at(&row.position.to_be_bytes())? {
                Some(_) => Ok(()),
                None => push(&mut seen, &row, store, whose),
            },
        )?;
        let of_claims = Mutex::new(again(claimed_marks, self.scratch)?);
        let of_seen = seen_marks.iter().map(|marks| Ok(Mutex::new(again(marks, self.scratch)?)));
        let of_seen = of_seen.collect::<Result<Vec<_>>>()?;
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
        *claimed_marks = into(of_claims).sorted()?;
        for (marks, spool) in seen_marks.iter_mut().zip(of_seen) {
            *marks = into(spool).sorted()?;
        }
        Ok(())
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
        // Claimed cells that were answered at an earlier stage.
        let mut answered: Vec<Sorted<()>> = Vec::new();
        let stages = strongest_first.into_iter().rev().flat_map(|algorithm| {
            let of_index = self.sides.claimed.is_some() && algorithm == Algorithm::Sha256;
            let stages: &[Stage] = match of_index {
                true if self.left.opened.is_empty() => &[Stage::Whole, Stage::All],
                true => &[Stage::SameFile, Stage::Whole, Stage::All],
                false => &[Stage::All],
            };
            stages.iter().map(move |&stage| (algorithm, stage))
        });
        for (algorithm, stage) in stages {
            if self.sides.seen.is_empty() && (self.sides.claimed.is_none() || algorithm != Algorithm::Sha256)
            {
                continue;
            }
            let claims = self.wanted(algorithm, stage, pairs, claimed_records.as_ref(), &answered)?;
            if claims.is_empty() {
                continue;
            }
            let seen = self.offered(algorithm, stage, pairs, &seen_records, &used)?;
            let made = Made::new(self.scratch);
            join(claims, seen, self.sides.memory / 2, self.sides.threads, |batch: &Batch| {
                batch
                    .pairs
                    .iter()
                    .try_for_each(|(claim, item)| made.pair(Handle::unpack(*claim), Handle::unpack(*item)))
            })?;
            answered.push(self.resolve(made, algorithm, pairs, &mut of_claims, &mut of_seen, &mut used)?);
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
    fn wanted(
        &self,
        algorithm: Algorithm,
        stage: Stage,
        pairs: &Pairs,
        records: Option<&Sorted<Mark>>,
        answered: &[Sorted<()>],
    ) -> Result<Side> {
        let mut claims = self.side(width_of(algorithm, stage));
        let mut found = Beside::new(pairs.found.iter());
        for (at, record) in (0..).zip(self.left.absent.iter()) {
            let (key, absent) = record?;
            let is_found = found.at(&key)?.is_some();
            let is_text = absent.inside.is_some_and(|inside| inside.unnamed > 0);
            if is_found || stage == Stage::SameFile || (stage == Stage::All && is_text) {
                continue;
            }
            if let Some(strongest) = absent.digests.strongest().filter(|d| d.algorithm() == algorithm) {
                claims.push(strongest.bytes(), absent.size, named(at))?;
            }
        }
        if let Some(records) = records.filter(|_| algorithm == Algorithm::Sha256) {
            let mut records = Beside::new(records.iter());
            let mut answered: Vec<_> = answered.iter().map(|keys| Beside::new(keys.iter())).collect();
            self.each_claimed(pairs, &mut |whose, row| {
                if records.at(&row.position.to_be_bytes())?.is_some_and(|mark| mark.whole) {
                    return Ok(());
                }
                for (at, digest) in values_of(&row, algorithm, stage, whose) {
                    if !is_in(&mut answered, at)? {
                        let handle = Handle { derived: false, named: false, store: 0, file: whose.file, at };
                        push_value(&mut claims, digest, stage, whose, None, handle)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(claims)
    }

    /// Cells of the dataset, and what has a name and is claimed by nothing.
    fn offered(
        &self,
        algorithm: Algorithm,
        stage: Stage,
        pairs: &Pairs,
        records: &[Sorted<Mark>],
        used: &[Vec<Sorted<()>>],
    ) -> Result<Side> {
        let mut seen = self.side(width_of(algorithm, stage));
        if self.sides.claimed.is_some() && algorithm == Algorithm::Sha256 && stage != Stage::SameFile {
            let mut homes = Beside::new(pairs.homes.iter());
            for (at, record) in (0..).zip(self.left.loose.iter()) {
                let (key, loose) = record?;
                let has_home = homes.at(&key)?.is_some();
                let is_text = loose.seen.unnamed > 0 || loose.seen.kind == Kind::Stream;
                let is_out = has_home || (stage == Stage::All && is_text);
                if is_out || !super::super::contents::can_be_a_home(&loose) {
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
        self.each_seen(pairs, &mut |store, whose, row| {
            if records[store].at(&row.position.to_be_bytes())?.is_some_and(|mark| mark.whole) {
                return Ok(());
            }
            for (at, digest) in values_of(&row, algorithm, stage, whose) {
                if !is_in(&mut used[store], at)? {
                    let length = row.items[(at - row.position) as usize].length;
                    let handle =
                        Handle { derived: false, named: false, store: store as u8, file: whose.file, at };
                    push_value(&mut seen, digest, stage, whose, Some(length), handle)?;
                }
            }
            Ok(())
        })?;
        Ok(seen)
    }

    /// Turns pairs of handles into marks, homes and found names; gives the places of the claimed cells that were found.
    fn resolve(
        &self,
        made: Made,
        algorithm: Algorithm,
        pairs: &mut Pairs,
        of_claims: &mut Spool<Mark>,
        of_seen: &mut [Spool<Mark>],
        used: &mut [Vec<Sorted<()>>],
    ) -> Result<Sorted<()>> {
        let mut answered = Spool::new(self.scratch);
        let Made { values, named_claims, named_items } = made;
        let mut taken: Vec<Spool<()>> = used.iter().map(|_| Spool::new(self.scratch)).collect();
        for record in into(values).sorted()?.iter() {
            let (_, (claim, item)) = record?;
            let (claim, item) = (Handle::unpack(claim), Handle::unpack(item));
            let in_place = claim.file == item.file;
            let mark = |line| Mark { in_place, whole: false, home: None, line };
            of_claims.push(&claim.at.to_be_bytes(), &mark(item.at))?;
            answered.push(&claim.at.to_be_bytes(), &())?;
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
                answered.push(&claim, &())?;
            }
            pairs.homes = homes.sorted()?;
        }
        pairs.found = found.sorted()?;
        for (used, taken) in used.iter_mut().zip(taken) {
            used.push(taken.sorted()?);
        }
        answered.sorted()
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
    fn new(scratch: &Scratch) -> Self {
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

/// The cells of a row, or the line where the row is one, each with its place and its digest: those that take part in a
/// stage.
fn values_of(
    row: &StoredRow,
    algorithm: Algorithm,
    stage: Stage,
    whose: Whose,
) -> impl Iterator<Item = (u64, &[u8])> {
    (row.position..).zip(&row.items).filter_map(move |(at, seen)| {
        let digest = seen.digests.of(algorithm)?;
        let takes_part = match stage {
            Stage::SameFile => whose.in_place,
            Stage::Whole => seen.kind == Kind::Cell,
            Stage::All => true,
        };
        (takes_part && is_value(seen) && seen.state == State::Read).then_some((at, digest.bytes()))
    })
}

/// Bytes of the keys of a stage.
fn width_of(algorithm: Algorithm, stage: Stage) -> usize {
    algorithm.len() + if stage == Stage::SameFile { 8 } else { 0 }
}

fn push_value(
    side: &mut Side,
    digest: &[u8],
    stage: Stage,
    whose: Whose,
    length: Option<u64>,
    handle: Handle,
) -> Result<()> {
    match stage {
        Stage::SameFile => side.push(&within_file(digest, whose), length, handle.pack()),
        Stage::Whole | Stage::All => side.push(digest, length, handle.pack()),
    }
}

/// A digest that only files of one name share.
fn within_file(digest: &[u8], whose: Whose) -> Vec<u8> {
    [digest, &whose.file.to_be_bytes()].concat()
}

/// Whether this place is among some of them.
fn is_in<I: Iterator<Item = Result<(Vec<u8>, ())>>>(among: &mut [Beside<I>], at: u64) -> Result<bool> {
    let mut is_in = false;
    for places in among {
        is_in |= places.at(&at.to_be_bytes())?.is_some();
    }
    Ok(is_in)
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
