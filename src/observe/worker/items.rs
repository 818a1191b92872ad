//! Items on their way through one worker: opened, fed to the hasher, closed, and told in the order in which they were
//! closed.

use bytes::Bytes;

use super::super::webdataset;
use super::{Active, DERIVED, Item, Told, Worker};
use crate::digest::{DigestSet, Digests, MsgId, Offer};
use crate::error::Result;
use crate::finding::Code;
use crate::locator::{ItemPath, Locator, is_format_control};
use crate::manifest::{annex_key, lfs_pointer};
use crate::observation::{End, Kind, Observation, PointerSeen, State, Unread};
use crate::plan::Inside;
use crate::shard::ItemId;

impl Worker<'_> {
    #[allow(clippy::too_many_arguments, reason = "the fields of one step, taken apart once")]
    pub(super) fn open(
        &mut self,
        file: &mut Active,
        item: ItemId,
        parent: Option<ItemId>,
        kind: Kind,
        name: Vec<u8>,
        offset: u64,
        len: Option<u64>,
        hidden: bool,
    ) -> Result<()> {
        file.next_row = file.next_row.max(item.0 + 1);
        let mut locator = Locator::file(Some(file.root), file.path.clone());
        let mut in_stream = false;
        match kind {
            Kind::Member => {
                let refused = match ItemPath::parse(&name) {
                    Ok(path) => {
                        locator.member = vec![path.into_bytes()];
                        None
                    }
                    Err(why) => {
                        locator.member = vec![name];
                        Some(why)
                    }
                };
                if let Some(why) = refused.filter(|_| !hidden) {
                    let detail = format!("an entry whose name is refused: {why}");
                    self.tell(file, Told::Fault(locator.clone(), Code::UnsafeName, detail))?;
                }
            }
            Kind::Region => {
                locator.offset = Some(offset);
                in_stream = parent
                    .is_some_and(|p| file.items.get(&p).is_some_and(|i| i.observation.kind == Kind::Stream));
            }
            Kind::File | Kind::Stream | Kind::Row | Kind::Cell => {}
        }
        // Whatever holds a member or a stream is a container: its samples speak for it.
        if matches!(kind, Kind::Member | Kind::Stream) {
            for holder in [parent, Some(ItemId::FILE)].into_iter().flatten() {
                if let Some(holder) = file.items.get_mut(&holder) {
                    holder.observation.opened = true;
                }
            }
        }
        let wanted = match kind {
            Kind::File => file.plan.file,
            Kind::Stream => file.plan.stream,
            Kind::Member | Kind::Region | Kind::Row | Kind::Cell => file.plan.samples,
        };
        let mut observation = Observation::new(locator, item.0, kind);
        observation.hidden = hidden;
        observation.in_stream = in_stream;
        observation.exempt = file.exempt;
        observation.inside_incomplete = kind == Kind::File && file.plan.inside == Inside::Refused;
        let message = (!wanted.is_empty()).then(|| self.announce(file.serial, item, wanted, len));
        let hashed = message.is_none();
        if hashed {
            observation.state = State::NotAsked;
            observation.length = len.unwrap_or(0);
        }
        if kind == Kind::Member && !hidden && file.plan.records {
            file.samples.begin(item.0, &observation.locator.member[0]);
        }
        let entry = Item { observation, parent, message, closed: false, hashed, head: Vec::new() };
        file.items.insert(item, entry);
        let named = match kind {
            Kind::File => file.path.as_slice(),
            Kind::Member => file.items[&item].observation.locator.member[0].as_slice(),
            Kind::Stream | Kind::Row | Kind::Cell | Kind::Region => return Ok(()),
        };
        if !hidden && is_odd(named) {
            let locator = file.items[&item].observation.locator.clone();
            let detail =
                "its name has characters that hide or reorder text; they are shown escaped".to_string();
            self.tell(file, Told::Fault(locator, Code::OddName, detail))?;
        }
        Ok(())
    }

    pub(super) fn announce(&mut self, file: u64, item: ItemId, wanted: DigestSet, len: Option<u64>) -> MsgId {
        let message = MsgId(self.next_message);
        self.next_message += 1;
        self.hasher.open(message, wanted, len);
        self.messages.insert(message, (file, item));
        message
    }

    pub(super) fn data(&mut self, file: &mut Active, item: ItemId, bytes: Bytes) {
        let Some(entry) = file.items.get_mut(&item) else { return };
        let Some(message) = entry.message else { return };
        entry.observation.length += bytes.len() as u64;
        if matches!(entry.observation.kind, Kind::File | Kind::Member)
            && entry.head.len() < lfs_pointer::TOO_LONG
        {
            let room = lfs_pointer::TOO_LONG - entry.head.len();
            entry.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        self.offer(file, message, bytes, false);
    }

    /// Offers a piece, after those that wait already.
    pub(super) fn offer(&mut self, file: &mut Active, message: MsgId, piece: Bytes, last: bool) {
        if !file.refused.is_empty() {
            file.refused.push_back((message, piece, last));
        } else if let Offer::Full(piece) = self.hasher.offer(message, piece, last) {
            file.refused.push_back((message, piece, last));
        }
    }

    pub(super) fn close(&mut self, file: &mut Active, item: ItemId, end: End) -> Result<()> {
        let Some(entry) = file.items.get_mut(&item) else { return Ok(()) };
        entry.closed = true;
        if end != End::Complete {
            entry.observation.state = State::Unread(Unread::Unreadable);
            // Whoever holds it has not shown all of its inside.
            let mut holder = entry.parent;
            while let Some(id) = holder {
                let Some(above) = file.items.get_mut(&id) else { break };
                above.observation.inside_incomplete = true;
                holder = above.parent;
            }
            if let Some(entry) = file.items.get_mut(&item) {
                entry.observation.inside_incomplete = true;
            }
        }
        let Some(entry) = file.items.get(&item) else { return Ok(()) };
        if let Some(message) = entry.message {
            self.offer(file, message, Bytes::new(), true);
        }
        file.closed.push_back(item);
        self.report(file)
    }

    pub(super) fn hashed(&mut self, file: &mut Active, item: ItemId, digests: Digests) -> Result<()> {
        if let Some(entry) = file.items.get_mut(&item) {
            entry.hashed = true;
            match entry.observation.state {
                State::Read => entry.observation.digests = digests,
                _ => entry.observation.of_damaged = digests,
            }
        }
        self.report(file)
    }

    /// Passes items on that are closed and hashed, in the order in which they were closed. The file itself waits for
    /// [`Worker::conclude`].
    pub(super) fn report(&mut self, file: &mut Active) -> Result<()> {
        while let Some(item) = file.closed.front().copied()
            && file.items.get(&item).is_none_or(|entry| entry.hashed)
        {
            file.closed.pop_front();
            self.report_item(file, item)?;
        }
        Ok(())
    }

    pub(super) fn report_item(&mut self, file: &mut Active, item: ItemId) -> Result<()> {
        let Some(entry) = file.items.remove(&item) else { return Ok(()) };
        let mut observation = entry.observation;
        if observation.state == State::Read && entry.head.len() as u64 == observation.length {
            let lfs = lfs_pointer::parse(&entry.head).map(|p| PointerSeen::Lfs { oid: p.oid, size: p.size });
            let annex =
                || annex_key::Key::of_pointer(&entry.head).map(|key| PointerSeen::Annex { size: key.size });
            observation.pointer = lfs.or_else(annex);
        }
        if observation.kind == Kind::File {
            observation.stream = file.stream.take();
            file.whole = Some(observation);
            return Ok(());
        }
        if observation.kind == Kind::Stream && observation.opened && observation.state == State::Read {
            file.stream = Some((observation.digests.clone(), observation.length));
        }
        if observation.kind == Kind::Member {
            file.samples.measured(item.0, &observation);
        }
        self.seen(file, observation)?;
        self.tell_samples(file, false)
    }

    /// Tells of samples of which all members were measured.
    pub(super) fn tell_samples(&mut self, file: &mut Active, ended: bool) -> Result<()> {
        while let Some((ordinal, key, sample)) = file.samples.next(ended) {
            let mut locator = Locator::file(Some(file.root), file.path.clone());
            locator.member = vec![key];
            locator.row = Some(ordinal);
            if let Some(mut row) = webdataset::row(locator, DERIVED + ordinal, &sample) {
                row.exempt = file.exempt;
                self.seen(file, row)?;
            }
        }
        Ok(())
    }
}

/// Whether a name has control characters or characters that hide or reorder text.
fn is_odd(name: &[u8]) -> bool {
    name.utf8_chunks().any(|chunk| chunk.valid().chars().any(|c| c.is_control() || is_format_control(c)))
}
