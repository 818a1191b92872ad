//! `shardproof flag`: is known harmful content in it?

use std::ffi::OsString;

use clap::Args;
use shardproof::audit::{AuditOptions, Mode};

use super::help;
use super::meaning::hash_lists;
use super::options::{DataArgs, ListArgs, OutcomeArgs, OutputArgs, PlanArgs};

const EXAMPLES: &str = "\
EXAMPLES:
  shardproof flag data/ --hash-list list.txt
  shardproof flag data/ --hash-list md5:list.txt --report json:hits.json
  shardproof flag data/ --hash-list csv:list.csv --list-columns digest=hash,id=3
";

/// Look every file and every sample up in lists of known-bad digests.
///
/// Files, samples in shards, decompressed streams and bytes hidden in shards are looked up. No content is shown, and no
/// digest of a list unless --reveal asks for it. A report that names hits can be read by its owner only.
#[derive(Debug, Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub struct Flag {
    /// A list of known-bad digests, as FILE or FORMAT:FILE; can be given more than once.
    #[arg(long, value_name = "[FORMAT:]FILE", required = true, help_heading = "Hash lists")]
    hash_list: Vec<OsString>,
    #[command(flatten)]
    lists: ListArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    pub outcome: OutcomeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Flag {
    /// What is meant by what was typed.
    pub fn meaning(&self) -> anyhow::Result<AuditOptions> {
        let mut options = self.data.meaning(Mode::Flag)?;
        self.lists.add_to(&mut options)?;
        options.hash_lists = hash_lists(&self.hash_list);
        self.outcome.add_to(&mut options)?;
        self.plan.add_to(&mut options);
        Ok(options)
    }
}
