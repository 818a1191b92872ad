//! One large file beside many that are as large together: no core may wait for another.

use std::fs;

use anyhow::{Context, Result};

use crate::Bench;
use crate::contest::{Amount, Tool, contest};
use crate::files::{Beside, Files};
use crate::told::Told;

/// Held to what the machine allows: the large file alone, or all the work shared out evenly.
pub fn compare(bench: &Bench, told: &mut Told) -> Result<()> {
    let (large, small) = (bench.scaled(4 << 30), bench.scaled(64 << 20));
    let mut all = vec![("large".to_owned(), large)];
    all.extend((0..64).map(|i| (format!("small-{i:02}"), small)));
    let files = Files::make(bench, "mixed", all, Beside::Nothing)?;
    let (alone, alone_sums) = (files.path("alone"), files.path("alone.sha256"));
    if !alone_sums.is_file() {
        let sums = fs::read_to_string(files.sums())?;
        let line =
            sums.lines().find(|line| line.ends_with("  large")).context("the large file has no sum")?;
        fs::create_dir_all(&alone)?;
        fs::hard_link(files.dataset().join("large"), alone.join("large"))?;
        fs::write(&alone_sums, format!("{line}\n"))?;
    }
    files.data.warm()?;
    let work =
        format!("7. One file of {} MiB beside 64 of {} MiB, SHA-256, verify", large >> 20, small >> 20);
    told.work(&work);
    let version = || Some(bench.program.version.clone());
    let tools = [
        Tool::new("shardproof verify", version(), || {
            Ok(bench.program.verify(&files.dataset(), &files.sums(), files.items)?.into())
        }),
        Tool::new("shardproof verify, the large file alone", version(), || {
            Ok(bench.program.verify(&alone, &alone_sums, 1)?.into())
        }),
    ];
    let standings = contest(bench, &tools)?;
    standings.tell(&Amount { bytes: files.bytes, items: None }, told)?;
    told.line("\nThe rate and the CPU time per GB in the second line are of all data, too; it read the large file only.");
    let ours = standings.ours()?;
    let (_, serial) = standings.peers().next().context("the large file was not read alone")?;
    let bound = serial.wall.max(ours.cpu / bench.machine.cores as f64);
    let ratio = ours.wall / bound;
    told.goal(
        &work,
        "at most 1.15× the larger of the large file alone and all CPU time on all cores, aim 1.05×",
        &format!("{ratio:.2}× of {bound:.2} s{}", bench.word(ratio <= 1.15, ratio <= 1.05)),
    );
    Ok(())
}
