//! What cursors tell of whole files: hostile archives, damage of every byte, pieces of every size.

// Clippy's leave to unwrap in tests does not reach functions beside the tests themselves.
#![allow(clippy::unwrap_used)]

mod damage;
mod hostile;
mod listing;
mod oracle;
mod rules;
mod zip_damage;
#[path = "../common/zips.rs"]
mod zip_writer;
mod zips;
