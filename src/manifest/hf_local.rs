//! What `hf download` leaves on the disk: digests of the publisher, usable without the network.
//!
//! Facts from huggingface_hub 2.4.0 (`_local_folder.py`, `_tree_cache.py`, `file_download.py`). With `--local-dir` it
//! keeps a record of each file and the tree of each commit below `.cache/huggingface`. Without, a repository's folder in
//! the cache has `blobs/ETAG`, links to them in `snapshots/COMMIT`, `refs/NAME` and `trees/COMMIT.json`.

mod cache;
mod local_dir;
pub(super) mod record;

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io::{BufReader, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use self::record::is_commit;
use super::hf_tree::HfTree;
use super::{Context, ManifestError, ManifestFormat, open_regular};
use crate::claim::{Claim, ClaimSink, Scope, SourceId, Subject, Unusable};
use crate::digest::{Digest, DigestSet, Digests};
use crate::locator::ItemPath;

/// Which of its layouts a folder has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A folder that was filled with `--local-dir`.
    LocalDir {
        /// The folder.
        root: PathBuf,
    },
    /// A repository's folder in the cache.
    CacheRepo {
        /// The folder, which has `blobs` and `snapshots`.
        root: PathBuf,
    },
    /// One snapshot of a repository's folder in the cache.
    CacheSnapshot {
        /// The repository's folder.
        repo: PathBuf,
        /// The commit, which is the name of the snapshot's folder.
        commit: String,
    },
}

impl Layout {
    /// Folders outside the dataset that its links may lead into: the blobs of the repository, and the store that
    /// repositories of one cache share.
    pub fn stores(&self) -> Vec<PathBuf> {
        match self {
            Layout::LocalDir { .. } => Vec::new(),
            Layout::CacheRepo { root } => cache::shared_store(root).into_iter().collect(),
            Layout::CacheSnapshot { repo, .. } => {
                std::iter::once(repo.join("blobs")).chain(cache::shared_store(repo)).collect()
            }
        }
    }
}

/// What a layout turned out to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What the claims list completely.
    pub scope: Scope,
    /// `hf-local-dir` or `hf-cache`.
    pub format: &'static str,
    /// The file or folder that the claims were read from, for the report.
    pub manifest: PathBuf,
    /// The folder of blobs that links of the dataset may lead into.
    pub store: Option<PathBuf>,
    /// The store of blobs that repositories of one cache share: a blob may be a link into it.
    pub shared_store: Option<PathBuf>,
    /// The commit that counted.
    pub commit: Option<String>,
}

/// The layout of `root`, if it has one. Nothing is read but names.
pub fn detect(root: &Path) -> Option<Layout> {
    if is_cache_repo(root) {
        return Some(Layout::CacheRepo { root: root.to_owned() });
    }
    let home = root.join(".cache/huggingface");
    if home.join("download").is_dir() || home.join("trees").is_dir() {
        return Some(Layout::LocalDir { root: root.to_owned() });
    }
    let whole = root.canonicalize().ok()?;
    let commit = whole.file_name()?.to_str()?;
    let snapshots = whole.parent()?;
    let repo = snapshots.parent()?;
    let is_snapshot =
        is_commit(commit.as_bytes()) && snapshots.file_name()? == "snapshots" && repo.join("blobs").is_dir();
    is_snapshot.then(|| Layout::CacheSnapshot { repo: repo.to_owned(), commit: commit.to_owned() })
}

/// The folder, below `root`, that the tree of a commit at `path` below it lists: the dataset's folder where
/// `--local-dir` put it, in the cache the snapshot of the commit. `None` where the path is that of no such tree.
pub(super) fn base_of_tree(root: &Path, path: &[u8]) -> Option<Vec<u8>> {
    let parts: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
    let [above @ .., b"trees", name] = parts.as_slice() else { return None };
    let commit = name.strip_suffix(b".json").filter(|commit| is_commit(commit))?;
    if let [folder @ .., b".cache", b"huggingface"] = above {
        return Some(folder.join(&b'/'));
    }
    let repo = root.join(OsStr::from_bytes(&above.join(&b'/')));
    is_cache_repo(&repo).then(|| [above, &[b"snapshots", commit]].concat().join(&b'/'))
}

/// Whether a folder has what a repository's folder in the cache has. Other tools call folders `blobs` and `snapshots`
/// too: there must be a snapshot of a commit, or a folder of branches.
fn is_cache_repo(root: &Path) -> bool {
    let is_snapshot = |(path, kind): &(PathBuf, FileType)| {
        kind.is_dir() && path.file_name().is_some_and(|name| is_commit(name.as_encoded_bytes()))
    };
    let snapshots = root.join("snapshots");
    root.join("blobs").is_dir()
        && snapshots.is_dir()
        && (root.join("refs").is_dir() || listing(&snapshots).is_ok_and(|all| all.iter().any(is_snapshot)))
}

/// Reads what a layout claims. `revision` names the commit that counts (in the cache also a branch or tag); without it
/// the commit that most files name counts.
///
/// # Errors
/// Where nothing in it can be used, the revision is not there, or reading fails.
pub fn read(
    layout: &Layout,
    source: SourceId,
    revision: Option<&str>,
    sink: &mut dyn ClaimSink,
) -> Result<Described, ManifestError> {
    match layout {
        Layout::LocalDir { root } => local_dir::read(root, source, revision, sink),
        Layout::CacheRepo { root } => cache::read(root, None, source, revision, sink),
        Layout::CacheSnapshot { repo, commit } => cache::read(repo, Some(commit), source, revision, sink),
    }
}

/// Hands out claims that no line of a file stands for, counted from 1.
struct Claims<'a> {
    source: SourceId,
    sink: &'a mut dyn ClaimSink,
    ordinal: u64,
}

impl Claims<'_> {
    fn claim(
        &mut self,
        subject: Subject,
        digest: Result<Digest, Unusable>,
        interrupted: bool,
    ) -> Result<(), ManifestError> {
        self.ordinal += 1;
        let (digests, unusable) = match digest {
            Ok(digest) => (Digests::from_iter([digest]), None),
            Err(why) => (Digests::new(), Some(why)),
        };
        let (source, line) = (self.source, self.ordinal);
        Ok(self.sink.claim(Claim { digests, unusable, interrupted, ..Claim::new(source, line, subject) })?)
    }

    fn reject(&mut self, reason: String) -> Result<(), ManifestError> {
        self.ordinal += 1;
        Ok(self.sink.reject(self.ordinal, reason)?)
    }

    /// Reads the tree of a commit; its paths lie below `base`. `left` tells what a download left of a file.
    fn tree(
        &mut self,
        tree: &Path,
        base: &[u8],
        left: &mut dyn FnMut(&ItemPath, &Digests) -> Left,
    ) -> Result<(), ManifestError> {
        let mut input = BufReader::new(open_regular(tree)?);
        let context =
            Context { source: self.source, file_name: b"", path: Path::new(""), declared: DigestSet::EMPTY };
        let mut placed = Placed { sink: &mut *self.sink, base, left, last: self.ordinal };
        HfTree.read(&mut input, &context, &mut placed).map_err(|e| match e {
            ManifestError::NotThisFormat(why) => ManifestError::NotThisFormat(format!(
                "the file tree that the download left ({}) cannot be used: {why}",
                tree.display()
            )),
            other => other,
        })?;
        self.ordinal = placed.last;
        Ok(())
    }
}

/// What a download that did not finish left of a file.
#[derive(PartialEq)]
enum Left {
    /// None did.
    Nothing,
    /// An unfinished file, and nothing at the file's own path.
    Partial,
    /// An unfinished file, and an older version at the file's own path that has a claim of its own.
    Update {
        /// Where the unfinished file lies.
        partial: Subject,
    },
}

/// Puts the claims of a tree where its snapshot lies.
struct Placed<'a> {
    sink: &'a mut dyn ClaimSink,
    base: &'a [u8],
    left: &'a mut dyn FnMut(&ItemPath, &Digests) -> Left,
    last: u64,
}

impl ClaimSink for Placed<'_> {
    fn claim(&mut self, mut claim: Claim) -> crate::error::Result<()> {
        self.last = claim.line;
        if let Subject::Path(path) = &claim.subject {
            let left = (self.left)(path, &claim.digests);
            claim.interrupted = left != Left::Nothing;
            claim.subject = match left {
                Left::Update { partial } => partial,
                Left::Nothing | Left::Partial => Subject::Path(path.below(self.base)),
            };
        }
        self.sink.claim(claim)
    }

    fn reject(&mut self, line: u64, reason: String) -> crate::error::Result<()> {
        self.last = line;
        self.sink.reject(line, reason)
    }

    fn broken(&mut self, line: Option<u64>, reason: String) -> crate::error::Result<()> {
        self.sink.broken(line, reason)
    }
}

/// A file or link found by [`walk`].
struct Entry<'a> {
    path: &'a Path,
    /// The path below the folder that was walked, with `/`.
    below: &'a [u8],
    kind: FileType,
}

/// Visits all that is below `folder` and no folder, in the order of names; links are not followed. A folder that is not
/// there is empty. Only the listings of the folders between here and there are held.
fn walk(
    folder: &Path,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    let mut open = vec![(Vec::new(), listing(folder)?.into_iter())];
    while let Some((base, entries)) = open.last_mut() {
        let Some((path, kind)) = entries.next() else {
            open.pop();
            continue;
        };
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let below = if base.is_empty() { name.to_vec() } else { [base.as_slice(), b"/", name].concat() };
        if kind.is_dir() {
            let entries = listing(&path)?.into_iter();
            open.push((below, entries));
        } else {
            visit(Entry { path: &path, below: &below, kind })?;
        }
    }
    Ok(())
}

/// What is in a folder, in the order of names.
fn listing(folder: &Path) -> Result<Vec<(PathBuf, FileType)>, ManifestError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        found.push((entry.path(), entry.file_type()?));
    }
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// The content of a small file; `None` where it is longer than `limit`.
fn read_small(path: &Path, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    open_regular(path)?.take(limit + 1).read_to_end(&mut content)?;
    Ok((content.len() as u64 <= limit).then_some(content))
}

/// The commits whose trees lie in `folder`.
fn commits_with_tree(folder: &Path) -> Result<Vec<String>, ManifestError> {
    let commit = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
        is_commit(name.as_bytes()).then_some(name)
    };
    Ok(listing(folder)?
        .into_iter()
        .filter(|(_, kind)| kind.is_file())
        .filter_map(|(p, _)| commit(p))
        .collect())
}

/// The one of `commits` whose file or folder changed last; equal times go by name.
fn newest(commits: Vec<String>, path_of: impl Fn(&str) -> PathBuf) -> Option<String> {
    let changed = |commit: &String| fs::metadata(path_of(commit)).and_then(|m| m.modified()).ok();
    commits.into_iter().max_by_key(|commit| (changed(commit), commit.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn trees_speak_of_the_folder_that_was_downloaded() {
        let root = tempfile::tempdir().unwrap();
        let base = |path: &str| {
            let base = base_of_tree(root.path(), path.replace('C', COMMIT).as_bytes());
            base.map(|base| String::from_utf8(base).unwrap().replace(COMMIT, "C"))
        };
        assert_eq!(base(".cache/huggingface/trees/C.json").as_deref(), Some(""));
        assert_eq!(base("a/b/.cache/huggingface/trees/C.json").as_deref(), Some("a/b"));
        assert_eq!((base("trees/C.json"), base("r/trees/C.json")), (None, None), "these are no repositories");
        for repo in ["", "r/"] {
            for folder in ["blobs".to_owned(), format!("snapshots/{COMMIT}")] {
                fs::create_dir_all(root.path().join(format!("{repo}{folder}"))).unwrap();
            }
        }
        assert_eq!(base("trees/C.json").as_deref(), Some("snapshots/C"));
        assert_eq!(base("r/trees/C.json").as_deref(), Some("r/snapshots/C"));
        for other in ["trees/main.json", "C.json", "trees/C.txt", "trees/C.json/x", "trees/d/C.json"] {
            assert_eq!(base(other), None, "{other}");
        }
    }
}
