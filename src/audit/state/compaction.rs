//! Records of files that are gone or changed are thrown away once they are the greater part.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::folder::{Folder, failed};
use super::lookup::Foreign;
use super::record;
use super::segment::{Header, OpenSegment, SegmentWriter};
use crate::error::Result;
use crate::index::spool::Spool;

/// Less is not worth it.
const WORTH: u64 = 1 << 20;

/// More segments than this are put together, however good they are: each is an open file.
const MOST_SEGMENTS: usize = 64;

/// A record that is of use; its key says where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// How long it is.
    pub bytes: u64,
}

impl Live {
    /// Segment and first byte.
    pub fn key(segment: u32, offset: u64) -> [u8; 12] {
        let mut key = [0; 12];
        key[..4].copy_from_slice(&segment.to_be_bytes());
        key[4..].copy_from_slice(&offset.to_be_bytes());
        key
    }
}

/// What is to be kept, and what is not.
pub struct Due {
    foreign: Foreign,
    spoilt: Vec<PathBuf>,
    live: Option<Spool<Live>>,
}

impl Due {
    /// Before anything is listed.
    pub fn new(foreign: Foreign, spoilt: Vec<PathBuf>) -> Due {
        Due { foreign, spoilt, live: None }
    }

    /// These records are of use.
    pub fn live(&mut self, live: Spool<Live>) {
        self.live = Some(live);
    }
}

/// Writes what is of use into one segment and removes all others, if that is worth it.
///
/// # Errors
/// Where the disk is full: then nothing was removed.
pub fn compact(
    folder: &Folder,
    segments: &[OpenSegment],
    header: &Header,
    number: u32,
    due: Due,
) -> Result<()> {
    let Due { foreign, spoilt, live } = due;
    let Some(mut live) = live else { return Ok(()) };
    live.absorb(foreign.live)?;
    let live = live.sorted()?;
    let mut used = 0;
    for record in live.iter() {
        used += record?.1.bytes;
    }
    let all: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let stale = all.saturating_sub(used);
    let is_worth_it = (stale > all / 2 && stale > WORTH) || segments.len() > MOST_SEGMENTS;
    let mut old = spoilt;
    if is_worth_it {
        if used > 0 {
            let header = Header { roots: foreign.roots, ..header.clone() };
            let mut writer = SegmentWriter::create(&folder.path, number, &header)?;
            let written = copy_all(segments, &live, &mut writer);
            if let Err(error) = written {
                let _ = fs::remove_file(writer.path());
                return Err(error);
            }
        }
        old.extend(segments.iter().map(|segment| segment.path.clone()));
    }
    folder.sync()?;
    for path in &old {
        fs::remove_file(path).map_err(|cause| failed("remove", path, cause))?;
    }
    if old.is_empty() { Ok(()) } else { folder.sync() }
}

fn copy_all(
    segments: &[OpenSegment],
    live: &crate::index::spool::Sorted<Live>,
    writer: &mut SegmentWriter,
) -> Result<()> {
    let mut last = None;
    for found in live.iter() {
        let (key, _) = found?;
        // Several roots may have a file of one name, and one record is found once for each.
        if last.as_ref() == Some(&key) {
            continue;
        }
        let (segment, offset) = key.split_at(4);
        let segment = segment.try_into().map_or(0, u32::from_be_bytes);
        let offset = offset.try_into().map_or(0, u64::from_be_bytes);
        if let Some(segment) = segments.get(segment as usize) {
            record::copy(segment, offset, writer)?;
        }
        last = Some(key);
    }
    writer.sync()
}
