//! Findings as rows of the tables that `schema` describes: in an index, and in a report.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};

use super::columns::NESTED;
use crate::finding::Finding;
use crate::locator::Escaped;

/// Rows being gathered.
pub struct FindingRows {
    schema: SchemaRef,
    texts: [StringBuilder; 13],
    numbers: [Int64Builder; 4],
    bytes: [BinaryBuilder; 2],
    len: usize,
}

/// The columns of text, in the order of their builders; so below the numbers and the bytes. A table has those of them
/// that its schema has.
const TEXTS: [&str; 13] = [
    "code",
    "class",
    "level",
    "root",
    "shard",
    "member",
    "column",
    "source",
    "expected",
    "found",
    "detail",
    "accepted",
    "accepted_until",
];
const NUMBERS: [&str; 4] = ["row", "offset", "line", "distance"];
const BYTES: [&str; 2] = ["shard_bytes", "member_bytes"];

/// What a finding does not say itself.
#[derive(Default)]
pub struct Beside {
    /// The dataset root as typed, where there are several.
    pub root: Option<String>,
    /// The manifest or list that it goes by.
    pub source: Option<String>,
    /// Why it is accepted.
    pub accepted: Option<String>,
    /// The last day on which it is.
    pub accepted_until: Option<String>,
    /// Its digests are kept back.
    pub without_digests: bool,
}

impl FindingRows {
    /// No rows yet.
    pub fn new(schema: SchemaRef) -> FindingRows {
        FindingRows {
            schema,
            texts: Default::default(),
            numbers: Default::default(),
            bytes: Default::default(),
            len: 0,
        }
    }

    /// How many rows are gathered.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a finding.
    pub fn push(&mut self, finding: &Finding, beside: Beside) {
        let place = finding.locator.as_ref();
        let member = place.map(|p| p.member.join(NESTED.as_bytes())).filter(|member| !member.is_empty());
        let shown = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => text.to_string(),
            Err(_) => Escaped(bytes).to_string(),
        };
        let digest = |digest: &Option<crate::digest::Digest>| {
            digest.as_ref().filter(|_| !beside.without_digests).map(ToString::to_string)
        };
        let texts = [
            Some(finding.code.name().to_string()),
            Some(finding.code.class().name().to_string()),
            finding.level.map(|level| level.name().to_string()),
            beside.root,
            place.map(|p| shown(&p.shard)),
            member.as_deref().map(shown),
            place.and_then(|p| p.column.clone()),
            beside.source,
            digest(&finding.expected),
            digest(&finding.found),
            Some(finding.detail.clone()),
            beside.accepted,
            beside.accepted_until,
        ];
        for (builder, text) in self.texts.iter_mut().zip(texts) {
            builder.append_option(text);
        }
        let number = |n: Option<u64>| n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let numbers = [
            place.and_then(|p| p.row),
            place.and_then(|p| p.offset),
            finding.line,
            finding.distance.map(u64::from),
        ];
        for (builder, n) in self.numbers.iter_mut().zip(numbers) {
            builder.append_option(number(n));
        }
        let odd = |bytes: Option<Vec<u8>>| bytes.filter(|bytes| std::str::from_utf8(bytes).is_err());
        self.bytes[0].append_option(odd(place.map(|p| p.shard.clone())));
        self.bytes[1].append_option(odd(member));
        self.len += 1;
    }

    /// The rows so far, as a batch; none are left.
    ///
    /// # Errors
    /// Where the schema has columns that findings have not.
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let len = std::mem::take(&mut self.len);
        // All builders are emptied, those of columns that the table has not as well.
        let texts = self.texts.each_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let numbers = self.numbers.each_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let bytes = self.bytes.each_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let names = TEXTS.iter().chain(&NUMBERS).chain(&BYTES);
        let arrays: Vec<_> = names.zip(texts.into_iter().chain(numbers).chain(bytes)).collect();
        let columns = self.schema.fields().iter().map(|field| {
            let of_name = arrays.iter().find(|(name, _)| *name == field.name());
            match of_name {
                Some((_, array)) => Arc::clone(array),
                None => arrow_array::new_null_array(field.data_type(), len),
            }
        });
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())
    }
}
