//! xz (xz-file-format 1.2.1), stream by stream, block by block and chunk by chunk.
//!
//! Headers, checks, index and footer are read here, so that every byte is told of; the chunks of LZMA2 are decoded by
//! `lzma-rust2`, one whole chunk at a time, so that a damage has its place.

mod check;
mod chunk;
mod header;
mod index;
mod integer;

use std::fmt;

use lzma_rust2::{Action, Lzma2Stream, Status};

use self::check::{Check, CheckKind};
use self::header::{Block, MAGIC, STREAM_HEADER};
use self::index::{Blocks, Index};
use super::RegionClass::{self, Dead, NonzeroPad, Payload, Structure, Trailing, ZeroPad};
use super::decoder::{Damage, Decoder, Turn};
use super::first_nonzero;

/// Whether a file that begins so is xz.
pub fn begins(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// An xz decoder.
pub struct Xz {
    state: State,
    /// Bytes of the input taken so far.
    at: u64,
    /// Bytes of the field or chunk that is being gathered, and where it begins.
    field: Vec<u8>,
    field_at: u64,
    /// Streams begun.
    streams: u64,
    /// Zeros since the last stream.
    padding: u64,
    kind: CheckKind,
    /// The blocks of the stream so far.
    blocks: Blocks,
    index: Index,
    block: Option<Content>,
    /// A failed check that is still to be told.
    owed: Option<Damage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Where a stream may begin.
    Between,
    StreamHeader,
    /// A block's header, or the first byte of the index; the length is known from the first byte.
    BlockHeader {
        len: usize,
    },
    /// A chunk, whose length is known from its first bytes.
    Chunk {
        len: usize,
    },
    /// A chunk that is whole, of which so much was given to the decoder.
    Decode {
        fed: usize,
    },
    Padding,
    Check,
    Index,
    /// It cannot be told how the index goes on.
    BadIndex(&'static str),
    Footer {
        /// Length of the index before it.
        index: u64,
    },
    /// After the last stream.
    Trailing,
    Lost,
}

/// The block being decoded.
struct Content {
    header: Block,
    lzma2: Lzma2Stream,
    check: Check,
    /// Bytes of LZMA2 chunks.
    compressed: u64,
}

impl Default for Xz {
    fn default() -> Self {
        Xz {
            state: State::Between,
            at: 0,
            field: Vec::with_capacity(64),
            field_at: 0,
            streams: 0,
            padding: 0,
            kind: CheckKind(0),
            blocks: Blocks::default(),
            index: Index::new(),
            block: None,
            owed: None,
        }
    }
}

impl fmt::Debug for Xz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xz").field("state", &self.state).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Decoder for Xz {
    fn footprint(&self) -> usize {
        // The dictionary is allocated as content comes, twice as much each time; beside it are the models of LZMA.
        let dictionary = self.block.as_ref().map_or(0, |block| {
            let written = 2 * block.lzma2.total_out() + 64 * 1024;
            written.min(u64::from(block.header.dictionary)) as usize + 64 * 1024
        });
        size_of::<Self>() + self.field.capacity() + dictionary
    }

    fn turn(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        if let Some(damage) = self.owed.take() {
            return Turn::Failed(damage);
        }
        match self.state {
            State::StreamHeader if !MAGIC.starts_with(magic(&self.field)) => self.end_streams(),
            State::StreamHeader if self.field.len() == STREAM_HEADER => self.begin_stream(),
            State::BlockHeader { len } if self.field.len() == len => self.begin_block(len),
            State::Chunk { len } if self.field.len() == len => self.begin_chunk(len),
            State::Decode { fed } if !output.is_empty() => self.decode(output, fed),
            State::Padding if self.field.len() == self.padding_len() => self.end_padding(),
            State::Check if self.field.len() == self.kind.len() => self.end_block(),
            State::Footer { index } if self.field.len() == STREAM_HEADER => self.end_stream(index),
            State::BadIndex(what) => self.lost(&format!("the index is not understood: {what}")),
            _ if input.is_empty() => Turn::Idle,
            State::Between => self.between(input),
            // Byte by byte, so that nothing is taken that is no header.
            State::StreamHeader => self.gather(input, self.field.len() + 1),
            State::BlockHeader { len } | State::Chunk { len } => self.gather(input, len),
            State::Padding => self.gather(input, self.padding_len()),
            State::Check => {
                let class = if self.kind.is_known() { Structure } else { Dead };
                self.take(input, self.kind.len(), class)
            }
            State::Index => self.read_index(input),
            State::Footer { .. } => self.take(input, STREAM_HEADER, Structure),
            State::Trailing => self.took(input.len(), Trailing),
            State::Decode { .. } | State::Lost => Turn::Idle,
        }
    }

    fn finish(&mut self) -> Option<Damage> {
        let what = match self.state {
            State::Between if self.streams > 0 => return self.uneven_padding(),
            State::BadIndex(_) | State::Trailing | State::Lost => return None,
            State::Between => "there is no xz stream",
            State::StreamHeader => "the header of an xz stream is cut short",
            State::BlockHeader { .. } => "an xz stream is cut short before a block or the index",
            State::Chunk { .. } | State::Decode { .. } => "an xz block is cut short",
            State::Padding | State::Check => "the check of an xz block is cut off",
            State::Index => "the index of an xz stream is cut short",
            State::Footer { .. } => "the footer of an xz stream is cut off",
        };
        Some(Damage { at: self.at, cut: true, detail: what.into() })
    }
}

impl Xz {
    fn between(&mut self, input: &[u8]) -> Turn {
        if self.streams > 0 && input[0] == 0 {
            let zeros = first_nonzero(input).unwrap_or(input.len());
            self.padding += zeros as u64;
            return self.took(zeros, ZeroPad);
        }
        self.enter(State::StreamHeader);
        self.gather(input, 1)
    }

    /// Stream padding is a multiple of four bytes (§2.2); xz(1) calls anything else corrupt.
    fn uneven_padding(&self) -> Option<Damage> {
        let detail = "the padding after an xz stream is not a multiple of four bytes";
        (!self.padding.is_multiple_of(4)).then(|| damage(self.at, detail))
    }

    fn end_streams(&mut self) -> Turn {
        if self.streams == 0 {
            return self.lost("there is no xz stream");
        }
        self.enter(State::Trailing);
        Turn::Settled(Trailing)
    }

    fn begin_stream(&mut self) -> Turn {
        let header = self.field.first_chunk().map_or(Err("its header is cut short"), header::stream);
        let kind = match header {
            Ok(kind) => kind,
            Err(what) => return self.lost(what),
        };
        if self.streams > 0 {
            self.owed = self.uneven_padding().map(|damage| Damage { at: self.field_at, ..damage });
        }
        if !kind.is_known() {
            let detail =
                format!("the check of an xz stream is of unknown kind {}: it was not checked", kind.0);
            self.owed = Some(damage(self.field_at, &detail));
        }
        self.streams += 1;
        self.padding = 0;
        self.kind = kind;
        self.blocks = Blocks::default();
        self.enter(State::BlockHeader { len: 1 });
        Turn::Settled(Structure)
    }

    /// At a block's header, of which the first byte is there or all of it.
    fn begin_block(&mut self, len: usize) -> Turn {
        match self.field[..] {
            [0] => {
                self.index = Index::new();
                self.state = State::Index;
                // It cannot be the last byte, and any number of blocks may follow it.
                let _ = self.index.push(0, &self.blocks);
                return Turn::Settled(Structure);
            }
            [quarters] if len == 1 => {
                self.state = State::BlockHeader { len: (usize::from(quarters) + 1) * 4 };
                return Turn::Held { read: 0, wrote: 0 };
            }
            _ => {}
        }
        match header::block(&self.field) {
            Ok(header) => {
                let mut lzma2 = Lzma2Stream::new(header.dictionary);
                if lzma2.set_filters(header.filter.as_slice()).is_err() {
                    return self.lost("the filters of a block are not supported");
                }
                self.block = Some(Content { header, lzma2, check: self.kind.start(), compressed: 0 });
                self.enter(State::Chunk { len: 1 });
                Turn::Settled(Structure)
            }
            Err(what) => self.lost(&format!("a block's header is not understood: {what}")),
        }
    }

    /// At a chunk of which the first `len` bytes are there.
    fn begin_chunk(&mut self, len: usize) -> Turn {
        self.state = match chunk::len(&self.field) {
            Some(whole) if whole > len => State::Chunk { len: whole },
            Some(_) => State::Decode { fed: 0 },
            None => return self.lost("a chunk is of no known kind"),
        };
        Turn::Held { read: 0, wrote: 0 }
    }

    fn decode(&mut self, output: &mut [u8], fed: usize) -> Turn {
        let Some(block) = &mut self.block else {
            return self.lost("there is no block");
        };
        let before = block.lzma2.total_out();
        let result = block.lzma2.process(&self.field[fed..], output, Action::Run);
        let wrote = (block.lzma2.total_out() - before) as usize;
        block.check.update(&output[..wrote]);
        let (fed, ended) = match result {
            Ok(result) => (fed + result.bytes_consumed, result.status == Status::StreamEnd),
            // What it wrote before the error is told first; the error comes again, in other words.
            Err(_) if wrote > 0 => (fed, false),
            Err(_) => return self.lost("a chunk cannot be decoded"),
        };
        self.state = State::Decode { fed };
        if wrote > 0 {
            return Turn::Held { read: 0, wrote };
        }
        if fed < self.field.len() {
            return self.lost("a chunk stands still");
        }
        block.compressed += fed as u64;
        let lengths = &block.header;
        if ended && lengths.compressed.is_some_and(|len| len != block.compressed) {
            return self.lost("its header gives another length of the compressed data");
        }
        if ended && lengths.content.is_some_and(|len| len != block.lzma2.total_out()) {
            self.owed =
                Some(damage(self.at, "the header of an xz block gives another length of its content"));
        }
        self.enter(if ended { State::Padding } else { State::Chunk { len: 1 } });
        Turn::Settled(Payload)
    }

    /// Blocks are padded to a multiple of four bytes (§3.3).
    fn padding_len(&self) -> usize {
        self.block.as_ref().map_or(0, |block| (4 - (block.compressed & 3) as usize) & 3)
    }

    fn end_padding(&mut self) -> Turn {
        let class = if first_nonzero(&self.field).is_none() { Structure } else { NonzeroPad };
        if class == NonzeroPad && self.owed.is_none() {
            self.owed = Some(damage(self.field_at, "the padding of an xz block is not zero"));
        }
        self.enter(State::Check);
        Turn::Settled(class)
    }

    fn end_block(&mut self) -> Turn {
        let agrees = self.block.take().is_some_and(|block| {
            let unpadded = block.header.header + block.compressed + self.kind.len() as u64;
            self.blocks.add(unpadded, block.lzma2.total_out());
            block.check.agrees(&self.field)
        });
        let at = self.at - self.kind.len() as u64;
        self.enter(State::BlockHeader { len: 1 });
        if agrees {
            return Turn::Took { read: 0, class: Structure, wrote: 0 };
        }
        Turn::Failed(damage(at, "the check of an xz block is wrong"))
    }

    fn read_index(&mut self, input: &[u8]) -> Turn {
        for (i, &byte) in input.iter().enumerate() {
            match self.index.push(byte, &self.blocks) {
                Ok(false) => {}
                Ok(true) => {
                    self.end_index(self.at + i as u64 + 1);
                    return self.took(i + 1, Structure);
                }
                Err(what) => {
                    self.enter(State::BadIndex(what));
                    self.field_at += i as u64;
                    return self.took(i, Structure);
                }
            }
        }
        self.took(input.len(), Structure)
    }

    fn end_index(&mut self, end: u64) {
        let index = std::mem::replace(&mut self.index, Index::new());
        let begin = end - index.len();
        let len = index.len();
        let verdict = index.verdict(std::mem::take(&mut self.blocks));
        self.owed = verdict.err().map(|what| damage(begin, what));
        self.enter(State::Footer { index: len });
    }

    fn end_stream(&mut self, index: u64) -> Turn {
        let verdict = self.field.first_chunk().map(|footer| header::footer(footer, self.kind, index));
        let at = self.at - STREAM_HEADER as u64;
        self.enter(State::Between);
        match verdict {
            Some(Err(what)) => Turn::Failed(damage(at, what)),
            _ => Turn::Took { read: 0, class: Structure, wrote: 0 },
        }
    }

    /// Adds to `field` up to `len` bytes in all, which wait for their class.
    fn gather(&mut self, input: &[u8], len: usize) -> Turn {
        let read = input.len().min(len - self.field.len());
        self.field.extend_from_slice(&input[..read]);
        self.at += read as u64;
        Turn::Held { read, wrote: 0 }
    }

    /// Adds to `field` up to `len` bytes in all, which are of this class.
    fn take(&mut self, input: &[u8], len: usize, class: RegionClass) -> Turn {
        let read = input.len().min(len - self.field.len());
        self.field.extend_from_slice(&input[..read]);
        self.took(read, class)
    }

    /// What is gathered next begins here.
    fn enter(&mut self, state: State) {
        self.field.clear();
        self.field_at = self.at;
        self.state = state;
    }

    fn took(&mut self, read: usize, class: RegionClass) -> Turn {
        self.at += read as u64;
        Turn::Took { read, class, wrote: 0 }
    }

    /// What was being gathered, or comes next, cannot be read.
    fn lost(&mut self, what: &str) -> Turn {
        self.state = State::Lost;
        self.block = None;
        Turn::Lost(damage(self.field_at, &format!("the xz stream is damaged: {what}")))
    }
}

fn magic(field: &[u8]) -> &[u8] {
    &field[..field.len().min(MAGIC.len())]
}

fn damage(at: u64, detail: &str) -> Damage {
    Damage { at, cut: false, detail: detail.into() }
}

#[cfg(test)]
mod tests;
