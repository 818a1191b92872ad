//! What came of a benchmark, for people.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use super::extrapolation::{CORES, assumptions};
use super::outcome::{Amount, Outcome, StageFigure};
use crate::report::amounts::{Bytes, Count, many};

/// Writes it as text.
pub(super) fn human(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = tell(outcome, &mut text);
    out.write_all(text.as_bytes())
}

fn tell(outcome: &Outcome, out: &mut String) -> std::fmt::Result {
    let Outcome { recipe, made, machine, .. } = outcome;
    let place = if outcome.in_memory { "in memory" } else { "on disk, warm" };
    writeln!(
        out,
        "{} of synthetic data, layout {}: {}, {} of {} on average; seed {}, {place}",
        Bytes(made.bytes),
        recipe.layout.name(),
        many(made.files, "file", "files"),
        many(made.samples, "sample", "samples"),
        Bytes(recipe.bytes / made.samples.max(1)),
        recipe.seed,
    )?;
    let cpu = machine.cpu.as_deref().unwrap_or("unknown processor");
    writeln!(
        out,
        "{cpu}, {}; {} of {}; {}",
        machine.system,
        many(outcome.threads as u64, "thread", "threads"),
        many(machine.cores as u64, "core", "cores"),
        outcome.algorithms.join(", "),
    )?;
    writeln!(
        out,
        "All of it was verified: {} intact; {} looked up in a list of {}, and not found, as is right",
        many(outcome.intact, "claim", "claims"),
        many(outcome.looked_up, "item", "items"),
        Count(outcome.listed),
    )?;
    if !machine.optimised {
        writeln!(out, "NOTE: this program was built without optimisation; its figures mean nothing")?;
    }
    if outcome.on_core() < 0.85 {
        writeln!(
            out,
            "NOTE: the workers had a core for {:.0} % of the time only: others use this machine, reads wait, or there are \
             more threads than cores; CPU seconds count, the clock less so",
            outcome.on_core() * 100.0
        )?;
    }
    writeln!(out)?;
    let runs = match outcome.runs {
        1 => "one run".to_string(),
        n => format!("median of {n} runs"),
    };
    let seconds = outcome.wall.as_secs_f64();
    writeln!(
        out,
        "rate          {}/s, {} samples/s ({runs}: {seconds:.3} s)",
        decimal(outcome.bytes_per_second()),
        count(outcome.samples_per_second())
    )?;
    writeln!(out, "CPU           {:.3} s for each GB", outcome.cpu_seconds_per_gb())?;
    let peak = outcome
        .peak
        .map_or("not measured: this system does not say".to_string(), |peak| Bytes(peak).to_string());
    writeln!(out, "peak memory   {peak}")?;

    writeln!(
        out,
        "\nStages of one more run ({:.3} s), and what this machine does at most, per worker:",
        outcome.timed.as_secs_f64()
    )?;
    writeln!(out, "  {:<10}{:>10}  {:>16}  {:>16}  {:>7}", "", "time", "rate", "limit", "of it")?;
    for stage in &outcome.stages {
        tell_stage(stage, out)?;
    }
    let memory =
        outcome.limits.memory.map_or("not measured".to_string(), |rate| format!("{}/s", decimal(rate)));
    writeln!(out, "  memory alone is passed over with {memory} by each worker")?;

    writeln!(out, "\nWhat that means for more, on such cores:")?;
    write!(out, "  {:<40}{:>12}", "", "CPU")?;
    for cores in CORES {
        write!(out, "{:>14}", many(cores, "core", "cores"))?;
    }
    writeln!(out)?;
    let all = outcome.extrapolate();
    for of in &all {
        write!(out, "  {:<40}{:>12}", of.what, long(of.cpu_seconds))?;
        for (_, seconds, _) in &of.on {
            write!(out, "{:>14}", long(*seconds))?;
        }
        writeln!(out)?;
    }
    if let Some(first) = all.first() {
        write!(out, "  {:<52}", "which storage has to deliver")?;
        for (_, _, bandwidth) in &first.on {
            write!(out, "{:>14}", format!("{}/s", decimal(*bandwidth)))?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    for sentence in assumptions(recipe.layout) {
        writeln!(out, "- {sentence}")?;
    }
    writeln!(out, "- A rate is what passes in a second of one worker. What a figure means: docs/bench.md")
}

fn tell_stage(stage: &StageFigure, out: &mut String) -> std::fmt::Result {
    let unit = |rate: f64| match stage.amount {
        Amount::Bytes(_) => format!("{}/s", decimal(rate)),
        Amount::Items(_, what) => format!("{} {what}/s", count(rate)),
        Amount::Nothing => NONE.to_string(),
    };
    let rate = stage.per_second().map_or(NONE.to_string(), unit);
    let limit = stage.limit.map_or(NONE.to_string(), |limit| unit(limit.per_second));
    let percent = stage.percent().map_or(NONE.to_string(), |percent| format!("{percent:.0} %"));
    let what = match (stage.limit, stage.cpu) {
        (Some(limit), _) => format!("  {}", limit.what),
        (None, Some(cpu)) => format!("  on the clock; {} of CPU", short(cpu)),
        (None, None) => String::new(),
    };
    writeln!(
        out,
        "  {:<10}{:>10}  {rate:>16}  {limit:>16}  {percent:>7}{what}",
        stage.name,
        short(stage.time)
    )
}

/// What there is nothing to say of.
const NONE: &str = "–";

fn short(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// A time as far as an extrapolation goes.
fn long(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.0} ms", s * 1000.0),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 600.0 => format!("{:.1} min", s / 60.0),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s if s < 730.0 * 86_400.0 => format!("{:.1} d", s / 86_400.0),
        s => format!("{:.1} years", s / (365.25 * 86_400.0)),
    }
}

/// Bytes in decimal units, as rates of storage are told.
fn decimal(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut rest = bytes;
    let mut unit = 0;
    while rest >= 999.5 && unit + 1 < units.len() {
        rest /= 1000.0;
        unit += 1;
    }
    let decimals = if rest < 9.995 { 2 } else { usize::from(rest < 99.95) };
    format!("{rest:.decimals$} {}", units[unit])
}

fn count(n: f64) -> String {
    Count(n.round().clamp(0.0, 1e18) as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::outcome::sample;
    use super::*;

    #[test]
    fn people_are_told_rates_limits_and_what_was_not_measured() {
        let mut text = Vec::new();
        human(&sample::outcome(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for part in [
            "3.73 GiB of synthetic data, layout tar: 16 files, 1,000,000 samples of 3.91 KiB on average; seed 1, on disk, warm\n",
            "All of it was verified: 1,000,016 claims intact; ",
            "rate          4.00 GB/s, 1,000,000 samples/s (median of 3 runs: 1.000 s)\n",
            "CPU           0.500 s for each GB\n",
            "peak memory   not measured",
            "NOTE: the workers had a core for 50 % of the time only",
            "  read         0.500 s         8.00 GB/s         16.0 GB/s     50 %  read(2) of these files\n",
            "  join         1.000 s                 –                 –        –  on the clock; 1.000 s of CPU\n",
            "1 TB                                         8.3 min       8.3 min        31.2 s         0.5 s\n",
            "5.85 billion such samples",
            "This layout has no rows",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("built without optimisation"));
    }

    #[test]
    fn times_and_amounts_are_readable() {
        for (seconds, text) in
            [(0.05, "50 ms"), (30.0, "30.0 s"), (600.0, "10 min"), (7200.0, "2.0 h"), (1e9, "31.7 years")]
        {
            assert_eq!(long(seconds), text);
        }
        for (bytes, text) in
            [(999.0, "999 B"), (1000.0, "1.00 kB"), (999_600.0, "1.00 MB"), (12.34e9, "12.3 GB")]
        {
            assert_eq!(decimal(bytes), text);
        }
    }
}
