//! What is kept, found again by the place of the file.

use std::fs::File;
use std::io::BufReader;
use std::iter::Peekable;

use serde::{Deserialize, Serialize};

use super::ColumnsKey;
use super::compaction::Live;
use super::folder::Folder;
use super::record::Assembly;
use super::segment::{Frame, FrameKind, Frames, Header, OpenSegment};
use crate::audit::options::AuditOptions;
use crate::check::claim_key;
use crate::digest::Algorithm;
use crate::error::Result;
use crate::index::spool::{Iter, Scratch, Spool};
use crate::locator::{Escaped, place_key};
use crate::manifest::open_regular;
use crate::plan::{Inside, ShardPlan};
use crate::source::Stamp;

/// Records of one file that are looked at, the newest first: one for each way in which it was asked for.
const MOST: usize = 4;

/// A record of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    root: u16,
    stamp: Stamp,
    at: KeptAt,
    bytes: u64,
}

/// Where a record is, and what it can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAt {
    /// Which segment, among those that are open.
    pub segment: u32,
    /// Its first byte there.
    pub offset: u64,
    plan: ShardPlan,
    columns: ColumnsKey,
}

impl KeptAt {
    /// Whether it tells what reading by this plan would tell. More digests than are asked for do no harm, since they are
    /// left away; but whether any are asked for of a layer decides how it is read.
    pub fn serves(&self, plan: &ShardPlan, columns: &ColumnsKey) -> bool {
        let has = |kept: crate::digest::DigestSet, asked: crate::digest::DigestSet| {
            asked.minus(kept).is_empty() && asked.is_empty() == kept.is_empty()
        };
        let sha256 = |plan: &ShardPlan| plan.samples.contains(Algorithm::Sha256);
        self.plan.inside == plan.inside
            && self.plan.records == plan.records
            && has(self.plan.file, plan.file)
            && has(self.plan.stream, plan.stream)
            && has(self.plan.samples, plan.samples)
            // Samples are put together by the SHA-256 of their members.
            && (!plan.records || sha256(&self.plan) == sha256(plan))
            && (plan.inside != Inside::Open || self.columns == *columns)
    }
}

/// All that earlier runs left.
pub struct Scan {
    /// Segments of this program.
    pub segments: Vec<OpenSegment>,
    /// Records of files below the roots of this run, by place.
    pub kept: Spool<Kept>,
    /// Records of files below other roots.
    pub foreign: Foreign,
    /// Segments that are of no use to this program.
    pub spoilt: Vec<std::path::PathBuf>,
    /// The number of the next segment.
    pub next: u32,
    /// What has to be said.
    pub notices: Vec<String>,
}

/// Records below roots that are not those of this run.
pub struct Foreign {
    /// Where they are.
    pub live: Spool<Live>,
    /// All roots, those of this run first.
    pub roots: Vec<Vec<u8>>,
}

/// Reads all segments, and holds every byte of them to its check sum.
///
/// # Errors
/// Where the folder cannot be listed, or scratch files fail.
pub fn scan(folder: &Folder, header: &Header, scratch: &Scratch) -> Result<Scan> {
    let foreign = Foreign { live: Spool::new(scratch), roots: header.roots.clone() };
    let mut scan = Scan {
        segments: Vec::new(),
        kept: Spool::new(scratch),
        foreign,
        spoilt: Vec::new(),
        next: 1,
        notices: Vec::new(),
    };
    let mut others = 0;
    for (number, path) in folder.segments()? {
        scan.next = scan.next.max(number.saturating_add(1));
        let opened = open_regular(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let first = opened.ok().and_then(|(bytes, file)| {
            let mut frames = frames(&file, number)?;
            let is_header = |frame: &Frame| frame.kind == FrameKind::Header;
            let first = frames.frame().filter(is_header)?;
            let of: Header = postcard::from_bytes(&first.payload).ok()?;
            drop(frames);
            Some((of, bytes, file))
        });
        match first {
            Some((of, bytes, file)) if of.program == header.program => {
                let roots = of.roots.iter().map(|root| scan.foreign.number(root)).collect();
                let segment = OpenSegment { number, path, file, bytes, roots };
                scan.segment(segment, header.roots.len())?;
            }
            Some(_) => {
                others += 1;
                scan.spoilt.push(path);
            }
            None => {
                scan.notices.push(format!(
                    "{} in the state is damaged or was never finished; what it held is read again",
                    Escaped(path.file_name().unwrap_or_default().as_encoded_bytes())
                ));
                scan.spoilt.push(path);
            }
        }
    }
    if others > 0 {
        let files = if others == 1 { "1 file" } else { &format!("{others} files") };
        scan.notices.push(format!(
            "{files} of the state were written by another version of shardproof and are of no use to this one; what \
             they hold is read again"
        ));
    }
    Ok(scan)
}

fn frames(file: &File, number: u32) -> Option<Frames<BufReader<File>>> {
    Some(Frames::new(BufReader::with_capacity(1 << 20, file.try_clone().ok()?), number, 0))
}

impl Foreign {
    fn number(&mut self, root: &[u8]) -> u16 {
        let known = self.roots.iter().position(|known| known == root).unwrap_or_else(|| {
            self.roots.push(root.to_vec());
            self.roots.len() - 1
        });
        u16::try_from(known).unwrap_or(u16::MAX)
    }
}

impl Scan {
    fn segment(&mut self, segment: OpenSegment, own_roots: usize) -> Result<()> {
        let index = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
        let mut assembly = Assembly::default();
        let mut whole = 0;
        // Reading moves the place in the file, which nobody else looks at.
        let rewound = std::io::Seek::rewind(&mut &segment.file).is_ok();
        let frames = if rewound { frames(&segment.file, segment.number) } else { None };
        for frame in frames.into_iter().flat_map(|mut frames| std::iter::from_fn(move || frames.frame())) {
            whole = frame.end;
            let Some((meta, offset)) = assembly.frame(&frame) else { continue };
            let Some(&root) = segment.roots.get(usize::from(meta.root)) else { continue };
            let bytes = frame.end - offset;
            if usize::from(root) >= own_roots {
                self.foreign.live.push(&Live::key(index, offset), &Live { bytes })?;
                continue;
            }
            let at = KeptAt { segment: index, offset, plan: meta.plan, columns: meta.columns };
            let kept = Kept { root, stamp: meta.stamp, at, bytes };
            self.kept.push(&claim_key(&place_key(&meta.path)), &kept)?;
        }
        if whole < segment.bytes {
            self.notices.push(format!(
                "{} in the state does not hold from byte {whole} on; what stood there is read again",
                Escaped(segment.path.file_name().unwrap_or_default().as_encoded_bytes())
            ));
        }
        self.segments.push(segment);
        Ok(())
    }
}

/// What is kept beside what is listed, place by place.
pub struct KeptBeside<'a> {
    records: Peekable<Iter<'a, Kept>>,
    options: &'a AuditOptions,
    /// The present place, and what is kept of it.
    place: Vec<u8>,
    here: Vec<Kept>,
    live: Spool<Live>,
}

impl<'a> KeptBeside<'a> {
    /// Of these records, sorted by place.
    pub fn new(records: Iter<'a, Kept>, options: &'a AuditOptions, scratch: &Scratch) -> Self {
        let live = Spool::new(scratch);
        KeptBeside { records: records.peekable(), options, place: Vec::new(), here: Vec::new(), live }
    }

    /// What is kept of a file that has this stamp; `key` is that of its place, and never before the one asked for last.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn of(&mut self, key: &[u8], root: u16, stamp: &Stamp) -> Result<Vec<KeptAt>> {
        if self.place != key {
            self.pass(Some(key))?;
            self.place = key.to_vec();
            self.here.clear();
            while let Some(record) = self.records.next_if(|r| r.as_ref().is_ok_and(|(k, _)| k == key)) {
                self.here.push(record?.1);
            }
            // Segments and places in them are in the order of time.
            self.here.sort_by_key(|kept| std::cmp::Reverse((kept.at.segment, kept.at.offset)));
        }
        let mut found = Vec::new();
        for kept in self.here.iter().filter(|kept| kept.root == root && kept.stamp == *stamp).take(MOST) {
            self.live.push(&Live::key(kept.at.segment, kept.at.offset), &Live { bytes: kept.bytes })?;
            found.push(kept.at.clone());
        }
        Ok(found)
    }

    /// Passes records by up to this place: files that are not there any more, or that this run leaves out.
    fn pass(&mut self, up_to: Option<&[u8]>) -> Result<()> {
        let before = |key: &[u8]| up_to.is_none_or(|up_to| key < up_to);
        while let Some(record) = self.records.next_if(|r| r.as_ref().map_or(true, |(key, _)| before(key))) {
            let (key, kept) = record?;
            let path: Vec<u8> =
                crate::check::place_of_claim(&key).iter().map(|&b| if b == 0 { b'/' } else { b }).collect();
            if !self.options.admits(&path) {
                self.live.push(&Live::key(kept.at.segment, kept.at.offset), &Live { bytes: kept.bytes })?;
            }
        }
        Ok(())
    }

    /// Records that are of use.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn into_live(mut self) -> Result<Spool<Live>> {
        self.pass(None)?;
        Ok(self.live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::DigestSet;

    #[test]
    fn a_record_serves_where_it_says_what_reading_would_say() {
        let set = |all: &[Algorithm]| all.iter().copied().collect::<DigestSet>();
        let (md5, sha1, sha256) = (Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256);
        let kept = |plan| KeptAt { segment: 0, offset: 0, plan, columns: [1; 16] };
        let open = ShardPlan {
            file: set(&[md5, sha256]),
            inside: Inside::Open,
            stream: DigestSet::EMPTY,
            samples: set(&[md5, sha256]),
            records: false,
        };
        let of = kept(open);
        assert!(of.serves(&open, &[1; 16]));
        assert!(of.serves(&ShardPlan { file: set(&[md5]), samples: set(&[sha256]), ..open }, &[1; 16]));
        assert!(!of.serves(&open, &[2; 16]), "other columns");
        for other in [
            ShardPlan { file: set(&[sha1]), ..open },
            ShardPlan { file: DigestSet::EMPTY, ..open },
            ShardPlan { stream: set(&[md5]), ..open },
            ShardPlan { samples: DigestSet::EMPTY, ..open },
            ShardPlan { inside: Inside::Closed, ..open },
            ShardPlan { records: true, ..open },
        ] {
            assert!(!of.serves(&other, &[1; 16]), "{other:?}");
        }
        let records = ShardPlan { records: true, ..open };
        assert!(!kept(records).serves(&ShardPlan { samples: set(&[md5]), ..records }, &[1; 16]));
        let closed = ShardPlan { inside: Inside::Closed, ..open };
        assert!(kept(closed).serves(&closed, &[2; 16]), "of what is not opened, no column is read");
    }
}
