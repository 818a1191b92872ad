//! The first line: what is true.

use std::os::unix::ffi::OsStrExt;

use super::super::RenderError;
use super::super::amounts::{Count, many};
use super::Page;
use super::ink::Style;
use super::wording::Purpose;
use crate::audit::{Report, Verdict};
use crate::check::balance::ClaimClass;
use crate::finding::{Class, Code};
use crate::locator::Escaped;

pub(super) fn write(report: &Report, page: &mut Page<'_>) -> Result<(), RenderError> {
    let (word, style, sentence) = headline(report);
    writeln!(page.out, "{}: {sentence}", page.ink.paint(style, word))?;
    for line in exit(report) {
        page.line(&line)?;
    }
    Ok(())
}

/// The verdict in a word, and what is true in a sentence.
pub(in crate::report) fn headline(report: &Report) -> (&'static str, Style, String) {
    let (word, style) = match (report.verdict, Purpose::of(report)) {
        (Verdict::Valid, Purpose::Compare) => ("SAME", Style::Good),
        (Verdict::Invalid, Purpose::Compare) => ("DIFFERENT", Style::Bad),
        (Verdict::Valid, Purpose::Measure) => ("INDEXED", Style::Good),
        (verdict, _) => of_verdict(verdict),
    };
    let sentence = match Purpose::of(report) {
        Purpose::Judge => sentence(report),
        Purpose::Compare => difference(report),
        Purpose::Measure => measured(report),
    };
    (word, style, sentence)
}

/// What was accepted; and the exit code, where it is another than the verdict would have.
pub(in crate::report) fn exit(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(accepted) = &report.accepted {
        let path = Escaped(accepted.list.path.as_os_str().as_bytes());
        let some = accepted
            .counts
            .iter()
            .map(|(&code, &n)| format!("{} {}", Count(n), Purpose::of(report).name(code)));
        let some: Vec<_> = some.collect();
        lines.push(match accepted.count() {
            0 => format!("nothing is accepted by {path}"),
            _ => format!("accepted by {path}: {}", some.join(", ")),
        });
        lines.extend(accepted.told_idle());
    }
    if report.exit_code != report.verdict.exit_code() {
        let why =
            match (report.options.get("fail_on"), report.accepted.as_ref().is_some_and(|a| a.count() > 0)) {
                (Some(listed), true) => format!("--fail-on {listed}, --accept"),
                (Some(listed), false) => format!("--fail-on {listed}"),
                (None, _) => "--accept".to_string(),
            };
        let (is, by_itself) = (report.exit_code, report.verdict.exit_code());
        lines.push(format!("the exit code is {is} and not {by_itself}: {why}"));
    }
    lines
}

fn of_verdict(verdict: Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Valid => ("VALID", Style::Good),
        Verdict::Invalid => ("INVALID", Style::Bad),
        Verdict::Incomplete => ("INCOMPLETE", Style::Unsure),
    }
}

/// How two copies differ.
fn difference(report: &Report) -> String {
    let balance = &report.coverage.balance;
    let ok = balance.claims_of(ClaimClass::Ok);
    let same = match balance.claims_in {
        n if n == ok => format!("all {} entries of the first are in the second", Count(n)),
        n => format!("{} of {} entries of the first are in the second as they were", Count(ok), Count(n)),
    };
    let mut parts = counted(report, Class::Wrong);
    let gaps = counted(report, Class::Gap);
    if !gaps.is_empty() {
        parts.push(format!("not all could be compared: {}", gaps.join(", ")));
    }
    parts.push(same);
    parts.join("; ")
}

/// What an index holds.
fn measured(report: &Report) -> String {
    let mut parts = vec![format!(
        "{} and {} in them were measured and kept",
        many(report.shards, "file", "files"),
        many(report.samples, "sample", "samples")
    )];
    let gaps = counted(report, Class::Gap);
    if !gaps.is_empty() {
        parts.push(format!("not all of it could be read: {}", gaps.join(", ")));
    }
    if report.shards == 0 {
        parts.push("the dataset is empty".to_string());
    }
    parts.join("; ")
}

fn sentence(report: &Report) -> String {
    let mut parts = Vec::new();
    if nothing_checked(report) {
        parts.push("nothing was checked".to_string());
    }
    match report.verdict {
        Verdict::Valid => parts.extend(holding(report)),
        Verdict::Invalid => {
            let wrong = counted(report, Class::Wrong);
            if wrong.is_empty() {
                let all = [counted(report, Class::Gap), counted(report, Class::Note)].concat();
                let why = if all.is_empty() { gaps(report).join(", ") } else { all.join(", ") };
                parts.push(format!("{why}; with --strict that counts as wrong"));
            } else {
                parts.push(wrong.join(", "));
            }
            parts.extend(intact(report));
        }
        Verdict::Incomplete => {
            parts.push(format!("nothing wrong was seen, but {}", gaps(report).join(", and ")));
            parts.extend(intact(report));
        }
    }
    parts.join("; ")
}

/// Claims were made or lists were given, and none of it could be compared.
fn nothing_checked(report: &Report) -> bool {
    let balance = &report.coverage.balance;
    balance.claims_checked() == 0 && report.coverage.looked_up == 0
}

/// What holds in a dataset that is as it should be.
fn holding(report: &Report) -> Vec<String> {
    let coverage = &report.coverage;
    let balance = &coverage.balance;
    let mut parts = Vec::new();
    let ok = balance.claims_of(ClaimClass::Ok);
    if balance.claims_in > 0 {
        let how = algorithms(report);
        parts.push(match balance.claims_in {
            1 if ok == 1 => format!("the one manifest entry is here and intact{how}"),
            n if ok == n => format!("all {} manifest entries are here and intact{how}", Count(n)),
            n => format!(
                "{} of {} manifest entries are here and intact{how}; the rest was not asked for",
                Count(ok),
                Count(n)
            ),
        });
        if coverage.scope == "filtered" {
            parts.push("--include and --exclude left the rest out".to_string());
        }
    }
    if coverage.looked_up > 0 {
        parts.push(format!(
            "none of {} is on a hash list",
            many(coverage.looked_up, "item that was looked up", "items that were looked up")
        ));
        // Who searches for harmful content must not take "none" for more than it says.
        let opaque = report.counts.get(&Code::Opaque).copied().unwrap_or(0);
        if opaque > 0 {
            parts.push(format!(
                "{} looked up whole, but not opened",
                many(opaque, "container was", "containers were")
            ));
        }
    }
    parts
}

/// How many entries of the manifests hold, where there are any.
fn intact(report: &Report) -> Option<String> {
    let balance = &report.coverage.balance;
    (balance.claims_in > 0).then(|| {
        format!(
            "{} of {} intact{}",
            Count(balance.claims_of(ClaimClass::Ok)),
            match balance.claims_in {
                1 => "1 manifest entry is".to_string(),
                n => format!("{} manifest entries are", Count(n)),
            },
            algorithms(report)
        )
    })
}

/// The digests by which entries were found intact: ` (sha256)`, ` (sha256 40, md5 4)`.
fn algorithms(report: &Report) -> String {
    let all = &report.coverage.balance.algorithms;
    match all.len() {
        0 => String::new(),
        1 => format!(" ({})", all.keys().next().map_or("", |a| a.name())),
        _ => {
            let parts: Vec<_> = all.iter().rev().map(|(a, &n)| format!("{a} {}", Count(n))).collect();
            format!(" ({})", parts.join(", "))
        }
    }
}

fn counted(report: &Report, class: Class) -> Vec<String> {
    let of_class = |code: &Code| code.class() == class;
    let some = report.counts.iter().filter(|(code, n)| of_class(code) && **n > 0);
    some.map(|(&code, &n)| format!("{} {}", Count(n), Purpose::of(report).name(code))).collect()
}

/// Why a run in which nothing wrong was seen is not complete.
fn gaps(report: &Report) -> Vec<String> {
    let coverage = &report.coverage;
    let mut why = counted(report, Class::Gap);
    if coverage.scope == "unknown" {
        why.push("whether everything arrived cannot be told".to_string());
    }
    let unusable = report.sources.iter().filter(|s| s.unusable.is_some()).count() as u64;
    if unusable > 0 && !report.counts.contains_key(&Code::BadClaim) {
        why.push(many(unusable, "manifest cannot be used", "manifests cannot be used"));
    }
    let has = |role: &str| report.sources.iter().any(|s| s.role == role);
    if has("manifest") && coverage.balance.claims_checked() == 0 {
        why.push("no manifest entry could be checked".to_string());
    }
    if has("hash-list") && coverage.looked_up == 0 {
        why.push("no item could be looked up".to_string());
    }
    if !coverage.broken.is_empty() {
        why.push("the books of this run do not balance".to_string());
    }
    if why.is_empty() {
        why.push("not everything was checked".to_string());
    }
    why
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    #[test]
    fn nothing_checked_is_said_first() {
        let mut report = sample::clean();
        report.coverage.balance = Default::default();
        report.verdict = Verdict::Incomplete;
        let text = sentence(&report);
        assert!(
            text.starts_with("nothing was checked; nothing wrong was seen, but no manifest entry"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_scope_is_no_success() {
        let mut report = sample::clean();
        report.coverage.scope = "unknown";
        report.verdict = Verdict::Incomplete;
        let text = sentence(&report);
        assert_eq!(
            text,
            "nothing wrong was seen, but whether everything arrived cannot be told; \
             44 of 44 manifest entries are intact (sha256)"
        );
    }

    #[test]
    fn strictness_is_named_as_the_reason() {
        let mut report = sample::clean();
        report.counts.insert(Code::Opaque, 2);
        report.verdict = Verdict::Invalid;
        assert!(sentence(&report).starts_with("2 opaque; with --strict that counts as wrong"));
    }
}
