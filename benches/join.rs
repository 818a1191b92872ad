//! The join by digest beside DuckDB's under one limit of memory: 32-byte digests, as many claims as items, half of them
//! common. Each run is a process of its own, so that its peak memory means something.
//!
//! `cargo bench --bench join` runs the sizes that `benches/README.md` reports; `-- --quick` leaves out the largest and
//! is what CI runs. Both hold that the time per record does not grow. DuckDB is looked for in the Python that
//! `SHARDPROOF_PYTHON` names, else in `target/oracle`; where it is absent that is said.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parquet::basic::{Repetition, Type as Physical};
use parquet::data_type::{ByteArray, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::{Value, json};
use shardproof::index::buckets::Side;
use shardproof::index::join::join;
use shardproof::index::spool::Scratch;

const MEMORY: usize = 512 << 20;
const THREADS: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, digests, records, memory, folder] = arguments.as_slice()
        && first == "--one"
    {
        let records: u64 = records.parse().expect("a number of records");
        let digests: u64 = digests.parse().expect("a number of digests");
        println!("{}", one(digests, records, memory.parse().expect("bytes"), Path::new(folder)));
        return;
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let sizes: &[u64] = if quick { &[1_000_000, 10_000_000] } else { &[1_000_000, 10_000_000, 20_000_000] };
    let folder = tempfile::tempdir().expect("a folder for the data");
    let python = python_with_duckdb();
    let mut sizes: Vec<Size> = sizes.iter().map(|&records| Size::new(records, folder.path())).collect();
    // The best of three, in turns, since the machine is shared.
    for _ in 0..3 {
        sizes.iter_mut().for_each(|size| size.run(folder.path(), python.as_deref()));
    }
    println!(
        "| records a side | tool | wall s | CPU s | ns CPU a record | spilled MB | peak MB | CPU against ours |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    sizes.iter().for_each(Size::tell);
    if python.is_none() {
        println!("DuckDB is not installed");
    }
    hold_memory_under_skew(folder.path());
    let a_record: Vec<f64> = sizes.iter().map(Size::nanoseconds).collect();
    let (least, most) = a_record.iter().fold((f64::MAX, 0.0_f64), |(a, b), &x| (a.min(x), b.max(x)));
    println!("time a record, from the best size to the worst: {:.2}×", most / least);
    assert!(most < 1.5 * least, "the time grows faster than the records: {a_record:?} ns");
}

/// One digest two million times on both sides, far more than the memory takes.
fn hold_memory_under_skew(folder: &Path) {
    let (records, memory) = (2_000_000, 64 << 20);
    let run = ours(1, records, memory, folder);
    let number = |key: &str| run[key].as_f64().expect("a number");
    println!(
        "one digest {records} times a side in {} MB: {:.2} s of CPU, {:.0} MB spilled, {:.0} MB at peak",
        memory / 1_000_000,
        number("cpu"),
        number("spilled") / 1e6,
        number("peak") / 1e6
    );
    assert_eq!(run["found"][0], records);
    assert!(number("peak") < 1.1 * memory as f64, "over the limit: {} bytes", number("peak"));
}

/// A number of records a side, with the best runs on them.
struct Size {
    records: u64,
    claims: PathBuf,
    seen: PathBuf,
    ours: Option<Value>,
    theirs: Option<Value>,
}

fn number(run: &Value, key: &str) -> f64 {
    run[key].as_f64().unwrap_or(f64::NAN)
}

impl Size {
    fn new(records: u64, folder: &Path) -> Size {
        let file = |side: &str| folder.join(format!("{side}-{records}.parquet"));
        Size { records, claims: file("claims"), seen: file("seen"), ours: None, theirs: None }
    }

    /// Runs both joins, and compares what they found.
    fn run(&mut self, folder: &Path, python: Option<&Path>) {
        let best = |old: Option<Value>, new: Value| match old {
            Some(old) if number(&old, "cpu") <= number(&new, "cpu") => Some(old),
            _ => Some(new),
        };
        let ours = ours(self.records, self.records, MEMORY, folder);
        let peak = number(&ours, "peak");
        assert!(peak < 1.1 * MEMORY as f64, "{peak} bytes were resident under a limit of {MEMORY}");
        if let Some(python) = python {
            if self.theirs.is_none() {
                write_parquet(&self.claims, self.records, claim_at);
                write_parquet(&self.seen, self.records, |i| seen_at(i, self.records));
            }
            let theirs = ran(Command::new(python)
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/join_peer.py"))
                .args([&self.claims, &self.seen])
                .args([MEMORY.to_string(), THREADS.to_string()])
                .arg(folder.join("duckdb")));
            assert_eq!(ours["found"], theirs["found"], "counts of pairs and leftovers, and sums of handles");
            self.theirs = best(self.theirs.take(), theirs);
        }
        self.ours = best(self.ours.take(), ours);
    }

    /// CPU time of ours for each record of both sides.
    fn nanoseconds(&self) -> f64 {
        self.ours.as_ref().map_or(f64::NAN, |run| number(run, "cpu")) * 1e9 / (2 * self.records) as f64
    }

    fn tell(&self) {
        let Some(ours) = &self.ours else { return };
        let line = |name: &str, run: &Value, cpu: f64| {
            println!(
                "| {} | {name} | {:.2} | {cpu:.2} | {:.0} | {} | {:.0} | {:.2}× |",
                self.records,
                number(run, "wall"),
                cpu * 1e9 / (2 * self.records) as f64,
                run["spilled"].as_f64().map_or("–".to_string(), |bytes| format!("{:.0}", bytes / 1e6)),
                number(run, "peak") / 1e6,
                cpu / number(ours, "cpu")
            );
        };
        line("shardproof", ours, number(ours, "cpu"));
        if let Some(theirs) = &self.theirs {
            line("DuckDB, Parquet read", theirs, number(theirs, "cpu"));
            // Reading is no part of the join, and ours makes its digests as it goes.
            line("DuckDB, reading taken off", theirs, number(theirs, "cpu") - number(theirs, "reading"));
        }
    }
}

/// Our join in a process of its own.
fn ours(digests: u64, records: u64, memory: usize, folder: &Path) -> Value {
    let this = std::env::current_exe().expect("the path of this program");
    let numbers = [digests, records, memory as u64].map(|number| number.to_string());
    ran(Command::new(this).arg("--one").args(numbers).arg(folder))
}

/// Joins in this process: each thread makes and pushes its part of both sides, and the parts are put together.
fn one(digests: u64, records: u64, memory: usize, folder: &Path) -> Value {
    let started = Instant::now();
    let scratch = Scratch::new(folder, 1 << 20);
    let budget = memory / 4 / THREADS;
    let many = digests > 1;
    let sides = || (Side::new(32, &scratch, budget), Side::new(32, &scratch, budget));
    let parts: Vec<(Side, Side)> = std::thread::scope(|scope| {
        let fill = |thread: u64| {
            let (mut claims, mut seen) = sides();
            for i in (thread..records).step_by(THREADS) {
                let (digest, handle) = if many { claim_at(i) } else { ([7; 32], i) };
                claims.push(&digest, None, handle.into()).expect("space in the scratch folder");
                let (digest, handle) = if many { seen_at(i, records) } else { ([7; 32], i) };
                // A size, as every item that was read has one.
                seen.push(&digest, Some(i % 100_000), handle.into()).expect("space in the scratch folder");
            }
            (claims, seen)
        };
        let threads: Vec<_> = (0..THREADS as u64).map(|thread| scope.spawn(move || fill(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a part of both sides")).collect()
    });
    let put_together = |(mut claims, mut seen): (Side, Side), (more_claims, more_seen): (Side, Side)| {
        claims.absorb(more_claims).expect("space in the scratch folder");
        seen.absorb(more_seen).expect("space in the scratch folder");
        (claims, seen)
    };
    let (claims, seen) = parts.into_iter().reduce(put_together).expect("at least one part");
    let sums: Arc<[AtomicU64; 4]> = Arc::default();
    let tally = join(claims, seen, memory, THREADS, |batch| {
        let add = |at: usize, sum: u128| sums[at].fetch_add(sum as u64, Ordering::Relaxed);
        add(0, batch.pairs.iter().map(|pair| pair.0).sum());
        add(1, batch.pairs.iter().map(|pair| pair.1).sum());
        add(2, batch.claims_left.iter().sum());
        add(3, batch.seen_left.iter().sum());
        Ok(())
    })
    .expect("the join ends");
    assert_eq!(tally.pairs, if many { records / 2 } else { records });
    let mut found = vec![tally.pairs, tally.claims_left, tally.seen_left];
    found.extend(sums.iter().map(|sum| sum.load(Ordering::Relaxed)));
    json!({
        "found": found,
        "wall": started.elapsed().as_secs_f64(),
        "cpu": cpu_seconds(),
        "spilled": scratch.spilled(),
        "peak": peak_bytes(),
    })
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

/// The digest of a claim, and its handle.
fn claim_at(i: u64) -> ([u8; 32], u64) {
    (digest(i), i)
}

/// The digest of an item: the second half of the claims and as many others, in another order.
fn seen_at(i: u64, records: u64) -> ([u8; 32], u64) {
    // A prime that divides no number of records that is measured.
    let i = (i * 1_000_003) % records;
    (digest(i + records / 2), i)
}

fn digest(of: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    for (i, word) in digest.chunks_exact_mut(8).enumerate() {
        // SplitMix64.
        let mut x = (of * 4 + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(x ^ (x >> 31)).to_le_bytes());
    }
    digest
}

fn write_parquet(path: &Path, records: u64, row: impl Fn(u64) -> ([u8; 32], u64)) {
    let column = |name: &str, of: Physical, length: i32| {
        let column = Type::primitive_type_builder(name, of).with_repetition(Repetition::REQUIRED);
        Arc::new(column.with_length(length).build().expect("a column"))
    };
    let fields =
        vec![column("digest", Physical::FIXED_LEN_BYTE_ARRAY, 32), column("handle", Physical::INT64, -1)];
    let schema = Type::group_type_builder("rows").with_fields(fields).build().expect("a schema");
    let plain = WriterProperties::builder().set_dictionary_enabled(false).build();
    let file = File::create(path).expect("a file for the rows");
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(plain)).expect("a writer");
    let all: Vec<u64> = (0..records).collect();
    for some in all.chunks(1 << 17) {
        let rows: Vec<([u8; 32], u64)> = some.iter().map(|&i| row(i)).collect();
        let digests: Vec<FixedLenByteArray> =
            rows.iter().map(|(digest, _)| ByteArray::from(digest.to_vec()).into()).collect();
        let handles: Vec<i64> = rows.iter().map(|&(_, handle)| handle as i64).collect();
        let mut group = writer.next_row_group().expect("a group of rows");
        let mut column = group.next_column().expect("columns follow").expect("digests");
        column
            .typed::<FixedLenByteArrayType>()
            .write_batch(&digests, None, None)
            .expect("digests are written");
        column.close().expect("digests end");
        let mut column = group.next_column().expect("columns follow").expect("handles");
        column.typed::<Int64Type>().write_batch(&handles, None, None).expect("handles are written");
        column.close().expect("handles end");
        group.close().expect("the group ends");
    }
    writer.close().expect("the file ends");
}

/// CPU seconds of this process and its threads, those that ended included.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("what the kernel counts");
    let after_name = stat.rsplit(')').next().expect("fields follow the name");
    // User and system time are the 14th and 15th fields, in ticks of 10 ms (proc(5)).
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("what the kernel counts");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("a number")
        * 1024
}
