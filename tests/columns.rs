//! Rows that are looked up by the column tell what they tell one by one: with a state every row and cell is recorded, so
//! that run takes them apart, and the reports must be the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use common::run;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use shardproof::audit::{AuditOptions, Mode, Report, Samples, SourceSpec};
use shardproof::digest::Algorithm;
use shardproof::finding::Code;

/// A value: some are short enough to lie in a view, others are not, and many are equal.
fn value(number: u8) -> String {
    match number % 3 {
        0 => format!("v{number}"),
        1 => format!("a value that lies outside of its view, {number}"),
        _ => String::new(),
    }
}

/// What a row claims of its text.
#[derive(Clone, Copy, Debug)]
enum Claims {
    Nothing,
    Right,
    Wrong,
    Rubbish,
}

#[derive(Clone, Debug)]
struct Row {
    text: Option<u8>,
    blob: Option<u8>,
    tags: Option<Vec<Option<u8>>>,
    claims: Claims,
}

impl Row {
    fn claim(&self) -> Option<String> {
        let of = |text: String| hex::encode(Sha256::digest(text));
        match self.claims {
            Claims::Nothing => None,
            Claims::Right => Some(of(self.text.map(value).unwrap_or_default())),
            Claims::Wrong => Some(of("something else".into())),
            Claims::Rubbish => Some("no digest".into()),
        }
    }

    fn json(&self) -> String {
        let mut row = serde_json::json!({ "text": self.text.map(value), "tags": [] });
        for tag in self.tags.iter().flatten().flatten() {
            row["tags"].as_array_mut().unwrap().push(value(*tag).into());
        }
        if let Some(claim) = self.claim() {
            row["sha256"] = claim.into();
        }
        format!("{row}\n")
    }

    fn values(&self) -> usize {
        let tags = self.tags.iter().flatten().flatten().count();
        [self.text.is_some(), self.blob.is_some(), self.claim().is_some()]
            .into_iter()
            .filter(|is| *is)
            .count()
            + tags
    }
}

fn row() -> impl Strategy<Value = Row> {
    let number = || prop::option::of(0u8..9);
    let tags = prop::option::of(prop::collection::vec(number(), 0..4));
    let claims = prop_oneof![
        4 => Just(Claims::Right),
        1 => Just(Claims::Nothing),
        1 => Just(Claims::Wrong),
        1 => Just(Claims::Rubbish)
    ];
    (number(), number(), tags, claims).prop_map(|(text, blob, tags, claims)| Row { text, blob, tags, claims })
}

fn table(rows: &[Row], claims: bool) -> RecordBatch {
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in rows {
        for tag in row.tags.iter().flatten() {
            tags.values().append_option(tag.map(value));
        }
        tags.append(row.tags.is_some());
    }
    let blobs: Vec<Option<String>> = rows.iter().map(|row| row.blob.map(value)).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(rows.iter().map(|row| row.text.map(value)).collect::<StringArray>())),
        (
            "blob",
            Arc::new(blobs.iter().map(|blob| blob.as_deref().map(str::as_bytes)).collect::<BinaryArray>()),
        ),
        ("tags", Arc::new(tags.finish())),
    ];
    if claims {
        columns.push(("sha256", Arc::new(rows.iter().map(Row::claim).collect::<StringArray>())));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn parquet(rows: &[Row], claims: bool, dictionary: bool) -> Vec<u8> {
    let version = if dictionary { WriterVersion::PARQUET_1_0 } else { WriterVersion::PARQUET_2_0 };
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(dictionary)
        .set_writer_version(version)
        .set_max_row_group_row_count(Some(13))
        .build();
    let table = table(rows, claims);
    let mut writer = ArrowWriter::try_new(Vec::new(), table.schema(), Some(properties)).unwrap();
    writer.write(&table).unwrap();
    writer.into_inner().unwrap()
}

struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    fn new(rows: &[Row], claims: bool, dictionary: bool, listed: &BTreeSet<u8>, md5: bool) -> Bench {
        let bench = Bench { home: tempfile::tempdir().unwrap() };
        let data = bench.path("d");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("a.parquet"), parquet(rows, claims, dictionary)).unwrap();
        fs::write(data.join("a.jsonl"), rows.iter().map(Row::json).collect::<String>()).unwrap();
        let line =
            |row: &Row| format!("{},{}\n", row.text.map(value).unwrap_or_default(), row.blob.is_some());
        let lines = rows.iter().map(line).collect::<String>();
        fs::write(data.join("a.csv"), format!("text,has blob\n{lines}")).unwrap();
        // A name in a header is looked up and is no item; what is on no list keeps the lists from being empty.
        let texts = listed.iter().map(|number| value(*number)).chain(["has blob".into(), "nowhere".into()]);
        let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
        let sums = texts.iter().map(|text| hex::encode(Sha256::digest(text)) + "\n");
        fs::write(bench.path("sha256"), sums.collect::<String>()).unwrap();
        let sums = texts.iter().filter(|_| md5).map(|text| hex::encode(md5::Md5::digest(text)) + "\n");
        let other = hex::encode(md5::Md5::digest("what is nowhere either"));
        fs::write(bench.path("md5"), sums.collect::<String>() + &other).unwrap();
        bench
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn options(&self, mode: Mode, claims: bool) -> AuditOptions {
        let mut options = AuditOptions::new(mode, vec![self.path("d")]);
        options.threads = 2;
        options.settling = Duration::ZERO;
        options.samples = Samples::Always;
        options.hash_lists =
            ["sha256", "md5"].map(|list| SourceSpec { format: None, path: self.path(list) }).into();
        if claims {
            options.mode = Mode::Audit;
            options.digest_columns = vec![("sha256".into(), Algorithm::Sha256)];
        }
        options
    }
}

fn json(report: &Report) -> String {
    common::lasting(report, &common::REUSED)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_column_tells_what_its_cells_tell_one_by_one(
        rows in prop::collection::vec(row(), 0..40),
        claims: bool,
        dictionary: bool,
        md5: bool,
        divided: bool,
        listed in prop::collection::btree_set(0u8..9, 0..4),
    ) {
        let bench = Bench::new(&rows, claims, dictionary, &listed, md5);
        let mut options = bench.options(Mode::Flag, claims);
        if divided {
            options.divide = 1;
        }
        let by_column = run(&options);
        options.state = Some(bench.path("state"));
        std::thread::sleep(Duration::from_millis(12));
        for _ in 0..2 {
            prop_assert_eq!(json(&by_column), json(&run(&options)));
        }
    }
}

#[test]
fn every_cell_is_counted_and_found_once() {
    let claims = [Claims::Right, Claims::Nothing, Claims::Wrong];
    let rows: Vec<Row> = (0..100u8)
        .map(|i| Row {
            text: (i % 7 != 0).then_some(i % 9),
            blob: (i % 5 != 0).then_some(3),
            tags: (i % 4 != 0).then(|| (0..i % 4).map(|tag| (tag != 1).then_some(tag)).collect()),
            claims: claims[usize::from(i % 3)],
        })
        .collect();
    let bench = Bench::new(&rows, true, true, &[3].into(), false);
    fs::remove_file(bench.path("d/a.jsonl")).unwrap();
    fs::remove_file(bench.path("d/a.csv")).unwrap();
    let mut options = bench.options(Mode::Flag, false);
    // Lists of one algorithm as well as of two.
    for lists in [2, 1] {
        options.hash_lists.truncate(lists);
        let report = run(&options);
        let cells: usize = rows.iter().map(Row::values).sum();
        let known = rows.iter().map(|row| {
            let blob = usize::from(row.blob == Some(3));
            let tags = row.tags.iter().flatten().filter(|tag| **tag == Some(3)).count();
            usize::from(row.text == Some(3)) + blob + tags
        });
        assert_eq!(report.coverage.looked_up, 1 + cells as u64, "the file and its cells");
        assert_eq!(report.samples, 100);
        assert_eq!(common::count(&report, Code::KnownBad), known.sum::<usize>() as u64);
    }
}
