//! Records: all that was told of one file, and under which plan.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::keeping::Recording;
use super::segment::{Frame, FrameKind, OpenSegment, SegmentWriter};
use super::{ColumnsKey, KeptAt, first_half};
use crate::audit::planning::Work;
use crate::digest::DigestSet;
use crate::error::{Error, Result};
use crate::observation::{Kind, Observation};
use crate::observe::{Known, Observer, Origin};
use crate::plan::ShardPlan;
use crate::source::Stamp;

/// What a record is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The number of its root in its segment.
    pub root: u16,
    /// The path of the file below that.
    pub path: Vec<u8>,
    /// The state that the file had.
    pub stamp: Stamp,
    /// What was asked of it.
    pub plan: ShardPlan,
    /// The columns of digests that were held against their rows.
    pub columns: ColumnsKey,
}

/// Writes a record: what was told in these recordings, one after the other.
///
/// # Errors
/// Where the disk is full.
pub fn write(writer: &mut SegmentWriter, meta: &Meta, mut told: Vec<Recording>) -> Result<()> {
    let meta = encoded(meta)?;
    if let [only] = told.as_mut_slice()
        && let Some(events) = only.short()
        && meta.len() + events.len() <= Recording::CHUNK
    {
        writer.append(FrameKind::Whole, &[&meta, events])?;
        return Ok(());
    }
    let mut long = Long::begin(writer, &meta)?;
    for recording in told {
        recording.chunks(&mut |events| long.events(events))?;
    }
    long.end()
}

/// A long record being written.
struct Long<'a> {
    writer: &'a mut SegmentWriter,
    chain: blake3::Hasher,
}

impl Long<'_> {
    fn begin<'a>(writer: &'a mut SegmentWriter, meta: &[u8]) -> Result<Long<'a>> {
        let mut chain = blake3::Hasher::new();
        chain.update(&writer.append(FrameKind::Begin, &[meta])?);
        Ok(Long { writer, chain })
    }

    fn events(&mut self, events: &[u8]) -> Result<()> {
        self.chain.update(&self.writer.append(FrameKind::Events, &[events])?);
        Ok(())
    }

    /// No frame may be missing between begin and end.
    fn end(self) -> Result<()> {
        self.writer.append(FrameKind::End, &[&first_half(&self.chain)])?;
        Ok(())
    }
}

/// Puts frames together to records.
#[derive(Default)]
pub struct Assembly {
    open: Option<(Meta, u64, blake3::Hasher)>,
}

impl Assembly {
    /// Takes the next frame; what it ends, with the first byte of the record, where all of that is there.
    pub fn frame(&mut self, frame: &Frame) -> Option<(Meta, u64)> {
        match frame.kind {
            FrameKind::Header => {
                self.open = None;
                None
            }
            FrameKind::Whole => {
                self.open = None;
                let (meta, _) = postcard::take_from_bytes::<Meta>(&frame.payload).ok()?;
                Some((meta, frame.start))
            }
            FrameKind::Begin => {
                let mut chain = blake3::Hasher::new();
                chain.update(&frame.sum);
                self.open = postcard::from_bytes(&frame.payload).ok().map(|meta| (meta, frame.start, chain));
                None
            }
            FrameKind::Events => {
                if let Some((_, _, chain)) = &mut self.open {
                    chain.update(&frame.sum);
                }
                None
            }
            FrameKind::End => {
                let (meta, start, chain) = self.open.take()?;
                (frame.payload == first_half(&chain)).then_some((meta, start))
            }
        }
    }
}

/// Writes a record of another segment once more; `false` if it does not hold any more.
///
/// # Errors
/// Where the disk is full.
pub fn copy(from: &OpenSegment, at: u64, writer: &mut SegmentWriter) -> Result<bool> {
    let mut frames = from.frames(at);
    let Some(first) = frames.frame() else { return Ok(false) };
    let Ok((mut meta, events)) = postcard::take_from_bytes::<Meta>(&first.payload) else { return Ok(false) };
    let Some(&root) = from.roots.get(usize::from(meta.root)) else { return Ok(false) };
    meta.root = root;
    let meta = encoded(&meta)?;
    if first.kind == FrameKind::Whole {
        writer.append(FrameKind::Whole, &[&meta, events])?;
        return Ok(true);
    }
    let mut long = Long::begin(writer, &meta)?;
    while let Some(frame) = frames.frame() {
        match frame.kind {
            FrameKind::Events => long.events(&frame.payload)?,
            FrameKind::End => return long.end().map(|()| true),
            _ => break,
        }
    }
    // What was begun has no end, and is no record.
    Ok(false)
}

fn encoded(meta: &Meta) -> Result<Vec<u8>> {
    postcard::to_stdvec(meta).map_err(|error| Error::Scratch(error.to_string()))
}

/// A file that is told of by its record.
pub struct KeptShard {
    segments: Arc<Vec<OpenSegment>>,
    at: KeptAt,
    root: u16,
    path: Vec<u8>,
    exempt: bool,
    /// What this run asks of it.
    plan: ShardPlan,
}

impl KeptShard {
    /// This file by this record.
    pub fn new(segments: Arc<Vec<OpenSegment>>, file: &Work, at: &KeptAt, plan: ShardPlan) -> KeptShard {
        let (root, path, exempt) = (file.root, file.path.clone(), file.is_exempt());
        KeptShard { segments, at: at.clone(), root, path, exempt, plan }
    }

    fn tell_events(&self, mut events: &[u8], observer: &mut dyn Observer) -> Result<()> {
        while !events.is_empty() {
            let Ok((mut event, rest)) = postcard::take_from_bytes::<Event>(events) else {
                return Err(self.spoilt());
            };
            if let Event::Seen(seen) = &mut event {
                self.adapt(seen);
            }
            event.tell(self.root, &self.path, observer)?;
            events = rest;
        }
        Ok(())
    }

    /// As this run would have measured it.
    fn adapt(&self, seen: &mut Observation) {
        seen.locator.root = Some(self.root);
        seen.exempt = self.exempt;
        let wanted = match seen.kind {
            Kind::File => self.plan.file,
            Kind::Stream => self.plan.stream,
            Kind::Member | Kind::Region | Kind::Row | Kind::Cell => self.plan.samples,
        };
        restrict(&mut seen.digests, wanted);
        if let Some((digests, _)) = &mut seen.stream {
            restrict(digests, self.plan.stream);
        }
    }

    fn spoilt(&self) -> Error {
        Error::Unusable {
            role: "state",
            path: self.segments.get(self.at.segment as usize).map(|s| s.path.clone()).unwrap_or_default(),
            reason: "it was changed while it was used".to_string(),
            advice: "Run the command again: what does not hold is read anew.".to_string(),
        }
    }
}

fn restrict(digests: &mut crate::digest::Digests, wanted: DigestSet) {
    if !digests.set().minus(wanted).is_empty() {
        *digests = std::mem::take(digests).only(wanted);
    }
}

impl Known for KeptShard {
    fn tell(self: Box<Self>, observer: &mut dyn Observer) -> Result<()> {
        let segment = self.segments.get(self.at.segment as usize).ok_or_else(|| self.spoilt())?;
        let mut frames = segment.frames(self.at.offset);
        let first = frames.frame().ok_or_else(|| self.spoilt())?;
        let (meta, events) = postcard::take_from_bytes::<Meta>(&first.payload).map_err(|_| self.spoilt())?;
        if meta.path != self.path {
            return Err(self.spoilt());
        }
        observer.begin(self.root, &self.path, &self.plan, Origin::Kept);
        self.tell_events(events, observer)?;
        if first.kind == FrameKind::Whole {
            return Ok(());
        }
        while !observer.stopped() {
            let frame = frames.frame().ok_or_else(|| self.spoilt())?;
            match frame.kind {
                FrameKind::Events => self.tell_events(&frame.payload, observer)?,
                FrameKind::End => return Ok(()),
                _ => return Err(self.spoilt()),
            }
        }
        Ok(())
    }
}
