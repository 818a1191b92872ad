//! Rows and cells that have to be told one by one: those of files of which a part was found.

use serde::{Deserialize, Serialize};

use super::super::balance::{Balance, ClaimClass, ItemClass};
use super::super::contents::Pairs;
use super::super::places::Leftovers;
use super::super::{FindingSink, Rules, claim_key, is_below, place_of_claim};
use super::held::{Fate, Held, fate};
use super::marks::{
    Beside, Gate, MarkedRow, key_of_claim, key_of_item, open_claims, open_items, walk_marked,
};
use super::rounds::is_value;
use super::{Samples, Sides};
use crate::claim::SourceId;
use crate::digest::Digest;
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::{Locator, place_key};
use crate::observation::{Kind, Observation};

/// A row or a cell that has no counterpart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lone {
    locator: Locator,
    /// As many rows and cells as share what becomes of it.
    items: u64,
    digest: Option<Digest>,
    /// Its values have counterparts, only the record they make has none.
    by_values: bool,
    /// Its file is in scope of a manifest, for what was seen; for what is claimed, a file of the name is here.
    in_scope: bool,
    line: u64,
}

/// Tells what has no counterpart, and settles it. `verdicts` says of which files of the dataset rows and cells are told
/// one by one.
///
/// # Errors
/// Where scratch files or stores fail, or a finding cannot be kept.
#[allow(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
pub fn tell(
    samples: &Samples,
    left: &Leftovers,
    pairs: &Pairs,
    sides: &Sides<'_>,
    one_by_one: &Sorted<()>,
    rules: &Rules,
    scratch: &Scratch,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let mut seen = Spool::new(scratch);
    if !one_by_one.is_empty() {
        for (store, marks) in sides.seen.iter().zip(&samples.seen_marks) {
            let mut open = open_items(left, pairs);
            let mut told = Beside::new(one_by_one.iter());
            let mut gate = Gate::new(|key: &[u8]| {
                let open = open.at(key)?;
                Ok(told.at(key)?.and(open))
            });
            walk_marked(store, marks, &mut gate, key_of_item, &mut |row| {
                of_items(&row, rules, &mut seen, balance, findings)
            })?;
        }
    }
    let mut claimed = Spool::new(scratch);
    if let (Some(store), Some(marks)) = (sides.claimed, &samples.claimed_marks) {
        let mut open = open_claims(left, pairs)?;
        let mut held = Beside::new(samples.claims.iter());
        // Only files of which something is left and something was found, or that are here.
        let mut gate = Gate::new(|key: &[u8]| {
            let (open, held) = (open.at(key)?, held.at(key)?);
            let some = held.filter(|held: &Held| {
                held.left > 0 && (held.in_place + held.elsewhere > 0 || open == Some(true))
            });
            Ok(some.and(open))
        });
        walk_marked(store, marks, &mut gate, key_of_claim, &mut |row| of_claims(&row, &mut claimed))?;
    }
    pair_up(sides.source, claimed.sorted()?, seen.sorted()?, left, rules, balance, findings)
}

/// A row of the dataset.
fn of_items(
    row: &MarkedRow<'_>,
    rules: &Rules,
    lone: &mut Spool<Lone>,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let (Some(fate), Some(first)) = (fate(row), row.row.items.first()) else { return Ok(()) };
    let in_scope = rules.in_scope(&first.locator.shard);
    let items = row.row.items.len() as u64;
    let new = |seen: &Observation, items, by_values| Lone {
        locator: seen.locator.clone(),
        items,
        // Whether it is on a hash list is not kept with it: where there are lists, none of its digests is shown.
        digest: seen.digests.strongest().filter(|_| !rules.search_all).cloned(),
        by_values,
        in_scope,
        line: 0,
    };
    match fate {
        Fate::Found { in_place: true } => balance.items(ItemClass::Ok, items),
        Fate::ByValues { in_place: true } => {
            lone.push(&key_of(&row_place(first)), &new(first, items, true))?;
        }
        Fate::Found { in_place: false } | Fate::ByValues { in_place: false } => {
            balance.items(ItemClass::Moved, items);
            let of_values = row.row.items.iter().zip(&row.values);
            let named = of_values.filter_map(|(seen, mark)| Some((seen, mark.as_ref()?.home.as_ref()?)));
            let mut any = false;
            for (seen, home) in named {
                any = true;
                findings.finding(super::super::containers::moved(seen, home.clone()))?;
            }
            if !any {
                let mut locator = first.locator.clone();
                locator.column = None;
                let detail = match fate {
                    Fate::ByValues { .. } => {
                        "its texts and bytes are claimed in other places, but not together as a record with the same \
                         fields"
                    }
                    _ => "claimed in another place: its content is that of another entry of the index",
                };
                findings.finding(Finding::of_place(Code::Moved, locator, detail.to_string()))?;
            }
        }
        Fate::Partly => {
            for (seen, mark) in row.row.items.iter().zip(&row.values) {
                match mark {
                    Some(mark) if mark.in_place => balance.item(ItemClass::Ok),
                    Some(mark) => {
                        balance.item(ItemClass::Moved);
                        let finding = match &mark.home {
                            Some(home) => super::super::containers::moved(seen, home.clone()),
                            None => Finding::of_place(
                                Code::Moved,
                                seen.locator.clone(),
                                "claimed in another place".to_string(),
                            ),
                        };
                        findings.finding(finding)?;
                    }
                    None if seen.kind == Kind::Row && !is_value(seen) => balance.item(ItemClass::Moved),
                    None => lone.push(&key_of(&seen.locator), &new(seen, 1, false))?,
                }
            }
        }
        Fate::Left => lone.push(&key_of(&row_place(first)), &new(first, items, false))?,
    }
    Ok(())
}

/// A claimed row.
fn of_claims(row: &MarkedRow<'_>, lone: &mut Spool<Lone>) -> Result<()> {
    let (Some(fate), Some(first)) = (fate(row), row.row.items.first()) else { return Ok(()) };
    let lost = |seen: &Observation, at, items, by_values| Lone {
        locator: seen.locator.clone(),
        items,
        digest: seen.digests.strongest().cloned(),
        by_values,
        in_scope: row.in_place,
        line: at + 1,
    };
    let items = row.row.items.len() as u64;
    match fate {
        Fate::Found { .. } => {}
        Fate::ByValues { in_place } => {
            if in_place {
                lone.push(&key_of(&row_place(first)), &lost(first, row.row.position, items, true))?;
            }
        }
        Fate::Partly => {
            for (at, (seen, mark)) in (row.row.position..).zip(row.row.items.iter().zip(&row.values)) {
                if mark.is_none() && is_value(seen) {
                    lone.push(&key_of(&seen.locator), &lost(seen, at, 1, false))?;
                }
            }
        }
        Fate::Left => lone.push(&key_of(&row_place(first)), &lost(first, row.row.position, items, false))?,
    }
    Ok(())
}

fn row_place(seen: &Observation) -> Locator {
    Locator { column: None, ..seen.locator.clone() }
}

/// File, row, column: a row comes before its cells.
fn key_of(locator: &Locator) -> Vec<u8> {
    let mut key = claim_key(&place_key(&locator.shard));
    key.extend_from_slice(&locator.row.unwrap_or(u64::MAX).to_be_bytes());
    if let Some(column) = &locator.column {
        key.extend_from_slice(column.as_bytes());
        key.push(0);
    }
    key
}

/// What is claimed and what was seen at one place, and has no counterpart elsewhere, is altered; the rest is missing or
/// undisclosed.
fn pair_up(
    source: SourceId,
    claimed: Sorted<Lone>,
    seen: Sorted<Lone>,
    left: &Leftovers,
    rules: &Rules,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let mut seen = seen.iter().peekable();
    let mut blind = left.blind.iter().peekable();
    let mut holder: Option<(Vec<u8>, String)> = None;
    for record in claimed.iter() {
        let (key, lost) = record?;
        while let Some(next) = seen.next_if(|r| r.as_ref().map_or(true, |(k, _)| *k < key)) {
            undisclosed(next?.1, balance, findings)?;
        }
        let file = claim_key(&place_key(&lost.locator.shard));
        while let Some(next) = blind.next_if(|r| r.as_ref().map_or(true, |(k, _)| *k <= file)) {
            holder = Some(next?);
        }
        let unseen = holder.as_ref().filter(|(holder, _)| {
            let (holder, place) = (place_of_claim(holder), place_of_claim(&file));
            holder == place || is_below(place, holder)
        });
        if let Some(next) = seen.next_if(|r| r.as_ref().is_ok_and(|(k, _)| *k == key)) {
            altered(source, &lost, next?.1, rules, balance, findings)?;
        } else if lost.by_values {
            // Its row was seen elsewhere in the file, value by value.
            missing_as_record(source, &lost, balance, findings)?;
        } else if let Some((_, why)) = unseen {
            let detail = format!("it cannot be told: {why}");
            findings.finding(claim_of(source, Code::Unverified, &lost, detail))?;
            balance.claims(ClaimClass::NotChecked(Code::Unverified.name()), lost.items);
        } else if rules.subset && !lost.in_scope {
            balance.claims(ClaimClass::NotChecked("not here (--subset)"), lost.items);
        } else {
            let what = if lost.locator.column.is_some() { "value" } else { "row" };
            let detail = format!("no {what} here has this content");
            findings.finding(claim_of(source, Code::Missing, &lost, detail))?;
            balance.claims(ClaimClass::Missing, lost.items);
        }
    }
    for next in seen {
        undisclosed(next?.1, balance, findings)?;
    }
    Ok(())
}

fn altered(
    source: SourceId,
    lost: &Lone,
    new: Lone,
    rules: &Rules,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let detail = match (lost.by_values, new.by_values) {
        (true, true) => "its texts and bytes are as claimed, another of its fields is not",
        _ => "other content",
    };
    let mut finding = claim_of(source, Code::Altered, lost, detail.to_string());
    finding.found = new.digest;
    if rules.search_all {
        finding.expected = None;
    }
    finding.locator = Some(Locator { root: new.locator.root, ..lost.locator.clone() });
    findings.finding(finding)?;
    balance.claims(ClaimClass::Altered, lost.items);
    balance.items(ItemClass::Altered, new.items);
    Ok(())
}

fn missing_as_record(
    source: SourceId,
    lost: &Lone,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let detail = "its texts and bytes are in this file, but in no row with all its fields".to_string();
    findings.finding(claim_of(source, Code::Missing, lost, detail))?;
    balance.claims(ClaimClass::Missing, lost.items);
    Ok(())
}

fn undisclosed(new: Lone, balance: &mut Balance, findings: &mut dyn FindingSink) -> Result<()> {
    if !new.in_scope {
        balance.items(ItemClass::OutOfScope, new.items);
        return Ok(());
    }
    let what = match (new.by_values, new.locator.column.is_some()) {
        (true, _) => {
            "no manifest claims this row with all its fields, though its texts and bytes are claimed"
        }
        (_, true) => "no manifest claims this value, though others of its row are claimed",
        (_, false) => "no manifest claims this row, though others of its file are claimed",
    };
    let mut finding = Finding::of_place(Code::Undisclosed, new.locator, what.to_string());
    finding.found = new.digest;
    findings.finding(finding)?;
    balance.items(ItemClass::Undisclosed, new.items);
    Ok(())
}

fn claim_of(source: SourceId, code: Code, lost: &Lone, detail: String) -> Finding {
    Finding {
        code,
        level: None,
        locator: Some(Locator { root: None, ..lost.locator.clone() }),
        source: Some(source),
        line: Some(lost.line),
        expected: lost.digest.clone(),
        found: None,
        distance: None,
        detail,
    }
}
