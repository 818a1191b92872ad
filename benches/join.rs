//! The join by digest beside DuckDB's under one limit of memory: 32-byte digests, as many claims as items, half of them
//! common. Each run is a process of its own, so that its peak memory means something.
//!
//! `cargo bench --bench join` runs the sizes that `benches/README.md` reports; `-- --quick` leaves out the largest and
//! is what CI runs. Both hold that the time per record does not grow. DuckDB is looked for in the Python that
//! `SHARDPROOF_DUCKDB_PYTHON` names, else in `target/oracle`; where it is absent that is said.
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
    if let [first, records, folder] = arguments.as_slice()
        && first == "--one"
    {
        println!("{}", one(records.parse().expect("a number of records"), Path::new(folder)));
        return;
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let sizes: &[u64] = if quick { &[1_000_000, 10_000_000] } else { &[1_000_000, 10_000_000, 20_000_000] };
    let folder = tempfile::tempdir().expect("a folder for the data");
    println!(
        "| records a side | tool | wall s | CPU s | ns CPU a record | spilled MB | peak MB | CPU against ours |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let per_record: Vec<f64> = sizes.iter().map(|&records| compare(records, folder.path())).collect();
    let (least, most) = per_record.iter().fold((f64::MAX, 0.0_f64), |(a, b), &x| (a.min(x), b.max(x)));
    println!("time a record, from the best size to the worst: {:.2}×", most / least);
    assert!(most < 1.5 * least, "the time grows faster than the records: {per_record:?} ns");
}

/// Runs both joins on as many records a side, and returns our CPU nanoseconds for each record.
fn compare(records: u64, folder: &Path) -> f64 {
    let line = |name: &str, run: &Value, ours: f64| {
        let number = |key: &str| run[key].as_f64().unwrap_or(f64::NAN);
        println!(
            "| {records} | {name} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {:.2}× |",
            number("wall"),
            number("cpu"),
            number("cpu") * 1e9 / (2 * records) as f64,
            number("spilled") / 1e6,
            number("peak") / 1e6,
            number("cpu") / ours
        );
    };
    // The best of three, since the machine is shared.
    let runs = (0..3).map(|_| {
        let this = std::env::current_exe().expect("the path of this program");
        ran(Command::new(this).arg("--one").arg(records.to_string()).arg(folder))
    });
    let cpu = |run: &Value| run["cpu"].as_f64().expect("CPU seconds");
    let ours = runs.min_by(|a, b| cpu(a).total_cmp(&cpu(b))).expect("three runs");
    line("shardproof", &ours, cpu(&ours));
    let peak = ours["peak"].as_u64().expect("bytes");
    assert!(peak < (MEMORY + MEMORY / 10) as u64, "{peak} bytes were resident under a limit of {MEMORY}");

    let Some(python) = python_with_duckdb() else {
        println!("| {records} | DuckDB is not installed | | | | | | |");
        return cpu(&ours) * 1e9 / (2 * records) as f64;
    };
    let (claims, seen) = (folder.join("claims.parquet"), folder.join("seen.parquet"));
    write_parquet(&claims, records, claim_at);
    write_parquet(&seen, records, |i| seen_at(i, records));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/join_peer.py");
    let theirs = ran(Command::new(python)
        .arg(script)
        .args([&claims, &seen])
        .args([MEMORY.to_string(), THREADS.to_string()])
        .arg(folder.join("duckdb")));
    assert_eq!(
        ours["found"], theirs["found"],
        "counts of pairs and of what is left, and sums of their handles"
    );
    line("DuckDB, reading Parquet", &theirs, cpu(&ours));
    // Reading is no part of the join, and ours makes its digests as it goes.
    let mut joining = theirs.clone();
    joining["cpu"] = json!(cpu(&theirs) - theirs["reading"].as_f64().expect("CPU seconds"));
    line("DuckDB, less what reading alone takes", &joining, cpu(&ours));
    cpu(&ours) * 1e9 / (2 * records) as f64
}

/// Joins in this process: each thread makes and pushes its part of both sides, and the parts are put together.
fn one(records: u64, folder: &Path) -> Value {
    let started = Instant::now();
    let scratch = Scratch::new(folder, 1 << 20);
    let budget = MEMORY / 4 / THREADS;
    let sides = || (Side::new(32, &scratch, budget), Side::new(32, &scratch, budget));
    let parts: Vec<(Side, Side)> = std::thread::scope(|scope| {
        let fill = |thread: u64| {
            let (mut claims, mut seen) = sides();
            for i in (thread..records).step_by(THREADS) {
                let (digest, handle) = claim_at(i);
                claims.push(&digest, None, handle.into()).expect("space in the scratch folder");
                let (digest, handle) = seen_at(i, records);
                // A size, as every item that was read has one.
                seen.push(&digest, Some(i % 100_000), handle.into()).expect("space in the scratch folder");
            }
            (claims, seen)
        };
        let threads: Vec<_> = (0..THREADS as u64).map(|thread| scope.spawn(move || fill(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a part of both sides")).collect()
    });
    let filled = started.elapsed();
    let filling = cpu_seconds();
    let put_together = |(mut claims, mut seen): (Side, Side), (more_claims, more_seen): (Side, Side)| {
        claims.absorb(more_claims).expect("space in the scratch folder");
        seen.absorb(more_seen).expect("space in the scratch folder");
        (claims, seen)
    };
    let (claims, seen) = parts.into_iter().reduce(put_together).expect("at least one part");
    let sums: Arc<[AtomicU64; 4]> = Arc::default();
    let tally = join(claims, seen, MEMORY, THREADS, |batch| {
        let add = |at: usize, sum: u128| sums[at].fetch_add(sum as u64, Ordering::Relaxed);
        add(0, batch.pairs.iter().map(|pair| pair.0).sum());
        add(1, batch.pairs.iter().map(|pair| pair.1).sum());
        add(2, batch.claims_left.iter().sum());
        add(3, batch.seen_left.iter().sum());
        Ok(())
    })
    .expect("the join ends");
    assert_eq!(tally.pairs, records / 2);
    let mut found = vec![tally.pairs, tally.claims_left, tally.seen_left];
    found.extend(sums.iter().map(|sum| sum.load(Ordering::Relaxed)));
    json!({
        "found": found,
        "wall": started.elapsed().as_secs_f64(),
        "cpu": cpu_seconds(),
        "filling": [filled.as_secs_f64(), filling],
        "spilled": scratch.spilled(),
        "peak": peak_bytes(),
    })
}

fn ran(command: &mut Command) -> Value {
    let output = command.output().expect("it can be started");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    if std::env::var_os("SHARDPROOF_BENCH_DETAIL").is_some() {
        println!("{stdout}");
    }
    serde_json::from_str(&stdout).expect("one JSON object")
}

fn python_with_duckdb() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracle/bin/python");
    let named = std::env::var_os("SHARDPROOF_DUCKDB_PYTHON").map(PathBuf::from);
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
