//! `--time-limit`: past it nothing more is read, and what was not read is told as any other file that could not be.

use std::time::Instant;

use super::planning::Work;
use crate::error::Result;
use crate::finding::Code;
use crate::locator::Locator;
use crate::observation::{Observation, Unread};
use crate::observe::{Known, Observer, Origin};
use crate::plan::ShardPlan;

/// Whether the time is over.
pub fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

/// What is to be said once it is.
pub fn reached(is_kept: bool) -> &'static str {
    match is_kept {
        true => "the time limit was reached; the same command goes on with what was not read",
        false => {
            "the time limit was reached; with --state DIR, the next run would go on with what was not read"
        }
    }
}

/// What is told of a file that was not begun.
pub const NOT_REACHED: &str = "it was not read: the time limit was reached";

/// A file that was not begun before the time was over.
pub struct NotReached {
    root: u16,
    path: Vec<u8>,
    bytes: u64,
}

impl NotReached {
    /// This one.
    pub fn of(file: &Work) -> NotReached {
        NotReached { root: file.root, path: file.path.clone(), bytes: file.stamp.size }
    }
}

impl Known for NotReached {
    fn tell(self: Box<Self>, observer: &mut dyn Observer) -> Result<()> {
        observer.begin(self.root, &self.path, &ShardPlan::default(), Origin::NotReached);
        let locator = Locator::file(Some(self.root), self.path);
        let detail = NOT_REACHED.to_string();
        observer.fault(locator.clone(), Code::Unreadable, detail)?;
        observer.observation(Observation::unread(locator, self.bytes, Unread::Unreadable))
    }
}
