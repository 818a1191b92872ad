//! What was claimed against what was observed: every claim and every item ends in exactly one class.
//!
//! The rounds, each one pass over sorted records: [`places`] joins by name; [`contents`] joins what is left on both
//! sides by digest; [`containers`] decides what became of items that nothing claimed; [`absent`] what became of claims
//! that nothing answered. [`balance`] proves at the end that nobody was lost on the way.

pub mod absent;
pub mod balance;
pub mod containers;
pub mod contents;
pub mod judgement;
pub mod places;
pub mod samples;

use globset::GlobSet;

use crate::claim::{Scope, SourceId};
use crate::error::Result;
use crate::finding::Finding;

/// Takes findings; the order does not matter.
pub trait FindingSink {
    /// Keeps a finding.
    ///
    /// # Errors
    /// Where it could not be kept.
    fn finding(&mut self, finding: Finding) -> Result<()>;

    /// What a manifest or list is called in sentences.
    fn source_name(&self, _source: SourceId) -> String {
        "another manifest".to_string()
    }
}

/// What the rounds need to know of the run.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How far the manifests claim to be complete.
    pub scopes: Vec<Scope>,
    /// What `--scope GLOB` says instead.
    pub scope_glob: Option<GlobSet>,
    /// Only what is here is asked for: an absent claim is not checked, and no finding.
    pub subset: bool,
    /// Every item is asked for by a hash list, whether a manifest covers it or not: what was not read is a gap.
    pub search_all: bool,
}

impl Rules {
    /// Whether an unclaimed item at this path contradicts a manifest.
    pub fn in_scope(&self, path: &[u8]) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let matches = |glob: &GlobSet| glob.is_match(std::ffi::OsStr::from_bytes(path));
        self.scopes.iter().any(|scope| scope.covers(path)) || self.scope_glob.as_ref().is_some_and(matches)
    }
}

/// The sort key of an item: its place, and within one place files before what is inside them, in their order.
///
/// Place keys hold no two zero bytes in a row, so the marker keeps every place before the places below it.
pub fn item_key(place: &[u8], root: u16, item: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(place.len() + 12);
    key.extend_from_slice(place);
    key.extend_from_slice(&[0, 0]);
    key.extend_from_slice(&root.to_be_bytes());
    key.extend_from_slice(&item.to_be_bytes());
    key
}

/// The sort key of a claim: its place, before all items there.
pub fn claim_key(place: &[u8]) -> Vec<u8> {
    let mut key = place.to_vec();
    key.extend_from_slice(&[0, 0]);
    key
}

/// The place in a key of [`item_key`].
pub fn place_of_item(key: &[u8]) -> &[u8] {
    &key[..key.len().saturating_sub(12)]
}

/// The root in a key of [`item_key`].
pub fn root_of_item(key: &[u8]) -> u16 {
    let at = key.len().saturating_sub(10);
    key.get(at..at + 2).and_then(|root| root.try_into().ok()).map_or(0, u16::from_be_bytes)
}

/// The place in a key of [`claim_key`].
pub fn place_of_claim(key: &[u8]) -> &[u8] {
    &key[..key.len().saturating_sub(2)]
}

/// Whether `place` lies below `holder`: in the folder or inside the container of that place.
pub fn is_below(place: &[u8], holder: &[u8]) -> bool {
    holder.is_empty() || place.strip_prefix(holder).is_some_and(|rest| rest.first() == Some(&0))
}
