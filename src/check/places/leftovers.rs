//! What the round by name leaves to the later ones.

use serde::{Deserialize, Serialize};

use crate::claim::{ClaimedInside, SourceId};
use crate::digest::Digests;
use crate::error::Result;
use crate::finding::Finding;
use crate::index::spool::{Sorted, Spool};
use crate::observation::Observation;

/// What the round by name leaves to the later ones.
pub struct Leftovers {
    /// Claimed names that no item stands at, by place.
    pub absent: Sorted<Absent>,
    /// Items that nothing claims by name, by [`item_key`], each after the container that holds it.
    pub loose: Sorted<Loose>,
    /// Places below which not everything was seen, and why.
    pub blind: Sorted<String>,
    /// Files that are not as an index claims them, which claims their samples as well: by place.
    pub opened: Sorted<OpenClaim>,
}

/// A claimed file of whose name one with other bytes is here, and whose samples are sought one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenClaim {
    /// The index that claims it.
    pub source: SourceId,
    /// Its name.
    pub name: Vec<u8>,
    /// How many claims there are on the file itself.
    pub claims: u64,
    /// How many rows and cells of it are claimed.
    pub unnamed: u64,
}

/// A claimed name that no item stands at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// The name.
    pub name: Vec<u8>,
    /// How much of it names a file that is here; the rest is the name of something inside.
    pub shard: Option<usize>,
    /// The file that the name lies in is here.
    pub shard_is_here: bool,
    /// How many claims there are on it.
    pub claims: u64,
    /// All digests claimed of it.
    pub digests: Digests,
    /// The size claimed of it.
    pub size: Option<u64>,
    /// The first claim's manifest.
    pub source: SourceId,
    /// And line.
    pub line: u64,
    /// A download of it did not finish.
    pub interrupted: bool,
    /// For what was published at a URL: a file with its file name and other content, and whether nothing else that is
    /// published is that file.
    pub namesake: Option<(Vec<u8>, bool)>,
    /// Where the publisher left it to be fetched from.
    pub fetch: Option<Vec<u8>>,
    /// For a file whose samples are claimed as well: how many.
    pub inside: Option<ClaimedInside>,
}

/// An item that nothing claims by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loose {
    /// The item.
    pub seen: Observation,
    /// What it is to its container.
    pub role: Role,
}

/// What a loose item is to the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A file that nothing claims; for a container, what its members' own claims made of them.
    File {
        /// Members that were settled by claims of their own.
        settled_members: u64,
        /// A claim names something inside that was not found.
        sought_inside: bool,
    },
    /// A sample or hidden bytes in a loose container: settled with it.
    InLoose,
    /// A sample or hidden bytes in an altered container: altered with it unless found to be moved.
    InAltered,
    /// A file that is not as claimed, of which more is to be told: its rows and cells, and, where an index claims all
    /// of its samples, whether only their packing changed.
    Altered(Box<AlteredFile>),
    /// A sample or hidden bytes in such a file of which an index claims all samples.
    InRepacked,
}

/// A file that is not as claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlteredFile {
    /// What is told of it unless all its samples are as claimed; where it has been told, `None`.
    pub finding: Option<Finding>,
    /// An index claims all of its samples.
    pub claimed_inside: bool,
    /// Members that are as claimed.
    pub sound_members: u64,
    /// Members that are not as claimed.
    pub odd_members: u64,
    /// A claim names something inside that was not found.
    pub sought_inside: bool,
}

/// What the round leaves, but for what was blind before.
pub struct Joined {
    pub(super) absent: Spool<Absent>,
    pub(super) loose: Spool<Loose>,
    pub(super) blind: Spool<String>,
    pub(super) opened: Spool<OpenClaim>,
}

impl Joined {
    /// What is left. `blind` holds the places below which nothing could be seen; files that were not read to their end
    /// are added to it.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn leftovers(self, blind: Spool<String>) -> Result<Leftovers> {
        Ok(Leftovers {
            absent: self.absent.sorted()?,
            loose: self.loose.sorted()?,
            blind: Sorted::of(vec![self.blind, blind])?,
            opened: self.opened.sorted()?,
        })
    }
}
