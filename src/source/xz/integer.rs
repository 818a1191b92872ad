//! Integers of variable length (xz-file-format 1.2.1 §1.2).

/// An integer being read: seven bits a byte, the lowest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Integer {
    value: u64,
    bits: u32,
}

impl Integer {
    /// Takes the next byte; returns the value after the last one.
    pub fn push(&mut self, byte: u8) -> Result<Option<u64>, &'static str> {
        self.value |= u64::from(byte & 0x7f) << self.bits;
        let first = self.bits == 0;
        self.bits += 7;
        match byte {
            // It would be shorter without.
            0 if !first => Err("a number in it is not valid"),
            0x80.. if self.bits == 63 => Err("a number in it is not valid"),
            0x80.. => Ok(None),
            _ => Ok(Some(std::mem::take(self).value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<u64>, &'static str> {
        let mut integer = Integer::default();
        bytes.iter().try_fold(None, |_, &byte| integer.push(byte))
    }

    #[test]
    fn integers_have_one_form_each() {
        assert_eq!(read(&[0]), Ok(Some(0)));
        assert_eq!(read(&[0x7f]), Ok(Some(127)));
        assert_eq!(read(&[0x80, 1]), Ok(Some(128)));
        assert_eq!(read(&[0x80]), Ok(None));
        assert_eq!(read(&[[0xff; 8].as_slice(), &[0x7f]].concat()), Ok(Some((1 << 63) - 1)));
        assert!(read(&[0x80, 0]).is_err());
        assert!(read(&[0xff; 9]).is_err());
    }
}
