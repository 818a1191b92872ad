//! Tables of claims as text: CSV with a header, and JSON Lines.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::super::csv_line::Broken;
use super::*;

/// Where the columns stand.
pub(super) struct Columns {
    stance: usize,
    name: usize,
    size: Option<usize>,
    algorithm: usize,
    digest: usize,
    region: Option<usize>,
    width: usize,
}

impl Columns {
    /// The columns that a header names, or which one is lacking or named twice.
    pub(super) fn of(header: &[Vec<u8>]) -> Result<Columns, String> {
        let header: Vec<&[u8]> = header.iter().map(|field| field.trim_ascii()).collect();
        let at = |name: &str| {
            let mut places = (0..header.len()).filter(|&at| header[at] == name.as_bytes());
            match (places.next(), places.next()) {
                (at, None) => Ok(at),
                (_, Some(_)) => Err(format!("two columns are called {name}")),
            }
        };
        let needed = |name: &str| at(name)?.ok_or_else(|| format!("no column is called {name}"));
        Ok(Columns {
            stance: needed("stance")?,
            name: needed("name")?,
            size: at("size")?,
            algorithm: needed("algorithm")?,
            digest: needed("digest")?,
            region: at("region")?,
            width: header.len(),
        })
    }

    fn row(&self, mut fields: Vec<Vec<u8>>) -> Row {
        let mut take = |at: usize| fields.get_mut(at).map(std::mem::take).filter(|field| !field.is_empty());
        Row {
            stance: take(self.stance),
            name: take(self.name),
            size: self.size.and_then(&mut take).map(|text| Size::parse(&text)),
            algorithm: take(self.algorithm),
            digest: take(self.digest),
            has_region: self.region.and_then(&mut take).is_some(),
        }
    }
}

/// Reads CSV. A row is told by the number of the line that it begins in.
pub(super) fn csv(input: &mut dyn BufRead, rows: &mut Rows<'_>) -> Result<(), ManifestError> {
    let mut lines = Lines::new(input);
    let mut columns: Option<Columns> = None;
    // A row whose quotation goes on, and where it began.
    let mut open: (u64, Vec<u8>) = (0, Vec::new());
    while let Some((number, line)) = lines.next()? {
        let Line::Text(text) = line else {
            rows.reject(number, "it is too long")?;
            open.1.clear();
            continue;
        };
        let began = if open.1.is_empty() { number } else { open.0 };
        if open.1.is_empty() {
            let text = if number == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
            if text.is_empty() {
                continue;
            }
            open = (number, text.to_vec());
        } else {
            open.1.push(b'\n');
            open.1.extend_from_slice(text);
        }
        let fields = match csv_line::fields(&open.1) {
            Err(Broken::Open) if open.1.len() <= LONGEST_LINE => continue,
            Ok(fields) => fields,
            Err(_) => {
                rows.reject(began, "its quotation marks are not those of CSV, or it is too long")?;
                open.1.clear();
                continue;
            }
        };
        open.1.clear();
        match &columns {
            None => columns = Some(Columns::of(&fields).map_err(ManifestError::NotThisFormat)?),
            Some(columns) if fields.len() != columns.width => {
                rows.reject(began, "it has not as many fields as the header")?;
            }
            Some(columns) => rows.row(began, columns.row(fields))?,
        }
    }
    if !open.1.is_empty() {
        rows.reject(open.0, "a quotation mark in it is not closed")?;
    }
    Ok(())
}

/// Reads JSON Lines.
pub(super) fn json_lines(input: &mut dyn BufRead, rows: &mut Rows<'_>) -> Result<(), ManifestError> {
    let mut lines = Lines::new(input);
    while let Some((number, line)) = lines.next()? {
        let Line::Text(text) = line else {
            rows.reject(number, "it is too long")?;
            continue;
        };
        if text.trim_ascii().is_empty() {
            continue;
        }
        match row_of_json(text) {
            Ok(row) => rows.row(number, row)?,
            Err(why) => rows.reject(number, why)?,
        }
    }
    Ok(())
}

/// The fields of a row as JSON.
#[derive(Default)]
struct Fields {
    by_key: Map<String, Value>,
    /// A key of it stands twice: of two values nobody knows which one counts.
    is_doubled: bool,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfFields)
    }
}

struct OfFields;

impl<'de> Visitor<'de> for OfFields {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            fields.is_doubled |= fields.by_key.insert(key, value).is_some();
        }
        Ok(fields)
    }
}

/// A row as JSON.
fn row_of_json(text: &[u8]) -> Result<Row, &'static str> {
    let Ok(Fields { by_key: fields, is_doubled }) = serde_json::from_slice(text) else {
        return Err("it is no JSON object");
    };
    if is_doubled {
        return Err("a key of it stands twice, and nobody knows which value counts");
    }
    let mut is_odd = false;
    let mut text = |key: &str| match fields.get(key) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone().into_bytes()).filter(|text| !text.is_empty()),
        Some(_) => {
            is_odd = true;
            None
        }
    };
    let row = Row {
        stance: text("stance"),
        name: text("name"),
        size: match fields.get("size") {
            None | Some(Value::Null) => None,
            Some(size) => Some(size.as_u64().map_or(Size::Odd, Size::Bytes)),
        },
        algorithm: text("algorithm"),
        digest: text("digest"),
        has_region: !matches!(fields.get("region"), None | Some(Value::Null)),
    };
    if is_odd { Err("a field of it is no text") } else { Ok(row) }
}
