//! Texts of a Parquet dataset looked up in a list, beside DuckDB hashing them and seeking the same digest.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use md5::Md5;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::Bench;
use crate::contest::{Amount, Taken, Tool, contest};
use crate::goal::{Goal, Of};
use crate::peers;
use crate::python::{DUCKDB, Found, script};
use crate::texts::{TEXT, Table, text, texts};
use crate::told::Told;

/// Files that the rows are published in.
const FILES: u64 = 4;

/// By SHA-256, then by MD5.
pub fn compare(bench: &Bench, told: &mut Told) -> Result<()> {
    let count = bench.scaled(10_000_000);
    // About 45 bytes a row in zstd.
    let data = bench.store.data("rows", count * 50, |folder| write(folder, count))?;
    data.warm()?;
    let known = text(count / 2 + 1);
    let sha256 = hex::encode(Sha256::digest(&known));
    let md5 = hex::encode(Md5::digest(&known));
    let lists = [("5a", "SHA-256", "sha256", sha256, 3.0), ("5b", "MD5", "md5", md5, 4.0)];
    for (number, title, algorithm, digest, aim) in lists {
        let work =
            format!("{number}. {count} rows of {TEXT} bytes in zstd Parquet, {title}, one known digest");
        told.work(&work);
        let duckdb = DUCKDB.find();
        let tools = [
            Tool::new("shardproof flag", Some(bench.program.version.clone()), || {
                flag(bench, &data.folder.join("data"), &digest, count)
            }),
            Tool::new(
                &format!("DuckDB {algorithm}(text), its query alone"),
                duckdb.as_ref().map(|found| found.version.clone()),
                || {
                    let found = duckdb.as_ref().context("it was not found")?;
                    select(
                        bench,
                        found,
                        &data.folder.join("data/*.parquet"),
                        [algorithm, digest.as_str()],
                        count,
                    )
                },
            ),
        ];
        let standings = contest(bench, &tools)?;
        standings.tell(&Amount { bytes: count * TEXT as u64, items: Some((count, "rows")) }, told)?;
        Goal { of: Of::Wall, at_least: 2.0, aim }.tell(&work, bench, &standings, told)?;
    }
    Ok(())
}

fn write(folder: &Path, count: u64) -> Result<()> {
    fs::create_dir_all(folder.join("data"))?;
    let each = count / FILES;
    for file in 0..FILES {
        let mut table = Table::create(&folder.join(format!("data/{file:05}.parquet")), 100_000);
        let all: Vec<u64> = (file * each..(file + 1) * each).collect();
        all.chunks(1 << 16).for_each(|rows| table.write(&texts(rows)));
        table.close();
    }
    Ok(())
}

fn flag(bench: &Bench, dataset: &Path, digest: &str, count: u64) -> Result<Taken> {
    let list = tempfile::Builder::new().suffix(".txt").tempfile()?;
    fs::write(list.path(), format!("{digest}\n"))?;
    let (run, report) = bench.program.run([
        "flag".as_ref(),
        dataset.as_os_str(),
        "--hash-list".as_ref(),
        list.path().as_os_str(),
    ])?;
    ensure!(
        // Each text and each file.
        report["coverage"]["looked_up"] == count + FILES
            && report["counts"] == json!({ "known-bad": 1 })
            && run.code == Some(1),
        "shardproof flag did not look {count} rows up and find one: exit code {:?}, {}, {}",
        run.code,
        report["counts"],
        report["coverage"]
    );
    Ok(run.into())
}

fn select(bench: &Bench, found: &Found, files: &Path, sought: [&str; 2], count: u64) -> Result<Taken> {
    let mut command = Command::new(&found.python);
    command.arg(script("duckdb_peer.py")).arg(files).args(sought).arg(bench.machine.cores.to_string());
    let (_, said) = peers::json(&command)?;
    ensure!(said["rows"] == count && said["found"] == 1, "DuckDB did not hash the same rows: {said}");
    let number = |key: &str| said[key].as_f64().with_context(|| format!("DuckDB did not say its {key}"));
    Ok(Taken { wall: number("wall")?, cpu: number("cpu")?, peak: number("peak")? as u64 })
}
