//! The digest of a manifest itself, taken while it is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest as _, Sha256};

/// A file whose digest is taken as it is read.
pub(super) struct Hashed {
    pub inner: BufReader<File>,
    pub sha256: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Hashed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.sha256.update(&self.inner.buffer()[..n]);
        self.inner.consume(n);
    }
}
