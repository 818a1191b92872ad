//! What comes out beside the human and the JSON report: other formats, read back as other programs would, and the list
//! of what must be fetched again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn shardproof(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shardproof")).args(args).current_dir(home).output().unwrap()
}

fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn put(home: &Path, path: &[u8], content: &[u8]) {
    let path = home.join(std::ffi::OsStr::from_bytes(path));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn tar(members: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A dataset whose names are as bad as a file system allows, and nothing in it as claimed.
fn hostile() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let names: [&[u8]; 7] = [
        b"a|b`<script>@team.txt",
        b"]]> & 'q' \"d\".txt",
        b"line\nbreak",
        b"\xff\xfe.bin",
        b"\x1b[31m\x01\x7f",
        "\u{202e}gpj.\u{fffe}\u{ffff}".as_bytes(),
        b"#hash [x](y) --.txt",
    ];
    for name in names {
        put(home.path(), &[b"data/", name].concat(), b"content");
    }
    put(home.path(), b"SUMS", format!("{}  gone.txt\n", sha256(b"gone")).as_bytes());
    home
}

#[test]
fn every_format_is_read_back_by_what_reads_such_formats() {
    let home = hostile();
    let run = |format: &str, threads: &str| {
        let args = ["verify", "data", "--manifest", "SUMS", "--format", format, "--threads", threads];
        let output = shardproof(home.path(), &args);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let json: Value = serde_json::from_slice(&run("json", "2")).unwrap();
    let findings = json["findings"].as_array().unwrap();
    assert!(findings.len() >= 8, "{findings:?}");

    let lines = String::from_utf8(run("jsonl", "2")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), findings.len() + 2);
    for (line, finding) in lines[1..].iter().zip(findings) {
        assert_eq!((&line["code"], &line["locator"]), (&finding["code"], &finding["locator"]));
    }
    assert_eq!(lines.last().unwrap()["findings"], findings.len());

    let table = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(run("parquet", "2"))).unwrap();
    let rows: usize = table.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, findings.len());

    let xml = String::from_utf8(run("junit", "1")).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
    assert_eq!(cases, findings.len() + 2);
    assert_eq!(run("junit", "4"), xml.as_bytes());

    let page = String::from_utf8(run("markdown", "1")).unwrap();
    assert!(page.starts_with("**INVALID**: "), "{page}");
    let tables = page.lines().filter(|line| line.starts_with("| <code>"));
    tables.for_each(|row| assert_eq!(row.matches('|').count(), 4, "{row}"));
    assert!(!page.contains("<script") && !page.contains("@team"), "{page}");
    assert_eq!(run("markdown", "4"), page.as_bytes());
}

#[test]
fn accepted_findings_are_marked_in_every_format() {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), b"data/a.txt", b"alphA");
    put(home.path(), b"SUMS", format!("{}  a.txt\n", sha256(b"alpha")).as_bytes());
    let accepted = format!(
        "[[accept]]\ncode = 'altered'\nshard = 'a.txt'\ndigest = 'sha256:{}'\nreason = 'seen & known'\n",
        sha256(b"alphA")
    );
    put(home.path(), b"accepted.toml", accepted.as_bytes());
    for (format, mark) in [
        ("human", "accepted: seen & known"),
        ("jsonl", r#""accepted":{"reason":"seen & known","expires":null}"#),
        ("markdown", "accepted&#58; seen &#38; known"),
        ("junit", r#"<skipped message="accepted: seen &amp; known"/>"#),
    ] {
        let args = ["verify", "data", "--manifest", "SUMS", "--accept", "accepted.toml", "--format", format];
        let output = shardproof(home.path(), &args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(mark) && text.to_lowercase().contains("invalid"), "{format}: {text}");
    }
    put(home.path(), b"data/a.txt", b"AlphA");
    let args = ["verify", "data", "--manifest", "SUMS", "--accept", "accepted.toml"];
    assert_eq!(shardproof(home.path(), &args).status.code(), Some(1));
}

fn failed(home: &Path, args: &[&str]) -> String {
    let output = shardproof(home, &[args, &["--failed-out", "failed.txt"]].concat());
    assert_ne!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(home.join("failed.txt")).unwrap()
}

#[test]
fn what_must_be_fetched_again_is_listed_once_by_file() {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), b"data/b.tar", &tar(&[("0.txt", "zero"), ("1.txt", "onE")]));
    put(home.path(), b"data/b.tar.txt", b"as claimed");
    put(home.path(), b"data/c\nd", b"x");
    put(home.path(), b"data/extra", b"nobody asked");
    let sums: String = [
        ("b.tar/0.txt", "zero"),
        ("b.tar/1.txt", "one"),
        ("b.tar/2.txt", "two"),
        ("b.tar.txt", "as claimed"),
        ("gone.txt", "gone"),
    ]
    .iter()
    .map(|(name, content)| format!("{}  {name}\n", sha256(content.as_bytes())))
    .collect();
    put(home.path(), b"SUMS", format!("{sums}\\{}  c\\nd\n", sha256(b"y")).as_bytes());
    let args = ["verify", "data", "--manifest", "SUMS"];
    assert_eq!(failed(home.path(), &args), "b.tar\n\\c\\nd\ngone.txt\n");

    // An index is no folder that anything could be fetched into.
    let tree =
        format!(r#"{{"format_version":1,"files":{{"gone":{{"size":4,"blob_id":"{}"}}}}}}"#, "0".repeat(40));
    put(home.path(), format!("{COMMIT}.json").as_bytes(), tree.as_bytes());
    let made = shardproof(home.path(), &["index", "data", "-o", "data.index"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let manifest = format!("hf-tree:{COMMIT}.json");
    let list = failed(home.path(), &["verify", "data", "--manifest", &manifest]);
    assert!(
        list.contains(&format!("--revision {COMMIT} --local-dir data --force-download --include gone\n")),
        "{list}"
    );
    assert_eq!(failed(home.path(), &["verify", "data.index", "--manifest", &manifest]), "gone\n");
}

#[test]
fn a_folder_that_hf_filled_is_told_with_its_commit() {
    let home = tempfile::tempdir().unwrap();
    for (name, content) in [("data/x[1].bin", &b"large"[..]), ("ok.bin", b"fine"), ("gone.bin", b"gone")] {
        let record = format!("{COMMIT}\n{}\n1700000000.5\n", sha256(content));
        put(
            home.path(),
            format!("my set/.cache/huggingface/download/{name}.metadata").as_bytes(),
            record.as_bytes(),
        );
        put(home.path(), format!("my set/{name}").as_bytes(), content);
    }
    put(home.path(), b"my set/data/x[1].bin", b"largE");
    fs::remove_file(home.path().join("my set/gone.bin")).unwrap();
    let list = failed(home.path(), &["verify", "my set"]);
    let command = format!(
        "# hf download REPO_ID --repo-type dataset --revision {COMMIT} --local-dir 'my set' --force-download \
         --include 'data/x[[]1].bin' --include gone.bin\n"
    );
    assert!(list.starts_with("# Put the name of the repository"), "{list}");
    assert!(list.ends_with(&format!("{command}data/x[1].bin\ngone.bin\n")), "{list}");
}

#[test]
fn a_repository_in_the_cache_is_told_by_its_name() {
    let home = tempfile::tempdir().unwrap();
    let repo = home.path().join("hub/datasets--org--name");
    let snapshot = repo.join("snapshots").join(COMMIT);
    fs::create_dir_all(repo.join("blobs")).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(repo.join("refs/main"), COMMIT).unwrap();
    for (name, content, here) in [("a.bin", "one", "one"), ("b.bin", "two", "twO")] {
        let blob = sha256(content.as_bytes());
        fs::write(repo.join("blobs").join(&blob), here).unwrap();
        symlink(format!("../../blobs/{blob}"), snapshot.join(name)).unwrap();
    }
    let cache = home.path().canonicalize().unwrap().join("hub");
    for (dataset, below) in [
        ("hub/datasets--org--name".to_string(), format!("snapshots/{COMMIT}/")),
        (format!("hub/datasets--org--name/snapshots/{COMMIT}"), String::new()),
    ] {
        let list = failed(home.path(), &["verify", &dataset, "--subset"]);
        let due = format!(
            "# hf download org/name --repo-type dataset --revision {COMMIT} --cache-dir {} --force-download \
             --include b.bin\n{below}b.bin\n",
            cache.display()
        );
        assert_eq!(list, due);
    }
}

#[test]
fn many_files_are_fetched_by_one_command_that_reads_the_list() {
    let home = tempfile::tempdir().unwrap();
    let record = format!("{COMMIT}\n{}\n1700000000.5\n", sha256(b"x"));
    let some = |n: usize| {
        for i in 0..n {
            let path = format!("data/.cache/huggingface/download/{i:04}.bin.metadata");
            put(home.path(), path.as_bytes(), record.as_bytes());
        }
        failed(home.path(), &["verify", "data"])
    };
    let list = some(250);
    let commands: Vec<_> = list.lines().filter(|line| line.starts_with("# hf download")).collect();
    assert_eq!(
        commands.iter().map(|line| line.matches("--include").count()).collect::<Vec<_>>(),
        [100, 100, 50]
    );
    let list = some(1001);
    let commands: Vec<_> = list.lines().filter(|line| line.starts_with("# ")).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands[1].contains("| xargs -d '\\n' -n 100 hf download REPO_ID"), "{commands:?}");
    assert_eq!(list.lines().filter(|line| !line.starts_with('#')).count(), 1001);

    // The command does with the list what it says, the client aside.
    let command = commands[1]
        .trim_start_matches("# ")
        .replace("THIS_FILE", "failed.txt")
        .replace("hf download", "echo");
    let output = Command::new("sh").args(["-c", &command]).current_dir(home.path()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!((told.lines().count(), told.matches("--include=").count()), (11, 1001), "{told}");
}

#[test]
fn pointers_are_fetched_by_the_program_that_left_them() {
    let home = tempfile::tempdir().unwrap();
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n", sha256(b"weights"));
    put(home.path(), b"data/model.bin", pointer.as_bytes());
    let key = format!("SHA256-s7--{}", sha256(b"annexed"));
    let target = format!("../.git/annex/objects/XX/YY/{key}/{key}");
    symlink(target, home.path().join("data/it's annexed")).unwrap();
    let sums = format!("{}  model.bin\n{}  it's annexed\n", sha256(b"weights"), sha256(b"annexed"));
    put(home.path(), b"SUMS", sums.as_bytes());
    let list = failed(home.path(), &["verify", "data", "--manifest", "SUMS"]);
    assert_eq!(
        list,
        "# git -C data lfs pull --include=model.bin\n# git -C data annex get -- 'it'\\''s annexed'\nit's \
         annexed\nmodel.bin\n"
    );
}
