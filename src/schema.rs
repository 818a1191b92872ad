//! The tables that shardproof writes, as Arrow schemas: fixed names and meanings, a version in their metadata.
//!
//! Numbers are signed, since not every reader of Parquet has unsigned ones; digests are fixed-size bytes; what was not
//! measured is null. `docs/index.md` explains each column.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// The key of a schema's metadata under which its name and version stand.
pub const VERSION_KEY: &str = "shardproof.schema";

/// Name and version of [`observations`].
pub const OBSERVATIONS: &str = "observations/1";

/// Name and version of [`findings`].
pub const FINDINGS: &str = "findings/1";

/// Name and version of [`reported_findings`].
pub const REPORTED_FINDINGS: &str = "reported-findings/1";

/// What was measured of each item.
pub fn observations() -> SchemaRef {
    let digest = |name: &str, bytes| Field::new(name, DataType::FixedSizeBinary(bytes), true);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let truth = |name: &str| Field::new(name, DataType::Boolean, false);
    let fields = vec![
        text("root"),
        Field::new("shard", DataType::Utf8, false),
        text("member"),
        number("row"),
        text("column"),
        Field::new("kind", DataType::Utf8, false),
        number("offset"),
        Field::new("length", DataType::Int64, false),
        truth("complete"),
        text("media_type"),
        digest("md5", 16),
        digest("sha1", 20),
        digest("sha256", 32),
        digest("sha512", 64),
        digest("git_blob", 20),
        digest("record", 32),
        digest("pdq", 32),
        Field::new("pdq_quality", DataType::Int32, true),
        text("pdq_pipeline"),
        Field::new("width", DataType::Int32, true),
        Field::new("height", DataType::Int32, true),
        digest("url_md5", 16),
        digest("url_sha1", 20),
        digest("url_sha256", 32),
        text("region_class"),
        number("stamp_size"),
        number("stamp_mtime"),
        number("stamp_ctime"),
        number("stamp_inode"),
        // What a later run needs to tell the same as if it had read the item itself.
        Field::new("item", DataType::Int64, false),
        text("unread"),
        truth("hidden"),
        truth("in_stream"),
        truth("opened"),
        truth("inside_incomplete"),
        truth("derived"),
        digest("pointer_oid", 32),
        number("pointer_size"),
        Field::new("shard_bytes", DataType::Binary, true),
        Field::new("member_bytes", DataType::Binary, true),
    ];
    versioned(fields, OBSERVATIONS)
}

/// Facts about places, as an index keeps them.
pub fn findings() -> SchemaRef {
    versioned(fields_of_findings(), FINDINGS)
}

/// Facts about places, as a report tells them: with what `--accept` says of them.
pub fn reported_findings() -> SchemaRef {
    let mut fields = fields_of_findings();
    fields.push(Field::new("accepted", DataType::Utf8, true));
    fields.push(Field::new("accepted_until", DataType::Utf8, true));
    versioned(fields, REPORTED_FINDINGS)
}

fn fields_of_findings() -> Vec<Field> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    vec![
        Field::new("code", DataType::Utf8, false),
        Field::new("class", DataType::Utf8, false),
        text("level"),
        text("root"),
        text("shard"),
        text("member"),
        number("row"),
        text("column"),
        number("offset"),
        text("source"),
        number("line"),
        text("expected"),
        text("found"),
        number("distance"),
        Field::new("detail", DataType::Utf8, false),
        Field::new("shard_bytes", DataType::Binary, true),
        Field::new("member_bytes", DataType::Binary, true),
    ]
}

fn versioned(fields: Vec<Field>, version: &str) -> SchemaRef {
    let metadata: std::collections::HashMap<_, _> = [(VERSION_KEY.to_string(), version.to_string())].into();
    Arc::new(Schema::new_with_metadata(fields, metadata))
}
