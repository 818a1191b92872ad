//! Findings: how many of each code and what it means, then the worst of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::RenderError;
use super::super::amounts::Count;
use super::ink::Style;
use super::wording::Purpose;
use super::{Page, tame};
use crate::audit::Report;
use crate::audit::acceptance::Entry;
use crate::finding::{Code, Finding};
use crate::locator::{Escaped, Locator};

/// Findings of one code that are shown one by one; the rest is counted.
const SHOWN: u64 = 10;

pub(super) fn write_counts(report: &Report, page: &mut Page<'_>) -> Result<(), RenderError> {
    if report.counts.values().all(|&n| n == 0) {
        return Ok(());
    }
    let purpose = Purpose::of(report);
    page.heading("Found")?;
    for (&code, &n) in report.counts.iter().filter(|(_, n)| **n > 0) {
        let count = page.ink.paint(Style::of(code.class()), &format!("{:>11}", Count(n)));
        let class = format!("({})", code.class().name());
        page.line(&format!("{count}  {:<21}  {:<7}  {}", purpose.name(code), class, purpose.meaning(code)))?;
    }
    Ok(())
}

pub(super) fn write_worst(report: &Report, page: &mut Page<'_>) -> Result<(), RenderError> {
    for (code, worst) in worst(report)? {
        page.heading(Purpose::of(report).name(code))?;
        for finding in &worst {
            write_one(finding, report, page)?;
        }
        let rest = report.counts.get(&code).copied().unwrap_or(0).saturating_sub(worst.len() as u64);
        if rest > 0 {
            let text = format!("… and {} more; --report json:FILE lists all", Count(rest));
            page.line(&page.ink.paint(Style::Faint, &text))?;
        }
    }
    Ok(())
}

/// The first findings of each code, worst code first. Ends reading once there are enough of each.
pub(in crate::report) fn worst(report: &Report) -> Result<BTreeMap<Code, Vec<Finding>>, RenderError> {
    let mut wanted: u64 = report.counts.values().map(|&n| n.min(SHOWN)).sum();
    let mut worst: BTreeMap<Code, Vec<Finding>> = BTreeMap::new();
    let mut findings = report.findings();
    while wanted > 0
        && let Some(finding) = findings.next()
    {
        let finding = finding?;
        let of_code = worst.entry(finding.code).or_default();
        if (of_code.len() as u64) < SHOWN {
            of_code.push(finding);
            wanted -= 1;
        }
    }
    Ok(worst)
}

fn write_one(finding: &Finding, report: &Report, page: &mut Page<'_>) -> Result<(), RenderError> {
    let origin = origin(finding, report);
    match &finding.locator {
        Some(locator) => page.line(&place(locator, report))?,
        None if origin.is_empty() => page.line("(no place)")?,
        None => page.line(&origin)?,
    }
    let mut text = tame(&finding.detail);
    if let Some(level) = finding.level {
        let _ = write!(text, " [{}]", level.name());
    }
    if finding.locator.is_some() && !origin.is_empty() {
        let _ = write!(text, " ({origin})");
    }
    page.line(&format!("  {text}"))?;
    if let Some(entry) = report.accepted(finding) {
        page.line(&format!("  {}", accepted(entry)))?;
    }
    if matches!(finding.code, Code::Altered | Code::Moved) || report.reveal {
        let digests = match (&finding.expected, &finding.found) {
            (Some(expected), Some(found)) if expected == found => vec![("digest  ", found)],
            (expected, found) => {
                let both = [("expected", expected), ("found   ", found)];
                both.into_iter().filter_map(|(what, digest)| Some((what, digest.as_ref()?))).collect()
            }
        };
        for (what, digest) in digests {
            page.line(&page.ink.paint(Style::Faint, &format!("  {what} {digest}")))?;
        }
    }
    Ok(())
}

/// That somebody lives with a finding, and why.
pub(in crate::report) fn accepted(entry: &Entry) -> String {
    let until = entry.expires.map_or(String::new(), |day| format!(" until {day}"));
    format!("accepted{until}: {}", tame(&entry.reason))
}

pub(in crate::report) fn place(locator: &Locator, report: &Report) -> String {
    use std::os::unix::ffi::OsStrExt;
    let root = locator.root.filter(|_| report.roots.len() > 1);
    match root.and_then(|root| report.roots.get(usize::from(root))) {
        Some(root) => format!("{}: {locator}", Escaped(root.as_os_str().as_bytes())),
        None => locator.to_string(),
    }
}

/// Who says so: `SHA256SUMS, line 3`.
pub(in crate::report) fn origin(finding: &Finding, report: &Report) -> String {
    let source = finding.source.and_then(|id| report.sources.get(id.0 as usize));
    match (source, finding.line) {
        (Some(source), Some(line)) => format!("{}, line {line}", Escaped(&source.path)),
        (Some(source), None) => Escaped(&source.path).to_string(),
        (None, _) => String::new(),
    }
}
