//! Where the time of a run goes: what a worker uses, wrapped so that the time spent in it is added up.
//!
//! Nothing is wrapped in a run that nobody measures. A thread counts for itself; what is nested is counted once, where it
//! happens: the time of a cursor's step is without the reads that it makes.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef};
use bytes::Bytes;

use crate::digest::{Completed, DigestSet, Hasher, MsgId, Offer, values};
use crate::error::Result;
use crate::finding::Code;
use crate::locator::Locator;
use crate::observation::Observation;
use crate::observe::digest_columns::DigestColumn;
use crate::observe::{self, Claimed, InHand, Jobs, Measured, Next, Observer, Origin};
use crate::plan::ShardPlan;
use crate::shard::{Cursor, Step};
use crate::source::{Block, Got, Pool, Source, SourceError, Stamp};

/// What a worker spends its time with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Opening files, reading them, closing them. Bytes are those read, items the files.
    Read,
    /// Steps of cursors without their reads: formats, codecs, the byte ledger.
    Decode,
    /// Hashing messages that come in pieces: files, streams, members, lines. Items are messages.
    Pieces,
    /// Hashing columns of whole messages. Items are messages.
    Cells,
    /// Asking hash lists. Items are questions.
    LookUp,
    /// Keeping what was observed for the rounds. Items are observations.
    Keep,
    /// What the worker does between these.
    Worker,
}

impl Stage {
    const COUNT: usize = 7;
}

/// What was spent in one stage, summed over workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time on the clock; a worker that had to wait for a core has waited in it.
    pub time: Duration,
    /// Bytes that passed.
    pub bytes: u64,
    /// Items that passed.
    pub items: u64,
}

/// Adds up what all workers of a run spend.
#[derive(Debug, Default)]
pub struct StageClock(Mutex<[Spent; Stage::COUNT]>);

impl StageClock {
    /// What was spent in a stage so far.
    pub fn of(&self, stage: Stage) -> Spent {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[stage as usize]
    }

    /// Takes what this thread has counted.
    fn collect(&self) {
        let mut all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        METER.with(|meter| {
            for (sum, counted) in all.iter_mut().zip(&meter.stages) {
                sum.time += Duration::from_nanos(counted.nanoseconds.take());
                sum.bytes += counted.bytes.take();
                sum.items += counted.items.take();
            }
        });
    }
}

/// Reads files until there are no more, as [`observe::work`] does; with a clock, what that spends is added to it.
///
/// # Errors
/// Where observations could not be kept.
pub fn work(
    jobs: &dyn Jobs,
    hasher: &mut dyn Hasher,
    observer: &mut dyn Observer,
    memory: usize,
    clock: Option<&StageClock>,
) -> Result<()> {
    let Some(clock) = clock else { return observe::work(jobs, hasher, observer, memory) };
    METER.with(|meter| meter.on.set(true));
    let all = || observe::work(&Timed(jobs), &mut Timed(hasher), &mut Timed(observer), memory);
    let result = timed(Stage::Worker, all);
    METER.with(|meter| meter.on.set(false));
    clock.collect();
    result
}

/// Asks hash lists for so many items; where this thread is measured, that and the time are counted.
pub fn look_up<T>(items: u64, ask: impl FnOnce() -> T) -> T {
    if !METER.with(|meter| meter.on.get()) {
        return ask();
    }
    count(Stage::LookUp, 0, items);
    timed(Stage::LookUp, ask)
}

#[derive(Default)]
struct Meter {
    on: Cell<bool>,
    /// Nanoseconds that were counted so far, whatever for: what happens within something is taken off its time.
    counted: Cell<u64>,
    stages: [Counter; Stage::COUNT],
}

#[derive(Default)]
struct Counter {
    nanoseconds: Cell<u64>,
    bytes: Cell<u64>,
    items: Cell<u64>,
}

thread_local! {
    static METER: Meter = Meter::default();
}

fn timed<T>(stage: Stage, act: impl FnOnce() -> T) -> T {
    let before = METER.with(|meter| meter.counted.get());
    let begun = Instant::now();
    let out = act();
    let spent = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    METER.with(|meter| {
        let within = meter.counted.get() - before;
        let own = &meter.stages[stage as usize].nanoseconds;
        own.set(own.get() + spent.saturating_sub(within));
        meter.counted.set(before + spent.max(within));
    });
    out
}

fn count(stage: Stage, bytes: u64, items: u64) {
    METER.with(|meter| {
        let counter = &meter.stages[stage as usize];
        counter.bytes.set(counter.bytes.get() + bytes);
        counter.items.set(counter.items.get() + items);
    });
}

/// Something whose time is counted.
struct Timed<T>(T);

impl Jobs for Timed<&dyn Jobs> {
    fn next(&self, in_hand: &InHand) -> Result<Next> {
        let next = timed(Stage::Read, || self.0.next(in_hand))?;
        let Next::Job(job) = next else { return Ok(next) };
        count(Stage::Read, 0, u64::from(job.source.is_ok()));
        let timed = |source| Arc::new(TimedSource(Some(source))) as Arc<dyn Source>;
        let mut job = job;
        job.source = job.source.map(timed);
        Ok(Next::Job(job))
    }

    fn read(&self, bytes: u64) {
        self.0.read(bytes);
    }

    fn ended(&self) {
        self.0.ended();
    }

    fn in_order(&self) -> bool {
        self.0.in_order()
    }
}

/// A source whose time is counted, that of closing it as well: it is there until it is dropped.
struct TimedSource(Option<Arc<dyn Source>>);

impl TimedSource {
    fn timed<T>(
        &self,
        at: u64,
        act: impl FnOnce(&dyn Source) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        match &self.0 {
            Some(source) => timed(Stage::Read, || act(source.as_ref())),
            None => Err(SourceError { at, cause: std::io::ErrorKind::NotConnected.into() }),
        }
    }
}

impl Source for TimedSource {
    fn stamp(&self) -> Result<Stamp, SourceError> {
        self.timed(0, |source| source.stamp())
    }

    fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError> {
        let got = self.timed(at, |source| source.read_at(at, into));
        if let Ok(Got::Bytes(n)) = &got {
            count(Stage::Read, *n as u64, 0);
        }
        got
    }
}

impl Drop for TimedSource {
    fn drop(&mut self) {
        let source = self.0.take();
        timed(Stage::Read, || drop(source));
    }
}

impl Cursor for Timed<Box<dyn Cursor>> {
    fn footprint(&self) -> usize {
        self.0.footprint()
    }

    fn bytes_read(&self) -> u64 {
        self.0.bytes_read()
    }

    fn step(&mut self, pool: &mut Pool) -> Step {
        timed(Stage::Decode, || self.0.step(pool))
    }
}

impl Hasher for Timed<&mut dyn Hasher> {
    fn lanes(&self) -> usize {
        self.0.lanes()
    }

    fn open(&mut self, message: MsgId, algorithms: DigestSet, len: Option<u64>) {
        count(Stage::Pieces, 0, 1);
        timed(Stage::Pieces, || self.0.open(message, algorithms, len));
    }

    fn offer(&mut self, message: MsgId, piece: Bytes, last: bool) -> Offer {
        let len = piece.len() as u64;
        let offer = timed(Stage::Pieces, || self.0.offer(message, piece, last));
        if let Offer::Taken = offer {
            count(Stage::Pieces, len, 0);
        }
        offer
    }

    fn offer_cells(&mut self, first: MsgId, algorithms: DigestSet, values: &ArrayRef) -> bool {
        let taken = timed(Stage::Cells, || self.0.offer_cells(first, algorithms, values));
        if taken {
            count(Stage::Cells, bytes_of(values), (values.len() - values.null_count()) as u64);
        }
        taken
    }

    fn is_hungry(&self) -> bool {
        self.0.is_hungry()
    }

    fn drain(&mut self, out: &mut Completed, more: bool) -> bool {
        timed(Stage::Pieces, || self.0.drain(out, more))
    }
}

/// Bytes of all values of a column of bytes or texts.
fn bytes_of(array: &ArrayRef) -> u64 {
    values(array).into_iter().flatten().map(|value| value.len() as u64).sum()
}

impl Observer for Timed<&mut dyn Observer> {
    fn begin(&mut self, root: u16, path: &[u8], plan: &ShardPlan, origin: Origin) {
        self.0.begin(root, path, plan, origin);
    }

    fn cursor(&self, cursor: Box<dyn Cursor>) -> Box<dyn Cursor> {
        Box::new(Timed(self.0.cursor(cursor)))
    }

    fn observation(&mut self, observation: Observation) -> Result<()> {
        count(Stage::Keep, 0, 1);
        timed(Stage::Keep, || self.0.observation(observation))
    }

    fn batch(&mut self, batch: &Measured) -> Result<()> {
        timed(Stage::Keep, || self.0.batch(batch))
    }

    fn fault(&mut self, locator: Locator, code: Code, detail: String) -> Result<()> {
        timed(Stage::Keep, || self.0.fault(locator, code, detail))
    }

    fn digest_columns(&self) -> Arc<[DigestColumn]> {
        self.0.digest_columns()
    }

    fn claimed(&mut self, claimed: Claimed) -> Result<()> {
        timed(Stage::Keep, || self.0.claimed(claimed))
    }

    fn rows(&mut self, root: u16, path: &[u8], rows: u64) -> Result<()> {
        self.0.rows(root, path, rows)
    }

    fn read(&mut self, bytes: u64) {
        self.0.read(bytes);
    }

    fn stopped(&self) -> bool {
        self.0.stopped()
    }

    fn is_over(&self) -> bool {
        self.0.is_over()
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use arrow_array::{BinaryArray, StringArray, StringViewArray};

    use super::*;

    #[test]
    fn what_is_nested_is_counted_once() {
        let (inner, outer) = (Duration::from_millis(40), Duration::from_millis(10));
        timed(Stage::Decode, || {
            timed(Stage::Read, || sleep(inner));
            sleep(outer);
            timed(Stage::Read, || sleep(inner));
        });
        count(Stage::Read, 7, 2);
        let clock = StageClock::default();
        clock.collect();
        let (read, decode) = (clock.of(Stage::Read), clock.of(Stage::Decode));
        assert!(
            read.time >= 2 * inner && decode.time >= outer && decode.time < 2 * inner,
            "{read:?} {decode:?}"
        );
        assert_eq!((read.bytes, read.items), (7, 2));
        clock.collect();
        assert_eq!(clock.of(Stage::Read), read, "what was collected is not there a second time");
    }

    #[test]
    fn nothing_is_counted_where_nobody_measures() {
        assert_eq!(look_up(1, || 5), 5);
        let clock = StageClock::default();
        clock.collect();
        assert_eq!(clock.of(Stage::LookUp), Spent::default());
    }

    #[test]
    fn bytes_of_columns_are_those_of_their_values() {
        let texts = [Some("abc"), None, Some("a text that is longer than a view holds")];
        let all: [ArrayRef; 3] = [
            Arc::new(StringArray::from(texts.to_vec())),
            Arc::new(StringViewArray::from(texts.to_vec())),
            Arc::new(BinaryArray::from(texts.map(|text| text.map(str::as_bytes)).to_vec())),
        ];
        for values in all {
            assert_eq!(bytes_of(&values), 42);
            assert_eq!(bytes_of(&values.slice(1, 2)), 39);
        }
    }
}
