//! Processes as the kernel accounts for their time and memory.
//!
//! A command runs below a process of its own: this program once more, which starts the command, waits for it, and asks
//! the kernel what its children used (getrusage(2), `RUSAGE_CHILDREN`). Nothing is sampled, and what the command's own
//! children used is counted with it, since it has waited for them. Memory is the peak of the largest single process,
//! for the kernel keeps no peak of several together. A fresh process stands between because a child's peak begins with
//! that of the process it was started from; so what is below the few MB of that one cannot be told.
#![allow(dead_code, reason = "each benchmark uses a part")]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use serde_json::{Value, json};

/// A finished command with all that it started.
pub struct Run {
    /// From its start to its end.
    pub wall: Duration,
    /// In user mode and in the kernel, of all its processes.
    pub cpu: Duration,
    /// Peak resident bytes of its largest process.
    pub peak: u64,
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
}

const MEASURED: &str = "--measured";

/// Does what [`Run::of`] started this program for, and ends it. The first line of a benchmark's `main`.
pub fn run_if_asked() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [first, told, program, rest @ ..] = arguments.as_slice()
        && first == MEASURED
    {
        let measured = measure(Command::new(program).args(rest));
        let written = fs::write(told, measured.to_string());
        std::process::exit(i32::from(written.is_err()));
    }
}

/// Runs a command as this process's only child and says what it used.
fn measure(command: &mut Command) -> Value {
    let started = Instant::now();
    let status = match command.status() {
        Ok(status) => status,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return json!({ "absent": true }),
        Err(e) => return json!({ "failed": e.to_string() }),
    };
    let wall = started.elapsed();
    match getrusage(UsageWho::RUSAGE_CHILDREN) {
        Ok(usage) => json!({
            "wall": nanoseconds(wall),
            "cpu": nanoseconds(cpu(&usage)),
            "peak": peak(&usage),
            "code": status.code(),
        }),
        Err(e) => json!({ "failed": e.to_string() }),
    }
}

impl Run {
    /// Runs a command; `None` if it is not installed.
    ///
    /// # Errors
    /// Where it, or this program that it runs below, cannot be started or accounted for.
    pub fn of(command: &Command) -> io::Result<Option<Run>> {
        let told = tempfile::NamedTempFile::new()?;
        let mut below = Command::new(std::env::current_exe()?);
        below.arg(MEASURED).arg(told.path()).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            below.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => below.env(name, value),
                None => below.env_remove(name),
            };
        }
        let output = below.output()?;
        let measured = said(told.path())?;
        if measured["absent"] == true {
            return Ok(None);
        }
        let number = |key: &str| {
            measured[key].as_u64().ok_or_else(|| {
                io::Error::other(format!("{:?} could not be measured: {measured}", command.get_program()))
            })
        };
        Ok(Some(Run {
            wall: Duration::from_nanos(number("wall")?),
            cpu: Duration::from_nanos(number("cpu")?),
            peak: number("peak")?,
            code: measured["code"].as_i64().and_then(|code| i32::try_from(code).ok()),
            stdout: output.stdout,
            stderr: output.stderr,
        }))
    }
}

fn said(told: &Path) -> io::Result<Value> {
    serde_json::from_slice(&fs::read(told)?).map_err(io::Error::other)
}

/// CPU time and peak resident bytes of this process itself so far.
pub fn here() -> (Duration, u64) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask about itself");
    (cpu(&usage), peak(&usage))
}

/// CPU time of this process and of all processes below it that have ended.
pub fn here_and_below() -> Duration {
    let below = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a process may ask about its children");
    here().0 + cpu(&below)
}

fn cpu(usage: &Usage) -> Duration {
    let times = [usage.user_time(), usage.system_time()];
    let microseconds: i64 = times.iter().map(|time| time.tv_sec() * 1_000_000 + time.tv_usec()).sum();
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}

fn peak(usage: &Usage) -> u64 {
    // Linux counts it in KiB.
    u64::try_from(usage.max_rss()).unwrap_or(0) * 1024
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
