//! What this machine could do at most, measured in the same run: each stage is told beside it.

mod decoding;
mod hashing;
mod looking_up;
mod reading;
mod threads;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use threads::Rate;

use super::machine::Machine;
use super::synthetic::Dataset;
use crate::error::Result;

/// How long each is measured.
const TIME: Duration = Duration::from_millis(400);

/// The messages that were hashed, by the way in which they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashed {
    /// Whole files.
    pub files: Messages,
    /// Members and lines, which come in pieces as well.
    pub members: Messages,
    /// Values of columns.
    pub cells: Messages,
}

/// Messages of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// How many.
    pub count: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Messages {
    fn mean(&self) -> u64 {
        self.bytes.checked_div(self.count).unwrap_or(0).max(1)
    }
}

/// Limits, each as one worker reaches it while all of them are at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Bytes of memory that are passed over.
    pub memory: Option<f64>,
    /// Bytes of the same files by `read(2)`, with opening and closing.
    pub files: Option<f64>,
    /// Bytes hashed from the cache, in the run's own mixture of messages.
    pub hash: Option<f64>,
    /// Bytes of files decoded, where there is something to decode.
    pub decode: Option<f64>,
    /// Items looked up.
    pub look_up: Option<f64>,
}

impl Limits {
    /// Measures all of them.
    ///
    /// # Errors
    /// Where the hash list cannot be read again.
    pub fn measure(
        dataset: &Dataset,
        machine: &Machine,
        hashed: &Hashed,
        threads: usize,
        stop: &AtomicBool,
    ) -> Result<Limits> {
        let algorithms = dataset.algorithms;
        let of_pieces =
            |messages: Messages| hashing::pieces(algorithms, messages.mean(), threads, TIME, stop);
        let of_cells = |messages: Messages| hashing::cells(algorithms, messages.mean(), threads, TIME, stop);
        let files = reading::files(dataset, threads, TIME, stop).per_second();
        let mut parts = Vec::new();
        for messages in [hashed.files, hashed.members] {
            if messages.bytes > 0 {
                parts.push((messages.bytes, of_pieces(messages).per_second()));
            }
        }
        if hashed.cells.bytes > 0 {
            parts.push((hashed.cells.bytes, of_cells(hashed.cells).per_second()));
        }
        Ok(Limits {
            memory: reading::memory(machine.cache, threads, TIME, stop).per_second(),
            files,
            hash: mixed(&parts),
            decode: decoding::decoding(dataset, threads, TIME, stop).and_then(|rate| rate.per_second()),
            look_up: looking_up::looking_up(dataset, threads, TIME, stop)?.and_then(|rate| rate.per_second()),
        })
    }
}

/// The rate of a mixture: all bytes by the time that its parts take, each at its own rate.
fn mixed(parts: &[(u64, Option<f64>)]) -> Option<f64> {
    let bytes: u64 = parts.iter().map(|(bytes, _)| bytes).sum();
    let mut seconds = 0.0;
    for (bytes, rate) in parts {
        seconds += *bytes as f64 / (*rate)?;
    }
    (bytes > 0 && seconds > 0.0).then(|| bytes as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_takes_the_time_of_its_parts() {
        assert_eq!(mixed(&[(100, Some(10.0))]), Some(10.0));
        // 100 at 10 and 300 at 30 take 20 seconds.
        assert_eq!(mixed(&[(100, Some(10.0)), (300, Some(30.0))]), Some(20.0));
        assert_eq!(mixed(&[(100, Some(10.0)), (300, None)]), None);
        assert_eq!(mixed(&[]), None);
    }
}
