//! The samples of a shard as rows.

use std::ops::Range;

use bytes::Bytes;

use super::config::{Column, Columns};
use super::encoding::{Broken, Encoding, decimal, digits, float_text, parts};
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::faults::Faults;
use crate::shard::jsonl::paths::{Path, Paths, ROOT};
use crate::shard::jsonl::rows::tell_value;
use crate::shard::jsonl::scan::{Node, Tape};
use crate::shard::table::gather::{Gather, RowEnd, Spot};
use crate::shard::{ItemId, Steps};

/// Takes samples one after the other.
pub struct MdsRows {
    columns: Columns,
    gather: Gather,
    paths: Paths,
    tape: Tape,
    /// Where the values of the present sample lie in it.
    values: Vec<Range<usize>>,
}

/// A sample in what it lies in.
pub struct Sample<'s> {
    /// That.
    pub block: &'s Bytes,
    /// Its bytes there.
    pub range: Range<usize>,
    /// Its first byte in the layer.
    pub offset: u64,
}

/// A sample whose values do not lie in it.
pub struct Unread;

impl MdsRows {
    /// The samples of this layer.
    pub fn new(layer: ItemId, columns: Columns, out: &Steps) -> Self {
        MdsRows {
            columns,
            gather: Gather::new(layer, false, out),
            paths: Paths::default(),
            tape: Tape::default(),
            values: Vec::new(),
        }
    }

    /// Bytes of memory it holds, an upper bound.
    pub fn footprint(&self) -> usize {
        let tape = self.tape.nodes.capacity() * size_of::<Node>() + self.tape.made.capacity();
        self.columns.footprint() + self.gather.footprint() + tape
    }

    /// A sample that is told in another way has passed.
    pub fn pass(&mut self, out: &mut Steps) {
        self.flush(out);
        self.gather.pass_row(out);
    }

    /// Tells what was gathered.
    pub fn flush(&mut self, out: &mut Steps) {
        self.gather.flush(out);
        self.paths = Paths::default();
    }

    /// Takes a sample: its bytes that no reader shows.
    ///
    /// # Errors
    /// Where its values do not lie in it: then it is no row.
    pub fn take(
        &mut self,
        sample: &Sample<'_>,
        faults: &mut Faults,
        out: &mut Steps,
    ) -> Result<Vec<Range<usize>>, Unread> {
        let bytes = &sample.block[sample.range.clone()];
        let end = self.split(bytes).ok_or(Unread)?;
        if self.gather.is_full_for(bytes.len()) || self.paths.are_many() {
            self.flush(out);
        }
        let row = self.gather.row();
        let block = self.gather.block(sample.block);
        let spot = Spot { block, offset: sample.range.start };
        let mut dead = Vec::new();
        let mut ended = RowEnd::Record;
        if let Some(records) = self.gather.records() {
            let there = |(column, value): (&Column, &Range<usize>)| !is_null(column, &bytes[value.clone()]);
            let count = self.columns.all.iter().zip(&self.values).filter(|&pair| there(pair)).count();
            records.encoder().map(count);
        }
        for index in 0..self.columns.order.len() {
            let number = self.columns.order[index];
            let (column, range) = (&self.columns.all[number], self.values[number].clone());
            let value = &bytes[range.clone()];
            if is_null(column, value) {
                continue;
            }
            let path = self.paths.key(ROOT, &column.name);
            if let Some(records) = self.gather.records() {
                records.encoder().key(&column.name);
            }
            let at = spot.plus(range.start);
            let mut write = Write { gather: &mut self.gather, paths: &mut self.paths, tape: &mut self.tape };
            match write.value(&column.encoding, value, path, at) {
                Ok(used) if used < value.len() => dead.push(range.start + used..range.end),
                Ok(_) => {}
                Err(broken) => {
                    let name = Escaped(&column.name.as_bytes()[..column.name.floor_char_boundary(64)]);
                    let offset = sample.offset + range.start as u64;
                    match broken {
                        Broken::Value(why) => {
                            // Its bytes are looked up all the same.
                            write.content(path, value, at);
                            let detail = || {
                                format!(
                                    "row {row} is not what its column `{name}` says: {why}; it is known by its \
                                     bytes alone"
                                )
                            };
                            faults.tell(Code::Unreadable, offset, out, detail);
                            ended = RowEnd::Raw(bytes);
                        }
                        Broken::NoIdentity(why) => {
                            let detail = || {
                                format!(
                                    "row {row} has no identity as a record: in its column `{name}`, {why}"
                                )
                            };
                            faults.tell(Code::Unverifiable, offset, out, detail);
                            if !matches!(ended, RowEnd::Raw(_)) {
                                ended = RowEnd::Refused;
                            }
                        }
                    }
                }
            }
        }
        if self.columns.twice.is_some() {
            ended = RowEnd::Refused;
        }
        self.gather.end_row(bytes.len(), ended);
        if end < bytes.len() {
            dead.push(end..bytes.len());
        }
        dead.sort_unstable_by_key(|range| range.start);
        Ok(dead)
    }

    /// Finds the values of a sample: where the last one ends. `None` if they do not lie in it.
    fn split(&mut self, bytes: &[u8]) -> Option<usize> {
        self.values.clear();
        let without = self.columns.all.iter().filter(|column| column.size.is_none()).count();
        let mut at = without.checked_mul(4)?;
        let mut sizes = bytes.get(..at)?.chunks_exact(4);
        for column in &self.columns.all {
            let len = match column.size {
                Some(size) => usize::try_from(size).ok()?,
                None => usize::try_from(u32::from_le_bytes(sizes.next()?.try_into().ok()?)).ok()?,
            };
            let end = at.checked_add(len).filter(|&end| end <= bytes.len())?;
            self.values.push(at..end);
            at = end;
        }
        Some(at)
    }
}

/// Whether a value is missing: JSON alone can say that.
fn is_null(column: &Column, value: &[u8]) -> bool {
    column.encoding == Encoding::Json && value.trim_ascii() == b"null"
}

/// Where a value goes.
struct Write<'w> {
    gather: &'w mut Gather,
    paths: &'w mut Paths,
    tape: &'w mut Tape,
}

impl Write<'_> {
    /// Writes a value of this encoding: how many of its bytes it has used. Nothing is written of a value that cannot be
    /// read.
    fn value(&mut self, encoding: &Encoding, value: &[u8], path: Path, spot: Spot) -> Result<usize, Broken> {
        let mut encoder = self.gather.records().map(|records| records.encoder());
        match encoding {
            Encoding::Bytes | Encoding::Unknown => self.content(path, value, spot),
            Encoding::Text => {
                std::str::from_utf8(value).map_err(|_| Broken::Value("its text is not UTF-8"))?;
                self.content(path, value, spot);
            }
            Encoding::Number(kind) => {
                if value.len() != kind.size() {
                    return Err(Broken::Value("it does not have the length of its encoding"));
                }
                if let Some(encoder) = encoder {
                    kind.write(value, encoder);
                }
            }
            Encoding::Integer => digits(value, &mut encoder)?,
            Encoding::Float => float_text(value, &mut encoder)?,
            Encoding::Decimal => decimal(value, &mut encoder)?,
            Encoding::Json => {
                let text = std::str::from_utf8(value).map_err(|_| Broken::Value("its JSON is not UTF-8"))?;
                self.tape.scan(text).map_err(|broken| Broken::Value(broken.why))?;
                if tell_value(self.tape, text, path, self.paths, self.gather, spot).is_some() {
                    return Err(Broken::NoIdentity("a name stands twice in one object"));
                }
            }
            Encoding::Array(array) => {
                let array = array.look(value)?;
                if let Some(encoder) = encoder {
                    array.write(encoder);
                }
            }
            Encoding::List => return self.list(parts(value, 4)?, 8, value, path, spot),
            Encoding::JpegArray => {
                let images = parts(value, 0)?;
                if images.is_empty() {
                    return Err(Broken::Value("it has no images"));
                }
                return self.list(images, 4, value, path, spot);
            }
        }
        Ok(value.len())
    }

    /// Writes the parts of a list, before which stand so many bytes if there are none.
    fn list(
        &mut self,
        parts: Vec<Range<usize>>,
        front: usize,
        value: &[u8],
        path: Path,
        spot: Spot,
    ) -> Result<usize, Broken> {
        if let Some(records) = self.gather.records() {
            records.encoder().array(parts.len());
        }
        let used = parts.last().map_or(front, |part| part.end);
        let path = self.paths.element(path);
        for part in parts {
            self.content(path, &value[part.clone()], spot.plus(part.start));
        }
        Ok(used)
    }

    /// Writes a text or a run of bytes.
    fn content(&mut self, path: Path, value: &[u8], spot: Spot) {
        let column = self.paths.column(path, self.gather);
        self.gather.value(column, value, Some(spot));
    }
}
