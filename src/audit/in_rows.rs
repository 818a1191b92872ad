//! Columns of digests as manifests of a run: what rows claim of their own content, counted and told.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::options::AuditOptions;
use super::report::SourceReport;
use crate::check::FindingSink;
use crate::check::balance::{Balance, ClaimClass};
use crate::claim::SourceId;
use crate::digest::{Algorithm, DigestSet};
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::locator::Locator;
use crate::observe::Claimed;
use crate::observe::digest_columns::{DigestColumn, InRow, USUAL};

/// The columns that a run holds against their rows. Those that nobody named are looked for where nothing else is claimed.
pub fn columns(options: &AuditOptions, first: u32, discovering: bool) -> Arc<[DigestColumn]> {
    let named = options.digest_columns.iter().map(|(name, algorithm)| (name.clone(), *algorithm, false));
    let usual = USUAL.iter().map(|(name, algorithm)| (name.to_string(), *algorithm, true));
    let all: Vec<_> = if discovering { usual.collect() } else { named.collect() };
    let numbered = (first..).zip(all);
    numbered
        .map(|(number, (name, algorithm, discovered))| DigestColumn {
            name,
            algorithm,
            discovered,
            // Those that were found count as one manifest.
            source: SourceId(if discovered { first } else { number }),
        })
        .collect()
}

/// The algorithms that they need.
pub fn algorithms(columns: &[DigestColumn]) -> DigestSet {
    columns.iter().map(|column| column.algorithm).collect()
}

/// Place, column, code and reason; how often, and the first row.
pub type Gaps = BTreeMap<(Locator, usize, Code, Cow<'static, str>), (u64, u64)>;

/// How one worker's rows fared.
#[derive(Default)]
pub struct InRows {
    /// The columns.
    pub columns: Arc<[DigestColumn]>,
    /// Weaker algorithms than this are not taken.
    pub require: Option<Algorithm>,
    tally: ColumnTally,
    /// What could not be compared in the present file, by place, column and reason: how often, and the first row.
    gaps: Gaps,
}

/// Counts over all rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnTally {
    /// Claims of each source.
    pub claims: BTreeMap<SourceId, u64>,
    matched: BTreeMap<Algorithm, u64>,
    altered: u64,
    not_checked: BTreeMap<&'static str, u64>,
}

impl InRows {
    /// For these columns; weaker algorithms than `require` are not taken.
    pub fn new(columns: Arc<[DigestColumn]>, require: Option<Algorithm>) -> Self {
        InRows { columns, require, ..InRows::default() }
    }

    /// Takes what became of a digest. Where there are hash lists, digests of altered content are not shown: the content
    /// may be on one.
    pub fn settle(&mut self, claimed: Claimed, guarded: bool, findings: &mut dyn FindingSink) -> Result<()> {
        let Claimed { locator, column, verdict } = claimed;
        let Some(of) = self.columns.get(column) else { return Ok(()) };
        *self.tally.claims.entry(of.source).or_default() += 1;
        // Files are read one after the other: nothing more comes of the one before.
        if self.gaps.keys().next().is_some_and(|(place, ..)| place.shard != locator.shard) {
            tell_gaps(std::mem::take(&mut self.gaps), &self.columns, findings)?;
        }
        let weak = self.require.is_some_and(|required| of.algorithm.strength() < required.strength());
        match verdict {
            InRow::Match(_) if weak => {
                self.gap(
                    locator,
                    column,
                    Code::Unverifiable,
                    "--require asks for a stronger algorithm".into(),
                );
            }
            InRow::Match(algorithm) => *self.tally.matched.entry(algorithm).or_default() += 1,
            InRow::Mismatch { column, expected, found } => {
                self.tally.altered += 1;
                let detail = format!("its column {} says otherwise", of.name);
                let mut finding =
                    Finding::of_place(Code::Altered, Locator { column: Some(column), ..locator }, detail);
                finding.source = Some(of.source);
                if !guarded {
                    (finding.expected, finding.found) = (Some(expected), Some(found));
                }
                findings.finding(finding)?;
            }
            InRow::NotComparable(why) => self.gap(locator, column, Code::Unverifiable, why),
            InRow::Bad(why) => self.gap(locator, column, Code::BadClaim, why),
        }
        Ok(())
    }

    /// Tells what could not be compared in the files before.
    pub fn flush(&mut self, findings: &mut dyn FindingSink) -> Result<()> {
        tell_gaps(std::mem::take(&mut self.gaps), &self.columns, findings)
    }

    /// Takes what could not be compared in the present file, of which other workers read other rows.
    pub fn take_gaps(&mut self) -> Gaps {
        std::mem::take(&mut self.gaps)
    }

    /// Takes what could not be compared in a file that was read by several workers.
    pub fn add_gaps(&mut self, gaps: Gaps) {
        merge(&mut self.gaps, gaps);
    }

    fn gap(&mut self, locator: Locator, column: usize, code: Code, why: Cow<'static, str>) {
        *self.tally.not_checked.entry(code.name()).or_default() += 1;
        let row = locator.row.unwrap_or(0);
        let file = Locator { row: None, ..locator };
        let known = self.gaps.entry((file, column, code, why)).or_insert((0, row));
        known.0 += 1;
        known.1 = known.1.min(row);
    }

    /// Tells what could not be compared, file by file.
    pub fn conclude(self, all: &mut ColumnTally, findings: &mut dyn FindingSink) -> Result<()> {
        tell_gaps(self.gaps, &self.columns, findings)?;
        let ColumnTally { claims, matched, altered, not_checked } = self.tally;
        for (source, n) in claims {
            *all.claims.entry(source).or_default() += n;
        }
        for (algorithm, n) in matched {
            *all.matched.entry(algorithm).or_default() += n;
        }
        all.altered += altered;
        for (reason, n) in not_checked {
            *all.not_checked.entry(reason).or_default() += n;
        }
        Ok(())
    }
}

/// Adds up what could not be compared.
pub fn merge(all: &mut Gaps, gaps: Gaps) {
    for (gap, (count, first)) in gaps {
        let known = all.entry(gap).or_insert((0, first));
        known.0 += count;
        known.1 = known.1.min(first);
    }
}

fn tell_gaps(gaps: Gaps, columns: &[DigestColumn], findings: &mut dyn FindingSink) -> Result<()> {
    for ((locator, column, code, why), (count, first)) in gaps {
        let rows = if count == 1 { "1 row".to_string() } else { format!("{count} rows") };
        let detail = format!("{rows}, the first is {first}: {why}");
        let mut finding = Finding::of_place(code, locator, detail);
        finding.source = columns.get(column).map(|column| column.source);
        findings.finding(finding)?;
    }
    Ok(())
}

impl ColumnTally {
    /// Settles the claims.
    pub fn settle(&self, balance: &mut Balance) {
        balance.claims_in += self.claims.values().sum::<u64>();
        for (algorithm, n) in &self.matched {
            balance.claims(ClaimClass::Ok, *n);
            *balance.algorithms.entry(*algorithm).or_default() += n;
        }
        balance.claims(ClaimClass::Altered, self.altered);
        for (reason, n) in &self.not_checked {
            balance.claims(ClaimClass::NotChecked(reason), *n);
        }
    }

    /// The columns as sources of the report.
    pub fn sources(&self, columns: &[DigestColumn]) -> Vec<SourceReport> {
        let source = |column: &DigestColumn| {
            let name = match column.discovered {
                true => "columns of digests".to_string(),
                false => format!("column:{}={}", column.name, column.algorithm),
            };
            let mut report = SourceReport::new("manifest", name.into_bytes());
            report.format = "column";
            report.entries = self.claims.get(&column.source).copied().unwrap_or(0);
            report.scope = Some("named");
            report.found_in_dataset = column.discovered;
            report
        };
        let mut columns: Vec<&DigestColumn> = columns.iter().collect();
        columns.dedup_by_key(|column| column.source);
        columns.into_iter().map(source).collect()
    }
}
