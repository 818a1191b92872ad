//! Rules of the tar walk that the generated cases do not reach.

use shardproof::finding::Code;
use shardproof::shard::{End, ItemId, RegionClass};

use crate::listing::{Drip, Listing};

const BLOCK: usize = 512;

/// A POSIX header with the check sum set.
fn header(name: &[u8], size: usize, kind: u8, edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    edit(&mut block);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn entry(name: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, data.len(), kind, |_| {});
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

/// Reads the parts as one tar, in pieces of several sizes.
fn read(parts: &[Vec<u8>]) -> Listing {
    let bytes = parts.concat();
    let listing = Listing::read("a.tar", &bytes);
    for most in [1, 100, 512, 700] {
        assert_eq!(Listing::drip("a.tar", Drip::new(&bytes, most)), listing, "pieces of {most}");
    }
    listing
}

fn members(listing: &Listing) -> Vec<(String, &[u8], bool)> {
    let name = |item: &crate::listing::Item| String::from_utf8_lossy(&item.name).into_owned();
    listing.members().map(|item| (name(item), &item.data[..], item.hidden)).collect()
}

fn faults(listing: &Listing) -> Vec<(Code, Option<u64>, &str)> {
    listing.faults.iter().map(|f| (f.code, f.offset, f.detail.as_str())).collect()
}

fn classes(listing: &Listing) -> Vec<(u64, RegionClass)> {
    listing.regions[&ItemId::FILE].iter().map(|(range, class)| (range.end, *class)).collect()
}

#[test]
fn links_name_their_long_target() {
    let target = [b't'; 200];
    let listing = read(&[
        entry(b"././@LongLink", b'K', &[&target[..], b"\0"].concat()),
        entry(b"link", b'2', b""),
        entry(b"pax", b'X', b"18 linkpath=\x1b[31m\n"),
        entry(b"hard", b'1', b""),
        end(),
    ]);
    let detail = format!("`link` is a symbolic link to `{}`; it was not followed", "t".repeat(200));
    assert_eq!(
        faults(&listing),
        [
            (Code::UnfollowedLink, Some(1024), detail.as_str()),
            (Code::UnfollowedLink, Some(2560), "`hard` is a hard link to `\\u{1b}[31m`; it was not followed"),
        ]
    );
}

#[test]
fn devices_and_labels_hold_no_data() {
    let listing =
        read(&[entry(b"tty", b'3', b"X"), entry(b"label", b'V', b"Y"), entry(b"pipe", b'6', b""), end()]);
    assert_eq!(
        faults(&listing),
        [
            (Code::Unreadable, Some(0), "`tty` is a character device: such an entry has no data"),
            (Code::Unreadable, Some(2048), "`pipe` is a FIFO: such an entry has no data"),
        ]
    );
    let dead: Vec<_> = classes(&listing).into_iter().filter(|c| c.1 == RegionClass::Dead).collect();
    assert_eq!(dead, [(513, RegionClass::Dead), (1537, RegionClass::Dead)]);
}

#[test]
fn old_gnu_sparse_maps_go_on_in_further_blocks() {
    let mut more = vec![0; BLOCK];
    more[504] = 1;
    let listing = read(&[
        header(b"sparse", 3, b'S', |b| b[482] = 1),
        more,
        vec![0; BLOCK],
        [b"AAA".to_vec(), vec![0; 509]].concat(),
        entry(b"b", b'0', b"B"),
        end(),
    ]);
    assert_eq!(members(&listing), [("sparse".into(), &b""[..], false), ("b".into(), b"B", false)]);
    assert_eq!(listing.members().next().unwrap().end, Some(End::Damaged));
    assert_eq!(
        classes(&listing)[..3],
        [(1536, RegionClass::Structure), (1539, RegionClass::Opaque), (2048, RegionClass::ZeroPad)]
    );
}

#[test]
fn an_extension_over_the_limit_is_skipped_and_not_applied() {
    let big = vec![b'n'; (1 << 20) + 1];
    let listing = read(&[entry(b"L", b'L', &big), entry(b"a", b'0', b"A"), end()]);
    assert_eq!(members(&listing), [("a".into(), &b"A"[..], false)]);
    assert_eq!(faults(&listing).len(), 1);
    assert_eq!(classes(&listing)[1], (512 + (1 << 20) + 1, RegionClass::Opaque));
}

#[test]
fn what_is_not_understood_is_one_region_and_zeros_in_it_end_nothing() {
    let bad = |kind: u8| {
        let mut bytes = entry(b"x", kind, &[0; 2048]);
        bytes[0] ^= 1;
        bytes
    };
    let listing = read(&[entry(b"a", b'0', b"A"), bad(b'0'), entry(b"b", b'0', b"B"), end()]);
    assert_eq!(members(&listing), [("a".into(), &b"A"[..], false), ("b".into(), b"B", false)]);
    assert_eq!(faults(&listing).len(), 1);
    assert_eq!(classes(&listing)[3], (1024 + 2560, RegionClass::Opaque));
    // Damage in global records is told too, and the records of a lost header are forgotten.
    let listing = read(&[
        entry(b"g", b'g', b"99 x=y\n"),
        entry(b"x", b'x', b"9 path=z\n"),
        bad(b'0'),
        entry(b"b", b'0', b"B"),
        end(),
    ]);
    assert_eq!(members(&listing), [("b".into(), &b"B"[..], false)]);
    assert_eq!(faults(&listing).iter().map(|f| f.1).collect::<Vec<_>>(), [Some(512), Some(1536 + 512)]);
}

#[test]
fn one_zero_block_at_the_very_end_will_do() {
    for (zeros, fine) in [(0, false), (100, false), (512, true), (600, true), (1024, true), (10_240, true)] {
        let listing = read(&[entry(b"a", b'0', b"A"), vec![0; zeros]]);
        assert_eq!(listing.faults.is_empty(), fine, "{zeros}");
        assert_eq!(members(&listing), [("a".into(), &b"A"[..], false)]);
        assert!(listing.regions[&ItemId::FILE].iter().all(|(_, class)| !class.is_hidden()));
    }
}

#[test]
fn after_the_end_all_is_one_region_and_members_are_hidden() {
    let mut late = vec![0; 700];
    late.extend_from_slice(b"JUNK");
    late.resize(1024, 0);
    let listing = read(&[
        entry(b"a", b'0', b"A"),
        end(),
        late,
        entry(b"L", b'L', b"long\0hidden"),
        entry(b"b\0c", b'0', b"B"),
        entry(b"link", b'2', b"dead"),
        entry(b"cut", b'0', &[b'C'; 600])[..1000].to_vec(),
    ]);
    assert_eq!(faults(&listing), []);
    assert_eq!(
        members(&listing),
        [("a".into(), &b"A"[..], false), ("long".into(), b"B", true), ("cut".into(), &[b'C'; 488], true)]
    );
    assert_eq!(listing.members().last().unwrap().end, Some(End::Truncated));
    assert_eq!(
        classes(&listing)[3..],
        [(2048, RegionClass::Structure), (2748, RegionClass::ZeroPad), (6144 + 1000, RegionClass::Trailing)]
    );
}

#[test]
fn what_is_only_called_a_container_is_told() {
    for (name, bytes) in [
        ("a.jsonl.gz", &b"{}\n"[..]),
        ("a.tar", b"pointer"),
        ("a.tgz", b""),
        ("a.zst", b"x"),
        ("a.bz2", b"BZh9"),
        ("a.txz", b"\xfd7zXY"),
    ] {
        let listing = Listing::read(name, bytes);
        assert_eq!((listing.faults.len(), listing.faults[0].code), (1, Code::Unreadable), "{name}");
    }
    assert_eq!(Listing::read("a.gz.txt", b"x").faults, []);
    // A damaged first header does not hide what follows.
    let mut bytes = [entry(b"a", b'0', b"A"), entry(b"b", b'0', b"B"), end()].concat();
    bytes[0] ^= 1;
    assert_eq!(members(&Listing::read("a.tar", &bytes)), [("b".into(), &b"B"[..], false)]);
    for (name, packed) in [
        ("a.tgz", crate::oracle::gzip(&bytes)),
        ("A.TAR.ZST", crate::oracle::zstd(&bytes)),
        ("a.tbz2", crate::oracle::bzip2(&bytes)),
        ("a.tar.XZ", crate::oracle::xz(&bytes)),
    ] {
        assert_eq!(members(&Listing::read(name, &packed)), [("b".into(), &b"B"[..], false)]);
    }
}
