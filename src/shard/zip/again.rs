//! Entries that share bytes with others, or lie where none should: read where they lie, after the walk.
//!
//! Some readers refuse them, others show them. How much is read again is bounded, for entries that overlap on purpose
//! make petabytes of a few megabytes.

use super::begin::{is_folder, look_over, open_member, refuse_entry};
use super::content::{Content, Progress};
use super::directory::Directory;
use super::faults::Faults;
use super::header::{Header, LOCAL_FIXED, local_len};
use super::input::Input;
use super::limits;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::parquet::reads::Reads;
use crate::shard::{End, ItemId, Steps};
use crate::source::{PIECE, Pool};

/// The entries that are read again.
pub struct Again {
    layer: ItemId,
    /// Where entries end: the directory's first byte.
    limit: u64,
    /// Bytes that may still be read.
    budget: u64,
    done: usize,
    current: Option<Current>,
}

struct Current {
    content: Content,
    input: Input,
    end: u64,
}

impl Again {
    /// For a file of this length, whose entries should end there.
    pub fn new(layer: ItemId, limit: u64, len: u64) -> Self {
        Again { layer, limit, budget: limits::read_again(len), done: 0, current: None }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.current.as_ref().map_or(0, |current| current.content.footprint() + current.input.len())
    }

    /// Entries that were begun.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Reads a piece of the first `count` entries of the directory; `false` once all are read.
    pub fn work(
        &mut self,
        count: usize,
        directory: &mut Directory,
        reads: &Reads,
        faults: &mut Faults,
        pool: &mut Pool,
        out: &mut Steps,
    ) -> bool {
        if let Some(mut current) = self.current.take() {
            if current.turn(reads, pool, out) {
                self.current = Some(current);
            }
            return true;
        }
        if self.done >= count {
            return false;
        }
        self.done += 1;
        self.begin(self.done - 1, directory, reads, faults, out);
        true
    }

    /// The file could not be read to its end.
    pub fn abort(&mut self, end: End, out: &mut Steps) {
        if let Some(mut current) = self.current.take() {
            current.content.abort(end, out);
        }
    }

    fn begin(
        &mut self,
        number: usize,
        directory: &mut Directory,
        reads: &Reads,
        faults: &mut Faults,
        out: &mut Steps,
    ) {
        let Some(slot) = directory.slots.get(number).copied() else { return };
        let Ok(Some((central, _))) = directory.read(slot.central) else {
            let what = "a header of the central directory could not be read again: its entry was not read";
            out.fault(Code::Unreadable, self.layer, Some(slot.central), what);
            return;
        };
        let header = &central.header;
        let Some((local, len)) = local_header(reads, slot.local) else {
            refuse_entry(self.layer, &central, slot.local, faults, out);
            return;
        };
        let name = Escaped(header.shown_name());
        let detail = if slot.local < self.limit {
            format!("`{name}` shares bytes with another entry: some readers refuse it")
        } else {
            format!("`{name}` does not lie before the central directory: some readers refuse it")
        };
        if is_folder(header) {
            faults.of_archive(slot.local, out, || detail);
            return;
        }
        let start = slot.local + len;
        let item = open_member(self.layer, &central, start, out);
        faults.tell(Code::Unreadable, item, slot.local, out, || detail);
        look_over(&central, &local, item, slot.local, faults, out);
        let left = header.compressed.min(reads.len - start);
        if left > self.budget {
            let detail = format!(
                "`{name}` was not read: its archive has more bytes that entries share than may be read again"
            );
            out.fault(Code::Unreadable, item, Some(slot.local), detail);
            out.close(item, End::Damaged);
            return;
        }
        self.budget -= left;
        let mut content = Content::new(item, header, left);
        if left < header.compressed {
            out.fault(Code::Unreadable, item, Some(slot.local), format!("`{name}` is cut short"));
            content.ends(End::Truncated);
        }
        self.current = Some(Current { content, input: Input::at(start), end: start + left });
    }
}

impl Current {
    /// Reads and decodes a piece; whether there is more.
    fn turn(&mut self, reads: &Reads, pool: &mut Pool, out: &mut Steps) -> bool {
        let left = self.end - self.input.at;
        if self.input.len() == 0 && left > 0 {
            // At most a piece, so it fits.
            match reads.exactly(self.input.at, left.min(PIECE as u64) as usize) {
                Ok(bytes) => self.input.push(bytes),
                Err(error) => {
                    let detail = format!("it cannot be read where it lies: {error}");
                    out.fault(Code::Unreadable, self.content.item, Some(self.input.at), detail);
                    self.content.abort(End::Damaged, out);
                    return false;
                }
            }
        }
        self.content.turn(&mut self.input, None, pool, out) != Progress::Done
    }
}

/// The local header at this place and its length, if one stands there.
fn local_header(reads: &Reads, at: u64) -> Option<(Header, u64)> {
    let fixed = reads.exactly(at, LOCAL_FIXED).ok()?;
    let len = fixed.first_chunk().map_or(0, local_len);
    let header = Header::parse_local(&reads.exactly(at, len).ok()?)?;
    Some((header, len as u64))
}
