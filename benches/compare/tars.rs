//! Members of tars, each verified, beside a loop of the `tar` crate with `sha2`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

use crate::Bench;
use crate::contest::{Amount, Taken, Tool, contest};
use crate::data::{Data, Noise};
use crate::goal::{Goal, Of};
use crate::peers;
use crate::tar_peer::{self, Sharing};
use crate::told::Told;

/// As many tars as keep every core busy, then one tar: it is the row that is asked for, and has no parts to share out.
pub fn compare(bench: &Bench, told: &mut Told) -> Result<()> {
    let members = bench.scaled(100_000);
    let shards = 8.max(bench.machine.cores as u64);
    one_layout(bench, shards, members / shards, &[Sharing::Tars], told)?;
    one_layout(bench, 1, members, &[Sharing::Tars, Sharing::Members], told)
}

fn one_layout(bench: &Bench, count: u64, members: u64, peers: &[Sharing], told: &mut Told) -> Result<()> {
    let tars = Tars::make(bench, &format!("tars{count}"), count, members, Size::Mixed)?;
    tars.data.warm()?;
    let noun = if count == 1 { "tar" } else { "tars" };
    let letter = if count == 1 { "b" } else { "a" };
    let work =
        format!("6{letter}. {count} {noun} of {members} members of 4 to 100 KiB, SHA-256 of each, verify");
    told.work(&work);
    let dataset = tars.data.folder.join("data");
    let sums = tars.data.folder.join("SHA256SUMS");
    let mut tools = vec![Tool::new("shardproof verify", Some(bench.program.version.clone()), || {
        Ok(bench.program.verify(&dataset, &sums, tars.members)?.into())
    })];
    for &sharing in peers {
        let name = format!(
            "loop of tar and sha2, {}",
            sharing.told(bench.machine.cores.min(count as usize), bench.machine.cores)
        );
        let (dataset, sums) = (&dataset, &sums);
        tools.push(Tool::new(&name, Some(tar_peer::version()), move || {
            run_loop(sharing, sums, dataset, bench.machine.cores, tars.members)
        }));
    }
    let standings = contest(bench, &tools)?;
    standings.tell(&Amount { bytes: tars.bytes, items: Some((tars.members, "members")) }, told)?;
    Goal { of: Of::Wall, at_least: 2.0, aim: 2.5 }.tell(&work, bench, &standings, told)
}

fn run_loop(sharing: Sharing, sums: &Path, dataset: &Path, threads: usize, members: u64) -> Result<Taken> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(tar_peer::ASKED).arg(sharing.name()).arg(sums).arg(dataset).arg(threads.to_string());
    let (run, said) = peers::json(&command)?;
    ensure!(said["ok"] == members && said["bad"] == 0, "the loop did not verify {members} members: {said}");
    Ok(run.into())
}

/// How large members are.
#[derive(Clone, Copy)]
pub enum Size {
    /// Anything from 4 to 100 KiB.
    Mixed,
    /// This many bytes each.
    Equal(u64),
}

/// Tars in a folder `data`, and the sums of all members above it.
pub struct Tars {
    pub data: Data,
    pub members: u64,
    pub bytes: u64,
}

impl Tars {
    /// So many tars with so many members each.
    pub fn make(bench: &Bench, name: &str, count: u64, members: u64, size: Size) -> Result<Tars> {
        let all = count * members;
        let bytes = (0..all).map(|member| size.of(member)).sum();
        // A header, and what is left of the last block.
        let data =
            bench.store.data(name, bytes + all * 1024, |folder| write(folder, count, members, size))?;
        Ok(Tars { data, members: all, bytes })
    }
}

impl Size {
    fn of(self, member: u64) -> u64 {
        match self {
            Size::Mixed => (4 << 10) + Noise::new(!member).next() % (96 << 10),
            Size::Equal(size) => size,
        }
    }
}

fn write(folder: &Path, count: u64, members: u64, size: Size) -> Result<()> {
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let mut sums = BufWriter::new(File::create(folder.join("SHA256SUMS"))?);
    let mut content = Vec::new();
    for shard in 0..count {
        let out = BufWriter::with_capacity(1 << 20, File::create(data.join(format!("{shard:05}.tar")))?);
        let mut tar = tar::Builder::new(out);
        for member in shard * members..(shard + 1) * members {
            content.resize(size.of(member) as usize, 0);
            Noise::new(member).fill(&mut content);
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            let name = format!("{member:09}.bin");
            tar.append_data(&mut header, &name, content.as_slice())?;
            writeln!(sums, "{}  {shard:05}.tar/{name}", hex::encode(Sha256::digest(&content)))?;
        }
        tar.into_inner()?.flush()?;
    }
    Ok(sums.flush()?)
}
