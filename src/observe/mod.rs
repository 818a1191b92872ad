//! From cursor steps to observations: the worker that keeps one hasher fed.

pub mod digest_columns;
mod measured;
mod rows;
pub mod webdataset;
mod worker;

pub use digest_columns::InRow;
pub use measured::{Claimed, Measured, MeasuredColumn};
pub use worker::{InHand, Job, Jobs, Known, Next, Observer, Origin, work};
