//! Tables on their way through one worker: batches of rows that wait for the hasher, and what comes back of them.

use arrow_array::{Array, ArrayRef};

use super::super::rows::{InFlight, Offered};
use super::{Active, Worker};
use crate::digest::{Algorithm, CellDigests, DigestSet, MsgId};
use crate::error::Result;
use crate::locator::Locator;
use crate::shard::{Batch, ItemId};

/// What the hasher has not taken yet.
pub(super) enum Waiting {
    /// Lines and cells, of which the first message has this name.
    Values(MsgId),
    /// A batch whose lines and cells are hashed, and the messages that its records are.
    Records(InFlight, ArrayRef),
    /// A batch of which all is hashed, and that is to be told.
    Nothing(InFlight),
}

impl Worker<'_> {
    /// Rows of a table: they are hashed as the hasher has room, and no further step of the file is made before.
    pub(super) fn batch(&mut self, file: &mut Active, batch: Batch) -> Result<()> {
        for holder in [batch.item, ItemId::FILE] {
            if let Some(holder) = file.items.get_mut(&holder) {
                holder.observation.opened = true;
            }
        }
        let mut locator = Locator::file(Some(file.root), file.path.clone());
        if let Some(holder) = file.items.get(&batch.item) {
            locator.member.clone_from(&holder.observation.locator.member);
        }
        self.observer.rows(file.root, &file.path, batch.rows as u64)?;
        file.next_row = file.next_row.max(batch.number);
        let (serial, exempt, wanted) = (file.serial, file.exempt, file.plan.samples);
        let watched = self.observer.digest_columns();
        let batch = InFlight::new(serial, locator, exempt, file.next_row, wanted, watched, batch);
        file.next_row += batch.items();
        file.batches_out += 1;
        let first = MsgId(self.next_message);
        // Nobody else may get a name between this one and that of its records.
        self.next_message += batch.messages().max(1);
        self.batches.insert(first, batch);
        self.waiting.push_back(Waiting::Values(first));
        Ok(())
    }

    /// Offers what waits for the hasher; the serial of a file of which a batch has been told to its end.
    pub(super) fn offer_waiting(&mut self) -> Result<Option<u64>> {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting {
                Waiting::Values(first) => {
                    let Some(batch) = self.batches.get_mut(&first) else { continue };
                    while let Some(Offered { first: message, values, algorithms }) = batch.next() {
                        if !self.hasher.offer_cells(MsgId(first.0 + message), algorithms, &values) {
                            self.waiting.push_front(Waiting::Values(first));
                            return Ok(None);
                        }
                        batch.taken();
                    }
                    // Where there is no value, nothing comes back.
                    if batch.is_hashed() {
                        self.values_are_hashed(first);
                    }
                }
                Waiting::Records(batch, messages) => {
                    let first = MsgId(self.next_message);
                    if !self.hasher.offer_cells(first, DigestSet::of(Algorithm::Sha256), &messages) {
                        self.waiting.push_front(Waiting::Records(batch, messages));
                        return Ok(None);
                    }
                    self.next_message += (messages.len() as u64).max(1);
                    self.records.insert(first, (batch, messages));
                }
                Waiting::Nothing(batch) => {
                    let serial = batch.serial;
                    let measured = batch.into_measured();
                    self.observer.batch(&measured)?;
                    measured.claimed().into_iter().try_for_each(|claimed| self.observer.claimed(claimed))?;
                    return Ok(Some(serial));
                }
            }
        }
        Ok(None)
    }

    /// All lines and cells of a batch are hashed: now its records can be.
    pub(super) fn values_are_hashed(&mut self, first: MsgId) {
        let Some(mut batch) = self.batches.remove(&first) else { return };
        self.waiting.push_back(match batch.messages_of_records() {
            Some(messages) => Waiting::Records(batch, messages),
            None => Waiting::Nothing(batch),
        });
    }

    /// Lines, a column of cells or records have been hashed.
    pub(super) fn hashed_of_table(&mut self, cells: CellDigests) {
        if let Some((mut batch, messages)) = self.records.remove(&cells.first) {
            batch.identified(&messages, &cells);
            self.waiting.push_back(Waiting::Nothing(batch));
        } else if let Some((&first, batch)) = self.batches.range_mut(..=cells.first).next_back() {
            batch.hashed(cells.first.0 - first.0, cells);
            if batch.is_hashed() {
                self.values_are_hashed(first);
            }
        }
    }
}
