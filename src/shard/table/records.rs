//! The records of a batch, encoded but for the digests of their contents.

use arrow_array::{ArrayRef, BinaryArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use crate::digest::rec1::{DOMAIN, Encoder, HOLE, RAW_DOMAIN};

/// The messages whose SHA-256 are the rows' `rec1`, with a hole for the digest of each text and each run of bytes.
#[derive(Debug, Default)]
pub struct Records {
    bytes: Vec<u8>,
    /// Where the message of each row ends.
    ends: Vec<i32>,
    /// Rows that have an identity.
    identified: Vec<bool>,
    /// For each column of the batch, where the holes of its values lie, in their order, nulls left out.
    holes: Vec<Vec<usize>>,
}

impl Records {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.bytes.capacity()
            + self.ends.capacity() * 4
            + self.holes.iter().map(|holes| holes.capacity() * size_of::<usize>()).sum::<usize>()
    }

    /// Puts the SHA-256 of a column's value in its place; `ordinal` counts the column's values without nulls.
    pub fn fill(&mut self, column: usize, ordinal: usize, sha256: &[u8]) {
        let hole = self.holes.get(column).and_then(|holes| holes.get(ordinal)).copied();
        if let Some(hole) = hole.and_then(|at| self.bytes.get_mut(at..at + HOLE))
            && sha256.len() == HOLE
        {
            hole.copy_from_slice(sha256);
        }
    }

    /// The messages, all holes filled; null for a row without an identity.
    pub fn messages(self) -> ArrayRef {
        let offsets = std::iter::once(0).chain(self.ends).collect::<Vec<i32>>();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let nulls = NullBuffer::from(self.identified);
        std::sync::Arc::new(BinaryArray::new(offsets, Buffer::from_vec(self.bytes), Some(nulls)))
    }
}

/// Encodes the rows of a batch one after the other.
#[derive(Debug)]
pub struct RecordsBuilder {
    encoder: Encoder,
    records: Records,
    /// Where the message of the present row begins, and how many holes each column had there.
    start: usize,
    before: Vec<usize>,
}

/// The messages of one batch take no more bytes than this, so that offsets into them fit.
const MOST: usize = i32::MAX as usize;

impl RecordsBuilder {
    /// For a batch of so many columns.
    pub fn new(columns: usize) -> Self {
        let mut builder = RecordsBuilder {
            encoder: Encoder::default(),
            records: Records { holes: vec![Vec::new(); columns], ..Records::default() },
            start: 0,
            before: Vec::new(),
        };
        builder.begin();
        builder
    }

    /// A column more: its number. For formats whose columns show only as rows are read.
    pub fn add_column(&mut self) -> usize {
        self.records.holes.push(Vec::new());
        self.before.push(0);
        self.records.holes.len() - 1
    }

    /// Where the present row's record is written: a map from field name to value.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// The next value of a column, which must be the next of its values that is not null.
    pub fn content(&mut self, column: usize) {
        let at = self.encoder.hole();
        if let Some(holes) = self.records.holes.get_mut(column) {
            holes.push(at);
        }
    }

    /// The present row is complete.
    pub fn end_row(&mut self) {
        if self.encoder.len() > MOST {
            return self.refuse_row();
        }
        self.close(true);
    }

    /// The present row has no identity (a field's name stands twice in it): holes made for it stay and are not used.
    pub fn refuse_row(&mut self) {
        self.take_back();
        self.close(false);
    }

    /// The present row cannot be parsed, or is no record: it is known by its bytes, under another domain. Holes made
    /// for it stay and are not used.
    pub fn raw_row(&mut self, bytes: &[u8]) {
        self.take_back();
        if self.encoder.len() + RAW_DOMAIN.len() + bytes.len() > MOST {
            return self.close(false);
        }
        self.encoder.raw(RAW_DOMAIN);
        self.encoder.raw(bytes);
        self.close(true);
    }

    /// The records of all rows that were ended.
    pub fn finish(mut self) -> Records {
        self.encoder.truncate(self.start);
        self.records.bytes = self.encoder.into_bytes();
        self.records
    }

    /// What was written of the present row is undone. Its contents are hashed all the same: their holes lead nowhere.
    fn take_back(&mut self) {
        for (holes, &before) in self.records.holes.iter_mut().zip(&self.before) {
            holes[before..].fill(usize::MAX - HOLE);
        }
        self.encoder.truncate(self.start);
    }

    fn close(&mut self, identified: bool) {
        // Held to `MOST` where the row was ended.
        self.records.ends.push(i32::try_from(self.encoder.len()).unwrap_or(i32::MAX));
        self.records.identified.push(identified);
        self.begin();
    }

    fn begin(&mut self) {
        self.start = self.encoder.len();
        self.before.clear();
        self.before.extend(self.records.holes.iter().map(Vec::len));
        self.encoder.raw(DOMAIN);
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    use super::*;

    #[test]
    fn holes_are_filled_in_the_order_of_the_values() {
        let mut builder = RecordsBuilder::new(1);
        for row in 0..3 {
            if row == 1 {
                builder.encoder().map(1);
                builder.encoder().key("x");
                builder.content(0);
                builder.refuse_row();
                continue;
            }
            builder.encoder().map(1);
            builder.encoder().key("x");
            builder.content(0);
            builder.end_row();
        }
        builder.raw_row(b"{");
        let mut records = builder.finish();
        assert_eq!(records.len(), 4);
        for ordinal in 0..3 {
            records.fill(0, ordinal, &[ordinal as u8 + 1; 32]);
        }
        let messages = records.messages();
        let messages = messages.as_binary::<i32>();
        assert!(messages.is_null(1));
        assert_eq!(messages.value(3), b"pv-rec1-raw\0{");
        let record = |byte: u8| {
            let mut encoder = Encoder::after(DOMAIN.to_vec());
            encoder.map(1);
            encoder.key("x");
            encoder.content(&[byte; 32]);
            encoder.into_bytes()
        };
        assert_eq!(messages.value(0), record(1));
        assert_eq!(messages.value(2), record(3));
    }
}
