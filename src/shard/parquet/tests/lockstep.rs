//! Tables of all kinds of columns, written in all kinds of ways: the cells and records are those of the table itself.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Decimal128Builder, FixedSizeBinaryBuilder, Float64Builder, Int32Builder,
    Int64Builder, LargeStringBuilder, ListBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder,
    TimestampMillisecondBuilder, UInt8Builder,
};
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, MapArray, RecordBatch, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::Field;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;

use super::{Told, plan};
use crate::plan::ShardPlan;
use crate::shard::table::arrow::ArrowRows;
use crate::shard::{ItemId, Steps};

/// How many kinds of columns there are.
const KINDS: usize = 15;

/// Numbers from a seed, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn there(&mut self) -> bool {
        self.roll(5) > 0
    }

    fn text(&mut self) -> String {
        let len = if self.roll(40) == 0 { 5000 } else { self.roll(20) as usize };
        // Few enough texts for a dictionary to be worth it.
        let letter = [b'a' + self.roll(3) as u8];
        String::from_utf8_lossy(&letter).repeat(len)
    }

    fn maybe(&mut self) -> Option<String> {
        self.there().then(|| self.text())
    }
}

/// A column of this kind and so many rows.
fn column(kind: usize, rows: usize, dice: &mut Dice) -> ArrayRef {
    macro_rules! fill {
        ($builder:expr, $value:expr) => {{
            let mut builder = $builder;
            for _ in 0..rows {
                let value = $value(dice);
                builder.append_option(dice.there().then_some(value));
            }
            Arc::new(builder.finish())
        }};
    }
    match kind {
        0 => fill!(Int64Builder::new(), |d: &mut Dice| d.roll(1000) as i64 - 500),
        1 => fill!(BooleanBuilder::new(), |d: &mut Dice| d.there()),
        2 => fill!(Float64Builder::new(), |d: &mut Dice| d.roll(9) as f64 / 4.0),
        3 => fill!(UInt8Builder::new(), |d: &mut Dice| d.roll(256) as u8),
        4 => fill!(TimestampMillisecondBuilder::new().with_timezone("UTC"), |d: &mut Dice| d.roll(1 << 40)
            as i64),
        5 => {
            let builder = Decimal128Builder::new().with_precision_and_scale(20, 3).unwrap();
            fill!(builder, |d: &mut Dice| i128::from(d.roll(100_000)) - 50_000)
        }
        6 => fill!(StringBuilder::new(), Dice::text),
        7 => fill!(LargeStringBuilder::new(), Dice::text),
        8 => fill!(BinaryBuilder::new(), |d: &mut Dice| [d.text().as_bytes(), &[0xff, 0x80]].concat()),
        9 => {
            let mut builder = FixedSizeBinaryBuilder::new(4);
            for _ in 0..rows {
                match dice.there() {
                    true => builder.append_value([dice.roll(3) as u8; 4]).unwrap(),
                    false => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        10 => {
            let mut builder = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
            for _ in 0..rows {
                for _ in 0..dice.roll(4) {
                    for _ in 0..dice.roll(3) {
                        builder.values().values().append_option(dice.maybe());
                    }
                    let there = dice.there();
                    builder.values().append(there);
                }
                builder.append(dice.there());
            }
            Arc::new(builder.finish())
        }
        11 => {
            let mut builder = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
            for _ in 0..rows {
                for key in 0..dice.roll(4) {
                    builder.keys().append_value(format!("key {key}"));
                    builder.values().append_option(dice.there().then_some(7));
                }
                builder.append(dice.there()).unwrap();
            }
            Arc::new(builder.finish())
        }
        12 => {
            let lens: Vec<_> = (0..rows).map(|_| dice.roll(3) as usize).collect();
            let inner = lens.iter().sum();
            let text = column(6, inner, dice);
            let number = column(0, inner, dice);
            let fields = |name: &str, array: &ArrayRef| {
                (Arc::new(Field::new(name, array.data_type().clone(), true)), Arc::clone(array))
            };
            let nulls: NullBuffer = (0..inner).map(|_| dice.there()).collect();
            let (fields, arrays): (Vec<_>, Vec<_>) =
                [fields("text", &text), fields("number", &number)].into_iter().unzip();
            let items: ArrayRef = Arc::new(StructArray::new(fields.into(), arrays, Some(nulls)));
            let item = Arc::new(Field::new("item", items.data_type().clone(), true));
            Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lens), items, None))
        }
        13 => {
            // Keys of a text and a number.
            let lens: Vec<_> = (0..rows).map(|_| dice.roll(4) as usize).collect();
            let inner: usize = lens.iter().sum();
            let text = column(6, inner, dice);
            let number: ArrayRef = Arc::new(Int32Array::from_iter_values(0..inner as i32));
            let keys = StructArray::try_from(vec![("text", text), ("number", number)]).unwrap();
            let value = column(8, inner, dice);
            let fields = vec![
                Arc::new(Field::new("key", keys.data_type().clone(), false)),
                Arc::new(Field::new("value", value.data_type().clone(), true)),
            ];
            let entries = StructArray::new(fields.into(), vec![Arc::new(keys), value], None);
            let entry = Arc::new(Field::new("entries", entries.data_type().clone(), false));
            Arc::new(MapArray::new(entry, OffsetBuffer::from_lengths(lens), entries, None, false))
        }
        _ => {
            let mut builder = StringDictionaryBuilder::<Int32Type>::new();
            (0..rows).for_each(|_| builder.append_option(dice.maybe()));
            Arc::new(builder.finish())
        }
    }
}

fn table(kinds: &[usize], rows: usize, seed: u64) -> RecordBatch {
    let mut dice = Dice(seed);
    let columns = kinds.iter().enumerate();
    let columns = columns.map(|(at, kind)| (format!("c{at}"), column(*kind, rows, &mut dice), true));
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
}

/// How a file is written: codec, version, dictionaries, rows of a row group and of a page.
type Way = (usize, bool, bool, usize, usize);

fn written(table: &RecordBatch, (codec, first, dictionary, group, page): Way) -> Vec<u8> {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ];
    let properties = WriterProperties::builder()
        .set_compression(codecs[codec])
        .set_writer_version(if first { WriterVersion::PARQUET_1_0 } else { WriterVersion::PARQUET_2_0 })
        .set_dictionary_enabled(dictionary)
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(page)
        .set_write_batch_size(page.min(64))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties)).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
    bytes
}

fn ways() -> impl Strategy<Value = Way> {
    (0..5usize, any::<bool>(), any::<bool>(), 1..400usize, 1..200usize)
}

/// Columns in the order of their names, each in the order of its rows; the entries of a map have no order.
fn sorted(told: &Told) -> Vec<(String, u64, Vec<u8>)> {
    let mut cells = told.cells.clone();
    cells.sort();
    cells
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn cells_and_records_are_those_of_the_table(
        kinds in proptest::collection::vec(0..KINDS, 1..8),
        rows in 1..600usize,
        seed in any::<u64>(),
        one in ways(),
        other in ways(),
    ) {
        let table = table(&kinds, rows, seed);
        let mut expected = Told::default();
        let with_records = ShardPlan { records: true, ..plan() };
        let mut steps = Steps::new(&with_records);
        let mut memory = ArrowRows::new(&table.schema(), ItemId::FILE, &mut steps);
        expected.batch(memory.batch(ItemId::FILE, 0, &table));
        prop_assert_eq!(expected.records.len(), rows);
        for way in [one, other] {
            let bytes = written(&table, way);
            let whole = Told::whole(&bytes);
            prop_assert_eq!(&whole.faults, &[]);
            prop_assert!(sorted(&whole) == sorted(&expected), "cells of {:?}", way);
            prop_assert!(whole.records == expected.records, "records of {:?}", way);
            prop_assert_eq!(whole.rows, rows);
            for told in [Told::of(&bytes), Told::sparse(&bytes)] {
                prop_assert_eq!((&told.faults[..], told.records.len()), (&[][..], 0));
                prop_assert!(sorted(&told) == sorted(&expected), "cells alone of {:?}", way);
            }
        }
    }
}
