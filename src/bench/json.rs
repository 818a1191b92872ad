//! What came of a benchmark, for programs.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::extrapolation::{Extrapolation, assumptions};
use super::outcome::{Amount, Outcome, StageFigure};

/// The JSON Schema of it.
pub const BENCH_SCHEMA: &str = include_str!("../report/bench-1.schema.json");

/// Writes it as JSON.
pub(super) fn machine(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let Outcome { recipe, made, machine, limits, .. } = outcome;
    let seconds = |time: Duration| time.as_secs_f64();
    let value = json!({
        "schema": "shardproof.bench/1",
        "tool": { "name": "shardproof", "version": env!("CARGO_PKG_VERSION") },
        "arguments": outcome.arguments,
        "machine": {
            "cpu": machine.cpu, "cores": machine.cores, "cache_bytes": machine.cache, "system": machine.system,
            "optimised": machine.optimised,
        },
        "data": {
            "layout": recipe.layout.name(), "place": if outcome.in_memory { "memory" } else { "disk" },
            "seed": recipe.seed, "content_bytes": recipe.bytes, "bytes": made.bytes, "shards": recipe.shards,
            "files": made.files, "samples": made.samples, "sample_bytes": recipe.sample_bytes,
            "claims": made.claims, "listed": outcome.listed, "algorithms": outcome.algorithms,
        },
        "run": {
            "threads": outcome.threads, "memory": outcome.memory, "runs": outcome.runs,
            "seconds": seconds(outcome.wall), "cpu_seconds": seconds(outcome.cpu),
            "bytes_per_second": outcome.bytes_per_second(), "samples_per_second": outcome.samples_per_second(),
            "cpu_seconds_per_gb": outcome.cpu_seconds_per_gb(), "peak_memory": outcome.peak,
            "claims_intact": outcome.intact, "looked_up": outcome.looked_up,
        },
        "timed_run": {
            "seconds": seconds(outcome.timed), "worker_seconds": seconds(outcome.workers),
            "worker_cpu_seconds": seconds(outcome.workers_cpu), "on_core": outcome.on_core(),
        },
        "stages": outcome.stages.iter().map(stage).collect::<Vec<_>>(),
        "limits": {
            "memory_read": limits.memory, "file_read": limits.files, "hash": limits.hash,
            "decode": limits.decode, "look_up": limits.look_up,
        },
        "extrapolation": outcome.extrapolate().iter().map(extrapolation).collect::<Vec<_>>(),
        "assumptions": assumptions(recipe.layout),
    });
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

fn stage(of: &StageFigure) -> Value {
    let (amount, unit) = match of.amount {
        Amount::Bytes(n) => (json!(n), json!("bytes")),
        Amount::Items(n, what) => (json!(n), json!(what)),
        Amount::Nothing => (Value::Null, Value::Null),
    };
    let limit = of
        .limit
        .map(|limit| json!({ "what": limit.what, "per_second": limit.per_second, "percent": of.percent() }));
    json!({
        "name": of.name, "seconds": of.time.as_secs_f64(), "cpu_seconds": of.cpu.map(|cpu| cpu.as_secs_f64()),
        "amount": amount, "unit": unit, "per_second": of.per_second(), "limit": limit,
    })
}

fn extrapolation(of: &Extrapolation) -> Value {
    let on = of.on.iter().map(|(cores, seconds, bandwidth)| {
        json!({ "cores": cores, "seconds": seconds, "storage_bytes_per_second": bandwidth })
    });
    json!({
        "what": of.what, "by": of.by, "amount": of.amount, "bytes": of.bytes, "cpu_seconds": of.cpu_seconds,
        "on": on.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::outcome::sample;
    use super::*;

    #[test]
    fn it_follows_its_schema_and_null_is_what_was_not_measured() {
        let mut text = Vec::new();
        machine(&sample::outcome(), &mut text).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        let schema: Value = serde_json::from_str(BENCH_SCHEMA).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(value["run"]["peak_memory"], Value::Null);
        assert_eq!(value["stages"][0]["limit"]["percent"], 50.0);
        assert_eq!(value["stages"][1]["limit"], Value::Null);
        assert_eq!(value["extrapolation"][0]["on"][1]["seconds"], 31.25);
    }
}
