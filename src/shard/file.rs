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
    /// The size that the file had when it was opened.
    size: Option<u64>,
    /// The last read brought less than there was room for, and ended where the file did when it was opened. Whether
    /// it still does, the stamp tells that everyone asks for who goes by what was read.
    is_at_end: bool,
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
        FileCursor {
            source,
            out: Steps::new(plan),
            layer,
            at: 0,
            size: None,
            is_at_end: false,
            stage: Stage::Start,
        }
    }

    fn start(&mut self) {
        let stamp = self.source.opened();
        self.size = stamp.as_ref().ok().map(|stamp| stamp.size);
        self.out.open(Opening {
            parent: None,
            kind: Kind::File,
            name: Vec::new(),
            offset: 0,
            len: self.size,
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
        if self.is_at_end {
            self.drain(End::Complete);
            return true;
        }
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
        let room = block.space().len();
        match self.source.read_at(self.at, &mut block) {
            Ok(Got::Bytes(n)) => {
                self.at += n as u64;
                self.is_at_end = n < room && self.size == Some(self.at);
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

    fn opened(&self) -> Result<Stamp, SourceError> {
        self.source.opened()
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;

    use super::*;
    use crate::digest::{Algorithm, DigestSet};

    /// A source that takes down what is asked of it, says one size, and has another.
    struct Asked {
        bytes: Bytes,
        says: u64,
        most: usize,
        asked: Mutex<Vec<String>>,
    }

    impl Source for Asked {
        fn stamp(&self) -> Result<Stamp, SourceError> {
            self.asked.lock().unwrap().push("stamp".to_string());
            Ok(Stamp { size: self.bytes.len() as u64, ..Stamp::default() })
        }

        fn opened(&self) -> Result<Stamp, SourceError> {
            Ok(Stamp { size: self.says, ..Stamp::default() })
        }

        fn read_at(&self, at: u64, into: &mut Block) -> Result<Got, SourceError> {
            let rest = self.bytes.slice(at as usize..);
            let n = rest.len().min(self.most).min(into.space().len());
            into.space()[..n].copy_from_slice(&rest[..n]);
            into.fill(n);
            self.asked.lock().unwrap().push(format!("{n} at {at}"));
            Ok(if n == 0 { Got::End } else { Got::Bytes(n) })
        }
    }

    /// What is asked of a source of `len` bytes that says it has `says`, and how many bytes are told.
    fn asked(len: usize, says: usize, most: usize) -> (Vec<String>, usize) {
        let source = Asked { bytes: vec![7; len].into(), says: says as u64, most, asked: Mutex::default() };
        let source = Arc::new(source);
        let file = DigestSet::of(Algorithm::Sha256);
        let plan = ShardPlan { file, ..ShardPlan::default() };
        let mut cursor = FileCursor::new(Arc::clone(&source) as Arc<dyn Source>, b"a", &plan, Part::Whole);
        let (mut pool, mut told) = (Pool::new(), 0);
        loop {
            match cursor.step(&mut pool) {
                Step::Data { bytes, .. } => told += bytes.len(),
                Step::Done => break,
                _ => {}
            }
        }
        let asked = source.asked.lock().unwrap().clone();
        (asked, told)
    }

    #[test]
    fn a_file_that_is_as_long_as_it_was_is_read_with_one_call() {
        assert_eq!(asked(4096, 4096, usize::MAX), (vec!["4096 at 0".to_string()], 4096));
        // Nothing but its end shows that a whole block was all.
        let two = ["65536 at 0", "0 at 65536"].map(String::from).to_vec();
        assert_eq!(asked(PIECE, PIECE, usize::MAX), (two, PIECE));
        let two = ["65536 at 0", "9 at 65536"].map(String::from).to_vec();
        assert_eq!(asked(PIECE + 9, PIECE + 9, usize::MAX), (two, PIECE + 9));
        assert_eq!(asked(0, 0, usize::MAX), (vec!["0 at 0".to_string()], 0));
    }

    #[test]
    fn a_file_of_another_size_is_read_to_its_end() {
        for (len, says) in [(10, 4096), (4096, 10), (10, 0), (0, 10), (PIECE + 1, PIECE)] {
            let (asked, told) = asked(len, says, usize::MAX);
            assert_eq!(asked.last(), Some(&format!("0 at {len}")), "{len} bytes, said to be {says}");
            assert_eq!(told, len);
        }
    }

    #[test]
    fn short_reads_before_the_end_are_no_end() {
        let all = ["4 at 0", "4 at 4", "1 at 8"].map(String::from).to_vec();
        assert_eq!(asked(9, 9, 4), (all, 9));
    }
}
