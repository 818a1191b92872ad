use std::io::Write;
use std::num::NonZeroU64;

use lzma_rust2::{CheckType, FilterType, XzOptions, XzWriter};
use proptest::prelude::*;

use super::*;
use crate::source::decoder::tests::{Outcome, drive};

fn packed(data: &[u8], edit: impl FnOnce(&mut XzOptions)) -> Vec<u8> {
    let mut options = XzOptions::with_preset(1);
    edit(&mut options);
    let mut writer = XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

/// In blocks of this length, which is the dictionary's too, as the writer wants it.
fn in_blocks(data: &[u8], len: u32) -> Vec<u8> {
    packed(data, |o| {
        o.lzma_options.dict_size = len;
        o.block_size = NonZeroU64::new(u64::from(len));
    })
}

fn xz(data: &[u8]) -> Vec<u8> {
    packed(data, |_| {})
}

fn crc(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat()
}

fn stream_header(kind: u8) -> Vec<u8> {
    [&MAGIC[..], &crc(&[0, kind])].concat()
}

/// A block's header with these flags and fields, padded.
fn block_header(fields: &[u8]) -> Vec<u8> {
    let len = (1 + fields.len()).next_multiple_of(4) + 4;
    let mut body = [&[(len / 4 - 1) as u8][..], fields].concat();
    body.resize(len - 4, 0);
    crc(&body)
}

/// LZMA2 with the smallest dictionary and nothing before it.
const LZMA2: [u8; 4] = [0, 0x21, 1, 0];

fn stored(data: &[u8]) -> Vec<u8> {
    [&[1][..], &(data.len() as u16 - 1).to_be_bytes(), data, &[0]].concat()
}

fn index_and_footer(kind: u8, numbers: &[u8]) -> Vec<u8> {
    let mut index = [&[0][..], numbers].concat();
    index.resize(index.len().next_multiple_of(4), 0);
    let index = crc(&index);
    let size = (index.len() as u32 / 4 - 1).to_le_bytes();
    let flags = [&size[..], &[0, kind]].concat();
    [&index[..], &crc32fast::hash(&flags).to_le_bytes(), &flags, b"YZ"].concat()
}

/// A stream of one block that holds `hello`, made of these parts: 9 bytes of LZMA2 and 3 of padding.
fn made(kind: u8, fields: &[u8], padding: &[u8], check: &[u8], numbers: &[u8]) -> Vec<u8> {
    let (header, data) = (block_header(fields), stored(b"hello"));
    [&stream_header(kind)[..], &header, &data, padding, check, &index_and_footer(kind, numbers)].concat()
}

/// 12 bytes of header, 9 of LZMA2 and 4 of check; 5 of content.
const NUMBERS: [u8; 3] = [1, 25, 5];

fn good() -> Vec<u8> {
    made(1, &LZMA2, &[0; 3], &crc32fast::hash(b"hello").to_le_bytes(), &NUMBERS)
}

fn decode(input: &[u8]) -> Outcome {
    let whole = drive(&mut Xz::default(), input, input.len().max(1), 1 << 16);
    for (piece, room) in [(1, 1 << 16), (7, 5), (100, 1)] {
        let parts = drive(&mut Xz::default(), input, piece, room);
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
fn every_byte_of_a_stream_has_its_class() {
    let input = good();
    let outcome = decode(&input);
    assert_eq!((outcome.output.as_slice(), outcome.damages.len()), (&b"hello"[..], 0));
    assert_eq!(outcome.regions, [(Structure, 24), (Payload, 33), (Structure, input.len())]);
    assert_eq!(input.len(), 24 + 9 + 3 + 4 + 8 + 12);
}

#[test]
fn streams_continue_one_stream() {
    let (a, b, none) = (good(), xz(b"world"), xz(b""));
    assert_eq!(none.len(), 32);
    let outcome = decode(&[&a[..], &none, &[0; 8], &b, &[0; 4]].concat());
    assert_eq!((outcome.output.as_slice(), outcome.damages.len()), (&b"helloworld"[..], 0));
    let n = a.len() + 32;
    assert_eq!(outcome.regions[2..4], [(Structure, n), (ZeroPad, n + 8)]);
    assert_eq!(outcome.regions.last(), Some(&(ZeroPad, n + 8 + b.len() + 4)));
}

#[test]
fn blocks_checks_and_filters_of_all_kinds() {
    let data = sample(300_000);
    let filters = [
        (FilterType::Delta, 3),
        (FilterType::BcjX86, 0),
        (FilterType::BcjArm, 0),
        (FilterType::BcjArm64, 4096),
        (FilterType::BcjIa64, 0),
    ];
    let mut inputs = vec![xz(&data), in_blocks(&data, 100_000)];
    inputs.extend(
        [CheckType::None, CheckType::Crc32, CheckType::Crc64, CheckType::Sha256]
            .map(|kind| packed(&data, |o| o.check_type = kind)),
    );
    inputs.extend(filters.map(|(kind, property)| packed(&data, |o| o.prepend_pre_filter(kind, property))));
    for (i, input) in inputs.iter().enumerate() {
        for (piece, room) in [(1000, 1 << 16), (1 << 20, 999)] {
            let outcome = drive(&mut Xz::default(), input, piece, room);
            assert_eq!(outcome.damages, [], "{i}");
            assert!(outcome.output == data, "{i}");
        }
    }
    let classes: Vec<_> = decode(&inputs[1]).regions.iter().map(|region| region.0).collect();
    assert_eq!(classes, [Structure, Payload, Structure, Payload, Structure, Payload, Structure]);
}

#[test]
fn what_follows_is_trailing() {
    let (a, n) = (good(), good().len());
    for tail in [&b"HIDDENDATA"[..], b"\xfd7zXY", b"\xfe"] {
        let outcome = decode(&[&a[..], tail].concat());
        assert_eq!((outcome.regions.last(), outcome.damages.len()), (Some(&(Trailing, n + tail.len())), 0));
    }
    let zeros = decode(&[&a[..], &[0; 9], b"x"].concat());
    assert_eq!(zeros.regions[3..], [(ZeroPad, n + 9), (Trailing, n + 10)]);
    let begun = decode(&[&a[..], b"\xfd7z"].concat());
    assert_eq!(damages(&begun), [(n as u64 + 3, true, "the header of an xz stream is cut short")]);
    let uneven = "the padding after an xz stream is not a multiple of four bytes";
    assert_eq!(damages(&decode(&[&a[..], &[0; 5]].concat())), [(n as u64 + 5, false, uneven)]);
    let again = decode(&[&a[..], &[0; 3], &a].concat());
    assert_eq!(
        (again.output.as_slice(), damages(&again)),
        (&b"hellohello"[..], vec![(n as u64 + 3, false, uneven)])
    );
}

#[test]
fn wrong_checks_are_told_and_reading_goes_on() {
    let sum = crc32fast::hash(b"hello").to_le_bytes();
    let after = xz(b" world");
    let told = |stream: Vec<u8>| {
        let outcome = decode(&[stream, after.clone()].concat());
        assert_eq!(outcome.output, b"hello world");
        let [damage] = &outcome.damages[..] else { panic!("{:?}", outcome.damages) };
        (damage.at, damage.detail.clone())
    };
    assert_eq!(
        told(made(1, &LZMA2, &[0; 3], &[1; 4], &NUMBERS)),
        (36, "the check of an xz block is wrong".into())
    );
    let padded = made(1, &LZMA2, b"\0x\0", &sum, &NUMBERS);
    assert_eq!(decode(&padded).regions[1..3], [(Payload, 33), (NonzeroPad, 36)]);
    assert_eq!(told(padded), (33, "the padding of an xz block is not zero".into()));
    let lengths = "an xz index lists other lengths than its blocks have";
    assert_eq!(told(made(1, &LZMA2, &[0; 3], &sum, &[1, 25, 6])), (40, lengths.into()));
    let content = "the header of an xz block gives another length of its content";
    assert_eq!(told(made(1, &[0x80, 6, 0x21, 1, 0], &[0; 3], &sum, &NUMBERS)), (33, content.into()));
    let unknown = made(2, &LZMA2, &[0; 3], b"HIDE", &NUMBERS);
    assert_eq!(decode(&unknown).regions[2..4], [(Structure, 36), (Dead, 40)]);
    assert_eq!(
        told(unknown),
        (0, "the check of an xz stream is of unknown kind 2: it was not checked".into())
    );
    let flipped = |back: usize| {
        let mut input = good();
        let at = input.len() - back;
        input[at] ^= 1;
        told(input)
    };
    assert_eq!(flipped(13), (40, "the check sum of an xz index is wrong".into()));
    assert_eq!(flipped(12), (48, "the check sum of an xz footer is wrong".into()));
    assert_eq!(flipped(1), (48, "the footer of an xz stream is damaged".into()));
}

#[test]
fn what_cannot_be_read_is_lost_by_its_place() {
    let told = |stream: &[u8]| {
        let outcome = decode(stream);
        let [damage] = &outcome.damages[..] else { panic!("{:?}", outcome.damages) };
        let detail = damage.detail.strip_prefix("the xz stream is damaged: ").expect("it is lost");
        assert_eq!(outcome.regions.last(), Some(&(RegionClass::Opaque, stream.len())));
        (damage.at, detail.to_string())
    };
    let block = |fields: &[u8]| {
        let (at, detail) = told(&made(0, fields, &[0; 3], &[], &NUMBERS));
        assert_eq!(at, 12);
        detail.strip_prefix("a block's header is not understood: ").expect("it is the header").to_string()
    };
    assert_eq!(block(&[0, 0x21, 1, 31]), "its dictionary is over the limit of 128 MiB");
    assert_eq!(block(&[0, 0x21, 1, 41]), "the size of its dictionary is not valid");
    assert_eq!(block(&[0, 0x22, 1, 0]), "its filters are not known");
    assert_eq!(block(&[0, 3, 1, 0]), "its filters are not known");
    assert_eq!(block(&[4, 0x21, 1, 0]), "it has reserved flags");
    assert_eq!(block(&[0, 0x21, 1, 0, 0, 1]), "its padding is not zero");
    assert_eq!(block(&[0, 0x21, 0x7f, 0]), "a filter overruns it");
    assert_eq!(block(&[0x40, 0x80, 0, 0x21, 1, 0]), "a number in it is not valid");
    assert_eq!(
        block(&[2, 3, 1, 0, 3, 1, 0, 0x21, 1, 0]),
        "more than one filter before LZMA2 is not supported"
    );
    assert_eq!(block(&[1, 7, 4, 1, 0, 0, 0, 0x21, 1, 0]), "the properties of its filter are not valid");
    let compressed = made(0, &[0x40, 8, 0x21, 1, 0], &[0; 3], &[], &NUMBERS);
    assert_eq!(told(&compressed).1, "its header gives another length of the compressed data");
    let count = made(0, &LZMA2, &[0; 3], &[], &[2, 21, 5]);
    assert_eq!(told(&count), (37, "the index is not understood: it lists another number of blocks".into()));
    let mut chunk = good();
    chunk[24] = 3;
    assert_eq!(told(&chunk), (24, "a chunk is of no known kind".into()));
    // Without a dictionary there is nothing to go on with.
    chunk[24] = 2;
    assert_eq!(told(&chunk), (24, "a chunk cannot be decoded".into()));
    assert_eq!(told(b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x47"), (0, "the check sum of its header is wrong".into()));
    assert_eq!(told(b"HIDDENDATA"), (0, "there is no xz stream".into()));
    // The largest that is allowed is not allocated before there is content.
    let largest = made(0, &[0, 0x21, 1, 30], &[0; 3], &[], &[1, 21, 5]);
    assert_eq!(decode(&largest).damages, []);
}

#[test]
fn a_bomb_comes_out_in_pieces() {
    let input = packed(&vec![0; 10_000_000], |o| o.lzma_options.dict_size = 1 << 20);
    assert!(input.len() < 20_000);
    let mut decoder = Xz::default();
    let mut output = vec![0; 1 << 16];
    let (mut at, mut wrote_all) = (0, 0);
    while at < input.len() {
        match decoder.turn(&input[at..], &mut output) {
            Turn::Took { read, wrote, .. } | Turn::Held { read, wrote } => {
                (at, wrote_all) = (at + read, wrote_all + wrote)
            }
            Turn::Settled(_) => {}
            other => panic!("{other:?}"),
        }
        assert!(decoder.footprint() < (1 << 20) + (256 << 10), "{}", decoder.footprint());
    }
    assert_eq!(wrote_all, 10_000_000);
}

#[test]
fn every_truncation_is_told() {
    let b = xz(b"world");
    let input = [in_blocks(&sample(9000), 4096), vec![0; 8], b.clone()].concat();
    let end = input.len() - b.len();
    for len in 0..input.len() {
        let outcome = decode(&input[..len]);
        // Between streams nothing is missing that could be known of.
        assert_eq!(outcome.damages.is_empty(), [end - 8, end - 4, end].contains(&len), "{len}");
    }
}

#[test]
fn every_flipped_bit_is_told() {
    let content = b"hello, hello, hello".repeat(3);
    for input in [good(), xz(&content), packed(&content, |o| o.prepend_pre_filter(FilterType::BcjX86, 0))] {
        for at in 0..input.len() * 8 {
            let mut flipped = input.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(!decode(&flipped).damages.is_empty(), "bit {at}");
        }
    }
}

proptest! {
    #[test]
    fn any_damage_is_accounted_for(
        at in 0usize..4000,
        xor in 1u8..,
        tail in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut input = [in_blocks(&sample(20_000), 9000), tail].concat();
        let n = input.len();
        input[at % n] ^= xor;
        decode(&input);
    }
}
