//! Every truncation and every flipped byte of a small table of each format: never a panic, never valid where claimed
//! bytes changed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/copies.rs"]
mod copies;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use common::{run, told, verifying};
use copies::{Sample, samples, write};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode, Silent, index};
use shardproof::check::balance::ClaimClass;
use shardproof::digest::Algorithm;

/// Damages the one file of a folder in every way, and hands each state to `check` with what was done.
fn damaged(folder: &Path, mut check: impl FnMut(&str, &[u8])) {
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    for cut in 0..whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        check(&format!("cut to {cut} of {} bytes", whole.len()), &whole[..cut]);
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&file, &flipped).unwrap();
        check(&format!("byte {at} flipped"), &flipped);
    }
    fs::write(&file, &whole).unwrap();
}

fn small() -> Vec<Sample> {
    samples(3, 0).into_iter().map(|(key, text, url)| (key, text.chars().take(40).collect(), url)).collect()
}

fn against_its_index(form: &str) {
    let home = tempfile::tempdir().unwrap();
    let dataset = home.path().join("d");
    write(&dataset, form, &small());
    let mut indexing = AuditOptions::new(Mode::Index, vec![dataset.clone()]);
    indexing.output = Some(home.path().join("index"));
    indexing.threads = 1;
    index(&indexing, &Silent, &AtomicBool::new(false)).unwrap();
    let mut options = verifying(&dataset, &home.path().join("index"));
    options.threads = 1;
    let claims = run(&options).coverage.balance.claims_in;
    assert_eq!(run(&options).exit_code, 0);
    let mut seen = 0;
    damaged(&dataset, |what, _| {
        let report = run(&options);
        assert_ne!(report.exit_code, 0, "{form} {what} is called valid");
        assert_eq!(report.coverage.balance.claims_in, claims);
        assert!(!told(&report).is_empty(), "{form} {what}: no finding");
        seen += 1;
    });
    assert!(seen > 100, "{form}");
}

#[test]
fn a_damaged_parquet_file_is_never_valid() {
    against_its_index("zstd.parquet");
}

#[test]
fn a_damaged_arrow_file_is_never_valid() {
    against_its_index("arrow");
}

#[test]
fn a_damaged_arrow_stream_is_never_valid() {
    against_its_index("arrows");
}

#[test]
fn damaged_json_lines_are_never_valid() {
    against_its_index("jsonl");
    against_its_index("jsonl.gz");
}

#[test]
fn a_damaged_mds_shard_is_never_valid() {
    against_its_index("mds");
    against_its_index("mds.zstd");
}

#[test]
fn a_damaged_csv_is_never_valid() {
    against_its_index("csv");
}

/// A table whose rows hold the digests of their own texts: here no digest of the file is known.
fn with_digests(form: &str) -> Vec<u8> {
    let texts: Vec<String> = small().into_iter().map(|(_, text, _)| text).collect();
    let digests: Vec<String> = texts.iter().map(|text| hex::encode(Sha256::digest(text))).collect();
    let column = |values: &[String]| -> ArrayRef {
        Arc::new(StringArray::from(values.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let batch = RecordBatch::try_from_iter([("text", column(&texts)), ("sha256", column(&digests))]).unwrap();
    let parquet = |codec, dictionary| {
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_dictionary_enabled(dictionary)
            .set_max_row_group_row_count(Some(2))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    };
    match form {
        "plain.parquet" => parquet(Compression::UNCOMPRESSED, false),
        "zstd.parquet" => parquet(Compression::ZSTD(ZstdLevel::default()), true),
        "arrow" => {
            let mut out = Vec::new();
            let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut out, &batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            out
        }
        _ => {
            let line =
                |(text, sha256)| format!("{}\n", serde_json::json!({ "text": text, "sha256": sha256 }));
            texts.iter().zip(&digests).map(line).collect::<String>().into_bytes()
        }
    }
}

#[test]
fn a_row_whose_content_changed_never_fits_its_own_digest() {
    for form in ["plain.parquet", "zstd.parquet", "arrow", "jsonl"] {
        let home = tempfile::tempdir().unwrap();
        let dataset = home.path().join("d");
        fs::create_dir(&dataset).unwrap();
        fs::write(dataset.join(format!("rows.{form}")), with_digests(form)).unwrap();
        let mut options = AuditOptions::new(Mode::Verify, vec![dataset.clone()]);
        options.digest_columns = vec![("sha256".to_string(), Algorithm::Sha256)];
        options.threads = 1;
        let rows = small().len() as u64;
        let report = run(&options);
        assert_eq!(
            (report.exit_code, report.coverage.balance.claims_of(ClaimClass::Ok)),
            (0, rows),
            "{form}"
        );
        damaged(&dataset, |what, content| {
            let report = run(&options);
            let ok = report.coverage.balance.claims_of(ClaimClass::Ok);
            if report.exit_code == 0 {
                // Lines that were cut off whole took their digests with them.
                let lines = content.iter().filter(|&&b| b == b'\n').count() as u64;
                assert!(ok == rows || (form == "jsonl" && ok >= lines), "{form} {what}: {ok} rows and valid");
            }
        });
    }
}
