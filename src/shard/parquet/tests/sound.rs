//! Files as writers make them.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, ListBuilder};
use arrow_array::{Array, ArrayRef, BinaryArray, ListArray, RecordBatch, StringArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::super::page_header::page_header;
use super::files::{Shape, expected, footer, table, with_crc, write};
use super::{Recording, Told};
use crate::finding::Code;
use crate::shard::RegionClass;

fn codecs() -> [Compression; 6] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ]
}

#[test]
fn every_value_is_told_at_its_row_and_column() {
    for codec in codecs() {
        for dictionary in [false, true] {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                let shape = Shape { codec, dictionary, version, rows_per_group: 3 };
                let told = Told::of(&write(&table(), shape));
                assert_eq!(told.sorted(), expected(), "{shape:?}");
                let outside = "column `image.bytes`: 1 value without bytes, the first in row 4, of which a path says \
                               that they lie outside of the file";
                assert_eq!(told.faults, [(Code::ExternalReference, outside.to_string())], "{shape:?}");
                assert!(
                    told.regions.iter().all(|(_, class)| !class.is_hidden()),
                    "{shape:?}: {:?}",
                    told.regions
                );
            }
        }
    }
}

#[test]
fn pieces_of_any_size_are_told_alike() {
    let bytes = write(&table(), Shape { dictionary: true, codec: Compression::SNAPPY, ..Shape::PLAIN });
    let whole = Told::of(&bytes);
    for most in [1, 7, 100] {
        assert!(Told::by(Arc::new(Recording::new(&bytes, most, true))) == whole, "pieces of {most}");
    }
}

#[test]
fn a_page_check_sum_that_fits_is_silent_and_one_that_does_not_is_told() {
    let sound = Told::of(&with_crc(crc32fast::hash));
    assert_eq!((sound.faults.as_slice(), sound.cells.len()), (&[][..], 2));
    let broken = Told::of(&with_crc(|body| crc32fast::hash(body) ^ 1));
    let why = "row group 0, column `c`, page 0: the page check sum is wrong".to_string();
    assert_eq!((broken.faults, broken.cells.len()), (vec![(Code::Unreadable, why)], 0));
}

#[test]
fn only_columns_of_bytes_are_read_again() {
    let bytes = write(&table(), Shape { rows_per_group: 100, ..Shape::PLAIN });
    let source = Arc::new(Recording::new(&bytes, usize::MAX, false));
    Told::by(Arc::clone(&source) as Arc<dyn crate::source::Source>);
    let (metadata, footer_at) = footer(&bytes);
    let len = bytes.len() as u64;
    let footer_len = bytes.len() - 8 - footer_at;
    // The file from front to back, and the footer once it is known what the file is.
    let mut wanted = vec![(0, 65_536), (len - 8, 8), (footer_at as u64, footer_len)];
    // Each chunk of bytes has one page: the beginning of its header, then exactly its body.
    for column in &metadata.row_group(0).columns()[1..] {
        let (start, chunk_len) = column.byte_range();
        let (header, header_len) = page_header(&bytes[start as usize..]).unwrap();
        let body = (start + header_len as u64, header.compressed as usize);
        assert_eq!(body.0 + body.1 as u64, start + chunk_len);
        wanted.extend([(start, 128.min(chunk_len as usize)), body]);
    }
    // Nothing is read past the end: the first read ended where the file does.
    assert_eq!(*source.reads.lock().unwrap(), wanted);
}

#[test]
fn hidden_bytes_before_the_footer_are_a_dead_region() {
    let bytes = write(&table(), Shape::PLAIN);
    let at = footer(&bytes).1;
    for (hidden, dead) in
        [(vec![7; 1000], at..at + 1000), ([&[0; 400][..], &[7; 600]].concat(), at + 400..at + 1000)]
    {
        let told = Told::of(&[&bytes[..at], &hidden, &bytes[at..]].concat());
        assert_eq!(told.classes(RegionClass::Dead), vec![dead.start as u64..dead.end as u64; 1]);
        assert_eq!(told.sorted(), expected());
    }
    let zeros = Told::of(&[&bytes[..at], &[0; 1000], &bytes[at..]].concat());
    assert_eq!(zeros.classes(RegionClass::ZeroPad), vec![at as u64..at as u64 + 1000; 1]);
}

/// More than one page and batch, and values that are long enough not to be copied.
#[test]
fn long_columns_are_told_row_by_row() {
    let value = |row: usize| vec![row as u8; if row.is_multiple_of(500) { 10_000 } else { row % 40 }];
    let flat: ArrayRef =
        Arc::new(BinaryArray::from_iter((0..5000).map(|row| (row % 7 != 6).then(|| value(row)))));
    let mut lists = ListBuilder::new(BinaryBuilder::new());
    for row in 0..5000usize {
        for index in 0..row % 4 {
            lists.values().append_option((index != 1).then(|| value(row + index)));
        }
        lists.append(row % 5 != 0);
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    let table =
        RecordBatch::try_from_iter_with_nullable([("flat", flat, true), ("lists", lists, true)]).unwrap();
    for dictionary in [false, true] {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_enabled(dictionary)
            .set_data_page_row_count_limit(300)
            .set_write_batch_size(100)
            .set_max_row_group_row_count(Some(2100))
            .build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties)).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
        let told = Told::of(&bytes);
        assert_eq!(told.faults, []);
        let of = |name: &str| {
            let cells = told.cells.iter().filter(|(column, ..)| column == name);
            cells.map(|(_, row, value)| (*row as usize, value.clone())).collect::<Vec<_>>()
        };
        let flat: Vec<_> = (0..5000).filter(|row| row % 7 != 6).map(|row| (row, value(row))).collect();
        assert!(of("flat") == flat, "dictionary {dictionary}");
        let lists: Vec<_> = (0..5000)
            .filter(|row| row % 5 != 0)
            .flat_map(|row| {
                (0..row % 4).filter(|index| *index != 1).map(move |index| (row, value(row + index)))
            })
            .collect();
        assert!(of("lists.list.item") == lists, "dictionary {dictionary}");
    }
}

#[test]
fn images_in_lists_are_told_of_by_row_when_they_lie_outside() {
    let strings = |values: [Option<&str>; 4]| -> ArrayRef { Arc::new(StringArray::from_iter(values)) };
    let fields = |first: &str, second: &str| {
        let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
        [field(first), field(second)]
    };
    let bytes = strings([Some("in"), None, None, None]);
    let paths = strings([Some("0"), Some("1"), None, Some("3")]);
    for swapped in [false, true] {
        let columns = if swapped {
            let [path, data] = fields("path", "bytes");
            vec![(path, paths.clone()), (data, bytes.clone())]
        } else {
            let [data, path] = fields("bytes", "path");
            vec![(data, bytes.clone()), (path, paths.clone())]
        };
        let images = StructArray::from(columns);
        let item = Arc::new(Field::new("item", images.data_type().clone(), true));
        // Rows: none, two images, one, one.
        let offsets = OffsetBuffer::from_lengths([0, 2, 1, 1]);
        let lists: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::new(images), None));
        let told = Told::of(&write(&RecordBatch::try_from_iter([("images", lists)]).unwrap(), Shape::PLAIN));
        let detail = "column `images.list.item.bytes`: 2 values without bytes, the first in row 1, of which a path \
                      says that they lie outside of the file";
        assert_eq!(told.faults, [(Code::ExternalReference, detail.to_string())]);
        assert_eq!(told.cells.iter().map(|(_, row, _)| *row).collect::<Vec<_>>().len(), 4);
        let data: Vec<_> = told.cells.iter().filter(|(column, ..)| column.ends_with("bytes")).collect();
        assert_eq!(data, [&("images.list.item.bytes".to_string(), 1, b"in".to_vec())]);
    }
}
