//! Digests: which algorithms there are, sets of them, values, and the hashers that compute many at once.

mod algorithm;
mod cells;
mod hasher;
#[allow(unsafe_code, reason = "kernels read through raw pointers")]
mod kernel;
mod lanes;
pub mod rec1;
mod running;
mod state;

pub use algorithm::{Algorithm, Digest, DigestParseError, DigestSet, Digests};
pub use cells::{CellDigests, values};
pub use hasher::{Completed, Hasher, LoopHasher, MsgId, Offer};
pub use kernel::{Instructions, KernelError, forced_kernel};
pub use lanes::LaneHasher;
pub use running::Running;
