//! From cursor steps to observations: the worker that keeps one hasher fed.

mod rows;
mod worker;

pub use worker::{Job, Jobs, Observer, work};
