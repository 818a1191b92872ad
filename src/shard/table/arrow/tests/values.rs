//! Tables as trees of values, and what is expected of them: gone through row by row, with no thought of arrays.

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, StringViewType};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::DataType;
use sha2::{Digest, Sha256};

use crate::digest::rec1::{DOMAIN, Encoder, key_order};

/// Column, row and bytes.
pub type Cell = (String, u64, Vec<u8>);

/// A type that a random table may have.
#[derive(Clone, Debug)]
pub enum Type {
    Null,
    Bool,
    Int,
    Float,
    Text(u8),
    Bytes(u8),
    Struct(Vec<(String, Type)>),
    List(u8, Box<Type>),
    Map(Box<Type>, Box<Type>),
    Dictionary(Box<Type>),
    Runs(Box<Type>),
}

/// A value of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f32),
    Text(String),
    Bytes(Vec<u8>),
    Struct(Vec<Value>),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

/// A table and what is in it.
pub struct Table {
    pub rows: RecordBatch,
    pub columns: Type,
    pub values: Vec<Value>,
}

impl Table {
    /// Column by column, in the order of the rows.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        let Type::Struct(columns) = &self.columns else { unreachable!() };
        for (number, (name, column)) in columns.iter().enumerate() {
            let mut found: Vec<Cell> = Vec::new();
            for (row, value) in self.values.iter().enumerate() {
                let Value::Struct(values) = value else { unreachable!() };
                gather(name, column, &values[number], 10 + row as u64, &mut found);
            }
            let mut names = Vec::new();
            leaves(name, column, &mut names);
            for name in names {
                cells.extend(found.iter().filter(|(of, ..)| *of == name).cloned());
            }
        }
        cells
    }

    /// For each row what is hashed.
    pub fn messages(&self) -> Vec<Option<Vec<u8>>> {
        let each = self.values.iter().map(|value| {
            let mut encoder = Encoder::after(DOMAIN.to_vec());
            encode(&self.columns, value, false, &mut encoder).then(|| encoder.into_bytes())
        });
        each.collect()
    }

    /// How many rows have no identity.
    pub fn refused(&self) -> usize {
        self.messages().iter().filter(|message| message.is_none()).count()
    }
}

fn leaves(name: &str, of: &Type, names: &mut Vec<String>) {
    match of {
        Type::Text(_) | Type::Bytes(_) => names.push(name.to_string()),
        Type::Struct(fields) => {
            fields.iter().for_each(|(field, of)| leaves(&format!("{name}.{field}"), of, names))
        }
        Type::List(_, of) => leaves(&format!("{name}.list.item"), of, names),
        Type::Map(key, value) => {
            leaves(&format!("{name}.key_value.key"), key, names);
            leaves(&format!("{name}.key_value.value"), value, names);
        }
        Type::Dictionary(of) | Type::Runs(of) => leaves(name, of, names),
        _ => {}
    }
}

fn gather(name: &str, of: &Type, value: &Value, row: u64, cells: &mut Vec<Cell>) {
    match (of, value) {
        (Type::Dictionary(of) | Type::Runs(of), value) => gather(name, of, value, row, cells),
        (_, Value::Text(text)) => cells.push((name.to_string(), row, text.as_bytes().to_vec())),
        (_, Value::Bytes(bytes)) => cells.push((name.to_string(), row, bytes.clone())),
        (Type::Struct(fields), Value::Struct(values)) => {
            for ((field, of), value) in fields.iter().zip(values) {
                gather(&format!("{name}.{field}"), of, value, row, cells);
            }
        }
        (Type::List(_, of), Value::List(values)) => {
            values.iter().for_each(|value| gather(&format!("{name}.list.item"), of, value, row, cells));
        }
        (Type::Map(key_type, of), Value::Map(entries)) => {
            for (key, value) in sorted(key_type, entries).1 {
                gather(&format!("{name}.key_value.key"), key_type, key, row, cells);
                gather(&format!("{name}.key_value.value"), of, value, row, cells);
            }
        }
        _ => {}
    }
}

/// Entries by their keys' encodings, and whether no key stands twice.
fn sorted<'v>(key: &Type, entries: &'v [(Value, Value)]) -> (bool, Vec<&'v (Value, Value)>) {
    let mut all: Vec<(Vec<u8>, &(Value, Value))> = entries
        .iter()
        .map(|entry| {
            let mut encoder = Encoder::default();
            encode(key, &entry.0, true, &mut encoder);
            (encoder.into_bytes(), entry)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let once = all.windows(2).all(|pair| pair[0].0 != pair[1].0);
    (once, all.into_iter().map(|(_, entry)| entry).collect())
}

/// Whether the value has an encoding.
fn encode(of: &Type, value: &Value, key: bool, to: &mut Encoder) -> bool {
    match (of, value) {
        (Type::Dictionary(of) | Type::Runs(of), value) => return encode(of, value, key, to),
        (_, Value::Null) => to.null(),
        (_, Value::Bool(value)) => to.bool(*value),
        (_, Value::Int(value)) => to.integer((*value).into()),
        (_, Value::Float(value)) => to.float((*value).into()),
        (_, Value::Text(value)) if key => to.key(value),
        (_, Value::Bytes(value)) if key => to.bytes(value),
        (_, Value::Text(value)) => to.content(&Sha256::digest(value).into()),
        (_, Value::Bytes(value)) => to.content(&Sha256::digest(value).into()),
        (Type::Struct(fields), Value::Struct(values)) => {
            let mut there: Vec<_> =
                fields.iter().zip(values).filter(|(_, value)| **value != Value::Null).collect();
            there.sort_by(|a, b| key_order(&a.0.0, &b.0.0));
            to.map(there.len());
            return there.into_iter().fold(true, |sound, ((name, of), value)| {
                to.key(name);
                encode(of, value, key, to) && sound
            });
        }
        (Type::List(_, of), Value::List(values)) => {
            to.array(values.len());
            return values.iter().all(|value| encode(of, value, key, to));
        }
        (Type::Map(key_type, of), Value::Map(entries)) => {
            let (once, entries) = sorted(key_type, entries);
            let there: Vec<_> = entries.into_iter().filter(|entry| entry.1 != Value::Null).collect();
            let text = matches!(key_type.as_ref(), Type::Text(_));
            if text {
                to.map(there.len())
            } else {
                to.array(there.len())
            }
            return there.into_iter().fold(once, |sound, (of_key, value)| {
                if !text {
                    to.array(2);
                }
                let key_sound = encode(key_type, of_key, true, to);
                encode(of, value, key, to) && key_sound && sound
            });
        }
        other => unreachable!("{other:?}"),
    }
    true
}

/// The bytes of a value of any array that the hasher takes.
pub fn bytes_of(values: &ArrayRef, index: usize) -> Vec<u8> {
    match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().value(index).as_bytes(),
        DataType::LargeUtf8 => values.as_string::<i64>().value(index).as_bytes(),
        DataType::Binary => values.as_binary::<i32>().value(index),
        DataType::LargeBinary => values.as_binary::<i64>().value(index),
        DataType::Utf8View => values.as_byte_view::<StringViewType>().value(index).as_bytes(),
        DataType::BinaryView => values.as_byte_view::<BinaryViewType>().value(index),
        DataType::FixedSizeBinary(_) => values.as_fixed_size_binary().value(index),
        other => panic!("the hasher takes no {other}"),
    }
    .to_vec()
}
