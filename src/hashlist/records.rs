//! Records of delimited text: fields split and unquoted, with the physical line on which each record begins.
//!
//! A quote that is never closed swallows a CSV to its end, and with it every digest behind it. Here it swallows one
//! line: a quoted field may span lines only until a line that looks like a record of its own.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::lines::{Advance, LONGEST, Lines};

/// Reads records. Blank lines and lines that begin with `#` are skipped.
pub(super) struct Records<'a> {
    lines: Lines<'a>,
    parser: Reader,
    delimiter: u8,
    /// How much of the current line has been parsed; its length if all of it.
    parsed: usize,
    /// The current line has not been parsed although it was read.
    pending: Option<Advance>,
    record: Record,
}

/// Fields of one record, unquoted.
#[derive(Default)]
pub(super) struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    line: u64,
}

impl Record {
    /// The field of an index from 0, without blanks around it.
    pub(super) fn field(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        Some(self.text.get(start..end)?.trim_ascii())
    }

    /// How many fields it has.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The physical line on which it begins, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

/// What [`Records::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record, to be had from [`Records::record`].
    Record,
    /// A line of this number that is too long to be looked at.
    TooLong(u64),
    /// The end of the text.
    End,
}

impl<'a> Records<'a> {
    /// The records of what `input` still holds.
    pub(super) fn new(input: &'a mut dyn BufRead, delimiter: u8) -> Self {
        Records {
            lines: Lines::new(input),
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            delimiter,
            parsed: 0,
            pending: None,
            record: Record::default(),
        }
    }

    /// Goes to the next record. `begins_record` says whether a field of this index and text shows that a line is a
    /// record of its own.
    ///
    /// # Errors
    /// Where reading fails.
    pub(super) fn advance(&mut self, begins_record: &dyn Fn(usize, &[u8]) -> bool) -> io::Result<Found> {
        self.record.text.clear();
        self.record.ends.clear();
        loop {
            let under_way = !(self.record.text.is_empty() && self.record.ends.is_empty());
            if self.parsed >= self.lines.text().len() {
                let advance = match self.pending.take() {
                    Some(advance) => advance,
                    None => self.lines.advance()?,
                };
                let swallowed = under_way
                    && (advance != Advance::Line
                        || self.record.text.len() + self.lines.text().len() > LONGEST
                        || self.looks_like_a_record(begins_record));
                if swallowed {
                    self.pending = Some(advance);
                    self.parsed = self.lines.text().len();
                    self.end_record();
                    return Ok(Found::Record);
                }
                match advance {
                    Advance::End => return Ok(Found::End),
                    Advance::TooLong => {
                        self.parsed = 0;
                        return Ok(Found::TooLong(self.lines.number()));
                    }
                    Advance::Line => self.parsed = 0,
                }
                if !under_way {
                    self.record.line = self.lines.number();
                    if matches!(self.lines.trimmed().first(), None | Some(b'#')) {
                        self.parsed = self.lines.text().len();
                        continue;
                    }
                }
            } else if !under_way {
                self.record.line = self.lines.number();
            }
            if self.parse_line() {
                return Ok(Found::Record);
            }
        }
    }

    /// The record that [`Records::advance`] found.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Parses on in the current line. Whether a record ended.
    fn parse_line(&mut self) -> bool {
        let input = &self.lines.text()[self.parsed..];
        let (ended, used) = parse(&mut self.parser, input, &mut self.record);
        self.parsed += used;
        ended
    }

    /// Ends a record as if the text ended here.
    fn end_record(&mut self) {
        parse(&mut self.parser, &[], &mut self.record);
        self.parser.reset();
    }

    fn looks_like_a_record(&self, begins_record: &dyn Fn(usize, &[u8]) -> bool) -> bool {
        self.lines.trimmed().split(|&b| b == self.delimiter).enumerate().any(|(index, field)| {
            let field = field.trim_ascii();
            let field = field.strip_prefix(b"\"").unwrap_or(field);
            begins_record(index, field.strip_suffix(b"\"").unwrap_or(field))
        })
    }
}

/// The fields of one line, for each of which a guess at the delimiter is tried.
pub(super) fn split_line(line: &[u8], delimiter: u8) -> Record {
    let mut parser = ReaderBuilder::new().delimiter(delimiter).build();
    let mut record = Record { line: 1, ..Record::default() };
    let (ended, _) = parse(&mut parser, line, &mut record);
    if !ended {
        parse(&mut parser, &[], &mut record);
    }
    record
}

/// Parses `input`, the end of the text if empty, into `record`. Whether the record ended, and how much was used.
fn parse(parser: &mut Reader, input: &[u8], record: &mut Record) -> (bool, usize) {
    let (mut used, mut text_len, mut ends_len) = (0, record.text.len(), record.ends.len());
    record.text.resize(text_len + input.len() + 8, 0);
    record.ends.resize(ends_len + 8, 0);
    let ended = loop {
        let (result, read, written, ended) =
            parser.read_record(&input[used..], &mut record.text[text_len..], &mut record.ends[ends_len..]);
        used += read;
        text_len += written;
        ends_len += ended;
        match result {
            ReadRecordResult::OutputFull => record.text.resize(record.text.len() * 2, 0),
            ReadRecordResult::OutputEndsFull => record.ends.resize(record.ends.len() * 2, 0),
            ReadRecordResult::InputEmpty => break false,
            ReadRecordResult::Record | ReadRecordResult::End => break true,
        }
    };
    record.text.truncate(text_len);
    record.ends.truncate(ends_len);
    (ended, used)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8], begins_record: &dyn Fn(usize, &[u8]) -> bool) -> Vec<(u64, Vec<String>)> {
        let mut input = text;
        let mut records = Records::new(&mut input, b',');
        let mut found = Vec::new();
        loop {
            match records.advance(begins_record).expect("memory can be read") {
                Found::Record => {
                    let record = records.record();
                    let fields = (0..record.len())
                        .filter_map(|i| record.field(i))
                        .map(|f| String::from_utf8_lossy(f).into_owned());
                    found.push((record.line(), fields.collect()));
                }
                Found::TooLong(line) => found.push((line, vec!["(too long)".to_owned()])),
                Found::End => return found,
            }
        }
    }

    fn never(_: usize, _: &[u8]) -> bool {
        false
    }

    #[test]
    fn fields_are_unquoted_and_lines_counted() {
        let found = all(b"# note\r\na, b ,\"c,\"\"d\"\"\"\r\n\r\n\"e\nf\",g\n,\"\"\nh", &never);
        let expected =
            [(2, vec!["a", "b", "c,\"d\""]), (4, vec!["e\nf", "g"]), (6, vec!["", ""]), (7, vec!["h"])];
        assert_eq!(
            found,
            expected.map(|(line, fields)| (line, fields.into_iter().map(String::from).collect()))
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_swallows_one_line() {
        let begins = |index: usize, field: &[u8]| index == 0 && field.starts_with(b"X");
        let lines: Vec<_> = all(b"X1,\"open\nX2,b\nX3,\"more\nof it\"\nX4,\"last", &begins)
            .into_iter()
            .map(|r| (r.0, r.1[0].clone()))
            .collect();
        assert_eq!(lines, [(1, "X1".to_owned()), (2, "X2".into()), (3, "X3".into()), (5, "X4".into())]);
        let long = [b"a,\"\n".to_vec(), b"b\n".repeat(LONGEST)].concat();
        let found = all(&long, &never);
        assert_eq!(found[0].0, 1);
        assert!(found[1].0 <= LONGEST as u64, "the rest is not one field");
    }

    #[test]
    fn a_line_that_is_too_long_is_told() {
        let text = [b"a\n\"b\n".to_vec(), vec![b'x'; LONGEST + 10], b"\nc\r\rd\n".to_vec()].concat();
        let lines: Vec<_> = all(&text, &never).into_iter().map(|r| (r.0, r.1.concat())).collect();
        let expected = [(1, "a"), (2, "b"), (3, "(too long)"), (4, "c"), (4, "d")];
        assert_eq!(lines, expected.map(|(line, text)| (line, text.to_owned())));
    }

    proptest! {
        /// Where no quote is left open, the fields are those of the `csv` crate.
        #[test]
        fn fields_are_those_of_the_csv_crate(
            rows in prop::collection::vec(prop::collection::vec("[ab,\"\n;# ]{1,5}", 1..4), 0..6)
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).expect("memory can be written");
            }
            let text = writer.into_inner().expect("memory can be written");
            let found: Vec<Vec<String>> = all(&text, &never).into_iter().map(|r| r.1).collect();
            let trimmed = |f: &String| String::from_utf8_lossy(f.as_bytes().trim_ascii()).into_owned();
            let expected: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(trimmed).collect()).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_text_ends(text in "[ab,\"\r\n#]{0,60}") {
            let begins = |_: usize, field: &[u8]| field == b"a";
            let lines = text.split('\n').count() as u64;
            for (line, _) in all(text.as_bytes(), &begins) {
                prop_assert!((1..=lines).contains(&line));
            }
        }
    }
}
