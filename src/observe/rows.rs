//! Rows of a table on their way through the hasher: first their lines and cells, then, with those digests in place,
//! their records.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::types::{BinaryViewType, StringViewType};
use arrow_array::{Array, ArrayRef, cast::AsArray};

use serde::{Deserialize, Serialize};

use super::digest_columns::{CellSeen, DigestColumn, InRow};
use crate::digest::{Algorithm, DigestSet, Digests};
use crate::locator::Locator;
use crate::observation::{Kind, Observation};
use crate::shard::table::Records;
use crate::shard::{Batch, Column, Rows};

/// A batch in flight. Its values are kept until the last of them is hashed, and no longer.
pub struct InFlight {
    /// The file that holds it.
    pub serial: u64,
    /// The place of the table.
    locator: Locator,
    exempt: bool,
    /// The number of its first row within the file: rows come first, then the cells column by column.
    first_item: u64,
    first_row: u64,
    rows: usize,
    /// Digests that are asked for of lines and cells.
    wanted: DigestSet,
    parts: Vec<Part>,
    /// How many parts the hasher has.
    offered: usize,
    /// Values not yet hashed.
    left: u64,
    /// Lines and their digests, by row.
    lines: Option<(ArrayRef, Vec<Digests>)>,
    /// What was measured of cells.
    cells: Vec<Observation>,
    /// Records that lack digests of their contents.
    records: Option<Records>,
    /// What the records came to, by row.
    identities: Vec<Option<[u8; 32]>>,
    /// Columns of digests of what else is in their row.
    watched: Arc<[DigestColumn]>,
    /// Their values: row, which of them, and the value.
    claimed: Vec<(u64, usize, Vec<u8>)>,
    made_anew: bool,
}

/// What became of a digest that a row claims of its own content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The place of the digest.
    pub locator: Locator,
    /// Which of the columns.
    pub column: usize,
    /// How it ended.
    pub verdict: InRow,
}

/// Values that are offered together.
struct Part {
    /// The number of its first message in the batch; each value has one, nulls included.
    first: u64,
    /// Which column of the batch it is, and its name; none for lines.
    column: Option<(usize, Arc<str>)>,
    rows: Rows,
    values: ArrayRef,
    /// For each value how many before it are not null, where there are nulls.
    ordinals: Option<Vec<u32>>,
}

/// What is to be hashed next.
pub struct Offered {
    /// The number of the first message in the batch.
    pub first: u64,
    /// The values.
    pub values: ArrayRef,
    /// What is asked for of them.
    pub algorithms: DigestSet,
}

impl InFlight {
    /// A batch of the table at this place.
    pub fn new(
        serial: u64,
        locator: Locator,
        exempt: bool,
        first_item: u64,
        wanted: DigestSet,
        watched: Arc<[DigestColumn]>,
        batch: Batch,
    ) -> Self {
        let Batch { first_row, rows, lines, columns, records, made_anew, .. } = batch;
        let mut parts = Vec::new();
        let mut first = 0;
        let mut add = |column, rows, values: ArrayRef| {
            let part = Part { first, column, rows, ordinals: ordinals(&values), values };
            first += part.values.len() as u64;
            parts.push(part);
        };
        // A record needs the digests of its contents only.
        let lines = lines.filter(|_| !wanted.is_empty());
        if let Some(lines) = &lines {
            add(None, Rows::From(first_row), Arc::clone(lines));
        }
        for (number, Column { name, rows, values }) in columns.into_iter().enumerate() {
            add(Some((number, name)), rows, values);
        }
        let left = parts.iter().map(|part| (part.values.len() - part.values.null_count()) as u64).sum();
        let lines = lines.map(|lines| (lines, vec![Digests::new(); rows]));
        InFlight {
            serial,
            locator,
            exempt,
            first_item,
            first_row,
            rows,
            wanted,
            parts,
            offered: 0,
            left,
            lines,
            cells: Vec::new(),
            records,
            identities: Vec::new(),
            watched,
            claimed: Vec::new(),
            made_anew,
        }
    }

    /// How many messages it is, records left out.
    pub fn messages(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.first + part.values.len() as u64)
    }

    /// How many items its rows and cells are.
    pub fn items(&self) -> u64 {
        self.rows as u64 + self.messages()
    }

    /// What the hasher is to be offered next.
    pub fn next(&self) -> Option<Offered> {
        let part = self.parts.get(self.offered)?;
        let for_record = match (&self.records, &part.column) {
            (Some(_), Some(_)) => DigestSet::of(Algorithm::Sha256),
            _ => DigestSet::EMPTY,
        };
        let (first, values) = (part.first, Arc::clone(&part.values));
        Some(Offered { first, values, algorithms: self.wanted.union(for_record) })
    }

    /// The hasher has taken that.
    pub fn taken(&mut self) {
        self.offered += 1;
    }

    /// Whether all lines and cells are hashed.
    pub fn is_hashed(&self) -> bool {
        self.left == 0 && self.offered == self.parts.len()
    }

    /// Takes the digests of a message.
    pub fn hashed(&mut self, message: u64, digests: Digests) {
        let Some(part) = self.parts.iter().rev().find(|part| part.first <= message) else { return };
        let index = usize::try_from(message - part.first).unwrap_or(usize::MAX);
        if index >= part.values.len() || self.left == 0 {
            return;
        }
        self.left -= 1;
        let Some((column, name)) = &part.column else {
            if let Some(line) = self.lines.as_mut().and_then(|(_, lines)| lines.get_mut(index)) {
                *line = digests;
            }
            return;
        };
        if let (Some(records), Some(sha256)) = (&mut self.records, digests.of(Algorithm::Sha256)) {
            let ordinal = part.ordinals.as_ref().map_or(index, |ordinals| ordinals[index] as usize);
            records.fill(*column, ordinal, sha256.bytes());
        }
        if self.wanted.is_empty() {
            return;
        }
        if let Some(watched) = self.watched.iter().position(|watched| watched.is_called(name))
            && let (Some(row), Some(value)) = (part.rows.of(index), value(&part.values, index))
        {
            self.claimed.push((row, watched, value.to_vec()));
        }
        let mut locator = self.locator.clone();
        locator.row = part.rows.of(index);
        locator.column = Some(name.to_string());
        let mut seen = Observation::new(locator, self.first_item + self.rows as u64 + message, Kind::Cell);
        seen.length = length(&part.values, index);
        seen.digests = if digests.set() == self.wanted { digests } else { digests.only(self.wanted) };
        seen.exempt = self.exempt;
        // The names in a header are looked up like any text, and are no content of a row.
        seen.derived = seen.locator.row.is_none();
        self.cells.push(seen);
    }

    /// Once all cells are hashed: the messages that the records are, if there are any.
    pub fn messages_of_records(&mut self) -> Option<ArrayRef> {
        self.parts.clear();
        let messages = self.records.take().map(Records::messages)?;
        self.identities = vec![None; self.rows];
        Some(messages)
    }

    /// Takes the identity of a row.
    pub fn identified(&mut self, row: usize, record: Option<[u8; 32]>) {
        if let Some(identity) = self.identities.get_mut(row) {
            *identity = record;
        }
    }

    /// What became of the digests that rows claim of their own content.
    fn judge(&self, told: &[Observation]) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        for (row, column, value) in &self.claimed {
            let first = told.partition_point(|seen| seen.locator.row < Some(*row));
            let cells = told[first..].iter().take_while(|seen| seen.locator.row == Some(*row));
            let cells: Vec<CellSeen<'_>> = cells
                .filter_map(|seen| {
                    Some(CellSeen { column: seen.locator.column.as_deref()?, digests: &seen.digests })
                })
                .collect();
            let Some(watched) = self.watched.get(*column) else { continue };
            if let Some(verdict) = watched.judge(value, &cells, self.made_anew) {
                let name = Some(watched.name.clone());
                let locator = Locator { row: Some(*row), column: name, ..self.locator.clone() };
                claimed.push(Claimed { locator, column: *column, verdict });
            }
        }
        // Where somebody named the column, a row without a digest beside rows with one must not pass in silence.
        for (column, watched) in self.watched.iter().enumerate().filter(|(_, watched)| !watched.discovered) {
            let with: HashSet<u64> = self.claimed.iter().filter(|c| c.1 == column).map(|c| c.0).collect();
            let rows = self.first_row..self.first_row.saturating_add(self.rows as u64);
            for row in rows.filter(|row| !with.is_empty() && !with.contains(row)) {
                let locator =
                    Locator { row: Some(row), column: Some(watched.name.clone()), ..self.locator.clone() };
                let verdict = InRow::NotComparable("its row has no digest in this column".into());
                claimed.push(Claimed { locator, column, verdict });
            }
        }
        claimed
    }

    /// What was measured: row by row, each before its cells, these in the order of their columns; and what became of
    /// digests that rows claim of their own content.
    pub fn told(mut self) -> (Vec<Observation>, Vec<Claimed>) {
        let mut all: Vec<_> = (0..self.rows).filter_map(|index| self.row(index)).collect();
        all.append(&mut self.cells);
        all.sort_by_key(|seen| (seen.locator.row, seen.kind == Kind::Cell, seen.item));
        let claimed = self.judge(&all);
        (all, claimed)
    }

    /// What was measured of a row, if anything was.
    fn row(&mut self, index: usize) -> Option<Observation> {
        if self.identities.is_empty() && self.lines.is_none() {
            return None;
        }
        let record = self.identities.get(index).copied().flatten();
        let mut locator = self.locator.clone();
        locator.row = Some(self.first_row.saturating_add(index as u64));
        let mut seen = Observation::new(locator, self.first_item + index as u64, Kind::Row);
        if let Some((lines, digests)) = &mut self.lines {
            seen.length = length(lines, index);
            seen.digests = std::mem::take(digests.get_mut(index)?);
        }
        seen.record = record;
        seen.exempt = self.exempt;
        Some(seen)
    }
}

/// For each value how many before it are not null; `None` where that is its own index.
fn ordinals(values: &ArrayRef) -> Option<Vec<u32>> {
    (values.null_count() > 0).then(|| {
        let mut count = 0;
        let each = |index| {
            let before = count;
            count += u32::from(values.is_valid(index));
            before
        };
        (0..values.len()).map(each).collect()
    })
}

/// A value of any of the arrays that a hasher takes.
fn value(values: &ArrayRef, index: usize) -> Option<&[u8]> {
    if let Some(array) = values.as_byte_view_opt::<BinaryViewType>() {
        Some(array.value(index))
    } else if let Some(array) = values.as_byte_view_opt::<StringViewType>() {
        Some(array.value(index).as_bytes())
    } else if let Some(array) = values.as_binary_opt::<i32>() {
        Some(array.value(index))
    } else if let Some(array) = values.as_binary_opt::<i64>() {
        Some(array.value(index))
    } else if let Some(array) = values.as_string_opt::<i32>() {
        Some(array.value(index).as_bytes())
    } else if let Some(array) = values.as_string_opt::<i64>() {
        Some(array.value(index).as_bytes())
    } else {
        values.as_fixed_size_binary_opt().map(|array| array.value(index))
    }
}

/// Its length in bytes.
fn length(values: &ArrayRef, index: usize) -> u64 {
    value(values, index).map_or(0, |value| value.len() as u64)
}
