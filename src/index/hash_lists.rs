//! All hash lists of a run in one index: loaded list by list, then asked for each item.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::claim::SourceId;
use crate::digest::{Algorithm, CellDigests, DigestSet, Digests};
use crate::error::{Error, Result};
use crate::finding::Level;
use crate::hashlist::{Entry, EntrySink, is_harmless};

use super::entries::Entries;
use super::lookup::{DigestTable, DigestTableBuilder};

/// Rejected lines that are kept with their reasons, of each list.
const REJECTIONS_KEPT: usize = 20;

/// Collects the entries of hash lists.
#[derive(Default)]
pub struct HashListIndexBuilder {
    tables: BTreeMap<Algorithm, DigestTableBuilder>,
    entries: Entries,
}

impl HashListIndexBuilder {
    /// A builder without any list.
    pub fn new() -> Self {
        HashListIndexBuilder::default()
    }

    /// Begins a list; `path` is for the message if it cannot be held. The loader is handed to the list's reader.
    pub fn load(&mut self, source: SourceId, path: impl Into<PathBuf>) -> ListLoader<'_> {
        self.entries.begin_list(source);
        ListLoader { index: self, path: path.into(), loaded: Loaded::default() }
    }

    /// Sorts what was loaded. An entry that repeats a digest of its own list is left out; the first line is kept.
    pub fn build(self) -> HashListIndex {
        let HashListIndexBuilder { tables, entries } = self;
        let one_list = |a: u32, b: u32| entries.source_of(a) == entries.source_of(b);
        let tables =
            tables.into_iter().rev().map(|(algorithm, table)| (algorithm, table.build(one_list))).collect();
        HashListIndex { tables, entries }
    }
}

/// Takes the entries of one list into the index, and counts what the reader of the list hands over.
pub struct ListLoader<'a> {
    index: &'a mut HashListIndexBuilder,
    path: PathBuf,
    loaded: Loaded,
}

impl ListLoader<'_> {
    /// What was loaded.
    pub fn finish(self) -> Loaded {
        self.loaded
    }
}

impl EntrySink for ListLoader<'_> {
    fn entry(&mut self, entry: Entry) -> Result<()> {
        let algorithm = entry.digest.algorithm();
        let table =
            self.index.tables.entry(algorithm).or_insert_with(|| DigestTableBuilder::new(algorithm.len()));
        let handle = self.index.entries.add(entry.line, entry.category.as_deref(), entry.id.as_deref());
        if !handle.is_some_and(|handle| table.push(entry.digest.bytes(), handle)) {
            return Err(Error::Unusable {
                role: "hash list",
                path: self.path.clone(),
                reason: format!("the hash lists of one run have more than {} entries or lines", u32::MAX),
                advice: "Name fewer lists, and run again with the others.".to_owned(),
            });
        }
        self.loaded.entries += 1;
        self.loaded.algorithms.insert(algorithm);
        Ok(())
    }

    fn reject(&mut self, line: u64, reason: String) -> Result<()> {
        self.loaded.rejected += 1;
        self.loaded.lost += u64::from(!is_harmless(&reason));
        if self.loaded.first_rejections.len() < REJECTIONS_KEPT {
            self.loaded.first_rejections.push(Rejection { line, reason });
        }
        Ok(())
    }
}

/// What became of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Entries taken, repeated ones included.
    pub entries: u64,
    /// Lines refused.
    pub rejected: u64,
    /// Those of them that may have been meant to name harmful content.
    pub lost: u64,
    /// The first twenty of all refused lines.
    pub first_rejections: Vec<Rejection>,
    /// The algorithms of its entries: an item without any of these digests was not compared with the list.
    pub algorithms: DigestSet,
}

/// A line of a list that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Where, from 1.
    pub line: u64,
    /// Why, as a fragment that repeats nothing of the line.
    pub reason: String,
}

/// The digests of all hash lists, to be asked for each item.
///
/// An entry takes its digest and 10 bytes in the table ([`DigestTable`]), and 4 for its line, 4 for a category, 8 and
/// the text for an identifier.
pub struct HashListIndex {
    /// Strongest first.
    tables: Vec<(Algorithm, DigestTable)>,
    entries: Entries,
}

impl HashListIndex {
    /// The algorithms of the entries: what has to be measured of each item.
    pub fn algorithms(&self) -> DigestSet {
        self.tables.iter().map(|(algorithm, _)| *algorithm).collect()
    }

    /// How many entries it has, repeated ones of a list left out.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|(_, table)| table.len()).sum()
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// All entries that an item with these digests is on, by the strongest digest first, then by list and line. A line
    /// that gives several digests comes once for each that is equal.
    pub fn look_up(&self, digests: &Digests) -> Vec<Hit<'_>> {
        let mut hits = Vec::new();
        for (algorithm, table) in &self.tables {
            let Some(digest) = digests.of(*algorithm) else { continue };
            let first = hits.len();
            hits.extend(table.get(digest.bytes()).iter().filter_map(|&handle| {
                let entry = self.entries.entry(handle)?;
                Some(Hit {
                    source: entry.source,
                    line: entry.line,
                    algorithm: *algorithm,
                    level: level_of(*algorithm),
                    category: entry.category,
                    id: entry.id,
                })
            }));
            hits[first..].sort_by_key(|hit| (hit.source, hit.line));
        }
        hits
    }
}

impl HashListIndex {
    /// Which values of a column stand on a list, by any of their digests: their indices, rising. What stands in the
    /// place of a null may be among them.
    pub fn look_up_column(&self, cells: &CellDigests) -> Vec<usize> {
        let tables = self.tables.iter().filter_map(|(algorithm, table)| Some((table, cells.of(*algorithm)?)));
        let mut found: Vec<usize> = tables.flat_map(|(table, digests)| table.among(digests)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl fmt::Debug for HashListIndex {
    /// Only the sizes: digests of hash lists are never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.tables.iter().map(|(algorithm, table)| (algorithm.name(), table))).finish()
    }
}

/// An entry of a hash list that an item is on. It holds no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// The list.
    pub source: SourceId,
    /// The entry's line, from 1.
    pub line: u64,
    /// The algorithm by which they are equal.
    pub algorithm: Algorithm,
    /// How sure that makes it.
    pub level: Level,
    /// The list's own category code.
    pub category: Option<&'a str>,
    /// The list's own identifier of the entry.
    pub id: Option<&'a str>,
}

/// How sure an equal digest makes a match.
fn level_of(algorithm: Algorithm) -> Level {
    if algorithm.resists_tampering() { Level::Confirmed } else { Level::ExactWeak }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Digest, MsgId};
    use crate::hashlist::{Context, recognise};

    const MD5: &str = "0cc175b9c0f1b6a831c399e269772661";
    const SHA1: &str = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8";
    const SHA256: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

    fn load(builder: &mut HashListIndexBuilder, source: u16, text: &str) -> Loaded {
        let mut loader = builder.load(SourceId(u32::from(source)), "list.txt");
        let format = recognise(b"list.txt", text.as_bytes()).expect("it is a list");
        format.read(&mut text.as_bytes(), &Context::default(), &mut loader).expect("it is a list");
        loader.finish()
    }

    fn digests(all: &[(Algorithm, &str)]) -> Digests {
        all.iter().map(|(a, hex)| Digest::from_hex(*a, hex.as_bytes()).expect("it is a digest")).collect()
    }

    #[test]
    fn an_item_is_found_on_every_list_strongest_first() {
        let mut builder = HashListIndexBuilder::new();
        let first = load(&mut builder, 4, &format!("{MD5}\n{SHA256}\n{MD5}\n"));
        let second = load(&mut builder, 2, &format!("id,md5,sha1,category\ne7,{MD5},{SHA1},1\n"));
        assert_eq!((first.entries, second.entries), (3, 2));
        assert_eq!(second.algorithms, [Algorithm::Md5, Algorithm::Sha1].into_iter().collect());
        let index = builder.build();
        assert_eq!(index.len(), 4, "a digest counts once a list");
        assert_eq!(index.algorithms().iter().count(), 3);

        let hits = index.look_up(&digests(&[
            (Algorithm::Md5, MD5),
            (Algorithm::Sha1, SHA1),
            (Algorithm::Sha256, SHA256),
            (Algorithm::Sha512, &SHA256.repeat(2)),
        ]));
        let brief: Vec<_> = hits.iter().map(|h| (h.algorithm, h.level, h.source.0, h.line)).collect();
        let expected = [
            (Algorithm::Sha256, Level::Confirmed, 4, 2),
            (Algorithm::Sha1, Level::ExactWeak, 2, 2),
            (Algorithm::Md5, Level::ExactWeak, 2, 2),
            (Algorithm::Md5, Level::ExactWeak, 4, 1),
        ];
        assert_eq!(brief, expected);
        assert_eq!((hits[1].id, hits[1].category), (Some("e7"), Some("1")));
        assert_eq!((hits[0].id, hits[0].category), (None, None));
    }

    #[test]
    fn only_digests_of_one_algorithm_are_compared() {
        let mut builder = HashListIndexBuilder::new();
        load(&mut builder, 0, SHA256);
        let index = builder.build();
        assert!(index.look_up(&digests(&[(Algorithm::Blake3, SHA256)])).is_empty());
        assert!(index.look_up(&Digests::new()).is_empty());
        assert_eq!(index.look_up(&digests(&[(Algorithm::Sha256, SHA256)])).len(), 1);
        assert!(HashListIndexBuilder::new().build().is_empty());
    }

    #[test]
    fn of_a_column_those_are_found_that_are_on_any_list() {
        let mut builder = HashListIndexBuilder::new();
        load(&mut builder, 0, &format!("{MD5}\n{SHA256}\n"));
        let index = builder.build();
        let mut cells = CellDigests::new(MsgId(0), 4, index.algorithms());
        let (md5, sha256) = (hex::decode(MD5).expect("hex"), hex::decode(SHA256).expect("hex"));
        cells.of_mut(Algorithm::Md5).expect("room")[48..].copy_from_slice(&md5);
        cells.of_mut(Algorithm::Md5).expect("room")[16..32].copy_from_slice(&md5);
        cells.of_mut(Algorithm::Sha256).expect("room")[32..64].copy_from_slice(&sha256);
        cells.of_mut(Algorithm::Sha256).expect("room")[..32].copy_from_slice(&sha256);
        assert_eq!(index.look_up_column(&cells), [0, 1, 3]);
        assert_eq!(index.look_up_column(&CellDigests::new(MsgId(0), 4, DigestSet::EMPTY)), [0; 0]);
    }

    #[test]
    fn rejected_lines_are_all_counted_and_some_are_kept() {
        let mut builder = HashListIndexBuilder::new();
        let loaded = load(&mut builder, 0, &format!("{MD5}\n{}", "x\n".repeat(30)));
        assert_eq!((loaded.entries, loaded.rejected, loaded.first_rejections.len()), (1, 30, 20));
        assert_eq!(loaded.first_rejections[0].line, 2);
    }

    #[test]
    fn a_list_that_cannot_be_held_is_an_error_without_its_digests() {
        let mut builder = HashListIndexBuilder::new();
        let mut loader = builder.load(SourceId(0), "list.txt");
        let digest = Digest::from_hex(Algorithm::Md5, MD5.as_bytes()).expect("it is a digest");
        let entry = Entry { line: 1 << 32, digest, category: None, id: None };
        let text = loader.entry(entry).expect_err("the line has too high a number").to_string();
        assert!(text.contains("list.txt") && !text.contains(MD5));
    }

    #[test]
    fn nothing_of_a_digest_is_shown() {
        let mut builder = HashListIndexBuilder::new();
        load(&mut builder, 0, &format!("{MD5}\n{SHA256}\n"));
        let index = builder.build();
        assert_eq!(
            format!("{index:?}"),
            "{\"sha256\": DigestTable(1 × 32 bytes), \"md5\": DigestTable(1 × 16 bytes)}"
        );
        let hits = format!("{:?}", index.look_up(&digests(&[(Algorithm::Md5, MD5)])));
        assert!(!hits.contains(&MD5[..8]));
    }
}
