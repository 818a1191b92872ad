//! Where the digests of a table come from: list, line, category, identifier.

use std::collections::HashMap;
use std::sync::Arc;

use crate::claim::SourceId;

/// The entries of all lists, in the order in which they were read; a handle is the ordinal of an entry.
///
/// An entry takes 4 bytes for its line, 4 more if its list has categories, and 8 and the text if it has identifiers.
#[derive(Default)]
pub(super) struct Entries {
    lists: Vec<ListEntries>,
    len: u32,
    categories: Vec<Arc<str>>,
    category_numbers: HashMap<Arc<str>, u32>,
}

/// The entries of one list.
struct ListEntries {
    source: SourceId,
    /// Handle of its first entry.
    first: u32,
    lines: Vec<u32>,
    /// Number of the category, from 1; 0 and what lies behind the end: none.
    categories: Vec<u32>,
    ids: Ids,
}

/// Identifiers one after another.
#[derive(Default)]
struct Ids {
    text: String,
    /// Where each ends; empty, and what lies behind the end: none.
    ends: Vec<usize>,
}

/// One entry, as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryRef<'a> {
    pub(super) source: SourceId,
    pub(super) line: u64,
    pub(super) category: Option<&'a str>,
    pub(super) id: Option<&'a str>,
}

impl Entries {
    /// Begins a list. What is added from here on is its.
    pub(super) fn begin_list(&mut self, source: SourceId) {
        let empty = ListEntries {
            source,
            first: self.len,
            lines: Vec::new(),
            categories: Vec::new(),
            ids: Ids::default(),
        };
        self.lists.push(empty);
    }

    /// Adds an entry of the list begun last and gives its handle; `None`, having added nothing, where there is no room
    /// for more entries or lines of so high a number, or no list was begun.
    pub(super) fn add(&mut self, line: u64, category: Option<&str>, id: Option<&str>) -> Option<u32> {
        let line = u32::try_from(line).ok()?;
        let handle = self.len;
        let len = handle.checked_add(1)?;
        let category = category.map(|category| self.number_of(category));
        let list = self.lists.last_mut()?;
        if let Some(number) = category {
            list.categories.resize(list.lines.len(), 0);
            list.categories.push(number);
        }
        if let Some(id) = id {
            list.ids.ends.resize(list.lines.len(), list.ids.text.len());
            list.ids.text.push_str(id);
            list.ids.ends.push(list.ids.text.len());
        }
        list.lines.push(line);
        self.len = len;
        Some(handle)
    }

    /// The entry of a handle that [`Entries::add`] gave.
    pub(super) fn entry(&self, handle: u32) -> Option<EntryRef<'_>> {
        let list = self.list_of(handle)?;
        let at = (handle - list.first) as usize;
        let number = list.categories.get(at).copied().unwrap_or(0) as usize;
        Some(EntryRef {
            source: list.source,
            line: u64::from(*list.lines.get(at)?),
            category: number.checked_sub(1).and_then(|n| self.categories.get(n)).map(AsRef::as_ref),
            id: list.ids.of(at),
        })
    }

    /// The list that the entry of a handle stands on.
    pub(super) fn source_of(&self, handle: u32) -> Option<SourceId> {
        self.list_of(handle).map(|list| list.source)
    }

    fn list_of(&self, handle: u32) -> Option<&ListEntries> {
        self.lists.get(self.lists.partition_point(|list| list.first <= handle).checked_sub(1)?)
    }

    /// The number of a category, from 1.
    fn number_of(&mut self, category: &str) -> u32 {
        if let Some(&number) = self.category_numbers.get(category) {
            return number;
        }
        let category: Arc<str> = category.into();
        self.categories.push(Arc::clone(&category));
        // There are no more categories than entries, whose count fits.
        let number = u32::try_from(self.categories.len()).unwrap_or(0);
        self.category_numbers.insert(category, number);
        number
    }
}

impl Ids {
    fn of(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start..end).filter(|id| !id.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_added() {
        let mut entries = Entries::default();
        let rows = [
            (3, 1, None, None),
            (3, 2, Some("a"), None),
            (3, 2, None, Some("x1")),
            (3, 5, Some("b"), Some("\u{e9}")),
            (4, 1, Some("a"), None),
            (9, 7, None, None),
        ];
        assert_eq!(entries.add(1, None, None), None, "no list was begun");
        for (row, (list, line, category, id)) in (0..).zip(rows) {
            if row == 0 || row == 4 {
                entries.begin_list(SourceId(list));
            }
            if row == 5 {
                entries.begin_list(SourceId(8)); // An empty list.
                entries.begin_list(SourceId(list));
            }
            assert_eq!(entries.add(line, category, id), Some(row));
        }
        for (handle, (list, line, category, id)) in (0..).zip(rows) {
            let expected = EntryRef { source: SourceId(list), line, category, id };
            assert_eq!(entries.entry(handle), Some(expected));
            assert_eq!(entries.source_of(handle), Some(SourceId(list)));
        }
        assert_eq!(entries.entry(6), None);
        assert_eq!(entries.add(1 << 32, None, None), None);
        assert_eq!(entries.categories.len(), 2);
    }
}
