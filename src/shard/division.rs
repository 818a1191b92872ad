//! Files that several workers share in: one walks over the bytes, the others read rows where they lie.
//!
//! Each of them opens the file by itself and tells whatever is wrong with what it reads, in the same words: whoever
//! takes the parts together tells it once. Only what can be said of all rows alone is added up here.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::table::arrow::Sums;
use super::{HEAD, recognise};
use crate::digest::DigestSet;
use crate::plan::ShardPlan;
use crate::source::{Got, Pool, Source};

/// What a cursor reads of a file.
#[derive(Clone, Debug, Default)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// All but its rows, which others read.
    Walk,
    /// Some of its rows.
    Rows(RowGroups),
}

/// Row groups of a file that one cursor reads.
#[derive(Clone, Debug)]
pub struct RowGroups {
    /// Their numbers.
    pub range: Range<usize>,
    /// What all parts have to tell together.
    pub shared: Arc<Shared>,
}

impl Part {
    /// What is asked of the part if this is asked of the file: the file's own digests are taken by one alone.
    pub fn plan(&self, plan: ShardPlan) -> ShardPlan {
        match self {
            Part::Whole | Part::Walk => plan,
            Part::Rows(_) => ShardPlan { file: DigestSet::EMPTY, ..plan },
        }
    }

    /// Whether it is rows only: the file itself is told by another cursor.
    pub fn is_rows(&self) -> bool {
        matches!(self, Part::Rows(_))
    }
}

/// How the rows of a file can be shared by several cursors, with at least so many bytes for each; none where one cursor
/// is to read all of it.
pub fn divide(source: &Arc<dyn Source>, name: &[u8], least: u64) -> Vec<Part> {
    let mut head = Pool::new().block();
    head.narrow(HEAD);
    match source.read_at(0, &mut head) {
        Ok(Got::Bytes(HEAD)) => {
            recognise(name, head.as_ref()).map_or_else(Vec::new, |format| format.divide(source, least))
        }
        _ => Vec::new(),
    }
}

/// What was seen of some rows of one file, by several cursors: added up, and told by the last of them.
#[derive(Debug)]
pub struct Shared(Mutex<(usize, Vec<Sums>)>);

impl Shared {
    /// For so many cursors.
    pub fn new(cursors: usize) -> Self {
        Shared(Mutex::new((cursors, Vec::new())))
    }

    /// Adds what a cursor has seen, table by table; all of it, once the last cursor has ended.
    pub fn add(&self, sums: Vec<Sums>) -> Option<Vec<Sums>> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, all) = &mut *shared;
        all.resize_with(all.len().max(sums.len()), Sums::default);
        all.iter_mut().zip(sums).for_each(|(all, sums)| all.add(sums));
        *left = left.saturating_sub(1);
        (*left == 0).then(|| std::mem::take(all))
    }
}
