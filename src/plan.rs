//! What is asked of each file, decided once before anything is read.

use serde::{Deserialize, Serialize};

use crate::digest::DigestSet;

/// What to measure of one file and of what is inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlan {
    /// Digests of the file as it lies on the disk.
    pub file: DigestSet,
    /// Whether to look inside.
    pub inside: Inside,
    /// Digests of a decompressed stream as a whole. Empty: the layer emits no data.
    pub stream: DigestSet,
    /// Digests of each sample and of each hidden region.
    pub samples: DigestSet,
    /// Whether rows of tables get their `rec1`: all their columns are read then, not only texts and bytes.
    pub records: bool,
}

/// Whether a container is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inside {
    /// It is a row of bytes.
    #[default]
    Closed,
    /// Its samples are observed, every byte accounted for.
    Open,
    /// Claims name what is inside, but the user asked for no container to be opened.
    Refused,
}
