//! Loading what is claimed: the manifests that were named, or those lying in the dataset.

mod choice;
mod hashed;
mod sinks;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use self::choice::Planning;
pub use self::choice::{Planned, choose};
use self::hashed::Hashed;
use self::sinks::{Nowhere, OfOne, Reaching};
use super::listing::{Listing, join};
use super::options::{AuditOptions, ScopeOption};
use super::pointers::{AnnexPlace, Pointer, key_at, read_pointer};
use super::report::{HubOrigin, SourceReport};
use super::urls;
use crate::check::balance::{Balance, ClaimClass};
use crate::check::judgement::excuse;
use crate::check::{FindingSink, claim_key};
use crate::claim::{Claim, ClaimSink, ClaimedInside, Scope, SourceId, Subject, Unusable};
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::index::observations::{self, IndexDir, Store};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::{Escaped, ItemPath, Locator, place_key};
use crate::manifest::annex_key::Key;
use crate::manifest::hf_tree::HfTree;
use crate::manifest::{self, Context, ManifestError, ManifestFormat, dvc, hf_local, lfs_pointer};
use crate::observation::{Kind, Observation, State};

/// All claims of a run.
pub struct Manifests {
    /// By place.
    pub claims: Sorted<Claim>,
    /// The manifests, in order.
    pub reports: Vec<SourceReport>,
    /// What they claim to list completely.
    pub scopes: Vec<Scope>,
    /// Their files, as real paths.
    pub own_files: HashSet<PathBuf>,
    /// Some manifest lists only what arrived.
    pub unknown_scope: bool,
    /// The index among them, whose rows and cells are claimed as well.
    pub index: Option<(SourceId, Store)>,
    /// Digests, in hexadecimal, of downloads that did not finish: they stand in the names of partial files.
    pub interrupted: HashSet<String>,
}

/// Manifests that were read, of which it is not yet known where what was published at URLs is here.
pub struct Unbound {
    manifests: Manifests,
    claims: Spool<Claim>,
    urls: Spool<Claim>,
}

/// Reads all chosen manifests.
///
/// # Errors
/// Where one that was named cannot be used.
pub fn load(
    options: &AuditOptions,
    planned: Vec<Planned>,
    scratch: &Scratch,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<Unbound> {
    let mut claims = Spool::new(scratch);
    let mut urls = Spool::new(scratch);
    let mut loaded = (Vec::new(), Vec::new(), HashSet::new(), false);
    let mut interrupted = HashSet::new();
    let mut index = None;
    for (number, Planned { name, what }) in planned.into_iter().enumerate() {
        let source = SourceId(number as u32);
        let mut loader = Loader {
            options,
            source,
            base: Base::default(),
            claims: Spool::new(scratch),
            urls: Spool::new(scratch),
            balance,
            findings,
            report: SourceReport::new("manifest", name),
            interrupted: &mut interrupted,
        };
        let result = match what {
            Planning::Named { path, format } => loader.named(&path, format, &mut loaded.2).map(Some),
            Planning::Index { path } => loader.index(&path).and_then(|store| {
                // What was left out or could not be listed when it was made, it cannot claim to be complete of.
                let is_whole = store.index.left_out == 0 && store.index.unlisted.is_empty();
                let scope = if is_whole { Scope::Folder(Vec::new()) } else { Scope::Unknown };
                if index.replace((source, store)).is_some() {
                    let what = "more than one index was named as a manifest; verify against one at a time";
                    return Err(Error::Usage(what.to_string()));
                }
                Ok(Some(scope))
            }),
            Planning::Found { root, path } => loader.found(root, &path, &mut loaded.2),
            Planning::HuggingFace { root, layout } => loader.hugging_face(root, &layout),
            Planning::Pointers(pointers) => loader.pointers(pointers).map(Some),
            Planning::Annex(places, objects) => loader.annex(places, objects, &mut loaded.2).map(Some),
            Planning::Dvc(files) => loader.dvc(files, &mut loaded.2),
        };
        let scope = result?.map(|scope| loader.scope(scope));
        if let Some(scope) = scope {
            // Only now: what a manifest said before it turned out to be broken is not held against the data.
            loader.balance.claims_in += loader.claims.len();
            claims.absorb(loader.claims)?;
            urls.absorb(loader.urls)?;
            loader.report.scope = Some(scope.name());
            loaded.3 |= scope == Scope::Unknown;
            loaded.1.push(scope);
        }
        loaded.0.push(loader.report);
    }
    let (reports, scopes, own_files, unknown_scope) = loaded;
    let none = Spool::new(scratch).sorted()?;
    let manifests = Manifests { claims: none, reports, scopes, own_files, unknown_scope, index, interrupted };
    Ok(Unbound { manifests, claims, urls })
}

impl Unbound {
    /// Puts claims of URLs where what was published there is here.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn bind(
        self,
        options: &AuditOptions,
        listing: &Listing,
        scratch: &Scratch,
        balance: &mut Balance,
    ) -> Result<Manifests> {
        let Unbound { mut manifests, mut claims, urls } = self;
        if !urls.is_empty() {
            urls::bind(&urls.sorted()?, listing, scratch, &mut |claim, file| {
                let Subject::Path(path) = &claim.subject else { return Ok(()) };
                if !options.admits(file.unwrap_or(path.as_bytes())) {
                    return Ok(());
                }
                balance.claims_in += 1;
                manifests.reports[claim.source.0 as usize].entries += 1;
                claims.push(&claim_key(&place_key(path.as_bytes())), &claim)
            })?;
        }
        manifests.claims = claims.sorted()?;
        Ok(manifests)
    }
}

/// How names in a manifest become paths below the roots.
#[derive(Clone, Debug, Default)]
struct Base {
    /// The manifest's base folder below the root.
    add: Vec<u8>,
    /// The root below the manifest's base folder.
    strip: Vec<u8>,
}

struct Loader<'a> {
    options: &'a AuditOptions,
    source: SourceId,
    base: Base,
    claims: Spool<Claim>,
    /// Claims of URLs, by [`super::urls::key`]: where they stand is found once all of them are known.
    urls: Spool<Claim>,
    balance: &'a mut Balance,
    findings: &'a mut dyn FindingSink,
    report: SourceReport,
    interrupted: &'a mut HashSet<String>,
}

impl Loader<'_> {
    fn named(
        &mut self,
        path: &Path,
        format: Option<&'static dyn ManifestFormat>,
        own_files: &mut HashSet<PathBuf>,
    ) -> Result<Scope> {
        self.base = self.base_of_named(path)?;
        let entry = if path.is_dir() { manifest::entry_of_folder(path) } else { None };
        let path = entry.as_deref().unwrap_or(path);
        let read = self.file(path, format, own_files)?;
        if self.report.format == HfTree.name() {
            self.report.hub = Some(HubOrigin::of_tree(path, self.base.add.clone()));
        }
        read.map_err(|error| {
            let reason = match error {
                ManifestError::Sink(error) => return error,
                ManifestError::Io(cause) => {
                    return Error::Unreadable { role: "manifest", path: path.to_path_buf(), cause };
                }
                ManifestError::NotThisFormat(reason) => reason,
            };
            let advice = "Name a manifest with at least one entry, or its format as FORMAT:FILE.".to_string();
            Error::Unusable { role: "manifest", path: path.to_path_buf(), reason, advice }
        })
    }

    /// A manifest that only lies in the dataset: one that cannot be used is a gap, not the end.
    fn found(&mut self, root: u16, path: &[u8], own_files: &mut HashSet<PathBuf>) -> Result<Option<Scope>> {
        let end = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
        self.base = Base { add: path[..end].to_vec(), strip: Vec::new() };
        self.report.found_in_dataset = true;
        let file = join(&self.options.roots[usize::from(root)], path);
        let why = match self.file(&file, None, own_files) {
            Ok(Ok(scope)) => return Ok(Some(scope)),
            Ok(Err(ManifestError::Sink(error))) => return Err(error),
            Ok(Err(error)) => error.to_string(),
            Err(Error::Unreadable { cause, .. }) => cause.to_string(),
            Err(error) => return Err(error),
        };
        let detail = format!("it is named like a manifest and cannot be used as one: {why}");
        let locator = Locator::file(Some(root), path.to_vec());
        let mut finding = Finding::of_place(Code::BadClaim, locator, detail);
        finding.source = Some(self.source);
        self.findings.finding(finding)?;
        self.report.unusable = Some(why);
        Ok(None)
    }

    /// Reads one file; the inner error is about its content.
    fn file(
        &mut self,
        path: &Path,
        format: Option<&'static dyn ManifestFormat>,
        own_files: &mut HashSet<PathBuf>,
    ) -> Result<Result<Scope, ManifestError>> {
        let unreadable = |cause| Error::Unreadable { role: "manifest", path: path.to_path_buf(), cause };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "it is a folder" } else { "it is no regular file" };
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        let mut input = Hashed {
            inner: BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?),
            sha256: Sha256::new(),
        };
        let file_name = path.file_name().unwrap_or_default().as_bytes().to_vec();
        let head = input.inner.fill_buf().map_err(unreadable)?;
        let Some(format) = format.or_else(|| manifest::recognise_at(path, head)) else {
            let reason = if head.is_empty() { "it is empty" } else { "its format is not recognised" };
            return Ok(Err(ManifestError::NotThisFormat(reason.to_string())));
        };
        if self.report.found_in_dataset && !format.is_used_where_it_lies() {
            let reason = format!(
                "it is of the format {}, which lists downloads and not what lies beside it; name it with --manifest to \
                 use it",
                format.name()
            );
            return Ok(Err(ManifestError::NotThisFormat(reason)));
        }
        self.report.format = format.name();
        let by_format = if self.options.base.is_none() { self.base_by_format(path, format) } else { None };
        let declared = self.options.declared;
        let context = Context { source: self.source, file_name: &file_name, path, declared };
        if self.report.found_in_dataset {
            // Told as one file that cannot be used, if so it is; not line by line.
            let mut trial = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
            if let Err(error) = format.read(&mut trial, &context, &mut Nowhere) {
                return Ok(Err(error));
            }
        }
        if let Some(base) = by_format {
            let mut reaching = Reaching { strip: &base.strip, any: base.strip.is_empty() };
            if !reaching.any {
                let mut trial = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
                if let Err(error) = format.read(&mut trial, &context, &mut reaching) {
                    return Ok(Err(error));
                }
            }
            // A manifest above the dataset of which no name leads into it was written for the dataset itself.
            if reaching.any {
                self.base = base;
            }
        }
        let read = format.read(&mut input, &context, self);
        if read.is_ok() {
            own_files.extend(std::fs::canonicalize(path));
            io::copy(&mut input, &mut io::sink()).map_err(unreadable)?;
            self.report.sha256 = Some(hex::encode(input.sha256.finalize()));
        }
        Ok(read)
    }

    /// An index of another copy claims every file, member, row and cell in it.
    fn index(&mut self, path: &Path) -> Result<Store> {
        if self.options.base.is_some() {
            let what =
                "--base does not go with an index: its names are relative to the dataset it was made of";
            return Err(Error::Usage(what.to_string()));
        }
        let index = IndexDir::open(path)?;
        if index.roots.len() > 1 {
            return Err(Error::Unusable {
                role: "manifest",
                path: path.to_path_buf(),
                reason: "it is an index of several datasets, whose names may coincide".to_string(),
                advice: "Make an index of each.".to_string(),
            });
        }
        self.report.format = "index";
        let marker = std::fs::read(path.join(observations::MARKER)).unwrap_or_default();
        self.report.sha256 = Some(hex::encode(Sha256::digest(marker)));
        let store = Store { folder: path.to_path_buf(), index, roots: vec![0], scratch: None };
        let mut inside = ClaimedInside::default();
        store.each(&mut |position, seen| {
            match seen.kind {
                Kind::Row | Kind::Cell if !seen.derived => inside.unnamed += 1,
                Kind::Member if !seen.hidden => {
                    inside.members += u64::from(self.claim_observed(position + 1, &seen, None)?);
                }
                Kind::File => {
                    let inside = std::mem::take(&mut inside);
                    // One with nothing in it may be one with something now.
                    let some = store.index.opened.then_some(inside);
                    if self.claim_observed(position + 1, &seen, some)? {
                        self.balance.claims_in += inside.unnamed;
                        self.report.entries += inside.unnamed;
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(store)
    }

    /// Claims what an index says of a file or a member; `false` where it is nothing that can be claimed.
    fn claim_observed(
        &mut self,
        line: u64,
        seen: &Observation,
        inside: Option<ClaimedInside>,
    ) -> Result<bool> {
        let mut name = seen.locator.shard.clone();
        let shard = (!seen.locator.member.is_empty()).then_some(name.len());
        for member in &seen.locator.member {
            name.push(b'/');
            name.extend_from_slice(member);
        }
        let Ok(path) = ItemPath::parse(&name) else { return Ok(false) };
        // A name that would be read otherwise than it stands cannot be met again by it.
        if path.as_bytes() != name {
            return Ok(false);
        }
        let unusable = match &seen.state {
            State::Read => None,
            _ => {
                let why = "it was not read to its end when the index was made";
                Some(Unusable::NotComputable(why.to_string()))
            }
        };
        // A claim on a sample is as its shard is.
        if !self.options.admits(&seen.locator.shard) {
            return Ok(false);
        }
        self.claim(Claim {
            size: (seen.state == State::Read).then_some(seen.length),
            digests: seen.digests.clone(),
            unusable,
            inside,
            shard: shard.and_then(|len| u32::try_from(len).ok()),
            ..Claim::new(self.source, line, Subject::Path(path))
        })?;
        Ok(true)
    }

    fn hugging_face(&mut self, root: u16, layout: &hf_local::Layout) -> Result<Option<Scope>> {
        self.report.found_in_dataset = true;
        let revision = self.options.revision.clone();
        match hf_local::read(layout, self.source, revision.as_deref(), self) {
            Ok(described) => {
                self.report.format = described.format;
                self.report.hub = Some(HubOrigin::of_layout(root, layout, described.commit));
                Ok(Some(described.scope))
            }
            Err(ManifestError::Sink(error)) => Err(error),
            Err(error) if revision.is_some() => Err(Error::Usage(error.to_string())),
            Err(error) => {
                let detail = format!("the Hugging Face metadata beside the files cannot be used: {error}");
                let locator = Locator::file(Some(root), self.report.path.clone());
                self.findings.finding(Finding::of_place(Code::BadClaim, locator, detail))?;
                self.report.unusable = Some(error.to_string());
                Ok(None)
            }
        }
    }

    fn pointers(&mut self, pointers: Vec<(u16, Vec<u8>)>) -> Result<Scope> {
        self.report.format = "git-lfs";
        self.report.found_in_dataset = true;
        for (ordinal, (root, path)) in pointers.into_iter().enumerate() {
            let pointer = read_pointer(&join(&self.options.roots[usize::from(root)], &path));
            if let (Some(Pointer::Lfs(pointer)), Ok(path)) = (pointer, ItemPath::parse(&path)) {
                self.claim(lfs_pointer::claim(&pointer, &path, self.source, ordinal as u64 + 1))?;
            }
        }
        Ok(Scope::Named)
    }

    /// Each key claims what is read at its place; an object of the store that no such place leads to, the key that it is
    /// named by.
    fn annex(
        &mut self,
        places: Vec<AnnexPlace>,
        objects: Vec<AnnexPlace>,
        own_files: &mut HashSet<PathBuf>,
    ) -> Result<Scope> {
        self.report.format = "git-annex";
        self.report.found_in_dataset = true;
        let read: HashSet<_> = places.iter().filter_map(|place| place.content).collect();
        let is_read = |object: &AnnexPlace| object.content.is_some_and(|content| read.contains(&content));
        let (settled, objects): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_read);
        for object in settled {
            // Its content is claimed where it is meant to stand.
            let file = join(&self.options.roots[usize::from(object.root)], &object.path);
            own_files.extend(std::fs::canonicalize(file));
        }
        for (ordinal, AnnexPlace { root, path, content }) in places.into_iter().chain(objects).enumerate() {
            let file = join(&self.options.roots[usize::from(root)], &path);
            let Some(key) = Key::of_link(&path).or_else(|| key_at(&file)) else { continue };
            let subject = manifest::subject(&path);
            let claim = key.claim(subject, self.source, ordinal as u64 + 1);
            // Where the content is not here, somebody may publish the text that stands for it.
            self.claim(Claim { yields: content.is_none(), ..claim })?;
        }
        Ok(Scope::Named)
    }

    /// Each file of DVC claims what it keeps. One that cannot be used is told, and the others count.
    fn dvc(&mut self, files: Vec<(u16, Vec<u8>)>, own_files: &mut HashSet<PathBuf>) -> Result<Option<Scope>> {
        self.report.format = "dvc";
        self.report.found_in_dataset = true;
        let (mut folders, mut used, mut unusable) = (Vec::new(), false, None);
        for (ordinal, (root, path)) in files.into_iter().enumerate() {
            let file = join(&self.options.roots[usize::from(root)], &path);
            let end = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
            let at = dvc::Place { source: self.source, file: &file, below: &path[..end] };
            let mut sink = OfOne { loader: self, name: &path, line: ordinal as u64 + 1 };
            let read = manifest::open_regular(&file).map_err(ManifestError::Io);
            match read.and_then(|mut input| dvc::read(&mut input, &at, &mut sink)) {
                Ok(listed) => {
                    used = true;
                    folders.extend(listed);
                    own_files.extend(std::fs::canonicalize(&file));
                }
                Err(ManifestError::Sink(error)) => return Err(error),
                Err(error) => {
                    let detail = format!("it is named like a file of DVC and cannot be used as one: {error}");
                    let locator = Locator::file(Some(root), path.clone());
                    let mut finding = Finding::of_place(Code::BadClaim, locator, detail);
                    finding.source = Some(self.source);
                    self.findings.finding(finding)?;
                    unusable = Some(error.to_string());
                }
            }
        }
        if !used {
            self.report.unusable = unusable;
            return Ok(None);
        }
        Ok(Some(if folders.is_empty() { Scope::Named } else { Scope::Folders(folders) }))
    }

    fn base_of_named(&self, file: &Path) -> Result<Base> {
        let canonical = |path: &Path| std::fs::canonicalize(path).ok();
        // A dataset that is a single file lies in its folder.
        let folder =
            |root: PathBuf| if root.is_dir() { Some(root) } else { root.parent().map(Path::to_path_buf) };
        let roots: Vec<PathBuf> =
            self.options.roots.iter().filter_map(|root| canonical(root).and_then(folder)).collect();
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        if let Some(base) = &self.options.base {
            let below_root = self.options.roots.iter().map(|root| root.join(base));
            for base in std::iter::once(base.clone()).chain(below_root).filter_map(|b| canonical(&b)) {
                for root in &roots {
                    if let Ok(below) = base.strip_prefix(root) {
                        return Ok(Base { add: bytes(below), strip: Vec::new() });
                    }
                    if let Ok(above) = root.strip_prefix(&base) {
                        return Ok(Base { add: Vec::new(), strip: bytes(above) });
                    }
                }
            }
            return Err(Error::Usage(format!(
                "--base {} is neither inside a dataset folder nor above one",
                base.display()
            )));
        }
        // A manifest in a folder of the dataset speaks of that folder, as `sha256sum -c` run there would, unless its
        // format says otherwise.
        let whole = canonical(file);
        let by_format = |root: &PathBuf| {
            let below = whole.as_ref()?.strip_prefix(root).ok()?;
            manifest::base_below(root, below.as_os_str().as_bytes())
        };
        if let Some(add) = roots.iter().find_map(by_format) {
            return Ok(Base { add, strip: Vec::new() });
        }
        let folder = whole.and_then(|m| m.parent().map(Path::to_path_buf));
        let below = folder.and_then(|f| roots.iter().find_map(|root| f.strip_prefix(root).ok().map(bytes)));
        Ok(Base { add: below.unwrap_or_default(), strip: Vec::new() })
    }

    /// The base folder that the format gives the manifest at `file`, if that lies in a dataset folder or above one.
    fn base_by_format(&self, file: &Path, format: &dyn ManifestFormat) -> Option<Base> {
        // What the file itself may link to says nothing of the folder that it stands in.
        let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let base = format.base(&std::fs::canonicalize(folder).ok()?.join(file.file_name()?))?;
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let roots = || {
            self.options
                .roots
                .iter()
                .filter(|root| root.is_dir())
                .filter_map(|r| std::fs::canonicalize(r).ok())
        };
        let below = roots().find_map(|root| Some(bytes(base.strip_prefix(root).ok()?)));
        let above = || roots().find_map(|root| Some(bytes(root.strip_prefix(&base).ok()?)));
        match below {
            Some(add) => Some(Base { add, strip: Vec::new() }),
            None => Some(Base { add: Vec::new(), strip: above()? }),
        }
    }

    /// What the manifest claims to list completely, below the roots.
    fn scope(&self, scope: Scope) -> Scope {
        match (&self.options.scope, scope) {
            (Some(ScopeOption::None), _) => Scope::Named,
            (Some(ScopeOption::All), _) => Scope::Folder(Vec::new()),
            // A glob decides item by item: see `Rules::in_scope`.
            (Some(ScopeOption::Glob(_)), _) => Scope::Named,
            (None, Scope::Folder(folder)) => self.below_base(&folder).map_or(Scope::Named, Scope::Folder),
            (None, Scope::Folders(folders)) => {
                Scope::Folders(folders.iter().filter_map(|folder| self.below_base(folder)).collect())
            }
            (None, other) => other,
        }
    }

    /// Where a folder of the manifest lies below the roots; `None` where that is outside.
    fn below_base(&self, folder: &[u8]) -> Option<Vec<u8>> {
        let strip = self.base.strip.as_slice();
        if strip.is_empty() {
            let path = ItemPath::parse(folder).map(|f| f.below(&self.base.add).into_bytes());
            return Some(path.unwrap_or_else(|_| self.base.add.clone()));
        }
        if folder == strip || Scope::Folder(folder.to_vec()).covers(strip) {
            return Some(Vec::new());
        }
        folder.strip_prefix(strip).and_then(|rest| rest.strip_prefix(b"/")).map(<[u8]>::to_vec)
    }

    /// Whether the user's patterns admit what a claim is about. A claim on a sample is as its shard is.
    fn admits(&self, path: &ItemPath) -> bool {
        if self.options.include.is_none() && self.options.exclude.is_none() {
            return true;
        }
        let bytes = path.as_bytes();
        let is_shard =
            |end: &usize| self.options.roots.iter().any(|root| join(root, &bytes[..*end]).is_file());
        let mut ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
        let shard = ends.find(is_shard).unwrap_or(bytes.len());
        self.options.admits(&bytes[..shard])
    }

    /// What the user's options make of a claim.
    fn prepare(&mut self, claim: &mut Claim) {
        if let Some(required) = self.options.require
            && claim.unusable.is_none()
            && claim.digests.strongest().is_none_or(|d| d.algorithm().strength() < required.strength())
        {
            let has = claim.digests.strongest().map_or("no digest", |d| d.algorithm().name());
            claim.unusable = Some(Unusable::NotComputable(format!(
                "the manifest gives {has}; --require asks for {required}"
            )));
        }
        if let Some(digest) = claim.digests.strongest().filter(|_| claim.interrupted) {
            self.interrupted.insert(hex::encode(digest.bytes()));
        }
        if self.options.ignore_sizes {
            claim.size = None;
        }
    }

    fn refuse(&mut self, code: Code, locator: Option<Locator>, line: u64, detail: String) -> Result<()> {
        self.balance.claims(ClaimClass::NotChecked(code.name()), 1);
        self.findings.finding(Finding {
            code,
            level: None,
            locator,
            source: Some(self.source),
            line: Some(line),
            expected: None,
            found: None,
            distance: None,
            detail,
        })
    }
}

impl ClaimSink for Loader<'_> {
    fn claim(&mut self, mut claim: Claim) -> Result<()> {
        let path = match &claim.subject {
            Subject::Path(path) => path.below(&self.base.add),
            Subject::Url { path, .. } => {
                let path = path.clone();
                self.prepare(&mut claim);
                let key = super::urls::key(path.as_bytes());
                return self.urls.push(&key, &claim);
            }
            Subject::Refused { name, why } => {
                self.report.entries += 1;
                self.balance.claims_in += 1;
                let detail = format!("the name {} is refused: {why}", Escaped(name));
                return self.refuse(
                    Code::UnsafeName,
                    Some(Locator::file(None, name.clone())),
                    claim.line,
                    detail,
                );
            }
        };
        let path = if self.base.strip.is_empty() {
            path
        } else {
            let inside = path.as_bytes().strip_prefix(self.base.strip.as_slice());
            match inside.and_then(|rest| rest.strip_prefix(b"/")).map(ItemPath::parse) {
                Some(Ok(path)) => path,
                _ => {
                    self.report.entries += 1;
                    self.balance.claims_in += 1;
                    let detail = "it lies outside the dataset folder that was given".to_string();
                    let locator = Locator::file(None, path.into_bytes());
                    return self.refuse(Code::Unverified, Some(locator), claim.line, detail);
                }
            }
        };
        if claim.shard.is_none() && !self.admits(&path) {
            return Ok(());
        }
        self.report.entries += 1;
        self.prepare(&mut claim);
        let key = claim_key(&place_key(path.as_bytes()));
        claim.subject = Subject::Path(path);
        self.claims.push(&key, &claim)
    }

    fn folder(&mut self, claim: Claim) -> Result<()> {
        let (Subject::Path(path), Some(unusable)) = (&claim.subject, &claim.unusable) else {
            return self.claim(claim);
        };
        let path = path.below(&self.base.add);
        let is_here = self.options.roots.iter().any(|root| join(root, path.as_bytes()).is_dir());
        if !self.base.strip.is_empty() || !is_here {
            return self.claim(claim);
        }
        if !self.admits(&path) {
            return Ok(());
        }
        self.report.entries += 1;
        self.balance.claims_in += 1;
        let (code, why) = excuse(unusable);
        self.refuse(code, Some(Locator::file(None, path.into_bytes())), claim.line, why.to_string())
    }

    fn reject(&mut self, line: u64, reason: String) -> Result<()> {
        self.report.rejected += 1;
        self.balance.claims_in += 1;
        if self.report.rejections.len() < SourceReport::REJECTIONS {
            self.report.rejections.push((line, reason.clone()));
        }
        self.refuse(Code::BadClaim, None, line, format!("this line is no claim: {reason}"))
    }

    fn uncheckable(&mut self, line: u64, name: &[u8], why: Unusable) -> Result<()> {
        self.report.entries += 1;
        self.balance.claims_in += 1;
        let (code, why) = excuse(&why);
        self.refuse(code, Some(Locator::file(None, name)), line, why.to_string())
    }

    fn broken(&mut self, line: Option<u64>, reason: String) -> Result<()> {
        self.findings.finding(Finding {
            code: Code::BadManifest,
            level: None,
            locator: None,
            source: Some(self.source),
            line,
            expected: None,
            found: None,
            distance: None,
            detail: reason,
        })
    }
}
