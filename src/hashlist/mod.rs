//! Known-bad digests: one file per format, each turning a list into entries.
//!
//! Lists hold junk. A reader refuses what cannot be meant (wrong lengths, the digest of nothing, placeholders) and
//! counts it; no digest of a list is ever in a message.

use std::io::BufRead;

use crate::digest::Digest;
use crate::error::Error;

/// A format of hash lists.
pub trait HashListFormat: Sync {
    /// Its name in reports and before the colon of `FORMAT:FILE`.
    fn name(&self) -> &'static str;

    /// Whether a file of this name that begins with these bytes (up to 64 KiB) is one.
    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool;

    /// Reads all entries.
    ///
    /// # Errors
    /// Where the whole cannot be used, or reading fails.
    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn EntrySink,
    ) -> Result<(), HashListError>;
}

/// What a reader knows beside the bytes.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// Its file name without folders.
    pub file_name: &'a [u8],
    /// The algorithm the user declared for digests that do not say theirs; `None`: by length.
    pub declared: Option<crate::digest::Algorithm>,
    /// Columns the user named, for formats with columns.
    pub columns: Columns,
}

/// Which column of a table holds what, by header name or by number from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The digest.
    pub digest: Option<String>,
    /// The digest's algorithm.
    pub algorithm: Option<String>,
    /// The list's own category code.
    pub category: Option<String>,
    /// The entry's identifier.
    pub id: Option<String>,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line of the entry, from 1.
    pub line: u64,
    /// The digest.
    pub digest: Digest,
    /// The list's own category code.
    pub category: Option<String>,
    /// The list's own identifier of the entry.
    pub id: Option<String>,
}

/// What a reader of lists hands its entries to.
pub trait EntrySink {
    /// Takes an entry.
    fn entry(&mut self, entry: Entry) -> Result<(), Error>;

    /// Takes a line that is refused: where, and why as a fragment without any digest.
    fn reject(&mut self, line: u64, reason: String) -> Result<(), Error>;
}

/// Why a list cannot be used as a whole.
#[derive(Debug, thiserror::Error)]
pub enum HashListError {
    /// Its bytes are not of this format.
    #[error("{0}")]
    NotThisFormat(String),
    /// Reading failed.
    #[error("reading it failed: {0}")]
    Io(#[from] std::io::Error),
    /// The sink gave up.
    #[error(transparent)]
    Sink(#[from] Error),
}
