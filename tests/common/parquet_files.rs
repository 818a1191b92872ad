//! Small Parquet files of every shape that readers meet, written by the `parquet` crate's own writer.
#![allow(dead_code, missing_docs, reason = "each suite uses a part")]

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray, StructArray,
};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::{
    ColumnChunkMetaDataBuilder, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub codec: Compression,
    pub dictionary: bool,
    pub version: WriterVersion,
    pub rows_per_group: usize,
}

impl Shape {
    pub const PLAIN: Shape = Shape {
        codec: Compression::UNCOMPRESSED,
        dictionary: false,
        version: WriterVersion::PARQUET_1_0,
        rows_per_group: 3,
    };
}

/// The rows of the sample table; row 4 has an image without bytes, row 2 nulls, row 3 an empty list.
pub const ROWS: u64 = 5;

/// The values of the sample table as column, row and bytes, in the order of the columns.
pub fn expected() -> Vec<(&'static str, u64, Vec<u8>)> {
    let mut all = Vec::new();
    for row in [0, 1, 3, 4] {
        all.push(("blob", row, vec![row as u8; 3]));
    }
    for row in [0, 1, 3, 4] {
        all.push(("text", row, format!("text {}", row % 2).into_bytes()));
    }
    for row in [0, 1, 3] {
        all.push(("image.bytes", row, format!("image {row}").into_bytes()));
    }
    for row in [0, 1, 3, 4] {
        all.push(("image.path", row, format!("{row}.jpg").into_bytes()));
    }
    for (row, tag) in [(0, "a"), (0, "b"), (1, "a"), (4, "c"), (4, "d"), (4, "e")] {
        all.push(("tags.list.item", row, tag.as_bytes().to_vec()));
    }
    for row in 0..ROWS {
        all.push(("hash", row, vec![b'0' + row as u8; 4]));
    }
    all
}

/// The sample table: a column of numbers, and the columns of [`expected`].
pub fn table() -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let row_or_null = |row: u64| (row != 2).then_some(row);
    let blobs: Vec<Option<Vec<u8>>> =
        (0..ROWS).map(|row| row_or_null(row).map(|row| vec![row as u8; 3])).collect();
    let blobs: ArrayRef = Arc::new(BinaryArray::from_iter(blobs));
    let texts = (0..ROWS).map(|row| row_or_null(row).map(|row| format!("text {}", row % 2)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter(texts));
    let bytes =
        (0..ROWS).map(|row| row_or_null(row).filter(|row| *row != 4).map(|row| format!("image {row}")));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter(bytes.map(|b| b.map(String::into_bytes))));
    let paths = (0..ROWS).map(|row| row_or_null(row).map(|row| format!("{row}.jpg")));
    let paths: ArrayRef = Arc::new(StringArray::from_iter(paths));
    let image: ArrayRef = Arc::new(StructArray::from(vec![
        (Arc::new(Field::new("bytes", DataType::Binary, true)), bytes),
        (Arc::new(Field::new("path", DataType::Utf8, true)), paths),
    ]));
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in [&["a", "b"][..], &["a"], &[], &[], &["c", "d", "e"]] {
        row.iter().for_each(|tag| tags.values().append_value(tag));
        tags.append(true);
    }
    let tags: ArrayRef = Arc::new(tags.finish());
    let hashes = (0..ROWS).map(|row| [b'0' + row as u8; 4]);
    let hashes: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter(hashes).unwrap());
    let columns =
        [("id", ids), ("blob", blobs), ("text", texts), ("image", image), ("tags", tags), ("hash", hashes)];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

pub fn write(table: &RecordBatch, shape: Shape) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(shape.codec)
        .set_dictionary_enabled(shape.dictionary)
        .set_writer_version(shape.version)
        .set_max_row_group_row_count(Some(shape.rows_per_group))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties)).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
    bytes
}

/// One required column of bytes in one page: the smallest file there is, for edits by hand.
pub fn one_page() -> Vec<u8> {
    let column: ArrayRef = Arc::new(BinaryArray::from_iter_values([&b"first"[..], b"second"]));
    write(&RecordBatch::try_from_iter([("c", column)]).unwrap(), Shape::PLAIN)
}

pub fn footer(bytes: &[u8]) -> (ParquetMetaData, usize) {
    let tail = bytes.len() - 8;
    let len = u32::from_le_bytes(bytes[tail..tail + 4].try_into().unwrap()) as usize;
    (ParquetMetaDataReader::decode_metadata(&bytes[tail - len..tail]).unwrap(), tail - len)
}

/// `before`, followed by the footer of a file of which every column chunk was edited.
pub fn refooted(
    mut before: Vec<u8>,
    of: &[u8],
    edit: impl Fn(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder,
) -> Vec<u8> {
    let mut builder = footer(of).0.into_builder();
    let groups = builder.take_row_groups().into_iter().map(|group| {
        let mut group = group.into_builder();
        let columns = group.take_columns().into_iter();
        let columns = columns.map(|c| edit(c.into_builder()).build().unwrap()).collect();
        group.set_column_metadata(columns).build().unwrap()
    });
    let metadata = builder.set_row_groups(groups.collect()).build();
    ParquetMetaDataWriter::new(&mut before, &metadata).finish().unwrap();
    before
}

/// [`one_page`], with the CRC in the header of its page (field 4, after three numbers).
pub fn with_crc(crc_of: impl Fn(&[u8]) -> u32) -> Vec<u8> {
    let old = one_page();
    let (metadata, footer_at) = footer(&old);
    let chunk = metadata.row_group(0).column(0);
    let (start, len) = chunk.byte_range();
    let (start, end) = (start as usize, (start + len) as usize);
    assert_eq!(start, 4);
    // The header ends where the body, two length-prefixed values, begins.
    let page = page_with_crc(&old[start..end], 4 + 5 + 4 + 6, crc_of);
    let grown = page.len() as i64;
    let _ = footer_at;
    refooted([b"PAR1", &page[..]].concat(), &old, |c| {
        c.set_total_compressed_size(grown).set_offset_index_offset(None).set_offset_index_length(None)
    })
}

/// A page whose body has this length, with the CRC in its header.
fn page_with_crc(page: &[u8], body_len: usize, crc_of: impl Fn(&[u8]) -> u32) -> Vec<u8> {
    let (header, body) = page.split_at(page.len() - body_len);
    let mut at = 0;
    for _ in 0..3 {
        at += 1;
        while header[at] & 0x80 != 0 {
            at += 1;
        }
        at += 1;
    }
    let mut crc = vec![0x15];
    let value = crc_of(body) as i32;
    let mut zigzag = ((value << 1) ^ (value >> 31)) as u32;
    while zigzag >= 0x80 {
        crc.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    crc.push(zigzag as u8);
    assert_eq!(header[at], 0x2c);
    [&header[..at], &crc, &[0x1c], &header[at + 1..], body].concat()
}

/// Row groups of one value of bytes each, in pages with a CRC of their group's number and body.
pub fn groups_with_crc(values: &[Vec<u8>], crc_of: impl Fn(usize, &[u8]) -> u32) -> Vec<u8> {
    let column: ArrayRef = Arc::new(BinaryArray::from_iter_values(values));
    let table = RecordBatch::try_from_iter([("c", column)]).unwrap();
    let old = write(&table, Shape { rows_per_group: 1, ..Shape::PLAIN });
    let mut new = b"PAR1".to_vec();
    let mut places = std::collections::VecDeque::new();
    for (number, group) in footer(&old).0.row_groups().iter().enumerate() {
        let (start, len) = group.column(0).byte_range();
        let page = &old[start as usize..(start + len) as usize];
        let page = page_with_crc(page, 4 + values[number].len(), |body| crc_of(number, body));
        places.push_back((new.len() as i64, page.len() as i64));
        new.extend(page);
    }
    let places = std::cell::RefCell::new(places);
    refooted(new, &old, |c| {
        let (offset, len) = places.borrow_mut().pop_front().unwrap();
        let c = c.set_data_page_offset(offset).set_total_compressed_size(len);
        c.set_offset_index_offset(None).set_offset_index_length(None)
    })
}
