//! Rows and cells where they were written: read again from the first to the last whenever a round asks for them.

use std::path::PathBuf;

use super::marker::IndexDir;
use crate::error::Result;
use crate::observation::{Kind, Observation};

/// An index as a store of rows and cells: one that was named, or one that the run itself wrote beside its other
/// scratch files.
#[derive(Debug)]
pub struct Store {
    /// Its folder.
    pub folder: PathBuf,
    /// What its marker says, or would say.
    pub index: IndexDir,
    /// The run's number of each of its roots.
    pub roots: Vec<u16>,
    /// Keeps a scratch folder for as long as it is read from.
    pub scratch: Option<tempfile::TempDir>,
}

/// A row with its cells, or a sample that was put together from members.
#[derive(Debug)]
pub struct StoredRow {
    /// Where the first of its items stands among all of the store.
    pub position: u64,
    /// The row, where one was kept, then its cells in the order of their columns.
    pub items: Vec<Observation>,
}

impl Store {
    /// Hands out all items, those of one file in one run, each with its place among all.
    ///
    /// # Errors
    /// Where a part is damaged, or `each` fails.
    pub fn each(&self, each: &mut dyn FnMut(u64, Observation) -> Result<()>) -> Result<()> {
        let mut position = 0;
        for part in self.index.parts(&self.folder) {
            let mut part = part?;
            while let Some(items) = part.read()? {
                for mut seen in items {
                    let inner = usize::from(seen.locator.root.unwrap_or(0));
                    seen.locator.root = self.roots.get(inner).copied();
                    each(position, seen)?;
                    position += 1;
                }
            }
        }
        Ok(())
    }

    /// Hands out rows, each with its cells.
    ///
    /// # Errors
    /// Where a part is damaged, or `each` fails.
    pub fn each_row(&self, each: &mut dyn FnMut(StoredRow) -> Result<()>) -> Result<()> {
        let mut open: Option<StoredRow> = None;
        self.each(&mut |position, seen| {
            let goes_on = seen.kind == Kind::Cell
                && open.as_ref().and_then(|row| row.items.first()).is_some_and(|first| {
                    let (a, b) = (&first.locator, &seen.locator);
                    !first.derived
                        && a.row == b.row
                        && a.shard == b.shard
                        && a.root == b.root
                        && a.member == b.member
                });
            if goes_on {
                if let Some(row) = &mut open {
                    row.items.push(seen);
                }
                return Ok(());
            }
            if let Some(row) = open.take() {
                each(row)?;
            }
            if matches!(seen.kind, Kind::Row | Kind::Cell) {
                open = Some(StoredRow { position, items: vec![seen] });
            }
            Ok(())
        })?;
        open.map_or(Ok(()), each)
    }
}
