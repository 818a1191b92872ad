//! The report for an issue or a pull request: GitHub Flavored Markdown.
//!
//! It tells what the report for people tells, and as much. Names and sentences come from outside: in them every character
//! that means something to Markdown or HTML is a character reference, and names of files stand in `<code>`, where no `@`
//! calls anybody.

use std::fmt::Write as _;
use std::io::Write;

use super::amounts::Count;
use super::human::covered::{not_checked, read};
use super::human::findings::{accepted, origin, place, worst};
use super::human::tame;
use super::human::verdict::{exit, headline};
use super::human::wording::Purpose;
use super::{NOTICE, RenderError, Renderer};
use crate::audit::Report;
use crate::finding::{Code, Finding};

/// Markdown.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

impl Renderer for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn render(&self, report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
        if report.has_hits() {
            writeln!(out, "> {NOTICE}\n")?;
        }
        let (word, _, sentence) = headline(report);
        writeln!(out, "**{word}**: {}", text(&sentence))?;
        let more = exit(report);
        if !more.is_empty() {
            writeln!(out)?;
            list(&more, out)?;
        }
        write_counts(report, out)?;
        write_findings(report, out)?;
        write_list("Not checked", &not_checked(report), out)?;
        let (mut lines, weak) = read(report);
        lines.extend(weak);
        write_list("Read", &lines, out)
    }
}

fn write_counts(report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
    let some: Vec<_> = report.counts.iter().filter(|(_, n)| **n > 0).collect();
    if some.is_empty() {
        return Ok(());
    }
    let purpose = Purpose::of(report);
    writeln!(out, "\n### Found\n\n| count | accepted | finding | class | meaning |\n|--:|--:|---|---|---|")?;
    for (&code, &n) in some {
        let accepted = report.accepted.as_ref().and_then(|a| a.counts.get(&code)).copied().unwrap_or(0);
        let accepted = if accepted > 0 { Count(accepted).to_string() } else { String::new() };
        let (name, class, meaning) = (purpose.name(code), code.class().name(), text(purpose.meaning(code)));
        writeln!(out, "| {} | {accepted} | {name} | {class} | {meaning} |", Count(n))?;
    }
    Ok(())
}

fn write_findings(report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
    for (code, worst) in worst(report)? {
        writeln!(out, "\n### {}\n\n| where | what | by |\n|---|---|---|", Purpose::of(report).name(code))?;
        for finding in &worst {
            let place = finding.locator.as_ref().map_or(String::new(), |at| code_of(&place(at, report)));
            let by = origin(finding, report);
            let by = if by.is_empty() { by } else { code_of(&by) };
            writeln!(out, "| {place} | {} | {by} |", what(finding, report))?;
        }
        let rest = report.counts.get(&code).copied().unwrap_or(0).saturating_sub(worst.len() as u64);
        if rest > 0 {
            writeln!(out, "\n… and {} more; `--report json:FILE` lists all.", Count(rest))?;
        }
    }
    Ok(())
}

fn what(finding: &Finding, report: &Report) -> String {
    let mut what = text(&finding.detail);
    if let Some(level) = finding.level {
        let _ = write!(what, " ({})", level.name());
    }
    if matches!(finding.code, Code::Altered | Code::Moved) || report.reveal {
        for (name, digest) in [("expected", &finding.expected), ("found", &finding.found)] {
            if let Some(digest) = digest {
                let _ = write!(what, "<br>{name} {}", code_of(&digest.to_string()));
            }
        }
    }
    if let Some(entry) = report.accepted(finding) {
        let _ = write!(what, "<br>{}", text(&accepted(entry)));
    }
    what
}

fn write_list(heading: &str, lines: &[String], out: &mut dyn Write) -> Result<(), RenderError> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### {heading}\n")?;
    list(lines, out)
}

fn list(lines: &[String], out: &mut dyn Write) -> Result<(), RenderError> {
    for line in lines {
        // What is indented belongs to the line before.
        let indent = if line.starts_with(' ') { "  " } else { "" };
        writeln!(out, "{indent}- {}", text(line.trim_start()))?;
    }
    Ok(())
}

/// A name, to be shown as it is.
fn code_of(name: &str) -> String {
    format!("<code>{}</code>", escaped(name))
}

/// A sentence: besides, nobody is called by it and it links nowhere.
fn text(sentence: &str) -> String {
    // A character without width parts what platforms look for in finished text: @names, #numbers, www. links.
    let mut text = escaped(sentence).replace("&#64;", "&#64;&#8203;").replace("&#35;", "&#35;&#8203;");
    for www in ["www.", "WWW."] {
        text = text.replace(www, &format!("{}&#8203;.", &www[..3]));
    }
    text
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in tame(text).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '#' | '@' | '$' | '!'
            | ':' | '"' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::locator::Locator;

    fn rendered(report: &Report) -> String {
        let mut out = Vec::new();
        Markdown.render(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_page_is_as_it_should_be() {
        let digest = |byte: &str| format!("<code>sha256&#58;{}</code>", byte.repeat(32));
        let page = rendered(&sample::bad(1));
        let due = format!(
            "\
**INVALID**: 1 altered, 1 missing, 1 undisclosed; 1,000 of 1,003 manifest entries are intact (md5)

### Found

| count | accepted | finding | class | meaning |
|--:|--:|---|---|---|
| 1 |  | altered | wrong | the content is not what was published |
| 1 |  | missing | wrong | published, but not here |
| 1 |  | undisclosed | wrong | here, but published by no manifest |
| 1 |  | bad-claim | gap | an entry of a manifest that cannot be right |
| 1 |  | unreadable | gap | damaged, cut short, or not to be opened |
| 1 |  | odd-name | note | a name with characters that hide or reorder text |

### altered

| where | what | by |
|---|---|---|
| <code>a.tar ▸ 000.jpg</code> | same size, other content<br>expected {}<br>found {} | <code>SHA256SUMS, line 3</code> |
",
            digest("01"),
            digest("02")
        );
        assert!(page.starts_with(&due), "{page}");
        assert!(page.contains("\n### Not checked\n\n- 1 entry&#58; bad-claim\n"), "{page}");
        assert!(page.contains("  - line 10&#58; it has no name\n"), "{page}");
        assert!(page.contains("<code>&#92;u{1b}&#91;31m.bin</code>"), "{page}");
    }

    #[test]
    fn a_hit_is_told_with_care() {
        let page = rendered(&sample::hit(false));
        assert!(page.starts_with(&format!("> {NOTICE}\n\n**INVALID**")), "{page}");
        assert!(!page.contains(&sample::LISTED.repeat(16)), "{page}");
    }

    #[test]
    fn hostile_names_stay_text_in_their_cell() {
        let name = "a|b`c<script>@team #1 [x](http://h) **b**\n| new | row |\u{202e}";
        let shown = code_of(&Locator::file(None, name).to_string());
        for part in ["|", "`", "<script", "@", " #1", "](", "**", "\n", "\u{202e}", "http:"] {
            assert!(!shown.contains(part), "{part}: {shown}");
        }
        let told = text("see www.example.org, @team");
        assert!(!told.contains("www.") && told.contains("&#64;&#8203;team"), "{told}");
    }
}
