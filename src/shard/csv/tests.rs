//! Delimited text in pieces of any size, sound and broken.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::header::HeaderRule;
use super::rows::CsvRows;
use super::sniff::Sniffer;
use super::walk::Walker;
use crate::digest::rec1::{DOMAIN, Encoder, RAW_DOMAIN, key_order};
use crate::finding::Code;
use crate::shard::table::told::{Told, feed, plan};
use crate::shard::{End, ItemId, Steps};

const MOST: usize = 1 << 20;

fn told(text: &[u8], piece: usize, most: usize, end: End) -> Told {
    let mut out = Steps::new(&plan());
    let rows = CsvRows::new(ItemId::FILE, most, HeaderRule::Auto, &out);
    let walker = Walker::new(ItemId::FILE, most, Sniffer::new(None), rows);
    feed(Box::new(walker), text, piece, end, &mut out)
}

/// What is told of a text, whatever the size of the pieces.
fn read(text: &[u8]) -> Told {
    let whole = told(text, usize::MAX, MOST, End::Complete);
    for piece in [1, 7] {
        assert_eq!(told(text, piece, MOST, End::Complete), whole, "in pieces of {piece}");
    }
    whole
}

/// The record of these fields.
fn record(fields: &[(&str, &str)]) -> Option<[u8; 32]> {
    let mut fields = fields.to_vec();
    fields.sort_by(|a, b| key_order(a.0, b.0));
    let mut encoder = Encoder::after(DOMAIN.to_vec());
    encoder.map(fields.len());
    for (name, value) in fields {
        encoder.key(name);
        encoder.content(&Sha256::digest(value).into());
    }
    Some(Sha256::digest(encoder.into_bytes()).into())
}

fn records(told: &Told) -> Vec<Option<[u8; 32]>> {
    told.rows.iter().map(|row| row.2).collect()
}

fn cells(told: &Told) -> Vec<(&str, Option<u64>, &str)> {
    told.cells.iter().map(|(name, row, value)| (&**name, *row, std::str::from_utf8(value).unwrap())).collect()
}

#[test]
fn a_header_names_the_columns_and_is_told_as_values() {
    let told = read(b"\xef\xbb\xbflong name,b\r\n\"two\nlines, \"\"quoted\"\"\",\r\n\r\n,\"\"\r\nlast,x");
    assert_eq!((&told.faults, &told.hidden), (&Vec::new(), &Vec::new()));
    let quoted = "two\nlines, \"quoted\"";
    assert_eq!(
        records(&told),
        [
            record(&[("long name", quoted)]),
            record(&[("b", "")]),
            record(&[("b", "x"), ("long name", "last")])
        ]
    );
    assert!(told.rows.iter().all(|row| row.1.is_none()));
    assert_eq!(
        cells(&told),
        [
            ("long name", None, "long name"),
            ("b", None, "b"),
            ("long name", Some(0), quoted),
            ("long name", Some(2), "last"),
            ("b", Some(1), ""),
            ("b", Some(2), "x"),
        ]
    );
}

#[test]
fn without_a_header_columns_are_counted() {
    let told = read(b"http://x/1.jpg\ta caption without any\nhttp://x/2.jpg\tanother\n");
    assert_eq!(told.faults, []);
    assert_eq!(
        records(&told),
        [
            record(&[("0", "http://x/1.jpg"), ("1", "a caption without any")]),
            record(&[("0", "http://x/2.jpg"), ("1", "another")]),
        ]
    );
    assert_eq!(read(b"a,,b\n").rows.len(), 1);
    assert_eq!(read(b"a,b\n").rows.len(), 0);
    assert_eq!(read(b"").rows.len(), 0);
    let twelve = read(b"1,2,3,4,5,6,7,8,9,10,11,12\n");
    assert_eq!(cells(&twelve).last(), Some(&("11", Some(0), "12")));
}

#[test]
fn ragged_rows_are_told_once() {
    let told = read(b"a,b\n1,2\n3\n4,5,6\n7,8\n");
    let faults = [(
        Code::Unreadable,
        Some(8),
        "2 rows have another number of fields than the header, the first of them row 1".to_string(),
    )];
    assert_eq!(told.faults, faults);
    assert_eq!(
        records(&told),
        [
            record(&[("a", "1"), ("b", "2")]),
            record(&[("a", "3")]),
            record(&[("a", "4"), ("b", "5"), ("2", "6")]),
            record(&[("a", "7"), ("b", "8")]),
        ]
    );
}

#[test]
fn a_name_that_stands_twice_leaves_no_identity_and_hides_nothing() {
    let told = read(b"a,b,a\n1,2,3\n");
    assert_eq!((told.faults.len(), told.faults[0].0), (1, Code::Unverifiable));
    assert_eq!(records(&told), [None]);
    let values: Vec<_> = cells(&told).iter().map(|cell| cell.2).collect();
    assert_eq!(values, ["a", "b", "a", "1", "3", "2"]);
}

#[test]
fn an_open_quote_is_told() {
    let told = read(b"a,b\n1,2\n3,\"4\n5,6\n");
    assert_eq!((told.faults.len(), told.faults[0].0, told.faults[0].1), (1, Code::Unreadable, Some(8)));
    let raw = Sha256::digest([RAW_DOMAIN, b"3,\"4\n5,6\n"].concat()).into();
    assert_eq!(records(&told), [record(&[("a", "1"), ("b", "2")]), Some(raw)]);
    assert!(cells(&told).contains(&("b", Some(1), "4\n5,6\n")));
    // Of a layer that was cut it was told already; what is left of the row is no row.
    let cut = super::tests::told(b"a,b\n1,2\n3,4", 3, MOST, End::Truncated);
    assert_eq!(cut.faults, []);
    assert_eq!(records(&cut)[1], Some(Sha256::digest([RAW_DOMAIN, b"3,4"].concat()).into()));
}

#[test]
fn bytes_of_any_encoding_are_values() {
    let told = read(b"a,b\n\xff\0,x\n");
    assert_eq!(told.faults, []);
    assert_eq!(told.cells[2], ("a".to_string(), Some(0), b"\xff\0".to_vec()));
}

#[test]
fn a_record_over_the_limit_is_a_region() {
    let long = format!("\"{}\",y", "x".repeat(40));
    let text = format!("a,b\n1,2\n{long}\n3,4\n{long}");
    for piece in [1, 7, 44, 45, 1000] {
        let told = told(text.as_bytes(), piece, long.len() - 1, End::Complete);
        assert_eq!(told.rows.iter().map(|row| row.0).collect::<Vec<_>>(), [0, 2], "in pieces of {piece}");
        let hidden = |at| (at, long.clone().into_bytes());
        assert_eq!(told.hidden, [hidden(8), hidden(8 + 45 + 4)]);
        let faults: Vec<_> = told.faults.iter().map(|fault| (fault.0, fault.1)).collect();
        assert_eq!(faults, [(Code::Unreadable, Some(8)), (Code::Unreadable, Some(57))]);
    }
    assert_eq!(told(text.as_bytes(), 10, long.len(), End::Complete).rows.len(), 4);
    let fields = format!("a\n{}\n1\n", ",".repeat(70_000));
    for piece in [1000, 1 << 20] {
        let told = told(fields.as_bytes(), piece, MOST, End::Complete);
        assert_eq!((told.rows.len(), told.faults.len(), told.hidden.len()), (1, 1, 1));
        assert_eq!(told.hidden[0].1.len(), 70_000);
    }
}

#[test]
fn values_may_lie_anywhere_in_large_pieces() {
    let line = |n: usize| {
        format!("{n},a value that is too long for its view {n},\"quoted, and also rather long {n}\"\n")
    };
    let text = format!("id,value,quoted\n{}", (0..5000).map(line).collect::<String>());
    let told = told(text.as_bytes(), 1 << 16, MOST, End::Complete);
    assert_eq!((told.rows.len(), told.batches, told.faults.len()), (5000, 6, 0));
    let of = |name: &str, row: u64| {
        cells(&told).into_iter().find(|c| c.0 == name && c.1 == Some(row)).unwrap().2.to_string()
    };
    for row in [0, 1023, 1024, 2500, 4999] {
        assert_eq!(of("value", row), format!("a value that is too long for its view {row}"));
        assert_eq!(of("quoted", row), format!("quoted, and also rather long {row}"));
    }
}

#[test]
fn damage_at_every_byte_is_accounted_for() {
    let text = b"\xef\xbb\xbfid;text\r\n1;\"a \"\"b\"\" c\"\r\n\r\n2;\"d\ne\"\n;\n3;f";
    for cut in 0..text.len() {
        read(&text[..cut]);
        told(&text[..cut], 3, MOST, End::Damaged);
        told(&text[..cut], 3, 6, End::Complete);
    }
    for at in 0..text.len() {
        for xor in [0x01, 0x10, 0x80] {
            let mut flipped = text.to_vec();
            flipped[at] ^= xor;
            read(&flipped);
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_told_alike_in_pieces_of_any_size(
        text in "[ab1,;\"\n\r\u{feff}]{0,40}",
        piece in 1usize..20,
        most in 3usize..30,
    ) {
        let whole = told(text.as_bytes(), usize::MAX, most, End::Complete);
        prop_assert_eq!(told(text.as_bytes(), piece, most, End::Complete), whole);
    }
}
