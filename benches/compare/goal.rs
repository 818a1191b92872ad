//! The ratios that are asked of the program, and which were reached.

use anyhow::Result;

use crate::Bench;
use crate::contest::{Standings, Taken};
use crate::told::Told;

/// What a ratio is of.
#[derive(Clone, Copy)]
pub enum Of {
    /// Seconds by the clock.
    Wall,
    /// Seconds of all cores.
    Cpu,
}

/// A ratio of the best judged peer to the program.
pub struct Goal {
    pub of: Of,
    pub at_least: f64,
    pub aim: f64,
}

impl Goal {
    /// Held against the standings, and told.
    pub fn tell(&self, work: &str, bench: &Bench, standings: &Standings, told: &mut Told) -> Result<()> {
        let (unit, value): (_, fn(&Taken) -> f64) = match self.of {
            Of::Wall => ("by the clock", |taken| taken.wall),
            Of::Cpu => ("per CPU second", |taken| taken.cpu),
        };
        let ours = value(&standings.ours()?);
        let best = |judged: bool| {
            standings
                .peers()
                .filter(|(peer, _)| peer.judged == judged)
                .map(|(peer, taken)| (value(&taken) / ours, &peer.name))
                .min_by(|a, b| a.0.total_cmp(&b.0))
        };
        let asked = format!("{:.2}× the best peer {unit}, aim {:.1}×", self.at_least, self.aim);
        let mut reached = match best(true) {
            None => "unknown, for no peer that does the same is installed".to_owned(),
            Some((ratio, peer)) => {
                format!("{ratio:.2}× against {peer}{}", bench.word(ratio >= self.at_least, ratio >= self.aim))
            }
        };
        if let Some((ratio, peer)) = best(false) {
            reached.push_str(&format!(" (and {ratio:.2}× against {peer}, not judged)"));
        }
        told.goal(work, &asked, &reached);
        Ok(())
    }
}

impl Bench {
    /// Whether a goal is met. A quick run says nothing of it: its data are too small to measure.
    pub fn word(&self, met: bool, aim: bool) -> &'static str {
        match (self.quick, met, aim) {
            (true, ..) => ", which a quick run does not judge",
            (_, _, true) => ": met, and the aim too",
            (_, true, _) => ": met",
            _ => ": **not met**",
        }
    }
}
