//! A synthetic dataset with its manifest and a hash list, in a folder that is removed when it is dropped.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use tempfile::TempDir;

use super::claims::{self, Claims};
use super::place::{Place, failed};
use super::random::Random;
use super::recipe::{Layout, Recipe};
use super::shards::{self, Made};
use crate::audit::Progress;
use crate::digest::DigestSet;
use crate::error::{Error, Result};

/// Entries of the hash list for each algorithm.
const LIST: u64 = 10_000;

/// The name of its pseudo-random stream.
const LISTED: u64 = 4;

/// Synthetic data.
pub struct Dataset {
    folder: TempDir,
    /// What they were made by.
    pub recipe: Recipe,
    /// Algorithms of all claims and entries.
    pub algorithms: DigestSet,
    /// What was made, shard by shard.
    pub shards: Vec<Made>,
    /// And in all.
    pub made: Made,
    /// Entries of the hash list, none of which is found.
    pub listed: u64,
    /// Whether they are held in memory.
    pub in_memory: bool,
}

impl Dataset {
    /// Makes data on so many threads; `beside` is memory that their user needs.
    ///
    /// # Errors
    /// Where there is no room, nothing can be written, or `stop` is set.
    pub fn make(
        recipe: Recipe,
        algorithms: DigestSet,
        place: &Place,
        threads: usize,
        beside: u64,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<Dataset> {
        recipe.check()?;
        let files = recipe.shards.saturating_mul(2) + 16;
        let files = if recipe.layout == Layout::Folder { files + recipe.samples_about() } else { files };
        let space = recipe.space(algorithms.iter().count());
        let folder = place.make(space, files, beside)?;
        let in_memory = place.is_memory(folder.path());
        let mut dataset = Dataset {
            folder,
            recipe,
            algorithms,
            shards: Vec::new(),
            made: Made::default(),
            listed: 0,
            in_memory,
        };
        for part in [dataset.data(), dataset.parts(), dataset.scratch()] {
            fs::create_dir(&part).map_err(|cause| failed("create", &part, cause))?;
        }
        progress.stage("making data");
        progress.planned(recipe.bytes, recipe.shards);
        dataset.write_shards(threads, progress, stop)?;
        let write_rest = dataset.join_claims().and_then(|()| dataset.write_list());
        dataset.listed =
            write_rest.map_err(|cause| failed("write a manifest in", dataset.folder.path(), cause))?;
        settle(dataset.folder.path());
        Ok(dataset)
    }

    fn write_shards(&mut self, threads: usize, progress: &dyn Progress, stop: &AtomicBool) -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| {
            Error::Usage(format!("{threads} threads cannot be started: {error}; try fewer with --threads"))
        })?;
        let write = |shard: u64| -> io::Result<Made> {
            progress.begin(shards::name_of(self.recipe.layout, shard).as_bytes());
            let out = BufWriter::with_capacity(1 << 16, File::create_new(self.part(shard))?);
            let mut claims = Claims::new(out);
            let made = shards::write(&self.recipe, shard, self.algorithms, &self.data(), &mut claims, stop)?;
            claims.finish()?;
            progress.read(self.recipe.bytes_of(shard));
            Ok(made)
        };
        let made: io::Result<Vec<Made>> =
            pool.install(|| (0..self.recipe.shards).into_par_iter().map(write).collect());
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { signal: "a signal", kept: None });
        }
        self.shards = made.map_err(|cause| failed("write the data in", &self.data(), cause))?;
        for made in &self.shards {
            self.made.files += made.files;
            self.made.bytes += made.bytes;
            self.made.samples += made.samples;
            self.made.claims += made.claims;
        }
        Ok(())
    }

    /// One manifest, in the order of the shards.
    fn join_claims(&self) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, File::create_new(self.claims())?);
        out.write_all(claims::HEADER.as_bytes())?;
        for shard in 0..self.recipe.shards {
            let part = self.part(shard);
            io::copy(&mut BufReader::new(File::open(&part)?), &mut out)?;
            fs::remove_file(part)?;
        }
        out.flush()
    }

    /// A list of digests of nothing.
    fn write_list(&self) -> io::Result<u64> {
        let mut random = Random::new(self.recipe.seed, &[LISTED]);
        let mut out = BufWriter::with_capacity(1 << 16, File::create_new(self.list())?);
        writeln!(out, "digest,algorithm")?;
        let mut listed = 0;
        for algorithm in self.algorithms.iter() {
            let mut digest = vec![0; algorithm.len()];
            for _ in 0..LIST {
                random.fill(&mut digest);
                writeln!(out, "{},{}", hex::encode(&digest), algorithm.name())?;
                listed += 1;
            }
        }
        out.flush()?;
        Ok(listed)
    }

    /// The folder that is audited.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The manifest, a table of claims.
    pub fn claims(&self) -> PathBuf {
        self.folder.path().join("claims.csv")
    }

    /// The hash list.
    pub fn list(&self) -> PathBuf {
        self.folder.path().join("list.csv")
    }

    /// A folder for what does not fit the memory.
    pub fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    fn parts(&self) -> PathBuf {
        self.folder.path().join("parts")
    }

    fn part(&self, shard: u64) -> PathBuf {
        self.parts().join(shard.to_string())
    }

    /// The files of one shard.
    pub fn files_of(&self, shard: u64) -> impl Iterator<Item = PathBuf> + use<> {
        let path = self.data().join(shards::name_of(self.recipe.layout, shard));
        let samples = self.shards.get(shard as usize).map_or(0, |made| made.files);
        let is_folder = self.recipe.layout == Layout::Folder;
        (0..samples).map(move |n| if is_folder { path.join(shards::sample_name(n)) } else { path.clone() })
    }

    /// For tests: changes a byte in the middle of the first shard.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn damage(&self) -> Result<()> {
        let change = |path: &Path| -> io::Result<()> {
            let file = File::options().read(true).write(true).open(path)?;
            let middle = file.metadata()?.len() / 2;
            let mut byte = [0];
            file.read_exact_at(&mut byte, middle)?;
            file.write_all_at(&[!byte[0]], middle)
        };
        let path = self.files_of(0).next().unwrap_or_else(|| self.data());
        change(&path).map_err(|cause| failed("damage", &path, cause))
    }

    /// Removes it. Dropping it does as well, but tells nobody of a failure.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(self) -> Result<()> {
        let path = self.folder.path().to_path_buf();
        self.folder.close().map_err(|cause| Error::Io {
            doing: "remove the data of the benchmark in",
            path,
            cause,
            advice: "Remove that folder by hand.",
        })
    }
}

/// Waits until the disk has taken what was written, so that it is not written while the run is measured.
#[cfg(target_os = "linux")]
fn settle(folder: &Path) {
    // Where it fails the figures are a little worse, not wrong.
    if let Ok(folder) = File::open(folder) {
        let _ = rustix::fs::syncfs(folder);
    }
}

#[cfg(not(target_os = "linux"))]
fn settle(_: &Path) {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::audit::Silent;
    use crate::digest::Algorithm;

    fn made(layout: Layout, seed: u64, threads: usize) -> (Made, BTreeMap<PathBuf, Vec<u8>>) {
        let home = tempfile::tempdir().unwrap();
        let sample_bytes = if layout.has_rows() { 120 } else { 700 };
        let recipe = Recipe { layout, bytes: 50_001, shards: 3, sample_bytes, seed };
        let all = [Algorithm::Sha256, Algorithm::GitBlob].into_iter().collect();
        let place = Place::Folder(home.path().to_path_buf());
        let stop = AtomicBool::new(false);
        let dataset = Dataset::make(recipe, all, &place, threads, 0, &Silent, &stop).unwrap();
        let mut files = BTreeMap::new();
        for shard in 0..3 {
            for path in dataset.files_of(shard) {
                files.insert(
                    path.strip_prefix(dataset.folder.path()).unwrap().into(),
                    fs::read(&path).unwrap(),
                );
            }
        }
        let bytes: usize = files.values().map(Vec::len).sum();
        assert_eq!(
            (files.len() as u64, bytes as u64),
            (dataset.made.files, dataset.made.bytes),
            "{layout:?}"
        );
        files.insert("claims".into(), fs::read(dataset.claims()).unwrap());
        files.insert("list".into(), fs::read(dataset.list()).unwrap());
        let made = dataset.made;
        dataset.remove().unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        (made, files)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        for layout in Layout::ALL {
            let first = made(layout, 3, 1);
            assert_eq!(first, made(layout, 3, 3), "{layout:?}");
            let other = made(layout, 4, 1);
            assert!(first.1.iter().all(|(path, bytes)| other.1.get(path) != Some(bytes)), "{layout:?}");
        }
    }

    /// What a seed gives must never change: figures of two versions are compared. (Parquet files are the crate's.)
    #[test]
    fn what_a_seed_gives_is_known() {
        let digest = |layout, shard: &str| {
            let (_, files) = made(layout, 1, 2);
            let path = files.keys().find(|path| path.ends_with(shard)).unwrap();
            hex::encode(&Sha256::digest(&files[path])[..8])
        };
        let known = [
            (Layout::Folder, "shard-00002/00000003.bin", "e1e7cdb19628727f"),
            (Layout::Tar, "shard-00002.tar", "599aa2b77cb8dcb6"),
            (Layout::Jsonl, "shard-00002.jsonl", "bf0c0fec644fcc43"),
        ];
        let is: Vec<_> = known.iter().map(|(layout, shard, _)| digest(*layout, shard)).collect();
        assert_eq!(is, known.map(|(.., digest)| digest));
    }

    #[test]
    fn a_stop_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let recipe = Recipe { layout: Layout::Tar, bytes: 1 << 20, shards: 2, sample_bytes: 100, seed: 1 };
        let place = Place::Folder(home.path().to_path_buf());
        let all = DigestSet::of(Algorithm::Sha256);
        let stopped = Dataset::make(recipe, all, &place, 2, 0, &Silent, &AtomicBool::new(true));
        assert!(matches!(stopped, Err(Error::Interrupted { .. })));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
