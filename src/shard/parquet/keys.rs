//! Keys of maps: in a record texts and bytes stand as they are there, so what is said to be a text must be one.
//!
//! All other texts stay bytes, for a record knows both by their digest, and bytes need not be valid UTF-8.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, RecordBatch, StructArray};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, SchemaRef};

/// The fields with keys as texts where that is what they are said to be; `text` says so for each leaf in order.
pub fn typed_fields(fields: &Fields, text: &mut dyn FnMut() -> bool) -> Fields {
    typed_below(fields, false, text)
}

/// The rows in this schema, which has keys as texts; an error where they are none.
pub fn typed_rows(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = rows.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| typed(column, field.data_type()));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

fn typed_below(fields: &Fields, key: bool, text: &mut dyn FnMut() -> bool) -> Fields {
    fields.iter().map(|field| typed_field(field, key, text)).collect()
}

/// A field, which is or is part of a key or not.
fn typed_field(field: &Field, key: bool, text: &mut dyn FnMut() -> bool) -> FieldRef {
    let of = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(typed_below(fields, key, text)),
        DataType::List(item) => DataType::List(typed_field(item, key, text)),
        DataType::Map(entries, sorted) => DataType::Map(typed_entries(entries, key, text), *sorted),
        other => match (text(), key, other) {
            (true, true, DataType::BinaryView) => DataType::Utf8View,
            _ => other.clone(),
        },
    };
    Arc::new(field.clone().with_data_type(of))
}

fn typed_entries(entries: &Field, key: bool, text: &mut dyn FnMut() -> bool) -> FieldRef {
    let DataType::Struct(fields) = entries.data_type() else { return typed_field(entries, key, text) };
    let fields = fields.iter().enumerate().map(|(at, field)| typed_field(field, key || at == 0, text));
    Arc::new(entries.clone().with_data_type(DataType::Struct(fields.collect())))
}

fn typed(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    Ok(match to {
        DataType::Struct(fields) => Arc::new(typed_struct(array.as_struct(), fields)?),
        DataType::List(item) => {
            let list = array.as_list::<i32>();
            let values = typed(list.values(), item.data_type())?;
            Arc::new(ListArray::try_new(
                Arc::clone(item),
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            )?)
        }
        DataType::Map(entries, sorted) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else { return Ok(Arc::clone(array)) };
            let typed = typed_struct(map.entries(), fields)?;
            let nulls = map.nulls().cloned();
            Arc::new(MapArray::try_new(Arc::clone(entries), map.offsets().clone(), typed, nulls, *sorted)?)
        }
        _ => Arc::new(array.as_binary_view().clone().to_string_view()?),
    })
}

fn typed_struct(array: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let columns = array.columns().iter().zip(fields);
    let columns = columns.map(|(column, field)| typed(column, field.data_type()));
    StructArray::try_new(fields.clone(), columns.collect::<Result<_, _>>()?, array.nulls().cloned())
}
