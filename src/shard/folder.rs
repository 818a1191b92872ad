//! A folder as a container: every path below a root, of whatever kind, exactly once.
//!
//! Nothing is opened here but directories, so nothing can hang. Links are read only where they stay inside the root or
//! lead into the store that a format defines; following them never leads into a cycle.

mod crew;

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat};
use rustix::path::Arg;

use self::crew::Crew;
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

/// Walks everything below `root`, which may itself be a link, or a single file, with one thread for each of `visits`.
/// Which of them a path is told to, and in what order, is not said. One that returns `false` stops the walk.
pub fn walk<V: FnMut(Listed) -> bool + Send>(root: &Path, options: &WalkOptions, visits: &mut [V]) {
    let Some(first) = visits.first_mut() else { return };
    let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
    let failed = |cause: io::Error| What::UnreadableDirectory(cause.to_string());
    let stat = match rustix::fs::stat(root) {
        Ok(stat) => stat,
        Err(cause) => {
            first(Listed { path: Vec::new(), what: failed(cause.into()) });
            return;
        }
    };
    if kind(&stat) != FileType::Directory {
        let path = root.file_name().map(|n| n.as_bytes().to_vec()).unwrap_or_default();
        let what = match special(kind(&stat)) {
            Some(kind) => What::Special(kind),
            None => What::File { stamp: stamp_of(&stat), through_link: true },
        };
        first(Listed { path, what });
        return;
    }
    let folder = match Folder::open(CWD, root, OFlags::empty()) {
        Ok((fd, identity)) => Folder {
            fd,
            disk: root.to_path_buf(),
            path: Vec::new(),
            chain: Chain { identity, depth: 1, above: None },
            links: 0,
        },
        Err(cause) => {
            first(Listed { path: Vec::new(), what: failed(cause) });
            return;
        }
    };
    let crew = Crew::new(Task::Folder(Arc::new(folder)));
    let stores = options.stores.iter().filter_map(|s| fs::canonicalize(s).ok()).collect();
    let walk = Walk { real, stores, options, crew: &crew, stopped: AtomicBool::new(false) };
    crew.run(visits, |task, visit| match task {
        Task::Folder(folder) => walk.folder(&folder, visit),
        Task::Entries(folder, names) => walk.entries(&folder, names, visit),
    });
}

/// What may be handed to another thread.
enum Task {
    /// A folder to be read.
    Folder(Arc<Folder>),
    /// Names that stand in one.
    Entries(Arc<Folder>, Vec<CString>),
}

/// A folder that is being walked.
struct Folder {
    fd: OwnedFd,
    /// Where it is on the disk.
    disk: PathBuf,
    /// Below the root.
    path: Vec<u8>,
    chain: Chain,
    /// How many links to directories its path goes through.
    links: usize,
}

/// A folder and those that it lies in, by device and inode.
struct Chain {
    identity: (u64, u64),
    depth: usize,
    above: Option<Arc<Folder>>,
}

impl Folder {
    fn open(at: impl AsFd, path: impl Arg, flags: OFlags) -> io::Result<(OwnedFd, (u64, u64))> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | flags;
        let fd = rustix::fs::openat(at, path, flags, Mode::empty())?;
        let identity = stamp_of(&rustix::fs::fstat(&fd)?).inode;
        Ok((fd, identity))
    }

    fn path_of(&self, name: &CStr) -> Vec<u8> {
        let name = name.to_bytes();
        let mut path = Vec::with_capacity(self.path.len() + 1 + name.len());
        if !self.path.is_empty() {
            path.extend_from_slice(&self.path);
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    fn disk_of(&self, name: &CStr) -> PathBuf {
        self.disk.join(OsStr::from_bytes(name.to_bytes()))
    }

    fn is_or_lies_in(&self, identity: (u64, u64)) -> bool {
        let mut folder = self;
        loop {
            if folder.chain.identity == identity {
                return true;
            }
            match &folder.chain.above {
                Some(above) => folder = above,
                None => return false,
            }
        }
    }
}

struct Walk<'a> {
    real: PathBuf,
    stores: Vec<PathBuf>,
    options: &'a WalkOptions,
    crew: &'a Crew<Task>,
    stopped: AtomicBool,
}

type Visit<'v> = &'v mut (dyn FnMut(Listed) -> bool + 'v);

impl Walk<'_> {
    /// A path goes through no more links to directories than this: links that multiply paths end here, and where they
    /// end does not depend on the order in which folders are read.
    const LINKS_ON_A_PATH: usize = 4;
    /// Directories nested deeper than this are not entered.
    const DEPTH: usize = 512;
    /// Bytes of names and what belongs to them that are asked of the system at once.
    const NAMES: usize = 32 * 1024;

    fn tell(&self, listed: Listed, visit: Visit<'_>) {
        if !self.is_stopped() && !visit(listed) {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn folder(&self, folder: &Arc<Folder>, visit: Visit<'_>) {
        let mut buffer = Vec::with_capacity(Self::NAMES);
        let mut names = RawDir::new(&folder.fd, buffer.spare_capacity_mut());
        let mut together = Vec::new();
        while !self.is_stopped() {
            match names.next() {
                None => break,
                Some(Ok(entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Some(Ok(entry)) => together.push(entry.file_name().to_owned()),
                Some(Err(cause)) => {
                    let what = What::UnreadableDirectory(io::Error::from(cause).to_string());
                    self.tell(Listed { path: folder.path.clone(), what }, visit);
                    break;
                }
            }
            if names.is_buffer_empty() && self.options.shuffle.is_none() {
                let task = Task::Entries(Arc::clone(folder), std::mem::take(&mut together));
                if let Some(Task::Entries(_, names)) = self.crew.offer(task) {
                    self.entries(folder, names, visit);
                }
            }
        }
        if let Some(seed) = self.options.shuffle {
            together.sort_by_key(|name| scatter(name.to_bytes(), seed));
        }
        self.entries(folder, together, visit);
    }

    fn entries(&self, folder: &Arc<Folder>, names: Vec<CString>, visit: Visit<'_>) {
        let mut names = names.into_iter();
        while let Some(name) = names.next() {
            if self.is_stopped() {
                return;
            }
            self.entry(folder, &name, visit);
            // Half of a folder that keeps one thread busy alone.
            if names.len() >= 64 && self.crew.is_hungry() {
                let half = names.len() / 2;
                let half = names.by_ref().take(half).collect();
                if let Some(Task::Entries(_, half)) = self.crew.offer(Task::Entries(Arc::clone(folder), half))
                {
                    self.entries(folder, half, visit);
                }
            }
        }
    }

    fn entry(&self, folder: &Arc<Folder>, name: &CStr, visit: Visit<'_>) {
        let path = folder.path_of(name);
        let what = match rustix::fs::statat(&folder.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(cause) => What::Unknown(io::Error::from(cause).to_string()),
            Ok(stat) => match kind(&stat) {
                FileType::Directory => return self.enter(folder, name, path, false, visit),
                FileType::Symlink => match self.link(folder, &folder.disk_of(name)) {
                    Followed::File(stamp) => What::File { stamp, through_link: true },
                    Followed::Directory => return self.enter(folder, name, path, true, visit),
                    Followed::Special(kind) => What::Special(kind),
                    followed @ (Followed::Not(_) | Followed::Nowhere) => {
                        let target =
                            fs::read_link(folder.disk_of(name)).map(|t| t.into_os_string().into_vec());
                        let target = target.unwrap_or_default();
                        match followed {
                            Followed::Not(why) => What::Link { target, why, dangles: false },
                            _ => What::Link { target, why: "its target does not exist", dangles: true },
                        }
                    }
                },
                other => match special(other) {
                    Some(kind) => What::Special(kind),
                    None => What::File { stamp: stamp_of(&stat), through_link: false },
                },
            },
        };
        self.tell(Listed { path, what }, visit);
    }

    fn enter(&self, holder: &Arc<Folder>, name: &CStr, path: Vec<u8>, through_link: bool, visit: Visit<'_>) {
        if holder.chain.depth >= Self::DEPTH {
            let what = What::UnreadableDirectory(format!("folders are nested deeper than {}", Self::DEPTH));
            return self.tell(Listed { path, what }, visit);
        }
        let flags = if through_link { OFlags::empty() } else { OFlags::NOFOLLOW };
        let (fd, identity) = match Folder::open(&holder.fd, name, flags) {
            Ok(opened) => opened,
            Err(cause) => {
                return self.tell(Listed { path, what: What::UnreadableDirectory(cause.to_string()) }, visit);
            }
        };
        let chain = Chain { identity, depth: holder.chain.depth + 1, above: Some(Arc::clone(holder)) };
        let links = holder.links + usize::from(through_link);
        let folder = Arc::new(Folder { fd, disk: holder.disk_of(name), path, chain, links });
        if let Some(Task::Folder(folder)) = self.crew.offer(Task::Folder(folder)) {
            self.folder(&folder, visit);
        }
    }

    fn link(&self, folder: &Folder, link: &Path) -> Followed {
        let target = match fs::canonicalize(link) {
            Ok(target) => target,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Followed::Nowhere,
            Err(_) => return Followed::Not("its target does not exist or cannot be reached"),
        };
        let inside = target.starts_with(&self.real) || self.stores.iter().any(|s| target.starts_with(s));
        if !inside && !self.options.follow_links {
            return Followed::Not("it leads out of the dataset; --follow-links reads it");
        }
        match rustix::fs::stat(&target) {
            Err(_) => Followed::Not("its target cannot be read"),
            Ok(stat) if kind(&stat) == FileType::Directory => {
                if folder.is_or_lies_in(stamp_of(&stat).inode) {
                    return Followed::Not("it leads back to a folder that holds it");
                }
                if folder.links >= Self::LINKS_ON_A_PATH {
                    return Followed::Not("its path goes through too many links to folders already");
                }
                Followed::Directory
            }
            Ok(stat) => match special(kind(&stat)) {
                Some(kind) => Followed::Special(kind),
                None => Followed::File(stamp_of(&stat)),
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

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn special(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile => None,
        FileType::Fifo => Some("a FIFO"),
        FileType::Socket => Some("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        _ => Some("neither a file nor a folder"),
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
        let [one, three] = [1, 3].map(|threads| listing_by(root, options, threads));
        assert_eq!(one, three, "whoever walks, everything is told once");
        one
    }

    fn listing_by(root: &Path, options: &WalkOptions, threads: usize) -> Vec<(String, &'static str)> {
        let mut all = vec![Vec::new(); threads];
        let mut visits: Vec<_> = all
            .iter_mut()
            .map(|all| {
                |listed: Listed| {
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
                }
            })
            .collect();
        walk(root, options, &mut visits);
        drop(visits);
        let mut all = all.concat();
        all.sort();
        all
    }

    #[test]
    fn every_kind_of_path_is_accounted_for_and_nothing_hangs() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let home = tempfile::tempdir().unwrap();
        // One folder lies between the root and those of others, into which a link leads.
        let root = home.path().join("root");
        let at = |p: &str| root.join(p);
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
        assert_eq!(listing(&root, &WalkOptions::default()), expected);
        assert_eq!(listing(&root, &WalkOptions { shuffle: Some(3), ..WalkOptions::default() }), expected);
        let followed = listing(&root, &WalkOptions { follow_links: true, ..WalkOptions::default() });
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

    #[test]
    fn many_files_in_one_folder_and_many_folders_are_told_once_by_any_number_of_threads() {
        let root = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for n in 0..1500 {
            fs::write(root.path().join(format!("{n:040}")), "").unwrap();
            expected.push((format!("{n:040}"), "file"));
        }
        for n in 0..70 {
            fs::create_dir_all(root.path().join(format!("d{n:02}/deep"))).unwrap();
            fs::write(root.path().join(format!("d{n:02}/deep/x")), "").unwrap();
            expected.push((format!("d{n:02}/deep/x"), "file"));
        }
        assert_eq!(listing(root.path(), &WalkOptions::default()), expected);
        let shuffled = WalkOptions { shuffle: Some(1), ..WalkOptions::default() };
        assert_eq!(listing(root.path(), &shuffled), expected);
    }

    #[test]
    fn a_walk_that_is_stopped_tells_nothing_more() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..100 {
            fs::write(root.path().join(format!("{n}")), "").unwrap();
        }
        let mut told = 0;
        walk(
            root.path(),
            &WalkOptions::default(),
            &mut [|_| {
                told += 1;
                told < 3
            }],
        );
        assert_eq!(told, 3);
    }

    #[test]
    fn a_stamp_is_what_the_standard_library_tells() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "abc").unwrap();
        let metadata = fs::metadata(root.path().join("a")).unwrap();
        walk(
            root.path(),
            &WalkOptions::default(),
            &mut [|listed: Listed| {
                let What::File { stamp, .. } = listed.what else { panic!("a file") };
                assert_eq!((stamp.size, stamp.inode), (3, (metadata.dev(), metadata.ino())));
                let of = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
                assert_eq!(stamp.mtime, of(metadata.mtime(), metadata.mtime_nsec()));
                assert_eq!(stamp.ctime, of(metadata.ctime(), metadata.ctime_nsec()));
                true
            }],
        );
    }
}
