//! On what a run was made: without it a figure means nothing.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::Bench;
use crate::measured;
use crate::peers::{self, B3SUM, HASHDEEP, OPENSSL, RHASH, SHA256SUM};
use crate::python::{BAGIT, DUCKDB, HASHLIB};
use crate::tar_peer;
use crate::told::Told;

/// Instructions that decide which kernel hashes.
const FEATURES: [&str; 5] = ["sha_ni", "avx2", "avx512f", "avx512bw", "sha2"];

/// The machine and the day.
pub struct Machine {
    pub cpu: String,
    pub features: Vec<&'static str>,
    pub cores: usize,
    pub memory: u64,
    pub kernel: String,
    pub load: String,
    /// As `2026-11-24`, in UTC.
    pub date: String,
}

impl Machine {
    pub fn look() -> Result<Machine> {
        let cpuinfo = proc("cpuinfo")?;
        let field = |names: &[&str]| {
            cpuinfo.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                names.contains(&name.trim()).then(|| value.trim().to_owned())
            })
        };
        // x86 has flags, Arm has Features.
        let has = field(&["flags", "Features"]).unwrap_or_default();
        let load = proc("loadavg")?;
        Ok(Machine {
            cpu: field(&["model name", "CPU implementer"]).unwrap_or_else(|| "unknown CPU".to_owned()),
            features: FEATURES.into_iter().filter(|f| has.split_whitespace().any(|has| has == *f)).collect(),
            cores: std::thread::available_parallelism().context("the number of cores is unknown")?.get(),
            memory: memory("MemTotal:")?,
            kernel: proc("sys/kernel/osrelease")?.trim().to_owned(),
            load: load.split_whitespace().next().unwrap_or_default().to_owned(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        })
    }

    pub fn has(&self, feature: &str) -> bool {
        self.features.contains(&feature)
    }

    /// The CPU as a part of a file name.
    pub fn slug(&self) -> String {
        let words: Vec<String> = self
            .cpu
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty() && !["R", "TM", "CPU", "Processor"].contains(word))
            .map(str::to_ascii_lowercase)
            .collect();
        format!("{}-{}cores", words.join("-"), self.cores)
    }
}

/// What the machine did besides this run.
pub struct Others {
    started: Instant,
    busy: f64,
}

impl Others {
    /// From now on.
    pub fn watch() -> Result<Others> {
        Ok(Others { started: Instant::now(), busy: busy()? - measured::here_and_below().as_secs_f64() })
    }

    /// The share of all cores' time that was not this run's.
    pub fn share(&self, machine: &Machine) -> Result<f64> {
        let others = busy()? - measured::here_and_below().as_secs_f64() - self.busy;
        Ok((others / (self.started.elapsed().as_secs_f64() * machine.cores as f64)).max(0.0))
    }
}

/// Seconds that all cores were at work since the start of the machine, or given to other virtual machines.
fn busy() -> Result<f64> {
    let stat = proc("stat")?;
    // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)), in ticks of 10 ms on Linux (USER_HZ).
    let ticks: Vec<f64> = stat
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("cpu "))
        .map(|line| line.split_whitespace().filter_map(|tick| tick.parse().ok()).collect())
        .unwrap_or_default();
    let [user, nice, system, _, _, irq, softirq, steal, ..] = ticks.as_slice() else {
        bail!("/proc/stat does not begin with the time of all cores");
    };
    Ok((user + nice + system + irq + softirq + steal) / 100.0)
}

/// Bytes of memory that reading files may fill without anything being given up.
pub fn available() -> Result<u64> {
    memory("MemAvailable:")
}

fn memory(field: &str) -> Result<u64> {
    let meminfo = proc("meminfo")?;
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse::<u64>().ok())
        .with_context(|| format!("/proc/meminfo has no {field}"))?;
    Ok(kib * 1024)
}

fn proc(name: &str) -> Result<String> {
    let path = format!("/proc/{name}");
    fs::read_to_string(&path).with_context(|| format!("{path} cannot be read; this benchmark needs Linux"))
}

/// Says where and when, and of what versions all are.
pub fn head(bench: &Bench, told: &mut Told) {
    let machine = &bench.machine;
    told.line(&format!("# shardproof beside its peers, {}\n", machine.date));
    told.line(&format!(
        "{}, {} cores, {}; {:.0} GB of memory; Linux {}; load at the start {}.",
        machine.cpu,
        machine.cores,
        if machine.features.is_empty() {
            "no instructions for hashing".to_owned()
        } else {
            machine.features.join(", ")
        },
        machine.memory as f64 / 1e9,
        machine.kernel,
        machine.load
    ));
    let mut all = vec![format!("shardproof {}", bench.program.version)];
    all.extend([SHA256SUM, OPENSSL, HASHDEEP, RHASH, B3SUM].iter().map(|peer| {
        peers::version(peer)
            .map_or_else(|| format!("no {}", peer.program), |v| format!("{} {v}", peer.program))
    }));
    all.extend([HASHLIB, BAGIT, DUCKDB].iter().map(|module| match module.find() {
        Some(found) => format!("{} {}", module.called, found.version),
        None => format!("no {}", module.called),
    }));
    all.push(tar_peer::version());
    told.line(&format!("\n{}.", all.join("; ")));
    let part = if bench.quick { "A fiftieth of the data; " } else { "" };
    told.line(&format!(
        "\n{part}{} round(s), each tool in turn, medians; data read once before. Peak is that of the largest process.",
        bench.rounds
    ));
}
