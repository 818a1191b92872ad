//! The rows of a batch as records.

use std::ops::Range;

use super::reader::{Kind, Map, Reader};
use super::shape::Fields;
use crate::digest::rec1::Encoder;
use crate::shard::table::{Records, RecordsBuilder};

/// Bytes that the records of one batch may take …
const MOST_BYTES: usize = 1 << 30;
/// … and values that may be looked at for them: views and keys let some bytes stand for thousands of millions.
const MOST_VISITS: usize = 1 << 30;

/// Records, and how many rows have none.
pub struct Identified {
    pub records: Records,
    pub refused: u64,
    /// The first of them, counted in the batch.
    pub first_refused: u64,
}

/// The records of these rows. `numbers` says which of the batch's columns each of the schema's is. `None` if they take
/// too much memory.
pub fn of_rows(
    rows: &Reader<'_>,
    count: usize,
    numbers: &[Option<usize>],
    columns: usize,
) -> Option<Identified> {
    let Kind::Struct(shape, fields) = &rows.kind else { return None };
    let mut writer = Writer {
        to: RecordsBuilder::new(columns),
        numbers,
        refused: false,
        left: MOST_VISITS,
        stopped: false,
    };
    let (mut refused, mut first_refused) = (0, 0);
    for row in 0..count {
        writer.fields(shape, fields, row);
        if writer.stopped {
            return None;
        }
        if std::mem::take(&mut writer.refused) {
            first_refused = if refused == 0 { row as u64 } else { first_refused };
            refused += 1;
            writer.to.refuse_row();
        } else {
            writer.to.end_row();
        }
    }
    Some(Identified { records: writer.to.finish(), refused, first_refused })
}

/// The encodings of keys, one after the other, and where each ends. In a key, texts and bytes stand as they are, so
/// that keys can be put in order before anything is hashed.
pub fn encode_keys(keys: &Reader<'_>, range: Range<usize>) -> Option<(Vec<u8>, Vec<usize>)> {
    let mut ends = Vec::with_capacity(range.len());
    let mut writer =
        Writer { to: Encoder::default(), numbers: &[], refused: false, left: MOST_VISITS, stopped: false };
    for index in range {
        writer.item(keys, index);
        if writer.stopped {
            return None;
        }
        ends.push(writer.to.len());
    }
    Some((writer.to.into_bytes(), ends))
}

/// Where records or keys are written to.
trait Sink {
    fn encoder(&mut self) -> &mut Encoder;

    /// The text or the bytes at an index of this reader's contents, which are this column of the schema.
    fn content(
        &mut self,
        contents: &super::gather::Contents<'_>,
        index: usize,
        column: Option<usize>,
    ) -> bool;
}

impl Sink for RecordsBuilder {
    fn encoder(&mut self) -> &mut Encoder {
        RecordsBuilder::encoder(self)
    }

    fn content(&mut self, _: &super::gather::Contents<'_>, _: usize, column: Option<usize>) -> bool {
        column.map(|column| RecordsBuilder::content(self, column)).is_some()
    }
}

impl Sink for Encoder {
    fn encoder(&mut self) -> &mut Encoder {
        self
    }

    fn content(&mut self, contents: &super::gather::Contents<'_>, index: usize, _: Option<usize>) -> bool {
        match contents.text(index) {
            Some(text) => self.key(text),
            None => self.bytes(contents.value(index)),
        }
        true
    }
}

struct Writer<'w, S> {
    to: S,
    numbers: &'w [Option<usize>],
    /// The present row has no identity. It is written to its end, for its contents are hashed all the same.
    refused: bool,
    left: usize,
    stopped: bool,
}

impl<S: Sink> Writer<'_, S> {
    /// A value inside a list.
    fn item(&mut self, reader: &Reader<'_>, index: usize) {
        match reader.is_null(index) {
            true => self.to.encoder().null(),
            false => self.value(reader, index),
        }
    }

    /// A value that is there.
    fn value(&mut self, reader: &Reader<'_>, index: usize) {
        match &reader.kind {
            Kind::Plain(write) => write(index, self.to.encoder()),
            Kind::Content(leaf, contents) => {
                let column = self.numbers.get(leaf.number).copied().flatten();
                self.stopped |= !self.to.content(contents, index, column);
            }
            Kind::Struct(shape, fields) => self.fields(shape, fields, index),
            Kind::List(spans, values) => {
                let span = spans.of(index);
                self.to.encoder().array(span.len());
                for index in self.visit(span) {
                    self.item(values, index);
                    if self.stopped {
                        return;
                    }
                }
            }
            Kind::Map(map) => self.map(map, index),
            Kind::Encoded(numbers, values) => match numbers.of(index) {
                Some(number) => self.value(values, number),
                None => self.stopped = true,
            },
            // Nulls were seen before, and no record is made where a type has no encoding.
            Kind::Null | Kind::Union(..) | Kind::Unread => self.stopped = true,
        }
    }

    /// A struct: the fields that are there.
    fn fields(&mut self, shape: &Fields, fields: &[Reader<'_>], index: usize) {
        let there = fields.iter().filter(|field| !field.is_null(index)).count();
        self.to.encoder().map(there);
        for &number in &shape.order {
            let field = &fields[number];
            if !field.is_null(index) {
                self.to.encoder().raw(&shape.keys[number]);
                self.value(field, index);
            }
        }
        self.stopped |= self.to.encoder().len() > MOST_BYTES;
    }

    /// A map: the entries that have a value, in the order of their keys.
    fn map(&mut self, map: &Map<'_>, index: usize) {
        self.refused |= map.order.refuses(index);
        let span = self.visit(map.spans.of(index));
        let entries = || span.clone().map(|place| map.order.entry(place)).filter(|e| !map.values.is_null(*e));
        let there = entries().count();
        if map.text {
            self.to.encoder().map(there);
        } else {
            self.to.encoder().array(there);
        }
        for entry in entries() {
            if !map.text {
                self.to.encoder().array(2);
            }
            let mut key = Writer {
                to: std::mem::take(self.to.encoder()),
                numbers: &[],
                refused: false,
                left: self.left,
                stopped: false,
            };
            key.item(&map.keys, entry);
            self.refused |= key.refused;
            self.stopped |= key.stopped;
            self.left = key.left;
            *self.to.encoder() = key.to;
            self.value(&map.values, entry);
            if self.stopped {
                return;
            }
        }
    }

    /// Counts what is looked at; nothing of it once that is too much.
    fn visit(&mut self, span: Range<usize>) -> Range<usize> {
        match self.left.checked_sub(span.len()) {
            Some(left) if self.to.encoder().len() <= MOST_BYTES => {
                self.left = left;
                span
            }
            _ => {
                self.stopped = true;
                span.start..span.start
            }
        }
    }
}
