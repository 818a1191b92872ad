//! Loading the known-bad lists of a run, and asking them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::options::{AuditOptions, SourceSpec};
use super::report::SourceReport;
use crate::claim::SourceId;
use crate::digest::{Algorithm, CellDigests, Digest, DigestSet, Digests};
use crate::error::{Error, Result};
use crate::finding::Level;
use crate::hashlist::{self, Columns, Context, HashListError};
use crate::index::{HashListIndex, HashListIndexBuilder};
use crate::locator::Escaped;

/// All hash lists of a run.
#[derive(Default)]
pub struct Lists {
    index: Option<HashListIndex>,
    /// The lists, in order.
    pub reports: Vec<SourceReport>,
    /// For each list, how many lines were refused that may have been meant to name harmful content.
    pub lost: Vec<u64>,
    /// Digests of the lists may be shown.
    pub reveal: bool,
    /// Their files, as real paths.
    pub own_files: Vec<PathBuf>,
}

/// An item that is on a list.
pub struct Seen {
    /// The list.
    pub source: SourceId,
    /// Its line.
    pub line: u64,
    /// How sure the match is.
    pub level: Level,
    /// The digest by which it matched: shown only if the user asked for it.
    pub digest: Digest,
    label: String,
}

impl Seen {
    /// One sentence: what was found, under which category and id of the list.
    pub fn sentence(&self, what: &str) -> String {
        let weak = match self.level {
            Level::Confirmed => "",
            Level::ExactWeak => "; other content with this digest can be made, so look twice",
        };
        format!("{what}{}{weak}", self.label)
    }
}

impl Lists {
    /// Reads all lists that were named. Their sources are numbered from `first` on.
    ///
    /// # Errors
    /// Where one of them cannot be used.
    pub fn load(options: &AuditOptions, first: u32) -> Result<Lists> {
        let mut builder = HashListIndexBuilder::new();
        let mut lists = Lists { reveal: options.reveal, ..Lists::default() };
        for (number, spec) in options.hash_lists.iter().enumerate() {
            let source = SourceId(first + number as u32);
            let (report, lost) = read_list(options, spec, source, &mut builder, &mut lists.own_files)?;
            lists.reports.push(report);
            lists.lost.push(lost);
        }
        if !lists.reports.is_empty() {
            lists.index = Some(builder.build());
        }
        Ok(lists)
    }

    /// Whether there is no list.
    pub fn is_empty(&self) -> bool {
        self.index.is_none()
    }

    /// The digests that have to be measured to look items up.
    pub fn algorithms(&self) -> DigestSet {
        self.index.as_ref().map_or(DigestSet::EMPTY, HashListIndex::algorithms)
    }

    /// Whether a digest stands on a list.
    pub fn holds(&self, digest: &Digest) -> bool {
        let digests: Digests = [digest.clone()].into_iter().collect();
        self.index.as_ref().is_some_and(|index| !index.look_up(&digests).is_empty())
    }

    /// Which values of a column stand on a list: their indices, rising. What stands in the place of a null may be among
    /// them.
    pub fn look_up_column(&self, cells: &CellDigests) -> Vec<usize> {
        self.index.as_ref().map_or_else(Vec::new, |index| index.look_up_column(cells))
    }

    /// Where digests of an item stand: one answer for each list, by its strongest digest.
    pub fn look_up(&self, digests: &Digests) -> Vec<Seen> {
        let Some(index) = &self.index else { return Vec::new() };
        let mut seen: Vec<Seen> = Vec::new();
        for hit in index.look_up(digests) {
            // Hits come strongest first: later ones of the same list add nothing.
            if seen.iter().any(|s| s.source == hit.source) {
                continue;
            }
            let Some(digest) = digests.of(hit.algorithm).cloned() else { continue };
            let mut label = String::new();
            for (what, text) in [("category", hit.category), ("id", hit.id)] {
                if let Some(text) = text {
                    label.push_str(&format!(", {what} {}", Escaped(text.as_bytes())));
                }
            }
            seen.push(Seen { source: hit.source, line: hit.line, level: hit.level, digest, label });
        }
        seen
    }
}

fn read_list(
    options: &AuditOptions,
    spec: &SourceSpec,
    source: SourceId,
    builder: &mut HashListIndexBuilder,
    own_files: &mut Vec<PathBuf>,
) -> Result<(SourceReport, u64)> {
    let path = &spec.path;
    let unreadable = |cause| Error::Unreadable { role: "hash list", path: path.clone(), cause };
    let unusable = |error: HashListError| match error {
        HashListError::Sink(error) => error,
        HashListError::Io(cause) => Error::Unreadable { role: "hash list", path: path.clone(), cause },
        HashListError::NotThisFormat(reason) => Error::Unusable {
            role: "hash list",
            path: path.clone(),
            reason,
            advice: "Name a list with at least one digest.".to_string(),
        },
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "it is a folder" } else { "it is no regular file" };
        return Err(unreadable(std::io::Error::new(std::io::ErrorKind::InvalidInput, what)));
    }
    own_files.extend(std::fs::canonicalize(path));
    let mut report = SourceReport::new("hash-list", path.as_os_str().as_bytes().to_vec());
    report.sha256 = Some(sha256_of(path).map_err(unreadable)?);
    let mut input = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
    let file_name = path.file_name().unwrap_or_default().as_bytes().to_vec();
    // A list may be written as `FORMAT:FILE` or, where only its algorithm is in doubt, `ALGORITHM:FILE`.
    let declared = spec.format.as_deref().and_then(Algorithm::from_name);
    let format = match spec.format.as_deref().filter(|_| declared.is_none()) {
        Some(name) => hashlist::by_name(name).ok_or_else(|| {
            let known: Vec<_> = hashlist::formats().iter().map(|f| f.name()).collect();
            Error::Usage(format!("no hash list format is called {name}; known are {}", known.join(", ")))
        })?,
        // Who names columns says that it is a table.
        None if options.columns != Columns::default() => &hashlist::Csv,
        None => hashlist::recognise(&file_name, input.fill_buf().map_err(unreadable)?).map_err(unusable)?,
    };
    report.format = format.name();
    let declared = declared.or_else(|| {
        let mut given = options.declared.iter();
        given.next().filter(|_| given.next().is_none())
    });
    let context = Context { file_name: &file_name, declared, columns: options.columns.clone() };
    let mut loader = builder.load(source, path);
    format.read(&mut input, &context, &mut loader).map_err(unusable)?;
    let loaded = loader.finish();
    report.entries = loaded.entries;
    report.rejected = loaded.rejected;
    report.rejections = loaded.first_rejections.iter().cloned().map(|r| (r.line, r.reason)).collect();
    Ok((report, loaded.lost))
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(sha256.finalize())),
            n => sha256.update(&buffer[..n]),
        }
    }
}
