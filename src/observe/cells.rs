//! A column of whole values on its way through the hasher: each value that is there becomes an observation.

use arrow_array::types::{BinaryViewType, StringViewType};
use arrow_array::{Array, ArrayRef, cast::AsArray};

use crate::digest::Digests;
use crate::locator::Locator;
use crate::observation::{Kind, Observation};
use crate::shard::Rows;

/// Values of one column of one file. They are kept until the last of them is hashed, and no longer.
pub struct Cells {
    /// The place of the column.
    locator: Locator,
    exempt: bool,
    /// The number of the first value within the file; each value has one, nulls included.
    first_item: u64,
    rows: Rows,
    values: ArrayRef,
    /// Values not yet hashed.
    left: u64,
}

impl Cells {
    /// The values of the column at this place.
    pub fn new(locator: Locator, exempt: bool, first_item: u64, rows: Rows, values: ArrayRef) -> Self {
        let left = (values.len() - values.null_count()) as u64;
        Cells { locator, exempt, first_item, rows, values, left }
    }

    /// What the hasher is offered.
    pub fn values(&self) -> &ArrayRef {
        &self.values
    }

    /// How many values there are, nulls included: as many messages and item numbers are theirs.
    pub fn len(&self) -> u64 {
        self.values.len() as u64
    }

    /// How many are not yet hashed.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// What was measured of the value at this index; `None` if it is none of these.
    pub fn observe(&mut self, index: usize, digests: Digests) -> Option<Observation> {
        if index >= self.values.len() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut locator = self.locator.clone();
        locator.row = self.rows.of(index);
        let mut observation = Observation::new(locator, self.first_item + index as u64, Kind::Cell);
        observation.length = length(&self.values, index);
        observation.digests = digests;
        observation.exempt = self.exempt;
        Some(observation)
    }
}

/// Bytes of a value of any of the arrays that a hasher takes.
fn length(values: &ArrayRef, index: usize) -> u64 {
    let len = if let Some(array) = values.as_byte_view_opt::<BinaryViewType>() {
        array.value(index).len()
    } else if let Some(array) = values.as_byte_view_opt::<StringViewType>() {
        array.value(index).len()
    } else if let Some(array) = values.as_binary_opt::<i32>() {
        array.value(index).len()
    } else if let Some(array) = values.as_binary_opt::<i64>() {
        array.value(index).len()
    } else if let Some(array) = values.as_string_opt::<i32>() {
        array.value(index).len()
    } else if let Some(array) = values.as_string_opt::<i64>() {
        array.value(index).len()
    } else {
        values.as_fixed_size_binary_opt().map_or(0, |array| array.value(index).len())
    };
    len as u64
}
