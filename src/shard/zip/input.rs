//! Bytes of the file that were fed and not yet worked on.

use std::collections::VecDeque;

use bytes::Bytes;

/// A queue of bytes that knows where in the file it begins.
#[derive(Debug, Default)]
pub struct Input {
    pieces: VecDeque<Bytes>,
    len: usize,
    /// The place of the next byte.
    pub at: u64,
}

impl Input {
    /// An empty queue at this place of the file.
    pub fn at(at: u64) -> Self {
        Input { at, ..Input::default() }
    }

    /// Adds the bytes that follow.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The first bytes that lie together, `most` at most.
    pub fn front(&self, most: u64) -> &[u8] {
        let front: &[u8] = self.pieces.front().map_or(&[], |piece| piece);
        &front[..usize::try_from(most).map_or(front.len(), |most| most.min(front.len()))]
    }

    /// The next so many bytes, if they are there; they stay.
    pub fn peek(&self, len: usize) -> Option<Bytes> {
        if len > self.len {
            return None;
        }
        match self.pieces.front() {
            Some(front) if front.len() >= len => Some(front.slice(..len)),
            _ => {
                let mut all = Vec::with_capacity(len);
                for piece in &self.pieces {
                    all.extend_from_slice(&piece[..piece.len().min(len - all.len())]);
                }
                Some(Bytes::from(all))
            }
        }
    }

    /// Takes bytes that lie together, `most` at most.
    pub fn take(&mut self, most: u64) -> Bytes {
        let n = self.front(most).len();
        let Some(front) = self.pieces.front_mut() else { return Bytes::new() };
        let part = front.split_to(n);
        if front.is_empty() {
            self.pieces.pop_front();
        }
        self.len -= n;
        self.at += n as u64;
        part
    }
}
