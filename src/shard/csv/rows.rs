//! Records of delimited text as rows: each field is a text, a cell of its column and a value of the row's record.

use std::sync::Arc;

use arrow_array::BinaryArray;
use bytes::Bytes;

use super::header::HeaderRule;
use super::split::{Field, MOST_FIELDS, unquote};
use super::walk::Why;
use crate::digest::rec1::key_order;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::faults::Faults;
use crate::shard::table::gather::{Gather, RowEnd, Spot};
use crate::shard::text::over_limit;
use crate::shard::{Batch, Column, ItemId, Rows, Steps};

/// Takes records.
pub struct CsvRows {
    layer: ItemId,
    gather: Gather,
    faults: Faults,
    rule: HeaderRule,
    most: usize,
    idle: bool,
    names: Option<Names>,
    /// Columns of the batch by the number of the field, where it has some.
    columns: Vec<Option<usize>>,
    /// Rows with another number of fields: how many, the first of them, and where that is.
    ragged: Option<(u64, u64, u64)>,
    made: Vec<u8>,
}

/// The names of fields.
struct Names {
    names: Vec<Arc<str>>,
    /// The fields' numbers in the order of a record.
    order: Vec<usize>,
    /// They stand in the first record.
    header: bool,
    /// A name stands twice.
    twice: bool,
}

/// A record as the walk shows it.
pub struct Record<'a> {
    /// What it lies in.
    pub block: &'a Bytes,
    /// Its first byte there.
    pub start: usize,
    /// Its bytes, without the line end.
    pub bytes: &'a [u8],
    /// Its first byte in the layer.
    pub offset: u64,
    /// A quote was left open.
    pub unclosed: bool,
    /// The layer was cut short or damaged within it.
    pub cut: bool,
}

impl CsvRows {
    /// The rows of this layer.
    pub fn new(layer: ItemId, most: usize, rule: HeaderRule, out: &Steps) -> Self {
        CsvRows {
            layer,
            gather: Gather::new(layer, false, out),
            faults: Faults::new(layer),
            rule,
            most,
            idle: !out.wants_rows(),
            names: None,
            columns: Vec::new(),
            ragged: None,
            made: Vec::new(),
        }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        let names = self.names.as_ref().map_or(0, |names| names.names.len() * (32 + size_of::<usize>()));
        self.gather.footprint() + names + self.columns.capacity() * 16 + self.made.capacity()
    }

    /// Whether nothing is asked of the rows.
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    /// The next record.
    pub fn record(&mut self, record: Record<'_>, fields: &[Field], out: &mut Steps) {
        if self.names.is_none() && self.begin(&record, fields, out) {
            return;
        }
        if self.gather.is_full_for(record.bytes.len()) {
            self.flush(out);
        }
        let row = self.gather.row();
        let width = self.names.as_ref().map_or(0, |names| names.names.len());
        if fields.len() != width {
            self.ragged.get_or_insert((0, row, record.offset)).0 += 1;
        }
        if record.unclosed && !record.cut {
            let detail = || {
                format!("row {row} has a quote that is not closed: all that follows was read as one field")
            };
            self.faults.tell(Code::Unreadable, record.offset, out, detail);
        }
        let block = self.gather.block(record.block);
        self.values(&record, fields, Spot { block, offset: record.start });
        let end = match &self.names {
            // What a cut has left of a row is not the row.
            _ if record.unclosed || record.cut => RowEnd::Raw(record.bytes),
            Some(names) if names.twice => RowEnd::Refused,
            _ => RowEnd::Record,
        };
        self.gather.end_row(record.bytes.len(), end);
    }

    /// The record that begins here was given up.
    pub fn lost(&mut self, offset: u64, why: Why, out: &mut Steps) {
        self.flush(out);
        self.gather.pass_row(out);
        let most = self.most;
        self.faults.tell(Code::Unreadable, offset, out, || match why {
            Why::Bytes => over_limit("record", most),
            Why::Fields => format!(
                "a record has more than {MOST_FIELDS} fields: its line was hashed whole, and is not read as a row"
            ),
        });
    }

    /// There are no more records.
    pub fn finish(&mut self, out: &mut Steps) {
        self.flush(out);
        if let Some((count, row, offset)) = self.ragged {
            let first =
                if self.names.as_ref().is_some_and(|names| names.header) { "header" } else { "first" };
            let (rows, have) = if count == 1 { ("row", "has") } else { ("rows", "have") };
            let detail = format!(
                "{count} {rows} {have} another number of fields than the {first}, the first of them row {row}"
            );
            out.fault(Code::Unreadable, self.layer, Some(offset), detail);
        }
        self.faults.conclude(out);
    }

    /// Takes the first record: the names of columns are known from now on. Returns whether it is the header.
    fn begin(&mut self, record: &Record<'_>, fields: &[Field], out: &mut Steps) -> bool {
        let values: Vec<Vec<u8>> = fields.iter().map(|field| value_of(record.bytes, *field)).collect();
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let header = !record.unclosed && !record.cut && self.rule.holds(&slices);
        let names = if header {
            // The rule has looked at the encoding.
            values.iter().map(|value| String::from_utf8_lossy(value).into()).collect()
        } else {
            (0..values.len()).map(|number| number.to_string().into()).collect()
        };
        let names = Names::new(names, header);
        if let Some(name) = names.twice() {
            let detail = format!(
                "its header has the name `{}` twice, and readers disagree about which counts: as records its rows \
                 have no identity",
                Escaped(name.as_bytes())
            );
            out.fault(Code::Unverifiable, self.layer, Some(record.offset), detail);
        }
        // A record needs no digest of its names.
        if header && !out.plan().samples.is_empty() {
            let column = |(name, value): (&Arc<str>, &Vec<u8>)| Column {
                name: Arc::clone(name),
                rows: Rows::Outside,
                values: Arc::new(BinaryArray::from_vec(vec![value])),
            };
            let columns = names.names.iter().zip(&values).map(column).collect();
            let (item, lines, records) = (self.layer, None, None);
            let (made_anew, number) = (false, 0);
            out.batch(Batch { item, first_row: 0, rows: 0, lines, columns, records, made_anew, number });
        }
        self.names = Some(names);
        header
    }

    fn values(&mut self, record: &Record<'_>, fields: &[Field], spot: Spot) {
        let Some(names) = self.names.take() else { return };
        let present = fields.iter().filter(|field| !field.is_null()).count();
        if let Some(records) = self.gather.records() {
            records.encoder().map(present);
        }
        if fields.len() == names.names.len() {
            for &number in &names.order {
                self.value(number, &names.names[number], record, fields[number], spot);
            }
        } else {
            // Names that the header does not have are those of a table without one.
            let name = |number: usize| match names.names.get(number) {
                Some(name) => Arc::clone(name),
                None => number.to_string().into(),
            };
            let mut row: Vec<(Arc<str>, usize)> =
                (0..fields.len()).map(|number| (name(number), number)).collect();
            row.sort_unstable_by(|a, b| key_order(&a.0, &b.0).then(a.1.cmp(&b.1)));
            for (name, number) in row {
                self.value(number, &name, record, fields[number], spot);
            }
        }
        self.names = Some(names);
    }

    fn value(&mut self, number: usize, name: &Arc<str>, record: &Record<'_>, field: Field, spot: Spot) {
        if field.is_null() {
            return;
        }
        if let Some(records) = self.gather.records() {
            records.encoder().key(name);
        }
        if self.columns.len() <= number {
            self.columns.resize(number + 1, None);
        }
        let column = *self.columns[number].get_or_insert_with(|| self.gather.add_column(Arc::clone(name)));
        match field.plain() {
            Some((start, end)) => {
                self.gather.value(column, &record.bytes[start..end], Some(spot.plus(start)));
            }
            None => {
                self.made.clear();
                unquote(&record.bytes[field.start..field.end], &mut self.made);
                self.gather.value(column, &self.made, None);
            }
        }
    }

    fn flush(&mut self, out: &mut Steps) {
        self.gather.flush(out);
        self.columns.clear();
    }
}

impl Names {
    fn new(names: Vec<Arc<str>>, header: bool) -> Self {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_unstable_by(|&a, &b| key_order(&names[a], &names[b]).then(a.cmp(&b)));
        let twice = order.windows(2).any(|pair| names[pair[0]] == names[pair[1]]);
        Names { names, order, header, twice }
    }

    /// A name that stands twice.
    fn twice(&self) -> Option<&str> {
        let pair = self.order.windows(2).find(|pair| self.names[pair[0]] == self.names[pair[1]])?;
        Some(&self.names[pair[0]])
    }
}

fn value_of(record: &[u8], field: Field) -> Vec<u8> {
    match field.plain() {
        Some((start, end)) => record[start..end].to_vec(),
        None => {
            let mut value = Vec::new();
            unquote(&record[field.start..field.end], &mut value);
            value
        }
    }
}
