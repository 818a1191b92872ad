//! The command line from outside: each file of `tests/cases` is one case, and carries what must come out.
//!
//! Whatever a case is about, every run is also held to what is promised of all runs: the JSON follows its schema and
//! is equal at any number of threads, the human report comes to the same verdict, what is secret stands in no output,
//! and nothing is written that the case does not name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;
use serde_json::Value;
use sha2::Digest as _;

/// A case as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows.
    about: String,
    /// Files to write. `${sha256 TEXT}` in a text is replaced by the digest of TEXT.
    files: BTreeMap<String, Content>,
    /// Symbolic links and where they lead.
    #[serde(default)]
    links: BTreeMap<String, String>,
    /// The words after `shardproof`.
    args: Vec<String>,
    /// Variables of the environment.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// The exit code.
    exit: i32,
    /// The verdict; none where there is no report.
    verdict: Option<String>,
    /// All findings, by code.
    #[serde(default)]
    counts: BTreeMap<String, u64>,
    /// All findings as `code shard` or `code shard ▸ member`, in the report's order, where the case says.
    findings: Option<Vec<String>>,
    /// Values in the report by their JSON pointer.
    #[serde(default)]
    values: BTreeMap<String, toml::Value>,
    /// Parts of the human report.
    #[serde(default)]
    human: Vec<String>,
    /// Parts of standard error.
    #[serde(default)]
    stderr: Vec<String>,
    /// Texts that stand in no output at all.
    #[serde(default)]
    secret: Vec<String>,
    /// Files that the run writes, and who may read them.
    #[serde(default)]
    written: BTreeMap<String, Readers>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Readers {
    /// The owner alone.
    Owner,
    /// Whoever may read files that other programs write here.
    Usual,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Hex {
        hex: String,
    },
    /// Members of a tar archive: name and text.
    Tar {
        tar: Vec<(String, String)>,
    },
}

#[test]
fn every_case_comes_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20, "the cases were not found");
    let mut failures = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let case: Case =
            toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let failed = failures_of(&case);
        if !failed.is_empty() {
            failures.push(format!("{name} ({}):\n  {}", case.about, failed.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{} cases fail\n{}", failures.len(), failures.join("\n"));
}

/// What does not come out as the case says.
fn failures_of(case: &Case) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    write_files(case, home.path());
    let before = tree(home.path());
    let json = shardproof(case, home.path(), &["--format", "json", "--threads", "1"]);
    let mut failed = Failures(Vec::new());
    failed.unequal("exit code", json.status.code(), Some(case.exit));
    let stderr = String::from_utf8_lossy(&json.stderr).into_owned();
    for part in &case.stderr {
        failed.unless(stderr.contains(part.as_str()), || format!("stderr lacks {part:?}: {stderr}"));
    }
    let human = shardproof(case, home.path(), &[]);
    failed.unequal("exit code with the human report", human.status.code(), Some(case.exit));
    let page = String::from_utf8_lossy(&human.stdout).into_owned();
    for part in &case.human {
        failed.unless(page.contains(part.as_str()), || format!("the human report lacks {part:?}:\n{page}"));
    }
    match &case.verdict {
        None => failed.unless(json.stdout.is_empty(), || "a report was written".to_string()),
        Some(verdict) => match validated(&json.stdout) {
            Err(why) => failed.0.push(format!("{why}; stderr: {stderr}")),
            Ok(report) => {
                failed.unequal("verdict", report["verdict"].as_str(), Some(verdict.as_str()));
                let word = match (report["options"]["command"].as_str(), verdict.as_str()) {
                    (Some("diff"), "valid") => "SAME".to_string(),
                    (Some("diff"), "invalid") => "DIFFERENT".to_string(),
                    (Some("index"), "valid") => "INDEXED".to_string(),
                    _ => verdict.to_uppercase(),
                };
                let said = page.contains(&format!("{word}: "));
                failed.unless(said, || format!("the human report says otherwise:\n{page}"));
                check_report(case, &report, &mut failed);
                let threads = shardproof(case, home.path(), &["--format", "json", "--threads", "4"]);
                let equal = without_run(&threads.stdout) == without_run(&json.stdout);
                failed.unless(equal, || "the report differs with four threads".to_string());
            }
        },
    }
    check_files(case, home.path(), &before, &mut failed);
    let reports = case.written.keys().map(|path| fs::read(home.path().join(path)).unwrap_or_default());
    let mut outputs = vec![json.stdout, json.stderr, human.stdout, human.stderr];
    outputs.extend(reports);
    for secret in case.secret.iter().map(|text| expanded(text)) {
        let leaked = outputs.iter().any(|out| String::from_utf8_lossy(out).contains(&secret));
        failed.unless(!leaked, || "a secret stands in an output".to_string());
    }
    failed.0
}

fn check_report(case: &Case, report: &Value, failed: &mut Failures) {
    let counts: BTreeMap<String, u64> = serde_json::from_value(report["counts"].clone()).unwrap();
    failed.unequal("counts", &counts, &case.counts);
    failed.unequal("accounts", &report["coverage"]["accounts"], &Value::Array(Vec::new()));
    let findings = report["findings"].as_array().unwrap();
    failed.unequal("number of findings", findings.len() as u64, counts.values().sum());
    if let Some(expected) = &case.findings {
        let told: Vec<String> = findings.iter().map(told).collect();
        failed.unequal("findings", &told, expected);
    }
    for (pointer, expected) in &case.values {
        let expected = serde_json::to_value(expected).unwrap();
        failed.unequal(pointer, report.pointer(pointer), Some(&expected));
    }
}

/// `code shard ▸ member`.
fn told(finding: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let mut told = text(&finding["code"]);
    if let Some(locator) = finding["locator"].as_object() {
        told.push_str(&format!(" {}", text(&locator["shard"])));
        if !locator["member"].is_null() {
            told.push_str(&format!(" ▸ {}", text(&locator["member"])));
        }
    }
    told
}

/// Whatever the case does not name is as it was; what it names has been written with this mode.
fn check_files(case: &Case, home: &Path, before: &BTreeMap<PathBuf, Vec<u8>>, failed: &mut Failures) {
    let mut after = tree(home);
    let mode = |path: &Path| fs::metadata(path).map(|m| m.permissions().mode() & 0o777).ok();
    let usual_mode = before.keys().find(|path| !path.is_symlink()).and_then(|path| mode(path));
    for (path, readers) in &case.written {
        let path = home.join(path);
        failed.unless(after.remove(&path).is_some(), || format!("{} was not written", path.display()));
        let expected = match readers {
            Readers::Owner => Some(0o600),
            Readers::Usual => usual_mode,
        };
        failed.unequal("mode", mode(&path), expected);
        if path.extension().is_some_and(|e| e == "json")
            && let Err(why) = fs::read(&path).map_err(|e| e.to_string()).and_then(|text| validated(&text))
        {
            failed.0.push(why);
        }
    }
    failed.unless(after == *before, || "files were changed or added".to_string());
}

fn shardproof(case: &Case, home: &Path, extra: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shardproof"))
        .args(&case.args)
        .args(extra)
        .current_dir(home)
        .env_remove("RUST_BACKTRACE")
        .envs(&case.environment)
        .output()
        .unwrap()
}

/// The report, where it is one that follows the schema; else why not.
fn validated(text: &[u8]) -> Result<Value, String> {
    let report: Value = serde_json::from_slice(text)
        .map_err(|error| format!("no JSON: {error}: {}", String::from_utf8_lossy(text)))?;
    let schema: Value = serde_json::from_str(shardproof::report::SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    if errors.is_empty() { Ok(report) } else { Err(format!("the schema is broken: {}", errors.join("; "))) }
}

/// The report's text without what may differ between two runs.
fn without_run(report: &[u8]) -> String {
    let text = String::from_utf8_lossy(report);
    text.lines().filter(|line| !line.starts_with("  \"run\": ")).collect::<Vec<_>>().join("\n")
}

fn write_files(case: &Case, home: &Path) {
    for (path, content) in &case.files {
        let path = home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = match content {
            Content::Text(text) => expanded(text).into_bytes(),
            Content::Hex { hex } => hex::decode(hex).unwrap(),
            Content::Tar { tar } => archive(tar),
        };
        fs::write(path, bytes).unwrap();
    }
    for (path, target) in &case.links {
        std::os::unix::fs::symlink(target, home.join(path)).unwrap();
    }
}

/// The text with each `${ALGORITHM TEXT}` replaced by the digest of TEXT.
fn expanded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inner, after) = after.split_once('}').expect("`${` is closed");
        let (algorithm, content) = inner.split_once(' ').unwrap_or((inner, ""));
        out.push_str(before);
        out.push_str(&match algorithm {
            "md5" => hex::encode(md5::Md5::digest(content)),
            "sha1" => hex::encode(sha1::Sha1::digest(content)),
            "sha256" => hex::encode(sha2::Sha256::digest(content)),
            "git_blob" => hex::encode(sha1::Sha1::digest(format!("blob {}\0{content}", content.len()))),
            other => panic!("no digest is called {other}"),
        });
        rest = after;
    }
    out + rest
}

fn archive(members: &[(String, String)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// All files and links below a folder.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                let content = fs::read(&path).unwrap_or_default();
                all.insert(path, content);
            }
        }
    }
    all
}

struct Failures(Vec<String>);

impl Failures {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }

    fn unequal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, is: T, should: T) {
        let equal = is == should;
        self.unless(equal, || format!("{what}: {is:?} instead of {should:?}"));
    }
}
