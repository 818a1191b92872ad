//! A regular file as a source.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Advice, CWD, Mode, OFlags, Stat};

use super::{Block, Got, Source, SourceError, Stamp};

/// An open regular file.
///
/// Of a small file most of the time goes to system calls, so there are as few as there can be: it is opened, looked at,
/// read, and looked at again.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    opened: Stamp,
}

/// Bytes from which on the system is told that all of a file will be read: below, it reads that far ahead by itself.
const ADVISED: u64 = 1 << 20;

impl FileSource {
    /// Opens a regular file. It never waits (a FIFO that stands at the name is refused, not read) and does not follow
    /// a link in the last part of the name unless `through_link`.
    ///
    /// # Errors
    /// Where it cannot be opened or is no regular file.
    pub fn open(path: &Path, through_link: bool) -> io::Result<FileSource> {
        FileSource::open_in(CWD, path, through_link)
    }

    /// The same for a path below an open folder: the system does not walk the path to the folder again.
    ///
    /// # Errors
    /// Where it cannot be opened or is no regular file.
    pub fn open_in(folder: impl AsFd, path: &Path, through_link: bool) -> io::Result<FileSource> {
        let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        if !through_link {
            flags |= OFlags::NOFOLLOW;
        }
        let file = File::from(rustix::fs::openat(folder, path, flags, Mode::empty())?);
        let stat = rustix::fs::fstat(&file)?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let opened = stamp_of(&stat);
        if opened.size >= ADVISED {
            // Advice only: a file system that does not know it reads as well.
            let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        }
        Ok(FileSource { file, opened })
    }
}

impl Source for FileSource {
    fn stamp(&self) -> Result<Stamp, SourceError> {
        stamp_now(&self.file).map_err(|cause| SourceError { at: 0, cause })
    }

    fn opened(&self) -> Result<Stamp, SourceError> {
        Ok(self.opened)
    }

    fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError> {
        loop {
            match self.file.read_at(into.space(), at) {
                Ok(0) => {
                    into.fill(0);
                    return Ok(Got::End);
                }
                Ok(n) => {
                    into.fill(n);
                    return Ok(Got::Bytes(n));
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(SourceError { at, cause }),
            }
        }
    }
}

/// Opens a folder, to look at and open what lies in it.
///
/// # Errors
/// Where it cannot be opened or is no folder.
pub fn open_folder(folder: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, path, flags, Mode::empty())?)
}

/// The stamp that an open file has now.
///
/// # Errors
/// Where the system cannot tell.
pub fn stamp_now(file: impl AsFd) -> io::Result<Stamp> {
    Ok(stamp_of(&rustix::fs::fstat(file)?))
}

/// The stamp of a file from what the system says of it. `fstat` and its kin are asked and not `statx`, which takes
/// longer and says no more of what counts here.
pub fn stamp_of(stat: &Stat) -> Stamp {
    let nanoseconds = |seconds: i128, rest: i128| seconds * 1_000_000_000 + rest;
    Stamp {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime: nanoseconds(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
        ctime: nanoseconds(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
        inode: (stat.st_dev, stat.st_ino),
    }
}
