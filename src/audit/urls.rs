//! Where claims of URLs stand: at the file whose path has the most in common with the path of the URL, from the end.
//!
//! Two paths that share their last two names or more are taken for one place. A file name alone says little
//! (`train.csv`): such a claim stands at the file only if the content is equal, which is seen when it has been read, and
//! is absent otherwise. So it is where several URLs want one file and contradict each other. A claim without a digest
//! stands at the file of its name all the same: it can neither hold for it nor be told from it, so it is not absent,
//! unless the size differs.

use serde::{Deserialize, Serialize};

use super::listing::{FoundKind, Listing};
use crate::claim::{Claim, Subject};
use crate::error::Result;
use crate::index::spool::{Iter, Scratch, Sorted, Spool};
use crate::locator::{ItemPath, place_key};

/// Files of one name that a URL is compared with; what comes after so many is not found by it.
const NAMESAKES: usize = 1 << 16;

/// Claims of another size that stand at one file by its name: none of them is that of its content, and those that are must
/// have room among the claims on a place. The others stand at the paths of their URLs.
const OF_ANOTHER_SIZE: usize = 64;

/// What takes a claim that was given its place, and the path of the file that decides whether patterns admit it, where it
/// stands at another one.
pub type Place<'a> = dyn FnMut(Claim, Option<&[u8]>) -> Result<()> + 'a;

/// Names that end alike lie side by side: the parts of a path from the last to the first, each with a zero byte.
pub fn key(path: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(path.len() + 1);
    for part in path.rsplit(|&b| b == b'/') {
        key.extend_from_slice(part);
        key.push(0);
    }
    key
}

/// Gives every claim of a URL the path of a file, or that of the URL, where nothing is, and hands it on.
///
/// # Errors
/// Where scratch files fail, or what takes the claims does.
pub fn bind(
    claims: &Sorted<Claim>,
    listing: &Listing,
    scratch: &Scratch,
    place: &mut Place<'_>,
) -> Result<()> {
    if claims.is_empty() {
        return Ok(());
    }
    let mut files = Spool::new(scratch);
    for record in listing.paths.iter() {
        let found = record?.1;
        if let FoundKind::File { stamp, .. } = found.kind {
            files.push(&key(&found.path), &Namesake { path: found.path, size: stamp.size })?;
        }
    }
    let files = files.sorted()?;
    let wanted = wanted(&by_claim(&names(claims, scratch)?, &files, scratch)?, scratch, place)?;
    settle(&wanted, place)
}

/// A file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Namesake {
    path: Vec<u8>,
    size: u64,
}

/// The best file for one name of a claim.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Best {
    /// How many parts the paths share; none: there is no file.
    common: usize,
    /// Whether its size is as claimed, or none is.
    size_fits: bool,
    path: Vec<u8>,
}

/// A claim and the file that it would stand at.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Wanted {
    /// How many parts the paths share; none, where that is only the file name, and the size differs.
    common: usize,
    url: ItemPath,
    claim: Claim,
}

/// Every name of every claim, by its key, with the number of the claim.
fn names(claims: &Sorted<Claim>, scratch: &Scratch) -> Result<Sorted<(u64, Claim)>> {
    let mut names = Spool::new(scratch);
    for (number, record) in claims.iter().enumerate() {
        let (own, claim) = record?;
        if let Subject::Url { also, .. } = &claim.subject {
            for name in also {
                names.push(&key(name.as_bytes()), &(number as u64, claim.clone()))?;
            }
        }
        names.push(&own, &(number as u64, claim))?;
    }
    names.sorted()
}

/// For each name of each claim the best file, by the number of the claim.
fn by_claim(
    names: &Sorted<(u64, Claim)>,
    files: &Sorted<Namesake>,
    scratch: &Scratch,
) -> Result<Sorted<(Best, Claim)>> {
    let mut all = Spool::new(scratch);
    let mut files = files.iter().peekable();
    let mut namesakes = Namesakes::default();
    for record in names.iter() {
        let (key, (number, claim)) = record?;
        if namesakes.name != file_name(&key) {
            namesakes = Namesakes::new(file_name(&key), load(&mut files, file_name(&key))?);
        }
        let best = namesakes.best(&key, claim.size);
        all.push(&number.to_be_bytes(), &(best, claim))?;
    }
    all.sorted()
}

/// The files of one name. Those whose paths end alike lie side by side, so that the nearest are found without a look at
/// all of them.
#[derive(Default)]
struct Namesakes {
    name: Vec<u8>,
    /// With their keys, in the order of these.
    files: Vec<(Vec<u8>, Namesake)>,
    /// The positions of all files.
    by_key: Vec<usize>,
    /// The same, ordered by size and then by key.
    by_size: Vec<usize>,
}

impl Namesakes {
    fn new(name: &[u8], files: Vec<(Vec<u8>, Namesake)>) -> Self {
        let by_key: Vec<usize> = (0..files.len()).collect();
        let mut by_size = by_key.clone();
        by_size.sort_by_key(|&at| (files[at].1.size, at));
        Namesakes { name: name.to_vec(), files, by_key, by_size }
    }

    /// The file that shares the most parts; of several the first whose size is as claimed, or else the first.
    fn best(&self, key: &[u8], size: Option<u64>) -> Best {
        let Some((common, nearest)) = self.nearest(&self.by_key, key) else { return Best::default() };
        let of_size = size.map(|size| {
            let from = self.by_size.partition_point(|&at| self.files[at].1.size < size);
            let to = self.by_size.partition_point(|&at| self.files[at].1.size <= size);
            self.nearest(&self.by_size[from..to], key).filter(|(other, _)| *other == common)
        });
        let (size_fits, file) = match of_size {
            None => (true, nearest),
            Some(None) => (false, nearest),
            Some(Some((_, file))) => (true, file),
        };
        Best { common, size_fits, path: file.path.clone() }
    }

    /// The first of the files at these positions, which are in the order of keys, that shares the most parts.
    fn nearest(&self, positions: &[usize], key: &[u8]) -> Option<(usize, &Namesake)> {
        let before = |than: &[u8]| positions.partition_point(|&at| self.files[at].0.as_slice() < than);
        let at = before(key);
        let neighbours =
            positions.get(at).into_iter().chain(at.checked_sub(1).and_then(|at| positions.get(at)));
        let shared =
            neighbours.map(|&at| common(key, &self.files[at].0)).max().filter(|&shared| shared > 0)?;
        let end = key.split_inclusive(|&b| b == 0).take(shared).map(<[u8]>::len).sum();
        let first = positions.get(before(&key[..end]))?;
        Some((shared, &self.files[*first].1))
    }
}

/// The files of this name. Names come in the order of files.
fn load(
    files: &mut std::iter::Peekable<Iter<'_, Namesake>>,
    name: &[u8],
) -> Result<Vec<(Vec<u8>, Namesake)>> {
    while let Some(next) = files.next_if(|r| r.as_ref().map_or(true, |(key, _)| file_name(key) < name)) {
        next?;
    }
    let mut same = Vec::new();
    while let Some(next) = files.next_if(|r| r.as_ref().map_or(true, |(key, _)| file_name(key) == name)) {
        let file = next?;
        if same.len() < NAMESAKES {
            same.push(file);
        }
    }
    Ok(same)
}

/// The last part of the path with this key, with its zero byte.
fn file_name(key: &[u8]) -> &[u8] {
    let end = key.iter().position(|&b| b == 0).map_or(key.len(), |at| at + 1);
    &key[..end]
}

/// How many parts two paths share from their ends.
fn common(a: &[u8], b: &[u8]) -> usize {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).map(|(a, _)| *a);
    same.filter(|&b| b == 0).count()
}

/// Claims by the place of the file that they want. Those that want none are handed on.
fn wanted(best: &Sorted<(Best, Claim)>, scratch: &Scratch, place: &mut Place<'_>) -> Result<Sorted<Wanted>> {
    let mut wanted = Spool::new(scratch);
    let mut records = best.iter().peekable();
    while let Some(record) = records.next() {
        let (number, (mut best, mut claim)) = record?;
        while let Some(next) = records.next_if(|r| r.as_ref().map_or(true, |(key, _)| *key == number)) {
            let (_, (other, _)) = next?;
            if (other.common, other.size_fits) > (best.common, best.size_fits) {
                best = other;
            }
        }
        let Subject::Url { path: url, .. } = &claim.subject else { continue };
        let url = url.clone();
        let common = if best.common == 1 && !best.size_fits { 0 } else { best.common };
        let file = Some(best.path).filter(|_| best.common > 0);
        let whole = |file: &Vec<u8>| ItemPath::parse(file).ok().filter(|path| path.as_bytes() == *file);
        match file.as_ref().and_then(whole) {
            Some(path) => {
                let key = place_key(path.as_bytes());
                claim.subject = Subject::Path(path);
                wanted.push(&key, &Wanted { common, url, claim })?;
            }
            None => {
                claim.subject = Subject::Path(url);
                place(claim, file.as_deref())?;
            }
        }
    }
    wanted.sorted()
}

/// Decides for each file which claims stand at it by their name.
fn settle(wanted: &Sorted<Wanted>, place: &mut Place<'_>) -> Result<()> {
    let mut ahead = wanted.iter().peekable();
    let mut behind = wanted.iter();
    while let Some(record) = ahead.next() {
        let (file, mut nearest) = record?;
        let mut count = 1usize;
        let mut contradicts = false;
        while let Some(next) = ahead.next_if(|r| r.as_ref().map_or(true, |(key, _)| *key == file)) {
            let (_, other) = next?;
            count += 1;
            if other.common > nearest.common {
                (nearest, contradicts) = (other, false);
            } else if other.common == nearest.common && other.url != nearest.url {
                contradicts |= other.claim.digests != nearest.claim.digests;
            }
        }
        let mut of_another_size = 0;
        for record in behind.by_ref().take(count) {
            let Wanted { common, url, mut claim } = record?.1;
            of_another_size += usize::from(common == 0);
            if common == 0 && of_another_size > OF_ANOTHER_SIZE {
                let file = std::mem::replace(&mut claim.subject, Subject::Path(url));
                let Subject::Path(file) = file else { continue };
                place(claim, Some(file.as_bytes()))?;
                continue;
            }
            // Without a digest nothing can be said of the content, whatever stands here.
            let says_enough = common > 1 || (common == 1 && claim.digests.is_empty());
            let by_name = says_enough && common == nearest.common && !contradicts;
            claim.url = (!by_name).then_some(url);
            place(claim, None)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::SourceId;
    use crate::digest::{Algorithm, Digest};
    use crate::source::Stamp;

    fn listing(files: &[(&str, u64)], scratch: &Scratch) -> Listing {
        let mut paths = Spool::new(scratch);
        for (path, size) in files {
            let kind =
                FoundKind::File { stamp: Stamp { size: *size, ..Stamp::default() }, through_link: false };
            let path = path.as_bytes().to_vec();
            let key = crate::check::claim_key(&place_key(&path));
            paths.push(&key, &super::super::listing::Found { root: 0, path, kind }).unwrap();
        }
        Listing {
            paths: paths.sorted().unwrap(),
            manifests: Vec::new(),
            pointers: Default::default(),
            left_out: 0,
        }
    }

    /// Where claims of these URLs stand: the path, and whether that is by the name.
    fn bound(files: &[(&str, u64)], urls: &[(&str, Option<u64>, u8)]) -> Vec<(u64, String, bool)> {
        let scratch = Scratch::new(&std::env::temp_dir(), 1 << 16);
        let mut claims = Spool::new(&scratch);
        for (line, (url, size, digest)) in urls.iter().enumerate() {
            let (path, also) = url.split_once(' ').unwrap_or((url, ""));
            let parse = |name: &str| ItemPath::parse(name.as_bytes()).unwrap();
            let also = also.split_whitespace().map(parse).collect();
            let subject = Subject::Url { path: parse(path), also };
            let digests = Digest::new(Algorithm::Md5, &[*digest; 16]).into_iter().collect();
            let claim = Claim { size: *size, digests, ..Claim::new(SourceId(0), line as u64 + 1, subject) };
            claims.push(&key(path.as_bytes()), &claim).unwrap();
        }
        let mut all = Vec::new();
        bind(&claims.sorted().unwrap(), &listing(files, &scratch), &scratch, &mut |claim, _| {
            let Subject::Path(path) = &claim.subject else { panic!("it has a path now") };
            let path = String::from_utf8(path.as_bytes().to_vec()).unwrap();
            all.push((claim.line, path, claim.url.is_none()));
            Ok(())
        })
        .unwrap();
        all.sort();
        all
    }

    #[test]
    fn the_longest_common_end_wins() {
        let files = [("cv/fold_0/dev.tsv", 5), ("cv/fold_1/dev.tsv", 5), ("dev.tsv", 5)];
        let urls = [("x/master/cv/fold_1/dev.tsv", None, 1), ("y/fold_0/dev.tsv", Some(7), 2)];
        let stand = bound(&files, &urls);
        assert_eq!(stand, [(1, "cv/fold_1/dev.tsv".into(), true), (2, "cv/fold_0/dev.tsv".into(), true)]);
    }

    #[test]
    fn a_file_name_alone_is_not_a_place() {
        let files = [("here/train.csv", 5)];
        let urls = [("there/train.csv", Some(5), 1), ("there/train.csv", Some(6), 1), ("other.csv", None, 1)];
        let stand = bound(&files, &urls);
        assert_eq!(
            stand,
            [
                (1, "here/train.csv".into(), false),
                (2, "here/train.csv".into(), false),
                (3, "other.csv".into(), true)
            ]
        );
    }

    #[test]
    fn without_a_digest_the_file_of_the_name_is_neither_right_nor_absent() {
        let scratch = Scratch::new(&std::env::temp_dir(), 1 << 16);
        let mut claims = Spool::new(&scratch);
        for (line, path) in ["zips/train.zip", "zips/val.zip"].iter().enumerate() {
            let path = ItemPath::parse(path.as_bytes()).unwrap();
            let subject = Subject::Url { path: path.clone(), also: Vec::new() };
            claims.push(&key(path.as_bytes()), &Claim::new(SourceId(0), line as u64 + 1, subject)).unwrap();
        }
        let mut stand = Vec::new();
        let listing = listing(&[("here/train.zip", 5)], &scratch);
        bind(&claims.sorted().unwrap(), &listing, &scratch, &mut |claim, _| {
            stand.push((claim.subject, claim.url));
            Ok(())
        })
        .unwrap();
        let path = |name: &str| Subject::Path(ItemPath::parse(name.as_bytes()).unwrap());
        assert_eq!(stand.len(), 2);
        assert!(stand.contains(&(path("here/train.zip"), None)));
        assert!(stand.contains(&(path("zips/val.zip"), None)));
    }

    #[test]
    fn many_files_of_one_name_are_told_apart_in_time() {
        const MANY: usize = 20_000;
        let files: Vec<_> = (0..MANY).map(|n| (format!("here/{n}/a.csv"), n as u64)).collect();
        let files: Vec<_> = files.iter().map(|(path, size)| (path.as_str(), *size)).collect();
        // One half by the folder, the other by nothing but the size.
        let folder = |n: usize| if n.is_multiple_of(2) { format!("{n}") } else { format!("v{n}") };
        let urls: Vec<_> = (0..MANY).map(|n| format!("there/{}/a.csv", folder(n))).collect();
        let urls: Vec<_> =
            urls.iter().enumerate().map(|(n, url)| (url.as_str(), Some(n as u64), 1)).collect();
        let began = std::time::Instant::now();
        let stand = bound(&files, &urls);
        // Compared each with each, they take minutes.
        assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
        let right = (0..MANY).map(|n| (n as u64 + 1, format!("here/{n}/a.csv"), n.is_multiple_of(2)));
        assert!(stand.into_iter().eq(right));
    }

    #[test]
    fn of_files_equally_near_the_first_with_the_size_is_taken() {
        let files = [("a/x/f", 1), ("b/x/f", 2), ("c/x/f", 2), ("d/y/f", 3)];
        let at = |url, size| bound(&files, &[(url, size, 1)]).remove(0).1;
        assert_eq!(at("q/x/f", Some(2)), "b/x/f");
        assert_eq!(at("q/x/f", Some(3)), "a/x/f");
        assert_eq!(at("q/x/f", None), "a/x/f");
        assert_eq!(at("c/x/f", Some(1)), "c/x/f");
        assert_eq!(at("q/z/f", Some(3)), "d/y/f");
    }

    #[test]
    fn of_another_size_only_so_many_stand_at_a_file() {
        let files = [("here/train.csv", 500)];
        let urls: Vec<_> = (0..=500).map(|n| (format!("v{n}/train.csv"), n)).collect();
        let urls: Vec<_> = urls.iter().map(|(url, size)| (url.as_str(), Some(*size), *size as u8)).collect();
        let stand = bound(&files, &urls);
        assert_eq!(stand.len(), urls.len());
        let here = stand.iter().filter(|(_, path, by_name)| path == "here/train.csv" && !by_name);
        assert_eq!(here.count(), OF_ANOTHER_SIZE + 1);
        assert_eq!(stand[500], (501, "here/train.csv".into(), false));
    }

    #[test]
    fn without_a_digest_and_of_another_size_it_is_absent() {
        let scratch = Scratch::new(&std::env::temp_dir(), 1 << 16);
        let mut claims = Spool::new(&scratch);
        let path = ItemPath::parse(b"zips/train.zip").unwrap();
        let subject = Subject::Url { path: path.clone(), also: Vec::new() };
        let claim = Claim { size: Some(6), ..Claim::new(SourceId(0), 1, subject) };
        claims.push(&key(path.as_bytes()), &claim).unwrap();
        let listing = listing(&[("here/train.zip", 5)], &scratch);
        let mut urls = Vec::new();
        bind(&claims.sorted().unwrap(), &listing, &scratch, &mut |claim, _| {
            urls.push(claim.url);
            Ok(())
        })
        .unwrap();
        assert_eq!(urls, [Some(path)]);
    }

    #[test]
    fn another_name_of_the_download_counts_too() {
        let files = [("raw/en.zip", 5)];
        assert_eq!(bound(&files, &[("download raw/en.zip", None, 1)]), [(1, "raw/en.zip".into(), true)]);
    }

    #[test]
    fn urls_that_want_one_file_and_contradict_each_other_need_its_content() {
        let files = [("data/train.csv", 5)];
        let versions = [("v1/data/train.csv", None, 1), ("v2/data/train.csv", None, 2)];
        assert!(
            bound(&files, &versions).iter().all(|(_, path, by_name)| path == "data/train.csv" && !by_name)
        );
        let agree = [("v1/data/train.csv", None, 1), ("v2/data/train.csv", None, 1)];
        assert!(bound(&files, &agree).iter().all(|(.., by_name)| *by_name));
        let same_url = [("v1/data/train.csv", None, 1), ("v1/data/train.csv", None, 2)];
        assert!(bound(&files, &same_url).iter().all(|(.., by_name)| *by_name));
        let nearer = [("x/train.csv", None, 1), ("a/data/train.csv", None, 2)];
        assert_eq!(bound(&files, &nearer).iter().filter(|(.., by_name)| *by_name).count(), 1);
    }
}
