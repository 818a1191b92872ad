//! The real run on the data, measured from outside, and the proof that it did all of its work.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::machine;
use super::synthetic::{Dataset, Layout};
use crate::audit::{AuditOptions, Mode, Progress, Report, SourceSpec, StageClock, Verdict, audit};
use crate::check::balance::ClaimClass;
use crate::error::{Error, Result};

/// A run that was measured.
#[derive(Debug)]
pub struct Run {
    /// From its beginning to its end.
    pub all: Took,
    /// Listing, reading the manifest and the list, planning.
    pub plan: Took,
    /// Reading: what the workers do.
    pub reading: Took,
    /// Joining what was observed with what is claimed.
    pub join: Took,
    /// Items that were looked up in the list.
    pub looked_up: u64,
    /// Claims that were found intact.
    pub intact: u64,
}

/// Time on the clock, and CPU time of all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// On the clock.
    pub wall: Duration,
    /// Of all threads.
    pub cpu: Duration,
}

/// Audits the data; with a clock, the time of stages is added to it.
///
/// # Errors
/// Where the run could not be made, or has not verified every byte.
pub fn run(
    dataset: &Dataset,
    threads: usize,
    memory: usize,
    clock: Option<&StageClock>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Run> {
    let mut options = AuditOptions::new(Mode::Audit, vec![dataset.data()]);
    options.manifests = vec![SourceSpec { format: Some("claims".into()), path: dataset.claims() }];
    options.hash_lists = vec![SourceSpec { format: Some("csv".into()), path: dataset.list() }];
    options.threads = threads;
    options.memory = memory;
    options.scratch = Some(dataset.scratch());
    let watch = Watch { shown: progress, clock, marks: Mutex::new(vec![Mark::now("begun")]) };
    let report = audit(&options, &watch, stop)?;
    let marks = watch.marks.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let end = Mark::now("ended");
    let looked_up = prove(dataset, &report)?;
    let at = |name: &str| marks.iter().find(|mark| mark.name == name).unwrap_or(&end);
    let (begun, reading, settling) = (at("begun"), at("reading"), at("settling"));
    Ok(Run {
        all: begun.until(&end),
        plan: begun.until(reading),
        reading: reading.until(settling),
        join: settling.until(&end),
        looked_up,
        intact: report.coverage.balance.claims_of(ClaimClass::Ok),
    })
}

/// Holds the report to what was made; the items that were looked up.
fn prove(dataset: &Dataset, report: &Report) -> Result<u64> {
    let made = dataset.made;
    let coverage = &report.coverage;
    let intact = coverage.balance.claims_of(ClaimClass::Ok);
    let samples = match dataset.recipe.layout {
        // There each file is a sample, and none of them holds any.
        Layout::Folder => 0,
        _ => made.samples,
    };
    let wanted = [
        ("claims taken", coverage.balance.claims_in, made.claims),
        ("claims found intact", intact, made.claims),
        ("files", report.shards, made.files),
        ("files read", coverage.shards_read, made.files),
        ("bytes", report.bytes, made.bytes),
        ("samples", report.samples, samples),
    ];
    for (what, is, should) in wanted {
        if is != should {
            return Err(undone(format!("{is} {what} of {should}"), report));
        }
    }
    for (what, is, least) in [
        ("bytes read", coverage.bytes_read, made.bytes),
        ("items looked up in the hash list", coverage.looked_up, made.files + samples),
    ] {
        if is < least {
            return Err(undone(format!("{is} {what} of {least} at least"), report));
        }
    }
    if report.verdict != Verdict::Valid || report.exit_code != 0 {
        return Err(undone(format!("the verdict is {}", report.verdict.name()), report));
    }
    Ok(coverage.looked_up)
}

fn undone(what: String, report: &Report) -> Error {
    let counts: Vec<String> = report.counts.iter().map(|(code, n)| format!("{n} {code}")).collect();
    let told = if counts.is_empty() { String::new() } else { format!("; found were {}", counts.join(", ")) };
    Error::BenchUndone(format!("{what}{told}"))
}

/// Notes when stages begin, and passes everything on.
struct Watch<'a> {
    shown: &'a dyn Progress,
    clock: Option<&'a StageClock>,
    marks: Mutex<Vec<Mark>>,
}

struct Mark {
    name: &'static str,
    wall: Instant,
    cpu: Duration,
}

impl Mark {
    fn now(name: &'static str) -> Mark {
        Mark { name, wall: Instant::now(), cpu: machine::cpu_time() }
    }

    fn until(&self, other: &Mark) -> Took {
        Took { wall: other.wall.duration_since(self.wall), cpu: other.cpu.saturating_sub(self.cpu) }
    }
}

impl Progress for Watch<'_> {
    fn stage(&self, name: &'static str) {
        self.marks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(Mark::now(name));
        self.shown.stage(name);
    }

    fn planned(&self, bytes: u64, files: u64) {
        self.shown.planned(bytes, files);
    }

    fn begin(&self, path: &[u8]) {
        self.shown.begin(path);
    }

    fn read(&self, bytes: u64) {
        self.shown.read(bytes);
    }

    fn notice(&self, text: &str) {
        self.shown.notice(text);
    }

    fn clock(&self) -> Option<&StageClock> {
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::audit::{Silent, Stage};
    use crate::bench::synthetic::{Place, Recipe};
    use crate::digest::{Algorithm, DigestSet};

    fn dataset(layout: Layout, home: &std::path::Path) -> Dataset {
        let sample_bytes = if layout.has_rows() { 150 } else { 5000 };
        let recipe = Recipe { layout, bytes: 300_000, shards: 3, sample_bytes, seed: 5 };
        let all: DigestSet = [Algorithm::Sha256, Algorithm::Md5].into_iter().collect();
        let place = Place::Folder(home.to_path_buf());
        Dataset::make(recipe, all, &place, 2, 0, &Silent, &AtomicBool::new(false)).unwrap()
    }

    fn ran(dataset: &Dataset, clock: Option<&StageClock>) -> Result<Run> {
        run(dataset, 2, 64 << 20, clock, &Silent, &AtomicBool::new(false))
    }

    #[test]
    fn every_layout_is_verified_and_its_stages_are_counted() {
        let home = tempfile::tempdir().unwrap();
        for layout in Layout::ALL {
            let dataset = dataset(layout, home.path());
            let clock = StageClock::default();
            let run = ran(&dataset, Some(&clock)).unwrap();
            let made = dataset.made;
            assert_eq!(run.intact, made.claims, "{layout:?}");
            let read = clock.of(Stage::Read);
            assert!(read.bytes >= made.bytes && read.items == made.files, "{layout:?}: {read:?}");
            let pieces = clock.of(Stage::Pieces);
            assert!(pieces.bytes >= made.bytes, "{layout:?}: {pieces:?}");
            let cells = clock.of(Stage::Cells);
            assert_eq!(cells.bytes > 0, layout.has_rows(), "{layout:?}: {cells:?}");
            assert_eq!(clock.of(Stage::LookUp).items, run.looked_up, "{layout:?}");
            let stages = [Stage::Decode, Stage::Keep, Stage::Worker];
            assert!(stages.iter().all(|&stage| clock.of(stage).time > Duration::ZERO), "{layout:?}");
            let all = [Stage::Read, Stage::Decode, Stage::Pieces, Stage::Cells, Stage::LookUp];
            let sum: Duration = all.iter().chain(&stages[1..]).map(|&stage| clock.of(stage).time).sum();
            assert!(
                sum <= run.reading.wall * 2,
                "two workers cannot spend {sum:?} in {:?}",
                run.reading.wall
            );
            dataset.remove().unwrap();
        }
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_changed_byte_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        for layout in Layout::ALL {
            let dataset = dataset(layout, home.path());
            let path = dataset.files_of(1).next().unwrap();
            let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            let mut byte = [0];
            // Within the first sample: past the header of a tar, in the first page of a table.
            file.read_exact_at(&mut byte, 900).unwrap();
            file.write_all_at(&[byte[0] ^ 1], 900).unwrap();
            let told = ran(&dataset, None).unwrap_err().to_string();
            assert!(told.contains("altered"), "{layout:?}: {told}");
            std::fs::remove_file(&path).unwrap();
            assert!(ran(&dataset, None).is_err(), "{layout:?}: a file is gone");
        }
    }
}
