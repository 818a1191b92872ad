//! Distrust of manifests: where the digests of one do not hold, whether they are digests of something else.
//!
//! Publishers label git object names as SHA-1, write an MD5 where a SHA-256 should stand, hash what a file decompresses
//! to, or hash a text before its line ends were changed. Files whose claims fail are read again and hashed in all ways
//! that give a digest of this length. A few files of each manifest show which ways are worth trying on the others.
//!
//! A digest that fits in some way proves that the publisher hashed these very bytes, or, where it is of what a file
//! decompresses to, this very content (not how it is packed): such a claim holds, and the wrong
//! label is told once for all claims that have it. Only other line ends are other content.

mod doubts;
mod rereading;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::options::AuditOptions;
use super::progress::Progress;
use crate::check::fits::{Fit, Fitting};
use crate::check::{FindingSink, claim_key};
use crate::claim::SourceId;
use crate::digest::Algorithm;
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::place_key;
pub use doubts::Doubts;
use doubts::{Doubt, Met};
use rereading::{End, Layer, Way};

/// Files of a manifest that are hashed in every way before it is decided which ways to try on the rest.
const TRIAL: u64 = 16;

/// Doubts that are held at once.
const BATCH: usize = 1024;

/// What distrust came to.
pub struct Distrust {
    /// Claims that fit in another way than their manifest says, by place.
    pub fits: Sorted<Fit>,
    /// Bytes read again.
    pub bytes: u64,
}

/// Tries every claim that does not hold for the file at its place in other ways.
///
/// # Errors
/// Where scratch files fail. A file that cannot be read again fits nothing.
#[allow(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
pub fn settle(
    options: &AuditOptions,
    doubts: Doubts,
    scratch: &Scratch,
    findings: &mut dyn FindingSink,
    progress: &dyn Progress,
    until: Option<Instant>,
    stop: &AtomicBool,
) -> Result<Distrust> {
    let (doubts, met) = doubts.sorted()?;
    let mut fits = Spool::new(scratch);
    let mut told: BTreeMap<(SourceId, Option<Algorithm>, Way), Told> = BTreeMap::new();
    let bytes = Mutex::new(0);
    if !doubts.is_empty() {
        progress.stage("reading again what differs");
    }
    let end = End { until, stop };
    let ways = promising(options, &doubts, &bytes, &end)?;
    let mut batch = Vec::new();
    let mut records = doubts.iter().peekable();
    while let Some(record) = records.next() {
        let (_, doubt) = record?;
        if ways.contains_key(&doubt.source) {
            batch.push(doubt);
        }
        if batch.len() < BATCH && records.peek().is_some() {
            continue;
        }
        let found = in_parallel(options, &batch, &bytes, &end, &|doubt| {
            ways.get(&doubt.source).cloned().unwrap_or_default()
        });
        for (doubt, way) in batch.drain(..).zip(found) {
            let Some(way) = way else { continue };
            let told =
                told.entry((doubt.source, doubt.label, way)).or_insert(Told { count: 0, line: doubt.line });
            told.count += 1;
            told.line = told.line.min(doubt.line);
            if let Some(of) = way.fitting(&doubt) {
                let Doubt { root, source, line, .. } = doubt;
                let fit = Fit { root, source, line, value: doubt.value.clone(), of };
                fits.push(&claim_key(&place_key(&doubt.path)), &fit)?;
            }
        }
    }
    if end.is_here() && !stop.load(Ordering::Relaxed) {
        progress.notice("the time limit was reached before all that differs could be read again");
    }
    for ((source, label, way), told) in told {
        tell(source, label, way, &told, &met, findings)?;
    }
    Ok(Distrust { fits: fits.sorted()?, bytes: bytes.into_inner().unwrap_or_default() })
}

/// The claims of a manifest with one wrong label.
struct Told {
    count: u64,
    line: u64,
}

/// The ways in which some digest of each manifest fits, by trial on files spread over it.
fn promising(
    options: &AuditOptions,
    doubts: &Sorted<Doubt>,
    bytes: &Mutex<u64>,
    end: &End<'_>,
) -> Result<BTreeMap<SourceId, BTreeSet<Way>>> {
    let mut counts: BTreeMap<SourceId, u64> = BTreeMap::new();
    for record in doubts.iter() {
        *counts.entry(record?.1.source).or_default() += 1;
    }
    let mut chosen = Vec::new();
    let mut seen: BTreeMap<SourceId, u64> = BTreeMap::new();
    for record in doubts.iter() {
        let (_, doubt) = record?;
        let (n, at) =
            (counts.get(&doubt.source).copied().unwrap_or(1), seen.entry(doubt.source).or_default());
        // The one that steps into the next sixteenth of the manifest's doubts.
        if n <= TRIAL || *at * TRIAL / n != (*at + 1) * TRIAL / n {
            chosen.push(doubt);
        }
        *at += 1;
    }
    let mut ways: BTreeMap<SourceId, BTreeSet<Way>> = BTreeMap::new();
    for batch in chosen.chunks(BATCH) {
        let found = in_parallel(options, batch, bytes, end, &|doubt| Way::all(doubt, options.require));
        for (doubt, way) in batch.iter().zip(found) {
            if let Some(way) = way {
                ways.entry(doubt.source).or_default().insert(way);
            }
        }
    }
    Ok(ways)
}

/// The way in which each of these doubts is resolved, if one of those given does it.
fn in_parallel(
    options: &AuditOptions,
    doubts: &[Doubt],
    bytes: &Mutex<u64>,
    end: &End<'_>,
    ways: &(dyn Fn(&Doubt) -> BTreeSet<Way> + Sync),
) -> Vec<Option<Way>> {
    let next = AtomicUsize::new(0);
    let found: Vec<Mutex<Option<Way>>> = doubts.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..options.threads.clamp(1, doubts.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(doubt), Some(slot)) = (doubts.get(at), found.get(at)) else { return };
                    if end.is_here() {
                        return;
                    }
                    let (way, read) = rereading::way_of(&options.roots, doubt, &ways(doubt), end);
                    if let (Ok(mut slot), Ok(mut bytes)) = (slot.lock(), bytes.lock()) {
                        *slot = way;
                        *bytes += read;
                    }
                }
            });
        }
    });
    found.into_iter().map(|slot| slot.into_inner().unwrap_or_default()).collect()
}

impl Way {
    /// What a digest that fits in this way says of the claim.
    fn fitting(self, doubt: &Doubt) -> Option<Fitting> {
        Some(match self.layer {
            Layer::Bytes => Fitting::Bytes(crate::digest::Digest::new(self.algorithm, &doubt.value).ok()?),
            Layer::Decompressed => Fitting::Content,
            Layer::WithLf => Fitting::LineEnds { crlf_here: true },
            Layer::WithCrlf => Fitting::LineEnds { crlf_here: false },
        })
    }
}

/// Tells once what the digests of a manifest really are.
fn tell(
    source: SourceId,
    label: Option<Algorithm>,
    way: Way,
    told: &Told,
    met: &Met,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let Told { count, line } = *told;
    let of = met.get(&(source, label)).copied().unwrap_or(count);
    let algorithm = way.algorithm.title();
    let detail = match (way.layer, label) {
        (Layer::Bytes, Some(label)) => {
            format!("{count} of {of} fit as {algorithm}; the label {label} is wrong")
        }
        (Layer::Bytes, None) => format!(
            "{count} of {of} digests that cannot be what the manifest says fit as {algorithm}; the label or the way \
             they are written is wrong"
        ),
        (Layer::Decompressed, _) => format!(
            "{count} of {of} fit as {algorithm} of what the files decompress to: the manifest describes the content, \
             not the files"
        ),
        // Told with each file: what is here is not what was published.
        (Layer::WithLf | Layer::WithCrlf, _) => return Ok(()),
    };
    findings.finding(Finding {
        code: Code::BadClaim,
        level: None,
        locator: None,
        source: Some(source),
        line: Some(line),
        expected: None,
        found: None,
        distance: None,
        detail,
    })
}
