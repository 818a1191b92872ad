//! Samples with fields that may be absent, packed in shards of many forms.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::copies::{gzip, mds, zstd};

/// The fields of a sample. What it is called is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fields {
    /// `txt`.
    pub text: Option<String>,
    /// `url`.
    pub url: Option<String>,
    /// `n`, in tables with types only.
    pub number: Option<i64>,
}

/// Names and contents of files.
pub type Files = BTreeMap<String, Vec<u8>>;

/// How often each thing is there.
pub type Multiset<T> = BTreeMap<T, u64>;

/// The samples.
pub fn records_of(samples: &[Fields]) -> Multiset<Fields> {
    let mut all = BTreeMap::new();
    for sample in samples {
        *all.entry(sample.clone()).or_default() += 1;
    }
    all
}

/// Their texts and urls.
pub fn fields_of(samples: &[Fields]) -> Multiset<String> {
    let mut all = BTreeMap::new();
    for value in samples.iter().flat_map(|sample| sample.text.iter().chain(&sample.url)) {
        *all.entry(value.clone()).or_default() += 1;
    }
    all
}

/// How many of one are not in the other.
pub fn difference<T: Ord>(one: &Multiset<T>, other: &Multiset<T>) -> u64 {
    one.iter().map(|(what, n)| n.saturating_sub(other.get(what).copied().unwrap_or(0))).sum()
}

/// A form of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Folder,
    Tar,
    TarGz,
    TarZst,
    Parquet,
    Snappy,
    Groups,
    Arrow,
    ArrowStream,
    Jsonl,
    JsonlGz,
    Csv,
    Mds,
    MdsZst,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 14] = [
        Form::Folder,
        Form::Tar,
        Form::TarGz,
        Form::TarZst,
        Form::Parquet,
        Form::Snappy,
        Form::Groups,
        Form::Arrow,
        Form::ArrowStream,
        Form::Jsonl,
        Form::JsonlGz,
        Form::Csv,
        Form::Mds,
        Form::MdsZst,
    ];

    /// Whether a number is a number in it.
    pub fn is_typed(self) -> bool {
        !matches!(self, Form::Folder | Form::Tar | Form::TarGz | Form::TarZst | Form::Csv)
    }
}

/// Packs shards; empty ones are no files.
pub fn pack(form: Form, shards: &[Vec<(usize, Fields)>]) -> Files {
    let mut files = Files::new();
    for (number, shard) in shards.iter().enumerate().filter(|(_, shard)| !shard.is_empty()) {
        let (extension, content) = match form {
            Form::Folder => {
                for (name, content) in members(shard) {
                    files.insert(format!("part-{number}/{name}"), content);
                }
                continue;
            }
            Form::Tar => ("tar", tar(shard)),
            Form::TarGz => ("tar.gz", gzip(&tar(shard))),
            Form::TarZst => ("tar.zst", zstd(&tar(shard))),
            Form::Parquet => ("parquet", parquet(shard, Compression::ZSTD(ZstdLevel::default()), 100)),
            Form::Snappy => ("parquet", parquet(shard, Compression::SNAPPY, 100)),
            Form::Groups => ("parquet", parquet(shard, Compression::UNCOMPRESSED, 2)),
            Form::Arrow => ("arrow", arrow(shard, false)),
            Form::ArrowStream => ("arrow", arrow(shard, true)),
            Form::Jsonl => ("jsonl", jsonl(shard)),
            Form::JsonlGz => ("jsonl.gz", gzip(&jsonl(shard))),
            Form::Csv => ("csv", csv(shard)),
            Form::Mds => ("mds", mds_of(shard)),
            Form::MdsZst => ("mds.zstd", zstd(&mds_of(shard))),
        };
        files.insert(format!("s{number}.{extension}"), content);
    }
    files
}

fn members(shard: &[(usize, Fields)]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (key, fields) in shard {
        let named = [("txt", &fields.text), ("url", &fields.url)];
        for (extension, content) in named.into_iter().filter_map(|(e, c)| Some((e, c.as_ref()?))) {
            all.push((format!("{key:04}.{extension}"), content.as_bytes().to_vec()));
        }
    }
    all
}

fn tar(shard: &[(usize, Fields)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members(shard) {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn table(shard: &[(usize, Fields)]) -> RecordBatch {
    let texts: StringArray = shard.iter().map(|(_, fields)| fields.text.as_deref()).collect();
    let urls: StringArray = shard.iter().map(|(_, fields)| fields.url.as_deref()).collect();
    let numbers: Int64Array = shard.iter().map(|(_, fields)| fields.number).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("txt", Arc::new(texts)), ("url", Arc::new(urls)), ("n", Arc::new(numbers))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn parquet(shard: &[(usize, Fields)], codec: Compression, rows: usize) -> Vec<u8> {
    let properties =
        WriterProperties::builder().set_compression(codec).set_max_row_group_row_count(Some(rows)).build();
    let batch = table(shard);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow(shard: &[(usize, Fields)], stream: bool) -> Vec<u8> {
    let batch = table(shard);
    let mut out = Vec::new();
    if stream {
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut out, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    } else {
        let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut out, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    }
    out
}

fn jsonl(shard: &[(usize, Fields)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, Fields { text: txt, url, number }) in shard {
        let mut object = serde_json::Map::new();
        // Null is absent: now one, now the other.
        for (name, value) in [("txt", txt), ("url", url)] {
            if value.is_some() || key % 2 == 0 {
                object.insert(name.to_string(), serde_json::json!(value));
            }
        }
        if let Some(number) = number {
            object.insert("n".to_string(), serde_json::json!(number));
        }
        text.push_str(&serde_json::Value::Object(object).to_string());
        text.push('\n');
    }
    text.into_bytes()
}

/// Quoted throughout, but for what is null.
fn csv(shard: &[(usize, Fields)]) -> Vec<u8> {
    let field = |value: &Option<String>| {
        value.as_ref().map_or(String::new(), |value| format!("\"{}\"", value.replace('"', "\"\"")))
    };
    let rows = shard.iter().map(|(_, fields)| format!("{},{}\n", field(&fields.text), field(&fields.url)));
    std::iter::once("txt,url\n".to_string()).chain(rows).collect::<String>().into_bytes()
}

/// Only JSON has a null: a column is JSON where some of its values are missing.
fn mds_of(shard: &[(usize, Fields)]) -> Vec<u8> {
    let whole = |there: fn(&Fields) -> bool| shard.iter().all(|(_, fields)| there(fields));
    let text = |whole: bool| if whole { "str" } else { "json" };
    let whole_text = whole(|fields| fields.text.is_some());
    let whole_url = whole(|fields| fields.url.is_some());
    let number =
        if whole(|fields| fields.number.is_some()) { ("n", "int", Some(8)) } else { ("n", "json", None) };
    let columns = [number, ("txt", text(whole_text), None), ("url", text(whole_url), None)];
    let said = |value: &Option<String>, whole: bool| match value {
        Some(value) if whole => value.clone().into_bytes(),
        value => serde_json::json!(value).to_string().into_bytes(),
    };
    let rows = shard.iter().map(|(_, fields)| {
        let n = fields.number.map_or(b"null".to_vec(), |n| n.to_le_bytes().to_vec());
        vec![n, said(&fields.text, whole_text), said(&fields.url, whole_url)]
    });
    mds(&columns, &rows.collect::<Vec<_>>())
}
