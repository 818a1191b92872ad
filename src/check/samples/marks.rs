//! What the joins made of single rows and cells, by their places in a store, and which files are open to the joins.

use std::iter::Peekable;

use serde::{Deserialize, Serialize};

use super::super::contents::{Home, Pairs};
use super::super::places::{Leftovers, Role};
use super::super::{claim_key, item_key};
use crate::error::Result;
use crate::index::observations::{Store, StoredRow};
use crate::index::spool::Sorted;
use crate::locator::place_key;
use crate::observation::Observation;

/// What became of a row or a cell in a join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its counterpart is in the file of the same name.
    pub in_place: bool,
    /// A row and its counterpart are both rows of tables: their cells are settled with them.
    pub whole: bool,
    /// For a cell that is claimed under a name of its own: which.
    pub home: Option<Home>,
    /// For what an index claims: the ordinal of the entry.
    pub line: u64,
}

/// Marks of one store: of rows by their records, of rows and cells by single digests.
pub struct Marks {
    /// By the place of the row.
    pub records: Sorted<Mark>,
    /// By the place of the cell, or of the line.
    pub values: Sorted<Mark>,
}

/// Reads sorted records alongside a walk in the same order.
pub struct Beside<I: Iterator>(Peekable<I>);

impl<T, I: Iterator<Item = Result<(Vec<u8>, T)>>> Beside<I> {
    pub fn new(records: I) -> Self {
        Beside(records.peekable())
    }

    /// The record of this key, if there is one. Keys are asked for in order.
    pub fn at(&mut self, key: &[u8]) -> Result<Option<T>> {
        let mut taken = None;
        while let Some(record) = self.0.next_if(|r| r.as_ref().map_or(true, |(k, _)| k.as_slice() <= key)) {
            let (found, value) = record?;
            if found == key {
                taken = Some(value);
            }
        }
        Ok(taken)
    }
}

/// The files of a dataset whose rows and cells are open, by item key: whether the file is at a claimed place. What was
/// found as a whole is open no more.
pub fn open_items<'a>(
    left: &'a Leftovers,
    pairs: &'a Pairs,
) -> Beside<impl Iterator<Item = Result<(Vec<u8>, bool)>> + 'a> {
    let mut homes = Beside::new(pairs.homes.iter());
    let mut has_home = move |key: &[u8]| homes.at(key).map(|home| home.is_some());
    Beside::new(left.loose.iter().filter_map(move |record| match record {
        Ok((key, loose)) => match &loose.role {
            Role::File { .. } if loose.seen.unnamed > 0 || loose.seen.opened => match has_home(&key) {
                Ok(true) => None,
                Ok(false) => Some(Ok((key, false))),
                Err(error) => Some(Err(error)),
            },
            Role::Altered(_) => Some(Ok((key, true))),
            _ => None,
        },
        Err(error) => Some(Err(error)),
    }))
}

/// The claimed files whose rows and cells are open, by place: how many, and whether a file of the name is here.
pub fn open_claims<'a>(left: &'a Leftovers, pairs: &'a Pairs) -> Result<OpenClaims<'a>> {
    Ok(OpenClaims {
        altered: Beside::new(Box::new(left.opened.iter().map(|r| r.map(|(key, open)| (key, open.unnamed))))),
        absent: Beside::new(Box::new(left.absent.iter().filter_map(|record| match record {
            Ok((key, absent)) => absent.inside.map(|inside| Ok((key, inside.unnamed))),
            Err(error) => Some(Err(error)),
        }))),
        found: Beside::new(Box::new(pairs.found.iter())),
    })
}

type Records<'a, T> = Box<dyn Iterator<Item = Result<(Vec<u8>, T)>> + 'a>;

/// See [`open_claims`].
pub struct OpenClaims<'a> {
    altered: Beside<Records<'a, u64>>,
    absent: Beside<Records<'a, u64>>,
    found: Beside<Records<'a, String>>,
}

impl OpenClaims<'_> {
    /// Whether the file claimed at this place is open, and if so whether a file of the name is here.
    pub fn at(&mut self, key: &[u8]) -> Result<Option<bool>> {
        let (altered, absent) = (self.altered.at(key)?, self.absent.at(key)?);
        let found = self.found.at(key)?;
        Ok(match (altered, absent, found) {
            (Some(_), _, _) => Some(true),
            (None, Some(_), None) => Some(false),
            _ => None,
        })
    }
}

/// Tells file by file whether it is open, as a store is walked.
pub struct Gate<F> {
    look: F,
    shard: Option<(Option<u16>, Vec<u8>)>,
    state: Option<bool>,
    /// The key of the present file.
    pub key: Vec<u8>,
}

impl<F: FnMut(&[u8]) -> Result<Option<bool>>> Gate<F> {
    pub fn new(look: F) -> Self {
        Gate { look, shard: None, state: None, key: Vec::new() }
    }

    /// Whether the file of this item is open (and at a claimed place), and whether it is another file than before.
    pub fn enter(
        &mut self,
        seen: &Observation,
        key: fn(&Observation) -> Vec<u8>,
    ) -> Result<(Option<bool>, bool)> {
        let same = self
            .shard
            .as_ref()
            .is_some_and(|(root, shard)| *root == seen.locator.root && *shard == seen.locator.shard);
        if !same {
            self.shard = Some((seen.locator.root, seen.locator.shard.clone()));
            self.key = key(seen);
            self.state = (self.look)(&self.key)?;
        }
        Ok((self.state, !same))
    }
}

/// The key of the file that holds an item of the dataset.
pub fn key_of_item(seen: &Observation) -> Vec<u8> {
    item_key(&place_key(&seen.locator.shard), seen.locator.root.unwrap_or(0), 0)
}

/// The key of the file that holds a claimed item.
pub fn key_of_claim(seen: &Observation) -> Vec<u8> {
    claim_key(&place_key(&seen.locator.shard))
}

/// Walks the rows of open files with their marks.
pub fn walk_marked(
    store: &Store,
    marks: &Marks,
    gate: &mut Gate<impl FnMut(&[u8]) -> Result<Option<bool>>>,
    key: fn(&Observation) -> Vec<u8>,
    each: &mut dyn FnMut(MarkedRow<'_>) -> Result<()>,
) -> Result<()> {
    let mut records = Beside::new(marks.records.iter());
    let mut values = Beside::new(marks.values.iter());
    store.each_row(&mut |row: StoredRow| {
        let Some(first) = row.items.first() else { return Ok(()) };
        let (Some(in_place), is_new) = gate.enter(first, key)? else { return Ok(()) };
        let record = records.at(&row.position.to_be_bytes())?;
        let mut marked = Vec::with_capacity(row.items.len());
        for (position, _) in (row.position..).zip(&row.items) {
            marked.push(values.at(&position.to_be_bytes())?);
        }
        each(MarkedRow { key: &gate.key, in_place, is_new, row, record, values: marked })
    })
}

/// A row of an open file, and what the joins made of it.
pub struct MarkedRow<'a> {
    /// The key of its file.
    pub key: &'a [u8],
    /// Whether a file of the name is on the other side, too.
    pub in_place: bool,
    /// It is the first row of its file.
    pub is_new: bool,
    pub row: StoredRow,
    /// Its mark by its record.
    pub record: Option<Mark>,
    /// The marks of its items by single digests, in their order.
    pub values: Vec<Option<Mark>>,
}
