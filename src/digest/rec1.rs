//! `rec1`: the identity of a record whatever table holds it.
//!
//! `rec1` = SHA-256("pv-rec1\0" ‖ E(record)), where E is deterministic CBOR (RFC 8949 §4.2.1) of a map from field name
//! to value. A text or a run of bytes stands there as its plain SHA-256 under a tag, so that a record can be encoded
//! before its contents are hashed: the encoder leaves a *hole* of 32 bytes, and whoever has the digest fills it.
//! `docs/rec1.md` has the rules one by one.

use std::cmp::Ordering;

/// What is hashed before the encoding of a record.
pub const DOMAIN: &[u8] = b"pv-rec1\0";

/// What is hashed before the bytes of a record that cannot be parsed.
pub const RAW_DOMAIN: &[u8] = b"pv-rec1-raw\0";

/// Bytes of a hole.
pub const HOLE: usize = 32;

/// Tags of the encoding: numbers of the range that is given out first come, first served (RFC 8949 §9.2). They mean
/// something inside a record only.
pub mod tag {
    /// SHA-256 of a text or of bytes.
    pub const CONTENT: u64 = 80_001;
    /// Nanoseconds since 1970 in UTC.
    pub const TIMESTAMP: u64 = 80_002;
    /// Days since 1970-01-01.
    pub const DATE: u64 = 80_003;
    /// `[unscaled, scale]`, without trailing zeros.
    pub const DECIMAL: u64 = 80_004;
    /// Nanoseconds since midnight.
    pub const TIME: u64 = 80_005;
    /// Nanoseconds.
    pub const DURATION: u64 = 80_006;
    /// `[months, days, nanoseconds]`.
    pub const INTERVAL: u64 = 80_007;
    /// Integers beyond 64 bits (RFC 8949 §3.4.3).
    pub const POSITIVE_BIGNUM: u64 = 2;
    /// Negative ones: −1 − n.
    pub const NEGATIVE_BIGNUM: u64 = 3;
}

/// The order of a map's keys: that of their encodings, byte by byte (RFC 8949 §4.2.1). Of texts, the shorter one comes
/// first.
pub fn key_order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

/// Writes deterministic CBOR. The caller sorts keys by [`key_order`] and gives counts that hold.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// An encoder that goes on after these bytes.
    pub fn after(bytes: Vec<u8>) -> Self {
        Encoder { bytes }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes back what was written after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Bytes as they are, which are no CBOR: a domain.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A map of so many keys and values follows.
    pub fn map(&mut self, len: usize) {
        self.head(5, len as u64);
    }

    /// An array of so many values follows.
    pub fn array(&mut self, len: usize) {
        self.head(4, len as u64);
    }

    /// A key of a map.
    pub fn key(&mut self, name: &str) {
        self.head(3, name.len() as u64);
        self.bytes.extend_from_slice(name.as_bytes());
    }

    /// Bytes as they are, inside a key that is no text.
    pub fn bytes(&mut self, value: &[u8]) {
        self.head(2, value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// A value that is missing, inside a list.
    pub fn null(&mut self) {
        self.bytes.push(0xf6);
    }

    /// True or false.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(if value { 0xf5 } else { 0xf4 });
    }

    /// An integer of any width, by its value.
    pub fn integer(&mut self, value: i128) {
        // −1 − n is what CBOR encodes of a negative number: all bits turned round.
        let (major, magnitude) = if value < 0 { (1, !value as u128) } else { (0, value as u128) };
        match u64::try_from(magnitude) {
            Ok(small) => self.head(major, small),
            Err(_) => self.bignum(value < 0, &magnitude.to_be_bytes()),
        }
    }

    /// An integer beyond 128 bits: big-endian bytes of its value, or of −1 − value where it is negative.
    pub fn bignum(&mut self, negative: bool, magnitude: &[u8]) {
        let zeros = magnitude.iter().take_while(|&&byte| byte == 0).count();
        let digits = &magnitude[zeros..];
        if digits.len() <= 8 {
            let mut small = [0; 8];
            small[8 - digits.len()..].copy_from_slice(digits);
            return self.head(u8::from(negative), u64::from_be_bytes(small));
        }
        self.tag(if negative { tag::NEGATIVE_BIGNUM } else { tag::POSITIVE_BIGNUM });
        self.head(2, digits.len() as u64);
        self.bytes.extend_from_slice(digits);
    }

    /// A float in the shortest form that keeps its value; there is one NaN, and −0.0 is not 0.0.
    pub fn float(&mut self, value: f64) {
        if value.is_nan() {
            return self.bytes.extend_from_slice(&[0xf9, 0x7e, 0x00]);
        }
        let single = value as f32;
        if f64::from(single).to_bits() != value.to_bits() {
            self.bytes.push(0xfb);
            self.bytes.extend_from_slice(&value.to_be_bytes());
        } else if let Some(half) = half(single) {
            self.bytes.push(0xf9);
            self.bytes.extend_from_slice(&half.to_be_bytes());
        } else {
            self.bytes.push(0xfa);
            self.bytes.extend_from_slice(&single.to_be_bytes());
        }
    }

    /// The value that follows is of this kind.
    pub fn tag(&mut self, tag: u64) {
        self.head(6, tag);
    }

    /// A text or a run of bytes whose SHA-256 is not known yet: where its hole begins.
    pub fn hole(&mut self) -> usize {
        self.tag(tag::CONTENT);
        self.head(2, HOLE as u64);
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HOLE]);
        at
    }

    /// A text or a run of bytes with this SHA-256.
    pub fn content(&mut self, sha256: &[u8; HOLE]) {
        let at = self.hole();
        self.bytes[at..at + HOLE].copy_from_slice(sha256);
    }

    /// The head of a data item (RFC 8949 §3), its argument in the shortest form.
    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        match argument {
            0..=23 => self.bytes.push(major | argument as u8),
            24..=0xff => self.bytes.extend_from_slice(&[major | 24, argument as u8]),
            0x100..=0xffff => {
                self.bytes.push(major | 25);
                self.bytes.extend_from_slice(&(argument as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.bytes.push(major | 26);
                self.bytes.extend_from_slice(&(argument as u32).to_be_bytes());
            }
            _ => {
                self.bytes.push(major | 27);
                self.bytes.extend_from_slice(&argument.to_be_bytes());
            }
        }
    }
}

/// The half-precision float of exactly this value (IEEE 754 binary16), if there is one.
fn half(single: f32) -> Option<u16> {
    let bits = single.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = ((bits >> 23) & 0xff) as i32 - 127;
    let mantissa = bits & 0x7f_ffff;
    match exponent {
        128 => Some(sign | 0x7c00),
        -127 if mantissa == 0 => Some(sign),
        -14..=15 if mantissa & 0x1fff == 0 => {
            Some(sign | (((exponent + 15) as u16) << 10) | (mantissa >> 13) as u16)
        }
        -24..=-15 => {
            // A subnormal half: its last bit is worth 2⁻²⁴.
            let whole = mantissa | 0x80_0000;
            let shift = (-exponent - 1) as u32;
            (whole & ((1 << shift) - 1) == 0).then_some(sign | (whole >> shift) as u16)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Encoder)) -> String {
        let mut encoder = Encoder::default();
        write(&mut encoder);
        hex::encode(encoder.into_bytes())
    }

    /// RFC 8949, appendix A.
    #[test]
    fn integers_are_as_in_the_appendix() {
        for (value, expected) in [
            (0, "00"),
            (23, "17"),
            (24, "1818"),
            (1000, "1903e8"),
            (1_000_000, "1a000f4240"),
            (1_000_000_000_000, "1b000000e8d4a51000"),
            (18_446_744_073_709_551_615, "1bffffffffffffffff"),
            (18_446_744_073_709_551_616, "c249010000000000000000"),
            (-18_446_744_073_709_551_616, "3bffffffffffffffff"),
            (-18_446_744_073_709_551_617, "c349010000000000000000"),
            (-1, "20"),
            (-1000, "3903e7"),
        ] {
            assert_eq!(written(|e| e.integer(value)), expected, "{value}");
            let (negative, magnitude) = if value < 0 { (true, !value) } else { (false, value) };
            let wide = [&[0; 16][..], &magnitude.to_be_bytes()].concat();
            assert_eq!(written(|e| e.bignum(negative, &wide)), expected, "{value}");
        }
    }

    /// RFC 8949, appendix A.
    #[test]
    fn floats_are_as_in_the_appendix() {
        for (value, expected) in [
            (0.0, "f90000"),
            (-0.0, "f98000"),
            (1.0, "f93c00"),
            (1.1, "fb3ff199999999999a"),
            (1.5, "f93e00"),
            (65504.0, "f97bff"),
            (100_000.0, "fa47c35000"),
            (3.402_823_466_385_288_6e38, "fa7f7fffff"),
            (1.0e300, "fb7e37e43c8800759c"),
            (5.960_464_477_539_063e-8, "f90001"),
            (0.000_061_035_156_25, "f90400"),
            (-4.1, "fbc010666666666666"),
            (f64::INFINITY, "f97c00"),
            (f64::NEG_INFINITY, "f9fc00"),
            (f64::NAN, "f97e00"),
            (-f64::NAN, "f97e00"),
        ] {
            assert_eq!(written(|e| e.float(value)), expected, "{value}");
        }
        assert_eq!(written(|e| e.float(f64::from(f32::from_bits(1)))), "fa00000001");
        assert_eq!(written(|e| e.float(5.960_464_477_539_063e-8 * 3.0)), "f90003");
        assert_eq!(written(|e| e.float(5.960_464_477_539_063e-8 / 2.0)), "fa33000000");
    }

    #[test]
    fn a_hole_is_a_tagged_digest_to_come() {
        let mut encoder = Encoder::default();
        encoder.map(1);
        encoder.key("a");
        let at = encoder.hole();
        assert_eq!(at, encoder.len() - HOLE);
        let filled = written(|e| {
            e.map(1);
            e.key("a");
            e.content(&[7; HOLE]);
        });
        let mut bytes = encoder.into_bytes();
        bytes[at..].copy_from_slice(&[7; HOLE]);
        assert_eq!(hex::encode(&bytes), filled);
        assert!(filled.starts_with("a16161da000138815820"));
    }

    #[test]
    fn shorter_keys_come_first() {
        let mut keys = ["b", "aa", "a", "", "ab", "é"];
        keys.sort_by(|a, b| key_order(a, b));
        assert_eq!(keys, ["", "a", "b", "aa", "ab", "é"]);
    }
}
