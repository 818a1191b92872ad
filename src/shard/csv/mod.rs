//! CSV and TSV: records whose fields have the names in the first of them, or are counted.

mod header;
mod rows;
mod sniff;
mod split;
#[cfg(test)]
mod tests;
mod walk;

use self::header::HeaderRule;
use self::rows::CsvRows;
use self::sniff::Sniffer;
use self::walk::Walker;
use super::lines::MOST;
use super::text::{is_called, is_pointer};
use super::{Format, Place, Reader, Steps};

/// Endings of names of tables whose delimiter shows in their first line.
pub const ENDINGS: &[&[u8]] = &[b".csv"];

/// Endings of names of tables delimited by tabs.
pub const TAB_ENDINGS: &[&[u8]] = &[b".tsv", b".tab"];

/// Delimited text, known by its name alone.
pub struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "CSV"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        (is_called(name, ENDINGS) || is_called(name, TAB_ENDINGS)) && !is_pointer(head)
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        let sniffer = Sniffer::new(is_called(&place.name, TAB_ENDINGS).then_some(b'\t'));
        let rows = CsvRows::new(place.layer, MOST, HeaderRule::Auto, out);
        Some(Box::new(Walker::new(place.layer, MOST, sniffer, rows)))
    }
}
