//! Memory at twenty times the size.

use anyhow::{Result, ensure};

use crate::Bench;
use crate::files::{Beside, Files};
use crate::tars::{Size, Tars};
use crate::told::Told;

/// Peak resident bytes at any size.
const LIMIT: u64 = 200_000_000;

/// What buffers with a fixed budget may fill up to; growth below it is not growth with the dataset.
const BUDGET: u64 = 60_000_000;

const TIMES: u64 = 20;

/// Small files and members of a tar, so many and twenty times as many. Held by every run, a quick one too.
pub fn hold(bench: &Bench, told: &mut Told) -> Result<()> {
    // A fiftieth would not fill the buffers.
    let tenth = |full: u64| if bench.quick { full / 10 } else { full };
    told.work("8. Memory at twenty times the size");
    told.line("| what | peak MB | at 20 times as many |\n|---|---|---|");
    let files = [1, TIMES].map(|times| files(bench, tenth(20_000) * times));
    hold_one("small files", files, told)?;
    let members = [1, TIMES].map(|times| members(bench, tenth(100_000) * times));
    hold_one("members of a tar", members, told)?;
    told.goal("8. Memory", "under 200 MB, and no growth with the dataset", "met");
    Ok(())
}

fn hold_one(what: &str, peaks: [Result<(u64, u64)>; 2], told: &mut Told) -> Result<()> {
    let [once, more] = peaks;
    let ((count, once), (_, more)) = (once?, more?);
    let mb = |bytes: u64| bytes / 1_000_000;
    told.line(&format!("| {count} {what} | {} | {} |", mb(once), mb(more)));
    ensure!(more < LIMIT, "{what}: {} MB at twenty times the size, over {} MB", mb(more), mb(LIMIT));
    ensure!(
        more < 2 * once.max(BUDGET),
        "{what}: memory grows with the dataset, {} to {} MB",
        mb(once),
        mb(more)
    );
    Ok(())
}

fn files(bench: &Bench, count: u64) -> Result<(u64, u64)> {
    let files = Files::equal(bench, &format!("grow-files{count}"), count, 64, Beside::Nothing)?;
    let run = bench.program.verify(&files.dataset(), &files.sums(), files.items)?;
    Ok((count, run.peak))
}

fn members(bench: &Bench, count: u64) -> Result<(u64, u64)> {
    let tars = Tars::make(bench, &format!("grow-members{count}"), 1, count, Size::Equal(64))?;
    let (dataset, sums) = (tars.data.folder.join("data"), tars.data.folder.join("SHA256SUMS"));
    Ok((count, bench.program.verify(&dataset, &sums, tars.members)?.peak))
}
