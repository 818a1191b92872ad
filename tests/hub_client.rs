//! What the real `hf` client leaves, downloading from a stand-in of the Hub: whole, a part of it, interrupted. The first
//! line of the report says what is true.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The stand-in, serving some files, and a folder to download to.
struct Hub {
    server: Child,
    said: Lines<BufReader<ChildStdout>>,
    port: String,
    folder: tempfile::TempDir,
}

impl Hub {
    fn start() -> Hub {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        let pseudo_random = |seed: u32, len: u32| -> Vec<u8> {
            (0..len).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
        };
        for (path, content) in [
            ("README.md", b"# card\n".to_vec()),
            (".gitattributes", b"*.bin filter=lfs\n".to_vec()),
            ("data/a.bin", pseudo_random(1, 300_000)),
            ("data/b.parquet", pseudo_random(2, 2000)),
            ("data/notes.txt", b"x\n".to_vec()),
        ] {
            let path = files.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hub/stand_in.py");
        let mut server = Command::new(python())
            .arg(script)
            .arg(&files)
            .arg(COMMIT)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
        let port = said.next().unwrap().unwrap();
        Hub { server, said, port, folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn download(&self, arguments: &[&str]) -> Command {
        let client = Path::new(&python()).with_file_name("hf");
        let mut command = Command::new(client);
        command
            .args(["download", "org/name", "--repo-type", "dataset"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HF_ENDPOINT", format!("http://127.0.0.1:{}", self.port))
            .env("HF_HOME", self.at("home"))
            .env("HF_HUB_DISABLE_XET", "1")
            .env("HF_HUB_DISABLE_TELEMETRY", "1")
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn downloaded(&self, arguments: &[&str]) {
        assert!(self.download(arguments).status().unwrap().success(), "hf download {arguments:?}");
    }

    /// The exit code and the first line of `shardproof verify`.
    fn verify(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_shardproof"))
            .arg("verify")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text.lines().next().unwrap_or_default().to_string())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn python() -> PathBuf {
    PathBuf::from(std::env::var_os("SHARDPROOF_PYTHON").expect(
        "SHARDPROOF_PYTHON names a Python with the packages of tests/oracle/requirements.txt, the `hf` client among them",
    ))
}

#[test]
#[ignore = "needs the hf client"]
fn a_whole_download_is_valid_and_what_is_added_or_changed_is_told() {
    let hub = Hub::start();
    hub.downloaded(&["--local-dir", "all"]);
    hub.downloaded(&[]);
    let snapshot = format!("home/hub/datasets--org--name/snapshots/{COMMIT}");
    for dataset in ["all", "home/hub/datasets--org--name", &snapshot] {
        let (code, first) = hub.verify(&[dataset]);
        assert_eq!(
            first, "VALID: all 5 manifest entries are here and intact (sha256 2, git_blob 3)",
            "{dataset}"
        );
        assert_eq!(code, 0);
    }
    fs::write(hub.at("all/data/more.txt"), "more").unwrap();
    let mut content = fs::read(hub.at("all/data/a.bin")).unwrap();
    content[200_000] ^= 1;
    fs::write(hub.at("all/data/a.bin"), content).unwrap();
    let (code, first) = hub.verify(&["all"]);
    assert_eq!(code, 1);
    assert!(first.starts_with("INVALID: 1 altered, 1 undisclosed; 4 of 5"), "{first}");
}

#[test]
#[ignore = "needs the hf client"]
fn a_filtered_download_is_a_part_and_is_said_to_be() {
    let hub = Hub::start();
    hub.downloaded(&["--local-dir", "part", "--include", "*.bin"]);
    let (code, first) = hub.verify(&["part"]);
    assert_eq!(
        (code, first.as_str()),
        (1, "INVALID: 4 missing; 1 of 5 manifest entries are intact (sha256)")
    );
    let (code, first) = hub.verify(&["part", "--subset"]);
    assert_eq!(code, 0);
    assert!(first.contains("1 of 5") && first.contains("the rest was not asked for"), "{first}");
    let (code, first) = hub.verify(&["part", "--include", "*.bin"]);
    assert_eq!(code, 0);
    assert!(first.contains("left the rest out"), "{first}");
}

#[test]
#[ignore = "needs the hf client"]
fn an_interrupted_download_is_told_as_such() {
    let mut hub = Hub::start();
    fs::copy(hub.at("files/data/a.bin"), hub.at("files/data/stalls.bin")).unwrap();
    let mut client = hub.download(&["--local-dir", "cut"]).spawn().unwrap();
    let stalled = hub.said.next().unwrap().unwrap();
    assert_eq!(stalled, "stalled");
    // The other files arrive meanwhile.
    let all = ["README.md", ".gitattributes", "data/a.bin", "data/b.parquet", "data/notes.txt"];
    let arrived = || all.iter().all(|path| hub.at("cut").join(path).is_file());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !arrived() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    client.kill().unwrap();
    client.wait().unwrap();
    let (code, first) = hub.verify(&["cut"]);
    assert_eq!(code, 1);
    assert!(first.starts_with("INVALID: 1 missing; 5 of 6 manifest entries are intact"), "{first}");
}
