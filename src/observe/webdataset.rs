//! Samples of WebDataset: files that share a key are the fields of one record.
//!
//! A name is a key and an extension at the first dot of its last part (webdataset's `base_plus_ext`); files of one key
//! that lie side by side are one sample. The record's fields are the extensions in lower case, their values the files'
//! bytes (`docs/rec1.md`); key, folder and times are not in it.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::digest::Algorithm;
use crate::digest::rec1::{DOMAIN, Encoder, key_order};
use crate::locator::Locator;
use crate::observation::{Kind, Observation, State};

/// Key and extension of a name; none where no loader makes a sample of it.
///
/// The expression is `^((?:.*/|)[^.]+)[.]([^/]*)$`: a part that begins with a dot belongs to the folder before it.
pub fn key(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let base = name.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
    let dot = base + name[base..].iter().position(|&b| b == b'.')?;
    if dot == base {
        let folder = name[..base].strip_suffix(b"/")?;
        let parent = folder.rsplit(|&b| b == b'/').next().unwrap_or(folder);
        if parent.contains(&b'.') {
            return None;
        }
    }
    Some((&name[..dot], &name[dot + 1..]))
}

/// A sample whose fields are being measured.
#[derive(Debug, Default)]
pub struct Sample {
    fields: BTreeMap<Vec<u8>, [u8; 32]>,
    /// A field cannot be had, or stands twice.
    broken: bool,
}

impl Sample {
    /// Adds the file of this extension as it was measured.
    pub fn add(&mut self, extension: &[u8], seen: &Observation) {
        let sha256 = seen.digests.of(Algorithm::Sha256).filter(|_| seen.state == State::Read);
        match sha256.and_then(|digest| digest.bytes().try_into().ok()) {
            Some(sha256) => {
                self.broken |= self.fields.insert(extension.to_ascii_lowercase(), sha256).is_some();
            }
            None => self.broken = true,
        }
    }

    /// Its identity; none where a field is missing, stands twice, or has a name that is no text.
    pub fn record(&self) -> Option<[u8; 32]> {
        if self.broken || self.fields.is_empty() {
            return None;
        }
        let names = self.fields.iter().map(|(name, sha256)| Some((std::str::from_utf8(name).ok()?, sha256)));
        let mut fields = names.collect::<Option<Vec<_>>>()?;
        fields.sort_by(|(a, _), (b, _)| key_order(a, b));
        let mut encoder = Encoder::after(DOMAIN.to_vec());
        encoder.map(fields.len());
        for (name, sha256) in fields {
            encoder.key(name);
            encoder.content(sha256);
        }
        Some(Sha256::digest(encoder.into_bytes()).into())
    }
}

/// The row that a sample amounts to, at this place of a file or folder.
pub fn row(locator: Locator, item: u64, sample: &Sample) -> Option<Observation> {
    let mut seen = Observation::new(locator, item, Kind::Row);
    seen.record = Some(sample.record()?);
    seen.derived = true;
    Some(seen)
}

/// The samples of one archive, whose members pass in order and are measured in any.
#[derive(Debug, Default)]
pub struct Samples {
    /// Samples of which not all is known yet, by their ordinal: key, fields to come, and what is known.
    open: BTreeMap<u64, (Vec<u8>, u64, Sample)>,
    /// Where a member that is being measured belongs: its sample and its extension.
    members: BTreeMap<u64, (u64, Vec<u8>)>,
    /// The sample that the last member belongs to.
    last: Option<u64>,
    next: u64,
}

impl Samples {
    /// A member begins.
    pub fn begin(&mut self, item: u64, name: &[u8]) {
        let Some((key, extension)) = key(name) else { return };
        let ordinal = match self.last.filter(|last| self.open.get(last).is_some_and(|(k, ..)| k == key)) {
            Some(last) => last,
            None => {
                self.next += 1;
                self.open.insert(self.next - 1, (key.to_vec(), 0, Sample::default()));
                self.next - 1
            }
        };
        if let Some((_, due, _)) = self.open.get_mut(&ordinal) {
            *due += 1;
        }
        self.members.insert(item, (ordinal, extension.to_vec()));
        self.last = Some(ordinal);
    }

    /// A member was measured, or could not be.
    pub fn measured(&mut self, item: u64, seen: &Observation) {
        let Some((ordinal, extension)) = self.members.remove(&item) else { return };
        if let Some((_, due, sample)) = self.open.get_mut(&ordinal) {
            *due -= 1;
            sample.add(&extension, seen);
        }
    }

    /// The next sample of which all is known: its ordinal, key and fields. At the end of the archive the last one is
    /// over, too.
    pub fn next(&mut self, ended: bool) -> Option<(u64, Vec<u8>, Sample)> {
        let is_over = |(ordinal, (_, due, _)): &(&u64, &(Vec<u8>, u64, Sample))| {
            *due == 0 && (ended || self.last != Some(**ordinal))
        };
        let ordinal = *self.open.iter().find(is_over)?.0;
        let (key, _, sample) = self.open.remove(&ordinal)?;
        Some((ordinal, key, sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn names_divide_as_in_webdataset() {
        let told = |name: &str| {
            key(name.as_bytes()).map(|(key, ext)| {
                (String::from_utf8(key.to_vec()).unwrap(), String::from_utf8(ext.to_vec()).unwrap())
            })
        };
        let is = |name: &str, key: &str, ext: &str| {
            assert_eq!(told(name), Some((key.into(), ext.into())), "{name}");
        };
        is("a.jpg", "a", "jpg");
        is("d/a.seg.png", "d/a", "seg.png");
        is("d.v1/a.jpg", "d.v1/a", "jpg");
        is("d/.secret.jpg", "d/", "secret.jpg");
        is("a.b/c/.x.jpg", "a.b/c/", "x.jpg");
        is("a.", "a", "");
        is("/.x", "/", "x");
        for none in [".secret.jpg", "noext", "dir.v1/noext", "a.b/.x", "d/"] {
            assert_eq!(told(none), None, "{none}");
        }
    }

    fn seen(item: u64, byte: u8) -> Observation {
        let mut seen = Observation::new(Locator::file(Some(0), "s.tar"), item, Kind::Member);
        seen.digests = [Digest::new(Algorithm::Sha256, &[byte; 32]).unwrap()].into_iter().collect();
        seen
    }

    #[test]
    fn a_sample_ends_where_the_next_begins_whatever_is_measured_first() {
        let mut samples = Samples::default();
        for (item, name) in [(1, "a.jpg"), (2, "a.TXT"), (3, "b.jpg"), (4, "a.jpg"), (5, "README")] {
            samples.begin(item, name.as_bytes());
        }
        samples.measured(3, &seen(3, 3));
        samples.measured(2, &seen(2, 2));
        let (ordinal, key, b) = samples.next(false).unwrap();
        assert_eq!((ordinal, key.as_slice()), (1, &b"b"[..]));
        assert!(b.record().is_some() && samples.next(false).is_none());
        samples.measured(1, &seen(1, 1));
        let (ordinal, _, a) = samples.next(false).unwrap();
        let mut same = Sample::default();
        same.add(b"txt", &seen(9, 2));
        same.add(b"jpg", &seen(9, 1));
        assert_eq!((ordinal, a.record()), (0, same.record()));
        samples.measured(4, &seen(4, 1));
        assert!(samples.next(false).is_none());
        assert_eq!(samples.next(true).unwrap().0, 2);
    }

    #[test]
    fn a_field_that_stands_twice_or_was_not_read_leaves_no_identity() {
        let mut twice = Sample::default();
        twice.add(b"jpg", &seen(1, 1));
        twice.add(b"JPG", &seen(2, 1));
        assert_eq!(twice.record(), None);
        let mut unread = Sample::default();
        unread.add(b"jpg", &Observation::new(Locator::default(), 1, Kind::Member));
        assert_eq!(unread.record(), None);
    }
}
