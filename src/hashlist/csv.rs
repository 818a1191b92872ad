//! Tables of digests as delimited text, with the columns named by a header or by the user.

use std::io::BufRead;

use crate::digest::{Algorithm, Digest};

use super::columns::Layout;
use super::junk::{self, Word};
use super::lines::{Advance, Lines, TOO_LONG};
use super::records::{Found, Record, Records};
use super::{Columns, Context, Entry, EntrySink, HashListError, HashListFormat};

/// CSV, TSV, or `;`-separated text: whichever delimiter makes sense of the first line.
///
/// A row gives an entry for each of its digests. Columns of perceptual hashes beside them are left alone; a row whose
/// algorithm column names one is refused.
#[derive(Clone, Copy, Debug)]
pub struct Csv;

impl HashListFormat for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let mut input = head;
        first_line(&mut Lines::new(&mut input))
            .ok()
            .flatten()
            .and_then(|(_, line)| Layout::of_first_line(&line, &Columns::default()).ok())
            .is_some_and(|layout| layout.width > 1)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn EntrySink,
    ) -> Result<(), HashListError> {
        let Some((number, line)) = first_line(&mut Lines::new(input))? else {
            return Err(HashListError::NotThisFormat(
                "it has no row: there are none but comments and blank lines; check that it was written to its end"
                    .to_owned(),
            ));
        };
        let layout = Layout::of_first_line(&line, &context.columns).map_err(HashListError::NotThisFormat)?;
        let mut rows =
            Rows { layout: &layout, declared: context.declared, sink, entries: 0, first_refusal: None };
        let begins_row = |index: usize, field: &[u8]| {
            layout.digests.iter().any(|&(column, _)| column == index) && junk::is_long_hex(field)
        };
        // A first row that is no header is read again with the others: it may go on in the next line.
        let mut first = if layout.has_header { &[][..] } else { &line[..] };
        let skipped = if layout.has_header { number } else { number - 1 };
        let mut rest = std::io::Read::chain(&mut first, input);
        let mut records = Records::new(&mut rest, layout.delimiter);
        loop {
            match records.advance(&begins_row)? {
                Found::End => break,
                Found::TooLong(line) => rows.refuse(line + skipped, TOO_LONG.to_owned())?,
                Found::Record => rows.take(records.record(), records.record().line() + skipped)?,
            }
        }
        rows.finish()
    }
}

/// The first line that is neither blank nor a comment, with its number; empty where it is too long to be looked at.
fn first_line(lines: &mut Lines<'_>) -> std::io::Result<Option<(u64, Vec<u8>)>> {
    loop {
        match lines.advance()? {
            Advance::End => return Ok(None),
            Advance::TooLong => return Ok(Some((lines.number(), Vec::new()))),
            Advance::Line if matches!(lines.trimmed().first(), None | Some(b'#')) => {}
            Advance::Line => return Ok(Some((lines.number(), lines.text().to_vec()))),
        }
    }
}

/// Turns rows into entries.
struct Rows<'a> {
    layout: &'a Layout,
    declared: Option<Algorithm>,
    sink: &'a mut dyn EntrySink,
    entries: u64,
    first_refusal: Option<(u64, String)>,
}

impl Rows<'_> {
    /// Hands over each digest of a row. A row is refused once at most, whatever number of its digests is.
    fn take(&mut self, row: &Record, line: u64) -> Result<(), HashListError> {
        let said = match self.word_of(row) {
            Ok(said) => said,
            Err(reason) => return self.refuse(line, reason.to_owned()),
        };
        let label = |column: Option<usize>| column.and_then(|c| row.field(c)).and_then(junk::label);
        let (category, id) = (label(self.layout.category), label(self.layout.id));
        let mut any = false;
        let mut refusal = None;
        for &(column, named) in &self.layout.digests {
            let Some(text) = row.field(column).filter(|text| !text.is_empty()) else { continue };
            any = true;
            match self.digest_of(text, said.or(named)) {
                Ok(digest) => {
                    self.entries += 1;
                    self.sink.entry(Entry { line, digest, category: category.clone(), id: id.clone() })?;
                }
                Err(reason) => refusal = refusal.or(Some(reason)),
            }
        }
        if !any {
            refusal = Some("it has no digest".to_owned());
        }
        refusal.map_or(Ok(()), |reason| self.refuse(line, reason))
    }

    /// What the row says its digest is.
    fn word_of(&self, row: &Record) -> Result<Option<Word>, &'static str> {
        match self.layout.algorithm.and_then(|c| row.field(c)).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => match Word::read(text) {
                Some(Word::Unsupported(reason)) => Err(reason),
                Some(word) => Ok(Some(word)),
                None => Err("its algorithm column names none that this version computes"),
            },
        }
    }

    fn digest_of(&self, text: &[u8], word: Option<Word>) -> Result<Digest, String> {
        match word {
            Some(Word::Unsupported(reason)) => Err(reason.to_owned()),
            Some(Word::Algorithm(algorithm)) => junk::usable_digest(Some(algorithm), text),
            None => junk::usable_digest(self.declared, text),
        }
    }

    fn refuse(&mut self, line: u64, reason: String) -> Result<(), HashListError> {
        self.first_refusal.get_or_insert_with(|| (line, reason.clone()));
        Ok(self.sink.reject(line, reason)?)
    }

    fn finish(self) -> Result<(), HashListError> {
        match self.first_refusal {
            _ if self.entries > 0 => Ok(()),
            None => Err(HashListError::NotThisFormat(
                "it has no row but its header; check that it was written to its end".to_owned(),
            )),
            Some((line, reason)) => Err(HashListError::NotThisFormat(format!(
                "no row of it gives a digest that can be used: line {line}: {reason}; check that the right columns \
                 are named, and list MD5, SHA-1, SHA-256 or SHA-512 digests"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{Collected, assert_discreet};
    use super::*;

    const MD5: &str = "0cc175b9c0f1b6a831c399e269772661";
    const SHA1: &str = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8";
    const SHA256: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

    fn read(text: impl AsRef<[u8]>, columns: Columns) -> (Collected, Result<(), String>) {
        let mut sink = Collected::default();
        let context = Context { columns, ..Context::default() };
        let outcome = Csv.read(&mut text.as_ref(), &context, &mut sink).map_err(|error| error.to_string());
        sink.assert_discreet();
        if let Err(text) = &outcome {
            assert_discreet(text);
        }
        (sink, outcome)
    }

    fn columns(digest: &str) -> Columns {
        Columns { digest: Some(digest.to_owned()), ..Columns::default() }
    }

    #[test]
    fn columns_are_recognised_with_any_delimiter() {
        for delimiter in [",", ";", "\t"] {
            let rows = [
                "\u{feff}ID|SHA-1|\"MD5\"|Category|Comment".to_owned(),
                format!("7|{SHA1}|{}|1|\"a, b; c\"", MD5.to_uppercase()),
                format!("8||{MD5}|0|"),
            ];
            let text = rows.join("\r\n").replace('|', delimiter);
            assert!(Csv.recognises(b"x", text.as_bytes()));
            let (sink, outcome) = read(&text, Columns::default());
            assert_eq!(outcome, Ok(()));
            assert_eq!(sink.rejected, []);
            assert_eq!(sink.brief(), [(2, "sha1", 0x86), (2, "md5", 0x0C), (3, "md5", 0x0C)]);
            assert_eq!(sink.entries[1].category.as_deref(), Some("1"));
            assert_eq!(sink.entries[2].category.as_deref(), Some("0"));
            assert_eq!(sink.entries[0].id.as_deref(), Some("7"));
        }
    }

    #[test]
    fn an_algorithm_column_tells_each_row() {
        let text = format!(
            "hash,hash_type\n{SHA256},sha256\n{SHA256},pdq\n{MD5},video_md5\n{SHA256},blake3\n{MD5},url_md5\n\
             {MD5},\n{MD5},sha1\n{MD5},PhotoDNA\n"
        );
        let (sink, outcome) = read(&text, Columns::default());
        assert_eq!(outcome, Ok(()));
        assert_eq!(
            sink.brief(),
            [(2, "sha256", 0xCA), (4, "md5", 0x0C), (5, "blake3", 0xCA), (7, "md5", 0x0C)]
        );
        assert_eq!(sink.rejected.iter().map(|r| r.0).collect::<Vec<_>>(), [3, 6, 8, 9]);
        assert_eq!(sink.rejected[0].1, junk::PDQ);
        let (sink, _) = read(format!("md5,type\n{MD5},image/jpeg\n"), Columns::default());
        assert_eq!(sink.brief(), [(2, "md5", 0x0C)]);
    }

    #[test]
    fn columns_are_named_or_numbered_by_the_user() {
        let headed = format!("what,where,sha512\nx,{MD5},y\n");
        assert_eq!(read(&headed, columns("Where")).0.brief(), [(2, "md5", 0x0C)]);
        assert_eq!(read(&headed, columns("2")).0.brief(), [(2, "md5", 0x0C)]);
        let bare = format!("# list\n9;{MD5};2\n10;{SHA1};3\n");
        let named = Columns { category: Some("3".into()), id: Some("1".into()), ..columns("2") };
        let (sink, outcome) = read(&bare, named);
        assert_eq!(outcome, Ok(()));
        assert_eq!(sink.brief(), [(2, "md5", 0x0C), (3, "sha1", 0x86)]);
        assert_eq!(
            (sink.entries[1].id.as_deref(), sink.entries[1].category.as_deref()),
            (Some("10"), Some("3"))
        );
        let sha384 = format!("{SHA256}{MD5}");
        let context =
            Context { columns: columns("1"), declared: Some(Algorithm::Sha384), ..Context::default() };
        let mut sink = Collected::default();
        Csv.read(&mut format!("{sha384},1\n{sha384},2\n").as_bytes(), &context, &mut sink)
            .expect("it is a table");
        assert_eq!(sink.brief(), [(1, "sha384", 0xCA), (2, "sha384", 0xCA)]);
        for wrong in ["0", "4", "nowhere"] {
            let (sink, outcome) = read(&headed, columns(wrong));
            assert!(
                outcome.expect_err("there is no such column").contains("numbered from 1")
                    || wrong == "nowhere"
            );
            assert!(sink.entries.is_empty());
        }
    }

    #[test]
    fn without_header_or_named_columns_it_is_not_recognised() {
        let text = format!("{MD5},{SHA1}\n{MD5},{SHA1}\n");
        assert!(!Csv.recognises(b"x.csv", text.as_bytes()));
        assert!(read(&text, Columns::default()).1.is_err());
        assert!(!Csv.recognises(b"x.csv", format!("md5\n{MD5}\n").as_bytes()), "one column is a plain list");
        assert_eq!(read(format!("md5\n{MD5}\n"), Columns::default()).1, Ok(()));
    }

    #[test]
    fn junk_is_counted_once_a_row() {
        let zeros = "0".repeat(40);
        let text = format!(
            "md5,sha1\nd41d8cd98f00b204e9800998ecf8427e,{zeros}\n{MD5},{zeros}\n,\nx\n{SHA1},{MD5}\n"
        );
        let (sink, _) = read(&text, Columns::default());
        assert_eq!(sink.brief(), [(3, "md5", 0x0C)]);
        assert_eq!(sink.rejected.iter().map(|r| r.0).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        for empty in ["", "md5,sha1\n", "md5,sha1\nx,y\n", "md5,pdq\n"] {
            assert!(read(empty, Columns::default()).1.is_err());
        }
    }

    #[test]
    fn an_open_quote_hides_no_entry() {
        let text =
            format!("md5,note\n{MD5},\"open\n{MD5},b\n{MD5},\"two\nlines\"\n\"{MD5}\n\"{MD5}\",\"c\"\n");
        let (sink, _) = read(&text, Columns::default());
        assert_eq!(sink.entries.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 3, 4, 6, 7]);
    }

    #[test]
    fn an_identifier_that_is_a_digest_is_not_kept() {
        let (sink, _) = read(format!("id,category,sha256\n{MD5},{SHA1},{SHA256}\n"), Columns::default());
        assert_eq!((sink.entries[0].id.as_deref(), sink.entries[0].category.as_deref()), (None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..300), headed in any::<bool>()
        ) {
            let bytes = if headed { [b"md5,id\n".to_vec(), bytes].concat() } else { bytes };
            Csv.recognises(b"x", &bytes);
            let (sink, outcome) = read(&bytes, columns("1"));
            prop_assert_eq!(outcome.is_err(), sink.entries.is_empty());
        }

        #[test]
        fn anything_like_a_table_is_read_or_refused(
            text in "(hash,type\n)?(([0-9a-f]{32}|[0-9A-F]{40}|md5|pdq|\"|,|;|\t|\r|#|sha256)*\n){0,6}"
        ) {
            let (sink, outcome) = read(&text, Columns::default());
            prop_assert_eq!(outcome.is_err(), sink.entries.is_empty());
        }
    }
}
