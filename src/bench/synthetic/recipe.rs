//! What data a benchmark wants: layout, amount, seed.

use super::random::{Random, Sizes};
use crate::error::{Error, Result};

/// How the samples are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A file for each sample.
    Folder,
    /// WebDataset-like tar shards, a member for each sample.
    Tar,
    /// zstd Parquet files of an identifier, a URL and a caption, a row for each sample.
    Parquet,
    /// The same as JSON Lines.
    Jsonl,
}

impl Layout {
    /// All of them.
    pub const ALL: [Layout; 4] = [Layout::Folder, Layout::Tar, Layout::Parquet, Layout::Jsonl];

    /// Its name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Folder => "folder",
            Layout::Tar => "tar",
            Layout::Parquet => "parquet",
            Layout::Jsonl => "jsonl",
        }
    }

    /// The layout of this name.
    pub fn from_name(name: &str) -> Option<Layout> {
        Layout::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// Whether samples are rows of a table.
    pub fn has_rows(self) -> bool {
        matches!(self, Layout::Parquet | Layout::Jsonl)
    }

    /// Bytes of a sample where nobody says: 40 KiB, about what the images of LAION-5B have (220 TB in 5.85 billion), or
    /// 200 bytes of a row, about what its URLs and captions have.
    pub fn usual_sample(self) -> u64 {
        if self.has_rows() { 200 } else { 40 << 10 }
    }
}

/// Everything that decides the data, byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// How samples are packed.
    pub layout: Layout,
    /// Bytes of all samples together, before they are packed.
    pub bytes: u64,
    /// Shards; of the layout `folder`, folders.
    pub shards: u64,
    /// Bytes of a sample on average.
    pub sample_bytes: u64,
    /// What the pseudo-random content begins with.
    pub seed: u64,
}

/// The longest row: rows are made in memory.
const LONGEST_ROW: u64 = 1 << 20;

/// Names of pseudo-random streams.
const SIZES: u64 = 1;
const CONTENT: u64 = 2;

impl Recipe {
    /// Refuses what no data can be made of.
    ///
    /// # Errors
    /// A sentence on what to ask for instead.
    pub fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::Usage(why));
        if self.bytes == 0 {
            return refuse("--bytes 0 leaves nothing to measure; name an amount such as 1GiB".into());
        }
        if self.shards == 0 || self.shards > self.bytes {
            let Recipe { shards, bytes, .. } = self;
            return refuse(format!("--shards {shards} of {bytes} bytes: each shard needs a byte at least"));
        }
        if self.sample_bytes == 0 {
            return refuse("--sample-bytes 0: a sample needs a byte at least".into());
        }
        if self.layout.has_rows() && self.sample_bytes > LONGEST_ROW {
            return refuse(format!(
                "--sample-bytes {}: a row of the layout {} has 1MiB at most; the layouts folder and tar take larger samples",
                self.sample_bytes,
                self.layout.name()
            ));
        }
        Ok(())
    }

    /// Bytes of one shard before packing: as equal as can be.
    pub fn bytes_of(&self, shard: u64) -> u64 {
        self.bytes / self.shards + u64::from(shard < self.bytes % self.shards)
    }

    /// The sizes of the samples of one shard.
    pub fn sizes(&self, shard: u64) -> Sizes {
        Sizes::new(Random::new(self.seed, &[SIZES, shard]), self.sample_bytes, self.bytes_of(shard))
    }

    /// What the samples of one shard are made of.
    pub fn content(&self, shard: u64) -> Random {
        Random::new(self.seed, &[CONTENT, shard])
    }

    /// Samples in all, about.
    pub fn samples_about(&self) -> u64 {
        self.bytes / self.sample_bytes + self.shards
    }

    /// Space that the data take, with what belongs to them, at most: samples in whole blocks of file systems, headers, claims
    /// for each algorithm.
    pub fn space(&self, algorithms: usize) -> u64 {
        let packing = match self.layout {
            Layout::Folder => 4096 + 256,
            Layout::Tar => 1024,
            Layout::Parquet | Layout::Jsonl => 128,
        };
        let claims = if self.layout.has_rows() { self.shards } else { self.samples_about() };
        let of_claims = claims.saturating_mul(256 * algorithms as u64);
        // Claims are there twice for a moment, and the run writes what it cannot hold.
        let beside = of_claims.saturating_mul(4).saturating_add(16 << 20);
        self.bytes.saturating_add(self.samples_about().saturating_mul(packing)).saturating_add(beside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(bytes: u64, shards: u64) -> Recipe {
        Recipe { layout: Layout::Tar, bytes, shards, sample_bytes: 100, seed: 1 }
    }

    #[test]
    fn shards_are_as_equal_as_can_be() {
        let of = |bytes, shards| (0..shards).map(|s| recipe(bytes, shards).bytes_of(s)).collect::<Vec<_>>();
        assert_eq!(of(10, 3), [4, 3, 3]);
        assert_eq!(of(9, 3), [3, 3, 3]);
        assert_eq!(recipe(10_007, 7).sizes(2).sum::<u64>(), recipe(10_007, 7).bytes_of(2));
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        assert!(recipe(1, 1).check().is_ok());
        for (bytes, shards) in [(0, 1), (1, 0), (3, 4)] {
            assert!(recipe(bytes, shards).check().is_err(), "{bytes} in {shards}");
        }
        let rows = Recipe { layout: Layout::Jsonl, sample_bytes: 2 << 20, ..recipe(1 << 30, 1) };
        assert!(rows.check().unwrap_err().to_string().contains("1MiB at most"));
        assert!(Recipe { sample_bytes: 0, ..recipe(1, 1) }.check().is_err());
    }

    #[test]
    fn layouts_are_found_by_their_names() {
        for layout in Layout::ALL {
            assert_eq!(Layout::from_name(layout.name()), Some(layout));
        }
        assert_eq!(Layout::from_name("zip"), None);
    }
}
