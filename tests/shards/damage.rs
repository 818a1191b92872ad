//! Damage of every kind at every byte: never a panic, never a byte unaccounted for, never silence.

use bytes::Bytes;
use proptest::prelude::*;
use shardproof::finding::Code;
use shardproof::shard::{End, Kind};

use crate::listing::{Drip, Listing};
use crate::oracle::{bzip2, gzip, xz, zstd};

/// A small tar with a long name, a PAX record and two members.
fn small_tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("path", &b"pax-name.txt"[..])]).unwrap();
    for (name, data) in [("a.jpg".to_string(), "AAA"), ("n".repeat(120), "hello, hello, hello")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        let mut gnu = tar::Header::new_gnu();
        gnu.set_size(data.len() as u64);
        let header = if name.len() > 100 { &mut gnu } else { &mut header };
        builder.append_data(header, name, data.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn kinds() -> [(&'static str, Vec<u8>); 5] {
    let tar = small_tar();
    [
        ("a.tar", tar.clone()),
        ("a.tar.gz", gzip(&tar)),
        ("a.tar.zst", zstd(&tar)),
        ("a.tar.bz2", bzip2(&tar)),
        ("a.tar.xz", xz(&tar)),
    ]
}

/// What a reader who trusts the listing believes to have: the members' names and data, if nothing was found wrong.
fn believed(listing: &Listing) -> Option<Vec<(&[u8], &[u8])>> {
    let sound = listing.faults.is_empty()
        && listing.items.iter().all(|item| item.end == Some(End::Complete) && item.kind != Kind::Region);
    sound.then(|| listing.members().map(|item| (&item.name[..], &item.data[..])).collect())
}

#[test]
fn every_truncation_is_told() {
    for (name, bytes) in kinds() {
        let whole = Listing::read(name, &bytes);
        let expected = believed(&whole).expect("nothing is wrong with it");
        assert_eq!(expected.len(), 2);
        assert_eq!(expected[0], (&b"pax-name.txt"[..], &b"AAA"[..]));
        for len in 0..bytes.len() {
            let cut = Listing::read(name, &bytes[..len]);
            // A file too short to be told from any other is plain.
            if len >= 512 || (name != "a.tar" && len > 4) {
                assert!(believed(&cut).is_none_or(|members| members == expected), "{name} cut to {len}");
            }
        }
    }
}

#[test]
fn every_flipped_byte_is_told_or_changes_nothing() {
    for (name, bytes) in kinds() {
        let whole = Listing::read(name, &bytes);
        let expected = believed(&whole).expect("nothing is wrong with it");
        for at in 0..bytes.len() {
            for xor in [1, 0x80, 0xff] {
                let mut flipped = bytes.clone();
                flipped[at] ^= xor;
                let listing = Listing::read(name, &flipped);
                // A tar has no check sum over names in records nor over data: there a changed digest tells.
                let fine = believed(&listing)
                    .is_none_or(|members| members == expected || (name == "a.tar" && members.len() == 2));
                assert!(fine, "{name}: byte {at} ^ {xor:#x} goes unnoticed");
                if at % 7 == 0 {
                    let parts = Listing::drip(name, Drip::new(&flipped, 100));
                    assert!(parts == listing, "{name}: byte {at} ^ {xor:#x} is told otherwise in pieces");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_tar_damaged_at_will_is_accounted_for(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        moved in any::<prop::sample::Index>(),
        most in 1usize..2000,
    ) {
        let mut bytes = small_tar();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // What is cut off in front stands behind: headers out of place, an end in the middle.
        let n = bytes.len();
        bytes.rotate_left(moved.index(n));
        for packed in [bytes.clone(), gzip(&bytes), bzip2(&bytes), xz(&bytes)] {
            let whole = Listing::read("a.tar", &packed);
            prop_assert!(Listing::drip("a.tar", Drip::new(&packed, most)) == whole);
        }
    }
}

#[test]
fn a_failing_disk_closes_everything() {
    for (name, bytes) in kinds() {
        // The last read begins before the end: once that is reached, nothing is read any more.
        for at in [0, 5, bytes.len() / 2, (bytes.len() - 1) / 100 * 100] {
            let source = Drip { fails_at: Some(at as u64), ..Drip::new(&bytes, 100) };
            let listing = Listing::drip(name, source);
            assert_eq!(listing.items[0].end, Some(End::Damaged));
            assert_eq!(listing.faults.iter().filter(|f| f.detail.contains("on fire")).count(), 1);
        }
    }
}

#[test]
fn nested_archives_are_told_of() {
    let inner = small_tar();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in [
        ("i.tar", inner.clone()),
        ("i.gz", gzip(b"x")),
        ("i.zst", zstd(b"x")),
        ("i.bz2", bzip2(b"x")),
        ("i.xz", xz(b"x")),
        ("i.txt", b"PK".to_vec()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        builder.append_data(&mut header, name, &data[..]).unwrap();
    }
    let listing = Listing::read("a.tar", &builder.into_inner().unwrap());
    let told: Vec<_> = listing.faults.iter().map(|f| (f.code, listing.item(f.item).name.clone())).collect();
    let opaque = |name: &[u8]| (Code::Opaque, name.to_vec());
    assert_eq!(told, [b"i.tar", &b"i.gz"[..], b"i.zst", b"i.bz2", b"i.xz"].map(opaque));
    let twice = Listing::read("a.tar.gz.gz", &gzip(&gzip(&inner)));
    assert_eq!((twice.items.len(), twice.faults.len(), twice.faults[0].code), (2, 1, Code::Opaque));
}

#[test]
fn a_bomb_does_not_grow_memory() {
    let zeros = vec![0; 50_000_000];
    // bzip2 holds a block of 900,000 bytes fourfold, xz its dictionary.
    for (name, bomb, most) in
        [("a.gz", gzip(&zeros), 1 << 20), ("a.bz2", bzip2(&zeros), 5 << 20), ("a.xz", xz(&zeros), 2 << 20)]
    {
        let mut cursor = shardproof::shard::open(
            std::sync::Arc::new(shardproof::source::MemorySource(Bytes::from(bomb))),
            name.as_bytes(),
            &crate::listing::everything(),
        );
        let mut pool = shardproof::source::Pool::new();
        let mut total = 0;
        loop {
            match cursor.step(&mut pool) {
                shardproof::shard::Step::Done => break,
                shardproof::shard::Step::Data { bytes, .. } => total += bytes.len(),
                _ => {}
            }
            assert!(cursor.footprint() < most, "{name}: {}", cursor.footprint());
        }
        assert!(total > 50_000_000);
    }
}
