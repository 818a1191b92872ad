use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::super::testing::{Kept, read};
use super::*;
use crate::claim::{SourceId, Subject};
use crate::digest::DigestSet;

/// MD5 and SHA-256 of `hello\n`.
const MD5: &str = "b1946ac92492d2347c6235b4d2611184";
const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
const HEADER: &str = "source,line,stance,name,size,algorithm,digest,category,region\n";

fn table(content: &str) -> (Result<Scope, ManifestError>, Kept) {
    read(&ClaimsTable, "claims", DigestSet::EMPTY, content.as_bytes())
}

fn said(kept: &Kept) -> Vec<Option<String>> {
    kept.claims.iter().map(|c| c.digests.strongest().map(ToString::to_string)).collect()
}

fn lines(kept: &Kept) -> Vec<u64> {
    kept.rejected.iter().map(|(line, _)| *line).collect()
}

#[test]
fn rows_of_csv_are_claims() {
    let content = format!(
        "{HEADER}x,1,expect,a,6,sha256,{SHA256},,\r\nx,2,expect,a,,MD5,{MD5},,\n\"x\",,expect,\"b,\n\"\"c\"\"\",,md5,{MD5},,\n\
         x,,expect,../d,,md5,{MD5},,\nx,,expect,e,,,,,\nx,,expect,f,,sha256,{MD5},,\nx,,expect,g,,,{MD5},,\n\n\
         x,,expect,,,md5,{MD5},,\nx,,expect,h,many,md5,{MD5},,\nx,,,i,,md5,{MD5},,\nx,,expect,j,,md5,{MD5},,0-9\nshort\n\
         a,\"b\"c\n\"open"
    );
    let (scope, kept) = table(&content);
    assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
    assert_eq!(kept.paths(), ["a", "a", "b,\n\"c\"", "e", "f", "g"]);
    let (md5, sha256) = (Some(format!("md5:{MD5}")), Some(format!("sha256:{SHA256}")));
    assert_eq!(said(&kept), [sha256, md5.clone(), md5.clone(), md5, None, None, None]);
    assert_eq!(kept.claims.iter().map(|c| c.line).collect::<Vec<_>>(), [2, 3, 4, 6, 7, 8, 9]);
    assert_eq!(kept.claims[0].size, Some(6));
    assert!(matches!(kept.claims[3].subject, Subject::Refused { .. }));
    let impossible: Vec<_> =
        kept.claims[4..].iter().map(|c| matches!(c.unusable, Some(Unusable::Impossible(_)))).collect();
    assert_eq!(impossible, [false, true, true]);
    assert_eq!(lines(&kept), [11, 12, 13, 14, 15, 16, 17]);
}

#[test]
fn a_row_of_json_with_a_key_twice_is_rejected() {
    let row = |more: &str| {
        format!(r#"{{"stance": "expect", {more}"name": "a", "algorithm": "md5", "digest": "{MD5}"}}"#)
    };
    let (_, kept) = table(&[row(""), row(r#""name": "b", "#), row(r#""note": 1, "note": 1, "#)].join("\n"));
    assert_eq!((kept.paths(), lines(&kept)), (vec!["a".to_owned()], vec![2, 3]));
    assert!(kept.rejected.iter().all(|(_, why)| why.contains("twice")));
}

#[test]
fn rows_of_json_are_claims() {
    let content = format!(
        "{{\"stance\": \"expect\", \"name\": \"a\", \"size\": 6, \"algorithm\": \"md5\", \"digest\": \"{MD5}\"}}\n\n\
         {{\"stance\": \"expect\", \"name\": null, \"algorithm\": \"md5\", \"digest\": \"{MD5}\"}}\n\
         {{\"stance\": \"expect\", \"name\": 7}}\nwhat\n{{\"stance\": \"expect\", \"name\": \"b\", \"size\": -1}}\n\
         {{\"stance\": \"expect\", \"name\": \"b\", \"region\": {{\"x\": 1}}}}\n"
    );
    let (scope, kept) = table(&content);
    assert!(scope.is_ok());
    assert_eq!((kept.paths(), said(&kept)), (vec!["a".to_owned()], vec![Some(format!("md5:{MD5}"))]));
    assert_eq!(lines(&kept), [3, 4, 5, 6, 7]);
}

#[test]
fn what_forbids_is_no_manifest() {
    let content = format!("{HEADER}x,1,expect,a,6,md5,{MD5},,\nx,2,forbid,,,md5,{MD5},bad,\n");
    assert!(table(&content).0.unwrap_err().to_string().contains("row 3 forbids an item"));
}

#[test]
fn a_table_is_told_by_its_columns() {
    let is = |head: &str| ClaimsTable.recognises(b"x", head.as_bytes());
    assert!(is(HEADER) && is("name,stance,digest,algorithm\n"));
    assert!(is("{\"stance\": \"expect\", \"algorithm\": \"md5\", \"digest\": \"\"}\n"));
    assert!(!is("name,digest,algorithm\n") && !is("{\"name\": \"a\", \"digest\": \"\"}\n") && !is(""));
    let reason = |content: &str| table(content).0.unwrap_err().to_string();
    assert!(reason("a,b\n").contains("no column is called stance"));
    assert!(reason("stance,stance,name,algorithm,digest\n").contains("two columns"));
    assert!(reason(HEADER).contains("no row"));
}

fn written(folder: &Path, compression: Compression) -> std::path::PathBuf {
    let text = |values: &[Option<&str>]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let raw = [hex::decode(MD5).unwrap(), hex::decode(SHA256).unwrap()];
    let digests: Vec<Option<&[u8]>> = vec![Some(&raw[0]), Some(&raw[1]), None];
    let batch = RecordBatch::try_from_iter([
        ("stance", text(&[Some("expect"); 3])),
        ("name", text(&[Some("a"), Some("b/c"), None])),
        ("size", Arc::new(Int64Array::from(vec![Some(6), None, Some(-1)])) as ArrayRef),
        ("algorithm", text(&[Some("md5"), Some("sha256"), None])),
        ("digest", Arc::new(BinaryArray::from(digests)) as ArrayRef),
        ("more", text(&[Some("x"); 3])),
    ])
    .unwrap();
    let path = folder.join("claims.parquet");
    let properties = WriterProperties::builder().set_compression(compression).build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

fn read_file(path: &Path) -> (Result<Scope, ManifestError>, Kept) {
    let content = std::fs::read(path).unwrap();
    let context = Context { source: SourceId(7), file_name: b"x", path, declared: DigestSet::EMPTY };
    let mut kept = Kept::default();
    let scope = ClaimsTable.read(&mut content.as_slice(), &context, &mut kept);
    (scope, kept)
}

#[test]
fn rows_of_parquet_are_claims() {
    let folder = tempfile::tempdir().unwrap();
    for codec in [Compression::ZSTD(ZstdLevel::default()), Compression::SNAPPY, Compression::UNCOMPRESSED] {
        let path = written(folder.path(), codec);
        assert!(ClaimsTable.recognises(b"x", &std::fs::read(&path).unwrap()));
        let (scope, kept) = read_file(&path);
        assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
        assert_eq!(kept.paths(), ["a", "b/c"]);
        assert_eq!(said(&kept), [Some(format!("md5:{MD5}")), Some(format!("sha256:{SHA256}"))]);
        assert_eq!((kept.claims[0].size, kept.claims[1].line, lines(&kept)), (Some(6), 2, vec![3]));
    }
}

#[test]
fn a_codec_that_is_not_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), Compression::LZ4_RAW);
    assert!(read_file(&path).0.unwrap_err().to_string().contains("compressed with lz4_raw"));
}

#[test]
fn a_table_that_was_cut_or_changed_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), Compression::UNCOMPRESSED);
    let sound = std::fs::read(&path).unwrap();
    for cut in (0..sound.len()).step_by(7) {
        std::fs::write(&path, &sound[..cut]).unwrap();
        assert!(read_file(&path).0.is_err(), "cut at {cut}");
    }
    for at in 0..sound.len() {
        let mut flipped = sound.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, &flipped).unwrap();
        let _ = read_file(&path);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(content: Vec<u8>, cut in 0usize..140, line in "[a\",\\n{}:]{0,20}") {
        let sound = format!("{HEADER}x,1,expect,a,6,md5,{MD5},,\n");
        let mangled = [&sound.as_bytes()[..cut.min(sound.len())], &content[..], line.as_bytes()].concat();
        for content in [content, mangled, line.clone().into_bytes()] {
            let _ = table(&String::from_utf8_lossy(&content));
            ClaimsTable.recognises(b"x", &content);
        }
    }
}
