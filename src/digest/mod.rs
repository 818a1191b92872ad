//! Digests: which algorithms there are, sets of them, values, and the hashers that compute many at once.

mod algorithm;
mod hasher;
#[allow(dead_code, unused_imports, reason = "until hashers call the kernels")]
mod kernel;
pub mod rec1;
mod running;
mod state;

pub use algorithm::{Algorithm, Digest, DigestParseError, DigestSet, Digests};
pub use hasher::{Completed, Hasher, LoopHasher, MsgId, Offer};
pub use kernel::{Instructions, KernelError, forced_kernel};
pub use running::Running;
