//! Tar archives: v7, ustar, GNU and PAX.

mod entry;
mod header;
mod pax;
mod walk;

use self::header::Block;
use self::walk::Walker;
use super::{Format, HEAD, Place, Reader, Steps};

/// A tar, known by the check sum of its first header.
pub struct Tar;

/// What is called a tar but does not begin with a header: its damage is to be told, and what follows may be readable.
pub struct CalledTar;

impl Format for Tar {
    fn name(&self) -> &'static str {
        "tar"
    }

    fn recognises(&self, _name: &[u8], head: &[u8]) -> bool {
        head.get(..HEAD).is_some_and(|block| matches!(Block::parse(block), Block::Header(_)))
    }

    fn reader(&self, place: &Place, _out: &mut Steps) -> Option<Box<dyn Reader>> {
        Some(Box::new(Walker::new(place.layer)))
    }
}

impl Format for CalledTar {
    fn name(&self) -> &'static str {
        Tar.name()
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        // Shorter than a block it is a pointer or a note, not a tar.
        head.len() >= HEAD && name.to_ascii_lowercase().ends_with(b".tar")
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        Tar.reader(place, out)
    }
}
