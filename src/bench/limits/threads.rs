//! Measures a piece of work on as many threads as the run has, at once: limits share caches and memory as workers do.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How fast one worker is while the others are at it as well.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Bytes or items.
    pub amount: u64,
    /// Time of all workers together.
    pub time: Duration,
}

impl Rate {
    /// In a second of one worker; `None` where nothing was measured.
    pub fn per_second(&self) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        (self.amount > 0 && seconds > 0.0).then(|| self.amount as f64 / seconds)
    }
}

/// Repeats work on all threads until the time is over. `make` makes the work of a thread, by its number; the work tells how
/// much of it was done, 0 where there is no more.
pub fn measure<W>(threads: usize, time: Duration, stop: &AtomicBool, make: impl Fn(usize) -> W + Sync) -> Rate
where
    W: FnMut() -> u64,
{
    let begin = Barrier::new(threads);
    let one = |number: usize| {
        let mut work = make(number);
        // Pages are touched and caches filled before the clock runs.
        work();
        begin.wait();
        let begun = Instant::now();
        let mut amount = 0;
        while begun.elapsed() < time && !stop.load(Ordering::Relaxed) {
            match work() {
                0 => break,
                done => amount += done,
            }
        }
        Rate { amount, time: begun.elapsed() }
    };
    let rates: Vec<Rate> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|number| {
                let one = &one;
                scope.spawn(move || one(number))
            })
            .collect();
        // A panic of a thread goes on here.
        all.into_iter().map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let amount = rates.iter().map(|rate| rate.amount).sum();
    Rate { amount, time: rates.iter().map(|rate| rate.time).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_count() {
        let rate = measure(3, Duration::from_millis(20), &AtomicBool::new(false), |_| {
            || {
                std::thread::sleep(Duration::from_millis(5));
                10
            }
        });
        assert!(rate.time >= Duration::from_millis(60) && rate.amount >= 60, "{rate:?}");
        let per_second = rate.per_second().unwrap();
        assert!(per_second <= 2000.0, "{per_second}");
        assert_eq!(Rate::default().per_second(), None);
    }

    #[test]
    fn it_ends_where_the_run_does() {
        let begun = Instant::now();
        measure(2, Duration::from_secs(60), &AtomicBool::new(true), |_| || 1);
        measure(2, Duration::from_secs(60), &AtomicBool::new(false), |_| || 0);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
