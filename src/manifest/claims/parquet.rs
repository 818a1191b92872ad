//! Tables of claims as Parquet, a few rows at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;

use super::super::open_regular;
use super::{ManifestError, Row, Size};

/// Rows that are held at once.
const BATCH: usize = 512;

/// The columns that are read.
const COLUMNS: [&str; 6] = ["stance", "name", "size", "algorithm", "digest", "region"];

/// Reads the table at `path` and hands over each row with its number, from 1.
pub(super) fn read(
    path: &Path,
    take: &mut dyn FnMut(u64, Row) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    let file = open_regular(path)?;
    // The decoder may give up on a corrupt file in other ways than an error.
    catch_unwind(AssertUnwindSafe(|| decode(file, take)))
        .unwrap_or_else(|_| Err(cannot("its Parquet is corrupt: the decoder failed")))
}

fn decode(
    file: std::fs::File,
    take: &mut dyn FnMut(u64, Row) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    let broken = |e: parquet::errors::ParquetError| cannot(&format!("its Parquet cannot be read: {e}"));
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(broken)?;
    let schema = builder.schema().clone();
    for name in ["stance", "name", "algorithm", "digest"] {
        if schema.field_with_name(name).is_err() {
            return Err(cannot(&format!(
                "it is a Parquet table without the column {name} of a table of claims"
            )));
        }
    }
    let columns = builder.metadata().row_groups().iter().flat_map(|group| group.columns());
    for codec in columns.map(|column| column.compression()) {
        if !matches!(codec, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_)) {
            let name = codec.to_string().to_lowercase();
            return Err(cannot(&format!(
                "its Parquet is compressed with {name}; write it with zstd or snappy, or uncompressed"
            )));
        }
    }
    let roots: Vec<usize> = (0..schema.fields().len())
        .filter(|&at| COLUMNS.contains(&schema.field(at).name().as_str()))
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let batches = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(broken)?;
    let mut number = 0;
    for batch in batches {
        let batch = batch.map_err(|e| cannot(&format!("its Parquet cannot be read: {e}")))?;
        for at in 0..batch.num_rows() {
            number += 1;
            take(number, row(&batch, at)?)?;
        }
    }
    Ok(())
}

fn cannot(why: &str) -> ManifestError {
    ManifestError::NotThisFormat(why.to_owned())
}

fn row(batch: &RecordBatch, at: usize) -> Result<Row, ManifestError> {
    let cell = |name: &str| batch.column_by_name(name).filter(|column| !column.is_null(at));
    let bytes = |name: &str| match cell(name) {
        None => Ok(None),
        Some(column) => match value(column, at) {
            Some(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            None => Err(cannot(&format!("its column {name} holds neither texts nor bytes"))),
        },
    };
    let digest = match cell("digest") {
        Some(column) if is_binary(column.data_type()) => {
            value(column, at).map(|raw| hex::encode(raw).into_bytes())
        }
        _ => bytes("digest")?,
    };
    Ok(Row {
        stance: bytes("stance")?,
        name: bytes("name")?,
        size: cell("size").map(|column| size(column, at)),
        algorithm: bytes("algorithm")?,
        digest,
        has_region: cell("region").is_some(),
    })
}

fn is_binary(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

/// The bytes of a text or binary cell.
fn value(column: &ArrayRef, at: usize) -> Option<Vec<u8>> {
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(at).as_bytes().to_vec(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(at).as_bytes().to_vec(),
        DataType::Utf8View => column.as_string_view().value(at).as_bytes().to_vec(),
        DataType::Binary => column.as_binary::<i32>().value(at).to_vec(),
        DataType::LargeBinary => column.as_binary::<i64>().value(at).to_vec(),
        DataType::BinaryView => column.as_binary_view().value(at).to_vec(),
        DataType::FixedSizeBinary(_) => column.as_fixed_size_binary().value(at).to_vec(),
        _ => return None,
    })
}

fn size(column: &ArrayRef, at: usize) -> Size {
    let signed = |number: i64| u64::try_from(number).map_or(Size::Odd, Size::Bytes);
    match column.data_type() {
        DataType::Int64 => signed(column.as_primitive::<Int64Type>().value(at)),
        DataType::Int32 => signed(column.as_primitive::<Int32Type>().value(at).into()),
        DataType::UInt64 => Size::Bytes(column.as_primitive::<UInt64Type>().value(at)),
        DataType::UInt32 => Size::Bytes(column.as_primitive::<UInt32Type>().value(at).into()),
        // A column of whole numbers and nulls, as pandas writes it. Beyond 2^53 numbers are not exact.
        DataType::Float64 => {
            let number = column.as_primitive::<Float64Type>().value(at);
            let exact = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
            if exact { Size::Bytes(number as u64) } else { Size::Odd }
        }
        _ => value(column, at).map_or(Size::Odd, |text| Size::parse(&text)),
    }
}
