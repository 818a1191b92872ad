//! Many small files: system calls, not hashing.

use anyhow::Result;

use crate::Bench;
use crate::contest::{Amount, contest};
use crate::files::{Beside, Files};
use crate::goal::{Goal, Of};
use crate::peers;
use crate::told::Told;

/// Files of one block each.
pub fn compare(bench: &Bench, told: &mut Told) -> Result<()> {
    let files = Files::equal(bench, "small", bench.scaled(200_000), 4096, Beside::Peers)?;
    files.data.warm()?;
    let work = format!("4. {} files of 4 KiB, SHA-256, verify", files.items);
    told.work(&work);
    let mut tools = peers::of_files(&bench.program, &files, bench.machine.cores);
    tools.push(peers::b3sum_in_parts(&files, bench.machine.cores));
    let standings = contest(bench, &tools)?;
    standings.tell(&Amount { bytes: files.bytes, items: Some((files.items, "files")) }, told)?;
    Goal { of: Of::Wall, at_least: 1.5, aim: 2.0 }.tell(&work, bench, &standings, told)
}
