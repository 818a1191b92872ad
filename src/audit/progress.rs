//! How far a run is, for whoever watches it.

use super::stages::StageClock;

/// Is told how far a run is. Nothing of it changes the answer.
pub trait Progress: Sync {
    /// The run enters a stage, named as a person would: `listing`, `reading`, `settling`.
    fn stage(&self, name: &'static str);
    /// So many bytes of so many files will be read.
    fn planned(&self, bytes: u64, files: u64);
    /// A file is begun: its path below its root.
    fn begin(&self, path: &[u8]);
    /// So many more bytes were read.
    fn read(&self, bytes: u64);
    /// Something worth knowing before the end.
    fn notice(&self, text: &str);
    /// Where the time of the run's stages is added up, if anybody wants to know.
    fn clock(&self) -> Option<&StageClock> {
        None
    }
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &'static str) {}
    fn planned(&self, _: u64, _: u64) {}
    fn begin(&self, _: &[u8]) {}
    fn read(&self, _: u64) {}
    fn notice(&self, _: &str) {}
}
