//! Sorted records in bounded memory: what every join of the program stands on.
//!
//! Records are pushed in any order and come back sorted by key, then by value, so that the order never depends on
//! which worker was first. Past its budget a spool sorts what it holds and writes it as a *run* to an unnamed scratch
//! file, which the operating system removes however the program ends. Reading merges the runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
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
        let records = held.index.iter().map(|&span| Ok(split(&held.bytes, span)));
        self.runs.push(write_run(&self.scratch, records)?);
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
    let mut failed = None;
    let records = std::iter::from_fn(|| match merge.next() {
        Ok(record) => record,
        Err(cause) => {
            failed = Some(cause);
            None
        }
    });
    let merged = write_run(scratch, records.map(Ok::<_, Error>))?;
    match failed {
        Some(cause) => Err(Error::Scratch(cause.to_string())),
        None => Ok(Run { level, ..merged }),
    }
}

fn write_run<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    scratch: &Scratch,
    records: impl Iterator<Item = Result<(K, V)>>,
) -> Result<Run> {
    let mut out = BufWriter::with_capacity(1 << 18, scratch.create()?);
    let mut bytes = 0;
    for record in records {
        let (key, value) = record?;
        let (key, value) = (key.as_ref(), value.as_ref());
        let mut write = |part: &[u8]| {
            bytes += part.len() as u64;
            out.write_all(part)
        };
        // Lengths were held to 32 bits when the record was pushed.
        write(&(key.len() as u32).to_le_bytes())
            .and_then(|()| write(&(value.len() as u32).to_le_bytes()))
            .and_then(|()| write(key))
            .and_then(|()| write(value))
            .map_err(|cause| scratch.failed("write a scratch file in", cause))?;
    }
    let file = out.into_inner().map_err(|e| scratch.failed("write a scratch file in", e.into_error()))?;
    scratch.wrote(bytes);
    Ok(Run { file, bytes, level: 0 })
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
                postcard::from_bytes(&value).map(|record| (key, record)).map_err(|e| scratch(e.to_string())),
            ),
            Err(cause) => Some(Err(scratch(cause.to_string()))),
        }
    }
}

/// Several sorted readers as one.
struct Merge<'a> {
    readers: Vec<Reader<'a>>,
    heap: BinaryHeap<Reverse<Front>>,
    failed: Option<io::Error>,
}

/// The first record that a reader has left: key, value, and which reader.
type Front = (Vec<u8>, Vec<u8>, usize);

impl<'a> Merge<'a> {
    fn of(readers: Vec<Reader<'a>>) -> Self {
        let mut merge = Merge { readers, heap: BinaryHeap::new(), failed: None };
        for reader in 0..merge.readers.len() {
            merge.advance(reader);
        }
        merge
    }

    fn advance(&mut self, reader: usize) {
        match self.readers[reader].next() {
            Ok(Some((key, value))) => self.heap.push(Reverse((key, value, reader))),
            Ok(None) => {}
            Err(cause) => self.failed = Some(cause),
        }
    }

    /// The next record; after an error there is no more.
    fn next(&mut self) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        if let Some(cause) = self.failed.take() {
            self.heap.clear();
            return Err(cause);
        }
        let Some(Reverse((key, value, reader))) = self.heap.pop() else { return Ok(None) };
        self.advance(reader);
        Ok(Some((key, value)))
    }
}

enum Reader<'a> {
    Held { held: &'a Held, next: usize },
    Run { run: &'a Run, at: u64, buffer: Vec<u8>, used: usize },
}

impl<'a> Reader<'a> {
    fn of_run(run: &'a Run) -> Self {
        Reader::Run { run, at: 0, buffer: Vec::new(), used: 0 }
    }

    /// Bytes read from a run at once.
    const READ: usize = 64 * 1024;

    fn next(&mut self) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        match self {
            Reader::Held { held, next } => {
                let Some(&span) = held.index.get(*next) else { return Ok(None) };
                *next += 1;
                let (key, value) = split(&held.bytes, span);
                Ok(Some((key.to_vec(), value.to_vec())))
            }
            Reader::Run { run, at, buffer, used } => {
                let mut take = |n: usize| -> io::Result<Option<Vec<u8>>> {
                    while buffer.len() - *used < n {
                        if *at >= run.bytes {
                            return Ok(None);
                        }
                        buffer.drain(..*used);
                        *used = 0;
                        let old = buffer.len();
                        let want = Self::READ.max(n - old).min((run.bytes - *at) as usize);
                        buffer.resize(old + want, 0);
                        run.file.read_exact_at(&mut buffer[old..], *at)?;
                        *at += want as u64;
                    }
                    let part = buffer[*used..*used + n].to_vec();
                    *used += n;
                    Ok(Some(part))
                };
                let Some(lengths) = take(8)? else { return Ok(None) };
                let length = |at: usize| {
                    u32::from_le_bytes([lengths[at], lengths[at + 1], lengths[at + 2], lengths[at + 3]])
                        as usize
                };
                let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "a run ends inside a record");
                let key = take(length(0))?.ok_or_else(cut)?;
                let value = take(length(4))?.ok_or_else(cut)?;
                Ok(Some((key, value)))
            }
        }
    }
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
