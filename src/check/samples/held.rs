//! How the rows and cells of each file fared, counted.

use serde::{Deserialize, Serialize};

use super::super::contents::Pairs;
use super::super::places::Leftovers;
use super::marks::{Gate, MarkedRow, Marks, key_of_claim, key_of_item, open_claims, open_items, walk_marked};
use super::rounds::is_value;
use crate::error::Result;
use crate::index::observations::Store;
use crate::index::spool::Spool;
use crate::observation::Kind;

/// The rows and cells of one file, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Rows in all; a cell without a row counts as one.
    pub rows: u64,
    /// Rows that were found on the other side, whole or value by value.
    pub rows_found: u64,
    /// Those whose values were found elsewhere, though not the row as a record.
    pub rows_by_values: u64,
    /// Rows and cells that were found, in the file of the same name.
    pub in_place: u64,
    /// Rows and cells that were found, elsewhere.
    pub elsewhere: u64,
    /// Rows and cells that were not found.
    pub left: u64,
}

impl Held {
    /// Rows and cells in all.
    pub fn items(&self) -> u64 {
        self.in_place + self.elsewhere + self.left
    }
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was found as it is.
    Found {
        /// In the file of the same name.
        in_place: bool,
    },
    /// All its values were found, but not together in one such record.
    ByValues {
        /// All of them in the file of the same name.
        in_place: bool,
    },
    /// Some of its values were found.
    Partly,
    /// Nothing of it was found.
    Left,
}

/// What became of a row; `None` for a sample put together from members, which counts for nothing itself.
pub fn fate(row: &MarkedRow<'_>) -> Option<Fate> {
    let first = row.row.items.first()?;
    if first.derived {
        return None;
    }
    if let Some(mark) = row.record.as_ref().filter(|mark| mark.whole) {
        return Some(Fate::Found { in_place: mark.in_place });
    }
    // A sample put together from members says that its fields belong together, not that they are here: they may be
    // claimed themselves, or settled already.
    let together = first.record.is_none() || row.record.is_some();
    let values = row.row.items.iter().zip(&row.values).filter(|(seen, _)| is_value(seen));
    let (mut found, mut lost, mut in_place) = (0u64, 0u64, true);
    for (_, mark) in values {
        match mark {
            Some(mark) => {
                found += 1;
                in_place &= mark.in_place;
            }
            None => lost += 1,
        }
    }
    Some(match (found, lost) {
        (0, _) => Fate::Left,
        (_, 0) if together => Fate::Found { in_place },
        (_, 0) => Fate::ByValues { in_place },
        _ => Fate::Partly,
    })
}

impl Held {
    fn add(&mut self, row: &MarkedRow<'_>) {
        let Some(fate) = fate(row) else { return };
        let items = row.row.items.len() as u64;
        self.rows += 1;
        let found = matches!(fate, Fate::Found { .. } | Fate::ByValues { in_place: false });
        self.rows_found += u64::from(found);
        self.rows_by_values += u64::from(matches!(fate, Fate::ByValues { in_place: false }));
        match fate {
            // Two rows of one file that differ as records only are told where they stand.
            Fate::ByValues { in_place: true } => self.left += items,
            Fate::Found { in_place } | Fate::ByValues { in_place } => {
                *if in_place { &mut self.in_place } else { &mut self.elsewhere } += items;
            }
            Fate::Left => self.left += items,
            Fate::Partly => {
                for (seen, mark) in row.row.items.iter().zip(&row.values) {
                    match mark {
                        Some(mark) if mark.in_place => self.in_place += 1,
                        Some(_) => self.elsewhere += 1,
                        // The row itself goes with those of its values that were found.
                        None if seen.kind == Kind::Row && !is_value(seen) => self.elsewhere += 1,
                        None => self.left += 1,
                    }
                }
            }
        }
    }
}

/// The tallies of the open files of a dataset.
pub fn of_items(
    store: &Store,
    left: &Leftovers,
    pairs: &Pairs,
    marks: &Marks,
    into: &mut Spool<Held>,
) -> Result<()> {
    let mut open = open_items(left, pairs);
    let gate = Gate::new(|key: &[u8]| open.at(key));
    tally(store, marks, gate, key_of_item, into)
}

/// The tallies of the open files that are claimed.
pub fn of_claims(
    store: &Store,
    left: &Leftovers,
    pairs: &Pairs,
    marks: &Marks,
    into: &mut Spool<Held>,
) -> Result<()> {
    let mut open = open_claims(left, pairs)?;
    let gate = Gate::new(|key: &[u8]| open.at(key));
    tally(store, marks, gate, key_of_claim, into)
}

fn tally(
    store: &Store,
    marks: &Marks,
    mut gate: Gate<impl FnMut(&[u8]) -> Result<Option<bool>>>,
    key: fn(&crate::observation::Observation) -> Vec<u8>,
    into: &mut Spool<Held>,
) -> Result<()> {
    let mut present: Option<(Vec<u8>, Held)> = None;
    walk_marked(store, marks, &mut gate, key, &mut |row| {
        if row.is_new || present.is_none() {
            if let Some((key, held)) = present.take() {
                into.push(&key, &held)?;
            }
            present = Some((row.key.to_vec(), Held::default()));
        }
        if let Some((_, held)) = &mut present {
            held.add(&row);
        }
        Ok(())
    })?;
    present.map_or(Ok(()), |(key, held)| into.push(&key, &held))
}
