//! Files that are unlike what they are said to be, or uneven: whatever can be decoded is told, and nothing twice.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::super::page_header::page_header;
use super::Told;
use super::files::footer;
use crate::finding::Code;

/// A file of two rows, of which each leaf is bytes `x` and `y` or the numbers 1 and 2, at these levels.
fn two_rows(schema: &str, def: i16, rep: Option<[i16; 2]>) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let (defs, reps) = ([def; 2], rep);
    while let Some(mut column) = group.next_column().unwrap() {
        let reps = reps.as_ref().map(|reps| &reps[..]);
        match column.untyped() {
            parquet::column::writer::ColumnWriter::ByteArrayColumnWriter(_) => {
                let values = [ByteArray::from(&b"x\xff"[..]), ByteArray::from(&b"y"[..])];
                column.typed::<ByteArrayType>().write_batch(&values, Some(&defs), reps).unwrap();
            }
            _ => {
                column.typed::<Int32Type>().write_batch(&[1, 2], Some(&defs), reps).unwrap();
            }
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn values(told: &Told) -> Vec<(u64, &[u8])> {
    told.cells.iter().map(|(_, row, value)| (*row, value.as_slice())).collect()
}

#[test]
fn texts_need_not_be_valid_ones() {
    let bytes = two_rows("message m { optional binary t (UTF8); optional int32 n; }", 1, None);
    let told = Told::whole(&bytes);
    assert_eq!(values(&told), [(0, &b"x\xff"[..]), (1, b"y")]);
    assert_eq!((told.faults.len(), told.records.len()), (0, 2), "{:?}", told.faults);
    assert!(told.records.iter().all(|(_, record)| record.is_some()));
}

#[test]
fn keys_that_are_no_texts_are_told_as_cells_and_their_rows_not_identified() {
    let schema = "message m { optional group m (MAP) { repeated group key_value {
        required binary key (UTF8); required int32 value; } } }";
    let told = Told::whole(&two_rows(schema, 2, Some([0, 0])));
    assert_eq!(values(&told), [(0, &b"x\xff"[..]), (1, b"y")]);
    assert_eq!((told.records.len(), told.rows), (0, 2));
    assert_eq!(told.faults.len(), 1, "{:?}", told.faults);
    assert!(told.faults[0].1.contains("not identified"), "{:?}", told.faults);
}

#[test]
fn groups_that_are_not_what_they_are_said_to_be_are_read_as_what_they_are() {
    for (schema, def, rep) in [
        // A list of two fields.
        ("message m { optional group l (LIST) { optional binary a; optional int32 b; } }", 2, None),
        // A list whose item is not repeated.
        ("message m { optional group l (LIST) { optional group i { optional binary a; } } }", 3, None),
        // A map whose keys are repeated.
        (
            "message m { optional group m (MAP) { repeated group e { repeated binary k; optional int32 v; } } }",
            3,
            Some([0, 0]),
        ),
        // A map of one field, and one of three.
        ("message m { optional group m (MAP) { repeated group e { required binary k; } } }", 2, Some([0, 0])),
        // Lists in the old style.
        ("message m { repeated binary a (UTF8); }", 1, Some([0, 0])),
        ("message m { optional group l (LIST) { repeated binary array; } }", 2, Some([0, 0])),
        // A field that is always null, they say.
        ("message m { optional binary a (UNKNOWN); }", 1, None),
    ] {
        let bytes = two_rows(schema, def, rep);
        for told in [Told::of(&bytes), Told::sparse(&bytes), Told::whole(&bytes)] {
            assert_eq!(values(&told), [(0, &b"x\xff"[..]), (1, b"y")], "{schema} {:?}", told.faults);
            let identified = told.records.iter().filter(|(_, record)| record.is_some()).count();
            assert!(identified == 2 || identified == 0, "{schema}");
        }
        let told = Told::whole(&bytes);
        assert_eq!(told.records.len() == 2, told.faults.is_empty(), "{schema} {:?}", told.faults);
    }
}

/// Rows of which a hundred are long, each in a page of its own: together they are over the limit of a batch, one by
/// one they are not.
#[test]
fn a_batch_that_is_too_large_is_divided() {
    let value =
        |row: usize| if (500..600).contains(&row) { vec![row as u8; 100_000] } else { vec![row as u8] };
    let long: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..100_000).map(value)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let table = RecordBatch::try_from_iter([("long", long), ("number", numbers)]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(50_000)
        .set_write_batch_size(1)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties)).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    let told = Told::whole(&bytes);
    assert_eq!((told.faults.as_slice(), told.rows, told.records.len()), (&[][..], 100_000, 100_000));
    assert!(
        told.cells.iter().enumerate().all(|(at, (_, row, cell))| at as u64 == *row && *cell == value(at))
    );
    assert_eq!(told.cells.len(), 100_000);
}

/// Three columns, of which each has ten pages; the sixth of one of them is damaged.
#[test]
fn values_before_a_damaged_page_are_told_and_all_others_beside_it() {
    let texts = |name: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..1000).map(|row| format!("{name} {row}"))))
    };
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..1000 {
        lists.values().append_value(format!("c {row}"));
        lists.append(true);
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    let table = RecordBatch::try_from_iter([("a", texts("a")), ("b", texts("b")), ("c", lists)]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .build();
    let mut plain = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut plain, table.schema(), Some(properties)).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    let group = footer(&plain).0.row_group(0).clone();
    for (column, name) in [(0, "a"), (1, "b"), (2, "c.list.item")] {
        let mut bytes = plain.clone();
        let mut at = group.column(column).byte_range().0 as usize;
        for _ in 0..5 {
            let (header, len) = page_header(&bytes[at..]).unwrap();
            at += len + header.compressed as usize;
        }
        let (header, len) = page_header(&bytes[at..]).unwrap();
        // The length of the last value in it.
        let last = at + len + header.compressed as usize - "x 599".len() - 4;
        assert_eq!(bytes[last..][..4], [5, 0, 0, 0]);
        bytes[last..][..4].fill(0x7f);
        for (told, faults) in [(Told::of(&bytes), 1), (Told::sparse(&bytes), 1), (Told::whole(&bytes), 2)] {
            let of = |name: &str| -> Vec<u64> {
                told.cells.iter().filter(|cell| cell.0 == name).map(|cell| cell.1).collect()
            };
            for (other, whole) in [("a", "a"), ("b", "b"), ("c.list.item", "c")] {
                let rows = if other == name { 599 } else { 1000 };
                assert!(of(other).into_iter().eq(0..rows), "{name}: {other} has {}", of(other).len());
                let text = |row: u64| format!("{whole} {row}").into_bytes();
                assert!(told.cells.iter().all(|cell| cell.0 != other || cell.2 == text(cell.1)));
            }
            assert_eq!(told.rows, 1000, "{name}");
            let why: Vec<_> = told.faults.iter().filter(|(code, _)| *code == Code::Unreadable).collect();
            assert_eq!(why.len(), faults, "{why:?}");
            assert!(why[faults - 1].1.starts_with(&format!("row group 0, column `{name}`: it cannot be")));
        }
    }
}
