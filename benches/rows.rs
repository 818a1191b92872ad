//! Rows of a table: hashing them beside DuckDB, and verifying a re-sharded copy against an index in bounded memory.
//!
//! `cargo bench --bench rows` runs the sizes that `benches/README.md` reports; `-- --quick` runs a tenth and is what CI
//! runs. Both hold that every row was looked up, that the copy is told as re-sharded and as nothing else, that memory
//! stays within its limit and does not grow with the rows, and that the time for a row does not either. DuckDB is looked
//! for in the Python that `SHARDPROOF_PYTHON` names, else in `target/oracle`; where it is absent that is said.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

mod measured;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use measured::Run;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Silent, SourceSpec, audit};
use shardproof::check::balance::ClaimClass;
use shardproof::finding::Code;
use texts::{TEXT, Table, text, texts};

const MEMORY: usize = 64 << 20;
const THREADS: usize = 2;

/// Files that the rows are published in.
const FILES: u64 = 4;

/// What a reader holds beside the memory for joins: blocks, a row group being decoded, the program itself.
const BESIDE: u64 = 100_000_000;

fn main() {
    measured::run_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder] = arguments.as_slice()
        && first == "--one"
    {
        println!("{}", verify_here(Path::new(folder)));
        return;
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let tenth = if quick { 10 } else { 1 };
    let folder = tempfile::tempdir().expect("a folder for the data");

    let rows = Rows::write(&folder.path().join("hashed"), 10_000_000 / tenth);
    rows.compare(python_with_duckdb().as_deref());
    drop(rows);

    println!("\n| rows | work | wall s | CPU s | µs CPU a row | spilled MB | peak MB |");
    println!("|---|---|---|---|---|---|---|");
    // Once, as many as the growth of time is measured from, and twenty times.
    let sizes = [500_000, 1_000_000, 10_000_000].map(|full: u64| match (quick, full) {
        (false, rows) => rows,
        (true, 500_000) => 100_000,
        (true, 10_000_000) => 2_000_000,
        (true, rows) => rows,
    });
    let runs = sizes.map(|size| Rows::write(&folder.path().join("moved"), size).verify());
    let [once, _, twenty] = &runs;
    let [peak, peak_at_twenty] = [once, twenty].map(|run| number(run, "peak"));
    println!("peak memory at 20 times as many rows: {:.2}×", peak_at_twenty / peak);
    // What does not grow with the rows may still fill up: buffers up to their fixed budget.
    assert!(peak_at_twenty < 1.5 * peak.max(MEMORY as f64), "memory grows with the rows");
    let a_row: Vec<f64> =
        sizes.iter().zip(&runs).map(|(&rows, run)| number(run, "cpu") / rows as f64).collect();
    let (least, most) = a_row.iter().fold((f64::MAX, 0.0_f64), |(a, b), &x| (a.min(x), b.max(x)));
    println!("time a row, from the best size to the worst: {:.2}×", most / least);
    assert!(most < 1.5 * least, "the time grows faster than the rows: {a_row:?} s");
}

/// Rows of one text as they were published, and once more in another file with other row groups.
struct Rows {
    folder: PathBuf,
    count: u64,
}

impl Rows {
    fn write(folder: &Path, count: u64) -> Rows {
        let (published, copy) = (folder.join("published"), folder.join("copy"));
        fs::create_dir_all(&published).expect("a folder for the rows");
        fs::create_dir_all(&copy).expect("a folder for the copy");
        let mut resharded = Table::create(&copy.join("all.parquet"), 37_000);
        let each = count / FILES;
        for file in 0..FILES {
            let mut table = Table::create(&published.join(format!("{file:05}.parquet")), 100_000);
            let first = file * each;
            let all: Vec<u64> = (first..first + each).collect();
            for some in all.chunks(1 << 16) {
                let texts = texts(some);
                table.write(&texts);
                resharded.write(&texts);
            }
            table.close();
        }
        resharded.close();
        Rows { folder: folder.to_path_buf(), count }
    }

    /// Our two commands and DuckDB's query on the published files in turn, twice.
    fn compare(&self, python: Option<&Path>) {
        let known = hex::encode(Sha256::digest(text(self.count / 2 + 1)));
        let list = self.folder.join("list.txt");
        fs::write(&list, format!("{known}\n")).expect("the list is written");
        type Tool<'a> = (&'static str, Box<dyn Fn() -> Option<(f64, f64, f64)> + 'a>);
        let tools: Vec<Tool<'_>> = vec![
            ("shardproof flag", Box::new(|| Some(self.flag(&list)))),
            ("DuckDB, sha256", Box::new(|| Some(self.duckdb(python?, &known)))),
            ("shardproof index", Box::new(|| Some(self.index()))),
        ];
        let mut best: Vec<Option<(f64, f64, f64)>> = tools.iter().map(|_| None).collect();
        for _ in 0..2 {
            for (slot, (_, tool)) in best.iter_mut().zip(&tools) {
                if let Some(run) = tool().filter(|run| slot.is_none_or(|old| run.1 < old.1)) {
                    *slot = Some(run);
                }
            }
        }
        println!(
            "| {} rows of {} bytes | wall s | CPU s | rows per CPU second | peak MB | CPU against flag |",
            self.count, TEXT
        );
        println!("|---|---|---|---|---|---|");
        let flag = best[0].map_or(f64::NAN, |run| run.1);
        for ((name, _), run) in tools.iter().zip(&best) {
            match run {
                Some((wall, cpu, peak)) => println!(
                    "| {name} | {wall:.2} | {cpu:.2} | {:.0} | {:.0} | {:.2}× |",
                    self.count as f64 / cpu,
                    peak / 1e6,
                    cpu / flag
                ),
                None => println!("| {name} | is not installed | | | | |"),
            }
        }
    }

    fn flag(&self, list: &Path) -> (f64, f64, f64) {
        let (run, report) = self.shardproof(&["flag", "--hash-list"], list);
        assert_eq!(
            report["coverage"]["looked_up"],
            self.count + FILES,
            "each text and each file is looked up"
        );
        assert_eq!(report["counts"], json!({ "known-bad": 1 }));
        run
    }

    fn index(&self) -> (f64, f64, f64) {
        let (run, report) = self.shardproof(&["index", "--output"], &self.folder.join("index"));
        assert_eq!(report["dataset"]["samples"], self.count);
        assert_eq!(report["exit_code"], 0);
        run
    }

    /// The program itself on the published files: wall and CPU seconds and peak bytes, and its report.
    fn shardproof(&self, arguments: &[&str], last: &Path) -> ((f64, f64, f64), Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shardproof"));
        command.args(arguments).arg(last).arg(self.folder.join("published"));
        command.args(["--format", "json", "-q", "--threads", &THREADS.to_string()]);
        let run = Run::of(&command).expect("it can be measured").expect("shardproof is there");
        let report = serde_json::from_slice(&run.stdout).expect("a report");
        ((run.wall.as_secs_f64(), run.cpu.as_secs_f64(), run.peak as f64), report)
    }

    fn duckdb(&self, python: &Path, known: &str) -> (f64, f64, f64) {
        let ran = ran(Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/duckdb_peer.py"))
            .arg(self.folder.join("published/*.parquet"))
            .args(["sha256", known, &THREADS.to_string()]));
        assert_eq!(
            (&ran["rows"], &ran["found"]),
            (&json!(self.count), &json!(1)),
            "both hash the same texts"
        );
        (number(&ran, "wall"), number(&ran, "cpu"), number(&ran, "peak"))
    }

    /// The copy against the index of what was published, in a process of its own.
    fn verify(&self) -> Value {
        let (wall, cpu, peak) = self.index();
        let line = |work: &str, wall: f64, cpu: f64, spilled: f64, peak: f64| {
            let a_row = cpu * 1e6 / self.count as f64;
            let mb = |bytes: f64| format!("{:.0}", bytes / 1e6);
            println!(
                "| {} | {work} | {wall:.2} | {cpu:.2} | {a_row:.1} | {} | {} |",
                self.count,
                mb(spilled),
                mb(peak)
            );
        };
        line("index", wall, cpu, 0.0, peak);
        let this = std::env::current_exe().expect("the path of this program");
        let run = ran(Command::new(&this).arg("--one").arg(&self.folder));
        let [wall, cpu, spilled, peak] = ["wall", "cpu", "spilled", "peak"].map(|key| number(&run, key));
        line("verify", wall, cpu, spilled, peak);
        assert!(peak <= (MEMORY as u64 + BESIDE) as f64, "over the limit: {peak} bytes");
        assert!(spilled > 0.0, "all of it fitted the memory: nothing was held");
        run
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Verifies in this process, whose report says what was written to scratch files.
fn verify_here(folder: &Path) -> Value {
    let started = Instant::now();
    let mut options = AuditOptions::new(Mode::Verify, vec![folder.join("copy")]);
    options.manifests = vec![SourceSpec { format: None, path: folder.join("index") }];
    options.memory = MEMORY;
    options.threads = THREADS;
    options.scratch = Some(folder.to_path_buf());
    let report = audit(&options, &Silent, &AtomicBool::new(false)).expect("the run is possible");
    let balance = &report.coverage.balance;
    assert_eq!(
        report.counts.clone().into_iter().collect::<Vec<_>>(),
        [(Code::Moved, 1)],
        "re-sharded, and no more"
    );
    assert_eq!(balance.claims_of(ClaimClass::Moved), balance.claims_in);
    // A row and a value for each text, and the files.
    assert_eq!(balance.claims_in, 2 * report.samples + FILES);
    let (cpu, peak) = measured::here();
    json!({
        "wall": started.elapsed().as_secs_f64(),
        "cpu": cpu.as_secs_f64(),
        "spilled": report.coverage.spilled,
        "peak": peak,
    })
}

fn number(run: &Value, key: &str) -> f64 {
    run[key].as_f64().unwrap_or(f64::NAN)
}

fn ran(command: &mut Command) -> Value {
    let output = command.output().expect("it can be started");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    serde_json::from_str(&stdout).expect("one JSON object")
}

fn python_with_duckdb() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracle/bin/python");
    let named = std::env::var_os("SHARDPROOF_PYTHON").map(PathBuf::from);
    let has = |python: &PathBuf| {
        Command::new(python).args(["-c", "import duckdb"]).output().is_ok_and(|ran| ran.status.success())
    };
    [named, Some(own), Some(PathBuf::from("python3"))].into_iter().flatten().find(has)
}
