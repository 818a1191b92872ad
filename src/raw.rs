//! Bytes as fields of records: written and read as one, where serde's own way with a `Vec<u8>` takes one at a time.
//! In scratch files and states both look the same.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Writes bytes, for `#[serde(with = "crate::raw")]`.
///
/// # Errors
/// Where the serializer fails.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// Reads bytes.
///
/// # Errors
/// Where there are none.
pub fn deserialize<'de, D: Deserializer<'de>, T: for<'a> TryFrom<&'a [u8]>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_bytes(Whole(PhantomData))
}

struct Whole<T>(PhantomData<T>);

impl<T: for<'a> TryFrom<&'a [u8]>> Visitor<'_> for Whole<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        T::try_from(bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct AsOne(#[serde(with = "crate::raw")] Vec<u8>, u8);

    #[derive(Serialize, Deserialize)]
    struct OneByOne(Vec<u8>, u8);

    #[test]
    fn both_ways_of_writing_are_one() {
        for len in [0, 1, 127, 128, 300] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let written = postcard::to_stdvec(&AsOne(bytes.clone(), 9)).unwrap();
            assert_eq!(written, postcard::to_stdvec(&OneByOne(bytes.clone(), 9)).unwrap());
            assert_eq!(postcard::from_bytes::<AsOne>(&written).unwrap(), AsOne(bytes, 9));
            for cut in 0..written.len() {
                assert!(postcard::from_bytes::<AsOne>(&written[..cut]).is_err(), "{len} cut at {cut}");
            }
        }
    }
}
