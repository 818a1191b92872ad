//! Which columns of a table hold digests, as its first line or the user says.

use super::Columns;
use super::junk::{self, Word};
use super::records::{Record, split_line};

/// Which column holds what.
pub(super) struct Layout {
    pub(super) delimiter: u8,
    /// Whether the first line names the columns.
    pub(super) has_header: bool,
    /// How many columns the first line has.
    pub(super) width: usize,
    /// The columns of digests, and what each is by its name.
    pub(super) digests: Vec<(usize, Option<Word>)>,
    pub(super) algorithm: Option<usize>,
    pub(super) category: Option<usize>,
    pub(super) id: Option<usize>,
}

impl Layout {
    /// Reads the first line with each delimiter, and takes the one that finds all columns and splits it furthest.
    pub(super) fn of_first_line(line: &[u8], columns: &Columns) -> Result<Layout, String> {
        let mut best: Result<Layout, String> = Err(String::new());
        for delimiter in [b',', b';', b'\t'] {
            match (Layout::of_fields(&split_line(line, delimiter), delimiter, columns), &best) {
                (Ok(layout), Ok(other)) if layout.width <= other.width => {}
                (Ok(layout), _) => best = Ok(layout),
                (Err(reason), Err(other)) if other.is_empty() => best = Err(reason),
                (Err(_), _) => {}
            }
        }
        best
    }

    fn of_fields(first: &Record, delimiter: u8, columns: &Columns) -> Result<Layout, String> {
        let names: Vec<String> = (0..first.len()).filter_map(|i| first.field(i)).map(folded).collect();
        let chosen = |column: &Option<String>, role: &str| match column {
            None => Ok(None),
            Some(wanted) => position(&names, wanted, role).map(Some),
        };
        let known = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let word = |index: usize| first.field(index).and_then(Word::read);

        let digest = chosen(&columns.digest, "digest")?;
        let mut digests: Vec<(usize, Option<Word>)> = match digest {
            Some(index) => vec![(index, word(index))],
            None => (0..first.len())
                .filter_map(|i| Some((i, word(i)?)))
                .filter(|(_, word)| matches!(word, Word::Algorithm(_)))
                .map(|(i, word)| (i, Some(word)))
                .collect(),
        };
        if digests.is_empty() {
            digests.extend(known(&DIGEST).map(|index| (index, None)));
        }
        if digests.is_empty() {
            return Err("its first line names no column of digests that this version reads; give it a header such as \
                        md5, sha1, sha256 or hash, or name the digest column"
                .to_owned());
        }
        // Beside columns named after algorithms a column "type" tells something else.
        let says_none = digests.iter().any(|(_, word)| word.is_none());
        let algorithm =
            chosen(&columns.algorithm, "algorithm")?.or_else(|| known(&ALGORITHM).filter(|_| says_none));
        let has_header = !digests.iter().any(|&(index, _)| first.field(index).is_some_and(junk::is_long_hex));
        Ok(Layout {
            delimiter,
            has_header,
            width: first.len(),
            digests,
            algorithm,
            category: chosen(&columns.category, "category")?.or_else(|| known(&CATEGORY)),
            id: chosen(&columns.id, "id")?.or_else(|| known(&ID)),
        })
    }
}

const DIGEST: [&str; 9] = [
    "hash",
    "digest",
    "checksum",
    "fingerprint",
    "hashvalue",
    "hashdigest",
    "filehash",
    "signalstr",
    "signalvalue",
];
const ALGORITHM: [&str; 9] = [
    "algorithm",
    "hashalgorithm",
    "algo",
    "hashalgo",
    "hashtype",
    "digesttype",
    "checksumtype",
    "signaltype",
    "type",
];
const CATEGORY: [&str; 4] = ["category", "categorycode", "categoryid", "classification"];
const ID: [&str; 7] = ["id", "entryid", "hashid", "recordid", "mediaid", "imageid", "uuid"];

/// A name of a column without case, blanks, `-` and `_`.
fn folded(name: &[u8]) -> String {
    String::from_utf8_lossy(name)
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The index of a column that the user named, or numbered from 1.
fn position(names: &[String], wanted: &str, role: &str) -> Result<usize, String> {
    match wanted.trim().parse::<usize>() {
        Ok(number) if (1..=names.len()).contains(&number) => Ok(number - 1),
        Ok(number) => Err(format!(
            "it has no column {number} for the {role}: its first line has {} columns, which are numbered from 1",
            names.len()
        )),
        Err(_) => names.iter().position(|name| *name == folded(wanted.as_bytes())).ok_or_else(|| format!(
            "its first line names no column \"{wanted}\" for the {role}; check the name, or give the column's number \
             from 1"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(line: &str) -> Option<(u8, Vec<usize>, Option<usize>)> {
        let layout = Layout::of_first_line(line.as_bytes(), &Columns::default()).ok()?;
        Some((layout.delimiter, layout.digests.iter().map(|d| d.0).collect(), layout.algorithm))
    }

    #[test]
    fn headers_of_real_exports_are_understood() {
        let icse = "MD5;SHA1;PhotoDNA;Image ID;Is distributed;Victim identified;Media Type;Baseline\n";
        assert_eq!(layout(icse), Some((b';', vec![0, 1], None)));
        let nsrl = "\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\"\n";
        assert_eq!(layout(nsrl), Some((b',', vec![0, 1], None)));
        assert_eq!(layout("signal_type,signal_str,collab,category,tags\n"), Some((b',', vec![1], Some(0))));
        assert_eq!(layout("hash_digest\talgorithm\tideology\n"), Some((b'\t', vec![0], Some(1))));
    }

    #[test]
    fn a_line_without_a_column_of_digests_is_no_header() {
        for line in ["", "name,size\n", "pdq,quality\n", "url_md5,url\n", "crc32,name\n"] {
            assert_eq!(layout(line), None, "{line}");
        }
    }
}
