//! Where a Parquet file says its parts lie, as far as that can be true.
//!
//! Every number of the footer is a claim: ranges must lie in the file and must not overlap, counts must add up. A
//! column chunk of which that does not hold is refused: it is neither walked nor decoded.

use std::ops::Range;

use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::faults::Faults;
use super::footer::{Footer, MAGIC};
use super::reads::Reads;
use super::thrift;
use crate::finding::Code;
use crate::locator::Escaped;
use crate::shard::Steps;

/// Bytes read of a bloom filter whose length the footer does not give: its header is shorter.
const BLOOM_HEADER: u64 = 64;

/// The parts of a file.
pub struct Layout {
    /// In the order in which they lie in the file; they do not overlap.
    pub spans: Vec<Span>,
    /// Column chunks, row group by row group, each with all columns in the schema's order.
    pub chunks: Vec<Chunk>,
    /// The number of the first row of each row group.
    pub first_rows: Vec<u64>,
}

/// Bytes of a file.
pub struct Span {
    /// Where.
    pub range: Range<u64>,
    /// What.
    pub part: Part,
}

/// What bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Magic numbers, page indexes, bloom filters, the footer.
    Structure,
    /// The pages of the chunk of this index.
    Chunk(usize),
    /// What others read.
    Elsewhere,
}

/// A column chunk.
pub struct Chunk {
    /// Its row group.
    pub group: usize,
    /// Its column, a leaf of the schema.
    pub column: usize,
    /// Its pages.
    pub range: Range<u64>,
    /// Values that the footer says it has, nulls included.
    pub values: u64,
    /// How many times longer its codec can make a page; `None` where it can without bound or does not ask.
    pub stretch: Option<u64>,
    /// Bytes of its largest page, once decompressed.
    pub largest: u64,
    /// Whether it may be decoded.
    pub standing: Standing,
}

/// How far a column chunk is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its pages were not yet walked.
    Claimed,
    /// Its pages add up.
    Sound,
    /// It must not be decoded; the fault that says why was told.
    Refused,
}

impl Layout {
    /// The parts that the footer tells of. What is wrong with it is told.
    pub fn new(footer: &Footer, reads: &Reads, faults: &mut Faults, out: &mut Steps) -> Layout {
        let metadata = &footer.metadata;
        let mut layout = Layout { spans: Vec::new(), chunks: Vec::new(), first_rows: Vec::new() };
        layout.spans.push(Span { range: 0..MAGIC, part: Part::Structure });
        layout.spans.push(Span { range: footer.at..reads.len, part: Part::Structure });
        let leaves = metadata.file_metadata().schema_descr().num_columns();
        let mut rows = 0u64;
        for (group, of) in metadata.row_groups().iter().enumerate() {
            layout.first_rows.push(rows);
            let Ok(held) = u64::try_from(of.num_rows()) else {
                faults.tell(Code::Unreadable, out, || {
                    format!("row group {group} has a negative number of rows")
                });
                break;
            };
            rows = rows.saturating_add(held);
            if of.num_columns() != leaves {
                faults.tell(Code::Unreadable, out, || {
                    format!("row group {group} has {} columns, the schema {leaves}", of.num_columns())
                });
                break;
            }
            for (column, chunk) in of.columns().iter().enumerate() {
                let placed = Chunk::new(group, column, chunk, held, footer.at);
                let (chunk_range, standing) = match placed {
                    Ok(placed) => {
                        let known = (placed.range.clone(), placed.standing);
                        layout.chunks.push(placed);
                        known
                    }
                    Err((code, why)) => {
                        faults.tell(code, out, || format!("{}: {why}", chunk_name(metadata, group, column)));
                        layout.chunks.push(Chunk::refused(group, column));
                        (0..0, Standing::Refused)
                    }
                };
                if standing == Standing::Claimed {
                    let part = Part::Chunk(layout.chunks.len() - 1);
                    layout.spans.push(Span { range: chunk_range, part });
                }
                layout.attachments(chunk, footer, reads, &mut |why| {
                    let name = || format!("{}: {why}", chunk_name(metadata, group, column));
                    faults.tell(Code::Unreadable, out, name);
                });
            }
        }
        let said = metadata.file_metadata().num_rows();
        if u64::try_from(said) != Ok(rows) {
            faults.tell(Code::Unreadable, out, || {
                format!("its footer says {said} rows, its row groups hold {rows}")
            });
        }
        layout.separate(metadata, faults, out);
        layout
    }

    /// Leaves nothing but the chunks of these row groups.
    pub fn keep(&mut self, groups: &Range<usize>, len: u64) {
        let mut spans = Vec::new();
        let mut at = 0;
        let elsewhere = |range: Range<u64>| Span { range, part: Part::Elsewhere };
        for span in std::mem::take(&mut self.spans) {
            let Part::Chunk(index) = span.part else { continue };
            if groups.contains(&self.chunks[index].group) {
                if at < span.range.start {
                    spans.push(elsewhere(at..span.range.start));
                }
                at = span.range.end;
                spans.push(span);
            }
        }
        if at < len {
            spans.push(elsewhere(at..len));
        }
        self.spans = spans;
    }

    /// Page indexes and the bloom filter of a column chunk.
    fn attachments(
        &mut self,
        chunk: &ColumnChunkMetaData,
        footer: &Footer,
        reads: &Reads,
        wrong: &mut dyn FnMut(&str),
    ) {
        let mut add = |what: &str, offset: Option<i64>, len: Option<i64>| {
            let Some(offset) = offset else { return };
            let end = len.and_then(|len| offset.checked_add(len));
            match (u64::try_from(offset), end.and_then(|end| u64::try_from(end).ok())) {
                (Ok(start), Some(end)) if MAGIC <= start && start <= end && end <= footer.at => {
                    if start < end {
                        self.spans.push(Span { range: start..end, part: Part::Structure });
                    }
                }
                _ => wrong(&format!("its {what} is said to lie where it cannot")),
            }
        };
        add("column index", chunk.column_index_offset(), chunk.column_index_length().map(i64::from));
        add("offset index", chunk.offset_index_offset(), chunk.offset_index_length().map(i64::from));
        let bloom = chunk.bloom_filter_offset();
        let len = chunk.bloom_filter_length().map(i64::from).or_else(|| {
            // Writers before format 2.10 give no length: the filter's own header does.
            let at = u64::try_from(bloom?).ok().filter(|at| *at < footer.at)?;
            let head = reads.exactly(at, BLOOM_HEADER.min(footer.at - at) as usize).ok()?;
            i64::try_from(thrift::bloom_filter_len(&head).ok()?).ok()
        });
        add("bloom filter", bloom, len);
    }

    /// Sorts the spans and takes out whatever overlaps what lies before it.
    fn separate(&mut self, metadata: &ParquetMetaData, faults: &mut Faults, out: &mut Steps) {
        self.spans.sort_by_key(|span| (span.range.start, span.range.end));
        let mut end = 0;
        let chunks = &mut self.chunks;
        self.spans.retain(|span| {
            if span.range.start >= end {
                end = span.range.end;
                return true;
            }
            faults.tell(Code::Unreadable, out, || match span.part {
                Part::Chunk(index) => {
                    let name = chunk_name(metadata, chunks[index].group, chunks[index].column);
                    format!("{name}: its bytes are those of another part of the file, too")
                }
                Part::Structure | Part::Elsewhere => {
                    let start = span.range.start;
                    format!("an index or filter at byte {start} lies in another part of the file")
                }
            });
            if let Part::Chunk(index) = span.part {
                chunks[index].standing = Standing::Refused;
            }
            false
        });
    }
}

impl Chunk {
    fn new(
        group: usize,
        column: usize,
        chunk: &ColumnChunkMetaData,
        rows: u64,
        footer_at: u64,
    ) -> Result<Chunk, (Code, String)> {
        let unreadable = |why: &str| (Code::Unreadable, why.to_string());
        if chunk.file_path().is_some() {
            let why = "it is said to lie in another file, which is not read through this one";
            return Err((Code::ExternalReference, why.to_string()));
        }
        // Some writers say 0 where there is no dictionary.
        let dictionary = chunk.dictionary_page_offset().filter(|at| *at != 0);
        let start = dictionary.map_or(chunk.data_page_offset(), |at| at.min(chunk.data_page_offset()));
        let range = match (u64::try_from(start), u64::try_from(chunk.compressed_size())) {
            (Ok(start), Ok(len)) if MAGIC <= start => {
                start.checked_add(len).filter(|end| *end <= footer_at).map(|end| start..end)
            }
            _ => None,
        };
        let range = range.ok_or_else(|| unreadable("its bytes are said to lie where they cannot"))?;
        let values = u64::try_from(chunk.num_values())
            .map_err(|_| unreadable("it is said to have a negative number of values"))?;
        let flat = chunk.column_descr().max_rep_level() == 0;
        if (flat && values != rows) || values < rows {
            return Err(unreadable(&format!("it is said to have {values} values for {rows} rows")));
        }
        // A chunk without pages has nothing to walk.
        let standing = match (range.is_empty(), values) {
            (false, _) => Standing::Claimed,
            (true, 0) => Standing::Sound,
            (true, _) => return Err(unreadable("it is said to have values, and no bytes")),
        };
        let stretch = stretch(chunk.compression());
        Ok(Chunk { group, column, range, values, stretch, largest: 0, standing })
    }

    fn refused(group: usize, column: usize) -> Chunk {
        let standing = Standing::Refused;
        Chunk { group, column, range: 0..0, values: 0, stretch: None, largest: 0, standing }
    }
}

/// How many times longer a codec can make its input: a copy of 64 bytes takes 3 in Snappy, one of 255 a byte in LZ4,
/// one of 258 two bits in deflate. Room for more than that is asked for only to use up memory.
fn stretch(codec: Compression) -> Option<u64> {
    match codec {
        Compression::SNAPPY => Some(22),
        Compression::LZ4 | Compression::LZ4_RAW => Some(255),
        Compression::GZIP(_) => Some(1032),
        _ => None,
    }
}

/// A column chunk, for a person.
pub fn chunk_name(metadata: &ParquetMetaData, group: usize, column: usize) -> String {
    let path = metadata.file_metadata().schema_descr().column(column).path().string();
    format!("row group {group}, column `{}`", Escaped(path.as_bytes()))
}
