//! What a run says: printed as it goes, and kept for the record.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::machine::Machine;

/// The share of the cores that other work may take before walls are no measure.
const QUIET: f64 = 0.05;

/// The Markdown of a run so far.
pub struct Told {
    text: String,
    goals: Vec<String>,
}

impl Told {
    pub fn new() -> Told {
        Told { text: String::new(), goals: Vec::new() }
    }

    /// A line, at once.
    pub fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The heading of a work, and of the table below it.
    pub fn work(&mut self, title: &str) {
        self.line(&format!("\n## {title}\n"));
    }

    /// What a work asks for and what was reached; said below its table and once more at the end.
    pub fn goal(&mut self, work: &str, asked: &str, reached: &str) {
        self.line(&format!("\nGoal: {asked}. Reached: {reached}."));
        self.goals.push(format!("| {work} | {asked} | {reached} |"));
    }

    /// The goals of all works in one table, and whether the clock can be trusted.
    pub fn summary(&mut self, others: f64) {
        let busy = if others > QUIET { ". **A busy machine: ratios by the clock say little**" } else { "" };
        self.line(&format!("\nOther work took {:.0} % of all cores during the run{busy}.", others * 100.0));
        self.line("\n## Goals\n\n| work | asked | reached |\n|---|---|---|");
        for goal in std::mem::take(&mut self.goals) {
            self.line(&goal);
        }
    }

    /// Writes everything to the folder of results, under the date and the CPU.
    pub fn record(&self, machine: &Machine) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/results");
        let file = folder.join(format!("{}-{}.md", machine.date, machine.slug()));
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&file, &self.text))
            .with_context(|| format!("the results cannot be written to {}", file.display()))?;
        println!("\nrecorded in {}", file.display());
        Ok(())
    }
}
