//! `rec1` against vectors that another implementation made, and against that implementation itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/copies.rs"]
mod copies;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, StringViewType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    ListArray, RecordBatch, StringArray, StructArray, TimestampNanosecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shardproof::digest::LaneHasher;
use shardproof::observation::Kind;
use shardproof::plan::{Inside, ShardPlan};
use shardproof::shard::table::arrow::ArrowRows;
use shardproof::shard::{ItemId, Steps};
use shardproof::source::MemorySource;

/// The formats that hold records, told by the ends of names.
const FORMATS: [&str; 4] = ["parquet", "arrow", "jsonl", "csv"];

/// `rec1` of each row; none for a row that has no identity.
type Found = Vec<Option<[u8; 32]>>;

/// The records of a file as the whole pipeline makes them.
fn records_of(path: &Path) -> Found {
    let plan = ShardPlan { inside: Inside::Open, records: true, ..ShardPlan::default() };
    let source = Arc::new(MemorySource(fs::read(path).unwrap().into()));
    let name = path.file_name().unwrap().to_str().unwrap();
    let scan = common::scan_planned(&mut LaneHasher::new(), source, name, plan);
    let rows = scan.observations.iter().filter(|seen| seen.kind == Kind::Row);
    let rows: BTreeMap<u64, [u8; 32]> =
        rows.filter_map(|seen| Some((seen.locator.row?, seen.record?))).collect();
    let count = rows.keys().next_back().map_or(0, |last| last + 1);
    (0..count).map(|row| rows.get(&row).copied()).collect()
}

/// What a table's batches amount to, their contents hashed here.
fn of_batches(batches: &[RecordBatch]) -> Found {
    let plan = ShardPlan { inside: Inside::Open, records: true, ..ShardPlan::default() };
    let mut out = Steps::new(&plan);
    let Some(first) = batches.first() else { return Vec::new() };
    let mut table = ArrowRows::new(&first.schema(), ItemId::FILE, &mut out);
    let mut found = Vec::new();
    for batch in batches {
        let made = table.batch(ItemId::FILE, found.len() as u64, batch);
        let mut records = made.records.expect("the rows have an identity");
        for (number, column) in made.columns.iter().enumerate() {
            let values = &column.values;
            for (ordinal, index) in (0..values.len()).filter(|index| values.is_valid(*index)).enumerate() {
                records.fill(number, ordinal, &Sha256::digest(bytes(values, index)));
            }
        }
        let messages = records.messages();
        found.extend(messages.as_binary::<i32>().iter().map(|m| m.map(|m| Sha256::digest(m).into())));
    }
    table.conclude(ItemId::FILE, &mut out);
    if let Some(step) = out.pop() {
        panic!("nothing is wrong with it, and yet: {step:?}");
    }
    found
}

fn bytes(values: &ArrayRef, index: usize) -> &[u8] {
    use arrow_schema::DataType;
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
}

#[test]
fn typed_rows_are_as_in_the_vectors() {
    let rows = vectors();
    // What no column of 64 bits holds is said in JSON only.
    let (typed, expected): (Vec<&Value>, Found) = rows
        .iter()
        .filter(|row| row["typed"].get("big").is_none())
        .map(|row| (&row["typed"], Some(digest(&row["rec1"]))))
        .unzip();
    assert_eq!(typed.len(), 17);
    let table = table_of(&typed);
    assert_eq!(of_batches(std::slice::from_ref(&table)), expected);
    assert_eq!(through_files(&table), vec![expected; 2]);
}

#[test]
fn rows_of_texts_are_as_in_the_vectors() {
    let rows = vectors();
    let (texts, expected): (Vec<Value>, Found) = rows
        .iter()
        .map(|row| {
            let texts = row["text"].as_object().unwrap().iter();
            let typed = texts.map(|(name, text)| match text.as_str() {
                Some(text) => (name.clone(), serde_json::json!({ "text": text })),
                None => (name.clone(), Value::Null),
            });
            (Value::Object(typed.collect()), Some(digest(&row["text_rec1"])))
        })
        .unzip();
    assert_eq!(texts.len(), 20);
    let table = table_of(&texts.iter().collect::<Vec<_>>());
    assert_eq!(of_batches(std::slice::from_ref(&table)), expected);
    assert_eq!(through_files(&table), vec![expected; 2]);
}

#[test]
fn lines_of_json_are_as_in_the_vectors() {
    let rows = vectors();
    let (lines, expected): (Vec<String>, Found) = rows
        .iter()
        .filter_map(|row| Some((format!("{}\n", row["json"].as_str()?), Some(digest(&row["rec1"])))))
        .unzip();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    fs::write(&path, lines.concat()).unwrap();
    assert_eq!(records_of(&path), expected);
}

#[test]
fn samples_of_mds_are_as_in_the_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard.00000.mds");
    let rows = vectors();
    // Texts: all twenty rows in one shard, in which JSON says what is missing.
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|row| row["text"].as_object().unwrap().keys()).map(String::as_str).collect();
    let columns: Vec<_> = names.iter().map(|name| (*name, "json", None)).collect();
    let values = |row: &Value| names.iter().map(|name| row["text"][name].to_string().into_bytes()).collect();
    let texts: Vec<Vec<Vec<u8>>> = rows.iter().map(values).collect();
    fs::write(&path, copies::mds(&columns, &texts)).unwrap();
    let expected: Found = rows.iter().map(|row| Some(digest(&row["text_rec1"]))).collect();
    assert_eq!(records_of(&path), expected);
    // Types: a shard for each row, whose columns are the fields that are there.
    let mut seen = 0;
    for row in &rows {
        let typed = row["typed"].as_object().unwrap();
        let fields = typed.iter().filter(|(_, value)| !value.is_null());
        let encoded: Option<Vec<_>> = fields
            .map(|(name, value)| mds_value(value).map(|(kind, size, bytes)| (name, kind, size, bytes)))
            .collect();
        let Some(encoded) = encoded else { continue };
        let columns: Vec<_> =
            encoded.iter().map(|(name, kind, size, _)| (name.as_str(), *kind, *size)).collect();
        let values = encoded.iter().map(|(.., bytes)| bytes.clone()).collect();
        fs::write(&path, copies::mds(&columns, &[values])).unwrap();
        assert_eq!(records_of(&path), [Some(digest(&row["rec1"]))], "{typed:?}");
        seen += 1;
    }
    // Two have times, and one has bytes in a list.
    assert_eq!(seen, 17);
}

/// A value with its type as MDS has it: encoding, size, bytes. None for what it has no encoding for.
fn mds_value(value: &Value) -> Option<(&'static str, Option<usize>, Vec<u8>)> {
    let (kind, of) = value.as_object().unwrap().iter().next().unwrap();
    let said = || of.as_str().unwrap();
    Some(match kind.as_str() {
        "int" => match said().parse::<i64>() {
            Ok(number) => ("int", Some(8), number.to_le_bytes().to_vec()),
            Err(_) => ("str_int", None, said().as_bytes().to_vec()),
        },
        "float" => ("float64", Some(8), said().parse::<f64>().unwrap().to_le_bytes().to_vec()),
        "text" => ("str", None, said().as_bytes().to_vec()),
        "bytes" => ("bytes", None, hex::decode(said()).unwrap()),
        "decimal" => {
            let decimal = format!("{}E-{}", of[0].as_str().unwrap(), of[1].as_u64().unwrap());
            ("str_decimal", None, decimal.into_bytes())
        }
        _ => ("json", None, plain_json(value)?.to_string().into_bytes()),
    })
}

/// A value as JSON, where JSON can say it.
fn plain_json(value: &Value) -> Option<Value> {
    let Some((kind, of)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Some(Value::Null);
    };
    Some(match kind.as_str() {
        "int" => serde_json::from_str(of.as_str().unwrap()).unwrap(),
        "text" | "bool" => of.clone(),
        "list" => Value::Array(of.as_array().unwrap().iter().map(plain_json).collect::<Option<_>>()?),
        "struct" => {
            let fields = of.as_object().unwrap().iter();
            Value::Object(
                fields
                    .map(|(name, value)| Some((name.clone(), plain_json(value)?)))
                    .collect::<Option<_>>()?,
            )
        }
        _ => return None,
    })
}

/// Ten thousand random records, read by pyarrow and encoded by cbor2.
#[test]
#[ignore = "needs Python with pyarrow and cbor2"]
fn random_records_are_as_another_implementation_says() {
    let python = std::env::var("SHARDPROOF_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rec1/make_random.py");
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .arg(folder.path())
        .args(["10000", "7"])
        .status()
        .unwrap();
    assert!(made.success());
    for end in FORMATS {
        let path = folder.path().join(format!("records.{end}"));
        let digests = fs::read_to_string(folder.path().join(format!("records.{end}.rec1"))).unwrap();
        let expected: Found = digests.lines().map(|line| (line != "-").then(|| unhex(line))).collect();
        assert_eq!(expected.len(), 10_000);
        let found = records_of(&path);
        let wrong = (0..10_000).filter(|row| found.get(*row) != expected.get(*row)).collect::<Vec<_>>();
        let (some, all) = (&wrong[..wrong.len().min(20)], found.len());
        assert!(some.is_empty() && all == 10_000, "{end}: {} of {all} rows, such as {some:?}", wrong.len());
    }
}

fn vectors() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/rec1/vectors.json");
    let vectors: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    vectors["rows"].as_array().unwrap().clone()
}

fn digest(hex: &Value) -> [u8; 32] {
    unhex(hex.as_str().unwrap())
}

fn unhex(hex: &str) -> [u8; 32] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

/// The table's records, once as Parquet and once as Arrow.
fn through_files(table: &RecordBatch) -> Vec<Found> {
    let folder = tempfile::tempdir().unwrap();
    let (parquet, arrow) = (folder.path().join("rows.parquet"), folder.path().join("rows.arrow"));
    let mut writer = ArrowWriter::try_new(File::create(&parquet).unwrap(), table.schema(), None).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
    let mut writer =
        arrow_ipc::writer::FileWriter::try_new(File::create(&arrow).unwrap(), &table.schema()).unwrap();
    writer.write(table).unwrap();
    writer.finish().unwrap();
    vec![records_of(&parquet), records_of(&arrow)]
}

/// Rows of values with their types as one table.
fn table_of(rows: &[&Value]) -> RecordBatch {
    let rows: Vec<Option<&Value>> = rows.iter().copied().map(Some).collect();
    let (fields, columns) = columns_of(&rows);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn columns_of(rows: &[Option<&Value>]) -> (Vec<Field>, Vec<ArrayRef>) {
    let names: BTreeSet<&String> =
        rows.iter().flatten().flat_map(|row| row.as_object().unwrap().keys()).collect();
    let each = names.into_iter().map(|name| {
        let values: Vec<Option<&Value>> = rows
            .iter()
            .map(|row| row.and_then(|row| row.get(name)).filter(|value| !value.is_null()))
            .collect();
        let column = column_of(&values);
        (Field::new(name, column.data_type().clone(), true), column)
    });
    each.unzip()
}

/// Values such as `{"int": "-5"}` as an array of the kind that the first of them names.
fn column_of(values: &[Option<&Value>]) -> ArrayRef {
    let Some(first) = values.iter().flatten().next() else {
        return Arc::new(StringArray::new_null(values.len()));
    };
    let kind = first.as_object().unwrap().keys().next().unwrap().as_str();
    let inner: Vec<Option<&Value>> = values.iter().map(|value| value.map(|value| &value[kind])).collect();
    let said = || inner.iter().map(|value| value.map(|value| value.as_str().unwrap()));
    let numbers = || said().map(|value| value.map(|value| value.parse::<i64>().unwrap()));
    match kind {
        "int" => Arc::new(Int64Array::from_iter(numbers())),
        "float" => Arc::new(Float64Array::from_iter(said().map(|v| v.map(|v| v.parse::<f64>().unwrap())))),
        "text" => Arc::new(StringArray::from_iter(said())),
        "bytes" => Arc::new(BinaryArray::from_iter(said().map(|v| v.map(|v| hex::decode(v).unwrap())))),
        "bool" => Arc::new(BooleanArray::from_iter(inner.iter().map(|v| v.map(|v| v.as_bool().unwrap())))),
        "timestamp" => Arc::new(TimestampNanosecondArray::from_iter(numbers())),
        "date" => Arc::new(Date32Array::from_iter(numbers().map(|v| v.map(|v| i32::try_from(v).unwrap())))),
        "decimal" => {
            // All in one scale: there are zeros at their ends then.
            let scaled = inner.iter().map(|value| {
                value.map(|value| {
                    let unscaled: i128 = value[0].as_str().unwrap().parse().unwrap();
                    unscaled * 10i128.pow(9 - u32::try_from(value[1].as_u64().unwrap()).unwrap())
                })
            });
            Arc::new(Decimal128Array::from_iter(scaled).with_precision_and_scale(38, 9).unwrap())
        }
        "list" => {
            let lists = inner.iter().map(|value| value.map_or(&[][..], |list| list.as_array().unwrap()));
            let offsets = OffsetBuffer::<i32>::from_lengths(lists.clone().map(<[Value]>::len));
            let items: Vec<Option<&Value>> =
                lists.flatten().map(|item| Some(item).filter(|item| !item.is_null())).collect();
            let items = column_of(&items);
            let field = Arc::new(Field::new("item", items.data_type().clone(), true));
            Arc::new(ListArray::new(field, offsets, items, Some(valid(values))))
        }
        "struct" => {
            let (fields, columns) = columns_of(&inner);
            Arc::new(StructArray::new(fields.into(), columns, Some(valid(values))))
        }
        other => panic!("the vectors have no {other}"),
    }
}

fn valid(values: &[Option<&Value>]) -> NullBuffer {
    NullBuffer::from_iter(values.iter().map(Option::is_some))
}
