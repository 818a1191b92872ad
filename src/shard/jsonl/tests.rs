//! Lines of JSON in pieces of any size, sound and broken, beside what serde_json and a naive reader make of them.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use bytes::Bytes;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::rows::JsonRows;
use super::scan::Tape;
use crate::digest::rec1::{DOMAIN, Encoder, RAW_DOMAIN, key_order};
use crate::finding::Code;
use crate::shard::lines::Lines;
use crate::shard::table::told::{Told, feed, plan};
use crate::shard::{End, ItemId, Steps};

/// What is told of a text in pieces of this size.
fn told(text: &[u8], piece: usize, most: usize, sure: bool, end: End) -> Told {
    let mut out = Steps::new(&plan());
    let rows = JsonRows::new(ItemId::FILE, most, sure, &out);
    let reader = Box::new(Lines::new(ItemId::FILE, most, rows));
    feed(reader, text, piece, end, &mut out)
}

/// What is told of a text, whatever the size of the pieces.
fn read(text: &[u8]) -> Told {
    let whole = told(text, usize::MAX, 1 << 20, true, End::Complete);
    for piece in [1, 7] {
        assert_eq!(told(text, piece, 1 << 20, true, End::Complete), whole, "in pieces of {piece}");
    }
    whole
}

/// The record of one line of JSON, written without any of the reader's code.
fn record(line: &str) -> [u8; 32] {
    let mut encoder = Encoder::after(DOMAIN.to_vec());
    encode(&serde_json::from_str(line).unwrap(), &mut encoder);
    Sha256::digest(encoder.into_bytes()).into()
}

fn encode(value: &serde_json::Value, encoder: &mut Encoder) {
    match value {
        serde_json::Value::Null => encoder.null(),
        serde_json::Value::Bool(value) => encoder.bool(*value),
        serde_json::Value::Number(number) => match number.as_i128() {
            Some(value) => encoder.integer(value),
            None => encoder.float(number.as_f64().unwrap()),
        },
        serde_json::Value::String(text) => encoder.content(&Sha256::digest(text).into()),
        serde_json::Value::Array(values) => {
            encoder.array(values.len());
            values.iter().for_each(|value| encode(value, encoder));
        }
        serde_json::Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
            pairs.sort_by(|a, b| key_order(a.0, b.0));
            encoder.map(pairs.len());
            for (key, value) in pairs {
                encoder.key(key);
                encode(value, encoder);
            }
        }
    }
}

/// Texts of a value with the names of their columns.
fn texts(value: &serde_json::Value, name: &str, into: &mut Vec<(String, Vec<u8>)>) {
    let join = |below: &str| if name.is_empty() { below.to_string() } else { format!("{name}.{below}") };
    match value {
        serde_json::Value::String(text) => into.push((name.to_string(), text.clone().into_bytes())),
        serde_json::Value::Array(values) => {
            values.iter().for_each(|value| texts(value, &join("list.element"), into));
        }
        serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| texts(value, &join(key), into)),
        _ => {}
    }
}

fn raw(line: &[u8]) -> [u8; 32] {
    Sha256::digest([RAW_DOMAIN, line].concat()).into()
}

const LINES: &[&str] = &[
    r#"{"text":"plain and long enough to stand in its block","n":1}"#,
    r#" {"n" : -7 , "text":"with \"escapes\" \\ \/ \b\f\n\r\t \u00e9 \ud83d\ude00 of all kinds"} "#,
    r#"{"b":true,"a":[null,"x",["y",{"k":"z"}],{"k":"a text of more than twelve bytes"}],"":""}"#,
    r#"{"o":{"zz":["1","2"],"b":[{"t":"3"},{"t":"4","s":null},{"t":"5"}]},"e":{},"l":[]}"#,
    r#"{"i":12345678901234567890,"f":1.0,"g":1e5,"h":-0.0,"ü":"ö","x":null,"big":18446744073709551615}"#,
    r#"{}"#,
    "{\"nul\":\"\\u0000\",\"del\":\"\u{7f}\"}",
];

#[test]
fn rows_are_those_of_a_naive_reader() {
    let text = LINES.join("\r\n\n  \n");
    let told = read(text.as_bytes());
    assert_eq!(told.faults, []);
    assert_eq!(told.rows.len(), LINES.len());
    for (row, line) in LINES.iter().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            told.rows[row],
            (row as u64, Some(line.as_bytes().to_vec()), Some(record(line))),
            "{line}"
        );
        let mut expected = Vec::new();
        texts(&value, "", &mut expected);
        let mut cells: Vec<_> = told.cells.iter().filter(|cell| cell.1 == Some(row as u64)).collect();
        cells.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        let cells: Vec<_> = cells.into_iter().map(|(name, _, value)| (name.clone(), value.clone())).collect();
        assert_eq!(cells, expected, "{line}");
    }
}

#[test]
fn integers_are_exact_and_no_floats() {
    let told = read(b"{\"a\":9007199254740993}\n{\"a\":9007199254740992}\n{\"a\":1}\n{\"a\":1.0}\n{\"a\":-0}\n{\"a\":0}\n");
    let records: Vec<_> = told.rows.iter().map(|row| row.2.unwrap()).collect();
    assert_ne!(records[0], records[1]);
    assert_ne!(records[2], records[3]);
    assert_eq!(records[4], records[5]);
    let wide = format!("{{\"a\":1{}}}\n", "0".repeat(400));
    let told = read(wide.as_bytes());
    assert_eq!((told.faults.len(), told.rows.len()), (0, 1));
    let wider = format!("{{\"a\":1{}}}\n{{\"a\":1e999}}", "0".repeat(16_384));
    let told = read(wider.as_bytes());
    assert!(told.faults[0].2.contains("16,384 digits"), "{:?}", told.faults);
    assert_eq!((told.faults.len(), told.rows.len()), (1, 2));
}

#[test]
fn what_is_no_record_is_known_by_its_line() {
    for (line, why) in [
        (&b"{\"a\":\"\\ud800\"}"[..], "surrogate"),
        (b"{\"a\":\"\\udc00\\ud800\"}", "surrogate"),
        (b"{\"a\":\"\xff\"}", "UTF-8"),
        (b"{\"a\":1", "ends"),
        (b"{\"a\":1} x", "follows"),
        (b"{'a':1}", "key"),
        (b"{\"a\":NaN}", "no value"),
        (b"[1,\"a\"]", "no JSON object"),
        (b"\"text\"", "no JSON object"),
        (b"7", "no JSON object"),
        (b"\0", "no value"),
    ] {
        let text = [b"{\"a\":\"first\"}\n", line, b"\n{\"a\":\"last\"}"].concat();
        let told = read(&text);
        assert_eq!(told.faults.len(), 1, "{line:?}");
        let (code, offset, detail) = &told.faults[0];
        assert_eq!((*code, *offset), (Code::Unreadable, Some(14)));
        assert!(detail.starts_with("row 1 ") && detail.contains(why), "{detail}");
        let rows: Vec<_> = told.rows.iter().map(|row| row.2.unwrap()).collect();
        assert_eq!(rows, [record(r#"{"a":"first"}"#), raw(line), record(r#"{"a":"last"}"#)]);
    }
    let cells = read(b"[1,\"a\"]\n\"text\"\n").cells;
    let cell = |name: &str, row, value: &[u8]| (name.to_string(), Some(row), value.to_vec());
    assert_eq!(cells, [cell("list.element", 0, b"a"), cell("*", 1, b"text")]);
}

#[test]
fn a_name_that_stands_twice_leaves_no_identity_and_hides_nothing() {
    let told = read(b"{\"a\":\"1\"}\n{\"b\":{\"k\":\"2\",\"k\":\"3\",\"j\":\"4\"}}\n{\"a\":null,\"a\":\"5\"}\n{\"a\":\"6\",\"b\":{\"k\":\"7\"}}");
    let records: Vec<_> = told.rows.iter().map(|row| row.2).collect();
    let (first, last) = (record(r#"{"a":"1"}"#), record(r#"{"a":"6","b":{"k":"7"}}"#));
    assert_eq!(records, [Some(first), None, None, Some(last)]);
    let codes: Vec<_> = told.faults.iter().map(|fault| (fault.0, fault.1)).collect();
    assert_eq!(codes, [(Code::Unverifiable, Some(10)), (Code::Unverifiable, Some(42))]);
    let mut values: Vec<_> = told.cells.iter().map(|cell| cell.2.clone()).collect();
    values.sort();
    assert_eq!(values, [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]);
}

#[test]
fn depth_is_limited_as_in_serde_json() {
    for depth in [126, 127, 128, 200] {
        let line = format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        let sound = serde_json::from_str::<serde_json::Value>(&line).is_ok();
        assert_eq!(read(line.as_bytes()).faults.is_empty(), sound, "{depth}");
        assert_eq!(sound, depth <= 127);
    }
}

#[test]
fn a_mark_and_line_ends_belong_to_no_line() {
    let told = read(b"\xef\xbb\xbf{\"a\":\"1\"}\r\n\r\n\n \t\n{\"a\":\"2\"}");
    assert_eq!(told.faults, []);
    let lines: Vec<_> = told.rows.iter().map(|row| row.1.clone().unwrap()).collect();
    assert_eq!(lines, [b"{\"a\":\"1\"}", b"{\"a\":\"2\"}"]);
    assert_eq!(read(b"").rows, []);
    assert_eq!(read(b"\n\n").rows, []);
}

#[test]
fn a_line_over_the_limit_is_a_region() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(40));
    let text = format!("{{\"a\":1}}\n{long}\n{{\"a\":2}}\n{long}");
    for piece in [1, 7, 48, 49, 1000] {
        let told = told(text.as_bytes(), piece, long.len() - 1, true, End::Complete);
        let rows: Vec<_> = told.rows.iter().map(|row| row.0).collect();
        assert_eq!(rows, [0, 2], "in pieces of {piece}");
        assert_eq!(told.hidden, [(8, long.clone().into_bytes()), (8 + 49 + 8, long.clone().into_bytes())]);
        let faults: Vec<_> = told.faults.iter().map(|fault| (fault.0, fault.1)).collect();
        assert_eq!(faults, [(Code::Unreadable, Some(8)), (Code::Unreadable, Some(65))]);
    }
    assert_eq!(told(text.as_bytes(), 10, long.len(), true, End::Complete).rows.len(), 4);
}

#[test]
fn a_single_document_is_no_table() {
    let lines = |text: &[u8]| {
        let whole = told(text, usize::MAX, 100, false, End::Complete);
        assert_eq!(told(text, 1, 100, false, End::Complete), whole);
        assert_eq!((&whole.faults, &whole.hidden), (&Vec::new(), &Vec::new()));
        whole.rows.len()
    };
    assert_eq!(lines(b"{\"a\":1}\n{\"a\":2}\n"), 2);
    assert_eq!(lines(b"\n{\"a\":1}\n\n{}"), 2);
    for single in [
        &b"{\"a\":1}"[..],
        b"{\"a\":1}\n\n",
        b"{\n\"a\":1}\n",
        b"{\n{}\n{}",
        b"[1]\n{}\n{}",
        b"",
        &[b'{'; 500],
    ] {
        assert_eq!(lines(single), 0);
    }
    let broken = told(b"{}\n{\n", 1, 100, false, End::Complete);
    assert_eq!((broken.rows.len(), broken.faults.len()), (2, 1));
    let long = [b"{}\n".to_vec(), vec![b' '; 200]].concat();
    let long = told(&long, 7, 100, false, End::Complete);
    assert_eq!((long.rows.len(), long.faults.len()), (1, 1));
}

#[test]
fn rows_with_names_of_their_own_stay_within_bounds() {
    let wide: String = (0..10_000).map(|n| format!("\"k{n}\":\"v{n}\",")).collect();
    let wide = format!("{{{wide}\"last\":\"one\"}}\n");
    let many: String = (0..3000).map(|n| format!("{{\"n{n}\":\"v\"}}\n")).collect();
    let long = format!("{{\"{}\":{{\"a\":\"1\",\"b\":\"2\"}}}}\n", "k".repeat(2000));
    let told = told(format!("{wide}{many}{long}").as_bytes(), 1 << 16, 1 << 20, true, End::Complete);
    assert_eq!((told.faults.len(), told.rows.len(), told.cells.len()), (0, 3002, 10_001 + 3000 + 2));
    assert!(told.most_columns <= 4096, "{}", told.most_columns);
    let others = told.cells.iter().filter(|cell| cell.0 == "*" && cell.1 == Some(0)).count();
    assert!(others > 5000 && others < 8000, "{others}");
    assert_eq!(told.cells.iter().filter(|cell| cell.0 == "*" && cell.1 == Some(3001)).count(), 2);
    assert_eq!(told.rows[0].2, Some(record(wide.trim())));
    assert_eq!(told.rows[3001].2, Some(record(long.trim())));
}

#[test]
fn batches_are_small() {
    let text = "{\"a\":\"some text that is not inline\"}\n".repeat(5000);
    let told = told(text.as_bytes(), 1 << 16, 1 << 20, true, End::Complete);
    assert_eq!((told.rows.len(), told.batches), (5000, 5));
    assert_eq!(told.rows.last().unwrap().0, 4999);
}

#[test]
fn only_the_first_faults_are_told_one_by_one() {
    let told = told("{\n".repeat(150).as_bytes(), 7, 100, true, End::Complete);
    assert_eq!((told.rows.len(), told.faults.len()), (150, 101));
    assert!(told.faults[100].2.starts_with("50 more"));
}

#[test]
fn damage_at_every_byte_is_accounted_for() {
    let text = LINES[1..5].join("\n");
    for cut in 0..text.len() {
        let part = &text.as_bytes()[..cut];
        // A cut layer was told of: its last line is not told again.
        let cut = told(part, 7, 1 << 20, true, End::Truncated);
        assert_eq!(cut.faults, []);
        read(part);
    }
    for at in 0..text.len() {
        for xor in [0x01, 0x10, 0x80] {
            let mut flipped = text.clone().into_bytes();
            flipped[at] ^= xor;
            let told = read(&flipped);
            assert!((3..=5).contains(&told.rows.len()));
        }
    }
}

/// What this reader takes and serde_json refuses: numbers that no float holds.
fn is_beyond_floats(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("number out of range")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn the_scanner_takes_what_serde_json_takes(
        line in prop::sample::select(LINES),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(
            &b"\"\\{}[]:,0123456789eE+-.tfnu/ \t\r\x00\x1f\x7f\xc3\xa9d8"[..]), 0u8..3), 0..4),
    ) {
        let mut bytes = line.as_bytes().to_vec();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
            if bytes.is_empty() {
                bytes.push(byte);
            }
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
        let ours = Tape::default().scan(text);
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(_) => prop_assert!(ours.is_ok(), "{text}: {ours:?}"),
            Err(error) => prop_assert!(ours.is_err() || is_beyond_floats(&error), "{text}: {error}"),
        }
    }
}

#[test]
fn values_lie_in_the_pieces_that_were_fed() {
    let line = Bytes::from_static(b"{\"a\":\"a value that is too long for its view\"}\n");
    let mut out = Steps::new(&plan());
    let rows = JsonRows::new(ItemId::FILE, 1 << 20, true, &out);
    let mut reader: Box<dyn crate::shard::Reader> = Box::new(Lines::new(ItemId::FILE, 1 << 20, rows));
    reader.feed(line.clone(), &mut out);
    reader.finish(End::Complete, &mut out);
    let Some(crate::shard::Step::Batch(batch)) = out.pop() else { panic!("a batch comes first") };
    let values = Arc::clone(&batch.columns[0].values);
    let values = values.as_binary_view();
    assert_eq!((values.len(), values.value(0).as_ptr()), (1, line[6..].as_ptr()));
}
