//! Sorted records in bounded memory: what every join of the program stands on.
//!
//! Records are pushed in any order and come back sorted by key, then by value, so that the order never depends on
//! which worker was first. Past its budget a spool sorts what it holds and writes it as a *run* to an unnamed scratch
//! file, which the operating system removes however the program ends. Reading merges the runs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Where runs are written, and how much memory one spool may hold before it writes one.
#[derive(Clone, Debug)]
pub struct Scratch {
    folder: PathBuf,
    budget: usize,
    spilled: Arc<AtomicU64>,
}

impl Scratch {
    /// Scratch files in `folder`; `budget` bytes of memory for each spool.
    pub fn new(folder: &Path, budget: usize) -> Self {
        Scratch { folder: folder.to_path_buf(), budget, spilled: Arc::default() }
    }

    /// Bytes written to scratch files so far.
    pub fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    /// The same for one of several spools that share a budget.
    pub fn shared_by(&self, spools: usize) -> Scratch {
        self.with_budget((self.budget / spools.max(1)).max(1))
    }

    /// The same folder and count, with another budget.
    pub(super) fn with_budget(&self, budget: usize) -> Scratch {
        Scratch { budget, ..self.clone() }
    }

    /// A new unnamed file.
    pub(super) fn create(&self) -> Result<File> {
        tempfile::tempfile_in(&self.folder).map_err(|cause| self.failed("create a scratch file in", cause))
    }

    /// Asks whether the folder has space for what is about to be written: better said before than found out halfway.
    pub(super) fn room_for(&self, bytes: u64) -> Result<()> {
        let free = rustix::fs::statvfs(&self.folder)
            .map_err(|cause| self.failed("ask for the free space of the scratch folder", cause.into()))?;
        enough(free.f_bavail.saturating_mul(free.f_frsize), bytes)
            .map_err(|cause| self.failed("write a scratch file in", cause))
    }

    /// Counts bytes that were written.
    pub(super) fn wrote(&self, bytes: u64) {
        self.spilled.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, doing: &'static str, cause: io::Error) -> Error {
        let advice = "Free some space there, or name another folder with --scratch.";
        Error::Io { doing, path: self.folder.clone(), cause, advice }
    }
}

fn enough(free: u64, wanted: u64) -> io::Result<()> {
    if wanted <= free {
        return Ok(());
    }
    let told = format!("{wanted} bytes are to be written and {free} are free");
    Err(io::Error::new(io::ErrorKind::StorageFull, told))
}

/// Records being collected.
#[derive(Debug)]
pub struct Spool<T> {
    scratch: Scratch,
    held: Held,
    runs: Vec<Run>,
    len: u64,
    records: PhantomData<T>,
}

/// Records in memory: keys and values behind one another, and where each begins.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    index: Vec<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    key: u32,
    value: u32,
}

/// A sorted run on disk.
#[derive(Debug)]
struct Run {
    file: File,
    bytes: u64,
    /// How often its records were merged.
    level: u32,
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// An empty spool.
    pub fn new(scratch: &Scratch) -> Self {
        Spool {
            scratch: scratch.clone(),
            held: Held::default(),
            runs: Vec::new(),
            len: 0,
            records: PhantomData,
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// Where a run could not be written.
    pub fn push(&mut self, key: &[u8], value: &T) -> Result<()> {
        let start = self.held.bytes.len();
        self.held.bytes.extend_from_slice(key);
        let bytes = std::mem::take(&mut self.held.bytes);
        self.held.bytes = postcard::to_extend(value, bytes).map_err(|e| Error::Scratch(e.to_string()))?;
        let value = self.held.bytes.len() - start - key.len();
        let too_long = |_| Error::Scratch("a record is longer than 4 GiB".to_string());
        let key = u32::try_from(key.len()).map_err(too_long)?;
        let value = u32::try_from(value).map_err(too_long)?;
        self.held.index.push(Span { start, key, value });
        self.len += 1;
        self.spill_past_budget()
    }

    fn spill_past_budget(&mut self) -> Result<()> {
        if self.held.bytes.len() + self.held.index.len() * size_of::<Span>() >= self.scratch.budget {
            self.spill()?;
        }
        Ok(())
    }

    /// Takes all records of another spool.
    ///
    /// # Errors
    /// Where a run could not be written.
    pub fn absorb(&mut self, mut other: Spool<T>) -> Result<()> {
        self.runs.append(&mut other.runs);
        let shift = self.held.bytes.len();
        self.held.bytes.append(&mut other.held.bytes);
        self.held.index.extend(other.held.index.iter().map(|s| Span { start: s.start + shift, ..*s }));
        self.len += other.len;
        self.spill_past_budget()
    }

    /// Number of records so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The records in order.
    ///
    /// # Errors
    /// Where a run could not be written.
    pub fn sorted(self) -> Result<Sorted<T>> {
        Sorted::of(vec![self])
    }

    fn spill(&mut self) -> Result<()> {
        self.scratch.room_for((self.held.bytes.len() + 8 * self.held.index.len()) as u64)?;
        let mut held = std::mem::take(&mut self.held);
        held.sort();
        let mut out = RunWriter::create(&self.scratch)?;
        for &span in &held.index {
            let (key, value) = split(&held.bytes, span);
            out.write(key, value)?;
        }
        self.runs.push(out.finish(0)?);
        held.bytes.clear();
        held.index.clear();
        self.held = held;
        merge_levels(&self.scratch, &mut self.runs)
    }
}

/// Runs that are merged at once: files and buffers in use while a spool is read. Neither grows with the records.
const MOST_RUNS: usize = 8;

/// Merges runs where a level is full. A run is merged only with others of its level, so that a record is written anew
/// once a level, and not with every eighth run.
fn merge_levels(scratch: &Scratch, runs: &mut Vec<Run>) -> Result<()> {
    let mut level = 0;
    while runs.iter().any(|run| run.level >= level) {
        while runs.iter().filter(|run| run.level == level).count() >= MOST_RUNS {
            let (same, others) = runs.drain(..).partition(|run| run.level == level);
            *runs = others;
            let mut same: Vec<Run> = same;
            runs.extend(same.split_off(MOST_RUNS));
            runs.push(merge(scratch, &same, level + 1)?);
        }
        level += 1;
    }
    Ok(())
}

/// Merges the shortest runs until there are few enough to be read at once.
fn merge_runs(scratch: &Scratch, runs: &mut Vec<Run>) -> Result<()> {
    while runs.len() > MOST_RUNS {
        runs.sort_by_key(|run| run.bytes);
        let shortest: Vec<Run> = runs.drain(..MOST_RUNS.min(runs.len() - MOST_RUNS + 1)).collect();
        runs.push(merge(scratch, &shortest, 0)?);
    }
    Ok(())
}

fn merge(scratch: &Scratch, runs: &[Run], level: u32) -> Result<Run> {
    scratch.room_for(runs.iter().map(|run| run.bytes).sum())?;
    let mut merge = Merge::of(runs.iter().map(Reader::of_run).collect());
    let mut out = RunWriter::create(scratch)?;
    while let Some((key, value)) = merge.next().map_err(|cause| Error::Scratch(cause.to_string()))? {
        out.write(key, value)?;
    }
    out.finish(level)
}

/// Writes a run.
struct RunWriter<'a> {
    scratch: &'a Scratch,
    out: BufWriter<File>,
    bytes: u64,
}

impl<'a> RunWriter<'a> {
    fn create(scratch: &'a Scratch) -> Result<Self> {
        let out = BufWriter::with_capacity(1 << 18, scratch.create()?);
        Ok(RunWriter { scratch, out, bytes: 0 })
    }

    fn write(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        // Lengths were held to 32 bits when the record was pushed.
        let lengths = [(key.len() as u32).to_le_bytes(), (value.len() as u32).to_le_bytes()];
        for part in [lengths.as_flattened(), key, value] {
            self.bytes += part.len() as u64;
            self.out
                .write_all(part)
                .map_err(|cause| self.scratch.failed("write a scratch file in", cause))?;
        }
        Ok(())
    }

    fn finish(self, level: u32) -> Result<Run> {
        let RunWriter { scratch, out, bytes } = self;
        let failed = |e: io::IntoInnerError<_>| scratch.failed("write a scratch file in", e.into_error());
        let file = out.into_inner().map_err(failed)?;
        scratch.wrote(bytes);
        Ok(Run { file, bytes, level })
    }
}

impl Held {
    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.index.sort_unstable_by(|a, b| {
            let (a, b) = (split(bytes, *a), split(bytes, *b));
            a.cmp(&b)
        });
    }
}

fn split(bytes: &[u8], span: Span) -> (&[u8], &[u8]) {
    let end = span.start + span.key as usize;
    (&bytes[span.start..end], &bytes[end..end + span.value as usize])
}

/// Records in order, to be read as often as wanted.
#[derive(Debug)]
pub struct Sorted<T> {
    held: Vec<Held>,
    runs: Vec<Run>,
    len: u64,
    records: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Sorted<T> {
    /// The records of several spools, one per worker, in one order.
    ///
    /// # Errors
    /// Where a run could not be written.
    pub fn of(spools: Vec<Spool<T>>) -> Result<Sorted<T>> {
        let mut sorted = Sorted { held: Vec::new(), runs: Vec::new(), len: 0, records: PhantomData };
        let scratch = spools.first().map(|spool| spool.scratch.clone());
        for mut spool in spools {
            sorted.len += spool.len;
            // A spool that spilled spills the rest too: its memory is needed by the next stage.
            if !spool.runs.is_empty() && !spool.held.index.is_empty() {
                spool.spill()?;
            }
            sorted.runs.append(&mut spool.runs);
            let mut held = std::mem::take(&mut spool.held);
            if !held.index.is_empty() {
                held.sort();
                sorted.held.push(held);
            }
        }
        if let Some(scratch) = scratch {
            merge_runs(&scratch, &mut sorted.runs)?;
        }
        Ok(sorted)
    }

    /// Number of records.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All records from the first on.
    pub fn iter(&self) -> Iter<'_, T> {
        let held = self.held.iter().map(|held| Reader::Held { held, next: 0 });
        let readers = held.chain(self.runs.iter().map(Reader::of_run)).collect();
        Iter { merge: Merge::of(readers), records: PhantomData }
    }
}

/// Reads a [`Sorted`] from the first record on.
pub struct Iter<'a, T> {
    merge: Merge<'a>,
    records: PhantomData<T>,
}

impl<T: DeserializeOwned> Iterator for Iter<'_, T> {
    type Item = Result<(Vec<u8>, T)>;

    fn next(&mut self) -> Option<Self::Item> {
        let scratch = |cause: String| Error::Scratch(cause);
        match self.merge.next() {
            Ok(None) => None,
            Ok(Some((key, value))) => Some(
                postcard::from_bytes(value)
                    .map(|record| (key.to_vec(), record))
                    .map_err(|e| scratch(e.to_string())),
            ),
            Err(cause) => Some(Err(scratch(cause.to_string()))),
        }
    }
}

/// Several sorted readers as one. Records are lent from where they lie, and the reader that was first last time most
/// often is so again.
struct Merge<'a> {
    readers: Vec<Reader<'a>>,
    /// A heap of those readers that have a record left, that with the first record on top.
    heap: Vec<usize>,
    /// Whether the record on top was lent already.
    is_lent: bool,
    failed: Option<io::Error>,
}

impl<'a> Merge<'a> {
    fn of(readers: Vec<Reader<'a>>) -> Self {
        let heap = Vec::with_capacity(readers.len());
        let mut merge = Merge { readers, heap, is_lent: false, failed: None };
        for reader in 0..merge.readers.len() {
            match merge.readers[reader].advance() {
                Ok(true) => merge.heap.push(reader),
                Ok(false) => {}
                Err(cause) => merge.failed = Some(cause),
            }
        }
        for at in (0..merge.heap.len() / 2).rev() {
            merge.sink(at);
        }
        merge
    }

    /// The next record; after an error there is no more.
    fn next(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        if self.is_lent
            && self.failed.is_none()
            && let Some(&top) = self.heap.first()
        {
            match self.readers[top].advance() {
                Ok(true) => self.sink(0),
                Ok(false) => {
                    self.heap.swap_remove(0);
                    self.sink(0);
                }
                Err(cause) => self.failed = Some(cause),
            }
        }
        if let Some(cause) = self.failed.take() {
            self.heap.clear();
            return Err(cause);
        }
        self.is_lent = true;
        Ok(self.heap.first().map(|&top| self.readers[top].front()))
    }

    /// Puts the reader at this place of the heap below those that are before it.
    fn sink(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.is_before(self.heap[child], self.heap[least]) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    /// Equal records in the order of their readers.
    fn is_before(&self, one: usize, other: usize) -> bool {
        (self.readers[one].front(), one) < (self.readers[other].front(), other)
    }
}

/// Reads sorted records from memory or from a run.
enum Reader<'a> {
    Held { held: &'a Held, next: usize },
    Run { run: &'a Run, at: u64, buffer: Vec<u8>, front: Span },
}

impl<'a> Reader<'a> {
    fn of_run(run: &'a Run) -> Self {
        Reader::Run { run, at: 0, buffer: Vec::new(), front: Span { start: 0, key: 0, value: 0 } }
    }

    /// Bytes read from a run at once.
    const READ: usize = 64 * 1024;

    /// Goes to the next record; `false` where there is none.
    fn advance(&mut self) -> io::Result<bool> {
        match self {
            Reader::Held { held, next } => {
                *next += 1;
                Ok(*next <= held.index.len())
            }
            Reader::Run { run, at, buffer, front } => {
                let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "a run ends inside a record");
                let start = front.start + front.key as usize + front.value as usize;
                let Some(start) = have(run, at, buffer, start, 8)? else {
                    return if start == buffer.len() && *at == run.bytes { Ok(false) } else { Err(cut()) };
                };
                let length = |at: usize| {
                    let bytes = &buffer[start + at..];
                    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
                };
                let (key, value) = (length(0), length(4));
                let whole = 8 + key as usize + value as usize;
                let start = have(run, at, buffer, start, whole)?.ok_or_else(cut)?;
                *front = Span { start: start + 8, key, value };
                Ok(true)
            }
        }
    }

    /// The record that it stands at: key and value.
    fn front(&self) -> (&[u8], &[u8]) {
        match self {
            Reader::Held { held, next } => split(&held.bytes, held.index[next - 1]),
            Reader::Run { buffer, front, .. } => split(buffer, *front),
        }
    }
}

/// Sees to it that the buffer holds `n` bytes from `start` on; where they begin now, or `None` where the run ends before.
fn have(run: &Run, at: &mut u64, buffer: &mut Vec<u8>, start: usize, n: usize) -> io::Result<Option<usize>> {
    if buffer.len() - start >= n {
        return Ok(Some(start));
    }
    let lacks = n - (buffer.len() - start);
    if run.bytes - *at < lacks as u64 {
        return Ok(None);
    }
    buffer.drain(..start);
    let old = buffer.len();
    let want = Reader::READ.max(lacks).min(usize::try_from(run.bytes - *at).unwrap_or(usize::MAX));
    buffer.resize(old + want, 0);
    run.file.read_exact_at(&mut buffer[old..], *at)?;
    *at += want as u64;
    Ok(Some(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn space_that_is_not_there_is_said_before_anything_is_written() {
        let scratch = Scratch::new(&std::env::temp_dir(), 1);
        scratch.room_for(1).unwrap();
        let told = scratch.room_for(u64::MAX).unwrap_err().to_string();
        assert!(told.contains("18446744073709551615 bytes are to be written"), "{told}");
        assert!(told.contains("--scratch"), "{told}");
        assert!(enough(5, 5).is_ok());
    }

    #[test]
    fn records_are_written_anew_once_a_level() {
        let scratch = Scratch::new(&std::env::temp_dir(), 1);
        let mut spool: Spool<()> = Spool::new(&scratch);
        for i in 0..4096u32 {
            spool.push(&i.to_be_bytes(), &()).unwrap();
        }
        assert_eq!(spool.runs.len(), 1);
        // Twelve bytes a record; it is a run of its own, then one of 8, 64, 512 and 4096.
        assert_eq!(scratch.spilled(), 4096 * 12 * 5);
        assert!(
            spool
                .sorted()
                .unwrap()
                .iter()
                .map(|record| record.unwrap().0)
                .eq((0..4096u32).map(|i| i.to_be_bytes()))
        );
    }

    proptest! {
        #[test]
        fn records_come_back_sorted_whatever_was_spilled(
            records in proptest::collection::vec((proptest::collection::vec(0u8..4, 0..6), any::<u32>()), 0..300),
            // One byte: every record is a run of its own, and runs are merged again and again.
            budget in prop::sample::select(vec![1usize, 200, 1 << 20]),
            workers in 1usize..4,
        ) {
            let folder = std::env::temp_dir();
            let scratch = Scratch::new(&folder, budget);
            let mut spools: Vec<Spool<u32>> = (0..workers).map(|_| Spool::new(&scratch)).collect();
            for (i, (key, value)) in records.iter().enumerate() {
                spools[i % workers].push(key, value).unwrap();
            }
            let sorted = Sorted::of(spools).unwrap();
            prop_assert_eq!(sorted.len(), records.len() as u64);
            if budget == 1 {
                prop_assert_eq!(scratch.spilled() > 0, !records.is_empty());
            }
            prop_assert!(sorted.runs.len() <= MOST_RUNS);
            let mut expected: Vec<_> = records
                .iter()
                .map(|(k, v)| (k.clone(), postcard::to_stdvec(v).unwrap(), *v))
                .collect();
            expected.sort();
            for _ in 0..2 {
                let got: Vec<_> = sorted.iter().map(Result::unwrap).collect();
                let want: Vec<_> = expected.iter().map(|(k, _, v)| (k.clone(), *v)).collect();
                prop_assert_eq!(got, want);
            }
        }
    }
}
