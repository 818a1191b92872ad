//! What came of a benchmark, ready to be told.

use std::time::Duration;

use super::extrapolation::{Cost, Extrapolation};
use super::limits::Limits;
use super::machine::Machine;
use super::synthetic::{Made, Recipe};

/// A finished benchmark.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The words of the command line.
    pub arguments: Vec<String>,
    /// The machine.
    pub machine: Machine,
    /// What the data were made by.
    pub recipe: Recipe,
    /// What was made.
    pub made: Made,
    /// Whether the data were held in memory.
    pub in_memory: bool,
    /// Names of the algorithms.
    pub algorithms: Vec<&'static str>,
    /// Entries of the hash list.
    pub listed: u64,
    /// Worker threads.
    pub threads: usize,
    /// Memory that the run was given.
    pub memory: usize,
    /// How often it was run.
    pub runs: usize,
    /// The median of those runs, on the clock.
    pub wall: Duration,
    /// And its CPU time.
    pub cpu: Duration,
    /// Most bytes resident in those runs; `None` where the system does not say.
    pub peak: Option<u64>,
    /// Claims found intact, all of them.
    pub intact: u64,
    /// Items looked up in the list.
    pub looked_up: u64,
    /// The run in which stages were timed, on the clock.
    pub timed: Duration,
    /// What its workers had: the time of all of them together, and how much of it a core was theirs.
    pub workers: Duration,
    /// CPU time while they read.
    pub workers_cpu: Duration,
    /// Its stages.
    pub stages: Vec<StageFigure>,
    /// What the machine could do.
    pub limits: Limits,
}

/// A stage, and what the machine could do at most.
#[derive(Clone, Debug, PartialEq)]
pub struct StageFigure {
    /// Its name.
    pub name: &'static str,
    /// Time of all workers together; where they are not at work, time on the clock.
    pub time: Duration,
    /// CPU time, for stages that are not parts of a worker's time.
    pub cpu: Option<Duration>,
    /// What passed.
    pub amount: Amount,
    /// What it is held against.
    pub limit: Option<LimitFigure>,
}

/// What passes through a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// So many items, called so.
    Items(u64, &'static str),
    /// Nothing that is counted.
    Nothing,
}

/// A limit of a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitFigure {
    /// What was measured.
    pub what: &'static str,
    /// In a second of one worker.
    pub per_second: f64,
}

impl StageFigure {
    /// In a second of one worker, of what passed.
    pub fn per_second(&self) -> Option<f64> {
        let amount = match self.amount {
            Amount::Bytes(n) | Amount::Items(n, _) => n,
            Amount::Nothing => 0,
        };
        let seconds = self.time.as_secs_f64();
        (amount > 0 && seconds > 0.0).then(|| amount as f64 / seconds)
    }

    /// How much of its limit it reaches.
    pub fn percent(&self) -> Option<f64> {
        Some(self.per_second()? / self.limit?.per_second * 100.0)
    }
}

impl Outcome {
    /// Bytes of files in a second.
    pub fn bytes_per_second(&self) -> f64 {
        self.made.bytes as f64 / self.wall.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Samples in a second.
    pub fn samples_per_second(&self) -> f64 {
        self.made.samples as f64 / self.wall.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// CPU seconds for each 10⁹ bytes of files.
    pub fn cpu_seconds_per_gb(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.made.bytes.max(1) as f64 / 1e9)
    }

    /// Which part of their time a core was the workers'; less than all where others use the machine, or reads wait.
    pub fn on_core(&self) -> f64 {
        self.workers_cpu.as_secs_f64() / self.workers.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// What it means for more.
    pub fn extrapolate(&self) -> Vec<Extrapolation> {
        let cost = Cost {
            layout: self.recipe.layout,
            cpu_seconds: self.cpu.as_secs_f64(),
            bytes: self.made.bytes,
            samples: self.made.samples,
        };
        cost.extrapolate()
    }
}

#[cfg(test)]
pub(super) mod sample {
    use super::*;
    use crate::bench::synthetic::Layout;

    /// A benchmark that never was.
    pub fn outcome() -> Outcome {
        let second = Duration::from_secs(1);
        let figure = |name, time, amount, limit| StageFigure { name, time, cpu: None, amount, limit };
        let limit = |what, per_second| Some(LimitFigure { what, per_second });
        Outcome {
            arguments: vec!["bench".into()],
            machine: Machine {
                cpu: None,
                cores: 2,
                cache: Some(32 << 20),
                system: "linux x86_64".into(),
                optimised: true,
            },
            recipe: Recipe {
                layout: Layout::Tar,
                bytes: 4_000_000_000,
                shards: 16,
                sample_bytes: 4000,
                seed: 1,
            },
            made: Made { files: 16, bytes: 4_000_000_000, samples: 1_000_000, claims: 1_000_016 },
            in_memory: false,
            algorithms: vec!["sha256"],
            listed: 10_000,
            threads: 2,
            memory: 256 << 20,
            runs: 3,
            wall: second,
            cpu: 2 * second,
            peak: None,
            intact: 1_000_016,
            looked_up: 1_000_016,
            timed: second,
            workers: 2 * second,
            workers_cpu: second,
            stages: vec![
                figure(
                    "read",
                    second / 2,
                    Amount::Bytes(4_000_000_000),
                    limit("read(2) of these files", 16e9),
                ),
                figure("look up", second, Amount::Items(1_000_016, "items"), None),
                StageFigure { cpu: Some(second), ..figure("join", second, Amount::Nothing, None) },
            ],
            limits: Limits { memory: Some(20e9), files: Some(16e9), ..Limits::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_median_run_and_of_one_worker() {
        let outcome = sample::outcome();
        assert_eq!(outcome.bytes_per_second(), 4e9);
        assert_eq!(outcome.samples_per_second(), 1e6);
        assert_eq!(outcome.cpu_seconds_per_gb(), 0.5);
        assert_eq!(outcome.on_core(), 0.5);
        assert_eq!(outcome.stages[0].per_second(), Some(8e9));
        assert_eq!(outcome.stages[0].percent(), Some(50.0));
        assert_eq!(outcome.stages[1].percent(), None);
        assert_eq!(outcome.stages[2].per_second(), None);
        assert_eq!(outcome.extrapolate()[0].cpu_seconds, 500.0);
    }
}
