//! The report for continuous integration: JUnit XML, as Jenkins' and GitLab's readers take it.
//!
//! One test suite. Each finding is a test case: what is wrong is a failure, a gap is an error, so that neither is green; a
//! note passes; what `--accept` accepts is skipped. Two cases stand before them, so that there is always something: the
//! entries of manifests that are intact, and whether anything besides findings kept the run from being complete.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write;

use super::human::covered::not_checked;
use super::human::findings::{accepted, origin, place};
use super::human::verdict::{exit, headline};
use super::{NOTICE, RenderError, Renderer};
use crate::audit::Report;
use crate::check::balance::ClaimClass;
use crate::finding::{Class, Code, Finding};

/// JUnit XML.
#[derive(Clone, Copy, Debug)]
pub struct JUnit;

impl Renderer for JUnit {
    fn name(&self) -> &'static str {
        "junit"
    }

    fn render(&self, report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
        let (word, _, sentence) = headline(report);
        let command = report.options.get("command").map_or("audit", String::as_str);
        let strict = report.options.contains_key("strict");
        let totals = Totals::of(report, strict);
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        if report.has_hits() {
            writeln!(out, "<!-- {NOTICE} -->")?;
        }
        writeln!(out, "<testsuites name=\"shardproof\" {totals}>")?;
        writeln!(out, "  <testsuite name=\"shardproof {}\" {totals}>", xml(command))?;
        writeln!(out, "    <properties>")?;
        let exit_code = report.exit_code.to_string();
        for (name, value) in [("verdict", report.verdict.name()), ("exit_code", &exit_code)] {
            writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", xml(value))?;
        }
        writeln!(out, "    </properties>")?;
        let balance = &report.coverage.balance;
        let mut said = format!("{word}: {sentence}");
        exit(report).iter().for_each(|line| said.extend(["\n", line]));
        let _ = write!(
            said,
            "\n{} of {} manifest entries are intact; {} items were looked up in hash lists",
            balance.claims_of(ClaimClass::Ok),
            balance.claims_in,
            report.coverage.looked_up
        );
        case("ok", "entries of manifests that are intact", &Outcome::Passed(said), out)?;
        let complete = match (report.lacking, not_checked(report).join("\n")) {
            (true, left) => {
                Outcome::Error("incomplete", format!("something that was asked for was not checked\n{left}"))
            }
            (false, left) => Outcome::Passed(left),
        };
        case("coverage", "nothing besides the findings was left unchecked", &complete, out)?;
        for finding in report.findings() {
            let finding = finding?;
            case(finding.code.name(), &name(&finding, report), &outcome(&finding, report, strict), out)?;
        }
        writeln!(out, "  </testsuite>\n</testsuites>")?;
        Ok(())
    }
}

/// What became of a test case.
enum Outcome {
    Passed(String),
    Failure(&'static str, String),
    Error(&'static str, String),
    Skipped(String),
}

fn outcome(finding: &Finding, report: &Report, strict: bool) -> Outcome {
    let mut text = finding.detail.clone();
    if let Some(level) = finding.level {
        let _ = write!(text, " [{}]", level.name());
    }
    let origin = origin(finding, report);
    if !origin.is_empty() {
        let _ = write!(text, " ({origin})");
    }
    // Who makes a known-bad finding leaves its digests out; this is the last gate before the file.
    if finding.code != Code::KnownBad || report.reveal {
        for (name, digest) in [("expected", &finding.expected), ("found", &finding.found)] {
            if let Some(digest) = digest {
                let _ = write!(text, "\n{name} {digest}");
            }
        }
    }
    if let Some(entry) = report.accepted(finding) {
        return Outcome::Skipped(format!("{}\n{text}", accepted(entry)));
    }
    let code = finding.code.name();
    match judged(finding.code, strict) {
        Class::Wrong => Outcome::Failure(code, text),
        Class::Gap => Outcome::Error(code, text),
        Class::Note => Outcome::Passed(text),
    }
}

/// The class of a code, as the run judges it.
fn judged(code: Code, strict: bool) -> Class {
    if strict { Class::Wrong } else { code.class() }
}

/// A place is a name; what has none is named by who says it.
fn name(finding: &Finding, report: &Report) -> String {
    match (&finding.locator, origin(finding, report)) {
        (Some(locator), _) => format!("{} {}", finding.code, place(locator, report)),
        (None, origin) if origin.is_empty() => finding.code.to_string(),
        (None, origin) => format!("{} {origin}", finding.code),
    }
}

fn case(kind: &str, name: &str, outcome: &Outcome, out: &mut dyn Write) -> Result<(), RenderError> {
    write!(out, "    <testcase classname=\"shardproof.{kind}\" name=\"{}\"", xml(name))?;
    // GitLab shows the text of the element, Jenkins its message as well.
    let first = |text: &str| xml(text.lines().next().unwrap_or_default()).into_owned();
    match outcome {
        Outcome::Passed(text) if text.is_empty() => return Ok(writeln!(out, "/>")?),
        Outcome::Passed(text) => write!(out, "><system-out>{}</system-out>", xml(text))?,
        Outcome::Failure(kind, text) => {
            let message = first(text);
            write!(out, "><failure type=\"{kind}\" message=\"{message}\">{}</failure>", xml(text))?;
        }
        Outcome::Error(kind, text) => {
            let message = first(text);
            write!(out, "><error type=\"{kind}\" message=\"{message}\">{}</error>", xml(text))?;
        }
        Outcome::Skipped(text) => {
            let message = first(text);
            write!(out, "><skipped message=\"{message}\"/><system-out>{}</system-out>", xml(text))?;
        }
    }
    writeln!(out, "</testcase>")?;
    Ok(())
}

/// How many cases there are of each kind, which has to be said before them.
struct Totals {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

impl Totals {
    fn of(report: &Report, strict: bool) -> Totals {
        let mut totals = Totals { tests: 2, failures: 0, errors: u64::from(report.lacking), skipped: 0 };
        for (&code, &n) in &report.counts {
            let accepted = report.accepted.as_ref().and_then(|a| a.counts.get(&code)).copied().unwrap_or(0);
            let open = n.saturating_sub(accepted);
            totals.tests += n;
            totals.skipped += accepted;
            match judged(code, strict) {
                Class::Wrong => totals.failures += open,
                Class::Gap => totals.errors += open,
                Class::Note => {}
            }
        }
        totals
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Totals { tests, failures, errors, skipped } = self;
        write!(f, "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
    }
}

/// Text as it stands in XML 1.0, in an element or an attribute. Characters that cannot stand there at all (Char, §2.2)
/// and those that drive terminals are shown as `\u{..}`.
fn xml(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| match c {
        '&' | '<' | '>' | '"' | '\'' | '\u{fffe}' | '\u{ffff}' => false,
        c => c == '\n' || !(c.is_control() || crate::locator::is_format_control(c)),
    };
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if is_plain(c) => out.push(c),
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::super::sample;
    use super::*;

    fn rendered(report: &Report) -> String {
        let mut out = Vec::new();
        JUnit.render(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn all<'a>(document: &'a Document<'a>, name: &'a str) -> Vec<Node<'a, 'a>> {
        document.descendants().filter(|node| node.has_tag_name(name)).collect()
    }

    #[test]
    fn every_shape_of_report_is_well_formed_and_counted_right() {
        let mut strict = sample::bad(1);
        strict.options.insert("strict", "true".to_string());
        let mut lacking = sample::clean();
        lacking.lacking = true;
        for report in [sample::clean(), sample::bad(2), sample::hit(true), strict, lacking] {
            let text = rendered(&report);
            let document = Document::parse(&text).unwrap();
            for suite in all(&document, "testsuite").into_iter().chain([document.root_element()]) {
                for (attribute, element) in [
                    ("tests", "testcase"),
                    ("failures", "failure"),
                    ("errors", "error"),
                    ("skipped", "skipped"),
                ] {
                    let said: usize = suite.attribute(attribute).unwrap().parse().unwrap();
                    assert_eq!(said, all(&document, element).len(), "{attribute}: {text}");
                }
            }
            let red = all(&document, "failure").len() + all(&document, "error").len();
            assert_eq!(red > 0, report.exit_code != 0 || report.lacking);
        }
    }

    #[test]
    fn classes_are_told_apart() {
        let text = rendered(&sample::bad(1));
        let document = Document::parse(&text).unwrap();
        let kinds = |name| -> Vec<_> {
            all(&document, name).into_iter().map(|node| node.attribute("type").unwrap().to_string()).collect()
        };
        assert_eq!(kinds("failure"), ["altered", "undisclosed", "missing"]);
        assert_eq!(kinds("error"), ["bad-claim", "unreadable"]);
        let names: Vec<_> =
            all(&document, "testcase").iter().map(|node| node.attribute("name").unwrap()).collect();
        assert!(
            names.contains(&"odd-name a\\xff") && names.contains(&"bad-claim SHA256SUMS, line 10"),
            "{names:?}"
        );
        assert!(names.contains(&"unreadable \\u{1b}[31m.bin"), "{names:?}");
    }

    #[test]
    fn what_xml_cannot_hold_is_shown() {
        let hostile = "]]> <a b='c'>&\"\0\u{1}\t\u{fffe}\u{202e}";
        let text = format!("<x y=\"{0}\">{0}</x>", xml(hostile));
        let document = Document::parse(&text).unwrap();
        let shown = "]]> <a b='c'>&\"\\u{0}\\u{1}\\u{9}\\u{fffe}\\u{202e}";
        assert_eq!(document.root_element().attribute("y"), Some(shown));
        assert_eq!(document.root_element().text(), Some(shown));
    }

    #[test]
    fn a_hit_is_told_with_care() {
        let text = rendered(&sample::hit(false));
        assert!(text.contains(NOTICE) && !text.contains(&sample::LISTED.repeat(16)), "{text}");
        let document = Document::parse(&text).unwrap();
        assert_eq!(all(&document, "failure").len(), 1);
    }
}
