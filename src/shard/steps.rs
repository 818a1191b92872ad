//! Steps in waiting: what the readers of a file's layers have found and the cursor has not yet handed out.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::{Batch, End, Fault, ItemId, Kind, RegionClass, Step};
use crate::finding::Code;
use crate::plan::ShardPlan;
use crate::source::{Block, PIECE};

/// A queue of steps that also names the items and knows whose data is wanted.
///
/// It stays short: a reader adds to it only what one piece of at most 64 KiB holds.
#[derive(Debug)]
pub struct Steps {
    queue: VecDeque<Step>,
    next: u64,
    plan: ShardPlan,
}

impl Steps {
    /// An empty queue for one file.
    pub fn new(plan: &ShardPlan) -> Self {
        Steps { queue: VecDeque::new(), next: 0, plan: *plan }
    }

    /// The oldest step.
    pub fn pop(&mut self) -> Option<Step> {
        self.queue.pop_front()
    }

    /// Bytes of memory the queue itself takes; the pieces in it belong to the pool.
    pub fn footprint(&self) -> usize {
        self.queue.capacity() * size_of::<Step>()
    }

    /// Begins an item and names it.
    pub fn open(&mut self, opening: Opening) -> ItemId {
        let item = ItemId(self.next);
        self.next += 1;
        let Opening { parent, kind, name, offset, len, hidden, region } = opening;
        self.queue.push_back(Step::Open { item, parent, kind, name, offset, len, hidden, region });
        item
    }

    /// The next bytes of the file itself, where its digests are asked for.
    pub fn file(&mut self, bytes: &Bytes) {
        if !self.plan.file.is_empty() {
            self.data(ItemId::FILE, bytes.clone());
        }
    }

    /// The next bytes of a decompressed stream, where its digests are asked for.
    pub fn stream(&mut self, item: ItemId, bytes: &Bytes) {
        if !self.plan.stream.is_empty() {
            self.data(item, bytes.clone());
        }
    }

    /// The next bytes of a sample or a hidden region, where their digests are asked for.
    pub fn sample(&mut self, item: ItemId, bytes: Bytes) {
        if !self.plan.samples.is_empty() {
            self.data(item, bytes);
        }
    }

    /// What is asked of the file.
    pub fn plan(&self) -> &ShardPlan {
        &self.plan
    }

    /// Whether rows of tables are to be told at all.
    pub fn wants_rows(&self) -> bool {
        !self.plan.samples.is_empty() || self.plan.records
    }

    /// Rows of a table, where their digests are asked for, or values that stand in none of them. Records are given only
    /// where the plan asks for them.
    pub fn batch(&mut self, batch: Batch) {
        if self.wants_rows() && (batch.rows > 0 || !batch.columns.is_empty()) {
            self.queue.push_back(Step::Batch(Box::new(batch)));
        }
    }

    /// Ends an item.
    pub fn close(&mut self, item: ItemId, end: End) {
        self.queue.push_back(Step::Close { item, end });
    }

    /// Writes an entry of the byte ledger.
    pub fn region(&mut self, layer: ItemId, range: Range<u64>, class: RegionClass) {
        self.queue.push_back(Step::Region { layer, range, class });
    }

    /// Tells of something wrong.
    pub fn fault(&mut self, code: Code, item: ItemId, offset: Option<u64>, detail: impl Into<String>) {
        self.queue.push_back(Step::Fault(Fault { code, item, offset, detail: detail.into() }));
    }

    fn data(&mut self, item: ItemId, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queue.push_back(Step::Data { item, bytes });
        }
    }
}

/// The filled part of a block as refcounted bytes. A small part is copied, so that a header held back from a short
/// read does not keep a whole block from its pool.
pub fn share(block: Block) -> Bytes {
    if block.len() < PIECE / 4 { Bytes::copy_from_slice(block.as_ref()) } else { block.freeze() }
}

/// What [`Step::Open`] says of an item, before it has a name in the cursor.
#[derive(Debug)]
pub struct Opening {
    /// What holds it.
    pub parent: Option<ItemId>,
    /// What it is.
    pub kind: Kind,
    /// Its name in its container.
    pub name: Vec<u8>,
    /// Where its data begins in its parent's bytes.
    pub offset: u64,
    /// Its length where it is known.
    pub len: Option<u64>,
    /// Whether no reader of the format shows it.
    pub hidden: bool,
    /// For a region: what its bytes are.
    pub region: Option<RegionClass>,
}
