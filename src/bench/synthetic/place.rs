//! Where the data of a benchmark are while it lasts: a new folder that goes with it.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::bench::machine;
use crate::error::{Error, Result};

/// Where data are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below this folder.
    Folder(PathBuf),
    /// In memory, seen as files: what lists and opens files is measured as it is.
    Memory,
}

/// Where Linux shows memory as files (shm_overview(7)).
const SHARED_MEMORY: &str = "/dev/shm";

/// Its file system (statfs(2), TMPFS_MAGIC).
#[cfg(target_os = "linux")]
const TMPFS: u64 = 0x0102_1994;

impl Place {
    /// A new folder there, where so many bytes and files have room. `beside` is memory that the run itself needs.
    ///
    /// # Errors
    /// Where there is no such place, or no room.
    pub fn make(&self, bytes: u64, files: u64, beside: u64) -> Result<TempDir> {
        let below = match self {
            Place::Folder(folder) => folder.clone(),
            Place::Memory => memory()?,
        };
        room(&below, bytes, files)?;
        if self.is_memory(&below)
            && let Some(free) = machine::available_memory()
            && free < bytes.saturating_add(beside)
        {
            return Err(no_room(
                &below,
                format!(
                    "{bytes} bytes of data and {beside} for the run are to be held in memory, and {free} are free"
                ),
            ));
        }
        let made = tempfile::Builder::new().prefix("shardproof-bench-").tempdir_in(&below);
        made.map_err(|cause| failed("create a folder for the data in", &below, cause))
    }

    /// Whether what is written below this folder is in memory.
    pub fn is_memory(&self, folder: &Path) -> bool {
        *self == Place::Memory || is_tmpfs(folder)
    }
}

#[cfg(target_os = "linux")]
fn memory() -> Result<PathBuf> {
    let folder = PathBuf::from(SHARED_MEMORY);
    if is_tmpfs(&folder) {
        return Ok(folder);
    }
    Err(Error::Usage(format!(
        "--in-memory writes to {SHARED_MEMORY}, and no memory is mounted there; name a folder that is in memory with --dir"
    )))
}

#[cfg(not(target_os = "linux"))]
fn memory() -> Result<PathBuf> {
    Err(Error::Usage(format!(
        "--in-memory needs {SHARED_MEMORY}, which only Linux has; name a folder that is in memory with --dir"
    )))
}

#[cfg(target_os = "linux")]
fn is_tmpfs(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|told| told.f_type as u64 == TMPFS)
}

#[cfg(not(target_os = "linux"))]
fn is_tmpfs(_: &Path) -> bool {
    false
}

fn room(folder: &Path, bytes: u64, files: u64) -> Result<()> {
    let told = rustix::fs::statvfs(folder)
        .map_err(|cause| failed("ask for the free space of", folder, cause.into()))?;
    let free = told.f_bavail.saturating_mul(told.f_frsize);
    if free < bytes {
        return Err(no_room(folder, format!("the data take up to {bytes} bytes, and {free} are free")));
    }
    // A file system that does not count files says 0.
    if told.f_files > 0 && told.f_favail < files {
        return Err(no_room(
            folder,
            format!("{files} files are to be written, and it takes {} more", told.f_favail),
        ));
    }
    Ok(())
}

fn no_room(folder: &Path, why: String) -> Error {
    failed("write the data in", folder, io::Error::new(io::ErrorKind::StorageFull, why))
}

/// What the system said when something was written.
pub(super) fn failed(doing: &'static str, path: &Path, cause: io::Error) -> Error {
    let advice = "Free some space there, ask for less with --bytes, or name another folder with --dir.";
    Error::Io { doing, path: path.to_path_buf(), cause, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_refused_before_it_is_written() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::Folder(home.path().to_path_buf());
        let told = place.make(u64::MAX, 1, 0).unwrap_err().to_string();
        assert!(told.contains("are free") && told.contains("--bytes"), "{told}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
        let made = place.make(1, 1, 0).unwrap();
        assert!(made.path().starts_with(home.path()));
        let gone = Place::Folder(home.path().join("gone"));
        assert!(gone.make(1, 1, 0).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_asked_whether_it_has_room() {
        assert!(is_tmpfs(Path::new(SHARED_MEMORY)));
        assert!(!is_tmpfs(Path::new("/proc")));
        assert!(Place::Memory.make(1, 1, u64::MAX).is_err());
    }
}
