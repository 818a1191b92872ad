//! Blocks of bytes that go round: read into, sliced without copying, and used again when the last slice is dropped.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

/// The size of the pieces that flow from cursors to hashers, in bytes. Two of them fit a core's L2 cache beside the
/// decoder's tables; smaller ones cost system calls.
pub const PIECE: usize = 64 * 1024;

/// A writable buffer of [`PIECE`] bytes, of which the first [`Block::len`] are filled.
pub struct Block {
    bytes: Box<[u8]>,
    /// Bytes of the buffer that are offered for filling.
    most: usize,
    len: usize,
    home: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl Block {
    /// The whole buffer, or as much of it as [`Block::narrow`] left, for reading into.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.most]
    }

    /// Offers only the first `most` bytes for filling, so that a source reads no more than is needed.
    pub fn narrow(&mut self, most: usize) {
        self.most = self.most.min(most);
    }

    /// Says how much of the buffer is filled.
    ///
    /// # Panics
    /// Where `len` is past the buffer's end.
    pub fn fill(&mut self, len: usize) {
        assert!(len <= self.bytes.len(), "filled past the block's end");
        self.len = len;
    }

    /// Bytes filled.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is filled.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The filled part, shared from now on; the buffer returns to its pool when the last slice is gone.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if let Ok(mut home) = self.home.lock()
            && home.len() < Pool::KEPT
        {
            home.push(bytes);
        }
    }
}

/// A worker's stock of blocks.
#[derive(Clone, Default)]
pub struct Pool {
    free: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl Pool {
    /// Blocks kept for later use; more than that are given back to the allocator.
    const KEPT: usize = 64;

    /// An empty stock.
    pub fn new() -> Self {
        Pool::default()
    }

    /// An empty block of [`PIECE`] bytes.
    pub fn block(&mut self) -> Block {
        let kept = self.free.lock().ok().and_then(|mut free| free.pop());
        let bytes = kept.unwrap_or_else(|| vec![0; PIECE].into_boxed_slice());
        Block { most: bytes.len(), bytes, len: 0, home: Arc::clone(&self.free) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_returns_when_its_last_slice_is_dropped() {
        let mut pool = Pool::new();
        let mut block = pool.block();
        block.space()[..5].copy_from_slice(b"hello");
        block.fill(5);
        let bytes = block.freeze();
        let slice = bytes.slice(1..3);
        drop(bytes);
        assert_eq!(pool.free.lock().unwrap().len(), 0);
        assert_eq!(&slice[..], b"el");
        drop(slice);
        assert_eq!(pool.free.lock().unwrap().len(), 1);
        pool.block();
        assert_eq!(pool.free.lock().unwrap().len(), 1);
    }
}
