//! Random tables of nested types, against values that are gone through one by one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod random;
mod values;

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, Int64Array, ListViewArray, NullArray, RecordBatch, StringArray,
    StructArray, UnionArray,
};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, UnionFields};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use self::random::Random;
use self::values::{Cell, bytes_of};
use super::*;
use crate::digest::DigestSet;
use crate::digest::rec1::{DOMAIN, Encoder};
use crate::plan::{Inside, ShardPlan};
use crate::shard::{Column, Step};

fn steps(records: bool) -> Steps {
    let samples = DigestSet::of(crate::digest::Algorithm::Sha256);
    Steps::new(&ShardPlan { inside: Inside::Open, samples, records, ..ShardPlan::default() })
}

/// For each row what is hashed, if it has an identity.
type Messages = Vec<Option<Vec<u8>>>;

/// Everything that comes of one batch whose first row is row 10: cells, messages, and what is told.
fn read(rows: &RecordBatch, records: bool) -> (Vec<Cell>, Option<Messages>, Vec<String>) {
    let mut out = steps(records);
    let mut table = ArrowRows::new(&rows.schema(), ItemId::FILE, &mut out);
    let batch = table.batch(ItemId::FILE, 10, rows);
    table.conclude(ItemId::FILE, &mut out);
    assert_eq!(batch.rows, rows.num_rows());
    let mut found = batch.records;
    let mut cells = Vec::new();
    for (number, Column { name, rows, values }) in batch.columns.into_iter().enumerate() {
        let mut ordinal = 0;
        for index in (0..values.len()).filter(|index| values.is_valid(*index)) {
            let value = bytes_of(&values, index);
            if let Some(records) = &mut found {
                records.fill(number, ordinal, &Sha256::digest(&value));
            }
            ordinal += 1;
            cells.push((name.to_string(), rows.of(index).unwrap(), value));
        }
        assert!(ordinal > 0, "a column without values is left out");
    }
    let messages = found.map(|records| {
        let messages = records.messages();
        messages.as_binary::<i32>().iter().map(|message| message.map(<[u8]>::to_vec)).collect()
    });
    let mut told = Vec::new();
    while let Some(step) = out.pop() {
        let Step::Fault(fault) = step else { panic!("{step:?}") };
        told.push(format!("{}: {}", fault.code.name(), fault.detail));
    }
    (cells, messages, told)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nested_tables_are_read_as_their_values_say(seed: u64) {
        let table = Random::new(seed).table();
        let (cells, messages, told) = read(&table.rows, true);
        prop_assert_eq!(&cells, &table.cells());
        prop_assert_eq!(messages.unwrap(), table.messages());
        let about = |told: &[String], start: &str| told.iter().any(|told| told.starts_with(start));
        prop_assert_eq!(about(&told, &format!("unverifiable: {} ", table.refused())), table.refused() > 0);
        prop_assert!(!about(&told, "unreadable"), "{:?}", told);
        let (mut without, none, told) = read(&table.rows, false);
        prop_assert!(none.is_none() && !about(&told, "un"));
        // Where no record is made, a map's entries come as they are stored.
        let mut cells = cells;
        without.sort();
        cells.sort();
        prop_assert_eq!(without, cells);
    }
}

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[test]
fn a_record_is_a_map_in_the_order_of_its_keys() {
    let rows = table(vec![
        ("text", Arc::new(StringArray::from(vec![Some("hello"), None]))),
        ("n", Arc::new(Int64Array::from(vec![Some(-7), None]))),
        ("b", Arc::new(BinaryArray::from(vec![Some(&b""[..]), None]))),
    ]);
    let (_, messages, told) = read(&rows, true);
    let mut expected = Encoder::after(DOMAIN.to_vec());
    expected.map(3);
    expected.key("b");
    expected.content(&Sha256::digest(b"").into());
    expected.key("n");
    expected.integer(-7);
    expected.key("text");
    expected.content(&Sha256::digest(b"hello").into());
    let empty = [DOMAIN, &[0xa0]].concat();
    assert_eq!(messages.unwrap(), [Some(expected.into_bytes()), Some(empty)]);
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_large_value_of_a_dictionary_lies_in_memory_once() {
    let large = "x".repeat(1 << 20);
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for _ in 0..8192 {
        builder.append_value(&large);
    }
    let mut out = steps(true);
    let rows = table(vec![("t", Arc::new(builder.finish()))]);
    let batch = ArrowRows::new(&rows.schema(), ItemId::FILE, &mut out).batch(ItemId::FILE, 0, &rows);
    let [Column { values, .. }] = &batch.columns[..] else { panic!("there is one column") };
    assert_eq!((values.len(), values.null_count()), (8192, 0));
    assert!(values.get_array_memory_size() < 4 << 20);
    assert_eq!(bytes_of(values, 8191).len(), 1 << 20);
}

#[test]
fn names_that_stand_twice_leave_no_identity() {
    let column = || Arc::new(StringArray::from(vec!["a"])) as ArrayRef;
    let (cells, messages, told) = read(&table(vec![("x\n", column()), ("x\n", column())]), true);
    assert_eq!((cells.len(), messages), (2, None));
    assert_eq!(told, ["unverifiable: its rows have no identity: two columns are called `x\\n`"]);
    let field = || Arc::new(Field::new("f", DataType::Utf8, true));
    let within = Arc::new(StructArray::new(vec![field(), field()].into(), vec![column(), column()], None));
    let (cells, messages, told) = read(&table(vec![("s", within)]), true);
    assert_eq!((cells.len(), messages), (2, None));
    assert_eq!(told, ["unverifiable: its rows have no identity: two fields of column `s` are called `f`"]);
}

#[test]
fn texts_of_unions_are_cells_and_their_rows_have_no_identity() {
    let fields = UnionFields::try_new(
        [3, 5],
        [Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8, true)],
    );
    let children: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["a", "b"]))];
    let (types, offsets) = (ScalarBuffer::from(vec![5i8, 3, 5]), ScalarBuffer::from(vec![1, 0, 0]));
    let union = UnionArray::try_new(fields.unwrap(), types, Some(offsets), children).unwrap();
    let (cells, messages, told) = read(&table(vec![("u", Arc::new(union))]), true);
    assert_eq!(cells, [("u.t".into(), 10, b"b".to_vec()), ("u.t".into(), 12, b"a".to_vec())]);
    assert_eq!(messages, None);
    assert_eq!(told, ["unverifiable: its rows have no identity: column `u` is a union"]);
}

#[test]
fn paths_without_bytes_are_told() {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"x"[..]), None, None, None, None]));
    let paths: ArrayRef =
        Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("b"), Some("hidden")]));
    let fields = vec![Field::new("path", DataType::Utf8, true), Field::new("bytes", DataType::Binary, true)];
    let nulls = NullBuffer::from(vec![true, true, true, true, false]);
    let media = StructArray::new(fields.into(), vec![paths.clone(), bytes.clone()], Some(nulls));
    let (_, _, told) = read(&table(vec![("image", Arc::new(media))]), false);
    assert_eq!(
        told,
        [
            "external-reference: column `image.bytes`: 1 value without bytes, the first in row 13, of which a path \
          says that they lie outside of the file"
        ]
    );
    let (_, _, told) = read(&table(vec![("path", paths), ("bytes", bytes)]), false);
    assert_eq!(told, [""; 0]);
}

#[test]
fn views_that_stand_for_thousands_of_millions_are_refused() {
    let texts = Arc::new(StringArray::from(vec!["a"; 100_000]));
    let field = Arc::new(Field::new("item", DataType::Utf8, true));
    let (offsets, sizes) = (vec![0; 50_000], vec![100_000; 50_000]);
    let views = ListViewArray::new(field, offsets.into(), sizes.into(), texts, None);
    let (cells, messages, told) = read(&table(vec![("v", Arc::new(views))]), true);
    assert_eq!((cells.len(), messages), (0, None));
    assert_eq!(
        told,
        [
            "unreadable: 50000 rows, the first is row 10, were not looked at in full and have no identity: they hold \
          more values than one batch may"
        ]
    );
}

#[test]
fn a_type_without_end_is_told() {
    let mut deep = DataType::Utf8;
    for _ in 0..100 {
        deep = DataType::List(Arc::new(Field::new("item", deep, true)));
    }
    let (cells, messages, told) =
        read(&RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new("d", deep, true)]))), true);
    assert_eq!((cells.len(), messages), (0, None));
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with("unreadable: column `d.list.item"), "{told:?}");
}

#[test]
fn rows_that_do_not_fit_are_told_and_end_nothing() {
    let of_texts = table(vec![("c", Arc::new(StringArray::from(vec!["a"])))]);
    let of_numbers = table(vec![("c", Arc::new(Int64Array::from(vec![1])))]);
    let of_nothing = table(vec![("c", Arc::new(NullArray::new(1 << 40)))]);
    for (schema, rows, told) in [
        (&of_texts, &of_numbers, "unreadable: 1 rows, the first is row 5, were not looked at"),
        (&of_nothing, &of_nothing, "unreadable: 1099511627776 rows, the first is row 5, were not looked at"),
    ] {
        let mut out = steps(true);
        let mut table = ArrowRows::new(&schema.schema(), ItemId::FILE, &mut out);
        let batch = table.batch(ItemId::FILE, 5, rows);
        assert!(batch.records.is_none() && batch.columns.is_empty());
        assert!(table.batch(ItemId::FILE, 6, &schema.slice(0, 1)).records.is_some());
        table.conclude(ItemId::FILE, &mut out);
        let Some(Step::Fault(fault)) = out.pop() else { panic!("that is told") };
        assert!(format!("{}: {}", fault.code.name(), fault.detail).starts_with(told), "{}", fault.detail);
        assert!(out.pop().is_none());
    }
}
