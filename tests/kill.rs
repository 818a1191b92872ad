//! kill -9 at any moment: the next run's report is that of a run that was left alone. Slow, so only with `--ignored`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use sha2::Digest as _;

/// Stages that are killed in, and how often at least: what the program says of itself with `--progress always`.
const STAGES: [(&str, usize); 3] = [("reading", 80), ("settling", 60), ("writing", 60)];

/// How long the run must take that the moments are spread over.
const LEAST: Duration = Duration::from_secs(5);

/// Kills between two comparisons, for each stage in turn: those of a round go on from one another.
const ROUNDS: usize = 10;

#[test]
#[ignore = "it takes minutes"]
fn a_report_after_200_kills_is_that_of_a_run_that_was_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut dataset = Dataset::begin(home);
    // As much as takes long enough on this machine.
    let (due, times) = loop {
        dataset.grow(home);
        let begun = Instant::now();
        let (report, times) = undisturbed(home, None);
        if begun.elapsed() > LEAST + LEAST / 5 {
            eprintln!("{} shards take {:?}: {times:?}", dataset.shards, begun.elapsed());
            break (report, times);
        }
        assert!(dataset.shards < 400, "the run is too fast: {:?}", begun.elapsed());
    };
    let mut moments = Moments(0x9e37_79b9_7f4a_7c15);
    let mut kills: BTreeMap<&str, usize> = BTreeMap::new();
    for round in 0..ROUNDS {
        let state = format!("state-{round}");
        for (stage, all) in STAGES {
            let mut left = all / ROUNDS;
            let mut in_vain = 0;
            while left > 0 {
                // Of a run that goes on, reading is as long as what is left of it.
                let whole = times[stage] / if stage == "reading" { (all / ROUNDS) as u32 } else { 1 };
                if is_killed(home, &state, stage, moments.within(whole)) {
                    *kills.entry(stage).or_default() += 1;
                    left -= 1;
                } else {
                    in_vain += 1;
                    assert!(in_vain < 200, "{stage} is over before it can be killed");
                    if stage == "reading" {
                        // It was read to its end: begin again.
                        fs::remove_dir_all(home.join(&state)).unwrap();
                    }
                }
            }
        }
        let (report, _) = undisturbed(home, Some(&state));
        eprintln!("round {round}: killed {kills:?}");
        assert!(report.same == due.same, "round {round}: another report");
        assert_eq!(report.files(), due.files(), "round {round}");
        assert!(report.coverage["shards_reused"].as_u64().unwrap() > 0, "round {round}: nothing was reused");
    }
    for (stage, all) in STAGES {
        assert_eq!(kills[stage], all / ROUNDS * ROUNDS, "{stage}");
    }
    assert!(kills.values().sum::<usize>() >= 200 && kills.values().all(|&n| n >= 20), "{kills:?}");
}

/// Tars with many small members, and a list of them that is wrong here and there.
struct Dataset {
    shards: usize,
    sums: BufWriter<File>,
}

impl Dataset {
    /// How many members a shard has, and how long they are.
    const MEMBERS: usize = 4000;
    const LENGTH: usize = 2500;

    fn begin(home: &Path) -> Dataset {
        fs::create_dir(home.join("d")).unwrap();
        let mut sums = BufWriter::new(File::create(home.join("SUMS")).unwrap());
        for i in 0..100_000 {
            writeln!(sums, "{}  gone/{i}", hex::encode(sha2::Sha256::digest(format!("gone {i}")))).unwrap();
        }
        Dataset { shards: 0, sums }
    }

    fn grow(&mut self, home: &Path) {
        for shard in self.shards..self.shards + 8 {
            let file = BufWriter::new(File::create(home.join(format!("d/{shard:03}.tar"))).unwrap());
            let mut tar = tar::Builder::new(file);
            for member in 0..Self::MEMBERS {
                let mut content = vec![b'.'; Self::LENGTH];
                content[..16].copy_from_slice(&((shard * Self::MEMBERS + member) as u128).to_le_bytes());
                let mut header = tar::Header::new_ustar();
                header.set_size(content.len() as u64);
                header.set_mode(0o644);
                header.set_cksum();
                tar.append_data(&mut header, format!("{member}"), content.as_slice()).unwrap();
                let digest = match member % 50 {
                    0 => "ab".repeat(32),
                    _ => hex::encode(sha2::Sha256::digest(&content)),
                };
                writeln!(self.sums, "{digest}  {shard:03}.tar/{member}").unwrap();
            }
            tar.into_inner().unwrap().flush().unwrap();
        }
        self.shards += 8;
        self.sums.flush().unwrap();
    }
}

/// A run with its stages as they are told.
struct Run {
    child: Child,
    stages: Receiver<(String, Instant)>,
}

impl Run {
    fn begin(home: &Path, state: Option<&str>) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shardproof"));
        command.args(["verify", "d", "--manifest", "SUMS", "--base", "d", "--threads", "1"]);
        command.args(["--progress", "always", "--report", "json:report.json"]);
        if let Some(state) = state {
            command.args(["--state", state, "--settling", "0s"]);
        }
        command.current_dir(home).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, stages) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let stage = line.strip_prefix("shardproof: ").unwrap_or(&line).to_string();
                if tell.send((stage, Instant::now())).is_err() {
                    break;
                }
            }
        });
        Run { child, stages }
    }
}

/// A report, parted into what must be the same and what was covered.
struct Told {
    same: String,
    coverage: serde_json::Value,
}

impl Told {
    fn read(path: &Path) -> Told {
        let mut told = Told { same: String::new(), coverage: serde_json::Value::Null };
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Some(coverage) = line.strip_prefix("  \"coverage\": ") {
                let mut coverage: serde_json::Value =
                    serde_json::from_str(coverage.trim_end_matches(',')).unwrap();
                told.coverage = coverage.clone();
                for reuse in ["shards_read", "shards_reused", "bytes_read"] {
                    coverage.as_object_mut().unwrap().remove(reuse).unwrap();
                }
                told.same.push_str(&format!("{coverage}\n"));
            } else if !line.starts_with("  \"run\": ") {
                told.same.push_str(line);
                told.same.push('\n');
            }
        }
        assert!(told.coverage.is_object(), "the coverage was not found");
        told
    }

    fn files(&self) -> u64 {
        self.coverage["shards_read"].as_u64().unwrap() + self.coverage["shards_reused"].as_u64().unwrap()
    }
}

/// Runs to the end: the report, and how long each stage took.
fn undisturbed(home: &Path, state: Option<&str>) -> (Told, BTreeMap<String, Duration>) {
    let mut run = Run::begin(home, state);
    let mut told: Vec<(String, Instant)> = run.stages.iter().collect();
    let status = run.child.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{told:?}");
    told.push(("end".to_string(), Instant::now()));
    let times = told.windows(2).map(|pair| (pair[0].0.clone(), pair[1].1 - pair[0].1));
    let mut of: BTreeMap<String, Duration> = BTreeMap::new();
    let mut stage = String::new();
    for (line, time) in times {
        // What is told within a stage is no stage.
        if STAGES.iter().any(|(name, _)| *name == line) || stage.is_empty() {
            stage = line;
        }
        *of.entry(stage.clone()).or_default() += time;
    }
    (Told::read(&home.join("report.json")), of)
}

/// Kills a run so long after it has entered a stage; whether it was still in that stage.
fn is_killed(home: &Path, state: &str, stage: &str, after: Duration) -> bool {
    let mut run = Run::begin(home, Some(state));
    let entered = run.stages.iter().find(|(told, _)| told == stage);
    if entered.is_some() {
        std::thread::sleep(after);
    }
    run.child.kill().unwrap();
    let status = run.child.wait().unwrap();
    // What was told meanwhile: another stage, or nothing that matters.
    let left = run.stages.iter().any(|(told, _)| STAGES.iter().any(|(name, _)| *name == told));
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with(".shardproof-") {
            fs::remove_file(path).unwrap();
        }
    }
    entered.is_some() && !left && status.code().is_none()
}

/// Moments as by chance, the same each time.
struct Moments(u64);

impl Moments {
    fn within(&mut self, time: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        time.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}
