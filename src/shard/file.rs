//! The cursor over a whole file: one sequential read, from which the file, its stream and its members are told.

use std::sync::Arc;

use super::formats::Layer;
use super::steps::{Opening, share};
use super::{Cursor, End, ItemId, Kind, Place, Reader, Step, Steps};
use crate::finding::Code;
use crate::plan::{Inside, ShardPlan};
use crate::source::{Got, PIECE, Pool, Source};

/// Pieces that are worked on within one step if none of them has anything to tell.
const SILENT_PIECES: usize = 16;

/// A cursor over a file, which finds out what the file is by its first bytes.
pub struct FileCursor {
    source: Arc<dyn Source>,
    out: Steps,
    layer: Layer,
    /// Bytes read.
    at: u64,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Start,
    /// The layer may have work to do with what it was fed.
    Work,
    Read,
    /// No more bytes will come, and the file ends so; the layer may still have work.
    Drain(End),
    Done,
}

impl FileCursor {
    /// A cursor over the file of this name; the name decides only where the content leaves open what it is.
    pub fn new(source: Arc<dyn Source>, name: &[u8], plan: &ShardPlan) -> Self {
        let layer = match plan.inside {
            Inside::Open => Layer::new(Place {
                layer: ItemId::FILE,
                name: name.to_vec(),
                depth: 0,
                source: Some(Arc::clone(&source)),
            }),
            Inside::Closed | Inside::Refused => Layer::plain(ItemId::FILE),
        };
        FileCursor { source, out: Steps::new(plan), layer, at: 0, stage: Stage::Start }
    }

    fn start(&mut self) {
        let stamp = self.source.stamp();
        self.out.open(Opening {
            parent: None,
            kind: Kind::File,
            name: Vec::new(),
            offset: 0,
            len: stamp.as_ref().ok().map(|stamp| stamp.size),
            hidden: false,
            region: None,
        });
        self.stage = Stage::Read;
        if let Err(error) = stamp {
            self.fail(error.at, &error.to_string());
        }
    }

    /// Reads a block; returns whether there was anything.
    fn read(&mut self, pool: &mut Pool) -> bool {
        let mut block = pool.block();
        match self.source.read_at(self.at, &mut block) {
            Ok(Got::Bytes(n)) => {
                self.at += n as u64;
                let bytes = share(block);
                self.out.file(&bytes);
                self.layer.feed(bytes, &mut self.out);
                self.stage = Stage::Work;
            }
            Ok(Got::End) => self.drain(End::Complete),
            Ok(Got::NotYet) => return false,
            Err(error) => self.fail(error.at, &error.to_string()),
        }
        true
    }

    fn fail(&mut self, at: u64, detail: &str) {
        self.out.fault(Code::Unreadable, ItemId::FILE, Some(at), detail);
        self.drain(End::Damaged);
    }

    fn drain(&mut self, end: End) {
        self.layer.decide(&mut self.out);
        self.stage = Stage::Drain(end);
    }

    fn end(&mut self, end: End) {
        self.layer.finish(end, &mut self.out);
        self.out.close(ItemId::FILE, end);
        self.stage = Stage::Done;
    }
}

impl Cursor for FileCursor {
    fn bytes_read(&self) -> u64 {
        self.at
    }

    fn footprint(&self) -> usize {
        // One block is being read into or decoded into while a step lasts, and pieces of one more may wait.
        size_of::<Self>() + 2 * PIECE + self.out.footprint() + self.layer.footprint()
    }

    fn step(&mut self, pool: &mut Pool) -> Step {
        for _ in 0..SILENT_PIECES {
            if let Some(step) = self.out.pop() {
                return step;
            }
            match self.stage {
                Stage::Start => self.start(),
                Stage::Work => {
                    if !self.layer.work(pool, &mut self.out) {
                        self.stage = Stage::Read;
                    }
                }
                Stage::Read => {
                    if !self.read(pool) {
                        return Step::NotYet;
                    }
                }
                Stage::Drain(end) => {
                    if !self.layer.work(pool, &mut self.out) {
                        self.end(end);
                    }
                }
                Stage::Done => return Step::Done,
            }
        }
        self.out.pop().unwrap_or(Step::Quiet)
    }
}
