//! The lane scheduler: messages of any length go through the lanes of a kernel, each lane taking the next message as
//! soon as its own has ended or has nothing more to give.
//!
//! What lanes work on comes from a [`Supply`]: messages that arrive piece by piece ([`streams`]), or a column of whole
//! ones ([`cells`]). Where fewer messages are left than a kernel is worth starting for, their chaining values move to a
//! kernel with fewer lanes ([`run_all`]); so one long message at the end is hashed as fast as a single stream can be.
#![allow(
    unsafe_code,
    reason = "kernels read through raw pointers, which only a scheduler of lanes can vouch for"
)]

mod cells;
mod hasher;
mod padding;
mod streams;
#[cfg(test)]
mod tests;

use std::cell::UnsafeCell;

use super::kernel::{BLOCK, Choice, Kernel, Words, dispatch};

pub use hasher::LaneHasher;

/// The widest kernel's lanes.
const MOST_LANES: usize = 32;

/// Room for blocks that do not lie in the message as they are: the seam of two pieces, or the end with its padding,
/// which takes two blocks at most.
type Seam = [u8; 2 * BLOCK];

/// Blocks that are to be hashed next.
enum Span {
    /// They lie in memory.
    There(*const u8, usize),
    /// They were put into the seam: the first that is left, and how many are.
    Seam(usize, usize),
}

/// Messages for the lanes, one after the other.
///
/// # Safety
/// From `span` on until the next call of `advance` or `end` for the same message, a pointer that it gave must be
/// readable for all blocks that it gave, and nobody may write there.
unsafe trait Supply {
    /// A message in a lane. It may be moved.
    type Message;

    /// The next message that waits, and its chaining value so far.
    fn next(&mut self) -> Option<(Self::Message, Words)>;

    /// The next blocks of a message, at least one; `None` where it has none for now.
    fn span(&mut self, message: &mut Self::Message, seam: &mut Seam) -> Option<Span>;

    /// So many of the blocks that `span` gave were hashed.
    fn advance(&mut self, message: &mut Self::Message, blocks: usize);

    /// The message has no further blocks for now; this is its chaining value.
    fn rest(&mut self, message: Self::Message, words: Words);
}

/// A message in a lane.
struct Busy<M> {
    message: M,
    /// Blocks of its span, and how many of them are still to be hashed.
    blocks: usize,
    left: usize,
}

/// Hashes what the supply has. With `to_the_end`, until nothing is left; without, until too few messages are left for
/// the kernel that it began with: those that would come next may then be hashed together with them.
fn run_all<S: Supply>(supply: &mut S, waiting: usize, choice: &Choice, to_the_end: bool) {
    let mut under_way: Vec<(S::Message, Words)> = Vec::new();
    let mut count = waiting;
    while count > 0 {
        let kernel = choice.for_messages(count);
        // Below this number a kernel with fewer lanes is faster.
        let least = (1..=kernel.lanes().min(count)).find(|&n| choice.for_messages(n) == kernel).unwrap_or(1);
        // SAFETY: a choice names only kernels whose instructions this CPU has.
        unsafe { dispatch!(kernel, K => run::<K, S>(supply, &mut under_way, least)) };
        if !to_the_end {
            break;
        }
        count = under_way.len();
    }
    for (message, words) in under_way {
        supply.rest(message, words);
    }
}

/// Runs a kernel while at least so many of its lanes are busy. Messages that are then under way are left in
/// `under_way`, where those are taken from first.
///
/// # Safety
/// The CPU has the kernel's instructions.
unsafe fn run<K: Kernel, S: Supply>(supply: &mut S, under_way: &mut Vec<(S::Message, Words)>, least: usize) {
    const { assert!(K::LANES <= MOST_LANES) };
    let mut state = K::new();
    let mut lanes: [Option<Busy<S::Message>>; MOST_LANES] = [const { None }; MOST_LANES];
    let seams: UnsafeCell<[Seam; MOST_LANES]> = UnsafeCell::new([[0; 2 * BLOCK]; MOST_LANES]);
    let seam = |lane: usize| {
        debug_assert!(lane < MOST_LANES);
        // SAFETY: the lane is one of the array's, which is never borrowed as a whole.
        unsafe { seams.get().cast::<Seam>().add(lane) }
    };
    let mut from = [std::ptr::null(); MOST_LANES];
    // Puts the next blocks of a message into its lane; `None` where there are none.
    let span = |supply: &mut S, message: &mut S::Message, lane: usize| {
        // SAFETY: kernels read seams between two calls of this only, and no other reference to this one exists.
        Some(match supply.span(message, unsafe { &mut *seam(lane) })? {
            Span::There(at, blocks) => (at, blocks),
            Span::Seam(first, blocks) => {
                debug_assert!(first + blocks <= 2);
                // SAFETY: `first` is 0 or 1, and the seam has two blocks.
                (unsafe { seam(lane).cast::<u8>().cast_const().add(first * BLOCK) }, blocks)
            }
        })
    };
    let mut busy = 0;
    let mut no_more = false;
    loop {
        for lane in 0..K::LANES {
            while lanes[lane].is_none() && !no_more {
                let Some((mut message, words)) = under_way.pop().or_else(|| supply.next()) else {
                    no_more = true;
                    break;
                };
                match span(supply, &mut message, lane) {
                    Some((at, blocks)) => {
                        K::set(&mut state, lane, &words);
                        from[lane] = at;
                        lanes[lane] = Some(Busy { message, blocks, left: blocks });
                        busy += 1;
                    }
                    None => supply.rest(message, words),
                }
            }
        }
        if busy == 0 || busy < least {
            break;
        }
        let mut blocks = usize::MAX;
        let mut any = 0;
        for (lane, busy) in lanes[..K::LANES].iter().enumerate() {
            if let Some(busy) = busy {
                blocks = blocks.min(busy.left);
                any = lane;
            }
        }
        for lane in 0..K::LANES {
            // An idle lane reads along with a busy one; what it comes to is never looked at.
            if lanes[lane].is_none() {
                from[lane] = from[any];
            }
        }
        // SAFETY: by this function's contract the CPU has the instructions. Every pointer is that of a busy lane, of
        // which the supply vouches for at least `blocks` blocks, or which points into a seam that holds them; or a copy
        // of one.
        unsafe { K::compress(&mut state, &mut from[..K::LANES], blocks) };
        for lane in 0..K::LANES {
            let Some(at_work) = &mut lanes[lane] else { continue };
            at_work.left -= blocks;
            if at_work.left > 0 {
                continue;
            }
            supply.advance(&mut at_work.message, at_work.blocks);
            match span(supply, &mut at_work.message, lane) {
                Some((at, blocks)) => {
                    from[lane] = at;
                    (at_work.blocks, at_work.left) = (blocks, blocks);
                }
                None => {
                    if let Some(ended) = lanes[lane].take() {
                        supply.rest(ended.message, K::get(&state, lane));
                        busy -= 1;
                    }
                }
            }
        }
    }
    for (lane, busy) in lanes.into_iter().enumerate() {
        if let Some(Busy { mut message, blocks, left }) = busy {
            supply.advance(&mut message, blocks - left);
            under_way.push((message, K::get(&state, lane)));
        }
    }
}
