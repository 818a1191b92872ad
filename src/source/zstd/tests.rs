use proptest::prelude::*;
use zstd_safe::{CCtx, CParameter};

use super::*;
use crate::source::decoder::tests::{Outcome, drive};

fn zstd(data: &[u8], edit: impl FnOnce(&mut CCtx<'_>)) -> Vec<u8> {
    let mut context = CCtx::create();
    context.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
    edit(&mut context);
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(data.len()));
    context.compress2(&mut out, data).unwrap();
    out
}

fn frame(data: &[u8]) -> Vec<u8> {
    zstd(data, |_| {})
}

fn skippable(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 0x2a, 0x4d, 0x18], &(content.len() as u32).to_le_bytes()[..], content].concat()
}

fn decode(input: &[u8]) -> Outcome {
    let whole = drive(&mut Zstd::default(), input, input.len().max(1), 1 << 16);
    for (piece, room) in [(1, 1 << 16), (7, 5), (100, 1)] {
        let parts = drive(&mut Zstd::default(), input, piece, room);
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
    (0..len).map(|i| (i % 251) as u8 ^ (i / 1000) as u8).collect()
}

#[test]
fn frames_continue_one_stream() {
    let (a, b) = (frame(b"hello "), frame(b"world"));
    let outcome = decode(&[&a[..], &b].concat());
    assert_eq!((outcome.output.as_slice(), outcome.damages.len()), (&b"hello world"[..], 0));
    let n = a.len();
    let end = n + b.len();
    assert_eq!(
        outcome.regions,
        [(Structure, 6), (Payload, n - 4), (Structure, n + 6), (Payload, end - 4), (Structure, end)]
    );
    for len in [0, 1, 200_000, 1_000_000] {
        let data = sample(len);
        for plain in [true, false] {
            let input = zstd(&data, |c| {
                c.set_parameter(CParameter::ChecksumFlag(plain)).unwrap();
                c.set_parameter(CParameter::ContentSizeFlag(plain)).unwrap();
            });
            let outcome = drive(&mut Zstd::default(), &input, 1000, 1 << 16);
            assert!(outcome.output == data && outcome.damages.is_empty(), "{len}");
        }
    }
}

#[test]
fn skippable_frames_are_dead() {
    let a = frame(b"hello");
    let n = a.len();
    let outcome = decode(&[&skippable(0x50, b"HIDDENDATA")[..], &a, &skippable(0x5f, b"")].concat());
    assert_eq!((outcome.output.as_slice(), outcome.damages.len()), (&b"hello"[..], 0));
    assert_eq!(
        outcome.regions,
        [(Structure, 8), (Dead, 18), (Structure, 24), (Payload, 18 + n - 4), (Structure, 18 + n + 8)]
    );
}

#[test]
fn a_seek_table_that_adds_up_is_structure() {
    let (a, b) = (frame(b"hello "), frame(b"world"));
    let table = |sizes: [usize; 4], magic: [u8; 4]| {
        let mut content = Vec::new();
        for size in sizes {
            content.extend_from_slice(&(size as u32).to_le_bytes());
        }
        content.extend_from_slice(&[2, 0, 0, 0, 0]);
        content.extend_from_slice(&magic);
        [&a[..], &b, &skippable(seek_table::FRAME, &content)].concat()
    };
    let last = |input: &[u8]| decode(input).regions.last().unwrap().0;
    assert_eq!(last(&table([a.len(), 6, b.len(), 5], seek_table::MAGIC)), Structure);
    assert_eq!(last(&table([a.len(), 6, b.len(), 6], seek_table::MAGIC)), Dead);
    assert_eq!(last(&table([a.len(), 6, b.len() + 1, 5], seek_table::MAGIC)), Dead);
    assert_eq!(last(&table([a.len(), 6, b.len(), 5], *b"none")), Dead);
}

#[test]
fn what_follows_is_trailing() {
    let a = frame(b"hello");
    let n = a.len();
    for tail in [&b"HIDDENDATA"[..], b"\x28\xb5\x2f\xfc", b"\x50\x2a\x4d\x19"] {
        let outcome = decode(&[&a[..], tail].concat());
        assert_eq!((outcome.regions.last(), outcome.damages.len()), (Some(&(Trailing, n + tail.len())), 0));
    }
    assert_eq!(decode(&[&a[..], &[0; 9]].concat()).regions.last(), Some(&(ZeroPad, n + 9)));
    let begun = decode(&[&a[..], b"\x28\xb5"].concat());
    assert_eq!(damages(&begun), [(n as u64 + 2, true, "a zstd frame header is cut short")]);
}

#[test]
fn a_wrong_check_sum_is_told_and_reading_goes_on() {
    let (mut a, b) = (frame(b"hello "), frame(b"world"));
    let n = a.len();
    a[n - 1] ^= 1;
    let outcome = decode(&[&a[..], &b].concat());
    assert_eq!(damages(&outcome), [(n as u64 - 4, false, "the check sum of a zstd frame is wrong")]);
    assert_eq!(outcome.output, b"hello world");
}

#[test]
fn a_damaged_block_is_known_by_its_place() {
    let mut input = frame(&sample(300_000));
    // The first block's type becomes 3, which is reserved.
    let header = 4 + 1 + 1 + 4;
    assert_eq!(decode(&input).regions[0], (Structure, header - 1 + usize::from(input[4] & 0x20 == 0)));
    let at = decode(&input).regions[0].1;
    input[at] |= 6;
    let outcome = decode(&input);
    assert_eq!(outcome.regions, [(Structure, at), (RegionClass::Opaque, input.len())]);
    assert_eq!(outcome.damages[0].at, at as u64);
}

#[test]
fn a_window_over_the_limit_is_refused() {
    // Magic, no single segment, window exponent 18 = 2^28.
    let input = [&FRAME[..], &[0, 18 << 3], &[1, 0, 0]].concat();
    let outcome = decode(&input);
    assert_eq!(outcome.regions, [(RegionClass::Opaque, 9)]);
    assert!(outcome.damages[0].detail.contains("too much memory"), "{:?}", outcome.damages);
}

#[test]
fn every_truncation_is_told() {
    let b = frame(b"world");
    let input = [frame(&sample(3000)), skippable(0x50, b"x"), b.clone()].concat();
    let ends = [input.len(), input.len() - b.len(), input.len() - b.len() - 9];
    for len in 0..=input.len() {
        assert_eq!(!decode(&input[..len]).damages.is_empty(), !ends.contains(&len), "{len}");
    }
}

proptest! {
    #[test]
    fn any_damage_is_accounted_for(at in 0usize..2000, xor in 1u8.., tail in proptest::collection::vec(any::<u8>(), 0..50)) {
        let mut input = [frame(&sample(20_000)), tail].concat();
        let n = input.len();
        input[at % n] ^= xor;
        decode(&input);
    }
}
