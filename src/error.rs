//! What stops a run: the job could not be done at all. Facts about the data are findings, never errors.

use std::io;
use std::path::{Path, PathBuf};

/// Why a run ended without a report. Each message is a sentence for the person who meets it and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A dataset, manifest or list that was named does not exist or cannot be opened.
    #[error("cannot read {role} {}: {cause}. Check the path and its permissions.", path.display())]
    Unreadable {
        /// What the file was to be used as: `dataset`, `manifest`, `hash list`.
        role: &'static str,
        /// The path as it was typed.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A named manifest or hash list has no entry that can be used.
    #[error("{role} {} cannot be used: {reason}. {advice}", path.display())]
    Unusable {
        /// What the file was to be used as: `manifest`, `hash list`.
        role: &'static str,
        /// The path as it was typed.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// There is nothing to check the dataset against.
    #[error("nothing to check against: {sought}. {advice}")]
    NothingToCheckAgainst {
        /// What was looked for.
        sought: String,
        /// What to do.
        advice: String,
    },
    /// Options contradict each other or name something that does not exist.
    #[error("{0}")]
    Usage(String),
    /// Reading or writing outside the dataset failed: scratch folder, report file.
    #[error("cannot {doing} {}: {cause}. {advice}", path.display())]
    Io {
        /// The act, as a verb: `write`, `create`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// A benchmark did not do all of the work that it measures.
    #[error(
        "the benchmark has not verified its own data: {0}. Its figures would mean nothing. Check the disk and the memory of this machine, and report this if they are sound."
    )]
    BenchUndone(String),
    /// The user asked the run to stop.
    #[error("stopped by {signal}; nothing was reported, since only a part had been read{}", go_on(kept.as_deref()))]
    Interrupted {
        /// `Ctrl-C` or `SIGTERM`.
        signal: &'static str,
        /// The state that holds what was read.
        kept: Option<PathBuf>,
    },
    /// A record of our own scratch files did not decode: a bug or a failing disk.
    #[error(
        "a scratch record could not be read back ({0}). Check the disk that holds the scratch folder, and report this if the disk is sound."
    )]
    Scratch(String),
}

/// The result of everything that may have to give up.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn go_on(kept: Option<&Path>) -> String {
    kept.map_or_else(String::new, |state| {
        format!(". What was read is kept in {}: the same command goes on from there", state.display())
    })
}
