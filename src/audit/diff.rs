//! `diff`: what one copy has and another has not, whatever the two are.
//!
//! The first is what is claimed, the second what is there. Whatever is not already an index or a manifest is made one
//! beside the other scratch files.

use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::options::{AuditOptions, Mode, SourceSpec};
use super::progress::Progress;
use super::report::Report;
use super::{audit, indexing};
use crate::claim::{Claim, ClaimSink, SourceId, Subject};
use crate::digest::{Algorithm, DigestSet};
use crate::error::{Error, Result};
use crate::index::observations::{FORMAT, FindingsWriter, IndexDir, PartWriter, is_index};
use crate::index::spool::{Scratch, Spool};
use crate::locator::{Locator, place_key};
use crate::manifest::{self, Context, ManifestError, ManifestFormat};
use crate::observation::{Kind, Observation};

/// Compares `first` with the one root of `options`. What only the first has is `missing`, what only the other has is
/// `undisclosed`.
///
/// # Errors
/// Where the job could not be done: see [`Error`]. Differences are in the report.
pub fn diff(
    first: &Path,
    options: &AuditOptions,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    let second = options.roots.first().ok_or_else(|| Error::Usage("diff compares two things".into()))?;
    let mut options = options.clone();
    let scratch = scratch_folder(&options)?;
    let claimed = match kind_of(first)? {
        Given::Index | Given::Manifest(_) => first.to_path_buf(),
        Given::Dataset => {
            progress.stage("reading the first");
            let mut indexing =
                AuditOptions { mode: Mode::Index, roots: vec![first.to_path_buf()], ..options.clone() };
            let folder = scratch.path().join("first");
            indexing.output = Some(folder.clone());
            indexing.declared = DigestSet::of(Algorithm::Sha256);
            indexing::index(&indexing, progress, stop)?;
            folder
        }
    };
    if let Given::Manifest(format) = kind_of(second)? {
        let folder = scratch.path().join("second");
        options.ignore_sizes = index_of_manifest(second, format, &folder, &options)?;
        options.roots = vec![folder];
    }
    options.manifests = vec![SourceSpec { format: None, path: claimed.clone() }];
    let mut report = audit(&options, progress, stop)?;
    // Scratch folders are nobody's names.
    report.roots = vec![second.clone()];
    if let Some(source) = report.sources.first_mut() {
        source.path = first.as_os_str().as_bytes().to_vec();
        if claimed != first {
            source.sha256 = None;
        }
    }
    Ok(report)
}

/// What was given to be compared.
enum Given {
    Dataset,
    Index,
    Manifest(&'static dyn ManifestFormat),
}

fn kind_of(path: &Path) -> Result<Given> {
    let unreadable = |cause| Error::Unreadable { role: "dataset", path: path.to_path_buf(), cause };
    if is_index(path) {
        return Ok(Given::Index);
    }
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Ok(Given::Dataset);
    }
    let mut file = BufReader::new(std::fs::File::open(path).map_err(unreadable)?);
    let head = file.fill_buf().map_err(unreadable)?;
    let name = path.file_name().unwrap_or_default().as_bytes();
    Ok(manifest::recognise(name, head).map_or(Given::Dataset, Given::Manifest))
}

fn scratch_folder(options: &AuditOptions) -> Result<TempDir> {
    let folder = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    tempfile::Builder::new().prefix("shardproof-").tempdir_in(&folder).map_err(|cause| Error::Io {
        doing: "create a scratch folder in",
        path: folder,
        cause,
        advice: "Free some space there, or name another folder with --scratch.",
    })
}

/// Writes an index of what a manifest says, as if it had been measured; `true` if it leaves sizes open, so that none
/// can be compared.
fn index_of_manifest(
    path: &Path,
    format: &'static dyn ManifestFormat,
    folder: &Path,
    options: &AuditOptions,
) -> Result<bool> {
    let unreadable = |cause| Error::Unreadable { role: "manifest", path: path.to_path_buf(), cause };
    let failed = |cause| Error::Io {
        doing: "create a scratch folder in",
        path: folder.to_path_buf(),
        cause,
        advice: "Free some space there, or name another folder with --scratch.",
    };
    std::fs::create_dir_all(folder.join("observations")).map_err(failed)?;
    let scratch_folder = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::new(&scratch_folder, options.memory / 24);
    let mut said = Said { claims: Spool::new(&scratch), sizeless: false, refused: None };
    let mut input = BufReader::with_capacity(1 << 16, std::fs::File::open(path).map_err(unreadable)?);
    let file_name = path.file_name().unwrap_or_default().as_bytes();
    let context = Context { source: SourceId(0), file_name, path, declared: options.declared };
    format.read(&mut input, &context, &mut said).map_err(|error| match error {
        ManifestError::Sink(error) => error,
        ManifestError::Io(cause) => unreadable(cause),
        ManifestError::NotThisFormat(reason) => Error::Unusable {
            role: "manifest",
            path: path.to_path_buf(),
            reason,
            advice: "Name a manifest with at least one entry.".to_string(),
        },
    })?;
    if let Some((line, reason)) = said.refused {
        return Err(Error::Unusable {
            role: "manifest",
            path: path.to_path_buf(),
            reason: format!("line {line}: {reason}"),
            advice: "Mend that line; a manifest is compared as a whole or not at all.".to_string(),
        });
    }
    let sizeless = said.sizeless;
    let roots = Arc::new(Vec::new());
    let mut part = PartWriter::create(folder, 0, None, Arc::clone(&roots))?;
    let (mut files, mut bytes, mut digests) = (0, 0u64, DigestSet::EMPTY);
    for record in said.claims.sorted()?.iter() {
        let (_, seen) = record?;
        files += 1;
        bytes = bytes.saturating_add(seen.length);
        digests = digests.union(seen.digests.set());
        part.push(&seen)?;
    }
    let (entry, _) = part.finish()?;
    FindingsWriter::create(folder)?.finish()?;
    IndexDir {
        schema: FORMAT.to_string(),
        tool: String::new(),
        roots: Vec::new(),
        digests: digests.iter().map(|algorithm| algorithm.name().to_string()).collect(),
        opened: false,
        files,
        bytes,
        samples: 0,
        findings: 0,
        left_out: 0,
        unlisted: Vec::new(),
        parts: vec![entry],
    }
    .commit(folder)?;
    Ok(sizeless)
}

/// What a manifest says, as files.
struct Said {
    claims: Spool<Observation>,
    /// Some of them have no size.
    sizeless: bool,
    /// A line that cannot be compared.
    refused: Option<(u64, String)>,
}

impl ClaimSink for Said {
    fn claim(&mut self, claim: Claim) -> Result<()> {
        let path = match claim.subject {
            Subject::Path(path) | Subject::Url { path, .. } => path,
            Subject::Refused { .. } => {
                return self.reject(claim.line, "its name is refused".to_string());
            }
        };
        let mut seen = Observation::new(Locator::file(Some(0), path.as_bytes()), 0, Kind::File);
        if claim.digests.is_empty() {
            return self.reject(claim.line, "it has no digest that can be compared".to_string());
        }
        self.sizeless |= claim.size.is_none();
        seen.length = claim.size.unwrap_or(0);
        seen.digests = claim.digests;
        self.claims.push(&crate::check::claim_key(&place_key(path.as_bytes())), &seen)
    }

    fn reject(&mut self, line: u64, reason: String) -> Result<()> {
        self.refused.get_or_insert((line, reason));
        Ok(())
    }

    fn broken(&mut self, line: Option<u64>, reason: String) -> Result<()> {
        self.reject(line.unwrap_or(0), reason)
    }
}
