//! Rows of a table on their way through the hasher: first their lines and cells, then, with those digests in place,
//! their records.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use super::digest_columns::DigestColumn;
use super::measured::{Measured, MeasuredColumn};
use crate::digest::{Algorithm, CellDigests, DigestSet};
use crate::locator::Locator;
use crate::shard::table::Records;
use crate::shard::{Batch, Column, Rows};

/// A batch in flight. Its values are kept until it is told.
pub struct InFlight {
    /// The file that holds it.
    pub serial: u64,
    /// What was measured so far.
    measured: Measured,
    parts: Vec<Part>,
    /// How many parts the hasher has.
    offered: usize,
    /// Parts not yet hashed.
    left: usize,
    /// Records that lack digests of their contents.
    records: Option<Records>,
}

/// Values that are offered together: at least one.
struct Part {
    /// The number of its first message in the batch; each value has one, nulls included.
    first: u64,
    /// Which column of the batch it is, and its name; none for lines.
    column: Option<(usize, Arc<str>)>,
    rows: Rows,
    values: ArrayRef,
    digests: Option<CellDigests>,
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
        // A record needs the digests of its contents only.
        let lines = lines.filter(|_| !wanted.is_empty());
        let measured = Measured {
            locator,
            exempt,
            first_item,
            first_row,
            rows,
            wanted,
            has_lines: lines.is_some(),
            columns: Vec::new(),
            identities: Vec::new(),
            watched,
            made_anew,
        };
        let mut parts = Vec::new();
        let mut first = 0;
        let mut add = |column, rows, values: ArrayRef| {
            // No two parts begin with the same message.
            if !values.is_empty() {
                let len = values.len() as u64;
                parts.push(Part { first, column, rows, values, digests: None });
                first += len;
            }
        };
        if let Some(lines) = lines {
            add(None, Rows::From(first_row), lines);
        }
        for (number, Column { name, rows, values }) in columns.into_iter().enumerate() {
            add(Some((number, name)), rows, values);
        }
        InFlight { serial, measured, left: parts.len(), parts, offered: 0, records }
    }

    /// How many messages it is, records left out.
    pub fn messages(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.first + part.values.len() as u64)
    }

    /// How many items its rows and cells are.
    pub fn items(&self) -> u64 {
        self.measured.rows as u64 + self.messages()
    }

    /// What the hasher is to be offered next.
    pub fn next(&self) -> Option<Offered> {
        let part = self.parts.get(self.offered)?;
        let for_record = match (&self.records, &part.column) {
            (Some(_), Some(_)) => DigestSet::of(Algorithm::Sha256),
            _ => DigestSet::EMPTY,
        };
        let (first, values) = (part.first, Arc::clone(&part.values));
        Some(Offered { first, values, algorithms: self.measured.wanted.union(for_record) })
    }

    /// The hasher has taken that.
    pub fn taken(&mut self) {
        self.offered += 1;
    }

    /// Whether all lines and cells are hashed.
    pub fn is_hashed(&self) -> bool {
        self.left == 0
    }

    /// Takes the digests of a part, whose first message has this number in the batch.
    pub fn hashed(&mut self, first: u64, digests: CellDigests) {
        let is_its = |part: &&mut Part| part.first == first && part.digests.is_none();
        let Some(part) = self.parts.iter_mut().find(is_its) else { return };
        // Digests of another number of values are of no use: none were measured then, which is told.
        let digests = match digests.len == part.values.len() {
            true => digests,
            false => CellDigests::new(digests.first, part.values.len(), DigestSet::EMPTY),
        };
        if let (Some(records), Some((column, _))) = (&mut self.records, &part.column) {
            fill(records, *column, &part.values, &digests);
        }
        part.digests = Some(digests);
        self.left -= 1;
    }

    /// Once all cells are hashed: the messages that the records are, if there are any.
    pub fn messages_of_records(&mut self) -> Option<ArrayRef> {
        let wanted = self.measured.wanted;
        let column = |part: Part| {
            let Part { first, column, rows, values, digests } = part;
            let name = column.map(|(_, name)| name);
            Some(MeasuredColumn { first, name, rows, values, digests: digests? })
        };
        let parts = std::mem::take(&mut self.parts).into_iter().filter(|_| !wanted.is_empty());
        self.measured.columns = parts.filter_map(column).collect();
        let messages = self.records.take().map(Records::messages)?;
        self.measured.identities = vec![None; self.measured.rows];
        Some(messages)
    }

    /// Takes the identities of the rows, whose messages these are.
    pub fn identified(&mut self, messages: &ArrayRef, digests: &CellDigests) {
        let Some(sha256) = digests.of(Algorithm::Sha256) else { return };
        let each = sha256.as_chunks::<32>().0.iter().take(messages.len());
        for (row, (identity, record)) in self.measured.identities.iter_mut().zip(each).enumerate() {
            *identity = messages.is_valid(row).then_some(*record);
        }
    }

    /// All that was measured.
    pub fn into_measured(self) -> Measured {
        self.measured
    }
}

/// Puts the digests of a column in their places in the records.
fn fill(records: &mut Records, column: usize, values: &ArrayRef, digests: &CellDigests) {
    let Some(sha256) = digests.of(Algorithm::Sha256) else { return };
    let each = sha256.chunks_exact(Algorithm::Sha256.len()).enumerate();
    let valid = each.filter(|(index, _)| values.is_valid(*index));
    for (ordinal, (_, digest)) in valid.enumerate() {
        records.fill(column, ordinal, digest);
    }
}
