//! `--plan`: what a run would read, how long that takes, and what will stay unchecked. A look of some seconds that checks
//! nothing.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::findings::Findings;
use super::listing::join;
use super::options::{AuditOptions, Mode};
use super::planning::Work;
use super::progress::Progress;
use super::reading;
use super::report::SourceReport;
use super::run::{Prepared, coverage_scope, go_on, prepare};
use super::state::columns_key;
use crate::error::{Error, Result};
use crate::manifest::open_regular;
use crate::shard::{self, HEAD};

/// How long data is read to see how fast that is.
const MEASURED: Duration = Duration::from_secs(3);

/// How long heads of files are looked at to see what they are.
const RECOGNISED: Duration = Duration::from_secs(3);

/// What a run would do.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The words of the command line.
    pub arguments: Vec<String>,
    /// Dataset roots as typed.
    pub roots: Vec<PathBuf>,
    /// Files of the dataset and their bytes.
    pub dataset: Amount,
    /// What would be read of it.
    pub to_read: Amount,
    /// What the state tells of.
    pub reused: Amount,
    /// What indexes tell of.
    pub indexed: Amount,
    /// What nothing is asked of.
    pub not_asked: Amount,
    /// What would be read by format, as far as there was time to look.
    pub formats: BTreeMap<&'static str, Opened>,
    /// What there was no time to look at.
    pub unrecognised: Amount,
    /// How fast it was for a few seconds.
    pub rate: Rate,
    /// Manifests and hash lists.
    pub sources: Vec<SourceReport>,
    /// `whole`, `filtered`, `subset` or `unknown`.
    pub scope: &'static str,
    /// Claims in all.
    pub claims: u64,
    /// What will stay unchecked.
    pub unchecked: Unchecked,
}

/// Files and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Files of one format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// How much.
    pub amount: Amount,
    /// How many of them would be looked into.
    pub opened: u64,
}

/// A measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// Bytes that were read for it.
    pub bytes: u64,
    /// In which time.
    pub time: Duration,
    /// Everything was read: the rest of the run is what it takes to settle.
    pub is_all: bool,
}

/// What will stay unchecked, and why, as far as names, sizes and manifests tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unchecked {
    /// Claims without a digest that can be compared: none, an unknown algorithm, a placeholder.
    pub unusable_claims: u64,
    /// Claimed names at which nothing stands: what they name is sought by its digest.
    pub absent_names: u64,
    /// Claimed files of which the size is another one: they will be altered.
    pub other_size: u64,
    /// Links that are not followed, devices, pointers.
    pub not_opened: u64,
    /// Folders that cannot be listed.
    pub unlisted: u64,
    /// Files left out by `--include` and `--exclude`.
    pub left_out: u64,
    /// Refused lines of manifests and lists.
    pub rejected: u64,
    /// Claims of manifests that were found and cannot be used are unknown: so many manifests.
    pub unusable_manifests: u64,
    /// Files of a format whose inside is not looked at, among those that were recognised.
    pub closed_files: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl Rate {
    /// How long so many bytes take: the least and the most that is likely. None where nothing could be measured.
    pub fn range(&self, bytes: u64) -> Option<(Duration, Duration)> {
        if bytes == 0 {
            return Some((Duration::ZERO, Duration::ZERO));
        }
        if self.bytes == 0 || self.time.is_zero() {
            return None;
        }
        let likely = self.time.as_secs_f64() * (bytes as f64 / self.bytes as f64);
        let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        // What was measured came partly from memory, and of the largest files only: the slow end is the farther one.
        Some(if self.is_all {
            (duration(likely), duration(likely))
        } else {
            (duration(likely * 0.7), duration(likely * 2.0))
        })
    }

    /// Bytes in a second.
    pub fn per_second(&self) -> u64 {
        match self.time.is_zero() {
            true => 0,
            false => (self.bytes as f64 / self.time.as_secs_f64()) as u64,
        }
    }
}

/// Looks at what a run would do.
///
/// # Errors
/// Where that could not be done either.
pub fn outlook(options: &AuditOptions, progress: &dyn Progress, stop: &AtomicBool) -> Result<Outlook> {
    if !options.mode.verifies() && options.mode != Mode::Flag {
        return Err(Error::Usage("--plan is for audit, verify and flag".into()));
    }
    let prepared = prepare(options, progress, stop)?;
    let Prepared { plan, common, columns, loaded, lists, reused, .. } = &prepared;
    let mut told = Told { left: Some(Instant::now() + RECOGNISED), ..Told::default() };
    let key = columns_key(columns);
    for record in plan.work.iter() {
        go_on(stop)?;
        let (_, work) = record?;
        match work.first_plan(common) {
            None => told.not_asked.add(work.stamp.size),
            Some(plan) if work.kept.iter().any(|kept| kept.serves(&plan, &key)) => {
                told.reused.add(work.stamp.size);
            }
            Some(plan) => told.file(options, &work, plan.inside == crate::plan::Inside::Open),
        }
    }
    let rate = measure(options, &prepared, told.to_read.bytes, stop)?;
    go_on(stop)?;
    let mut claims = 0;
    let mut unusable_claims = 0;
    for record in loaded.claims.iter() {
        let (_, claim) = record?;
        claims += 1;
        unusable_claims += u64::from(claim.digests.is_empty());
    }
    let mut sources = loaded.reports.clone();
    sources.extend(lists.reports.iter().cloned());
    let of_indexes = |count: fn(&crate::index::observations::IndexDir) -> u64| {
        reused.iter().map(|index| count(&index.store.index)).sum()
    };
    Ok(Outlook {
        arguments: options.arguments.clone(),
        roots: options.roots.clone(),
        dataset: Amount { files: plan.files, bytes: plan.bytes },
        to_read: told.to_read,
        reused: told.reused,
        indexed: Amount { files: of_indexes(|index| index.files), bytes: of_indexes(|index| index.bytes) },
        not_asked: told.not_asked,
        formats: told.formats,
        unrecognised: told.unrecognised,
        rate,
        scope: coverage_scope(options, loaded.unknown_scope),
        claims,
        unchecked: Unchecked {
            unusable_claims,
            absent_names: plan.absent,
            other_size: plan.other_size,
            not_opened: plan.unread.len(),
            unlisted: plan.blind.len(),
            left_out: prepared.left_out,
            rejected: sources.iter().map(|source| source.rejected).sum(),
            unusable_manifests: sources.iter().filter(|source| source.unusable.is_some()).count() as u64,
            closed_files: told.closed,
        },
        sources,
    })
}

/// What was seen of files so far.
#[derive(Default)]
struct Told {
    to_read: Amount,
    reused: Amount,
    not_asked: Amount,
    formats: BTreeMap<&'static str, Opened>,
    unrecognised: Amount,
    closed: u64,
    /// Until when heads are looked at.
    left: Option<Instant>,
}

impl Told {
    /// A file that would be read.
    fn file(&mut self, options: &AuditOptions, work: &Work, is_opened: bool) {
        let bytes = work.stamp.size;
        self.to_read.add(bytes);
        if self.left.is_none_or(|until| Instant::now() >= until) {
            self.left = None;
            self.unrecognised.add(bytes);
            return;
        }
        let path = join(&options.roots[usize::from(work.root)], &work.path);
        let mut head = Vec::new();
        let read = open_regular(&path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
        if read.is_err() {
            self.unrecognised.add(bytes);
            return;
        }
        let format = shard::recognise(&work.path, &head);
        let of = self.formats.entry(format.map_or("other", |format| format.name())).or_default();
        of.amount.add(bytes);
        let is_closed = format.is_some_and(|format| format.is_closed());
        of.opened += u64::from(is_opened && format.is_some() && !is_closed);
        self.closed += u64::from(is_opened && is_closed);
    }
}

/// Reads for a few seconds as the run would, and forgets what it sees.
fn measure(options: &AuditOptions, prepared: &Prepared, to_read: u64, stop: &AtomicBool) -> Result<Rate> {
    if to_read == 0 {
        return Ok(Rate { is_all: true, ..Rate::default() });
    }
    let Prepared { scratch, lists, columns, names, plan, common, .. } = prepared;
    let enough = AtomicBool::new(false);
    let meter = Meter { begun: Instant::now(), bytes: AtomicU64::new(0), enough: &enough, stop };
    let new_findings = || Findings::new(Arc::clone(names), Arc::clone(lists), options.reveal, scratch);
    reading::read(
        &options.roots,
        &plan.work,
        (plan.files, plan.to_read),
        common,
        lists,
        None,
        false,
        columns,
        options.require,
        options.threads.max(1),
        options.memory,
        scratch,
        &new_findings,
        prepared.state.as_ref(),
        None,
        &meter,
        &enough,
    )?;
    let bytes = meter.bytes.load(Ordering::Relaxed);
    let is_all = !enough.load(Ordering::Relaxed) && meter.begun.elapsed() < MEASURED;
    Ok(Rate { bytes, time: meter.begun.elapsed(), is_all })
}

/// Counts bytes, and ends the reading once there was enough of it.
struct Meter<'a> {
    begun: Instant,
    bytes: AtomicU64,
    enough: &'a AtomicBool,
    stop: &'a AtomicBool,
}

impl Meter<'_> {
    fn look(&self) {
        if self.begun.elapsed() >= MEASURED || self.stop.load(Ordering::Relaxed) {
            self.enough.store(true, Ordering::Relaxed);
        }
    }
}

impl Progress for Meter<'_> {
    fn stage(&self, _: &'static str) {}
    fn planned(&self, _: u64, _: u64) {}
    fn begin(&self, _: &[u8]) {
        self.look();
    }
    fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.look();
    }
    fn notice(&self, _: &str) {}
}
