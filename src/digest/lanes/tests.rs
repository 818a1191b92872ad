//! The scheduler against the crates' hashers, message by message.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, BinaryViewArray, LargeStringArray};
use bytes::Bytes;
use proptest::prelude::*;

use super::super::{Algorithm, Completed, DigestSet, Digests, Hasher, LoopHasher, MsgId, Offer};
use super::LaneHasher;

/// Those that lanes compute, and one that they do not.
#[allow(clippy::enum_glob_use, reason = "a list of names")]
fn all() -> DigestSet {
    use Algorithm::*;
    [Md5, Sha1, GitBlob, Sha224, Sha256, Sha512].into_iter().collect()
}

/// Bytes that differ everywhere, in an allocation of just that size, so that a tool sees what is read past it.
fn content(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    Bytes::from((0..len).map(byte).collect::<Vec<u8>>().into_boxed_slice())
}

/// What each message comes to, offered whole, with one lane.
fn expected(messages: &[Bytes], algorithms: DigestSet) -> Vec<Digests> {
    let mut hasher = LoopHasher::new();
    for (id, message) in (0..).zip(messages) {
        hasher.open(MsgId(id), algorithms, Some(message.len() as u64));
        assert!(matches!(hasher.offer(MsgId(id), message.clone(), true), Offer::Taken));
    }
    let mut completed = Completed::default();
    hasher.drain(&mut completed, false);
    completed.messages.into_iter().map(|(_, digests)| digests).collect()
}

/// Offers messages piece by piece, so many at once, and drains whenever the hasher has enough or takes no more.
fn in_lanes(
    messages: &[Bytes],
    algorithms: DigestSet,
    at_once: usize,
    piece: impl Fn(usize) -> usize,
) -> Vec<Digests> {
    struct Open {
        id: u64,
        rest: Bytes,
    }
    let mut hasher = LaneHasher::new();
    let mut completed = Completed::default();
    let mut waiting = (0..).zip(messages.iter().cloned());
    let mut open: Vec<Open> = Vec::new();
    let mut turns = 0;
    loop {
        while open.len() < at_once
            && let Some((id, rest)) = waiting.next()
        {
            hasher.open(MsgId(id), algorithms, Some(rest.len() as u64));
            open.push(Open { id, rest });
        }
        open.retain_mut(|message| {
            turns += 1;
            let some = message.rest.slice(..piece(turns).min(message.rest.len()));
            let last = some.len() == message.rest.len();
            let len = some.len();
            match hasher.offer(MsgId(message.id), some, last) {
                Offer::Taken => {
                    message.rest = message.rest.slice(len..);
                    !last
                }
                Offer::Full(_) => true,
            }
        });
        let more = !open.is_empty();
        if !more || !hasher.is_hungry() || turns % 3 == 0 {
            hasher.drain(&mut completed, more);
        }
        if !more && waiting.clone().next().is_none() {
            break;
        }
    }
    hasher.drain(&mut completed, false);
    assert_eq!(completed.messages.len(), messages.len());
    completed.messages.sort_by_key(|(id, _)| *id);
    completed.messages.into_iter().map(|(_, digests)| digests).collect()
}

#[test]
fn all_lengths_around_blocks_are_hashed_right() {
    let messages: Vec<Bytes> = (0..=1100).map(|len| content(len as u64, len)).collect();
    let right = expected(&messages, all());
    for (at_once, piece) in [(1, 5000), (7, 64), (16, 100), (33, 63), (64, 5000)] {
        assert!(
            in_lanes(&messages, all(), at_once, |_| piece) == right,
            "{at_once} at once, pieces of {piece}"
        );
    }
}

#[test]
fn lengths_around_pieces_are_hashed_right() {
    const PIECE: usize = 64 * 1024;
    let lengths = [1, 2, 3].into_iter().flat_map(|n| (n * PIECE - 66..=n * PIECE + 66).step_by(11));
    let messages: Vec<Bytes> = lengths.map(|len| content(len as u64, len)).collect();
    let right = expected(&messages, all());
    for at_once in [1, 2, 3, 5, 20] {
        assert!(in_lanes(&messages, all(), at_once, |_| PIECE) == right, "{at_once} at once");
    }
}

#[test]
fn messages_that_begin_anywhere_in_a_word_are_hashed_right() {
    let whole = content(1, 40_000);
    let messages: Vec<Bytes> = (0..130).map(|at| whole.slice(at..at + 20_000 + at * 7)).collect();
    let right = expected(&messages, all());
    assert!(in_lanes(&messages, all(), 130, |_| 10_000) == right);
}

#[test]
fn one_long_message_beside_short_ones_is_hashed_right() {
    let messages: Vec<Bytes> =
        (0..70).map(|i| content(i, if i == 3 { 3_000_000 } else { 100 + 13 * i as usize })).collect();
    let right = expected(&messages, all());
    assert!(in_lanes(&messages, all(), 17, |_| 65_536) == right);
}

#[test]
fn a_message_without_its_length_has_no_git_blob_and_one_of_another_length_neither() {
    let mut hasher = LaneHasher::new();
    let both = [Algorithm::Md5, Algorithm::GitBlob].into_iter().collect();
    for (id, len) in [(1, None), (2, Some(7)), (3, Some(6))] {
        hasher.open(MsgId(id), both, len);
        assert!(matches!(hasher.offer(MsgId(id), Bytes::from_static(b"hello\n"), true), Offer::Taken));
    }
    let mut completed = Completed::default();
    hasher.drain(&mut completed, false);
    completed.messages.sort_by_key(|(id, _)| *id);
    let sets: Vec<DigestSet> = completed.messages.iter().map(|(_, digests)| digests.set()).collect();
    assert_eq!(sets, [DigestSet::of(Algorithm::Md5), DigestSet::of(Algorithm::Md5), both]);
}

#[test]
fn a_message_that_waits_is_refused_more_until_lanes_have_run() {
    let mut hasher = LaneHasher::new();
    hasher.open(MsgId(0), DigestSet::of(Algorithm::Sha256), None);
    let piece = content(0, 64 * 1024);
    let mut taken = 0;
    while let Offer::Taken = hasher.offer(MsgId(0), piece.clone(), false) {
        taken += 1;
        assert!(taken < 100, "it takes without end");
    }
    let mut completed = Completed::default();
    assert!(hasher.drain(&mut completed, true), "something waited");
    assert!(matches!(hasher.offer(MsgId(0), piece, true), Offer::Taken), "something was hashed");
    assert!(hasher.drain(&mut completed, false));
    assert_eq!(completed.messages.len(), 1);
    assert!(!hasher.drain(&mut completed, false), "nothing waits any more");
}

#[test]
fn a_message_of_no_algorithm_ends_too() {
    let mut hasher = LaneHasher::new();
    hasher.open(MsgId(9), DigestSet::EMPTY, None);
    hasher.offer(MsgId(9), Bytes::new(), true);
    let mut completed = Completed::default();
    hasher.drain(&mut completed, false);
    assert_eq!(completed.messages, [(MsgId(9), Digests::new())]);
}

fn cells_are_right(array: ArrayRef) {
    let (mut lanes, mut plain) = (LaneHasher::new(), LoopHasher::new());
    let mut of_lanes = Completed::default();
    let mut of_plain = Completed::default();
    assert!(lanes.offer_cells(MsgId(5), all(), &array) && plain.offer_cells(MsgId(5), all(), &array));
    lanes.drain(&mut of_lanes, true);
    plain.drain(&mut of_plain, true);
    let ([cells], [right]) = (&of_lanes.cells[..], &of_plain.cells[..]) else { panic!("one column each") };
    assert_eq!((cells.first, cells.len), (MsgId(5), array.len()));
    for index in (0..array.len()).filter(|&index| array.is_valid(index)) {
        assert!(cells.digests(index) == right.digests(index), "value {index}");
    }
}

#[test]
fn columns_are_hashed_as_messages_are() {
    let values: Vec<Option<Bytes>> = (0..700)
        .map(|i| (i % 7 != 3).then(|| content(i, if i % 50 == 0 { 9000 } else { i as usize })))
        .collect();
    let bytes = || values.iter().map(|value| value.as_deref());
    cells_are_right(Arc::new(bytes().collect::<BinaryArray>()));
    cells_are_right(Arc::new(bytes().collect::<BinaryViewArray>()));
    cells_are_right(Arc::new(LargeStringArray::from(vec![Some("a"), None, Some(""), Some("hello\n")])));
    cells_are_right(Arc::new(BinaryArray::new_null(5)));
    cells_are_right(Arc::new(BinaryArray::from_vec(Vec::new())));
    // An array that begins in the middle of its buffers.
    cells_are_right(Arc::new(bytes().collect::<BinaryArray>().slice(123, 77)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_messages_in_any_pieces_are_hashed_right(
        lengths in prop::collection::vec(prop_oneof![0_usize..200, 0_usize..5000, 60_000_usize..70_000], 1..60),
        at_once in 1_usize..40,
        pieces in prop::collection::vec(1_usize..3000, 1..9),
    ) {
        let messages: Vec<Bytes> = (0..).zip(&lengths).map(|(seed, &len)| content(seed, len)).collect();
        let right = expected(&messages, all());
        let piece = |turn: usize| pieces[turn % pieces.len()] * if turn.is_multiple_of(5) { 20 } else { 1 };
        prop_assert!(in_lanes(&messages, all(), at_once, piece) == right);
    }
}
