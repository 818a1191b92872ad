//! The project's own table of claims, as CSV, JSON Lines or Parquet: one digest of one item in each row.
//!
//! | column | |
//! |---|---|
//! | `source` | where the row comes from; not read |
//! | `line` | its line there; not read: a row is told by its own place in the table |
//! | `stance` | `expect`: the item is as the row says. `forbid`: nobody may have it; such rows make a hash list |
//! | `name` | path of the item below the base folder; inside a shard `shard/member` |
//! | `size` | bytes |
//! | `algorithm` | `sha256`, `md5`, `git_blob` … |
//! | `digest` | hexadecimal digits; in Parquet bytes as well |
//! | `category` | of a forbidden item; not read |
//! | `region` | a part of the item; not supported yet |
//!
//! `stance`, `name`, `algorithm` and `digest` must be there, in any order. An item with several digests has several rows.

mod parquet;
mod text;

use std::io::BufRead;

use serde_json::Value;

use self::text::Columns;
use super::labelled::Writing;
use super::lines::{LONGEST_LINE, Line, Lines};
use super::{Context, ManifestError, ManifestFormat, csv_line, subject};
use crate::claim::{Claim, ClaimSink, Scope, Unusable};

/// The format of tables of claims.
#[derive(Clone, Copy, Debug)]
pub struct ClaimsTable;

impl ManifestFormat for ClaimsTable {
    fn name(&self) -> &'static str {
        "claims"
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let first = head.split(|&b| b == b'\n').next().unwrap_or_default();
        match Form::of(head) {
            // Its columns stand at the end: reading says what is lacking.
            Form::Parquet => true,
            Form::JsonLines => {
                let row = serde_json::from_slice::<Value>(first).unwrap_or_default();
                ["stance", "digest", "algorithm"].iter().all(|key| row.get(key).is_some())
            }
            Form::Csv => csv_line::fields(first).is_ok_and(|header| Columns::of(&header).is_ok()),
        }
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let form = Form::of(input.fill_buf()?);
        let mut rows = Rows { context, sink, claims: 0 };
        match form {
            Form::Parquet => parquet::read(context.path, &mut |number, row| rows.row(number, row))?,
            Form::JsonLines => text::json_lines(input, &mut rows)?,
            Form::Csv => text::csv(input, &mut rows)?,
        }
        if rows.claims == 0 {
            return Err(ManifestError::NotThisFormat("no row of the table is a claim on an item".to_owned()));
        }
        Ok(Scope::Folder(Vec::new()))
    }
}

enum Form {
    Csv,
    JsonLines,
    Parquet,
}

impl Form {
    fn of(head: &[u8]) -> Form {
        if head.starts_with(b"PAR1") {
            Form::Parquet
        } else if head.trim_ascii_start().starts_with(b"{") {
            Form::JsonLines
        } else {
            Form::Csv
        }
    }
}

/// What counts of a row; `None` where its field is null or empty.
#[derive(Debug, Default)]
struct Row {
    stance: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    size: Option<Size>,
    algorithm: Option<Vec<u8>>,
    digest: Option<Vec<u8>>,
    has_region: bool,
}

/// A size, or something that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Bytes(u64),
    Odd,
}

impl Size {
    fn parse(text: &[u8]) -> Size {
        let sound = text.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(text).ok().filter(|_| sound).and_then(|text| text.parse().ok());
        number.map_or(Size::Odd, Size::Bytes)
    }
}

/// One run over a table.
struct Rows<'a> {
    context: &'a Context<'a>,
    sink: &'a mut dyn ClaimSink,
    claims: u64,
}

impl Rows<'_> {
    fn reject(&mut self, number: u64, why: &str) -> Result<(), ManifestError> {
        Ok(self.sink.reject(number, why.to_owned())?)
    }

    fn row(&mut self, number: u64, row: Row) -> Result<(), ManifestError> {
        match row.stance.as_deref() {
            Some(b"expect") => {}
            Some(b"forbid") => {
                return Err(ManifestError::NotThisFormat(format!(
                    "row {number} forbids an item, which no manifest does; give the table with --hash-list"
                )));
            }
            _ => return self.reject(number, "its stance is neither `expect` nor `forbid`"),
        }
        let Some(name) = row.name else {
            let why = "it names no item, and a digest without a name cannot be sought by a manifest yet";
            return self.reject(number, why);
        };
        if row.has_region {
            return self.reject(number, "it is about a region of an item, which cannot be compared yet");
        }
        let size = match row.size {
            None => None,
            Some(Size::Bytes(size)) => Some(size),
            Some(Size::Odd) => return self.reject(number, "its size is no number of bytes"),
        };
        self.claims += 1;
        let claim = Claim { size, ..Claim::new(self.context.source, number, subject(&name)) };
        let claim = match (&row.algorithm, &row.digest) {
            (_, None) => {
                let why = "the table gives no digest of it".to_owned();
                Claim { unusable: Some(Unusable::NotComputable(why)), ..claim }
            }
            (None, Some(_)) => {
                let why = "the table does not say of which algorithm its digest is".to_owned();
                Claim { unusable: Some(Unusable::Impossible(why)), ..claim }
            }
            (Some(algorithm), Some(digest)) => {
                claim.labelled(&String::from_utf8_lossy(algorithm), digest, Writing::Hex)
            }
        };
        Ok(self.sink.claim(claim)?)
    }
}

#[cfg(test)]
mod tests;
