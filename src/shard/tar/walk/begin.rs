//! What a header begins: a member, an extension record, or data that no reader shows.

use super::{Content, Mark, Member, State, Walker};
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::steps::{Opening, Steps};
use crate::shard::tar::entry::{Entry, EntryKind};
use crate::shard::tar::header::{BLOCK, Header};
use crate::shard::{End, Kind, RegionClass};

/// The longest content of an extension header that is read. Real ones hold a path or a few numbers; GNU tar and
/// libarchive have limits of this order too.
const EXTENSION_LIMIT: u64 = 1 << 20;

impl Walker {
    pub(super) fn begin(&mut self, header: Header, out: &mut Steps) {
        let start = self.at - BLOCK as u64;
        if matches!(header.kind, b'x' | b'X' | b'g' | b'L' | b'K') {
            let Some(size) = header.size else {
                self.fault(start, "the size of an extension header is no number", out);
                self.lost = self.mark != Mark::Whole;
                return;
            };
            let what = if size > EXTENSION_LIMIT {
                self.fault(
                    start,
                    format!("an extension header of {size} bytes is over the limit of 1 MiB"),
                    out,
                );
                Content::Stray(RegionClass::Opaque)
            } else {
                Content::Extension { kind: header.kind, content: Vec::new() }
            };
            self.enter(size, what, out);
            return;
        }
        let entry = Entry::new(header, std::mem::take(&mut self.before));
        let name = Escaped(&entry.name);
        if entry.bad_pax_size {
            self.fault(start, format!("the PAX size of `{name}` is no number; its header's was taken"), out);
        }
        match &entry.kind {
            EntryKind::File | EntryKind::Sparse { .. } => return self.begin_member(entry, start, out),
            EntryKind::Link { how, target } => {
                let detail =
                    format!("`{name}` is a {how} link to `{}`; it was not followed", Escaped(target));
                if self.mark != Mark::Whole {
                    out.fault(Code::UnfollowedLink, self.layer, Some(start), detail);
                }
            }
            EntryKind::Special(what) => {
                self.fault(start, format!("`{name}` is {what}: such an entry has no data"), out);
            }
            EntryKind::Directory | EntryKind::Label => {}
        }
        let Some(size) = entry.size else {
            self.fault(start, format!("the size of `{name}` is no number from 0 to 2^63-1"), out);
            self.lost = self.mark != Mark::Whole;
            return;
        };
        self.enter(size, Content::Stray(RegionClass::Dead), out);
    }

    fn begin_member(&mut self, entry: Entry, start: u64, out: &mut Steps) {
        let Entry { name, kind, size, .. } = entry;
        let hidden = self.mark == Mark::Whole;
        let opening = Opening {
            parent: Some(self.layer),
            kind: Kind::Member,
            name: name.clone(),
            offset: self.at,
            len: size.filter(|_| kind == EntryKind::File),
            hidden,
            region: None,
        };
        let item = out.open(opening);
        let problem = match (&kind, size) {
            (_, None) => Some(format!("the size of `{}` is no number from 0 to 2^63-1", Escaped(&name))),
            (EntryKind::Sparse { .. }, _) => {
                Some(format!("sparse member `{}` is not supported: its data was not hashed", Escaped(&name)))
            }
            _ => None,
        };
        if let Some(problem) = problem {
            if !hidden {
                out.fault(Code::Unreadable, item, Some(start), problem);
            }
            out.close(item, End::Damaged);
        }
        match (kind, size) {
            (_, None) => self.lost = !hidden,
            (EntryKind::Sparse { more: true }, Some(stored)) => self.state = State::SparseMap { stored },
            (EntryKind::Sparse { more: false }, Some(stored)) => {
                self.enter(stored, Content::Stray(RegionClass::Opaque), out);
            }
            (_, Some(size)) => {
                self.enter(size, Content::Member(Member { item, name, head: Vec::new() }), out)
            }
        }
    }

    pub(super) fn enter(&mut self, size: u64, what: Content, out: &mut Steps) {
        if matches!(what, Content::Stray(_)) && size > 0 && self.mark != Mark::Whole {
            self.ledger.announce(size);
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.state = State::Content { left: size, padding, what };
        self.leave_if_passed(out);
    }
}
