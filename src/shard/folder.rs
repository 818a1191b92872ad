//! A folder as a container: every path below a root, of whatever kind, exactly once.
//!
//! Nothing is opened here but directories, so nothing can hang. Links are read only where they stay inside the root or
//! lead into the store that a format defines; following them never leads into a cycle.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::source::{Stamp, file::stamp_of};

/// A path that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Below the root, with `/`.
    pub path: Vec<u8>,
    /// What it is.
    pub what: What,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A regular file; `through_link` where the last part of its path is a link.
    File {
        /// Its state at listing time.
        stamp: Stamp,
        /// Whether opening it must follow a link.
        through_link: bool,
    },
    /// A link that is not followed, and why.
    Link {
        /// Where it points, as it is written.
        target: Vec<u8>,
        /// Why it is not followed, as a fragment.
        why: &'static str,
        /// Nothing is where it points.
        dangles: bool,
    },
    /// A FIFO, socket or device.
    Special(&'static str),
    /// A directory that could not be read to its end; what lies below it is unknown.
    UnreadableDirectory(String),
    /// A path whose kind could not be told.
    Unknown(String),
}

/// How to walk.
#[derive(Clone, Debug, Default)]
pub struct WalkOptions {
    /// Follow links wherever they lead.
    pub follow_links: bool,
    /// Folders outside the root that links may lead into.
    pub stores: Vec<PathBuf>,
    /// Visit directory entries in this pseudo-random order; for tests that prove the order does not matter.
    pub shuffle: Option<u64>,
}

/// Walks everything below `root`, which may itself be a link, or a single file. `visit` returns `false` to stop.
pub fn walk(root: &Path, options: &WalkOptions, visit: &mut dyn FnMut(Listed) -> bool) {
    let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(metadata) => {
            let path = root.file_name().map(|n| n.as_bytes().to_vec()).unwrap_or_default();
            let what = match special(&metadata) {
                Some(kind) => What::Special(kind),
                None => What::File { stamp: stamp_of(&metadata), through_link: true },
            };
            visit(Listed { path, what });
            return;
        }
        Err(cause) => {
            visit(Listed { path: Vec::new(), what: What::UnreadableDirectory(cause.to_string()) });
            return;
        }
    }
    let stores = options.stores.iter().filter_map(|s| fs::canonicalize(s).ok()).collect();
    let mut walk = Walk { real, stores, options, links: 0, ancestors: Vec::new(), visit };
    walk.directory(root, &[]);
}

struct Walk<'a> {
    real: PathBuf,
    stores: Vec<PathBuf>,
    options: &'a WalkOptions,
    /// How many links to directories the current path goes through.
    links: usize,
    ancestors: Vec<(u64, u64)>,
    visit: &'a mut dyn FnMut(Listed) -> bool,
}

impl Walk<'_> {
    /// A path goes through no more links to directories than this: links that multiply paths end here, and where they
    /// end does not depend on the order in which folders are read.
    const LINKS_ON_A_PATH: usize = 4;
    /// Directories nested deeper than this are not entered.
    const DEPTH: usize = 512;

    fn directory(&mut self, directory: &Path, path: &[u8]) -> bool {
        let unreadable = |why: String| Listed { path: path.to_vec(), what: What::UnreadableDirectory(why) };
        let identity = match fs::metadata(directory) {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(cause) => return (self.visit)(unreadable(cause.to_string())),
        };
        if self.ancestors.len() >= Self::DEPTH {
            return (self.visit)(unreadable(format!("folders are nested deeper than {}", Self::DEPTH)));
        }
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(cause) => return (self.visit)(unreadable(cause.to_string())),
        };
        self.ancestors.push(identity);
        let mut go_on = true;
        if let Some(seed) = self.options.shuffle {
            let mut all: Vec<_> = entries.collect();
            all.sort_by_key(|e| e.as_ref().map(|e| scatter(e.file_name().as_bytes(), seed)).unwrap_or(0));
            for entry in all {
                go_on = go_on && self.entry(entry, path);
            }
        } else {
            for entry in entries {
                go_on = go_on && self.entry(entry, path);
            }
        }
        self.ancestors.pop();
        go_on
    }

    fn entry(&mut self, entry: std::io::Result<fs::DirEntry>, parent: &[u8]) -> bool {
        let entry = match entry {
            Ok(entry) => entry,
            Err(cause) => {
                let what = What::UnreadableDirectory(cause.to_string());
                return (self.visit)(Listed { path: parent.to_vec(), what });
            }
        };
        let mut path = parent.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(entry.file_name().as_bytes());
        let what = match entry.metadata() {
            Err(cause) => What::Unknown(cause.to_string()),
            Ok(metadata) if metadata.is_dir() => return self.directory(&entry.path(), &path),
            Ok(metadata) if metadata.is_symlink() => match self.link(&entry.path()) {
                Followed::File(stamp) => What::File { stamp, through_link: true },
                Followed::Directory => {
                    self.links += 1;
                    let go_on = self.directory(&entry.path(), &path);
                    self.links -= 1;
                    return go_on;
                }
                Followed::Special(kind) => What::Special(kind),
                followed @ (Followed::Not(_) | Followed::Nowhere) => {
                    let target = fs::read_link(entry.path()).map(|t| t.into_os_string().into_vec());
                    let target = target.unwrap_or_default();
                    match followed {
                        Followed::Not(why) => What::Link { target, why, dangles: false },
                        _ => What::Link { target, why: "its target does not exist", dangles: true },
                    }
                }
            },
            Ok(metadata) => match special(&metadata) {
                Some(kind) => What::Special(kind),
                None => What::File { stamp: stamp_of(&metadata), through_link: false },
            },
        };
        (self.visit)(Listed { path, what })
    }

    fn link(&mut self, link: &Path) -> Followed {
        let target = match fs::canonicalize(link) {
            Ok(target) => target,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Followed::Nowhere,
            Err(_) => return Followed::Not("its target does not exist or cannot be reached"),
        };
        let inside = target.starts_with(&self.real) || self.stores.iter().any(|s| target.starts_with(s));
        if !inside && !self.options.follow_links {
            return Followed::Not("it leads out of the dataset; --follow-links reads it");
        }
        match fs::metadata(&target) {
            Err(_) => Followed::Not("its target cannot be read"),
            Ok(metadata) if metadata.is_dir() => {
                if self.ancestors.contains(&(metadata.dev(), metadata.ino())) {
                    return Followed::Not("it leads back to a folder that holds it");
                }
                if self.links >= Self::LINKS_ON_A_PATH {
                    return Followed::Not("its path goes through too many links to folders already");
                }
                Followed::Directory
            }
            Ok(metadata) => match special(&metadata) {
                Some(kind) => Followed::Special(kind),
                None => Followed::File(stamp_of(&metadata)),
            },
        }
    }
}

enum Followed {
    File(Stamp),
    Directory,
    Special(&'static str),
    Not(&'static str),
    Nowhere,
}

fn special(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_char_device() || kind.is_block_device() {
        Some("a device")
    } else {
        Some("neither a file nor a folder")
    }
}

/// FNV-1a of a name, seeded: an order that has nothing to do with names.
fn scatter(name: &[u8], seed: u64) -> u64 {
    name.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn listing(root: &Path, options: &WalkOptions) -> Vec<(String, &'static str)> {
        let mut all = Vec::new();
        walk(root, options, &mut |listed| {
            let what = match listed.what {
                What::File { through_link: false, .. } => "file",
                What::File { through_link: true, .. } => "linked file",
                What::Link { .. } => "link",
                What::Special(kind) => kind,
                What::UnreadableDirectory(_) => "unreadable",
                What::Unknown(_) => "unknown",
            };
            all.push((String::from_utf8_lossy(&listed.path).into_owned(), what));
            true
        });
        all.sort();
        all
    }

    #[test]
    fn every_kind_of_path_is_accounted_for_and_nothing_hangs() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |p: &str| root.path().join(p);
        fs::create_dir_all(at("d/.hidden")).unwrap();
        fs::write(at("d/.hidden/a"), "a").unwrap();
        symlink("d", at("dlink")).unwrap();
        symlink("../..", at("d/loop")).unwrap();
        symlink(outside.path().join("secret"), at("out")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("d/.hidden/a", at("in")).unwrap();
        symlink(".", at("d/self")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_bits_truncate(0o600),
            0,
        )
        .unwrap();
        let expected = [
            ("d/.hidden/a", "file"),
            ("d/loop", "link"),
            ("d/self", "link"),
            ("dangling", "link"),
            ("dlink/.hidden/a", "file"),
            ("dlink/loop", "link"),
            ("dlink/self", "link"),
            ("fifo", "a FIFO"),
            ("in", "linked file"),
            ("out", "link"),
        ]
        .map(|(p, w)| (p.to_string(), w));
        assert_eq!(listing(root.path(), &WalkOptions::default()), expected);
        assert_eq!(
            listing(root.path(), &WalkOptions { shuffle: Some(3), ..WalkOptions::default() }),
            expected
        );
        let followed = listing(root.path(), &WalkOptions { follow_links: true, ..WalkOptions::default() });
        assert!(followed.contains(&("out".to_string(), "linked file")));
    }

    #[test]
    fn a_root_may_be_a_link_or_a_file() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("real")).unwrap();
        fs::write(root.path().join("real/a"), "a").unwrap();
        symlink("real", root.path().join("link")).unwrap();
        let file = |p: &str| vec![(p.to_string(), "file")];
        assert_eq!(listing(&root.path().join("link"), &WalkOptions::default()), file("a"));
        assert_eq!(
            listing(&root.path().join("real/a"), &WalkOptions::default()),
            vec![("a".to_string(), "linked file")]
        );
    }
}
