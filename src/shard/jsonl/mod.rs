//! JSON Lines: each line is a record.

pub mod number;
pub mod paths;
pub mod rows;
pub mod scan;
#[cfg(test)]
mod tests;

use self::rows::JsonRows;
use super::lines::{BOM, Lines, MOST};
use super::text::{is_called, is_pointer};
use super::{Format, Place, Reader, Steps};

/// Endings of names of JSON Lines.
pub const ENDINGS: &[&[u8]] = &[b".jsonl", b".ndjson", b".jsonlines", b".jsonl.txt"];

/// The ending of a name under which JSON Lines are found as well as single documents.
const PERHAPS: &[&[u8]] = &[b".json"];

/// JSON Lines, known by their name; under `.json`, by a first line that is an object and is not the only one.
pub struct JsonLines;

impl Format for JsonLines {
    fn name(&self) -> &'static str {
        "JSON Lines"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        if is_pointer(head) {
            return false;
        }
        let first = head.strip_prefix(BOM).unwrap_or(head).iter().find(|byte| !byte.is_ascii_whitespace());
        is_called(name, ENDINGS) || (is_called(name, PERHAPS) && first == Some(&b'{'))
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        let sure = is_called(&place.name, ENDINGS);
        let rows = JsonRows::new(place.layer, MOST, sure, out);
        Some(Box::new(Lines::new(place.layer, MOST, rows)))
    }
}
