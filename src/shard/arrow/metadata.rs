//! Metadata of messages: flatbuffers, verified and bounded before anything is read from them.
//!
//! The verifier bounds depth, number and written-out size of tables, so that a vector whose offsets all lead to one
//! long string cannot become gigabytes of strings.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::{Endianness, Footer, Message, root_as_footer_with_opts, root_as_message_with_opts};
use arrow_schema::Schema;
use flatbuffers::VerifierOptions;

use super::limits;

/// Why metadata cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its numbers are of the other byte order.
    BigEndian,
    /// It is damaged or over a limit.
    Bad(String),
}

fn options() -> VerifierOptions {
    VerifierOptions {
        max_depth: limits::DEPTH,
        max_tables: limits::TABLES,
        max_apparent_size: limits::APPARENT,
        ..VerifierOptions::default()
    }
}

/// A message whose metadata is this.
pub fn message(bytes: &[u8]) -> Result<Message<'_>, Trouble> {
    root_as_message_with_opts(&options(), bytes).map_err(|error| {
        Trouble::Bad(format!("its metadata is damaged or over a limit: {}", first_line(error)))
    })
}

/// A footer that is this.
pub fn footer(bytes: &[u8]) -> Result<Footer<'_>, Trouble> {
    root_as_footer_with_opts(&options(), bytes).map_err(|error| {
        Trouble::Bad(format!("its footer is damaged or over a limit: {}", first_line(error)))
    })
}

/// The schema that verified metadata describes.
pub fn schema(described: arrow_ipc::Schema<'_>) -> Result<Schema, Trouble> {
    match described.endianness() {
        Endianness::Little => {}
        Endianness::Big => return Err(Trouble::BigEndian),
        _ => return Err(Trouble::Bad("its byte order is none that is known".to_string())),
    }
    let mut fields = 0;
    for field in described.fields().iter().flatten() {
        count_fields(field, &mut fields)?;
    }
    match catch_unwind(AssertUnwindSafe(|| try_fb_to_schema(described))) {
        Ok(Ok(schema)) => Ok(schema),
        Ok(Err(error)) => Err(Trouble::Bad(format!("its schema is damaged: {error}"))),
        Err(_) => Err(Trouble::Bad("its schema is damaged: the decoder gave up on it".to_string())),
    }
}

/// The verifier has bounded how deep this goes.
fn count_fields(field: arrow_ipc::Field<'_>, count: &mut usize) -> Result<(), Trouble> {
    *count += 1;
    if *count > limits::FIELDS {
        return Err(Trouble::Bad("its schema is over the limit of 100,000 fields".to_string()));
    }
    field.children().iter().flatten().try_for_each(|child| count_fields(child, count))
}

/// The verifier adds a trace of many lines to what is wrong.
fn first_line(error: impl std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().trim_end_matches('.').to_string()
}

/// Whether what begins here may be the metadata of a message that is a schema, so far as it is there: its root table
/// says so.
pub fn begins_with_schema(bytes: &[u8]) -> bool {
    says_schema(bytes).unwrap_or(false)
}

/// Follows the root to the table of its fields and asks for the first two (`Message.fbs`): version and type.
fn says_schema(bytes: &[u8]) -> Option<bool> {
    let u16_at = |at: usize| bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes).map(usize::from);
    let u32_at = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let table = u32_at(0)? as usize;
    let fields = i64::try_from(table).ok()?.checked_sub(i64::from(u32_at(table)? as i32))?;
    let fields = usize::try_from(fields).ok()?;
    if u16_at(fields)? < 10 {
        return Some(false);
    }
    let version = u16_at(fields + 4)?;
    let version = if version == 0 { 0 } else { u16_at(table + version)? };
    let kind = u16_at(fields + 6)?;
    let kind = if kind == 0 { 0 } else { bytes.get(table + kind).copied()? };
    Some(version <= 4 && kind == arrow_ipc::MessageHeader::Schema.0)
}
