//! The report for people: what is true first, then what was found, what was not checked, what was read, what to do.

mod advice;
pub(super) mod covered;
pub(super) mod findings;
mod ink;
pub(super) mod verdict;
pub(super) mod wording;

use std::io::Write;

use super::{NOTICE, RenderError, Renderer};
use crate::audit::Report;
use crate::locator::is_format_control;
use ink::{Ink, Style};

/// Text for a terminal or a log.
#[derive(Clone, Copy, Debug)]
pub struct Human {
    /// Colours, as terminals understand them.
    pub colour: bool,
}

impl Renderer for Human {
    fn name(&self) -> &'static str {
        "human"
    }

    fn render(&self, report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
        let mut page = Page { out, ink: Ink { colour: self.colour } };
        if report.has_hits() {
            writeln!(page.out, "{NOTICE}\n")?;
        }
        verdict::write(report, &mut page)?;
        findings::write_counts(report, &mut page)?;
        findings::write_worst(report, &mut page)?;
        covered::write_not_checked(report, &mut page)?;
        covered::write_read(report, &mut page)?;
        advice::write(report, &mut page)?;
        Ok(())
    }
}

/// What is written on, and with what.
struct Page<'a> {
    out: &'a mut dyn Write,
    ink: Ink,
}

impl Page<'_> {
    /// A heading after an empty line.
    fn heading(&mut self, text: &str) -> Result<(), RenderError> {
        writeln!(self.out, "\n{}", self.ink.paint(Style::Heading, text))?;
        Ok(())
    }

    /// A line below a heading.
    fn line(&mut self, text: &str) -> Result<(), RenderError> {
        writeln!(self.out, "  {text}")?;
        Ok(())
    }
}

/// Sentences that others made, of names and of what systems said: whoever forgot to escape drives no terminal here.
pub(super) fn tame(text: &str) -> String {
    let drives = |c: char| c.is_control() || is_format_control(c);
    text.chars().map(|c| if drives(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn rendered(report: &Report, colour: bool) -> String {
        let mut out = Vec::new();
        Human { colour }.render(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_line_says_what_is_true() {
        let first = |report: &Report| rendered(report, false).lines().next().unwrap_or_default().to_string();
        assert_eq!(first(&sample::clean()), "VALID: all 44 manifest entries are here and intact (sha256)");
        let bad = first(&sample::bad(1));
        assert!(bad.starts_with("INVALID: 1 altered, 1 missing, 1 undisclosed; "), "{bad}");
        assert!(bad.ends_with("1,000 of 1,003 manifest entries are intact (md5)"), "{bad}");
    }

    #[test]
    fn a_hit_is_told_with_care() {
        let text = rendered(&sample::hit(false), false);
        assert!(text.starts_with(NOTICE));
        assert!(text.contains("INVALID: 1 known-bad"), "{text}");
        assert!(text.contains("list.txt, line 7") && text.contains("exact-weak"), "{text}");
        assert!(text.contains("inhope.org"), "{text}");
        assert!(!text.contains(&sample::LISTED.repeat(16)), "{text}");
    }

    #[test]
    fn what_was_not_checked_and_weak_digests_are_said() {
        let text = rendered(&sample::bad(2), false);
        for part in [
            "1 entry: bad-claim",
            "line 10: it has no name",
            "show damage, not tampering",
            "data/b: a.tar ▸ 000.jpg",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn only_colour_brings_escapes() {
        assert!(!rendered(&sample::bad(1), false).contains('\x1b'));
        let coloured = rendered(&sample::bad(1), true);
        assert!(coloured.contains("\x1b[") && !coloured.contains("\x1b[31m.bin"));
    }
}
