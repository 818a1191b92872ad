//! `--state DIR`: what was observed of each file is kept there as the run goes on, and told again by the next run
//! instead of reading the file, as long as that is the same (`docs/state.md`).
//!
//! A record holds whatever a worker told of one file, in its order, under the plan by which it was read. Told again, it
//! leads to what reading would lead to, since nothing else of a file reaches the rounds. Records stand in segments: logs
//! that only grow, every frame with a check sum. What does not hold is as if it had never been kept.

mod compaction;
mod event;
mod folder;
mod keeping;
mod lookup;
mod record;
mod segment;

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use self::folder::Folder;
use self::lookup::{Kept, Scan};
use self::segment::{OpenSegment, SegmentWriter};
use super::options::AuditOptions;
use super::planning::Work;
use super::progress::Progress;
use crate::error::Result;
use crate::index::spool::{Scratch, Sorted};
use crate::observe::digest_columns::DigestColumn;
use crate::plan::ShardPlan;
use crate::source::Stamp;

pub use event::Telling;
pub use folder::is_state;
pub use keeping::{Recording, Recordings};
pub use lookup::{KeptAt, KeptBeside};
pub use record::KeptShard;

/// The state of a run.
pub struct State {
    folder: Folder,
    /// Where records go that are not finished and large.
    scratch: PathBuf,
    /// Identifies whatever could make a reader tell something else of the same bytes.
    header: segment::Header,
    /// What earlier runs left.
    segments: Arc<Vec<OpenSegment>>,
    /// Their records, by place.
    kept: Sorted<Kept>,
    /// Records that are of use, and files that are none.
    compaction: Mutex<Option<compaction::Due>>,
    /// The segment of this run.
    writer: Mutex<Writer>,
    /// Nanoseconds since 1970 before which a file must have changed last, to be known by its stamp.
    settled: i128,
    /// Nothing is written.
    look_only: bool,
}

struct Writer {
    next: u32,
    open: Option<SegmentWriter>,
}

/// What identifies the columns of digests that files were read with.
pub type ColumnsKey = [u8; 16];

impl State {
    /// Opens the state that the options name, or begins it. To be called before anything is listed.
    ///
    /// # Errors
    /// Where the folder is none that a state may be kept in, or another run uses it.
    pub fn open(options: &AuditOptions, scratch: &Scratch, progress: &dyn Progress) -> Result<Option<State>> {
        let Some(path) = options.state.as_ref().filter(|path| !options.look_only || is_state(path)) else {
            return Ok(None);
        };
        let folder = Folder::open(path, &options.roots)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let settled = now.cast_signed() - options.settling.as_nanos().cast_signed();
        let header = segment::Header::of(roots(options));
        let Scan { segments, kept, foreign, spoilt, next, notices } =
            lookup::scan(&folder, &header, scratch)?;
        notices.iter().for_each(|notice| progress.notice(notice));
        Ok(Some(State {
            folder,
            scratch: options.scratch.clone().unwrap_or_else(std::env::temp_dir),
            header,
            segments: Arc::new(segments),
            kept: kept.sorted()?,
            compaction: Mutex::new(Some(compaction::Due::new(foreign, spoilt))),
            writer: Mutex::new(Writer { next, open: None }),
            settled,
            look_only: options.look_only,
        }))
    }

    /// What is kept, to be asked for one place after the other.
    pub fn beside<'a>(&'a self, options: &'a AuditOptions, scratch: &Scratch) -> KeptBeside<'a> {
        KeptBeside::new(self.kept.iter(), options, scratch)
    }

    /// Takes note of what of it is of use, now that everything is listed.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn listed(&self, beside: KeptBeside<'_>) -> Result<()> {
        let live = beside.into_live()?;
        if let Some(due) = &mut *lock(&self.compaction) {
            due.live(live);
        }
        Ok(())
    }

    /// A kept file, to be told again as it would be told if it were read by this plan.
    pub fn shard(&self, file: &Work, kept: &KeptAt, plan: ShardPlan) -> KeptShard {
        KeptShard::new(Arc::clone(&self.segments), file, kept, plan)
    }

    /// Whether a file of this stamp is known by it from now on: not if it could change once more without another stamp.
    fn is_settled(&self, stamp: &Stamp) -> bool {
        stamp.mtime < self.settled && stamp.ctime < self.settled
    }

    /// What is kept by now outlives the program.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn flush(&self) -> Result<()> {
        lock(&self.writer).open.as_mut().map_or(Ok(()), SegmentWriter::flush)
    }

    /// All was read: what is of no use any more is thrown away if that is worth it.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn end(&self, progress: &dyn Progress) -> Result<()> {
        let mut writer = lock(&self.writer);
        if let Some(open) = &mut writer.open {
            open.sync()?;
        }
        let number = writer.next;
        let Some(due) = lock(&self.compaction).take() else { return Ok(()) };
        if let Err(error) = compaction::compact(&self.folder, &self.segments, &self.header, number, due) {
            // What is kept is as it was; only the space is not had.
            progress.notice(&format!("the state could not be made smaller: {error}"));
        }
        Ok(())
    }

    fn with_writer(&self, write: impl FnOnce(&mut SegmentWriter) -> Result<()>) -> Result<()> {
        let mut writer = lock(&self.writer);
        if writer.open.is_none() {
            let number = writer.next;
            writer.next += 1;
            writer.open = Some(SegmentWriter::create(&self.folder.path, number, &self.header)?);
        }
        writer.open.as_mut().map_or(Ok(()), write)
    }
}

impl Drop for State {
    /// A run that was stopped leaves what it has; whatever fails now is found out by the next.
    fn drop(&mut self) {
        if let Some(open) = &mut lock(&self.writer).open {
            let _ = open.sync();
        }
    }
}

/// The real paths of the roots: a state is of folders, however they are named.
fn roots(options: &AuditOptions) -> Vec<Vec<u8>> {
    let real = |root: &PathBuf| std::fs::canonicalize(root).unwrap_or_else(|_| root.clone());
    options.roots.iter().map(|root| real(root).as_os_str().as_bytes().to_vec()).collect()
}

/// What identifies these columns.
pub fn columns_key(columns: &[DigestColumn]) -> ColumnsKey {
    let mut hasher = blake3::Hasher::new();
    for column in columns {
        hasher.update(&(column.name.len() as u64).to_le_bytes());
        hasher.update(column.name.as_bytes());
        hasher.update(&[column.algorithm as u8, u8::from(column.discovered)]);
    }
    first_half(&hasher)
}

fn first_half(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    half
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
