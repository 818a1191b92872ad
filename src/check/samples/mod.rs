//! The rounds over rows and cells, which have no names: what is claimed of them and what was seen of them, joined by
//! content as two multisets.
//!
//! Records come first: a row found by its record brings its cells along. Then single values: cells against cells, and
//! against whatever else has content, files and members claimed by name and those that nothing claims. Neither rows nor
//! cells are held in memory: they are read again, in the order of their files, from where they were written
//! ([`Store`]), and the outcome of each join is merged in by their places.

mod held;
mod marks;
mod rounds;
mod tell;

pub use held::Held;
pub use marks::Beside;
pub use tell::tell;

use super::contents::Pairs;
use super::places::Leftovers;
use crate::error::Result;
use crate::index::observations::Store;
use crate::index::spool::{Scratch, Sorted};
use marks::Marks;

/// What takes part in the rounds.
pub struct Sides<'a> {
    /// That index among the manifests.
    pub source: crate::claim::SourceId,
    /// The index that claims rows and cells, where one was named.
    pub claimed: Option<&'a Store>,
    /// Where rows and cells of the dataset were kept.
    pub seen: &'a [Store],
    /// Bytes of memory for the joins.
    pub memory: usize,
    /// Threads for them.
    pub threads: usize,
}

/// What the rounds came to.
pub struct Samples {
    /// For each file of the dataset that was open to them, by its item key: how its rows and cells fared.
    pub items: Sorted<Held>,
    /// For each claimed file that was open to them, by its place.
    pub claims: Sorted<Held>,
    seen_marks: Vec<Marks>,
    claimed_marks: Option<Marks>,
}

/// Joins rows and cells of files that no claim on the whole file settled. Pairs with what has a name are added to
/// `pairs`.
///
/// # Errors
/// Where scratch files or stores fail.
pub fn settle(left: &Leftovers, pairs: &mut Pairs, sides: &Sides<'_>, scratch: &Scratch) -> Result<Samples> {
    let marked = rounds::run(left, pairs, sides, scratch)?;
    let mut items = crate::index::spool::Spool::new(scratch);
    for (store, marks) in sides.seen.iter().zip(&marked.seen) {
        held::of_items(store, left, pairs, marks, &mut items)?;
    }
    let mut claims = crate::index::spool::Spool::new(scratch);
    if let (Some(store), Some(marks)) = (sides.claimed, &marked.claimed) {
        held::of_claims(store, left, pairs, marks, &mut claims)?;
    }
    Ok(Samples {
        items: items.sorted()?,
        claims: claims.sorted()?,
        seen_marks: marked.seen,
        claimed_marks: marked.claimed,
    })
}
