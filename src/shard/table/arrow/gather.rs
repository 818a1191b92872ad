//! Texts and bytes of any layout as an array for the hasher, their bytes not copied.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::make_view;
use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, StringViewType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, GenericBinaryArray,
    LargeBinaryArray, LargeStringArray, OffsetSizeTrait, StringArray, StringViewArray,
};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};

use super::reader::NONE;

/// An array of texts or bytes.
pub enum Contents<'a> {
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Fixed(&'a FixedSizeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    Utf8View(&'a StringViewArray),
}

impl<'a> Contents<'a> {
    /// As what it is.
    pub fn of(array: &'a dyn Array) -> Option<Self> {
        let found = if let Some(array) = array.as_string_opt::<i32>() {
            Contents::Utf8(array)
        } else if let Some(array) = array.as_binary_opt::<i32>() {
            Contents::Binary(array)
        } else if let Some(array) = array.as_string_opt::<i64>() {
            Contents::LargeUtf8(array)
        } else if let Some(array) = array.as_binary_opt::<i64>() {
            Contents::LargeBinary(array)
        } else if let Some(array) = array.as_byte_view_opt::<StringViewType>() {
            Contents::Utf8View(array)
        } else if let Some(array) = array.as_byte_view_opt::<BinaryViewType>() {
            Contents::BinaryView(array)
        } else {
            Contents::Fixed(array.as_fixed_size_binary_opt()?)
        };
        Some(found)
    }

    /// How many values have a place in memory.
    pub fn stored(&self) -> usize {
        match self {
            Contents::Binary(array) => array.len(),
            Contents::LargeBinary(array) => array.len(),
            Contents::Utf8(array) => array.len(),
            Contents::LargeUtf8(array) => array.len(),
            Contents::Fixed(array) if array.value_size() == 0 => 0,
            Contents::Fixed(array) => array.len(),
            Contents::BinaryView(array) => array.len(),
            Contents::Utf8View(array) => array.len(),
        }
    }

    /// The bytes at this index.
    pub fn value(&self, index: usize) -> &'a [u8] {
        match *self {
            Contents::Binary(array) => array.value(index),
            Contents::LargeBinary(array) => array.value(index),
            Contents::Utf8(array) => array.value(index).as_bytes(),
            Contents::LargeUtf8(array) => array.value(index).as_bytes(),
            Contents::Fixed(array) => array.value(index),
            Contents::BinaryView(array) => array.value(index),
            Contents::Utf8View(array) => array.value(index).as_bytes(),
        }
    }

    /// The text at this index, where it is one.
    pub fn text(&self, index: usize) -> Option<&'a str> {
        match *self {
            Contents::Utf8(array) => Some(array.value(index)),
            Contents::LargeUtf8(array) => Some(array.value(index)),
            Contents::Utf8View(array) => Some(array.value(index)),
            _ => None,
        }
    }

    /// The values of a range, but for those that are null here or there.
    pub fn range(&self, range: Range<usize>, without: Option<&NullBuffer>) -> Option<ArrayRef> {
        let (start, len) = (range.start, range.len());
        let whole = |array: &dyn Array| without.is_none() && start == 0 && len == array.len();
        // Texts become bytes where they change at all: they need no second look then.
        Some(match *self {
            Contents::Binary(array) if whole(array) => Arc::new(array.clone()),
            Contents::LargeBinary(array) if whole(array) => Arc::new(array.clone()),
            Contents::Utf8(array) if whole(array) => Arc::new(array.clone()),
            Contents::LargeUtf8(array) if whole(array) => Arc::new(array.clone()),
            Contents::Binary(array) => masked(array.slice(start, len), without)?,
            Contents::LargeBinary(array) => masked(array.slice(start, len), without)?,
            Contents::Utf8(array) => masked(BinaryArray::from(array.slice(start, len)), without)?,
            Contents::LargeUtf8(array) => masked(LargeBinaryArray::from(array.slice(start, len)), without)?,
            Contents::Fixed(array) => {
                let (size, values, nulls) = array.slice(start, len).into_parts();
                let nulls = NullBuffer::union(nulls.as_ref(), without);
                Arc::new(FixedSizeBinaryArray::try_new_with_len(size, values, nulls, len).ok()?)
            }
            Contents::BinaryView(array) => masked_views(array.slice(start, len), without)?,
            Contents::Utf8View(array) => masked_views(array.slice(start, len).to_binary_view(), without)?,
        })
    }

    /// The values at these indices, in this order. A value that occurs often lies in memory once. `None` if one of
    /// them is longer than an array of this kind can hold.
    pub fn pick(&self, indices: &[usize]) -> Option<ArrayRef> {
        let valid = NullBuffer::from_iter(indices.iter().map(|&i| i != NONE && !self.nulls_at(i)));
        let mut views = Views { buffers: Vec::new(), window: 0..0, all: Buffer::default() };
        let of_parts = |views: Vec<u128>, buffers: Vec<Buffer>| {
            let array = BinaryViewArray::try_new(ScalarBuffer::from(views), buffers, Some(valid.clone()));
            array.ok().map(|array| Arc::new(array) as ArrayRef)
        };
        let mut each = |position: &dyn Fn(usize) -> Option<usize>, all: Buffer| {
            views.all = all;
            let mut list = Vec::with_capacity(indices.len());
            for (&index, valid) in indices.iter().zip(&valid) {
                list.push(match valid {
                    true => views.of(self.value(index), position(index)?)?,
                    false => 0,
                });
            }
            of_parts(list, std::mem::take(&mut views.buffers))
        };
        match *self {
            Contents::Binary(a) => each(&|i| usize::try_from(a.value_offsets()[i]).ok(), a.values().clone()),
            Contents::LargeBinary(a) => {
                each(&|i| usize::try_from(a.value_offsets()[i]).ok(), a.values().clone())
            }
            Contents::Utf8(a) => each(&|i| usize::try_from(a.value_offsets()[i]).ok(), a.values().clone()),
            Contents::LargeUtf8(a) => {
                each(&|i| usize::try_from(a.value_offsets()[i]).ok(), a.values().clone())
            }
            Contents::Fixed(a) => each(&|i| i.checked_mul(a.value_size()), a.values().clone()),
            Contents::BinaryView(a) => {
                let views =
                    indices.iter().zip(&valid).map(|(&i, valid)| if valid { a.views()[i] } else { 0 });
                of_parts(views.collect(), a.data_buffers().to_vec())
            }
            Contents::Utf8View(a) => {
                let views =
                    indices.iter().zip(&valid).map(|(&i, valid)| if valid { a.views()[i] } else { 0 });
                of_parts(views.collect(), a.data_buffers().to_vec())
            }
        }
    }

    fn nulls_at(&self, index: usize) -> bool {
        match *self {
            Contents::Binary(array) => array.is_null(index),
            Contents::LargeBinary(array) => array.is_null(index),
            Contents::Utf8(array) => array.is_null(index),
            Contents::LargeUtf8(array) => array.is_null(index),
            Contents::Fixed(array) => array.is_null(index),
            Contents::BinaryView(array) => array.is_null(index),
            Contents::Utf8View(array) => array.is_null(index),
        }
    }
}

fn masked<O: OffsetSizeTrait>(
    array: GenericBinaryArray<O>,
    without: Option<&NullBuffer>,
) -> Option<ArrayRef> {
    let (offsets, values, nulls) = array.into_parts();
    let nulls = NullBuffer::union(nulls.as_ref(), without);
    Some(Arc::new(GenericBinaryArray::<O>::try_new(offsets, values, nulls).ok()?))
}

fn masked_views(array: BinaryViewArray, without: Option<&NullBuffer>) -> Option<ArrayRef> {
    if without.is_none() {
        return Some(Arc::new(array));
    }
    let (views, buffers, nulls) = array.into_parts();
    let nulls = NullBuffer::union(nulls.as_ref(), without);
    Some(Arc::new(BinaryViewArray::try_new(views, buffers, nulls).ok()?))
}

/// Makes views of a buffer. A view counts in 32 bits: a longer buffer is divided into windows.
struct Views {
    all: Buffer,
    buffers: Vec<Buffer>,
    /// The part of the buffer that is the last window.
    window: Range<usize>,
}

impl Views {
    fn of(&mut self, value: &[u8], start: usize) -> Option<u128> {
        // The specification counts in signed numbers.
        const MOST: usize = i32::MAX as usize;
        let end = start.checked_add(value.len()).filter(|_| value.len() <= MOST)?;
        // What is short lies in the view itself.
        if value.len() > 12 && (start < self.window.start || end > self.window.end) {
            self.window = start..self.all.len().min(start.saturating_add(MOST));
            self.buffers.push(self.all.slice_with_length(self.window.start, self.window.len()));
        }
        let block = u32::try_from(self.buffers.len().saturating_sub(1)).ok()?;
        let offset = if value.len() > 12 { u32::try_from(start - self.window.start).ok()? } else { 0 };
        Some(make_view(value, block, offset))
    }
}
