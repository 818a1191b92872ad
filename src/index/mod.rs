//! Looking things up in sorted tables: which entries of the hash lists an item is on.

mod entries;
mod hash_lists;
mod lookup;
pub mod observations;
pub mod spool;

pub use hash_lists::{HashListIndex, HashListIndexBuilder, Hit, ListLoader, Loaded, Rejection};
pub use lookup::{DigestTable, DigestTableBuilder};
