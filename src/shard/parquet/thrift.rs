//! Thrift's compact protocol, as far as Parquet needs it, and a look over a whole footer.
//!
//! The encoding is that of `thrift-compact-protocol.md` (Apache Thrift); the fields are those of `parquet.thrift`
//! (Apache Parquet format 2.11). Nothing is allocated by a declared size.

use super::limits;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
/// A type of fields.
pub const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
/// A type of fields.
pub const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Structs nest no deeper than this in what Parquet defines; more would only use up the stack.
pub const DEPTH: u32 = 24;

/// Why something could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The bytes end before it does.
    Short,
    /// It is not what it should be.
    Bad(&'static str),
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

/// A decoder over bytes at hand.
pub struct Compact<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// How many of them were decoded.
    pub at: usize,
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

    /// A signed number.
    pub fn zigzag(&mut self) -> Result<i64, Trouble> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The number and type of the next field; `None` at the end of the struct.
    pub fn field(&mut self, last: &mut i16) -> Result<Option<(i16, u8)>, Trouble> {
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
    pub fn numbers(&mut self) -> Result<[Option<i64>; 8], Trouble> {
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

    /// Passes over a value of this type, which nests no deeper than this.
    pub fn skip(&mut self, of: u8, depth: u32) -> Result<(), Trouble> {
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
