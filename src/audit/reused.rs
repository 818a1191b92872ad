//! Indexes in place of datasets: what was measured once is judged without being read again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::findings::Findings;
use super::keeper::Keeper;
use super::lists::Lists;
use super::options::AuditOptions;
use super::progress::Progress;
use super::reading::Reading;
use super::report::SourceReport;
use crate::check::{FindingSink, claim_key};
use crate::digest::{Algorithm, DigestSet, Digests};
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::index::observations::{IndexDir, PartReader, Store, is_index, read_findings};
use crate::index::spool::{Scratch, Spool};
use crate::locator::{Locator, place_key};
use crate::observation::{Kind, Observation, State};

/// An index that takes the place of a dataset.
pub struct OpenIndex {
    /// What it holds.
    pub store: Store,
}

/// Opens those roots that are indexes.
///
/// # Errors
/// Where one is damaged, or of several datasets beside others.
pub fn open(options: &AuditOptions) -> Result<Vec<OpenIndex>> {
    let indexes = options.roots.iter().enumerate().filter(|(_, root)| is_index(root));
    indexes
        .map(|(number, folder)| {
            let index = IndexDir::open(folder)?;
            if index.roots.len() > 1 {
                return Err(Error::Usage(format!(
                    "{} is an index of several datasets; make an index of each, and name them side by side",
                    folder.display()
                )));
            }
            let roots = vec![u16::try_from(number).unwrap_or(u16::MAX)];
            Ok(OpenIndex { store: Store { folder: folder.clone(), index, roots, scratch: None } })
        })
        .collect()
}

impl OpenIndex {
    /// Adds the places of which it knows nothing.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn blind(&self, blind: &mut Spool<String>) -> Result<()> {
        for (_, folder) in &self.store.index.unlisted {
            let why = format!("the folder {folder} could not be listed when the index was made");
            blind.push(&claim_key(&place_key(folder.as_bytes())), &why)?;
        }
        if self.store.index.left_out > 0 {
            let why =
                "the index was made with --include or --exclude and does not hold everything".to_string();
            blind.push(&claim_key(b""), &why)?;
        }
        Ok(())
    }
}

/// The name and SHA-256 of the run's own manifests: files that nobody has to claim.
pub fn exempt_files(manifests: &[SourceReport]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let own = |source: &SourceReport| {
        let name = source.path.rsplit(|&b| b == b'/').next()?.to_vec();
        Some((name, hex::decode(source.sha256.as_ref()?).ok()?))
    };
    manifests.iter().filter_map(own).collect()
}

/// What all indexes of a run are judged with.
pub struct Reused<'a> {
    pub options: &'a AuditOptions,
    pub lists: &'a Arc<Lists>,
    pub manifests: &'a [(Vec<u8>, Vec<u8>)],
    pub scratch: &'a Scratch,
}

impl Reused<'_> {
    /// Hands all that an index knows to the rounds, as if it had been read now.
    ///
    /// # Errors
    /// Where the index is damaged or the run was stopped.
    pub fn feed(
        &self,
        index: &OpenIndex,
        new_findings: &(dyn Fn() -> Findings + Sync),
        read: &mut Reading,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<()> {
        let Store { folder, index: marker, roots, .. } = &index.store;
        let root = roots.first().copied().unwrap_or(0);
        let names = Arc::new(marker.roots.clone());
        let next = AtomicUsize::new(0);
        let splits = marker.splits();
        let lacking = self.lists.algorithms().minus(marker.algorithms());
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            let mut keeper = Keeper::new(new_findings(), self.lists, self.scratch, progress, stop);
            keeper.lacks = lacking;
            let mut run = || -> Result<()> {
                while let Some(split) = splits.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Rows are counted up to their file, by one keeper.
                    for entry in *split {
                        if stop.load(Ordering::Relaxed) {
                            return Ok(());
                        }
                        progress.begin(entry.name.as_bytes());
                        let part = PartReader::open(folder, entry, Arc::clone(&names))?;
                        self.part(part, root, marker, &mut keeper)?;
                    }
                }
                Ok(())
            };
            if let Err(error) = run() {
                *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                next.store(usize::MAX / 2, Ordering::Relaxed);
            }
            keeper
        };
        let threads = self.options.threads.max(1).min(splits.len().max(1));
        let keepers: Vec<Keeper<'_>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let joined = others.into_iter().map(|thread| thread.join());
            let others = joined.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            std::iter::once(own).chain(others).collect()
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Err(error);
        }
        let mut unchecked = 0;
        for keeper in keepers {
            unchecked += keeper.lacking;
            read.add_reused(keeper);
        }
        let mut findings = new_findings();
        read_findings(folder, &marker.roots, marker.findings, |mut finding| {
            if let Some(locator) = &mut finding.locator {
                if !self.options.admits(&locator.shard) {
                    return Ok(());
                }
                locator.root = Some(root);
            }
            findings.finding(finding)
        })?;
        if unchecked > 0 {
            findings.finding(lacks(&self.options.roots[usize::from(root)], lacking, unchecked))?;
        }
        read.findings.push(findings);
        Ok(())
    }

    fn part(
        &self,
        mut part: PartReader,
        root: u16,
        marker: &IndexDir,
        keeper: &mut Keeper<'_>,
    ) -> Result<()> {
        // What a compressed archive decompresses to comes before its file.
        let mut stream: Option<(Vec<u8>, Digests, u64)> = None;
        while let Some(items) = part.read()? {
            for mut seen in items {
                seen.locator.root = Some(root);
                if !self.options.admits(&seen.locator.shard) {
                    keeper.left_out += u64::from(seen.kind == Kind::File);
                    continue;
                }
                if seen.kind == Kind::Stream && seen.opened && seen.state == State::Read {
                    stream = Some((seen.locator.shard.clone(), seen.digests.clone(), seen.length));
                }
                if seen.kind == Kind::File {
                    seen.stream = stream
                        .take_if(|(shard, ..)| *shard == seen.locator.shard)
                        .map(|(_, digests, length)| (digests, length));
                    seen.inside_incomplete |= !marker.opened;
                    seen.exempt |= self.is_own(&seen);
                }
                keeper.reuse(seen)?;
            }
        }
        Ok(())
    }

    /// Whether a file is a manifest of this run.
    fn is_own(&self, seen: &Observation) -> bool {
        let name = seen.locator.shard.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let sha256 = seen.digests.of(Algorithm::Sha256).map(|digest| digest.bytes());
        self.manifests.iter().any(|(own, digest)| own == name && sha256 == Some(digest.as_slice()))
    }
}

/// Items of an index that a hash list asks more of than was measured.
fn lacks(index: &Path, lacking: DigestSet, items: u64) -> Finding {
    use std::os::unix::ffi::OsStrExt;
    let names: Vec<_> = lacking.iter().map(|algorithm| algorithm.name()).collect();
    let items = if items == 1 { "1 item".to_string() } else { format!("{items} items") };
    let detail = format!(
        "{items} of the index were not looked up by {}, which a hash list needs and the index lacks; make the index \
         with --algorithm {}",
        names.join(" and "),
        names.join(","),
    );
    let mut finding = Finding::of_place(Code::Unverifiable, Locator::default(), detail);
    finding.locator = Some(Locator::file(None, index.as_os_str().as_bytes()));
    finding
}
