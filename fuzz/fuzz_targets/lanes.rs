//! The lane scheduler under any order of announcing, offering and draining, held against the crates' hashers.
//!
//! `cargo +nightly fuzz run lanes`
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use shardproof::digest::{Algorithm, Completed, DigestSet, Hasher, LaneHasher, LoopHasher, MsgId, Offer};

/// Messages in flight at most.
const MOST: usize = 40;

fuzz_target!(|data: &[u8]| {
    let algorithms: DigestSet =
        [Algorithm::Md5, Algorithm::Sha1, Algorithm::GitBlob, Algorithm::Sha224, Algorithm::Sha256]
            .into_iter()
            .collect();
    let whole = Bytes::copy_from_slice(data);
    let (mut lanes, mut plain) = (LaneHasher::new(), LoopHasher::new());
    let (mut of_lanes, mut of_plain) = (Completed::default(), Completed::default());
    let mut open: Vec<MsgId> = Vec::new();
    let mut next = 0;
    for (at, &byte) in data.iter().enumerate() {
        match byte % 8 {
            0 | 1 if open.len() < MOST => {
                let id = MsgId(next);
                next += 1;
                // Most lengths are lies: such a message has no git blob.
                let len = (byte > 8).then_some(u64::from(byte));
                lanes.open(id, algorithms, len);
                plain.open(id, algorithms, len);
                open.push(id);
            }
            2 => lanes.drain(&mut of_lanes, byte > 127),
            _ if !open.is_empty() => {
                let which = usize::from(byte >> 3) % open.len();
                let last = byte.is_multiple_of(3);
                let len = (usize::from(byte) * 37).min(data.len() - at);
                let piece = whole.slice(at..at + len);
                while let Offer::Full(_) = lanes.offer(open[which], piece.clone(), last) {
                    lanes.drain(&mut of_lanes, true);
                }
                plain.offer(open[which], piece, last);
                if last {
                    open.swap_remove(which);
                }
            }
            _ => {}
        }
    }
    for id in open {
        while let Offer::Full(_) = lanes.offer(id, Bytes::new(), true) {
            lanes.drain(&mut of_lanes, true);
        }
        plain.offer(id, Bytes::new(), true);
    }
    lanes.drain(&mut of_lanes, false);
    plain.drain(&mut of_plain, false);
    of_lanes.messages.sort_by_key(|(id, _)| *id);
    of_plain.messages.sort_by_key(|(id, _)| *id);
    assert!(of_lanes.messages == of_plain.messages, "lanes and crates differ");
});
