//! The program beside its peers: each row of the comparison as one work, on equal, warm data, in turn.
//!
//! `cargo bench --bench compare` runs the sizes that `benches/README.md` reports and says for each work which ratio is
//! asked for and which was reached. `-- --quick` runs a fiftieth once, asserts counts and memory, and holds nothing to
//! the clock: it is what CI runs. Every run has to show that the work was done; one that does not is an error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

mod contest;
mod data;
mod files;
mod goal;
mod growth;
mod large;
mod machine;
#[path = "../measured/mod.rs"]
mod measured;
mod mixed;
mod peers;
mod python;
mod rows;
mod shardproof;
mod small;
mod tar_peer;
mod tars;
#[path = "../texts/mod.rs"]
mod texts;
mod told;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use clap::Parser;

use data::Store;
use machine::{Machine, Others};
use shardproof::Program;
use told::Told;

/// Compares shardproof with its peers on equal, warm data.
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Options {
    /// Run a fiftieth of everything once, and hold nothing to the clock
    #[arg(long)]
    quick: bool,
    /// Run only these works, such as 1,4
    #[arg(long, value_name = "N", value_delimiter = ',')]
    work: Vec<u32>,
    /// How often each tool has its turn; the medians count [default: 3, with --quick 1]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Keep the data in this folder and use what lies there already [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The program under test [default: the one built with this benchmark]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Fail where a peer is not installed
    #[arg(long)]
    require_peers: bool,
    /// Write the tables to benches/compare/results as well
    #[arg(long)]
    record: bool,
    /// What `cargo bench` adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

/// What every work needs to know.
pub struct Bench {
    program: Program,
    machine: Machine,
    store: Store,
    quick: bool,
    rounds: usize,
    require_peers: bool,
}

impl Bench {
    /// So many at full size; a fiftieth of it in a quick run.
    fn scaled(&self, full: u64) -> u64 {
        if self.quick { full / 50 } else { full }
    }
}

type Work = fn(&Bench, &mut Told) -> Result<()>;

const WORKS: [(u32, Work); 8] = [
    (1, large::thirty_two),
    (2, large::eight),
    (3, large::three_digests),
    (4, small::compare),
    (5, rows::compare),
    (6, tars::compare),
    (7, mixed::compare),
    (8, growth::hold),
];

fn main() -> ExitCode {
    measured::run_if_asked();
    tar_peer::run_if_asked();
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("compare: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if let Some(unknown) = options.work.iter().find(|number| !WORKS.iter().any(|(n, _)| n == *number)) {
        bail!("there is no work {unknown}: they are 1 to {}", WORKS.len());
    }
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 3 });
    ensure!(rounds > 0, "--rounds 0 would compare nothing: give 1 or more");
    if options.record {
        ensure!(
            !options.quick && options.work.is_empty(),
            "only a whole run is recorded: leave out --quick and --work"
        );
        ensure!(
            !cfg!(debug_assertions),
            "this benchmark is not optimised: record with `cargo bench --bench compare`"
        );
    }
    let bench = Bench {
        program: Program::new(options.program.as_deref())?,
        machine: Machine::look()?,
        store: Store::new(options.data.as_deref(), options.quick)?,
        quick: options.quick,
        rounds,
        require_peers: options.require_peers,
    };
    let others = Others::watch()?;
    let mut told = Told::new();
    machine::head(&bench, &mut told);
    for (number, work) in WORKS {
        if options.work.is_empty() || options.work.contains(&number) {
            work(&bench, &mut told)?;
        }
    }
    told.summary(others.share(&bench.machine)?);
    if options.record {
        told.record(&bench.machine)?;
    }
    Ok(())
}
