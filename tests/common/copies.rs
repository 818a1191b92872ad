//! One dataset in many forms: samples with a text and a url, as files, in archives and as rows of tables.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test that cannot go on has failed; each suite uses a part"
)]

#[path = "zips.rs"]
mod zips;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// A sample: its key, and the fields `txt` and `url`.
pub type Sample = (String, String, String);

/// The forms.
pub const FORMS: [&str; 15] = [
    "folder",
    "tar",
    "tar.gz",
    "tar.zst",
    "zip",
    "zstd.parquet",
    "snappy.parquet",
    "split.parquet",
    "arrow",
    "arrows",
    "jsonl.gz",
    "jsonl",
    "csv",
    "mds",
    "mds.zstd",
];

/// Different samples, of which some texts are empty, long, or in several lines.
pub fn samples(count: usize, salt: usize) -> Vec<Sample> {
    let sample = |i: usize| {
        let text = match i % 5 {
            0 => format!("text {i} {salt}"),
            1 => format!("línea {i}\nand another {salt}"),
            2 => format!("\"quoted\", {i} {salt}"),
            3 => format!("{} {i} {salt}", "long ".repeat(300 + i)),
            _ => format!("{i}é{salt}"),
        };
        (format!("{i:05}"), text, format!("https://example.org/{salt}/{i}"))
    };
    (0..count).map(sample).collect()
}

/// Writes samples to a new folder in one of the forms.
pub fn write(folder: &Path, form: &str, samples: &[Sample]) {
    fs::create_dir_all(folder).unwrap();
    let put = |name: &str, content: &[u8]| fs::write(folder.join(name), content).unwrap();
    let half = samples.len() / 2;
    match form {
        "folder" => {
            for (key, text, url) in samples {
                put(&format!("{key}.txt"), text.as_bytes());
                put(&format!("{key}.url"), url.as_bytes());
            }
        }
        "tar" => {
            put("s-000.tar", &tar(&samples[..half]));
            put("s-001.tar", &tar(&samples[half..]));
        }
        "tar.gz" => put("all.tar.gz", &gzip(&tar(samples))),
        "tar.zst" => put("all.tar.zst", &zstd(&tar(samples))),
        "zip" => put("all.zip", &zip(samples)),
        "zstd.parquet" => {
            put("z.parquet", &parquet(samples, Compression::ZSTD(ZstdLevel::default()), 7));
        }
        "snappy.parquet" => put("y.parquet", &parquet(samples, Compression::SNAPPY, 1000)),
        "split.parquet" => {
            put("p-0.parquet", &parquet(&samples[..half], Compression::UNCOMPRESSED, 3));
            put("p-1.parquet", &parquet(&samples[half..], Compression::SNAPPY, 5));
        }
        "arrow" => put("a.arrow", &arrow(samples, false)),
        "arrows" => put("a-stream.arrow", &arrow(samples, true)),
        "jsonl.gz" => put("rows.jsonl.gz", &gzip(&jsonl(samples))),
        "jsonl" => put("rows.jsonl", &jsonl(samples)),
        "csv" => put("rows.csv", &csv(samples)),
        "mds" => put("shard.00000.mds", &mds_of(samples)),
        "mds.zstd" => put("shard.00000.mds.zstd", &zstd(&mds_of(samples))),
        other => panic!("no form {other}"),
    }
}

/// A table of the samples.
pub fn table(samples: &[Sample]) -> RecordBatch {
    let column = |field: fn(&Sample) -> &String| -> ArrayRef {
        Arc::new(StringArray::from(samples.iter().map(|s| field(s).as_str()).collect::<Vec<_>>()))
    };
    RecordBatch::try_from_iter([("txt", column(|s| &s.1)), ("url", column(|s| &s.2))]).unwrap()
}

pub fn tar(samples: &[Sample]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (key, text, url) in samples {
        for (extension, content) in [("txt", text), ("url", url)] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append_data(&mut header, format!("{key}.{extension}"), content.as_bytes()).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

pub fn zip(samples: &[Sample]) -> Vec<u8> {
    let fields = samples.iter().flat_map(|(key, text, url)| [("txt", key, text), ("url", key, url)]);
    let entries: Vec<_> =
        fields.map(|(field, key, content)| zips::deflated(format!("{key}.{field}"), content)).collect();
    zips::zip(&entries)
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(content.len()));
    zstd_safe::CCtx::create().compress2(&mut out, content).unwrap();
    out
}

pub fn parquet(samples: &[Sample], codec: Compression, rows_per_group: usize) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_max_row_group_row_count(Some(rows_per_group))
        .build();
    let batch = table(samples);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

pub fn arrow(samples: &[Sample], stream: bool) -> Vec<u8> {
    let batch = table(samples);
    let mut out = Vec::new();
    let slices = (0..batch.num_rows()).step_by(9).map(|at| batch.slice(at, 9.min(batch.num_rows() - at)));
    if stream {
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut out, &batch.schema()).unwrap();
        slices.for_each(|slice| writer.write(&slice).unwrap());
        writer.finish().unwrap();
    } else {
        let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut out, &batch.schema()).unwrap();
        slices.for_each(|slice| writer.write(&slice).unwrap());
        writer.finish().unwrap();
    }
    out
}

pub fn jsonl(samples: &[Sample]) -> Vec<u8> {
    let line = |(_, text, url): &Sample| format!("{}\n", serde_json::json!({ "url": url, "txt": text }));
    samples.iter().map(line).collect::<String>().into_bytes()
}

pub fn csv(samples: &[Sample]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["txt", "url"]).unwrap();
    for (_, text, url) in samples {
        writer.write_record([text, url]).unwrap();
    }
    writer.into_inner().unwrap()
}

fn mds_of(samples: &[Sample]) -> Vec<u8> {
    let rows = samples.iter().map(|(_, text, url)| vec![text.as_bytes().to_vec(), url.as_bytes().to_vec()]);
    mds(&[("txt", "str", None), ("url", "str", None)], &rows.collect::<Vec<_>>())
}

/// An MDS shard: columns with encodings and sizes, and the values of each row as they are encoded.
pub fn mds(columns: &[(&str, &str, Option<usize>)], rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let config = serde_json::json!({
        "column_encodings": columns.iter().map(|column| column.1).collect::<Vec<_>>(),
        "column_names": columns.iter().map(|column| column.0).collect::<Vec<_>>(),
        "column_sizes": columns.iter().map(|column| column.2).collect::<Vec<_>>(),
        "compression": null, "format": "mds", "hashes": [], "size_limit": 1 << 26, "version": 2,
    });
    let config = config.to_string().into_bytes();
    let encoded = |row: &Vec<Vec<u8>>| {
        let sizes = columns.iter().zip(row).filter(|(column, _)| column.2.is_none());
        let sizes = sizes.flat_map(|(_, value)| u32::try_from(value.len()).unwrap().to_le_bytes());
        sizes.chain(row.concat()).collect::<Vec<u8>>()
    };
    let samples: Vec<_> = rows.iter().map(encoded).collect();
    let mut at = 8 + 4 * rows.len() + config.len();
    let mut header = u32::try_from(rows.len()).unwrap().to_le_bytes().to_vec();
    for len in std::iter::once(0).chain(samples.iter().map(Vec::len)) {
        at += len;
        header.extend(u32::try_from(at).unwrap().to_le_bytes());
    }
    [header, config, samples.concat()].concat()
}
