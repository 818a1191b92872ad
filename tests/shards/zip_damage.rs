//! Damage of zips at every byte and bit: never a panic, never a byte unaccounted for, never silence.

use std::io::Write;
use std::process::Command;

use proptest::prelude::*;
use shardproof::finding::Code;
use shardproof::shard::{End, ItemId, Kind, Step};

use crate::listing::{Drip, Listing};
use crate::zip_writer::{Entry, Frame, deflated, entry, framed, zip};

fn small_zips() -> Vec<Vec<u8>> {
    let text = b"hello, hello, hello";
    vec![
        zip(&[entry("a.jpg", b"AAA"), deflated("d/b.txt", text)]),
        framed(
            &[
                Entry { descriptor: Some((true, false)), ..deflated("s", text) },
                Entry { zip64: true, ..entry("z", b"ZZZ") },
                entry("f/", b""),
            ],
            &Frame { zip64: true, ..Frame::default() },
        ),
    ]
}

/// Names and data of members, if nothing was found wrong and nothing is hidden.
fn believed(listing: &Listing) -> Option<Vec<(&[u8], &[u8])>> {
    let sound = listing.faults.iter().all(|fault| fault.code == Code::OddName)
        && listing.items.iter().all(|item| item.end == Some(End::Complete) && item.kind != Kind::Region);
    sound.then(|| listing.members().map(|item| (&item.name[..], &item.data[..])).collect())
}

#[test]
fn every_truncation_is_told() {
    for bytes in small_zips() {
        let whole = Listing::read("a.zip", &bytes);
        let expected = believed(&whole).expect("nothing is wrong with it");
        assert_eq!(expected.len(), 2);
        for len in 0..bytes.len() {
            assert_eq!(believed(&Listing::read("a.zip", &bytes[..len])), None, "cut to {len}");
        }
    }
}

#[test]
fn every_flipped_bit_is_told_or_changes_nothing() {
    for bytes in small_zips() {
        let whole = Listing::read("a.zip", &bytes);
        let expected = believed(&whole).expect("nothing is wrong with it");
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let listing = Listing::read("a.zip", &flipped);
            let fine = believed(&listing).is_none_or(|members| members == expected);
            assert!(fine, "byte {} bit {} goes unnoticed: {:?}", at / 8, at % 8, believed(&listing));
            if at % 5 == 0 {
                let parts = Listing::drip("a.zip", Drip::new(&flipped, 10));
                assert!(parts == listing, "byte {} bit {} is told otherwise in pieces", at / 8, at % 8);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_zip_damaged_at_will_is_accounted_for(
        which in 0usize..2,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        copies in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        most in 1usize..200,
    ) {
        let mut bytes = small_zips().swap_remove(which);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // Pieces of it stand elsewhere as well: headers in data, directories twice, ends in the middle.
        for (from, len, to) in copies {
            let from = from.index(bytes.len());
            let piece = bytes[from..from + len.index(bytes.len() - from)].to_vec();
            let to = to.index(bytes.len());
            bytes.splice(to..to, piece);
        }
        let whole = Listing::read("a.zip", &bytes);
        prop_assert!(Listing::drip("a.zip", Drip::new(&bytes, most)) == whole);
    }

    #[test]
    fn entries_of_any_shape_are_read_whole(
        shapes in proptest::collection::vec(
            (proptest::collection::vec(0u8..4, 0..3000), any::<bool>(), any::<bool>(),
             proptest::option::of((any::<bool>(), any::<bool>()))), 0..6),
        zip64 in any::<bool>(),
        prefix in proptest::collection::vec(1u8.., 0..100),
        unadjusted in any::<bool>(),
        most in 1usize..3000,
    ) {
        let shape = |(i, (data, deflate, zip64, descriptor)): (usize, &(Vec<u8>, bool, bool, _))| Entry {
            method: if *deflate { 8 } else { 0 },
            zip64: *zip64,
            descriptor: *descriptor,
            ..entry(format!("m{i}"), data)
        };
        let entries: Vec<Entry> = shapes.iter().enumerate().map(shape).collect();
        let bytes = framed(&entries, &Frame { zip64, prefix: prefix.clone(), unadjusted, ..Frame::default() });
        let whole = Listing::read("a.zip", &bytes);
        prop_assert_eq!(&whole.faults, &[]);
        let told: Vec<(&[u8], &[u8])> = whole.members().map(|m| (&m.name[..], &m.data[..])).collect();
        let expected: Vec<(&[u8], &[u8])> = entries.iter().map(|e| (&e.name[..], &e.data[..])).collect();
        prop_assert_eq!(told, expected);
        let hidden = whole.regions[&ItemId::FILE].iter().filter(|(_, class)| class.is_hidden()).count();
        prop_assert_eq!(hidden, usize::from(!prefix.is_empty()));
        prop_assert!(Listing::drip("a.zip", Drip::new(&bytes, most)) == whole);
    }
}

#[test]
fn a_failing_disk_closes_everything() {
    let bytes = &small_zips()[0];
    // The last read begins before the end: once that is reached, nothing is read any more.
    for at in 0..=(bytes.len() - 1) / 10 * 10 {
        let source = Drip { fails_at: Some(at as u64), ..Drip::new(bytes, 10) };
        let listing = Listing::drip("a.zip", source);
        assert_eq!(listing.items[0].end, Some(End::Damaged));
        assert!(listing.faults.iter().any(|f| f.detail.contains("on fire")));
    }
}

#[test]
fn a_bomb_does_not_grow_memory() {
    let lying = Entry { size: Some(3), ..deflated("a", vec![0; 50_000_000]) };
    let source = shardproof::source::MemorySource(zip(&[lying]).into());
    let plan = crate::listing::everything();
    let mut cursor = shardproof::shard::open(std::sync::Arc::new(source), b"a.zip", &plan);
    let mut pool = shardproof::source::Pool::new();
    let mut shown = 0;
    loop {
        match cursor.step(&mut pool) {
            Step::Done => break,
            Step::Data { item, bytes } if item != ItemId::FILE => shown += bytes.len(),
            _ => {}
        }
        assert!(cursor.footprint() < 1 << 20, "{}", cursor.footprint());
    }
    assert_eq!(shown, 3);
}

/// Python's `zipfile` writes archives of all its shapes; their members are what it says.
#[test]
#[ignore = "needs python3"]
fn archives_of_python_are_read_as_python_reads_them() {
    const WRITE: &str = r#"
import zipfile, sys, io
for i, (method, stream, force) in enumerate((m, s, f) for m in (0, 8, 12) for s in (0, 1) for f in (0, 1)):
    raw = io.BytesIO()
    class Stream(io.RawIOBase):
        def writable(self): return True
        def write(self, b): return raw.write(b)
    with zipfile.ZipFile(Stream() if stream else raw, "w", method) as z:
        for n in range(20):
            with z.open(zipfile.ZipInfo(f"d/{n}é.txt"), "w", force_zip64=bool(force)) as f:
                f.write(bytes([n, 1, 2]) * n * 99)
        z.writestr("e/", b"")
    open(f"{i}.zip", "wb").write(raw.getvalue())
"#;
    let dir = tempfile::tempdir().unwrap();
    let mut script = tempfile::NamedTempFile::new().unwrap();
    script.write_all(WRITE.as_bytes()).unwrap();
    assert!(Command::new("python3").arg(script.path()).current_dir(dir.path()).status().unwrap().success());
    for i in 0..12 {
        let bytes = std::fs::read(dir.path().join(format!("{i}.zip"))).unwrap();
        let listing = Listing::read("a.zip", &bytes);
        let members = believed(&listing);
        let members = members.unwrap_or_else(|| panic!("{i}: {:?}", listing.faults));
        assert_eq!(members.len(), 20, "{i}");
        for (n, (name, data)) in members.iter().enumerate() {
            assert_eq!(*name, format!("d/{n}é.txt").as_bytes());
            assert_eq!(*data, [n as u8, 1, 2].repeat(n * 99));
        }
    }
}
