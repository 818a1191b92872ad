//! Threads that share what is found to be done on the way.
//!
//! A task is handed over only while some thread has nothing to do, and done on the spot otherwise: what waits never
//! grows with the work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Tasks that wait, and threads that do.
pub struct Crew<T> {
    shared: Mutex<Shared<T>>,
    more: Condvar,
    /// Threads that have nothing to do and for whom nothing waits: a hint that needs no lock.
    hungry: AtomicUsize,
}

struct Shared<T> {
    waiting: Vec<T>,
    /// Threads at work.
    busy: usize,
    /// Threads without work.
    idle: usize,
}

impl<T: Send> Crew<T> {
    /// A crew that has this to do at first.
    pub fn new(first: T) -> Self {
        Crew {
            shared: Mutex::new(Shared { waiting: vec![first], busy: 0, idle: 0 }),
            more: Condvar::new(),
            hungry: AtomicUsize::new(0),
        }
    }

    /// Hands a task to a thread that has none; gives it back where every one is at work.
    pub fn offer(&self, task: T) -> Option<T> {
        if !self.is_hungry() {
            return Some(task);
        }
        let mut shared = self.lock();
        if shared.waiting.len() >= shared.idle {
            return Some(task);
        }
        shared.waiting.push(task);
        self.tell(&shared);
        drop(shared);
        self.more.notify_one();
        None
    }

    /// Whether some thread has nothing to do.
    pub fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed) > 0
    }

    /// Does tasks on each of these threads' own state until there are no more. The first is this thread.
    pub fn run<S: Send>(&self, states: &mut [S], task: impl Fn(T, &mut S) + Sync) {
        let Some((own, others)) = states.split_first_mut() else { return };
        std::thread::scope(|scope| {
            for state in others {
                let task = &task;
                scope.spawn(move || self.work(state, task));
            }
            self.work(own, &task);
        });
    }

    fn work<S>(&self, state: &mut S, task: &impl Fn(T, &mut S)) {
        while let Some((next, _at_work)) = self.next() {
            task(next, state);
        }
    }

    /// The next task; `None` once nobody can hand over any more.
    fn next(&self) -> Option<(T, AtWork<'_, T>)> {
        let mut shared = self.lock();
        loop {
            if let Some(task) = shared.waiting.pop() {
                shared.busy += 1;
                self.tell(&shared);
                return Some((task, AtWork { crew: self }));
            }
            if shared.busy == 0 {
                return None;
            }
            shared.idle += 1;
            self.tell(&shared);
            shared = self.more.wait(shared).unwrap_or_else(PoisonError::into_inner);
            shared.idle -= 1;
            self.tell(&shared);
        }
    }

    fn tell(&self, shared: &Shared<T>) {
        self.hungry.store(shared.idle.saturating_sub(shared.waiting.len()), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread at a task. Also one that panics leaves: the others would wait for it for ever.
struct AtWork<'a, T: Send> {
    crew: &'a Crew<T>,
}

impl<T: Send> Drop for AtWork<'_, T> {
    fn drop(&mut self) {
        let mut shared = self.crew.lock();
        shared.busy -= 1;
        if shared.busy == 0 {
            self.crew.more.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the numbers below `n` by halves.
    fn sum(n: u64, threads: usize) -> u64 {
        let crew = Crew::new(0..n);
        let mut sums = vec![0u64; threads];
        fn add(crew: &Crew<std::ops::Range<u64>>, range: std::ops::Range<u64>, sum: &mut u64) {
            if range.end - range.start <= 3 {
                *sum += range.sum::<u64>();
                return;
            }
            let middle = range.start.midpoint(range.end);
            for half in [range.start..middle, middle..range.end] {
                if let Some(half) = crew.offer(half) {
                    add(crew, half, sum);
                }
            }
        }
        crew.run(&mut sums, |range, sum| add(&crew, range, sum));
        assert!(crew.lock().waiting.is_empty());
        sums.iter().sum()
    }

    #[test]
    fn every_task_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            for n in [0, 1, 10, 10_000] {
                assert_eq!(sum(n, threads), (0..n).sum::<u64>(), "{n} with {threads} threads");
            }
        }
    }

    #[test]
    fn a_panic_ends_the_crew_instead_of_holding_it_up() {
        let crew = Crew::new(1);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            crew.run(&mut [(), ()], |_, ()| panic!("a test's"));
        }));
        assert!(ended.is_err());
    }
}
