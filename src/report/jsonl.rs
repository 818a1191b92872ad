//! The report for machines that read line by line: the head, one finding on each line, and an end by which it shows that
//! nothing is cut off.
//!
//! Fields are those of the JSON report; `kind` comes first and says what a line is: `report`, `finding` or `end`.

use std::io::{self, Write};

use serde::Serialize;

use super::json::{Head, Row, Run};
use super::{RenderError, Renderer};
use crate::audit::Report;

/// JSON Lines.
#[derive(Clone, Copy, Debug)]
pub struct JsonLines;

impl Renderer for JsonLines {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn render(&self, report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
        let head = Line { kind: "report", of: FirstLine { head: Head::of(report), run: Run::of(report) } };
        write(&head, out)?;
        let mut findings = 0;
        for finding in report.findings() {
            let finding = finding?;
            write(&Line { kind: "finding", of: Row::of(&finding, report) }, out)?;
            findings += 1;
        }
        let end = End { findings, verdict: report.verdict.name(), exit_code: report.exit_code };
        write(&Line { kind: "end", of: end }, out)
    }
}

fn write(line: &impl Serialize, out: &mut dyn Write) -> Result<(), RenderError> {
    serde_json::to_writer(&mut *out, line).map_err(|error| RenderError::Write(io::Error::from(error)))?;
    out.write_all(b"\n")?;
    Ok(())
}

#[derive(Serialize)]
struct Line<T> {
    kind: &'static str,
    #[serde(flatten)]
    of: T,
}

#[derive(Serialize)]
struct FirstLine<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    run: Run<'a>,
}

#[derive(Serialize)]
struct End {
    findings: u64,
    verdict: &'static str,
    exit_code: u8,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::{Json, sample};
    use super::*;

    fn lines(report: &Report) -> Vec<Value> {
        let mut out = Vec::new();
        JsonLines.render(report, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn all_lines_together_are_the_json_report() {
        for report in [sample::clean(), sample::bad(2), sample::hit(false), sample::hit(true)] {
            let mut json = Vec::new();
            Json.render(&report, &mut json).unwrap();
            let mut whole: Value = serde_json::from_slice(&json).unwrap();
            let mut all = lines(&report);
            let end = all.pop().unwrap();
            let kinds: Vec<_> = all.iter().map(|line| line["kind"].as_str().unwrap()).collect();
            assert_eq!(kinds[0], "report");
            assert!(kinds[1..].iter().all(|kind| *kind == "finding"));
            for line in &mut all {
                line.as_object_mut().unwrap().remove("kind");
            }
            let findings = whole.as_object_mut().unwrap().remove("findings").unwrap();
            assert_eq!(all[0], whole);
            assert_eq!(Value::Array(all[1..].to_vec()), findings);
            assert_eq!(end["kind"], "end");
            assert_eq!(end["findings"], findings.as_array().unwrap().len());
        }
    }

    #[test]
    fn a_report_of_hits_opens_with_the_notice() {
        let mut out = Vec::new();
        JsonLines.render(&sample::hit(false), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("{\"kind\":\"report\",\"schema\":\"shardproof.report/1\",\"notice\":"),
            "{text}"
        );
        assert!(!text.contains(&sample::LISTED.repeat(16)));
    }
}
