//! What is told of files while they are read, until it is known whether it may be kept.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::event::Telling;
use super::record::{self, Meta};
use super::segment::LONGEST;
use super::{ColumnsKey, State};
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::observation::{self, Observation};
use crate::plan::ShardPlan;
use crate::source::Stamp;

/// What was told of one file, or of a share in one.
pub struct Recording {
    plan: ShardPlan,
    /// Events that are not a chunk yet, and chunks.
    current: Vec<u8>,
    chunks: Vec<Vec<u8>>,
    /// The chunks before those, each after its length.
    spilled: Option<File>,
    /// All of it was read, and can be kept.
    sound: bool,
}

impl Recording {
    /// Bytes of a chunk, before the event that ends it.
    pub const CHUNK: usize = 256 << 10;

    /// Chunks that are held in memory.
    const HELD: usize = 4;

    fn new(plan: ShardPlan) -> Self {
        Recording { plan, current: Vec::new(), chunks: Vec::new(), spilled: None, sound: true }
    }

    /// Adds an event. What could not be read may be readable next time: nothing of such a file is kept.
    fn push(&mut self, event: &Telling<'_>, scratch: &Path) -> Result<()> {
        if !self.sound || is_unsound(event) {
            self.give_up();
            return Ok(());
        }
        let current = std::mem::take(&mut self.current);
        let before = current.len();
        self.current =
            postcard::to_extend(event, current).map_err(|error| Error::Scratch(error.to_string()))?;
        if self.current.len() - before > LONGEST - Self::CHUNK {
            self.give_up();
            return Ok(());
        }
        if self.current.len() >= Self::CHUNK {
            self.chunks.push(std::mem::take(&mut self.current));
            if self.chunks.len() > Self::HELD {
                self.spill(scratch).map_err(|cause| failed(scratch, cause))?;
            }
        }
        Ok(())
    }

    fn give_up(&mut self) {
        *self = Recording { sound: false, ..Recording::new(self.plan) };
    }

    fn spill(&mut self, scratch: &Path) -> std::io::Result<()> {
        if self.spilled.is_none() {
            self.spilled = Some(tempfile::tempfile_in(scratch)?);
        }
        if let Some(file) = &mut self.spilled {
            for chunk in self.chunks.drain(..) {
                file.write_all(&(chunk.len() as u64).to_le_bytes())?;
                file.write_all(&chunk)?;
            }
        }
        Ok(())
    }

    /// All events, where they are no more than a chunk.
    pub fn short(&self) -> Option<&[u8]> {
        (self.chunks.is_empty() && self.spilled.is_none()).then_some(&self.current)
    }

    /// Hands out all chunks in order.
    ///
    /// # Errors
    /// Where scratch files fail, or `each` does.
    pub fn chunks(self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if let Some(mut file) = self.spilled {
            let lost = |cause: std::io::Error| Error::Scratch(cause.to_string());
            let mut left = file.stream_position().map_err(lost)?;
            file.rewind().map_err(lost)?;
            let mut chunk = Vec::new();
            while left > 0 {
                let mut len = [0; 8];
                file.read_exact(&mut len).map_err(lost)?;
                let len = u64::from_le_bytes(len);
                chunk.clear();
                (&file).take(len).read_to_end(&mut chunk).map_err(lost)?;
                each(&chunk)?;
                left = left.saturating_sub(8 + len);
            }
        }
        self.chunks.iter().try_for_each(|chunk| each(chunk))?;
        if self.current.is_empty() { Ok(()) } else { each(&self.current) }
    }
}

fn is_unsound(event: &Telling<'_>) -> bool {
    match event {
        Telling::Seen(seen) => matches!(seen.state, observation::State::Unread(_)),
        Telling::Fault(_, code, _) => matches!(code, Code::Unreadable | Code::ChangedWhileReading),
        Telling::Claimed(_) | Telling::Rows(_) => false,
    }
}

fn failed(scratch: &Path, cause: std::io::Error) -> Error {
    let advice = "Free some space there, or name another folder with --scratch.";
    Error::Io { doing: "write a scratch file in", path: scratch.to_path_buf(), cause, advice }
}

/// The recordings of a worker, of files that it is reading.
#[derive(Default)]
pub struct Recordings {
    open: Vec<(u16, Vec<u8>, Recording)>,
}

impl Recordings {
    /// A file is begun.
    pub fn begin(&mut self, root: u16, path: &[u8], plan: &ShardPlan) {
        self.take(root, path);
        self.open.push((root, path.to_vec(), Recording::new(*plan)));
    }

    /// Something is told of a file. Of one that was not begun, nothing is recorded.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn tell(&mut self, root: u16, path: &[u8], event: &Telling<'_>, state: &State) -> Result<()> {
        let of = self.open.iter_mut().find(|(r, p, _)| *r == root && p == path);
        of.map_or(Ok(()), |(_, _, recording)| recording.push(event, &state.scratch))
    }

    /// What was told of a file.
    pub fn take(&mut self, root: u16, path: &[u8]) -> Option<Recording> {
        let at = self.open.iter().position(|(r, p, _)| *r == root && p == path)?;
        Some(self.open.swap_remove(at).2)
    }
}

impl State {
    /// Keeps what was told of a file, by one worker or by several in shares, and last the file itself, as long as that
    /// holds for what a later run finds at its place.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn keep(&self, mut told: Vec<Recording>, file: &Observation, columns: &ColumnsKey) -> Result<()> {
        let is_known = |stamp: &Stamp| !self.look_only && self.is_settled(stamp);
        let Some(stamp) = file.stamp.filter(is_known) else { return Ok(()) };
        let Some(last) = told.last_mut() else { return Ok(()) };
        last.push(&Telling::Seen(file), &self.scratch)?;
        if !told.iter().all(|recording| recording.sound) {
            return Ok(());
        }
        let meta = Meta {
            root: file.locator.root.unwrap_or(0),
            path: file.locator.shard.clone(),
            stamp,
            plan: told[0].plan,
            columns: *columns,
        };
        self.with_writer(|writer| record::write(writer, &meta, told))
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Assembly;
    use super::super::segment::{Frame, FrameKind, Frames, Header, OpenSegment, SegmentWriter};
    use super::*;
    use crate::locator::Locator;
    use crate::source::Stamp;

    fn meta() -> Meta {
        let (path, plan) = (b"a/b".to_vec(), ShardPlan::default());
        Meta { root: 1, path, stamp: Stamp::default(), plan, columns: [7; 16] }
    }

    /// What was told in chunks of its own, as it is written down.
    fn told(recording: Recording) -> Vec<u8> {
        let mut all = Vec::new();
        recording
            .chunks(&mut |chunk| {
                all.extend_from_slice(chunk);
                Ok(())
            })
            .unwrap();
        all
    }

    fn long(scratch: &Path) -> Recording {
        let mut recording = Recording::new(ShardPlan::default());
        for number in 0..3000 {
            let detail = format!("{number} {}", "long ".repeat(200));
            let telling = Telling::Fault(&Locator::file(Some(0), b"a/b".to_vec()), Code::OddName, &detail);
            recording.push(&telling, scratch).unwrap();
        }
        recording
    }

    fn frames(bytes: &[u8], number: u32) -> Vec<Frame> {
        let mut frames = Frames::new(bytes, number, 0);
        std::iter::from_fn(|| frames.frame()).collect()
    }

    #[test]
    fn a_long_record_passes_through_scratch_files_and_other_segments_as_it_was_told() {
        let home = tempfile::tempdir().unwrap();
        let recording = long(home.path());
        assert!(recording.spilled.is_some() && !recording.current.is_empty());
        let due = told(long(home.path()));
        let header = Header::of(Vec::new());
        let mut first = SegmentWriter::create(home.path(), 1, &header).unwrap();
        record::write(&mut first, &meta(), vec![recording]).unwrap();
        first.sync().unwrap();
        let file = File::open(first.path()).unwrap();
        let (path, bytes) = (first.path().to_path_buf(), file.metadata().unwrap().len());
        let from = OpenSegment { number: 1, path, file, bytes, roots: vec![0, 5] };
        let written = std::fs::read(first.path()).unwrap();
        let offset = frames(&written, 1)[1].start;

        let mut second = SegmentWriter::create(home.path(), 2, &header).unwrap();
        assert!(record::copy(&from, offset, &mut second).unwrap());
        second.sync().unwrap();
        let copied = frames(&std::fs::read(second.path()).unwrap(), 2);
        let events = copied.iter().filter(|frame| frame.kind == FrameKind::Events);
        assert!(events.map(|frame| frame.payload.as_slice()).collect::<Vec<_>>().concat() == due);
        let mut assembly = Assembly::default();
        let ended: Vec<_> = copied.iter().filter_map(|frame| assembly.frame(frame)).collect();
        assert_eq!(ended, [(Meta { root: 5, ..meta() }, copied[1].start)]);
        // Without any one of its frames it is none.
        for without in 1..copied.len() {
            let mut assembly = Assembly::default();
            let rest = copied.iter().enumerate().filter(|(at, _)| *at != without);
            assert_eq!(rest.filter_map(|(_, frame)| assembly.frame(frame)).count(), 0, "frame {without}");
        }
    }

    #[test]
    fn nothing_is_kept_of_what_could_not_be_read() {
        let home = tempfile::tempdir().unwrap();
        let mut recording = Recording::new(ShardPlan::default());
        let place = Locator::file(Some(0), b"a".to_vec());
        recording.push(&Telling::Rows(1), home.path()).unwrap();
        recording.push(&Telling::Fault(&place, Code::Unreadable, "cut"), home.path()).unwrap();
        recording.push(&Telling::Rows(1), home.path()).unwrap();
        assert!(!recording.sound && recording.current.is_empty());
    }
}
