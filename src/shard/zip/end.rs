//! The end of an archive (APPNOTE 4.3.14 to 4.3.16): where its central directory lies, and who says otherwise.

use std::ops::Range;

use super::header::{CENTRAL, CENTRAL_FIXED, END, END64, LOCATOR, number16, number32, number64};
use super::limits;
use crate::shard::parquet::reads::Reads;

/// Bytes of the end record before its comment, of the zip64 record without its extension, and of the locator.
pub const END_FIXED: u64 = 22;
/// The zip64 end record without what extends it.
pub const END64_FIXED: u64 = 56;
/// The locator.
const LOCATOR_LEN: u64 = 20;
/// Bytes in which most readers seek the end: the record and the longest comment.
const NEAR: u64 = END_FIXED + 65_535;
/// Signatures that are tried before the archive is given up.
const TRIES: usize = 64;

/// What the end of an archive says.
#[derive(Debug, Default)]
pub struct Ending {
    /// The directory's bytes.
    pub directory: Range<u64>,
    /// Bytes before the archive: what offsets are counted from.
    pub base: u64,
    /// Entries that it is said to have.
    pub entries: u64,
    /// Records after the directory, in order: their bytes are structure.
    pub records: Vec<Range<u64>>,
    /// The comment.
    pub comment: Range<u64>,
    /// Where the archive contradicts itself, by place.
    pub contradictions: Vec<(u64, String)>,
}

/// Why there is none.
#[derive(Debug)]
pub enum NoEnding {
    /// Nothing like it is there.
    Absent,
    /// It is there, and cannot be built on.
    Unreadable(String),
}

impl From<std::io::Error> for NoEnding {
    fn from(error: std::io::Error) -> Self {
        NoEnding::Unreadable(format!("its end cannot be read: {error}"))
    }
}

/// Seeks the end of an archive. As most readers do, it takes the last record whose directory is there.
pub fn find(reads: &Reads) -> Result<Ending, NoEnding> {
    let mut why = None;
    for window in [NEAR, limits::TAIL] {
        let start = reads.len.saturating_sub(window);
        // At most the limit, so it fits.
        let bytes = reads.exactly(start, (reads.len - start) as usize)?;
        let signatures: Vec<u64> = memchr::memmem::rfind_iter(&bytes, &END)
            .map(|at| start + at as u64)
            .filter(|at| at + END_FIXED <= reads.len)
            .take(TRIES)
            .collect();
        for at in &signatures {
            match read(reads, *at) {
                Ok(mut ending) => {
                    let within = ending.directory.start..*at;
                    let others = signatures.iter().filter(|other| within.contains(other));
                    ending.contradictions.extend(others.map(|other| (*other, another_end())));
                    return Ok(ending);
                }
                Err(NoEnding::Absent) => {}
                Err(NoEnding::Unreadable(first)) => why = why.or(Some(first)),
            }
        }
        if start == 0 {
            break;
        }
    }
    Err(why.map_or(NoEnding::Absent, NoEnding::Unreadable))
}

/// What is said of an end that was not taken.
pub fn another_end() -> String {
    "another end of a central directory stands here: a reader that takes it shows other members".into()
}

fn read(reads: &Reads, at: u64) -> Result<Ending, NoEnding> {
    let unreadable = |what: &str| Err(NoEnding::Unreadable(what.to_string()));
    let record = reads.exactly(at, END_FIXED as usize)?;
    let comment = number16(&record, 20) as u64;
    if at + END_FIXED + comment > reads.len {
        return unreadable("its end is cut short in the comment");
    }
    let mut said = Said {
        disks: [4, 6].map(|field| number16(&record, field) as u64),
        here: number16(&record, 8) as u64,
        entries: number16(&record, 10) as u64,
        size: u64::from(number32(&record, 12)),
        offset: u64::from(number32(&record, 16)),
    };
    let mut ending = Ending { comment: at + END_FIXED..at + END_FIXED + comment, ..Ending::default() };
    let mut after_directory = at;
    if let Some((locator, place, wide)) = zip64(reads, at)? {
        let narrow = [
            (said.entries, wide.entries, 0xffff),
            (said.size, wide.size, 0xffff_ffff),
            (said.offset, wide.offset, 0xffff_ffff),
        ];
        if narrow.iter().any(|(short, long, unset)| short != long && short != unset) {
            let what = "the zip64 end of the directory and the plain one contradict each other";
            ending.contradictions.push((at, what.into()));
        }
        said = wide;
        after_directory = place;
        ending.records = vec![place..place + END64_FIXED, locator..locator + LOCATOR_LEN];
    }
    ending.records.push(at..at + END_FIXED);
    if said.disks != [0, 0] || said.here != said.entries {
        return unreadable("it is one part of an archive of several: join the parts to read it");
    }
    ending.entries = said.entries;
    let Said { size, offset, .. } = said;
    if size == 0 {
        ending.directory = after_directory..after_directory;
        return Ok(ending);
    }
    let begins = |place: Option<u64>| -> Result<Option<u64>, NoEnding> {
        let fits = |place: &u64| place.checked_add(size).is_some_and(|end| end <= after_directory);
        let Some(place) = place.filter(fits) else { return Ok(None) };
        Ok((reads.exactly(place, CENTRAL.len())?[..] == CENTRAL).then_some(place))
    };
    if size < CENTRAL_FIXED as u64 {
        return unreadable("its central directory is said to be shorter than one entry");
    }
    // Offsets count from the file's beginning, or from the archive's where something was put before it.
    let direct = begins(Some(offset))?;
    let shifted = begins(after_directory.checked_sub(size))?.filter(|place| *place > offset);
    let place = match (direct, shifted) {
        (Some(direct), Some(shifted)) => {
            let what =
                "a central directory stands here too, where another one's offset leads: readers disagree";
            ending.contradictions.push((direct, what.into()));
            shifted
        }
        (Some(place), None) | (None, Some(place)) => place,
        (None, None) => return unreadable("its central directory is not where its end says"),
    };
    ending.base = place - offset;
    ending.directory = place..place + size;
    Ok(ending)
}

/// What an end record says.
#[derive(Debug)]
struct Said {
    disks: [u64; 2],
    here: u64,
    entries: u64,
    size: u64,
    offset: u64,
}

/// The zip64 records before the end record: where the locator lies, where the record, what that says.
fn zip64(reads: &Reads, end: u64) -> Result<Option<(u64, u64, Said)>, NoEnding> {
    let Some(at) = end.checked_sub(LOCATOR_LEN) else { return Ok(None) };
    let locator = reads.exactly(at, LOCATOR_LEN as usize)?;
    if !locator.starts_with(&LOCATOR) {
        return Ok(None);
    }
    if number32(&locator, 4) != 0 || number32(&locator, 16) > 1 {
        let what = "it is one part of an archive of several: join the parts to read it";
        return Err(NoEnding::Unreadable(what.into()));
    }
    let direct = number64(&locator, 8);
    for place in [Some(direct), at.checked_sub(END64_FIXED)].into_iter().flatten() {
        if place.checked_add(END64_FIXED).is_none_or(|end| end > at) {
            continue;
        }
        let record = reads.exactly(place, END64_FIXED as usize)?;
        if !record.starts_with(&END64) {
            continue;
        }
        let said = Said {
            disks: [16, 20].map(|field| u64::from(number32(&record, field))),
            here: number64(&record, 24),
            entries: number64(&record, 32),
            size: number64(&record, 40),
            offset: number64(&record, 48),
        };
        return Ok(Some((at, place, said)));
    }
    Err(NoEnding::Unreadable("its zip64 end of the directory is not where its locator says".into()))
}
