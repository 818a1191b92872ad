//! Synthetic data: the same recipe gives the same bytes, and digests of all that is claimed are computed on the way.

mod claims;
mod dataset;
mod place;
pub mod random;
mod recipe;
mod shards;

pub use dataset::Dataset;
pub use place::Place;
pub use recipe::{Layout, Recipe};
pub use shards::Made;
