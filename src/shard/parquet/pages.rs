//! The pages of one column chunk, read where they lie and decompressed, for the decoders of the `parquet` crate.
//!
//! Headers are decoded by the same code as in the walk, so no decoder meets a page that the walk refused. What a page
//! says of its values is checked against its length, because decoders reserve room by it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

use super::layout::Chunk;
use super::page_header::{Levels, PageHeader, PageKind, page_header};
use super::reads::Reads;
use super::thrift::Trouble;
use super::{codec, delta, limits};

/// Bytes first read where a page begins; most headers are shorter.
const HEADER_READ: u64 = 128;

/// Counts the pages that a decoder takes, of all its columns together.
#[derive(Default)]
pub struct Meter {
    /// Values in the pages of data taken, nulls included.
    pub values: AtomicU64,
    /// Bytes of memory that the pages taken for the present batch need.
    pub batch: AtomicU64,
    /// A page was refused because those were too many.
    pub over: AtomicBool,
}

/// The pages still to be read.
pub struct Pages {
    reads: Reads,
    left: Range<u64>,
    /// The next page's header and where its body begins, once looked at.
    next: Option<(PageHeader, u64)>,
    codec: Compression,
    /// Bytes of each value, where all values have as many.
    width: u64,
    fixed: bool,
    max_def: i16,
    max_rep: i16,
    stretch: Option<u64>,
    meter: Arc<Meter>,
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(ParquetError::General(why.into()))
}

impl Pages {
    /// The pages of a chunk.
    pub fn new(reads: Reads, chunk: &Chunk, meta: &ColumnChunkMetaData, meter: Arc<Meter>) -> Self {
        let descriptor = meta.column_descr();
        let fixed = descriptor.physical_type() == Type::FIXED_LEN_BYTE_ARRAY;
        let width = match descriptor.physical_type() {
            Type::BOOLEAN => 1,
            Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::BYTE_ARRAY => 0,
            Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(descriptor.type_length()).unwrap_or(0),
        };
        Pages {
            reads,
            left: chunk.range.clone(),
            next: None,
            codec: meta.compression(),
            width,
            fixed,
            max_def: descriptor.max_def_level(),
            max_rep: descriptor.max_rep_level(),
            stretch: chunk.stretch,
            meter,
        }
    }

    /// The header of the next page that readers do not pass over.
    fn peek(&mut self) -> Result<Option<(PageHeader, u64)>> {
        while self.next.is_none() && !self.left.is_empty() {
            let (header, len) = self.header()?;
            let body = self.left.start + len as u64;
            if let Err(why) = header.check(self.left.end - body, self.stretch) {
                return refuse(why);
            }
            if header.kind == PageKind::Skipped {
                self.left.start = body + u64::from(header.compressed);
            } else {
                self.next = Some((header, body));
            }
        }
        Ok(self.next)
    }

    fn header(&self) -> Result<(PageHeader, usize)> {
        let left = self.left.end - self.left.start;
        let mut ask = HEADER_READ;
        loop {
            let here = ask.min(left).min(limits::PAGE_HEADER as u64);
            let bytes = self.reads.exactly(self.left.start, here as usize)?;
            match page_header(&bytes) {
                Ok(found) => return Ok(found),
                Err(Trouble::Short) if here == ask => ask *= 4,
                Err(Trouble::Short) => return refuse("its page header is cut off or over the limit"),
                Err(Trouble::Bad(why)) => return refuse(why),
            }
        }
    }

    fn decode(&mut self, header: PageHeader, body: u64) -> Result<Page> {
        let bytes = self.reads.exactly(body, header.compressed as usize)?;
        let whole = header.uncompressed as usize;
        let encoding = encoding(header.encoding)?;
        if header.values > limits::PAGE_VALUES {
            return refuse("a page of more than 16 Mi values is over the limit");
        }
        let page = match (header.kind, header.levels) {
            (PageKind::Dictionary, _) => {
                let buf = codec::decompress(self.codec, &bytes, whole).or_else(refuse)?;
                // A value of any length has its length, of four bytes, in front (`PLAIN`).
                let width = if self.width == 0 && !self.fixed { 4 } else { self.width };
                let least = u64::from(header.values).saturating_mul(width.max(1));
                if least > buf.len() as u64 {
                    return refuse("a dictionary has more values than its bytes can hold");
                }
                Page::DictionaryPage { buf, num_values: header.values, encoding, is_sorted: false }
            }
            (_, Levels::Inside { def, rep }) => Page::DataPage {
                buf: codec::decompress(self.codec, &bytes, whole).or_else(refuse)?,
                num_values: header.values,
                encoding,
                def_level_encoding: self::encoding(def)?,
                rep_level_encoding: self::encoding(rep)?,
                statistics: None,
            },
            (_, Levels::Before { nulls, rows, def, rep, compressed }) => {
                let levels = u64::from(def) + u64::from(rep);
                if levels > bytes.len() as u64 || levels > whole as u64 || nulls > header.values {
                    return refuse("a page header and its levels disagree");
                }
                let levels = levels as usize;
                let buf = if compressed && self.codec != Compression::UNCOMPRESSED {
                    let values = codec::decompress(self.codec, &bytes.slice(levels..), whole - levels);
                    [&bytes[..levels], &values.or_else(refuse)?].concat().into()
                } else {
                    bytes
                };
                Page::DataPageV2 {
                    buf,
                    num_values: header.values,
                    encoding,
                    num_nulls: nulls,
                    num_rows: rows,
                    def_levels_byte_len: def,
                    rep_levels_byte_len: rep,
                    is_compressed: false,
                    statistics: None,
                }
            }
        };
        self.check_lengths(&page)?;
        Ok(page)
    }

    /// Bytes of memory that the page and what it decodes to at once need.
    fn memory(&self, header: &PageHeader) -> u64 {
        let mut memory = u64::from(header.uncompressed);
        if header.kind == PageKind::Data && self.max_rep > 0 {
            // All values of a row are decoded at once, with two levels, a view and offsets of each list around them.
            let value = 36 + 8 * (u64::from(self.max_rep.unsigned_abs()) - 1) + self.width;
            memory = memory.saturating_add(u64::from(header.values).saturating_mul(value));
        }
        memory
    }

    /// Whether the lengths in a delta-encoded page are those of a page.
    fn check_lengths(&self, page: &Page) -> Result<()> {
        let prefixes = match page.encoding() {
            Encoding::DELTA_BYTE_ARRAY => true,
            Encoding::DELTA_LENGTH_BYTE_ARRAY if !self.fixed => false,
            _ => return Ok(()),
        };
        let buf = page.buffer();
        let at = match page {
            Page::DataPage { def_level_encoding, rep_level_encoding, num_values, .. } => {
                let rep = levels_len(buf, self.max_rep, *rep_level_encoding, *num_values);
                rep.and_then(|rep| {
                    let rest = buf.get(rep..)?;
                    levels_len(rest, self.max_def, *def_level_encoding, *num_values)?.checked_add(rep)
                })
            }
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                Some(*def_levels_byte_len as usize + *rep_levels_byte_len as usize)
            }
            Page::DictionaryPage { .. } => None,
        };
        match at.and_then(|at| buf.get(at..)) {
            // A page of nulls may have no values at all.
            Some([]) => Ok(()),
            Some(values) if delta::plausible(values, prefixes, page.num_values()) => Ok(()),
            _ => refuse("the lengths in a page are damaged or over the limit"),
        }
    }
}

/// Bytes of the levels that a data page of the first version begins with.
fn levels_len(buf: &[u8], max: i16, encoding: Encoding, values: u32) -> Option<usize> {
    if max == 0 {
        return Some(0);
    }
    if encoding == Encoding::RLE {
        let len = buf.first_chunk::<4>()?;
        return usize::try_from(u32::from_le_bytes(*len)).ok()?.checked_add(4);
    }
    let bits = u64::from(16 - (max as u16).leading_zeros());
    usize::try_from((u64::from(values) * bits).div_ceil(8)).ok()
}

/// `Encoding` of `parquet.thrift`.
fn encoding(number: i64) -> Result<Encoding> {
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        // Levels only, in files of old.
        #[allow(deprecated, reason = "files of old have it")]
        4 => Encoding::BIT_PACKED,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return refuse("its encoding is not known"),
    })
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some((header, body)) = self.peek()? else { return Ok(None) };
        let memory = self.memory(&header);
        if self.meter.batch.load(Ordering::Relaxed) > limits::BATCH_BYTES || memory > 2 * limits::BATCH_BYTES
        {
            self.meter.over.store(true, Ordering::Relaxed);
            return refuse("one of its rows is over the limit of 512 MiB");
        }
        self.skip_next_page()?;
        let page = self.decode(header, body)?;
        if page.is_data_page() {
            self.meter.values.fetch_add(u64::from(page.num_values()), Ordering::Relaxed);
        }
        self.meter.batch.fetch_add(memory, Ordering::Relaxed);
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Ok(self.peek()?.map(|(header, _)| PageMetadata {
            // The levels tell, and a header that says otherwise would only be believed here.
            num_rows: None,
            num_levels: (header.kind == PageKind::Data).then_some(header.values as usize),
            is_dict: header.kind == PageKind::Dictionary,
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        if let Some((header, body)) = self.peek()? {
            self.left.start = body + u64::from(header.compressed);
            self.next = None;
        }
        Ok(())
    }
}
