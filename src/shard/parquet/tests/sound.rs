//! Files as writers make them.

use std::sync::Arc;

use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterVersion;

use super::super::thrift;
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
        let (header, header_len) = thrift::page_header(&bytes[start as usize..]).unwrap();
        let body = (start + header_len as u64, header.compressed as usize);
        assert_eq!(body.0 + body.1 as u64, start + chunk_len);
        wanted.extend([(start, 128.min(chunk_len as usize)), body]);
    }
    wanted.push((len, 65_536));
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
        assert_eq!(told.classes(RegionClass::Dead), [dead.start as u64..dead.end as u64]);
        assert_eq!(told.sorted(), expected());
    }
    let zeros = Told::of(&[&bytes[..at], &[0; 1000], &bytes[at..]].concat());
    assert_eq!(zeros.classes(RegionClass::ZeroPad), [at as u64..at as u64 + 1000]);
}
