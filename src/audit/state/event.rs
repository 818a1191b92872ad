//! What a worker tells of a file, as it is written down.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::finding::Code;
use crate::locator::Locator;
use crate::observation::Observation;
use crate::observe::{Claimed, Observer};

/// Something that was told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub enum Event {
    /// An item was measured.
    Seen(Observation),
    /// Something is wrong.
    Fault(Locator, Code, String),
    /// A digest was held against its row.
    Claimed(Claimed),
    /// So many rows are being read.
    Rows(u64),
}

/// The same while it is being told: variants and fields in the same order.
#[derive(Debug, Serialize)]
pub enum Telling<'a> {
    /// An item was measured.
    Seen(&'a Observation),
    /// Something is wrong.
    Fault(&'a Locator, Code, &'a str),
    /// A digest was held against its row.
    Claimed(&'a Claimed),
    /// So many rows are being read.
    Rows(u64),
}

impl Event {
    /// Tells it again, of the file at this place.
    ///
    /// # Errors
    /// Where it could not be kept.
    pub fn tell(self, root: u16, path: &[u8], observer: &mut dyn Observer) -> Result<()> {
        match self {
            Event::Seen(seen) => observer.observation(seen),
            Event::Fault(mut locator, code, detail) => {
                locator.root = Some(root);
                observer.fault(locator, code, detail)
            }
            Event::Claimed(mut claimed) => {
                claimed.locator.root = Some(root);
                observer.claimed(claimed)
            }
            Event::Rows(rows) => observer.rows(root, path, rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Kind;
    use crate::observe::InRow;

    #[test]
    fn what_is_written_down_is_what_was_told() {
        let locator = Locator::file(Some(3), b"a/b".to_vec());
        let seen = Observation::new(locator.clone(), 7, Kind::Member);
        let claimed =
            Claimed { locator: locator.clone(), column: 2, verdict: InRow::NotComparable("why".into()) };
        let all = [
            (Telling::Seen(&seen), Event::Seen(seen.clone())),
            (
                Telling::Fault(&locator, Code::Duplicate, "twice"),
                Event::Fault(locator.clone(), Code::Duplicate, "twice".into()),
            ),
            (Telling::Claimed(&claimed), Event::Claimed(claimed.clone())),
            (Telling::Rows(9), Event::Rows(9)),
        ];
        for (telling, event) in all {
            let written = postcard::to_stdvec(&telling).unwrap();
            assert_eq!(postcard::from_bytes::<Event>(&written).unwrap(), event);
            assert_eq!(postcard::to_stdvec(&event).unwrap(), written);
        }
    }
}
