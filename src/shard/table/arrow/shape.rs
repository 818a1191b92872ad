//! What is taken of each column: worked out once for a schema.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};

use crate::digest::rec1::{Encoder, key_order};
use crate::locator::Escaped;

/// Levels of nesting that are followed: whoever follows them recurses.
pub const DEPTH: usize = 64;

/// A schema as it is read.
#[derive(Debug)]
pub struct Table {
    /// The row: a struct of the columns.
    pub root: Fields,
    /// How many columns of texts and bytes there are.
    pub leaves: usize,
    /// Why rows of this schema have no identity.
    pub unidentified: Option<String>,
    /// Columns that are nested too deep.
    pub unread: Vec<String>,
}

impl Table {
    /// What is taken of tables of this schema.
    pub fn of(schema: &Schema) -> Table {
        let mut table = Table { root: Fields::default(), leaves: 0, unidentified: None, unread: Vec::new() };
        let fields: Vec<&Field> = schema.fields().iter().map(Arc::as_ref).collect();
        table.root = table.fields("", &fields, 0);
        // At the top, columns that happen to be called `bytes` and `path` are two columns.
        table.root.media = None;
        table
    }

    fn shape(&mut self, name: &str, data_type: &DataType, depth: usize) -> Shape {
        if depth >= DEPTH {
            self.unread.push(name.to_string());
            self.unidentify(|| format!("column `{}` is nested too deep", Escaped(name.as_bytes())));
            return Shape::Unread;
        }
        let depth = depth + 1;
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => self.leaf(name, true),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => self.leaf(name, false),
            DataType::Struct(fields) => {
                let fields: Vec<&Field> = fields.iter().map(Arc::as_ref).collect();
                Shape::Struct(self.fields(name, &fields, depth))
            }
            DataType::List(child)
            | DataType::LargeList(child)
            | DataType::FixedSizeList(child, _)
            | DataType::ListView(child)
            | DataType::LargeListView(child) => {
                let below = format!("{name}.list.{}", child.name());
                Shape::List(Box::new(self.shape(&below, child.data_type(), depth)))
            }
            DataType::Map(entries, _) => self.map(name, entries, depth),
            DataType::Dictionary(_, values) => Shape::Encoded(Box::new(self.shape(name, values, depth))),
            DataType::RunEndEncoded(_, values) => {
                Shape::Encoded(Box::new(self.shape(name, values.data_type(), depth)))
            }
            DataType::Union(fields, _) => {
                self.unidentify(|| format!("column `{}` is a union", Escaped(name.as_bytes())));
                let each = fields.iter().map(|(id, field)| {
                    let below = format!("{name}.{}", field.name());
                    (id, self.shape(&below, field.data_type(), depth))
                });
                Shape::Union(each.collect())
            }
            DataType::Null
            | DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64
            | DataType::Float16
            | DataType::Float32
            | DataType::Float64
            | DataType::Timestamp(..)
            | DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Duration(_)
            | DataType::Interval(_)
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Shape::Plain,
        }
    }

    fn fields(&mut self, above: &str, fields: &[&Field], depth: usize) -> Fields {
        let mut names = BTreeSet::new();
        if let Some(twice) = fields.iter().find(|field| !names.insert(field.name())) {
            let twice = Escaped(twice.name().as_bytes());
            self.unidentify(|| match above {
                "" => format!("two columns are called `{twice}`"),
                _ => format!("two fields of column `{}` are called `{twice}`", Escaped(above.as_bytes())),
            });
        }
        let shapes: Vec<Shape> = fields
            .iter()
            .map(|field| {
                let name = match above {
                    "" if depth == 0 => field.name().clone(),
                    _ => format!("{above}.{}", field.name()),
                };
                self.shape(&name, field.data_type(), depth)
            })
            .collect();
        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_by(|&a, &b| key_order(fields[a].name(), fields[b].name()));
        let keys = fields.iter().map(|field| {
            let mut encoder = Encoder::default();
            encoder.key(field.name());
            encoder.into_bytes()
        });
        let named = |name: &str| {
            let mut found = (0..fields.len()).filter(|&i| fields[i].name() == name);
            found.find_map(|i| shapes[i].leaf().map(|leaf| (i, Arc::clone(&leaf.name))))
        };
        let media = match (named("bytes"), named("path")) {
            (Some((bytes, name)), Some((path, _))) => Some(Media { bytes, path, name }),
            _ => None,
        };
        Fields { keys: keys.collect(), shapes, order, media }
    }

    /// The names between are those of Parquet, so that a column is called the same in both.
    fn map(&mut self, name: &str, entries: &Field, depth: usize) -> Shape {
        let DataType::Struct(fields) = entries.data_type() else { return self.broken(name) };
        let [key, value] = fields.as_ref() else { return self.broken(name) };
        Shape::Map {
            key: Box::new(self.shape(&format!("{name}.key_value.key"), key.data_type(), depth)),
            value: Box::new(self.shape(&format!("{name}.key_value.value"), value.data_type(), depth)),
        }
    }

    /// A map without keys or values, which no decoder makes.
    fn broken(&mut self, name: &str) -> Shape {
        self.unread.push(name.to_string());
        self.unidentify(|| format!("column `{}` is a map without keys", Escaped(name.as_bytes())));
        Shape::Unread
    }

    fn leaf(&mut self, name: &str, text: bool) -> Shape {
        let number = self.leaves;
        self.leaves += 1;
        Shape::Content(Leaf { number, name: Arc::from(name.replace('\0', "\u{fffd}")), text })
    }

    fn unidentify(&mut self, why: impl FnOnce() -> String) {
        self.unidentified.get_or_insert_with(why);
    }
}

/// A type as it is read.
#[derive(Debug)]
pub enum Shape {
    /// A number, a time, a truth value, or nothing at all: a part of records only.
    Plain,
    /// Texts or bytes.
    Content(Leaf),
    /// Named values.
    Struct(Fields),
    /// Lists of any layout.
    List(Box<Shape>),
    /// Entries of a key and a value.
    Map {
        /// What the keys are.
        key: Box<Shape>,
        /// What the values are.
        value: Box<Shape>,
    },
    /// Values by number: a dictionary, or runs.
    Encoded(Box<Shape>),
    /// One of several types in each row: its texts and bytes are cells, and a record cannot hold it.
    Union(Vec<(i8, Shape)>),
    /// Not looked at, as was told.
    Unread,
}

impl Shape {
    /// The column that it is, whether by number or not.
    pub fn leaf(&self) -> Option<&Leaf> {
        match self {
            Shape::Content(leaf) => Some(leaf),
            Shape::Encoded(values) => values.leaf(),
            _ => None,
        }
    }
}

/// A column of texts or bytes.
#[derive(Debug)]
pub struct Leaf {
    /// Its number among those of the schema.
    pub number: usize,
    /// The names from the row to it, joined by dots.
    pub name: Arc<str>,
    /// Texts.
    pub text: bool,
}

/// The fields of a struct, in its order.
#[derive(Debug, Default)]
pub struct Fields {
    /// What each is.
    pub shapes: Vec<Shape>,
    /// Their numbers in the order of a record's keys.
    pub order: Vec<usize>,
    /// The encoding of each name.
    pub keys: Vec<Vec<u8>>,
    /// Whether it is `struct{bytes, path}` of Hugging Face `datasets` (its `Image` and `Audio`): without bytes, the
    /// path names data outside of the file.
    pub media: Option<Media>,
}

/// Fields that belong together, by number.
#[derive(Debug)]
pub struct Media {
    /// The content.
    pub bytes: usize,
    /// Where it came from, or where it is.
    pub path: usize,
    /// What the column of the content is called.
    pub name: Arc<str>,
}
