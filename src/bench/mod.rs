//! `bench`: the real run on synthetic data, each stage beside what this machine could do, and what that means for more.
//!
//! The data are made, audited against their manifest and a hash list as any dataset is, and removed. Runs that are told of
//! as a whole are not timed inside; one more run is, for the stages. A run that has not verified every byte is an error.

pub mod extrapolation;
mod human;
mod json;
pub mod limits;
pub mod machine;
pub mod outcome;
mod pipeline;
pub mod synthetic;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use json::BENCH_SCHEMA;
pub use outcome::Outcome;
pub use synthetic::{Layout, Place, Recipe};

use crate::audit::{Progress, Stage, StageClock};
use crate::digest::DigestSet;
use crate::error::{Error, Result};
use limits::{Hashed, Limits, Messages};
use machine::Machine;
use outcome::{Amount, LimitFigure, StageFigure};
use pipeline::Run;
use synthetic::Dataset;

/// Runs that are told of: the median of this many, or of fewer where they take longer than this together.
const RUNS: usize = 3;
const LONGEST: Duration = Duration::from_secs(6);

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// What the data are made by.
    pub recipe: Recipe,
    /// Where they are.
    pub place: Place,
    /// What is computed of every item.
    pub algorithms: DigestSet,
    /// Worker threads.
    pub threads: usize,
    /// Bytes of memory for readers and joins together.
    pub memory: usize,
    /// The words of the command line.
    pub arguments: Vec<String>,
    /// For tests: a byte of the data is changed once they are made.
    pub damage: bool,
}

/// Measures. `stop` ends it early; whatever happens, the data are removed.
///
/// # Errors
/// Where there is no room, or the run has not verified all of the data.
pub fn bench(options: &BenchOptions, progress: &dyn Progress, stop: &AtomicBool) -> Result<Outcome> {
    let BenchOptions { recipe, algorithms, threads, memory, .. } = options;
    let threads = (*threads).max(1);
    let dataset =
        Dataset::make(*recipe, *algorithms, &options.place, threads, *memory as u64, progress, stop)?;
    if options.damage {
        dataset.damage()?;
    }
    let outcome = measure(options, &dataset, threads, progress, stop);
    let removed = dataset.remove();
    let outcome = outcome?;
    removed.map(|()| outcome)
}

fn measure(
    options: &BenchOptions,
    dataset: &Dataset,
    threads: usize,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Outcome> {
    machine::forget_peak();
    let run = |clock| pipeline::run(dataset, threads, options.memory, clock, progress, stop);
    let begun = Instant::now();
    let mut runs = vec![run(None)?];
    while runs.len() < RUNS && begun.elapsed() < LONGEST {
        runs.push(run(None)?);
    }
    let peak = machine::peak_memory();
    let count = runs.len();
    runs.sort_by_key(|run| run.all.wall);
    let median = runs.swap_remove(count / 2);

    let clock = StageClock::default();
    let timed = run(Some(&clock))?;
    progress.stage("measuring limits");
    let machine = Machine::here();
    let hashed = hashed(dataset, &clock);
    let limits = Limits::measure(dataset, &machine, &hashed, threads, stop)?;
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted { signal: "a signal", kept: None });
    }
    Ok(Outcome {
        arguments: options.arguments.clone(),
        machine,
        recipe: dataset.recipe,
        made: dataset.made,
        in_memory: dataset.in_memory,
        algorithms: dataset.algorithms.iter().map(|algorithm| algorithm.name()).collect(),
        listed: dataset.listed,
        threads,
        memory: options.memory,
        runs: count,
        wall: median.all.wall,
        cpu: median.all.cpu,
        peak,
        intact: median.intact,
        looked_up: median.looked_up,
        timed: timed.all.wall,
        workers: timed.reading.wall * u32::try_from(threads).unwrap_or(u32::MAX),
        workers_cpu: timed.reading.cpu,
        stages: stages(dataset, &timed, &clock, threads, &limits),
        limits,
    })
}

/// Which messages were hashed: what is not a whole file is a part of one.
fn hashed(dataset: &Dataset, clock: &StageClock) -> Hashed {
    let (pieces, cells) = (clock.of(Stage::Pieces), clock.of(Stage::Cells));
    let files = Messages { count: dataset.made.files, bytes: dataset.made.bytes };
    let members = Messages {
        count: pieces.items.saturating_sub(files.count),
        bytes: pieces.bytes.saturating_sub(files.bytes),
    };
    Hashed { files, members, cells: Messages { count: cells.items, bytes: cells.bytes } }
}

fn stages(
    dataset: &Dataset,
    timed: &Run,
    clock: &StageClock,
    threads: usize,
    limits: &Limits,
) -> Vec<StageFigure> {
    let [read, decode, pieces, cells, look_up, keep, worker] =
        [Stage::Read, Stage::Decode, Stage::Pieces, Stage::Cells, Stage::LookUp, Stage::Keep, Stage::Worker]
            .map(|stage| clock.of(stage));
    let limit = |what, rate: Option<f64>| rate.map(|per_second| LimitFigure { what, per_second });
    let of_workers = |name, time, amount, limit| StageFigure { name, time, cpu: None, amount, limit };
    let on_the_clock = |name, took: pipeline::Took, amount| StageFigure {
        name,
        time: took.wall,
        cpu: Some(took.cpu),
        amount,
        limit: None,
    };
    let claims = Amount::Items(dataset.made.claims, "claims");
    let hash = pieces.time + cells.time;
    let at_work = read.time + decode.time + hash + look_up.time + keep.time + worker.time;
    let idle = (timed.reading.wall * u32::try_from(threads).unwrap_or(u32::MAX)).saturating_sub(at_work);
    vec![
        on_the_clock("plan", timed.plan, claims),
        of_workers(
            "read",
            read.time,
            Amount::Bytes(read.bytes),
            limit("read(2) of these files", limits.files),
        ),
        of_workers(
            "decode",
            decode.time,
            Amount::Bytes(read.bytes),
            limit("parquet crate alone", limits.decode),
        ),
        of_workers(
            "hash",
            hash,
            Amount::Bytes(pieces.bytes + cells.bytes),
            limit("hasher alone, from cache", limits.hash),
        ),
        of_workers(
            "look up",
            look_up.time,
            Amount::Items(look_up.items, "items"),
            limit("look-up alone", limits.look_up),
        ),
        of_workers("keep", keep.time, Amount::Items(keep.items, "items"), None),
        of_workers("schedule", worker.time, Amount::Nothing, None),
        of_workers("idle", idle, Amount::Nothing, None),
        on_the_clock("join", timed.join, claims),
    ]
}

/// Writes what came of a benchmark.
pub type Render = fn(&Outcome, &mut dyn Write) -> io::Result<()>;

/// Names of the forms; the first is the default.
pub const FORMATS: [&str; 2] = ["human", "json"];

/// The form of this name.
pub fn by_name(name: &str) -> Option<Render> {
    match name {
        "human" => Some(human::human),
        "json" => Some(json::machine),
        _ => None,
    }
}
