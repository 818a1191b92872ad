//! `shardproof audit`: all checks in one read.

use std::ffi::OsString;

use clap::Args;
use shardproof::audit::{AuditOptions, Mode};

use super::help;
use super::meaning::hash_lists;
use super::options::{DataArgs, ListArgs, ManifestArgs, OutcomeArgs, OutputArgs, PlanArgs};

const EXAMPLES: &str = "\
EXAMPLES:
  shardproof audit data/ --manifest SHA256SUMS --hash-list list.txt
  shardproof audit part1/ part2/ --manifest hf-tree:tree.json --report json:report.json
  shardproof audit data/ --hash-list csv:list.csv --list-columns digest=hash,category=kind
";

/// Check datasets against manifests and hash lists, and open every shard, in one read.
///
/// Without --manifest, the manifests that lie in the dataset are used: what `hf download` left beside the files, sums
/// files such as SHA256SUMS, hashdeep lists, Git LFS pointers, git-annex keys,
/// files of DVC.
#[derive(Debug, Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub struct Audit {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// A list of known-bad digests, as FILE or FORMAT:FILE; can be given more than once.
    #[arg(long, value_name = "[FORMAT:]FILE", help_heading = "Hash lists")]
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

impl Audit {
    /// What is meant by what was typed.
    pub fn meaning(&self) -> anyhow::Result<AuditOptions> {
        let mut options = self.data.meaning(Mode::Audit)?;
        self.manifests.add_to(&mut options)?;
        self.lists.add_to(&mut options)?;
        options.hash_lists = hash_lists(&self.hash_list);
        self.outcome.add_to(&mut options)?;
        self.plan.add_to(&mut options);
        Ok(options)
    }
}
