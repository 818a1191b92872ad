//! The look-up alone: digests that are on no list, asked one after another.

use std::fs::File;
use std::io::BufReader;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::threads::{Rate, measure};
use crate::bench::synthetic::Dataset;
use crate::bench::synthetic::random::Random;
use crate::claim::SourceId;
use crate::digest::{Digest, Digests};
use crate::error::Result;
use crate::hashlist::{Columns, Context, by_name};
use crate::index::{HashListIndex, HashListIndexBuilder};

/// Items that are asked for in turn: more than a core's caches keep close.
const ASKED: usize = 4096;

/// The name of their pseudo-random stream.
const STREAM: u64 = 5;

/// Questions, each for all digests of an item.
///
/// # Errors
/// Where the list cannot be read again.
pub fn looking_up(
    dataset: &Dataset,
    threads: usize,
    time: Duration,
    stop: &AtomicBool,
) -> Result<Option<Rate>> {
    let Some(index) = load(dataset)? else { return Ok(None) };
    let rate = measure(threads, time, stop, |thread| {
        let mut random = Random::new(dataset.recipe.seed, &[STREAM, thread as u64]);
        let mut item = || -> Digests {
            let digest = |algorithm: crate::digest::Algorithm| {
                let mut bytes = vec![0; algorithm.len()];
                random.fill(&mut bytes);
                Digest::new(algorithm, &bytes).ok()
            };
            dataset.algorithms.iter().filter_map(digest).collect()
        };
        let items: Vec<Digests> = (0..ASKED).map(|_| item()).collect();
        let index = &index;
        move || {
            let found: usize = items.iter().map(|digests| index.look_up(digests).len()).sum();
            std::hint::black_box(found);
            items.len() as u64
        }
    });
    Ok(Some(rate))
}

fn load(dataset: &Dataset) -> Result<Option<HashListIndex>> {
    let (path, Some(format)) = (dataset.list(), by_name("csv")) else { return Ok(None) };
    let unreadable = |cause| crate::error::Error::Unreadable { role: "hash list", path: path.clone(), cause };
    let mut input = BufReader::with_capacity(1 << 16, File::open(&path).map_err(unreadable)?);
    let mut builder = HashListIndexBuilder::new();
    let mut loader = builder.load(SourceId(0), &path);
    let context = Context { file_name: b"list.csv", declared: None, columns: Columns::default() };
    let read = format.read(&mut input, &context, &mut loader);
    let loaded = loader.finish();
    Ok((read.is_ok() && loaded.entries == dataset.listed).then(|| builder.build()))
}
