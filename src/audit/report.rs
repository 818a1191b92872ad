//! What a run found, ready to be rendered. Renderers read this and decide nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::acceptance::{Accepted, Entry};
use crate::check::balance::Balance;
use crate::error::Result;
use crate::finding::{Class, Code, Finding};
use crate::index::spool::Sorted;

/// A finished run.
#[derive(Debug)]
pub struct Report {
    /// What it comes to.
    pub verdict: Verdict,
    /// The process's exit code: 0, 1 or 3.
    pub exit_code: u8,
    /// Options that change the answer, by name.
    pub options: BTreeMap<&'static str, String>,
    /// The words of the command line.
    pub arguments: Vec<String>,
    /// Start and end of the run.
    pub started: jiff::Timestamp,
    /// End of the run.
    pub finished: jiff::Timestamp,
    /// Dataset roots as typed.
    pub roots: Vec<PathBuf>,
    /// Files of the dataset.
    pub shards: u64,
    /// Samples seen inside them.
    pub samples: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Manifests and hash lists, in order.
    pub sources: Vec<SourceReport>,
    /// What was covered.
    pub coverage: Coverage,
    /// Findings by code.
    pub counts: BTreeMap<Code, u64>,
    /// All findings, sorted by place.
    pub findings: Sorted<Finding>,
    /// Digests of known-bad items may be shown.
    pub reveal: bool,
    /// Something was not checked, whatever the findings say: nothing at all was, or whether everything is here is unknown.
    pub lacking: bool,
    /// What `--accept` accepted.
    pub accepted: Option<Accepted>,
}

impl Report {
    /// All findings in order.
    pub fn findings(&self) -> impl Iterator<Item = Result<Finding>> {
        self.findings.iter().map(|record| record.map(|(_, finding)| finding))
    }

    /// The entry of `--accept` that accepts a finding.
    pub fn accepted(&self, finding: &Finding) -> Option<&Entry> {
        self.accepted.as_ref()?.entry_for(finding, self)
    }

    /// How many findings are of a class.
    pub fn count_of(&self, class: Class) -> u64 {
        self.counts.iter().filter(|(code, _)| code.class() == class).map(|(_, n)| n).sum()
    }

    /// Whether it names known-bad items: such a report is for few eyes.
    pub fn has_hits(&self) -> bool {
        self.counts.get(&Code::KnownBad).is_some_and(|&n| n > 0)
    }
}

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything asked for was checked and is as it should be.
    Valid,
    /// Something is wrong.
    Invalid,
    /// Nothing wrong was seen, but not everything was checked.
    Incomplete,
}

impl Verdict {
    /// The exit code where nothing was accepted and `--fail-on` was not said.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Valid => 0,
            Verdict::Invalid => 1,
            Verdict::Incomplete => 3,
        }
    }

    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Invalid => "invalid",
            Verdict::Incomplete => "incomplete",
        }
    }
}

/// A manifest or hash list as it was used.
#[derive(Clone, Debug)]
pub struct SourceReport {
    /// `manifest` or `hash-list`.
    pub role: &'static str,
    /// Its path as typed, or below its root where it was found there.
    pub path: Vec<u8>,
    /// Its format.
    pub format: &'static str,
    /// SHA-256 of the file; `None` for what is no single file.
    pub sha256: Option<String>,
    /// Entries used.
    pub entries: u64,
    /// Lines refused.
    pub rejected: u64,
    /// What it claims to list completely; `None` for hash lists.
    pub scope: Option<&'static str>,
    /// Why it could not be used, for one that was only found in the dataset.
    pub unusable: Option<String>,
    /// The first lines refused and why.
    pub rejections: Vec<(u64, String)>,
    /// It was not named but found in the dataset.
    pub found_in_dataset: bool,
    /// The repository of the Hugging Face Hub that it speaks of.
    pub hub: Option<HubOrigin>,
}

/// Where files can be downloaded again, as far as a dataset on the disk tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubOrigin {
    /// The dataset root; `None` where any of them may be meant.
    pub root: Option<u16>,
    /// Type and name of the repository: `dataset`, `org/name`.
    pub repository: Option<(&'static str, String)>,
    /// The commit.
    pub revision: Option<String>,
    /// The folder of the cache, where the files lie in one.
    pub cache: Option<PathBuf>,
    /// What stands before the repository's own paths.
    pub base: Vec<u8>,
}

impl SourceReport {
    /// Refused lines that are kept with their reasons; the rest is only counted.
    pub const REJECTIONS: usize = 20;

    /// A source of which nothing was read yet.
    pub fn new(role: &'static str, path: Vec<u8>) -> Self {
        SourceReport {
            role,
            path,
            format: "unknown",
            sha256: None,
            entries: 0,
            rejected: 0,
            scope: None,
            unusable: None,
            rejections: Vec::new(),
            found_in_dataset: false,
            hub: None,
        }
    }
}

/// What was covered.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// `whole`, `filtered`, `subset` or `unknown`.
    pub scope: &'static str,
    /// Every claim and every item in its class.
    pub balance: Balance,
    /// Items that were looked up in the hash lists.
    pub looked_up: u64,
    /// Files read.
    pub shards_read: u64,
    /// Files that an index told of, which were not read again.
    pub shards_reused: u64,
    /// Bytes read from the dataset.
    pub bytes_read: u64,
    /// Equations of the balance that do not hold.
    pub broken: Vec<String>,
    /// Files left out by `--include` and `--exclude`.
    pub left_out: u64,
    /// Bytes written to scratch files.
    pub spilled: u64,
}
