//! Numbers of JSON as a record has them: by value, integers exact at any width, and never an integer for a float.

use crate::digest::rec1::Encoder;

/// Digits of an integer: making bytes of them takes time by their square.
pub const MOST_DIGITS: usize = 16_384;

/// Digits that fit an `i128` whatever they are.
const SHORT: usize = 38;

/// Digits that are worked on at once: ten to their number fits 64 bits.
const CHUNK: usize = 18;

/// Writes an integer: digits, perhaps after a minus, of which there are no more than [`MOST_DIGITS`].
pub fn integer(text: &str, encoder: &mut Encoder) {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() <= CHUNK {
        // The scanner has seen that there is nothing but digits.
        let value = digits.bytes().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        return encoder.integer(i128::from(if text.len() > digits.len() { -value } else { value }));
    }
    if digits.len() <= SHORT
        && let Ok(value) = text.parse()
    {
        return encoder.integer(value);
    }
    let negative = text.len() > digits.len();
    let mut limbs = limbs(digits);
    if negative {
        // CBOR has −1 − n; a number of this many digits without leading zeros is not 0.
        for limb in &mut limbs {
            let (less, borrow) = limb.overflowing_sub(1);
            *limb = less;
            if !borrow {
                break;
            }
        }
    }
    let bytes: Vec<u8> = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    encoder.bignum(negative, &bytes);
}

/// Writes a float: the binary64 nearest to what is written, infinity where that is beyond the largest.
pub fn float(text: &str, encoder: &mut Encoder) {
    // The grammar of JSON is part of that of `f64`.
    encoder.float(text.parse().unwrap_or(f64::NAN));
}

/// The value of digits, the lowest 64 bits first.
fn limbs(digits: &str) -> Vec<u64> {
    let mut limbs: Vec<u64> = Vec::with_capacity(digits.len() / CHUNK + 1);
    for chunk in digits.as_bytes().chunks(CHUNK) {
        let mut carry =
            chunk.iter().fold(0u128, |value, digit| value * 10 + u128::from(digit.wrapping_sub(b'0')));
        let scale = 10u128.pow(chunk.len() as u32);
        for limb in &mut limbs {
            let sum = u128::from(*limb) * scale + carry;
            *limb = sum as u64;
            carry = sum >> 64;
        }
        if carry > 0 {
            limbs.push(carry as u64);
        }
    }
    limbs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Encoder)) -> String {
        let mut encoder = Encoder::default();
        write(&mut encoder);
        hex::encode(encoder.into_bytes())
    }

    #[test]
    fn integers_are_by_value_at_any_width() {
        for value in [
            0,
            -1,
            999_999_999_999_999_999,
            -999_999_999_999_999_999,
            i128::from(i64::MAX),
            i128::from(i64::MIN),
            i128::from(u64::MAX),
            -i128::from(u64::MAX) - 2,
            i128::MAX,
            i128::MIN,
        ] {
            let text = value.to_string();
            assert_eq!(written(|e| integer(&text, e)), written(|e| e.integer(value)), "{text}");
        }
        assert_eq!(written(|e| integer("-0", e)), "00");
        // 10^40 and 2^192, computed elsewhere.
        let wide = format!("1{}", "0".repeat(40));
        assert_eq!(written(|e| integer(&wide, e)), "c2511d6329f1c35ca4bfabb9f5610000000000");
        let power = "6277101735386680763835789423207666416102355444464034512896";
        assert_eq!(written(|e| integer(power, e)), format!("c2581901{}", "00".repeat(24)));
        assert_eq!(written(|e| integer(&format!("-{power}"), e)), format!("c35818{}", "ff".repeat(24)));
    }

    #[test]
    fn the_limbs_of_long_numbers_agree_with_short_ones() {
        for value in [i128::MAX, 10i128.pow(37), 10i128.pow(38) - 1, i128::from(u64::MAX)] {
            let limbs = limbs(&value.to_string());
            let sum = limbs.iter().rev().fold(0i128, |sum, limb| (sum << 64) | i128::from(*limb));
            assert_eq!(sum, value);
        }
    }

    #[test]
    fn floats_stay_floats() {
        for (text, value) in
            [("1.0", 1.0), ("1e5", 1e5), ("-0.0", -0.0), ("1e999", f64::INFINITY), ("5e-324", 5e-324)]
        {
            assert_eq!(written(|e| float(text, e)), written(|e| e.float(value)), "{text}");
        }
        assert_ne!(written(|e| float("1.0", e)), written(|e| integer("1", e)));
    }
}
