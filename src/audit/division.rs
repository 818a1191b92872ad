//! Files that several workers share in: what each of them saw of one is put together once the last has read its part.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::in_rows::{self, Gaps};
use super::state::Recording;
use crate::finding::Code;
use crate::locator::Locator;
use crate::observation::{Observation, State, Unread};
use crate::shard::Part;

/// A worker's share in a file.
#[derive(Clone)]
pub struct Share {
    /// The file.
    pub division: Arc<Division>,
    /// Which share: 0 is the walk, of which the file's own observation comes; the others follow in the order of rows.
    pub number: usize,
    /// What of the file it is.
    pub part: Part,
}

/// A file that several workers share in.
pub struct Division {
    /// What was told of it: everyone tells what is wrong with the file as it looks from where he stands.
    told: Mutex<HashSet<(Locator, Code, String)>>,
    seen: Mutex<Seen>,
}

/// What was seen of it so far.
#[derive(Default)]
struct Seen {
    /// Shares that have not ended.
    left: usize,
    /// The file, once it was walked over.
    whole: Option<Observation>,
    /// Rows and cells.
    rows: u64,
    opened: bool,
    incomplete: bool,
    /// Shares that found it changed when they ended, and how.
    changed: BTreeMap<usize, String>,
    /// Digests in its rows that could not be compared.
    gaps: Gaps,
    /// What was told of it in each share, where that is recorded.
    told: BTreeMap<usize, Option<Recording>>,
}

/// A file of which all shares have ended.
pub struct Whole {
    /// As it is to be kept.
    pub seen: Observation,
    /// How it changed while it was read.
    pub changed: Option<String>,
    /// Digests in its rows that could not be compared.
    pub gaps: Gaps,
    /// What was told of it, share by share, where that was recorded.
    pub told: Option<Vec<Recording>>,
}

impl Share {
    /// The shares in a file whose rows are parted so.
    pub fn of(rows: Vec<Part>) -> Vec<Share> {
        let seen = Seen { left: rows.len() + 1, ..Seen::default() };
        let division = Arc::new(Division { told: Mutex::default(), seen: Mutex::new(seen) });
        let parts = std::iter::once(Part::Walk).chain(rows).enumerate();
        parts.map(|(number, part)| Share { division: Arc::clone(&division), number, part }).collect()
    }

    /// Whether nobody who shares in the file has told this.
    pub fn is_new(&self, locator: &Locator, code: Code, detail: &str) -> bool {
        lock(&self.division.told).insert((locator.clone(), code, detail.to_string()))
    }

    /// Adds the file as it was seen in this share, and its rows and cells; gives the file once that was the last share.
    pub fn end(
        &self,
        file: Observation,
        rows: u64,
        changed: Option<String>,
        gaps: Gaps,
        told: Option<Recording>,
    ) -> Option<Whole> {
        let mut seen = lock(&self.division.seen);
        seen.left = seen.left.saturating_sub(1);
        seen.rows = seen.rows.saturating_add(rows);
        seen.opened |= file.opened;
        in_rows::merge(&mut seen.gaps, gaps);
        seen.told.insert(self.number, told);
        // The digests of a file are true even where some of its rows could not be had.
        seen.incomplete |= file.inside_incomplete || matches!(file.state, State::Unread(_));
        if file.state == State::Unread(Unread::ChangedWhileReading) {
            seen.changed.insert(self.number, changed.unwrap_or_default());
        }
        if self.number == 0 {
            seen.whole = Some(file);
        }
        let mut whole = if seen.left == 0 { seen.whole.take() } else { None }?;
        whole.opened |= seen.opened;
        whole.inside_incomplete |= seen.incomplete;
        whole.unnamed = whole.unnamed.saturating_add(seen.rows);
        let changed = seen.changed.pop_first().map(|(_, how)| how);
        if changed.is_some() {
            // Whoever noticed: others may have read another state of it.
            whole.state = State::Unread(Unread::ChangedWhileReading);
        }
        let gaps = std::mem::take(&mut seen.gaps);
        let told = std::mem::take(&mut seen.told).into_values().collect();
        Some(Whole { seen: whole, changed, gaps, told })
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Kind;

    fn shares() -> Vec<Share> {
        Share::of(vec![Part::Whole, Part::Whole])
    }

    fn file() -> Observation {
        Observation::new(Locator::file(Some(0), b"a.parquet"), 0, Kind::File)
    }

    #[test]
    fn the_file_is_given_by_whoever_ends_last() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let shares = shares();
            let mut seen: Vec<Observation> = (0..3).map(|_| file()).collect();
            seen[0].length = 7;
            seen[1].opened = true;
            let rows = [0, 5, 6];
            let mut ended = order.map(|n| shares[n].end(seen[n].clone(), rows[n], None, Gaps::new(), None));
            let whole = ended[2].take().unwrap();
            assert!(ended.iter().all(Option::is_none) && whole.changed.is_none());
            assert_eq!(whole.seen, Observation { length: 7, opened: true, unnamed: 11, ..file() });
        }
    }

    #[test]
    fn rows_that_could_not_be_read_leave_the_digests_of_the_file() {
        let shares = shares();
        let lost = Observation { state: State::Unread(Unread::Unreadable), ..file() };
        assert!(shares[1].end(lost, 3, None, Gaps::new(), None).is_none());
        assert!(shares[0].end(file(), 0, None, Gaps::new(), None).is_none());
        let whole = shares[2].end(file(), 4, None, Gaps::new(), None).unwrap();
        assert_eq!((whole.seen.state, whole.seen.inside_incomplete), (State::Read, true));
        assert_eq!(whole.seen.unnamed, 7);
    }

    #[test]
    fn a_change_that_anybody_noticed_is_a_change() {
        for noticed in 0..3 {
            let shares = shares();
            let changed = State::Unread(Unread::ChangedWhileReading);
            let mut ended = None;
            for (number, share) in shares.iter().enumerate() {
                let is_it = number == noticed;
                let state = if is_it { changed.clone() } else { State::Read };
                let how = is_it.then(|| "how".to_string());
                ended = share.end(Observation { state, ..file() }, 0, how, Gaps::new(), None);
            }
            let whole = ended.unwrap();
            assert_eq!(whole.changed.as_deref(), Some("how"));
            assert_eq!((whole.seen.state, whole.seen.inside_incomplete), (changed, true));
        }
    }

    #[test]
    fn what_several_see_is_told_once() {
        let shares = shares();
        let place = Locator::file(Some(0), b"a.parquet");
        assert!(shares[0].is_new(&place, Code::Unreadable, "x"));
        assert!(!shares[2].is_new(&place, Code::Unreadable, "x"));
        assert!(shares[2].is_new(&place, Code::Unreadable, "y"));
    }
}
