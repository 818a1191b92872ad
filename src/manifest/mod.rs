//! What publishers claim: one file per format, each turning a manifest into claims.
//!
//! A reader trusts nothing: names pass through [`crate::locator::ItemPath`], a digest of the wrong length is an
//! unusable claim, a line that is no claim is rejected and counted.

use std::io::BufRead;

use crate::claim::{ClaimSink, Scope, SourceId};
use crate::digest::DigestSet;

/// A format of manifests in one file.
pub trait ManifestFormat: Sync {
    /// Its name in reports and before the colon of `FORMAT:FILE`.
    fn name(&self) -> &'static str;

    /// Whether a file of this name that begins with these bytes (up to 64 KiB) is one.
    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool;

    /// Reads all claims. Names are relative to the manifest's base folder, as they stand in it.
    ///
    /// # Errors
    /// Where the whole cannot be used, or reading fails.
    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError>;
}

/// What a reader knows beside the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The number of the manifest among the run's sources.
    pub source: SourceId,
    /// Its file name without folders.
    pub file_name: &'a [u8],
    /// Algorithms the user declared for digests that do not say theirs; empty: by length and file name.
    pub declared: DigestSet,
}

/// Why a manifest cannot be used as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Its bytes are not of this format.
    #[error("{0}")]
    NotThisFormat(String),
    /// Reading failed.
    #[error("reading it failed: {0}")]
    Io(#[from] std::io::Error),
    /// The sink gave up.
    #[error(transparent)]
    Sink(#[from] crate::error::Error),
}
