//! `shardproof index`: measure once, check as often as wanted.

use std::path::PathBuf;

use clap::Args;
use shardproof::audit::{AuditOptions, Mode};

use super::help;
use super::options::{DataArgs, OutputArgs};

const EXAMPLES: &str = "\
EXAMPLES:
  shardproof index data/ -o data.index
  shardproof index data/ -o data.index --algorithm sha256
  shardproof verify data.index --manifest SHA256SUMS      judge it without reading the data again
  shardproof flag data.index --hash-list list.txt
  shardproof verify copy/ --manifest data.index           is another copy the same, sample by sample?
";

/// Measure every file and every sample of a dataset, and keep that as Parquet files.
///
/// The folder can be given to every command in place of the dataset, and as a manifest for another copy of it, which
/// is recognised even where it was packed or compressed otherwise. DuckDB, pandas and Spark can read it
/// (docs/index.md).
#[derive(Debug, Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub struct Index {
    /// The folder to write: a new or empty one, or one that holds an index, which is replaced.
    #[arg(long, short, value_name = "DIR", required = true, help_heading = "Output")]
    output: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    pub reports: OutputArgs,
}

impl Index {
    /// What is meant by what was typed.
    pub fn meaning(&self) -> anyhow::Result<AuditOptions> {
        let mut options = self.data.meaning(Mode::Index)?;
        options.output = Some(self.output.clone());
        Ok(options)
    }
}
