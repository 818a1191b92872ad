//! A batch's columns as they are read: each array with the shape that was worked out for it.
//!
//! Everything that an index could miss is looked at here, so that whoever reads need not ask again.

use std::fmt;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type, Int64Type, RunEndIndexType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RunArray, UnionArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::gather::Contents;
use super::map_order::MapOrder;
use super::plain::{self, Plain};
use super::shape::{Fields, Leaf, Shape};

/// An array that is read value by value.
pub struct Reader<'a> {
    len: usize,
    nulls: Option<&'a NullBuffer>,
    /// What its values are.
    pub kind: Kind<'a>,
}

/// What the values of an array are.
pub enum Kind<'a> {
    /// All of them are null.
    Null,
    /// Numbers and the like.
    Plain(Plain<'a>),
    /// Texts or bytes.
    Content(&'a Leaf, Contents<'a>),
    /// Named values.
    Struct(&'a Fields, Vec<Reader<'a>>),
    /// Lists.
    List(Spans<'a>, Box<Reader<'a>>),
    /// Maps.
    Map(Box<Map<'a>>),
    /// Values by number.
    Encoded(Numbers<'a>, Box<Reader<'a>>),
    /// One of several types.
    Union(&'a UnionArray, Vec<(i8, Reader<'a>)>),
    /// Not looked at.
    Unread,
}

/// The maps of an array.
pub struct Map<'a> {
    /// Where the entries of each lie.
    pub spans: Spans<'a>,
    /// How their keys stand in records.
    pub order: MapOrder,
    /// The keys are texts.
    pub text: bool,
    /// The keys of all entries.
    pub keys: Reader<'a>,
    /// The values of all entries.
    pub values: Reader<'a>,
}

impl<'a> Reader<'a> {
    /// The rows of a batch as one struct; `None` if it does not fit the schema. Maps are put in order where records
    /// are wanted.
    pub fn of_rows(fields: &'a Fields, rows: &'a RecordBatch, records: bool) -> Option<Self> {
        let kind = Kind::Struct(fields, columns(fields, rows.columns(), rows.num_rows(), records)?);
        Some(Reader { len: rows.num_rows(), nulls: None, kind })
    }

    fn new(shape: &'a Shape, array: &'a dyn Array, records: bool) -> Option<Self> {
        let kind = match shape {
            Shape::Plain if matches!(array.data_type(), DataType::Null) => Kind::Null,
            Shape::Plain => Kind::Plain(plain::of(array)?),
            Shape::Content(leaf) => Kind::Content(leaf, Contents::of(array)?),
            Shape::Struct(fields) => {
                let array = array.as_struct_opt()?;
                Kind::Struct(fields, columns(fields, array.columns(), array.len(), records)?)
            }
            Shape::List(child) => {
                let (spans, values) = lists(array)?;
                Kind::List(spans, Box::new(Reader::new(child, values, records)?))
            }
            Shape::Map { key, value } => {
                let array = array.as_map_opt()?;
                let [keys, values] = array.entries().columns() else { return None };
                let spans = Spans::Offsets(array.value_offsets());
                let within = spans.within(array.len(), keys.len().min(values.len()));
                if !within || array.entries().null_count() > 0 {
                    return None;
                }
                let keys = Reader::new(key, keys, records)?;
                let order =
                    if records { MapOrder::of(&keys, &spans, array.len())? } else { MapOrder::default() };
                let values = Reader::new(value, values, records)?;
                let text = key.leaf().is_some_and(|leaf| leaf.text);
                Kind::Map(Box::new(Map { spans, order, text, keys, values }))
            }
            Shape::Encoded(child) => {
                let (numbers, values) = encoded(array)?;
                Kind::Encoded(numbers, Box::new(Reader::new(child, values, records)?))
            }
            Shape::Union(children) => {
                let array = array.as_union_opt()?;
                let known = |id: &i8| array.fields().iter().any(|(known, _)| known == *id);
                if !children.iter().all(|(id, _)| known(id)) {
                    return None;
                }
                let each = children
                    .iter()
                    .map(|(id, child)| Some((*id, Reader::new(child, array.child(*id), records)?)));
                Kind::Union(array, each.collect::<Option<_>>()?)
            }
            Shape::Unread => Kind::Unread,
        };
        // The nulls of what is encoded are looked up with its numbers.
        let nulls = if let Kind::Encoded(..) = kind { None } else { array.nulls() };
        Some(Reader { len: array.len(), nulls, kind })
    }

    /// Which values are null, where that is known without a look at their numbers.
    pub fn nulls(&self) -> Option<&'a NullBuffer> {
        self.nulls
    }

    /// Whether the value at this index is missing.
    pub fn is_null(&self, index: usize) -> bool {
        if self.nulls.is_some_and(|nulls| nulls.is_null(index)) {
            return true;
        }
        match &self.kind {
            Kind::Null => true,
            Kind::Encoded(numbers, values) => numbers.of(index).is_none_or(|number| values.is_null(number)),
            _ => false,
        }
    }

    /// The length of the text or the bytes at this index.
    pub fn content_len(&self, index: usize) -> usize {
        match &self.kind {
            Kind::Content(_, contents) => contents.value(index).len(),
            Kind::Encoded(numbers, values) => {
                numbers.of(index).map_or(0, |number| values.content_len(number))
            }
            _ => 0,
        }
    }

    /// How many values lie in memory one by one.
    pub fn stored(&self) -> usize {
        match &self.kind {
            Kind::Content(_, contents) => contents.stored(),
            Kind::Struct(_, fields) => sum(fields.iter()),
            Kind::List(spans, values) => spans.stored().saturating_add(values.stored()),
            Kind::Map(map) => map.spans.stored().saturating_add(sum([&map.keys, &map.values].into_iter())),
            Kind::Encoded(Numbers::Keys(keys), values) => keys.len().saturating_add(values.stored()),
            Kind::Encoded(Numbers::Runs(_), values) => values.stored(),
            Kind::Union(array, children) => {
                array.type_ids().len().saturating_add(sum(children.iter().map(|(_, child)| child)))
            }
            Kind::Plain(_) => self.len,
            Kind::Null | Kind::Unread => 0,
        }
    }

    /// Whether texts or bytes are in it.
    pub fn holds_content(&self) -> bool {
        match &self.kind {
            Kind::Content(..) => true,
            Kind::Struct(_, fields) => fields.iter().any(Reader::holds_content),
            Kind::List(_, values) | Kind::Encoded(_, values) => values.holds_content(),
            Kind::Map(map) => map.keys.holds_content() || map.values.holds_content(),
            Kind::Union(_, children) => children.iter().any(|(_, child)| child.holds_content()),
            Kind::Null | Kind::Plain(_) | Kind::Unread => false,
        }
    }
}

fn sum<'r, 'a: 'r>(readers: impl Iterator<Item = &'r Reader<'a>>) -> usize {
    readers.fold(0, |sum, reader| sum.saturating_add(reader.stored()))
}

fn columns<'a>(
    fields: &'a Fields,
    arrays: &'a [ArrayRef],
    len: usize,
    records: bool,
) -> Option<Vec<Reader<'a>>> {
    if arrays.len() != fields.shapes.len() || arrays.iter().any(|array| array.len() != len) {
        return None;
    }
    fields.shapes.iter().zip(arrays).map(|(shape, array)| Reader::new(shape, array, records)).collect()
}

/// Where the values of each list lie.
pub enum Spans<'a> {
    /// From one offset to the next.
    Offsets(&'a [i32]),
    /// Likewise.
    LargeOffsets(&'a [i64]),
    /// So many for each.
    Fixed(usize),
    /// Anywhere: offsets and sizes.
    Views(&'a [i32], &'a [i32]),
    /// Likewise.
    LargeViews(&'a [i64], &'a [i64]),
}

impl Spans<'_> {
    /// The indices of a list's values.
    pub fn of(&self, list: usize) -> Range<usize> {
        fn from_to<T: ArrowNativeType>(offsets: &[T], list: usize) -> Range<usize> {
            offsets[list].as_usize()..offsets[list + 1].as_usize()
        }
        fn sized<T: ArrowNativeType>(offsets: &[T], sizes: &[T], list: usize) -> Range<usize> {
            offsets[list].as_usize()..offsets[list].as_usize() + sizes[list].as_usize()
        }
        match self {
            Spans::Offsets(offsets) => from_to(offsets, list),
            Spans::LargeOffsets(offsets) => from_to(offsets, list),
            Spans::Fixed(size) => list * size..(list + 1) * size,
            Spans::Views(offsets, sizes) => sized(offsets, sizes, list),
            Spans::LargeViews(offsets, sizes) => sized(offsets, sizes, list),
        }
    }

    /// How many places lie in memory.
    fn stored(&self) -> usize {
        match self {
            Spans::Fixed(_) => 0,
            Spans::Offsets(offsets) | Spans::Views(offsets, _) => offsets.len(),
            Spans::LargeOffsets(offsets) | Spans::LargeViews(offsets, _) => offsets.len(),
        }
    }

    /// Whether all of so many lists lie within so many values.
    fn within(&self, lists: usize, values: usize) -> bool {
        fn rising<T: ArrowNativeType + PartialOrd>(offsets: &[T], lists: usize, values: usize) -> bool {
            offsets.len() == lists + 1
                && offsets.windows(2).all(|pair| pair[0] <= pair[1])
                && offsets.first().and_then(|first| first.to_usize()).is_some()
                && offsets.last().and_then(|last| last.to_usize()).is_some_and(|last| last <= values)
        }
        fn inside<T: ArrowNativeType>(offsets: &[T], sizes: &[T], lists: usize, values: usize) -> bool {
            let ends = |(offset, size): (&T, &T)| offset.to_usize()?.checked_add(size.to_usize()?);
            offsets.len() == lists
                && sizes.len() == lists
                && offsets.iter().zip(sizes).all(|pair| ends(pair).is_some_and(|end| end <= values))
        }
        match self {
            Spans::Offsets(offsets) => rising(offsets, lists, values),
            Spans::LargeOffsets(offsets) => rising(offsets, lists, values),
            Spans::Fixed(size) => lists.checked_mul(*size).is_some_and(|end| end <= values),
            Spans::Views(offsets, sizes) => inside(offsets, sizes, lists, values),
            Spans::LargeViews(offsets, sizes) => inside(offsets, sizes, lists, values),
        }
    }
}

fn lists(array: &dyn Array) -> Option<(Spans<'_>, &ArrayRef)> {
    let (spans, values) = if let Some(array) = array.as_list_opt::<i32>() {
        (Spans::Offsets(array.value_offsets()), array.values())
    } else if let Some(array) = array.as_list_opt::<i64>() {
        (Spans::LargeOffsets(array.value_offsets()), array.values())
    } else if let Some(array) = array.as_fixed_size_list_opt() {
        (Spans::Fixed(usize::try_from(array.value_length()).ok()?), array.values())
    } else if let Some(array) = array.as_list_view_opt::<i32>() {
        (Spans::Views(array.value_offsets(), array.value_sizes()), array.values())
    } else {
        let array = array.as_list_view_opt::<i64>()?;
        (Spans::LargeViews(array.value_offsets(), array.value_sizes()), array.values())
    };
    spans.within(array.len(), values.len()).then_some((spans, values))
}

/// Which value of a dictionary, or which run, each value is.
pub enum Numbers<'a> {
    /// By key; null keys and such as name nothing have the number [`NONE`].
    Keys(Vec<usize>),
    /// By runs, which are searched.
    Runs(Box<dyn Fn(usize) -> Option<usize> + 'a>),
}

/// The number of nothing.
pub const NONE: usize = usize::MAX;

impl Numbers<'_> {
    /// The number of the value at this index; none for a null.
    pub fn of(&self, index: usize) -> Option<usize> {
        match self {
            Numbers::Keys(keys) => keys.get(index).copied().filter(|number| *number != NONE),
            Numbers::Runs(find) => find(index),
        }
    }
}

fn encoded(array: &dyn Array) -> Option<(Numbers<'_>, &ArrayRef)> {
    let DataType::Dictionary(key, _) = array.data_type() else {
        return runs::<Int16Type>(array)
            .or_else(|| runs::<Int32Type>(array))
            .or_else(|| runs::<Int64Type>(array));
    };
    match key.as_ref() {
        DataType::Int8 => dictionary::<Int8Type>(array),
        DataType::Int16 => dictionary::<Int16Type>(array),
        DataType::Int32 => dictionary::<Int32Type>(array),
        DataType::Int64 => dictionary::<Int64Type>(array),
        DataType::UInt8 => dictionary::<UInt8Type>(array),
        DataType::UInt16 => dictionary::<UInt16Type>(array),
        DataType::UInt32 => dictionary::<UInt32Type>(array),
        DataType::UInt64 => dictionary::<UInt64Type>(array),
        _ => None,
    }
}

fn dictionary<K: ArrowDictionaryKeyType>(array: &dyn Array) -> Option<(Numbers<'_>, &ArrayRef)> {
    let array = array.as_dictionary_opt::<K>()?;
    let len = array.values().len();
    let keys: &ScalarBuffer<K::Native> = array.keys().values();
    let mut numbers: Vec<usize> =
        keys.iter().map(|key| key.to_usize().filter(|number| *number < len).unwrap_or(NONE)).collect();
    if let Some(nulls) = array.keys().nulls() {
        for (number, valid) in numbers.iter_mut().zip(nulls) {
            if !valid {
                *number = NONE;
            }
        }
    }
    Some((Numbers::Keys(numbers), array.values()))
}

fn runs<R: RunEndIndexType>(array: &dyn Array) -> Option<(Numbers<'_>, &ArrayRef)> {
    let array = array.as_any().downcast_ref::<RunArray<R>>()?;
    let len = array.values().len();
    let find = move |index| Some(array.get_physical_index(index)).filter(|run| *run < len);
    Some((Numbers::Runs(Box::new(find)), array.values()))
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
