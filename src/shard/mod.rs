//! Containers: what a file holds, as a stream of steps that covers every byte of it.
//!
//! A reader is a *suspended cursor*: it owns all it needs, borrows nothing, and does a small piece of work each time a
//! worker steps it, so that one worker can hold many of them and keep a multi-buffer hasher fed.

mod arrow;
mod compressed;
mod csv;
mod division;
mod faults;
mod file;
pub mod folder;
mod formats;
mod jsonl;
mod ledger;
mod lines;
mod mds;
mod parquet;
mod steps;
pub mod table;
mod tar;
mod text;
mod zip;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::division::{Part, divide};
use crate::finding::Code;
pub use crate::observation::{End, Kind, RegionClass};
use crate::plan::ShardPlan;
use crate::source::{Pool, Source};

pub use self::file::FileCursor;
pub use self::formats::{formats, recognise};
pub use self::steps::Steps;
pub use self::table::{Batch, Column};

/// Bytes of a layer's beginning by which its format is recognised: a tar's header is the longest.
pub const HEAD: usize = 512;

/// A cursor over a whole file of this name.
pub fn open(source: Arc<dyn Source>, name: &[u8], plan: &ShardPlan) -> Box<dyn Cursor> {
    open_part(source, name, plan, Part::Whole)
}

/// A cursor over a file of this name, or over a part of it: the one entry for whoever observes a file.
pub fn open_part(source: Arc<dyn Source>, name: &[u8], plan: &ShardPlan, part: Part) -> Box<dyn Cursor> {
    Box::new(FileCursor::new(source, name, plan, part))
}

/// Names an item within one cursor. The file itself is [`ItemId::FILE`]; the others count up in the order of `Open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemId(pub u64);

impl ItemId {
    /// The file as it lies on the disk.
    pub const FILE: ItemId = ItemId(0);
}

/// One step of a cursor.
#[derive(Debug)]
pub enum Step {
    /// An item begins. Items nest: a member's parent is the stream or file whose bytes hold it.
    Open {
        /// Its name in this cursor.
        item: ItemId,
        /// What holds it; `None` for the file.
        parent: Option<ItemId>,
        /// What it is.
        kind: Kind,
        /// Its name in its container as bytes; empty for files, streams and regions.
        name: Vec<u8>,
        /// Where its data begins in its parent's bytes.
        offset: u64,
        /// Its length where it is known beforehand.
        len: Option<u64>,
        /// No reader of the format shows it (it lies after the end of the archive): nothing is claimed of it by name.
        hidden: bool,
        /// For a region: what its bytes are.
        region: Option<RegionClass>,
    },
    /// The next bytes of an item.
    Data {
        /// Whose.
        item: ItemId,
        /// Refcounted; the same memory may be offered for the file, the stream and the member.
        bytes: Bytes,
    },
    /// An item ends.
    Close {
        /// Which.
        item: ItemId,
        /// How.
        end: End,
    },
    /// Rows of a table: whole messages, none of which is copied.
    Batch(Box<Batch>),
    /// An entry of the byte ledger: these bytes of this layer are of this class. Regions of a layer that was read to
    /// its end cover it exactly, in order, without overlap.
    Region {
        /// The file, stream or container member whose bytes are meant.
        layer: ItemId,
        /// Bytes of that layer.
        range: Range<u64>,
        /// What they are.
        class: RegionClass,
    },
    /// Something is wrong with the data, or could not be looked at. The rest goes on.
    Fault(Fault),
    /// Work was done, and there is nothing to tell of it.
    Quiet,
    /// The source has nothing yet: step another cursor.
    NotYet,
    /// There is no more. Every opened item has been closed.
    Done,
}

/// The rows of a column's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// One value for each row, beginning with this one.
    From(u64),
    /// The row of each value: a list in one row has many, and a row may have none.
    Each(Arc<[u64]>),
    /// They stand in no row: names of columns, which a wrong guess at a header must not hide.
    Outside,
}

impl Rows {
    /// The row of the value at this index.
    pub fn of(&self, index: usize) -> Option<u64> {
        match self {
            Rows::From(first) => first.checked_add(index as u64),
            Rows::Each(rows) => rows.get(index).copied(),
            Rows::Outside => None,
        }
    }
}

/// Something wrong with a file, told as a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The finding's code: `unreadable`, `unfollowed-link`, `opaque`, `unsafe-name`, `external-reference`.
    pub code: Code,
    /// The item it is about.
    pub item: ItemId,
    /// Byte of the item's layer, where that helps.
    pub offset: Option<u64>,
    /// One sentence for a person.
    pub detail: String,
}

/// A reader in suspension.
pub trait Cursor: Send {
    /// Bytes of memory it holds between steps, an upper bound.
    fn footprint(&self) -> usize;

    /// Bytes of the file read so far, those read twice counted twice.
    fn bytes_read(&self) -> u64;

    /// Does a small piece of work. After [`Step::Done`] it is not stepped again.
    fn step(&mut self, pool: &mut Pool) -> Step;
}

/// A container format.
///
/// One that is read front to back gives a [`Reader`]; one that is read at its own directory's word divides and opens
/// the file itself.
pub trait Format: Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Whether a file of this name that begins with these bytes is one. `head` is shorter than [`HEAD`] only where
    /// the file is. The name is empty where only the content counts.
    fn recognises(&self, name: &[u8], head: &[u8]) -> bool;

    /// A reader of a layer of this format; `None` if its inside is not looked at.
    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>>;

    /// Whether it is only recognised, and its inside is never looked at.
    fn is_closed(&self) -> bool {
        false
    }

    /// Whether several cursors can share in a file: its readers heed [`Place::part`].
    fn is_divided(&self) -> bool {
        false
    }

    /// The rows of a file in their order, parted so that each part has at least so many bytes; none where that is of no
    /// use. A cursor over [`Part::Walk`] tells the rest.
    fn divide(&self, _source: &Arc<dyn Source>, _least: u64) -> Vec<Part> {
        Vec::new()
    }
}

/// What is read front to back: it is fed the bytes of a layer in order and queues the steps they amount to.
pub trait Reader: Send {
    /// Bytes of memory it holds, an upper bound.
    fn footprint(&self) -> usize;

    /// Takes the next bytes of the layer.
    fn feed(&mut self, bytes: Bytes, out: &mut Steps);

    /// Works on what it was fed, a piece at most; `false` when it wants to be fed again. Readers that are done with
    /// their bytes when [`Reader::feed`] returns have nothing to do here.
    fn work(&mut self, _pool: &mut Pool, _out: &mut Steps) -> bool {
        false
    }

    /// What it needs of the layer next. It is asked only where the layer is a file of which nobody else wants the
    /// bytes; whoever reads front to back needs them all.
    fn need(&self) -> Need {
        Need::Bytes(usize::MAX)
    }

    /// So many bytes as it said that it does not need were passed over.
    fn pass(&mut self, _len: u64, _out: &mut Steps) {}

    /// The layer has ended, in this way. Whatever is open is closed.
    fn finish(&mut self, end: End, out: &mut Steps);
}

/// What a reader needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The next bytes, so many at most.
    Bytes(usize),
    /// Not the next so many bytes, at least one.
    Pass(u64),
}

/// Where a layer stands that a reader is wanted for.
#[derive(Clone)]
pub struct Place {
    /// The item whose bytes it is.
    pub layer: ItemId,
    /// The file's name, which tells what a compressed stream is called.
    pub name: Vec<u8>,
    /// How many decoders its bytes have passed.
    pub depth: u32,
    /// The file, where the layer is a file: a format that keeps its directory at the end reads that first, and reads
    /// at its word once the layer was fed to the end.
    pub source: Option<Arc<dyn Source>>,
    /// What of the file is to be read.
    pub part: Part,
}
