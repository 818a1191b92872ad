//! Options that commands share, as they are typed, and their way into the options of a run.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use shardproof::audit::{Acceptance, AuditOptions, FailOn, Mode, Samples};
use shardproof::digest::Algorithm;

use super::meaning;

/// What is read, and how.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// A dataset: a folder, a single file, or an index made by `shardproof index`. Several are one dataset in parts.
    #[arg(value_name = "DATASET", required = true)]
    datasets: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    stopping: StopArgs,
}

impl DataArgs {
    /// The options of a run that only these decide.
    pub fn meaning(&self, mode: Mode) -> anyhow::Result<AuditOptions> {
        let mut options = self.reading.meaning(mode, self.datasets.clone())?;
        self.stopping.add_to(&mut options);
        Ok(options)
    }
}

/// A look before the run.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Tell what would be read, how long that takes, and what will stay unchecked, and do nothing else.
    ///
    /// Some seconds of reading show how fast that is. Nothing is checked and nothing is written.
    #[arg(long, help_heading = "What to look at")]
    plan: bool,
}

impl PlanArgs {
    /// Adds it to the options of a run.
    pub fn add_to(&self, options: &mut AuditOptions) {
        options.look_only = self.plan;
    }
}

/// How a long run is stopped and continued.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// Keep what is read of each file in this folder, and read only files that are not in it yet or have changed.
    ///
    /// However the run ends, the same command goes on from there, and its report is the same as if all had been read at
    /// once. A file counts as unchanged if its device, inode, size and time stamps are the same, so against whoever can
    /// set those, read everything again. The folder must not lie inside a DATASET.
    #[arg(long, value_name = "DIR", help_heading = "Resources")]
    state: Option<PathBuf>,
    /// Read no longer than this, such as 90m or 1h30m; what was not read by then is told and the exit code is 3.
    ///
    /// With --state, the same command goes on from there.
    #[arg(long, value_name = "DURATION", value_parser = meaning::duration, help_heading = "Resources")]
    time_limit: Option<Duration>,
    /// For tests: the age from which on time stamps are trusted.
    #[arg(long, value_name = "DURATION", value_parser = meaning::duration, hide = true)]
    settling: Option<Duration>,
}

impl StopArgs {
    fn add_to(&self, options: &mut AuditOptions) {
        options.state = self.state.clone();
        options.time_limit = self.time_limit;
        if let Some(settling) = self.settling {
            options.settling = settling;
        }
    }
}

/// How a dataset is read.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// Look only at what matches, entries of manifests and files alike; can be given more than once.
    ///
    /// A glob without `/` matches at any depth; `*` never crosses a `/`, `**` does. A folder or shard that matches
    /// brings all that is in it.
    #[arg(long, value_name = "GLOB", help_heading = "What to look at")]
    include: Vec<String>,
    /// Leave out what matches, entries of manifests and files alike; can be given more than once.
    #[arg(long, value_name = "GLOB", help_heading = "What to look at")]
    exclude: Vec<String>,
    /// Read what links lead to even where that lies outside the dataset.
    #[arg(long, help_heading = "What to look at")]
    follow_links: bool,
    /// Whether shards are opened: where an entry or a list needs it, always, or never.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto, help_heading = "What to look at")]
    samples: When,
    /// Algorithms of digests that do not say theirs, such as md5 or sha256,sha1.
    #[arg(
        long, value_name = "LIST", value_delimiter = ',', value_parser = meaning::algorithm,
        help_heading = "How to judge"
    )]
    algorithm: Vec<Algorithm>,
    /// Count gaps and notes as wrong: exit code 1 instead of 3 or 0.
    #[arg(long, help_heading = "How to judge")]
    strict: bool,
    /// Worker threads [default: one for each core].
    #[arg(long, value_name = "N", help_heading = "Resources")]
    threads: Option<NonZeroUsize>,
    /// Memory for readers and joins together, such as 64MiB or 2G; at least 16MiB.
    #[arg(
        long, value_name = "SIZE", default_value = "256MiB", value_parser = meaning::memory,
        help_heading = "Resources"
    )]
    memory: usize,
    /// Folder for records that do not fit the memory [default: the system's for temporary files].
    #[arg(long, value_name = "DIR", help_heading = "Resources")]
    scratch: Option<PathBuf>,
}

impl ReadArgs {
    /// The options of a run over these datasets.
    pub fn meaning(&self, mode: Mode, datasets: Vec<PathBuf>) -> anyhow::Result<AuditOptions> {
        let mut options = AuditOptions::new(mode, datasets);
        for (name, globs, set) in [
            ("include", &self.include, &mut options.include),
            ("exclude", &self.exclude, &mut options.exclude),
        ] {
            if !globs.is_empty() {
                *set = Some(meaning::globs(name, globs)?);
                options.patterns.push((name, globs.join(", ")));
            }
        }
        options.follow_links = self.follow_links;
        options.samples = match self.samples {
            When::Auto => Samples::Auto,
            When::Always => Samples::Always,
            When::Never => Samples::Never,
        };
        self.algorithm.iter().for_each(|&algorithm| options.declared.insert(algorithm));
        options.strict = self.strict;
        if let Some(threads) = self.threads {
            options.threads = threads.get();
        }
        options.memory = self.memory;
        if let Some(folder) = &self.scratch {
            // Told now, not when the memory is full after hours.
            if !folder.is_dir() {
                bail!("--scratch {} is no folder; make it first", folder.display());
            }
            options.scratch = Some(folder.clone());
        }
        Ok(options)
    }
}

/// Manifests and how they are read.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// A manifest, as FILE or FORMAT:FILE, or the folder of an index or of a bag; can be given more than
    /// once.
    ///
    /// `column:NAME=ALGORITHM` is a column of the dataset's own tables that holds digests of what else is in the row, such
    /// as `column:sha256=sha256`. Without this option, the manifests that lie in the dataset are used, or else columns
    /// that are called as such columns usually are. A FILE with a colon in its name is written `./a:b`.
    #[arg(long, value_name = "[FORMAT:]FILE", help_heading = "Manifests")]
    manifest: Vec<OsString>,
    /// The folder that names in manifests are relative to [default: the manifest's own folder if it lies in the
    /// dataset, else the dataset].
    #[arg(long, value_name = "DIR", help_heading = "Manifests")]
    base: Option<PathBuf>,
    /// What manifests list completely: all, none (only what they name), or what matches a glob.
    ///
    /// What lies in that scope and is listed by no manifest is undisclosed. The default depends on the format: a sums
    /// file lists its folder completely.
    #[arg(long, value_name = "GLOB|all|none", help_heading = "Manifests")]
    scope: Option<String>,
    /// Ask only for what is here: what is published and not here is no finding.
    #[arg(long, help_heading = "Manifests")]
    subset: bool,
    /// The Hugging Face commit to compare with [default: the one that the files were downloaded from].
    #[arg(long, value_name = "COMMIT", help_heading = "Manifests")]
    revision: Option<String>,
    /// Take only digests at least as strong as this algorithm; other entries are unverifiable.
    #[arg(long, value_name = "ALGORITHM", value_parser = meaning::algorithm, help_heading = "Manifests")]
    require: Option<Algorithm>,
}

impl ManifestArgs {
    /// Adds them to the options of a run.
    pub fn add_to(&self, options: &mut AuditOptions) -> anyhow::Result<()> {
        options.manifests = meaning::manifests(&self.manifest);
        options.digest_columns = meaning::digest_columns(&self.manifest)?;
        options.base = self.base.clone();
        if let Some(scope) = &self.scope {
            options.scope = Some(meaning::scope(scope)?);
            options.patterns.push(("scope", scope.clone()));
        }
        options.subset = self.subset;
        options.revision = self.revision.clone();
        options.require = self.require;
        Ok(())
    }
}

/// How hash lists are read and told.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Columns of lists that are tables, by name or by number from 1.
    #[arg(
        long,
        value_name = "digest=COL[,algorithm=COL][,category=COL][,id=COL]",
        help_heading = "Hash lists"
    )]
    list_columns: Option<String>,
    /// Show digests of known-bad items. Handle the reports with care.
    #[arg(long, help_heading = "Hash lists")]
    reveal: bool,
}

impl ListArgs {
    /// Adds them to the options of a run.
    pub fn add_to(&self, options: &mut AuditOptions) -> anyhow::Result<()> {
        if let Some(columns) = &self.list_columns {
            options.columns = meaning::columns(columns)?;
            options.patterns.push(("list_columns", columns.clone()));
        }
        options.reveal = self.reveal;
        Ok(())
    }
}

/// What the exit code goes by, and what is written for whoever mends the dataset.
#[derive(Debug, Args)]
pub struct OutcomeArgs {
    /// End with 1 only where these are found: codes such as altered,missing, or wrong, gap, note, or none.
    ///
    /// Only the exit code changes; the verdict and the reports tell all. What is not listed is no failure, but where
    /// something could not be checked the exit code is 3 all the same, and known-bad items always end with 1. The codes
    /// are the headings of docs/findings.md. Example: --fail-on altered,missing,pointer
    #[arg(
        long, value_name = "CODES", value_delimiter = ',', hide_possible_values = true,
        value_parser = PossibleValuesParser::new(FailOn::words()), help_heading = "How to judge"
    )]
    fail_on: Option<Vec<String>>,
    /// Findings that somebody has looked at: they are told, but do not count for the exit code.
    ///
    /// A TOML file with an [[accept]] entry for each: code, shard (member, row, column, offset as in the JSON report),
    /// digest (what was found there, so that the acceptance lapses with the content), reason, and expires if it shall
    /// end. Entries that accept nothing are told. Example: --accept accepted.toml
    #[arg(long, value_name = "FILE", help_heading = "How to judge")]
    accept: Option<PathBuf>,
    /// Write the paths of all files that must be fetched again, one on a line; empty if there is none.
    ///
    /// Altered, missing and unreadable files and pointers. Comments say which `hf download`, `git lfs pull` or `git annex
    /// get` fetches them, where the dataset tells. Example: --failed-out failed.txt
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub failed_out: Option<PathBuf>,
}

impl OutcomeArgs {
    /// Adds them to the options of a run.
    pub fn add_to(&self, options: &mut AuditOptions) -> anyhow::Result<()> {
        if let Some(words) = &self.fail_on {
            options.fail_on = Some(FailOn::of(words).map_err(|why| anyhow!("--fail-on: {why}"))?);
        }
        if let Some(path) = &self.accept {
            options.accept = Some(Arc::new(Acceptance::read(path)?));
        }
        Ok(())
    }
}

/// Where reports go, and what is told on the way.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Write a report to a file, as FORMAT:FILE; can be given more than once.
    ///
    /// Formats are human, json, jsonl, parquet, markdown (for an issue) and junit (for continuous integration).
    /// A report appears whole or not at all, and never inside a DATASET. One that names known-bad items can be read by
    /// its owner only.
    #[arg(long, value_name = "FORMAT:FILE", help_heading = "Output")]
    pub report: Vec<OsString>,
    /// The format on standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human", value_parser = shardproof::report::names(), help_heading = "Output")]
    pub format: String,
    /// Progress on standard error: a bar on a terminal, else a line a minute; `always` tells stages as well.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto, help_heading = "Output")]
    pub progress: When,
    /// No progress and no notices on standard error; errors are still told.
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// A choice that is made by itself unless it is made here. (Variants explain themselves: what they do is said where the
/// option is.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}
