//! What was not checked and why; what was read, and against what.

use std::os::unix::ffi::OsStrExt;

use super::super::RenderError;
use super::super::amounts::{Bytes, Count, many};
use super::{Page, Style, tame};
use crate::audit::{Report, SourceReport};
use crate::locator::Escaped;

/// Refused lines of one source that are shown with their reasons; the rest is counted.
const REJECTIONS: usize = 5;

pub(super) fn write_not_checked(report: &Report, page: &mut Page<'_>) -> Result<(), RenderError> {
    let lines = not_checked(report);
    if lines.is_empty() {
        return Ok(());
    }
    page.heading("Not checked")?;
    lines.iter().try_for_each(|line| page.line(line))
}

/// What was not checked and why, in lines.
pub(in crate::report) fn not_checked(report: &Report) -> Vec<String> {
    let coverage = &report.coverage;
    let mut lines = Vec::new();
    for (reason, n) in coverage.balance.claims_not_checked() {
        lines.push(format!("{}: {reason}", many(n, "entry", "entries")));
    }
    for (reason, n) in coverage.balance.items_not_checked() {
        lines.push(format!("{} of the dataset: {reason}", many(n, "item", "items")));
    }
    if coverage.left_out > 0 {
        lines
            .push(format!("{} left out by --include or --exclude", many(coverage.left_out, "file", "files")));
    }
    match coverage.scope {
        "unknown" => lines.push(
            "whether all of it is here: the metadata lists only what arrived. Give the repository's tree with \
             --manifest, or --subset if a part is all you want"
                .to_string(),
        ),
        "subset" => lines.push("what is published and not here: --subset asks only for what is".to_string()),
        _ => {}
    }
    for source in report.sources.iter().filter(|source| source.rejected > 0) {
        lines.push(format!(
            "{} of {}, refused:",
            many(source.rejected, "line", "lines"),
            Escaped(&source.path)
        ));
        for (line, reason) in source.rejections.iter().take(REJECTIONS) {
            lines.push(format!("  line {line}: {}", tame(reason)));
        }
        let rest = source.rejected.saturating_sub(source.rejections.len().min(REJECTIONS) as u64);
        if rest > 0 {
            lines.push(format!("  … and {} more", Count(rest)));
        }
    }
    for source in &report.sources {
        if let Some(why) = &source.unusable {
            lines.push(format!("{} cannot be used: {}", Escaped(&source.path), tame(why)));
        }
    }
    lines.extend(coverage.broken.iter().cloned());
    lines
}

pub(super) fn write_read(report: &Report, page: &mut Page<'_>) -> Result<(), RenderError> {
    page.heading("Read")?;
    let (lines, weak) = read(report);
    lines.iter().try_for_each(|line| page.line(line))?;
    weak.iter().try_for_each(|line| page.line(&page.ink.paint(Style::Unsure, line)))
}

/// What was read, and against what, in lines; and a warning where that was weak.
pub(in crate::report) fn read(report: &Report) -> (Vec<String>, Option<String>) {
    let mut lines = Vec::new();
    let coverage = &report.coverage;
    let roots: Vec<_> = report.roots.iter().map(|r| Escaped(r.as_os_str().as_bytes()).to_string()).collect();
    let samples = match report.samples {
        0 => String::new(),
        n => format!(" and {} in them", many(n, "sample", "samples")),
    };
    // Directories of some formats lie at their end: such files are read in part twice.
    let bytes = match coverage.bytes_read {
        read if read > report.bytes => {
            format!("{} ({} with what was read twice)", Bytes(report.bytes), Bytes(read))
        }
        read => format!("{} of {}", Bytes(read), Bytes(report.bytes)),
    };
    lines.push(format!(
        "{}: {} of {}{samples}, {bytes}",
        roots.join(", "),
        Count(coverage.shards_read),
        many(report.shards, "file", "files"),
    ));
    if coverage.shards_reused > 0 {
        lines.push(format!(
            "{} as an index or a state tells of them",
            many(coverage.shards_reused, "file", "files")
        ));
    }
    for source in report.sources.iter().filter(|source| source.unusable.is_none()) {
        lines.push(of_source(source));
    }
    if coverage.looked_up > 0 {
        let items = many(coverage.looked_up, "item", "items");
        lines.push(format!("{items} looked up in the hash lists"));
    }
    let matched = &coverage.balance.algorithms;
    let weak: Vec<_> = matched.iter().filter(|(a, _)| !a.resists_tampering()).collect();
    let count: u64 = weak.iter().map(|(_, n)| **n).sum();
    let weak = (count > 0).then(|| {
        let names: Vec<_> = weak.iter().map(|(a, _)| a.name()).collect();
        let who = match count == matched.values().sum::<u64>() {
            true => "Intact entries".to_string(),
            false => many(count, "intact entry", "intact entries"),
        };
        format!(
            "{who} were compared by {} only: such digests show damage, not tampering; --require sha256 asks for more",
            names.join(" and ")
        )
    });
    (lines, weak)
}

fn of_source(source: &SourceReport) -> String {
    let role = match source.role {
        "hash-list" => "hash list",
        other => other,
    };
    let found = if source.found_in_dataset { ", found in the dataset" } else { "" };
    let rejected = match source.rejected {
        0 => String::new(),
        n => format!(", {} refused", many(n, "line", "lines")),
    };
    let scope = match source.scope {
        Some("folder") => ", lists its folder completely",
        Some("named") => ", claims only what it names",
        Some("unknown") => ", lists only what arrived",
        _ => "",
    };
    format!(
        "{role} {} ({}{found}): {}{rejected}{scope}",
        Escaped(&source.path),
        source.format,
        many(source.entries, "entry", "entries"),
    )
}
