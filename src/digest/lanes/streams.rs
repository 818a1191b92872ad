//! Messages that arrive piece by piece, one job for each digest of each.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::super::kernel::{BLOCK, Compression, SHA224_START, Words};
use super::super::{Algorithm, Digest};
use super::{Seam, Span, Supply, padding};

/// One digest of a message under way.
pub(super) struct Job {
    /// The message it is of, by its place among the hasher's.
    pub message: usize,
    /// Which digest it will be.
    algorithm: Algorithm,
    compression: Compression,
    words: Words,
    /// Bytes before the next whole block: a header, or what a piece left over. [`BLOCK`] of them are a block to hash.
    head: [u8; BLOCK],
    held: usize,
    pieces: VecDeque<Bytes>,
    /// Bytes of the message so far, a header included.
    length: u64,
    ended: bool,
    /// Blocks of its end that were hashed.
    padded: usize,
    /// It waits for a lane.
    is_queued: bool,
}

/// The jobs of a hasher.
#[derive(Default)]
pub(super) struct Streams {
    jobs: Vec<Job>,
    free: Vec<usize>,
    /// Jobs with something to hash, for each compression.
    queues: [VecDeque<usize>; 3],
}

impl Streams {
    /// A new job, whose message begins with a header.
    pub(super) fn begin(
        &mut self,
        message: usize,
        algorithm: Algorithm,
        compression: Compression,
        header: &[u8],
    ) -> usize {
        debug_assert!(header.len() < BLOCK);
        let mut head = [0; BLOCK];
        head[..header.len()].copy_from_slice(header);
        let job = Job {
            message,
            algorithm,
            compression,
            words: start(algorithm, compression),
            head,
            held: header.len(),
            pieces: VecDeque::new(),
            length: header.len() as u64,
            ended: false,
            padded: 0,
            is_queued: false,
        };
        match self.free.pop() {
            Some(at) => {
                // The room for pieces is used again.
                let pieces = std::mem::take(&mut self.jobs[at].pieces);
                debug_assert!(pieces.is_empty());
                self.jobs[at] = Job { pieces, ..job };
                at
            }
            None => {
                self.jobs.push(job);
                self.jobs.len() - 1
            }
        }
    }

    /// Takes the next piece of a job's message.
    pub(super) fn add(&mut self, at: usize, piece: Bytes, last: bool) {
        let job = &mut self.jobs[at];
        job.length += piece.len() as u64;
        if !piece.is_empty() {
            job.pieces.push_back(piece);
        }
        job.ended |= last;
        if !job.is_queued {
            job.is_queued = true;
            self.queues[job.compression as usize].push_back(at);
        }
    }

    /// Bytes of a job that wait to be hashed.
    pub(super) fn pending(&self, at: usize) -> usize {
        self.jobs[at].pieces.iter().map(Bytes::len).sum()
    }

    /// Jobs that wait for lanes of a compression.
    pub(super) fn waiting(&self, compression: Compression) -> usize {
        self.queues[compression as usize].len()
    }

    /// What of a compression's jobs is to be hashed, and where jobs that ended are put.
    pub(super) fn supply<'a>(
        &'a mut self,
        compression: Compression,
        ended: &'a mut Vec<(usize, Digest)>,
    ) -> Queue<'a> {
        Queue { streams: self, compression, rested: Vec::new(), ended }
    }
}

/// The jobs of one compression.
pub(super) struct Queue<'a> {
    streams: &'a mut Streams,
    compression: Compression,
    /// Jobs that go on once others have had their turn.
    rested: Vec<usize>,
    ended: &'a mut Vec<(usize, Digest)>,
}

// SAFETY: a pointer that `span` gives lies in a piece, whose bytes nobody writes; the piece is held by its job until
// `advance` says that all its whole blocks were hashed.
unsafe impl Supply for Queue<'_> {
    type Message = usize;

    fn next(&mut self) -> Option<(usize, Words)> {
        let at = self.streams.queues[self.compression as usize].pop_front()?;
        Some((at, self.streams.jobs[at].words))
    }

    fn span(&mut self, at: &mut usize, seam: &mut Seam) -> Option<Span> {
        let job = &mut self.streams.jobs[*at];
        loop {
            if job.held == BLOCK {
                seam[..BLOCK].copy_from_slice(&job.head);
                return Some(Span::Seam(0, 1));
            }
            let Some(piece) = job.pieces.front_mut() else { break };
            if job.held == 0 && piece.len() >= BLOCK {
                return Some(Span::There(piece.as_ptr(), piece.len() / BLOCK));
            }
            let some = piece.len().min(BLOCK - job.held);
            piece.copy_to_slice(&mut job.head[job.held..job.held + some]);
            job.held += some;
            if piece.is_empty() {
                job.pieces.pop_front();
            }
        }
        if !job.ended || job.padded == padding::blocks(job.held) {
            return None;
        }
        seam[..job.held].copy_from_slice(&job.head[..job.held]);
        let blocks = padding::write(seam, job.held, job.length, self.compression);
        Some(Span::Seam(job.padded, blocks - job.padded))
    }

    fn advance(&mut self, at: &mut usize, blocks: usize) {
        let job = &mut self.streams.jobs[*at];
        if blocks == 0 {
        } else if job.held == BLOCK {
            job.held = 0;
        } else if let Some(piece) = job.pieces.front_mut() {
            piece.advance(blocks * BLOCK);
            if piece.is_empty() {
                job.pieces.pop_front();
            }
        } else {
            job.padded += blocks;
        }
    }

    fn rest(&mut self, at: usize, words: Words) {
        let job = &mut self.streams.jobs[at];
        job.words = words;
        let has_more = job.held == BLOCK || !job.pieces.is_empty();
        if has_more || (job.ended && job.padded < padding::blocks(job.held)) {
            self.rested.push(at);
            return;
        }
        job.is_queued = false;
        if job.ended {
            let mut value = [0; size_of::<Words>()];
            let value = &mut value[..job.algorithm.len()];
            padding::digest(&words, self.compression, value);
            // It has the length of its algorithm.
            self.ended.extend(Digest::new(job.algorithm, value).map(|digest| (job.message, digest)));
            self.streams.free.push(at);
        }
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        // First in line again: they are the furthest behind.
        for at in self.rested.drain(..).rev() {
            self.streams.queues[self.compression as usize].push_front(at);
        }
    }
}

/// The compression function of an algorithm that lanes compute.
pub(super) fn compression(algorithm: Algorithm) -> Option<Compression> {
    match algorithm {
        Algorithm::Md5 => Some(Compression::Md5),
        Algorithm::Sha1 | Algorithm::GitBlob => Some(Compression::Sha1),
        Algorithm::Sha224 | Algorithm::Sha256 => Some(Compression::Sha256),
        _ => None,
    }
}

/// The chaining value that messages begin with.
pub(super) fn start(algorithm: Algorithm, compression: Compression) -> Words {
    match algorithm {
        Algorithm::Sha224 => SHA224_START,
        _ => compression.start(),
    }
}
