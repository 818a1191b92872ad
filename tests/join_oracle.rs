//! The join by digest against DuckDB: the same pairs and the same leftovers, handle for handle.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use shardproof::index::buckets::Side;
use shardproof::index::join::join;
use shardproof::index::spool::Scratch;

/// Widths of MD5, SHA-1, SHA-256 and SHA-512: each is an algorithm of its own.
const WIDTHS: [usize; 4] = [16, 20, 32, 64];

/// `pair`, `claim` or `seen`, and the handles.
type Event = (&'static str, u128, u128);

#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    claims: u64,
    seen: u64,
    /// Different digests.
    digests: u64,
    /// Of a hundred records, those that have the one most frequent digest.
    skew: u64,
    /// Of a hundred claims, those that have a size; items have one but for one in twenty.
    sized: u64,
    /// Of a hundred claims, those without a digest.
    without: u64,
}

#[test]
#[ignore = "needs DuckDB"]
fn pairs_and_leftovers_are_those_that_duckdb_finds() {
    let usual = Shape { claims: 20_000, seen: 22_000, digests: 15_000, skew: 0, sized: 50, without: 5 };
    let shapes = [
        usual,
        Shape { sized: 0, ..usual },
        Shape { digests: 300, ..usual },
        Shape { skew: 70, ..usual },
        Shape { skew: 100, sized: 0, ..usual },
        Shape { claims: 0, ..usual },
        Shape { seen: 0, ..usual },
        Shape { without: 100, ..usual },
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        compare(shape, seed as u64 + 1);
    }
}

struct Row {
    digest: Option<Vec<u8>>,
    size: Option<u64>,
    handle: u128,
}

/// Makes both sides for each algorithm, asks DuckDB, and joins within much and little memory.
fn compare(shape: Shape, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let mut sides = Vec::new();
    let (mut claims_csv, mut seen_csv) = (HEADER.to_string(), HEADER.to_string());
    for width in WIDTHS {
        let claims = rows(shape.claims, width, shape.sized, shape.without, shape, &mut random);
        let seen = rows(shape.seen, width, 95, 0, shape, &mut random);
        tell(&claims, width, &mut claims_csv);
        tell(&seen, width, &mut seen_csv);
        sides.push((width, claims, seen));
    }
    let (expected, without) = ask(folder.path(), &claims_csv, &seen_csv);
    let found = sides.iter().flat_map(|(_, claims, _)| claims).filter(|row| row.digest.is_none()).count();
    assert_eq!(found, without, "{shape:?}");

    for (memory, threads) in [(1 << 28, 1), (1 << 28, 2), (1 << 20, 7), (100_000, 2)] {
        let scratch = Scratch::new(folder.path(), 1 << 20);
        let all = Mutex::new(Vec::<Event>::new());
        for (width, claims, seen) in &sides {
            let side = |rows: &[Row]| {
                let mut side = Side::new(*width, &scratch, memory / 4);
                for Row { digest, size, handle } in rows {
                    if let Some(digest) = digest {
                        side.push(digest, *size, *handle).unwrap();
                    }
                }
                side
            };
            join(side(claims), side(seen), memory, threads, |batch| {
                let mut all = all.lock().unwrap();
                all.extend(batch.pairs.iter().map(|&(claim, item)| ("pair", claim, item)));
                all.extend(batch.claims_left.iter().map(|&claim| ("claim", claim, 0)));
                all.extend(batch.seen_left.iter().map(|&item| ("seen", 0, item)));
                Ok(())
            })
            .unwrap();
        }
        let all = all.into_inner().unwrap();
        let got: BTreeSet<Event> = all.iter().copied().collect();
        assert_eq!(got.len(), all.len(), "an event was told twice: {shape:?}");
        let differing = got.symmetric_difference(&expected).take(5).collect::<Vec<_>>();
        assert!(differing.is_empty(), "{shape:?}, {memory} bytes, {threads} threads: {differing:?}");
        let little = memory <= 1 << 20 && shape.claims + shape.seen > 0 && shape.without < 100;
        assert!(!little || scratch.spilled() > 0, "nothing was spilled: {shape:?}");
    }
}

const HEADER: &str = "algorithm,digest,size,handle\n";

fn rows(n: u64, width: usize, sized: u64, without: u64, shape: Shape, random: &mut Random) -> Vec<Row> {
    let mut handles = BTreeSet::new();
    (0..n)
        .map(|_| {
            let which = if random.below(100) < shape.skew { 0 } else { random.below(shape.digests) };
            let digest = (random.below(100) >= without).then(|| {
                let mut of = Random(which * 100 + width as u64);
                (0..width).map(|_| of.below(256) as u8).collect()
            });
            let size = (random.below(100) < sized).then(|| [0, 7, u64::MAX][random.below(3) as usize]);
            // Short handles and long ones, each unique among all algorithms.
            let handle = loop {
                let long = u128::from(random.next()) << 64 | u128::from(random.next());
                let handle = (long >> (8 * random.below(12)) << 8) | width as u128;
                if handles.insert(handle) {
                    break handle;
                }
            };
            Row { digest, size, handle }
        })
        .collect()
}

fn tell(rows: &[Row], width: usize, csv: &mut String) {
    for Row { digest, size, handle } in rows {
        let digest = digest.as_ref().map(hex::encode).unwrap_or_default();
        let size = size.map(|size| size.to_string()).unwrap_or_default();
        writeln!(csv, "{width},{digest},{size},{handle:032x}").unwrap();
    }
}

/// What DuckDB finds, and how many claims it counts that have no digest.
fn ask(folder: &Path, claims: &str, seen: &str) -> (BTreeSet<Event>, usize) {
    let (claims_path, seen_path) = (folder.join("claims.csv"), folder.join("seen.csv"));
    std::fs::write(&claims_path, claims).unwrap();
    std::fs::write(&seen_path, seen).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("SHARDPROOF_PYTHON")
        .map_or_else(|| root.join("target/oracle/bin/python"), PathBuf::from);
    let output = Command::new(&python)
        .arg(root.join("tests/oracle/join_oracle.py"))
        .args([claims_path, seen_path])
        .output()
        .unwrap_or_else(|cause| panic!("{} with tests/oracle/requirements.txt: {cause}", python.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let without = lines.next().unwrap().parse().unwrap();
    let events = lines.map(|line| {
        let mut fields = line.split(',');
        let kind = match fields.next().unwrap() {
            "pair" => "pair",
            "claim" => "claim",
            "seen" => "seen",
            other => panic!("the oracle says {other}"),
        };
        let mut handle = || u128::from_str_radix(fields.next().unwrap(), 16).unwrap();
        (kind, handle(), handle())
    });
    (events.collect(), without)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
