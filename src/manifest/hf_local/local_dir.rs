//! A folder filled with `hf download --local-dir`: `.cache/huggingface/download/PATH.metadata` and `trees/COMMIT.json`.

use std::collections::HashMap;
use std::path::Path;

use super::record::{LONGEST_RECORD, PartialName, Record, digest_of_etag, key_of_record};
use super::{Claims, Described, Left, commits_with_tree, newest, read_small, walk};
use crate::claim::{ClaimSink, Scope, SourceId, Subject};
use crate::digest::Digests;
use crate::locator::Escaped;
use crate::manifest::{ManifestError, subject};

/// Distinct commits that are counted. Downloads name one or two; more of them than this are no downloads.
const MOST_COMMITS: usize = 4096;

/// Reads the records and the tree of a folder.
pub(super) fn read(
    root: &Path,
    source: SourceId,
    revision: Option<&str>,
    sink: &mut dyn ClaimSink,
) -> Result<Described, ManifestError> {
    let home = root.join(".cache/huggingface");
    let (download, trees) = (home.join("download"), home.join("trees"));
    let mut survey = Survey::of(&download)?;
    let commit = survey.choose(&trees, revision)?;
    let tree = commit.as_ref().map(|c| trees.join(format!("{c}.json"))).filter(|tree| tree.is_file());

    let mut claims = Claims { source, sink, ordinal: 0 };
    if let (Some(tree), Some(commit)) = (&tree, &commit) {
        let partials = &mut survey.partials;
        claims.tree(tree, b"", &mut |path, digests| partials.take_for(path.as_bytes(), digests, commit))?;
    }
    let told_by_tree = tree.as_ref().and(commit.as_ref());
    records(&download, |path, record| match record {
        Some(record) if told_by_tree == Some(&record.commit) => Ok(()),
        Some(record) => claims.claim(subject(path), digest_of_etag(&record.etag), false),
        None => claims.reject(format!("the download record of {} has not its three lines", Escaped(path))),
    })?;
    for partial in survey.partials.left() {
        claims.claim(partial.place(), digest_of_etag(&partial.etag), true)?;
    }
    Ok(Described {
        scope: if tree.is_some() { Scope::Folder(Vec::new()) } else { Scope::Unknown },
        format: "hf-local-dir",
        manifest: tree.unwrap_or(download),
        store: None,
        shared_store: None,
        commit,
    })
}

/// Visits the record of each file, by the file's path; `None` for a record that is none.
fn records(
    download: &Path,
    mut visit: impl FnMut(&[u8], Option<Record>) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    walk(download, &mut |entry| {
        let Some(path) = entry.below.strip_suffix(b".metadata") else { return Ok(()) };
        if !entry.kind.is_file() {
            return Ok(());
        }
        let content = read_small(entry.path, LONGEST_RECORD)?;
        visit(path, content.and_then(|content| Record::parse(&content)))
    })
}

/// What the records say together, and which downloads did not finish.
struct Survey {
    /// Files and newest time of each commit.
    commits: HashMap<String, (u64, f64)>,
    partials: Partials,
}

impl Survey {
    fn of(download: &Path) -> Result<Survey, ManifestError> {
        let mut partials = Partials::default();
        walk(download, &mut |entry| {
            if entry.kind.is_file() && entry.below.ends_with(b".incomplete") {
                partials.add(entry.below);
            }
            Ok(())
        })?;
        let mut commits = HashMap::<String, (u64, f64)>::new();
        records(download, |path, record| {
            let Some(record) = record else { return Ok(()) };
            partials.meet(path, &record);
            if commits.len() < MOST_COMMITS || commits.contains_key(&record.commit) {
                let (files, newest) = commits.entry(record.commit).or_insert((0, f64::MIN));
                *files += 1;
                *newest = newest.max(record.time);
            }
            Ok(())
        })?;
        Ok(Survey { commits, partials })
    }

    /// The commit that counts: the one asked for, else the one of most files, else the newest tree.
    fn choose(&self, trees: &Path, revision: Option<&str>) -> Result<Option<String>, ManifestError> {
        let with_tree = commits_with_tree(trees)?;
        if let Some(asked) = revision {
            if self.commits.contains_key(asked) || with_tree.iter().any(|c| c == asked) {
                return Ok(Some(asked.to_owned()));
            }
            return Err(ManifestError::NotThisFormat(format!(
                "no download record and no file tree in it is of revision {}; give the full name of a commit",
                Escaped(asked.as_bytes())
            )));
        }
        let order = |a: &(u64, f64), b: &(u64, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
        let of_most = self.commits.iter().max_by(|a, b| order(a.1, b.1).then_with(|| a.0.cmp(b.0)));
        if let Some((commit, _)) = of_most {
            return Ok(Some(commit.clone()));
        }
        let commit = newest(with_tree, |c| trees.join(format!("{c}.json")));
        if commit.is_none() && self.partials.list.is_empty() {
            let why = "no download record and no file tree in it can be read";
            return Err(ManifestError::NotThisFormat(why.to_owned()));
        }
        Ok(commit)
    }
}

/// Downloads that did not finish.
#[derive(Default)]
struct Partials {
    list: Vec<Partial>,
    /// Places in `list` by folder and key of the record's name.
    by_key: HashMap<(Vec<u8>, Vec<u8>), Vec<usize>>,
}

/// One of them.
struct Partial {
    /// Its own path below `.cache/huggingface/download`.
    own: Vec<u8>,
    etag: Vec<u8>,
    /// Commit of the record of the file it was to become, where that is of another version of it.
    older: Option<String>,
    /// It needs no claim: the file was downloaded later, or the tree's claim stands for it.
    settled: bool,
}

impl Partial {
    /// Where a claim on it lies that must not meet claims on the file it was to become: another version may be there.
    fn place(&self) -> Subject {
        subject(&[b".cache/huggingface/download/", self.own.as_slice()].concat())
    }
}

impl Partials {
    fn add(&mut self, own: &[u8]) {
        let (folder, name) = split(own);
        let named = PartialName::parse(name);
        if let Some(key) = named.as_ref().and_then(|n| n.key) {
            self.by_key.entry((folder.to_vec(), key.to_vec())).or_default().push(self.list.len());
        }
        let etag = named.map_or(Vec::new(), |n| n.etag.to_vec());
        self.list.push(Partial { own: own.to_vec(), etag, older: None, settled: false });
    }

    /// A record is written once its file is whole: with the same ETag, an unfinished one is an older attempt.
    fn meet(&mut self, path: &[u8], record: &Record) {
        self.each_of(path, |partial| {
            partial.settled |= partial.etag == record.etag;
            partial.older = Some(record.commit.clone());
        });
    }

    /// Whether the claim on `path` of the tree of `commit` stands for a download that did not finish.
    fn take_for(&mut self, path: &[u8], digests: &Digests, commit: &str) -> Left {
        let Some(digest) = digests.strongest() else { return Left::Nothing };
        let etag = hex::encode(digest.bytes());
        let mut left = Left::Nothing;
        self.each_of(path, |partial| {
            if !partial.settled && partial.etag == etag.as_bytes() {
                partial.settled = true;
                // The record of the tree's own commit claims nothing beside the tree.
                left = match &partial.older {
                    Some(older) if older != commit => Left::Update { partial: partial.place() },
                    _ => Left::Partial,
                };
            }
        });
        left
    }

    /// Calls `act` on those that were to become `path`.
    fn each_of(&mut self, path: &[u8], mut act: impl FnMut(&mut Partial)) {
        if self.by_key.is_empty() {
            return;
        }
        let (folder, name) = split(path);
        let key = key_of_record(&[name, b".metadata"].concat());
        for &at in self.by_key.get(&(folder.to_vec(), key)).into_iter().flatten() {
            act(&mut self.list[at]);
        }
    }

    fn left(&self) -> impl Iterator<Item = &Partial> {
        self.list.iter().filter(|partial| !partial.settled)
    }
}

/// Folder and name of a path.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::claim::{Claim, Unusable};
    use crate::manifest::hf_local::{Layout, detect};
    use crate::manifest::testing::Kept;

    const NEW: &str = "1111111111111111111111111111111111111111";
    const OLD: &str = "0000000000000000000000000000000000000000";
    /// The git object name of an empty file.
    const BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
    const SHA256: &str = "7c5d3f4b8b76583b422fcb9189ad6c89d5d97a094541ce8932dce3ecabde1421";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Folder(tempfile::tempdir().unwrap())
        }

        fn with(self, path: &str, content: &str) -> Self {
            let path = self.0.path().join(".cache/huggingface").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
            self
        }

        fn record(self, path: &str, commit: &str, etag: &str, time: &str) -> Self {
            self.with(&format!("download/{path}.metadata"), &format!("{commit}\n{etag}\n{time}\n"))
        }

        fn tree(self, commit: &str, paths: &[&str]) -> Self {
            let file = |path: &&str| format!("\"{path}\": {{\"size\": 0, \"blob_id\": \"{BLOB}\"}}");
            let files = paths.iter().map(file).collect::<Vec<_>>().join(",");
            let content = format!("{{\"format_version\": 1, \"files\": {{{files}}}}}");
            self.with(&format!("trees/{commit}.json"), &content)
        }

        fn partial(self, path: &str, etag: &str) -> Self {
            let (folder, name) = split(path.as_bytes());
            let key = String::from_utf8(key_of_record(&[name, b".metadata"].concat())).unwrap();
            let folder = String::from_utf8_lossy(folder).into_owned();
            self.with(&format!("download/{folder}/{key}.{etag}.0123abcd.incomplete"), "half")
        }

        fn read(&self, revision: Option<&str>) -> (Result<Described, ManifestError>, Kept) {
            let mut kept = Kept::default();
            let layout = detect(self.0.path()).unwrap();
            assert!(matches!(layout, Layout::LocalDir { .. }));
            (crate::manifest::hf_local::read(&layout, SourceId(3), revision, &mut kept), kept)
        }
    }

    fn interrupted(kept: &Kept) -> Vec<bool> {
        kept.claims.iter().map(|c: &Claim| c.interrupted).collect()
    }

    #[test]
    fn records_alone_claim_what_arrived() {
        let folder = Folder::new()
            .record("d/a.parquet", NEW, SHA256, "5.5")
            .record("b.txt", NEW, BLOB, "5")
            .record("c.txt", OLD, "odd-etag", "9")
            .with("download/broken.metadata", "m")
            .with("download/b.txt.lock", "");
        let (described, kept) = folder.read(None);
        let described = described.unwrap();
        assert_eq!((described.scope, described.format), (Scope::Unknown, "hf-local-dir"));
        assert_eq!(described.commit.as_deref(), Some(NEW));
        assert_eq!(kept.paths(), ["b.txt", "c.txt", "d/a.parquet"]);
        let algorithms: Vec<_> =
            kept.claims.iter().filter_map(|c| c.digests.strongest()).map(|d| d.algorithm().name()).collect();
        assert_eq!(algorithms, ["git_blob", "sha256"]);
        assert!(matches!(kept.claims[1].unusable, Some(Unusable::NotComputable(_))));
        assert_eq!(kept.rejected.len(), 1);
        assert!(kept.claims.iter().all(|c| !c.interrupted && c.source == SourceId(3)));
    }

    #[test]
    fn the_tree_of_the_commit_of_most_files_claims_the_folder() {
        let folder = Folder::new()
            .record("a", NEW, BLOB, "1")
            .record("b", OLD, SHA256, "9")
            .record("c", NEW, BLOB, "1")
            .tree(NEW, &["a", "c", "d"])
            .tree(OLD, &["b"]);
        let (described, kept) = folder.read(None);
        let described = described.unwrap();
        assert_eq!(described.scope, Scope::Folder(Vec::new()));
        assert!(described.manifest.ends_with(format!("trees/{NEW}.json")));
        assert_eq!(kept.paths(), ["a", "c", "d", "b"], "the record of another commit is claimed too");
        assert_eq!(kept.claims.iter().map(|c| c.line).collect::<Vec<_>>(), [1, 2, 3, 4]);

        let (described, kept) = folder.read(Some(OLD));
        assert_eq!(described.unwrap().commit.as_deref(), Some(OLD));
        assert_eq!(kept.paths(), ["b", "a", "c"]);
        assert!(folder.read(Some("main")).0.unwrap_err().to_string().contains("revision main"));
    }

    #[test]
    fn of_equally_many_files_the_newest_commit_counts() {
        let folder = Folder::new().record("a", NEW, BLOB, "1").record("b", OLD, BLOB, "2");
        assert_eq!(folder.read(None).0.unwrap().commit.as_deref(), Some(OLD));
    }

    #[test]
    fn an_unfinished_download_is_claimed_where_it_was_to_lie() {
        let folder = Folder::new().tree(NEW, &["d/a", "d/b"]).partial("d/b", BLOB);
        let (_, kept) = folder.read(None);
        assert_eq!((kept.paths(), interrupted(&kept)), (vec!["d/a".into(), "d/b".into()], vec![false, true]));

        let folder = Folder::new().record("a", NEW, BLOB, "1").partial("a", SHA256).partial("b", SHA256);
        let (_, kept) = folder.read(None);
        assert_eq!(interrupted(&kept), [false, true, true]);
        let own = kept.paths().iter().map(|p| p.ends_with(".incomplete")).collect::<Vec<_>>();
        assert_eq!(own, [false, true, true], "another version of `a` is here: {:?}", kept.paths());
    }

    #[test]
    fn an_unfinished_update_leaves_the_older_version_its_claim() {
        let folder = Folder::new().record("a", OLD, SHA256, "9").record("b", NEW, BLOB, "9");
        let folder = folder.record("c", NEW, BLOB, "9").tree(NEW, &["a", "b", "c"]).partial("a", BLOB);
        let (_, kept) = folder.read(None);
        assert_eq!(interrupted(&kept), [true, false, false, false]);
        let paths = kept.paths();
        assert!(paths[0].ends_with(".incomplete") && paths[1..] == ["b", "c", "a"], "{paths:?}");
        // A record of the tree's own commit is silent, so that the tree must claim the file.
        let folder = Folder::new().record("a", NEW, SHA256, "9").tree(NEW, &["a"]).partial("a", BLOB);
        assert_eq!(folder.read(None).1.paths(), ["a"]);
    }

    #[test]
    fn an_attempt_that_was_made_good_later_is_no_claim() {
        let folder = Folder::new().record("a", NEW, BLOB, "1").tree(NEW, &["a"]).partial("a", BLOB);
        assert_eq!(interrupted(&folder.read(None).1), [false]);
    }

    #[test]
    fn a_folder_with_nothing_usable_is_refused() {
        let folder = Folder::new().with("download/x.metadata", "m");
        assert!(folder.read(None).0.unwrap_err().to_string().contains("no download record"));
        let folder = Folder::new().with(&format!("trees/{NEW}.json"), "{\"format_version\": 2}");
        assert!(folder.read(None).0.unwrap_err().to_string().contains("format_version"));
        assert_eq!(detect(tempfile::tempdir().unwrap().path()), None);
    }
}
