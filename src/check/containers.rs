//! The third round: what became of items that nothing claims by name, container by container.
//!
//! A container speaks for its samples and they for it: one whose samples were all claimed is accounted for; one of
//! which nothing was claimed is one finding, not a thousand.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::balance::{Balance, ItemClass};
use super::contents::{Home, Pairs};
use super::places::{AlteredFile, Leftovers, Role};
use super::samples::{Held, Samples};
use super::{FindingSink, Rules};
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::Escaped;
use crate::observation::{Kind, Observation, State, Unread};

/// What the settling of containers leaves to be told.
pub struct Told {
    /// Files of which rows and cells are told one by one, by item key.
    pub one_by_one: Sorted<()>,
    /// Claimed places whose file has other bytes, and all the samples that are claimed.
    pub repacked: Sorted<()>,
}

/// Settles all loose items, and the rows and cells of files that are settled as a whole.
///
/// # Errors
/// Where scratch files fail or a finding cannot be kept.
#[allow(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
pub fn settle(
    left: &Leftovers,
    pairs: &Pairs,
    samples: &Samples,
    rules: &Rules,
    scratch: &Scratch,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<Told> {
    let verdicts = decide(left, pairs, samples, rules, scratch)?;
    let mut verdicts = verdicts.iter().peekable();
    let mut homes = pairs.homes.iter().peekable();
    let mut held = samples.items.iter().peekable();
    let mut holders: HashMap<u16, Verdict> = HashMap::new();
    let mut one_by_one = Spool::new(scratch);
    let mut repacked = Spool::new(scratch);
    for record in left.loose.iter() {
        let (key, loose) = record?;
        let home = take(&mut homes, &key)?;
        let seen = &loose.seen;
        let root = seen.locator.root.unwrap_or(0);
        let class = match loose.role {
            Role::File { .. } | Role::Altered(_) => {
                let verdict = take(&mut verdicts, &key)?.unwrap_or(Verdict::OutOfScope);
                let held = take(&mut held, &key)?;
                holders.insert(root, verdict);
                let (class, finding) = match loose.role {
                    Role::Altered(file) => tell_altered(seen, verdict, file.finding),
                    _ => tell_file(seen, verdict, home)?,
                };
                finding.map_or(Ok(()), |finding| findings.finding(finding))?;
                if verdict == Verdict::Repacked {
                    repacked.push(&super::claim_key(super::place_of_item(&key)), &())?;
                }
                if settle_rows(seen, verdict, class, held, balance, findings)? {
                    one_by_one.push(&key, &())?;
                }
                class
            }
            Role::InLoose | Role::InRepacked => {
                let verdict = holders.get(&root).copied().unwrap_or(Verdict::OutOfScope);
                tell_inside(seen, verdict, home, rules, findings)?
            }
            Role::InAltered => match home {
                Some(home) => {
                    findings.finding(moved(seen, home))?;
                    ItemClass::Moved
                }
                None => ItemClass::Altered,
            },
        };
        balance.item(class);
    }
    Ok(Told { one_by_one: one_by_one.sorted()?, repacked: repacked.sorted()? })
}

/// Settles the rows and cells of a file together; `true` where they are to be told one by one instead.
fn settle_rows(
    seen: &Observation,
    verdict: Verdict,
    class: ItemClass,
    held: Option<Held>,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<bool> {
    let Some(held) = held.filter(|held| held.items() == seen.unnamed) else {
        // No round asked for them.
        let class = if verdict == Verdict::BySample { ItemClass::OutOfScope } else { class };
        balance.items(class, seen.unnamed);
        return Ok(false);
    };
    match verdict {
        Verdict::BySample | Verdict::Altered { told: true } => return Ok(true),
        Verdict::Repacked => {
            balance.items(ItemClass::Ok, held.in_place);
            balance.items(ItemClass::Moved, held.elsewhere + held.left);
        }
        Verdict::NotRead | Verdict::NotSeenInside | Verdict::Altered { told: false } => {
            let found = held.in_place + held.elsewhere;
            if found > 0 {
                let detail = format!("{found} of the rows and values in it are claimed elsewhere");
                findings.finding(about(Code::Moved, seen, detail))?;
                balance.items(ItemClass::Moved, found);
            }
            let class = match verdict {
                Verdict::NotRead => match seen.state {
                    State::Unread(why) => ItemClass::NotRead(why.name()),
                    State::Read | State::NotAsked => ItemClass::NotRead("its file was not read to its end"),
                },
                _ => class,
            };
            balance.items(class, held.left);
        }
        _ => balance.items(class, held.items()),
    }
    Ok(false)
}

/// What is told of a file that is not as claimed.
fn tell_altered(
    seen: &Observation,
    verdict: Verdict,
    finding: Option<Finding>,
) -> (ItemClass, Option<Finding>) {
    match verdict {
        Verdict::Repacked => {
            let detail = "packed anew: its bytes are others than claimed, its samples are all as claimed";
            let finding = finding.map(|finding| Finding {
                code: Code::Moved,
                expected: None,
                found: None,
                detail: detail.to_string(),
                ..finding
            });
            (ItemClass::Moved, finding.or_else(|| Some(about(Code::Moved, seen, detail.to_string()))))
        }
        _ => (ItemClass::Altered, finding),
    }
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
    Resharded {
        /// How many.
        samples: u64,
        /// Of how many only the values are claimed, and not together.
        by_values: u64,
    },
    /// Its samples were claimed or found one by one; those that were not are told one by one.
    BySample,
    /// Nothing claims it though something should.
    Undisclosed,
    /// Nothing claims to be complete here.
    OutOfScope,
    /// It is not as claimed, and all the samples that are claimed are in it.
    Repacked,
    /// It is not as claimed.
    Altered {
        /// Its rows and cells are told one by one.
        told: bool,
    },
}

/// A file while what is in it passes by.
struct Open {
    key: Vec<u8>,
    seen: Observation,
    /// Members that were settled by claims of their own.
    settled: u64,
    sought_inside: bool,
    moved_itself: bool,
    samples: u64,
    moved: u64,
    altered: Option<Box<AlteredFile>>,
    held: Option<Held>,
    /// For an altered file: whether rows or cells that are claimed of it were not found in it.
    lost: bool,
}

impl Open {
    fn verdict(&self, rules: &Rules) -> Verdict {
        let held = self.held.unwrap_or_default();
        let (samples, moved) = (self.samples + held.rows, self.moved + held.rows_found);
        let found = self.moved > 0 || held.in_place + held.elsewhere > 0;
        if let Some(file) = &self.altered {
            let odd = file.odd_members > 0
                || file.sought_inside
                || self.lost
                || moved < samples
                || held.elsewhere > 0;
            let any = file.sound_members + samples > 0;
            return match file.claimed_inside && any && !odd && !self.seen.inside_incomplete {
                true => Verdict::Repacked,
                false => Verdict::Altered { told: file.claimed_inside },
            };
        }
        if self.moved_itself {
            Verdict::Moved
        } else if matches!(self.seen.state, State::Unread(_))
            && (rules.search_all || rules.in_scope(&self.seen.locator.shard))
        {
            Verdict::NotRead
        } else if self.settled == 0 && samples > 0 && moved == samples {
            Verdict::Resharded { samples, by_values: held.rows_by_values }
        } else if self.settled > 0 || found {
            Verdict::BySample
        } else if self.sought_inside && self.seen.inside_incomplete {
            Verdict::NotSeenInside
        } else if rules.in_scope(&self.seen.locator.shard) && !self.seen.exempt {
            Verdict::Undisclosed
        } else {
            Verdict::OutOfScope
        }
    }
}

/// Decides file by file: a container needs to know all its samples first.
fn decide(
    left: &Leftovers,
    pairs: &Pairs,
    samples: &Samples,
    rules: &Rules,
    scratch: &Scratch,
) -> Result<Sorted<Verdict>> {
    let mut verdicts = Spool::new(scratch);
    let mut close = |open: Open| -> Result<()> { verdicts.push(&open.key, &open.verdict(rules)) };
    let mut open: HashMap<u16, Open> = HashMap::new();
    let mut homes = pairs.homes.iter().peekable();
    let mut held = samples.items.iter().peekable();
    let mut claimed = samples.claims.iter().peekable();
    for record in left.loose.iter() {
        let (key, loose) = record?;
        let has_home = take(&mut homes, &key)?.is_some();
        let root = loose.seen.locator.root.unwrap_or(0);
        match loose.role {
            Role::File { .. } | Role::Altered(_) => {
                let held = take(&mut held, &key)?;
                let place = super::claim_key(super::place_of_item(&key));
                let (settled, sought_inside, altered) = match loose.role {
                    Role::File { settled_members, sought_inside } => (settled_members, sought_inside, None),
                    Role::Altered(file) => (0, false, Some(file)),
                    _ => (0, false, None),
                };
                let elsewhere = |held: Held| held.left + held.elsewhere > 0;
                let lost = altered.is_some() && take(&mut claimed, &place)?.is_some_and(elsewhere);
                let next = Open {
                    key,
                    seen: loose.seen,
                    settled,
                    sought_inside,
                    moved_itself: has_home,
                    samples: 0,
                    moved: 0,
                    altered,
                    held,
                    lost,
                };
                if let Some(before) = open.insert(root, next) {
                    close(before)?;
                }
            }
            Role::InLoose | Role::InRepacked => {
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
) -> Result<(ItemClass, Option<Finding>)> {
    Ok(match verdict {
        Verdict::NotRead => match seen.state {
            State::Unread(Unread::Pointer) => (ItemClass::Pointer, None),
            State::Unread(why) => (ItemClass::NotRead(why.name()), None),
            State::Read | State::NotAsked => (ItemClass::OutOfScope, None),
        },
        Verdict::NotSeenInside => (ItemClass::NotChecked(Code::Unverified.name()), None),
        Verdict::Moved => (ItemClass::Moved, home.map(|home| moved(seen, home))),
        Verdict::Resharded { samples, by_values } => {
            let mut detail = format!(
                "re-sharded: each of its {samples} samples is claimed elsewhere and was found in here instead"
            );
            if by_values > 0 {
                detail.push_str(&format!(
                    "; of {by_values} of them the texts and bytes are claimed, but not together as records with the \
                     same fields"
                ));
            }
            (ItemClass::Moved, Some(about(Code::Moved, seen, detail)))
        }
        Verdict::BySample => (ItemClass::Ok, None),
        Verdict::Undisclosed => {
            (ItemClass::Undisclosed, Some(undisclosed(seen, "no manifest claims it".to_string())))
        }
        Verdict::OutOfScope | Verdict::Repacked | Verdict::Altered { .. } => (ItemClass::OutOfScope, None),
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
            if let Some(home) = home.filter(|home| !home.inside) {
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
        Verdict::Resharded { .. } if seen.kind != Kind::Region && !seen.hidden => ItemClass::Moved,
        Verdict::Altered { .. } if seen.kind == Kind::Region || seen.hidden => ItemClass::Altered,
        Verdict::NotRead
        | Verdict::NotSeenInside
        | Verdict::Resharded { .. }
        | Verdict::BySample
        | Verdict::Repacked
        | Verdict::Altered { .. } => {
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
            // What an archive does not show is told as one region, not again entry by entry.
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

pub(super) fn moved(seen: &Observation, home: Home) -> Finding {
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
