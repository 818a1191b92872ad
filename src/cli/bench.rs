//! `shardproof bench`: how fast is this machine, and what does that mean for a whole dataset?

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use shardproof::audit::{AuditOptions, Mode};
use shardproof::bench::{self, BenchOptions, FORMATS, Layout, Place, Recipe};
use shardproof::digest::Algorithm;

use super::options::When;
use super::progress::Telling;
use super::signals::Signals;
use super::{meaning, output};

const EXAMPLES: &str = "\
EXAMPLES:
  shardproof bench                                     1 GiB of tar shards below the folder for temporary files
  shardproof bench --layout parquet --algorithm md5
  shardproof bench --layout folder --sample-bytes 256MiB --bytes 8GiB --dir /data/scratch
  shardproof bench --in-memory --threads 1 --format json

EXIT CODES:
  0    measured: all of the data was verified
  2    it could not be measured, or the data were not verified to the last byte
  130  stopped by Ctrl-C; 143: by SIGTERM. Nothing is left behind either way";

/// Measure how fast this machine verifies, stage by stage, and what that means for a whole dataset.
///
/// Synthetic data are made, audited with a manifest and a hash list as any dataset is, and removed. Beside each stage stands
/// what this machine could do at most, measured in the same run. The data were written just before and are warm: what
/// storage delivers is not measured, but what it would have to deliver is told. See docs/bench.md.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Bench {
    /// How much data, before packing, such as 256MiB or 8G.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = meaning::size, help_heading = "Data")]
    bytes: u64,
    /// In how many shards.
    #[arg(long, value_name = "N", default_value = "16", help_heading = "Data")]
    shards: NonZeroU64,
    /// How samples are packed: a file each, members of tar shards, rows of zstd Parquet files or of JSON Lines.
    #[arg(
        long, value_name = "LAYOUT", default_value = "tar", help_heading = "Data",
        value_parser = PossibleValuesParser::new(Layout::ALL.map(Layout::name))
    )]
    layout: String,
    /// How large a sample is on average [default: 40KiB, of rows 200 bytes, as in LAION-5B].
    #[arg(long, value_name = "SIZE", value_parser = meaning::size, help_heading = "Data")]
    sample_bytes: Option<u64>,
    /// What the content is made from: the same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Data")]
    seed: u64,
    /// Hold the data in memory (Linux: files in /dev/shm, which are never on a disk).
    #[arg(long, conflicts_with = "dir", help_heading = "Data")]
    in_memory: bool,
    /// The folder to write the data below [default: the system's for temporary files].
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    dir: Option<PathBuf>,
    /// For tests: damages the data once they are made.
    #[arg(long, hide = true)]
    damage: bool,
    /// Digests to compute of every file and every sample, such as md5,sha1,sha256.
    #[arg(
        long, value_name = "LIST", value_delimiter = ',', default_value = "sha256",
        value_parser = meaning::algorithm, help_heading = "Work"
    )]
    algorithm: Vec<Algorithm>,
    /// Worker threads [default: one for each core].
    #[arg(long, value_name = "N", help_heading = "Work")]
    threads: Option<NonZeroUsize>,
    /// Memory for readers and joins together, such as 64MiB or 2G; at least 16MiB.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = meaning::memory, help_heading = "Work")]
    memory: usize,
    /// The format on standard output.
    #[arg(
        long, value_name = "FORMAT", default_value = FORMATS[0], help_heading = "Output",
        value_parser = PossibleValuesParser::new(FORMATS)
    )]
    format: String,
    /// Progress on standard error: a bar on a terminal, else a line a minute; `always` tells stages as well.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto, help_heading = "Output")]
    progress: When,
    /// No progress and no notices on standard error; errors are still told.
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

impl Bench {
    /// Measures, and tells what came of it.
    pub fn run(self, arguments: Vec<String>) -> anyhow::Result<u8> {
        let options = self.meaning(arguments)?;
        let signals = Signals::listen()?;
        let progress = Telling::new(self.progress, self.quiet);
        let result = bench::bench(&options, &progress, signals.stop());
        progress.finish();
        let outcome = result.map_err(|error| signals.named(error, None))?;
        let render = bench::by_name(&self.format)
            .ok_or_else(|| anyhow::anyhow!("a benchmark is told as human or json, not as {}", self.format))?;
        output::to_stdout(|out| Ok(render(&outcome, out)?))?;
        Ok(0)
    }

    fn meaning(&self, arguments: Vec<String>) -> anyhow::Result<BenchOptions> {
        let layout = Layout::from_name(&self.layout)
            .ok_or_else(|| anyhow::anyhow!("no layout is called {}", self.layout))?;
        let place = match (&self.dir, self.in_memory) {
            (_, true) => Place::Memory,
            (Some(folder), false) => Place::Folder(folder.clone()),
            (None, false) => Place::Folder(std::env::temp_dir()),
        };
        let usual = AuditOptions::new(Mode::Audit, Vec::new());
        let recipe = Recipe {
            layout,
            bytes: self.bytes,
            shards: self.shards.get(),
            sample_bytes: self.sample_bytes.unwrap_or(layout.usual_sample()),
            seed: self.seed,
        };
        recipe.check()?;
        Ok(BenchOptions {
            recipe,
            place,
            algorithms: self.algorithm.iter().copied().collect(),
            threads: self.threads.map_or(usual.threads, NonZeroUsize::get),
            memory: self.memory,
            arguments,
            damage: self.damage,
        })
    }
}
