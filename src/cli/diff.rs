//! `shardproof diff`: what changed between two copies?

use std::path::PathBuf;

use clap::Args;
use shardproof::audit::{AuditOptions, Mode};

use super::help;
use super::options::{OutcomeArgs, OutputArgs, ReadArgs};

const EXAMPLES: &str = "\
EXAMPLES:
  shardproof diff v1/ v2/                two folders, sample by sample
  shardproof diff v1.index v2/           an index and a folder
  shardproof diff SHA256SUMS.old SHA256SUMS
";

/// Tell what was added, removed, changed and moved between two copies of a dataset.
///
/// Each may be a folder, an index or a manifest. Samples in shards and rows of tables are compared by their content, so
/// that packing, compressing or sharding them anew is told as moved, not as removed and added. Exit code 0 means that
/// there is no difference.
#[derive(Debug, Args)]
#[command(after_long_help = help::with_exit_codes_of_diff(EXAMPLES))]
pub struct Diff {
    /// The one that is compared with: an older release, an index of it, or a manifest.
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The one that may differ.
    #[arg(value_name = "B")]
    second: PathBuf,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    pub outcome: OutcomeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Diff {
    /// What is meant by what was typed.
    pub fn meaning(&self) -> anyhow::Result<AuditOptions> {
        let mut options = self.reading.meaning(Mode::Diff, vec![self.second.clone()])?;
        self.outcome.add_to(&mut options)?;
        Ok(options)
    }
}
