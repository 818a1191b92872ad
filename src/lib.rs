//! shardproof verifies datasets against what their publishers claimed and flags known harmful content by hash, in one
//! parallel read.
//!
//! Data flows one way: source → shard → observe → index → check → report. `ARCHITECTURE.md` has the map; what is
//! public here beyond the report and the audit is public for the program's own tests and benchmarks only.

pub mod audit;
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod check;
#[doc(hidden)]
pub mod claim;
pub mod digest;
pub mod error;
pub mod finding;
#[doc(hidden)]
pub mod hashlist;
#[doc(hidden)]
pub mod index;
pub mod locator;
#[doc(hidden)]
pub mod manifest;
#[doc(hidden)]
pub mod observation;
#[doc(hidden)]
pub mod observe;
#[doc(hidden)]
pub mod plan;
mod raw;
pub mod report;
pub mod schema;
#[doc(hidden)]
pub mod shard;
#[doc(hidden)]
pub mod source;
