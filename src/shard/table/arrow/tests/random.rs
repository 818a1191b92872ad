//! Random tables, whose nulls hide other values and whose arrays begin and end in the middle.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, FixedSizeBinaryBuilder};
use arrow_array::types::{Int32Type, UInt8Type};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, DictionaryArray, FixedSizeListArray, Float32Array,
    Int32Array, Int64Array, LargeBinaryArray, LargeListArray, LargeStringArray, ListArray, ListViewArray,
    MapArray, NullArray, PrimitiveArray, RecordBatch, RunArray, StringArray, StringViewArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema};

use super::values::{Table, Type, Value};

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
