//! What one worker saw: looked up, counted, and kept for the rounds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::division::{Share, Whole};
use super::findings::Findings;
use super::in_rows::InRows;
use super::lists::{Lists, Seen};
use super::parts::PartKeeper;
use super::progress::Progress;
use super::queue::Split;
use super::reading::Tally;
use super::stages;
use super::state::{Recordings, State, Telling, columns_key};
use super::time_limit::is_over;
use crate::check::{FindingSink, item_key};
use crate::digest::{Algorithm, DigestSet, Digests};
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::observations::PartEntry;
use crate::index::spool::{Scratch, Spool};
use crate::locator::{ItemPath, Locator, place_key};
use crate::observation::{self, Kind, Observation};
use crate::observe::digest_columns::DigestColumn;
use crate::observe::{Claimed, Measured, Observer, Origin};
use crate::plan::ShardPlan;

/// What one worker saw.
pub struct Keeper<'a> {
    /// Items by place.
    pub observations: Spool<Observation>,
    /// What is wrong.
    pub findings: Findings,
    lists: &'a Lists,
    /// The file that it has a share in at present, and how that changed meanwhile.
    pub share: Option<Share>,
    changed: Option<String>,
    /// The part of an index that is being written.
    pub part: Option<PartKeeper>,
    /// Those that were.
    pub parts: Vec<PartEntry>,
    /// Items are settled later: they are kept.
    pub spools: bool,
    /// The file whose rows and cells pass by, and how many there were.
    rows_of: Option<(u16, Vec<u8>, u64)>,
    /// Those of other files that are being read.
    rows: HashMap<(u16, Vec<u8>), u64>,
    /// Files of which it is not yet known whether they have to be opened.
    held_back: Vec<Observation>,
    /// Such files are held back.
    pub holds_back: bool,
    /// Digests that hash lists need and an index does not have, and how many items were not looked up for that.
    pub lacks: DigestSet,
    /// How many items were not looked up for that.
    pub lacking: u64,
    /// Files of an index that `--include` and `--exclude` leave out.
    pub left_out: u64,
    /// Digests that rows claim of their own content.
    pub in_rows: InRows,
    /// Counts.
    pub tally: Tally,
    /// Where what is told of files is kept for later runs, and what of them is being told.
    pub state: Option<&'a State>,
    recordings: Recordings,
    /// Files of the split that were told of without being read now.
    not_read: HashMap<(u16, Vec<u8>), Origin>,
    /// When the time is over.
    pub until: Option<Instant>,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl Observer for Keeper<'_> {
    fn begin(&mut self, root: u16, path: &[u8], plan: &ShardPlan, origin: Origin) {
        if origin != Origin::Read {
            self.not_read.insert((root, path.to_vec()), origin);
            return;
        }
        if !self.not_read.is_empty() {
            self.not_read.remove(&(root, path.to_vec()));
        }
        if self.state.is_some() {
            self.recordings.begin(root, path, plan);
        }
    }

    fn observation(&mut self, seen: Observation) -> Result<()> {
        self.record(&seen)?;
        if (self.holds_back || self.share.is_some()) && seen.kind == Kind::File {
            self.held_back.push(seen);
            return Ok(());
        }
        self.keep(seen)
    }

    fn batch(&mut self, batch: &Measured) -> Result<()> {
        match self.takes_columns(batch) {
            true => self.keep_columns(batch),
            false => batch.each(&mut |seen| self.observation(seen)),
        }
    }

    fn fault(&mut self, locator: Locator, code: Code, detail: String) -> Result<()> {
        if let Some(share) = &self.share {
            if code == Code::ChangedWhileReading {
                self.changed = Some(detail);
                return Ok(());
            }
            if !share.is_new(&locator, code, &detail) {
                return Ok(());
            }
        }
        if let Some(state) = self.state {
            let telling = Telling::Fault(&locator, code, &detail);
            self.recordings.tell(locator.root.unwrap_or(0), &locator.shard, &telling, state)?;
        }
        self.findings.finding(Finding::of_place(code, locator, detail))
    }

    fn digest_columns(&self) -> Arc<[DigestColumn]> {
        Arc::clone(&self.in_rows.columns)
    }

    fn claimed(&mut self, claimed: Claimed) -> Result<()> {
        if let Some(state) = self.state {
            let (root, path) = (claimed.locator.root.unwrap_or(0), &claimed.locator.shard);
            self.recordings.tell(root, path, &Telling::Claimed(&claimed), state)?;
        }
        self.in_rows.settle(claimed, !self.lists.is_empty(), &mut self.findings)
    }

    fn rows(&mut self, root: u16, path: &[u8], rows: u64) -> Result<()> {
        self.tally.samples += rows;
        match self.state {
            Some(state) => self.recordings.tell(root, path, &Telling::Rows(rows), state),
            None => Ok(()),
        }
    }

    fn read(&mut self, bytes: u64) {
        self.tally.bytes += bytes;
        self.progress.read(bytes);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        is_over(self.until)
    }
}

impl<'a> Keeper<'a> {
    /// One that has seen nothing.
    pub fn new(
        findings: Findings,
        lists: &'a Lists,
        scratch: &Scratch,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
    ) -> Self {
        Keeper {
            observations: Spool::new(scratch),
            findings,
            lists,
            share: None,
            changed: None,
            part: None,
            parts: Vec::new(),
            spools: true,
            rows_of: None,
            rows: HashMap::new(),
            held_back: Vec::new(),
            holds_back: false,
            lacks: DigestSet::EMPTY,
            lacking: 0,
            left_out: 0,
            in_rows: InRows::default(),
            tally: Tally::default(),
            state: None,
            recordings: Recordings::default(),
            not_read: HashMap::new(),
            until: None,
            progress,
            stop,
        }
    }

    /// Takes what an index says of an item.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn reuse(&mut self, seen: Observation) -> Result<()> {
        if seen.kind == Kind::Row && !seen.derived {
            self.tally.samples += 1;
        }
        self.keep(seen)
    }
}

impl Keeper<'_> {
    /// Looks an item up, counts it, and keeps it for the rounds.
    fn keep(&mut self, mut seen: Observation) -> Result<()> {
        if let Some(part) = &mut self.part {
            part.observation(&seen)?;
        }
        let damaged = std::mem::take(&mut seen.of_damaged);
        if !self.lists.is_empty() && !seen.digests.is_empty() {
            self.tally.looked_up += 1;
            seen.known_bad = self.look_up(&seen, &seen.digests, 1)?;
        } else if !self.lists.is_empty() {
            seen.known_bad = self.look_up(&seen, &damaged, 0)?;
        }
        let lacking = self.lists.algorithms().minus(seen.digests.set());
        if !lacking.is_empty() && !self.lacks.is_empty() && seen.kind != Kind::Row {
            self.lacking += u64::from(seen.state == observation::State::Read);
        } else if seen.state == observation::State::Read && !lacking.is_empty() && seen.kind != Kind::Row {
            let lacking: Vec<_> = lacking.iter().map(|a| a.name()).collect();
            let detail = format!("a hash list needs its {}, which cannot be measured", lacking.join(" and "));
            let finding = Finding::of_place(Code::Unverifiable, seen.locator.clone(), detail);
            self.findings.finding(finding)?;
        }
        if seen.derived {
            return Ok(());
        }
        if let observation::State::Unread(_) = seen.state {
            self.tally.unread += 1;
        }
        if matches!(seen.kind, Kind::Row | Kind::Cell) {
            self.count_rows(&seen.locator, 1);
            self.tally.items += 1;
            return Ok(());
        }
        if seen.kind == Kind::File {
            seen.unnamed += self.rows_in(&seen);
        }
        match seen.kind {
            // What an archive decompresses to is a layer, not an item: its members are.
            Kind::Stream if seen.opened => return Ok(()),
            Kind::File => self.count_file(&seen),
            Kind::Member | Kind::Stream if !seen.hidden => self.tally.samples += 1,
            _ => {}
        }
        self.tally.items += 1;
        // A member whose name is refused has no place of its own: it is kept at its shard's.
        let refused = seen.locator.member.iter().any(|name| ItemPath::parse(name).is_err());
        let named = seen.kind == Kind::Member && !seen.hidden && !refused;
        let place = if named { seen.locator.place_key() } else { place_key(&seen.locator.shard) };
        if !self.spools {
            return Ok(());
        }
        self.observations.push(&item_key(&place, seen.locator.root.unwrap_or(0), seen.item), &seen)
    }

    /// Whether nobody needs the rows and cells of a batch one by one: they are written nowhere, and have all digests that
    /// they are looked up by.
    fn takes_columns(&self, batch: &Measured) -> bool {
        let needed = self.lists.algorithms();
        self.part.is_none()
            && self.state.is_none()
            && batch.columns().iter().all(|column| {
                needed.minus(batch.algorithms(column)).is_empty() && column.is_outside().is_some()
            })
    }

    /// What [`Keeper::keep`] does with each row and each cell, done with all of them together.
    fn keep_columns(&mut self, batch: &Measured) -> Result<()> {
        let mut items = batch.rows() as u64;
        for column in batch.columns() {
            let count = column.count() as u64;
            // Rows were counted, and what stands in no row is no item.
            if column.kind() == Kind::Cell && column.is_outside() == Some(false) {
                items += count;
            }
            if self.lists.is_empty() || batch.algorithms(column).is_empty() {
                continue;
            }
            self.tally.looked_up += count;
            let hits = stages::look_up(count, || self.lists.look_up_column(column.digests()));
            for index in hits {
                if let Some(seen) = batch.observation(column, index) {
                    self.look_up(&seen, &seen.digests, 0)?;
                }
            }
        }
        self.tally.items += items;
        self.count_rows(batch.locator(), items);
        Ok(())
    }

    /// Counts a file by where it is known from.
    fn count_file(&mut self, seen: &Observation) {
        let origin = match self.not_read.is_empty() {
            true => None,
            false => self.not_read.remove(&(seen.locator.root.unwrap_or(0), seen.locator.shard.clone())),
        };
        match origin {
            None | Some(Origin::Read) => self.tally.shards += 1,
            Some(Origin::Kept) => self.tally.reused += 1,
            Some(Origin::NotReached) => {}
        }
    }

    /// Records an item for later runs; with a file, all that was told of it is kept. What several share in is kept once
    /// all of them have ended.
    fn record(&mut self, seen: &Observation) -> Result<()> {
        let Some(state) = self.state else { return Ok(()) };
        let (root, path) = (seen.locator.root.unwrap_or(0), &seen.locator.shard);
        if seen.kind != Kind::File {
            return self.recordings.tell(root, path, &Telling::Seen(seen), state);
        }
        if self.share.is_some() {
            return Ok(());
        }
        match self.recordings.take(root, path) {
            Some(told) => state.keep(vec![told], seen, &columns_key(&self.in_rows.columns)),
            None => Ok(()),
        }
    }

    /// Counts rows or cells of a file.
    fn count_rows(&mut self, of: &Locator, count: u64) {
        let root = of.root.unwrap_or(0);
        match &mut self.rows_of {
            Some((root_of, path, rows)) if *root_of == root && *path == of.shard => *rows += count,
            _ if count == 0 => {}
            other => {
                if let Some((root_of, path, rows)) = other.take() {
                    *self.rows.entry((root_of, path)).or_default() += rows;
                }
                *other = Some((root, of.shard.clone(), count));
            }
        }
    }

    /// The rows and cells of a file that has been read to its end.
    fn rows_in(&mut self, seen: &Observation) -> u64 {
        let key = (seen.locator.root.unwrap_or(0), seen.locator.shard.clone());
        let before = self.rows.remove(&key).unwrap_or(0);
        let is_its = self.rows_of.as_ref().is_some_and(|(root, path, _)| *root == key.0 && *path == key.1);
        let last = if is_its { self.rows_of.take().map_or(0, |(_, _, rows)| rows) } else { 0 };
        before + last
    }

    /// Ends a share in a file; gives the file if nobody has a share in it any more. After a run that was stopped nothing
    /// may have been seen of it.
    pub fn end_share(&mut self, share: &Share) -> Option<Whole> {
        self.holds_back = false;
        let changed = self.changed.take();
        let seen = self.held_back.pop()?;
        let rows = self.rows_in(&seen);
        let told = self.recordings.take(seen.locator.root.unwrap_or(0), &seen.locator.shard);
        share.end(seen, rows, changed, self.in_rows.take_gaps(), told)
    }

    /// Keeps a file that several workers have read.
    pub fn keep_whole(&mut self, Whole { seen, changed, gaps, told }: Whole) -> Result<()> {
        if let (Some(state), Some(told)) = (self.state, told) {
            // Rows are counted again when they are told again.
            let file = Observation { unnamed: 0, ..seen.clone() };
            state.keep(told, &file, &columns_key(&self.in_rows.columns))?;
        }
        self.in_rows.add_gaps(gaps);
        self.in_rows.flush(&mut self.findings)?;
        if let Some(how) = changed {
            self.fault(seen.locator.clone(), Code::ChangedWhileReading, how)?;
        }
        self.keep(seen)
    }

    /// Ends the part of an index that is being written.
    pub fn end_part(&mut self) -> Result<()> {
        let ended = self.part.take().map(PartKeeper::finish).transpose()?;
        self.parts.extend(ended.flatten());
        Ok(())
    }

    /// Ends a split: what was kept of it outlives the program.
    pub fn end_split(&mut self) -> Result<()> {
        self.not_read.clear();
        self.state.map_or(Ok(()), State::flush)
    }

    /// Tells the files of a split that are as expected from those that have to be opened, and gives the latter.
    pub fn judge_trial<'q, 'a>(&mut self, split: Split<'q, 'a>) -> Option<Split<'q, 'a>> {
        let mut on_trial = split.on_trial.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut again = split.later.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.held_back.retain(|seen| {
            let key = (seen.locator.root.unwrap_or(0), seen.locator.shard.clone());
            let sha256 = seen.digests.of(Algorithm::Sha256).map(|digest| digest.bytes());
            match on_trial.remove(&key) {
                Some((expected, work))
                    if sha256 != Some(&expected) && seen.state == observation::State::Read =>
                {
                    again.push(work);
                    false
                }
                _ => true,
            }
        });
        if again.is_empty() {
            return None;
        }
        again.sort_by_cached_key(|work| item_key(&place_key(&work.path), work.root, 0));
        Some(Split::again(split.queue, split.number, again.into()))
    }

    /// Keeps the files of a split in the order of their paths, whichever were opened.
    pub fn keep_held_back(&mut self) -> Result<()> {
        self.holds_back = false;
        let mut files = std::mem::take(&mut self.held_back);
        files.sort_by_cached_key(|seen| {
            item_key(&place_key(&seen.locator.shard), seen.locator.root.unwrap_or(0), 0)
        });
        files.into_iter().try_for_each(|seen| self.keep(seen))
    }
}

impl Keeper<'_> {
    /// Looks an item up in all lists; one finding for each list that holds it. `items` is 0 where it was counted already.
    fn look_up(&mut self, seen: &Observation, digests: &Digests, items: u64) -> Result<bool> {
        let hits: Vec<Seen> = stages::look_up(items, || self.lists.look_up(digests));
        for hit in &hits {
            let what = match (seen.kind, seen.opened) {
                (Kind::Stream, _) => "its decompressed content is on the list",
                (Kind::Region, _) => "hidden bytes in it are on the list",
                (Kind::Member, _) if seen.hidden => "its archive does not show it, and it is on the list",
                _ => "it is on the list",
            };
            let mut finding = Finding::of_place(Code::KnownBad, seen.locator.clone(), hit.sentence(what));
            finding.level = Some(hit.level);
            finding.source = Some(hit.source);
            finding.line = Some(hit.line);
            if self.lists.reveal {
                finding.expected = Some(hit.digest.clone());
                finding.found = Some(hit.digest.clone());
            }
            self.findings.finding(finding)?;
        }
        Ok(!hits.is_empty())
    }
}
