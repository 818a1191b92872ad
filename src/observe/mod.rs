//! From cursor steps to observations: the worker that keeps one hasher fed.

pub mod digest_columns;
mod rows;
pub mod webdataset;
mod worker;

pub use digest_columns::InRow;
pub use rows::Claimed;
pub use worker::{InHand, Job, Jobs, Known, Next, Observer, Origin, work};
