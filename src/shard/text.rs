//! Plain text: each line is a row.

use super::faults::Faults;
use super::lines::{Line, Lines, MOST, Take};
use super::table::gather::{Gather, RowEnd, Spot};
use super::{End, Format, HEAD, ItemId, Place, Reader, RegionClass, Steps};
use crate::finding::Code;

/// Lines of any encoding, which are known by their name alone.
pub struct Text;

/// Text in UTF-16, in which a line end is no single byte: it is not looked into.
pub struct Wide;

/// Endings of names of formats that are text, whatever stands in the lines.
const ENDINGS: [&[&[u8]]; 4] =
    [&[b".txt", b".text"], super::jsonl::ENDINGS, super::csv::ENDINGS, super::csv::TAB_ENDINGS];

/// Whether a name ends in one of these ways, ASCII letters of either case alike.
pub fn is_called(name: &[u8], endings: &[&[u8]]) -> bool {
    let ends = |ending: &&[u8]| {
        name.len() >= ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending)
    };
    endings.iter().any(ends)
}

/// Whether this is a pointer of Git LFS or git-annex, which stands in place of data of any name.
pub fn is_pointer(head: &[u8]) -> bool {
    head.starts_with(b"version https://git-lfs.github.com/") || is_annex_pointer(head)
}

/// Whether the whole of a short file is a path of one line into a store of git-annex. A longer text may begin so and
/// have rows all the same.
fn is_annex_pointer(head: &[u8]) -> bool {
    let line = head.strip_suffix(b"\n").unwrap_or(head);
    head.len() < HEAD
        && !line.contains(&b'\n')
        && !line.contains(&0)
        && line.windows(2).any(|pair| pair == b"--")
        && (line.starts_with(b"/annex/objects/")
            || memchr::memmem::find(line, b"/annex/objects/").is_some_and(|at| {
                line[..at].ends_with(b".git") || memchr::memmem::find(&line[..at], b".git/").is_some()
            }))
}

/// Faults of lines and records over the limit are told in the same words.
pub fn over_limit(what: &str, most: usize) -> String {
    let most = if most == MOST { "64 MiB".to_string() } else { format!("{most} bytes") };
    format!("a {what} is longer than {most}: it was hashed whole, and is not read as a row")
}

impl Format for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        is_called(name, ENDINGS[0]) && !head.contains(&0) && !is_pointer(head)
    }

    fn reader(&self, place: &Place, out: &mut Steps) -> Option<Box<dyn Reader>> {
        let rows = TextRows::new(place.layer, MOST, out);
        Some(Box::new(Lines::new(place.layer, MOST, rows)))
    }
}

impl Format for Wide {
    fn name(&self) -> &'static str {
        "text in UTF-16"
    }

    fn recognises(&self, name: &[u8], head: &[u8]) -> bool {
        let marked = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
        marked && ENDINGS.iter().any(|endings| is_called(name, endings))
    }

    fn reader(&self, _place: &Place, _out: &mut Steps) -> Option<Box<dyn Reader>> {
        None
    }
}

/// Lines as rows.
struct TextRows {
    gather: Gather,
    faults: Faults,
    most: usize,
    idle: bool,
}

impl TextRows {
    fn new(layer: ItemId, most: usize, out: &Steps) -> Self {
        // A line has no named field, so it is no record.
        let gather = Gather::new(layer, true, out).without_records();
        TextRows { gather, faults: Faults::new(layer), most, idle: out.plan().samples.is_empty() }
    }
}

impl Take for TextRows {
    fn footprint(&self) -> usize {
        self.gather.footprint()
    }

    fn is_idle(&self) -> bool {
        self.idle
    }

    fn line(&mut self, line: Line, out: &mut Steps) {
        let bytes = line.bytes();
        // A caption without a line end is one item, not a file and a row of the same bytes.
        if bytes.is_empty() || line.whole {
            return;
        }
        if self.gather.is_full_for(bytes.len()) {
            self.gather.flush(out);
        }
        let block = self.gather.block(&line.block);
        self.gather.line(bytes, Spot { block, offset: line.range.start });
        self.gather.end_row(bytes.len(), RowEnd::Refused);
    }

    fn too_long(&mut self, offset: u64, out: &mut Steps) -> RegionClass {
        self.gather.pass_row(out);
        self.faults.tell(Code::Unreadable, offset, out, || over_limit("line", self.most));
        RegionClass::Opaque
    }

    fn finish(&mut self, _end: End, out: &mut Steps) {
        self.gather.flush(out);
        self.faults.conclude(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::recognise;
    use crate::shard::table::told::{Told, feed, plan};

    fn told(text: &[u8], piece: usize, most: usize) -> Told {
        let mut out = Steps::new(&plan());
        let rows = TextRows::new(ItemId::FILE, most, &out);
        feed(Box::new(Lines::new(ItemId::FILE, most, rows)), text, piece, End::Complete, &mut out)
    }

    #[test]
    fn each_line_that_is_not_empty_is_a_row() {
        for piece in [1, 7, 100] {
            let told =
                told(b"\xef\xbb\xbfone line\r\n\r\n\n two\r \n\xff\0\nlast, without an end\r", piece, 100);
            let lines: Vec<_> = told.rows.iter().map(|row| (row.0, row.1.as_deref().unwrap())).collect();
            let expected: [(u64, &[u8]); 4] =
                [(0, b"one line"), (1, b" two\r "), (2, b"\xff\0"), (3, b"last, without an end\r")];
            assert_eq!(lines, expected);
            assert!(told.rows.iter().all(|row| row.2.is_none()));
            assert_eq!((told.cells.len(), told.faults.len(), told.hidden.len()), (0, 0, 0));
        }
    }

    #[test]
    fn a_text_that_is_one_line_without_an_end_is_no_row() {
        for piece in [1, 100] {
            assert!(told(b"a caption", piece, 100).rows.is_empty());
            assert_eq!(told(b"a caption\n", piece, 100).rows.len(), 1);
            assert_eq!(told(b"\na caption", piece, 100).rows.len(), 1);
            assert_eq!(told(b"\xef\xbb\xbfa caption", piece, 100).rows.len(), 1);
        }
    }

    #[test]
    fn a_line_over_the_limit_is_a_region() {
        for piece in [1, 5, 100] {
            let told = told(b"ten bytes!\neleven byte\nx\n", piece, 10);
            assert_eq!(told.rows.iter().map(|row| row.0).collect::<Vec<_>>(), [0, 2]);
            assert_eq!((told.hidden, told.faults.len()), (vec![(11, b"eleven byte".to_vec())], 1));
        }
    }

    #[test]
    fn names_say_what_text_is_and_content_never_does() {
        let format = |name: &[u8], head: &[u8]| recognise(name, head).map(Format::name);
        for (name, head, expected) in [
            (&b"d/a.JSONL"[..], &b""[..], Some("JSON Lines")),
            (b"a.ndjson", b"x", Some("JSON Lines")),
            (b"a.jsonl.txt", b"{}", Some("JSON Lines")),
            (b"a.json", b"\xef\xbb\xbf\n{", Some("JSON Lines")),
            (b"a.json", b"[{}]", None),
            (b"a.json", b"", None),
            (b"a.csv", b"", Some("CSV")),
            (b"a.Tab", b"x", Some("CSV")),
            (b"a.txt", b"", Some("text")),
            (b"a.text", b"a\0b", None),
            (b"a.md", b"{}\n{}\n", None),
            (b"", b"{}\n{}\n", None),
            (b"a.csv", b"\xff\xfea\0", Some("text in UTF-16")),
            (b"a.txt", b"\xfe\xff\0a", Some("text in UTF-16")),
            (b"a.jpg", b"\xff\xfea\0", None),
            (b"a.jsonl", b"version https://git-lfs.github.com/spec/v1\n", None),
            (b"a.csv", b"version https://git-lfs.github.com/spec/v1\n", None),
            (b"a.txt", b"version https://git-lfs.github.com/spec/v1\n", None),
            (b"a.jsonl", b"PK\x03\x04", Some("zip")),
        ] {
            assert_eq!(format(name, head), expected, "{}", String::from_utf8_lossy(name));
        }
    }
}
