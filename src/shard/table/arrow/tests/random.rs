//! Random tables, with the values that they were made of.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, FixedSizeBinaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, Int32Type, StringViewType, UInt8Type};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, DictionaryArray, FixedSizeListArray, Float32Array,
    Int32Array, Int64Array, LargeBinaryArray, LargeListArray, LargeStringArray, ListArray, ListViewArray,
    MapArray, NullArray, PrimitiveArray, RecordBatch, RunArray, StringArray, StringViewArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema};
use sha2::{Digest, Sha256};

use crate::digest::rec1::{DOMAIN, Encoder, key_order};

/// Column, row and bytes.
pub type Cell = (String, u64, Vec<u8>);

#[derive(Clone, Debug)]
enum Type {
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

#[derive(Clone, Debug, PartialEq)]
enum Value {
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
    columns: Type,
    values: Vec<Value>,
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
            return values.iter().fold(true, |sound, value| encode(of, value, key, to) && sound);
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

/// A generator of numbers, which is as random as a test needs (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % end
    }

    /// A part of a larger table.
    pub fn table(&mut self) -> Table {
        let columns = self.fields(0);
        let (before, rows, after) = (self.below(3), self.below(12), self.below(3));
        let mut all: Vec<Value> = Vec::new();
        while all.len() < before + rows + after {
            match self.value(&columns) {
                Value::Null => {}
                row => all.push(row),
            }
        }
        let Type::Struct(fields) = &columns else { unreachable!() };
        let arrays: Vec<ArrayRef> = (0..fields.len())
            .map(|number| {
                let each = all.iter().map(|row| match row {
                    Value::Struct(values) => values[number].clone(),
                    _ => unreachable!(),
                });
                self.array(&fields[number].1, &each.collect::<Vec<_>>())
            })
            .collect();
        let schema = fields
            .iter()
            .zip(&arrays)
            .map(|((name, _), array)| Field::new(name, array.data_type().clone(), true))
            .collect::<Vec<_>>();
        let table = RecordBatch::try_new(Arc::new(Schema::new(schema)), arrays).unwrap();
        Table { rows: table.slice(before, rows), columns, values: all[before..before + rows].to_vec() }
    }

    fn fields(&mut self, depth: usize) -> Type {
        let names = ["b", "a", "long", "é", "bytes", "path"];
        let first = self.below(names.len());
        let count = 1 + self.below(3);
        let each =
            (0..count).map(|i| (names[(first + i) % names.len()].to_string(), self.some_type(depth + 1)));
        Type::Struct(each.collect())
    }

    fn some_type(&mut self, depth: usize) -> Type {
        match self.below(if depth > 3 { 8 } else { 16 }) {
            0 => Type::Null,
            1 => Type::Bool,
            2 => Type::Int,
            3 => Type::Float,
            4 | 5 => Type::Text(self.below(3) as u8),
            6 | 7 => Type::Bytes(self.below(4) as u8),
            8 | 9 => self.fields(depth),
            10 | 11 => Type::List(self.below(4) as u8, Box::new(self.some_type(depth + 1))),
            12 | 13 => {
                let key = match self.below(4) {
                    0 => Type::Int,
                    1 => Type::Bytes(0),
                    _ => Type::Text(0),
                };
                Type::Map(Box::new(key), Box::new(self.some_type(depth + 1)))
            }
            14 => Type::Dictionary(Box::new(self.some_type(depth + 1))),
            _ => Type::Runs(Box::new(self.some_type(depth + 1))),
        }
    }

    fn value(&mut self, of: &Type) -> Value {
        if self.below(5) == 0 {
            return Value::Null;
        }
        match of {
            Type::Null => Value::Null,
            _ => self.there(of),
        }
    }

    fn there(&mut self, of: &Type) -> Value {
        match of {
            Type::Null => Value::Null,
            Type::Bool => Value::Bool(self.below(2) == 0),
            Type::Int => Value::Int([-1, 0, 23, 24, 1 << 40][self.below(5)]),
            Type::Float => Value::Float([0.5, -0.0, 1e20][self.below(3)]),
            Type::Text(_) => {
                Value::Text(["", "a", "b", "aa", "a text that no view holds"][self.below(5)].into())
            }
            Type::Bytes(3) => Value::Bytes(vec![self.below(3) as u8; 3]),
            Type::Bytes(_) => Value::Bytes(vec![7; [0, 1, 2, 30][self.below(4)]]),
            Type::Struct(fields) => Value::Struct(fields.iter().map(|(_, of)| self.value(of)).collect()),
            Type::List(2, of) => Value::List((0..2).map(|_| self.value(of)).collect()),
            Type::List(_, of) => Value::List((0..self.below(4)).map(|_| self.value(of)).collect()),
            Type::Map(key, of) => {
                Value::Map((0..self.below(4)).map(|_| (self.there(key), self.value(of))).collect())
            }
            Type::Dictionary(of) | Type::Runs(of) => self.value(of),
        }
    }

    /// An array of these values, with other values where nulls hide them.
    fn array(&mut self, of: &Type, values: &[Value]) -> ArrayRef {
        let valid: Vec<bool> = values.iter().map(|value| *value != Value::Null).collect();
        let nulls = || valid.contains(&false).then(|| NullBuffer::from(valid.clone()));
        macro_rules! each {
            ($kind:ident) => {
                values.iter().map(|value| match value {
                    Value::$kind(value) => Some(value.clone()),
                    _ => None,
                })
            };
        }
        match of {
            Type::Null => Arc::new(NullArray::new(values.len())),
            Type::Bool => Arc::new(BooleanArray::from_iter(each!(Bool))),
            Type::Int => Arc::new(Int64Array::from_iter(each!(Int))),
            Type::Float => Arc::new(Float32Array::from_iter(each!(Float))),
            Type::Text(0) => Arc::new(StringArray::from_iter(each!(Text))),
            Type::Text(1) => Arc::new(LargeStringArray::from_iter(each!(Text))),
            Type::Text(_) => Arc::new(StringViewArray::from_iter(each!(Text))),
            Type::Bytes(0) => {
                let mut builder = BinaryBuilder::new();
                each!(Bytes).for_each(|value| builder.append_option(value));
                Arc::new(builder.finish())
            }
            Type::Bytes(1) => Arc::new(LargeBinaryArray::from_iter(each!(Bytes))),
            Type::Bytes(2) => Arc::new(BinaryViewArray::from_iter(each!(Bytes))),
            Type::Bytes(_) => {
                let mut builder = FixedSizeBinaryBuilder::new(3);
                for value in each!(Bytes) {
                    match value {
                        Some(value) => builder.append_value(value).unwrap(),
                        None => builder.append_null(),
                    }
                }
                Arc::new(builder.finish())
            }
            Type::Struct(fields) => {
                let rows: Vec<Value> = values
                    .iter()
                    .map(|value| if *value == Value::Null { self.there(of) } else { value.clone() })
                    .collect();
                let (mut named, mut arrays) = (Vec::new(), Vec::new());
                for (number, (name, of)) in fields.iter().enumerate() {
                    let each = rows.iter().map(|row| match row {
                        Value::Struct(values) => values[number].clone(),
                        _ => unreachable!(),
                    });
                    let array = self.array(of, &each.collect::<Vec<_>>());
                    named.push(Field::new(name, array.data_type().clone(), true));
                    arrays.push(array);
                }
                Arc::new(StructArray::new(named.into(), arrays, nulls()))
            }
            Type::List(layout, of_values) => self.lists(*layout, of, of_values, values, nulls()),
            Type::Map(key, of_values) => self.maps(of, key, of_values, values, nulls()),
            Type::Dictionary(of) => {
                // The last one is a null that a key names.
                let named: Vec<Value> = values.iter().cloned().chain([Value::Null]).collect();
                let keys = values.iter().enumerate().map(|(at, value)| match value {
                    Value::Null if self.below(2) == 0 => None,
                    Value::Null => Some(values.len() as u8),
                    value => values.iter().position(|other| other == value).or(Some(at)).map(|at| at as u8),
                });
                let keys = PrimitiveArray::<UInt8Type>::from_iter(keys.collect::<Vec<_>>());
                Arc::new(DictionaryArray::new(keys, self.array(of, &named)))
            }
            Type::Runs(of) => {
                let (mut ends, mut runs): (Vec<i32>, Vec<Value>) = (Vec::new(), Vec::new());
                for (at, value) in values.iter().enumerate() {
                    if runs.last() != Some(value) {
                        runs.push(value.clone());
                        ends.push(0);
                    }
                    *ends.last_mut().unwrap() = at as i32 + 1;
                }
                let runs = self.array(of, &runs);
                Arc::new(RunArray::<Int32Type>::try_new(&Int32Array::from(ends), &runs).unwrap())
            }
        }
    }

    fn lists(
        &mut self,
        layout: u8,
        of: &Type,
        of_values: &Type,
        values: &[Value],
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        let (mut all, mut offsets, mut sizes) = (Vec::new(), vec![0], Vec::new());
        let mut starts = Vec::new();
        for value in values {
            if layout == 3 && self.below(2) == 0 {
                all.push(self.value(of_values));
            }
            let list = match value {
                Value::List(list) => list.clone(),
                _ => match self.there(of) {
                    Value::List(list) if layout == 2 || self.below(2) == 0 => list,
                    _ => Vec::new(),
                },
            };
            starts.push(all.len() as i32);
            sizes.push(list.len() as i32);
            all.extend(list);
            offsets.push(all.len() as i32);
        }
        let child = self.array(of_values, &all);
        let field = Arc::new(Field::new("item", child.data_type().clone(), true));
        match layout {
            0 => Arc::new(ListArray::new(field, OffsetBuffer::new(offsets.into()), child, nulls)),
            1 => {
                let offsets: Vec<i64> = offsets.into_iter().map(i64::from).collect();
                Arc::new(LargeListArray::new(field, OffsetBuffer::new(offsets.into()), child, nulls))
            }
            2 => Arc::new(
                FixedSizeListArray::try_new_with_length(field, 2, child, nulls, values.len()).unwrap(),
            ),
            _ => {
                let (starts, sizes) = (ScalarBuffer::from(starts), ScalarBuffer::from(sizes));
                Arc::new(ListViewArray::new(field, starts, sizes, child, nulls))
            }
        }
    }

    fn maps(
        &mut self,
        of: &Type,
        key: &Type,
        of_values: &Type,
        values: &[Value],
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        let (mut keys, mut all, mut offsets) = (Vec::new(), Vec::new(), vec![0]);
        for value in values {
            let hidden = if *value == Value::Null { self.there(of) } else { value.clone() };
            let Value::Map(entries) = hidden else { unreachable!() };
            for (key, value) in entries {
                keys.push(key);
                all.push(value);
            }
            offsets.push(all.len() as i32);
        }
        let (keys, all) = (self.array(key, &keys), self.array(of_values, &all));
        let fields = vec![
            Field::new("keys", keys.data_type().clone(), false),
            Field::new("values", all.data_type().clone(), true),
        ];
        let entries = StructArray::new(fields.into(), vec![keys, all], None);
        let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
        Arc::new(MapArray::new(field, OffsetBuffer::new(offsets.into()), entries, nulls, false))
    }
}
