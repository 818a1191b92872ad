//! What the bytes of a layer are: the classes of the byte ledger, which decoders and containers share.

use serde::{Deserialize, Serialize};

/// What bytes of a layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegionClass {
    /// Content of an item or of the next layer.
    Payload,
    /// Headers, trailers, directories.
    Structure,
    /// Padding, all zero.
    ZeroPad,
    /// Padding that is not zero.
    NonzeroPad,
    /// Bytes inside the format's frame that no reader shows: data of a directory entry, an extra field.
    Dead,
    /// Bytes after the format's end.
    Trailing,
    /// Bytes that another entry has claimed already.
    Shadowed,
    /// Bytes that could not be interpreted.
    Opaque,
}

impl RegionClass {
    /// Whether the bytes are content that no reader shows: hashed, looked up, and `undisclosed` where nothing covers
    /// them.
    pub fn is_hidden(self) -> bool {
        matches!(
            self,
            RegionClass::NonzeroPad
                | RegionClass::Dead
                | RegionClass::Trailing
                | RegionClass::Shadowed
                | RegionClass::Opaque
        )
    }

    /// The word in reports and tables.
    pub fn name(self) -> &'static str {
        match self {
            RegionClass::Payload => "payload",
            RegionClass::Structure => "structure",
            RegionClass::ZeroPad => "zero-pad",
            RegionClass::NonzeroPad => "nonzero-pad",
            RegionClass::Dead => "dead",
            RegionClass::Trailing => "trailing",
            RegionClass::Shadowed => "shadowed",
            RegionClass::Opaque => "opaque",
        }
    }
}
