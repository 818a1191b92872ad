//! The encodings of values (`streaming/base/format/mds/encodings.py` of mosaicml-streaming 0.13.0).

use super::array::{Array, Kind};
use crate::digest::rec1::{Encoder, tag};
use crate::shard::jsonl::number::{MOST_DIGITS, float, integer};

/// How the values of a column are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes as they are: `bytes`, images in their own format, images of PIL with their header, and pickles, which are
    /// never unpickled.
    Bytes,
    /// UTF-8.
    Text,
    /// One number.
    Number(Kind),
    /// Digits.
    Integer,
    /// A float as Python writes it.
    Float,
    /// A decimal as Python writes it.
    Decimal,
    /// JSON.
    Json,
    /// Numbers in rows and columns.
    Array(Array),
    /// Images, after a placeholder of four bytes, their number and their lengths.
    List,
    /// Images after their number and their lengths.
    JpegArray,
    /// It is not known: its values count as bytes.
    Unknown,
}

/// Why a value is not what its column says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It cannot be read as one.
    Value(&'static str),
    /// It can, and records have no such value.
    NoIdentity(&'static str),
}

impl Encoding {
    /// The encoding of this name.
    pub fn named(name: &str) -> Encoding {
        if let Some(kind) = Kind::named(name) {
            return Encoding::Number(kind);
        }
        match name {
            "bytes" | "jpeg" | "png" | "pil" | "pkl" => Encoding::Bytes,
            "str" => Encoding::Text,
            "int" => Encoding::Number(Kind::Int(8)),
            "str_int" => Encoding::Integer,
            "str_float" => Encoding::Float,
            "str_decimal" => Encoding::Decimal,
            "json" => Encoding::Json,
            "list[pil]" | "list[jpeg]" | "list[png]" => Encoding::List,
            "jpeg_array" | "jpegarray" => Encoding::JpegArray,
            _ => Array::named(name).map_or(Encoding::Unknown, Encoding::Array),
        }
    }

    /// The length of each value, where it is fixed.
    pub fn size(&self) -> Option<u64> {
        match self {
            Encoding::Number(kind) => Some(kind.size() as u64),
            Encoding::Array(array) => array.size(),
            _ => None,
        }
    }
}

/// Writes digits as Python's `str` does of an integer.
///
/// # Errors
/// Where they are none.
pub fn digits(value: &[u8], to: &mut Option<&mut Encoder>) -> Result<(), Broken> {
    const NONE: Broken = Broken::Value("it is no integer as Python writes it");
    let text = std::str::from_utf8(value).map_err(|_| NONE)?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (digits.len() > 1 && digits.starts_with('0')) || digits.len() > MOST_DIGITS {
        return Err(NONE);
    }
    if let Some(to) = to {
        integer(text, to);
    }
    Ok(())
}

/// Writes a float as Python's `str` does: `1.5`, `1e-05`, `inf`, `nan`.
///
/// # Errors
/// Where it is none.
pub fn float_text(value: &[u8], to: &mut Option<&mut Encoder>) -> Result<(), Broken> {
    const NONE: Broken = Broken::Value("it is no float as Python writes it");
    let text = std::str::from_utf8(value).map_err(|_| NONE)?;
    text.parse::<f64>().map_err(|_| NONE)?;
    if let Some(to) = to {
        float(text, to);
    }
    Ok(())
}

/// Writes a decimal as Python's `str` does of a `Decimal`: `-12.50`, `1E+3`, `0E-10`.
///
/// # Errors
/// Where it is none, and where it is no number.
pub fn decimal(value: &[u8], to: &mut Option<&mut Encoder>) -> Result<(), Broken> {
    const NONE: Broken = Broken::Value("it is no decimal as Python writes it");
    let text = std::str::from_utf8(value).map_err(|_| NONE)?;
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    if matches!(text, "NaN" | "sNaN" | "Infinity") {
        return Err(Broken::NoIdentity("it is a decimal that is no number"));
    }
    let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().map_err(|_| NONE)?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = [whole, part].concat();
    if digits.is_empty() || digits.len() > MOST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NONE);
    }
    let Some(to) = to else { return Ok(()) };
    let mut scale = part.len() as i128 - i128::from(exponent);
    while digits.ends_with('0') {
        digits.pop();
        scale -= 1;
    }
    let digits = digits.trim_start_matches('0');
    to.tag(tag::DECIMAL);
    to.array(2);
    if digits.is_empty() {
        to.integer(0);
        to.integer(0);
    } else {
        integer(&format!("{sign}{digits}"), to);
        to.integer(scale);
    }
    Ok(())
}

/// Where the parts of a list of images lie in its value, after as many bytes that are 0 as it has in front.
///
/// # Errors
/// Where they do not lie in it.
pub fn parts(value: &[u8], zeros: usize) -> Result<Vec<std::ops::Range<usize>>, Broken> {
    const SHORT: Broken = Broken::Value("its parts do not lie in it");
    let number = |at: usize| -> Option<usize> {
        usize::try_from(u32::from_le_bytes(value.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
    };
    if value.get(..zeros).ok_or(SHORT)?.iter().any(|&byte| byte != 0) {
        return Err(Broken::Value("it begins with a number whose meaning is not known"));
    }
    let count = number(zeros).ok_or(SHORT)?;
    let table = zeros + 4;
    let mut at = count.checked_mul(4).and_then(|len| len.checked_add(table)).ok_or(SHORT)?;
    if at > value.len() {
        return Err(SHORT);
    }
    let mut parts = Vec::with_capacity(count);
    for index in 0..count {
        let end = number(table + 4 * index).and_then(|len| at.checked_add(len)).ok_or(SHORT)?;
        if end > value.len() {
            return Err(SHORT);
        }
        parts.push(at..end);
        at = end;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Write = fn(&[u8], &mut Option<&mut Encoder>) -> Result<(), Broken>;

    fn written(write: Write, text: &str) -> Option<String> {
        let mut encoder = Encoder::default();
        write(text.as_bytes(), &mut Some(&mut encoder)).ok()?;
        assert!(write(text.as_bytes(), &mut None).is_ok());
        Some(hex::encode(encoder.into_bytes()))
    }

    #[test]
    fn texts_are_numbers() {
        assert_eq!(written(digits, "-1000").as_deref(), Some("3903e7"));
        assert_eq!(written(digits, "18446744073709551616").as_deref(), Some("c249010000000000000000"));
        for text in ["", "-", "+1", "01", "1_0", " 1", "1.0", "é"] {
            assert_eq!(written(digits, text), None, "{text}");
        }
        assert_eq!(written(float_text, "1.5").as_deref(), Some("f93e00"));
        assert_eq!(written(float_text, "-inf").as_deref(), Some("f9fc00"));
        assert_eq!(written(float_text, "nan").as_deref(), Some("f97e00"));
        assert_eq!(written(float_text, "1e-05"), written(float_text, "0.00001"));
        assert_eq!(written(float_text, "x"), None);
    }

    #[test]
    fn a_decimal_has_one_form() {
        let tagged = |rest: &str| Some(format!("da00013884{rest}"));
        for (text, rest) in [
            ("12.50", "82187d01"),
            ("-12.5", "82387c01"),
            ("1000", "820122"),
            ("1E+3", "820122"),
            ("0E-10", "820000"),
            ("-0.00", "820000"),
            ("0.001", "820103"),
        ] {
            assert_eq!(written(decimal, text), tagged(rest), "{text}");
        }
        for text in ["", ".", "-", "1E", "1e3x", "1,5", "--1", "1.2.3"] {
            assert_eq!(written(decimal, text), None, "{text}");
        }
        assert!(matches!(decimal(b"-Infinity", &mut None), Err(Broken::NoIdentity(_))));
    }

    #[test]
    fn parts_lie_in_their_list() {
        let list = |zeros: usize, lens: &[u32], rest: &[u8]| {
            let count = lens.len() as u32;
            let lens = lens.iter().flat_map(|len| len.to_le_bytes()).collect::<Vec<u8>>();
            [&vec![0; zeros][..], &count.to_le_bytes(), &lens, rest].concat()
        };
        assert_eq!(parts(&list(4, &[1, 0, 2], b"abc+"), 4), Ok(vec![20..21, 21..21, 21..23]));
        assert_eq!(parts(&list(0, &[], b""), 0), Ok(vec![]));
        assert!(parts(&list(0, &[4], b"abc"), 0).is_err());
        assert!(parts(&list(0, &[u32::MAX, 1], b"abc"), 0).is_err());
        assert!(parts(&u32::MAX.to_le_bytes(), 0).is_err());
        assert!(parts(b"\x01\0\0\0\0\0\0\0", 4).is_err());
        for cut in 0..8 {
            assert!(parts(&[0; 8][..cut], 4).is_err());
        }
    }
}
