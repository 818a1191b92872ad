//! One run from end to end.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::claimed::{self, Claimed, nothing_to_check_against};
use super::conclusion::conclude;
use super::findings::{Findings, Names};
use super::lists::Lists;
use super::manifests::Manifests;
use super::options::{AuditOptions, Mode, Samples, ScopeOption};
use super::parts::{parts_in_scratch, store_of};
use super::planning::{Common, Plan};
use super::progress::Progress;
use super::report::{Coverage, Report, SourceReport, Verdict};
use super::reused::{self, OpenIndex, Reused, exempt_files};
use super::state::{State, is_state};
use super::time_limit::{self, is_over};
use super::{by_name, listing, planning, reading};
use crate::check::balance::Balance;
use crate::check::samples::{self, Sides};
use crate::check::{Rules, absent, containers, contents};
use crate::claim::{Scope, SourceId};
use crate::error::{Error, Result};
use crate::index::observations::is_index;
use crate::index::spool::{Scratch, Sorted};
use crate::locator::Escaped;
use crate::manifest::{annex_store, hf_local};
use crate::observe::digest_columns::DigestColumn;

/// All that a run knows before it reads a byte of data.
pub(super) struct Prepared {
    pub scratch: Scratch,
    pub reused: Vec<OpenIndex>,
    pub state: Option<State>,
    /// Files left out by `--include` and `--exclude`.
    pub left_out: u64,
    pub loaded: Manifests,
    pub lists: Arc<Lists>,
    pub columns: Arc<[DigestColumn]>,
    pub names: Arc<Names>,
    pub findings: Findings,
    pub balance: Balance,
    pub plan: Plan,
    pub common: Common,
    pub rules: Rules,
    /// A manifest has entries that can be used.
    pub usable: bool,
    /// Nothing is claimed unless columns of digests are found in the data.
    pub nothing_but_columns: bool,
}

/// Loads what is claimed, lists what is there, and joins the two.
pub(super) fn prepare(
    options: &AuditOptions,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Prepared> {
    check_options(options)?;
    let scratch = scratch(options)?;

    progress.stage("listing");
    let discovering = options.mode.verifies() && options.manifests.is_empty();
    let layouts = layouts(options)?;
    let stores_of = |(root, layout): (&PathBuf, &Option<hf_local::Layout>)| -> Vec<PathBuf> {
        let blobs = layout.as_ref().map(hf_local::Layout::stores).unwrap_or_default();
        blobs.into_iter().chain(annex_store::of_repository(root)).collect()
    };
    let stores: Vec<_> = options.roots.iter().zip(&layouts).map(stores_of).collect();
    let reused = reused::open(options)?;
    let state = State::open(options, &scratch, progress)?;
    let list = || listing::list(options, &stores, discovering, &scratch, stop);
    let (listing, claimed) = match discovering {
        true => {
            let listing = list()?;
            go_on(stop)?;
            progress.stage("reading manifests");
            let claimed = claimed::load(options, layouts, Some(&listing), &scratch)?;
            (listing, claimed)
        }
        // What was named can be read while the disk is asked for names.
        false => std::thread::scope(|scope| {
            let claimed = scope.spawn(|| claimed::load(options, Vec::new(), None, &scratch));
            let listing = list();
            progress.stage("reading manifests");
            let claimed = claimed.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // That a dataset is not there is told before what is wrong with its manifest.
            let listing = listing?;
            go_on(stop)?;
            Ok::<_, Error>((listing, claimed?))
        })?,
    };
    let Claimed { lists, columns, names, findings, mut balance, manifests, nothing_but_columns } = claimed;
    let mut findings = findings;
    let loaded = manifests.bind(options, &listing, &scratch, &mut balance)?;
    go_on(stop)?;
    let usable = loaded.reports.iter().any(|r| r.unusable.is_none());
    if !usable && lists.is_empty() && columns.is_empty() {
        return Err(nothing_usable(&loaded.reports));
    }

    progress.stage("planning");
    let rules = Rules {
        // Only what claims to be complete somewhere is asked file by file: there may be a sidecar for each shard.
        scopes: loaded
            .scopes
            .iter()
            .filter(|s| matches!(s, Scope::Folder(_) | Scope::Folders(_)))
            .cloned()
            .collect(),
        scope_glob: match (&options.scope, loaded.scopes.is_empty()) {
            (Some(ScopeOption::Glob(glob)), false) => Some(glob.clone()),
            _ => None,
        },
        subset: options.subset,
        search_all: !lists.is_empty(),
    };
    let own_files = loaded.own_files.iter().chain(&lists.own_files).cloned().collect();
    let (plan, common) = planning::plan(
        options,
        &listing,
        &loaded.claims,
        &rules,
        lists.algorithms(),
        &columns,
        &own_files,
        &loaded.interrupted,
        state.as_ref(),
        &scratch,
        &mut findings,
    )?;
    let common = if loaded.index.is_some() { common.against_index() } else { common };
    Ok(Prepared {
        scratch,
        reused,
        state,
        left_out: listing.left_out,
        loaded,
        lists,
        columns,
        names,
        findings,
        balance,
        plan,
        common,
        rules,
        usable,
        nothing_but_columns,
    })
}

/// Runs all checks that the options ask for. `stop` ends the run early, without a report.
///
/// # Errors
/// Where the job could not be done: see [`Error`]. Facts about the data are in the report.
pub fn audit(options: &AuditOptions, progress: &dyn Progress, stop: &AtomicBool) -> Result<Report> {
    let started = jiff::Timestamp::now();
    let until = options.time_limit.map(|limit| Instant::now() + limit);
    let Prepared {
        scratch,
        reused,
        state,
        left_out,
        loaded,
        lists,
        columns,
        names,
        mut findings,
        mut balance,
        plan,
        common,
        rules,
        usable,
        nothing_but_columns,
    } = prepare(options, progress, stop)?;
    let new_findings = || Findings::new(Arc::clone(&names), Arc::clone(&lists), options.reveal, &scratch);
    if reused.is_empty() && loaded.index.is_none() {
        tell_early(&plan, progress);
    }

    plan.tell_reused(progress);
    progress.stage("reading");
    progress.planned(plan.to_read, plan.files);
    let parts = common.seeks_rows().then(|| parts_in_scratch(options)).transpose()?;
    let mut read = reading::read(
        &options.roots,
        &plan.work,
        (plan.files, plan.to_read),
        &common,
        &lists,
        parts.as_ref().map(|(parts, _)| parts),
        true,
        &columns,
        options.require,
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
    let mut stores = Vec::new();
    if let Some((parts, folder)) = parts {
        stores.push(store_of(parts, folder, std::mem::take(&mut read.parts), options));
    }
    let manifests = exempt_files(&loaded.reports);
    let of_indexes = Reused { options, lists: &lists, manifests: &manifests, scratch: &scratch };
    let (mut files_in_indexes, mut bytes_in_indexes) = (0, 0);
    let mut blind = plan.blind;
    for index in reused {
        files_in_indexes += index.store.index.files;
        bytes_in_indexes += index.store.index.bytes;
        index.blind(&mut blind)?;
        of_indexes.feed(&index, &new_findings, &mut read, progress, stop)?;
        go_on(stop)?;
        stores.push(index.store);
    }

    if nothing_but_columns && read.in_rows.claims.is_empty() {
        return Err(nothing_to_check_against(options));
    }
    read.in_rows.settle(&mut balance);

    progress.stage("settling");
    let links = plan.unread.len();
    balance.items_in = read.tally.items + links;
    let mut observations = read.observations;
    observations.push(plan.unread);
    let items = Sorted::of(observations)?;
    // What an index says was measured by this program; and past its time a run reads nothing again.
    let only_index = loaded.index.is_some() && loaded.reports.len() == 1;
    let doubting = !only_index && !is_over(until);
    let (left, first, read_again) = by_name::settle(
        options,
        &loaded.claims,
        &items,
        blind,
        doubting,
        &scratch,
        &mut balance,
        &mut findings,
        &new_findings,
        progress,
        until,
        stop,
    )?;
    drop(items);
    go_on(stop)?;
    let mut pairs = contents::settle(&left, &scratch)?;
    let (index_source, claimed) = match loaded.index {
        Some((source, store)) => (source, Some(store)),
        None => (SourceId(0), None),
    };
    let sides = Sides {
        source: index_source,
        claimed: claimed.as_ref(),
        seen: &stores,
        memory: options.memory / 2,
        threads: options.threads.max(1),
    };
    let samples = samples::settle(&left, &mut pairs, &sides, &scratch)?;
    go_on(stop)?;
    let told = containers::settle(&left, &pairs, &samples, &rules, &scratch, &mut balance, &mut findings)?;
    let rounds = absent::Rounds { left: &left, pairs: &pairs, samples: &samples, repacked: &told.repacked };
    absent::settle(&rounds, &rules, read.tally.unread + links, &scratch, &mut balance, &mut findings)?;
    samples::tell(
        &samples,
        &left,
        &pairs,
        &sides,
        &told.one_by_one,
        &rules,
        &scratch,
        &mut balance,
        &mut findings,
    )?;

    let mut all = read.findings;
    all.extend([first, findings]);
    let (findings, counts) = Findings::sorted(all)?;
    let unusable = loaded.reports.iter().any(|r| r.unusable.is_some());
    let coverage = Coverage {
        scope: coverage_scope(options, loaded.unknown_scope),
        broken: balance.broken(),
        balance,
        looked_up: read.tally.looked_up,
        shards_read: read.tally.shards,
        shards_reused: read.tally.reused,
        bytes_read: read.tally.bytes + read_again,
        left_out,
        spilled: scratch.spilled(),
    };
    let nothing_claimed = (usable || !columns.is_empty()) && coverage.balance.claims_checked() == 0;
    let nothing_looked_up = !lists.is_empty() && coverage.looked_up == 0;
    let unknown_scope = loaded.unknown_scope && options.scope.is_none() && !options.subset;
    let lacking =
        unusable || nothing_claimed || nothing_looked_up || unknown_scope || !coverage.broken.is_empty();
    let mut sources = loaded.reports;
    sources.extend(read.in_rows.sources(&columns));
    sources.extend(lists.reports.iter().cloned());
    let mut report = Report {
        lacking,
        // Until it is concluded.
        verdict: Verdict::Incomplete,
        exit_code: 3,
        options: options_of(options),
        arguments: options.arguments.clone(),
        started,
        finished: jiff::Timestamp::now(),
        roots: options.roots.clone(),
        shards: plan.files + files_in_indexes,
        samples: read.tally.samples,
        bytes: plan.bytes + bytes_in_indexes,
        sources,
        coverage,
        counts,
        findings,
        reveal: options.reveal,
        accepted: None,
    };
    conclude(&mut report, options)?;
    for idle in report.accepted.iter().flat_map(|accepted| accepted.told_idle()) {
        progress.notice(&idle);
    }
    Ok(report)
}

/// A run that was asked to stop ends between two stages, without a report.
pub(super) fn go_on(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) {
        Err(Error::Interrupted { signal: "a signal", kept: None })
    } else {
        Ok(())
    }
}

pub(super) fn check_options(options: &AuditOptions) -> Result<()> {
    if options.roots.is_empty() {
        return Err(Error::Usage("no dataset was named".into()));
    }
    if options.mode == Mode::Flag && options.hash_lists.is_empty() {
        let sought = "flag needs a list of known-bad digests".to_string();
        return Err(Error::NothingToCheckAgainst {
            sought,
            advice: "Name one with --hash-list FILE.".into(),
        });
    }
    if !options.digest_columns.is_empty()
        && let Some(index) = options.roots.iter().find(|root| is_index(root))
    {
        return Err(Error::Usage(format!(
            "a column of digests is held against its row where that is read, and {} is an index; name the dataset itself",
            index.display()
        )));
    }
    if let Some(state) = options.roots.iter().find(|root| is_state(root)) {
        return Err(Error::Usage(format!(
            "{} is a state, which --state takes beside the dataset itself; what takes a dataset's place is an index, \
             and `shardproof index DATASET --state {0} -o DIR` makes one without reading again what has not changed",
            state.display()
        )));
    }
    let mut seen: Vec<(PathBuf, &PathBuf)> = Vec::new();
    for root in &options.roots {
        let real = std::fs::canonicalize(root).map_err(|cause| Error::Unreadable {
            role: "dataset",
            path: root.clone(),
            cause,
        })?;
        for (other, named) in &seen {
            if real.starts_with(other) || other.starts_with(&real) {
                return Err(Error::Usage(format!(
                    "the datasets {} and {} are the same or lie one in the other; name the outer one only",
                    named.display(),
                    root.display()
                )));
            }
        }
        seen.push((real, root));
    }
    Ok(())
}

pub(super) fn scratch(options: &AuditOptions) -> Result<Scratch> {
    let folder = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    for root in &options.roots {
        let real = |path: &PathBuf| std::fs::canonicalize(path).ok();
        if let (Some(scratch), Some(dataset)) = (real(&folder), real(root))
            && scratch.starts_with(dataset)
        {
            return Err(Error::Usage(format!(
                "the scratch folder {} lies inside the dataset {}, where nothing is ever written; name another one \
                 with --scratch",
                folder.display(),
                root.display()
            )));
        }
    }
    // A dozen spools may be filling at once.
    Ok(Scratch::new(&folder, (options.memory / 24).max(1 << 18)))
}

fn layouts(options: &AuditOptions) -> Result<Vec<Option<hf_local::Layout>>> {
    let detect = |root: &PathBuf| if is_index(root) { None } else { hf_local::detect(root) };
    let layouts: Vec<_> = options.roots.iter().map(detect).collect();
    if options.revision.is_some() && layouts.iter().all(Option::is_none) {
        return Err(Error::Usage(
            "--revision chooses among what `hf download` left, and no dataset here has any of it".into(),
        ));
    }
    Ok(layouts)
}

/// What lies there is named like a manifest and is none.
fn nothing_usable(reports: &[SourceReport]) -> Error {
    let mut why = reports.iter().filter_map(|r| Some((Escaped(&r.path), r.unusable.as_ref()?)));
    let first = why.next().map_or_else(String::new, |(path, why)| format!("{path} cannot be used: {why}"));
    let more = match why.count() {
        0 => String::new(),
        n => format!("; nor can {n} more"),
    };
    let sought = format!("the dataset holds what is named like a manifest, but {first}{more}");
    Error::NothingToCheckAgainst { sought, advice: "Name a manifest with --manifest FILE.".into() }
}

/// What roots are called in reports and indexes; none where there is only one.
pub(super) fn roots_as_typed(options: &AuditOptions) -> Vec<String> {
    match options.roots.as_slice() {
        [_] => Vec::new(),
        several => several.iter().map(|root| Escaped(root.as_os_str().as_bytes()).to_string()).collect(),
    }
}

/// Names and sizes tell the worst within seconds; hashing may take hours.
fn tell_early(plan: &planning::Plan, progress: &dyn Progress) {
    let many =
        |n: u64, one: &str, more: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {more}") };
    if plan.absent > 0 {
        let what = many(plan.absent, "published name is not here", "published names are not here");
        progress.notice(&format!(
            "{what}; reading goes on to see whether the content is here under another name"
        ));
    }
    if plan.absent > 0 && plan.here == 0 {
        progress.notice(
            "none of the published names is here: if the manifest speaks of another folder, such as the one that holds \
             the dataset, name that with --base",
        );
    }
    if plan.other_size > 0 {
        let what = many(plan.other_size, "file has", "files have");
        progress.notice(&format!("{what} another size than published"));
    }
}

pub(super) fn coverage_scope(options: &AuditOptions, unknown: bool) -> &'static str {
    if options.subset {
        "subset"
    } else if options.include.is_some() || options.exclude.is_some() {
        "filtered"
    } else if unknown && options.scope.is_none() {
        "unknown"
    } else {
        "whole"
    }
}

/// What changes the answer, as it is told in the report.
pub(super) fn options_of(options: &AuditOptions) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::new();
    let mode = match options.mode {
        Mode::Audit => "audit",
        Mode::Verify => "verify",
        Mode::Flag => "flag",
        Mode::Index => "index",
        Mode::Diff => "diff",
    };
    all.insert("command", mode.to_string());
    let samples = match options.samples {
        Samples::Auto => "auto",
        Samples::Always => "always",
        Samples::Never => "never",
    };
    all.insert("samples", samples.to_string());
    for (name, on) in [
        ("subset", options.subset),
        ("strict", options.strict),
        ("follow_links", options.follow_links),
        ("reveal", options.reveal),
    ] {
        if on {
            all.insert(name, "true".to_string());
        }
    }
    if let Some(listed) = &options.fail_on {
        all.insert("fail_on", listed.typed());
    }
    if let Some(required) = options.require {
        all.insert("require", required.to_string());
    }
    if !options.declared.is_empty() {
        let declared: Vec<_> = options.declared.iter().map(|a| a.name()).collect();
        all.insert("algorithm", declared.join(","));
    }
    if let Some(revision) = &options.revision {
        all.insert("revision", revision.clone());
    }
    if let Some(base) = &options.base {
        all.insert("base", base.display().to_string());
    }
    if !options.digest_columns.is_empty() {
        let columns = options.digest_columns.iter().map(|(name, algorithm)| format!("{name}={algorithm}"));
        all.insert("columns", columns.collect::<Vec<_>>().join(","));
    }
    for (name, text) in &options.patterns {
        all.insert(name, text.clone());
    }
    all
}
