//! What one would write for oneself: the `tar` crate in a loop, `sha2` on each member, on as many threads as cores.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The first argument that asks for the loop: then come the sharing, the sums, the folder, the number of threads.
pub const ASKED: &str = "--peer-tar";

/// What threads share out among them.
#[derive(Clone, Copy)]
pub enum Sharing {
    /// Each takes the next tar, and reads and hashes it.
    Tars,
    /// One reads, all others hash the members that it hands out.
    Members,
}

impl Sharing {
    pub fn name(self) -> &'static str {
        match self {
            Sharing::Tars => "tars",
            Sharing::Members => "members",
        }
    }

    /// In words, where so many threads find a tar to read and so many can hash.
    pub fn told(self, reading: usize, hashing: usize) -> String {
        match self {
            Sharing::Tars if reading == 1 => "one thread".to_owned(),
            Sharing::Tars => format!("{reading} threads, each with tars of its own"),
            Sharing::Members => format!("one thread that reads, {hashing} that hash"),
        }
    }
}

/// The crates' versions, as they are locked.
pub fn version() -> String {
    let lock: toml::Table = include_str!("../../Cargo.lock").parse().unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let of = |name: &str| {
        let package =
            packages.iter().find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name));
        package.and_then(|package| package.get("version")?.as_str()).unwrap_or("unknown").to_owned()
    };
    format!("tar {}, sha2 {}", of("tar"), of("sha2"))
}

/// Runs the loop and ends the program, if it was started for it.
pub fn run_if_asked() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [asked, sharing, sums, folder, threads] = arguments.as_slice()
        && asked == ASKED
    {
        let counted = run(sharing.to_str(), Path::new(sums), Path::new(folder), threads.to_str());
        match &counted {
            Ok((ok, bad)) => println!("{{\"ok\":{ok},\"bad\":{bad}}}"),
            Err(e) => eprintln!("{e:#}"),
        }
        std::process::exit(i32::from(counted.is_err()));
    }
}

fn run(sharing: Option<&str>, sums: &Path, folder: &Path, threads: Option<&str>) -> Result<(u64, u64)> {
    let threads: usize =
        threads.and_then(|threads| threads.parse().ok()).context("the threads are no number")?;
    let expected = Expected::read(sums)?;
    let mut tars: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    tars.sort();
    match sharing {
        Some("tars") => share_tars(&tars, &expected, threads)?,
        Some("members") => share_members(&tars, &expected, threads)?,
        _ => bail!("the sharing is unknown"),
    }
    Ok((expected.ok.into_inner(), expected.bad.into_inner()))
}

/// The digest of each name, and how many were as expected.
struct Expected {
    digests: HashMap<String, [u8; 32]>,
    ok: AtomicU64,
    bad: AtomicU64,
}

impl Expected {
    fn read(sums: &Path) -> Result<Expected> {
        let mut digests = HashMap::new();
        for line in fs::read_to_string(sums)?.lines() {
            let (digest, name) = line.split_once("  ").context("a line has no name")?;
            let mut bytes = [0; 32];
            hex::decode_to_slice(digest, &mut bytes)?;
            digests.insert(name.to_owned(), bytes);
        }
        Ok(Expected { digests, ok: AtomicU64::new(0), bad: AtomicU64::new(0) })
    }

    fn count(&self, name: &str, digest: &[u8]) {
        let right = self.digests.get(name).is_some_and(|expected| expected == digest);
        let counter = if right { &self.ok } else { &self.bad };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn share_tars(tars: &[PathBuf], expected: &Expected, threads: usize) -> Result<()> {
    let next = AtomicUsize::new(0);
    on_threads(threads, || {
        let mut piece = vec![0; 64 << 10];
        while let Some(tar) = tars.get(next.fetch_add(1, Ordering::Relaxed)) {
            each_member(tar, |name, mut member| {
                let mut sha256 = Sha256::new();
                loop {
                    let got = member.read(&mut piece)?;
                    if got == 0 {
                        break;
                    }
                    sha256.update(&piece[..got]);
                }
                expected.count(&name, &sha256.finalize());
                Ok(())
            })?;
        }
        Ok(())
    })
}

fn share_members(tars: &[PathBuf], expected: &Expected, threads: usize) -> Result<()> {
    let (give, take) = sync_channel::<(String, Vec<u8>)>(threads * 4);
    let take = Mutex::new(take);
    std::thread::scope(|scope| {
        let hashing = scope.spawn(|| {
            on_threads(threads, || {
                loop {
                    let member = take.lock().ok().and_then(|take| take.recv().ok());
                    let Some((name, content)) = member else { return Ok(()) };
                    expected.count(&name, &Sha256::digest(&content));
                }
            })
        });
        for tar in tars {
            each_member(tar, |name, mut member| {
                let mut content = Vec::with_capacity(member.size() as usize);
                member.read_to_end(&mut content)?;
                Ok(give.send((name, content))?)
            })?;
        }
        drop(give);
        hashing.join().unwrap_or_else(|_| bail!("a thread that hashes has panicked"))
    })
}

type Member<'a> = tar::Entry<'a, BufReader<File>>;

fn each_member(tar: &Path, mut then: impl FnMut(String, Member<'_>) -> Result<()>) -> Result<()> {
    let shard = tar.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut archive = tar::Archive::new(BufReader::with_capacity(128 << 10, File::open(tar)?));
    for member in archive.entries()? {
        let member = member?;
        let name = format!("{shard}/{}", member.path()?.display());
        then(name, member)?;
    }
    Ok(())
}

fn on_threads(threads: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        all.into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a thread has panicked")))
    })
}
