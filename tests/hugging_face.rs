//! Datasets as `hf download` leaves them: in a folder of the user's, and in the cache.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{run, told, try_run};
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, SourceSpec};
use shardproof::error::Error;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba98";

fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn git_blob(content: &[u8]) -> String {
    use sha1::Digest as _;
    let mut sha1 = sha1::Sha1::new();
    sha1.update(format!("blob {}\0", content.len()));
    sha1.update(content);
    hex::encode(sha1.finalize())
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, content: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A file as `hf download --local-dir` leaves it.
    fn download(&self, path: &str, content: &[u8], etag: &str) {
        self.put(path, content);
        self.record(path, etag, COMMIT);
    }

    fn record(&self, path: &str, etag: &str, commit: &str) {
        let record = format!("{commit}\n{etag}\n1700000000.5\n");
        self.put(&format!(".cache/huggingface/download/{path}.metadata"), record.as_bytes());
    }

    /// The tree that newer clients keep.
    fn tree(&self, files: &[(&str, &[u8], bool)]) {
        let files: Vec<String> = files
            .iter()
            .map(|(path, content, lfs)| {
                let size = content.len();
                if *lfs {
                    let oid = sha256(content);
                    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n");
                    let blob = git_blob(pointer.as_bytes());
                    format!(r#""{path}":{{"size":{size},"blob_id":"{blob}","lfs_sha256":"{oid}","lfs_size":{size}}}"#)
                } else {
                    format!(r#""{path}":{{"size":{size},"blob_id":"{}"}}"#, git_blob(content))
                }
            })
            .collect();
        let tree = format!(r#"{{"format_version":1,"files":{{{}}}}}"#, files.join(","));
        self.put(&format!(".cache/huggingface/trees/{COMMIT}.json"), tree.as_bytes());
    }

    fn options(&self, root: &str) -> AuditOptions {
        AuditOptions::new(Mode::Verify, vec![self.at(root)])
    }
}

fn two_files(folder: &Folder) {
    folder.download("README.md", b"read me\n", &git_blob(b"read me\n"));
    folder.download("data/train.bin", b"large data", &sha256(b"large data"));
    folder.put(".cache/huggingface/.gitignore", b"*");
    folder.put(".cache/huggingface/download/data/train.bin.lock", b"");
}

#[test]
fn what_arrived_is_checked_and_what_should_have_is_not_known() {
    let folder = Folder::new();
    two_files(&folder);
    let report = run(&folder.options(""));
    assert_eq!((told(&report).len(), report.exit_code, report.coverage.scope), (0, 3, "unknown"));
    assert_eq!(report.coverage.balance.claims_checked(), 2);
    let mut options = folder.options("");
    options.subset = true;
    assert_eq!(run(&options).exit_code, 0);

    folder.put("data/train.bin", b"large dat4");
    assert_eq!(told(&run(&options)), ["altered data/train.bin"]);
}

#[test]
fn a_tree_tells_what_should_have_arrived() {
    let folder = Folder::new();
    two_files(&folder);
    let whole: &[(&str, &[u8], bool)] =
        &[("README.md", b"read me\n", false), ("data/train.bin", b"large data", true)];
    folder.tree(whole);
    let report = run(&folder.options(""));
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));

    folder.put("data/extra.bin", b"x");
    folder.put(".cache/huggingface/hidden.bin", b"y");
    assert_eq!(
        told(&run(&folder.options(""))),
        ["undisclosed .cache/huggingface/hidden.bin", "undisclosed data/extra.bin"]
    );
}

#[test]
fn a_pointer_that_was_downloaded_as_text_is_told() {
    let folder = Folder::new();
    two_files(&folder);
    folder.tree(&[("README.md", b"read me\n", false), ("data/train.bin", b"large data", true)]);
    let oid = sha256(b"large data");
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 10\n");
    folder.put("data/train.bin", pointer.as_bytes());
    let report = run(&folder.options(""));
    assert_eq!(told(&report), ["pointer data/train.bin"]);
}

#[test]
fn an_interrupted_download_is_missing() {
    let folder = Folder::new();
    folder.download("README.md", b"read me\n", &git_blob(b"read me\n"));
    folder.tree(&[("README.md", b"read me\n", false), ("data/train.bin", b"large data", true)]);
    // Partial files are named after the record that will be: huggingface_hub 2.4.0, `_local_folder.py`.
    let key = {
        use base64::Engine as _;
        use sha1::Digest as _;
        base64::engine::general_purpose::URL_SAFE.encode(sha1::Sha1::digest("train.bin.metadata"))
    };
    let partial = format!(".cache/huggingface/download/data/{key}.{}.incomplete", sha256(b"large data"));
    folder.put(&partial, b"large");
    let report = run(&folder.options(""));
    assert_eq!(told(&report), ["missing data/train.bin"]);
    let finding = report.findings().next().unwrap().unwrap();
    assert!(finding.detail.contains("download interrupted"), "{}", finding.detail);

    // Without a tree the partial file itself says that something is missing.
    fs::remove_dir_all(folder.at(".cache/huggingface/trees")).unwrap();
    let report = run(&folder.options(""));
    assert_eq!((told(&report).len(), report.exit_code), (1, 1), "{:?}", told(&report));
    assert!(told(&report)[0].starts_with("missing "));

    // Bytes that no download explains are not excused by their name.
    fs::remove_file(folder.at(&partial)).unwrap();
    folder.download("data/train.bin", b"large data", &sha256(b"large data"));
    folder.tree(&[("README.md", b"read me\n", false), ("data/train.bin", b"large data", true)]);
    folder.put(".cache/huggingface/download/hidden.incomplete", b"anything");
    assert_eq!(told(&run(&folder.options(""))), ["missing .cache/huggingface/download/hidden.incomplete"]);

    // Nor is an older attempt at a file that is whole by now.
    fs::remove_file(folder.at(".cache/huggingface/download/hidden.incomplete")).unwrap();
    folder.put(&partial, b"large");
    assert_eq!(told(&run(&folder.options(""))), [format!("undisclosed {partial}")]);
}

#[test]
fn the_commit_that_the_files_name_counts() {
    let folder = Folder::new();
    two_files(&folder);
    folder.tree(&[("README.md", b"read me\n", false), ("data/train.bin", b"large data", true)]);
    // A tree of another commit, with another content.
    let other = format!(
        r#"{{"format_version":1,"files":{{"README.md":{{"size":4,"blob_id":"{}"}}}}}}"#,
        git_blob(b"new\n")
    );
    folder.put(&format!(".cache/huggingface/trees/{OTHER}.json"), other.as_bytes());
    assert_eq!(run(&folder.options("")).exit_code, 0);
    let mut options = folder.options("");
    options.revision = Some(OTHER.to_string());
    assert_eq!(run(&options).exit_code, 1);
    options.revision = Some("ab".repeat(20));
    assert!(try_run(&options).is_err());
}

fn cache(folder: &Folder) -> String {
    let repo = "datasets--org--name";
    for (name, content, etag) in [
        ("README.md", &b"read me\n"[..], git_blob(b"read me\n")),
        ("data/train.bin", b"large data", sha256(b"large data")),
    ] {
        folder.put(&format!("{repo}/blobs/{etag}"), content);
        let link = folder.at(&format!("{repo}/snapshots/{COMMIT}/{name}"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let up = "../".repeat(2 + name.matches('/').count());
        symlink(Path::new(&format!("{up}blobs/{etag}")), link).unwrap();
    }
    folder.put(&format!("{repo}/refs/main"), COMMIT.as_bytes());
    repo.to_string()
}

#[test]
fn the_cache_is_read_through_its_links() {
    let folder = Folder::new();
    let repo = cache(&folder);
    for root in [repo.clone(), format!("{repo}/snapshots/{COMMIT}")] {
        let report = run(&folder.options(&root));
        assert_eq!((told(&report), report.exit_code), (Vec::new(), 3), "{root}");
        let mut options = folder.options(&root);
        options.subset = true;
        let report = run(&options);
        assert_eq!((report.exit_code, report.coverage.balance.claims_checked()), (0, 2), "{root}");
    }
    let blob = format!("{repo}/blobs/{}", sha256(b"large data"));
    folder.put(&blob, b"large dat4");
    let mut options = folder.options(&format!("{repo}/snapshots/{COMMIT}"));
    options.subset = true;
    assert_eq!(told(&run(&options)), ["altered data/train.bin"]);

    // Gone from the store: the link leads nowhere.
    fs::remove_file(folder.at(&blob)).unwrap();
    let report = run(&options);
    assert_ne!(report.exit_code, 0);
    assert_eq!(told(&report), ["unfollowed-link data/train.bin"]);
}

#[test]
fn a_tree_of_the_cache_that_is_named_speaks_of_its_snapshot() {
    let folder = Folder::new();
    let repo = cache(&folder);
    let file = format!("{{\"size\": 10, \"blob_id\": \"{COMMIT}\"}}");
    let tree = format!("{repo}/trees/{COMMIT}.json");
    let content = format!("{{\"format_version\": 1, \"files\": {{\"gone\": {file}}}}}");
    folder.put(&tree, content.as_bytes());
    let mut options = folder.options(&repo);
    options.manifests = vec![SourceSpec { format: None, path: folder.at(&tree) }];
    assert!(told(&run(&options)).contains(&format!("missing snapshots/{COMMIT}/gone")));
}

#[test]
fn a_revision_needs_something_to_choose_from() {
    let folder = Folder::new();
    folder.put("d/a", b"a");
    folder.put("d/SHA256SUMS", format!("{}  a\n", sha256(b"a")).as_bytes());
    let mut options = folder.options("d");
    assert_eq!(run(&options).exit_code, 0);
    options.revision = Some(COMMIT.to_owned());
    let error = try_run(&options).unwrap_err();
    assert!(matches!(&error, Error::Usage(why) if why.contains("--revision")), "{error}");
}

#[test]
fn an_interrupted_update_is_one_missing_file_and_nothing_else() {
    // What huggingface_hub makes of `a.bin.metadata`.
    let left =
        format!(".cache/huggingface/download/s6T6AoPTKInBOAC7UnHxaJif5Us=.{}.incomplete", git_blob(b"new"));
    for with_tree in [false, true] {
        let folder = Folder::new();
        folder.put("a.bin", b"old");
        folder.record("a.bin", &git_blob(b"old"), OTHER);
        for name in ["b", "c"] {
            folder.download(name, name.as_bytes(), &git_blob(name.as_bytes()));
        }
        if with_tree {
            folder.tree(&[("a.bin", b"new", false), ("b", b"b", false), ("c", b"c", false)]);
        }
        folder.put(&left, b"ne");
        let report = run(&folder.options(""));
        assert_eq!((told(&report), report.exit_code), (vec![format!("missing {left}")], 1), "{with_tree}");
        assert_eq!(report.coverage.balance.claims_checked(), 4);
        let detail = report.findings().next().unwrap().unwrap().detail;
        assert!(detail.contains("download interrupted"), "{detail}");
    }
}
