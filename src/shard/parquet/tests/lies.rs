//! Footers and page headers that say what cannot be: told, and neither believed nor allocated for.

use super::Told;
use super::files::{footer, one_page, refooted};
use crate::finding::Code;
use crate::shard::RegionClass;

fn unreadable(told: &Told) -> Vec<&str> {
    told.faults.iter().filter(|(code, _)| *code == Code::Unreadable).map(|(_, why)| why.as_str()).collect()
}

fn before_footer() -> Vec<u8> {
    let bytes = one_page();
    let at = footer(&bytes).1;
    bytes[..at].to_vec()
}

#[test]
fn ranges_that_cannot_be_are_refused() {
    let file = one_page();
    let name = "row group 0, column `c`";
    let cannot = format!("{name}: its bytes are said to lie where they cannot");
    for (offset, len) in
        [(-1, 10), (4, -1), (0, 10), (4, i64::MAX), (i64::MAX, 1), (4, 100_000), (1 << 40, 10)]
    {
        let told = Told::of(&refooted(before_footer(), &file, |c| {
            c.set_data_page_offset(offset).set_total_compressed_size(len)
        }));
        assert_eq!(unreadable(&told), [cannot.as_str()], "{offset} {len}");
        assert_eq!(told.cells, []);
    }
    for (values, why) in [
        (-1, "it is said to have a negative number of values"),
        (3, "it is said to have 3 values for 2 rows"),
        (i64::MAX, "it is said to have 9223372036854775807 values for 2 rows"),
    ] {
        let told = Told::of(&refooted(before_footer(), &file, |c| c.set_num_values(values)));
        assert_eq!(unreadable(&told), [format!("{name}: {why}")]);
    }
    let told = Told::of(&refooted(before_footer(), &file, |c| {
        c.set_offset_index_offset(Some(-5))
            .set_bloom_filter_offset(Some(1 << 50))
            .set_bloom_filter_length(Some(-1))
    }));
    assert_eq!(unreadable(&told).len(), 2);
    assert_eq!(told.cells.len(), 2);
    let told = Told::of(&refooted(before_footer(), &file, |c| c.set_file_path("other.parquet".into())));
    assert_eq!(told.faults.len(), 1);
    assert_eq!(told.faults[0].0, Code::ExternalReference);
    assert_eq!(told.classes(RegionClass::Dead).len(), 1);
}

#[test]
fn sizes_of_pages_are_not_believed() {
    let number = |mut n: u32| {
        let mut bytes = vec![0x15];
        n <<= 1;
        while n >= 0x80 {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    };
    let encoded = |encoding: u8, uncompressed: u32, compressed: u32, body: &[u8]| {
        // Type 0; a data page header of two values in this encoding, levels by RLE.
        let rest = [0x2c, 0x15, 4, 0x15, encoding * 2, 0x15, 6, 0x15, 6, 0, 0];
        [&[0x15, 0][..], &number(uncompressed), &number(compressed), &rest, body].concat()
    };
    let page = |uncompressed: u32, compressed: u32, body: &[u8]| encoded(0, uncompressed, compressed, body);
    let body = [&[5, 0, 0, 0][..], b"first", &[6, 0, 0, 0], b"second"].concat();
    let file = one_page();
    let read = |page: Vec<u8>| {
        let len = page.len() as i64;
        Told::of(&refooted([b"PAR1", &page[..]].concat(), &file, |c| {
            c.set_total_compressed_size(len).set_offset_index_offset(None).set_offset_index_length(None)
        }))
    };
    let n = body.len() as u32;
    assert_eq!(read(page(n, n, &body)).cells.len(), 2);
    let started = std::time::Instant::now();
    for (uncompressed, compressed, why) in [
        (i32::MAX as u32, n, "it is over the limit of 256 MiB once decompressed"),
        (n, i32::MAX as u32, "it reaches over the end of its column chunk"),
        (n, n + 1, "it reaches over the end of its column chunk"),
    ] {
        let told = read(page(uncompressed, compressed, &body));
        assert_eq!(unreadable(&told), [format!("row group 0, column `c`, page 0: {why}")]);
        assert_eq!((told.cells.len(), told.classes(RegionClass::Opaque).len()), (0, 1));
    }
    // A page shorter than its chunk leaves bytes that are no page header.
    let told = read([page(n, n, &body), b"hidden".to_vec()].concat());
    assert_eq!(unreadable(&told).len(), 1);
    assert_eq!(told.classes(RegionClass::Opaque).len(), 1);
    // An index page is passed over by readers: what is in it is hidden.
    let index = [&[0x15, 2][..], &number(6), &number(6), &[0], b"hidden"].concat();
    let told = read([page(n, n, &body), index].concat());
    assert_eq!((unreadable(&told).len(), told.cells.len()), (0, 2));
    assert_eq!(told.classes(RegionClass::Dead).len(), 1);
    // A dictionary of nine bytes that is said to have eight million values.
    let words = [&[5, 0, 0, 0][..], b"first"].concat();
    let head = [&[0x15, 4][..], &number(9), &number(9), &[0x4c], &number(1 << 23), &[0x15, 0, 0, 0]];
    let told = read([head.concat(), words, encoded(8, 3, 3, &[1, 4, 0])].concat());
    let why = "a dictionary has more values than its bytes can hold";
    assert!(unreadable(&told)[0].ends_with(why), "{:?}", told.faults);
    // A thousand million lengths in twelve bytes, as the lengths of values and as those of their prefixes.
    let run = [0x80, 0x80, 0x80, 0x80, 8, 1, 0x80, 0x80, 0x80, 0x80, 4, 2];
    for encoding in [6, 7] {
        let told = read(encoded(encoding, 12, 12, &run));
        let why = "the lengths in a page are damaged or over the limit";
        assert!(unreadable(&told)[0].ends_with(why), "{:?}", told.faults);
    }
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn what_is_not_whole_is_told() {
    let told = Told::of(b"PAR1 and nothing more");
    assert_eq!(
        unreadable(&told),
        ["it begins as a Parquet file and does not end as one: it may be cut short"]
    );
    let told = Told::of(b"PAR1PAR1");
    assert_eq!(unreadable(&told), ["it is too short to be a Parquet file"]);
    for (len, why) in [
        (u32::MAX, "its footer is said to be longer than the file"),
        (4, "its footer is damaged: it ends too soon"),
    ] {
        let told = Told::of(&[b"PAR1\x19\xfc\xff\x7f", &len.to_le_bytes()[..], b"PAR1"].concat());
        assert_eq!(unreadable(&told), [why]);
    }
    let told = Told::of(b"PARE\0\0\0\0PARE");
    assert_eq!(told.faults[0].0, Code::Opaque);
    let told = Told::of(b"PAR1\0\0\0\0\0\0\0\0PARE");
    assert_eq!(told.faults[0].0, Code::Opaque);
}

/// A footer in which many row groups share one chunk, as in `42.parquet`.
#[test]
fn chunks_that_share_bytes_are_read_once() {
    let file = one_page();
    let at = footer(&file).1;
    let mut builder = footer(&file).0.into_builder();
    let group = builder.take_row_groups().remove(0);
    let builder = builder.set_row_groups(vec![group; 1000]);
    let mut bytes = file[..at].to_vec();
    parquet::file::metadata::ParquetMetaDataWriter::new(&mut bytes, &builder.build()).finish().unwrap();
    let told = Told::of(&bytes);
    assert_eq!(told.cells.len(), 2);
    // A hundred are told, the others counted.
    assert_eq!(unreadable(&told).len(), 101);
    assert!(unreadable(&told)[100].contains("more faults"), "{}", unreadable(&told)[100]);
}
