//! Scenarios that might break a verdict, the books, or a silence. Each says what is asked.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use common::{count, run, told, try_run, verifying};
use globset::{Glob, GlobSet, GlobSetBuilder};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Progress, Report, Samples, ScopeOption, SourceSpec, audit};
use shardproof::check::balance::{ClaimClass, ItemClass};
use shardproof::digest::Algorithm;
use shardproof::finding::Code;

const A: &[u8] = b"sample a";
const B: &[u8] = b"sample b";
const COMMIT: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";

/// A dataset under construction, with the lines of its manifest.
struct Bench {
    home: tempfile::TempDir,
    sums: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("d")).unwrap();
        Bench { home, sums: Vec::new() }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn put(&mut self, path: &str, content: &[u8]) -> &mut Self {
        self.put_in("d", path, content)
    }

    fn put_in(&mut self, root: &str, path: &str, content: &[u8]) -> &mut Self {
        let path = self.path(root).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn claim(&mut self, path: &str, content: &[u8]) -> &mut Self {
        self.line(&format!("{}  {path}", sha256(content)))
    }

    /// A file and the claim on it.
    fn both(&mut self, path: &str, content: &[u8]) -> &mut Self {
        self.put(path, content).claim(path, content)
    }

    fn line(&mut self, line: &str) -> &mut Self {
        self.sums.extend_from_slice(line.as_bytes());
        self.sums.push(b'\n');
        self
    }

    /// Options with the manifest `SUMS`, which lies outside.
    fn options(&self) -> AuditOptions {
        fs::write(self.path("SUMS"), &self.sums).unwrap();
        let mut options = verifying(&self.path("d"), &self.path("SUMS"));
        options.scratch = Some(self.home.path().to_path_buf());
        options
    }

    /// Another manifest beside `SUMS`.
    fn also(&self, options: &mut AuditOptions, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        options.manifests.push(SourceSpec { format: None, path: self.path(name) });
    }

    /// Options without a manifest: what lies in the dataset counts.
    fn discovering(&self) -> AuditOptions {
        AuditOptions::new(Mode::Verify, vec![self.path("d")])
    }

    fn told(&self) -> Vec<String> {
        told(&run(&self.options()))
    }

    /// The hash list `list.txt` of what is known-bad.
    fn listed(&self, options: &mut AuditOptions, lines: &[String]) {
        fs::write(self.path("list.txt"), lines.join("\n") + "\n").unwrap();
        options.hash_lists = vec![SourceSpec { format: None, path: self.path("list.txt") }];
    }

    /// A download record of `hf download --local-dir`.
    fn record(&mut self, path: &str, commit: &str, etag: &str) -> &mut Self {
        let text = format!("{commit}\n{etag}\n1712656091.5\n");
        self.put(&format!(".cache/huggingface/download/{path}.metadata"), text.as_bytes())
    }

    /// The tree of a commit as `hf download` keeps it.
    fn tree(&mut self, place: &str, commit: &str, files: &[(&str, &[u8])]) -> &mut Self {
        let tree = tree(files);
        self.put(&format!("{place}/{commit}.json"), tree.as_bytes())
    }
}

fn tree(files: &[(&str, &[u8])]) -> String {
    let entries: Vec<String> = files
        .iter()
        .map(|(path, content)| {
            format!("\"{path}\": {{\"size\": {}, \"blob_id\": \"{}\"}}", content.len(), git_blob(content))
        })
        .collect();
    format!("{{\"format_version\": 1, \"files\": {{{}}}}}", entries.join(", "))
}

fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn md5(content: &[u8]) -> String {
    hex::encode(Md5::digest(content))
}

fn git_blob(content: &[u8]) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(format!("blob {}\0", content.len()));
    sha1.update(content);
    hex::encode(sha1.finalize())
}

fn pointer_to(content: &[u8]) -> Vec<u8> {
    format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
        sha256(content),
        content.len()
    )
    .into_bytes()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn globs(globs: &[&str]) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    globs.iter().for_each(|glob| {
        builder.add(Glob::new(glob).unwrap());
    });
    builder.build().unwrap()
}

fn details(report: &Report) -> Vec<String> {
    report.findings().map(|f| f.unwrap().detail).collect()
}

/// Whether a run ends within a few seconds; a hung one is left behind, `release` lets it go.
fn ends(options: AuditOptions, release: impl FnOnce()) -> bool {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = try_run(&options);
        let _ = done.send(());
    });
    let ended = wait.recv_timeout(Duration::from_secs(5)).is_ok();
    if !ended {
        release();
    }
    let _ = thread.join();
    ended
}

/// Does something when a stage of the run begins.
struct When<F>(&'static str, F);

impl<F: Fn() + Sync> Progress for When<F> {
    fn stage(&self, name: &'static str) {
        if name == self.0 {
            (self.1)();
        }
    }
    fn planned(&self, _: u64, _: u64) {}
    fn begin(&self, _: &[u8]) {}
    fn read(&self, _: u64) {}
    fn notice(&self, _: &str) {}
}

fn run_while(options: &AuditOptions, stage: &'static str, act: impl Fn() + Sync) -> Report {
    let report = audit(options, &When(stage, act), &AtomicBool::new(false)).unwrap();
    assert_eq!(report.coverage.broken, Vec::<String>::new(), "the books do not balance");
    report
}

// ---- What is in scope and claimed by nothing (§4, §5 `undisclosed`)

#[test]
fn a_file_called_like_an_unfinished_download_is_still_undisclosed() {
    for hidden in [".cache/huggingface/download/x.incomplete", "blobs/x.incomplete"] {
        let mut bench = Bench::new();
        bench.both("a", A).put(hidden, b"anything, and no download was ever made here");
        let report = run(&bench.options());
        assert_eq!((told(&report), report.exit_code), (vec![format!("undisclosed {hidden}")], 1));
    }
}

#[test]
fn an_older_attempt_of_a_finished_download_is_claimed_by_nothing() {
    let mut bench = Bench::new();
    // `s6T6…` is what huggingface_hub makes of `a.bin.metadata`.
    let left = format!(".cache/huggingface/download/s6T6AoPTKInBOAC7UnHxaJif5Us=.{}.incomplete", git_blob(A));
    bench.put("a.bin", A).record("a.bin", COMMIT, &git_blob(A));
    bench.tree(".cache/huggingface/trees", COMMIT, &[("a.bin", A)]);
    assert_eq!(run(&bench.discovering()).exit_code, 0);
    bench.put(&left, b"anything at all");
    let report = run(&bench.discovering());
    assert_ne!((told(&report), report.exit_code), (Vec::new(), 0), "nobody looked at {left}");
}

#[test]
fn a_long_file_that_only_begins_like_a_tree_is_undisclosed() {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..1000).map(|n| format!("file-number-{n:05}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), A)).collect();
    let mut content = tree(&files).into_bytes();
    content.truncate(70_000);
    content.extend_from_slice(&[7; 100_000]);
    let path = format!("trees/{COMMIT}.json");
    bench.both("a", A).put(&path, &content);
    let report = run(&bench.options());
    assert_eq!((told(&report), report.exit_code), (vec![format!("undisclosed {path}")], 1));
}

#[test]
fn hidden_files_in_folders_that_everybody_skips_are_undisclosed() {
    let mut bench = Bench::new();
    bench.both("a", A);
    let hidden = [
        ".cache/huggingface/x",
        ".cache/huggingface/download/d/x.lock",
        ".cache/huggingface/download/x.metadata",
        ".git/hooks/pre-commit",
        ".git/objects/aa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        ".git/objects/pack/pack-x.pack",
        ".no_exist/x",
        "refs/main",
        "sub/.git/HEAD",
    ];
    for path in hidden {
        bench.put(path, b"\x00not what its place asks for");
    }
    let mut expected: Vec<String> = hidden.iter().map(|p| format!("undisclosed {p}")).collect();
    expected.sort();
    assert_eq!(bench.told(), expected);
}

#[test]
fn bookkeeping_is_not_undisclosed() {
    let mut bench = Bench::new();
    bench.both("a", A).record("a", COMMIT, &git_blob(A));
    bench.tree(".cache/huggingface/trees", COMMIT, &[("a", A)]);
    bench.put(".cache/huggingface/.gitignore", b"*").put(".cache/huggingface/download/a.lock", b"");
    bench.put(".git/HEAD", b"ref: refs/heads/main\n");
    assert_eq!(bench.told(), Vec::<String>::new());
}

#[test]
fn other_manifests_in_the_dataset_are_undisclosed_where_one_is_named() {
    let mut bench = Bench::new();
    bench.both("a", A).put("MD5SUMS", format!("{}  a\n", md5(A)).as_bytes());
    assert_eq!(bench.told(), ["undisclosed MD5SUMS"]);
}

#[test]
fn a_second_name_of_the_manifest_s_file_is_no_hiding_place() {
    let mut bench = Bench::new();
    bench.both("a", A);
    bench.put("SHA256SUMS", format!("{}  a\n", sha256(A)).as_bytes());
    fs::hard_link(bench.path("d/SHA256SUMS"), bench.path("d/copy.bin")).unwrap();
    let report = run(&bench.discovering());
    assert_eq!((told(&report), report.exit_code), (vec!["undisclosed copy.bin".to_string()], 1));
}

// ---- Completeness that cannot be told (§4 scope `unknown`)

#[test]
fn a_narrowed_look_does_not_make_an_unknown_scope_known() {
    let mut bench = Bench::new();
    bench.put("a", A).record("a", COMMIT, &git_blob(A));
    let mut options = bench.discovering();
    assert_eq!(run(&options).exit_code, 3);
    options.exclude = Some(globs(&["nothing-of-this-name"]));
    let report = run(&options);
    assert_eq!(report.exit_code, 3, "told: {:?}", told(&report));
    options.exclude = None;
    options.include = Some(globs(&["a", ".cache"]));
    assert_eq!(run(&options).exit_code, 3);
    options.include = None;
    options.subset = true;
    assert_eq!(run(&options).exit_code, 0);
}

// ---- Several roots

#[test]
fn a_folder_in_one_root_and_a_tar_of_its_name_in_another() {
    let mut bench = Bench::new();
    bench.claim("a.tar/x", A).put("a.tar", &tar(&[("x", A)])).put_in("e", "a.tar/x", A);
    let mut options = bench.options();
    options.roots.push(bench.path("e"));
    for samples in [Samples::Auto, Samples::Always] {
        options.samples = samples;
        let report = run(&options);
        assert_eq!((told(&report), report.exit_code), (Vec::new(), 0), "{samples:?}");
    }
}

#[test]
fn an_altered_sample_in_one_root_is_told_though_a_folder_in_another_has_it_right() {
    let mut bench = Bench::new();
    bench.claim("a.tar/x", A).put("a.tar", &tar(&[("x", B)])).put_in("e", "a.tar/x", A);
    let mut options = bench.options();
    options.roots.push(bench.path("e"));
    for samples in [Samples::Auto, Samples::Always] {
        options.samples = samples;
        let report = run(&options);
        assert_eq!(report.exit_code, 1, "{samples:?}: {:?}", told(&report));
        assert_eq!(told(&report), ["altered a.tar x"], "{samples:?}");
    }
}

#[test]
fn a_sample_of_which_nothing_was_compared_is_never_silently_fine() {
    let mut bench = Bench::new();
    bench.claim("a.tar/x", A).put("a.tar", &tar(&[("x", B)])).put_in("e", "a.tar/x", A);
    let mut options = bench.options();
    options.roots.push(bench.path("e"));
    options.samples = Samples::Always;
    assert_ne!(run(&options).exit_code, 0);
}

#[test]
fn containers_at_one_place_in_two_roots() {
    let mut bench = Bench::new();
    bench.claim("s.tar/a", A).claim("s.tar/b", B);
    bench.put("s.tar", &tar(&[("a", A)])).put_in("e", "s.tar", &tar(&[("b", B)]));
    let mut options = bench.options();
    options.roots.push(bench.path("e"));
    assert_eq!((told(&run(&options)), run(&options).exit_code), (Vec::new(), 0));
    // One more sample in one of them, hidden bytes in the other: each is told where it is.
    bench.put("s.tar", &tar(&[("a", A), ("c", b"c")]));
    let mut hidden = tar(&[("b", B)]);
    hidden.extend_from_slice(b"hidden");
    bench.put_in("e", "s.tar", &hidden);
    let report = run(&options);
    assert_eq!(told(&report), ["undisclosed s.tar", "undisclosed s.tar c"]);
    let roots: Vec<_> = report.findings().map(|f| f.unwrap().locator.unwrap().root).collect();
    assert_eq!(roots, [Some(0), Some(1)]);
    // The whole claimed, and only one root has it right.
    bench.claim("s.tar", &hidden);
    options = bench.options();
    options.roots.push(bench.path("e"));
    assert_eq!(told(&run(&options)), ["altered s.tar"]);
}

#[test]
fn a_copy_in_another_root_is_not_undisclosed() {
    let mut bench = Bench::new();
    bench.both("a", A).put_in("e", "a", A);
    let mut options = bench.options();
    options.roots.push(bench.path("e"));
    assert_eq!(run(&options).exit_code, 0);
}

// ---- Names

#[test]
fn names_that_begin_alike_do_not_meet() {
    let mut bench = Bench::new();
    for name in ["a", "a.tar", "a.tar.gz", "a.tar-x", "a.tar!/x", "a.tarx/y", "A.tar"] {
        let content = match name {
            "a.tar" => tar(&[("x", A), ("y", B)]),
            "a.tar.gz" => gzip(&tar(&[("x", B)])),
            other => other.as_bytes().to_vec(),
        };
        bench.put(name, &content);
        if name != "a.tar" && name != "a.tar.gz" {
            bench.claim(name, &content);
        }
    }
    bench.claim("a.tar/x", A).claim("a.tar/y", B).claim("a.tar.gz/x", B);
    assert_eq!(bench.told(), Vec::<String>::new());
}

#[test]
fn slashes_and_dots_fall_away_and_control_bytes_do_not() {
    let mut bench = Bench::new();
    bench.put("d/e", A).put("f", B).claim("./d//./e", A).claim("d/e/", A).claim(".//f/.", B);
    assert_eq!(bench.told(), Vec::<String>::new());
    let mut bench = Bench::new();
    bench.line(&format!("{}  .", sha256(A))).line(&format!("{}  ./", sha256(A))).both("a", A);
    let report = run(&bench.options());
    assert_eq!(report.exit_code, 1);
    assert_eq!(count(&report, Code::UnsafeName), 2);
    assert_eq!(report.coverage.balance.claims_in, 3);
}

#[test]
fn names_that_are_no_text_are_names_all_the_same() {
    let mut bench = Bench::new();
    let name: &[u8] = b"a\xff\x01b\t";
    fs::write(bench.path("d").join(std::ffi::OsStr::from_bytes(name)), A).unwrap();
    bench.sums.extend_from_slice(format!("{}  ", sha256(A)).as_bytes());
    bench.sums.extend_from_slice(name);
    bench.sums.push(b'\n');
    let report = run(&bench.options());
    assert_eq!((report.exit_code, count(&report, Code::OddName)), (0, 1));
    assert_eq!(report.counts.len(), 1);
}

#[test]
fn a_member_whose_name_leads_out_stays_with_its_shard() {
    let mut bench = Bench::new();
    let mut shard = tar(&[("x", A), ("PLACE", B)]);
    // The name of the second member, with its check sum made anew.
    let at = 1024;
    shard[at..at + 7].copy_from_slice(b"../evil");
    shard[at + 148..at + 156].copy_from_slice(b"        ");
    let sum: u32 = shard[at..at + 512].iter().map(|&b| u32::from(b)).sum();
    shard[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bench.put("s.tar", &shard).claim("s.tar/x", A);
    let report = run(&bench.options());
    assert_eq!(report.exit_code, 1);
    assert_eq!(told(&report), ["undisclosed s.tar ../evil", "unsafe-name s.tar ../evil"]);
}

#[test]
fn a_claim_on_a_folder_is_missing_and_a_file_in_place_of_a_folder_is_undisclosed() {
    let mut bench = Bench::new();
    bench.claim("dir", A).both("dir/x", B);
    assert_eq!(bench.told(), ["missing dir"]);
    let mut bench = Bench::new();
    bench.claim("dir/x", A).put("dir", b"no folder");
    assert_eq!(bench.told(), ["missing dir x", "undisclosed dir"]);
}

// ---- Claims over several manifests

#[test]
fn weak_and_strong_claims_hold_together_and_fail_apart() {
    let mut bench = Bench::new();
    bench.put("a", A).claim("a", A);
    let mut options = bench.options();
    bench.also(&mut options, "MD5SUMS", &format!("{}  a\n", md5(A)));
    let report = run(&options);
    assert_eq!((report.exit_code, report.coverage.balance.claims_of(ClaimClass::Ok)), (0, 2));
    for weak in [md5(B), md5(B).to_uppercase()] {
        bench.also(&mut options, "MD5SUMS", &format!("{weak}  a\n"));
        options.manifests.truncate(2);
        assert_eq!(told(&run(&options)), ["conflict a"]);
    }
    // Only the weak one holds, as for content that was made to have its MD5.
    bench.sums.clear();
    bench.claim("a", B);
    let mut options = bench.options();
    bench.also(&mut options, "MD5SUMS", &format!("{}  a\n", md5(A)));
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (vec!["conflict a".to_string()], 1));
}

#[test]
fn sizes_count_against_digests() {
    let mut bench = Bench::new();
    bench.both("a", A);
    let mut options = bench.options();
    let hashdeep =
        |size: usize, digest: &str| format!("%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n{size},{digest},a\n");
    bench.also(&mut options, "deep", &hashdeep(A.len(), &md5(A)));
    assert_eq!(run(&options).exit_code, 0);
    bench.also(&mut options, "deep", &hashdeep(A.len() + 1, &md5(A)));
    options.manifests.truncate(2);
    assert_eq!(told(&run(&options)), ["conflict a"]);
}

#[test]
fn what_is_required_is_required_of_each_claim() {
    let mut bench = Bench::new();
    bench.put("a", A).line(&format!("{}  a", md5(A)));
    let mut options = bench.options();
    options.require = Some(Algorithm::Sha256);
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (vec!["unverifiable a".to_string()], 3));
    // A wrong weak claim is not believed either, and a strong one beside it is.
    bench.also(&mut options, "SHA256SUMS", &format!("{}  a\n", sha256(A)));
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (vec!["unverifiable a".to_string()], 3));
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), 1);
}

#[test]
fn one_copy_cannot_stand_for_two_missing_files_by_two_digests() {
    let mut bench = Bench::new();
    bench.claim("gone1", A).put("here", A);
    let mut options = bench.options();
    bench.also(&mut options, "MD5SUMS", &format!("{}  gone2\n", md5(A)));
    let report = run(&options);
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Moved), 1, "{:?}", told(&report));
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Missing), 1);
    assert_eq!(told(&report).len(), 2);
}

#[test]
fn a_sample_that_was_found_in_a_moved_shard_is_told_by_its_name() {
    let mut bench = Bench::new();
    let shard = tar(&[("a", A)]);
    bench.claim("old.tar", &shard).claim("lost/a", A).put("new.tar", &shard);
    let report = run(&bench.options());
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Moved), 2);
    assert_eq!(told(&report), ["moved new.tar", "moved new.tar a"]);
}

#[test]
fn a_claim_that_contradicts_what_was_found_does_not_use_it_up() {
    let mut bench = Bench::new();
    bench.put("here", A);
    let deep = format!(
        "%%%% HASHDEEP-1.0\n%%%% size,sha256,filename\n99,{0},gone1\n{1},{0},gone2\n",
        sha256(A),
        A.len()
    );
    fs::write(bench.path("SUMS"), deep).unwrap();
    let report = run(&verifying(&bench.path("d"), &bench.path("SUMS")));
    assert_eq!(told(&report), ["missing gone1", "moved here"]);
}

// ---- Samples

#[test]
fn claims_in_containers_that_may_not_be_opened_cannot_be_told() {
    let mut bench = Bench::new();
    bench.put("s.tar", &tar(&[("a", A), ("b", B)])).claim("s.tar/a", A).claim("s.tar/b", B);
    let mut options = bench.options();
    options.samples = Samples::Never;
    let report = run(&options);
    assert_eq!(
        (told(&report), report.exit_code),
        (vec!["unverified s.tar a".into(), "unverified s.tar b".into()], 3)
    );
}

#[test]
fn claims_in_containers_of_a_format_that_is_not_opened_cannot_be_told() {
    let mut bench = Bench::new();
    bench.put("s.7z", b"7z\xbc\xaf\x27\x1c and what it has").claim("s.7z/a", A);
    let report = run(&bench.options());
    assert_eq!(told(&report), ["opaque s.7z", "unverified s.7z a"]);
    assert_eq!(report.exit_code, 3);
}

#[test]
fn claims_in_missing_altered_and_empty_containers() {
    let mut bench = Bench::new();
    bench.claim("gone.tar", &tar(&[("a", A)])).claim("gone.tar/a", A);
    assert_eq!(bench.told(), ["missing gone.tar", "missing gone.tar/a"]);

    let mut bench = Bench::new();
    bench.claim("s.tar", &tar(&[("a", A)])).claim("s.tar/a", A).put("s.tar", &tar(&[("a", B)]));
    assert_eq!(bench.told(), ["altered s.tar", "altered s.tar a"]);

    let mut bench = Bench::new();
    bench.claim("e.tar/a", A).put("e.tar", b"").claim("z.tar/a", A).put("z.tar", &[0; 1024]);
    let report = run(&bench.options());
    assert_eq!(report.exit_code, 1);
    assert!(told(&report).iter().any(|t| t == "missing z.tar a"), "{:?}", told(&report));
}

#[test]
fn a_claim_on_a_hidden_member_is_not_met_by_it() {
    let mut bench = Bench::new();
    let mut shard = tar(&[("a", A)]);
    shard.extend_from_slice(&tar(&[("late", B)]));
    bench.put("s.tar", &shard).claim("s.tar/a", A).claim("s.tar/late", B);
    let report = run(&bench.options());
    assert_eq!(told(&report), ["missing s.tar late", "undisclosed s.tar"]);
    // The claim on the whole file covers its bytes; the sample is still in no reader's sight.
    bench.claim("s.tar", &shard);
    assert_eq!(bench.told(), ["missing s.tar late"]);
}

#[test]
fn a_missing_sample_that_lies_as_a_file_beside_its_shard_is_moved() {
    let mut bench = Bench::new();
    bench.both("x", b"x").put("s.tar", &tar(&[("a", A)])).put("b", B);
    let mut options = bench.options();
    bench.also(&mut options, "MD5SUMS", &format!("{}  s.tar/a\n{}  s.tar/b\n", md5(A), md5(B)));
    assert_eq!(told(&run(&options)), ["moved b"]);
}

#[test]
fn patterns_narrow_samples_as_they_narrow_claims() {
    let mut bench = Bench::new();
    bench.put("s.tar", &tar(&[("a.jpg", A), ("a.txt", B)])).claim("s.tar/a.jpg", A).claim("s.tar/a.txt", B);
    let mut options = bench.options();
    options.exclude = Some(globs(&["*.txt"]));
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0), "--exclude");
    options.exclude = None;
    // Patterns choose files; a sample goes with its shard. No file matches here, and nothing checked is no success.
    options.include = Some(globs(&["*.jpg"]));
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 3), "--include");
    options.include = Some(globs(&["*.tar"]));
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0), "--include");
}

#[test]
fn a_shard_that_was_only_compressed_is_moved() {
    let mut bench = Bench::new();
    let shard = tar(&[("a", A)]);
    bench.claim("old.tar", &shard).put("old.tar.gz", &gzip(&shard));
    assert_eq!(bench.told(), ["moved old.tar.gz"]);
}

#[test]
fn an_altered_sample_in_a_damaged_container_is_still_told() {
    let mut bench = Bench::new();
    let mut shard = tar(&[("a", B), ("b", &[1; 3000])]);
    shard.truncate(3000);
    bench.put("s.tar.gz", &gzip(&shard)).claim("s.tar.gz/a", A).claim("s.tar.gz/b", &[1; 3000]);
    let report = run(&bench.options());
    assert!(told(&report).contains(&"altered s.tar.gz a".to_string()));
    assert_eq!((report.exit_code, report.coverage.balance.claims_of(ClaimClass::Altered)), (1, 1));
}

// ---- Links

#[test]
fn links_inside_are_items_of_their_own() {
    let mut bench = Bench::new();
    bench.both("a", A).claim("link", A);
    symlink("a", bench.path("d/link")).unwrap();
    assert_eq!(bench.told(), Vec::<String>::new());
    bench.put("x/b", B).claim("x/b", B);
    symlink("x", bench.path("d/y")).unwrap();
    assert_eq!(bench.told(), ["undisclosed y/b"]);
    symlink("../x", bench.path("d/x/loop")).unwrap();
    let report = run(&bench.options());
    assert!(told(&report).contains(&"unfollowed-link x/loop".to_string()), "{:?}", told(&report));
}

#[test]
fn which_links_are_followed_does_not_depend_on_the_order_of_listing() {
    let mut bench = Bench::new();
    bench.both("real/a", A);
    for n in 0..20 {
        symlink("real", bench.path(&format!("d/link{n:02}"))).unwrap();
    }
    let mut answers: Vec<Vec<String>> = (1..6)
        .map(|seed| {
            let mut options = bench.options();
            options.shuffle = Some(seed);
            told(&run(&options))
        })
        .collect();
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[test]
fn a_link_out_of_the_dataset_is_a_gap_wherever_it_is_claimed() {
    let mut bench = Bench::new();
    fs::write(bench.path("outside"), A).unwrap();
    symlink(bench.path("outside"), bench.path("d/a")).unwrap();
    bench.claim("a", A).both("b", B);
    let mut options = bench.options();
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (vec!["unfollowed-link a".to_string()], 3));
    options.subset = true;
    assert_eq!(run(&options).exit_code, 3);
    options.follow_links = true;
    assert_eq!(run(&options).exit_code, 0);
}

#[test]
fn a_dangling_annex_link_is_a_pointer() {
    let mut bench = Bench::new();
    bench.claim("a", A).both("b", B);
    let key = format!(".git/annex/objects/zX/1F/SHA256E-s8--{0}/SHA256E-s8--{0}", sha256(A));
    symlink(key, bench.path("d/a")).unwrap();
    let report = run(&bench.options());
    assert_eq!((told(&report), report.exit_code), (vec!["pointer a".to_string()], 1));
}

// ---- Nothing hangs

#[test]
fn a_pipe_as_dataset_is_refused_and_not_waited_for() {
    let mut bench = Bench::new();
    bench.claim("p", A);
    let pipe = bench.path("p");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut options = bench.options();
    options.roots = vec![pipe.clone()];
    let release = || drop(fs::OpenOptions::new().write(true).open(&pipe));
    assert!(ends(options, release), "it waits for a writer");
}

#[test]
fn a_pipe_in_place_of_a_branch_is_not_waited_for() {
    let mut bench = Bench::new();
    bench.put(&format!("blobs/{}", git_blob(A)), A).put("refs/other", COMMIT.as_bytes());
    fs::create_dir_all(bench.path(&format!("d/snapshots/{COMMIT}"))).unwrap();
    symlink(format!("../../blobs/{}", git_blob(A)), bench.path(&format!("d/snapshots/{COMMIT}/a"))).unwrap();
    let pipe = bench.path("d/refs/main");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let release = || drop(fs::OpenOptions::new().write(true).open(&pipe));
    assert!(ends(bench.discovering(), release), "it waits for a writer");
}

// ---- Files that change under the run

#[test]
fn what_vanishes_or_changes_while_it_is_read_is_no_success() {
    let mut bench = Bench::new();
    bench.both("a", A).both("b", B).both("c", b"c").both("s.tar", &tar(&[("x", A)]));
    let options = bench.options();
    let at = |p: &str| bench.path("d").join(p);
    let report = run_while(&options, "reading", || {
        fs::remove_file(at("a")).unwrap();
        fs::write(at("b"), b"SAMPLE B").unwrap();
        fs::remove_file(at("c")).unwrap();
        symlink("b", at("c")).unwrap();
    });
    assert_eq!(told(&report), ["changed-while-reading b", "unreadable a", "unreadable c"]);
    assert_eq!((report.exit_code, report.coverage.balance.claims_of(ClaimClass::Ok)), (3, 1));

    let mut bench = Bench::new();
    bench.both("a", A).both("b", B);
    let at = |p: &str| bench.path("d").join(p);
    let report = run_while(&bench.options(), "reading", || {
        fs::remove_file(at("a")).unwrap();
        fs::create_dir(at("a")).unwrap();
        fs::remove_file(at("b")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("b")).status().unwrap().success());
    });
    assert_eq!((told(&report), report.exit_code), (vec!["unreadable a".into(), "unreadable b".into()], 3));
}

#[test]
fn known_bad_content_is_told_though_its_file_was_touched_meanwhile() {
    let bad: &[u8] = b"harmless bytes that play the part";
    let mut bench = Bench::new();
    bench.put("x", bad);
    let mut options = AuditOptions::new(Mode::Flag, vec![bench.path("d")]);
    bench.listed(&mut options, &[sha256(bad)]);
    let report = run_while(&options, "reading", || {
        fs::hard_link(bench.path("d/x"), bench.path("backup")).unwrap();
    });
    assert_eq!(count(&report, Code::KnownBad), 1, "told: {:?}", told(&report));
}

// ---- Pointers

#[test]
fn a_pointer_in_every_role() {
    let data = vec![5u8; 3000];
    let pointer = pointer_to(&data);
    let mut bench = Bench::new();
    bench.put("data", &pointer).claim("data", &data);
    assert_eq!(bench.told(), ["pointer data"]);
    // Claimed as what it is.
    let mut bench = Bench::new();
    bench.both("p", &pointer);
    assert_eq!(run(&bench.options()).exit_code, 0);
    // Nothing claims it.
    let mut bench = Bench::new();
    bench.both("a", A).put("p", &pointer);
    assert_eq!(bench.told(), ["undisclosed p"]);
    // It speaks for itself where nothing is named.
    let report = run(&bench.discovering());
    assert_eq!((told(&report), report.exit_code), (vec!["pointer p".to_string()], 1));
}

#[test]
fn a_pointer_in_place_of_a_sample() {
    let data = vec![5u8; 3000];
    let mut bench = Bench::new();
    bench.put("s.tar", &tar(&[("p", &pointer_to(&data))])).claim("s.tar/p", &data);
    assert_eq!(bench.told(), ["pointer s.tar p"]);
}

#[test]
fn a_pointer_in_place_of_a_container_with_claims_inside() {
    let shard = tar(&[("a", A)]);
    let mut bench = Bench::new();
    bench.put("s.tar", &pointer_to(&shard)).claim("s.tar", &shard).claim("s.tar/a", A);
    let report = run(&bench.options());
    assert!(told(&report).contains(&"pointer s.tar".to_string()));
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Pointer), 1);
    assert_eq!(report.exit_code, 1);
}

#[test]
fn a_pointer_whose_own_text_is_published_is_no_conflict() {
    let mut bench = Bench::new();
    let pointer = pointer_to(&[5; 3000]);
    bench.put("p", &pointer).put("SHA256SUMS", format!("{}  p\n", sha256(&pointer)).as_bytes());
    let report = run(&bench.discovering());
    assert_eq!(count(&report, Code::Conflict), 0, "{:?}", details(&report));
}

// ---- Hash lists

#[test]
fn a_known_bad_item_shows_no_digest_of_any_algorithm() {
    let bad: &[u8] = b"harmless bytes that play the part";
    let mut bench = Bench::new();
    bench.put("altered", bad).line(&format!("{}  altered", md5(A)));
    bench.put("s.tar", &tar(&[("m", bad), ("n", A)])).line(&format!("{}  s.tar/m", md5(A)));
    bench.line(&format!("{}  s.tar/n", md5(A)));
    let mut options = bench.options();
    options.mode = Mode::Audit;
    bench.listed(&mut options, &[sha256(bad)]);
    let report = run(&options);
    assert_eq!(count(&report, Code::KnownBad), 2);
    for finding in report.findings() {
        let finding = finding.unwrap();
        let digests: Vec<String> = finding.found.iter().map(|d| d.to_string()).collect();
        assert_eq!(digests, Vec::<String>::new(), "{} {}", finding.code, finding.locator.unwrap());
    }
}

#[test]
fn a_hash_list_inside_the_dataset_is_looked_up_like_any_file() {
    let mut bench = Bench::new();
    bench.both("a", A);
    fs::write(bench.path("d/bad.txt"), format!("{}\n", sha256(B))).unwrap();
    let mut options = bench.options();
    options.mode = Mode::Audit;
    options.hash_lists = vec![SourceSpec { format: None, path: bench.path("d/bad.txt") }];
    let report = run(&options);
    // Two files, and the one line of the list.
    assert_eq!(report.coverage.looked_up, 3);
    let digest = sha256(B);
    assert!(details(&report).iter().all(|d| !d.contains(&digest)));
}

#[test]
fn a_list_with_lines_that_are_no_entries_is_no_clean_answer() {
    let mut bench = Bench::new();
    bench.put("a", A);
    let mut options = AuditOptions::new(Mode::Flag, vec![bench.path("d")]);
    // The second line lost its last digit.
    bench.listed(&mut options, &[sha256(B), sha256(A)[..63].to_string()]);
    if let Ok(report) = try_run(&options) {
        assert_ne!(report.exit_code, 0, "{:?}", report.sources.last().map(|s| s.rejected));
    }
}

#[test]
fn a_list_that_a_stream_cannot_be_compared_with_says_so() {
    let bad: &[u8] = b"harmless bytes that play the part";
    let mut bench = Bench::new();
    bench.put("x.gz", &gzip(bad));
    let mut options = AuditOptions::new(Mode::Flag, vec![bench.path("d")]);
    bench.listed(&mut options, &[git_blob(bad)]);
    options.hash_lists[0].format = Some("git-blob".to_string());
    if let Ok(report) = try_run(&options) {
        assert_ne!(report.exit_code, 0, "its stream has no digest of the list's kind");
    }
}

#[test]
fn unclaimed_known_bad_content_beside_claims_by_weak_digests() {
    let bad: &[u8] = b"harmless bytes that play the part";
    let mut bench = Bench::new();
    bench.put("a", bad).line(&format!("{}  a", md5(bad)));
    let mut options = bench.options();
    options.mode = Mode::Audit;
    bench.listed(&mut options, &[sha256(bad)]);
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (vec!["known-bad a".to_string()], 1));
    assert_eq!(report.coverage.balance.items_of(ItemClass::Ok), 1);
}

// ---- Options

#[test]
fn what_is_excluded_is_not_missed_even_where_it_cannot_be_read() {
    let mut bench = Bench::new();
    bench.both("a", A);
    let deep = vec!["n"; 520].join("/");
    fs::create_dir_all(bench.path("d").join(&deep)).unwrap();
    let mut options = bench.options();
    assert_eq!(run(&options).exit_code, 3);
    options.exclude = Some(globs(&["n"]));
    let report = run(&options);
    assert_eq!((count(&report, Code::Unreadable), report.exit_code), (0, 0));
}

#[test]
fn a_scope_by_pattern_and_a_subset() {
    let mut bench = Bench::new();
    bench.both("x/a", A).put("x/more", B).put("y/more", B).claim("x/gone", b"g");
    let mut options = bench.options();
    options.scope = Some(ScopeOption::Glob(globs(&["x/**"])));
    assert_eq!(told(&run(&options)), ["missing x/gone", "undisclosed x/more"]);
    options.subset = true;
    assert_eq!(told(&run(&options)), ["undisclosed x/more"]);
    options.scope = Some(ScopeOption::None);
    assert_eq!(run(&options).exit_code, 0);
    options.include = Some(globs(&["y"]));
    assert_eq!(run(&options).exit_code, 3, "nothing was checked");
}

#[test]
fn a_base_strips_and_refuses() {
    let mut bench = Bench::new();
    bench.put("a", A).claim("d/a", A).claim("dd/b", B).claim("d", B);
    let mut options = bench.options();
    options.base = Some(bench.path(""));
    assert_eq!(told(&run(&options)), ["unverified d", "unverified dd/b"]);
    options.base = Some(PathBuf::from("/nonexistent"));
    assert!(try_run(&options).is_err());
}

#[test]
fn a_dataset_that_is_one_file_has_a_base_too() {
    let mut bench = Bench::new();
    let shard = tar(&[("x", A)]);
    bench.put("s.tar", &shard).claim("s.tar", &shard).claim("s.tar/x", A);
    let mut options = bench.options();
    options.roots = vec![bench.path("d/s.tar")];
    assert_eq!((told(&run(&options)), run(&options).exit_code), (Vec::new(), 0));
    options.base = Some(bench.path("d"));
    assert_eq!((told(&run(&options)), run(&options).exit_code), (Vec::new(), 0));
}

#[test]
fn a_tree_that_is_named_speaks_of_the_folder_its_format_defines() {
    let mut bench = Bench::new();
    bench.put("a", A).tree(".cache/huggingface/trees", COMMIT, &[("a", A)]);
    let mut options = bench.options();
    options.manifests[0].path = bench.path(&format!("d/.cache/huggingface/trees/{COMMIT}.json"));
    let report = run(&options);
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
}

// ---- Hugging Face

#[test]
fn a_local_dir_complete_and_broken() {
    let mut bench = Bench::new();
    bench.put("d/a", A).put("b", B).record("d/a", COMMIT, &git_blob(A)).record("b", COMMIT, &git_blob(B));
    bench.tree(".cache/huggingface/trees", COMMIT, &[("d/a", A), ("b", B)]);
    let report = run(&bench.discovering());
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    bench.put("b", A).put("more", A);
    assert_eq!(told(&run(&bench.discovering())), ["altered b", "undisclosed more"]);
    fs::remove_file(bench.path("d/d/a")).unwrap();
    fs::remove_file(bench.path("d/more")).unwrap();
    assert_eq!(told(&run(&bench.discovering())), ["altered b", "missing d/a"]);
}

#[test]
fn an_interrupted_download_is_missing_and_says_so() {
    let left =
        |etag: &str| format!(".cache/huggingface/download/s6T6AoPTKInBOAC7UnHxaJif5Us=.{etag}.incomplete");
    let mut bench = Bench::new();
    bench.put("b", B).record("b", COMMIT, &git_blob(B)).put(&left(&git_blob(A)), &A[..3]);
    bench.tree(".cache/huggingface/trees", COMMIT, &[("a.bin", A), ("b", B)]);
    let report = run(&bench.discovering());
    assert_eq!(told(&report), ["missing a.bin"]);
    assert!(details(&report)[0].contains("interrupted"));
}

#[test]
fn an_interrupted_first_download_is_missing_without_a_tree_too() {
    let mut bench = Bench::new();
    let left = format!(".cache/huggingface/download/s6T6AoPTKInBOAC7UnHxaJif5Us=.{}.incomplete", git_blob(A));
    bench.put("b", B).record("b", COMMIT, &git_blob(B)).put(&left, &A[..3]);
    let report = run(&bench.discovering());
    assert_eq!(report.exit_code, 1);
    assert_eq!(told(&report), [format!("missing {left}")]);
    assert!(details(&report)[0].contains("interrupted"));
}

#[test]
fn an_interrupted_update_of_a_file_is_no_contradiction() {
    let mut bench = Bench::new();
    let left = format!(".cache/huggingface/download/s6T6AoPTKInBOAC7UnHxaJif5Us=.{}.incomplete", git_blob(B));
    bench.put("a.bin", A).record("a.bin", COMMIT, &git_blob(A)).put(&left, &B[..3]);
    let report = run(&bench.discovering());
    assert_eq!(count(&report, Code::Conflict), 0, "{:?}", details(&report));
    assert_eq!(report.exit_code, 1);
}

#[test]
fn mixed_commits_are_compared_each_with_its_own() {
    let mut bench = Bench::new();
    bench.put("a", A).put("b", B).put("c", b"c");
    bench.record("a", COMMIT, &git_blob(A)).record("b", COMMIT, &git_blob(B)).record(
        "c",
        OTHER,
        &git_blob(b"c"),
    );
    bench.tree(".cache/huggingface/trees", COMMIT, &[("a", A), ("b", B), ("c", b"older c")]);
    let report = run(&bench.discovering());
    assert_eq!(report.exit_code, 1, "{:?}", told(&report));
    let mut options = bench.discovering();
    options.revision = Some("3333333333333333333333333333333333333333".to_string());
    assert!(try_run(&options).is_err());
}

#[test]
fn a_cache_complete_and_with_an_altered_blob() {
    let mut bench = Bench::new();
    for content in [A, B] {
        bench.put(&format!("blobs/{}", git_blob(content)), content);
    }
    let at = bench.path(&format!("d/snapshots/{COMMIT}"));
    fs::create_dir_all(&at).unwrap();
    for (name, content) in [("a", A), ("b", B)] {
        symlink(format!("../../blobs/{}", git_blob(content)), at.join(name)).unwrap();
    }
    bench.put("refs/main", COMMIT.as_bytes()).tree("trees", COMMIT, &[("a", A), ("b", B)]);
    for root in [bench.path("d"), at.clone()] {
        let report = run(&AuditOptions::new(Mode::Verify, vec![root]));
        assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    }
    bench.put(&format!("blobs/{}", git_blob(B)), b"other");
    assert_eq!(told(&run(&bench.discovering())), [format!("altered snapshots/{COMMIT}/b")]);
    fs::write(at.join("more"), b"m").unwrap();
    let report = run(&AuditOptions::new(Mode::Verify, vec![at.clone()]));
    assert_eq!(told(&report), ["altered b", "undisclosed more"]);
    fs::remove_file(bench.path(&format!("d/blobs/{}", git_blob(A)))).unwrap();
    let report = run(&AuditOptions::new(Mode::Verify, vec![at]));
    assert_ne!(report.coverage.balance.claims_of(ClaimClass::Ok), 1, "{:?}", told(&report));
}

#[test]
fn folders_that_only_share_names_with_a_cache_are_no_cache() {
    let mut bench = Bench::new();
    bench.put("blobs/x", A).put("snapshots/y", B);
    let sums = format!("{}  blobs/x\n{}  snapshots/y\n", sha256(A), sha256(B));
    bench.put("SHA256SUMS", sums.as_bytes());
    let report = run(&bench.discovering());
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
}

// ---- Manifests that lie in the dataset

#[test]
fn a_manifest_in_the_dataset_that_another_one_claims() {
    let mut bench = Bench::new();
    let inner = format!("{}  a\n", sha256(A));
    bench.put("x/a", A).put("x/SHA256SUMS", inner.as_bytes());
    bench.put(
        "SHA256SUMS",
        format!("{}  x/a\n{}  x/SHA256SUMS\n", sha256(A), sha256(inner.as_bytes())).as_bytes(),
    );
    let report = run(&bench.discovering());
    assert_eq!((told(&report), report.exit_code), (Vec::new(), 0));
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), 3);
    bench.put("x/SHA256SUMS", format!("{inner}# changed\n").as_bytes());
    assert_eq!(told(&run(&bench.discovering())), ["altered x/SHA256SUMS"]);
}

#[test]
fn garbage_that_is_called_a_manifest_is_a_gap_and_undisclosed() {
    let mut bench = Bench::new();
    bench.put("a", A).put("SHA256SUMS", format!("{}  a\n", sha256(A)).as_bytes());
    bench.put("b.md5", b"\x00\xff garbage\nmore garbage\n");
    let report = run(&bench.discovering());
    assert_eq!(told(&report), ["bad-claim b.md5", "undisclosed b.md5"]);
    assert_eq!(report.exit_code, 1);
}

#[test]
fn a_manifest_that_claims_itself_is_believed_by_its_content() {
    let mut bench = Bench::new();
    bench.put("a", A);
    bench.put("SHA256SUMS", format!("{}  a\n{}  SHA256SUMS\n", sha256(A), sha256(b"")).as_bytes());
    assert_eq!(told(&run(&bench.discovering())), ["altered SHA256SUMS"]);
}

// ---- Little memory

#[test]
fn a_hundred_thousand_claims_in_little_memory() {
    let mut bench = Bench::new();
    bench.both("a", A);
    for n in 0..100_000 {
        bench.line(&format!("{:064x}  folder-{:03}/file-{n:06}.jpg", n, n % 1000));
    }
    let mut options = bench.options();
    options.memory = 1 << 20;
    let report = run(&options);
    assert_eq!(count(&report, Code::Missing), 100_000);
    assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), 1);
    assert!(report.coverage.spilled > 0);
}

#[test]
fn little_memory_does_not_take_a_file_handle_for_every_few_records() {
    let mut bench = Bench::new();
    bench.both("a", A);
    for n in 0..100_000 {
        bench.line(&format!("{:064x}  folder-{:03}/file-{n:06}.jpg", n, n % 1000));
    }
    let mut options = bench.options();
    options.memory = 1 << 20;
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    let report = run(&options);
    // What the report still holds are the runs of its findings alone.
    let held = open().saturating_sub(before);
    assert!(held < 64, "{held} files are open for {} findings", report.findings.len());
}

#[test]
fn one_place_with_very_many_claims() {
    let mut bench = Bench::new();
    bench.put("a", A);
    for n in 0..2000 {
        bench.line(&format!("{n:064x}  a"));
    }
    let report = run(&bench.options());
    assert_eq!(told(&report), ["conflict a"]);
    assert_eq!(report.coverage.balance.claims_in, 2000);
}

#[test]
fn many_sidecars_take_no_square_of_time() {
    let mut bench = Bench::new();
    for n in 0..4000 {
        let name = format!("f{n:05}");
        bench.put(&name, A).put(&format!("{name}.sha256"), format!("{}  {name}\n", sha256(A)).as_bytes());
    }
    let begun = std::time::Instant::now();
    let report = run(&bench.discovering());
    assert_eq!((told(&report).len(), report.exit_code), (0, 0));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
