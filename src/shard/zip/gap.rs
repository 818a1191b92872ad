//! Bytes that no entry of the directory claims: before, between and behind entries, in comments, after the end.
//!
//! All of a gap is one hidden region. In it entries are looked for as readers do that go front to back and heed no
//! directory; they become hidden members.

use memchr::memmem;

use super::content::{Content, Progress};
use super::end::another_end;
use super::faults::Faults;
use super::header::{
    CENTRAL, CENTRAL_FIXED, DESCRIPTOR, END, END64, Header, LOCAL, LOCAL_FIXED, LOCATOR, central_len,
    local_len, method_name, number16,
};
use super::input::Input;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::ledger::Ledger;
use crate::shard::steps::{Opening, Steps};
use crate::shard::{End, ItemId, Kind, RegionClass};
use crate::source::{Pool, first_nonzero};

/// A gap on its way.
pub struct Gap {
    layer: ItemId,
    until: u64,
    class: RegionClass,
    /// Nothing but zeros has come.
    clean: bool,
    scan: Scan,
    told_of_directory: bool,
}

enum Scan {
    /// A record may begin here.
    Record,
    /// The beginning of a record is looked for.
    Junk,
    Entry(Box<Content>),
}

impl Gap {
    /// A gap that ends there, of which what is not zero is of this class.
    pub fn new(layer: ItemId, until: u64, class: RegionClass) -> Self {
        Gap { layer, until, class, clean: true, scan: Scan::Record, told_of_directory: false }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        if let Scan::Entry(content) = &self.scan { content.footprint() } else { 0 }
    }

    /// Works on what is there.
    pub fn turn(
        &mut self,
        input: &mut Input,
        ledger: &mut Ledger,
        faults: &mut Faults,
        pool: &mut Pool,
        out: &mut Steps,
    ) -> Progress {
        if let Scan::Entry(content) = &mut self.scan {
            return match content.turn(input, Some(ledger), pool, out) {
                Progress::Done => {
                    self.scan = Scan::Record;
                    Progress::More
                }
                progress => progress,
            };
        }
        if input.at >= self.until {
            return Progress::Done;
        }
        if input.len() == 0 {
            return Progress::Wait;
        }
        if self.clean {
            let front = input.front(self.until - input.at);
            let zeros = first_nonzero(front).unwrap_or(front.len());
            if zeros > 0 {
                let bytes = input.take(zeros as u64);
                ledger.add(RegionClass::ZeroPad, bytes, out);
                return Progress::More;
            }
            self.clean = false;
            ledger.announce(self.until - input.at);
        }
        let turned = match self.scan {
            Scan::Junk => self.seek(input, ledger, out),
            _ => self.record(input, ledger, faults, out),
        };
        if turned.is_none() { Progress::Wait } else { Progress::More }
    }

    /// The file has ended, or cannot be read on.
    pub fn abort(&mut self, end: End, out: &mut Steps) {
        if let Scan::Entry(content) = &mut self.scan {
            content.abort(end, out);
        }
    }

    /// Passes what begins no record; nothing if more input is needed to tell.
    fn seek(&mut self, input: &mut Input, ledger: &mut Ledger, out: &mut Steps) -> Option<()> {
        let left = self.until - input.at;
        let front = input.front(left);
        let at = memmem::find(front, b"PK").or_else(|| front.ends_with(b"P").then(|| front.len() - 1));
        match at {
            None => self.pass(front.len() as u64, input, ledger, out),
            Some(0) if left >= 4 => {
                let signature = input.peek(4)?;
                if [LOCAL, END, CENTRAL].iter().any(|known| signature[..] == known[..]) {
                    self.scan = Scan::Record;
                    return Some(());
                }
                self.pass(1, input, ledger, out)
            }
            Some(at) => self.pass(at.max(1) as u64, input, ledger, out),
        }
    }

    fn record(
        &mut self,
        input: &mut Input,
        ledger: &mut Ledger,
        faults: &mut Faults,
        out: &mut Steps,
    ) -> Option<()> {
        let left = self.until - input.at;
        let fits = |len: usize| len as u64 <= left;
        if fits(4) {
            let signature = input.peek(4)?;
            match signature.first_chunk::<4>() {
                Some(&LOCAL) if fits(LOCAL_FIXED) => {
                    let fixed = input.peek(LOCAL_FIXED)?;
                    let len = fixed.first_chunk().map_or(usize::MAX, local_len);
                    if fits(len)
                        && let Some(header) = Header::parse_local(&input.peek(len)?)
                        && method_name(header.method) != "unknown"
                    {
                        self.pass(len as u64, input, ledger, out);
                        self.entry(&header, input.at, out);
                        return Some(());
                    }
                }
                Some(&CENTRAL) if fits(CENTRAL_FIXED) => {
                    let fixed = input.peek(CENTRAL_FIXED)?;
                    let len = fixed.first_chunk().map_or(usize::MAX, central_len);
                    if fits(len) {
                        input.peek(len)?;
                        if !std::mem::replace(&mut self.told_of_directory, true) {
                            faults.of_archive(input.at, out, || {
                                "headers of a central directory stand here, outside of the archive's own"
                                    .into()
                            });
                        }
                        return self.pass(len as u64, input, ledger, out);
                    }
                }
                Some(&END) if fits(22) => {
                    let record = input.peek(22)?;
                    // So that four bytes of any data are seldom taken for it.
                    if number16(&record, 4) == number16(&record, 6)
                        && number16(&record, 8) == number16(&record, 10)
                    {
                        faults.of_archive(input.at, out, another_end);
                        return self.pass(22, input, ledger, out);
                    }
                }
                Some(&END64) if fits(56) => {
                    input.peek(56)?;
                    return self.pass(56, input, ledger, out);
                }
                Some(&LOCATOR) if fits(20) => {
                    input.peek(20)?;
                    return self.pass(20, input, ledger, out);
                }
                // After an entry it begins the sizes, at the beginning it marks an archive of several parts.
                Some(&DESCRIPTOR) => return self.pass(4, input, ledger, out),
                _ => {}
            }
        }
        self.scan = Scan::Junk;
        self.pass(1, input, ledger, out)
    }

    fn entry(&mut self, header: &Header, at: u64, out: &mut Steps) {
        if Content::is_endless(header) {
            self.scan = Scan::Junk;
            return;
        }
        let item = out.open(Opening {
            parent: Some(self.layer),
            kind: Kind::Member,
            name: header.shown_name().to_vec(),
            offset: at,
            len: None,
            hidden: true,
            region: None,
        });
        let most = self.until - at;
        let name = Escaped(header.shown_name());
        let problem = match Content::refusal(header) {
            Some(refusal) => Some(format!("`{name}`, which the directory does not name, {refusal}")),
            None if header.compressed > most => {
                Some(format!("`{name}`, which the directory does not name, is cut short"))
            }
            None => None,
        };
        if let Some(problem) = problem {
            out.fault(Code::Unreadable, item, Some(at), problem);
        }
        let content = Content::hidden(item, header, most, self.class);
        self.scan = Scan::Entry(Box::new(content));
    }

    /// So many bytes, which are there, are of the gap's class.
    fn pass(&mut self, len: u64, input: &mut Input, ledger: &mut Ledger, out: &mut Steps) -> Option<()> {
        let end = input.at + len;
        while input.at < end && input.len() > 0 {
            let bytes = input.take(end - input.at);
            ledger.add(self.class, bytes, out);
        }
        Some(())
    }
}
