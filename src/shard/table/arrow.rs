//! Rows of Arrow record batches: their texts and bytes as cells, and what they are as records.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::BinaryViewType;
use arrow_array::{Array, ArrayRef, BinaryViewArray, FixedSizeBinaryArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Schema};

use super::{Batch, Column};
use crate::finding::Code;
use crate::shard::{ItemId, Rows, Steps};

/// What is done with each batch of one table.
#[derive(Debug)]
pub struct ArrowRows {
    outside: Vec<(String, u64, u64)>,
}

impl ArrowRows {
    /// For a table of this schema.
    pub fn new(_schema: &Schema, _item: ItemId, _out: &mut Steps) -> Self {
        ArrowRows { outside: Vec::new() }
    }

    /// The cells and records of a batch whose first row is this one of the table.
    pub fn batch(&mut self, item: ItemId, first_row: u64, rows: &RecordBatch) -> Batch {
        let mut columns = Vec::new();
        let places: Vec<Option<u64>> = (0..rows.num_rows() as u64).map(|row| Some(first_row + row)).collect();
        for (field, array) in rows.schema().fields().iter().zip(rows.columns()) {
            self.walk(field.name().clone(), array, &places, false, &mut columns);
        }
        Batch { item, first_row, rows: rows.num_rows(), lines: None, columns, records: None }
    }

    fn walk(
        &mut self,
        name: String,
        array: &ArrayRef,
        rows: &[Option<u64>],
        deep: bool,
        out: &mut Vec<Column>,
    ) {
        let valid: Vec<Option<u64>> =
            rows.iter().enumerate().map(|(at, row)| row.filter(|_| array.is_valid(at))).collect();
        match array.data_type() {
            DataType::Struct(fields) => {
                let of = array.as_struct();
                if let (Some(bytes), Some(path)) = (of.column_by_name("bytes"), of.column_by_name("path")) {
                    let long = |at: usize| path.as_binary_view_opt().is_some_and(|p| !p.value(at).is_empty());
                    for (at, row) in valid.iter().enumerate() {
                        let Some(row) = row.filter(|_| bytes.is_null(at) && path.is_valid(at) && long(at))
                        else {
                            continue;
                        };
                        let full = format!("{name}.bytes");
                        match self.outside.iter_mut().find(|known| known.0 == full) {
                            Some(known) => known.1 += 1,
                            None => self.outside.push((full, 1, row)),
                        }
                    }
                }
                for (field, child) in fields.iter().zip(of.columns()) {
                    self.walk(format!("{name}.{}", field.name()), child, &valid, deep, out);
                }
            }
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                let mut each = vec![None; list.values().len()];
                for (at, row) in valid.iter().enumerate() {
                    let (from, to) =
                        (list.value_offsets()[at] as usize, list.value_offsets()[at + 1] as usize);
                    each[from..to].fill(*row);
                }
                self.walk(format!("{name}.list.{}", item.name()), list.values(), &each, true, out);
            }
            DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                let nulls = Some(valid.iter().map(Option::is_some).collect::<NullBuffer>());
                let values: ArrayRef = match array.as_byte_view_opt::<BinaryViewType>() {
                    Some(of) => Arc::new(BinaryViewArray::new(
                        of.views().clone(),
                        of.data_buffers().iter().cloned().collect::<Vec<_>>(),
                        nulls,
                    )),
                    None => {
                        let of = array.as_fixed_size_binary();
                        Arc::new(FixedSizeBinaryArray::new(of.value_length(), of.values().clone(), nulls))
                    }
                };
                let first = rows.first().copied().flatten().unwrap_or(0);
                let place = match deep {
                    false => Rows::From(first),
                    true => Rows::Each(valid.iter().map(|row| row.unwrap_or(0)).collect()),
                };
                out.push(Column { name: name.into(), rows: place, values });
            }
            _ => {}
        }
    }

    /// The table has ended: tells what could be known only now, values that lie outside of it.
    pub fn conclude(&mut self, item: ItemId, out: &mut Steps) {
        for (column, count, first) in std::mem::take(&mut self.outside) {
            let values = if count == 1 { "value" } else { "values" };
            let detail = format!(
                "column `{column}`: {count} {values} without bytes, the first in row {first}, of which a path says \
                 that they lie outside of the file"
            );
            out.fault(Code::ExternalReference, item, None, detail);
        }
    }
}
