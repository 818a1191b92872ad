//! Who is told what a worker observes.

use std::sync::Arc;

use super::digest_columns::DigestColumn;
use super::jobs::Origin;
use super::measured::{Claimed, Measured};
use crate::error::Result;
use crate::finding::Code;
use crate::locator::Locator;
use crate::observation::Observation;
use crate::plan::ShardPlan;
use crate::shard::Cursor;

/// Takes what one worker observed.
pub trait Observer {
    /// A file of which this is asked is begun; what is told of it until the file itself is of this origin.
    fn begin(&mut self, _root: u16, _path: &[u8], _plan: &ShardPlan, _origin: Origin) {}

    /// The cursor over a file as it is to be stepped: whoever measures steps wraps it.
    fn cursor(&self, cursor: Box<dyn Cursor>) -> Box<dyn Cursor> {
        cursor
    }

    /// An item was measured.
    ///
    /// # Errors
    /// Where it could not be kept.
    fn observation(&mut self, observation: Observation) -> Result<()>;

    /// Rows of a table and their cells were measured. Whoever has no use for them one by one takes them by the column.
    ///
    /// # Errors
    /// Where they could not be kept.
    fn batch(&mut self, batch: &Measured) -> Result<()> {
        batch.each(&mut |seen| self.observation(seen))
    }

    /// Something is wrong with a file.
    ///
    /// # Errors
    /// Where it could not be kept.
    fn fault(&mut self, locator: Locator, code: Code, detail: String) -> Result<()>;

    /// Columns that claim digests of what else is in their row.
    fn digest_columns(&self) -> Arc<[DigestColumn]> {
        Arc::new([])
    }

    /// Such a digest was held against its row.
    ///
    /// # Errors
    /// Where what became of it could not be kept.
    fn claimed(&mut self, _claimed: Claimed) -> Result<()> {
        Ok(())
    }

    /// So many rows of tables in this file are being read: each is a sample, whatever is measured of it.
    ///
    /// # Errors
    /// Where that could not be kept.
    fn rows(&mut self, root: u16, path: &[u8], rows: u64) -> Result<()>;

    /// So many bytes of the dataset were read.
    fn read(&mut self, bytes: u64);

    /// Whether the run was asked to stop.
    fn stopped(&self) -> bool;

    /// Whether the time is over: what is not read by now is told as unread.
    fn is_over(&self) -> bool {
        false
    }
}
