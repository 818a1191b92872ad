//! The first look: every path below the roots, with names and sizes, before anything is opened.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::options::AuditOptions;
use super::pointers::{AnnexPlace, Pointer, Pointers, key_of_link, may_be_pointer, read_pointer};
use crate::error::{Error, Result};
use crate::index::observations::is_index;
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::place_key;
use crate::manifest::annex_key::Key;
use crate::manifest::{self, ManifestFormat as _, discover, dvc, open_regular};
use crate::shard::folder::{Listed, WalkOptions, What, walk};
use crate::source::Stamp;

/// Everything that was found, by place.
pub struct Listing {
    /// The paths.
    pub paths: Sorted<Found>,
    /// Paths whose names say that they are manifests: root and path.
    pub manifests: Vec<(u16, Vec<u8>)>,
    /// Pointers standing in place of data, or leading to it.
    pub pointers: Pointers,
    /// Files left out by `--include` and `--exclude`.
    pub left_out: u64,
}

/// A path that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Index of its root.
    pub root: u16,
    /// Below its root, with `/`.
    #[serde(with = "crate::raw")]
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
    // Names come faster than they are looked at by one thread; more than a few wait for the same disk.
    let threads = options.threads.clamp(1, MOST_WALKERS);
    let scratch = scratch.shared_by(threads);
    let mut kept: Vec<Kept> = (0..threads).map(|_| Kept::new(&scratch)).collect();
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
        let mut visits: Vec<_> = kept
            .iter_mut()
            .map(|kept| {
                move |listed| {
                    let keep = Keep { options, folder, root, discovering };
                    kept.failed = keep.path(listed, kept).err();
                    kept.failed.is_none() && !stop.load(Ordering::Relaxed)
                }
            })
            .collect();
        walk(folder, &walking, &mut visits);
        drop(visits);
        if let Some(error) = kept.iter_mut().find_map(|kept| kept.failed.take()) {
            return Err(error);
        }
    }
    let (mut manifests, mut pointers, mut left_out) = (Vec::new(), Pointers::default(), 0);
    let mut paths = Vec::new();
    for part in kept {
        paths.push(part.paths);
        manifests.extend(part.manifests);
        pointers.add(part.pointers);
        left_out += part.left_out;
    }
    manifests.sort();
    pointers.sort();
    Ok(Listing { paths: Sorted::of(paths)?, manifests, pointers, left_out })
}

/// Threads that list at most.
const MOST_WALKERS: usize = 8;

/// What one thread found.
struct Kept {
    paths: Spool<Found>,
    manifests: Vec<(u16, Vec<u8>)>,
    pointers: Pointers,
    left_out: u64,
    failed: Option<Error>,
}

impl Kept {
    fn new(scratch: &Scratch) -> Kept {
        let paths = Spool::new(scratch);
        Kept { paths, manifests: Vec::new(), pointers: Pointers::default(), left_out: 0, failed: None }
    }
}

struct Keep<'a> {
    options: &'a AuditOptions,
    folder: &'a Path,
    root: u16,
    discovering: bool,
}

impl Keep<'_> {
    fn path(&self, listed: Listed, kept: &mut Kept) -> Result<()> {
        let Listed { path, what } = listed;
        let folder = matches!(what, What::UnreadableDirectory(_));
        // What is excluded need not be readable. What is merely not included may hold what is.
        if folder && !path.is_empty() && self.options.excludes(&path) {
            return Ok(());
        }
        if !folder && !self.options.admits(&path) {
            // A manifest may be narrowed away as data and still say what the data is.
            kept.left_out += 1;
            if self.discovering && matches!(what, What::File { .. }) {
                if self.is_dvc(&path) {
                    kept.pointers.dvc.push((self.root, path));
                } else if self.is_manifest(&path) {
                    kept.manifests.push((self.root, path));
                }
            }
            return Ok(());
        }
        let kind = match what {
            What::File { stamp, through_link } => {
                if self.discovering {
                    if self.is_dvc(&path) {
                        kept.pointers.dvc.push((self.root, path.clone()));
                    } else if self.is_manifest(&path) {
                        kept.manifests.push((self.root, path.clone()));
                    }
                    self.pointer(&path, &stamp, through_link, &mut kept.pointers);
                }
                FoundKind::File { stamp, through_link }
            }
            What::Link { target, why, dangles } => {
                let key = Key::of_link(&target);
                if key.is_some() && self.discovering {
                    kept.pointers.annex.push(AnnexPlace {
                        root: self.root,
                        path: path.clone(),
                        content: None,
                    });
                }
                match key.filter(|_| dangles) {
                    Some(key) => FoundKind::Pointer(not_here(&key)),
                    None => FoundKind::Link(format!("a link that is not followed: {why}")),
                }
            }
            What::Special(kind) => FoundKind::Special(format!("{kind}; such things are never opened")),
            What::Unknown(why) => FoundKind::Special(format!("its kind could not be told: {why}")),
            What::UnreadableDirectory(why) => FoundKind::UnreadableFolder(why),
        };
        let key = crate::check::claim_key(&place_key(&path));
        kept.paths.push(&key, &Found { root: self.root, path, kind })
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

    /// Whether it is a file of DVC: there may be one for each file, and all of them are one manifest.
    fn is_dvc(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
        dvc::is_called(name)
            && read_head(&join(self.folder, path)).is_some_and(|head| dvc::Dvc.recognises(name, &head))
    }

    /// Takes down what a file has to do with Git LFS or git-annex, if anything.
    fn pointer(&self, path: &[u8], stamp: &Stamp, through_link: bool, pointers: &mut Pointers) {
        let place = |content| AnnexPlace { root: self.root, path: path.to_vec(), content };
        if through_link && key_of_link(&join(self.folder, path)).is_some() {
            pointers.annex.push(place(Some(stamp.inode)));
            return;
        }
        if Key::of_link(path).is_some() {
            pointers.annex_objects.push(place(Some(stamp.inode)));
            return;
        }
        // Pointers are short; only files of such a size are opened.
        match may_be_pointer(stamp.size).then(|| read_pointer(&join(self.folder, path))).flatten() {
            Some(Pointer::Lfs(_)) => pointers.lfs.push((self.root, path.to_vec())),
            Some(Pointer::Annex(_)) => pointers.annex.push(place(None)),
            None => {}
        }
    }
}

/// What is told of a link to content that is not here. The key is not shown: it may hold a digest that stands on a list.
fn not_here(key: &Key) -> String {
    let size = key.size.map_or_else(String::new, |size| format!(" of {size} bytes"));
    format!(
        "a git-annex link stands in its place and the content{size} is not here; fetch it with `git annex get`"
    )
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
