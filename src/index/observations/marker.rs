//! The marker of an index: the file that says that the folder is one, that it is whole, and what is in it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::part::{PartReader, damaged};
use crate::digest::{Algorithm, DigestSet};
use crate::error::{Error, Result};

/// Name of the marker.
pub const MARKER: &str = "shardproof-index.json";

/// Name and version of the format of an index.
pub const FORMAT: &str = "shardproof.index/1";

/// The longest marker that is read: one of a million parts.
const LONGEST: u64 = 256 << 20;

/// Whether a folder is an index.
pub fn is_index(path: &Path) -> bool {
    path.join(MARKER).is_file()
}

/// A part as the marker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartEntry {
    /// Its file in the folder `observations`.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// The sum of the lengths of its items.
    pub bytes: u64,
    /// The order-independent sum of its items' digests.
    pub digest_sum: String,
}

impl PartEntry {
    /// Where it stands among the parts: by the number of its split, the pieces of one file before the part that holds
    /// the file. Past a million splits, names alone no longer sort so.
    pub fn order(&self) -> (u64, u64) {
        let numbers = self.name.trim_start_matches("part-").trim_end_matches(".parquet");
        let (split, piece) = numbers.split_once('-').unwrap_or((numbers, ""));
        (split.parse().unwrap_or(u64::MAX), piece.parse().unwrap_or(u64::MAX))
    }
}

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDir {
    /// [`FORMAT`].
    pub schema: String,
    /// The program that wrote it.
    pub tool: String,
    /// The dataset's roots as they were typed; empty where there was one.
    pub roots: Vec<String>,
    /// Algorithms of which every item that was read has a digest.
    pub digests: Vec<String>,
    /// Whether containers were looked into.
    pub opened: bool,
    /// Files of the dataset.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Samples in them.
    pub samples: u64,
    /// How many findings were made while it was written.
    pub findings: u64,
    /// What was left out by `--include` and `--exclude`.
    pub left_out: u64,
    /// Folders that could not be listed: the number of the root, and the path with odd bytes escaped. Nothing that lies
    /// below them is known.
    pub unlisted: Vec<(u16, String)>,
    /// Its parts, in the order of the paths in them.
    pub parts: Vec<PartEntry>,
}

impl IndexDir {
    /// Reads the marker of an index.
    ///
    /// # Errors
    /// Where it is none of this version.
    pub fn open(path: &Path) -> Result<IndexDir> {
        let marker = path.join(MARKER);
        let cannot = |cause| Error::Unreadable { role: "index", path: marker.clone(), cause };
        let metadata = fs::metadata(&marker).map_err(cannot)?;
        if metadata.len() > LONGEST {
            return Err(damaged(&marker, "its marker is over the limit of 256 MiB".to_string()));
        }
        let text = fs::read(&marker).map_err(cannot)?;
        // The version first: a marker of another one may look different altogether.
        #[derive(Deserialize)]
        struct Version {
            schema: String,
        }
        let version: Version = serde_json::from_slice(&text)
            .map_err(|error| damaged(&marker, format!("its marker cannot be read: {error}")))?;
        if version.schema != FORMAT {
            return Err(damaged(&marker, format!("its format is {:?}, not {FORMAT:?}", version.schema)));
        }
        let index: IndexDir = serde_json::from_slice(&text)
            .map_err(|error| damaged(&marker, format!("its marker cannot be read: {error}")))?;
        let plain = |name: &str| name.starts_with("part-") && !name.contains(['/', '\\', '\0']);
        if !index.parts.iter().all(|part| plain(&part.name)) {
            return Err(damaged(&marker, "its marker names a part outside of it".to_string()));
        }
        Ok(index)
    }

    /// The algorithms that its items have.
    pub fn algorithms(&self) -> DigestSet {
        self.digests.iter().filter_map(|name| Algorithm::from_name(name)).collect()
    }

    /// Its parts, those of one split together: rows of a file may stand in pieces of the part that the file is in.
    pub fn splits(&self) -> Vec<&[PartEntry]> {
        let split = |part: &PartEntry| part.name.split(['-', '.']).nth(1).map(str::to_string);
        self.parts.chunk_by(|a, b| split(a) == split(b)).collect()
    }

    /// Opens its parts one after the other.
    pub fn parts<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = Result<PartReader>> + 'a {
        let roots = Arc::new(self.roots.clone());
        self.parts.iter().map(move |part| PartReader::open(path, part, Arc::clone(&roots)))
    }

    /// Writes the marker: from now on the folder is an index.
    ///
    /// # Errors
    /// Where nothing can be written.
    pub fn commit(&self, path: &Path) -> Result<()> {
        let marker = path.join(MARKER);
        let unfinished = path.join(format!(".{MARKER}.unfinished"));
        self.try_commit(&marker, &unfinished).map_err(|cause| Error::Io {
            doing: "write",
            path: marker,
            cause,
            advice: "Free some space there, or name another folder with --output.",
        })
    }

    fn try_commit(&self, marker: &PathBuf, unfinished: &PathBuf) -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let mut file = File::create(unfinished)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(unfinished, marker)
    }
}
