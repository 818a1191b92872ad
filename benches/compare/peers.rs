//! The tools that verify or sum plain files, each held to have done it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::contest::{Taken, Tool};
use crate::files::Files;
use crate::measured::Run;
use crate::python::{BAGIT, HASHLIB, script};
use crate::shardproof::Program;

/// A program that is looked for on the path, and how it says its version.
pub struct Peer {
    pub program: &'static str,
    version: &'static str,
}

pub const SHA256SUM: Peer = Peer { program: "sha256sum", version: "--version" };
pub const OPENSSL: Peer = Peer { program: "openssl", version: "version" };
pub const HASHDEEP: Peer = Peer { program: "hashdeep", version: "-V" };
pub const RHASH: Peer = Peer { program: "rhash", version: "--version" };
pub const B3SUM: Peer = Peer { program: "b3sum", version: "--version" };
const XARGS: Peer = Peer { program: "xargs", version: "--version" };

/// The first word that a program's version line has a number in; `None` if the program is absent.
pub fn version(peer: &Peer) -> Option<String> {
    let told = Command::new(peer.program).arg(peer.version).output().ok()?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let number = |word: &str| {
        let word = word.trim_start_matches('v');
        word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
    };
    Some(text.split_whitespace().find_map(number).unwrap_or_else(|| "of unknown version".to_owned()))
}

/// A program's version where it and `xargs` are there.
fn version_with_xargs(peer: &Peer) -> Option<String> {
    version(&XARGS).and_then(|_| version(peer))
}

/// All tools that verify files by SHA-256, the program first; BLAKE3 beside them.
pub fn of_files<'a>(program: &'a Program, files: &'a Files, cores: usize) -> Vec<Tool<'a>> {
    let hashlib = HASHLIB.find();
    let bagit = BAGIT.find();
    vec![
        Tool::new("shardproof verify", Some(program.version.clone()), || {
            Ok(program.verify(&files.dataset(), &files.sums(), files.items)?.into())
        }),
        Tool::new("sha256sum -c", version(&SHA256SUM), || sha256sum(files)),
        Tool::new(&format!("xargs -P {cores} sha256sum -c"), version_with_xargs(&SHA256SUM), move || {
            in_parts("sha256sum", &files.sums(), files, cores)
        }),
        Tool::new("hashdeep, audit", version(&HASHDEEP), move || hashdeep(files, "sha256", cores)),
        Tool::new("rhash --sha256", version(&RHASH), || rhash(files)),
        Tool::new("rhash -c", version(&RHASH), || rhash_check(files)),
        Tool::new(
            &format!("Python hashlib, {cores} processes"),
            hashlib.as_ref().map(|found| found.version.clone()),
            move || {
                let found = hashlib.as_ref().context("it was not found")?;
                let mut command = Command::new(&found.python);
                command
                    .arg(script("hashlib_peer.py"))
                    .arg(files.sums())
                    .arg(files.dataset())
                    .arg(cores.to_string());
                let (run, said) = json(&command)?;
                ensure!(
                    said["ok"] == files.items && said["bad"] == 0,
                    "hashlib did not verify all files: {said}"
                );
                Ok(run.into())
            },
        ),
        Tool::new(
            &format!("bagit --validate, {cores} processes"),
            bagit.as_ref().map(|found| found.version.clone()),
            move || {
                let found = bagit.as_ref().context("it was not found")?;
                let mut command = Command::new(&found.python);
                command.args(["-m", "bagit", "--validate", "--quiet", "--processes", &cores.to_string()]);
                // It compares what is there with what is listed, so its verdict is about every file.
                Ok(done(command.arg(files.path("bag")))?.into())
            },
        ),
        Tool::new("b3sum -c, another digest", version(&B3SUM), || b3sum(files)).beside(),
    ]
}

/// `openssl dgst` on each file, as many at once as there are cores; only for files that outlast its start.
pub fn openssl(files: &Files, cores: usize) -> Tool<'_> {
    Tool::new(&format!("xargs -P {cores} openssl dgst -sha256"), version_with_xargs(&OPENSSL), move || {
        let names = list(names(files)?)?;
        let mut command = Command::new("xargs");
        command.arg("-a").arg(names.path()).args([
            "-P",
            &cores.to_string(),
            "-n",
            "1",
            "openssl",
            "dgst",
            "-sha256",
        ]);
        let run = done(command.current_dir(files.dataset()))?;
        has_digests_of(files, &run)?;
        Ok(run.into())
    })
}

/// `b3sum -c` on parts of the sums: it reads small files one after the other.
pub fn b3sum_in_parts(files: &Files, cores: usize) -> Tool<'_> {
    let name = format!("xargs -P {cores} b3sum -c, another digest");
    Tool::new(&name, version_with_xargs(&B3SUM), move || {
        in_parts("b3sum", &files.path("B3SUMS"), files, cores)
    })
    .beside()
}

/// An audit against the hashdeep list of the files; it counts a file as matched only if all digests are.
pub fn hashdeep(files: &Files, algorithms: &str, threads: usize) -> Result<Taken> {
    let mut command = Command::new("hashdeep");
    // `-c` comes first: after `-a` it turns the audit into a listing of digests, which always ends well.
    command.args(["-c", algorithms, "-r", "-l", "-a", "-v", "-j", &threads.to_string(), "-k"]);
    let run = done(command.arg(files.path("known.hashdeep")).arg(".").current_dir(files.dataset()))?;
    let said = String::from_utf8_lossy(&run.stdout);
    let matched =
        said.lines().find_map(|line| line.trim().strip_prefix("Files matched: ")?.trim().parse().ok());
    ensure!(matched == Some(files.items), "hashdeep matched {matched:?} files, not {}", files.items);
    Ok(run.into())
}

/// MD5, SHA-1 and SHA-256 of all files, compared with none.
pub fn rhash_three(files: &Files) -> Result<Taken> {
    let mut command = Command::new("rhash");
    command.args(["-p", "%{sha-256} %{md5} %{sha1} %p\\n", "-r", "."]);
    let run = done(command.current_dir(files.dataset()))?;
    has_digests_of(files, &run)?;
    let said = String::from_utf8_lossy(&run.stdout);
    let three = said.lines().filter(|line| {
        let lengths: Vec<usize> = line.split(' ').take(3).filter(|word| is_hex(word)).map(str::len).collect();
        lengths == [64, 32, 40]
    });
    ensure!(three.count() as u64 == files.items, "rhash did not print three digests of each file");
    Ok(run.into())
}

fn sha256sum(files: &Files) -> Result<Taken> {
    let mut command = Command::new("sha256sum");
    let run = done(command.arg("-c").arg(files.sums()).current_dir(files.dataset()))?;
    has_lines(&run, files.items)?;
    Ok(run.into())
}

fn b3sum(files: &Files) -> Result<Taken> {
    let mut command = Command::new("b3sum");
    let run = done(command.arg("-c").arg(files.path("B3SUMS")).current_dir(files.dataset()))?;
    has_lines(&run, files.items)?;
    Ok(run.into())
}

fn rhash(files: &Files) -> Result<Taken> {
    let run = done(Command::new("rhash").args(["--sha256", "-r", "."]).current_dir(files.dataset()))?;
    has_digests_of(files, &run)?;
    Ok(run.into())
}

fn rhash_check(files: &Files) -> Result<Taken> {
    let mut command = Command::new("rhash");
    let run = done(command.args(["--sha256", "-c"]).arg(files.sums()).current_dir(files.dataset()))?;
    let said = String::from_utf8_lossy(&run.stdout);
    let intact = said.lines().filter(|line| line.trim_end().ends_with(" OK")).count() as u64;
    // A last line says that everything is.
    ensure!(
        intact == files.items || intact == files.items + 1,
        "rhash -c found {intact} of {} intact",
        files.items
    );
    Ok(run.into())
}

/// A tool with `-c` on parts of the sums, all at once. Line by line in turn, so that no part is of another kind.
fn in_parts(program: &str, sums: &Path, files: &Files, cores: usize) -> Result<Taken> {
    let folder = tempfile::tempdir()?;
    let sums = fs::read_to_string(sums)?;
    let mut parts = Vec::new();
    for part in 0..cores {
        let lines: Vec<&str> = sums.lines().skip(part).step_by(cores).collect();
        let path = folder.path().join(part.to_string());
        fs::write(&path, lines.join("\n") + "\n")?;
        parts.push(path.to_string_lossy().into_owned());
    }
    let parts = list(parts)?;
    let mut command = Command::new("xargs");
    command.arg("-a").arg(parts.path()).args(["-P", &cores.to_string(), "-n", "1", program, "-c"]);
    let run = done(command.current_dir(files.dataset()))?;
    has_lines(&run, files.items)?;
    Ok(run.into())
}

/// Names for `xargs -a`; none of them has a blank or a quote in it.
fn list(names: Vec<String>) -> Result<tempfile::NamedTempFile> {
    let mut list = tempfile::NamedTempFile::new()?;
    list.write_all((names.join("\n") + "\n").as_bytes())?;
    Ok(list)
}

fn names(files: &Files) -> Result<Vec<String>> {
    let sums = fs::read_to_string(files.sums())?;
    Ok(sums.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name.to_owned()).collect())
}

/// Runs a command that has to end well.
pub fn done(command: &Command) -> Result<Run> {
    let program = command.get_program().to_string_lossy().into_owned();
    let run = Run::of(command)?.with_context(|| format!("{program} is not installed any more"))?;
    let said = String::from_utf8_lossy(&run.stderr);
    ensure!(
        run.code == Some(0),
        "{program} did not do its work: exit code {:?}; it said last: {}",
        run.code,
        said.lines().last().unwrap_or("nothing")
    );
    Ok(run)
}

/// Runs a command that has to end well with one JSON object.
pub fn json(command: &Command) -> Result<(Run, Value)> {
    let run = done(command)?;
    let said = serde_json::from_slice(&run.stdout)
        .with_context(|| format!("{} printed no JSON", command.get_program().to_string_lossy()))?;
    Ok((run, said))
}

/// One line for each file. Lines of several processes may be mixed, their number stays.
fn has_lines(run: &Run, count: u64) -> Result<()> {
    let lines = run.stdout.iter().filter(|&&byte| byte == b'\n').count() as u64;
    ensure!(lines == count, "{lines} files were verified, not {count}");
    Ok(())
}

/// The printed SHA-256 digests are those of the files, no more and no fewer.
fn has_digests_of(files: &Files, run: &Run) -> Result<()> {
    let of = |text: &str| {
        let words = text.split_whitespace().filter(|word| word.len() == 64 && is_hex(word));
        let mut digests: Vec<String> = words.map(str::to_owned).collect();
        digests.sort_unstable();
        digests
    };
    let expected = of(&fs::read_to_string(files.sums())?);
    let printed = of(&String::from_utf8_lossy(&run.stdout));
    ensure!(
        expected == printed,
        "{} digests were printed, and they are not those of the files",
        printed.len()
    );
    Ok(())
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit())
}
