use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::source::decoder::tests::{Outcome, drive};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A member with a header of its own: flags and what follows the ten bytes.
fn member(flags: u8, rest: &[u8], data: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255], rest, &gzip(data)[10..]].concat()
}

fn decode(input: &[u8]) -> Outcome {
    let whole = drive(&mut Gzip::default(), input, input.len().max(1), 1 << 16);
    for (piece, room) in [(1, 1 << 16), (7, 5), (100, 1)] {
        let parts = drive(&mut Gzip::default(), input, piece, room);
        assert_eq!((&parts.regions, &parts.damages), (&whole.regions, &whole.damages), "{piece}, {room}");
        assert!(parts.output == whole.output, "output differs by pieces of {piece}, room for {room}");
    }
    whole
}

fn damages(outcome: &Outcome) -> Vec<(u64, bool, &str)> {
    outcome.damages.iter().map(|d| (d.at, d.cut, d.detail.as_str())).collect()
}

#[test]
fn members_continue_one_stream() {
    let (a, b) = (gzip(b"hello "), gzip(b"world"));
    let outcome = decode(&[&a[..], &b].concat());
    assert_eq!(outcome.output, b"hello world");
    assert_eq!(outcome.damages, []);
    let n = a.len();
    let end = n + b.len();
    assert_eq!(
        outcome.regions,
        [(Structure, 10), (Payload, n - 8), (Structure, n + 10), (Payload, end - 8), (Structure, end)]
    );
    let padded = decode(&[&a[..], &[0; 700], &b, &[0; 3]].concat());
    assert_eq!((padded.output.as_slice(), padded.damages.len()), (&b"hello world"[..], 0));
    assert_eq!(padded.regions[3], (ZeroPad, n + 700));
}

#[test]
fn what_headers_hide_is_dead() {
    let extra = [&14u16.to_le_bytes()[..], b"XX", &10u16.to_le_bytes(), b"HIDDENDATA"].concat();
    let input = member(FEXTRA | FNAME | FCOMMENT, &[&extra[..], b"name\0comment\0"].concat(), b"data");
    let outcome = decode(&input);
    assert_eq!((outcome.output.as_slice(), outcome.damages.len()), (&b"data"[..], 0));
    let end = input.len();
    assert_eq!(
        outcome.regions,
        [
            (Structure, 16),
            (Dead, 26),
            (Structure, 31),
            (Dead, 38),
            (Structure, 39),
            (Payload, end - 8),
            (Structure, end)
        ]
    );
    // Known subfields are not hidden, an empty comment neither; a subfield that overruns is.
    let known = decode(&member(FEXTRA | FCOMMENT, b"\x06\0BC\x02\0zz\0", b"data"));
    assert_eq!(known.regions[0], (Structure, 19));
    let overrun = decode(&member(FEXTRA, b"\x07\0BC\x09\0zzz", b"data"));
    assert_eq!(overrun.regions[..2], [(Structure, 16), (Dead, 19)]);
    let short = decode(&member(FEXTRA, b"\x03\0BCx", b"data"));
    assert_eq!(short.regions[..2], [(Structure, 12), (Dead, 15)]);
    let long = decode(&member(FNAME, &[&vec![b'n'; 5000][..], b"\0"].concat(), b"data"));
    assert_eq!(long.regions[..2], [(Structure, 10 + 4096), (Dead, 10 + 5000)]);
}

#[test]
fn the_header_has_a_check_sum_and_reserved_flags() {
    let plain = member(FHCRC, b"", b"data");
    let crc = (crc32fast::hash(&plain[..10]) & 0xffff) as u16;
    assert_eq!(decode(&member(FHCRC, &crc.to_le_bytes(), b"data")).damages, []);
    let wrong = decode(&member(FHCRC, &(crc ^ 1).to_le_bytes(), b"data"));
    assert_eq!(damages(&wrong), [(10, false, "the check sum of the gzip header is wrong")]);
    assert_eq!(wrong.output, b"data");
    let reserved = decode(&member(0x20, b"", b"data"));
    assert_eq!(reserved.damages.len(), 1);
    assert_eq!(reserved.regions, [(RegionClass::Opaque, reserved.regions[0].1)]);
}

#[test]
fn what_follows_is_trailing() {
    let a = gzip(b"hello");
    let n = a.len();
    for tail in [&b"HIDDENDATA"[..], b"\x1f\x8b\x08\xff", b"\x1f\x8b\x07\0\0\0\0\0\0\0\0\0"] {
        let outcome = decode(&[&a[..], tail].concat());
        assert_eq!(outcome.regions[3..], [(Trailing, n + tail.len())]);
        assert_eq!(outcome.damages, []);
    }
    let zeros = decode(&[&a[..], &[0; 9], b"x"].concat());
    assert_eq!(zeros.regions[3..], [(ZeroPad, n + 9), (Trailing, n + 10)]);
    let begun = decode(&[&a[..], b"\x1f"].concat());
    assert_eq!(damages(&begun), [(n as u64 + 1, true, "a gzip header is cut short")]);
}

#[test]
fn wrong_sums_are_told_and_reading_goes_on() {
    let mut a = gzip(b"hello ");
    let n = a.len();
    a[n - 8] ^= 1;
    let b = gzip(b"world");
    let crc = decode(&[&a[..], &b].concat());
    assert_eq!(damages(&crc), [(n as u64 - 8, false, "the CRC-32 of a gzip member is wrong")]);
    assert_eq!(crc.output, b"hello world");
    a[n - 8] ^= 1;
    a[n - 1] ^= 1;
    assert_eq!(damages(&decode(&a)), [(n as u64 - 4, false, "the length of a gzip member is wrong")]);
}

#[test]
fn a_bomb_comes_out_in_pieces() {
    let input = gzip(&vec![0; 10_000_000]);
    assert!(input.len() < 20_000);
    let outcome = drive(&mut Gzip::default(), &input, input.len(), 1 << 16);
    assert_eq!(outcome.output.len(), 10_000_000);
}

#[test]
fn every_truncation_is_told() {
    let input = [member(FNAME, b"n\0", b"hello, hello, hello"), gzip(b"world")].concat();
    for len in 0..input.len() {
        let told = !decode(&input[..len]).damages.is_empty();
        // Between members nothing is missing that could be known of.
        assert_eq!(told, len != input.len() - gzip(b"world").len(), "{len}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_accounted_for(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), flags in 0u8..32) {
        decode(&bytes);
        bytes.splice(0..0, [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0]);
        let len = bytes.len();
        let whole = drive(&mut Gzip::default(), &bytes, len, 1 << 16);
        let parts = drive(&mut Gzip::default(), &bytes, 3, 1 << 16);
        prop_assert_eq!(whole.output, parts.output);
    }
}
