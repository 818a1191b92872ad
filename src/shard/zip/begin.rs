//! How an entry begins: its two headers, and what is wrong with them.

use super::content::{Content, is_nothing};
use super::directory::Slot;
use super::faults::Faults;
use super::header::{Central, Header, LOCAL, LOCAL_FIXED, flag, local_len};
use super::walk::{State, Walk};
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::steps::{Opening, Steps};
use crate::shard::{End, ItemId, Kind, RegionClass};

/// Bytes of a folder's data that are looked at whole: Java and Python compress the nothing that it has.
const NOTHING: u64 = 64;

impl Walk {
    /// An entry of the directory is said to begin here; nothing if more input is needed.
    pub(super) fn begin(&mut self, slot: Slot, out: &mut Steps) -> Option<()> {
        let (at, limit) = (self.input.at, self.limit());
        let central = match self.directory.read(slot.central) {
            Ok(Some((central, _))) => central,
            _ => {
                let what =
                    "a header of the central directory could not be read again: its entry was not read";
                out.fault(Code::Unreadable, self.layer, Some(slot.central), what);
                return Some(());
            }
        };
        let mut local = None;
        if limit - at >= LOCAL_FIXED as u64 {
            let fixed = self.input.peek(LOCAL_FIXED)?;
            let len = fixed.first_chunk().map_or(0, local_len);
            if fixed.starts_with(&LOCAL) && len as u64 <= limit - at {
                local = Header::parse_local(&self.input.peek(len)?).map(|header| (header, len));
            }
        }
        let Some((local, len)) = local else {
            refuse_entry(self.layer, &central, at, &mut self.faults, out);
            return Some(());
        };
        let room = limit - at - len as u64;
        let header = &central.header;
        let is_folder = is_folder(header);
        let is_nothing = is_folder && header.uncompressed == 0 && header.compressed <= NOTHING.min(room) && {
            // Not more than the bound, so it fits.
            let bytes = self.input.peek(len + header.compressed as usize)?;
            is_nothing(header.method, &bytes[len..])
        };
        self.pass(&local.classes(LOCAL_FIXED), out);
        let cut = header.compressed > room;
        let sizes_follow = (header.has(flag::DESCRIPTOR) && !cut).then(|| Box::new(header.clone()));
        if is_nothing {
            look_over(&central, &local, self.layer, at, &mut self.faults, out);
            self.pass(&[(header.compressed as usize, RegionClass::Structure)], out);
            self.state = sizes_follow.map_or(State::Between, State::Descriptor);
            return Some(());
        }
        let item = open_member(self.layer, &central, self.input.at, out);
        look_over(&central, &local, item, at, &mut self.faults, out);
        let mut content = Content::new(item, header, header.compressed.min(room));
        if Content::refusal(header).is_some() && !is_folder {
            // It is told as a member that cannot be read, which readers of other kinds show.
            content = content.all_of(RegionClass::Payload);
        }
        if is_folder {
            // No reader shows what a folder has for data.
            content = content.all_of(RegionClass::Dead);
        }
        if cut {
            let name = Escaped(header.shown_name());
            let detail = format!("the data of `{name}` is said to go on into the central directory");
            out.fault(Code::Unreadable, item, Some(at), detail);
            content.ends(End::Truncated);
        }
        self.state = State::Data { content: Box::new(content), header: sizes_follow };
        Some(())
    }
}

/// Whether an entry is a folder: its name ends with a slash.
pub fn is_folder(header: &Header) -> bool {
    header.shown_name().ends_with(b"/")
}

/// Opens the member that an entry is.
pub fn open_member(layer: ItemId, central: &Central, at: u64, out: &mut Steps) -> ItemId {
    let header = &central.header;
    out.open(Opening {
        parent: Some(layer),
        kind: Kind::Member,
        name: header.shown_name().to_vec(),
        offset: at,
        len: Some(header.uncompressed),
        hidden: is_folder(header),
        region: None,
    })
}

/// No local header stands where the directory says: the entry is told, and not read.
pub fn refuse_entry(layer: ItemId, central: &Central, at: u64, faults: &mut Faults, out: &mut Steps) {
    let name = Escaped(central.header.shown_name());
    let detail = format!("no local header stands where the directory says that `{name}` begins");
    if is_folder(&central.header) {
        faults.of_archive(at, out, || detail);
        return;
    }
    let item = open_member(layer, central, at, out);
    out.fault(Code::Unreadable, item, Some(at), detail);
    out.close(item, End::Damaged);
}

/// Tells what is odd or contradictory in the two headers of an entry.
pub fn look_over(
    central: &Central,
    local: &Header,
    item: ItemId,
    at: u64,
    faults: &mut Faults,
    out: &mut Steps,
) {
    let header = &central.header;
    let name = Escaped(header.shown_name());
    if let Some(what) = header.contradiction(local) {
        faults.tell(Code::Unreadable, item, at, out, || {
            format!(
                "the header before the data of `{name}` gives {what} than the directory: readers disagree"
            )
        });
    }
    if !matches!(central.disk, 0 | 0xffff) || header.has(flag::MASKED) {
        faults.tell(Code::Unreadable, item, at, out, || {
            format!("`{name}` lies in another part of the archive, or its header is masked")
        });
    }
    if header.name.is_ascii() && header.shown_name() != header.name {
        faults.tell(Code::Unreadable, item, at, out, || {
            let other = Escaped(&header.name);
            format!(
                "`{name}` is called `{other}` by readers that do not know of Unicode paths: readers disagree"
            )
        });
    }
    let is_utf8 = std::str::from_utf8(&header.name).is_ok();
    let odd = match header.has(flag::UTF8) {
        true if !is_utf8 => Some("is said to be UTF-8 and is not"),
        false if !header.name.is_ascii() && header.shown_name() == header.name => {
            Some("is in an encoding that is not told: readers show other letters")
        }
        _ => None,
    };
    if let Some(odd) = odd {
        faults.tell(Code::OddName, item, at, out, || format!("the name `{name}` {odd}"));
    }
    if central.is_link() {
        let detail = format!("`{name}` is a symbolic link, its data names the target; it was not followed");
        out.fault(Code::UnfollowedLink, item, Some(at), detail);
    }
    if let Some(refusal) = Content::refusal(header) {
        out.fault(Code::Unreadable, item, Some(at), format!("`{name}` {refusal}"));
    }
}
