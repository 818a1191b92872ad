//! The digests of a whole column, without an object for each value.

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, StringViewType};
use arrow_array::{Array, ArrayRef};

use super::{Algorithm, Digest, DigestSet, Digests, MsgId};

/// The digests of a column of whole messages that were offered together.
#[derive(Debug)]
pub struct CellDigests {
    /// The name of the first message.
    pub first: MsgId,
    /// How many values the column has, nulls included.
    pub len: usize,
    /// For each algorithm, weakest first, the digests of all values back to back.
    columns: Vec<(Algorithm, Column)>,
}

/// Digests back to back: it hides them from `Debug`, since they may stand on a hash list.
struct Column(Vec<u8>);

impl CellDigests {
    /// Room for the digests of `len` messages from `first` on, all of them zero.
    pub fn new(first: MsgId, len: usize, algorithms: DigestSet) -> Self {
        let columns = algorithms.iter().map(|a| (a, Column(vec![0; len * a.len()]))).collect();
        CellDigests { first, len, columns }
    }

    /// The digests of one algorithm back to back, in the order of the values. What stands in the place of a null means
    /// nothing: the array that was offered knows the nulls.
    pub fn of(&self, algorithm: Algorithm) -> Option<&[u8]> {
        self.columns.iter().find(|(a, _)| *a == algorithm).map(|(_, column)| column.0.as_slice())
    }

    /// The same, to be filled.
    pub fn of_mut(&mut self, algorithm: Algorithm) -> Option<&mut [u8]> {
        self.columns.iter_mut().find(|(a, _)| *a == algorithm).map(|(_, column)| column.0.as_mut_slice())
    }

    /// The digests of the value at this index; none beyond the end. Those of a null mean nothing.
    pub fn digests(&self, index: usize) -> Digests {
        let digest = |(algorithm, column): &(Algorithm, Column)| {
            let len = algorithm.len();
            let at = index.checked_mul(len)?;
            Digest::new(*algorithm, column.0.get(at..at.checked_add(len)?)?).ok()
        };
        self.columns.iter().filter_map(digest).collect()
    }

    /// The algorithms that were computed.
    pub fn algorithms(&self) -> DigestSet {
        self.columns.iter().map(|(algorithm, _)| *algorithm).collect()
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.0.capacity()).sum()
    }
}

/// The values of an array of texts or bytes, where they lie; `None` for a null. Cursors offer no other arrays: such a one
/// has no values.
pub fn values(array: &ArrayRef) -> Vec<Option<&[u8]>> {
    fn each<'a, T: AsRef<[u8]> + ?Sized + 'a>(
        values: impl Iterator<Item = Option<&'a T>>,
    ) -> Vec<Option<&'a [u8]>> {
        values.map(|value| value.map(AsRef::as_ref)).collect()
    }
    if let Some(array) = array.as_binary_opt::<i32>() {
        each(array.iter())
    } else if let Some(array) = array.as_binary_opt::<i64>() {
        each(array.iter())
    } else if let Some(array) = array.as_string_opt::<i32>() {
        each(array.iter())
    } else if let Some(array) = array.as_string_opt::<i64>() {
        each(array.iter())
    } else if let Some(array) = array.as_fixed_size_binary_opt() {
        each(array.iter())
    } else if let Some(array) = array.as_byte_view_opt::<BinaryViewType>() {
        each(array.iter())
    } else if let Some(array) = array.as_byte_view_opt::<StringViewType>() {
        each(array.iter())
    } else {
        debug_assert!(false, "a cursor offers byte or text columns only, not {}", array.data_type());
        Vec::new()
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_lie_back_to_back_and_are_not_shown() {
        let algorithms = [Algorithm::Sha1, Algorithm::Md5].into_iter().collect();
        let mut cells = CellDigests::new(MsgId(7), 3, algorithms);
        assert_eq!(cells.algorithms(), algorithms);
        cells.of_mut(Algorithm::Md5).expect("it was asked for")[16..32].fill(0xab);
        assert!(cells.of_mut(Algorithm::Sha256).is_none());
        assert_eq!(cells.of(Algorithm::Sha1).map(<[u8]>::len), Some(60));
        let second = cells.digests(1);
        assert_eq!(second.set(), algorithms);
        assert_eq!(second.of(Algorithm::Md5).map(Digest::bytes), Some(&[0xab; 16][..]));
        assert_eq!(cells.digests(2).of(Algorithm::Md5).map(Digest::bytes), Some(&[0; 16][..]));
        assert!(cells.digests(3).is_empty() && cells.digests(usize::MAX).is_empty());
        let shown = format!("{cells:?}");
        assert!(!shown.contains("171") && !shown.contains("ab, "), "{shown}");
        assert_eq!(cells.footprint(), 3 * (16 + 20));
    }
}
