//! The cursor over a whole file: one sequential read, from which the file, its stream and its members are told. Where
//! the file's own digests are not asked for, what its format does not need is passed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::formats::Layer;
use super::steps::{Opening, share};
use super::{Cursor, End, ItemId, Kind, Need, Part, Place, Reader, Step, Steps};
use crate::finding::Code;
use crate::plan::{Inside, ShardPlan};
use crate::source::{Block, Got, PIECE, Pool, Source, SourceError, Stamp};

/// Pieces that are worked on within one step if none of them has anything to tell.
const SILENT_PIECES: usize = 16;

/// A cursor over a file, which finds out what the file is by its first bytes.
pub struct FileCursor {
    source: Arc<Counted>,
    out: Steps,
    layer: Layer,
    /// Bytes read or passed over.
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
    pub fn new(source: Arc<dyn Source>, name: &[u8], plan: &ShardPlan, part: Part) -> Self {
        let plan = &part.plan(*plan);
        let source = Arc::new(Counted { source, read: AtomicU64::new(0) });
        let layer = match plan.inside {
            Inside::Open => Layer::new(Place {
                layer: ItemId::FILE,
                name: name.to_vec(),
                depth: 0,
                source: Some(Arc::clone(&source) as Arc<dyn Source>),
                part,
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

    /// Reads a block, or passes over what nobody needs; returns whether there was anything.
    fn read(&mut self, pool: &mut Pool) -> bool {
        let need = match self.out.plan().file.is_empty() {
            true => self.layer.need(),
            false => Need::Bytes(usize::MAX),
        };
        let mut block = pool.block();
        match need {
            Need::Bytes(most) => block.narrow(most),
            Need::Pass(len) => {
                self.at += len;
                self.layer.pass(len, &mut self.out);
                self.stage = Stage::Work;
                return true;
            }
        }
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

/// A source that counts the bytes read of it, by the cursor and by formats that read where they want.
struct Counted {
    source: Arc<dyn Source>,
    read: AtomicU64,
}

impl Source for Counted {
    fn stamp(&self) -> Result<Stamp, SourceError> {
        self.source.stamp()
    }

    fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError> {
        let got = self.source.read_at(at, into);
        if let Ok(Got::Bytes(n)) = got {
            self.read.fetch_add(n as u64, Ordering::Relaxed);
        }
        got
    }
}

impl Cursor for FileCursor {
    fn bytes_read(&self) -> u64 {
        self.source.read.load(Ordering::Relaxed)
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
