//! What to read, decided once: claims and names are joined before a byte of data is touched.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::in_rows;
use super::listing::{Found, FoundKind, Listing, join, read_head};
use super::options::{AuditOptions, Mode, Samples};
use super::progress::Progress;
use super::state::{KeptAt, KeptBeside, State, columns_key};
use crate::check::{FindingSink, Rules, claim_key, is_below, item_key, place_of_claim};
use crate::claim::Claim;
use crate::digest::{Algorithm, Digest, DigestSet};
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::{Escaped, Locator};
use crate::manifest::{bookkeeping, dvc, open_regular};
use crate::observation::{Observation, Unread};
use crate::observe::digest_columns::DigestColumn;
use crate::observe::webdataset;
use crate::plan::{Inside, ShardPlan};
use crate::source::Stamp;

/// The work of a run.
pub struct Plan {
    /// Files to be read: split by split, the largest first, so that no long one is begun last.
    pub work: Sorted<Work>,
    /// How many splits there are.
    pub splits: u64,
    /// What is settled without reading: links, devices.
    pub unread: Spool<Observation>,
    /// Folders that could not be listed: what lies below them cannot be told.
    pub blind: Spool<String>,
    /// Files in all.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes that will be read.
    pub to_read: u64,
    /// Files that a state tells of, and their bytes.
    pub reused: (u64, u64),
    /// Claims whose name, or the shard of whose name, is here.
    pub here: u64,
    /// Claimed names that nothing stands at.
    pub absent: u64,
    /// Claimed files whose size is another one.
    pub other_size: u64,
}

impl Plan {
    /// Tells how much need not be read.
    pub fn tell_reused(&self, progress: &dyn Progress) {
        if self.reused.0 > 0 {
            let files =
                if self.reused.0 == 1 { "1 file is" } else { &format!("{} files are", self.reused.0) };
            progress.notice(&format!("{files} as the state knows, and not read again"));
        }
    }
}

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Index of its root.
    pub root: u16,
    /// Below its root.
    #[serde(with = "crate::raw")]
    pub path: Vec<u8>,
    /// Its state at listing time.
    pub stamp: Stamp,
    /// Whether opening it must follow a link.
    pub through_link: bool,
    /// The split that it belongs to: files that one worker reads one after the other, in the order of their paths.
    pub split: u64,
    /// What a state holds of it as it is, the newest first.
    pub kept: Vec<KeptAt>,
    /// What its claims ask for.
    asked: Asked,
}

/// Bytes and files of a split. One of an index is a part of it, and holds more: a part for every few files is a burden
/// to whoever reads them.
#[derive(Clone, Copy, Debug)]
struct SplitSize {
    bytes: u64,
    files: usize,
}

/// Files that a split holds at most, whatever they share.
const MOST_FIELDS: usize = 1 << 16;

const SMALL: SplitSize = SplitSize { bytes: 4 << 20, files: 64 };
const PART: SplitSize = SplitSize { bytes: 64 << 20, files: 4096 };

/// What the claims on a file and on names inside it ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    /// A claim names the file.
    claimed: bool,
    /// Digests that claims on the file need.
    file: DigestSet,
    /// Digests that claims on members need.
    members: DigestSet,
    /// A claim names a member.
    named_inside: bool,
    /// A manifest claims to be complete here.
    in_scope: bool,
    /// It is a manifest of the run or a format's bookkeeping: nobody has to claim it.
    exempt: bool,
    /// Its SHA-256 as an index claims it, which claims its samples as well: they are looked at only if that differs.
    expected: Option<[u8; 32]>,
    /// Another manifest claims something inside.
    opened: bool,
}

/// What is the same for all files of a run.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    mode: Mode,
    samples: Samples,
    /// Digests that hash lists need of everything.
    lists: DigestSet,
    /// Digests of names that no file stands at.
    absent_names: DigestSet,
    /// Those, and the digests of names inside shards: whether they are there is known once the shard is read.
    sought: DigestSet,
    /// What unclaimed files in scope are told with.
    told: DigestSet,
    /// What is measured of every file for an index.
    indexed: ShardPlan,
    /// Rows are sought by their records.
    records: bool,
    /// Bytes from which on files are divided.
    divide: u64,
    /// Digests that columns of digests need of what is beside them.
    columns: DigestSet,
}

impl Common {
    /// Bytes that each part of a file is to have, if several workers may share in it.
    pub fn share(&self, work: &Work) -> Option<u64> {
        let plan = work.plan(self).filter(|plan| plan.inside == Inside::Open);
        let may = plan.is_some() && work.expected(self).is_none() && work.stamp.size >= self.divide;
        may.then_some((self.divide / 2).max(1))
    }

    /// Whether rows are sought by their records.
    pub fn records(&self) -> bool {
        self.records
    }

    /// The same for a run with an index as manifest: rows are rows to it, whether or not it claims any itself.
    pub fn against_index(self) -> Common {
        Common { records: true, sought: self.sought.union(DigestSet::of(Algorithm::Sha256)), ..self }
    }

    /// Whether rows and cells are sought, and have to be kept.
    pub fn seeks_rows(&self) -> bool {
        self.records || !self.sought.is_empty()
    }

    /// The digests that every item of an index has.
    pub fn indexed_digests(&self) -> DigestSet {
        self.indexed.file
    }
}

impl Work {
    /// Whether nobody has to claim it.
    pub fn is_exempt(&self) -> bool {
        self.asked.exempt
    }

    /// The SHA-256 that spares looking inside, where an index gives one and nothing else asks for the inside.
    pub fn expected(&self, common: &Common) -> Option<[u8; 32]> {
        self.asked.expected(common)
    }

    /// What to measure of the file at first: of one that need not be opened if it is as expected, only that.
    pub fn first_plan(&self, common: &Common) -> Option<ShardPlan> {
        self.asked.first_plan(common)
    }

    /// What to measure of the file; `None` if nothing is asked of it.
    pub fn plan(&self, common: &Common) -> Option<ShardPlan> {
        self.asked.plan(common)
    }
}

impl Asked {
    fn expected(&self, common: &Common) -> Option<[u8; 32]> {
        let closed =
            common.samples != Samples::Always && common.lists.is_empty() && common.mode != Mode::Audit;
        self.expected.filter(|_| closed && !self.opened)
    }

    fn first_plan(&self, common: &Common) -> Option<ShardPlan> {
        match self.expected(common) {
            Some(_) => {
                let file = self.file.union(DigestSet::of(Algorithm::Sha256));
                Some(ShardPlan { file, ..ShardPlan::default() })
            }
            None => self.plan(common),
        }
    }

    fn plan(&self, common: &Common) -> Option<ShardPlan> {
        if common.mode == Mode::Index {
            return Some(common.indexed);
        }
        let Asked { claimed, file, members, named_inside, in_scope, exempt, .. } = *self;
        // A file that nothing claims and whose samples nothing claims either may be what is missing elsewhere.
        let unclaimed = !claimed && !named_inside && !exempt;
        let mut plan = ShardPlan { file: file.union(common.lists), ..ShardPlan::default() };
        // What an index claims may have moved here from a file that is still there, whatever the scope.
        let may_hold = in_scope || common.records;
        if unclaimed {
            plan.file = plan.file.union(common.absent_names);
            if in_scope {
                plan.file = plan.file.union(common.told);
            }
            if may_hold {
                plan.file = plan.file.union(common.sought);
            }
        }
        let seeking =
            unclaimed && (!common.absent_names.is_empty() || (may_hold && !common.sought.is_empty()));
        let looked_up = !common.lists.is_empty() || !common.columns.is_empty();
        let wanted = named_inside || seeking || looked_up || common.mode == Mode::Audit;
        plan.inside = match common.samples {
            Samples::Always => Inside::Open,
            Samples::Never if named_inside => Inside::Refused,
            Samples::Never => Inside::Closed,
            Samples::Auto if wanted => Inside::Open,
            Samples::Auto => Inside::Closed,
        };
        if plan.inside == Inside::Open {
            plan.samples = members.union(common.lists).union(common.columns);
            // What a table says of how its content was made stands in columns of numbers.
            plan.records = !common.columns.is_empty();
            plan.stream = common.lists;
            if seeking || named_inside {
                plan.samples = plan.samples.union(common.sought);
                plan.stream = plan.stream.union(common.sought);
                plan.records |= common.records;
                if common.records {
                    plan.samples.insert(Algorithm::Sha256);
                }
            }
        }
        (!plan.file.is_empty() || plan.inside == Inside::Open).then_some(plan)
    }
}

/// Joins claims and paths.
///
/// # Errors
/// Where scratch files fail.
#[allow(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
pub fn plan(
    options: &AuditOptions,
    listing: &Listing,
    claims: &Sorted<Claim>,
    rules: &Rules,
    lists: DigestSet,
    digest_columns: &[DigestColumn],
    own_files: &HashSet<PathBuf>,
    interrupted: &HashSet<String>,
    state: Option<&State>,
    scratch: &Scratch,
    findings: &mut dyn FindingSink,
) -> Result<(Plan, Common)> {
    let mut planning = Planning {
        options,
        rules,
        own_files,
        real_roots: options
            .roots
            .iter()
            .map(|r| std::fs::canonicalize(r).unwrap_or_else(|_| r.clone()))
            .collect(),
        interrupted,
        kept: state.map(|state| state.beside(options, scratch)),
        work: Spool::new(scratch),
        split: Vec::new(),
        split_bytes: 0,
        splits: 0,
        unread: Spool::new(scratch),
        blind: Spool::new(scratch),
        findings,
        files: 0,
        bytes: 0,
        open: Vec::new(),
        sizes: Sizes::default(),
    };
    let (mut here, mut absent) = (0u64, 0u64);
    let mut other_size = 0u64;
    let mut sought = DigestSet::EMPTY;
    let mut absent_names = DigestSet::EMPTY;
    let mut told = Algorithm::Cksum;
    let mut records = false;
    let mut paths = listing.paths.iter().peekable();
    let mut last_absent: Vec<u8> = Vec::new();
    for record in claims.iter() {
        let (key, claim) = record?;
        while let Some(next) = paths.next_if(|r| r.as_ref().map_or(true, |(k, _)| *k <= key)) {
            let (path_key, found) = next?;
            planning.enter(place_of_claim(&path_key))?;
            planning.found(&path_key, found)?;
        }
        let place = place_of_claim(&key);
        planning.enter(place)?;
        // The strongest digest of each claim: claims on one name are joined by the strongest of theirs.
        let strongest = claim.digests.strongest().map_or(DigestSet::EMPTY, |d| DigestSet::of(d.algorithm()));
        if claim.inside.is_some() {
            records = true;
            sought = sought.union(strongest).union(DigestSet::of(Algorithm::Sha256));
        }
        told = told.max(claim.digests.strongest().map_or(Algorithm::Cksum, Digest::algorithm));
        match planning.claimed(place, &claim) {
            Answer::Here { other } => {
                here += 1;
                other_size += u64::from(other);
            }
            Answer::Inside => {
                here += 1;
                sought = sought.union(strongest);
            }
            Answer::Absent => {
                if last_absent != place || absent == 0 {
                    absent += 1;
                    last_absent = place.to_vec();
                }
                sought = sought.union(strongest);
                absent_names = absent_names.union(strongest);
            }
        }
    }
    for next in paths {
        let (path_key, found) = next?;
        planning.enter(place_of_claim(&path_key))?;
        planning.found(&path_key, found)?;
    }
    planning.enter_all()?;
    planning.end_split()?;
    let Planning { work, splits, unread, blind, files, bytes, kept, sizes, .. } = planning;
    if let (Some(state), Some(kept)) = (state, kept) {
        state.listed(kept)?;
    }
    let work = work.sorted()?;
    let told = if claims.is_empty() || told.is_checksum() { Algorithm::Sha256 } else { told };
    let told = DigestSet::of(told);
    let indexed = indexed(options);
    let common = Common {
        mode: options.mode,
        samples: options.samples,
        lists,
        absent_names,
        sought,
        told,
        indexed,
        records,
        divide: options.divide,
        columns: in_rows::algorithms(digest_columns),
    };
    let (to_read, reused) = match sizes.to_read(&common).filter(|_| state.is_none()) {
        Some(to_read) => (to_read, (0, 0)),
        None => one_by_one(&work, &common, digest_columns)?,
    };
    Ok((
        Plan { work, splits, unread, blind, files, bytes, to_read, reused, here, absent, other_size },
        common,
    ))
}

/// How many bytes are read, and how many files and bytes a state tells of.
fn one_by_one(
    work: &Sorted<Work>,
    common: &Common,
    digest_columns: &[DigestColumn],
) -> Result<(u64, (u64, u64))> {
    let (mut to_read, mut reused) = (0, (0, 0));
    let columns = columns_key(digest_columns);
    for record in work.iter() {
        let (_, work) = record?;
        let Some(plan) = work.first_plan(common) else { continue };
        if work.kept.iter().any(|kept| kept.serves(&plan, &columns)) {
            reused = (reused.0 + 1, reused.1 + work.stamp.size);
        } else {
            to_read += work.stamp.size;
        }
    }
    Ok((to_read, reused))
}

/// Digests that an index has of every item unless others are asked for.
pub const INDEXED: [Algorithm; 4] = [Algorithm::Md5, Algorithm::Sha1, Algorithm::GitBlob, Algorithm::Sha256];

/// What is measured of every file for an index.
fn indexed(options: &AuditOptions) -> ShardPlan {
    let digests = match options.declared {
        DigestSet::EMPTY => INDEXED.into_iter().collect(),
        // Samples are told apart and put together to records by their SHA-256.
        some => some.union(DigestSet::of(Algorithm::Sha256)),
    };
    let inside = if options.samples == Samples::Never { Inside::Closed } else { Inside::Open };
    ShardPlan { file: digests, inside, stream: digests, samples: digests, records: true }
}

enum Answer {
    Here { other: bool },
    Inside,
    Absent,
}

struct Planning<'a> {
    options: &'a AuditOptions,
    rules: &'a Rules,
    own_files: &'a HashSet<PathBuf>,
    real_roots: Vec<PathBuf>,
    interrupted: &'a HashSet<String>,
    work: Spool<Work>,
    /// The split that is being filled, and its bytes.
    split: Vec<Work>,
    split_bytes: u64,
    splits: u64,
    unread: Spool<Observation>,
    blind: Spool<String>,
    findings: &'a mut dyn FindingSink,
    files: u64,
    bytes: u64,
    /// What a state holds.
    kept: Option<KeptBeside<'a>>,
    /// Paths that may hold or be the current place, the outermost first.
    open: Vec<Open>,
    /// How many bytes there are of which the same is asked.
    sizes: Sizes,
}

/// How many bytes there are of which the same is asked: in all but odd datasets it is the same of almost all files.
#[derive(Default)]
struct Sizes {
    each: Vec<(Asked, u64)>,
    are_too_many: bool,
}

impl Sizes {
    /// Different things that are asked and told apart.
    const KEPT: usize = 64;

    fn add(&mut self, mut asked: Asked, size: u64) {
        // Whether one is expected counts, not which.
        asked.expected = asked.expected.map(|_| [0; 32]);
        if let Some((_, sum)) = self.each.iter_mut().find(|(same, _)| *same == asked) {
            *sum += size;
        } else if self.each.len() < Self::KEPT {
            self.each.push((asked, size));
        } else {
            self.are_too_many = true;
        }
    }

    /// Bytes of what is read; `None` where it has to be counted file by file.
    fn to_read(&self, common: &Common) -> Option<u64> {
        let read = self.each.iter().filter(|(asked, _)| asked.first_plan(common).is_some());
        (!self.are_too_many).then(|| read.map(|(_, size)| size).sum())
    }
}

/// A path of which not all claims are known.
struct Open {
    place: Vec<u8>,
    found: Found,
    kept: Vec<KeptAt>,
    asked: Asked,
}

impl Planning<'_> {
    /// Lets go of paths that neither are nor hold this place.
    fn enter(&mut self, place: &[u8]) -> Result<()> {
        let holds = |open: &Open| open.place == place || is_below(place, &open.place);
        let stay = self.open.iter().rposition(holds).map_or(0, |last| last + 1);
        self.leave(stay)
    }

    fn enter_all(&mut self) -> Result<()> {
        self.leave(0)
    }

    /// Lets go of all but the outermost paths, in their order: one path of several roots in the order of these.
    fn leave(&mut self, stay: usize) -> Result<()> {
        self.open.split_off(stay).into_iter().try_for_each(|open| self.left(open))
    }

    fn found(&mut self, key: &[u8], found: Found) -> Result<()> {
        let mut kept = Vec::new();
        if let FoundKind::File { stamp, .. } = &found.kind {
            self.files += 1;
            self.bytes += stamp.size;
            if let Some(state) = &mut self.kept {
                kept = state.of(key, found.root, stamp)?;
            }
        }
        let in_scope = self.rules.in_scope(&found.path);
        let asked = Asked { in_scope, ..Asked::default() };
        self.open.push(Open { place: place_of_claim(key).to_vec(), found, kept, asked });
        Ok(())
    }

    fn claimed(&mut self, place: &[u8], claim: &Claim) -> Answer {
        let wanted = match claim.digests.set() {
            // Whether a pointer stands there is seen only when it is read.
            DigestSet::EMPTY if claim.yields => DigestSet::of(Algorithm::Sha256),
            digests => digests,
        };
        let mut answer = Answer::Absent;
        for Open { place: holder, found, asked, .. } in self.open.iter_mut().rev() {
            if holder.as_slice() == place && !matches!(found.kind, FoundKind::UnreadableFolder(_)) {
                asked.claimed = true;
                asked.file = asked.file.union(wanted);
                let size = match &found.kind {
                    FoundKind::File { stamp, .. } => Some(stamp.size),
                    _ => None,
                };
                let other = matches!((size, claim.size), (Some(here), Some(claimed)) if here != claimed);
                if claim.inside.is_some() {
                    asked.named_inside = true;
                    let sha256 = claim.digests.of(Algorithm::Sha256).filter(|_| !other);
                    asked.expected = sha256.and_then(|digest| digest.bytes().try_into().ok());
                }
                answer = Answer::Here { other };
            } else {
                // Another root may have a file here: what lies inside it must be measured all the same.
                asked.named_inside = true;
                asked.opened |= claim.shard.is_none();
                asked.members = asked.members.union(wanted);
                if matches!(found.kind, FoundKind::File { .. }) && matches!(answer, Answer::Absent) {
                    answer = Answer::Inside;
                }
            }
        }
        answer
    }

    /// All claims on a path and below it are known.
    fn left(&mut self, Open { place, found, kept, mut asked }: Open) -> Result<()> {
        match &found.kind {
            FoundKind::File { stamp, through_link } => {
                asked.exempt = !asked.claimed && !asked.named_inside && self.is_exempt(&found, stamp);
                let (root, path, stamp, through_link) = (found.root, found.path, *stamp, *through_link);
                self.add(Work { root, path, stamp, through_link, split: 0, kept, asked })
            }
            FoundKind::Link(detail) | FoundKind::Special(detail) | FoundKind::Pointer(detail) => {
                let (why, code) = match &found.kind {
                    FoundKind::Link(_) => (Unread::UnfollowedLink, Code::UnfollowedLink),
                    FoundKind::Pointer(_) => (Unread::Pointer, Code::Pointer),
                    _ => (Unread::Unreadable, Code::Unreadable),
                };
                if asked.claimed || asked.named_inside || asked.in_scope || self.rules.search_all {
                    let locator = Locator::file(Some(found.root), found.path.clone());
                    self.findings.finding(Finding::of_place(code, locator, detail.clone()))?;
                }
                let seen = Observation::unread(Locator::file(Some(found.root), found.path), 0, why);
                self.unread.push(&item_key(&place, found.root, 0), &seen)
            }
            FoundKind::UnreadableFolder(why) => {
                let locator = Locator::file(Some(found.root), found.path.clone());
                let detail = format!("the folder could not be listed: {why}");
                self.blind.push(
                    &claim_key(&place),
                    &format!("the folder {} could not be listed", Escaped(&found.path)),
                )?;
                self.findings.finding(Finding::of_place(Code::Unreadable, locator, detail))
            }
        }
    }

    /// Adds a file to the present split, or begins the next one with it.
    fn add(&mut self, work: Work) -> Result<()> {
        let size = if self.options.mode == Mode::Index { PART } else { SMALL };
        // What several workers may share in is a split by itself.
        let is_large = |work: &Work| work.stamp.size >= self.options.divide;
        let is_full = self.split_bytes + work.stamp.size > size.bytes
            || self.split.len() >= size.files
            || is_large(&work)
            || self.split.last().is_some_and(is_large);
        let goes_on =
            self.split.last().is_some_and(|last| last.root == work.root && share_a_key(last, &work));
        if is_full && (!goes_on || self.split.len() >= MOST_FIELDS) {
            self.end_split()?;
        }
        self.split_bytes += work.stamp.size;
        self.sizes.add(work.asked, work.stamp.size);
        self.split.push(work);
        Ok(())
    }

    fn end_split(&mut self) -> Result<()> {
        if self.split.is_empty() {
            return Ok(());
        }
        for (ordinal, mut work) in std::mem::take(&mut self.split).into_iter().enumerate() {
            work.split = self.splits;
            let mut key = (u64::MAX - self.split_bytes).to_be_bytes().to_vec();
            key.extend_from_slice(&self.splits.to_be_bytes());
            key.extend_from_slice(&(ordinal as u64).to_be_bytes());
            self.work.push(&key, &work)?;
        }
        self.splits += 1;
        self.split_bytes = 0;
        Ok(())
    }

    fn is_exempt(&self, found: &Found, stamp: &Stamp) -> bool {
        let path = self.real_roots[usize::from(found.root)].join(OsStr::from_bytes(&found.path));
        self.own_files.contains(&path)
            || self.is_told_as_interrupted(&found.path)
            || (may_be_bookkeeping(&found.path) && {
                let file = join(&self.options.roots[usize::from(found.root)], &found.path);
                let mut whole = || Some(Box::new(open_regular(&file).ok()?) as Box<dyn std::io::Read>);
                read_head(&file).is_some_and(|head| {
                    bookkeeping::is_bookkeeping(&found.path, &head, stamp.size, &mut whole)
                })
            })
    }
}

impl Planning<'_> {
    /// A partial file whose claim says that its download did not finish is told by that claim.
    fn is_told_as_interrupted(&self, path: &[u8]) -> bool {
        bookkeeping::is_partial_download(path)
            && path
                .split(|&b| b == b'.' || b == b'/')
                .any(|part| std::str::from_utf8(part).is_ok_and(|part| self.interrupted.contains(part)))
    }
}

/// Whether two files are fields of one WebDataset sample, which no split divides.
fn share_a_key(a: &Work, b: &Work) -> bool {
    let key = |work: &'_ Work| webdataset::key(&work.path).map(|(key, _)| key.to_vec());
    key(a).is_some_and(|of_a| Some(of_a) == key(b))
}

/// Whether the name alone does not rule bookkeeping out: other files are not opened for it.
fn may_be_bookkeeping(path: &[u8]) -> bool {
    let holds = |part: &[u8]| memchr::memmem::find(path, part).is_some();
    dvc::is_called(path.rsplit(|&b| b == b'/').next().unwrap_or(path))
        || holds(b".cache/huggingface/")
        || path.starts_with(b".git/")
        || holds(b"/.git/")
        || path.starts_with(b"refs/")
        || path.starts_with(b"trees/")
        || path.starts_with(b"blobs/")
        || path.starts_with(b".no_exist/")
}
