//! Files of which no digest is asked: only what the rows need is read, and the same is told.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

use super::files::{Shape, footer, table, with_crc, write};
use super::{Recording, Told, plan};
use crate::digest::DigestSet;
use crate::plan::ShardPlan;
use crate::shard::open;
use crate::source::{Pool, Source};

/// Numbers, texts and numbers.
fn three_columns() -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..4000));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..4000).map(|row| format!("row {row}"))));
    let scores: ArrayRef = Arc::new(Float64Array::from_iter_values((0..4000).map(f64::from)));
    let table = RecordBatch::try_from_iter([("id", ids), ("text", texts), ("score", scores)]).unwrap();
    write(&table, Shape { rows_per_group: 4000, ..Shape::PLAIN })
}

#[test]
fn bodies_of_columns_that_nobody_wants_are_not_read() {
    let bytes = three_columns();
    let source = Arc::new(Recording::new(&bytes, usize::MAX, false));
    let only_rows = ShardPlan { file: DigestSet::EMPTY, ..plan() };
    let told = Told::with(Arc::clone(&source) as Arc<dyn Source>, only_rows);
    assert_eq!((told.cells.len(), told.rows), (4000, 4000));
    let (metadata, footer_at) = footer(&bytes);
    let (len, group) = (bytes.len() as u64, metadata.row_group(0));
    let ranges: Vec<_> = group.columns().iter().map(|column| column.byte_range()).collect();
    // What the file is, and its footer.
    let mut wanted = vec![(0, 512), (len - 8, 8), (footer_at as u64, bytes.len() - 8 - footer_at)];
    // The header of the first column's one page is in those 512 bytes.
    assert_eq!(ranges[0].0, 4);
    wanted.extend([(ranges[1].0, 256), (ranges[2].0, 256)]);
    for column in group.columns() {
        let index = (column.offset_index_offset().unwrap(), column.offset_index_length().unwrap());
        wanted.push((index.0 as u64, index.1 as usize));
    }
    let header = super::super::page_header::page_header(&bytes[ranges[1].0 as usize..]).unwrap().1;
    let body = ranges[1].0 + header as u64;
    wanted.extend([(ranges[1].0, 128), (body, ranges[1].1 as usize - header)]);
    wanted.push((len, 65_536));
    assert_eq!(*source.reads.lock().unwrap(), wanted);
    // Two columns of 32 kB are not among what was read.
    let read: usize = wanted[..wanted.len() - 1].iter().map(|(_, len)| len).sum();
    assert!(read < bytes.len() - 60_000, "{read} of {}", bytes.len());
}

#[test]
fn what_was_really_read_is_counted() {
    let bytes = three_columns();
    for (file, twice) in [(DigestSet::EMPTY, false), (plan().file, true)] {
        let source = Arc::new(Recording::new(&bytes, usize::MAX, false));
        let mut cursor =
            open(Arc::clone(&source) as Arc<dyn Source>, b"a.parquet", &ShardPlan { file, ..plan() });
        let mut pool = Pool::new();
        while !matches!(cursor.step(&mut pool), crate::shard::Step::Done) {}
        let reads = source.reads.lock().unwrap();
        let end = bytes.len() as u64;
        let read: u64 = reads.iter().map(|(at, len)| (*len as u64).min(end - at)).sum();
        assert_eq!(cursor.bytes_read(), read);
        assert_eq!(read > end, twice);
    }
}

#[test]
fn the_same_is_told_as_of_a_file_that_is_read_from_front_to_back() {
    let plain = write(&table(), Shape { dictionary: true, ..Shape::PLAIN });
    let at = footer(&plain).1;
    let hidden = [&plain[..at], &[0; 400][..], &[7; 600], &plain[at..]].concat();
    for bytes in [
        three_columns(),
        hidden,
        with_crc(crc32fast::hash),
        with_crc(|body| crc32fast::hash(body) ^ 1),
        b"PAR1 and nothing more".to_vec(),
        b"PARE\0\0\0\0PARE".to_vec(),
    ] {
        let full = Told::of(&bytes);
        let sparse = Told::sparse(&bytes);
        assert!(sparse == Told { file: Vec::new(), ..full }, "{:?}", sparse.faults);
    }
}

#[test]
fn damage_is_told_alike() {
    for bytes in [with_crc(crc32fast::hash), write(&table().project(&[1, 2, 4]).unwrap(), Shape::PLAIN)] {
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x81;
            let full = Told::of(&flipped);
            assert!(Told::sparse(&flipped) == Told { file: Vec::new(), ..full }, "byte {at}");
        }
    }
}
