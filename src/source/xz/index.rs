//! The index of a stream (xz-file-format 1.2.1 §4), which must list the blocks that were there.

use crc32fast::Hasher;
use sha2::{Digest, Sha256};

use super::integer::Integer;

/// A list of blocks in a fixed amount of memory: how many, and the digest of their lengths.
#[derive(Clone, Default)]
pub struct Blocks {
    count: u64,
    digest: Sha256,
}

impl Blocks {
    /// Adds a block by its length without padding and the length of its content.
    pub fn add(&mut self, unpadded: u64, content: u64) {
        self.count += 1;
        self.digest.update(unpadded.to_le_bytes());
        self.digest.update(content.to_le_bytes());
    }
}

/// An index being read.
#[derive(Default)]
pub struct Index {
    stage: Stage,
    number: Integer,
    /// The blocks that it lists.
    listed: Blocks,
    /// Bytes read, up to the check sum.
    len: u64,
    crc: Hasher,
    stored: [u8; 4],
    padded_with_zeros: bool,
}

#[derive(Clone, Copy, Default)]
enum Stage {
    #[default]
    Indicator,
    Count,
    Unpadded {
        left: u64,
    },
    Content {
        left: u64,
        unpadded: u64,
    },
    Padding,
    Crc {
        len: usize,
    },
}

impl Index {
    /// An index of which nothing has been read.
    pub fn new() -> Self {
        Index { padded_with_zeros: true, ..Index::default() }
    }

    /// Bytes read.
    pub fn len(&self) -> u64 {
        match self.stage {
            Stage::Crc { len } => self.len + len as u64,
            _ => self.len,
        }
    }

    /// Takes the next byte; returns whether it is the last. `blocks` are those that were there.
    ///
    /// # Errors
    /// Where it cannot be told how the index goes on.
    pub fn push(&mut self, byte: u8, blocks: &Blocks) -> Result<bool, &'static str> {
        if let Stage::Crc { len } = &mut self.stage {
            self.stored[*len] = byte;
            *len += 1;
            return Ok(*len == self.stored.len());
        }
        self.crc.update(&[byte]);
        self.len += 1;
        self.stage = match self.stage {
            Stage::Indicator => Stage::Count,
            Stage::Count => match self.number.push(byte)? {
                Some(count) if count != blocks.count => return Err("it lists another number of blocks"),
                Some(left) => after(left),
                None => Stage::Count,
            },
            Stage::Unpadded { left } => match self.number.push(byte)? {
                Some(unpadded) => Stage::Content { left, unpadded },
                None => Stage::Unpadded { left },
            },
            Stage::Content { left, unpadded } => match self.number.push(byte)? {
                Some(content) => {
                    self.listed.add(unpadded, content);
                    after(left - 1)
                }
                None => Stage::Content { left, unpadded },
            },
            Stage::Padding | Stage::Crc { .. } => {
                self.padded_with_zeros &= byte == 0;
                Stage::Padding
            }
        };
        if matches!(self.stage, Stage::Padding) && self.len.is_multiple_of(4) {
            self.stage = Stage::Crc { len: 0 };
        }
        Ok(false)
    }

    /// What is wrong with an index that was read to its end.
    pub fn verdict(self, blocks: Blocks) -> Result<(), &'static str> {
        if self.crc.finalize() != u32::from_le_bytes(self.stored) {
            Err("the check sum of an xz index is wrong")
        } else if self.listed.digest.finalize() != blocks.digest.finalize() {
            Err("an xz index lists other lengths than its blocks have")
        } else if !self.padded_with_zeros {
            Err("the padding of an xz index is not zero")
        } else {
            Ok(())
        }
    }
}

fn after(left: u64) -> Stage {
    if left == 0 { Stage::Padding } else { Stage::Unpadded { left } }
}
