//! From cursor steps to observations: the worker that keeps one hasher fed.

pub mod digest_columns;
mod jobs;
mod measured;
mod observer;
mod rows;
pub mod webdataset;
mod worker;

pub use digest_columns::InRow;
pub use jobs::{InHand, Job, Jobs, Known, Next, Origin};
pub use measured::{Claimed, Measured, MeasuredColumn};
pub use observer::Observer;
pub use worker::work;
