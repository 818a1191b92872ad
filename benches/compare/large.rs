//! Large files: many, fewer than there are lanes, and three digests in one read.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::Bench;
use crate::contest::{Amount, Tool, contest};
use crate::files::{Beside, FIRST, Files};
use crate::goal::{Goal, Of};
use crate::peers::{self, HASHDEEP, RHASH};
use crate::told::Told;

/// 32 messages at once fill every lane.
pub fn thirty_two(bench: &Bench, told: &mut Told) -> Result<()> {
    // Without AVX-512 only two or three messages are hashed at once on a core.
    let at_least = if bench.machine.has("avx512f") { 1.6 } else { 1.25 };
    verify(bench, "1", 32, &Goal { of: Of::Wall, at_least, aim: 2.4 }, told)
}

/// Fewer messages than lanes.
pub fn eight(bench: &Bench, told: &mut Told) -> Result<()> {
    verify(bench, "2", 8, &Goal { of: Of::Wall, at_least: 1.3, aim: 1.6 }, told)
}

fn verify(bench: &Bench, number: &str, count: u64, goal: &Goal, told: &mut Told) -> Result<()> {
    let size = bench.scaled(256 << 20);
    let files = Files::equal(bench, &format!("large{count}"), count, size, Beside::Peers)?;
    files.data.warm()?;
    let work = format!("{number}. {count} files of {} MiB, SHA-256, verify", size >> 20);
    told.work(&work);
    let mut tools = peers::of_files(&bench.program, &files, bench.machine.cores);
    tools.push(peers::openssl(&files, bench.machine.cores));
    let standings = contest(bench, &tools)?;
    standings.tell(&Amount { bytes: files.bytes, items: None }, told)?;
    goal.tell(&work, bench, &standings, told)
}

/// MD5, SHA-1 and SHA-256 of the same bytes, by CPU time: the peer to beat uses one core.
pub fn three_digests(bench: &Bench, told: &mut Told) -> Result<()> {
    let size = bench.scaled(256 << 20);
    let files = Files::equal(bench, "three", 32, size, Beside::Three)?;
    for wrong in ["wrong-md5.hashdeep", "wrong-sha1.hashdeep"] {
        computes_all_three(bench, &files, wrong)?;
    }
    files.data.warm()?;
    let work = format!("3. MD5, SHA-1 and SHA-256 of 32 files of {} MiB in one read", size >> 20);
    told.work(&work);
    let list = files.path("known.hashdeep");
    let tools = [
        Tool::new("shardproof verify, hashdeep list", Some(bench.program.version.clone()), || {
            Ok(bench.program.verify(&files.dataset(), &list, files.items)?.into())
        }),
        Tool::new("rhash, three digests", peers::version(&RHASH), || peers::rhash_three(&files)),
        Tool::new("hashdeep, audit", peers::version(&HASHDEEP), || {
            peers::hashdeep(&files, "md5,sha1,sha256", bench.machine.cores)
        })
        .beside(),
    ];
    let standings = contest(bench, &tools)?;
    standings.tell(&Amount { bytes: files.bytes, items: None }, told)?;
    Goal { of: Of::Cpu, at_least: 4.5, aim: 6.0 }.tell(&work, bench, &standings, told)
}

/// A list that is wrong in one digest of one file has to be found out, or that digest is not computed at all.
fn computes_all_three(bench: &Bench, files: &Files, wrong: &str) -> Result<()> {
    let (dataset, list) = (files.dataset(), files.path(wrong));
    let (run, report) = bench.program.run([
        "verify".as_ref(),
        dataset.as_os_str(),
        "--manifest".as_ref(),
        list.as_os_str(),
        "--include".as_ref(),
        FIRST.as_ref(),
    ])?;
    ensure!(
        run.code == Some(1) && report["counts"] == json!({ "conflict": 1 }),
        "{wrong} is wrong about {FIRST}, and shardproof did not say so: {}",
        report["counts"]
    );
    Ok(())
}
