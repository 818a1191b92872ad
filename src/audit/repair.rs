//! What has to be fetched again: files that are not what was published, or not all there.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::listing::join;
use super::report::{HubOrigin, Report};
use super::time_limit::NOT_REACHED;
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::ItemPath;
use crate::manifest::hf_local::Layout;

/// A file to be fetched again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Its dataset root; `None` for a file that may belong to any of several.
    pub root: Option<u16>,
    /// Its path below the root.
    pub path: Vec<u8>,
    /// What fetches it.
    pub by: By,
}

/// What fetches a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum By {
    /// A download.
    Download,
    /// Git LFS, for its pointer is there.
    GitLfs,
    /// git-annex, for its link is there.
    GitAnnex,
}

/// All files of a report to be fetched again, by root and path; a file stands there once for each finding about it.
/// Accepted findings ask for nothing.
///
/// # Errors
/// Where findings cannot be read back, or scratch files fail.
pub fn repairs(report: &Report, scratch: &Scratch) -> Result<Sorted<Repair>> {
    let mut all = Spool::new(scratch);
    for finding in report.findings() {
        let finding = finding?;
        if let Some(repair) = repair(&finding, report).filter(|_| report.accepted(&finding).is_none()) {
            let mut key = repair.root.map_or(vec![0], |root| [&[1], &root.to_be_bytes()[..]].concat());
            key.extend_from_slice(&repair.path);
            all.push(&key, &repair)?;
        }
    }
    all.sorted()
}

fn repair(finding: &Finding, report: &Report) -> Option<Repair> {
    if !matches!(finding.code, Code::Altered | Code::Missing | Code::Unreadable | Code::Pointer) {
        return None;
    }
    // What nobody has looked at yet need not be broken.
    if finding.detail == NOT_REACHED {
        return None;
    }
    let locator = finding.locator.as_ref()?;
    // What would lead out of the root is never handed to a tool that writes.
    let path = ItemPath::parse(&locator.shard).ok()?.into_bytes();
    let root = if report.roots.len() == 1 { Some(0) } else { locator.root };
    let roots =
        || report.roots.iter().enumerate().filter(|(at, _)| root.is_none_or(|r| usize::from(r) == *at));
    let path = match finding.code {
        Code::Missing => roots().find_map(|(_, root)| shard_of(root, &path)).unwrap_or(path),
        // A folder that could not be listed is no file.
        Code::Unreadable if roots().any(|(_, root)| root.is_dir() && join(root, &path).is_dir()) => {
            return None;
        }
        _ => path,
    };
    let by = match finding.code {
        Code::Pointer if roots().any(|(_, root)| is_link(&join(root, &path))) => By::GitAnnex,
        Code::Pointer => By::GitLfs,
        _ => By::Download,
    };
    Some(Repair { root, path, by })
}

/// The file that a missing sample should be in: a claimed name goes on behind the name of its shard.
fn shard_of(root: &Path, path: &[u8]) -> Option<Vec<u8>> {
    if !root.is_dir() {
        return None;
    }
    let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
    let shard = ends.map(|end| &path[..end]).find(|shard| join(root, shard).is_file())?;
    Some(shard.to_vec())
}

/// git-annex leaves links, Git LFS small files.
fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
}

impl HubOrigin {
    /// What a layout tells: the cache names its repositories, a folder filled with `--local-dir` does not.
    pub fn of_layout(root: u16, layout: &Layout, commit: Option<String>) -> HubOrigin {
        let (repo, base) = match layout {
            Layout::LocalDir { .. } => (None, Vec::new()),
            Layout::CacheSnapshot { repo, .. } => (repo.canonicalize().ok(), Vec::new()),
            Layout::CacheRepo { root } => {
                let base = commit.as_ref().map(|commit| format!("snapshots/{commit}"));
                (root.canonicalize().ok(), base.unwrap_or_default().into_bytes())
            }
        };
        let repository = repo.as_ref().and_then(|repo| repository(repo.file_name()?.to_str()?));
        let cache = repo.as_ref().and_then(|repo| repo.parent()).map(Path::to_path_buf);
        HubOrigin { root: Some(root), repository, revision: commit, cache, base }
    }

    /// What a tree of a repository tells that was named: its commit, where it is called by it.
    pub fn of_tree(path: &Path, base: Vec<u8>) -> HubOrigin {
        let stem = path.file_stem().unwrap_or_default().as_bytes();
        let is_commit = stem.len() == 40 && stem.iter().all(u8::is_ascii_hexdigit);
        let revision = is_commit.then(|| String::from_utf8_lossy(stem).into_owned());
        HubOrigin { root: None, repository: None, revision, cache: None, base }
    }
}

/// `datasets--org--name`, as the cache of huggingface_hub calls its folders (`repo_folder_name`).
fn repository(folder: &str) -> Option<(&'static str, String)> {
    let parts: Vec<&str> = folder.split("--").collect();
    let kind = match parts[0] {
        "datasets" => "dataset",
        "models" => "model",
        "spaces" => "space",
        _ => return None,
    };
    // Names of repositories hold no `--`: with more parts it is none.
    match &parts[1..] {
        [name] | [_, name] if !name.is_empty() => Some((kind, parts[1..].join("/"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_cache_name_their_repositories() {
        assert_eq!(repository("datasets--org--name"), Some(("dataset", "org/name".to_string())));
        assert_eq!(repository("models--gpt2"), Some(("model", "gpt2".to_string())));
        for none in ["org--name", "datasets--a--b--c", "datasets--", "datasets", "x"] {
            assert_eq!(repository(none), None, "{none}");
        }
    }

    #[test]
    fn a_missing_sample_means_its_shard() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("d")).unwrap();
        std::fs::write(root.path().join("d/a.tar"), b"x").unwrap();
        assert_eq!(shard_of(root.path(), b"d/a.tar/x/000.jpg"), Some(b"d/a.tar".to_vec()));
        assert_eq!(shard_of(root.path(), b"d/b.tar"), None);
    }
}
