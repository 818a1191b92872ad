//! The hash kernel alone: the project's hasher, fed from the cache with as many messages as it has lanes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow_array::{ArrayRef, BinaryArray};
use bytes::Bytes;

use super::threads::{Rate, measure};
use crate::bench::synthetic::random::Random;
use crate::digest::{Completed, DigestSet, Hasher, LaneHasher, MsgId, Offer};
use crate::source::PIECE;

/// Bytes that one worker's pieces come from: half of a small L2 cache.
const RESIDENT: usize = 4 * PIECE;

/// The hasher that runs use.
fn hasher() -> impl Hasher {
    LaneHasher::new()
}

/// Messages of this length that come in pieces: files, members.
pub fn pieces(algorithms: DigestSet, len: u64, threads: usize, time: Duration, stop: &AtomicBool) -> Rate {
    let len = len.max(1);
    measure(threads, time, stop, |thread| {
        let resident = resident(thread, RESIDENT);
        let mut hasher = hasher();
        let mut done = Completed::default();
        let mut lanes: Vec<Lane> = (0..hasher.lanes().max(1)).map(|_| Lane::default()).collect();
        let mut next = 0;
        move || {
            let mut taken = 0;
            for (number, lane) in lanes.iter_mut().enumerate() {
                if lane.left == 0 {
                    *lane = Lane { message: MsgId(next), left: len };
                    hasher.open(lane.message, algorithms, Some(len));
                    next += 1;
                }
                let n = lane.left.min(PIECE as u64);
                let at = number * PIECE % RESIDENT;
                let piece = resident.slice(at..at + n as usize);
                if let Offer::Taken = hasher.offer(lane.message, piece, n == lane.left) {
                    lane.left -= n;
                    taken += n;
                }
            }
            hasher.drain(&mut done, true);
            done.messages.clear();
            done.cells.clear();
            // Where all lanes were full nothing was taken, and that is no end.
            taken.max(1)
        }
    })
}

#[derive(Clone, Copy)]
struct Lane {
    message: MsgId,
    left: u64,
}

impl Default for Lane {
    fn default() -> Self {
        Lane { message: MsgId(0), left: 0 }
    }
}

/// Columns of whole messages of this length.
pub fn cells(algorithms: DigestSet, len: u64, threads: usize, time: Duration, stop: &AtomicBool) -> Rate {
    let len = usize::try_from(len).unwrap_or(RESIDENT).clamp(1, RESIDENT);
    measure(threads, time, stop, |thread| {
        let resident = resident(thread, RESIDENT);
        let rows = RESIDENT / len;
        let values: ArrayRef = Arc::new(BinaryArray::from_iter_values(resident.chunks_exact(len).take(rows)));
        let mut hasher = hasher();
        let mut done = Completed::default();
        let mut next = 0;
        move || {
            let taken = hasher.offer_cells(MsgId(next), algorithms, &values);
            hasher.drain(&mut done, true);
            done.messages.clear();
            done.cells.clear();
            if taken {
                next += rows as u64;
                (rows * len) as u64
            } else {
                1
            }
        }
    })
}

fn resident(thread: usize, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    Random::new(thread as u64, &[]).fill(&mut bytes);
    bytes.into()
}
