//! Columns back into observations.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, BinaryArray, BooleanArray, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray,
};

use super::columns::{DIGESTS, NESTED, kind_name};
use crate::digest::{Digest, Digests};
use crate::locator::Locator;
use crate::observation::{Kind, Observation, PointerSeen, RegionClass, State, Unread};
use crate::source::Stamp;

/// A batch of the table `observations`, its columns found by their names.
pub struct Rows<'a> {
    root: &'a StringArray,
    shard: &'a StringArray,
    member: &'a StringArray,
    row: &'a Int64Array,
    column: &'a StringArray,
    kind: &'a StringArray,
    offset: &'a Int64Array,
    length: &'a Int64Array,
    digests: [&'a FixedSizeBinaryArray; 5],
    record: &'a FixedSizeBinaryArray,
    region_class: &'a StringArray,
    stamp: [&'a Int64Array; 4],
    item: &'a Int64Array,
    unread: &'a StringArray,
    hidden: &'a BooleanArray,
    in_stream: &'a BooleanArray,
    opened: &'a BooleanArray,
    inside_incomplete: &'a BooleanArray,
    derived: &'a BooleanArray,
    pointer_oid: &'a FixedSizeBinaryArray,
    pointer_size: &'a Int64Array,
    shard_bytes: &'a BinaryArray,
    member_bytes: &'a BinaryArray,
}

impl<'a> Rows<'a> {
    /// Finds the columns; the name of one that is not there or of another type.
    pub fn of(batch: &'a RecordBatch) -> Result<Rows<'a>, &'static str> {
        let find = |name: &'static str| batch.column_by_name(name).ok_or(name);
        let text = |name| find(name)?.as_string_opt::<i32>().ok_or(name);
        let number = |name| find(name)?.as_primitive_opt::<Int64Type>().ok_or(name);
        let truth = |name| find(name)?.as_boolean_opt().ok_or(name);
        let digest = |name, len| {
            let array = find(name)?.as_fixed_size_binary_opt().ok_or(name)?;
            if array.value_length() == len { Ok(array) } else { Err(name) }
        };
        let bytes = |name| find(name)?.as_binary_opt::<i32>().ok_or(name);
        let mut digests = [digest("sha256", 32)?; 5];
        for (to, algorithm) in digests.iter_mut().zip(DIGESTS) {
            *to = digest(algorithm.name(), i32::try_from(algorithm.len()).unwrap_or(0))?;
        }
        Ok(Rows {
            root: text("root")?,
            shard: text("shard")?,
            member: text("member")?,
            row: number("row")?,
            column: text("column")?,
            kind: text("kind")?,
            offset: number("offset")?,
            length: number("length")?,
            digests,
            record: digest("record", 32)?,
            region_class: text("region_class")?,
            stamp: [
                number("stamp_size")?,
                number("stamp_mtime")?,
                number("stamp_ctime")?,
                number("stamp_inode")?,
            ],
            item: number("item")?,
            unread: text("unread")?,
            hidden: truth("hidden")?,
            in_stream: truth("in_stream")?,
            opened: truth("opened")?,
            inside_incomplete: truth("inside_incomplete")?,
            derived: truth("derived")?,
            pointer_oid: digest("pointer_oid", 32)?,
            pointer_size: number("pointer_size")?,
            shard_bytes: bytes("shard_bytes")?,
            member_bytes: bytes("member_bytes")?,
        })
    }

    /// The observation of a row, its root by name; what makes no sense in it, as a fragment.
    pub fn observation(&self, at: usize, roots: &[String]) -> Result<Observation, &'static str> {
        let kind = (!self.kind.is_null(at)).then(|| self.kind.value(at)).ok_or("kind")?;
        let kind = KINDS.into_iter().find(|k| kind_name(*k) == kind).ok_or("kind")?;
        let natural = |array: &Int64Array, name| match array.is_null(at) {
            true => Ok(None),
            false => u64::try_from(array.value(at)).map(Some).map_err(|_| name),
        };
        let root = match self.root.is_null(at) {
            true => Some(0),
            false => {
                let name = self.root.value(at);
                Some(roots.iter().position(|root| root == name).ok_or("root")? as u16)
            }
        };
        let shard = match self.shard_bytes.is_null(at) {
            true => self.shard.value(at).as_bytes().to_vec(),
            false => self.shard_bytes.value(at).to_vec(),
        };
        let locator = Locator {
            root,
            shard,
            member: self.member(at),
            row: natural(self.row, "row")?,
            column: (!self.column.is_null(at)).then(|| self.column.value(at).to_string()),
            offset: natural(self.offset, "offset")?,
        };
        let mut seen = Observation::new(locator, natural(self.item, "item")?.unwrap_or(0), kind);
        seen.length = natural(self.length, "length")?.ok_or("length")?;
        seen.digests = self.digests(at);
        seen.record = fixed(self.record, at);
        seen.state = match self.unread.is_null(at) {
            true => State::Read,
            false => state(self.unread.value(at)).ok_or("unread")?,
        };
        let truth = |array: &BooleanArray| !array.is_null(at) && array.value(at);
        seen.hidden = truth(self.hidden);
        seen.in_stream = truth(self.in_stream);
        seen.opened = truth(self.opened);
        seen.inside_incomplete = truth(self.inside_incomplete);
        seen.derived = truth(self.derived);
        if !self.region_class.is_null(at) {
            let name = self.region_class.value(at);
            let class = REGIONS.into_iter().find(|class| class.name() == name);
            seen.region = Some(class.ok_or("region_class")?);
        }
        if !self.stamp[0].is_null(at) {
            let time = |array: &Int64Array| i128::from(array.value(at));
            seen.stamp = Some(Stamp {
                size: natural(self.stamp[0], "stamp_size")?.unwrap_or(0),
                mtime: time(self.stamp[1]),
                ctime: time(self.stamp[2]),
                inode: (0, self.stamp[3].value(at).cast_unsigned()),
            });
        }
        if let Some(oid) = fixed(self.pointer_oid, at) {
            let size = natural(self.pointer_size, "pointer_size")?.ok_or("pointer_size")?;
            seen.pointer = Some(PointerSeen::Lfs { oid, size });
        } else if !self.pointer_size.is_null(at) {
            // Of git-annex; -1 is the size that its key does not give.
            let size = u64::try_from(self.pointer_size.value(at)).ok();
            seen.pointer = Some(PointerSeen::Annex { size });
        }
        Ok(seen)
    }

    fn member(&self, at: usize) -> Vec<Vec<u8>> {
        if !self.member_bytes.is_null(at) {
            return vec![self.member_bytes.value(at).to_vec()];
        }
        if self.member.is_null(at) {
            return Vec::new();
        }
        self.member.value(at).split(NESTED).map(|name| name.as_bytes().to_vec()).collect()
    }

    fn digests(&self, at: usize) -> Digests {
        let each = DIGESTS.into_iter().zip(self.digests);
        each.filter(|(_, array)| !array.is_null(at))
            .filter_map(|(algorithm, array)| Digest::new(algorithm, array.value(at)).ok())
            .collect()
    }
}

const KINDS: [Kind; 6] = [Kind::File, Kind::Stream, Kind::Member, Kind::Row, Kind::Cell, Kind::Region];

const REGIONS: [RegionClass; 8] = [
    RegionClass::Payload,
    RegionClass::Structure,
    RegionClass::ZeroPad,
    RegionClass::NonzeroPad,
    RegionClass::Dead,
    RegionClass::Trailing,
    RegionClass::Shadowed,
    RegionClass::Opaque,
];

fn state(name: &str) -> Option<State> {
    let reasons = [Unread::Unreadable, Unread::UnfollowedLink, Unread::Pointer, Unread::ChangedWhileReading];
    match name {
        "not-asked" => Some(State::NotAsked),
        name => reasons.into_iter().find(|why| why.name() == name).map(State::Unread),
    }
}

fn fixed(array: &FixedSizeBinaryArray, at: usize) -> Option<[u8; 32]> {
    if array.is_null(at) { None } else { array.value(at).try_into().ok() }
}
