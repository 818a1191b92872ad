//! Lines of JSON as rows: texts as cells, and each object as a record.

use super::number::{float, integer};
use super::paths::{Path, Paths, ROOT};
use super::scan::{Broken, Kind, Node, Tape};
use crate::digest::rec1::key_order;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::faults::Faults;
use crate::shard::lines::{Line, Take};
use crate::shard::table::gather::{Gather, RowEnd, Spot};
use crate::shard::text::over_limit;
use crate::shard::{End, ItemId, RegionClass, Steps};

/// Takes lines that are JSON.
pub struct JsonRows {
    gather: Gather,
    faults: Faults,
    paths: Paths,
    tape: Tape,
    most: usize,
    standing: Standing,
}

/// What is known of the layer.
enum Standing {
    /// It is JSON Lines.
    Rows,
    /// It may be a single document.
    Perhaps,
    /// It is one so far: its first line is an object.
    First(Line),
    /// Nothing is looked for in it.
    Plain,
}

impl JsonRows {
    /// The rows of this layer. Where that is not sure, one line alone is a document, as is one that begins as an object
    /// and goes on in the next line.
    pub fn new(layer: ItemId, most: usize, sure: bool, out: &Steps) -> Self {
        let standing = match sure {
            _ if !out.wants_rows() => Standing::Plain,
            true => Standing::Rows,
            false => Standing::Perhaps,
        };
        JsonRows {
            gather: Gather::new(layer, true, out),
            faults: Faults::new(layer),
            paths: Paths::default(),
            tape: Tape::default(),
            most,
            standing,
        }
    }

    fn row(&mut self, line: &Line, out: &mut Steps) {
        let bytes = line.bytes();
        if self.gather.is_full_for(bytes.len()) || self.paths.are_many() {
            self.gather.flush(out);
            self.paths = Paths::default();
        }
        let row = self.gather.row();
        let block = self.gather.block(&line.block);
        let spot = Spot { block, offset: line.range.start };
        self.gather.line(bytes, spot);
        let text = match read(&mut self.tape, bytes) {
            Ok(text) => text,
            Err(Broken { at, why }) => {
                // Where the layer itself was cut or damaged, that was told.
                if !line.cut {
                    let detail = || {
                        format!("row {row} is no JSON at its byte {at}: {why}; it is known by its line alone")
                    };
                    self.faults.tell(Code::Unreadable, line.offset, out, detail);
                }
                return self.gather.end_row(bytes.len(), RowEnd::Raw(bytes));
            }
        };
        let twice = tell_value(&self.tape, text, ROOT, &mut self.paths, &mut self.gather, spot);
        let is_object = self.tape.nodes.first().is_some_and(|node| node.kind == Kind::Object);
        let end = match twice {
            _ if !is_object => {
                let detail = || format!("row {row} is no JSON object; it is known by its line alone");
                self.faults.tell(Code::Unreadable, line.offset, out, detail);
                RowEnd::Raw(bytes)
            }
            Some(name) => {
                let name = Escaped(&name.as_bytes()[..name.floor_char_boundary(64)]);
                let detail = || {
                    format!(
                        "row {row} has the name `{name}` twice in one object, and readers disagree about which \
                         counts: as a record it has no identity"
                    )
                };
                self.faults.tell(Code::Unverifiable, line.offset, out, detail);
                RowEnd::Refused
            }
            None => RowEnd::Record,
        };
        self.gather.end_row(bytes.len(), end);
    }
}

fn read<'l>(tape: &mut Tape, line: &'l [u8]) -> Result<&'l str, Broken> {
    let text = std::str::from_utf8(line)
        .map_err(|error| Broken { at: error.valid_up_to(), why: "its text is not UTF-8" })?;
    tape.scan(text)?;
    Ok(text)
}

/// Whether there is nothing but white space.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

impl Take for JsonRows {
    fn footprint(&self) -> usize {
        let tape = self.tape.nodes.capacity() * size_of::<Node>() + self.tape.made.capacity();
        let first = if let Standing::First(line) = &self.standing { line.block.len() } else { 0 };
        self.gather.footprint() + tape + first
    }

    fn is_idle(&self) -> bool {
        matches!(self.standing, Standing::Plain)
    }

    fn line(&mut self, line: Line, out: &mut Steps) {
        if is_blank(line.bytes()) {
            return;
        }
        match std::mem::replace(&mut self.standing, Standing::Rows) {
            Standing::Rows => self.row(&line, out),
            Standing::First(first) => {
                self.row(&first, out);
                self.row(&line, out);
            }
            Standing::Perhaps => {
                let object = read(&mut self.tape, line.bytes()).is_ok()
                    && self.tape.nodes.first().is_some_and(|node| node.kind == Kind::Object);
                self.standing = if object { Standing::First(line) } else { Standing::Plain };
            }
            Standing::Plain => self.standing = Standing::Plain,
        }
    }

    fn too_long(&mut self, offset: u64, out: &mut Steps) -> RegionClass {
        match std::mem::replace(&mut self.standing, Standing::Rows) {
            Standing::Rows => {}
            Standing::First(first) => self.row(&first, out),
            Standing::Perhaps | Standing::Plain => {
                self.standing = Standing::Plain;
                return RegionClass::Payload;
            }
        }
        self.gather.pass_row(out);
        self.paths = Paths::default();
        self.faults.tell(Code::Unreadable, offset, out, || over_limit("line", self.most));
        RegionClass::Opaque
    }

    fn finish(&mut self, _end: End, out: &mut Steps) {
        self.gather.flush(out);
        self.faults.conclude(out);
    }
}

/// Writes a value that was scanned into the row being gathered, at this path: the name that stands twice in one object of
/// it, if one does.
pub fn tell_value<'l>(
    tape: &'l Tape,
    text: &'l str,
    path: Path,
    paths: &mut Paths,
    gather: &mut Gather,
    spot: Spot,
) -> Option<&'l str> {
    let mut walk = Walk { text, spot, tape, paths, gather, members: Vec::new(), twice: None };
    walk.value(0, path);
    walk.twice
}

/// The walk through one row.
struct Walk<'l, 'r> {
    text: &'l str,
    spot: Spot,
    tape: &'l Tape,
    paths: &'r mut Paths,
    gather: &'r mut Gather,
    /// The pairs of the objects that the walk is in: key, and node of the value.
    members: Vec<(&'l str, u32)>,
    /// A key that stands twice in one object.
    twice: Option<&'l str>,
}

impl Walk<'_, '_> {
    /// Texts become cells in the order in which the record has them: of one path, that is the order in the line.
    fn value(&mut self, at: usize, path: Path) {
        let Some(&node) = self.tape.nodes.get(at) else { return };
        match node.kind {
            Kind::Plain => {
                let column = self.paths.column(path, self.gather);
                let value = self.tape.text(node, self.text).as_bytes();
                self.gather.value(column, value, Some(self.spot.plus(node.start as usize)));
            }
            Kind::Made => {
                let column = self.paths.column(path, self.gather);
                let value = self.tape.text(node, self.text).as_bytes();
                self.gather.value(column, value, None);
            }
            Kind::Array => self.array(at, node, path),
            Kind::Object => self.object(at, node, path),
            Kind::Null | Kind::False | Kind::True | Kind::Integer | Kind::Float => {
                let Some(records) = self.gather.records() else { return };
                let encoder = records.encoder();
                match node.kind {
                    Kind::Integer => integer(self.tape.text(node, self.text), encoder),
                    Kind::Float => float(self.tape.text(node, self.text), encoder),
                    Kind::Null => encoder.null(),
                    kind => encoder.bool(kind == Kind::True),
                }
            }
        }
    }

    fn array(&mut self, at: usize, node: Node, path: Path) {
        if let Some(records) = self.gather.records() {
            records.encoder().array(node.start as usize);
        }
        let mut below = None;
        let mut at = at + 1;
        for _ in 0..node.start {
            let path = if self.holds_texts(at) {
                *below.get_or_insert_with(|| self.paths.element(path))
            } else {
                path
            };
            self.value(at, path);
            at = self.tape.after(at);
        }
    }

    fn object(&mut self, at: usize, node: Node, path: Path) {
        let base = self.members.len();
        let mut at = at + 1;
        let mut present = 0;
        for _ in 0..node.start {
            let Some(&key) = self.tape.nodes.get(at) else { break };
            self.members.push((self.tape.text(key, self.text), at as u32 + 1));
            present += usize::from(!self.is_null(at + 1));
            at = self.tape.after(at + 1);
        }
        let members = &mut self.members[base..];
        members.sort_unstable_by(|a, b| key_order(a.0, b.0).then(a.1.cmp(&b.1)));
        if let Some(pair) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            self.twice.get_or_insert(pair[0].0);
        }
        if let Some(records) = self.gather.records() {
            records.encoder().map(present);
        }
        for index in base..self.members.len() {
            let (key, at) = self.members[index];
            let at = at as usize;
            // A value that is null is no value.
            if self.is_null(at) {
                continue;
            }
            if let Some(records) = self.gather.records() {
                records.encoder().key(key);
            }
            let path = if self.holds_texts(at) { self.paths.key(path, key) } else { path };
            self.value(at, path);
        }
        self.members.truncate(base);
    }

    fn is_null(&self, at: usize) -> bool {
        self.tape.nodes.get(at).is_some_and(|node| node.kind == Kind::Null)
    }

    /// Whether the value is a text or may have some in it: other paths are not asked for.
    fn holds_texts(&self, at: usize) -> bool {
        let kind = self.tape.nodes.get(at).map(|node| node.kind);
        matches!(kind, Some(Kind::Plain | Kind::Made | Kind::Array | Kind::Object))
    }
}
