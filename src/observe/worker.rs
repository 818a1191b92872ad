//! One worker: a hasher, and as many cursors in suspension as the hasher has lanes.
//!
//! A cursor is stepped only when the hasher can take more, so backpressure needs no queue. A cursor that panics is a
//! finding about its file; the others go on.

mod tables;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use bytes::Bytes;

use self::tables::Waiting;
use super::digest_columns::DigestColumn;
use super::measured::{Claimed, Measured};
use super::rows::InFlight;
use super::webdataset::{self, Samples};
use crate::digest::{Completed, DigestSet, Digests, Hasher, MsgId, Offer};
use crate::error::Result;
use crate::finding::Code;
use crate::locator::{ItemPath, Locator, is_format_control};
use crate::manifest::{annex_key, lfs_pointer};
use crate::observation::{End, Kind, Observation, PointerSeen, RegionClass, State, Unread};
use crate::plan::{Inside, ShardPlan};
use crate::shard::{self, Batch, Cursor, Fault, ItemId, Part, Step};
use crate::source::{Pool, Source, Stamp};

/// Why a file is given up.
const BROKEN: &str = "a decoder gave up on it with an internal error; it was not read to its end";
const NO_TIME: &str = "it was not read to its end: the time limit was reached";

/// The number of the first derived row of a file: after all items that are there.
const DERIVED: u64 = 1 << 62;

/// A file to be read.
pub struct Job {
    /// Index of its root.
    pub root: u16,
    /// Its path below the root.
    pub path: Vec<u8>,
    /// What is asked of it.
    pub plan: ShardPlan,
    /// Nobody has to claim it.
    pub exempt: bool,
    /// Its state when it was listed.
    pub stamp: Stamp,
    /// What of it is to be read.
    pub part: Part,
    /// Where its bytes come from; what the system said where it could not be opened.
    pub source: std::io::Result<Arc<dyn Source>>,
    /// What there is to say of it without reading it.
    pub known: Option<Box<dyn Known>>,
}

/// What is known of a file that is not read.
pub trait Known: Send {
    /// Tells it, as a worker would have told it.
    ///
    /// # Errors
    /// Where it could not be had or kept.
    fn tell(self: Box<Self>, observer: &mut dyn Observer) -> Result<()>;
}

/// How it came about that a file is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is read.
    Read,
    /// It was read by an earlier run, and has not changed since.
    Kept,
    /// There is no time left to read it.
    NotReached,
}

/// Hands out files to one worker.
pub trait Jobs {
    /// The next file for a worker that has these in hand.
    ///
    /// # Errors
    /// Where the list of work could not be read.
    fn next(&self, in_hand: &InHand) -> Result<Next>;

    /// So many bytes of files that were handed out need no more be read.
    fn read(&self, _bytes: u64) {}

    /// A file that was handed out is no longer in hand.
    fn ended(&self) {}

    /// Files are told of one after the other, in the order in which they were handed out.
    fn in_order(&self) -> bool {
        false
    }
}

/// What a worker is given to do.
pub enum Next {
    /// A file.
    Job(Box<Job>),
    /// Nothing until a file in hand has ended: what is left is for others, or the file in hand must not wait.
    Later,
    /// There is no more, or the run was stopped.
    Nothing,
}

/// The files that a worker has in hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct InHand {
    /// How many.
    pub files: usize,
    /// The most bytes that one of them has before it.
    pub longest: u64,
}

/// Takes what one worker observed.
pub trait Observer {
    /// A file of which this is asked is begun; what is told of it until the file itself is of this origin.
    fn begin(&mut self, _root: u16, _path: &[u8], _plan: &ShardPlan, _origin: Origin) {}

    /// The cursor over a file as it is to be stepped: whoever measures steps wraps it.
    fn cursor(&self, cursor: Box<dyn Cursor>) -> Box<dyn Cursor> {
        cursor
    }

    /// An item was measured.
    ///
    /// # Errors
    /// Where it could not be kept.
    fn observation(&mut self, observation: Observation) -> Result<()>;

    /// Rows of a table and their cells were measured. Whoever has no use for them one by one takes them by the column.
    ///
    /// # Errors
    /// Where they could not be kept.
    fn batch(&mut self, batch: &Measured) -> Result<()> {
        batch.each(&mut |seen| self.observation(seen))
    }

    /// Something is wrong with a file.
    ///
    /// # Errors
    /// Where it could not be kept.
    fn fault(&mut self, locator: Locator, code: Code, detail: String) -> Result<()>;

    /// Columns that claim digests of what else is in their row.
    fn digest_columns(&self) -> Arc<[DigestColumn]> {
        Arc::new([])
    }

    /// Such a digest was held against its row.
    ///
    /// # Errors
    /// Where what became of it could not be kept.
    fn claimed(&mut self, _claimed: Claimed) -> Result<()> {
        Ok(())
    }

    /// So many rows of tables in this file are being read: each is a sample, whatever is measured of it.
    ///
    /// # Errors
    /// Where that could not be kept.
    fn rows(&mut self, root: u16, path: &[u8], rows: u64) -> Result<()>;

    /// So many bytes of the dataset were read.
    fn read(&mut self, bytes: u64);

    /// Whether the run was asked to stop.
    fn stopped(&self) -> bool;

    /// Whether the time is over: what is not read by now is told as unread.
    fn is_over(&self) -> bool {
        false
    }
}

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
                    jobs.read(read - file.counted);
                    file.counted = read;
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
        // What waits for lanes is work as well.
        idle &= worker.hasher.is_hungry();
        let more = !no_more || active.iter().any(|file| !file.done);
        worker.hasher.drain(&mut completed, more);
        idle &= completed.messages.is_empty() && completed.cells.is_empty();
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

    #[allow(clippy::too_many_arguments, reason = "the fields of one step, taken apart once")]
    fn open(
        &mut self,
        file: &mut Active,
        item: ItemId,
        parent: Option<ItemId>,
        kind: Kind,
        name: Vec<u8>,
        offset: u64,
        len: Option<u64>,
        hidden: bool,
    ) -> Result<()> {
        file.next_row = file.next_row.max(item.0 + 1);
        let mut locator = Locator::file(Some(file.root), file.path.clone());
        let mut in_stream = false;
        match kind {
            Kind::Member => {
                let refused = match ItemPath::parse(&name) {
                    Ok(path) => {
                        locator.member = vec![path.into_bytes()];
                        None
                    }
                    Err(why) => {
                        locator.member = vec![name];
                        Some(why)
                    }
                };
                if let Some(why) = refused.filter(|_| !hidden) {
                    let detail = format!("an entry whose name is refused: {why}");
                    self.tell(file, Told::Fault(locator.clone(), Code::UnsafeName, detail))?;
                }
            }
            Kind::Region => {
                locator.offset = Some(offset);
                in_stream = parent
                    .is_some_and(|p| file.items.get(&p).is_some_and(|i| i.observation.kind == Kind::Stream));
            }
            Kind::File | Kind::Stream | Kind::Row | Kind::Cell => {}
        }
        // Whatever holds a member or a stream is a container: its samples speak for it.
        if matches!(kind, Kind::Member | Kind::Stream) {
            for holder in [parent, Some(ItemId::FILE)].into_iter().flatten() {
                if let Some(holder) = file.items.get_mut(&holder) {
                    holder.observation.opened = true;
                }
            }
        }
        let wanted = match kind {
            Kind::File => file.plan.file,
            Kind::Stream => file.plan.stream,
            Kind::Member | Kind::Region | Kind::Row | Kind::Cell => file.plan.samples,
        };
        let mut observation = Observation::new(locator, item.0, kind);
        observation.hidden = hidden;
        observation.in_stream = in_stream;
        observation.exempt = file.exempt;
        observation.inside_incomplete = kind == Kind::File && file.plan.inside == Inside::Refused;
        let message = (!wanted.is_empty()).then(|| self.announce(file.serial, item, wanted, len));
        let hashed = message.is_none();
        if hashed {
            observation.state = State::NotAsked;
            observation.length = len.unwrap_or(0);
        }
        if kind == Kind::Member && !hidden && file.plan.records {
            file.samples.begin(item.0, &observation.locator.member[0]);
        }
        let entry = Item { observation, parent, message, closed: false, hashed, head: Vec::new() };
        file.items.insert(item, entry);
        let named = match kind {
            Kind::File => file.path.as_slice(),
            Kind::Member => file.items[&item].observation.locator.member[0].as_slice(),
            Kind::Stream | Kind::Row | Kind::Cell | Kind::Region => return Ok(()),
        };
        if !hidden && is_odd(named) {
            let locator = file.items[&item].observation.locator.clone();
            let detail =
                "its name has characters that hide or reorder text; they are shown escaped".to_string();
            self.tell(file, Told::Fault(locator, Code::OddName, detail))?;
        }
        Ok(())
    }

    fn announce(&mut self, file: u64, item: ItemId, wanted: DigestSet, len: Option<u64>) -> MsgId {
        let message = MsgId(self.next_message);
        self.next_message += 1;
        self.hasher.open(message, wanted, len);
        self.messages.insert(message, (file, item));
        message
    }

    fn data(&mut self, file: &mut Active, item: ItemId, bytes: Bytes) {
        let Some(entry) = file.items.get_mut(&item) else { return };
        let Some(message) = entry.message else { return };
        entry.observation.length += bytes.len() as u64;
        if matches!(entry.observation.kind, Kind::File | Kind::Member)
            && entry.head.len() < lfs_pointer::TOO_LONG
        {
            let room = lfs_pointer::TOO_LONG - entry.head.len();
            entry.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        self.offer(file, message, bytes, false);
    }

    /// Offers a piece, after those that wait already.
    fn offer(&mut self, file: &mut Active, message: MsgId, piece: Bytes, last: bool) {
        if !file.refused.is_empty() {
            file.refused.push_back((message, piece, last));
        } else if let Offer::Full(piece) = self.hasher.offer(message, piece, last) {
            file.refused.push_back((message, piece, last));
        }
    }

    fn close(&mut self, file: &mut Active, item: ItemId, end: End) -> Result<()> {
        let Some(entry) = file.items.get_mut(&item) else { return Ok(()) };
        entry.closed = true;
        if end != End::Complete {
            entry.observation.state = State::Unread(Unread::Unreadable);
            // Whoever holds it has not shown all of its inside.
            let mut holder = entry.parent;
            while let Some(id) = holder {
                let Some(above) = file.items.get_mut(&id) else { break };
                above.observation.inside_incomplete = true;
                holder = above.parent;
            }
            if let Some(entry) = file.items.get_mut(&item) {
                entry.observation.inside_incomplete = true;
            }
        }
        let Some(entry) = file.items.get(&item) else { return Ok(()) };
        if let Some(message) = entry.message {
            self.offer(file, message, Bytes::new(), true);
        }
        file.closed.push_back(item);
        self.report(file)
    }

    fn hashed(&mut self, file: &mut Active, item: ItemId, digests: Digests) -> Result<()> {
        if let Some(entry) = file.items.get_mut(&item) {
            entry.hashed = true;
            match entry.observation.state {
                State::Read => entry.observation.digests = digests,
                _ => entry.observation.of_damaged = digests,
            }
        }
        self.report(file)
    }

    /// Passes items on that are closed and hashed, in the order in which they were closed. The file itself waits for
    /// [`Worker::conclude`].
    fn report(&mut self, file: &mut Active) -> Result<()> {
        while let Some(item) = file.closed.front().copied()
            && file.items.get(&item).is_none_or(|entry| entry.hashed)
        {
            file.closed.pop_front();
            self.report_item(file, item)?;
        }
        Ok(())
    }

    fn report_item(&mut self, file: &mut Active, item: ItemId) -> Result<()> {
        let Some(entry) = file.items.remove(&item) else { return Ok(()) };
        let mut observation = entry.observation;
        if observation.state == State::Read && entry.head.len() as u64 == observation.length {
            let lfs = lfs_pointer::parse(&entry.head).map(|p| PointerSeen::Lfs { oid: p.oid, size: p.size });
            let annex =
                || annex_key::Key::of_pointer(&entry.head).map(|key| PointerSeen::Annex { size: key.size });
            observation.pointer = lfs.or_else(annex);
        }
        if observation.kind == Kind::File {
            observation.stream = file.stream.take();
            file.whole = Some(observation);
            return Ok(());
        }
        if observation.kind == Kind::Stream && observation.opened && observation.state == State::Read {
            file.stream = Some((observation.digests.clone(), observation.length));
        }
        if observation.kind == Kind::Member {
            file.samples.measured(item.0, &observation);
        }
        self.seen(file, observation)?;
        self.tell_samples(file, false)
    }

    /// Tells of samples of which all members were measured.
    fn tell_samples(&mut self, file: &mut Active, ended: bool) -> Result<()> {
        while let Some((ordinal, key, sample)) = file.samples.next(ended) {
            let mut locator = Locator::file(Some(file.root), file.path.clone());
            locator.member = vec![key];
            locator.row = Some(ordinal);
            if let Some(mut row) = webdataset::row(locator, DERIVED + ordinal, &sample) {
                row.exempt = file.exempt;
                self.seen(file, row)?;
            }
        }
        Ok(())
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

/// Whether a name has control characters or characters that hide or reorder text.
fn is_odd(name: &[u8]) -> bool {
    name.utf8_chunks().any(|chunk| chunk.valid().chars().any(|c| c.is_control() || is_format_control(c)))
}
