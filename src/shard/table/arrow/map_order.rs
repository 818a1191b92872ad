//! The order in which a map's entries stand in a record: that of their keys' encodings.
//!
//! Cells are taken in this order as well, so that the digests of a map's values find their places.

use std::collections::BTreeSet;

use super::cells::most_values;
use super::reader::{Reader, Spans};
use super::records;

/// The entries of an array of maps in order.
#[derive(Debug, Default)]
pub struct MapOrder {
    /// The entry that stands at each place, counted from the first; none where they are in order as they are stored.
    entries: Option<Vec<usize>>,
    first: usize,
    /// Maps that have one key twice, or no key for a value.
    refused: BTreeSet<usize>,
}

impl MapOrder {
    /// The order of so many maps; `None` if they have more entries than are put in order.
    pub fn of(keys: &Reader<'_>, spans: &Spans<'_>, maps: usize) -> Option<MapOrder> {
        let first = if maps == 0 { 0 } else { spans.of(0).start };
        let end = if maps == 0 { 0 } else { spans.of(maps - 1).end };
        if end.saturating_sub(first) > most_values(keys) {
            return None;
        }
        let (encoded, ends) = records::encode_keys(keys, first..end)?;
        let key = |entry: usize| {
            let at = entry - first;
            let start = at.checked_sub(1).map_or(0, |before| ends[before]);
            &encoded[start..ends[at]]
        };
        let mut entries: Vec<usize> = (first..end).collect();
        let mut refused = BTreeSet::new();
        for map in 0..maps {
            let span = spans.of(map);
            let slots = &mut entries[span.start - first..span.end - first];
            // Most maps are short, and many are in order.
            if !slots.is_sorted_by(|a, b| key(*a) <= key(*b)) {
                slots.sort_by(|a, b| key(*a).cmp(key(*b)));
            }
            let twice = slots.windows(2).any(|pair| key(pair[0]) == key(pair[1]));
            if twice || slots.iter().any(|entry| keys.is_null(*entry)) {
                refused.insert(map);
            }
        }
        let stored = entries.iter().copied().eq(first..end);
        Some(MapOrder { entries: (!stored).then_some(entries), first, refused })
    }

    /// The entry that stands in the place of this one.
    pub fn entry(&self, place: usize) -> usize {
        self.entries.as_ref().map_or(place, |entries| entries[place - self.first])
    }

    /// Whether all entries are in order as they are stored.
    pub fn is_stored(&self) -> bool {
        self.entries.is_none()
    }

    /// Whether this map has no encoding.
    pub fn refuses(&self, map: usize) -> bool {
        self.refused.contains(&map)
    }
}
