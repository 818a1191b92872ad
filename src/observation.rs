//! What was measured of one item.

use serde::{Deserialize, Serialize};

use crate::digest::Digests;
use crate::locator::Locator;

/// What kind of thing an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A file of the dataset.
    File,
    /// What a compressed file or member decompresses to.
    Stream,
    /// A named entry of an archive.
    Member,
    /// A row of a table or a line of a text.
    Row,
    /// A value of a table.
    Cell,
    /// Bytes of a layer that are neither content nor structure.
    Region,
}

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// All its bytes were seen.
    Complete,
    /// The file or stream ended before the item did.
    Truncated,
    /// Its bytes cannot be trusted or could not be had: a failed check sum, a decoder's error, a read error.
    Damaged,
}

/// What bytes of a layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegionClass {
    /// Content of an item or of the next layer.
    Payload,
    /// Headers, trailers, directories.
    Structure,
    /// Padding, all zero.
    ZeroPad,
    /// Padding that is not zero.
    NonzeroPad,
    /// Bytes inside the format's frame that no reader shows: data of a directory entry, an extra field.
    Dead,
    /// Bytes after the format's end.
    Trailing,
    /// Bytes that another entry has claimed already.
    Shadowed,
    /// Bytes that could not be interpreted.
    Opaque,
}

impl RegionClass {
    /// Whether the bytes are content that no reader shows: hashed, looked up, and `undisclosed` where nothing covers
    /// them.
    pub fn is_hidden(self) -> bool {
        matches!(
            self,
            RegionClass::NonzeroPad
                | RegionClass::Dead
                | RegionClass::Trailing
                | RegionClass::Shadowed
                | RegionClass::Opaque
        )
    }

    /// The word in reports and tables.
    pub fn name(self) -> &'static str {
        match self {
            RegionClass::Payload => "payload",
            RegionClass::Structure => "structure",
            RegionClass::ZeroPad => "zero-pad",
            RegionClass::NonzeroPad => "nonzero-pad",
            RegionClass::Dead => "dead",
            RegionClass::Trailing => "trailing",
            RegionClass::Shadowed => "shadowed",
            RegionClass::Opaque => "opaque",
        }
    }
}

/// One item as it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Where it is. A region's offset counts in the layer that holds it.
    pub locator: Locator,
    /// Its number within its file, 0 for the file.
    pub item: u64,
    /// What it is.
    pub kind: Kind,
    /// Bytes measured; for an item that was not read, the size known beforehand.
    pub length: u64,
    /// Digests of all its bytes; none where not all were seen.
    pub digests: Digests,
    /// Digests of what was seen of an item that could not be read as it should: looked up in hash lists, since a failed
    /// check sum makes bad content no better, and used for nothing else.
    pub of_damaged: Digests,
    /// For a row: its identity as a record, `rec1`.
    pub record: Option<[u8; 32]>,
    /// How far it was read.
    pub state: State,
    /// It lies after the end of its archive, where no reader of the format shows it.
    pub hidden: bool,
    /// For a region: its class.
    pub region: Option<RegionClass>,
    /// The region lies in the decompressed stream, not in the file.
    pub in_stream: bool,
    /// It was opened: its samples are items of their own.
    pub opened: bool,
    /// Not all of its inside was seen.
    pub inside_incomplete: bool,
    /// For a compressed archive: digests and length of what it decompresses to.
    pub stream: Option<(Digests, u64)>,
    /// It is no item, though it is looked up in hash lists: the record of a WebDataset sample, whose members are the
    /// items, or a name in the header of a table.
    pub derived: bool,
    /// For a file: how many rows and cells are in it, items that are kept by its side and not one by one.
    pub unnamed: u64,
    /// For a file: its state when it was listed.
    pub stamp: Option<Stamp>,
    /// The pointer it consists of.
    pub pointer: Option<PointerSeen>,
    /// It is on a hash list: no digest of it is shown anywhere.
    pub known_bad: bool,
    /// It is a manifest of the run or a format's bookkeeping: nobody has to claim it.
    pub exempt: bool,
}

impl Observation {
    /// An item of which nothing was measured yet.
    pub fn new(locator: Locator, item: u64, kind: Kind) -> Observation {
        Observation {
            locator,
            item,
            kind,
            length: 0,
            digests: Digests::new(),
            of_damaged: Digests::new(),
            record: None,
            state: State::Read,
            hidden: false,
            region: None,
            in_stream: false,
            opened: false,
            inside_incomplete: false,
            stream: None,
            derived: false,
            unnamed: 0,
            stamp: None,
            pointer: None,
            known_bad: false,
            exempt: false,
        }
    }

    /// A file that was not read.
    pub fn unread(locator: Locator, length: u64, why: Unread) -> Observation {
        Observation { length, state: State::Unread(why), ..Observation::new(locator, 0, Kind::File) }
    }
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since 1970.
    #[serde(with = "nanoseconds")]
    pub mtime: i128,
    /// Last change of content or attributes, nanoseconds since 1970.
    #[serde(with = "nanoseconds")]
    pub ctime: i128,
    /// Device and inode.
    pub inode: (u64, u64),
}

/// Times as records hold them: seconds and nanoseconds, as the system gives them, and not a number of 128 bits.
mod nanoseconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    const SECOND: i128 = 1_000_000_000;

    pub fn serialize<S: Serializer>(time: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = i64::try_from(time.div_euclid(SECOND)).map_err(ser::Error::custom)?;
        let rest = u32::try_from(time.rem_euclid(SECOND)).map_err(ser::Error::custom)?;
        (seconds, rest).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        let (seconds, rest) = <(i64, u32)>::deserialize(deserializer)?;
        match i128::from(rest) < SECOND {
            true => Ok(i128::from(seconds) * SECOND + i128::from(rest)),
            false => Err(de::Error::custom("more nanoseconds than a second has")),
        }
    }
}

/// A pointer found in place of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PointerSeen {
    /// Of Git LFS.
    Lfs {
        /// SHA-256 of the data it stands for.
        oid: [u8; 32],
        /// Its size in bytes.
        size: u64,
    },
    /// Of git-annex.
    Annex {
        /// Size in bytes of the data it stands for, where its key gives one.
        size: Option<u64>,
    },
}

/// How far an item was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// To its end.
    Read,
    /// Not at all or not to its end; the finding that says why has been made.
    Unread(Unread),
    /// Nobody asked for it.
    NotAsked,
}

/// Why an item was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unread {
    /// Damaged, cut short, refused by the system, or of a kind that is never opened.
    Unreadable,
    /// A link that was not followed.
    UnfollowedLink,
    /// A git-annex link whose content is not here.
    Pointer,
    /// It changed while it was read.
    ChangedWhileReading,
}

impl Unread {
    /// The word in reports, equal to the finding's code.
    pub fn name(self) -> &'static str {
        match self {
            Unread::Unreadable => "unreadable",
            Unread::UnfollowedLink => "unfollowed-link",
            Unread::Pointer => "pointer",
            Unread::ChangedWhileReading => "changed-while-reading",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_as_it_was_written() {
        let far = i128::from(i64::MAX) * 1_000_000_000 + 999_999_999;
        for time in [0, 1, -1, 999_999_999, -1_000_000_001, 1_700_000_000_123_456_789, far] {
            let stamp = Stamp { size: 7, mtime: time, ctime: -time, inode: (1, 2) };
            let written = postcard::to_stdvec(&stamp).unwrap();
            assert_eq!(postcard::from_bytes::<Stamp>(&written).unwrap(), stamp, "{time}");
        }
    }
}
