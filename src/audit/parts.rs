//! Parts of an index as they are written: what one worker saw of one split.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::options::AuditOptions;
use crate::error::{Error, Result};
use crate::index::observations::{FORMAT, IndexDir, PartEntry, PartWriter, Store};
use crate::locator::Locator;
use crate::observation::{Kind, Observation};
use crate::observe::webdataset::{self, Sample};

/// Where parts are written.
pub struct Parts {
    /// The folder of the index.
    pub folder: PathBuf,
    /// What the roots are called in it; empty where there is one.
    pub roots: Arc<Vec<String>>,
    /// Rows and cells only: what has a name is kept elsewhere.
    pub unnamed_only: bool,
}

impl Parts {
    /// Begins the part of a split, or a piece of it: what one of several workers saw that share in its file.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn begin(&self, split: u64, piece: Option<usize>) -> Result<PartKeeper> {
        let writer = PartWriter::create(&self.folder, split, piece, Arc::clone(&self.roots))?;
        let is_piece = piece.is_some();
        Ok(PartKeeper { writer, unnamed_only: self.unnamed_only, is_piece, last: None })
    }
}

/// A part being written. Files that share a WebDataset key are put together to samples on the way.
pub struct PartKeeper {
    writer: PartWriter,
    unnamed_only: bool,
    is_piece: bool,
    /// The sample that the last file belongs to: its root, its key, and what is known of it.
    last: Option<(u16, Vec<u8>, Sample)>,
}

impl PartKeeper {
    /// Keeps what was measured.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn observation(&mut self, seen: &Observation) -> Result<()> {
        if seen.kind == Kind::File {
            self.file(seen)?;
        }
        match self.unnamed_only && !matches!(seen.kind, Kind::Row | Kind::Cell) {
            true => Ok(()),
            false => self.writer.push(seen),
        }
    }

    /// A file is a field of a sample unless it is a container of samples itself; lines of a text are none.
    fn file(&mut self, seen: &Observation) -> Result<()> {
        let path = &seen.locator.shard;
        let root = seen.locator.root.unwrap_or(0);
        let field = webdataset::key(path).filter(|(_, extension)| {
            !seen.opened || extension.eq_ignore_ascii_case(b"txt") || extension.eq_ignore_ascii_case(b"text")
        });
        let Some((key, extension)) = field else { return Ok(()) };
        if self.last.as_ref().is_none_or(|(of, last, _)| *of != root || last != key) {
            self.end_sample()?;
            self.last = Some((root, key.to_vec(), Sample::default()));
        }
        if let Some((_, _, sample)) = &mut self.last {
            sample.add(extension, seen);
        }
        Ok(())
    }

    fn end_sample(&mut self) -> Result<()> {
        if let Some((root, key, sample)) = self.last.take()
            && let Some(row) = webdataset::row(Locator::file(Some(root), key), 0, &sample)
        {
            self.writer.push(&row)?;
        }
        Ok(())
    }

    /// Ends the part.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn finish(mut self) -> Result<Option<PartEntry>> {
        self.end_sample()?;
        if self.is_piece && self.writer.is_empty() {
            self.writer.discard()?;
            return Ok(None);
        }
        Ok(Some(self.writer.finish()?.0))
    }
}

/// A folder beside the other scratch files for rows and cells of a run.
///
/// # Errors
/// Where none can be made.
pub fn parts_in_scratch(options: &AuditOptions) -> Result<(Parts, TempDir)> {
    let scratch = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let failed = |cause| Error::Io {
        doing: "create a scratch folder in",
        path: scratch.clone(),
        cause,
        advice: "Free some space there, or name another folder with --scratch.",
    };
    let folder = tempfile::Builder::new().prefix("shardproof-").tempdir_in(&scratch).map_err(failed)?;
    std::fs::create_dir(folder.path().join("observations")).map_err(failed)?;
    let roots = Arc::new(super::run::roots_as_typed(options));
    Ok((Parts { folder: folder.path().to_path_buf(), roots, unnamed_only: true }, folder))
}

/// The rows and cells of a run, to be read again.
pub fn store_of(parts: Parts, scratch: TempDir, written: Vec<PartEntry>, options: &AuditOptions) -> Store {
    let roots = (0..options.roots.len()).filter_map(|root| u16::try_from(root).ok()).collect();
    let index = IndexDir {
        schema: FORMAT.to_string(),
        tool: String::new(),
        roots: parts.roots.to_vec(),
        digests: Vec::new(),
        opened: true,
        files: 0,
        bytes: 0,
        samples: 0,
        findings: 0,
        left_out: 0,
        unlisted: Vec::new(),
        parts: written,
    };
    Store { folder: parts.folder, index, roots, scratch: Some(scratch) }
}
