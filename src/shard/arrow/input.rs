//! Bytes on their way in: pieces as they were fed, and the beginning of what is to be had whole.

use std::collections::VecDeque;

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;

use crate::source::PIECE;

/// Bytes reserved for what is declared to be long; more only as they come.
const RESERVE: usize = 16 * PIECE;

/// Bytes fed and not yet taken.
#[derive(Debug, Default)]
pub struct Input {
    pieces: VecDeque<Bytes>,
    /// The beginning of what is gathered, aligned as decoders want a body to be.
    partial: MutableBuffer,
}

impl Input {
    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.partial.capacity() + self.pieces.iter().map(Bytes::len).sum::<usize>()
    }

    /// Adds the next bytes.
    pub fn feed(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.pieces.push_back(bytes);
        }
    }

    /// Exactly so many bytes, once they are there.
    pub fn exactly(&mut self, len: usize) -> Option<Buffer> {
        if self.partial.is_empty() {
            self.partial.reserve(len.min(RESERVE));
        }
        while self.partial.len() < len {
            let part = self.some(len - self.partial.len())?;
            self.partial.extend_from_slice(&part);
        }
        Some(std::mem::take(&mut self.partial).into())
    }

    /// At most so many bytes; `None` if there are none.
    pub fn some(&mut self, most: usize) -> Option<Bytes> {
        let front = self.pieces.front_mut()?;
        let part = front.split_to(most.min(front.len()));
        if front.is_empty() {
            self.pieces.pop_front();
        }
        Some(part)
    }

    /// Gives bytes back that were taken last.
    pub fn give_back(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.pieces.push_front(bytes);
        }
    }

    /// What was gathered and is not whole: no more will come.
    pub fn cut(&mut self) -> Bytes {
        bytes_of(std::mem::take(&mut self.partial).into())
    }
}

/// The same memory as bytes.
pub fn bytes_of(buffer: Buffer) -> Bytes {
    Bytes::from_owner(buffer)
}
