//! One worker: a hasher, and as many cursors in suspension as it takes to fill the hasher's lanes.
//!
//! A cursor is stepped only while the hasher can take more, so backpressure needs no queue, and a further file is begun
//! only where those in hand have nothing to give. A cursor that panics is a
//! finding about its file; the others go on.

mod items;
mod tables;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use bytes::Bytes;

use self::tables::Waiting;
use super::jobs::{InHand, Job, Jobs, Known, Next, Origin};
use super::observer::Observer;
use super::rows::InFlight;
use super::webdataset::Samples;
use crate::digest::{Completed, Digests, Hasher, MsgId, Offer};
use crate::error::Result;
use crate::finding::Code;
use crate::locator::Locator;
use crate::observation::{End, Observation, RegionClass, State, Unread};
use crate::plan::ShardPlan;
use crate::shard::{self, Batch, Cursor, Fault, ItemId, Step};
use crate::source::{Pool, Source, Stamp};

/// Why a file is given up.
const BROKEN: &str = "a decoder gave up on it with an internal error; it was not read to its end";
const NO_TIME: &str = "it was not read to its end: the time limit was reached";

/// The number of the first derived row of a file: after all items that are there.
const DERIVED: u64 = 1 << 62;

/// Reads files until there are no more. What their cursors hold of memory together stays near `memory` bytes.
///
/// # Errors
/// Where observations could not be kept.
pub fn work(
    jobs: &dyn Jobs,
    hasher: &mut dyn Hasher,
    observer: &mut dyn Observer,
    memory: usize,
) -> Result<()> {
    let mut worker = Worker {
        hasher,
        observer,
        pool: Pool::new(),
        messages: HashMap::new(),
        batches: BTreeMap::new(),
        records: BTreeMap::new(),
        waiting: VecDeque::new(),
        next_message: 0,
    };
    let mut active: VecDeque<Active> = VecDeque::new();
    let mut completed = Completed::default();
    let mut no_more = false;
    loop {
        let mut idle = true;
        // Fill the lanes: from the files in hand, turn by turn, and where those have nothing to give, from more files.
        loop {
            let is_over = worker.observer.is_over();
            let mut moved = false;
            for file in &mut active {
                if is_over && !file.done {
                    worker.give_up(file, NO_TIME)?;
                    moved = true;
                }
                // Of a file that was given up, pieces may be left that the hasher had no room for.
                if worker.hasher.is_hungry() && (!file.done || !file.refused.is_empty()) {
                    moved |= worker.step(file)?;
                    let read = file.read.min(file.stamp.size);
                    if read > file.counted {
                        jobs.read(read - file.counted);
                        file.counted = read;
                    }
                }
            }
            idle &= !moved;
            if !worker.hasher.is_hungry() || !worker.waiting.is_empty() || worker.observer.stopped() {
                break;
            }
            if moved {
                continue;
            }
            let held: usize = active.iter().map(Active::footprint).sum();
            if no_more || active.len() >= worker.hasher.lanes() || (held > memory && !active.is_empty()) {
                break;
            }
            let longest = active.iter().map(|file| file.stamp.size - file.counted).max().unwrap_or(0);
            match jobs.next(&InHand { files: active.len(), longest })? {
                Next::Job(job) => {
                    let is_first = active.is_empty() || !jobs.in_order();
                    active.push_back(worker.admit(*job, is_first));
                    idle = false;
                }
                Next::Later => break,
                Next::Nothing => no_more = true,
            }
        }
        if active.is_empty() || worker.observer.stopped() {
            if no_more || worker.observer.stopped() {
                return Ok(());
            }
            continue;
        }
        // The first to have been read last time is not the first again: no file waits for the others for long.
        if !jobs.in_order() {
            active.rotate_left(1);
        }
        let more = !no_more || active.iter().any(|file| !file.done);
        idle &= !worker.hasher.drain(&mut completed, more);
        for (message, digests) in completed.messages.drain(..) {
            if let Some((serial, item)) = worker.messages.remove(&message)
                && let Some(file) = active.iter_mut().find(|a| a.serial == serial)
            {
                worker.hashed(file, item, digests)?;
            }
        }
        for cells in completed.cells.drain(..) {
            worker.hashed_of_table(cells);
        }
        while let Some(serial) = worker.offer_waiting()? {
            idle = false;
            if let Some(file) = active.iter_mut().find(|a| a.serial == serial) {
                file.batches_out = file.batches_out.saturating_sub(1);
            }
        }
        let mut at = 0;
        while at < active.len() {
            if active[at].is_finished() && (at == 0 || !jobs.in_order()) {
                idle = false;
                if let Some(file) = active.remove(at) {
                    jobs.read(file.stamp.size - file.counted);
                    jobs.ended();
                    worker.conclude(file)?;
                }
                if jobs.in_order()
                    && let Some(first) = active.front_mut()
                {
                    worker.is_first(first)?;
                }
            } else {
                at += 1;
            }
        }
        if idle {
            // Every source answered "not yet": the network is the limit, not this core.
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

struct Worker<'a> {
    hasher: &'a mut dyn Hasher,
    observer: &'a mut dyn Observer,
    pool: Pool,
    messages: HashMap<MsgId, (u64, ItemId)>,
    /// Batches whose lines and cells are being hashed, by their first message.
    batches: BTreeMap<MsgId, InFlight>,
    /// Batches whose records are being hashed, by their first message, and those records.
    records: BTreeMap<MsgId, (InFlight, ArrayRef)>,
    /// Batches that wait for the hasher, the oldest first.
    waiting: VecDeque<Waiting>,
    next_message: u64,
}

/// A file being read.
struct Active {
    serial: u64,
    root: u16,
    path: Vec<u8>,
    plan: ShardPlan,
    exempt: bool,
    stamp: Stamp,
    /// Its bytes and the reader of them; none where it is told of without reading.
    reading: Option<(Arc<dyn Source>, Box<dyn Cursor>)>,
    /// What is known of it without reading.
    known: Option<Box<dyn Known>>,
    /// Bytes read so far that the observer knows of.
    read: u64,
    /// Those of them that count: some formats read bytes twice.
    counted: u64,
    /// Items opened and not yet reported, by their number in the cursor.
    items: BTreeMap<ItemId, Item>,
    /// Those of them that were closed, in that order, in which they are reported whichever is hashed first.
    closed: VecDeque<ItemId>,
    /// Pieces the hasher had no lane for, the oldest first.
    refused: VecDeque<(MsgId, Bytes, bool)>,
    /// Batches of rows that are not hashed to their end.
    batches_out: u64,
    /// The number that the next row gets: rows are numbered after all items opened before them.
    next_row: u64,
    /// The cursor has said `Done`.
    done: bool,
    /// The samples that its members are, where records are asked for.
    samples: Samples,
    /// What the file decompresses to, once that has been read.
    stream: Option<(Digests, u64)>,
    /// The file's own observation, held until the file's stamp was looked at again.
    whole: Option<Observation>,
    /// Nothing is told of any file before it any more: what is told of it needs not be held.
    is_first: bool,
    /// What is to be told of it once that is so, and rows that are to be hashed then.
    held: Vec<Told>,
    batch: Option<Box<Batch>>,
}

/// What is told of a file.
enum Told {
    Seen(Box<Observation>),
    Fault(Locator, Code, String),
}

/// What is held of a file at most before it is left to wait for its turn.
const HELD: usize = 1024;

/// An item being observed.
struct Item {
    observation: Observation,
    parent: Option<ItemId>,
    message: Option<MsgId>,
    closed: bool,
    hashed: bool,
    /// The first bytes of a file short enough to be a pointer, of Git LFS or git-annex.
    head: Vec<u8>,
}

impl Worker<'_> {
    fn admit(&mut self, job: Job, is_first: bool) -> Active {
        let Job { root, path, plan, exempt, stamp, part, source, known } = job;
        let serial = self.next_message;
        self.next_message += 1;
        let mut file = Active {
            serial,
            root,
            path,
            plan,
            exempt,
            stamp,
            reading: None,
            known,
            read: 0,
            counted: 0,
            items: BTreeMap::new(),
            closed: VecDeque::new(),
            refused: VecDeque::new(),
            batches_out: 0,
            next_row: 0,
            done: true,
            samples: Samples::default(),
            stream: None,
            whole: None,
            is_first,
            held: Vec::new(),
            batch: None,
        };
        if file.known.is_some() {
            return file;
        }
        self.observer.begin(root, &file.path, &plan, Origin::Read);
        file.plan = part.plan(plan);
        match source {
            Ok(source) => {
                let cursor = shard::open_part(Arc::clone(&source), &file.path, &file.plan, part);
                let cursor = self.observer.cursor(cursor);
                file.reading = Some((source, cursor));
                file.done = false;
            }
            Err(cause) => {
                let locator = Locator::file(Some(root), file.path.clone());
                let detail = format!("it cannot be opened: {cause}");
                file.held.push(Told::Fault(locator.clone(), Code::Unreadable, detail));
                let unread = Observation::unread(locator, stamp.size, Unread::Unreadable);
                file.held.push(Told::Seen(Box::new(unread)));
            }
        }
        file
    }

    /// Nothing more is told of files before this one.
    fn is_first(&mut self, file: &mut Active) -> Result<()> {
        file.is_first = true;
        for told in std::mem::take(&mut file.held) {
            self.tell(file, told)?;
        }
        match file.batch.take() {
            Some(batch) => self.batch(file, *batch),
            None => Ok(()),
        }
    }

    /// Tells of an item, once it is its file's turn.
    fn seen(&mut self, file: &mut Active, seen: Observation) -> Result<()> {
        match file.is_first {
            true => self.observer.observation(seen),
            false => self.tell(file, Told::Seen(Box::new(seen))),
        }
    }

    /// Tells something of a file, once it is its turn.
    fn tell(&mut self, file: &mut Active, told: Told) -> Result<()> {
        if !file.is_first {
            file.held.push(told);
            return Ok(());
        }
        match told {
            Told::Seen(seen) => self.observer.observation(*seen),
            Told::Fault(locator, code, detail) => self.observer.fault(locator, code, detail),
        }
    }

    /// Does one step of one file; `false` if nothing could be done.
    fn step(&mut self, file: &mut Active) -> Result<bool> {
        if let Some((message, piece, last)) = file.refused.pop_front() {
            if let Offer::Full(piece) = self.hasher.offer(message, piece, last) {
                file.refused.push_front((message, piece, last));
                return Ok(false);
            }
            return Ok(true);
        }
        if (file.batches_out > 0 && !self.waiting.is_empty())
            || file.batch.is_some()
            || file.held.len() >= HELD
        {
            return Ok(false);
        }
        let Some((_, cursor)) = &mut file.reading else { return Ok(false) };
        let pool = &mut self.pool;
        let step = match catch_unwind(AssertUnwindSafe(|| cursor.step(pool))) {
            Ok(step) => {
                let read = cursor.bytes_read();
                if read > file.read {
                    self.observer.read(read - file.read);
                    file.read = read;
                }
                step
            }
            Err(_) => {
                self.give_up(file, BROKEN)?;
                return Ok(true);
            }
        };
        match step {
            Step::Open { item, parent, kind, name, offset, len, hidden, region } => {
                self.open(file, item, parent, kind, name, offset, len, hidden)?;
                if let Some(entry) = file.items.get_mut(&item) {
                    entry.observation.region = region;
                }
            }
            Step::Data { item, bytes } => self.data(file, item, bytes),
            Step::Close { item, end } => self.close(file, item, end)?,
            Step::Batch(batch) if file.is_first => self.batch(file, *batch)?,
            Step::Batch(batch) => file.batch = Some(batch),
            Step::Region { layer, range, class } => {
                if let Some(item) = file.items.get_mut(&ItemId::FILE)
                    && layer == ItemId::FILE
                    && class == RegionClass::Payload
                {
                    item.observation.length = item.observation.length.max(range.end);
                }
            }
            Step::Fault(fault) => self.fault(file, fault)?,
            Step::Quiet => {}
            Step::NotYet => return Ok(false),
            Step::Done => file.done = true,
        }
        Ok(true)
    }

    fn fault(&mut self, file: &mut Active, fault: Fault) -> Result<()> {
        let mut locator = match file.items.get(&fault.item) {
            Some(entry) => entry.observation.locator.clone(),
            None => Locator::file(Some(file.root), file.path.clone()),
        };
        if matches!(fault.code, Code::Unreadable | Code::Opaque) {
            for id in [fault.item, ItemId::FILE] {
                if let Some(entry) = file.items.get_mut(&id) {
                    entry.observation.inside_incomplete = true;
                }
            }
        }
        locator.offset = fault.offset.or(locator.offset);
        self.tell(file, Told::Fault(locator, fault.code, fault.detail))
    }

    /// No more is read of a file: the cursor panicked, which is a bug of a decoder, or the time is over. Either is told
    /// as a fact about the file.
    fn give_up(&mut self, file: &mut Active, detail: &str) -> Result<()> {
        let locator = Locator::file(Some(file.root), file.path.clone());
        self.tell(file, Told::Fault(locator.clone(), Code::Unreadable, detail.to_string()))?;
        let open: Vec<ItemId> = file.items.keys().rev().copied().collect();
        for item in open {
            if file.items.get(&item).is_some_and(|e| !e.closed) {
                self.close(file, item, End::Damaged)?;
            }
        }
        match (&mut file.whole, file.items.get_mut(&ItemId::FILE)) {
            // All its bytes were seen, but what is in it is not told to the end.
            (Some(whole), _) => whole.inside_incomplete = true,
            (None, Some(entry)) => entry.observation.inside_incomplete = true,
            (None, None) => {
                file.whole = Some(Observation::unread(locator, file.stamp.size, Unread::Unreadable));
            }
        }
        file.done = true;
        Ok(())
    }

    /// The file was read: was it the same file all the time?
    fn conclude(&mut self, mut file: Active) -> Result<()> {
        self.is_first(&mut file)?;
        if let Some(known) = file.known {
            return known.tell(self.observer);
        }
        self.tell_samples(&mut file, true)?;
        let (Some(mut whole), Some((source, _))) = (file.whole, file.reading) else { return Ok(()) };
        let now = source.stamp();
        let changed = match &now {
            Ok(now) => *now != file.stamp,
            Err(_) => true,
        };
        if changed {
            let detail = match now {
                Ok(now) if now.size != file.stamp.size => format!(
                    "it had {} bytes when it was listed and {} when it had been read",
                    file.stamp.size, now.size
                ),
                Ok(_) => "its time stamp changed between listing and the end of reading".to_string(),
                Err(error) => format!("it could not be looked at again: {}", error.cause),
            };
            self.observer.fault(whole.locator.clone(), Code::ChangedWhileReading, detail)?;
            whole.state = State::Unread(Unread::ChangedWhileReading);
            // Its digests stay: what was read is still looked up in hash lists, though no claim is settled by it.
            whole.inside_incomplete = true;
        }
        whole.stamp = Some(file.stamp);
        self.observer.observation(whole)
    }
}

impl Active {
    /// Bytes of memory that its reader holds.
    fn footprint(&self) -> usize {
        self.reading.as_ref().map_or(0, |(_, cursor)| cursor.footprint())
    }

    fn is_finished(&self) -> bool {
        let held = !self.refused.is_empty() || self.batches_out > 0 || self.batch.is_some();
        self.done && !held && self.items.is_empty()
    }
}
