//! What must hold for any dataset: packing does not matter, edits are told exactly, damage is never valid.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use common::{run, scan, told, verifying};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use shardproof::audit::{AuditOptions, Mode};
use shardproof::check::balance::ClaimClass;
use shardproof::digest::Algorithm;
use shardproof::observation::{Kind, State};
use shardproof::source::MemorySource;

/// Names and contents; the contents are all different and may be empty or longer than a block.
fn tree() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let name =
        prop::sample::select(vec!["a", "b/c", "b/d.jpg", "e e", "ü", "x/y/z.txt", "q", "b/e", "zz", "long"]);
    let size = prop::sample::select(vec![1usize, 2, 511, 512, 513, 70_000]);
    prop::collection::btree_map(name.prop_map(str::to_string), size, 1..8).prop_map(|sizes| {
        let fill = |(i, (name, size)): (usize, (String, usize))| {
            // A period of 251 shows swapped blocks; the first byte makes contents different.
            let content: Vec<u8> =
                (0..size).map(|at| if at == 0 { i as u8 } else { (at % 251) as u8 }).collect();
            (name, content)
        };
        sizes.into_iter().enumerate().map(fill).collect()
    })
}

fn hex_of(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn sums(tree: &BTreeMap<String, Vec<u8>>, prefix: &str) -> String {
    tree.iter().map(|(name, content)| format!("{}  {prefix}{name}\n", hex_of(content))).collect()
}

fn write_folder(folder: &Path, tree: &BTreeMap<String, Vec<u8>>) {
    for (name, content) in tree {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn tar_of(tree: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in tree {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    let mut context = zstd_safe::CCtx::create();
    context.set_parameter(zstd_safe::CParameter::ChecksumFlag(true)).unwrap();
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(content.len()));
    context.compress2(&mut out, content).unwrap();
    out
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn xz(content: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn samples_are_the_same_however_they_are_packed(tree in tree()) {
        let expected: BTreeMap<String, String> = tree.iter().map(|(n, c)| (n.clone(), hex_of(c))).collect();
        let tar = tar_of(&tree);
        for (name, packed) in [
            ("s.tar", tar.clone()),
            ("s.tar.gz", gzip(&tar)),
            ("s.tar.zst", zstd(&tar)),
            ("s.tar.bz2", bzip2(&tar)),
            ("s.tar.xz", xz(&tar)),
        ] {
            let scan = scan(
                Arc::new(MemorySource(Bytes::from(packed))),
                name,
                [Algorithm::Sha256].into_iter().collect(),
            );
            prop_assert_eq!(scan.faults.len(), 0, "{}: {:?}", name, scan.faults);
            let got: BTreeMap<String, String> = scan
                .observations
                .iter()
                .filter(|seen| seen.kind == Kind::Member)
                .map(|seen| {
                    assert_eq!(seen.state, State::Read);
                    let digest = seen.digests.of(Algorithm::Sha256).unwrap();
                    (String::from_utf8(seen.locator.member[0].clone()).unwrap(), hex::encode(digest.bytes()))
                })
                .collect();
            prop_assert_eq!(&got, &expected, "{}", name);
        }
    }

    #[test]
    fn edits_are_told_exactly_in_a_folder_and_in_a_tar(
        published in tree(),
        edits in prop::collection::vec((0usize..8, 0u8..4), 0..5),
    ) {
        let mut here = published.clone();
        let names: Vec<String> = published.keys().cloned().collect();
        let mut folder_findings: Vec<String> = Vec::new();
        let mut tar_findings: Vec<String> = Vec::new();
        let mut edited: Vec<usize> = Vec::new();
        let mut tell = |code: &str, name: &str| {
            folder_findings.push(format!("{code} {name}"));
            tar_findings.push(format!("{code} s.tar {name}"));
        };
        for (serial, (which, edit)) in edits.into_iter().enumerate() {
            let which = which % names.len();
            if edited.contains(&which) {
                continue;
            }
            edited.push(which);
            let name = &names[which];
            match edit {
                0 => {
                    here.get_mut(name).unwrap().push(200 + serial as u8);
                    tell("altered", name);
                }
                1 => {
                    here.remove(name);
                    tell("missing", name);
                }
                2 => {
                    let content = here.remove(name).unwrap();
                    let new = format!("renamed-{serial}");
                    tell("moved", &new);
                    here.insert(new, content);
                }
                _ => {
                    let new = format!("added-{serial}");
                    tell("undisclosed", &new);
                    here.insert(new, vec![9, 9, serial as u8]);
                }
            }
        }
        folder_findings.sort();
        tar_findings.sort();
        let scratch = tempfile::tempdir().unwrap();
        let (folder, packed) = (scratch.path().join("folder"), scratch.path().join("packed"));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(&packed).unwrap();
        write_folder(&folder, &here);
        fs::write(packed.join("s.tar"), tar_of(&here)).unwrap();
        fs::write(scratch.path().join("folder.sha256"), sums(&published, "")).unwrap();
        fs::write(scratch.path().join("packed.sha256"), sums(&published, "s.tar/")).unwrap();

        let report = run(&verifying(&folder, &scratch.path().join("folder.sha256")));
        prop_assert_eq!(told(&report), folder_findings);
        let report = run(&verifying(&packed, &scratch.path().join("packed.sha256")));
        if here.is_empty() {
            return Ok(());
        }
        let untouched = published.iter().filter(|(n, c)| here.get(*n) == Some(*c)).count() as u64;
        prop_assert_eq!(report.coverage.balance.claims_of(ClaimClass::Ok), untouched);
        let claimed_in_place = published.keys().any(|n| here.contains_key(n));
        if claimed_in_place {
            prop_assert_eq!(told(&report), tar_findings);
        }
    }
}

/// Damages a packed dataset in every way of one kind and asks that it is never valid unless all claimed bytes are there.
/// Up to `ending` of the last bytes hold no claimed content and may go without being missed.
fn never_valid_when_damaged(name: &str, packed: &[u8], ending: usize, tree: &BTreeMap<String, Vec<u8>>) {
    let scratch = tempfile::tempdir().unwrap();
    let dataset = scratch.path().join("d");
    fs::create_dir(&dataset).unwrap();
    let manifest = scratch.path().join("m.sha256s");
    fs::write(&manifest, sums(tree, &format!("{name}/"))).unwrap();
    let mut options = verifying(&dataset, &manifest);
    options.threads = 1;
    let check = |damaged: &[u8], what: String| {
        fs::write(dataset.join(name), damaged).unwrap();
        let report = run(&options);
        let ok = report.coverage.balance.claims_of(ClaimClass::Ok);
        if report.exit_code == 0 {
            assert_eq!(ok, tree.len() as u64, "{what} is called valid with {ok} claims intact");
        } else {
            assert!(
                report.findings().next().is_some(),
                "{what}: exit {} without a finding",
                report.exit_code
            );
        }
        (report.exit_code, ok)
    };
    assert_eq!(check(packed, "the undamaged file".into()), (0, tree.len() as u64));
    for cut in 0..packed.len() {
        let (exit, _) = check(&packed[..cut], format!("{name} cut to {cut} bytes"));
        let harmless = cut + ending >= packed.len();
        assert!(exit != 0 || harmless, "{name} cut to {cut} of {} bytes is called valid", packed.len());
    }
    for at in 0..packed.len() {
        let mut flipped = packed.to_vec();
        flipped[at] ^= 0x10;
        check(&flipped, format!("{name} with byte {at} flipped"));
    }
}

fn small_tree() -> BTreeMap<String, Vec<u8>> {
    [("a.txt", &b"first sample"[..]), ("b.txt", &[7u8; 600])].map(|(n, c)| (n.to_string(), c.to_vec())).into()
}

/// A tar whose end is as short as the format allows: every byte counts.
fn small_tar() -> Vec<u8> {
    let mut tar = tar_of(&small_tree());
    tar.truncate(512 + 512 + 512 + 1024 + 1024);
    tar
}

#[test]
fn a_damaged_tar_is_never_valid() {
    // One zero block at the end of the file ends an archive as well as two.
    never_valid_when_damaged("s.tar", &small_tar(), 512, &small_tree());
}

#[test]
fn a_damaged_tar_gz_is_never_valid() {
    never_valid_when_damaged("s.tar.gz", &gzip(&small_tar()), 0, &small_tree());
}

#[test]
fn a_damaged_tar_zst_is_never_valid() {
    never_valid_when_damaged("s.tar.zst", &zstd(&small_tar()), 0, &small_tree());
}

#[test]
fn a_damaged_tar_bz2_is_never_valid() {
    never_valid_when_damaged("s.tar.bz2", &bzip2(&small_tar()), 0, &small_tree());
}

#[test]
fn a_damaged_tar_xz_is_never_valid() {
    never_valid_when_damaged("s.tar.xz", &xz(&small_tar()), 0, &small_tree());
}

/// What is left of a JSON report without the part that tells of the run.
fn answer(options: &AuditOptions) -> String {
    let report = run(options);
    let mut json = Vec::new();
    shardproof::report::Json.render(&report, &mut json).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    value.as_object_mut().unwrap().remove("run");
    serde_json::to_string_pretty(&value).unwrap()
}

use shardproof::report::Renderer;

#[test]
fn the_report_is_the_same_at_any_number_of_threads_and_in_any_order() {
    let scratch = tempfile::tempdir().unwrap();
    let dataset = scratch.path().join("d");
    let mut published = BTreeMap::new();
    for i in 0..60 {
        published.insert(format!("dir{}/file{i}", i % 7), vec![i as u8; 10 + i * 37]);
    }
    let mut here = published.clone();
    here.remove("dir3/file3");
    here.insert("dir1/extra".into(), vec![1, 2, 3]);
    here.get_mut("dir5/file5").unwrap()[0] ^= 1;
    for i in 0..5 {
        let name = format!("dir{}/file{}", (20 + i) % 7, 20 + i);
        let content = here.remove(&name).unwrap();
        here.insert(format!("moved{i}"), content);
    }
    write_folder(&dataset, &here);
    fs::write(dataset.join("s.tar"), tar_of(&small_tree())).unwrap();
    fs::write(dataset.join("cut.tar.gz"), &gzip(&small_tar())[..60]).unwrap();
    let manifest = scratch.path().join("SHA256SUMS");
    fs::write(&manifest, sums(&published, "")).unwrap();
    let list = scratch.path().join("list.txt");
    fs::write(&list, format!("{}\n{}\n", hex_of(&here["dir2/file2"]), hex_of(b"first sample"))).unwrap();

    let mut options = verifying(&dataset, &manifest);
    options.mode = Mode::Audit;
    options.hash_lists = vec![shardproof::audit::SourceSpec { format: None, path: list }];
    options.threads = 1;
    let reference = answer(&options);
    for code in ["altered", "missing", "moved", "undisclosed", "known-bad", "unreadable"] {
        assert!(reference.contains(code), "{code} is not in {reference}");
    }
    for threads in [1, 2, 7] {
        for shuffle in [None, Some(1), Some(99)] {
            for memory in [1 << 20, 256 << 20] {
                options.threads = threads;
                options.shuffle = shuffle;
                options.memory = memory;
                assert_eq!(
                    answer(&options),
                    reference,
                    "{threads} threads, shuffle {shuffle:?}, {memory} bytes"
                );
            }
        }
    }
}
