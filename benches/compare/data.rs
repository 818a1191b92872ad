//! Where the data of a work lie: made once, from seeds, warmed before they are measured, and removed unless kept.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::machine;

/// Counts up when what is made changes: data of another version are not used again.
const VERSION: u32 = 1;

/// The folder of all data.
pub struct Store {
    root: PathBuf,
    size: &'static str,
    temporary: Option<TempDir>,
}

impl Store {
    /// A folder that is kept, or a temporary one.
    pub fn new(kept: Option<&Path>, quick: bool) -> Result<Store> {
        let size = if quick { "quick" } else { "full" };
        if let Some(root) = kept {
            fs::create_dir_all(root).with_context(|| format!("{} cannot be made", root.display()))?;
            return Ok(Store { root: root.canonicalize()?, size, temporary: None });
        }
        let temporary =
            TempDir::with_prefix("shardproof-compare-").context("no temporary folder can be made")?;
        Ok(Store { root: temporary.path().canonicalize()?, size, temporary: Some(temporary) })
    }

    /// The data of this name, of about so many bytes; made now unless they are here already.
    pub fn data(&self, name: &str, bytes: u64, make: impl FnOnce(&Path) -> Result<()>) -> Result<Data> {
        let folder = self.root.join(format!("shardproof-compare-{name}-{}-v{VERSION}", self.size));
        if !folder.is_dir() {
            let free = free(&self.root)?;
            // Names, manifests and small files' last blocks come on top.
            let needed = bytes + bytes / 8 + (100 << 20);
            ensure!(
                free > needed,
                "{} has {:.1} GB free and the data of {name} take {:.1} GB: give another folder with --data, or run \
                 fewer works with --work",
                self.root.display(),
                free as f64 / 1e9,
                needed as f64 / 1e9
            );
            // Only whole data have the name, so that an ended run leaves nothing that looks whole.
            let partial = folder.with_extension("partial");
            if partial.is_dir() {
                fs::remove_dir_all(&partial)?;
            }
            fs::create_dir_all(&partial)?;
            make(&partial).with_context(|| format!("the data of {name} cannot be made"))?;
            fs::rename(&partial, &folder)?;
            // Or the disk would be at work for the first tools.
            rustix::fs::sync();
        }
        Ok(Data { folder, bytes, kept: self.temporary.is_none() })
    }
}

/// The data of a work; removed when dropped unless they are kept.
pub struct Data {
    pub folder: PathBuf,
    bytes: u64,
    kept: bool,
}

impl Data {
    /// Reads everything once, so that no tool has to wait for the disk.
    pub fn warm(&self) -> Result<()> {
        let room = machine::available()?;
        ensure!(
            room > self.bytes + (1 << 30),
            "{:.1} GB of data do not stay in {:.1} GB of free memory: nothing would be warm",
            self.bytes as f64 / 1e9,
            room as f64 / 1e9
        );
        warm(&self.folder, &mut vec![0; 1 << 20])
            .with_context(|| format!("{} cannot be read", self.folder.display()))
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn warm(folder: &Path, piece: &mut [u8]) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            warm(&entry.path(), piece)?;
        } else {
            let mut file = fs::File::open(entry.path())?;
            while file.read(piece)? > 0 {}
        }
    }
    Ok(())
}

fn free(folder: &Path) -> Result<u64> {
    let told = rustix::fs::statvfs(folder)
        .with_context(|| format!("the free space of {} is unknown", folder.display()))?;
    Ok(told.f_bavail * told.f_frsize)
}

/// Bytes that look like no others: xorshift64 from a seed.
pub struct Noise {
    state: u64,
}

impl Noise {
    pub fn new(seed: u64) -> Noise {
        Noise { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for eight in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            eight.copy_from_slice(&next[..eight.len()]);
        }
    }
}
