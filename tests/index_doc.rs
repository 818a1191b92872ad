//! `docs/index.md` against the schemas and the marker that it describes, and its one-liners against known datasets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_schema::Schema;
use serde_json::Value;
use shardproof::index::observations::{IndexDir, PartEntry};
use shardproof::schema;

fn document() -> String {
    fs::read_to_string(path("docs/index.md")).unwrap()
}

fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// The cells of the table below a heading whose first column is called so.
fn table(heading: &str, first: &str) -> Vec<Vec<String>> {
    let text = document();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with(&format!("| {first} |"))).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|c| c.trim().to_string()).collect();
    rows.map(cells).collect()
}

fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

fn compare(heading: &str, schema: &Schema) {
    let told = table(heading, "column");
    let told: Vec<_> =
        told.iter().map(|row| (unquoted(&row[0]), row[1].as_str(), row[2] != "never")).collect();
    let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    let fields = schema.fields().iter().zip(&types);
    let is: Vec<_> =
        fields.map(|(field, of)| (field.name().as_str(), of.as_str(), field.is_nullable())).collect();
    assert_eq!(told, is);
}

#[test]
fn the_tables_are_as_the_document_says() {
    compare("`observations`", &schema::observations());
    compare("`findings`", &schema::findings());
}

#[test]
fn the_marker_is_as_the_document_says() {
    let part = PartEntry { name: "part-000000.parquet".into(), rows: 0, bytes: 0, digest_sum: String::new() };
    let marker = IndexDir {
        schema: String::new(),
        tool: String::new(),
        roots: Vec::new(),
        digests: Vec::new(),
        opened: true,
        files: 0,
        bytes: 0,
        samples: 0,
        findings: 0,
        left_out: 0,
        unlisted: Vec::new(),
        parts: vec![part],
    };
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let marker = serde_json::to_value(&marker).unwrap();
    let rows = table("The folder", "field");
    let mut told: Vec<_> = rows.iter().flat_map(|row| row[0].split(", ")).map(unquoted).collect();
    told.sort_unstable();
    assert_eq!(told, keys(&marker));
    let of_parts = rows.iter().find(|row| row[0] == "`parts`").unwrap();
    for key in keys(&marker["parts"][0]) {
        assert!(of_parts[1].contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
#[ignore = "needs Python with DuckDB and pandas"]
fn the_one_liners_answer_as_they_must() {
    let python = std::env::var_os("SHARDPROOF_PYTHON").unwrap_or_else(|| "python3".into());
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(path("tests/oracle/index_one_liners.py"))
        .arg(env!("CARGO_BIN_EXE_shardproof"))
        .arg(path("docs/index.md"))
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
