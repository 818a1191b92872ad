//! All that a cursor tells of a file, gathered and checked for what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use shardproof::digest::{Algorithm, DigestSet};
use shardproof::locator::Escaped;
use shardproof::plan::{Inside, ShardPlan};
use shardproof::shard::{self, End, Fault, ItemId, Kind, RegionClass, Step};
use shardproof::source::{Block, Got, Pool, Source, SourceError, Stamp};

/// An item with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub parent: Option<ItemId>,
    pub kind: Kind,
    pub name: Vec<u8>,
    pub offset: u64,
    pub len: Option<u64>,
    pub hidden: bool,
    pub data: Vec<u8>,
    pub end: Option<End>,
}

/// What a cursor told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub items: Vec<Item>,
    pub regions: BTreeMap<ItemId, Vec<(Range<u64>, RegionClass)>>,
    pub faults: Vec<Fault>,
}

/// A source that gives at most `most` bytes at a time and now and then nothing yet.
#[derive(Debug)]
pub struct Drip {
    pub bytes: Bytes,
    pub most: usize,
    pub fails_at: Option<u64>,
    pub calls: AtomicUsize,
}

impl Drip {
    pub fn new(bytes: &[u8], most: usize) -> Drip {
        Drip { bytes: Bytes::copy_from_slice(bytes), most, fails_at: None, calls: AtomicUsize::new(0) }
    }
}

impl Source for Drip {
    fn stamp(&self) -> Result<Stamp, SourceError> {
        Ok(Stamp { size: self.bytes.len() as u64, ..Stamp::default() })
    }

    fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError> {
        if self.fails_at.is_some_and(|fails| at >= fails) {
            return Err(SourceError { at, cause: std::io::Error::other("the disk is on fire") });
        }
        if self.calls.fetch_add(1, Ordering::Relaxed) % 3 == 1 {
            return Ok(Got::NotYet);
        }
        let rest = &self.bytes[at as usize..];
        let n = rest.len().min(self.most).min(into.space().len());
        into.space()[..n].copy_from_slice(&rest[..n]);
        into.fill(n);
        Ok(if n == 0 { Got::End } else { Got::Bytes(n) })
    }
}

/// A plan under which everything emits its data.
pub fn everything() -> ShardPlan {
    let set = DigestSet::of(Algorithm::Sha256);
    ShardPlan { file: set, inside: Inside::Open, stream: set, samples: set, records: false }
}

impl Listing {
    /// Reads a file of this name and content.
    pub fn read(name: &str, bytes: &[u8]) -> Listing {
        Listing::drip(name, Drip::new(bytes, usize::MAX))
    }

    /// Reads it from a source that gives what it likes.
    pub fn drip(name: &str, source: Drip) -> Listing {
        let whole = source.fails_at.is_none().then(|| source.bytes.clone());
        let listing = Listing::of(name, Arc::new(source), &everything());
        if let Some(whole) = whole {
            assert_eq!(listing.items[0].data, whole, "the file's own bytes are told once and whole");
            assert_eq!(listing.items[0].end, Some(End::Complete));
        }
        listing.check(name.ends_with(".zip"));
        listing
    }

    /// Steps a cursor to its end.
    pub fn of(name: &str, source: Arc<dyn Source>, plan: &ShardPlan) -> Listing {
        let mut cursor = shard::open(source, name.as_bytes(), plan);
        let mut pool = Pool::new();
        let mut listing = Listing::default();
        loop {
            match cursor.step(&mut pool) {
                Step::Open { item, parent, kind, name, offset, len, hidden, .. } => {
                    assert_eq!(item.0, listing.items.len() as u64, "items count up");
                    let item = Item { parent, kind, name, offset, len, hidden, data: Vec::new(), end: None };
                    if let Some(parent) = parent {
                        assert_eq!(listing.item(parent).end, None, "a parent is open");
                    }
                    listing.items.push(item);
                }
                Step::Data { item, bytes } => {
                    assert!(!bytes.is_empty() && bytes.len() <= 64 * 1024);
                    let item = &mut listing.items[item.0 as usize];
                    assert_eq!(item.end, None, "an item with data is open");
                    item.data.extend_from_slice(&bytes);
                }
                Step::Close { item, end } => {
                    let before = listing.items[item.0 as usize].end.replace(end);
                    assert_eq!(before, None, "an item is closed once");
                }
                Step::Region { layer, range, class } => {
                    listing.regions.entry(layer).or_default().push((range, class));
                }
                Step::Fault(fault) => listing.faults.push(fault),
                Step::Quiet | Step::NotYet => assert!(cursor.footprint() < 5 << 20),
                // Rows have tests of their own.
                Step::Batch(_) => {}
                Step::Done => break,
            }
        }
        listing
    }

    pub fn item(&self, item: ItemId) -> &Item {
        &self.items[item.0 as usize]
    }

    pub fn members(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.kind == Kind::Member)
    }

    /// What must hold of every file, whatever is in it. Members of a zip are compressed one by one.
    fn check(&self, is_zip: bool) {
        let mut hidden_regions = BTreeSet::new();
        for (id, layer) in self.items.iter().enumerate() {
            assert!(layer.end.is_some(), "item {id} is closed");
            let told = self.regions.get(&ItemId(id as u64));
            if !matches!(layer.kind, Kind::File | Kind::Stream) {
                assert_eq!(told, None, "item {id} is no layer");
                continue;
            }
            let mut at = 0;
            for (range, class) in told.into_iter().flatten() {
                assert_eq!(range.start, at, "regions of layer {id} leave no gap and do not overlap");
                assert!(range.end > at, "no region is empty");
                at = range.end;
                if class.is_hidden() {
                    hidden_regions.insert((ItemId(id as u64), range.start, range.end));
                }
            }
            assert_eq!(at, layer.data.len() as u64, "regions cover layer {id}");
        }
        for item in self.items.iter().skip(1).filter(|item| item.kind != Kind::Stream) {
            let parent = item.parent.expect("only the file has no parent");
            let (start, end) = (item.offset, item.offset + item.data.len() as u64);
            if !(is_zip && item.kind == Kind::Member) {
                let within = &self.item(parent).data[start as usize..end as usize];
                assert!(item.data == within, "an item's data is its parent's at its offset");
            }
            if item.end == Some(End::Complete) {
                assert!(item.len.is_none_or(|len| len == item.data.len() as u64), "{item:?}");
            }
            if item.kind == Kind::Region {
                assert!(hidden_regions.remove(&(parent, start, end)), "a region item is a hidden region");
            }
        }
        assert!(hidden_regions.is_empty(), "every hidden region is an item: {hidden_regions:?}");
    }

    /// The listing as text, one fact per line: what the files of expectations hold.
    pub fn facts(&self) -> String {
        let mut out = String::new();
        let place = |id: ItemId| {
            let item = self.item(id);
            match item.kind {
                Kind::File => "file".to_string(),
                Kind::Stream => "stream".to_string(),
                _ => format!("member `{}`", Escaped(&item.name)),
            }
        };
        for item in self.items.iter().filter(|item| item.kind != Kind::Region) {
            let id = self.items.iter().position(|other| std::ptr::eq(item, other)).unwrap_or(0);
            let hidden = if item.hidden { "hidden " } else { "" };
            let end = format!("{:?}", item.end.expect("closed")).to_lowercase();
            let (len, digest) = (item.data.len(), hex(&item.data));
            writeln!(out, "{hidden}{}: {end}, {len} bytes, {digest}", place(ItemId(id as u64))).unwrap();
        }
        for fault in &self.faults {
            let at = fault.offset.map_or(String::new(), |at| format!(" @ {at}"));
            writeln!(out, "fault {} of {}{at}", fault.code, place(fault.item)).unwrap();
        }
        for (layer, regions) in &self.regions {
            for (range, class) in regions {
                let bytes = &self.item(*layer).data[range.start as usize..range.end as usize];
                let digest = if class.is_hidden() { format!(", {}", hex(bytes)) } else { String::new() };
                let (start, end, class) = (range.start, range.end, class.name());
                writeln!(out, "{} {start}..{end} {class}{digest}", place(*layer)).unwrap();
            }
        }
        out
    }
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
