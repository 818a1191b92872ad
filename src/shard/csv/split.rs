//! Where the fields of a record lie: the grammar of RFC 4180 as csv-core reads it, which takes anything. A quote means
//! something at a field's start and in a quoted field only, and each of CR, LF and CRLF ends a record.

use memchr::{memchr, memchr3};

/// Fields of a record.
pub const MOST_FIELDS: usize = 65_536;

/// A field, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its first byte in the record.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// How its value is written.
    pub form: Form,
}

/// How the value of a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Bare,
    /// Between quotes, with none inside.
    Quoted,
    /// With quotes inside of it, or something after them, or without the last.
    Odd,
}

/// What was found in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The record goes on.
    More,
    /// It ends before this byte, which ends a line.
    Record(usize),
    /// At this byte it has too many fields.
    TooMany(usize),
}

/// Splits records into fields, fed in pieces of any size.
#[derive(Debug)]
pub struct Splitter {
    delimiter: u8,
    state: State,
    start: usize,
    form: Form,
    fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Bare,
    Quoted,
    /// After a quote in a quoted field.
    Quote,
}

impl Splitter {
    /// For fields delimited so.
    pub fn new(delimiter: u8) -> Self {
        Splitter { delimiter, state: State::Start, start: 0, form: Form::Bare, fields: Vec::new() }
    }

    /// What delimits the fields.
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Bytes of memory it holds.
    pub fn footprint(&self) -> usize {
        self.fields.capacity() * size_of::<Field>()
    }

    /// The fields of the record that has ended.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Begins a record.
    pub fn begin(&mut self) {
        self.fields.clear();
        (self.state, self.start, self.form) = (State::Start, 0, Form::Bare);
    }

    /// Looks at the next bytes of a record, which lie `base` bytes from its start.
    pub fn look(&mut self, bytes: &[u8], base: usize) -> Found {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Start if byte == b'"' => {
                    (self.state, self.form) = (State::Quoted, Form::Quoted);
                    at += 1;
                }
                State::Start | State::Bare => {
                    self.state = State::Bare;
                    match memchr3(self.delimiter, b'\n', b'\r', &bytes[at..]) {
                        None => return Found::More,
                        Some(n) => at += n,
                    }
                    if let Some(found) = self.end_field(bytes[at], at, base) {
                        return found;
                    }
                    at += 1;
                }
                State::Quoted => match memchr(b'"', &bytes[at..]) {
                    None => return Found::More,
                    Some(n) => {
                        self.state = State::Quote;
                        at += n + 1;
                    }
                },
                State::Quote if byte == b'"' => {
                    (self.state, self.form) = (State::Quoted, Form::Odd);
                    at += 1;
                }
                State::Quote if byte == self.delimiter || byte == b'\n' || byte == b'\r' => {
                    if let Some(found) = self.end_field(byte, at, base) {
                        return found;
                    }
                    at += 1;
                }
                State::Quote => (self.state, self.form) = (State::Bare, Form::Odd),
            }
        }
        Found::More
    }

    /// The layer ends here, so many bytes from the record's start; returns whether a quote was left open.
    pub fn end(&mut self, len: usize) -> bool {
        let open = self.state == State::Quoted;
        if open {
            self.form = Form::Odd;
        }
        self.fields.push(Field { start: self.start, end: len, form: self.form });
        open
    }

    fn end_field(&mut self, byte: u8, at: usize, base: usize) -> Option<Found> {
        let end = base + at;
        self.fields.push(Field { start: self.start, end, form: self.form });
        (self.state, self.start, self.form) = (State::Start, end + 1, Form::Bare);
        if byte != self.delimiter {
            return Some(Found::Record(at));
        }
        (self.fields.len() >= MOST_FIELDS).then_some(Found::TooMany(at))
    }
}

impl Field {
    /// Its bytes as they are written, without the quotes around them where those alone were added; `None` where the
    /// value must be made by [`unquote`].
    pub fn plain(self) -> Option<(usize, usize)> {
        match self.form {
            Form::Bare => Some((self.start, self.end)),
            Form::Quoted => Some((self.start + 1, self.end - 1)),
            Form::Odd => None,
        }
    }

    /// Whether it has no value: an empty field that is not quoted.
    pub fn is_null(self) -> bool {
        self.form == Form::Bare && self.start == self.end
    }
}

/// Makes the value of an odd field, which begins with a quote.
pub fn unquote(raw: &[u8], into: &mut Vec<u8>) {
    let mut rest = raw.get(1..).unwrap_or_default();
    while let Some(at) = memchr(b'"', rest) {
        into.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if rest.first() != Some(&b'"') {
            // The quotes have ended: what follows up to the delimiter is as it is.
            break;
        }
        into.push(b'"');
        rest = &rest[1..];
    }
    into.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Records as this splitter reads them.
    fn split(text: &[u8], piece: usize) -> Vec<Vec<Vec<u8>>> {
        let (mut splitter, mut records) = (Splitter::new(b','), Vec::new());
        let mut record: Vec<u8> = Vec::new();
        let told = |record: &[u8], splitter: &mut Splitter| {
            let values = splitter.fields().iter().map(|field| {
                let mut value = Vec::new();
                match field.plain() {
                    Some((start, end)) => value.extend_from_slice(&record[start..end]),
                    None => unquote(&record[field.start..field.end], &mut value),
                }
                value
            });
            let values = values.collect();
            splitter.begin();
            values
        };
        for mut bytes in text.chunks(piece) {
            while !bytes.is_empty() {
                if record.is_empty() && matches!(bytes[0], b'\r' | b'\n') {
                    bytes = &bytes[1..];
                    continue;
                }
                match splitter.look(bytes, record.len()) {
                    Found::Record(n) => {
                        record.extend_from_slice(&bytes[..n]);
                        records.push(told(&record, &mut splitter));
                        record.clear();
                        bytes = &bytes[n..];
                    }
                    _ => {
                        record.extend_from_slice(bytes);
                        break;
                    }
                }
            }
        }
        if !record.is_empty() {
            splitter.end(record.len());
            records.push(told(&record, &mut splitter));
        }
        records
    }

    fn oracle(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let records = reader.byte_records().map(Result::unwrap);
        records.map(|record| record.iter().map(<[u8]>::to_vec).collect()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn records_are_those_of_csv_core(text in "[ab,\"\n\r]{0,24}", piece in 1usize..9) {
            prop_assert_eq!(split(text.as_bytes(), piece), oracle(text.as_bytes()));
        }
    }

    #[test]
    fn an_empty_field_is_null_unless_it_is_quoted() {
        let mut splitter = Splitter::new(b',');
        assert_eq!(splitter.look(b",\"\",x\n", 0), Found::Record(5));
        let nulls: Vec<bool> = splitter.fields().iter().map(|field| field.is_null()).collect();
        assert_eq!(nulls, [true, false, false]);
    }

    #[test]
    fn fields_without_end_are_too_many() {
        let mut splitter = Splitter::new(b',');
        assert_eq!(splitter.look(&[b','; 70_000], 0), Found::TooMany(MOST_FIELDS - 1));
    }
}
