//! Thrift's compact protocol, as far as Parquet's page headers need it, and a look over a whole footer.
//!
//! The encoding is that of `thrift-compact-protocol.md` (Apache Thrift); the fields are those of `parquet.thrift`
//! (Apache Parquet format 2.11). Nothing is allocated here, so no declared size can ask for memory.

use super::limits;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Structs nest no deeper than this in what Parquet defines; more would only use up the stack.
const DEPTH: u32 = 24;

/// Why something could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The bytes end before it does.
    Short,
    /// It is not what it should be.
    Bad(&'static str),
}

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

/// Looks over a footer (`FileMetaData`) before anything is built from it: it is one struct that fills the bytes, its
/// lists can be as long as they say, and its schema is a tree of bounded depth.
pub fn look_over_footer(bytes: &[u8]) -> Result<(), Trouble> {
    let mut compact = Compact { bytes, at: 0 };
    let mut last = 0;
    while let Some((id, of)) = compact.field(&mut last)? {
        match (id, of) {
            (2, LIST) => compact.schema()?,
            _ => compact.skip(of, DEPTH)?,
        }
    }
    if compact.at == bytes.len() { Ok(()) } else { Err(Trouble::Bad("its footer has bytes after its end")) }
}

/// The length of the bloom filter whose header the bytes begin with: header and bits (`BloomFilterHeader`).
pub fn bloom_filter_len(bytes: &[u8]) -> Result<u64, Trouble> {
    let mut compact = Compact { bytes, at: 0 };
    let bits = compact.first_number()?.and_then(|n| u64::try_from(n).ok());
    let bits = bits.ok_or(Trouble::Bad("a bloom filter has no length"))?;
    Ok(compact.at as u64 + bits)
}

struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Result<u8, Trouble> {
        let byte = *self.bytes.get(self.at).ok_or(Trouble::Short)?;
        self.at += 1;
        Ok(byte)
    }

    /// Little-endian base 128, as many bytes as 64 bits need.
    fn varint(&mut self) -> Result<u64, Trouble> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Trouble::Bad("a number is too long"))
    }

    fn zigzag(&mut self) -> Result<i64, Trouble> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The number and type of the next field; `None` at the end of the struct.
    fn field(&mut self, last: &mut i16) -> Result<Option<(i16, u8)>, Trouble> {
        let byte = self.byte()?;
        let of = byte & 0x0f;
        if of == 0 {
            return Ok(None);
        }
        *last = match byte >> 4 {
            0 => i16::try_from(self.zigzag()?).map_err(|_| Trouble::Bad("a field number is too large"))?,
            delta => last.checked_add(i16::from(delta)).ok_or(Trouble::Bad("a field number is too large"))?,
        };
        Ok(Some((*last, of)))
    }

    /// Passes over a struct, and returns its first field where that is a number.
    fn first_number(&mut self) -> Result<Option<i64>, Trouble> {
        let mut first = None;
        let mut last = 0;
        while let Some((id, of)) = self.field(&mut last)? {
            match (id, of) {
                (1, I32) => first = Some(self.zigzag()?),
                _ => self.skip(of, DEPTH - 1)?,
            }
        }
        Ok(first)
    }

    /// Passes over a struct, and returns its numbers and truth values by their field, up to the seventh.
    fn numbers(&mut self) -> Result<[Option<i64>; 8], Trouble> {
        let mut numbers = [None; 8];
        let mut last = 0;
        while let Some((id, of)) = self.field(&mut last)? {
            let number = match of {
                I32 => Some(self.zigzag()?),
                TRUE | FALSE => Some(i64::from(of == TRUE)),
                _ => {
                    self.skip(of, DEPTH - 1)?;
                    None
                }
            };
            if let Some(slot) = usize::try_from(id).ok().and_then(|id| numbers.get_mut(id)) {
                *slot = number;
            }
        }
        Ok(numbers)
    }

    fn list(&mut self) -> Result<(u64, u8), Trouble> {
        let byte = self.byte()?;
        let size = match byte >> 4 {
            15 => self.varint()?,
            size => u64::from(size),
        };
        let of = byte & 0x0f;
        // What is built of a struct takes far more memory than the byte that an empty one takes here.
        let left = (self.bytes.len() - self.at) as u64;
        if of == STRUCT && size > limits::FREE_STRUCTS && size > left / limits::STRUCT_BYTES {
            return Err(Trouble::Bad("a list is longer than its bytes can hold"));
        }
        Ok((size, of))
    }

    fn pass(&mut self, len: u64) -> Result<(), Trouble> {
        let left = (self.bytes.len() - self.at) as u64;
        if len > left {
            return Err(Trouble::Short);
        }
        self.at += len as usize;
        Ok(())
    }

    fn skip(&mut self, of: u8, depth: u32) -> Result<(), Trouble> {
        if depth == 0 {
            return Err(Trouble::Bad("it nests too deep"));
        }
        match of {
            TRUE | FALSE => Ok(()),
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.pass(8),
            UUID => self.pass(16),
            BINARY => {
                let len = self.varint()?;
                self.pass(len)
            }
            LIST | SET => {
                let (size, of) = self.list()?;
                (0..size).try_for_each(|_| self.element(of, depth - 1))
            }
            MAP => {
                let size = self.varint()?;
                if size == 0 {
                    return Ok(());
                }
                let of = self.byte()?;
                (0..size).try_for_each(|_| {
                    self.element(of >> 4, depth - 1)?;
                    self.element(of & 0x0f, depth - 1)
                })
            }
            STRUCT => {
                let mut last = 0;
                while let Some((_, of)) = self.field(&mut last)? {
                    self.skip(of, depth - 1)?;
                }
                Ok(())
            }
            _ => Err(Trouble::Bad("it has a field of an unknown type")),
        }
    }

    /// An element of a collection: here a truth value has a byte of its own.
    fn element(&mut self, of: u8, depth: u32) -> Result<(), Trouble> {
        match of {
            TRUE | FALSE => self.pass(1),
            _ => self.skip(of, depth),
        }
    }

    /// The schema is a list of elements in pre-order, each saying how many children follow it (`num_children`, field
    /// 5): the tree is checked here because builders of it recurse and reserve room by what it says.
    fn schema(&mut self) -> Result<(), Trouble> {
        let (size, of) = self.list()?;
        if of != STRUCT || size == 0 || size > limits::SCHEMA_ELEMENTS {
            return Err(Trouble::Bad("its schema is empty or over the limit"));
        }
        // Children still to come, outermost first.
        let mut open: Vec<u64> = Vec::new();
        for index in 0..size {
            let mut children = 0;
            let mut last = 0;
            while let Some((id, of)) = self.field(&mut last)? {
                match (id, of) {
                    (5, I32) => children = self.zigzag()?,
                    _ => self.skip(of, DEPTH)?,
                }
            }
            match open.last_mut() {
                Some(left) => *left -= 1,
                None if index > 0 => return Err(Trouble::Bad("its schema has two roots")),
                None => {}
            }
            let children = u64::try_from(children).map_err(|_| Trouble::Bad("its schema is no tree"))?;
            if children >= size - index {
                return Err(Trouble::Bad("its schema is no tree"));
            }
            open.push(children);
            if open.len() > limits::SCHEMA_DEPTH {
                return Err(Trouble::Bad("its schema nests too deep"));
            }
            while open.last() == Some(&0) {
                open.pop();
            }
        }
        if open.is_empty() { Ok(()) } else { Err(Trouble::Bad("its schema is no tree")) }
    }
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

    #[test]
    fn deep_nesting_and_declared_sizes_cost_nothing() {
        assert_eq!(look_over_footer(&[0x1c; 100_000]), Err(Trouble::Bad("it nests too deep")));
        let list = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(matches!(look_over_footer(&list), Err(Trouble::Bad(_))));
        assert_eq!(look_over_footer(&[0x18, 0xff, 0xff, 0xff, 0x7f]), Err(Trouble::Short));
    }

    #[test]
    fn a_schema_must_be_a_tree() {
        // Field 2: a list of `count` structs, of which each has as many children as it says.
        let schema = |children: &[u8]| {
            let mut bytes = vec![0x29, (children.len() as u8) << 4 | STRUCT];
            for &n in children {
                bytes.extend_from_slice(&[0x55, n * 2, 0]);
            }
            bytes.push(0);
            look_over_footer(&bytes)
        };
        assert_eq!(schema(&[2, 0, 1, 0]), Ok(()));
        for bad in [&[2, 0][..], &[0, 0], &[1, 1, 0, 0], &[100]] {
            assert!(matches!(schema(bad), Err(Trouble::Bad(_))), "{bad:?}");
        }
    }
}
