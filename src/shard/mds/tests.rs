//! Shards in pieces of any size, sound, cut and damaged.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::walk::Walk;
use super::{Mds, header_len};
use crate::digest::rec1::{DOMAIN, Encoder, RAW_DOMAIN, tag};
use crate::finding::Code;
use crate::shard::table::told::{Told, feed, plan};
use crate::shard::{End, Format, ItemId, Steps};

/// Name, encoding and size of a column.
type Column = (&'static str, &'static str, Option<usize>);

fn config(columns: &[Column]) -> Vec<u8> {
    let each = |of: fn(&Column) -> serde_json::Value| columns.iter().map(of).collect::<Vec<_>>();
    serde_json::json!({
        "column_encodings": each(|column| column.1.into()),
        "column_names": each(|column| column.0.into()),
        "column_sizes": each(|column| column.2.into()),
        "compression": null, "format": "mds", "hashes": [], "size_limit": 67108864, "version": 2,
    })
    .to_string()
    .into_bytes()
}

fn sample(columns: &[Column], values: &[&[u8]]) -> Vec<u8> {
    let sizes = columns.iter().zip(values).filter(|(column, _)| column.2.is_none());
    let sizes = sizes.flat_map(|(_, value)| (value.len() as u32).to_le_bytes());
    sizes.chain(values.concat()).collect()
}

fn joined(config: &[u8], samples: &[Vec<u8>]) -> Vec<u8> {
    let mut at = header_len(samples.len() as u32) as u32 + config.len() as u32;
    let mut shard = (samples.len() as u32).to_le_bytes().to_vec();
    shard.extend(at.to_le_bytes());
    for sample in samples {
        at += sample.len() as u32;
        shard.extend(at.to_le_bytes());
    }
    [shard, config.to_vec(), samples.concat()].concat()
}

fn shard(columns: &[Column], rows: &[&[&[u8]]]) -> Vec<u8> {
    let samples: Vec<_> = rows.iter().map(|row| sample(columns, row)).collect();
    joined(&config(columns), &samples)
}

fn told(shard: &[u8], piece: usize) -> Told {
    limited(shard, piece, 100, 1000)
}

fn limited(shard: &[u8], piece: usize, most_samples: u32, most: usize) -> Told {
    let mut out = Steps::new(&plan());
    let walk = Walk::new(ItemId::FILE).with_limits(most_samples, most);
    feed(Box::new(walk), shard, piece, End::Complete, &mut out)
}

/// What is told of a shard, whatever the size of the pieces.
fn read(shard: &[u8]) -> Told {
    let whole = told(shard, usize::MAX);
    for piece in [1, 3, 50] {
        assert_eq!(told(shard, piece), whole, "in pieces of {piece}");
    }
    whole
}

fn content(encoder: &mut Encoder, value: &[u8]) {
    encoder.content(&Sha256::digest(value).into());
}

fn record(write: impl FnOnce(&mut Encoder)) -> Option<[u8; 32]> {
    let mut encoder = Encoder::after(DOMAIN.to_vec());
    write(&mut encoder);
    Some(Sha256::digest(encoder.into_bytes()).into())
}

const SMALL: &[Column] = &[("id", "int", Some(8)), ("img", "jpeg", None), ("text", "str", None)];

fn small() -> Vec<u8> {
    let rows: &[&[&[u8]]] = &[
        &[&7i64.to_le_bytes(), b"\xff\xd8 a picture of some length", "naïve".as_bytes()],
        &[&(-1i64).to_le_bytes(), b"", b""],
        &[&0i64.to_le_bytes(), b"\0", b"a text that is longer than a view"],
    ];
    shard(SMALL, rows)
}

#[test]
fn samples_are_rows() {
    let shard = small();
    assert!(Mds.recognises(b"s.mds", &shard) && !Mds.recognises(b"s.bin", &shard));
    let told = read(&shard);
    assert_eq!((&told.faults[..], &told.hidden[..], told.batches), (&[][..], &[][..], 1));
    let row = |id: i128, img: &[u8], text: &[u8]| {
        record(|e| {
            e.map(3);
            e.key("id");
            e.integer(id);
            e.key("img");
            content(e, img);
            e.key("text");
            content(e, text);
        })
    };
    let expected = [
        (0, None, row(7, b"\xff\xd8 a picture of some length", "naïve".as_bytes())),
        (1, None, row(-1, b"", b"")),
        (2, None, row(0, b"\0", b"a text that is longer than a view")),
    ];
    assert_eq!(told.rows, expected);
    let cells: Vec<_> = told.cells.iter().map(|cell| (cell.0.as_str(), cell.1, &cell.2[..])).collect();
    assert_eq!(
        cells[..3],
        [
            ("img", Some(0), &b"\xff\xd8 a picture of some length"[..]),
            ("img", Some(1), b""),
            ("img", Some(2), b"\0"),
        ]
    );
    assert_eq!(cells[5], ("text", Some(2), &b"a text that is longer than a view"[..]));
    assert_eq!(read(&super::tests::shard(SMALL, &[])).rows, []);
}

#[test]
fn every_encoding_is_a_value() {
    let list = |zeros: usize, parts: &[&[u8]]| {
        let lens = parts.iter().flat_map(|part| (part.len() as u32).to_le_bytes()).collect::<Vec<_>>();
        [&vec![0; zeros][..], &(parts.len() as u32).to_le_bytes(), &lens, &parts.concat()].concat()
    };
    type Written = fn(&mut Encoder);
    let all: &[(&'static str, Option<usize>, Vec<u8>, Written)] = &[
        ("pkl", None, b"\x80\x04.".to_vec(), |e| content(e, b"\x80\x04.")),
        ("pil", None, b"raw".to_vec(), |e| content(e, b"raw")),
        ("uint16", Some(2), vec![0xff, 0xff], |e| e.integer(65535)),
        ("float64", Some(8), 0.1f64.to_le_bytes().to_vec(), |e| e.float(0.1)),
        ("str_int", None, b"-12".to_vec(), |e| e.integer(-12)),
        ("str_float", None, b"1e-05".to_vec(), |e| e.float(1e-5)),
        ("str_decimal", None, b"1.50".to_vec(), |e| {
            e.tag(tag::DECIMAL);
            e.array(2);
            e.integer(15);
            e.integer(1);
        }),
        ("json", None, br#"{"b": [1, null, "x"], "a": null}"#.to_vec(), |e| {
            e.map(1);
            e.key("b");
            e.array(3);
            e.integer(1);
            e.null();
            content(e, b"x");
        }),
        ("ndarray:uint8:2", Some(2), vec![1, 2], |e| {
            e.array(2);
            e.integer(1);
            e.integer(2);
        }),
        ("list[png]", None, list(4, &[b"one", b"", b"three"]), |e| {
            e.array(3);
            content(e, b"one");
            content(e, b"");
            content(e, b"three");
        }),
        ("list[pil]", None, list(4, &[]), |e| e.array(0)),
        ("jpeg_array", None, list(0, &[b"one"]), |e| {
            e.array(1);
            content(e, b"one");
        }),
    ];
    for (encoding, size, value, written) in all {
        let columns = [("b", *encoding, *size), ("a", "int8", Some(1))];
        let told = read(&shard(&columns, &[&[value, &[5]], &[value, &[6]]]));
        assert_eq!((&told.faults[..], &told.hidden[..]), (&[][..], &[][..]), "{encoding}");
        let row = |a: i128| {
            record(|e| {
                e.map(2);
                e.key("a");
                e.integer(a);
                e.key("b");
                written(e);
            })
        };
        assert_eq!(told.rows, [(0, None, row(5)), (1, None, row(6))], "{encoding}");
    }
}

#[test]
fn a_json_null_is_no_value() {
    let told = read(&shard(&[("a", "json", None), ("b", "int8", Some(1))], &[&[b" null ", &[5]]]));
    let row = record(|e| {
        e.map(1);
        e.key("b");
        e.integer(5);
    });
    assert_eq!((&told.faults[..], &told.rows[..]), (&[][..], &[(0, None, row)][..]));
}

#[test]
fn what_is_not_known_is_bytes_and_said() {
    let told = read(&shard(&[("a", "video", None)], &[&[b"moving"]]));
    assert_eq!(told.cells, [("a".to_string(), Some(0), b"moving".to_vec())]);
    let row = record(|e| {
        e.map(1);
        e.key("a");
        content(e, b"moving");
    });
    assert_eq!(told.rows, [(0, None, row)]);
    assert_eq!(told.faults.len(), 1);
    assert_eq!(told.faults[0].0, Code::Opaque);
    assert!(told.faults[0].2.contains("`video`"), "{}", told.faults[0].2);
}

#[test]
fn broken_values_leave_their_row_to_its_bytes() {
    for (encoding, size, value) in [
        ("str", None, &b"\xff"[..]),
        ("int", None, b"1234"),
        ("str_int", None, b"1x"),
        ("str_float", None, b"1x"),
        ("str_decimal", None, b"1x"),
        ("json", None, b"{"),
        ("json", None, b"\xff"),
        ("ndarray", None, b"\x08"),
        ("list[jpeg]", None, b"\0\0\0\0\xff\0\0\0"),
        ("jpeg_array", None, b"\0\0\0\0"),
    ] {
        let columns = [("a", encoding, size), ("t", "str", None)];
        let told = read(&shard(&columns, &[&[value, b"x"], &[value, b"y"]]));
        let raw = |text: &[u8]| {
            let bytes = sample(&columns, &[value, text]);
            Some(Sha256::digest([RAW_DOMAIN, &bytes].concat()).into())
        };
        assert_eq!(told.rows, [(0, None, raw(b"x")), (1, None, raw(b"y"))], "{encoding}");
        let codes: Vec<_> = told.faults.iter().map(|fault| fault.0).collect();
        assert_eq!(codes, [Code::Unreadable; 2], "{encoding}");
        let a = ("a".to_string(), Some(0), value.to_vec());
        let t = ("t".to_string(), Some(1), b"y".to_vec());
        assert!(told.cells.contains(&a) && told.cells.contains(&t), "{encoding}: its bytes are cells");
    }
}

#[test]
fn values_and_names_without_identity_refuse_their_row() {
    for (encoding, value) in [("str_decimal", &b"NaN"[..]), ("json", br#"{"a":1,"a":2}"#)] {
        let told = read(&shard(&[("a", encoding, None)], &[&[value]]));
        assert_eq!(told.rows, [(0, None, None)]);
        assert_eq!((told.faults.len(), told.faults[0].0), (1, Code::Unverifiable), "{encoding}");
    }
    let told = read(&shard(&[("a", "str", None), ("a", "str", None)], &[&[b"x", b"y"], &[b"x", b"z"]]));
    assert_eq!(told.rows, [(0, None, None), (1, None, None)]);
    assert_eq!((told.faults.len(), told.faults[0].0), (1, Code::Unverifiable));
    assert_eq!(told.cells.len(), 4);
}

#[test]
fn bytes_that_no_reader_shows_are_hidden() {
    let columns = [("a", "list[jpeg]", None), ("t", "str", None)];
    // After the parts of a list, after the values of a sample, after the last sample, after the description.
    let list = b"\0\0\0\0\x01\0\0\0\x01\0\0\0xinside a list";
    let mut first = sample(&columns, &[list, b"t"]);
    first.extend(b"inside a sample");
    let described = [config(&columns), b" inside the description".to_vec()].concat();
    let mut shard = joined(&described, &[first, sample(&columns, &[&list[..8 + 4 + 1], b"u"])]);
    shard.extend(b"at the end");
    let told = read(&shard);
    assert_eq!(told.faults, []);
    assert_eq!(told.rows.len(), 2);
    let hidden: Vec<_> = told.hidden.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    let expected: [&[u8]; 4] =
        [b" inside the description", b"inside a list", b"inside a sample", b"at the end"];
    assert_eq!(hidden, expected);
}

#[test]
fn wrong_offsets_cost_the_samples_beside_them() {
    let whole = small();
    let rows = read(&whole).rows;
    for wrong in [0u32, 3, u32::MAX, whole.len() as u32 + 1] {
        // The offset between the first and the second sample.
        let mut shard = whole.clone();
        shard[8..12].copy_from_slice(&wrong.to_le_bytes());
        let told = read(&shard);
        assert!(told.faults.iter().all(|fault| fault.0 == Code::Unreadable), "{:?}", told.faults);
        assert_eq!(told.rows, rows[2..], "{wrong}");
        assert!(told.faults.iter().any(|fault| fault.2.contains("contradict")));
        assert_eq!(told.hidden.len(), 1);
    }
    let mut shard = whole.clone();
    shard[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    let told = read(&shard);
    assert_eq!(told.rows, rows[..2]);
    assert!(told.faults[1].2.contains("1 of 3 samples"), "{:?}", told.faults);
}

#[test]
fn limits_are_said() {
    let whole = small();
    let told = limited(&whole, 50, 2, 1000);
    assert_eq!((told.rows.len(), told.faults.len(), told.hidden.len()), (0, 1, 1));
    assert!(told.faults[0].2.contains("has 3 samples"), "{:?}", told.faults);
    let told = limited(&whole, 50, 3, 40);
    assert_eq!((told.rows.len(), told.faults.len(), told.hidden.len()), (1, 2, 2));
    assert_eq!(told.rows, read(&whole).rows[1..2]);
    assert!(told.faults[0].2.contains("longer than 40 bytes"), "{:?}", told.faults);
}

#[test]
fn a_description_that_cannot_be_read_hides_nothing() {
    for bad in [&b"{}"[..], b"{\"format\":\"mds\"", &config(&[]), b"\0\0"] {
        let told = read(&joined(bad, &[b"something".to_vec()]));
        assert_eq!((told.rows.len(), told.faults.len()), (0, 1));
        assert_eq!(told.hidden, [(12, [bad, b"something"].concat())]);
    }
}

#[test]
fn a_shard_that_is_cut_is_never_whole() {
    let whole = small();
    let rows = read(&whole).rows;
    for cut in 0..whole.len() {
        let told = read(&whole[..cut]);
        assert_eq!(told.faults.len(), 1, "cut to {cut}");
        assert!(told.rows.len() < 3 && rows.starts_with(&told.rows), "cut to {cut}");
    }
}

#[test]
fn a_flipped_bit_is_never_passed_over() {
    let whole = small();
    let sound = read(&whole);
    let description = header_len(3) as usize..header_len(3) as usize + config(SMALL).len();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            let told = told(&flipped, usize::MAX);
            // Much of the description says nothing about the samples.
            assert!(told != sound || description.contains(&at), "byte {at} bit {bit}");
            let known = !Mds.recognises(b"s.mds", &flipped) || told.rows.len() == 3;
            let said = !told.faults.is_empty();
            assert!(known || said, "byte {at} bit {bit}: rows are gone in silence");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_accounted_for(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        piece in 1usize..200,
    ) {
        let mut shard = small();
        for (at, byte) in changes {
            let at = at.index(shard.len());
            shard[at] = byte;
        }
        prop_assert_eq!(told(&shard, piece), told(&shard, usize::MAX));
    }
}
