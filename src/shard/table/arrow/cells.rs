//! The texts and bytes of a batch, column by column, each in the order of its rows.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::NullBuffer;

use super::map_order::MapOrder;
use super::reader::{Kind, NONE, Reader, Spans};
use super::shape::Media;
use crate::shard::{Column, Rows};

/// Values that a batch may come to, beside those that lie in its memory one by one: keys, runs and views let some bytes
/// stand for thousands of millions.
const FREE_VALUES: usize = 1 << 23;

/// How many values may be taken of this reader.
pub fn most_values(reader: &Reader<'_>) -> usize {
    // Each is handled once on each level of nesting.
    FREE_VALUES.saturating_add(reader.stored().saturating_mul(4))
}

/// What a batch holds.
pub struct Cells {
    /// Its columns, those without any value left out.
    pub columns: Vec<Column>,
    /// For each column of the schema its number among these.
    pub numbers: Vec<Option<usize>>,
    /// Columns with values that lie outside of the file: how many, and the row of the first.
    pub outside: Vec<(Arc<str>, u64, u64)>,
    /// Why something was left out.
    pub lost: Option<&'static str>,
}

impl Cells {
    /// The cells of these rows; the schema has so many columns of texts and bytes.
    pub fn of(reader: &Reader<'_>, first_row: u64, rows: usize, leaves: usize) -> Cells {
        let mut taker = Taker {
            first_row,
            left: most_values(reader),
            cells: Cells {
                columns: Vec::new(),
                numbers: vec![None; leaves],
                outside: Vec::new(),
                lost: None,
            },
        };
        taker.take(reader, &Picks { rows: None, at: At::Range(0..rows, None) });
        taker.cells
    }
}

/// Values of an array, in an order, with their rows.
struct Picks {
    /// The row of each; none where there is one for each row.
    rows: Option<Arc<[u64]>>,
    at: At,
}

/// Where the values lie.
enum At {
    /// One after the other; nulls are no values.
    Range(Range<usize>, Option<NullBuffer>),
    /// Here and there; [`NONE`] is no value.
    Each(Vec<usize>),
}

struct Taker {
    first_row: u64,
    left: usize,
    cells: Cells,
}

impl Taker {
    fn take(&mut self, reader: &Reader<'_>, picks: &Picks) {
        if !reader.holds_content() {
            return;
        }
        match &reader.kind {
            Kind::Content(leaf, contents) => {
                let values = match &picks.at {
                    At::Range(range, nulls) => contents.range(range.clone(), nulls.as_ref()),
                    At::Each(indices) => contents.pick(indices),
                };
                let Some(values) = values else {
                    self.cells.lost = Some("a value is longer than 2 GiB");
                    return;
                };
                if values.null_count() < values.len() {
                    self.cells.numbers[leaf.number] = Some(self.cells.columns.len());
                    let rows = match &picks.rows {
                        None => Rows::From(self.first_row),
                        Some(rows) => Rows::Each(Arc::clone(rows)),
                    };
                    self.cells.columns.push(Column { name: Arc::clone(&leaf.name), rows, values });
                }
            }
            Kind::Struct(shape, fields) => {
                let Some(below) = self.valid(reader, picks) else { return };
                if let Some(media) = &shape.media {
                    self.outside(media, fields, &below);
                }
                fields.iter().for_each(|field| self.take(field, &below));
            }
            Kind::List(spans, values) => {
                if let Some(below) = self.spread(reader, spans, None, picks) {
                    self.take(values, &below);
                }
            }
            Kind::Map(map) => {
                if let Some(below) = self.spread(reader, &map.spans, Some(&map.order), picks) {
                    self.take(&map.keys, &below);
                    self.take(&map.values, &below);
                }
            }
            Kind::Encoded(numbers, values) => {
                let number = |index| numbers.of(index).unwrap_or(NONE);
                if let Some(below) = self.renumbered(picks, number) {
                    self.take(values, &below);
                }
            }
            Kind::Union(array, children) => {
                for (id, child) in children {
                    let len = array.child(*id).len();
                    let index = |index| match array.type_id(index) == *id {
                        true => Some(array.value_offset(index)).filter(|at| *at < len).unwrap_or(NONE),
                        false => NONE,
                    };
                    if let Some(below) = self.renumbered(picks, index) {
                        self.take(child, &below);
                    }
                }
            }
            Kind::Null | Kind::Plain(_) | Kind::Unread => {}
        }
    }

    /// The same values, nulls of the array left out.
    fn valid(&mut self, reader: &Reader<'_>, picks: &Picks) -> Option<Picks> {
        let at = match (&picks.at, reader.nulls()) {
            (At::Range(range, nulls), own) => {
                let own = own.map(|own| own.slice(range.start, range.len()));
                At::Range(range.clone(), NullBuffer::union(nulls.as_ref(), own.as_ref()))
            }
            (At::Each(_), _) => {
                let same = |index| if reader.is_null(index) { NONE } else { index };
                return self.renumbered(picks, same);
            }
        };
        Some(Picks { rows: picks.rows.clone(), at })
    }

    /// The same values in another array.
    fn renumbered(&mut self, picks: &Picks, number: impl Fn(usize) -> usize) -> Option<Picks> {
        self.spend(picks.len())?;
        let each = picks.indices().map(|index| if index == NONE { NONE } else { number(index) });
        Some(Picks { rows: picks.rows.clone(), at: At::Each(each.collect()) })
    }

    /// The values of lists, one list after the other.
    fn spread(
        &mut self,
        reader: &Reader<'_>,
        spans: &Spans<'_>,
        order: Option<&MapOrder>,
        picks: &Picks,
    ) -> Option<Picks> {
        let lists =
            || picks.indices().enumerate().filter(|(_, index)| *index != NONE && !reader.is_null(*index));
        let (mut total, mut start, mut end) = (0usize, 0, None);
        let mut in_line = order.is_none_or(MapOrder::is_stored);
        for (_, index) in lists() {
            let span = spans.of(index);
            if span.is_empty() {
                continue;
            }
            match end {
                None => start = span.start,
                Some(end) => in_line &= end == span.start,
            }
            end = Some(span.end);
            total = total.saturating_add(span.len());
        }
        self.spend(total)?;
        let mut rows = Vec::with_capacity(total);
        let mut indices = Vec::with_capacity(if in_line { 0 } else { total });
        for (position, index) in lists() {
            let row = match &picks.rows {
                None => self.first_row.saturating_add(position as u64),
                Some(rows) => rows[position],
            };
            let span = spans.of(index);
            rows.extend(std::iter::repeat_n(row, span.len()));
            if !in_line {
                indices.extend(span.map(|index| order.map_or(index, |order| order.entry(index))));
            }
        }
        let at = if in_line { At::Range(start..start + total, None) } else { At::Each(indices) };
        Some(Picks { rows: Some(rows.into()), at })
    }

    /// Takes so many values out of what a batch may come to.
    fn spend(&mut self, values: usize) -> Option<()> {
        let Some(left) = self.left.checked_sub(values) else {
            self.cells.lost = Some("they hold more values than one batch may");
            return None;
        };
        self.left = left;
        Some(())
    }

    /// Counts values without bytes whose path names data elsewhere.
    fn outside(&mut self, media: &Media, fields: &[Reader<'_>], picks: &Picks) {
        let (bytes, path) = (&fields[media.bytes], &fields[media.path]);
        let elsewhere = |index: usize| {
            index != NONE && bytes.is_null(index) && !path.is_null(index) && path.content_len(index) > 0
        };
        let mut found = picks.indices().enumerate().filter(|(_, index)| elsewhere(*index)).map(|(at, _)| at);
        if let Some(first) = found.next() {
            let row = match &picks.rows {
                None => self.first_row.saturating_add(first as u64),
                Some(rows) => rows[first],
            };
            let count = 1 + found.count() as u64;
            self.cells.outside.push((Arc::clone(&media.name), count, row));
        }
    }
}

impl Picks {
    fn len(&self) -> usize {
        match &self.at {
            At::Range(range, _) => range.len(),
            At::Each(indices) => indices.len(),
        }
    }

    /// Where each value lies, [`NONE`] for what is none.
    fn indices(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|position| match &self.at {
            At::Range(range, nulls) => match nulls.as_ref().is_some_and(|nulls| nulls.is_null(position)) {
                true => NONE,
                false => range.start + position,
            },
            At::Each(indices) => indices[position],
        })
    }
}
