//! `index`: everything is measured and kept, and nothing is judged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::conclusion::conclude;
use super::findings::Findings;
use super::lists::Lists;
use super::options::{AuditOptions, Samples};
use super::parts::Parts;
use super::progress::Progress;
use super::report::{Coverage, Report, Verdict};
use super::run::{go_on, options_of, roots_as_typed, scratch};
use super::state::State;
use super::time_limit::{self, is_over};
use super::{listing, planning, reading};
use crate::check::balance::{Balance, ItemClass};
use crate::check::{Rules, place_of_claim};
use crate::error::{Error, Result};
use crate::index::observations::{DIGESTS, FORMAT, FindingsWriter, IndexDir, MARKER};
use crate::index::spool::Spool;
use crate::locator::Escaped;
use crate::observe::digest_columns::DigestColumn;

/// Measures a dataset and writes its index to `options.output`. `stop` ends the run early, without an index.
///
/// # Errors
/// Where the job could not be done: see [`Error`]. Facts about the data are in the report.
pub fn index(options: &AuditOptions, progress: &dyn Progress, stop: &AtomicBool) -> Result<Report> {
    let started = jiff::Timestamp::now();
    let output =
        options.output.as_deref().ok_or_else(|| Error::Usage("no folder for the index was named".into()))?;
    super::run::check_options(options)?;
    check_algorithms(options)?;
    let scratch = scratch(options)?;
    let until = options.time_limit.map(|limit| Instant::now() + limit);
    let state = State::open(options, &scratch, progress)?;
    prepare(output, options)?;

    progress.stage("listing");
    let stores = vec![Vec::new(); options.roots.len()];
    let listing = listing::list(options, &stores, false, &scratch, stop)?;
    go_on(stop)?;
    progress.stage("planning");
    let lists = Arc::new(Lists::default());
    let names = Arc::new(super::claimed::names(options, &[], &[], &lists));
    let new_findings = || Findings::new(Arc::clone(&names), Arc::clone(&lists), false, &scratch);
    let mut findings = new_findings();
    let rules = Rules { search_all: true, ..Rules::default() };
    let claims = Spool::new(&scratch).sorted()?;
    let nothing = (Default::default(), Default::default());
    let (plan, common) = planning::plan(
        options,
        &listing,
        &claims,
        &rules,
        lists.algorithms(),
        &[],
        &nothing.0,
        &nothing.1,
        state.as_ref(),
        &scratch,
        &mut findings,
    )?;
    plan.tell_reused(progress);
    progress.stage("reading");
    progress.planned(plan.to_read, plan.files);
    let roots = Arc::new(roots_as_typed(options));
    let parts = Parts { folder: output.to_path_buf(), roots: Arc::clone(&roots), unnamed_only: false };
    let no_columns: Arc<[DigestColumn]> = Arc::new([]);
    let mut read = reading::read(
        &options.roots,
        &plan.work,
        (plan.files, plan.to_read),
        &common,
        &lists,
        Some(&parts),
        false,
        &no_columns,
        None,
        options.threads.max(1),
        options.memory,
        &scratch,
        &new_findings,
        state.as_ref(),
        until,
        progress,
        stop,
    )?;
    go_on(stop)?;
    let is_kept = state.is_some();
    if let Some(state) = state {
        state.end(progress)?;
    }
    if is_over(until) && read.tally.unread > 0 {
        progress.notice(time_limit::reached(is_kept));
    }

    progress.stage("writing");
    // What was settled without reading, links and devices, is a part of its own.
    let mut balance = Balance::default();
    balance.items_in = read.tally.items + plan.unread.len();
    let mut last = parts.begin(plan.splits, None)?;
    for record in plan.unread.sorted()?.iter() {
        let (_, seen) = record?;
        if let crate::observation::State::Unread(why) = seen.state {
            balance.item(ItemClass::NotRead(why.name()));
        }
        last.observation(&seen)?;
    }
    read.parts.extend(last.finish()?);
    let unread = read.tally.unread;
    balance.items(ItemClass::OutOfScope, read.tally.items - unread);
    balance.items(ItemClass::NotRead("not read to its end"), unread);
    let mut all = read.findings;
    all.push(findings);
    let (findings, counts) = Findings::sorted(all)?;
    let mut writer = FindingsWriter::create(output)?;
    for record in findings.iter() {
        writer.push(&record?.1, &roots)?;
    }
    let found = writer.finish()?;
    let mut unlisted = Vec::new();
    for record in plan.blind.sorted()?.iter() {
        let folder: Vec<u8> =
            place_of_claim(&record?.0).iter().map(|&b| if b == 0 { b'/' } else { b }).collect();
        unlisted.push((0, Escaped(&folder).to_string()));
    }
    let digests = common.indexed_digests().iter().map(|algorithm| algorithm.name().to_string()).collect();
    IndexDir {
        schema: FORMAT.to_string(),
        tool: format!("shardproof {}", env!("CARGO_PKG_VERSION")),
        roots: roots.to_vec(),
        digests,
        opened: options.samples != Samples::Never,
        files: plan.files,
        bytes: plan.bytes,
        samples: read.tally.samples,
        findings: found,
        left_out: listing.left_out,
        unlisted,
        parts: read.parts,
    }
    .commit(output)?;

    let coverage = Coverage {
        scope: super::run::coverage_scope(options, false),
        broken: balance.broken(),
        balance,
        looked_up: 0,
        shards_read: read.tally.shards,
        shards_reused: read.tally.reused,
        bytes_read: read.tally.bytes,
        left_out: listing.left_out,
        spilled: scratch.spilled(),
    };
    let mut report = Report {
        lacking: plan.files == 0 || !coverage.broken.is_empty(),
        verdict: Verdict::Incomplete,
        exit_code: 3,
        options: options_of(options),
        arguments: options.arguments.clone(),
        started,
        finished: jiff::Timestamp::now(),
        roots: options.roots.clone(),
        shards: plan.files,
        samples: read.tally.samples,
        bytes: plan.bytes,
        sources: Vec::new(),
        coverage,
        counts,
        findings,
        reveal: false,
        accepted: None,
    };
    conclude(&mut report, options)?;
    Ok(report)
}

/// What no column keeps would be measured in vain.
fn check_algorithms(options: &AuditOptions) -> Result<()> {
    let Some(algorithm) = options.declared.iter().find(|algorithm| !DIGESTS.contains(algorithm)) else {
        return Ok(());
    };
    let kept: Vec<_> = DIGESTS.iter().map(|algorithm| algorithm.name()).collect();
    Err(Error::Usage(format!("an index has no column for {algorithm}; it keeps {}", kept.join(", "))))
}

/// Makes the folder of an index. One that holds an index already is emptied of it; one that holds anything else is
/// left alone.
fn prepare(output: &Path, options: &AuditOptions) -> Result<()> {
    let failed = |cause| Error::Io {
        doing: "write",
        path: output.to_path_buf(),
        cause,
        advice: "Name another folder with --output.",
    };
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Some(place) = real(output).or_else(|| Some(real(parent)?.join(output.file_name()?))) {
        for root in &options.roots {
            if real(root).is_some_and(|root| place.starts_with(&root)) {
                return Err(Error::Usage(format!(
                    "the index {} would lie inside the dataset {}, where nothing is ever written; name another \
                     folder with --output",
                    output.display(),
                    root.display()
                )));
            }
        }
    }
    if output.exists() {
        let ours = |name: &std::ffi::OsStr| {
            let name = name.to_string_lossy();
            name == "observations" || name == "findings.parquet" || name.contains(MARKER)
        };
        let entries = std::fs::read_dir(output).map_err(failed)?;
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if !ours(&entry.file_name()) {
                return Err(Error::Usage(format!(
                    "the folder {} holds something that is no index; name an empty or a new one with --output",
                    output.display()
                )));
            }
        }
        // The marker first: from now on the folder is no index.
        let _ = std::fs::remove_file(output.join(MARKER));
        let _ = std::fs::remove_file(output.join("findings.parquet"));
        if output.join("observations").exists() {
            std::fs::remove_dir_all(output.join("observations")).map_err(failed)?;
        }
    }
    std::fs::create_dir_all(output.join("observations")).map_err(failed)
}
