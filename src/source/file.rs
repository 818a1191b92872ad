//! A regular file as a source.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Advice, Mode, OFlags};

use super::{Block, Got, Source, SourceError, Stamp};

/// An open regular file.
#[derive(Debug)]
pub struct FileSource {
    file: File,
}

impl FileSource {
    /// Opens a regular file. It never waits (a FIFO that stands at the name is refused, not read) and does not follow
    /// a link in the last part of the name unless `through_link`.
    ///
    /// # Errors
    /// Where it cannot be opened or is no regular file.
    pub fn open(path: &Path, through_link: bool) -> io::Result<FileSource> {
        let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        if !through_link {
            flags |= OFlags::NOFOLLOW;
        }
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        // Advice only: a file system that does not know it reads as well.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        Ok(FileSource { file })
    }
}

impl Source for FileSource {
    fn stamp(&self) -> Result<Stamp, SourceError> {
        let metadata = self.file.metadata().map_err(|cause| SourceError { at: 0, cause })?;
        Ok(stamp_of(&metadata))
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

/// The stamp of a file from its metadata.
pub fn stamp_of(metadata: &std::fs::Metadata) -> Stamp {
    let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Stamp {
        size: metadata.size(),
        mtime: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: (metadata.dev(), metadata.ino()),
    }
}
