//! Reading: workers take files from the plan, and what they observe is looked up and kept.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::division::{Share, Whole};
use super::findings::Findings;
use super::in_rows::{ColumnTally, InRows};
use super::lists::{Lists, Seen};
use super::parts::{PartKeeper, Parts};
use super::planning::{Common, Work};
use super::progress::Progress;
use crate::check::{FindingSink, item_key};
use crate::digest::{Algorithm, DigestSet, LoopHasher};
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::index::observations::PartEntry;
use crate::index::spool::{Iter, Scratch, Sorted, Spool};
use crate::locator::{ItemPath, Locator, place_key};
use crate::observation::{Kind, Observation, State};
use crate::observe::digest_columns::DigestColumn;
use crate::observe::{Claimed, Job, Jobs, Observer, work};
use crate::shard::{self, Part};
use crate::source::Source;
use crate::source::file::FileSource;

/// Everything that was observed.
pub struct Reading {
    /// Items by place, one spool per worker.
    pub observations: Vec<Spool<Observation>>,
    /// Findings, one collection per worker.
    pub findings: Vec<Findings>,
    /// Parts of an index that were written, in the order of the paths in them.
    pub parts: Vec<PartEntry>,
    /// What became of digests that rows claim of their own content.
    pub in_rows: ColumnTally,
    /// Counts over all workers.
    pub tally: Tally,
}

/// Counts of a reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Items kept.
    pub items: u64,
    /// Samples inside files.
    pub samples: u64,
    /// Items looked up in hash lists.
    pub looked_up: u64,
    /// Items that were not read to their end.
    pub unread: u64,
    /// Files read.
    pub shards: u64,
    /// Files that an index told of.
    pub reused: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Reads all work on `threads` threads.
///
/// # Errors
/// Where the run was stopped or scratch files fail.
#[allow(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
pub fn read(
    roots: &[PathBuf],
    work_list: &Sorted<Work>,
    common: &Common,
    lists: &Arc<Lists>,
    parts: Option<&Parts>,
    spools: bool,
    columns: &Arc<[DigestColumn]>,
    require: Option<Algorithm>,
    threads: usize,
    scratch: &Scratch,
    new_findings: &(dyn Fn() -> Findings + Sync),
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Reading> {
    let queue = Queue {
        roots: roots.iter().map(|root| (root.clone(), root.is_dir())).collect(),
        pending: Mutex::new(Pending {
            work: work_list.iter().peekable(),
            shares: VecDeque::new(),
            dividing: 0,
        }),
        more: Condvar::new(),
        common: *common,
        skipped: Mutex::new(Spool::new(scratch)),
        skipped_items: AtomicU64::new(0),
        progress,
        stop,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
        Error::Usage(format!("{threads} threads cannot be started: {error}; try fewer with --threads"))
    })?;
    let outcomes: Vec<Result<Keeper<'_>>> = pool.broadcast(|_| {
        let mut keeper = Keeper::new(new_findings(), lists, scratch, progress, stop);
        keeper.spools = spools;
        keeper.in_rows = InRows::new(Arc::clone(columns), require);
        let mut hasher = LoopHasher::new();
        let mut read = || -> Result<()> {
            while let Some(split) = queue.next_split()? {
                let number = split.number;
                let piece = split.share.as_ref().map(|share| share.number);
                keeper.part = parts.map(|parts| parts.begin(number, piece)).transpose()?;
                keeper.holds_back = common.records();
                keeper.share = split.share.clone();
                if keeper.share.is_some() {
                    keeper.in_rows.flush(&mut keeper.findings)?;
                }
                work(&split, &mut hasher, &mut keeper)?;
                if let Some(share) = keeper.share.take() {
                    let whole = keeper.end_share(&share);
                    keeper.end_part()?;
                    if let Some(whole) = whole {
                        keeper.part = parts.map(|parts| parts.begin(number, None)).transpose()?;
                        keeper.keep_whole(whole)?;
                    }
                } else {
                    if let Some(split) = keeper.judge_trial(split) {
                        work(&split, &mut hasher, &mut keeper)?;
                    }
                    keeper.keep_held_back()?;
                }
                keeper.end_part()?;
            }
            Ok(())
        };
        let result = read();
        if result.is_err() {
            // The others need not go on with what can no longer be reported.
            stop.store(true, Ordering::Relaxed);
        }
        result.map(|()| keeper)
    });
    let mut reading = Reading {
        observations: Vec::new(),
        findings: Vec::new(),
        parts: Vec::new(),
        in_rows: ColumnTally::default(),
        tally: Tally::default(),
    };
    let mut error = None;
    for outcome in outcomes {
        match outcome {
            Ok(keeper) => {
                let Keeper { observations, mut findings, parts, tally, in_rows, .. } = keeper;
                in_rows.conclude(&mut reading.in_rows, &mut findings)?;
                reading.observations.push(observations);
                reading.findings.push(findings);
                reading.parts.extend(parts);
                reading.tally.add(&tally);
            }
            Err(cause) => error = Some(cause),
        }
    }
    if let Some(error) = error {
        return Err(error);
    }
    // Past a million of them, later names are longer.
    reading.parts.sort_by_cached_key(PartEntry::order);
    reading.tally.items += queue.skipped_items.load(Ordering::Relaxed);
    let skipped = queue.skipped.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    reading.observations.push(skipped);
    Ok(reading)
}

impl Reading {
    /// Adds what an index told.
    pub fn add_reused(&mut self, keeper: Keeper<'_>) {
        let Keeper { observations, findings, mut tally, .. } = keeper;
        tally.reused = std::mem::take(&mut tally.shards);
        self.observations.push(observations);
        self.findings.push(findings);
        self.tally.add(&tally);
    }
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.items += other.items;
        self.samples += other.samples;
        self.looked_up += other.looked_up;
        self.unread += other.unread;
        self.shards += other.shards;
        self.reused += other.reused;
        self.bytes += other.bytes;
    }
}

/// The files still to be read.
struct Queue<'a> {
    roots: Vec<(PathBuf, bool)>,
    pending: Mutex<Pending<'a>>,
    /// A file was divided, or turned out not to be.
    more: Condvar,
    common: Common,
    /// Files of which nothing is asked.
    skipped: Mutex<Spool<Observation>>,
    skipped_items: AtomicU64,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

/// What nobody has taken yet.
struct Pending<'a> {
    work: Peekable<Iter<'a, Work>>,
    /// Shares in files that are read already.
    shares: VecDeque<(u64, Work, Share)>,
    /// Files that are being divided: there may be more shares soon.
    dividing: usize,
}

/// A file that is opened only if it has not this SHA-256.
type Trial = ([u8; 32], Work);

/// The files of one split.
struct Split<'q, 'a> {
    queue: &'q Queue<'a>,
    number: u64,
    files: Mutex<VecDeque<Work>>,
    /// It is a share in its one file.
    share: Option<Share>,
    /// Files that are read once more, and opened, unless they have this SHA-256.
    on_trial: Mutex<HashMap<(u16, Vec<u8>), Trial>>,
    /// Files that are opened in any case: together with those that fail the trial, so that all that are opened are so
    /// in the order of their paths.
    later: Mutex<Vec<Work>>,
    /// They are opened now.
    again: bool,
}

impl Jobs for Split<'_, '_> {
    fn next(&self) -> Result<Option<Job>> {
        let queue = self.queue;
        loop {
            if queue.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let next = self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
            let Some(file) = next else { return Ok(None) };
            let plan = if self.again { file.plan(&queue.common) } else { file.first_plan(&queue.common) };
            let Some(plan) = plan else {
                queue.skip(&file)?;
                continue;
            };
            if queue.common.records() && !self.again && self.share.is_none() {
                let Some(expected) = file.expected(&queue.common) else {
                    self.later.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(file);
                    continue;
                };
                let mut on_trial = self.on_trial.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                on_trial.insert((file.root, file.path.clone()), (expected, file.clone()));
            }
            queue.progress.begin(&file.path);
            let source = queue.open(&file);
            let part = self.share.as_ref().map_or(Part::Whole, |share| share.part.clone());
            let exempt = file.is_exempt();
            return Ok(Some(Job {
                root: file.root,
                path: file.path,
                plan,
                exempt,
                stamp: file.stamp,
                part,
                source,
            }));
        }
    }
}

impl<'a> Queue<'a> {
    /// The next split; `None` when there is no more, or the run was stopped.
    fn next_split(&self) -> Result<Option<Split<'_, 'a>>> {
        let lock = || self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut pending = lock();
        let (number, files) = loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if let Some((number, work, share)) = pending.shares.pop_front() {
                return Ok(Some(self.split(number, VecDeque::from([work]), Some(share))));
            }
            if let Some(first) = pending.work.next().transpose()? {
                let number = first.1.split;
                let mut files = VecDeque::from([first.1]);
                let same = |r: &Result<(Vec<u8>, Work)>| r.as_ref().map_or(true, |(_, w)| w.split == number);
                while let Some(next) = pending.work.next_if(same) {
                    files.push_back(next?.1);
                }
                break (number, files);
            }
            if pending.dividing == 0 {
                return Ok(None);
            }
            pending = self.more.wait(pending).unwrap_or_else(std::sync::PoisonError::into_inner);
        };
        let least = if files.len() == 1 { self.common.share(&files[0]) } else { None };
        let Some(least) = least else { return Ok(Some(self.split(number, files, None))) };
        pending.dividing += 1;
        drop(pending);
        let rows = self.divide(&files[0], least);
        let mut shares = if rows.is_empty() { Vec::new() } else { Share::of(rows) }.into_iter();
        let own = shares.next();
        let mut pending = lock();
        pending.dividing -= 1;
        pending.shares.extend(shares.map(|share| (number, files[0].clone(), share)));
        drop(pending);
        self.more.notify_all();
        Ok(Some(self.split(number, files, own)))
    }

    fn split(&self, number: u64, files: VecDeque<Work>, share: Option<Share>) -> Split<'_, 'a> {
        let files = Mutex::new(files);
        Split {
            queue: self,
            number,
            files,
            share,
            on_trial: Mutex::default(),
            later: Mutex::default(),
            again: false,
        }
    }
}

impl Queue<'_> {
    fn open(&self, file: &Work) -> std::io::Result<Arc<dyn Source>> {
        let (root, is_folder) = &self.roots[usize::from(file.root)];
        let path = if *is_folder { root.join(OsStr::from_bytes(&file.path)) } else { root.clone() };
        Ok(Arc::new(FileSource::open(&path, file.through_link)?))
    }

    /// How the rows of a file are shared, with so many bytes for each at least; none where one worker reads it.
    fn divide(&self, file: &Work, least: u64) -> Vec<Part> {
        let divided = || {
            let source = self.open(file).ok()?;
            // Of a file that has changed, less is to be trusted than that it can be divided.
            let is_same = source.stamp().is_ok_and(|stamp| stamp == file.stamp);
            is_same.then(|| shard::divide(&source, &file.path, least))
        };
        catch_unwind(AssertUnwindSafe(divided)).ok().flatten().unwrap_or_default()
    }

    fn skip(&self, file: &Work) -> Result<()> {
        let mut seen = Observation::new(Locator::file(Some(file.root), file.path.clone()), 0, Kind::File);
        seen.length = file.stamp.size;
        seen.state = State::NotAsked;
        seen.inside_incomplete = true;
        seen.exempt = file.is_exempt();
        self.skipped_items.fetch_add(1, Ordering::Relaxed);
        let key = item_key(&place_key(&file.path), file.root, 0);
        self.skipped.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(&key, &seen)
    }
}

/// What one worker saw.
pub struct Keeper<'a> {
    observations: Spool<Observation>,
    findings: Findings,
    lists: &'a Lists,
    /// The file that it has a share in at present, and how that changed meanwhile.
    share: Option<Share>,
    changed: Option<String>,
    /// The part of an index that is being written.
    part: Option<PartKeeper>,
    parts: Vec<PartEntry>,
    /// Items are settled later: they are kept.
    spools: bool,
    /// The file whose rows and cells pass by, and how many there were.
    rows_of: Option<(u16, Vec<u8>, u64)>,
    /// Those of other files that are being read.
    rows: HashMap<(u16, Vec<u8>), u64>,
    /// Files of which it is not yet known whether they have to be opened.
    held_back: Vec<Observation>,
    holds_back: bool,
    /// Digests that hash lists need and an index does not have, and how many items were not looked up for that.
    pub lacks: DigestSet,
    pub lacking: u64,
    /// Files of an index that `--include` and `--exclude` leave out.
    pub left_out: u64,
    /// Digests that rows claim of their own content.
    pub in_rows: InRows,
    tally: Tally,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl Observer for Keeper<'_> {
    fn observation(&mut self, seen: Observation) -> Result<()> {
        if (self.holds_back || self.share.is_some()) && seen.kind == Kind::File {
            self.held_back.push(seen);
            return Ok(());
        }
        self.keep(seen)
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
        self.findings.finding(Finding::of_place(code, locator, detail))
    }

    fn digest_columns(&self) -> Arc<[DigestColumn]> {
        Arc::clone(&self.in_rows.columns)
    }

    fn claimed(&mut self, claimed: Claimed) -> Result<()> {
        self.in_rows.settle(claimed, !self.lists.is_empty(), &mut self.findings)
    }

    fn rows(&mut self, rows: u64) {
        self.tally.samples += rows;
    }

    fn read(&mut self, bytes: u64) {
        self.tally.bytes += bytes;
        self.progress.read(bytes);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
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
        if !self.lists.is_empty() && !seen.digests.is_empty() {
            self.tally.looked_up += 1;
            seen.known_bad = self.look_up(&seen)?;
        }
        let lacking = self.lists.algorithms().minus(seen.digests.set());
        if !lacking.is_empty() && !self.lacks.is_empty() && seen.kind != Kind::Row {
            self.lacking += u64::from(seen.state == State::Read);
        } else if seen.state == State::Read && !lacking.is_empty() && seen.kind != Kind::Row {
            let lacking: Vec<_> = lacking.iter().map(|a| a.name()).collect();
            let detail = format!("a hash list needs its {}, which cannot be measured", lacking.join(" and "));
            let finding = Finding::of_place(Code::Unverifiable, seen.locator.clone(), detail);
            self.findings.finding(finding)?;
        }
        if seen.derived {
            return Ok(());
        }
        if let State::Unread(_) = seen.state {
            self.tally.unread += 1;
        }
        if matches!(seen.kind, Kind::Row | Kind::Cell) {
            self.count_row(&seen);
            self.tally.items += 1;
            return Ok(());
        }
        if seen.kind == Kind::File {
            seen.unnamed += self.rows_in(&seen);
        }
        match seen.kind {
            // What an archive decompresses to is a layer, not an item: its members are.
            Kind::Stream if seen.opened => return Ok(()),
            Kind::File => self.tally.shards += 1,
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

    /// Counts a row or a cell of a file.
    fn count_row(&mut self, seen: &Observation) {
        let root = seen.locator.root.unwrap_or(0);
        match &mut self.rows_of {
            Some((of, path, rows)) if *of == root && *path == seen.locator.shard => *rows += 1,
            other => {
                if let Some((of, path, rows)) = other.take() {
                    *self.rows.entry((of, path)).or_default() += rows;
                }
                *other = Some((root, seen.locator.shard.clone(), 1));
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
    fn end_share(&mut self, share: &Share) -> Option<Whole> {
        self.holds_back = false;
        let changed = self.changed.take();
        let seen = self.held_back.pop()?;
        let rows = self.rows_in(&seen);
        share.end(seen, rows, changed, self.in_rows.take_gaps())
    }

    /// Keeps a file that several workers have read.
    fn keep_whole(&mut self, Whole { seen, changed, gaps }: Whole) -> Result<()> {
        self.in_rows.add_gaps(gaps);
        self.in_rows.flush(&mut self.findings)?;
        if let Some(how) = changed {
            self.fault(seen.locator.clone(), Code::ChangedWhileReading, how)?;
        }
        self.keep(seen)
    }

    fn end_part(&mut self) -> Result<()> {
        let ended = self.part.take().map(PartKeeper::finish).transpose()?;
        self.parts.extend(ended.flatten());
        Ok(())
    }

    /// Tells the files of a split that are as expected from those that have to be opened, and gives the latter.
    fn judge_trial<'q, 'a>(&mut self, split: Split<'q, 'a>) -> Option<Split<'q, 'a>> {
        let mut on_trial = split.on_trial.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut again = split.later.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.held_back.retain(|seen| {
            let key = (seen.locator.root.unwrap_or(0), seen.locator.shard.clone());
            let sha256 = seen.digests.of(Algorithm::Sha256).map(|digest| digest.bytes());
            match on_trial.remove(&key) {
                Some((expected, work)) if sha256 != Some(&expected) && seen.state == State::Read => {
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
        let files = Mutex::new(again.into());
        let (on_trial, later) = (Mutex::default(), Mutex::default());
        Some(Split { files, on_trial, later, again: true, ..split })
    }

    /// Keeps the files of a split in the order of their paths, whichever were opened.
    fn keep_held_back(&mut self) -> Result<()> {
        self.holds_back = false;
        let mut files = std::mem::take(&mut self.held_back);
        files.sort_by_cached_key(|seen| {
            item_key(&place_key(&seen.locator.shard), seen.locator.root.unwrap_or(0), 0)
        });
        files.into_iter().try_for_each(|seen| self.keep(seen))
    }
}

impl Keeper<'_> {
    /// Looks an item up in all lists; one finding for each list that holds it.
    fn look_up(&mut self, seen: &Observation) -> Result<bool> {
        let hits: Vec<Seen> = self.lists.look_up(&seen.digests);
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
