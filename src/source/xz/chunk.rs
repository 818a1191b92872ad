//! The frame of LZMA2. xz-file-format leaves it to the implementations: this is `lzma2_decoder.c` of liblzma.

/// How many bytes a chunk that begins so has, as far as its beginning tells: its own length as soon as it is whole;
/// `None` if it is of no known kind.
pub fn len(bytes: &[u8]) -> Option<usize> {
    let size = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low])) + 1;
    Some(match *bytes {
        [] | [0] => 1,
        // Stored.
        [1 | 2] => 3,
        [1 | 2, high, low] => 3 + size(high, low),
        // Compressed, with properties and without.
        [0x80..=0xbf] => 5,
        [0x80..=0xbf, _, _, high, low] => 5 + size(high, low),
        [0xc0..=0xff] => 6,
        [0xc0..=0xff, _, _, high, low, _] => 6 + size(high, low),
        [_] => return None,
        _ => bytes.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::len;

    #[test]
    fn lengths_are_told_step_by_step() {
        assert_eq!(len(&[]), Some(1));
        assert_eq!(len(&[0]), Some(1));
        assert_eq!([len(&[2]), len(&[2, 1, 0]), len(&[2; 260])], [Some(3), Some(260), Some(260)]);
        assert_eq!([len(&[0x80]), len(&[0x80, 9, 9, 0, 0])], [Some(5), Some(6)]);
        assert_eq!([len(&[0xe0]), len(&[0xe0, 9, 9, 0, 4, 93])], [Some(6), Some(11)]);
        assert_eq!(len(&[0x7f]), None);
    }
}
