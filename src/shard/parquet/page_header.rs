//! The header that each page of a column chunk has in front (`PageHeader` in `parquet.thrift`).

use super::limits;
use super::thrift::{Compact, DEPTH, I32, STRUCT, Trouble};

/// What a page header says of its page (`PageHeader` in `parquet.thrift`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// What the page holds.
    pub kind: PageKind,
    /// Bytes of the page once decompressed, levels included.
    pub uncompressed: u32,
    /// Bytes of the page as they lie in the file.
    pub compressed: u32,
    /// CRC-32 of those bytes, where the writer gave one.
    pub crc: Option<u32>,
    /// Values, nulls included where it is a page of data.
    pub values: u32,
    /// The number of the encoding of the values.
    pub encoding: i64,
    /// What a page of data says beyond that.
    pub levels: Levels,
}

/// How a page of data holds its levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    /// In the compressed body, in these encodings (`DataPageHeader`).
    Inside {
        /// Of definition levels.
        def: i64,
        /// Of repetition levels.
        rep: i64,
    },
    /// Before the values, never compressed (`DataPageHeaderV2`).
    Before {
        /// Values that are null.
        nulls: u32,
        /// Rows.
        rows: u32,
        /// Bytes of definition levels.
        def: u32,
        /// Bytes of repetition levels.
        rep: u32,
        /// Whether the values are compressed.
        compressed: bool,
    },
}

impl PageHeader {
    /// Whether its sizes can be those of a page in a chunk with so many bytes left, by a codec that can make its input
    /// so many times longer.
    pub fn check(&self, left: u64, stretch: Option<u64>) -> Result<(), &'static str> {
        if u64::from(self.compressed) > left {
            return Err("it reaches over the end of its column chunk");
        }
        if self.compressed > limits::PAGE_COMPRESSED {
            return Err("it is over the limit of 64 MiB");
        }
        if self.uncompressed > limits::PAGE_UNCOMPRESSED {
            return Err("it is over the limit of 256 MiB once decompressed");
        }
        let most = stretch.map(|stretch| u64::from(self.compressed) * stretch + 1024);
        if most.is_some_and(|most| u64::from(self.uncompressed) > most) {
            return Err("its codec cannot make it as long as it is said to be");
        }
        Ok(())
    }
}

/// What a page holds (`PageType` in `parquet.thrift`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// Values, in the first or second version of data pages.
    Data,
    /// The dictionary of the chunk.
    Dictionary,
    /// An index page, or a kind that the format does not define: readers skip it.
    Skipped,
}

/// Decodes the page header that the bytes begin with, and says how long it is.
pub fn page_header(bytes: &[u8]) -> Result<(PageHeader, usize), Trouble> {
    let mut compact = Compact { bytes, at: 0 };
    let (mut kind, mut uncompressed, mut compressed, mut crc) = (None, None, None, None);
    let (mut data, mut dictionary, mut data_v2) = (None, None, None);
    let mut last = 0;
    while let Some((id, of)) = compact.field(&mut last)? {
        match (id, of) {
            (1, I32) => kind = Some(compact.zigzag()?),
            (2, I32) => uncompressed = Some(compact.zigzag()?),
            (3, I32) => compressed = Some(compact.zigzag()?),
            (4, I32) => crc = Some(compact.zigzag()? as u32),
            (5, STRUCT) => data = Some(compact.numbers()?),
            (7, STRUCT) => dictionary = Some(compact.numbers()?),
            (8, STRUCT) => data_v2 = Some(compact.numbers()?),
            (1..=5 | 7 | 8, _) => {
                return Err(Trouble::Bad("a field of its page header is of the wrong type"));
            }
            _ => compact.skip(of, DEPTH)?,
        }
    }
    let kind = kind.ok_or(Trouble::Bad("its page header has no type"))?;
    let (page_kind, own) = match kind {
        0 => (PageKind::Data, data),
        2 => (PageKind::Dictionary, dictionary),
        3 => (PageKind::Data, data_v2),
        _ => (PageKind::Skipped, Some([None; 8])),
    };
    let own = own.ok_or(Trouble::Bad("its page header lacks the part of its type"))?;
    let number =
        |at: usize| own[at].ok_or(Trouble::Bad("the part of its type in its page header lacks a number"));
    let size = |n: Option<i64>| {
        n.and_then(|n| u32::try_from(n).ok())
            .ok_or(Trouble::Bad("a size in its page header is absent or negative"))
    };
    // Fields 1 to 7 of the part of its type stand at their numbers.
    let levels = match kind {
        3 => Levels::Before {
            nulls: size(own[2])?,
            rows: size(own[3])?,
            def: size(own[5])?,
            rep: size(own[6])?,
            // Absent, it says that they are.
            compressed: own[7] != Some(0),
        },
        0 => Levels::Inside { def: number(3)?, rep: number(4)? },
        _ => Levels::Inside { def: 0, rep: 0 },
    };
    let skipped = page_kind == PageKind::Skipped;
    let header = PageHeader {
        kind: page_kind,
        uncompressed: size(uncompressed)?,
        compressed: size(compressed)?,
        crc,
        values: if skipped { 0 } else { size(own[1])? },
        encoding: if skipped { 0 } else { number(if kind == 3 { 4 } else { 2 })? },
        levels,
    };
    Ok((header, compact.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type 0, sizes 5 and 3, a CRC of -1, a data page header of 2 values, plain, with levels by RLE.
    const HEADER: &[u8] =
        &[0x15, 0, 0x15, 10, 0x15, 6, 0x15, 1, 0x1c, 0x15, 4, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0];

    #[test]
    fn a_page_header_is_decoded_once_it_is_whole() {
        let expected = PageHeader {
            kind: PageKind::Data,
            uncompressed: 5,
            compressed: 3,
            crc: Some(u32::MAX),
            values: 2,
            encoding: 0,
            levels: Levels::Inside { def: 3, rep: 3 },
        };
        assert_eq!(page_header(HEADER), Ok((expected, HEADER.len())));
        for cut in 0..HEADER.len() {
            assert_eq!(page_header(&HEADER[..cut]), Err(Trouble::Short));
        }
    }

    #[test]
    fn negative_sizes_and_wrong_types_are_refused() {
        for (at, value) in [(3, 9), (5, 5), (0, 0x16), (1, 6), (1, 4)] {
            let mut bytes = HEADER.to_vec();
            bytes[at] = value;
            assert!(matches!(page_header(&bytes), Err(Trouble::Bad(_))), "{at}");
        }
    }
}
