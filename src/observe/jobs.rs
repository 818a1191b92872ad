//! What a worker is given to read, one file after the other.

use std::sync::Arc;

use super::observer::Observer;
use crate::error::Result;
use crate::plan::ShardPlan;
use crate::shard::Part;
use crate::source::{Source, Stamp};

/// A file to be read.
pub struct Job {
    /// Index of its root.
    pub root: u16,
    /// Its path below the root.
    pub path: Vec<u8>,
    /// What is asked of it.
    pub plan: ShardPlan,
    /// Nobody has to claim it.
    pub exempt: bool,
    /// Its state when it was listed.
    pub stamp: Stamp,
    /// What of it is to be read.
    pub part: Part,
    /// Where its bytes come from; what the system said where it could not be opened.
    pub source: std::io::Result<Arc<dyn Source>>,
    /// What there is to say of it without reading it.
    pub known: Option<Box<dyn Known>>,
}

/// What is known of a file that is not read.
pub trait Known: Send {
    /// Tells it, as a worker would have told it.
    ///
    /// # Errors
    /// Where it could not be had or kept.
    fn tell(self: Box<Self>, observer: &mut dyn Observer) -> Result<()>;
}

/// How it came about that a file is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is read.
    Read,
    /// It was read by an earlier run, and has not changed since.
    Kept,
    /// There is no time left to read it.
    NotReached,
}

/// Hands out files to one worker.
pub trait Jobs {
    /// The next file for a worker that has these in hand.
    ///
    /// # Errors
    /// Where the list of work could not be read.
    fn next(&self, in_hand: &InHand) -> Result<Next>;

    /// So many bytes of files that were handed out need no more be read.
    fn read(&self, _bytes: u64) {}

    /// A file that was handed out is no longer in hand.
    fn ended(&self) {}

    /// Files are told of one after the other, in the order in which they were handed out.
    fn in_order(&self) -> bool {
        false
    }
}

/// What a worker is given to do.
pub enum Next {
    /// A file.
    Job(Box<Job>),
    /// Nothing until a file in hand has ended: what is left is for others, or the file in hand must not wait.
    Later,
    /// There is no more, or the run was stopped.
    Nothing,
}

/// The files that a worker has in hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct InHand {
    /// How many.
    pub files: usize,
    /// The most bytes that one of them has before it.
    pub longest: u64,
}
