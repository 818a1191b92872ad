//! `shardproof verify`: is this what was published?

use clap::Args;
use shardproof::audit::{AuditOptions, Mode};

use super::help;
use super::options::{DataArgs, ManifestArgs, OutcomeArgs, OutputArgs, PlanArgs};

const EXAMPLES: &str = "\
EXAMPLES:
  shardproof verify data/                          against what `hf download` left, or a SHA256SUMS in it
  shardproof verify data/ --manifest SHA256SUMS
  shardproof verify data/ --manifest tree.json --include '*.tar' --subset
  shardproof verify data/ --manifest md5sums.txt --algorithm md5 --base images
  shardproof verify data/ --failed-out failed.txt  which files to fetch again, and with which command
  shardproof verify data/ --accept accepted.toml --fail-on altered,missing --report junit:report.xml
";

/// Check that datasets are complete and what their publisher published.
///
/// Without --manifest, the manifests that lie in the dataset are used: what `hf download` left beside the files, sums
/// files such as SHA256SUMS, hashdeep lists, Git LFS pointers, git-annex keys,
/// files of DVC.
#[derive(Debug, Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub struct Verify {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    pub outcome: OutcomeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Verify {
    /// What is meant by what was typed.
    pub fn meaning(&self) -> anyhow::Result<AuditOptions> {
        let mut options = self.data.meaning(Mode::Verify)?;
        self.manifests.add_to(&mut options)?;
        self.outcome.add_to(&mut options)?;
        self.plan.add_to(&mut options);
        Ok(options)
    }
}
