//! The interface between cursors, which produce pieces of many messages, and whatever hashes them.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef};
use bytes::Bytes;

use super::cells::values;
use super::state::{State, whole};
use super::{CellDigests, DigestSet, Digests};

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

/// What ended since the last [`Hasher::drain`].
#[derive(Debug, Default)]
pub struct Completed {
    /// Messages that were announced.
    pub messages: Vec<(MsgId, Digests)>,
    /// Columns of whole messages.
    pub cells: Vec<CellDigests>,
}

/// Hashes many messages at once, piece by piece. A worker owns one and steps a cursor only while a lane is hungry.
pub trait Hasher: Send {
    /// How many messages it can work on at once with profit.
    fn lanes(&self) -> usize;

    /// Whether it is worth offering more before it is drained: its lanes are not full yet, and what it holds is little.
    fn is_hungry(&self) -> bool;

    /// Announces a message. `len` is its length in bytes where it is known beforehand: without it no git blob digest
    /// can be computed, and none is reported.
    fn open(&mut self, message: MsgId, algorithms: DigestSet, len: Option<u64>);

    /// Offers the next piece of an announced message; `last` ends it. An empty last piece is allowed.
    fn offer(&mut self, message: MsgId, piece: Bytes, last: bool) -> Offer;

    /// Offers a column of whole messages, `first`, `first + 1`, …; a null value is no message. Each column that is taken
    /// completes once, as one [`CellDigests`], even if it has no value. Returns `false`, having taken nothing, if no
    /// lane is free.
    fn offer_cells(&mut self, first: MsgId, algorithms: DigestSet, values: &ArrayRef) -> bool;

    /// Moves the digests of ended messages and columns to `out`, in any order. With `more`, what would leave lanes idle
    /// may wait for what is offered next; without, all that was offered is hashed. Something is, either way, if anything
    /// waited: whether that was so.
    fn drain(&mut self, out: &mut Completed, more: bool) -> bool;
}

/// The plain hasher: one lane, each piece hashed by the crate of its algorithm when it is offered. What others compute is
/// held against it.
#[derive(Default)]
pub struct LoopHasher {
    open: HashMap<MsgId, Vec<State>>,
    done: Completed,
}

impl LoopHasher {
    /// A hasher with nothing in flight.
    pub fn new() -> Self {
        LoopHasher::default()
    }
}

impl Hasher for LoopHasher {
    fn lanes(&self) -> usize {
        1
    }

    fn is_hungry(&self) -> bool {
        self.done.messages.is_empty() && self.done.cells.is_empty()
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
            self.done.messages.push((message, states.into_iter().filter_map(State::finish).collect()));
        }
        Offer::Taken
    }

    fn offer_cells(&mut self, first: MsgId, algorithms: DigestSet, array: &ArrayRef) -> bool {
        let mut cells = CellDigests::new(first, array.len(), algorithms);
        let values = values(array);
        for algorithm in algorithms.iter() {
            let room = cells.of_mut(algorithm).unwrap_or_default();
            for (value, place) in values.iter().zip(room.chunks_exact_mut(algorithm.len())) {
                if let Some(value) = value {
                    whole(algorithm, value, place);
                }
            }
        }
        self.done.cells.push(cells);
        true
    }

    fn drain(&mut self, out: &mut Completed, _more: bool) -> bool {
        let any = !self.done.messages.is_empty() || !self.done.cells.is_empty();
        out.messages.append(&mut self.done.messages);
        out.cells.append(&mut self.done.cells);
        any
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
        hasher.drain(&mut done, false);
        assert_eq!(done.messages.len(), 1);
        done.messages[0].1.iter().map(|d| d.to_string()).collect()
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
            assert!(expected.iter().all(|value| got.contains(&value.to_string())));
            assert!(got.contains(
                &"sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03".to_string()
            ));
            assert_eq!(got.len(), Algorithm::ALL.len());
        }
    }

    /// Values by hashlib of Python 3 and by xxhash 3.6 for Python, of a short and a long message.
    #[test]
    fn digests_equal_those_of_python() {
        let long: Vec<u8> = (0..1000).map(|i| (i % 251) as u8).collect();
        let of_short = [
            "xxh32:946b5bf9",
            "xxh64:e4c191d091bd8853",
            "xxh3_64:99fc819aaba2462a",
            "xxh128:6bba86c7e069f56d5a10b435f1c8e49c",
            "sha3_224:5093b1ea1fed43f347b4bf8f8e61334e751516506e390b0fa67758d3",
            "blake2s:3969b3926654065966b6f8d9a65789b0f76d56e1e2ab67dd94faa770959187ca",
            "sha3_256:b314e28493eae9dab57ac4f0c6d887bddbbeb810e900d818395ace558e96516d",
            "sha512_256:7f3f0c0d5219f51459578305ed2bbc198588758da85d08024c79c1195d1cd611",
            "sha3_384:459b2844fea6e3a937a8397c0d69c06d9c6c943e155da454c638f5424296e994fd0339ea234367ff014493b51adb9d2e",
            "sha3_512:ac766ba623301e0ad63c48cb2fc469d10145f65c9f1f28fe761c78c386ed295a1fda1b05e280354e620757d8a83e05a4\
             5f66438dd734278668c1c27ac6f27150",
        ];
        let of_long = [
            "xxh32:30dd1330",
            "xxh64:f306f04aa88b54d3",
            "xxh3_64:33ef703fb2b20ed1",
            "xxh128:18bf41bc8229e27733ef703fb2b20ed1",
            "sha3_224:51481b8dbd6b73dd110a967f438aa22facfcdce1eb5d2b36a5ec023f",
            "blake2s:1c067a5e746fb0f6734efac9a8cdb0e11061f0077f255184365c690115392501",
            "sha3_256:48e66a01861d0eadaacdb7a6ae7db6b9ac79242ecced4154a9fbb33c4e3cc571",
            "sha512_256:974bc1ca87fcb8f487f65a650d1eeeebdc0cc269381b9eeb708cc4ea6d4954f2",
            "sha3_384:43e60a7ef818a0e367fcd4ede8f5fabbdb7090cb45972bb7a84038cc3abf4fc26c4f44b59d3a0306c973b66e84c8890b",
            "sha3_512:b8030d306ae990bc794bfb3a6100f67851889d6c272257afac7d1077a18660d6ea8d0da5d2299c3ebaa0d34baf62cc58\
             ac1fd4476506cf512a4897bb083a6fc4",
        ];
        for (message, expected) in [(&b"hello\n"[..], of_short), (&long, of_long)] {
            for pieces in [1, 7, 1000] {
                let got = digest_of(message, pieces);
                for value in expected {
                    assert!(got.contains(&value.to_string()), "{value}");
                }
            }
        }
    }

    #[test]
    fn a_git_blob_of_unknown_or_wrong_length_is_not_reported() {
        for len in [None, Some(5)] {
            let mut hasher = LoopHasher::new();
            hasher.open(MsgId(1), [Algorithm::GitBlob, Algorithm::Md5].into_iter().collect(), len);
            hasher.offer(MsgId(1), Bytes::from_static(b"hello\n"), true);
            let mut done = Completed::default();
            hasher.drain(&mut done, false);
            assert_eq!(done.messages[0].1.set(), DigestSet::of(Algorithm::Md5));
        }
    }

    #[test]
    fn cells_hash_like_messages_and_a_column_completes_once() {
        let binary: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"hello\n"[..]), None, Some(b"")]));
        let text: ArrayRef = Arc::new(StringViewArray::from(vec![Some("hello\n"), None, Some("")]));
        let nothing: ArrayRef = Arc::new(StringViewArray::new_null(3));
        for values in [binary, text, nothing] {
            let mut hasher = LoopHasher::new();
            let algorithms = [Algorithm::Md5, Algorithm::Sha256].into_iter().collect();
            assert!(hasher.offer_cells(MsgId(10), algorithms, &values));
            let mut done = Completed::default();
            hasher.drain(&mut done, false);
            assert!(done.messages.is_empty());
            let [cells] = done.cells.as_slice() else { panic!("one column") };
            assert_eq!((cells.first, cells.len, cells.algorithms()), (MsgId(10), 3, algorithms));
            let due = ["b1946ac92492d2347c6235b4d2611184", "", "d41d8cd98f00b204e9800998ecf8427e"];
            for (index, due) in due.into_iter().enumerate().filter(|(index, _)| values.is_valid(*index)) {
                let digests = cells.digests(index);
                assert_eq!(digests.of(Algorithm::Md5).map(|md5| hex::encode(md5.bytes())), Some(due.into()));
                assert!(digests.of(Algorithm::Sha256).is_some());
            }
        }
    }
}
