//! The hasher of a worker: what many cursors offer, hashed in lanes.

use std::collections::HashMap;

use arrow_array::ArrayRef;
use bytes::Bytes;

use super::super::cells::values;
use super::super::hasher::{Completed, Hasher, MsgId, Offer};
use super::super::kernel::{Choice, Compression};
use super::super::state::{State, whole};
use super::super::{Algorithm, CellDigests, Digest, DigestSet, Digests};
use super::cells::{self, git_header};
use super::run_all;
use super::streams::{Streams, compression};

/// Bytes of one message that wait for a lane at most, in whole pieces: two of the largest. More would only push what
/// others offer out of the cache.
const PENDING: usize = 128 * 1024;

/// Bytes of all messages that are worth waiting for before lanes run, so that what was read is still in the cache when
/// it is hashed.
const ENOUGH: usize = 1024 * 1024;

/// Hashes many messages at once: MD5, SHA-1, git blobs and SHA-256 in the lanes of whichever kernel is fastest for as
/// many as there are, other algorithms one by one when a piece is offered.
pub struct LaneHasher {
    numbers: HashMap<MsgId, usize>,
    messages: Vec<Message>,
    free: Vec<usize>,
    streams: Streams,
    lanes: usize,
    /// Bytes offered since lanes ran.
    pending: usize,
    ended: Vec<(usize, Digest)>,
    done: Completed,
}

/// A message that was announced and has not ended.
#[derive(Default)]
struct Message {
    id: Option<MsgId>,
    /// Digests that lanes compute, as jobs.
    jobs: Vec<usize>,
    /// Jobs that have not ended.
    left: usize,
    /// Digests computed one by one.
    others: Vec<State>,
    digests: Digests,
    /// What is said to be its length, where a git blob depends on it, and how long it is so far.
    declared: Option<u64>,
    length: u64,
    ended: bool,
}

impl LaneHasher {
    /// A hasher with nothing in flight.
    pub fn new() -> Self {
        LaneHasher {
            numbers: HashMap::new(),
            messages: Vec::new(),
            free: Vec::new(),
            streams: Streams::default(),
            lanes: Compression::ALL.into_iter().map(|c| Choice::of(c).most_lanes()).max().unwrap_or(1),
            pending: 0,
            ended: Vec::new(),
            done: Completed::default(),
        }
    }

    /// Passes a message on once all its digests are there.
    fn conclude(&mut self, number: usize) {
        let message = &mut self.messages[number];
        if !message.ended || message.left > 0 {
            return;
        }
        let mut digests = std::mem::take(&mut message.digests);
        for digest in message.others.drain(..).filter_map(State::finish) {
            digests.insert(digest);
        }
        message.jobs.clear();
        if let Some(id) = message.id.take() {
            self.numbers.remove(&id);
            self.done.messages.push((id, digests));
            self.free.push(number);
        }
    }

    /// Takes the digests of jobs that ended.
    fn collect(&mut self) {
        let mut ended = std::mem::take(&mut self.ended);
        for (number, digest) in ended.drain(..) {
            let message = &mut self.messages[number];
            message.left -= 1;
            // A git blob that was not as long as its header says is the digest of nothing.
            let is_git = digest.algorithm() == Algorithm::GitBlob;
            if !is_git || message.declared == Some(message.length) {
                message.digests.insert(digest);
            }
            self.conclude(number);
        }
        self.ended = ended;
    }
}

impl Default for LaneHasher {
    fn default() -> Self {
        LaneHasher::new()
    }
}

impl Hasher for LaneHasher {
    fn lanes(&self) -> usize {
        self.lanes
    }

    fn is_hungry(&self) -> bool {
        let waiting = Compression::ALL.into_iter().map(|c| self.streams.waiting(c)).max().unwrap_or(0);
        let done = self.done.messages.len() + self.done.cells.len();
        self.pending < ENOUGH && waiting < 2 * self.lanes && done < 2 * self.lanes
    }

    fn open(&mut self, id: MsgId, algorithms: DigestSet, len: Option<u64>) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.messages.push(Message::default());
            self.messages.len() - 1
        });
        let message = &mut self.messages[number];
        message.id = Some(id);
        (message.declared, message.length, message.ended) = (len, 0, false);
        for algorithm in algorithms.iter() {
            let Some(compression) = compression(algorithm) else {
                message.others.extend(State::new(algorithm, len));
                continue;
            };
            let header = match (algorithm, len) {
                (Algorithm::GitBlob, None) => continue,
                (Algorithm::GitBlob, Some(len)) => git_header(len),
                _ => String::new(),
            };
            message.jobs.push(self.streams.begin(number, algorithm, compression, header.as_bytes()));
        }
        message.left = message.jobs.len();
        let before = self.numbers.insert(id, number);
        debug_assert!(before.is_none(), "a message is announced once");
    }

    fn offer(&mut self, id: MsgId, piece: Bytes, last: bool) -> Offer {
        let Some(&number) = self.numbers.get(&id) else {
            debug_assert!(false, "only announced messages have pieces");
            return Offer::Taken;
        };
        let message = &mut self.messages[number];
        // All jobs were offered the same: the one that is furthest behind counts.
        let behind = message.jobs.iter().map(|&job| self.streams.pending(job)).max().unwrap_or(0);
        if behind > 0 && behind + piece.len() > PENDING {
            return Offer::Full(piece);
        }
        for state in &mut message.others {
            state.update(&piece);
        }
        message.length += piece.len() as u64;
        message.ended = last;
        if !message.jobs.is_empty() {
            self.pending += piece.len();
        }
        for &job in &message.jobs {
            self.streams.add(job, piece.clone(), last);
        }
        self.conclude(number);
        Offer::Taken
    }

    fn offer_cells(&mut self, first: MsgId, algorithms: DigestSet, array: &ArrayRef) -> bool {
        let values = values(array);
        let mut digests = CellDigests::new(first, values.len(), algorithms);
        for algorithm in algorithms.iter() {
            let Some(column) = digests.of_mut(algorithm) else { continue };
            if let Some(compression) = compression(algorithm) {
                cells::hash(&values, algorithm, compression, column);
                continue;
            }
            for (value, place) in values.iter().zip(column.chunks_exact_mut(algorithm.len())) {
                let Some(value) = value else { continue };
                whole(algorithm, value, place);
            }
        }
        self.done.cells.push(digests);
        true
    }

    fn drain(&mut self, out: &mut Completed, more: bool) -> bool {
        self.pending = 0;
        let mut any = !self.done.messages.is_empty() || !self.done.cells.is_empty();
        for compression in Compression::ALL {
            let waiting = self.streams.waiting(compression);
            if waiting == 0 {
                continue;
            }
            any = true;
            let mut queue = self.streams.supply(compression, &mut self.ended);
            run_all(&mut queue, waiting, Choice::of(compression), !more);
            drop(queue);
            self.collect();
        }
        out.messages.append(&mut self.done.messages);
        out.cells.append(&mut self.done.cells);
        any
    }
}
