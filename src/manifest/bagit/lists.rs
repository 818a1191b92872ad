//! What the lists of a bag say about each other, in bounded memory: names are hashed and looked at in parts, and the
//! lists are read anew for each part.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use sha2::{Digest as _, Sha256};

use super::super::ManifestError;
use super::Told;
use crate::claim::ClaimSink;
use crate::locator::Escaped;

/// Names that are held at once.
const AT_ONCE: u64 = 1 << 19;

/// A tag file that lists files.
pub(super) struct List {
    /// Its file name.
    pub(super) name: OsString,
    /// The algorithm in its name; none for `fetch.txt`.
    pub(super) algorithm: Option<String>,
}

impl List {
    /// Its name in sentences.
    pub(super) fn shown(&self) -> String {
        Escaped(self.name.as_bytes()).to_string()
    }
}

/// What the payload manifests list together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// Different files.
    pub(super) files: u64,
}

/// Reads a list and hands over each line number and path.
pub(super) type Each<'a> = dyn Fn(&List, &mut dyn FnMut(u64, &[u8])) -> Result<(), ManifestError> + 'a;

/// Tells what breaks the rules: since 1.0 every payload manifest lists every payload file, and none of them twice
/// (RFC 8493, 3); what is to be fetched is listed in every manifest, before 1.0 in one.
pub(super) fn check(
    manifests: &[List],
    fetch: Option<&List>,
    is_1_0: bool,
    each: &Each<'_>,
    sink: &mut dyn ClaimSink,
) -> Result<Listed, ManifestError> {
    let mut entries = 0u64;
    for list in manifests.iter().chain(fetch) {
        each(list, &mut |_, _| entries += 1)?;
    }
    let parts = entries.div_ceil(AT_ONCE).max(1);
    let mut checking = Checking { manifests, fetch, is_1_0, each, parts, listed: Listed::default() };
    let (mut twice, mut absent) = (Told::default(), Told::default());
    for part in 0..parts {
        checking.part(part, &mut twice, &mut absent, sink)?;
    }
    Ok(checking.listed)
}

struct Checking<'a> {
    manifests: &'a [List],
    fetch: Option<&'a List>,
    is_1_0: bool,
    each: &'a Each<'a>,
    parts: u64,
    listed: Listed,
}

/// A path stands for itself by a hash that nobody finds a second path for.
type PathHash = [u8; 16];

impl Checking<'_> {
    fn part(
        &mut self,
        part: u64,
        twice: &mut Told,
        absent: &mut Told,
        sink: &mut dyn ClaimSink,
    ) -> Result<(), ManifestError> {
        // Which lists name a path: a bit for each manifest.
        let mut seen: HashMap<PathHash, u32> = HashMap::new();
        for (number, list) in self.manifests.iter().enumerate() {
            let bit = 1u32 << number;
            let mut repeated = Vec::new();
            (self.each)(list, &mut |line, path| {
                let Some(hash) = self.hash(path, part) else { return };
                let lists = seen.entry(hash).or_default();
                if *lists & bit != 0 && self.is_1_0 && repeated.len() <= Told::MOST as usize {
                    repeated.push(format!("{} line {line}: it lists {} twice", list.shown(), Escaped(path)));
                }
                *lists |= bit;
            })?;
            for what in repeated {
                twice.tell(sink, || what)?;
            }
        }
        self.listed.files += seen.len() as u64;
        let all = (1u32 << self.manifests.len()) - 1;
        let lacking = |lists: u32| {
            if self.is_1_0 {
                all & !lists
            } else if lists == 0 {
                all
            } else {
                0
            }
        };
        let is_complete = seen.values().all(|lists| lacking(*lists) == 0);
        let naming = self.manifests.iter().filter(|_| !is_complete).chain(self.fetch);
        for list in naming {
            let mut found = Vec::new();
            (self.each)(list, &mut |_, path| {
                let Some(hash) = self.hash(path, part) else { return };
                let lists = seen.get(&hash).copied().unwrap_or(0);
                let lacks = lacking(lists);
                if lacks != 0 && found.len() <= Told::MOST as usize {
                    found.push(self.absence(list, path, lacks));
                    // Told once.
                    seen.insert(hash, all);
                }
            })?;
            for what in found {
                absent.tell(sink, || what)?;
            }
        }
        Ok(())
    }

    fn absence(&self, list: &List, path: &[u8], lacks: u32) -> String {
        let lacking = self.manifests.iter().enumerate().filter(|(number, _)| lacks & (1 << number) != 0);
        let lacking: Vec<String> = lacking.map(|(_, list)| list.shown()).collect();
        let lacking = if lacking.is_empty() { "no manifest".to_owned() } else { lacking.join(", ") };
        format!("{} lists {}, which {lacking} does not list", list.shown(), Escaped(path))
    }

    /// The hash of a path that belongs to this part.
    fn hash(&self, path: &[u8], part: u64) -> Option<PathHash> {
        let hash = Sha256::digest(path);
        let mut number = [0; 8];
        number.copy_from_slice(hash.get(16..24)?);
        if u64::from_be_bytes(number) % self.parts != part {
            return None;
        }
        hash.get(..16)?.try_into().ok()
    }
}
