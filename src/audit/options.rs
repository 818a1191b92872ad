//! What a run is asked to do: typed words already turned into meanings.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use globset::GlobSet;

use super::acceptance::Acceptance;
use super::conclusion::FailOn;
use crate::digest::{Algorithm, DigestSet};
use crate::hashlist::Columns;

/// Below this a file is read by one worker: to open it several times costs more than it gains.
const DIVIDE: u64 = 32 << 20;

/// Time stamps of a file that is changed again within this time may stay the same: FAT counts in two seconds.
const SETTLING: Duration = Duration::from_secs(2);

/// Everything that decides what a run does.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// Which checks.
    pub mode: Mode,
    /// Dataset folders (or files), as typed.
    pub roots: Vec<PathBuf>,
    /// Manifests that were named; with none, those lying in the dataset are used where the mode wants any.
    pub manifests: Vec<SourceSpec>,
    /// Columns of the dataset's own tables that hold digests: their names, and of which algorithm.
    pub digest_columns: Vec<(String, Algorithm)>,
    /// Hash lists that were named.
    pub hash_lists: Vec<SourceSpec>,
    /// Columns of hash lists that are tables.
    pub columns: Columns,
    /// Only paths that match are looked at, claims and files alike.
    pub include: Option<GlobSet>,
    /// Paths that match are not looked at, claims and files alike.
    pub exclude: Option<GlobSet>,
    /// Only what is here is asked for.
    pub subset: bool,
    /// The folder that names in manifests are relative to.
    pub base: Option<PathBuf>,
    /// Replaces what manifests claim to list completely.
    pub scope: Option<ScopeOption>,
    /// The Hugging Face commit to compare with.
    pub revision: Option<String>,
    /// Whether containers are opened.
    pub samples: Samples,
    /// Sizes in manifests are not compared: what takes the dataset's place has none.
    pub ignore_sizes: bool,
    /// Algorithms of digests that do not say theirs.
    pub declared: DigestSet,
    /// Claims without a digest at least this strong are unverifiable.
    pub require: Option<Algorithm>,
    /// Follow links that leave the dataset.
    pub follow_links: bool,
    /// Gaps and notes count as wrong.
    pub strict: bool,
    /// Findings that lead to exit code 1, in place of all that are wrong.
    pub fail_on: Option<FailOn>,
    /// Findings that do not count for the exit code.
    pub accept: Option<Arc<Acceptance>>,
    /// Digests of hash lists may be shown.
    pub reveal: bool,
    /// Worker threads.
    pub threads: usize,
    /// Bytes of memory for joins and readers together.
    pub memory: usize,
    /// The folder that an index is written to.
    pub output: Option<PathBuf>,
    /// Where records go that do not fit the memory; `None`: the system's folder for temporary files.
    pub scratch: Option<PathBuf>,
    /// The folder of what earlier runs observed of these files.
    pub state: Option<PathBuf>,
    /// How long the last change of a file must be past when it is listed, for the file to be known by its time stamps:
    /// the clocks of file systems are coarse.
    pub settling: Duration,
    /// Only a look at what the run would do is asked for: nothing is written anywhere.
    pub look_only: bool,
    /// Nothing more is read past this time.
    pub time_limit: Option<Duration>,
    /// Bytes from which on several workers share in a file whose format allows it, each with half as many at least.
    pub divide: u64,
    /// List folders in a pseudo-random order: for tests that prove it does not matter.
    pub shuffle: Option<u64>,
    /// `--include`, `--exclude` and `--scope` as typed, by name, for the report.
    pub patterns: Vec<(&'static str, String)>,
    /// The words of the command line, for the report.
    pub arguments: Vec<String>,
}

impl AuditOptions {
    /// The defaults of the command line for these roots.
    pub fn new(mode: Mode, roots: Vec<PathBuf>) -> Self {
        AuditOptions {
            mode,
            roots,
            manifests: Vec::new(),
            digest_columns: Vec::new(),
            hash_lists: Vec::new(),
            columns: Columns::default(),
            include: None,
            exclude: None,
            subset: false,
            base: None,
            scope: None,
            revision: None,
            samples: Samples::Auto,
            ignore_sizes: false,
            declared: DigestSet::EMPTY,
            require: None,
            follow_links: false,
            strict: false,
            fail_on: None,
            accept: None,
            reveal: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory: 256 << 20,
            output: None,
            scratch: None,
            state: None,
            settling: SETTLING,
            look_only: false,
            time_limit: None,
            divide: DIVIDE,
            shuffle: None,
            patterns: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// Whether some part of a path from the left is excluded.
    pub fn excludes(&self, path: &[u8]) -> bool {
        self.exclude.as_ref().is_some_and(|set| matches_some_part(set, path))
    }

    /// Whether a path below a root is looked at: some part of it from the left is included, none is excluded.
    pub fn admits(&self, path: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|set| matches_some_part(set, path)) && !self.excludes(path)
    }
}

fn matches_some_part(set: &GlobSet, path: &[u8]) -> bool {
    let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| i).chain([path.len()]);
    ends.into_iter().any(|end| set.is_match(OsStr::from_bytes(&path[..end])))
}

/// Which checks a run makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All checks, every container opened.
    Audit,
    /// Against manifests.
    Verify,
    /// Against hash lists.
    Flag,
    /// Against nothing: what is measured is kept.
    Index,
    /// Against another copy: what is told of are differences.
    Diff,
}

impl Mode {
    /// Whether manifests are looked at.
    pub fn verifies(self) -> bool {
        matches!(self, Mode::Audit | Mode::Verify | Mode::Diff)
    }
}

/// Whether containers are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// Where a claim or a hash list needs it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A manifest or list as it was named: `FORMAT:FILE` or `FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    /// The format's name, where one was given.
    pub format: Option<String>,
    /// The file as typed.
    pub path: PathBuf,
}

/// The `--scope` option.
#[derive(Clone, Debug)]
pub enum ScopeOption {
    /// Manifests claim everything.
    All,
    /// Manifests claim only what they name.
    None,
    /// Manifests claim everything that matches.
    Glob(GlobSet),
}
