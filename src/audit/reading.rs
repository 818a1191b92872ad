//! Reading: workers take files from the plan, and what they observe is looked up and kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::findings::Findings;
use super::in_rows::{ColumnTally, InRows};
use super::keeper::Keeper;
use super::lists::Lists;
use super::parts::Parts;
use super::planning::{Common, Work};
use super::progress::Progress;
use super::queue::{Queue, Split, Stream};
use super::stages::{StageClock, work};
use super::state::State;
use crate::digest::{Algorithm, LaneHasher};
use crate::error::{Error, Result};
use crate::index::observations::PartEntry;
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::observation::Observation;
use crate::observe::digest_columns::DigestColumn;

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
    /// Files that an index or a state told of.
    pub reused: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Reads all work on `threads` threads. What `state` holds of it is not read; past `until` nothing more is.
///
/// # Errors
/// Where the run was stopped or scratch files fail.
#[allow(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
pub fn read(
    roots: &[PathBuf],
    work_list: &Sorted<Work>,
    amount: (u64, u64),
    common: &Common,
    lists: &Arc<Lists>,
    parts: Option<&Parts>,
    spools: bool,
    columns: &Arc<[DigestColumn]>,
    require: Option<Algorithm>,
    threads: usize,
    memory: usize,
    scratch: &Scratch,
    new_findings: &(dyn Fn() -> Findings + Sync),
    state: Option<&State>,
    until: Option<Instant>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Reading> {
    let queue = Queue::new(
        roots, work_list, amount, threads, *common, columns, state, until, scratch, progress, stop,
    );
    // What readers hold beside the spools, which have the rest of it.
    let memory = memory / 4 / threads;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
        Error::Usage(format!("{threads} threads cannot be started: {error}; try fewer with --threads"))
    })?;
    let outcomes: Vec<Result<Keeper<'_>>> = pool.broadcast(|_| {
        let mut keeper = Keeper::new(new_findings(), lists, scratch, progress, stop);
        keeper.spools = spools;
        keeper.in_rows = InRows::new(Arc::clone(columns), require);
        keeper.state = state;
        keeper.until = until;
        let mut hasher = LaneHasher::new();
        let mut read = || -> Result<()> {
            let clock = progress.clock();
            let mut desk = Desk { hasher: &mut hasher, memory, common, parts, clock };
            // Parts of an index are written split by split, and so are files told of that are on trial.
            if parts.is_some() || common.records() {
                while let Some(split) = queue.next_split()? {
                    desk.split(split, &mut keeper)?;
                }
                return Ok(());
            }
            let mut begun = None;
            loop {
                let until = state.map(|_| Instant::now() + KEPT_AFTER);
                let stream = Stream::new(&queue, until).going_on(begun.take());
                work(&stream, desk.hasher, &mut keeper, memory, clock)?;
                keeper.end_split()?;
                let is_last = stream.is_last() || stop.load(Ordering::Relaxed);
                let (rest, apart) = stream.into_rest();
                begun = rest;
                if let Some(split) = apart {
                    desk.split(split, &mut keeper)?;
                }
                if is_last {
                    return Ok(());
                }
            }
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
    let skipped = queue.into_skipped();
    reading.tally.items += skipped.len();
    reading.observations.push(skipped);
    Ok(reading)
}

/// After how long what was told of files is written to the state at the latest.
const KEPT_AFTER: Duration = Duration::from_secs(1);

/// What a worker reads a split with.
struct Desk<'a> {
    hasher: &'a mut LaneHasher,
    memory: usize,
    common: &'a Common,
    parts: Option<&'a Parts>,
    clock: Option<&'a StageClock>,
}

impl Desk<'_> {
    /// Reads a split by itself.
    fn split(&mut self, mut split: Split<'_, '_>, keeper: &mut Keeper<'_>) -> Result<()> {
        let number = split.number;
        split.in_order = self.parts.is_some();
        let piece = split.share.as_ref().map(|share| share.number);
        keeper.part = self.parts.map(|parts| parts.begin(number, piece)).transpose()?;
        keeper.holds_back = self.common.records();
        keeper.share = split.share.clone();
        if keeper.share.is_some() {
            keeper.in_rows.flush(&mut keeper.findings)?;
        }
        work(&split, self.hasher, keeper, self.memory, self.clock)?;
        if let Some(share) = keeper.share.take() {
            let whole = keeper.end_share(&share);
            keeper.end_part()?;
            if let Some(whole) = whole {
                keeper.part = self.parts.map(|parts| parts.begin(number, None)).transpose()?;
                keeper.keep_whole(whole)?;
            }
        } else {
            if let Some(mut split) = keeper.judge_trial(split) {
                split.in_order = self.parts.is_some();
                work(&split, self.hasher, keeper, self.memory, self.clock)?;
            }
            keeper.keep_held_back()?;
        }
        keeper.end_part()?;
        keeper.end_split()
    }
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
