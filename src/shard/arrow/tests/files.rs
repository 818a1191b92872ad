//! Arrow data of every shape that readers meet, written by the `arrow-ipc` crate's own writers.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryViewBuilder, FixedSizeListBuilder, Int32Builder, ListBuilder, MapBuilder, StringBuilder,
    StringDictionaryBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int64Array,
    LargeStringArray, NullArray, RecordBatch, RunArray, StringArray, StringViewArray, StructArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field};

/// File or stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    File,
    Stream,
}

pub const FORMS: [Form; 2] = [Form::File, Form::Stream];
pub const CODECS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

pub fn options(codec: Option<CompressionType>, alignment: usize) -> IpcWriteOptions {
    IpcWriteOptions::try_new(alignment, false, arrow_ipc::MetadataVersion::V5)
        .unwrap()
        .with_dictionary_handling(DictionaryHandling::Delta)
        .try_with_compression(codec)
        .unwrap()
}

pub fn write(form: Form, batches: &[RecordBatch], options: IpcWriteOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    let schema = batches[0].schema();
    match form {
        Form::File => {
            let mut writer = FileWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
        Form::Stream => {
            let mut writer = StreamWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
    }
    bytes
}

/// Two batches of two columns, small enough for every byte to be damaged.
pub fn small() -> [RecordBatch; 2] {
    let batch = |texts: [Option<&str>; 3], numbers: [i64; 3]| {
        let texts: ArrayRef = Arc::new(StringArray::from_iter(texts));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        RecordBatch::try_from_iter_with_nullable([("text", texts, true), ("n", numbers, true)]).unwrap()
    };
    [
        batch([Some("first"), None, Some("third, which is longer than the others")], [1, 2, 3]),
        batch([Some(""), Some("fifth"), Some("sixth")], [4, 5, 6]),
    ]
}

/// A batch with one column of most types there are, and dictionaries that grow from batch to batch.
pub fn all_types(rows: usize, more: usize) -> RecordBatch {
    let text = |row: usize| (row % 5 != 3).then(|| format!("text {row} {}", "x".repeat(row % 40)));
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut fixed = FixedSizeListBuilder::new(Int32Builder::new(), 2);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    let mut words = StringDictionaryBuilder::<Int32Type>::new();
    let mut views = BinaryViewBuilder::new().with_fixed_block_size(256);
    for row in 0..rows {
        (0..row % 4).for_each(|n| lists.values().append_option(text(row + n)));
        lists.append(row % 6 != 5);
        fixed.values().append_slice(&[row as i32, -1]);
        fixed.append(row % 7 != 1);
        maps.keys().append_value(format!("key {row}"));
        maps.values().append_option((row % 2 == 0).then_some(row as i32));
        maps.append(true).unwrap();
        words.append_option((row % 9 != 8).then(|| format!("word {}", row % (3 + more))));
        views.append_option(text(row).map(|text| text.into_bytes()));
    }
    let image: ArrayRef =
        Arc::new(BinaryArray::from_iter((0..rows).map(|row| Some(vec![row as u8; row % 30]))));
    let path: ArrayRef = Arc::new(StringArray::from_iter((0..rows).map(|row| Some(format!("{row}.png")))));
    let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    let images = StructArray::from(vec![(field("bytes", &image), image), (field("path", &path), path)]);
    let runs: RunArray<Int32Type> =
        (0..rows).map(|row| Some(if row < rows / 2 { "a" } else { "b" })).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(StringArray::from_iter((0..rows).map(text)))),
        ("large", Arc::new(LargeStringArray::from_iter((0..rows).map(text)))),
        ("view", Arc::new(StringViewArray::from_iter((0..rows).map(text)))),
        ("blob", Arc::new(views.finish())),
        ("hash", Arc::new(FixedSizeBinaryArray::try_from_iter((0..rows).map(|row| [row as u8; 5])).unwrap())),
        ("yes", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 3 == 0))))),
        (
            "float",
            Arc::new(Float64Array::from_iter((0..rows).map(|row| (row % 4 != 0).then_some(row as f64)))),
        ),
        ("decimal", Arc::new(Decimal128Array::from_iter_values((0..rows).map(|row| row as i128)))),
        ("null", Arc::new(NullArray::new(rows))),
        ("lists", Arc::new(lists.finish())),
        ("fixed", Arc::new(fixed.finish())),
        ("maps", Arc::new(maps.finish())),
        ("words", Arc::new(words.finish())),
        ("image", Arc::new(images)),
        ("runs", Arc::new(runs)),
    ];
    let nullable = columns.into_iter().map(|(name, array)| {
        let nullable = !matches!(array.data_type(), DataType::Decimal128(..));
        (name, array, nullable)
    });
    RecordBatch::try_from_iter_with_nullable(nullable).unwrap()
}
