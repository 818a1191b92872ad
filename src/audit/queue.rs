//! What is still to be read: workers take splits, files, and shares in large files from here.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::iter::Peekable;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::division::Share;
use super::planning::{Common, Work};
use super::progress::Progress;
use super::state::{self, ColumnsKey, KeptShard, State};
use super::time_limit::{NotReached, is_over};
use crate::check::item_key;
use crate::error::Result;
use crate::index::spool::{Iter, Scratch, Sorted, Spool};
use crate::locator::{Locator, place_key};
use crate::observation::{self, Kind, Observation};
use crate::observe::digest_columns::DigestColumn;
use crate::observe::{InHand, Job, Jobs, Known, Next};
use crate::plan::ShardPlan;
use crate::shard::{self, Part};
use crate::source::Source;
use crate::source::file::{FileSource, open_folder};

/// The files still to be read.
pub struct Queue<'a> {
    roots: Vec<Root>,
    pending: Mutex<Pending<'a>>,
    /// A file was divided, or turned out not to be.
    more: Condvar,
    common: Common,
    /// What is kept of files that are as they were.
    state: Option<&'a State>,
    /// What identifies the columns of digests of this run.
    columns: ColumnsKey,
    /// When the time is over.
    until: Option<Instant>,
    /// Files of which nothing is asked.
    skipped: Mutex<Spool<Observation>>,
    amount: Amount,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

/// How much there is to do, and who does it.
struct Amount {
    workers: u64,
    /// Files that nobody has taken, and those that somebody has in hand.
    waiting: AtomicU64,
    in_hand: AtomicU64,
    /// Bytes of all files that have not been read.
    unread: AtomicU64,
}

/// A root that files are opened below.
enum Root {
    /// A folder, held open: the path to it is walked once.
    Folder(OwnedFd),
    /// A file, which is its own only item, or a folder that could not be opened.
    Path(PathBuf, bool),
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
pub type Trial = ([u8; 32], Work);

/// The files of one split.
pub struct Split<'q, 'a> {
    /// Where it is from.
    pub queue: &'q Queue<'a>,
    /// Its number, of which its part of an index has its name.
    pub number: u64,
    /// Its files, in the order of their paths.
    pub files: Mutex<VecDeque<Work>>,
    /// It is a share in its one file.
    pub share: Option<Share>,
    /// Files that are read once more, and opened, unless they have this SHA-256.
    pub on_trial: Mutex<HashMap<(u16, Vec<u8>), Trial>>,
    /// Files that are opened in any case: together with those that fail the trial, so that all that are opened are so
    /// in the order of their paths.
    pub later: Mutex<Vec<Work>>,
    /// They are opened now.
    pub again: bool,
    /// Its files are told of in their order.
    pub in_order: bool,
}

impl<'q, 'a> Split<'q, 'a> {
    /// Files of a split that are opened after all.
    pub fn again(queue: &'q Queue<'a>, number: u64, files: VecDeque<Work>) -> Self {
        Split { again: true, ..queue.split(number, files, None) }
    }
}

impl Jobs for Split<'_, '_> {
    fn next(&self, _in_hand: &InHand) -> Result<Next> {
        Ok(self.next_job()?.map_or(Next::Nothing, |job| Next::Job(Box::new(job))))
    }

    fn read(&self, bytes: u64) {
        self.queue.amount.read(bytes);
    }

    fn ended(&self) {
        if self.share.is_none() {
            self.queue.amount.ended();
        }
    }

    fn in_order(&self) -> bool {
        self.in_order
    }
}

impl Split<'_, '_> {
    fn is_empty(&self) -> bool {
        self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_empty()
    }

    fn next_job(&self) -> Result<Option<Job>> {
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
            let known = queue.known(&file, &plan, self.share.is_some());
            let source = match &known {
                Some(_) => Err(std::io::ErrorKind::Unsupported.into()),
                None => queue.open(&file),
            };
            let part = self.share.as_ref().map_or(Part::Whole, |share| share.part.clone());
            let exempt = file.is_exempt();
            if !self.again && self.share.is_none() {
                queue.amount.taken();
            }
            return Ok(Some(Job {
                root: file.root,
                path: file.path,
                plan,
                exempt,
                stamp: file.stamp,
                part,
                source,
                known,
            }));
        }
    }
}

/// Split after split as one stream of files: where no part of an index is written, a worker may have files of several
/// in hand.
pub struct Stream<'q, 'a> {
    queue: &'q Queue<'a>,
    split: RefCell<Option<Split<'q, 'a>>>,
    /// A split that is read by itself: a share in a file.
    apart: RefCell<Option<Split<'q, 'a>>>,
    /// When the stream ends, though there is more.
    until: Option<Instant>,
    /// Nobody has anything left to give.
    is_last: Cell<bool>,
}

impl<'q, 'a> Stream<'q, 'a> {
    /// A stream that ends at this time, if one is given.
    pub fn new(queue: &'q Queue<'a>, until: Option<Instant>) -> Self {
        Stream {
            queue,
            split: RefCell::default(),
            apart: RefCell::default(),
            until,
            is_last: Cell::new(false),
        }
    }

    /// Whether there is nothing after it.
    pub fn is_last(&self) -> bool {
        self.is_last.get()
    }

    /// What is left when the stream has ended: a split that is to be read by itself, or one that was begun.
    pub fn into_rest(self) -> (Option<Split<'q, 'a>>, Option<Split<'q, 'a>>) {
        (self.split.into_inner().filter(|split| !split.is_empty()), self.apart.into_inner())
    }

    /// The same stream, begun with what another one left.
    #[must_use]
    pub fn going_on(self, split: Option<Split<'q, 'a>>) -> Self {
        self.split.replace(split);
        self
    }
}

impl Jobs for Stream<'_, '_> {
    fn next(&self, in_hand: &InHand) -> Result<Next> {
        if in_hand.files > 0 && (!self.queue.amount.is_for(in_hand) || self.queue.is_pressed(in_hand)) {
            return Ok(Next::Later);
        }
        loop {
            if self.apart.borrow().is_some() || self.until.is_some_and(|until| Instant::now() >= until) {
                return Ok(Next::Nothing);
            }
            if let Some(split) = &*self.split.borrow()
                && let Some(job) = split.next_job()?
            {
                return Ok(Next::Job(Box::new(job)));
            }
            match self.queue.next_split()? {
                None => {
                    self.is_last.set(true);
                    return Ok(Next::Nothing);
                }
                Some(split) if split.share.is_some() => {
                    self.apart.replace(Some(split));
                }
                Some(split) => {
                    self.split.replace(Some(split));
                }
            }
        }
    }

    fn read(&self, bytes: u64) {
        self.queue.amount.read(bytes);
    }

    fn ended(&self) {
        self.queue.amount.ended();
    }
}

/// Bytes before a file in hand from which on, where the time is limited, it shares its core with no further one.
const LONG: u64 = 1 << 30;

/// How much faster a core hashes several messages than one: less than it does with the kernels of `digest`.
const SEVERAL: f64 = 1.7;

impl Amount {
    fn taken(&self) {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }

    fn read(&self, bytes: u64) {
        let less = |n: u64| Some(n.saturating_sub(bytes));
        let _ = self.unread.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn ended(&self) {
        let _ = self.in_hand.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }

    /// Whether a further file is for a worker with these in hand: not where others are left with less than their share,
    /// and not while it has one in hand that takes as long, by itself, as all the others take on the other cores. That
    /// one alone says when the run ends, and the more it shares its core with, the slower it is.
    fn is_for(&self, in_hand: &InHand) -> bool {
        let files = self.waiting.load(Ordering::Relaxed) + self.in_hand.load(Ordering::Relaxed);
        let others = self.unread.load(Ordering::Relaxed).saturating_sub(in_hand.longest) as f64;
        let is_last = in_hand.longest as f64 * SEVERAL * (self.workers - 1) as f64 >= others;
        (in_hand.files as u64) < files.div_ceil(self.workers) && !is_last
    }
}

impl<'a> Queue<'a> {
    /// All the work of a run, of so many files and bytes, for so many workers. What `state` holds of it is not read; past `until` nothing more is.
    #[allow(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
    pub fn new(
        roots: &[PathBuf],
        work: &'a Sorted<Work>,
        (files, bytes): (u64, u64),
        workers: usize,
        common: Common,
        columns: &[DigestColumn],
        state: Option<&'a State>,
        until: Option<Instant>,
        scratch: &Scratch,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
    ) -> Self {
        let work = work.iter().peekable();
        Queue {
            roots: roots.iter().map(|root| Root::of(root)).collect(),
            pending: Mutex::new(Pending { work, shares: VecDeque::new(), dividing: 0 }),
            more: Condvar::new(),
            common,
            state,
            columns: state::columns_key(columns),
            until,
            skipped: Mutex::new(Spool::new(scratch)),
            amount: Amount {
                workers: workers.max(1) as u64,
                waiting: AtomicU64::new(files),
                in_hand: AtomicU64::new(0),
                unread: AtomicU64::new(bytes),
            },
            progress,
            stop,
        }
    }

    /// Files of which nothing was asked.
    pub fn into_skipped(self) -> Spool<Observation> {
        self.skipped.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The next split; `None` when there is no more, or the run was stopped.
    pub fn next_split(&self) -> Result<Option<Split<'_, 'a>>> {
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
        let least = if files.len() == 1 { self.share_of(&files[0]) } else { None };
        let Some(least) = least else { return Ok(Some(self.split(number, files, None))) };
        pending.dividing += 1;
        drop(pending);
        let rows = self.divide(&files[0], least);
        let mut shares = if rows.is_empty() { Vec::new() } else { Share::of(rows) }.into_iter();
        let own = shares.next();
        if own.is_some() {
            // It is in the hands of all who share in it.
            self.amount.taken();
            self.amount.ended();
        }
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
            in_order: false,
        }
    }
}

impl Root {
    fn of(root: &Path) -> Root {
        match open_folder(rustix::fs::CWD, root) {
            Ok(folder) => Root::Folder(folder),
            Err(_) => Root::Path(root.to_path_buf(), root.is_dir()),
        }
    }
}

impl Queue<'_> {
    /// What need not be read: what the state holds of the file, or that there is no time left for it.
    fn known(&self, file: &Work, plan: &ShardPlan, is_share: bool) -> Option<Box<dyn Known>> {
        let kept = self.kept(file, plan).filter(|_| !is_share);
        if let Some(kept) = kept {
            return Some(Box::new(kept));
        }
        is_over(self.until).then(|| Box::new(NotReached::of(file)) as Box<dyn Known>)
    }

    fn kept(&self, file: &Work, plan: &ShardPlan) -> Option<KeptShard> {
        let state = self.state?;
        let kept = file.kept.iter().find(|kept| kept.serves(plan, &self.columns))?;
        Some(state.shard(file, kept, *plan))
    }

    /// With how many bytes for each at least the rows of a file are shared.
    fn share_of(&self, file: &Work) -> Option<u64> {
        let least = self.common.share(file)?;
        let plan = file.plan(&self.common)?;
        (self.kept(file, &plan).is_none() && !is_over(self.until)).then_some(least)
    }

    /// Whether the time is limited and a long file is in hand: of two that are begun together neither may get done.
    fn is_pressed(&self, in_hand: &InHand) -> bool {
        self.until.is_some() && in_hand.longest > LONG
    }

    fn open(&self, file: &Work) -> std::io::Result<Arc<dyn Source>> {
        let below = OsStr::from_bytes(&file.path);
        let source = match &self.roots[usize::from(file.root)] {
            Root::Folder(folder) => FileSource::open_in(folder, below.as_ref(), file.through_link)?,
            Root::Path(root, true) => FileSource::open(&root.join(below), file.through_link)?,
            Root::Path(root, false) => FileSource::open(root, file.through_link)?,
        };
        Ok(Arc::new(source))
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
        seen.state = observation::State::NotAsked;
        seen.inside_incomplete = true;
        seen.exempt = file.is_exempt();
        let key = item_key(&place_key(&file.path), file.root, 0);
        self.skipped.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(&key, &seen)
    }
}
