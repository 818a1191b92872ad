//! The third round: what became of items that nothing claims by name, container by container.
//!
//! A container speaks for its samples and they for it: one whose samples were all claimed is accounted for; one of
//! which nothing was claimed is one finding, not a thousand.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::balance::{Balance, ItemClass};
use super::contents::{Home, Pairs};
use super::places::{Leftovers, Loose, Role};
use super::{FindingSink, Rules};
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::Escaped;
use crate::observation::{Kind, Observation, State, Unread};

/// Settles all loose items.
///
/// # Errors
/// Where scratch files fail or a finding cannot be kept.
pub fn settle(
    left: &Leftovers,
    pairs: &Pairs,
    rules: &Rules,
    scratch: &Scratch,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<()> {
    let verdicts = decide(&left.loose, &pairs.homes, rules, scratch)?;
    let mut verdicts = verdicts.iter().peekable();
    let mut homes = pairs.homes.iter().peekable();
    let mut holders: HashMap<u16, Verdict> = HashMap::new();
    for record in left.loose.iter() {
        let (key, loose) = record?;
        let home = take(&mut homes, &key)?;
        let root = loose.seen.locator.root.unwrap_or(0);
        let class = match loose.role {
            Role::File { .. } => {
                let verdict = take(&mut verdicts, &key)?.unwrap_or(Verdict::OutOfScope);
                holders.insert(root, verdict);
                tell_file(&loose.seen, verdict, home, findings)?
            }
            Role::InLoose => {
                let verdict = holders.get(&root).copied().unwrap_or(Verdict::OutOfScope);
                tell_inside(&loose.seen, verdict, home, rules, findings)?
            }
            Role::InAltered => match home {
                Some(home) => {
                    findings.finding(moved(&loose.seen, home))?;
                    ItemClass::Moved
                }
                None => ItemClass::Altered,
            },
        };
        balance.item(class);
    }
    Ok(())
}

/// What became of a file that nothing claims by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Verdict {
    /// It was not read, so nothing can be said.
    NotRead,
    /// Claims name what is inside, and the inside was not seen.
    NotSeenInside,
    /// It belongs elsewhere as a whole.
    Moved,
    /// So many samples, every one of them belonging elsewhere: re-sharded.
    Resharded(u64),
    /// Its samples were claimed or found one by one; those that were not are told one by one.
    BySample,
    /// Nothing claims it though something should.
    Undisclosed,
    /// Nothing claims to be complete here.
    OutOfScope,
}

/// Decides file by file: a container needs to know all its samples first.
fn decide(
    loose: &Sorted<Loose>,
    homes: &Sorted<Home>,
    rules: &Rules,
    scratch: &Scratch,
) -> Result<Sorted<Verdict>> {
    struct Open {
        key: Vec<u8>,
        seen: Observation,
        settled: u64,
        sought_inside: bool,
        moved_itself: bool,
        samples: u64,
        moved: u64,
    }
    let mut verdicts = Spool::new(scratch);
    let mut close = |open: Open| -> Result<()> {
        let verdict = if open.moved_itself {
            Verdict::Moved
        } else if matches!(open.seen.state, State::Unread(_))
            && (rules.search_all || rules.in_scope(&open.seen.locator.shard))
        {
            Verdict::NotRead
        } else if open.settled == 0 && open.samples > 0 && open.moved == open.samples {
            Verdict::Resharded(open.samples)
        } else if open.settled > 0 || open.moved > 0 {
            Verdict::BySample
        } else if open.sought_inside && open.seen.inside_incomplete {
            Verdict::NotSeenInside
        } else if rules.in_scope(&open.seen.locator.shard) && !open.seen.exempt {
            Verdict::Undisclosed
        } else {
            Verdict::OutOfScope
        };
        verdicts.push(&open.key, &verdict)
    };
    let mut open: HashMap<u16, Open> = HashMap::new();
    let mut homes = homes.iter().peekable();
    for record in loose.iter() {
        let (key, loose) = record?;
        let has_home = take(&mut homes, &key)?.is_some();
        let root = loose.seen.locator.root.unwrap_or(0);
        match loose.role {
            Role::File { settled_members, sought_inside } => {
                let seen = loose.seen;
                let next = Open {
                    key,
                    seen,
                    settled: settled_members,
                    sought_inside,
                    moved_itself: has_home,
                    samples: 0,
                    moved: 0,
                };
                if let Some(before) = open.insert(root, next) {
                    close(before)?;
                }
            }
            Role::InLoose => {
                if let Some(holder) = open.get_mut(&root)
                    && is_sample(&loose.seen)
                {
                    holder.samples += 1;
                    holder.moved += u64::from(has_home);
                }
            }
            Role::InAltered => {}
        }
    }
    let mut rest: Vec<Open> = open.into_values().collect();
    rest.sort_by(|a, b| a.key.cmp(&b.key));
    rest.into_iter().try_for_each(close)?;
    verdicts.sorted()
}

fn is_sample(seen: &Observation) -> bool {
    !seen.hidden && matches!(seen.kind, Kind::Member | Kind::Stream | Kind::Cell)
}

fn tell_file(
    seen: &Observation,
    verdict: Verdict,
    home: Option<Home>,
    findings: &mut dyn FindingSink,
) -> Result<ItemClass> {
    Ok(match verdict {
        Verdict::NotRead => match seen.state {
            State::Unread(Unread::Pointer) => ItemClass::Pointer,
            State::Unread(why) => ItemClass::NotRead(why.name()),
            State::Read | State::NotAsked => ItemClass::OutOfScope,
        },
        Verdict::NotSeenInside => ItemClass::NotChecked(Code::Unverified.name()),
        Verdict::Moved => {
            if let Some(home) = home {
                findings.finding(moved(seen, home))?;
            }
            ItemClass::Moved
        }
        Verdict::Resharded(samples) => {
            let detail = format!(
                "re-sharded: each of its {samples} samples is claimed elsewhere and was found in here instead"
            );
            findings.finding(about(Code::Moved, seen, detail))?;
            ItemClass::Moved
        }
        Verdict::BySample => ItemClass::Ok,
        Verdict::Undisclosed => {
            findings.finding(undisclosed(seen, "no manifest claims it".to_string()))?;
            ItemClass::Undisclosed
        }
        Verdict::OutOfScope => ItemClass::OutOfScope,
    })
}

fn tell_inside(
    seen: &Observation,
    holder: Verdict,
    home: Option<Home>,
    rules: &Rules,
    findings: &mut dyn FindingSink,
) -> Result<ItemClass> {
    Ok(match holder {
        Verdict::Moved => {
            // A claim on the sample itself was answered here too.
            if let Some(home) = home {
                findings.finding(moved(seen, home))?;
            }
            ItemClass::Moved
        }
        Verdict::Undisclosed => ItemClass::Undisclosed,
        Verdict::OutOfScope => ItemClass::OutOfScope,
        Verdict::NotSeenInside if home.is_none() => ItemClass::NotChecked(Code::Unverified.name()),
        Verdict::NotRead if home.is_none() => match seen.state {
            State::Unread(why) => ItemClass::NotRead(why.name()),
            State::Read | State::NotAsked => ItemClass::NotRead("its file was not read to its end"),
        },
        // Samples that belong elsewhere speak for themselves, not for bytes that are hidden beside them.
        Verdict::Resharded(_) if seen.kind != Kind::Region && !seen.hidden => ItemClass::Moved,
        Verdict::NotRead | Verdict::NotSeenInside | Verdict::Resharded(_) | Verdict::BySample => {
            if let Some(home) = home {
                findings.finding(moved(seen, home))?;
                return Ok(ItemClass::Moved);
            }
            if let State::Unread(why) = seen.state {
                return Ok(ItemClass::NotRead(why.name()));
            }
            if !rules.in_scope(&seen.locator.shard) {
                return Ok(ItemClass::OutOfScope);
            }
            // What lies after the archive's end is told as one region, not again entry by entry.
            if !seen.hidden {
                findings.finding(undisclosed(seen, inside_detail(seen)))?;
            }
            ItemClass::Undisclosed
        }
    })
}

fn inside_detail(seen: &Observation) -> String {
    match seen.region {
        Some(class) => {
            let layer = if seen.in_stream { "the decompressed stream" } else { "the file" };
            format!("{} hidden bytes ({}) in {layer} that no reader shows", seen.length, class.name())
        }
        None if seen.kind == Kind::Region => format!("{} hidden bytes that no reader shows", seen.length),
        None => "no manifest claims this sample, though others of its shard are claimed".to_string(),
    }
}

fn undisclosed(seen: &Observation, detail: String) -> Finding {
    let mut finding = about(Code::Undisclosed, seen, detail);
    finding.found = seen.digests.strongest().filter(|_| !seen.known_bad).cloned();
    finding
}

fn moved(seen: &Observation, home: Home) -> Finding {
    let mut finding = about(Code::Moved, seen, format!("claimed as {}", Escaped(&home.name)));
    finding.source = Some(home.source);
    finding.line = Some(home.line);
    if !seen.known_bad {
        finding.expected = Some(home.digest.clone());
        finding.found = Some(home.digest);
    }
    finding
}

fn about(code: Code, seen: &Observation, detail: String) -> Finding {
    Finding::of_place(code, seen.locator.clone(), detail)
}

/// The record of this key, where the next one is of it; both sides are sorted.
fn take<T>(
    records: &mut std::iter::Peekable<impl Iterator<Item = Result<(Vec<u8>, T)>>>,
    key: &[u8],
) -> Result<Option<T>> {
    let mut taken = None;
    while let Some(record) = records.next_if(|r| r.as_ref().map_or(true, |(k, _)| k.as_slice() <= key)) {
        let (found, value) = record?;
        if found == key {
            taken = Some(value);
        }
    }
    Ok(taken)
}
