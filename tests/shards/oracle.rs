//! Tars that the crate `tar` writes, read by it and by us.

use std::io::{Read, Write};
use std::sync::Arc;

use proptest::prelude::*;
use shardproof::digest::DigestSet;
use shardproof::plan::{Inside, ShardPlan};
use shardproof::shard::{End, RegionClass};
use shardproof::source::MemorySource;

use crate::listing::{Drip, Listing, everything};

fn write_tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &data[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn read_tar(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        (entry.path_bytes().into_owned(), data)
    });
    entries.collect()
}

fn members(listing: &Listing) -> Vec<(Vec<u8>, Vec<u8>)> {
    assert_eq!(listing.faults, []);
    assert!(listing.items.iter().all(|item| item.end == Some(End::Complete) && !item.hidden));
    listing.members().map(|item| (item.name.clone(), item.data.clone())).collect()
}

pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(data: &[u8]) -> Vec<u8> {
    let mut context = zstd_safe::CCtx::create();
    context.set_parameter(zstd_safe::CParameter::ChecksumFlag(true)).unwrap();
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(data.len()));
    context.compress2(&mut out, data).unwrap();
    out
}

pub fn bzip2(data: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub fn xz(data: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).unwrap();
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn members_equal_those_of_the_crate_tar(
        files in proptest::collection::vec(("[a-z]{1,150}", proptest::collection::vec(0u8..4, 0..2000)), 0..6),
        most in 1usize..3000,
        cut in 0usize..20_000,
    ) {
        let bytes = write_tar(&files);
        let expected = read_tar(&bytes);
        let whole = Listing::read("a.tar", &bytes);
        prop_assert_eq!(&members(&whole), &expected);
        prop_assert_eq!(&Listing::drip("a.tar", Drip::new(&bytes, most)), &whole);
        let cut = cut.min(bytes.len());
        let packed = [
            ("a.tar.gz", [gzip(&bytes[..cut]), gzip(&bytes[cut..])].concat()),
            ("a.tar.zst", [zstd(&bytes[..cut]), zstd(&bytes[cut..])].concat()),
            ("a.tar.bz2", [bzip2(&bytes[..cut]), bzip2(&bytes[cut..])].concat()),
            ("a.tar.xz", [xz(&bytes[..cut]), xz(&bytes[cut..])].concat()),
        ];
        for (name, packed) in packed {
            let whole = Listing::read(name, &packed);
            prop_assert_eq!(&members(&whole), &expected);
            prop_assert_eq!(&Listing::drip(name, Drip::new(&packed, most)), &whole);
        }
    }
}

#[test]
fn large_members_flow_in_pieces() {
    let data: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let bytes = write_tar(&[("big".into(), data.clone()), ("d/small".into(), b"x".to_vec())]);
    for (name, bytes) in [
        ("a.tar", bytes.clone()),
        ("a.tar.gz", gzip(&bytes)),
        ("a.tar.zst", zstd(&bytes)),
        ("a.tbz2", bzip2(&bytes)),
        ("a.txz", xz(&bytes)),
    ] {
        let listing = Listing::read(name, &bytes);
        assert_eq!(members(&listing)[0], (b"big".to_vec(), data.clone()));
    }
}

#[test]
fn layers_nobody_asked_for_emit_no_data() {
    let tar = gzip(&write_tar(&[("a".into(), b"AAA".to_vec())]));
    let told = |plan| Listing::of("a.tar.gz", Arc::new(MemorySource(tar.clone().into())), &plan);
    let all = told(everything());
    let none = told(ShardPlan { inside: Inside::Open, ..ShardPlan::default() });
    assert_eq!(none.regions, all.regions);
    assert!(none.items.iter().all(|item| item.data.is_empty() && item.end == Some(End::Complete)));
    assert_eq!(none.items.len(), all.items.len());
    let samples =
        told(ShardPlan { file: DigestSet::default(), stream: DigestSet::default(), ..everything() });
    assert_eq!(samples.items.iter().map(|item| item.data.len()).collect::<Vec<_>>(), [0, 0, 3]);
    let closed = told(ShardPlan { inside: Inside::Closed, ..everything() });
    assert_eq!((closed.items.len(), closed.items[0].data.len()), (1, tar.len()));
    assert_eq!(
        closed.regions[&shardproof::shard::ItemId::FILE],
        [(0..tar.len() as u64, RegionClass::Payload)]
    );
}

#[test]
fn streams_that_are_no_tar_are_one_payload() {
    let line = b"{}\n";
    for (name, packed) in [
        ("a.jsonl.gz", gzip(line)),
        ("a.jsonl.zst", zstd(line)),
        ("a.jsonl.bz2", bzip2(line)),
        ("a.jsonl.xz", xz(line)),
    ] {
        let listing = Listing::read(name, &packed);
        assert_eq!((listing.items.len(), listing.faults.len()), (2, 0));
        assert_eq!(listing.items[1].data, b"{}\n");
    }
    let plain = Listing::read("a.txt", b"hello");
    assert_eq!((plain.items.len(), plain.faults.len(), plain.regions.len()), (1, 0, 1));
    assert_eq!(Listing::read("empty.tar", b"").items.len(), 1);
}
