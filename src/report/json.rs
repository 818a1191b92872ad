//! The report for machines: `shardproof.report/1`, described by `report-1.schema.json`.
//!
//! It is written piece by piece: findings are read back one at a time and stand one on a line, so that a report of
//! any length needs no memory and `grep` finds its way. All but `run` is equal byte for byte for equal input.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use serde::Serialize;

use super::paths::{MemberText, PathText};
use super::{NOTICE, RenderError, Renderer};
use crate::audit::acceptance::Accepted;
use crate::audit::{Report, SourceReport};
use crate::check::balance::ClaimClass;
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::locator::Locator;

/// The JSON Schema (draft 2020-12) that every report follows.
pub const SCHEMA: &str = include_str!("report-1.schema.json");

/// The name and version of the report's format.
const NAME: &str = "shardproof.report/1";

/// One JSON object.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Renderer for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn render(&self, report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
        let mut object = Object { out, begun: false };
        let head = Head::of(report);
        object.field("schema", &head.schema)?;
        if let Some(notice) = head.notice {
            object.field("notice", &notice)?;
        }
        object.field("tool", &head.tool)?;
        object.field("verdict", &head.verdict)?;
        object.field("exit_code", &head.exit_code)?;
        object.field("options", &head.options)?;
        object.field("run", &Run::of(report))?;
        object.field("dataset", &head.dataset)?;
        object.rows("sources", head.sources.iter().map(Ok), |object, source| object.value(source))?;
        object.field("coverage", &head.coverage)?;
        object.field("counts", &head.counts)?;
        object.field("acceptance", &head.acceptance)?;
        // Read back one at a time, and written before the next is read.
        object.rows("findings", report.findings(), |object, finding| {
            object.value(&Row::of(&finding, report))
        })?;
        object.out.write_all(b"\n}\n")?;
        Ok(())
    }
}

/// A JSON object being written: a field on a line, a row of an array on a line.
struct Object<'a> {
    out: &'a mut dyn Write,
    begun: bool,
}

impl Object<'_> {
    fn key(&mut self, name: &str) -> Result<(), RenderError> {
        let before = if std::mem::replace(&mut self.begun, true) { ",\n  " } else { "{\n  " };
        write!(self.out, "{before}\"{name}\": ")?;
        Ok(())
    }

    fn field(&mut self, name: &str, value: &impl Serialize) -> Result<(), RenderError> {
        self.key(name)?;
        self.value(value)
    }

    fn rows<T>(
        &mut self,
        name: &str,
        rows: impl Iterator<Item = Result<T, Error>>,
        write: impl Fn(&mut Self, T) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        self.key(name)?;
        let mut before = "[\n    ";
        let mut end = "[]";
        for row in rows {
            let row = row?;
            self.out.write_all(before.as_bytes())?;
            write(self, row)?;
            (before, end) = (",\n    ", "\n  ]");
        }
        self.out.write_all(end.as_bytes())?;
        Ok(())
    }

    fn value(&mut self, value: &impl Serialize) -> Result<(), RenderError> {
        serde_json::to_writer(&mut *self.out, value)
            .map_err(|error| RenderError::Write(io::Error::from(error)))
    }
}

/// A report without its findings and without what differs from run to run.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
    tool: Tool,
    verdict: &'static str,
    exit_code: u8,
    options: &'a BTreeMap<&'static str, String>,
    dataset: Dataset<'a>,
    sources: Vec<Source<'a>>,
    coverage: Coverage<'a>,
    counts: BTreeMap<&'static str, u64>,
    acceptance: Option<Acceptance<'a>>,
}

impl<'a> Head<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        Head {
            schema: NAME,
            notice: report.has_hits().then_some(NOTICE),
            tool: Tool { name: "shardproof", version: env!("CARGO_PKG_VERSION") },
            verdict: report.verdict.name(),
            exit_code: report.exit_code,
            options: &report.options,
            dataset: Dataset::of(report),
            sources: report.sources.iter().map(Source::of).collect(),
            coverage: Coverage::of(report),
            counts: by_name(&report.counts),
            acceptance: report.accepted.as_ref().map(Acceptance::of),
        }
    }
}

fn by_name(counts: &BTreeMap<Code, u64>) -> BTreeMap<&'static str, u64> {
    counts.iter().filter(|(_, n)| **n > 0).map(|(code, &n)| (code.name(), n)).collect()
}

/// What `--accept` did.
#[derive(Serialize)]
struct Acceptance<'a> {
    path: PathText<'a>,
    sha256: &'a str,
    entries: usize,
    counts: BTreeMap<&'static str, u64>,
    idle: Vec<Idle<'a>>,
}

/// An entry that accepts nothing.
#[derive(Serialize)]
struct Idle<'a> {
    entry: usize,
    reason: &'a str,
}

impl<'a> Acceptance<'a> {
    fn of(accepted: &'a Accepted) -> Self {
        Acceptance {
            path: PathText(accepted.list.path.as_os_str().as_bytes()),
            sha256: &accepted.list.sha256,
            entries: accepted.list.entries.len(),
            counts: by_name(&accepted.counts),
            idle: accepted.idle.iter().map(|(entry, reason)| Idle { entry: *entry, reason }).collect(),
        }
    }
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
pub(super) struct Run<'a> {
    started: String,
    finished: String,
    arguments: &'a [String],
}

impl<'a> Run<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        Run {
            started: report.started.to_string(),
            finished: report.finished.to_string(),
            arguments: &report.arguments,
        }
    }
}

#[derive(Serialize)]
struct Dataset<'a> {
    roots: Vec<PathText<'a>>,
    shards: u64,
    samples: u64,
    bytes: u64,
    /// One digest over all; reserved.
    root: Option<&'static str>,
}

impl<'a> Dataset<'a> {
    fn of(report: &'a Report) -> Self {
        Dataset {
            roots: report.roots.iter().map(|root| PathText(root.as_os_str().as_bytes())).collect(),
            shards: report.shards,
            samples: report.samples,
            bytes: report.bytes,
            root: None,
        }
    }
}

#[derive(Serialize)]
struct Source<'a> {
    role: &'static str,
    path: PathText<'a>,
    format: &'static str,
    sha256: Option<&'a str>,
    entries: u64,
    rejected: u64,
    scope: Option<&'static str>,
    /// Whether a signature holds; reserved.
    signature: Option<&'static str>,
    discovered: bool,
    unusable: Option<&'a str>,
    rejections: Vec<Rejection<'a>>,
}

#[derive(Serialize)]
struct Rejection<'a> {
    line: u64,
    reason: &'a str,
}

impl<'a> Source<'a> {
    fn of(source: &'a SourceReport) -> Self {
        Source {
            role: source.role,
            path: PathText(&source.path),
            format: source.format,
            sha256: source.sha256.as_deref(),
            entries: source.entries,
            rejected: source.rejected,
            scope: source.scope,
            signature: None,
            discovered: source.found_in_dataset,
            unusable: source.unusable.as_deref(),
            rejections: source
                .rejections
                .iter()
                .map(|(line, reason)| Rejection { line: *line, reason })
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct Coverage<'a> {
    scope: &'static str,
    claims: u64,
    checked: u64,
    ok: u64,
    algorithms: BTreeMap<&'static str, u64>,
    not_checked: Vec<NotChecked>,
    looked_up: u64,
    left_out: u64,
    shards_read: u64,
    shards_reused: u64,
    bytes_read: u64,
    settled: Settled,
    /// Equations of the balance that do not hold: empty, or a bug.
    accounts: &'a [String],
}

#[derive(Serialize)]
struct NotChecked {
    reason: String,
    count: u64,
}

#[derive(Serialize)]
struct Settled {
    claims: BTreeMap<&'static str, u64>,
    items: BTreeMap<&'static str, u64>,
}

impl<'a> Coverage<'a> {
    fn of(report: &'a Report) -> Self {
        let coverage = &report.coverage;
        let balance = &coverage.balance;
        let claims = balance.claims_not_checked().map(|(reason, count)| (reason.to_string(), count));
        let items =
            balance.items_not_checked().into_iter().map(|(reason, n)| (format!("items: {reason}"), n));
        Coverage {
            scope: coverage.scope,
            claims: balance.claims_in,
            checked: balance.claims_checked(),
            ok: balance.claims_of(ClaimClass::Ok),
            algorithms: balance.algorithms.iter().map(|(a, &n)| (a.name(), n)).collect(),
            not_checked: claims.chain(items).map(|(reason, count)| NotChecked { reason, count }).collect(),
            looked_up: coverage.looked_up,
            left_out: coverage.left_out,
            shards_read: coverage.shards_read,
            shards_reused: coverage.shards_reused,
            bytes_read: coverage.bytes_read,
            settled: Settled { claims: balance.claims_by_class(), items: balance.items_by_class() },
            accounts: &coverage.broken,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Row<'a> {
    code: &'static str,
    class: &'static str,
    level: Option<&'static str>,
    locator: Option<Place<'a>>,
    source: Option<PathText<'a>>,
    line: Option<u64>,
    expected: Option<String>,
    found: Option<String>,
    distance: Option<u16>,
    detail: &'a str,
    accepted: Option<Reason<'a>>,
}

/// Why somebody accepts a finding, and until when.
#[derive(Serialize)]
struct Reason<'a> {
    reason: &'a str,
    expires: Option<String>,
}

#[derive(Serialize)]
struct Place<'a> {
    root: Option<PathText<'a>>,
    shard: PathText<'a>,
    member: MemberText<'a>,
    row: Option<u64>,
    column: Option<&'a str>,
    offset: Option<u64>,
}

impl<'a> Row<'a> {
    pub(super) fn of(finding: &'a Finding, report: &'a Report) -> Self {
        // Whoever makes a known-bad finding leaves its digests out; this is the last gate before the file.
        let shown = finding.code != Code::KnownBad || report.reveal;
        let source = finding.source.and_then(|id| report.sources.get(id.0 as usize));
        Row {
            code: finding.code.name(),
            class: finding.code.class().name(),
            level: finding.level.map(|level| level.name()),
            locator: finding.locator.as_ref().map(|locator| Place::of(locator, report)),
            source: source.map(|source| PathText(&source.path)),
            line: finding.line,
            expected: finding.expected.as_ref().filter(|_| shown).map(ToString::to_string),
            found: finding.found.as_ref().filter(|_| shown).map(ToString::to_string),
            distance: finding.distance,
            detail: &finding.detail,
            accepted: report.accepted(finding).map(|entry| Reason {
                reason: &entry.reason,
                expires: entry.expires.map(|day| day.to_string()),
            }),
        }
    }
}

impl<'a> Place<'a> {
    fn of(locator: &'a Locator, report: &'a Report) -> Self {
        let several = report.roots.len() > 1;
        let root = locator.root.filter(|_| several).and_then(|root| report.roots.get(usize::from(root)));
        Place {
            root: root.map(|root| PathText(root.as_os_str().as_bytes())),
            shard: PathText(&locator.shard),
            member: MemberText(&locator.member),
            row: locator.row,
            column: locator.column.as_deref(),
            offset: locator.offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample;
    use super::*;

    fn rendered(report: &Report) -> String {
        let mut out = Vec::new();
        Json.render(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn validated(text: &str) -> Value {
        let value: Value = serde_json::from_str(text).unwrap();
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{text}");
        value
    }

    #[test]
    fn every_shape_of_report_follows_the_schema() {
        for report in [sample::clean(), sample::bad(1), sample::bad(2), sample::hit(false), sample::hit(true)]
        {
            validated(&rendered(&report));
        }
    }

    #[test]
    fn the_schema_knows_every_code_and_refuses_unknown_fields() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let known: Vec<&str> =
            schema["$defs"]["code"]["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(known, Code::ALL.map(Code::name));
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let mut value = validated(&rendered(&sample::clean()));
        value["extra"] = Value::Null;
        assert!(!validator.is_valid(&value));
    }

    #[test]
    fn places_are_told_as_the_contract_says() {
        let value = validated(&rendered(&sample::bad(2)));
        let findings = value["findings"].as_array().unwrap();
        let of = |code: &str| findings.iter().find(|f| f["code"] == code).unwrap();
        assert_eq!(of("altered")["locator"]["root"], "data/b");
        assert_eq!(of("altered")["locator"]["member"], "000.jpg");
        assert_eq!(of("altered")["source"], "SHA256SUMS");
        assert_eq!(of("missing")["locator"]["root"], Value::Null);
        assert_eq!(of("odd-name")["locator"]["shard"]["bytes"], "Yf8=");
        assert_eq!(of("undisclosed")["locator"]["member"], serde_json::json!(["a.zip", "b"]));
        assert_eq!(of("bad-claim")["locator"], Value::Null);
        let alone = validated(&rendered(&sample::bad(1)));
        assert_eq!(alone["findings"][1]["locator"]["root"], Value::Null);
    }

    #[test]
    fn a_hit_carries_no_digest_and_a_notice_first() {
        let text = rendered(&sample::hit(false));
        assert!(!text.contains(&sample::LISTED.repeat(32)), "{text}");
        let keys: Vec<&str> =
            text.lines().filter_map(|l| l.strip_prefix("  \"")?.split('"').next()).collect();
        assert_eq!(keys[..2], ["schema", "notice"]);
        assert!(rendered(&sample::hit(true)).contains(&sample::LISTED.repeat(32)));
        assert!(!rendered(&sample::clean()).contains("notice"));
    }

    #[test]
    fn a_finding_stands_on_a_line_of_its_own() {
        let text = rendered(&sample::bad(1));
        let findings = text.lines().filter(|l| l.starts_with("    {\"code\":")).count();
        assert_eq!(findings as u64, sample::bad(1).findings.len());
    }
}
