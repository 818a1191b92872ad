//! Arrow data from end to end: what a stream hides is an item, and a file of another writer is read whole.

// Clippy's leave to unwrap in tests does not reach functions beside the tests themselves.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use bytes::Bytes;
use common::{scan, shared};
use shardproof::digest::{Algorithm, DigestSet};
use shardproof::observation::Kind;
use shardproof::source::MemorySource;

#[test]
fn what_follows_a_stream_is_a_region_of_its_own() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["first", "second"]));
    let rows = RecordBatch::try_from_iter([("text", texts)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let end = bytes.len() as u64;
    bytes.extend_from_slice(b"hidden");
    let seen = scan(Arc::new(MemorySource(Bytes::from(bytes))), "a.arrow", DigestSet::of(Algorithm::Sha256));
    assert_eq!(seen.faults, []);
    let regions: Vec<_> = seen.observations.iter().filter(|seen| seen.kind == Kind::Region).collect();
    assert_eq!(regions.len(), 1);
    assert_eq!((regions[0].locator.offset, regions[0].length), (Some(end), 6));
}

#[test]
#[ignore = "needs the shared datasets"]
fn a_file_of_another_writer_is_read_whole() {
    // Written by Arrow's JavaScript library: 200,000 rows of three columns of numbers.
    let bytes = fs::read(shared("datasets/vega-npm/package/data/flights-200k.arrow")).unwrap();
    let len = bytes.len() as u64;
    let seen = scan(Arc::new(MemorySource(Bytes::from(bytes))), "x.arrow", DigestSet::of(Algorithm::Sha256));
    assert_eq!(seen.faults, []);
    assert!(seen.observations.iter().all(|seen| seen.kind != Kind::Region));
    let files = seen.observations.iter().filter(|seen| seen.kind == Kind::File && seen.length == len);
    assert_eq!(files.count(), 1);
}
