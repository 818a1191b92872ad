//! A batch of rows as it was measured: in columns, since most of its values are of no further interest.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::types::{BinaryViewType, StringViewType};
use arrow_array::{Array, ArrayRef, cast::AsArray};

use serde::{Deserialize, Serialize};

use super::digest_columns::{CellSeen, DigestColumn, InRow};
use crate::digest::{CellDigests, DigestSet, Digests};
use crate::error::Result;
use crate::locator::Locator;
use crate::observation::{Kind, Observation};
use crate::shard::Rows;

/// Rows of a table with their cells, all of them read to their end.
pub struct Measured {
    /// The place of the table.
    pub(super) locator: Locator,
    pub(super) exempt: bool,
    /// The number of its first row within the file: rows come first, then the cells column by column.
    pub(super) first_item: u64,
    pub(super) first_row: u64,
    pub(super) rows: usize,
    /// Digests that are asked for of lines and cells.
    pub(super) wanted: DigestSet,
    /// Each row is a line that was hashed.
    pub(super) has_lines: bool,
    /// The lines, where they were hashed, then the columns; none where nothing is asked for of them.
    pub(super) columns: Vec<MeasuredColumn>,
    /// What the records came to, by row; none where nobody asked.
    pub(super) identities: Vec<Option<[u8; 32]>>,
    /// Columns of digests of what else is in their row.
    pub(super) watched: Arc<[DigestColumn]>,
    pub(super) made_anew: bool,
}

/// Lines, or the cells of one column.
pub struct MeasuredColumn {
    /// The number of its first message in the batch; each value has one, nulls included.
    pub(super) first: u64,
    /// None for lines.
    pub(super) name: Option<Arc<str>>,
    pub(super) rows: Rows,
    pub(super) values: ArrayRef,
    /// More may have been measured than was asked for.
    pub(super) digests: CellDigests,
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

impl Measured {
    /// The place of the table.
    pub fn locator(&self) -> &Locator {
        &self.locator
    }

    /// How many of its rows are items.
    pub fn rows(&self) -> usize {
        // Rows of which nothing was measured are told by number alone.
        if self.has_lines || !self.identities.is_empty() { self.rows } else { 0 }
    }

    /// The lines, where they were hashed, then the columns of cells.
    pub fn columns(&self) -> &[MeasuredColumn] {
        &self.columns
    }

    /// The digests that lines or cells have, as far as they were asked for.
    pub fn algorithms(&self, column: &MeasuredColumn) -> DigestSet {
        self.wanted.minus(self.wanted.minus(column.digests.algorithms()))
    }

    /// What was measured of one line or cell; none where the value is missing.
    pub fn observation(&self, column: &MeasuredColumn, index: usize) -> Option<Observation> {
        if !column.is_valid(index) {
            return None;
        }
        let Some(name) = &column.name else { return self.row(index) };
        let mut locator = self.locator.clone();
        locator.row = column.rows.of(index);
        locator.column = Some(name.to_string());
        let item = self.first_item + self.rows as u64 + column.first + index as u64;
        let mut seen = Observation::new(locator, item, Kind::Cell);
        seen.length = length(&column.values, index);
        seen.digests = self.digests(column, index);
        seen.exempt = self.exempt;
        // The names in a header are looked up like any text, and are no content of a row.
        seen.derived = seen.locator.row.is_none();
        Some(seen)
    }

    /// Tells what was measured one by one: row by row, each before its cells, these in the order of their columns.
    ///
    /// # Errors
    /// Where `tell` fails.
    pub fn each(&self, tell: &mut dyn FnMut(Observation) -> Result<()>) -> Result<()> {
        // Row, column (none for the row itself), index: columns are in the order of their items.
        let mut all: Vec<(Option<u64>, Option<usize>, usize)> = Vec::new();
        all.extend((0..self.rows()).map(|index| (Some(self.row_number(index)), None, index)));
        for (number, column) in self.cells() {
            let valid = (0..column.values.len()).filter(|index| column.is_valid(*index));
            all.extend(valid.map(|index| (column.rows.of(index), Some(number), index)));
        }
        all.sort_unstable();
        for (_, column, index) in all {
            let seen = match column {
                None => self.row(index),
                Some(number) => self.observation(&self.columns[number], index),
            };
            seen.map_or(Ok(()), &mut *tell)?;
        }
        Ok(())
    }

    /// What became of the digests that rows claim of their own content.
    pub fn claimed(&self) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        let mut with: HashSet<(usize, u64)> = HashSet::new();
        for (_, column) in self.cells().filter(|_| !self.watched.is_empty()) {
            let name = column.name.as_deref().unwrap_or_default();
            let Some(number) = self.watched.iter().position(|watched| watched.is_called(name)) else {
                continue;
            };
            let watched = &self.watched[number];
            // Of what several values of a row claim, the row is looked up once.
            let mut present: Option<(u64, Vec<(&str, Digests)>)> = None;
            for index in (0..column.values.len()).filter(|index| column.is_valid(*index)) {
                let (Some(row), Some(value)) = (column.rows.of(index), value(&column.values, index)) else {
                    continue;
                };
                if !watched.discovered {
                    with.insert((number, row));
                }
                if present.as_ref().is_none_or(|(of, _)| *of != row) {
                    present = Some((row, self.cells_of(row)));
                }
                let cells: Vec<CellSeen<'_>> = present
                    .iter()
                    .flat_map(|(_, cells)| cells)
                    .map(|(column, digests)| CellSeen { column, digests })
                    .collect();
                if let Some(verdict) = watched.judge(value, &cells, self.made_anew) {
                    claimed.push(self.claimed_by(row, number, verdict));
                }
            }
        }
        // Where somebody named the column, a row without a digest beside rows with one must not pass in silence.
        let named = self.watched.iter().enumerate().filter(|(_, watched)| !watched.discovered);
        for (number, _) in named.filter(|(number, _)| with.iter().any(|(of, _)| of == number)) {
            let rows = (0..self.rows).map(|index| self.row_number(index));
            for row in rows.filter(|row| !with.contains(&(number, *row))) {
                let verdict = InRow::NotComparable("its row has no digest in this column".into());
                claimed.push(self.claimed_by(row, number, verdict));
            }
        }
        claimed
    }

    fn claimed_by(&self, row: u64, column: usize, verdict: InRow) -> Claimed {
        let name = Some(self.watched[column].name.clone());
        let locator = Locator { row: Some(row), column: name, ..self.locator.clone() };
        Claimed { locator, column, verdict }
    }

    /// Columns of cells with their numbers.
    fn cells(&self) -> impl Iterator<Item = (usize, &MeasuredColumn)> {
        self.columns.iter().enumerate().filter(|(_, column)| column.name.is_some())
    }

    /// The cells of a row in the order of their columns.
    fn cells_of(&self, row: u64) -> Vec<(&str, Digests)> {
        let mut cells = Vec::new();
        for (_, column) in self.cells() {
            let name = column.name.as_deref().unwrap_or_default();
            let valid = column.indices(row).filter(|index| column.is_valid(*index));
            cells.extend(valid.map(|index| (name, self.digests(column, index))));
        }
        cells
    }

    /// What was measured of a row, if anything was.
    fn row(&self, index: usize) -> Option<Observation> {
        if index >= self.rows() {
            return None;
        }
        let mut locator = self.locator.clone();
        locator.row = Some(self.row_number(index));
        let mut seen = Observation::new(locator, self.first_item + index as u64, Kind::Row);
        let lines = self.columns.iter().find(|column| column.name.is_none());
        if let Some(lines) = lines.filter(|lines| lines.is_valid(index)) {
            seen.length = length(&lines.values, index);
            seen.digests = self.digests(lines, index);
        }
        seen.record = self.identities.get(index).copied().flatten();
        seen.exempt = self.exempt;
        Some(seen)
    }

    fn row_number(&self, index: usize) -> u64 {
        self.first_row.saturating_add(index as u64)
    }

    fn digests(&self, column: &MeasuredColumn, index: usize) -> Digests {
        let digests = column.digests.digests(index);
        if column.digests.algorithms() == self.wanted { digests } else { digests.only(self.wanted) }
    }
}

impl MeasuredColumn {
    /// What it holds.
    pub fn kind(&self) -> Kind {
        if self.name.is_none() { Kind::Row } else { Kind::Cell }
    }

    /// How many values are there.
    pub fn count(&self) -> usize {
        self.values.len() - self.values.null_count()
    }

    /// Whether there is a value at this index.
    pub fn is_valid(&self, index: usize) -> bool {
        index < self.values.len() && self.values.is_valid(index)
    }

    /// The digests of its values.
    pub fn digests(&self) -> &CellDigests {
        &self.digests
    }

    /// Whether its values stand in no row; `None` where that is so of some of them.
    pub fn is_outside(&self) -> Option<bool> {
        let last = (self.values.len() as u64).saturating_sub(1);
        match &self.rows {
            Rows::Outside => Some(true),
            Rows::From(first) => first.checked_add(last).map(|_| false),
            Rows::Each(rows) => (rows.len() >= self.values.len()).then_some(false),
        }
    }

    /// Where the values of a row are.
    fn indices(&self, row: u64) -> Box<dyn Iterator<Item = usize> + '_> {
        let len = self.values.len();
        match &self.rows {
            Rows::Outside => Box::new(std::iter::empty()),
            Rows::From(first) => {
                let index = row.checked_sub(*first).and_then(|index| usize::try_from(index).ok());
                Box::new(index.filter(|index| *index < len).into_iter())
            }
            // Readers go from row to row.
            Rows::Each(rows) => {
                let begin = rows.partition_point(|at| *at < row);
                let end = begin + rows[begin..].partition_point(|at| *at == row);
                Box::new(begin..end.min(len))
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use arrow_array::StringArray;

    use super::*;
    use crate::claim::SourceId;
    use crate::digest::{Algorithm, Completed, Hasher, LaneHasher, MsgId};

    fn column(first: u64, name: Option<&str>, rows: Rows, values: StringArray) -> MeasuredColumn {
        let values: ArrayRef = Arc::new(values);
        let mut hasher = LaneHasher::new();
        let algorithms = [Algorithm::Md5, Algorithm::Sha256].into_iter().collect();
        assert!(hasher.offer_cells(MsgId(first), algorithms, &values));
        let mut done = Completed::default();
        hasher.drain(&mut done, false);
        let digests = done.cells.pop().expect("a column completes");
        MeasuredColumn { first, name: name.map(Arc::from), rows, values, digests }
    }

    fn batch(columns: Vec<MeasuredColumn>) -> Measured {
        let watched = DigestColumn {
            name: "md5".into(),
            algorithm: Algorithm::Md5,
            discovered: false,
            source: SourceId(0),
        };
        Measured {
            locator: Locator::file(Some(0), b"a".to_vec()),
            exempt: false,
            first_item: 10,
            first_row: 5,
            rows: 3,
            wanted: DigestSet::of(Algorithm::Md5),
            has_lines: columns.iter().any(|column| column.name.is_none()),
            columns,
            identities: Vec::new(),
            watched: Arc::new([watched]),
            made_anew: false,
        }
    }

    fn md5(text: &str) -> String {
        use md5::Digest as _;
        hex::encode(md5::Md5::digest(text))
    }

    #[test]
    fn a_batch_is_told_row_by_row() {
        let lines = column(0, None, Rows::From(5), vec!["x", "y", "z"].into());
        let texts = column(3, Some("text"), Rows::From(5), vec![Some("a"), None, Some("c")].into());
        let tags = column(6, Some("tags"), Rows::Each([5, 5, 7].into()), vec!["d", "e", "f"].into());
        let names = column(9, Some("name"), Rows::Outside, vec!["n"].into());
        let batch = batch(vec![lines, texts, tags, names]);
        let mut told = Vec::new();
        batch
            .each(&mut |seen| {
                assert_eq!(seen.digests.set(), DigestSet::of(Algorithm::Md5));
                assert_eq!((seen.length, seen.derived), (1, seen.locator.row.is_none()));
                told.push((seen.locator.row, seen.locator.column, seen.item));
                Ok(())
            })
            .expect("nothing fails");
        let cell = |row, name: &str, item| (row, Some(name.to_string()), item);
        let due = [
            cell(None, "name", 22),
            (Some(5), None, 10),
            cell(Some(5), "text", 16),
            cell(Some(5), "tags", 19),
            cell(Some(5), "tags", 20),
            (Some(6), None, 11),
            (Some(7), None, 12),
            cell(Some(7), "text", 18),
            cell(Some(7), "tags", 21),
        ];
        assert_eq!(told, due);
        assert_eq!(batch.columns()[3].is_outside(), Some(true));
        assert_eq!(batch.columns()[1].is_outside(), Some(false));
        assert_eq!((batch.rows(), batch.columns()[1].count()), (3, 2));
    }

    #[test]
    fn values_whose_row_is_not_known_are_no_column() {
        let short = column(0, Some("a"), Rows::Each([5].into()), vec!["d", "e"].into());
        let past = column(0, Some("a"), Rows::From(u64::MAX), vec!["d", "e"].into());
        assert_eq!((short.is_outside(), past.is_outside()), (None, None));
    }

    #[test]
    fn a_row_that_claims_its_digest_is_held_to_the_cells_beside_it() {
        let right = md5("a");
        let claims =
            column(3, Some("MD5"), Rows::From(5), vec![Some(right.as_str()), None, Some("no")].into());
        let texts = column(0, Some("text"), Rows::From(5), vec!["a", "b", "c"].into());
        let told = batch(vec![texts, claims]).claimed();
        let brief: Vec<_> = told.iter().map(|claimed| (claimed.locator.row, &claimed.verdict)).collect();
        assert!(matches!(brief[0], (Some(5), InRow::Match(Algorithm::Md5))), "{brief:?}");
        assert!(matches!(brief[1], (Some(7), InRow::Bad(_))), "{brief:?}");
        assert!(matches!(brief[2], (Some(6), InRow::NotComparable(_))), "{brief:?}");
        assert_eq!(brief.len(), 3);
    }
}
