//! What columns of a Parquet file are in Arrow.
//!
//! The schema is that of the file's own metadata; an Arrow schema that a writer left beside it (`ARROW:schema`) is not
//! asked, since nothing holds it to the data. So a duration, which Parquet does not know, is a number, and no time
//! zone but UTC is known: neither makes a difference to what a row is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema};
use parquet::errors::{ParquetError, Result as ParquetResult};

use super::keys;
use super::leaves::Leaves;

/// Columns that are read together.
pub struct Shape {
    /// Their numbers in the file.
    pub columns: Vec<usize>,
    /// What a row of them is.
    pub schema: SchemaRef,
    levels: FieldLevels,
}

impl Shape {
    /// All columns, of the types that they are said to be of.
    pub fn whole(leaves: &Leaves) -> Result<Shape, String> {
        let shape = Shape::new(leaves, (0..leaves.count()).collect(), true)?;
        let mut column = 0..;
        let mut text = || column.next().is_some_and(|column| leaves.is_text(column));
        let fields = keys::typed_fields(shape.schema.fields(), &mut text);
        Ok(Shape { schema: Arc::new(Schema::new(fields)), ..shape })
    }

    /// These columns, for the texts and bytes among them: where they cannot be what they are said to be, they are
    /// read as what they are.
    pub fn of(leaves: &Leaves, columns: &[usize]) -> Result<Shape, String> {
        Shape::new(leaves, columns.to_vec(), true).or_else(|_| Shape::new(leaves, columns.to_vec(), false))
    }

    fn new(leaves: &Leaves, columns: Vec<usize>, annotated: bool) -> Result<Shape, String> {
        let (schema, levels) = guarded(|| {
            let of = leaves.schema(&columns, annotated)?;
            let plain = parquet_to_arrow_schema(&of, None)?;
            // As views, long values stay where their page was decompressed to.
            let fields = viewed(plain.fields());
            let levels = parquet_to_arrow_field_levels(&of, ProjectionMask::all(), Some(&fields))?;
            Ok((Arc::new(Schema::new(fields)), levels))
        })?;
        let held: usize = schema.fields().iter().map(|field| count(field.data_type())).sum();
        match held == columns.len() {
            true => Ok(Shape { columns, schema, levels }),
            // The crate leaves out what it cannot make anything of.
            false => Err("some of them have no place in a row".to_string()),
        }
    }

    /// The rows of a batch that a reader gave, in the schema.
    pub fn rows(&self, batch: RecordBatch) -> Result<RecordBatch, String> {
        if batch.schema_ref().fields() == self.schema.fields() {
            return Ok(batch);
        }
        guarded(|| keys::typed_rows(&batch, &self.schema).map_err(ParquetError::from))
    }

    /// Whether any column, however deep, is an interval.
    pub fn has_intervals(&self) -> bool {
        fn is(of: &DataType) -> bool {
            match of {
                DataType::Interval(_) => true,
                DataType::List(item) | DataType::Map(item, _) => is(item.data_type()),
                DataType::Struct(fields) => fields.iter().any(|field| is(field.data_type())),
                _ => false,
            }
        }
        self.schema.fields().iter().any(|field| is(field.data_type()))
    }

    /// A reader of these columns.
    pub fn reader(&self, pages: &dyn RowGroups, batch: usize) -> ParquetResult<ParquetRecordBatchReader> {
        ParquetRecordBatchReader::try_new_with_row_groups(&self.levels, pages, batch, None)
    }
}

/// Runs what decodes bytes from outside: an error or a panic of it is a sentence about the bytes.
pub fn guarded<T>(decode: impl FnOnce() -> ParquetResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("it cannot be decoded: {error}")),
        Err(_) => Err("it cannot be decoded: the decoder gave up on it".to_string()),
    }
}

fn viewed(fields: &Fields) -> Fields {
    fields.iter().map(|field| viewed_field(field)).collect()
}

fn viewed_field(field: &Field) -> Arc<Field> {
    let of = match field.data_type() {
        DataType::Binary | DataType::Utf8 => DataType::BinaryView,
        DataType::List(item) => DataType::List(viewed_field(item)),
        DataType::Map(entries, sorted) => DataType::Map(viewed_field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(viewed(fields)),
        other => other.clone(),
    };
    Arc::new(field.clone().with_data_type(of))
}

/// How many leaves a type has.
fn count(of: &DataType) -> usize {
    match of {
        DataType::List(item) | DataType::Map(item, _) => count(item.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| count(field.data_type())).sum(),
        _ => 1,
    }
}
