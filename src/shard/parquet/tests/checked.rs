//! Pages with check sums: a chunk with a wrong one is told and not believed, the columns beside it are.

use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaDataWriter;
use parquet::file::properties::WriterVersion;

use super::super::page_header::page_header;
use super::Told;
use super::files::{Shape, expected, footer, table, write};
use crate::finding::Code;

/// The file with a CRC in each page header (field 4, after three numbers), as `crc_of` the column and the body says.
fn with_crcs(old: &[u8], crc_of: impl Fn(usize, &[u8]) -> u32) -> Vec<u8> {
    let mut bytes = b"PAR1".to_vec();
    let mut builder = footer(old).0.into_builder();
    let mut groups = Vec::new();
    for group in builder.take_row_groups() {
        let mut columns = Vec::new();
        for (column, chunk) in group.columns().iter().enumerate() {
            let (start, len) = chunk.byte_range();
            let mut left = &old[start as usize..(start + len) as usize];
            let (begins, first) = (bytes.len() as i64, chunk.data_page_offset() - start as i64);
            let mut data_page = begins;
            while !left.is_empty() {
                if left.len() as i64 == len as i64 - first {
                    data_page = bytes.len() as i64;
                }
                let (header, header_len) = page_header(left).unwrap();
                let (head, body) =
                    (&left[..header_len], &left[header_len..header_len + header.compressed as usize]);
                let numbers = 3;
                let mut at = 0;
                for _ in 0..numbers {
                    at += 1;
                    while head[at] & 0x80 != 0 {
                        at += 1;
                    }
                    at += 1;
                }
                bytes.extend_from_slice(&head[..at]);
                bytes.push(0x15);
                let crc = crc_of(column, body) as i32;
                let mut zigzag = ((crc << 1) ^ (crc >> 31)) as u32;
                while zigzag >= 0x80 {
                    bytes.push(zigzag as u8 | 0x80);
                    zigzag >>= 7;
                }
                bytes.push(zigzag as u8);
                // The next field's number counts from one that is higher by one now.
                bytes.push(head[at] - 0x10);
                bytes.extend_from_slice(&head[at + 1..]);
                bytes.extend_from_slice(body);
                left = &left[header_len + body.len()..];
            }
            let grown = bytes.len() as i64 - begins;
            let dictionary = chunk.dictionary_page_offset().map(|_| begins);
            let chunk = chunk.clone().into_builder();
            let chunk = chunk.set_total_compressed_size(grown).set_data_page_offset(data_page);
            let chunk = chunk.set_dictionary_page_offset(dictionary);
            let chunk = chunk.set_offset_index_offset(None).set_offset_index_length(None);
            columns.push(chunk.build().unwrap());
        }
        groups.push(group.into_builder().set_column_metadata(columns).build().unwrap());
    }
    let metadata = builder.set_row_groups(groups).build();
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    bytes
}

fn shapes() -> impl Iterator<Item = Shape> {
    [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0].into_iter().flat_map(|version| {
        let of =
            move |dictionary| Shape { codec: Compression::SNAPPY, dictionary, version, rows_per_group: 100 };
        [false, true].map(of)
    })
}

#[test]
fn a_wrong_check_sum_takes_out_its_column_alone() {
    for shape in shapes() {
        let plain = write(&table(), shape);
        let sound = Told::whole(&with_crcs(&plain, |_, body| crc32fast::hash(body)));
        assert_eq!((sound.sorted(), sound.records.len(), sound.rows), (expected(), 5, 5), "{shape:?}");
        // The columns: id, blob, text, image.bytes, image.path, tags.list.item, hash.
        for (column, name) in
            [(1, "blob"), (3, "image.bytes"), (4, "image.path"), (5, "tags.list.item"), (6, "hash")]
        {
            let bytes = with_crcs(&plain, |of, body| crc32fast::hash(body) ^ u32::from(of == column));
            let mut left = expected();
            left.retain(|(of, ..)| *of != name);
            for told in [Told::of(&bytes), Told::sparse(&bytes), Told::whole(&bytes)] {
                assert_eq!(told.sorted(), left, "{shape:?} {name}");
                assert_eq!((told.records.len(), told.rows), (0, 5));
                let wrong = |(code, why): &&(Code, String)| {
                    *code == Code::Unreadable
                        && why.starts_with(&format!("row group 0, column `{name}`, page "))
                };
                assert!(told.faults.iter().any(|fault| wrong(&fault)), "{:?}", told.faults);
                let all = told.faults.iter().filter(|(code, _)| *code == Code::Unreadable);
                assert_eq!(all.count(), told.faults.iter().filter(wrong).count(), "{:?}", told.faults);
            }
        }
    }
}

/// What is wrong with the values shows only as they are decoded: the page is as its check sum says.
#[test]
fn a_column_that_cannot_be_decoded_leaves_the_others() {
    let plain = write(&table(), Shape { rows_per_group: 100, ..Shape::PLAIN });
    let group = footer(&plain).0.row_group(0).clone();
    for (column, name) in [(0, "id"), (1, "blob"), (2, "text"), (3, "image.bytes"), (5, "tags.list.item")] {
        let mut bytes = plain.clone();
        let (start, len) = group.column(column).byte_range();
        let (start, end) = (start as usize, (start + len) as usize);
        let (header, header_len) = page_header(&bytes[start..]).unwrap();
        assert_eq!(start + header_len + header.compressed as usize, end);
        // The length of the definition levels.
        bytes[start + header_len..][..4].fill(0x7f);
        let mut left = expected();
        left.retain(|(of, ..)| *of != name);
        let told = Told::whole(&bytes);
        assert_eq!((told.sorted(), told.records.len(), told.rows), (left, 0, 5), "{name}");
        let unreadable = told.faults.iter().filter(|(code, _)| *code == Code::Unreadable);
        let why: Vec<_> = unreadable.map(|(_, why)| why.as_str()).collect();
        let together =
            "row group 0: its columns cannot be decoded together, so its rows from number 0 on are not";
        assert!(why[0].starts_with(together), "{why:?}");
        assert!(why[1].starts_with(&format!("row group 0, column `{name}")), "{why:?}");
        assert_eq!(why.len(), 2, "{why:?}");
    }
}
