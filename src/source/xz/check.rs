//! The check of a block's content, of the kind that the stream header names (xz-file-format 1.2.1 §2.1.1.2).

use crc::{CRC_64_XZ, Crc, Digest as Running, Table};
use crc32fast::Hasher;
use sha2::{Digest, Sha256};

static CRC_64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// A kind of check, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckKind(pub u8);

impl CheckKind {
    /// Bytes that it takes: for the numbers not yet given away as well.
    pub fn len(self) -> usize {
        [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64][usize::from(self.0 & 0x0f)]
    }

    /// Whether it can be computed here.
    pub fn is_known(self) -> bool {
        matches!(self.0, 0 | 1 | 4 | 10)
    }

    /// The check of no bytes yet.
    pub fn start(self) -> Check {
        match self.0 {
            1 => Check::Crc32(Hasher::new()),
            4 => Check::Crc64(CRC_64.digest()),
            10 => Check::Sha256(Box::default()),
            _ => Check::None,
        }
    }
}

/// A check being computed.
pub enum Check {
    /// There is none, or it is not known.
    None,
    Crc32(Hasher),
    Crc64(Running<'static, u64, Table<16>>),
    Sha256(Box<Sha256>),
}

impl Check {
    /// Takes the next bytes of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Check::None => {}
            Check::Crc32(crc) => crc.update(bytes),
            Check::Crc64(crc) => crc.update(bytes),
            Check::Sha256(sha) => sha.update(bytes),
        }
    }

    /// Whether the bytes stored after the block are the check of its content.
    pub fn agrees(self, stored: &[u8]) -> bool {
        match self {
            Check::None => true,
            Check::Crc32(crc) => stored == crc.finalize().to_le_bytes(),
            Check::Crc64(crc) => stored == crc.finalize().to_le_bytes(),
            Check::Sha256(sha) => stored == sha.finalize().as_slice(),
        }
    }
}
