use std::io::Write;

use ::bzip2::Compression;
use ::bzip2::write::BzEncoder;
use proptest::prelude::*;

use super::*;
use crate::source::decoder::tests::{Outcome, drive};

fn bzip2(data: &[u8]) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn decode(input: &[u8]) -> Outcome {
    let whole = drive(&mut Bzip2::default(), input, input.len().max(1), 1 << 16);
    for (piece, room) in [(1, 1 << 16), (7, 5), (100, 1)] {
        let parts = drive(&mut Bzip2::default(), input, piece, room);
        assert_eq!((&parts.regions, &parts.damages), (&whole.regions, &whole.damages), "{piece}, {room}");
        assert!(parts.output == whole.output, "output differs by pieces of {piece}, room for {room}");
    }
    whole
}

fn damages(outcome: &Outcome) -> Vec<(u64, bool, &str)> {
    outcome.damages.iter().map(|d| (d.at, d.cut, d.detail.as_str())).collect()
}

/// Bytes that compress, but not to nothing.
fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * i / 7 % 251) as u8).collect()
}

#[test]
fn streams_continue_one_stream() {
    let (a, b, none) = (bzip2(b"hello "), bzip2(b"world"), bzip2(b""));
    assert_eq!(none.len(), 14);
    let outcome = decode(&[&a[..], &none, &b].concat());
    assert_eq!((outcome.output.as_slice(), outcome.damages.len()), (&b"hello world"[..], 0));
    assert_eq!(outcome.regions, [(Payload, a.len() + 14 + b.len())]);
    let padded = decode(&[&a[..], &[0; 700], &b, &[0; 3]].concat());
    assert_eq!((padded.output.as_slice(), padded.damages.len()), (&b"hello world"[..], 0));
    let (n, end) = (a.len(), a.len() + 700 + b.len());
    assert_eq!(padded.regions, [(Payload, n), (ZeroPad, n + 700), (Payload, end), (ZeroPad, end + 3)]);
    // Blocks of 100,000 bytes: more than one.
    let data = sample(250_000);
    let outcome = drive(&mut Bzip2::default(), &bzip2(&data), 1000, 1 << 16);
    assert!(outcome.output == data && outcome.damages.is_empty());
}

#[test]
fn what_follows_is_trailing() {
    let a = bzip2(b"hello");
    let n = a.len();
    for tail in [&b"HIDDENDATA"[..], b"BZh0", b"BZh9 is how a text may begin", b"BZh91AY&SZ"] {
        let outcome = decode(&[&a[..], tail].concat());
        assert_eq!(outcome.regions, [(Payload, n), (Trailing, n + tail.len())]);
        assert_eq!(outcome.damages, []);
    }
    let zeros = decode(&[&a[..], &[0; 9], b"x"].concat());
    assert_eq!(zeros.regions[1..], [(ZeroPad, n + 9), (Trailing, n + 10)]);
    let begun = decode(&[&a[..], b"BZh"].concat());
    assert_eq!(damages(&begun), [(n as u64 + 3, true, "the beginning of a bzip2 stream is cut short")]);
    let no = decode(b"BZip");
    assert_eq!(no.regions, [(RegionClass::Opaque, 4)]);
    assert_eq!(damages(&no), [(0, false, "there is no bzip2 stream")]);
}

#[test]
fn wrong_sums_are_told() {
    let told = "the bzip2 data is damaged, or a check sum in it is wrong";
    let (a, b) = (bzip2(b"hello "), bzip2(b"world"));
    // The check sum of the first block stands after its magic number.
    let mut block = a.clone();
    block[BEGINNING] ^= 1;
    let outcome = decode(&block);
    assert_eq!(outcome.output, b"hello ");
    assert_eq!(outcome.damages.iter().map(|d| d.detail.as_str()).collect::<Vec<_>>(), [told]);
    // That of the stream ends within its last two bytes; the next stream cannot be reached.
    let n = a.len();
    let mut stream = [&a[..], &b].concat();
    stream[n - 2] ^= 0x10;
    let outcome = decode(&stream);
    assert_eq!(outcome.output, b"hello ");
    assert_eq!(damages(&outcome), [(n as u64, false, told)]);
    assert_eq!(outcome.regions, [(Payload, n), (RegionClass::Opaque, n + b.len())]);
}

#[test]
fn a_bomb_comes_out_in_pieces() {
    let input = bzip2(&vec![0; 10_000_000]);
    assert!(input.len() < 20_000);
    let mut decoder = Bzip2::default();
    let outcome = drive(&mut decoder, &input, input.len(), 1 << 16);
    assert_eq!(outcome.output.len(), 10_000_000);
    assert!(decoder.footprint() < 4 << 20);
}

#[test]
fn every_truncation_is_told() {
    let b = bzip2(b"world");
    let input = [bzip2(b"hello, hello, hello"), b.clone()].concat();
    for len in 0..input.len() {
        let outcome = decode(&input[..len]);
        // Between streams nothing is missing that could be known of.
        assert_eq!(!outcome.damages.is_empty(), len != input.len() - b.len(), "{len}");
        assert!(outcome.damages.iter().all(|damage| damage.cut && damage.at == len as u64));
    }
}

#[test]
fn every_flipped_bit_is_told_or_changes_nothing() {
    let input = bzip2(b"hello, hello, hello");
    for at in 0..input.len() * 8 {
        let mut flipped = input.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let outcome = decode(&flipped);
        assert!(!outcome.damages.is_empty() || outcome.output == b"hello, hello, hello", "bit {at}");
    }
}

proptest! {
    #[test]
    fn any_damage_is_accounted_for(
        at in 0usize..4000,
        xor in 1u8..,
        tail in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut input = [bzip2(&sample(3_000)), tail].concat();
        let n = input.len();
        input[at % n] ^= xor;
        decode(&input);
    }
}
