//! An index: what was measured of a dataset, kept in a folder of Parquet files that other programs can read.
//!
//! The folder holds `observations/part-NNNNNN.parquet`, one for each split of the work, in the order of paths
//! (before a part may come its pieces, `part-NNNNNN-NNNN.parquet`, where several workers shared in one file), then
//! `findings.parquet`, and last the marker by which the folder is known: an index without its marker was not finished
//! and is none. `docs/index.md` describes all of it for users.

mod columns;
mod finding_rows;
mod findings;
mod marker;
mod part;
mod rows;
mod store;
mod sum;

pub use columns::DIGESTS;
pub use finding_rows::{Beside, FindingRows};
pub use findings::{FindingsWriter, read_findings};
pub use marker::{FORMAT, IndexDir, MARKER, PartEntry, is_index};
pub use part::{PartReader, PartWriter};
pub use store::{Store, StoredRow};
