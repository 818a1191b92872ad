//! Looking things up in sorted tables: which entries of the hash lists an item is on. And joining in bounded memory: by
//! name, by digest.

pub mod buckets;
mod digest_records;
mod entries;
mod hash_lists;
pub mod join;
mod lookup;
mod merge_join;
pub mod observations;
mod pairing;
pub mod spool;

pub use hash_lists::{HashListIndex, HashListIndexBuilder, Hit, ListLoader, Loaded, Rejection};
pub use lookup::{DigestTable, DigestTableBuilder};
