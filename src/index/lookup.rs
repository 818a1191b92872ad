//! The exact look-up: sorted digests of one length behind a table of their prefixes.
//!
//! With about one entry for each prefix, nearly every question is settled by one look at the prefix table and one at
//! the digests. Entries that share a prefix, by chance or on purpose, are found by binary search.
//!
//! Many digests at once are first held against a bitmap of longer prefixes: most stand on no list, and leave it there
//! with one look at a bit, of which a core has many under way at a time.

use std::cmp::Ordering;
use std::fmt;

use rayon::slice::ParallelSliceMut;

/// Entries that a table holds at most: handles and positions are 32 bits.
pub const MOST_ENTRIES: usize = u32::MAX as usize;

/// Most bits of a digest that the prefix table goes by.
const MOST_BITS: u32 = 24;

/// Bits of the bitmap for each entry, as a power of two: eight to sixteen bits, so at most one digest in eight goes on
/// by chance.
const BITMAP_BITS: u32 = 4;

/// Least and most bits of a digest that the bitmap goes by: 512 bytes, 512 MiB.
const BITMAP_LEAST: u32 = 12;
const BITMAP_MOST: u32 = 32;

/// Collects digests of one length, each with a handle to where it comes from.
pub struct DigestTableBuilder {
    width: usize,
    digests: Vec<u8>,
    handles: Vec<u32>,
}

impl DigestTableBuilder {
    /// A builder for digests of `width` bytes.
    pub fn new(width: usize) -> Self {
        debug_assert!(width > 0, "a digest has bytes");
        DigestTableBuilder { width, digests: Vec::new(), handles: Vec::new() }
    }

    /// Adds an entry. `false`, having taken nothing, where the digest has another length or the table is full.
    #[must_use]
    pub fn push(&mut self, digest: &[u8], handle: u32) -> bool {
        let fits = digest.len() == self.width && self.handles.len() < MOST_ENTRIES;
        if fits {
            self.digests.extend_from_slice(digest);
            self.handles.push(handle);
        }
        fits
    }

    /// Sorts the entries into a table. Of entries with equal digests, one that `repeats` the one kept before it, by
    /// their handles, is left out; they are compared in the order in which they were added.
    ///
    /// Takes 2 × width + 24 bytes for each entry while it works.
    pub fn build(self, repeats: impl Fn(u32, u32) -> bool) -> DigestTable {
        let DigestTableBuilder { width, digests, handles } = self;
        let row = |at: u32| &digests[at as usize * width..][..width];
        let mut order: Vec<(u64, u32)> =
            (0..).zip(digests.chunks_exact(width)).map(|(at, d)| (prefix(d), at)).collect();
        order.par_sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| row(a.1).cmp(row(b.1))).then_with(|| a.1.cmp(&b.1))
        });

        let mut table = DigestTable {
            width,
            bits: bits_for(handles.len()),
            starts: Vec::new(),
            digests: Vec::with_capacity(digests.len()),
            handles: Vec::with_capacity(handles.len()),
            bitmap: Bitmap::for_entries(handles.len()),
        };
        table.starts.reserve_exact((1 << table.bits) + 1);
        for &(prefix, at) in &order {
            let (digest, handle) = (row(at), handles[at as usize]);
            let kept = table.handles.last().filter(|_| table.digests.ends_with(digest));
            if kept.is_some_and(|&kept| repeats(kept, handle)) {
                continue;
            }
            table.bitmap.insert(prefix);
            let bucket = table.bucket(prefix);
            while table.starts.len() <= bucket {
                table.starts.push(position(table.handles.len()));
            }
            table.digests.extend_from_slice(digest);
            table.handles.push(handle);
        }
        let end = position(table.handles.len());
        table.starts.resize((1 << table.bits) + 1, end);
        table
    }
}

/// Sorted digests of one length, each with its handle.
///
/// An entry takes its digest, 4 bytes of handle, 2 to 4 bytes of the prefix table (from 2²⁴ entries on: less than 4),
/// and 1 to 2 bytes of the bitmap: width + 10 bytes at most, and a fixed 520 bytes.
pub struct DigestTable {
    width: usize,
    /// How many leading bits of a digest choose its bucket.
    bits: u32,
    /// Where each bucket begins, and at the end where the last one ends.
    starts: Vec<u32>,
    digests: Vec<u8>,
    handles: Vec<u32>,
    bitmap: Bitmap,
}

impl DigestTable {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// The handles of all entries with this digest, in the order in which they were added. None for a digest of
    /// another length.
    pub fn get(&self, digest: &[u8]) -> &[u32] {
        if digest.len() != self.width {
            return &[];
        }
        let bucket = self.bucket(prefix(digest));
        let (begin, end) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
        let first = self.boundary(begin, end, |row| row.cmp(digest) == Ordering::Less);
        if first == end || self.row(first) != digest {
            return &[];
        }
        let after = self.boundary(first, end, |row| row == digest);
        &self.handles[first..after]
    }

    /// Which of these digests, which lie back to back, stand here: their indices, rising.
    pub fn among<'a>(&'a self, digests: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let each = digests.chunks_exact(self.width).enumerate();
        let maybe = each.filter(|(_, digest)| self.bitmap.may_hold(prefix(digest)));
        maybe.filter(|(_, digest)| !self.get(digest).is_empty()).map(|(index, _)| index)
    }

    /// The first of the rows `begin..end` for which `before`, true of some first rows and no others, is false.
    fn boundary(&self, mut begin: usize, mut end: usize, before: impl Fn(&[u8]) -> bool) -> usize {
        while begin < end {
            let middle = begin + (end - begin) / 2;
            if before(self.row(middle)) {
                begin = middle + 1;
            } else {
                end = middle;
            }
        }
        begin
    }

    fn row(&self, at: usize) -> &[u8] {
        &self.digests[at * self.width..][..self.width]
    }

    fn bucket(&self, prefix: u64) -> usize {
        // No bits, no shift by all 64 of them.
        if self.bits == 0 { 0 } else { (prefix >> (u64::BITS - self.bits)) as usize }
    }
}

impl fmt::Debug for DigestTable {
    /// Only the sizes: digests of hash lists are never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DigestTable({} × {} bytes)", self.len(), self.width)
    }
}

/// Which prefixes occur.
struct Bitmap {
    bits: u32,
    words: Vec<u64>,
}

impl Bitmap {
    fn for_entries(entries: usize) -> Self {
        let bits = (entries.checked_ilog2().unwrap_or(0) + BITMAP_BITS).clamp(BITMAP_LEAST, BITMAP_MOST);
        Bitmap { bits, words: vec![0; 1 << (bits - u64::BITS.ilog2())] }
    }

    fn insert(&mut self, prefix: u64) {
        let bit = prefix >> (u64::BITS - self.bits);
        self.words[(bit / 64) as usize] |= 1 << (bit % 64);
    }

    fn may_hold(&self, prefix: u64) -> bool {
        let bit = prefix >> (u64::BITS - self.bits);
        self.words[(bit / 64) as usize] & (1 << (bit % 64)) != 0
    }
}

/// The first eight bytes as a number that sorts as they do; shorter digests are filled up with zeros.
fn prefix(digest: &[u8]) -> u64 {
    if let Some(first) = digest.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(digest) {
        *to = *from;
    }
    u64::from_be_bytes(first)
}

/// Bits for one to two entries a bucket.
fn bits_for(entries: usize) -> u32 {
    entries.checked_ilog2().unwrap_or(0).min(MOST_BITS)
}

/// A position in a table, which holds at most [`MOST_ENTRIES`].
fn position(at: usize) -> u32 {
    debug_assert!(at <= MOST_ENTRIES);
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn table(width: usize, entries: &[(Vec<u8>, u32)]) -> DigestTable {
        let mut builder = DigestTableBuilder::new(width);
        for (digest, handle) in entries {
            assert!(builder.push(digest, *handle));
        }
        builder.build(|_, _| false)
    }

    #[test]
    fn tables_of_no_one_and_two_entries_are_right() {
        let (a, b, c) = (vec![0; 16], vec![0x80; 16], vec![0xFF; 16]);
        let none = table(16, &[]);
        assert!(none.is_empty());
        assert!(none.get(&a).is_empty());
        for digest in [&a, &b, &c] {
            let one = table(16, &[(digest.clone(), 7)]);
            for asked in [&a, &b, &c] {
                assert_eq!(one.get(asked), if asked == digest { &[7][..] } else { &[] });
            }
        }
        let two = table(16, &[(c.clone(), 1), (a.clone(), 2)]);
        assert_eq!((two.get(&a), two.get(&b), two.get(&c)), (&[2][..], &[][..], &[1][..]));
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn a_digest_of_another_length_is_neither_taken_nor_found() {
        let mut builder = DigestTableBuilder::new(16);
        assert!(!builder.push(&[1; 20], 0));
        assert!(builder.push(&[1; 16], 0));
        let table = builder.build(|_, _| false);
        assert!(table.get(&[1; 20]).is_empty());
        assert!(table.get(&[]).is_empty());
    }

    #[test]
    fn repeats_are_left_out_and_the_first_is_kept() {
        let mut builder = DigestTableBuilder::new(16);
        for (digest, handle) in [(1, 10), (2, 11), (1, 12), (1, 20), (1, 21), (2, 22)] {
            assert!(builder.push(&[digest; 16], handle));
        }
        let table = builder.build(|a, b| a / 10 == b / 10);
        assert_eq!(table.get(&[1; 16]), [10, 20]);
        assert_eq!(table.get(&[2; 16]), [11, 22]);
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn nothing_of_a_digest_is_shown() {
        assert_eq!(format!("{:?}", table(16, &[(vec![0xAB; 16], 1)])), "DigestTable(1 × 16 bytes)");
    }

    #[test]
    fn an_entry_takes_ten_bytes_beside_its_digest_at_most() {
        for entries in [1, 2, 3, 100, 1023, 1024, 1 << 12] {
            let all: Vec<_> =
                (0..entries).map(|i: u32| (Sha256::digest(i.to_be_bytes()).to_vec(), i)).collect();
            let table = table(32, &all);
            let beside = 4 * table.handles.len() + 4 * table.starts.len() + 8 * table.bitmap.words.len();
            assert!(table.digests.len() + beside <= entries as usize * 42 + 520);
        }
    }

    #[test]
    fn equal_prefixes_stay_fast() {
        let digest = |i: u32| [&[0xAA; 28][..], &i.to_be_bytes()].concat();
        let all: Vec<_> = (0..200_000).map(|i| (digest(i * 2), i)).collect();
        let table = table(32, &all);
        for i in 0..200_000 {
            assert_eq!(table.get(&digest(i * 2)), [i]);
            assert!(table.get(&digest(i * 2 + 1)).is_empty());
        }
    }

    /// Ten million entries: `cargo test --release --lib index::lookup -- --ignored`.
    #[test]
    #[ignore = "takes a gigabyte and up to half a minute"]
    fn ten_million_entries_are_found_and_others_are_not() {
        const ENTRIES: u32 = 10_000_000;
        let digest = |i: u32| Sha256::digest(i.to_be_bytes());
        let mut builder = DigestTableBuilder::new(32);
        for i in 0..ENTRIES {
            assert!(builder.push(&digest(i), i));
        }
        let begun = std::time::Instant::now();
        let table = builder.build(|_, _| false);
        println!("built in {:?}", begun.elapsed());
        for i in 0..ENTRIES {
            assert_eq!(table.get(&digest(i)), [i]);
        }
        let others: Vec<_> = (ENTRIES..ENTRIES + 2_000_000).map(digest).collect();
        let begun = std::time::Instant::now();
        assert!(others.iter().all(|digest| table.get(digest).is_empty()));
        println!("{:?} for each miss", begun.elapsed() / 2_000_000);
    }

    /// Digests of six bytes from few values, so that prefixes and whole digests coincide.
    fn digests() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let byte = prop_oneof![Just(0), Just(1), Just(0x80), Just(0xFF), any::<u8>()];
        prop::collection::vec(prop::collection::vec(byte, 6), 0..80)
    }

    proptest! {
        #[test]
        fn a_table_answers_as_a_map(entries in digests(), padding in 0_usize..20, asked in digests()) {
            let padded = |digest: &[u8]| [vec![0; padding], digest.to_vec()].concat();
            let entries: Vec<_> = entries.iter().map(|d| padded(d)).zip(0..).collect();
            let mut map: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
            for (digest, handle) in &entries {
                map.entry(digest.clone()).or_default().push(*handle);
            }
            let table = table(6 + padding, &entries);
            prop_assert_eq!(table.len(), entries.len());
            let all: Vec<_> = entries.iter().map(|e| e.0.clone()).chain(asked.iter().map(|d| padded(d))).collect();
            for digest in &all {
                prop_assert_eq!(table.get(digest), map.get(digest).map_or(&[][..], Vec::as_slice));
            }
            let among: Vec<_> = table.among(&all.concat()).collect();
            let due: Vec<_> = (0..all.len()).filter(|index| map.contains_key(&all[*index])).collect();
            prop_assert_eq!(among, due);
        }
    }
}
