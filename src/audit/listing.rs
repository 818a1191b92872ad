//! The first look: every path below the roots, with names and sizes, before anything is opened.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::options::AuditOptions;
use crate::error::{Error, Result};
use crate::index::observations::is_index;
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::{Escaped, place_key};
use crate::manifest::{self, discover, lfs_pointer, open_regular};
use crate::shard::folder::{Listed, WalkOptions, What, walk};
use crate::source::Stamp;

/// Everything that was found, by place.
pub struct Listing {
    /// The paths.
    pub paths: Sorted<Found>,
    /// Paths whose names say that they are manifests: root and path.
    pub manifests: Vec<(u16, Vec<u8>)>,
    /// Git LFS pointers standing in place of data: root and path.
    pub pointers: Vec<(u16, Vec<u8>)>,
    /// Files left out by `--include` and `--exclude`.
    pub left_out: u64,
}

/// A path that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Index of its root.
    pub root: u16,
    /// Below its root, with `/`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: FoundKind,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FoundKind {
    /// A file to be read.
    File {
        /// Its state at listing time.
        stamp: Stamp,
        /// Whether opening it must follow a link.
        through_link: bool,
    },
    /// A link that is not followed: why, as a sentence.
    Link(String),
    /// A git-annex link whose content is not here: what it stands for, as a sentence.
    Pointer(String),
    /// Something that is never opened: what it is.
    Special(String),
    /// A folder that could not be read: why.
    UnreadableFolder(String),
}

/// Lists all roots.
///
/// # Errors
/// Where a root does not exist, or scratch files fail.
pub fn list(
    options: &AuditOptions,
    stores: &[Vec<PathBuf>],
    discovering: bool,
    scratch: &Scratch,
    stop: &AtomicBool,
) -> Result<Listing> {
    let mut paths = Spool::new(scratch);
    let mut listing = (Vec::new(), Vec::new(), 0u64);
    for (root, folder) in options.roots.iter().enumerate().filter(|(_, folder)| !is_index(folder)) {
        let root =
            u16::try_from(root).map_err(|_| Error::Usage("more than 65,535 dataset folders".into()))?;
        std::fs::metadata(folder)
            .and_then(|m| {
                if !m.is_dir() && !m.is_file() {
                    let what = "it is neither a folder nor a regular file";
                    return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
                }
                if m.is_dir() {
                    std::fs::read_dir(folder).map(drop)
                } else {
                    std::fs::File::open(folder).map(drop)
                }
            })
            .map_err(|cause| Error::Unreadable { role: "dataset", path: folder.clone(), cause })?;
        let walking = WalkOptions {
            follow_links: options.follow_links,
            stores: stores.get(usize::from(root)).cloned().unwrap_or_default(),
            shuffle: options.shuffle,
        };
        let mut failed = None;
        walk(folder, &walking, &mut |listed| {
            let keep = Keep { options, folder, root, discovering };
            failed = keep.path(listed, &mut paths, &mut listing).err();
            failed.is_none() && !stop.load(Ordering::Relaxed)
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    let (mut manifests, mut pointers, left_out) = listing;
    manifests.sort();
    pointers.sort();
    Ok(Listing { paths: paths.sorted()?, manifests, pointers, left_out })
}

struct Keep<'a> {
    options: &'a AuditOptions,
    folder: &'a Path,
    root: u16,
    discovering: bool,
}

impl Keep<'_> {
    #[allow(clippy::type_complexity, reason = "the parts of one Listing")]
    fn path(
        &self,
        listed: Listed,
        paths: &mut Spool<Found>,
        listing: &mut (Vec<(u16, Vec<u8>)>, Vec<(u16, Vec<u8>)>, u64),
    ) -> Result<()> {
        let Listed { path, what } = listed;
        let folder = matches!(what, What::UnreadableDirectory(_));
        // What is excluded need not be readable. What is merely not included may hold what is.
        if folder && !path.is_empty() && self.options.excludes(&path) {
            return Ok(());
        }
        if !folder && !self.options.admits(&path) {
            // A manifest may be narrowed away as data and still say what the data is.
            listing.2 += 1;
            if self.discovering && matches!(what, What::File { .. }) && self.is_manifest(&path) {
                listing.0.push((self.root, path));
            }
            return Ok(());
        }
        let kind = match what {
            What::File { stamp, through_link } => {
                if self.discovering {
                    if self.is_manifest(&path) {
                        listing.0.push((self.root, path.clone()));
                    }
                    if self.is_pointer(&path, stamp.size) {
                        listing.1.push((self.root, path.clone()));
                    }
                }
                FoundKind::File { stamp, through_link }
            }
            What::Link { target, .. } if memmem::find(&target, b".git/annex/objects/").is_some() => {
                let key = target.rsplit(|&b| b == b'/').next().unwrap_or(&target);
                FoundKind::Pointer(format!(
                    "a git-annex link stands in its place and the content {} is not here; fetch it with `git annex get`",
                    Escaped(key)
                ))
            }
            What::Link { why, .. } => FoundKind::Link(format!("a link that is not followed: {why}")),
            What::Special(kind) => FoundKind::Special(format!("{kind}; such things are never opened")),
            What::Unknown(why) => FoundKind::Special(format!("its kind could not be told: {why}")),
            What::UnreadableDirectory(why) => FoundKind::UnreadableFolder(why),
        };
        let key = crate::check::claim_key(&place_key(&path));
        paths.push(&key, &Found { root: self.root, path, kind })
    }

    /// Whether its name says that it is a manifest, or, where the name is a common one, its first bytes do.
    fn is_manifest(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
        discover::looks_like_manifest(name)
            || (discover::may_be_manifest(name)
                && read_head(&join(self.folder, path))
                    .and_then(|head| manifest::recognise(name, &head))
                    .is_some_and(|format| format.is_used_where_it_lies()))
    }

    /// Pointers are short; only files of such a size are opened.
    fn is_pointer(&self, path: &[u8], size: u64) -> bool {
        (100..lfs_pointer::TOO_LONG as u64).contains(&size)
            && read_pointer(&join(self.folder, path)).is_some()
    }
}

/// The Git LFS pointer that a file consists of. A pipe that took the file's place meanwhile is not waited for.
pub fn read_pointer(path: &Path) -> Option<lfs_pointer::Pointer> {
    let mut text = Vec::new();
    open_regular(path).ok()?.take(lfs_pointer::TOO_LONG as u64).read_to_end(&mut text).ok()?;
    lfs_pointer::parse(&text)
}

/// The first 64 KiB of a file.
pub fn read_head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    open_regular(path).ok()?.take(64 * 1024).read_to_end(&mut head).ok()?;
    Some(head)
}

/// The path of an item on the disk. A root that is a single file is its own only item.
pub fn join(root: &Path, path: &[u8]) -> PathBuf {
    if root.is_dir() { root.join(OsStr::from_bytes(path)) } else { root.to_path_buf() }
}
