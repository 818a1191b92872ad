//! The interface between cursors, which produce pieces of many messages, and whatever hashes them.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef, cast::AsArray, types};
use bytes::Bytes;

use super::state::State;
use super::{DigestSet, Digests};

/// Names a message among those one hasher has in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MsgId(pub u64);

/// What became of an offered piece.
#[derive(Debug)]
pub enum Offer {
    /// It was taken.
    Taken,
    /// No lane is free: offer it again after [`Hasher::drain`].
    Full(Bytes),
}

/// Messages that ended since the last [`Hasher::drain`].
#[derive(Debug, Default)]
pub struct Completed(pub Vec<(MsgId, Digests)>);

/// Hashes many messages at once, piece by piece. A worker owns one and steps a cursor only while a lane is hungry.
pub trait Hasher: Send {
    /// How many messages it can work on at once with profit.
    fn lanes(&self) -> usize;

    /// Announces a message. `len` is its length in bytes where it is known beforehand: without it no git blob digest
    /// can be computed, and none is reported.
    fn open(&mut self, message: MsgId, algorithms: DigestSet, len: Option<u64>);

    /// Offers the next piece of an announced message; `last` ends it. An empty last piece is allowed.
    fn offer(&mut self, message: MsgId, piece: Bytes, last: bool) -> Offer;

    /// Offers a column of whole messages, `first`, `first + 1`, …; a null value is no message and completes nothing.
    /// Returns `false`, having taken nothing, if no lane is free.
    fn offer_cells(&mut self, first: MsgId, algorithms: DigestSet, values: &ArrayRef) -> bool;

    /// Moves the digests of ended messages to `out`, in any order.
    fn drain(&mut self, out: &mut Completed);
}

/// The plain hasher: one lane, each piece hashed when it is offered.
#[derive(Default)]
pub struct LoopHasher {
    open: HashMap<MsgId, Vec<State>>,
    done: Vec<(MsgId, Digests)>,
}

impl LoopHasher {
    /// A hasher with nothing in flight.
    pub fn new() -> Self {
        LoopHasher::default()
    }

    fn whole(&mut self, message: MsgId, algorithms: DigestSet, value: &[u8]) {
        let digests = algorithms
            .iter()
            .filter_map(|a| {
                let mut state = State::new(a, Some(value.len() as u64))?;
                state.update(value);
                state.finish()
            })
            .collect();
        self.done.push((message, digests));
    }
}

impl Hasher for LoopHasher {
    fn lanes(&self) -> usize {
        1
    }

    fn open(&mut self, message: MsgId, algorithms: DigestSet, len: Option<u64>) {
        let states = algorithms.iter().filter_map(|a| State::new(a, len)).collect();
        let before = self.open.insert(message, states);
        debug_assert!(before.is_none(), "a message is announced once");
    }

    fn offer(&mut self, message: MsgId, piece: Bytes, last: bool) -> Offer {
        if let Some(states) = self.open.get_mut(&message) {
            for state in states {
                state.update(&piece);
            }
        }
        if last && let Some(states) = self.open.remove(&message) {
            self.done.push((message, states.into_iter().filter_map(State::finish).collect()));
        }
        Offer::Taken
    }

    fn offer_cells(&mut self, first: MsgId, algorithms: DigestSet, values: &ArrayRef) -> bool {
        macro_rules! each {
            ($array:expr) => {
                for (i, value) in $array.iter().enumerate() {
                    if let Some(value) = value {
                        self.whole(MsgId(first.0 + i as u64), algorithms, value.as_ref());
                    }
                }
            };
        }
        use arrow_array::cast::as_largestring_array as large_string;
        let data_type = values.data_type().clone();
        if let Some(array) = values.as_binary_opt::<i32>() {
            each!(array);
        } else if let Some(array) = values.as_binary_opt::<i64>() {
            each!(array);
        } else if let Some(array) = values.as_string_opt::<i32>() {
            each!(array);
        } else if values.as_string_opt::<i64>().is_some() {
            each!(large_string(values));
        } else if let Some(array) = values.as_fixed_size_binary_opt() {
            each!(array);
        } else if let Some(array) = values.as_byte_view_opt::<types::BinaryViewType>() {
            each!(array);
        } else if let Some(array) = values.as_byte_view_opt::<types::StringViewType>() {
            each!(array);
        } else {
            debug_assert!(false, "a cursor offers byte or text columns only, not {data_type}");
        }
        true
    }

    fn drain(&mut self, out: &mut Completed) {
        out.0.append(&mut self.done);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, StringViewArray};

    use super::super::Algorithm;
    use super::*;

    fn digest_of(message: &[u8], pieces: usize) -> Vec<String> {
        let mut hasher = LoopHasher::new();
        hasher.open(MsgId(7), Algorithm::ALL.into_iter().collect(), Some(message.len() as u64));
        for piece in message.chunks(pieces.max(1)) {
            assert!(matches!(hasher.offer(MsgId(7), Bytes::copy_from_slice(piece), false), Offer::Taken));
        }
        hasher.offer(MsgId(7), Bytes::new(), true);
        let mut done = Completed::default();
        hasher.drain(&mut done);
        assert_eq!(done.0.len(), 1);
        done.0[0].1.iter().map(|d| d.to_string()).collect()
    }

    /// Values of `hello\n` by coreutils 9.1 (`cksum -a …`, `b2sum`), git 2.47 and b3sum 1.5.
    #[test]
    fn digests_equal_the_tools_of_record() {
        let expected = [
            "cksum:b3beab91",
            "md5:b1946ac92492d2347c6235b4d2611184",
            "sha1:f572d396fae9206628714fb2ce00f72e94f2258f",
            "git_blob:ce013625030ba8dba906f756967f9e9ca394464a",
        ];
        for pieces in [1, 3, 6] {
            let got = digest_of(b"hello\n", pieces);
            assert_eq!(&got[..4], &expected);
            assert!(got.contains(
                &"sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03".to_string()
            ));
            assert_eq!(got.len(), Algorithm::ALL.len());
        }
    }

    #[test]
    fn a_git_blob_of_unknown_or_wrong_length_is_not_reported() {
        for len in [None, Some(5)] {
            let mut hasher = LoopHasher::new();
            hasher.open(MsgId(1), [Algorithm::GitBlob, Algorithm::Md5].into_iter().collect(), len);
            hasher.offer(MsgId(1), Bytes::from_static(b"hello\n"), true);
            let mut done = Completed::default();
            hasher.drain(&mut done);
            assert_eq!(done.0[0].1.set(), DigestSet::of(Algorithm::Md5));
        }
    }

    #[test]
    fn cells_hash_like_messages_and_nulls_do_not_complete() {
        let binary: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"hello\n"[..]), None, Some(b"")]));
        let text: ArrayRef = Arc::new(StringViewArray::from(vec![Some("hello\n"), None, Some("")]));
        for values in [binary, text] {
            let mut hasher = LoopHasher::new();
            assert!(hasher.offer_cells(MsgId(10), DigestSet::of(Algorithm::Md5), &values));
            let mut done = Completed::default();
            hasher.drain(&mut done);
            let got: Vec<_> = done.0.iter().map(|(m, d)| (m.0, d.strongest().unwrap().to_string())).collect();
            assert_eq!(
                got,
                [
                    (10, "md5:b1946ac92492d2347c6235b4d2611184".to_string()),
                    (12, "md5:d41d8cd98f00b204e9800998ecf8427e".to_string())
                ]
            );
        }
    }
}
