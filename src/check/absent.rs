//! The last round: claims that nothing answered. Missing, or not to be told.

use serde::{Deserialize, Serialize};

use super::balance::{Balance, ClaimClass};
use super::contents::Pairs;
use super::places::{Absent, Leftovers, claimed_place};
use super::samples::{Beside, Held, Samples};
use super::{FindingSink, Rules, is_below, place_of_claim};
use crate::claim::SourceId;
use crate::digest::Algorithm;
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::{Escaped, Locator};

/// What the earlier rounds came to.
pub struct Rounds<'a> {
    /// What was left of the first round.
    pub left: &'a Leftovers,
    /// What the second one found elsewhere.
    pub pairs: &'a Pairs,
    /// How rows and cells fared.
    pub samples: &'a Samples,
    /// Claimed places whose file was only packed anew.
    pub repacked: &'a Sorted<()>,
}

/// Settles the claims that no item answered, and those that an index makes of the inside of files. `unread` is what
/// makes "missing" uncertain for all of them: how many files were not read and may hold what is sought.
///
/// # Errors
/// Where scratch files fail or a finding cannot be kept.
pub fn settle(
    rounds: &Rounds<'_>,
    rules: &Rules,
    unread: u64,
    scratch: &Scratch,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let Rounds { left, pairs, samples, .. } = rounds;
    let families = families(left, pairs, scratch)?;
    let mut families = Beside::new(families.iter());
    let mut held = Beside::new(samples.claims.iter());
    let mut found = Beside::new(pairs.found.iter());
    let mut blind = left.blind.iter().peekable();
    // Blind places that may hold the current one; each holds the next.
    let mut holders: Vec<(Vec<u8>, String)> = Vec::new();
    // The claimed container that the current name may lie in, and what became of it.
    let mut container: Option<(Vec<u8>, ClaimClass)> = None;
    for record in left.absent.iter() {
        let (key, absent) = record?;
        let place = place_of_claim(&key);
        while let Some(next) = blind.next_if(|r| r.as_ref().map_or(true, |(k, _)| *k <= key)) {
            let (holder, why) = next?;
            let holder = place_of_claim(&holder).to_vec();
            holders.retain(|(outer, _)| is_below(&holder, outer));
            holders.push((holder, why));
        }
        holders.retain(|(holder, _)| is_below(place, holder) || place == holder.as_slice());
        container = container.filter(|(holder, _)| is_below(place, holder));
        let was_found = found.at(&key)?.is_some();
        let family = families.at(&key)?.unwrap_or_default();
        let held = held.at(&key)?.unwrap_or_default();
        let of_inside = absent.inside.map_or(0, |inside| inside.unnamed);
        let found_inside = family.found > 0 || held.in_place + held.elsewhere > 0;
        if let Some((_, class)) = &container
            && !was_found
            && *class != ClaimClass::Altered
        {
            // It shares what became of its container.
            balance.claims(*class, absent.claims);
            continue;
        }
        if absent.inside.is_some() && found_inside && !was_found {
            // Found sample by sample, or in part: what is missing is told one by one.
            balance.claims(ClaimClass::Moved, absent.claims);
            settle_rows(&absent.name, absent.source, held, of_inside, balance, findings)?;
            container = Some((place.to_vec(), ClaimClass::Altered));
            continue;
        }
        let class = if was_found {
            ClaimClass::Moved
        } else if let Some((_, why)) = holders.iter().rev().find(|(holder, _)| is_below(place, holder)) {
            findings.finding(tell(Code::Unverified, &absent, format!("it cannot be told: {why}")))?;
            ClaimClass::NotChecked(Code::Unverified.name())
        } else if rules.subset && absent.namesake.as_ref().is_some_and(|(_, is_open)| *is_open) {
            let detail = "a file of its name is here with other content; whether it is what was published cannot be told";
            findings.finding(tell(Code::Unverified, &absent, detail.to_string()))?;
            ClaimClass::NotChecked(Code::Unverified.name())
        } else if rules.subset && !absent.shard_is_here {
            ClaimClass::NotChecked("not here (--subset)")
        } else {
            findings.finding(tell(Code::Missing, &absent, missing_detail(&absent, unread)))?;
            ClaimClass::Missing
        };
        balance.claims(class, absent.claims + of_inside);
        if absent.inside.is_some() {
            container = Some((place.to_vec(), class));
        }
    }
    altered(rounds, balance, findings)
}

/// Claims on files that are here with other bytes, and on rows and cells in them.
fn altered(rounds: &Rounds<'_>, balance: &mut Balance, findings: &mut dyn FindingSink) -> Result<()> {
    let mut held = Beside::new(rounds.samples.claims.iter());
    let mut repacked = Beside::new(rounds.repacked.iter());
    let mut file: Option<(Vec<u8>, Held, ClaimClass)> = None;
    for record in rounds.left.opened.iter() {
        let (key, open) = record?;
        // Other manifests may claim the same file, but not its rows and cells.
        if file.as_ref().is_none_or(|(of, ..)| *of != key) {
            let class = if repacked.at(&key)?.is_some() { ClaimClass::Moved } else { ClaimClass::Altered };
            file = Some((key.clone(), held.at(&key)?.unwrap_or_default(), class));
        }
        let Some((_, held, class)) = &mut file else { continue };
        balance.claims(*class, open.claims);
        if open.unnamed > 0 {
            let held = std::mem::take(held);
            settle_rows(&open.name, open.source, held, open.unnamed, balance, findings)?;
        }
    }
    Ok(())
}

/// Rows and cells of a claimed file that were found; those that were not are told one by one.
fn settle_rows(
    name: &[u8],
    source: SourceId,
    held: Held,
    due: u64,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    balance.claims(ClaimClass::Ok, held.in_place);
    balance.claims(ClaimClass::Moved, held.elsewhere);
    if held.in_place > 0 {
        *balance.algorithms.entry(Algorithm::Sha256).or_default() += held.in_place;
    }
    if held.rows_by_values > 0 {
        let detail = format!(
            "the texts and bytes of {} of its rows were found, but not together as records with the same fields: \
             whether numbers and other fields are as claimed cannot be told",
            held.rows_by_values
        );
        let mut finding = Finding::of_place(Code::Unverified, Locator::file(None, name), detail);
        finding.source = Some(source);
        findings.finding(finding)?;
    }
    // A round that did not take place has told nothing of them.
    balance.claims(ClaimClass::NotChecked(Code::Unverified.name()), due.saturating_sub(held.items()));
    Ok(())
}

/// How the members of a claimed container that is not here fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Family {
    found: u64,
}

fn families(left: &Leftovers, pairs: &Pairs, scratch: &Scratch) -> Result<Sorted<Family>> {
    let mut families = Spool::new(scratch);
    let mut found = Beside::new(pairs.found.iter());
    let mut open: Option<(Vec<u8>, Family)> = None;
    for record in left.absent.iter() {
        let (key, absent) = record?;
        let was_found = found.at(&key)?.is_some();
        match &mut open {
            Some((holder, family)) if is_below(place_of_claim(&key), place_of_claim(holder)) => {
                family.found += u64::from(was_found);
            }
            _ => {
                if let Some((key, family)) = open.take() {
                    families.push(&key, &family)?;
                }
            }
        }
        if absent.inside.is_some() && open.is_none() {
            open = Some((key, Family::default()));
        }
    }
    if let Some((key, family)) = open {
        families.push(&key, &family)?;
    }
    families.sorted()
}

fn missing_detail(absent: &Absent, unread: u64) -> String {
    let mut detail = match (absent.interrupted, absent.size) {
        _ if absent.namesake.is_some() => {
            let path = absent.namesake.as_ref().map_or(&[][..], |(path, _)| path);
            format!("{} has its file name and other content", Escaped(path))
        }
        (true, _) => "download interrupted: only an incomplete file is here".to_string(),
        (false, Some(size)) => format!("nothing of this name is here ({size} bytes claimed)"),
        (false, None) => "nothing of this name is here".to_string(),
    };
    if let Some(url) = &absent.fetch {
        const LONGEST: usize = 300;
        let cut = if url.len() > LONGEST { "…" } else { "" };
        let shown = Escaped(&url[..url.len().min(LONGEST)]);
        detail.push_str(&format!("; the publisher left it out, to be fetched from {shown}{cut}"));
    }
    if absent.digests.is_empty() {
        detail.push_str("; the manifest gives no digest by which it could be found elsewhere");
    } else if unread > 0 {
        let items = if unread == 1 { "item that was" } else { "items that were" };
        detail.push_str(&format!("; it may be among the {unread} {items} not read"));
    }
    if absent.name.contains(&b'\\') {
        detail.push_str("; the name has a backslash, which is no folder separator here");
    }
    detail
}

fn tell(code: Code, absent: &Absent, detail: String) -> Finding {
    Finding {
        code,
        level: None,
        locator: Some(claimed_place(&absent.name, absent.shard)),
        source: Some(absent.source),
        line: Some(absent.line),
        expected: absent.digests.strongest().cloned(),
        found: None,
        distance: None,
        detail,
    }
}
