//! From cursor steps to observations: the worker that keeps one hasher fed.

mod rows;
pub mod webdataset;
mod worker;

pub use worker::{Job, Jobs, Observer, work};
