//! Observations into columns: the builders of one batch.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, Int32Builder, Int64Builder, StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType};

use crate::digest::Algorithm;
use crate::locator::Escaped;
use crate::observation::{Kind, Observation, PointerSeen, State};
use crate::schema;

/// Members inside members are joined so in the column `member`: no name has two of these in a row.
pub const NESTED: &str = "//";

/// The names of kinds in the table.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Stream => "stream",
        Kind::Member => "member",
        Kind::Row => "row",
        Kind::Cell => "cell",
        Kind::Region => "region",
    }
}

/// The algorithms that have a column.
pub const DIGESTS: [Algorithm; 5] =
    [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512, Algorithm::GitBlob];

/// Rows of the table `observations` under construction.
pub struct Columns {
    root: StringBuilder,
    shard: StringBuilder,
    member: StringBuilder,
    row: Int64Builder,
    column: StringBuilder,
    kind: StringBuilder,
    offset: Int64Builder,
    length: Int64Builder,
    complete: BooleanBuilder,
    digests: [FixedSizeBinaryBuilder; 5],
    record: FixedSizeBinaryBuilder,
    region_class: StringBuilder,
    stamp: [Int64Builder; 4],
    item: Int64Builder,
    unread: StringBuilder,
    hidden: BooleanBuilder,
    in_stream: BooleanBuilder,
    opened: BooleanBuilder,
    inside_incomplete: BooleanBuilder,
    derived: BooleanBuilder,
    pointer_oid: FixedSizeBinaryBuilder,
    pointer_size: Int64Builder,
    shard_bytes: BinaryBuilder,
    member_bytes: BinaryBuilder,
    len: usize,
}

impl Columns {
    /// No rows.
    pub fn new() -> Self {
        Columns {
            root: StringBuilder::new(),
            shard: StringBuilder::new(),
            member: StringBuilder::new(),
            row: Int64Builder::new(),
            column: StringBuilder::new(),
            kind: StringBuilder::new(),
            offset: Int64Builder::new(),
            length: Int64Builder::new(),
            complete: BooleanBuilder::new(),
            digests: DIGESTS.map(|algorithm| FixedSizeBinaryBuilder::new(width(algorithm.len()))),
            record: FixedSizeBinaryBuilder::new(32),
            region_class: StringBuilder::new(),
            stamp: std::array::from_fn(|_| Int64Builder::new()),
            item: Int64Builder::new(),
            unread: StringBuilder::new(),
            hidden: BooleanBuilder::new(),
            in_stream: BooleanBuilder::new(),
            opened: BooleanBuilder::new(),
            inside_incomplete: BooleanBuilder::new(),
            derived: BooleanBuilder::new(),
            pointer_oid: FixedSizeBinaryBuilder::new(32),
            pointer_size: Int64Builder::new(),
            shard_bytes: BinaryBuilder::new(),
            member_bytes: BinaryBuilder::new(),
            len: 0,
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds an item of a dataset whose roots are called so.
    ///
    /// # Errors
    /// Where a digest has not its algorithm's length, which cannot be.
    pub fn push(&mut self, seen: &Observation, roots: &[String]) -> Result<(), ArrowError> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let locator = &seen.locator;
        self.root.append_option(locator.root.and_then(|root| roots.get(usize::from(root))));
        match std::str::from_utf8(&locator.shard) {
            Ok(shard) => {
                self.shard.append_value(shard);
                self.shard_bytes.append_null();
            }
            Err(_) => {
                self.shard.append_value(Escaped(&locator.shard).to_string());
                self.shard_bytes.append_value(&locator.shard);
            }
        }
        self.member(&locator.member);
        self.row.append_option(locator.row.map(number));
        self.column.append_option(locator.column.as_deref());
        self.kind.append_value(kind_name(seen.kind));
        self.offset.append_option(locator.offset.map(number));
        self.length.append_value(number(seen.length));
        self.complete.append_value(seen.state == State::Read);
        for (builder, algorithm) in self.digests.iter_mut().zip(DIGESTS) {
            match seen.digests.of(algorithm) {
                Some(digest) => builder.append_value(digest.bytes())?,
                None => builder.append_null(),
            }
        }
        match &seen.record {
            Some(record) => self.record.append_value(record)?,
            None => self.record.append_null(),
        }
        self.region_class.append_option(seen.region.map(|class| class.name()));
        let stamp = seen.stamp.map(|stamp| {
            let time = |t: i128| i64::try_from(t).unwrap_or(i64::MAX);
            [number(stamp.size), time(stamp.mtime), time(stamp.ctime), stamp.inode.1.cast_signed()]
        });
        for (at, builder) in self.stamp.iter_mut().enumerate() {
            builder.append_option(stamp.map(|stamp| stamp[at]));
        }
        self.item.append_value(number(seen.item));
        self.unread.append_option(match seen.state {
            State::Read => None,
            State::Unread(why) => Some(why.name()),
            State::NotAsked => Some("not-asked"),
        });
        self.hidden.append_value(seen.hidden);
        self.in_stream.append_value(seen.in_stream);
        self.opened.append_value(seen.opened);
        self.inside_incomplete.append_value(seen.inside_incomplete);
        self.derived.append_value(seen.derived);
        match &seen.pointer {
            Some(PointerSeen::Lfs { oid, size }) => {
                self.pointer_oid.append_value(oid)?;
                self.pointer_size.append_value(number(*size));
            }
            Some(PointerSeen::Annex { size }) => {
                self.pointer_oid.append_null();
                self.pointer_size.append_value(size.map_or(-1, number));
            }
            None => {
                self.pointer_oid.append_null();
                self.pointer_size.append_null();
            }
        }
        self.len += 1;
        Ok(())
    }

    fn member(&mut self, names: &[Vec<u8>]) {
        if names.is_empty() {
            self.member.append_null();
            self.member_bytes.append_null();
            return;
        }
        let joined = names.join(NESTED.as_bytes());
        let plain = std::str::from_utf8(&joined).ok().filter(|_| {
            // A single name that has the separator in it is kept as bytes, too: it must not read as two.
            names.iter().all(|name| memchr::memmem::find(name, NESTED.as_bytes()).is_none())
        });
        match plain {
            Some(text) => {
                self.member.append_value(text);
                self.member_bytes.append_null();
            }
            None => {
                self.member.append_value(Escaped(&joined).to_string());
                self.member_bytes.append_value(&joined);
            }
        }
    }

    /// The rows as a batch; none are left.
    ///
    /// # Errors
    /// Where the columns do not fit the schema, which cannot be.
    pub fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let len = std::mem::take(&mut self.len);
        let schema = schema::observations();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "root" => Arc::new(self.root.finish()),
                "shard" => Arc::new(self.shard.finish()),
                "member" => Arc::new(self.member.finish()),
                "row" => Arc::new(self.row.finish()),
                "column" => Arc::new(self.column.finish()),
                "kind" => Arc::new(self.kind.finish()),
                "offset" => Arc::new(self.offset.finish()),
                "length" => Arc::new(self.length.finish()),
                "complete" => Arc::new(self.complete.finish()),
                "record" => Arc::new(self.record.finish()),
                "region_class" => Arc::new(self.region_class.finish()),
                "stamp_size" => Arc::new(self.stamp[0].finish()),
                "stamp_mtime" => Arc::new(self.stamp[1].finish()),
                "stamp_ctime" => Arc::new(self.stamp[2].finish()),
                "stamp_inode" => Arc::new(self.stamp[3].finish()),
                "item" => Arc::new(self.item.finish()),
                "unread" => Arc::new(self.unread.finish()),
                "hidden" => Arc::new(self.hidden.finish()),
                "in_stream" => Arc::new(self.in_stream.finish()),
                "opened" => Arc::new(self.opened.finish()),
                "inside_incomplete" => Arc::new(self.inside_incomplete.finish()),
                "derived" => Arc::new(self.derived.finish()),
                "pointer_oid" => Arc::new(self.pointer_oid.finish()),
                "pointer_size" => Arc::new(self.pointer_size.finish()),
                "shard_bytes" => Arc::new(self.shard_bytes.finish()),
                "member_bytes" => Arc::new(self.member_bytes.finish()),
                name => match DIGESTS.iter().position(|algorithm| algorithm.name() == name) {
                    Some(at) => Arc::new(self.digests[at].finish()),
                    None => not_measured(field.data_type(), len),
                },
            }
        });
        let columns = columns.collect();
        RecordBatch::try_new(schema, columns)
    }
}

/// A column of nulls: what this version does not measure.
fn not_measured(data_type: &DataType, len: usize) -> ArrayRef {
    match data_type {
        DataType::Int32 => {
            let mut builder = Int32Builder::new();
            builder.append_nulls(len);
            Arc::new(builder.finish())
        }
        DataType::FixedSizeBinary(bytes) => {
            let mut builder = FixedSizeBinaryBuilder::new(*bytes);
            builder.append_nulls(len);
            Arc::new(builder.finish())
        }
        _ => {
            let mut builder = StringBuilder::new();
            builder.append_nulls(len);
            Arc::new(builder.finish())
        }
    }
}

fn width(bytes: usize) -> i32 {
    // No digest is longer than 64 bytes.
    i32::try_from(bytes).unwrap_or(64)
}
