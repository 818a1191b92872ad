//! What stands in a dataset in place of data, beside it, or leads to it: texts of Git LFS, keys of git-annex, files of
//! DVC.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::manifest::annex_key::{self, Key};
use crate::manifest::{lfs_pointer, open_regular};

/// Where pointers of one kind stand. Only these paths of a dataset are held as they are.
#[derive(Clone, Debug, Default)]
pub struct Pointers {
    /// Git LFS pointers: root and path.
    pub lfs: Vec<(u16, Vec<u8>)>,
    /// Files of DVC: root and path.
    pub dvc: Vec<(u16, Vec<u8>)>,
    /// Links and files that stand for git-annex keys.
    pub annex: Vec<AnnexPlace>,
    /// Objects of git-annex within the dataset.
    pub annex_objects: Vec<AnnexPlace>,
}

/// A path that has to do with a git-annex key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnnexPlace {
    /// Index of its root.
    pub root: u16,
    /// Below its root.
    pub path: Vec<u8>,
    /// Device and inode of the content that is read there; `None` where no content is.
    pub content: Option<(u64, u64)>,
}

impl Pointers {
    /// Adds those that somebody else found.
    pub fn add(&mut self, other: Pointers) {
        self.lfs.extend(other.lfs);
        self.dvc.extend(other.dvc);
        self.annex.extend(other.annex);
        self.annex_objects.extend(other.annex_objects);
    }

    /// An order that does not depend on that of reading folders.
    pub fn sort(&mut self) {
        self.lfs.sort();
        self.dvc.sort();
        self.annex.sort();
        self.annex_objects.sort();
    }
}

/// A pointer that a file consists of.
pub enum Pointer {
    /// Of Git LFS.
    Lfs(lfs_pointer::Pointer),
    /// Of git-annex.
    Annex(Key),
}

/// Whether a file of this size may be a pointer: others are not opened.
pub fn may_be_pointer(size: u64) -> bool {
    (annex_key::SHORTEST as u64..lfs_pointer::TOO_LONG.max(annex_key::TOO_LONG) as u64).contains(&size)
}

/// The pointer that a file consists of. A pipe that took the file's place meanwhile is not waited for.
pub fn read_pointer(path: &Path) -> Option<Pointer> {
    let most = lfs_pointer::TOO_LONG.max(annex_key::TOO_LONG) as u64;
    let mut text = Vec::new();
    open_regular(path).ok()?.take(most).read_to_end(&mut text).ok()?;
    lfs_pointer::parse(&text).map(Pointer::Lfs).or_else(|| Key::of_pointer(&text).map(Pointer::Annex))
}

/// The git-annex key that a link at this path leads to.
pub fn key_of_link(path: &Path) -> Option<Key> {
    Key::of_link(std::fs::read_link(path).ok()?.as_os_str().as_bytes())
}

/// The git-annex key that stands at this path, as a link or as a file.
pub fn key_at(path: &Path) -> Option<Key> {
    key_of_link(path).or_else(|| match read_pointer(path)? {
        Pointer::Annex(key) => Some(key),
        Pointer::Lfs(_) => None,
    })
}
