//! Rules of the zip walk that the generated cases do not reach.

use shardproof::finding::Code;
use shardproof::shard::{End, ItemId, RegionClass};

use crate::listing::{Drip, Listing};
use crate::oracle::{bzip2, xz, zstd};
use crate::zip_writer::{Entry, Frame, deflate, deflated, entry, framed, zip};

fn read(bytes: &[u8]) -> Listing {
    let listing = Listing::read("a.zip", bytes);
    for most in [1, 29, 100, 700] {
        assert_eq!(Listing::drip("a.zip", Drip::new(bytes, most)), listing, "pieces of {most}");
    }
    listing
}

/// Names and data of members, and whether they are hidden; all of them complete.
fn members(listing: &Listing) -> Vec<(String, &[u8], bool)> {
    assert!(listing.items.iter().all(|item| item.end == Some(End::Complete)), "{:?}", listing.items);
    let told = listing.members();
    told.map(|item| (String::from_utf8_lossy(&item.name).into_owned(), &item.data[..], item.hidden)).collect()
}

fn ends(listing: &Listing) -> Vec<(&[u8], End)> {
    listing.members().map(|item| (&item.name[..], item.end.unwrap())).collect()
}

fn faults(listing: &Listing) -> Vec<(Code, &str)> {
    listing.faults.iter().map(|f| (f.code, f.detail.as_str())).collect()
}

/// What is hidden, by class.
fn hidden(listing: &Listing) -> Vec<(RegionClass, &[u8])> {
    let regions = listing.regions[&ItemId::FILE].iter().filter(|(_, class)| class.is_hidden());
    regions.map(|(r, class)| (*class, &listing.items[0].data[r.start as usize..r.end as usize])).collect()
}

fn told_once(listing: &Listing, code: Code, part: &str) {
    let told = faults(listing);
    assert!(matches!(&told[..], [(c, detail)] if *c == code && detail.contains(part)), "{part}: {told:?}");
}

#[test]
fn sound_archives_of_every_shape_hide_nothing() {
    let text = b"hello, hello, hello, hello".as_slice();
    let time = [b"UT\x09\0".as_slice(), &[3; 9]].concat();
    let mut shapes = vec![
        entry("stored", text),
        deflated("deflated", text),
        entry("empty", b""),
        deflated("empty.deflated", b""),
        Entry { zip64: true, ..deflated("zip64", text) },
        Entry { extra: time, ..deflated("times", text) },
        Entry { method: 12, packed: Some(bzip2(text)), ..entry("bzip2", text) },
        Entry { method: 93, packed: Some(zstd(text)), ..entry("zstd", text) },
        Entry { method: 95, packed: Some(xz(text)), ..entry("xz", text) },
    ];
    for descriptor in [(true, false), (false, false), (true, true), (false, true)] {
        let name = format!("descriptor {descriptor:?}");
        shapes.push(Entry { descriptor: Some(descriptor), ..deflated(&name, text) });
        shapes.push(Entry { descriptor: Some(descriptor), ..entry(format!("stored {name}"), text) });
        shapes.push(Entry { descriptor: Some(descriptor), ..entry(format!("empty {name}"), b"") });
    }
    let files = shapes.clone();
    let expected: Vec<(String, &[u8], bool)> =
        files.iter().map(|e| (String::from_utf8(e.name.clone()).unwrap(), &e.data[..], false)).collect();
    shapes.push(entry("folder/", b""));
    shapes.push(Entry { descriptor: Some((true, false)), ..deflated("java/", b"") });
    for frame in [Frame::default(), Frame { zip64: true, ..Frame::default() }] {
        let listing = read(&framed(&shapes, &frame));
        assert_eq!(faults(&listing), []);
        assert_eq!(members(&listing), expected);
        assert_eq!(hidden(&listing), []);
    }
    for frame in [Frame::default(), Frame { zip64: true, ..Frame::default() }] {
        let listing = read(&framed(&[], &frame));
        assert_eq!((listing.items.len(), listing.faults.len()), (1, 0));
    }
}

#[test]
fn something_before_the_archive_is_hidden_and_told_once() {
    for (unadjusted, zip64) in [(false, false), (true, false), (false, true), (true, true)] {
        let prefix = b"#!/bin/sh\nexec unzip \"$0\"\n".to_vec();
        let frame = Frame { prefix: prefix.clone(), unadjusted, zip64, ..Frame::default() };
        let listing = read(&framed(&[deflated("a", b"AAA"), entry("b", b"BBB")], &frame));
        assert_eq!(faults(&listing), [], "{unadjusted} {zip64}");
        assert_eq!(members(&listing), [("a".into(), &b"AAA"[..], false), ("b".into(), b"BBB", false)]);
        assert_eq!(hidden(&listing), [(RegionClass::Dead, &prefix[..])]);
    }
}

#[test]
fn hidden_bytes_of_every_place_are_regions() {
    let dead = |bytes: &'static [u8]| (RegionClass::Dead, bytes);
    let listing = read(&zip(&[Entry { extra: b"XY\x06\0secret".to_vec(), ..entry("a", b"A") }]));
    assert_eq!(hidden(&listing), [dead(b"secret"), dead(b"secret")]);
    let listing = read(&zip(&[Entry { comment: b"secret".to_vec(), ..entry("a", b"A") }]));
    assert_eq!(hidden(&listing), [dead(b"secret")]);
    let listing =
        read(&framed(&[entry("a", b"A")], &Frame { comment: b"secret".to_vec(), ..Frame::default() }));
    assert_eq!(hidden(&listing), [dead(b"secret")]);
    let listing =
        read(&zip(&[Entry { gap: b"\0\0secret\0".to_vec(), ..entry("a", b"A") }, entry("b", b"B")]));
    assert_eq!(hidden(&listing), [dead(b"secret\0")]);
    let listing =
        read(&framed(&[entry("a", b"A")], &Frame { tail: b"\0secret".to_vec(), ..Frame::default() }));
    assert_eq!(hidden(&listing), [(RegionClass::Trailing, &b"secret"[..])]);
    for (method, packed) in [(8, deflate(b"A")), (12, bzip2(b"A")), (93, zstd(b"A")), (95, xz(b"A"))] {
        let packed = Some([&packed[..], b"secret"].concat());
        let listing = read(&zip(&[Entry { method, packed, ..entry("a", b"A") }]));
        assert_eq!(members(&listing), [("a".into(), &b"A"[..], false)], "{method}");
        assert_eq!((hidden(&listing), faults(&listing)), (vec![dead(b"secret")], vec![]), "{method}");
    }
    // What a folder has for data no reader shows; what it decompresses to is looked at.
    let listing = read(&zip(&[deflated("d/", b"secret")]));
    assert_eq!(members(&listing), [("d/".into(), &b"secret"[..], true)]);
    assert_eq!(hidden(&listing).len(), 1);
}

#[test]
fn entries_that_the_directory_does_not_name_are_hidden_members() {
    let unlisted = |entry: Entry| Entry { unlisted: true, ..entry };
    let expected = |data: &'static [u8]| vec![("a".into(), &b"A"[..], false), ("h".into(), data, true)];
    for descriptor in [None, Some((true, false)), Some((false, true))] {
        let hid = unlisted(Entry { descriptor, ..deflated("h", b"hidden") });
        assert_eq!(members(&read(&zip(&[entry("a", b"A"), hid]))), expected(b"hidden"));
    }
    // Behind junk as well, which a reader that repairs archives passes over.
    let junk = Entry { gap: b"PJUNKPKPK\x03".to_vec(), ..entry("a", b"A") };
    let listing = read(&zip(&[junk, unlisted(entry("h", b"hidden"))]));
    assert_eq!(members(&listing), expected(b"hidden"));
    assert_eq!((hidden(&listing).len(), faults(&listing)), (1, vec![]));
    // A second archive in a comment, and one after the end.
    let other = zip(&[entry("h", b"hidden")]);
    let tail = Frame { tail: [&other[..], b"!"].concat(), comment: b"c".to_vec(), ..Frame::default() };
    let listing = read(&framed(&[entry("a", b"A")], &tail));
    assert!(faults(&listing).iter().any(|(_, detail)| detail.contains("another end")), "{listing:?}");
}

#[test]
fn a_directory_that_is_gone_leaves_hidden_members() {
    let bytes = zip(&[entry("a", b"A"), deflated("b", b"hello, hello, hello")]);
    let cut = bytes.len() - 22;
    let listing = read(&bytes[..cut]);
    assert_eq!(members(&listing).len(), 2);
    assert!(members(&listing).iter().all(|member| member.2));
    assert_eq!(hidden(&listing), [(RegionClass::Opaque, &bytes[..cut])]);
    assert!(faults(&listing)[0].1.contains("no end of one"));
    told_once(&Listing::read("a.zip", b"text"), Code::Unreadable, "its name is that of a zip");
    let pointer = b"version https://git-lfs.github.com/spec/v1\n";
    assert_eq!(Listing::read("a.zip", pointer).faults, []);
}

#[test]
fn contradictions_are_told() {
    let named = Entry { local_name: Some(b"evil".to_vec()), ..entry("a", b"A") };
    told_once(&read(&zip(&[named])), Code::Unreadable, "gives another name");
    let counted = framed(&[entry("a", b"A")], &Frame { entries: Some(2), ..Frame::default() });
    told_once(&read(&counted), Code::Unreadable, "has 1 entries, its end says 2");
    let path = [&[1][..], &crc32fast::hash(b"a").to_le_bytes(), b"evil"].concat();
    let extra = [&b"up"[..], &[9, 0], &path].concat();
    let listing = read(&zip(&[Entry { extra, ..entry("a", b"A") }]));
    told_once(&listing, Code::Unreadable, "do not know of Unicode paths");
    assert_eq!(ends(&listing), [(&b"evil"[..], End::Complete)]);
    let mut wrong = zip(&[Entry { descriptor: Some((true, false)), ..deflated("a", b"A") }]);
    let at = 31 + deflate(b"A").len() + 4;
    wrong[at] ^= 1;
    told_once(&read(&wrong), Code::Unreadable, "other sizes than the directory's");
    // Of a zip64 end and a plain one.
    let mut both = framed(&[entry("a", b"A")], &Frame { zip64: true, ..Frame::default() });
    let end = both.len() - 22;
    both[end + 8..end + 12].copy_from_slice(&[7, 0, 7, 0]);
    told_once(&read(&both), Code::Unreadable, "contradict each other");
}

#[test]
fn what_cannot_be_decoded_is_told_with_its_method() {
    for (flags, method, part) in [
        (1, 0, "encrypted"),
        (0, 99, "encrypted"),
        (0, 14, "method 14 (LZMA)"),
        (0, 9, "Deflate64"),
        (32, 8, "patch"),
    ] {
        let odd = Entry { flags, method, packed: Some(b"odd".to_vec()), ..entry("a", b"A") };
        let listing = read(&zip(&[odd, entry("b", b"B")]));
        told_once(&listing, Code::Unreadable, part);
        assert_eq!(ends(&listing), [(&b"a"[..], End::Damaged), (b"b", End::Complete)]);
        assert_eq!(hidden(&listing), []);
    }
}

#[test]
fn an_unreadable_member_is_a_gap_and_the_rest_goes_on() {
    let bad = [
        Entry { crc: Some(1), ..deflated("a", b"AAA") },
        Entry { size: Some(2), ..deflated("a", b"AAA") },
        Entry { size: Some(4), ..deflated("a", b"AAA") },
        Entry { size: Some(4), ..entry("a", b"AAA") },
        Entry { packed: Some(b"\xff\xff\xff".to_vec()), ..deflated("a", b"AAA") },
        Entry { packed: Some(deflate(b"AAA")[..3].to_vec()), ..deflated("a", b"AAA") },
        Entry { method: 12, packed: Some(bzip2(b"AAA")[..20].to_vec()), ..entry("a", b"AAA") },
    ];
    for entry_a in bad {
        let listing = read(&zip(&[entry_a.clone(), entry("b", b"BBB")]));
        let ends = ends(&listing);
        assert!(ends[0].1 != End::Complete && ends[1] == (b"b", End::Complete), "{entry_a:?}: {ends:?}");
        assert_eq!(listing.faults.len(), 1, "{entry_a:?}: {:?}", listing.faults);
    }
    let mut gone = zip(&[entry("a", b"AAA"), entry("b", b"BBB")]);
    gone[2] = 9;
    let listing = read(&gone);
    told_once(&listing, Code::Unreadable, "no local header");
    assert_eq!(ends(&listing), [(&b"a"[..], End::Damaged), (b"b", End::Complete)]);
}

#[test]
fn names_are_bytes_and_odd_ones_are_said() {
    for (flags, name, code) in [
        (0x800, "ü".as_bytes(), None),
        (0x800, b"\xff.jpg", Some(Code::OddName)),
        (0, b"\x81.jpg", Some(Code::OddName)),
    ] {
        let listing = read(&zip(&[Entry { flags, ..entry(name, b"A") }]));
        assert_eq!(listing.faults.first().map(|f| f.code), code);
        assert_eq!(ends(&listing), [(name, End::Complete)]);
    }
    let link = Entry { mode: 0o120_777, ..entry("l", b"/etc/passwd") };
    told_once(&read(&zip(&[link])), Code::UnfollowedLink, "symbolic link");
}

#[test]
fn entries_that_share_bytes_are_read_within_bounds() {
    let body = deflated("a", vec![0; 100_000]);
    let mut bytes = zip(&[body]);
    // The same entry a thousand times over: each is told, and what is read again is bounded.
    let record = bytes[bytes.len() - 22 - 47..bytes.len() - 22].to_vec();
    let end = bytes.split_off(bytes.len() - 22);
    for _ in 0..999 {
        bytes.extend_from_slice(&record);
    }
    let mut end = end;
    end[8..12].copy_from_slice(&[0xe8, 3, 0xe8, 3]);
    end[12..16].copy_from_slice(&47_000u32.to_le_bytes());
    bytes.extend_from_slice(&end);
    let listing = Listing::read("a.zip", &bytes);
    assert_eq!(listing.members().count(), 1000);
    assert_eq!(listing.faults.len(), 999);
    assert!(listing.faults.iter().all(|f| f.detail.contains("shares bytes")));
    let whole = listing.members().filter(|m| m.data.len() == 100_000 && m.end == Some(End::Complete));
    assert_eq!(whole.count(), 1000);
}

#[test]
fn parts_of_split_archives_are_refused() {
    let mut bytes = zip(&[entry("a", b"A")]);
    let end = bytes.len() - 22;
    bytes[end + 4] = 1;
    let listing = read(&bytes);
    assert!(faults(&listing)[0].1.contains("one part of an archive of several"));
}

#[test]
fn documents_and_nested_zips_stay_closed() {
    let bytes = zip(&[entry("a", b"A")]);
    told_once(&Listing::read("a.docx", &bytes), Code::Opaque, "document or program");
    assert_eq!(Listing::read("a.npz", &bytes).members().count(), 1);
    assert_eq!(Listing::read("no-ending", &bytes).members().count(), 1);
    let listing = read(&zip(&[entry("inner.zip", &bytes)]));
    told_once(&listing, Code::Opaque, "nested zip");
    told_once(&Listing::read("a.zip.gz", &crate::oracle::gzip(&bytes)), Code::Opaque, "inside a zip");
}

#[test]
fn what_is_called_a_zip_is_one_by_its_end() {
    let bytes = zip(&[entry("a", b"A")]);
    let tar = {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        builder.append_data(&mut header, "t", &b"T"[..]).unwrap();
        builder.into_inner().unwrap()
    };
    // A zip behind a tar or a compressed stream is what readers of zips show.
    for before in [&tar, &crate::oracle::gzip(b"x")] {
        let listing = read(&[&before[..], &bytes].concat());
        assert_eq!(members(&listing), [("a".into(), &b"A"[..], false)]);
        assert_eq!(hidden(&listing), [(RegionClass::Dead, &before[..])]);
    }
    // Without an end it is what it is.
    let listing = Listing::read("a.zip", &tar);
    assert_eq!((ends(&listing), faults(&listing)), (vec![(&b"t"[..], End::Complete)], vec![]));
    told_once(&Listing::read("a.zip", b"7z\xbc\xaf\x27\x1c"), Code::Opaque, "inside a 7z");
}

#[test]
fn hidden_members_that_cannot_be_read_are_told() {
    for (bad, part) in [
        (Entry { flags: 1, ..entry("h", b"H") }, "is encrypted"),
        (Entry { packed: Some(b"\xff\xff".to_vec()), ..deflated("h", b"H") }, "deflate"),
        (Entry { crc: Some(1), ..entry("h", b"H") }, "CRC-32"),
    ] {
        let listing = read(&zip(&[entry("a", b"A"), Entry { unlisted: true, ..bad }]));
        told_once(&listing, Code::Unreadable, part);
        assert_eq!(ends(&listing), [(&b"a"[..], End::Complete), (b"h", End::Damaged)]);
    }
}

#[test]
fn thousands_of_odd_names_are_a_note() {
    let odd: Vec<Entry> =
        (0..1100).map(|i| entry([b"\x81", format!("{i}").as_bytes()].concat(), b"")).collect();
    let listing = Listing::read("a.zip", &zip(&odd));
    assert_eq!(listing.faults.len(), 1001);
    assert!(listing.faults.iter().all(|fault| fault.code == Code::OddName));
}
