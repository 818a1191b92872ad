//! Runs of zeros, which fill the end of archives and streams.

/// Where the first byte that is not zero stands.
pub fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut at = 0;
    // Comparing whole chunks is a vectorised `memcmp`; only the chunk that differs is looked at byte by byte.
    for chunk in bytes.chunks(ZEROS.len()) {
        if chunk != &ZEROS[..chunk.len()] {
            return chunk.iter().position(|&b| b != 0).map(|i| at + i);
        }
        at += chunk.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_scanned_past() {
        let mut bytes = vec![0; 10_000];
        assert_eq!(first_nonzero(&bytes), None);
        bytes[9_999] = 1;
        assert_eq!(first_nonzero(&bytes), Some(9_999));
        assert_eq!(first_nonzero(b"x"), Some(0));
        assert_eq!(first_nonzero(b""), None);
    }
}
