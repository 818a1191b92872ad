//! The last round: claims that nothing answered. Missing, or not to be told.

use super::balance::{Balance, ClaimClass};
use super::contents::Pairs;
use super::places::{Absent, Leftovers, claimed_place};
use super::{FindingSink, Rules, is_below, place_of_claim};
use crate::error::Result;
use crate::finding::{Code, Finding};

/// Settles the claims on absent names. `blind` is what makes "missing" uncertain for all of them: how many files were
/// not read and may hold what is sought.
///
/// # Errors
/// Where scratch files fail or a finding cannot be kept.
pub fn settle(
    left: &Leftovers,
    pairs: &Pairs,
    rules: &Rules,
    unread: u64,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let mut found = pairs.found.iter().peekable();
    let mut blind = left.blind.iter().peekable();
    // Blind places that may hold the current one; each holds the next.
    let mut holders: Vec<(Vec<u8>, String)> = Vec::new();
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
        let mut was_found = false;
        while let Some(next) = found.next_if(|r| r.as_ref().map_or(true, |(k, _)| *k <= key)) {
            was_found |= next?.0 == key;
        }
        let class = if was_found {
            ClaimClass::Moved
        } else if let Some((_, why)) = holders.iter().rev().find(|(holder, _)| is_below(place, holder)) {
            findings.finding(tell(Code::Unverified, &absent, format!("it cannot be told: {why}")))?;
            ClaimClass::NotChecked(Code::Unverified.name())
        } else if rules.subset && absent.shard.is_none() {
            ClaimClass::NotChecked("not here (--subset)")
        } else {
            findings.finding(tell(Code::Missing, &absent, missing_detail(&absent, unread)))?;
            ClaimClass::Missing
        };
        balance.claims(class, absent.claims);
    }
    Ok(())
}

fn missing_detail(absent: &Absent, unread: u64) -> String {
    let mut detail = match (absent.interrupted, absent.size) {
        (true, _) => "download interrupted: only an incomplete file is here".to_string(),
        (false, Some(size)) => format!("nothing of this name is here ({size} bytes claimed)"),
        (false, None) => "nothing of this name is here".to_string(),
    };
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
