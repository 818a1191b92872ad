//! What is claimed, before it is held against anything: manifests, hash lists and columns of digests of a run.

use std::sync::Arc;

use super::findings::{Findings, Names};
use super::in_rows::{self, ColumnTally};
use super::listing::Listing;
use super::lists::Lists;
use super::manifests::{self, Unbound};
use super::options::{AuditOptions, Mode};
use super::report::SourceReport;
use super::run::roots_as_typed;
use crate::check::FindingSink;
use crate::check::balance::Balance;
use crate::claim::SourceId;
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::index::spool::Scratch;
use crate::manifest::hf_local;
use crate::observe::digest_columns::DigestColumn;

/// All that is claimed.
pub struct Claimed {
    /// The hash lists.
    pub lists: Arc<Lists>,
    /// The columns of digests.
    pub columns: Arc<[DigestColumn]>,
    /// What roots and sources are called.
    pub names: Arc<Names>,
    /// What is wrong with manifests and lists.
    pub findings: Findings,
    /// Claims that were taken.
    pub balance: Balance,
    /// The manifests.
    pub manifests: Unbound,
    /// Nothing is claimed unless columns of digests are found in the data.
    pub nothing_but_columns: bool,
}

/// Loads all that was named, or, with a listing, what lies in the dataset.
///
/// # Errors
/// Where something that was named cannot be used, or nothing is claimed.
pub fn load(
    options: &AuditOptions,
    layouts: Vec<Option<hf_local::Layout>>,
    listing: Option<&Listing>,
    scratch: &Scratch,
) -> Result<Claimed> {
    let planned = manifests::choose(options, layouts, listing)?;
    let only_lists = options.mode == Mode::Flag || !options.hash_lists.is_empty();
    // Columns of digests are looked for where everything is opened anyway, or nothing else is claimed.
    let seeking = listing.is_some() && options.digest_columns.is_empty();
    let seeking = seeking && (options.mode == Mode::Audit || planned.is_empty()) && !only_lists;
    let columns = match seeking || !options.digest_columns.is_empty() {
        true => in_rows::columns(options, planned.len() as u32, seeking),
        false => Arc::new([]),
    };
    let of_columns = ColumnTally::default().sources(&columns);
    if planned.is_empty() && options.hash_lists.is_empty() && columns.is_empty() {
        return Err(nothing_to_check_against(options));
    }
    let nothing_but_columns = planned.is_empty() && options.hash_lists.is_empty() && seeking;

    let lists = Arc::new(Lists::load(options, (planned.len() + of_columns.len()) as u32)?);
    let names = Arc::new(names(options, &planned, &of_columns, &lists));
    let mut findings = Findings::new(Arc::clone(&names), Arc::clone(&lists), options.reveal, scratch);
    let mut balance = Balance::default();
    tell_refused(&lists, names.sources.len() - lists.reports.len(), &mut findings)?;
    let manifests = manifests::load(options, planned, scratch, &mut balance, &mut findings)?;
    Ok(Claimed { lists, columns, names, findings, balance, manifests, nothing_but_columns })
}

/// Tells what lines of hash lists, of which the first is this source, were refused.
fn tell_refused(lists: &Lists, first: usize, findings: &mut Findings) -> Result<()> {
    for (number, (list, &lost)) in lists.reports.iter().zip(&lists.lost).enumerate() {
        if lost > 0 {
            let (lines, were) = if lost == 1 { ("line", "was") } else { ("lines", "were") };
            let example =
                list.rejections.first().map_or(String::new(), |(line, why)| format!("; line {line}: {why}"));
            findings.finding(Finding {
                code: Code::BadClaim,
                level: None,
                locator: None,
                source: Some(SourceId((first + number) as u32)),
                line: list.rejections.first().map(|(line, _)| *line),
                expected: None,
                found: None,
                distance: None,
                detail: format!("{lost} {lines} of the hash list {were} refused and not looked for{example}"),
            })?;
        }
    }
    Ok(())
}

/// What roots and sources of a run are called.
pub(super) fn names(
    options: &AuditOptions,
    planned: &[manifests::Planned],
    columns: &[SourceReport],
    lists: &Lists,
) -> Names {
    let roots = roots_as_typed(options).into_iter().map(String::into_bytes).collect();
    let sources = planned.iter().map(|p| p.name.clone());
    let others = columns.iter().chain(&lists.reports).map(|report| report.path.clone());
    let sources = sources.chain(others).collect();
    Names { roots, sources }
}

/// Nothing was named, and nothing lies there.
pub fn nothing_to_check_against(options: &AuditOptions) -> Error {
    let sought =
        "in the dataset there is no sums file (SHA256SUMS, *.md5, …), no hashdeep list, no metadata that \
                  `hf download` leaves, no Git LFS pointer, no git-annex key, no file of DVC, and no table with a column of digests beside its content"
            .to_string();
    let advice = match options.mode {
        Mode::Audit => "Name a manifest with --manifest FILE or a list with --hash-list FILE.",
        _ => "Name a manifest with --manifest FILE.",
    };
    Error::NothingToCheckAgainst { sought, advice: advice.to_string() }
}
