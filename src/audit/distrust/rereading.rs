//! Reading one file again and hashing it in several ways.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use flate2::read::MultiGzDecoder;

use super::doubts::Doubt;
use crate::audit::time_limit::is_over;
use crate::digest::{Algorithm, Digest, Running};
use crate::manifest::open_regular;
use crate::source::file::stamp_now;

/// Bytes read at once.
const BLOCK: usize = 256 * 1024;

/// A text has no zero byte in so many bytes at its beginning.
const TEXT: usize = 8192;

/// What ends the reading before all is read.
pub struct End<'a> {
    /// The time limit.
    pub until: Option<Instant>,
    /// A signal.
    pub stop: &'a AtomicBool,
}

impl End<'_> {
    /// Whether nothing more is to be read.
    pub fn is_here(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || is_over(self.until)
    }
}

/// What is hashed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// What of the file.
    pub layer: Layer,
    /// By which algorithm.
    pub algorithm: Algorithm,
}

/// What of a file is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Its bytes.
    Bytes,
    /// What it decompresses to.
    Decompressed,
    /// The text with LF in place of CRLF.
    WithLf,
    /// The text with CRLF in place of LF.
    WithCrlf,
}

impl Way {
    /// All ways that give a digest of the length that is claimed, by algorithms at least as strong as is required.
    pub fn all(doubt: &Doubt, required: Option<Algorithm>) -> BTreeSet<Way> {
        let fitting = Algorithm::ALL.into_iter().filter(|algorithm| {
            algorithm.len() == doubt.value.len()
                && required.is_none_or(|required| algorithm.strength() >= required.strength())
        });
        let layers = [Layer::Bytes, Layer::Decompressed, Layer::WithLf, Layer::WithCrlf];
        fitting.flat_map(|algorithm| layers.map(|layer| Way { layer, algorithm })).collect()
    }
}

/// The first of these ways in which the claimed digest is one of the file, and how many bytes were read to find it.
///
/// Only the file that was measured counts: one that changed since, or cannot be read, fits in no way.
pub fn way_of(roots: &[PathBuf], doubt: &Doubt, ways: &BTreeSet<Way>, end: &End<'_>) -> (Option<Way>, u64) {
    let known = ways.iter().find(|way| {
        way.layer == Layer::Bytes
            && doubt.measured.of(way.algorithm).is_some_and(|digest| digest.bytes() == doubt.value)
    });
    if let Some(way) = known {
        return (doubt.size.is_none_or(|size| size == doubt.length).then_some(*way), 0);
    }
    let Some(path) = doubt.file(roots) else { return (None, 0) };
    let mut reread = Reread { doubt, path: &path, bytes: 0, end };
    let way = reread.way(ways).ok().flatten();
    (way, reread.bytes)
}

struct Reread<'a> {
    doubt: &'a Doubt,
    path: &'a Path,
    bytes: u64,
    end: &'a End<'a>,
}

impl Reread<'_> {
    fn way(&mut self, ways: &BTreeSet<Way>) -> io::Result<Option<Way>> {
        let of =
            |layer: Layer| ways.iter().filter(|way| way.layer == layer).map(|way| way.algorithm).collect();
        let Some((raw, seen)) = self.raw(of(Layer::Bytes))? else { return Ok(None) };
        let fits = |digests: &[Digest], layer: Layer| {
            let digest = digests.iter().find(|digest| digest.bytes() == self.doubt.value);
            digest.map(|digest| Way { layer, algorithm: digest.algorithm() })
        };
        if self.doubt.size.is_none_or(|size| size == self.doubt.length)
            && let Some(way) = fits(&raw, Layer::Bytes)
        {
            return Ok(Some(way));
        }
        for (layer, length) in [(Layer::WithLf, seen.with_lf), (Layer::WithCrlf, seen.with_crlf)] {
            let algorithms: Vec<Algorithm> = of(layer);
            let is_other = length != self.doubt.length;
            let size_fits = self.doubt.size.is_none_or(|size| size == length);
            if !seen.is_text || !is_other || !size_fits || algorithms.is_empty() {
                continue;
            }
            let mut ends = LineEnds::new(self.open()?, layer);
            let digests = self.digests(&mut ends, algorithms, Some(length))?;
            if let Some(way) = fits(&digests, layer) {
                return Ok(Some(way));
            }
        }
        let algorithms: Vec<Algorithm> = of(Layer::Decompressed);
        if seen.is_gzip && !algorithms.is_empty() {
            let mut content = MultiGzDecoder::new(BufReader::with_capacity(BLOCK, self.open()?));
            let digests = self.digests(&mut content, algorithms, self.doubt.size)?;
            return Ok(fits(&digests, Layer::Decompressed));
        }
        Ok(None)
    }

    fn open(&self) -> io::Result<File> {
        open_regular(self.path)
    }

    /// Digests of the bytes and what else is seen on the way; `None` where this is not the file that was measured.
    fn raw(&mut self, mut algorithms: Vec<Algorithm>) -> io::Result<Option<(Vec<Digest>, Seen)>> {
        let file = self.open()?;
        let here = stamp_now(&file)?;
        if here.size != self.doubt.length || self.doubt.stamp.is_some_and(|stamp| stamp != here) {
            return Ok(None);
        }
        // What was measured is measured again: the proof that these are the bytes that were judged.
        let proof = self.doubt.measured.strongest().cloned();
        if let Some(proof) = &proof
            && !algorithms.contains(&proof.algorithm())
        {
            algorithms.push(proof.algorithm());
        }
        let mut watched = Watched { inner: file, seen: Seen::default(), last: 0, length: 0 };
        let digests = self.digests(&mut watched, algorithms, Some(self.doubt.length))?;
        let same = proof.is_none_or(|proof| digests.contains(&proof));
        Ok((same && watched.length == self.doubt.length).then(|| (digests, watched.finish())))
    }

    fn digests(
        &mut self,
        from: &mut dyn Read,
        algorithms: Vec<Algorithm>,
        length: Option<u64>,
    ) -> io::Result<Vec<Digest>> {
        let mut running: Vec<Running> =
            algorithms.into_iter().filter_map(|algorithm| Running::new(algorithm, length)).collect();
        let mut block = vec![0; BLOCK];
        loop {
            if self.end.is_here() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = match from.read(&mut block) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.bytes += n as u64;
            running.iter_mut().for_each(|digest| digest.update(&block[..n]));
        }
        Ok(running.into_iter().filter_map(Running::finish).collect())
    }
}

/// What is seen of a file while it is hashed.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    is_text: bool,
    is_gzip: bool,
    /// Its length with LF in place of CRLF.
    with_lf: u64,
    /// Its length with CRLF in place of LF.
    with_crlf: u64,
}

struct Watched<R> {
    inner: R,
    seen: Seen,
    last: u8,
    length: u64,
}

impl<R: Read> Watched<R> {
    fn finish(self) -> Seen {
        let Seen { with_lf, with_crlf, .. } = self.seen;
        // Counted as differences so far.
        Seen { with_lf: self.length - with_lf, with_crlf: self.length + with_crlf, ..self.seen }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        let bytes = &into[..n];
        if self.length == 0 && n > 0 {
            self.seen.is_text = !bytes[..n.min(TEXT)].contains(&0);
            self.seen.is_gzip = bytes.starts_with(&[0x1f, 0x8b]);
        }
        for at in memchr::memchr_iter(b'\n', bytes) {
            let before = if at == 0 { self.last } else { bytes[at - 1] };
            *if before == b'\r' { &mut self.seen.with_lf } else { &mut self.seen.with_crlf } += 1;
        }
        self.last = bytes.last().copied().unwrap_or(self.last);
        self.length += n as u64;
        Ok(n)
    }
}

/// A text with other line ends.
struct LineEnds<R> {
    inner: BufReader<R>,
    layer: Layer,
    last: u8,
    /// A byte that is due before the next one is read.
    due: Option<u8>,
}

impl<R: Read> LineEnds<R> {
    fn new(inner: R, layer: Layer) -> Self {
        LineEnds { inner: BufReader::with_capacity(BLOCK, inner), layer, last: 0, due: None }
    }

    fn next(&mut self) -> io::Result<Option<u8>> {
        let mut one = [0];
        Ok((self.inner.read(&mut one)? == 1).then_some(one[0]))
    }
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < into.len() {
            let Some(byte) = self.due.take().map_or_else(|| self.next(), |due| Ok(Some(due)))? else { break };
            match (self.layer, byte) {
                (Layer::WithLf, b'\r') => match self.next()? {
                    Some(b'\n') => into[n] = b'\n',
                    other => {
                        into[n] = b'\r';
                        self.due = other;
                    }
                },
                (Layer::WithCrlf, b'\n') if self.last != b'\r' => {
                    into[n] = b'\r';
                    self.due = Some(b'\n');
                }
                _ => into[n] = byte,
            }
            self.last = into[n];
            n += 1;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::claim::SourceId;
    use crate::digest::Digests;

    fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut running = Running::new(algorithm, Some(bytes.len() as u64)).unwrap();
        running.update(bytes);
        running.finish().unwrap()
    }

    /// In which way the digest of `published` fits a file with `here`, labelled SHA-256.
    fn way(here: &[u8], published: Digest, size: Option<u64>) -> Option<Way> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), here).unwrap();
        let doubt = Doubt {
            root: 0,
            path: b"a".to_vec(),
            source: SourceId(0),
            line: 1,
            value: published.bytes().to_vec(),
            label: Some(Algorithm::Sha256),
            size,
            measured: std::iter::once(digest(Algorithm::Sha256, here)).collect::<Digests>(),
            length: here.len() as u64,
            stamp: None,
        };
        let roots = [folder.path().to_path_buf()];
        let stop = AtomicBool::new(false);
        let end = End { until: None, stop: &stop };
        let found = way_of(&roots, &doubt, &Way::all(&doubt, None), &end).0;
        // Another file than the one that was measured fits in no way.
        std::fs::write(folder.path().join("a"), [here, b"!"].concat()).unwrap();
        assert_eq!(way_of(&roots, &doubt, &Way::all(&doubt, None), &end).0, None);
        let mut other = here.to_vec();
        if let Some(last) = other.last_mut() {
            *last ^= 1;
            std::fs::write(folder.path().join("a"), &other).unwrap();
            assert_eq!(way_of(&roots, &doubt, &Way::all(&doubt, None), &end).0, None);
        }
        found
    }

    fn some(layer: Layer, algorithm: Algorithm) -> Option<Way> {
        Some(Way { layer, algorithm })
    }

    #[test]
    fn other_algorithms_of_the_same_length_are_found() {
        let here = b"some bytes\0";
        for algorithm in Algorithm::ALL.into_iter().filter(|a| a.len() >= 16 && *a != Algorithm::Sha256) {
            assert_eq!(
                way(here, digest(algorithm, here), Some(11)),
                some(Layer::Bytes, algorithm),
                "{algorithm}"
            );
            assert_eq!(way(here, digest(algorithm, b"other"), Some(11)), None);
            assert_eq!(way(here, digest(algorithm, here), Some(12)), None, "the size speaks against it");
        }
    }

    #[test]
    fn other_line_ends_are_found_in_texts_only() {
        use Algorithm::{GitBlob, Md5};
        let (lf, crlf): (&[u8], &[u8]) = (b"a\nb\r\n\rc\n", b"a\r\nb\r\n\rc\r\n");
        assert_eq!(way(crlf, digest(Md5, b"a\nb\n\rc\n"), None), some(Layer::WithLf, Md5));
        assert_eq!(way(crlf, digest(GitBlob, b"a\nb\n\rc\n"), Some(7)), some(Layer::WithLf, GitBlob));
        assert_eq!(way(lf, digest(Md5, crlf), None), some(Layer::WithCrlf, Md5));
        assert_eq!(way(lf, digest(Md5, crlf), Some(lf.len() as u64)), None);
        assert_eq!(way(b"\0\r\n", digest(Md5, b"\0\n"), None), None);
    }

    #[test]
    fn what_a_file_decompresses_to_is_found() {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"content").unwrap();
        let gzip = gzip.finish().unwrap();
        let sha256 = digest(Algorithm::Sha256, b"content");
        assert_eq!(way(&gzip, sha256.clone(), Some(7)), some(Layer::Decompressed, Algorithm::Sha256));
        assert_eq!(way(&gzip[..gzip.len() - 3], sha256, Some(7)), None);
    }

    proptest! {
        #[test]
        fn line_ends_are_changed_as_text_editors_do(text in "[a\r\n]{0,40}", room in 1usize..5) {
            let changed = |layer| {
                let mut ends = LineEnds::new(text.as_bytes(), layer);
                let mut all = Vec::new();
                let mut into = vec![0; room];
                loop {
                    let n = ends.read(&mut into).unwrap();
                    if n == 0 { break }
                    all.extend_from_slice(&into[..n]);
                }
                String::from_utf8(all).unwrap()
            };
            let lf = text.replace("\r\n", "\n");
            prop_assert_eq!(changed(Layer::WithLf), lf);
            let marked = text.replace("\r\n", "\u{1}").replace(['\n', '\u{1}'], "\r\n");
            prop_assert_eq!(changed(Layer::WithCrlf), marked);
            let mut watched = Watched { inner: text.as_bytes(), seen: Seen::default(), last: 0, length: 0 };
            io::copy(&mut watched, &mut io::sink()).unwrap();
            let seen = watched.finish();
            prop_assert_eq!(seen.with_lf as usize, changed(Layer::WithLf).len());
            prop_assert_eq!(seen.with_crlf as usize, changed(Layer::WithCrlf).len());
        }
    }
}
