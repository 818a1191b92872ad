//! The walk over an Arrow layer from front to back: magic, encapsulated messages, end (Arrow columnar format,
//! "Encapsulated message format", "IPC Streaming Format" and "IPC File Format").
//!
//! It gives each byte its class and each message to the table. What a message says of its own length is the framing: a
//! batch that cannot be read does not hide those after it, but metadata that cannot be read does.

use arrow_buffer::Buffer;
use arrow_ipc::MessageHeader;
use bytes::Bytes;

use super::faults::Faults;
use super::footer::{self, Holds, Walked};
use super::input::{Input, bytes_of};
use super::limits;
use super::metadata::{self, Trouble};
use super::regions::{Stretch, regions};
use super::shape::Part;
use super::table::Table;
use super::tail::Tail;
use crate::finding::Code;
use crate::shard::ledger::Ledger;
use crate::shard::{End, ItemId, RegionClass, Steps};
use crate::source::{PIECE, first_nonzero};

/// With what a message begins, before the length of its metadata.
pub const CONTINUATION: [u8; 4] = [0xff; 4];
/// Bytes of that and the length.
const PREFIX: usize = 8;
/// The magic of a file may be padded up to here.
pub const MAGIC_PADDING: u64 = 64;

/// The walk's state between pieces.
pub struct Walk {
    layer: ItemId,
    ledger: Ledger,
    input: Input,
    /// Bytes classed.
    at: u64,
    /// It is a file, which ends with a footer, and not a stream.
    file: bool,
    state: State,
    faults: Faults,
    table: Option<Table>,
    /// Messages that a footer has to list.
    walked: Vec<Walked>,
}

enum State {
    /// The magic of a file, or what pads it.
    Magic,
    /// A message or the end is to come.
    Between,
    /// The metadata of a message that begins there.
    Metadata { start: u64, len: usize },
    /// Its body.
    Body { start: u64, metadata: Buffer, len: usize },
    /// A body whose stretches are being written to the ledger.
    Writing { body: Bytes, stretches: std::vec::IntoIter<Stretch> },
    /// So many bytes of a body that cannot be interpreted.
    Skipping(u64),
    /// After the messages.
    Tail(Tail),
    /// Nothing more can be interpreted.
    Lost,
}

impl Walk {
    /// At the beginning of a layer.
    pub fn new(layer: ItemId, file: bool) -> Self {
        Walk {
            layer,
            ledger: Ledger::new(layer),
            input: Input::default(),
            at: 0,
            file,
            state: if file { State::Magic } else { State::Between },
            faults: Faults::new(layer),
            table: None,
            walked: Vec::new(),
        }
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        let state = match &self.state {
            State::Body { metadata, .. } => metadata.len(),
            State::Writing { body, stretches } => body.len() + stretches.len() * size_of::<Stretch>(),
            State::Tail(tail) => tail.footprint(),
            _ => 0,
        };
        let table = self.table.as_ref().map_or(0, Table::footprint);
        self.input.footprint() + state + table + self.walked.capacity() * size_of::<Walked>()
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: Bytes) {
        self.input.feed(bytes);
    }

    /// Does a piece of work; `false` when it has to be fed.
    pub fn work(&mut self, out: &mut Steps) -> bool {
        let seen = self.at;
        if let Some(table) = &mut self.table
            && !matches!(self.state, State::Writing { .. })
            && table.tell(seen, &mut self.faults, out)
        {
            return true;
        }
        match &mut self.state {
            State::Magic => self.magic(out),
            State::Between => self.between(out),
            State::Metadata { start, len } => {
                let (start, len) = (*start, *len);
                match self.input.exactly(len) {
                    Some(metadata) => self.metadata(start, metadata, out),
                    None => return false,
                }
                true
            }
            State::Body { len, .. } => match self.input.exactly(*len) {
                Some(body) => {
                    self.body(body, out);
                    true
                }
                None => false,
            },
            State::Writing { .. } => {
                self.write(out);
                true
            }
            State::Skipping(left) => {
                if *left == 0 {
                    self.state = State::Between;
                    return true;
                }
                let most = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
                let Some(bytes) = self.input.some(most) else { return false };
                *left -= bytes.len() as u64;
                self.add(RegionClass::Opaque, bytes, out);
                true
            }
            State::Tail(tail) => {
                let Some(bytes) = self.input.some(PIECE) else { return false };
                self.at += bytes.len() as u64;
                tail.feed(bytes, &mut self.ledger, out);
                true
            }
            State::Lost => {
                let Some(bytes) = self.input.some(PIECE) else { return false };
                self.add(RegionClass::Opaque, bytes, out);
                true
            }
        }
    }

    /// The layer has ended.
    pub fn finish(&mut self, end: End, out: &mut Steps) {
        while self.work(out) {}
        let rest = self.input.cut();
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Tail(tail) => {
                let schema = self.table.as_ref().map(Table::schema);
                if self.file {
                    tail.end_file(schema, &self.walked, &mut self.ledger, &mut self.faults, out);
                } else {
                    tail.end_stream(&mut self.ledger, out);
                }
            }
            // The end marker of streams before 0.15 has but four bytes.
            State::Between if *rest == [0; 4] && !self.file && self.table.is_some() => {
                self.ledger.add(RegionClass::Structure, rest, out);
            }
            // What ends between two messages without an end marker is a stream to all readers.
            State::Between if rest.is_empty() && !self.file && self.table.is_some() => {}
            State::Lost => self.add_opaque(rest, out),
            _ => {
                let what = if self.file {
                    "it begins as an Arrow file and does not end as one: it may be cut short"
                } else {
                    "it ends within a message: it may be cut short"
                };
                self.faults.tell(self.at, out, what);
                self.add_opaque(rest, out);
            }
        }
        if let Some(table) = &mut self.table {
            table.conclude(out);
        }
        self.faults.conclude(out);
        self.ledger.finish(end, out);
    }

    fn magic(&mut self, out: &mut Steps) -> bool {
        let Some(word) = self.input.exactly(PREFIX) else { return false };
        let mut word = bytes_of(word);
        if self.at == 0 {
            let padding = word.split_off(footer::MAGIC.len());
            self.add(RegionClass::Structure, word, out);
            let zero = first_nonzero(&padding).is_none();
            let class = if zero { RegionClass::Structure } else { RegionClass::NonzeroPad };
            self.add(class, padding, out);
        } else if first_nonzero(&word).is_none() && self.at < MAGIC_PADDING {
            self.add(RegionClass::Structure, word, out);
        } else {
            self.input.give_back(word);
            self.state = State::Between;
        }
        true
    }

    fn between(&mut self, out: &mut Steps) -> bool {
        let Some(prefix) = self.input.exactly(PREFIX) else { return false };
        let mut prefix = bytes_of(prefix);
        let len = i32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
        let start = self.at;
        if prefix[..4] != CONTINUATION {
            if self.file && self.table.is_some() {
                // No end marker: the footer follows.
                self.input.give_back(prefix);
                self.state = State::Tail(Tail::new(self.at));
            } else if prefix[..4] == [0; 4] && self.table.is_some() {
                self.input.give_back(prefix.split_off(4));
                self.add(RegionClass::Structure, prefix, out);
                self.state = State::Tail(Tail::new(self.at));
            } else {
                self.input.give_back(prefix);
                self.lose("where a message is to begin there is none", out);
            }
            return true;
        }
        match usize::try_from(len) {
            Ok(0) => {
                self.add(RegionClass::Structure, prefix, out);
                self.state = State::Tail(Tail::new(self.at));
                if self.table.is_none() {
                    self.faults.tell(start, out, "it ends before its schema");
                }
            }
            Ok(len) if len <= limits::METADATA => {
                self.add(RegionClass::Structure, prefix, out);
                self.state = State::Metadata { start, len };
            }
            said => {
                self.input.give_back(prefix);
                self.lose(
                    match said {
                        Ok(_) => "the metadata of a message is over the limit of 16 MiB",
                        Err(_) => "the metadata of a message is said to have a negative length",
                    },
                    out,
                );
            }
        }
        true
    }

    /// A message's metadata is there.
    fn metadata(&mut self, start: u64, bytes: Buffer, out: &mut Steps) {
        let message = match metadata::message(&bytes) {
            Ok(message) => message,
            Err(trouble) => return self.lose_metadata(bytes.clone(), trouble, out),
        };
        let bad = |why: &str| Trouble::Bad(why.to_string());
        let Ok(body) = u64::try_from(message.bodyLength()) else {
            return self.lose_metadata(
                bytes.clone(),
                bad("a message is said to have a negative length"),
                out,
            );
        };
        match (message.header_as_schema(), &self.table) {
            (Some(schema), None) => match metadata::schema(schema) {
                Ok(schema) => self.table = Some(Table::new(schema, self.layer, out)),
                Err(trouble) => return self.lose_metadata(bytes.clone(), trouble, out),
            },
            (Some(_), Some(_)) => {
                let why = "a second schema follows, where readers give up";
                return self.lose_metadata(bytes.clone(), bad(why), out);
            }
            (None, None) => {
                return self.lose_metadata(bytes.clone(), bad("its first message is no schema"), out);
            }
            (None, Some(_)) => {}
        }
        self.add(RegionClass::Structure, bytes_of(bytes.clone()), out);
        let metadata_len = self.at - start;
        if self.file
            && let Some(table) = &self.table
        {
            let holds = match (message.header_as_dictionary_batch(), message.header_type()) {
                (Some(dictionary), _) => {
                    Some(Holds::Dictionary { id: dictionary.id(), delta: dictionary.isDelta() })
                }
                (None, MessageHeader::RecordBatch) => {
                    Some(Holds::Batch { ordinal: table.batches, first_row: table.next_row })
                }
                _ => None,
            };
            if self.walked.len() == limits::MESSAGES {
                return self.lose("it has more messages than a footer within its limit lists", out);
            }
            self.walked.extend(holds.map(|holds| Walked { holds, at: start, metadata: metadata_len, body }));
        }
        if body > limits::BODY {
            let why = "its body is over the limit of 512 MiB".to_string();
            self.refuse(start, &bytes, why, out);
            self.skip(body, out);
        } else {
            // At most the limit, so it fits.
            self.state = State::Body { start, metadata: bytes, len: body as usize };
        }
    }

    /// A message is there as a whole.
    fn body(&mut self, body: Buffer, out: &mut Steps) {
        let State::Body { start, metadata, .. } = std::mem::replace(&mut self.state, State::Between) else {
            return;
        };
        let seen = self.at + body.len() as u64;
        let read = match &mut self.table {
            Some(table) => read(table, start, &metadata, &body, seen, out.wants_rows()),
            None => Err("there is no schema".to_string()),
        };
        let parts = match read {
            Ok((parts, None)) => parts,
            Ok((parts, Some(why))) => {
                self.refuse(start, &metadata, why, out);
                parts
            }
            Err(why) => {
                self.refuse(start, &metadata, why, out);
                let len = body.len() as u64;
                self.input.give_back(bytes_of(body));
                return self.skip(len, out);
            }
        };
        let stretches = regions(&parts, &body).into_iter();
        self.state = State::Writing { body: bytes_of(body), stretches };
        self.write(out);
    }

    /// Writes some stretches of a body to the ledger.
    fn write(&mut self, out: &mut Steps) {
        let State::Writing { body, stretches } = &mut self.state else { return };
        for (range, class) in stretches.by_ref().take(limits::REGIONS) {
            self.at += range.len() as u64;
            if class.is_hidden() {
                self.ledger.announce(range.len() as u64);
            }
            let mut bytes = body.slice(range);
            while !bytes.is_empty() {
                // Only what is hidden goes to the hasher.
                let len = if class.is_hidden() { PIECE.min(bytes.len()) } else { bytes.len() };
                self.ledger.add(class, bytes.split_to(len), out);
            }
        }
        if stretches.len() == 0 {
            self.state = State::Between;
        }
    }

    /// A message cannot be read; those after it can.
    fn refuse(&mut self, start: u64, metadata: &[u8], why: String, out: &mut Steps) {
        let (Ok(message), Some(table)) = (metadata::message(metadata), &mut self.table) else { return };
        let name = if let Some(batch) = message.header_as_record_batch() {
            let ordinal = table.batches;
            table.lose_batch(batch.length());
            format!("record batch {ordinal}")
        } else if let Some(dictionary) = message.header_as_dictionary_batch() {
            table.lose_dictionary(dictionary.id());
            format!("a batch of dictionary {}", dictionary.id())
        } else {
            "a message".to_string()
        };
        self.faults.tell(start, out, format!("{name}: {why}"));
    }

    fn skip(&mut self, len: u64, out: &mut Steps) {
        if len > 0 {
            self.ledger.announce(len);
        }
        self.state = State::Skipping(len);
        self.work(out);
    }

    fn lose_metadata(&mut self, bytes: Buffer, trouble: Trouble, out: &mut Steps) {
        self.input.give_back(bytes_of(bytes));
        match trouble {
            Trouble::Bad(why) => self.lose(&why, out),
            Trouble::BigEndian => {
                let why = "hashed whole; Arrow data with big-endian numbers is not looked into";
                self.faults.tell_as(Code::Opaque, self.at, out, why);
                self.state = State::Lost;
            }
        }
    }

    /// Nothing from here on can be interpreted.
    fn lose(&mut self, why: &str, out: &mut Steps) {
        self.faults.tell(self.at, out, format!("{why}; nothing after it can be read"));
        self.state = State::Lost;
    }

    fn add(&mut self, class: RegionClass, bytes: Bytes, out: &mut Steps) {
        self.at += bytes.len() as u64;
        self.ledger.add(class, bytes, out);
    }

    fn add_opaque(&mut self, mut bytes: Bytes, out: &mut Steps) {
        while !bytes.is_empty() {
            let part = bytes.split_to(PIECE.min(bytes.len()));
            self.add(RegionClass::Opaque, part, out);
        }
    }
}

/// Reads a message: where its buffers lie, and what was wrong with what they hold. `Err` if not even that is known.
fn read(
    table: &mut Table,
    start: u64,
    metadata: &[u8],
    body: &Buffer,
    seen: u64,
    decode: bool,
) -> Result<(Vec<Part>, Option<String>), String> {
    let message = metadata::message(metadata).map_err(|_| "its metadata changed".to_string())?;
    let version = message.version();
    if let Some(batch) = message.header_as_record_batch() {
        let shape = table.look_over_batch(batch, version, body, seen)?;
        let read = if decode { table.read_batch(batch, version, body, &shape, start) } else { Ok(()) };
        if read.is_ok() {
            table.batches += 1;
            table.next_row += shape.rows;
        }
        Ok((shape.parts, read.err()))
    } else if let Some(dictionary) = message.header_as_dictionary_batch() {
        let shape = table.look_over_dictionary(dictionary, version, body, seen)?;
        let read = if decode { table.read_dictionary(dictionary, version, body, &shape) } else { Ok(()) };
        Ok((shape.parts, read.err()))
    } else if message.header_as_schema().is_some() {
        // Its body, if it has one, is nothing to anyone.
        Ok((Vec::new(), None))
    } else {
        Err("it is neither a schema nor a batch".to_string())
    }
}
