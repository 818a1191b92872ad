//! How fast bytes can be had: from memory, and from these very files by `read(2)`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::threads::{Rate, measure};
use crate::bench::synthetic::Dataset;

/// Pieces that files are read in: the best of them is the limit.
const PIECES: [usize; 3] = [64 << 10, 128 << 10, 256 << 10];

/// Where the system does not say how large the largest cache is.
const USUAL_CACHE: u64 = 64 << 20;

/// The most that is taken for it.
const MOST: u64 = 1 << 30;

/// A plain pass over memory that no cache holds: what no way of having bytes can beat.
pub fn memory(cache: Option<u64>, threads: usize, time: Duration, stop: &AtomicBool) -> Rate {
    // Four times the cache, so that little of one pass is left for the next.
    let bytes = (4 * cache.unwrap_or(USUAL_CACHE)).clamp(64 << 20, MOST);
    let words = bytes as usize / 8 / threads;
    measure(threads, time, stop, |thread| {
        let share: Vec<u64> = (0..words).map(|i| (i ^ thread) as u64).collect();
        move || {
            // Eight sums at once: one would wait for itself.
            let mut sums = [0_u64; 8];
            for words in std::hint::black_box(&share).chunks_exact(8) {
                for (sum, word) in sums.iter_mut().zip(words) {
                    *sum = sum.wrapping_add(*word);
                }
            }
            std::hint::black_box(sums);
            share.len() as u64 * 8
        }
    })
}

/// Opens, reads and closes all files over and over, each piece into the same buffer.
pub fn files(dataset: &Dataset, threads: usize, time: Duration, stop: &AtomicBool) -> Rate {
    let each = time / PIECES.len() as u32;
    let rates = PIECES.map(|piece| of_pieces(dataset, piece, threads, each, stop));
    let speed = |rate: &Rate| rate.per_second().unwrap_or(0.0);
    rates.into_iter().max_by(|a, b| speed(a).total_cmp(&speed(b))).unwrap_or_default()
}

fn of_pieces(dataset: &Dataset, piece: usize, threads: usize, time: Duration, stop: &AtomicBool) -> Rate {
    let next = AtomicU64::new(0);
    measure(threads, time, stop, |_| {
        let mut buffer = vec![0; piece];
        let mut files = dataset.files_of(u64::MAX);
        let mut open: Option<(File, u64)> = None;
        let next = &next;
        move || {
            // One piece at a time, so that a large file does not outlast the clock. A file that cannot be read ends it.
            loop {
                if let Some((file, at)) = &mut open {
                    match file.read_at(&mut buffer, *at) {
                        Ok(0) => open = None,
                        Ok(n) => {
                            *at += n as u64;
                            return n as u64;
                        }
                        Err(_) => return 0,
                    }
                } else if let Some(path) = files.next() {
                    let Ok(file) = File::open(path) else { return 0 };
                    open = Some((file, 0));
                } else {
                    let shard = next.fetch_add(1, Ordering::Relaxed) % dataset.recipe.shards;
                    files = dataset.files_of(shard);
                }
            }
        }
    })
}
