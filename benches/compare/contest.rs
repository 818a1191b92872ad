//! Tools in turn on the same data, and the table of their medians.

use anyhow::{Result, ensure};

use crate::Bench;
use crate::measured::Run;
use crate::told::Told;

/// What one run took.
#[derive(Clone, Copy)]
pub struct Taken {
    /// Seconds.
    pub wall: f64,
    /// Seconds of all cores.
    pub cpu: f64,
    /// Resident bytes of the largest process.
    pub peak: u64,
}

impl From<Run> for Taken {
    fn from(run: Run) -> Taken {
        Taken { wall: run.wall.as_secs_f64(), cpu: run.cpu.as_secs_f64(), peak: run.peak }
    }
}

/// One way to do a work. Its run asserts that the work was done.
pub struct Tool<'a> {
    pub name: String,
    /// `None` where it is not installed.
    pub version: Option<String>,
    /// Whether a goal is measured by it; one that does less, or something else, only stands beside.
    pub judged: bool,
    pub run: Box<dyn Fn() -> Result<Taken> + 'a>,
}

impl<'a> Tool<'a> {
    pub fn new(name: &str, version: Option<String>, run: impl Fn() -> Result<Taken> + 'a) -> Tool<'a> {
        Tool { name: name.to_owned(), version, judged: true, run: Box::new(run) }
    }

    /// Told, but no measure for a goal.
    pub fn beside(self) -> Tool<'a> {
        Tool { judged: false, ..self }
    }
}

/// How much there was to do.
pub struct Amount {
    pub bytes: u64,
    /// What is counted in the column of rates, where that is not bytes.
    pub items: Option<(u64, &'static str)>,
}

/// The medians of all tools; the first is the program under test.
pub struct Standings {
    all: Vec<Standing>,
}

/// A tool's medians over all rounds, and its highest peak.
pub struct Standing {
    pub name: String,
    version: Option<String>,
    pub judged: bool,
    pub taken: Option<Taken>,
}

/// Every tool once in each round.
pub fn contest(bench: &Bench, tools: &[Tool<'_>]) -> Result<Standings> {
    if bench.require_peers {
        let absent: Vec<&str> =
            tools.iter().filter(|t| t.version.is_none()).map(|t| t.name.as_str()).collect();
        ensure!(
            absent.is_empty(),
            "not installed, but asked for with --require-peers: {}",
            absent.join(", ")
        );
    }
    let mut runs: Vec<Vec<Taken>> = tools.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds {
        for (runs, tool) in runs.iter_mut().zip(tools).filter(|(_, tool)| tool.version.is_some()) {
            runs.push((tool.run)()?);
        }
    }
    let all = tools.iter().zip(runs).map(|(tool, runs)| Standing {
        name: tool.name.clone(),
        version: tool.version.clone(),
        judged: tool.judged,
        taken: middle(&runs),
    });
    Ok(Standings { all: all.collect() })
}

fn middle(runs: &[Taken]) -> Option<Taken> {
    let peak = runs.iter().map(|run| run.peak).max()?;
    let of = |value: fn(&Taken) -> f64| median(runs.iter().map(value).collect());
    Some(Taken { wall: of(|run| run.wall), cpu: of(|run| run.cpu), peak })
}

/// The middle one, or the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    f64::midpoint(values[low], values[high])
}

impl Standings {
    /// The program under test.
    pub fn ours(&self) -> Result<Taken> {
        self.all
            .first()
            .and_then(|first| first.taken)
            .ok_or_else(|| anyhow::anyhow!("the program under test did not run"))
    }

    /// The others that ran.
    pub fn peers(&self) -> impl Iterator<Item = (&Standing, Taken)> {
        self.all.iter().skip(1).filter_map(|standing| Some((standing, standing.taken?)))
    }

    /// The table, one line for each tool.
    pub fn tell(&self, amount: &Amount, told: &mut Told) -> Result<()> {
        let ours = self.ours()?;
        told.line(
            "| tool | wall s | rate | CPU s | CPU s per GB | peak MB | wall, ours = 1 | CPU, ours = 1 |",
        );
        told.line("|---|---|---|---|---|---|---|---|");
        for Standing { name, version, taken, .. } in &self.all {
            let (Some(version), Some(taken)) = (version, taken) else {
                told.line(&format!("| {name} | is not installed | | | | | | |"));
                continue;
            };
            told.line(&format!(
                "| {name} ({version}) | {} | {} | {} | {:.2} | {:.0} | {:.2}× | {:.2}× |",
                seconds(taken.wall),
                amount.rate(taken.wall),
                seconds(taken.cpu),
                taken.cpu / (amount.bytes as f64 / 1e9),
                taken.peak as f64 / 1e6,
                taken.wall / ours.wall,
                taken.cpu / ours.cpu
            ));
        }
        Ok(())
    }
}

/// As many digits as a run of this length is worth.
fn seconds(value: f64) -> String {
    if value < 1.0 { format!("{value:.3}") } else { format!("{value:.2}") }
}

impl Amount {
    fn rate(&self, wall: f64) -> String {
        let bytes = format!("{:.2} GB/s", self.bytes as f64 / 1e9 / wall);
        match self.items {
            None => bytes,
            Some((count, what)) => format!("{bytes}, {:.0} thousand {what}/s", count as f64 / 1e3 / wall),
        }
    }
}
