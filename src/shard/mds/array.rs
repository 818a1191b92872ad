//! Numbers, and arrays of them as NumPy has them in memory, row by row.

use crate::digest::rec1::Encoder;

use super::encoding::Broken;

/// The kind of a number, with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Kind {
    Int(usize),
    Unsigned(usize),
    Float(usize),
}

/// An array whose kind and shape its column may say; where it does not, each value says them in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    kind: Option<Kind>,
    shape: Option<Vec<usize>>,
}

/// An array that was looked at: all of it is there.
pub struct Sound<'v> {
    kind: Kind,
    shape: Vec<usize>,
    numbers: &'v [u8],
}

/// Axes of an array: six bits say how many.
const MOST_AXES: usize = 63;

/// Numbers and arrays that may be written for each byte of a value: axes of length 1 cost bytes in a record only.
const MOST_FOR_BYTE: usize = 4;

impl Kind {
    /// The kind that NumPy calls so.
    pub fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "int8" => Kind::Int(1),
            "int16" => Kind::Int(2),
            "int32" => Kind::Int(4),
            "int64" => Kind::Int(8),
            "uint8" => Kind::Unsigned(1),
            "uint16" => Kind::Unsigned(2),
            "uint32" => Kind::Unsigned(4),
            "uint64" => Kind::Unsigned(8),
            "float16" => Kind::Float(2),
            "float32" => Kind::Float(4),
            "float64" => Kind::Float(8),
            _ => return None,
        })
    }

    /// The kind that stands in front of an array: its bits, and what they are.
    fn numbered(number: u8) -> Option<Kind> {
        Some(match number {
            8 => Kind::Unsigned(1),
            9 => Kind::Int(1),
            16 => Kind::Unsigned(2),
            17 => Kind::Int(2),
            18 => Kind::Float(2),
            32 => Kind::Unsigned(4),
            33 => Kind::Int(4),
            34 => Kind::Float(4),
            64 => Kind::Unsigned(8),
            65 => Kind::Int(8),
            66 => Kind::Float(8),
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Kind::Int(size) | Kind::Unsigned(size) | Kind::Float(size) => size,
        }
    }

    /// Writes a number of as many bytes as it has.
    pub fn write(self, bytes: &[u8], to: &mut Encoder) {
        let mut wide = [0; 8];
        let len = bytes.len().min(8);
        wide[..len].copy_from_slice(&bytes[..len]);
        let bits = u64::from_le_bytes(wide);
        let unused = 64 - 8 * self.size();
        match self {
            Kind::Unsigned(_) => to.integer(bits.into()),
            // Shifted up and down again, the sign is that of the number.
            Kind::Int(_) => to.integer((((bits << unused) as i64) >> unused).into()),
            Kind::Float(2) => to.float(half(bits as u16)),
            Kind::Float(4) => to.float(f32::from_bits(bits as u32).into()),
            Kind::Float(_) => to.float(f64::from_bits(bits)),
        }
    }
}

/// The value of a half-precision float (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

impl Array {
    /// The array of `ndarray`, `ndarray:KIND` and `ndarray:KIND:3,224,224`.
    pub fn named(name: &str) -> Option<Array> {
        let rest = name.strip_prefix("ndarray")?;
        let (kind, shape) = match rest.strip_prefix(':') {
            None if rest.is_empty() => (None, None),
            None => return None,
            Some("") => (None, None),
            Some(rest) => {
                let (kind, shape) =
                    rest.split_once(':').map_or((rest, None), |(kind, shape)| (kind, Some(shape)));
                (Some(Kind::named(kind)?), shape)
            }
        };
        let axis = |text: &str| text.parse::<usize>().ok().filter(|&len| len > 0 && len <= u32::MAX as usize);
        let shape = match shape {
            Some(shape) => Some(shape.split(',').map(axis).collect::<Option<Vec<_>>>()?),
            None => None,
        };
        if shape.as_ref().is_some_and(|shape| shape.len() > MOST_AXES) {
            return None;
        }
        Some(Array { kind, shape })
    }

    /// The length of a value, where the column says kind and shape.
    pub fn size(&self) -> Option<u64> {
        let (kind, shape) = (self.kind?, self.shape.as_ref()?);
        let product = |product: u64, &axis: &usize| product.checked_mul(axis as u64);
        // One that no sample can hold fits no size either.
        Some(shape.iter().try_fold(kind.size() as u64, product).unwrap_or(u64::MAX))
    }

    /// Looks at a value.
    ///
    /// # Errors
    /// Where it is no such array.
    pub fn look<'v>(&self, value: &'v [u8]) -> Result<Sound<'v>, Broken> {
        const SHORT: Broken = Broken::Value("the array is cut short");
        let mut rest = value;
        let mut take = |len: usize| {
            let (taken, left) = rest.split_at_checked(len).ok_or(SHORT)?;
            rest = left;
            Ok::<_, Broken>(taken)
        };
        let kind = match self.kind {
            Some(kind) => kind,
            None => {
                Kind::numbered(take(1)?[0]).ok_or(Broken::Value("the array is of no kind that is known"))?
            }
        };
        let shape = match &self.shape {
            Some(shape) => shape.clone(),
            None => {
                let about = take(1)?[0];
                let (axes, width) = (usize::from(about >> 2), 1 << (about & 3));
                let axis = |bytes: &[u8]| {
                    let wide = bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
                    usize::try_from(wide).map_err(|_| SHORT)
                };
                take(axes * width)?.chunks(width).map(axis).collect::<Result<Vec<_>, _>>()?
            }
        };
        if shape.is_empty() || shape.contains(&0) {
            return Err(Broken::Value("the array has no numbers"));
        }
        let count = shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis));
        let len = count.and_then(|count| count.checked_mul(kind.size()));
        if len != Some(rest.len()) {
            return Err(Broken::Value("the shape of the array is not that of its numbers"));
        }
        let written = shape.iter().scan(1usize, |product, &axis| {
            *product = product.saturating_mul(axis);
            Some(*product)
        });
        let written = written.fold(0usize, usize::saturating_add);
        if written > 64 + MOST_FOR_BYTE * rest.len() {
            return Err(Broken::Value("the array has more axes of length 1 than are read"));
        }
        Ok(Sound { kind, shape, numbers: rest })
    }
}

impl Sound<'_> {
    /// Writes it as lists in lists.
    pub fn write(&self, to: &mut Encoder) {
        self.axis(0, self.numbers, to);
    }

    fn axis(&self, axis: usize, numbers: &[u8], to: &mut Encoder) {
        let Some(&len) = self.shape.get(axis) else { return self.kind.write(numbers, to) };
        to.array(len);
        // Each axis divides what it is given: the shape was held against the numbers.
        for part in numbers.chunks((numbers.len() / len.max(1)).max(1)) {
            self.axis(axis + 1, part, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, value: &[u8]) -> Option<String> {
        let mut encoder = Encoder::default();
        Array::named(name)?.look(value).ok()?.write(&mut encoder);
        Some(hex::encode(encoder.into_bytes()))
    }

    #[test]
    fn arrays_are_lists_in_lists() {
        // 2 × 3 numbers of 16 bits, with everything said in front, some of it, and nothing.
        let numbers = [1i16, -1, 2, 3, 4, 256].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        let expected = Some("82830120028303041901 00".replace(' ', ""));
        assert_eq!(written("ndarray", &[&[17, 2 << 2, 2, 3][..], &numbers].concat()), expected);
        assert_eq!(written("ndarray:", &[&[17, 2 << 2 | 1, 2, 0, 3, 0][..], &numbers].concat()), expected);
        assert_eq!(written("ndarray:int16", &[&[2 << 2, 2, 3][..], &numbers].concat()), expected);
        assert_eq!(written("ndarray:int16:2,3", &numbers), expected);
        assert_eq!(Array::named("ndarray:int16:2,3").unwrap().size(), Some(12));
        assert_eq!(Array::named("ndarray:int16").unwrap().size(), None);
    }

    #[test]
    fn other_arrays_are_refused() {
        for name in [
            "ndarrays",
            "ndarray:int",
            "ndarray:int8:",
            "ndarray:int8:0",
            "ndarray:int8:2:3",
            "ndarray:int8:-1",
        ] {
            assert_eq!(Array::named(name), None, "{name}");
        }
        for value in
            [&b""[..], &[17], &[17, 4], &[17, 4, 1, 0], &[1, 4, 1, 0], &[8, 0, 1], &[8, 4, 0], &[8, 4, 2, 0]]
        {
            assert_eq!(written("ndarray", value), None, "{value:?}");
        }
        let huge = [&[8, 2 << 2 | 3][..], &(1u64 << 63).to_le_bytes(), &2u64.to_le_bytes()].concat();
        assert_eq!(written("ndarray", &huge), None);
        // Sixty-two axes of length 1 below a long one would be sixty-two times as long as a record.
        let long = [&[8, 63 << 2 | 1, 0, 1][..], &[1, 0].repeat(62), &[7; 256]].concat();
        assert_eq!(written("ndarray", &long), None);
        assert!(written("ndarray", &[&[8, 63 << 2][..], &[1; 63], &[7]].concat()).is_some());
    }

    #[test]
    fn numbers_are_by_value() {
        let written = |name: &str, bytes: &[u8]| {
            let mut encoder = Encoder::default();
            Kind::named(name).unwrap().write(bytes, &mut encoder);
            hex::encode(encoder.into_bytes())
        };
        assert_eq!(written("int8", &[0xff]), "20");
        assert_eq!(written("uint8", &[0xff]), "18ff");
        assert_eq!(written("int64", &i64::MIN.to_le_bytes()), "3b7fffffffffffffff");
        assert_eq!(written("uint64", &u64::MAX.to_le_bytes()), "1bffffffffffffffff");
        assert_eq!(written("float32", &1.5f32.to_le_bytes()), "f93e00");
        assert_eq!(written("float64", &1.1f64.to_le_bytes()), "fb3ff199999999999a");
        // All halves come back as they are, but for the NaNs, of which there is one.
        for bits in 0..=u16::MAX {
            let nan = bits & 0x7c00 == 0x7c00 && bits & 0x3ff != 0;
            let expected = if nan { 0x7e00 } else { bits };
            assert_eq!(written("float16", &bits.to_le_bytes()), format!("f9{expected:04x}"));
        }
    }
}
