//! A repository's folder in the cache: `snapshots/COMMIT/PATH` are links to `blobs/ETAG`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::record::{PartialName, digest_of_etag, is_commit};
use super::{Claims, Described, Entry, Left, commits_with_tree, listing, newest, read_small, walk};
use crate::claim::{ClaimSink, Scope, SourceId, Subject, Unusable};
use crate::locator::{Escaped, ItemPath};
use crate::manifest::{ManifestError, subject};

/// Reads a repository's folder, or with `only` one snapshot of it, whose names are then relative to that snapshot.
pub(super) fn read(
    repo: &Path,
    only: Option<&str>,
    source: SourceId,
    revision: Option<&str>,
    sink: &mut dyn ClaimSink,
) -> Result<Described, ManifestError> {
    let repo = &repo.canonicalize()?;
    let mut blobs = Blobs::of(&repo.join("blobs"))?;
    let commit = match only {
        Some(only) => Some(check_asked(repo, only, revision)?),
        None => choose(repo, revision)?,
    };
    let tree = commit.as_ref().map(|c| repo.join("trees").join(format!("{c}.json"))).filter(|t| t.is_file());
    let base_of = |commit: &str| if only.is_some() { String::new() } else { format!("snapshots/{commit}") };
    let base = commit.as_deref().map(base_of).unwrap_or_default();

    let mut claims = Claims { source, sink, ordinal: 0 };
    if let Some(tree) = &tree {
        claims.tree(tree, base.as_bytes(), &mut |_, digests| {
            let blob = digests.strongest().map(|digest| hex::encode(digest.bytes()));
            match blob.is_some_and(|blob| blobs.take_partial(blob.as_bytes())) {
                true => Left::Partial,
                false => Left::Nothing,
            }
        })?;
    }
    let told_by_tree = tree.as_ref().and(commit.as_ref());
    for snapshot in snapshots(repo)?.iter().filter(|s| only.is_none_or(|only| only == *s)) {
        let silent = told_by_tree == Some(snapshot);
        let base = base_of(snapshot);
        walk(&repo.join("snapshots").join(snapshot), &mut |entry| {
            let blob = blob_of(repo, snapshot, &entry);
            if let Some(blob) = &blob {
                blobs.unreferenced.remove(blob);
            }
            if silent { Ok(()) } else { claim_entry(&mut claims, &base, &entry, blob, &mut blobs) }
        })?;
    }
    if only.is_none() {
        for blob in &blobs.unreferenced {
            claims.claim(blob_path(blob), digest_of_etag(blob), false)?;
        }
        for blob in &blobs.partial {
            claims.claim(blob_path(blob), digest_of_etag(blob), true)?;
        }
    }
    if claims.ordinal == 0 {
        return Err(ManifestError::NotThisFormat("there is no file in it".to_owned()));
    }
    let store = repo.join("blobs");
    Ok(Described {
        scope: if tree.is_some() { Scope::Folder(base.into_bytes()) } else { Scope::Unknown },
        format: "hf-cache",
        manifest: tree.unwrap_or_else(|| store.clone()),
        store: Some(store),
        shared_store: shared_store(repo),
        commit,
    })
}

/// Claims a file of a snapshot by the name of the blob that it links to.
fn claim_entry(
    claims: &mut Claims<'_>,
    base: &str,
    entry: &Entry<'_>,
    blob: Option<Vec<u8>>,
    blobs: &mut Blobs,
) -> Result<(), ManifestError> {
    let place = match subject(entry.below) {
        Subject::Path(path) => Subject::Path(path.below(base.as_bytes())),
        refused => refused,
    };
    match blob {
        Some(blob) => {
            let interrupted = blobs.take_partial(&blob);
            claims.claim(place, digest_of_etag(&blob), interrupted)
        }
        None if entry.kind.is_file() => {
            let why = "it is a file and no link into blobs/, so nothing tells its digest";
            claims.claim(place, Err(Unusable::NotComputable(why.to_owned())), false)
        }
        None => claims.reject(format!("{} does not lead into blobs/", Escaped(entry.below))),
    }
}

fn blob_path(blob: &[u8]) -> Subject {
    subject(&[b"blobs/", blob].concat())
}

/// The blobs of a repository, by name.
#[derive(Default)]
struct Blobs {
    /// Those that no snapshot was seen to link to.
    unreferenced: BTreeSet<Vec<u8>>,
    /// Those whose download did not finish and was not made good, as long as no claim stands for them.
    partial: BTreeSet<Vec<u8>>,
    /// Those of them that a claim stands for already.
    partial_claimed: BTreeSet<Vec<u8>>,
}

impl Blobs {
    fn of(folder: &Path) -> Result<Blobs, ManifestError> {
        let mut blobs = Blobs::default();
        for (path, kind) in listing(folder)? {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            if kind.is_dir() || name.ends_with(b".lock") {
                continue;
            }
            match PartialName::parse(name) {
                Some(partial) => blobs.partial.insert(partial.etag.to_vec()),
                None => blobs.unreferenced.insert(name.to_vec()),
            };
        }
        let Blobs { partial, unreferenced, .. } = &mut blobs;
        partial.retain(|etag| !unreferenced.contains(etag));
        Ok(blobs)
    }

    /// Whether the download of this blob did not finish; from then on the caller's claim stands for it.
    fn take_partial(&mut self, etag: &[u8]) -> bool {
        if let Some(etag) = self.partial.take(etag) {
            self.partial_claimed.insert(etag);
        }
        self.partial_claimed.contains(etag)
    }
}

/// The blob that a link in a snapshot leads to. Only the text of the link is looked at.
fn blob_of(repo: &Path, commit: &str, entry: &Entry<'_>) -> Option<Vec<u8>> {
    let target = if entry.kind.is_symlink() { fs::read_link(entry.path).ok()? } else { return None };
    let mut at = PathBuf::new();
    let target = match target.strip_prefix(repo) {
        Ok(below) => below.to_owned(),
        Err(_) => {
            at.extend(["snapshots", commit]);
            let depth = entry.below.iter().filter(|&&b| b == b'/').count();
            // What the folders in between are called does not matter, only how many there are.
            at.extend(std::iter::repeat_n("folder", depth));
            target
        }
    };
    for component in target.components() {
        match component {
            Component::Normal(name) => at.push(name),
            Component::CurDir => {}
            Component::ParentDir if at.pop() => {}
            _ => return None,
        }
    }
    let blob = at.strip_prefix("blobs").ok()?;
    let mut names = blob.components();
    match (names.next(), names.next()) {
        (Some(Component::Normal(name)), None) => Some(name.as_encoded_bytes().to_vec()),
        _ => None,
    }
}

fn snapshots(repo: &Path) -> Result<Vec<String>, ManifestError> {
    let name =
        |path: PathBuf| path.file_name()?.to_str().map(str::to_owned).filter(|n| is_commit(n.as_bytes()));
    let all = listing(&repo.join("snapshots"))?;
    Ok(all.into_iter().filter(|(_, kind)| kind.is_dir()).filter_map(|(path, _)| name(path)).collect())
}

/// The commit that counts: the one asked for, else that of the branch `main`, else the newest.
fn choose(repo: &Path, revision: Option<&str>) -> Result<Option<String>, ManifestError> {
    let present = snapshots(repo)?;
    if let Some(asked) = revision {
        return commit_of(repo, asked, &present).map(Some);
    }
    if let Some(main) = commit_of_ref(repo, "main").filter(|commit| present.contains(commit)) {
        return Ok(Some(main));
    }
    Ok(newest(present, |commit| repo.join("snapshots").join(commit)))
}

/// With one snapshot given as dataset, a revision can only agree.
fn check_asked(repo: &Path, only: &str, revision: Option<&str>) -> Result<String, ManifestError> {
    let present = [only.to_owned()];
    match revision {
        Some(asked) if commit_of(repo, asked, &present)? != only => Err(ManifestError::NotThisFormat(
            format!("it is the snapshot of commit {only}, not of revision {}", Escaped(asked.as_bytes())),
        )),
        _ => Ok(only.to_owned()),
    }
}

fn commit_of(repo: &Path, asked: &str, present: &[String]) -> Result<String, ManifestError> {
    let commit = commit_of_ref(repo, asked).unwrap_or_else(|| asked.to_owned());
    if present.contains(&commit) || commits_with_tree(&repo.join("trees"))?.contains(&commit) {
        return Ok(commit);
    }
    Err(ManifestError::NotThisFormat(format!(
        "no snapshot and no file tree in it is of revision {}; give a branch or tag that was downloaded, or the full \
         name of a commit",
        Escaped(asked.as_bytes())
    )))
}

/// The commit that `refs/NAME` names.
fn commit_of_ref(repo: &Path, name: &str) -> Option<String> {
    ItemPath::parse(name.as_bytes()).ok()?;
    let content = read_small(&repo.join("refs").join(name), 64).ok()??;
    let commit = content.trim_ascii();
    if is_commit(commit) { String::from_utf8(commit.to_vec()).ok() } else { None }
}

/// The store of blobs beside the repositories of a cache, if there is one (huggingface_hub 2.4.0,
/// `utils/_shared_blobs.py`): it has a mark that says its version.
pub(super) fn shared_store(repo: &Path) -> Option<PathBuf> {
    let store = repo.parent()?.join("blobs");
    let mark = read_small(&store.join(".huggingface-shared-blobs"), 8).ok()??;
    (mark == b"1\n").then_some(store)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::manifest::hf_local::{Layout, detect, read};
    use crate::manifest::testing::Kept;

    const COMMIT: &str = "1111111111111111111111111111111111111111";
    const OTHER: &str = "2222222222222222222222222222222222222222";
    /// The git object name of an empty file.
    const BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
    const SHA256: &str = "7c5d3f4b8b76583b422fcb9189ad6c89d5d97a094541ce8932dce3ecabde1421";

    /// A cache with one repository, in which `d/a` and `b` of [`COMMIT`] arrived.
    struct Cache(tempfile::TempDir);

    impl Cache {
        fn new() -> Cache {
            let cache = Cache(tempfile::tempdir().unwrap());
            cache.put(&format!("blobs/{BLOB}"), "").put(&format!("blobs/{SHA256}"), "x");
            cache.link(COMMIT, "d/a", &format!("../../../blobs/{SHA256}"));
            cache.link(COMMIT, "b", &format!("../../blobs/{BLOB}"));
            cache.put("refs/main", COMMIT);
            cache
        }

        fn repo(&self) -> PathBuf {
            self.0.path().join("datasets--o--n")
        }

        fn put(&self, path: &str, content: &str) -> &Cache {
            let path = self.repo().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
            self
        }

        fn link(&self, commit: &str, path: &str, target: &str) -> &Cache {
            let path = self.repo().join("snapshots").join(commit).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
            self
        }

        fn tree(&self, files: &str) -> &Cache {
            let content = format!("{{\"format_version\": 1, \"files\": {{{files}}}}}");
            self.put(&format!("trees/{COMMIT}.json"), &content)
        }

        fn read(&self, below: &str, revision: Option<&str>) -> (Result<Described, ManifestError>, Kept) {
            let mut kept = Kept::default();
            let layout = detect(&self.repo().join(below)).unwrap();
            (read(&layout, SourceId(0), revision, &mut kept), kept)
        }
    }

    fn interrupted(kept: &Kept) -> Vec<String> {
        let claims = kept.claims.iter().filter(|c| c.interrupted).cloned().collect();
        Kept { claims, ..Kept::default() }.paths()
    }

    #[test]
    fn links_claim_by_the_name_of_their_blob() {
        let cache = Cache::new();
        cache.put(&format!("blobs/{OTHER}"), "left over").put("blobs/x.lock", "");
        let (described, kept) = cache.read("", None);
        let described = described.unwrap();
        assert_eq!((described.scope, described.commit.as_deref()), (Scope::Unknown, Some(COMMIT)));
        assert_eq!(described.store, Some(cache.repo().canonicalize().unwrap().join("blobs")));
        let names =
            [format!("snapshots/{COMMIT}/b"), format!("snapshots/{COMMIT}/d/a"), format!("blobs/{OTHER}")];
        assert_eq!(kept.paths(), names);
        let digests: Vec<_> =
            kept.claims.iter().map(|c| c.digests.strongest().unwrap().to_string()).collect();
        assert_eq!(
            digests,
            [format!("git_blob:{BLOB}"), format!("sha256:{SHA256}"), format!("git_blob:{OTHER}")]
        );
    }

    #[test]
    fn a_snapshot_alone_has_names_of_its_own() {
        let cache = Cache::new();
        let below = format!("snapshots/{COMMIT}");
        let layout = detect(&cache.repo().join(&below)).unwrap();
        assert!(matches!(layout, Layout::CacheSnapshot { commit, .. } if commit == COMMIT));
        let (described, kept) = cache.read(&below, None);
        assert_eq!(
            (described.unwrap().scope, kept.paths()),
            (Scope::Unknown, vec!["b".into(), "d/a".into()])
        );
        assert!(cache.read(&below, Some("main")).0.is_ok());
        assert!(cache.read(&below, Some(OTHER)).0.is_err());
    }

    #[test]
    fn a_tree_makes_the_snapshot_complete() {
        let cache = Cache::new();
        let file = format!("{{\"size\": 0, \"blob_id\": \"{BLOB}\"}}");
        cache.tree(&format!("\"b\": {file}, \"d/a\": {file}, \"gone\": {file}"));
        let base = format!("snapshots/{COMMIT}");
        let (described, kept) = cache.read("", None);
        assert_eq!(described.unwrap().scope, Scope::Folder(base.clone().into_bytes()));
        assert_eq!(kept.paths(), [format!("{base}/b"), format!("{base}/d/a"), format!("{base}/gone")]);
        let (described, kept) = cache.read(&base, None);
        assert_eq!((described.unwrap().scope, kept.claims.len()), (Scope::Folder(Vec::new()), 3));
    }

    #[test]
    fn unfinished_blobs_are_claimed_once_and_finished_ones_are_not_unfinished() {
        let cache = Cache::new();
        cache.put(&format!("blobs/{OTHER}.0123abcd.incomplete"), "ha");
        cache.put(&format!("blobs/{SHA256}.incomplete"), "ha");
        assert_eq!(interrupted(&cache.read("", None).1), [format!("blobs/{OTHER}")]);
        cache.tree(&format!("\"n\": {{\"size\": 4, \"blob_id\": \"{OTHER}\"}}"));
        let (_, kept) = cache.read("", None);
        assert_eq!(interrupted(&kept), [format!("snapshots/{COMMIT}/n")]);
        assert_eq!(kept.claims.len(), 1);
    }

    #[test]
    fn links_elsewhere_and_copies_have_no_digest() {
        let cache = Cache::new();
        cache.link(COMMIT, "e", "../../../blobs/x").link(COMMIT, "f", "/etc/passwd");
        cache.link(COMMIT, "g", "../../blobs/../refs/main").put(&format!("snapshots/{COMMIT}/h"), "copy");
        let (_, kept) = cache.read("", None);
        assert_eq!(kept.rejected.len(), 3);
        let copy = kept.claims.last().unwrap();
        assert!(matches!(copy.unusable, Some(Unusable::NotComputable(_))));
        let whole = cache.repo().canonicalize().unwrap().join(format!("blobs/{BLOB}"));
        cache.link(COMMIT, "i", whole.to_str().unwrap());
        assert_eq!(cache.read("", None).1.rejected.len(), 3, "an absolute link into blobs/ is one");
    }

    #[test]
    fn revisions_are_refs_or_commits() {
        let cache = Cache::new();
        cache.link(OTHER, "z", &format!("../../blobs/{BLOB}")).put("refs/pr/1", OTHER);
        let commit =
            |revision| cache.read("", revision).0.map(|d| d.commit.unwrap()).map_err(|e| e.to_string());
        assert_eq!(commit(None).as_deref(), Ok(COMMIT));
        assert_eq!(commit(Some("pr/1")).as_deref(), Ok(OTHER));
        assert_eq!(commit(Some(OTHER)).as_deref(), Ok(OTHER));
        assert!(commit(Some("v9")).unwrap_err().contains("revision v9"));
        assert!(commit(Some("../refs/main")).is_err());
    }
}
