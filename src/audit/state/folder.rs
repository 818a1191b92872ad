//! The folder of a state: known by its marker, locked while a run uses it, and never one that holds something else.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

/// The marker: a folder with it is a state.
const MARKER: &str = "shardproof-state.json";

/// What is locked.
const LOCK: &str = "shardproof-state.lock";

/// Name and version of the format.
pub const FORMAT: &str = "shardproof.state/1";

/// A folder that is locked as long as this lives.
pub struct Folder {
    /// Its path.
    pub path: PathBuf,
    _lock: File,
}

/// Whether a folder is a state.
pub fn is_state(path: &Path) -> bool {
    path.join(MARKER).is_file()
}

impl Folder {
    /// Opens or makes the folder of a state.
    ///
    /// # Errors
    /// Where it lies in a dataset, holds something else, or is used by another run.
    pub fn open(path: &Path, roots: &[PathBuf]) -> Result<Folder> {
        check(path, roots)?;
        fs::create_dir_all(path).map_err(|cause| failed("create the folder", path, cause))?;
        let at = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&at)
            .map_err(|cause| failed("create", &at, cause))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::Usage(format!(
                    "another run uses the state {}; wait until that has ended, or name another folder with --state",
                    path.display()
                )));
            }
            Err(cause) => return Err(failed("lock", &at, cause.into())),
        }
        if !is_state(path) {
            mark(path).map_err(|cause| failed("write the marker of the state in", path, cause))?;
        }
        Ok(Folder { path: path.to_path_buf(), _lock: lock })
    }

    /// Its segments by number.
    ///
    /// # Errors
    /// Where it cannot be listed.
    pub fn segments(&self) -> Result<Vec<(u32, PathBuf)>> {
        let unlisted = |cause| failed("list", &self.path, cause);
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(unlisted)? {
            let entry = entry.map_err(unlisted)?;
            if let Some(number) = number_of(&entry.file_name()) {
                all.push((number, entry.path()));
            }
        }
        all.sort();
        Ok(all)
    }

    /// Makes sure that files which were made or removed are so after a loss of power.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn sync(&self) -> Result<()> {
        let synced = File::open(&self.path).and_then(|folder| folder.sync_all());
        synced.map_err(|cause| failed("write", &self.path, cause))
    }
}

/// The name of a segment.
pub fn segment_name(number: u32) -> String {
    format!("segment-{number:06}.log")
}

fn number_of(name: &OsStr) -> Option<u32> {
    let number = name.to_str()?.strip_prefix("segment-")?.strip_suffix(".log")?;
    number.parse().ok().filter(|&number| segment_name(number) == name.to_string_lossy())
}

/// Reading or writing in the folder failed.
pub fn failed(doing: &'static str, path: &Path, cause: std::io::Error) -> Error {
    let advice = "Free some space there, or name another folder with --state.";
    Error::Io { doing, path: path.to_path_buf(), cause, advice }
}

fn check(path: &Path, roots: &[PathBuf]) -> Result<()> {
    let Some(real) = real(path) else {
        return Err(Error::Usage(format!(
            "--state {} goes up from a folder that is not there; name it without `..`",
            path.display()
        )));
    };
    for root in roots {
        let Ok(root_real) = fs::canonicalize(root) else { continue };
        if real.starts_with(&root_real) {
            return Err(Error::Usage(format!(
                "the state {} would lie inside the dataset {}, where nothing is ever written; name another folder \
                 with --state",
                path.display(),
                root.display()
            )));
        }
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(Error::Usage(format!("--state {} is no folder; name another one", path.display())));
        }
        Err(cause) => return Err(failed("list", path, cause)),
    };
    if is_state(path) {
        return Ok(());
    }
    // What a run leaves that was ended before it wrote the marker.
    let unfinished = format!(".{MARKER}.unfinished");
    for entry in entries {
        let name = entry.map_err(|cause| failed("list", path, cause))?.file_name();
        if name != LOCK && name != unfinished.as_str() && number_of(&name).is_none() {
            return Err(Error::Usage(format!(
                "the folder {} holds something that is no state ({}); name an empty or a new one with --state",
                path.display(),
                name.to_string_lossy()
            )));
        }
    }
    Ok(())
}

/// Where a path leads, though its last parts may not be there yet; none where that cannot be told.
fn real(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let (real, rest) = absolute
        .ancestors()
        .find_map(|holder| Some((fs::canonicalize(holder).ok()?, absolute.strip_prefix(holder).ok()?)))?;
    let is_plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| if rest.as_os_str().is_empty() { real } else { real.join(rest) })
}

fn mark(path: &Path) -> std::io::Result<()> {
    let unfinished = path.join(format!(".{MARKER}.unfinished"));
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    let tool = format!("shardproof {}", env!("CARGO_PKG_VERSION"));
    let marker = serde_json::json!({ "schema": FORMAT, "tool": tool });
    writeln!(file, "{marker}")?;
    file.sync_all()?;
    fs::rename(unfinished, path.join(MARKER))?;
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_else_in_it_is_refused_and_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.txt"), "years").unwrap();
        let told = Folder::open(home.path(), &[]).err().unwrap().to_string();
        assert!(told.contains("no state (thesis.txt)"), "{told}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_run_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let first = Folder::open(&path, &[]).unwrap();
        let told = Folder::open(&path, &[]).err().unwrap().to_string();
        assert!(told.starts_with("another run uses the state"), "{told}");
        drop(first);
        assert!(Folder::open(&path, &[]).is_ok() && is_state(&path));
    }

    #[test]
    fn it_never_lies_in_a_dataset() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, home.path().join("link")).unwrap();
        for inside in ["data", "data/new/state", "link/state"] {
            let told = Folder::open(&home.path().join(inside), std::slice::from_ref(&data))
                .err()
                .unwrap()
                .to_string();
            assert!(told.contains("inside the dataset"), "{told}");
        }
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    }

    #[test]
    fn only_names_of_segments_are_segments() {
        let number = |name: &str| number_of(OsStr::new(name));
        assert_eq!(number(&segment_name(7)), Some(7));
        assert_eq!(number(&segment_name(7_654_321)), Some(7_654_321));
        for name in ["segment-7.log", "segment-000007", "segment-+00007.log", "other-000007.log"] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
