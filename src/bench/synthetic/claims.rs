//! What is published of the data: digests that are computed as the bytes are made, and a table of claims of them.

use std::io::{self, Write};

use crate::digest::{Digest, DigestSet, Running};

/// The header of a table of claims (docs/manifests.md, `claims`).
pub const HEADER: &str = "stance,name,size,algorithm,digest\n";

/// Digests of a message that is written.
pub struct Digesting<W> {
    out: W,
    running: Vec<Running>,
    len: u64,
}

impl<W: Write> Digesting<W> {
    /// Passes what is written on to `out`. Without the length no git object name can be computed.
    pub fn new(out: W, algorithms: DigestSet, len: Option<u64>) -> Digesting<W> {
        Digesting { out, running: algorithms.iter().filter_map(|a| Running::new(a, len)).collect(), len: 0 }
    }

    /// What was written to, the digests, and how many bytes they are of.
    pub fn finish(self) -> (W, Vec<Digest>, u64) {
        (self.out, self.running.into_iter().filter_map(Running::finish).collect(), self.len)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.running.iter_mut().for_each(|running| running.update(&bytes[..n]));
        self.len += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A table of claims being written: one row for each digest of an item.
pub struct Claims<W> {
    out: W,
    /// Claims: an item has one for each digest.
    pub claims: u64,
}

impl<W: Write> Claims<W> {
    /// A table without rows and without a header.
    pub fn new(out: W) -> Claims<W> {
        Claims { out, claims: 0 }
    }

    /// Claims an item.
    pub fn item(&mut self, name: &str, size: u64, digests: &[Digest]) -> io::Result<()> {
        self.claims += digests.len() as u64;
        digests.iter().try_for_each(|digest| {
            let (algorithm, hex) = (digest.algorithm().name(), hex::encode(digest.bytes()));
            writeln!(self.out, "expect,{name},{size},{algorithm},{hex}")
        })
    }

    /// Ends the table.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    #[test]
    fn digests_are_of_what_was_written() {
        let all = [Algorithm::Md5, Algorithm::GitBlob].into_iter().collect();
        let mut digesting = Digesting::new(Vec::new(), all, Some(6));
        digesting.write_all(b"hel").unwrap();
        digesting.write_all(b"lo\n").unwrap();
        let (out, digests, len) = digesting.finish();
        assert_eq!((out.as_slice(), len), (&b"hello\n"[..], 6));
        let mut table = Vec::new();
        let mut claims = Claims::new(&mut table);
        claims.item("a.tar/b", len, &digests).unwrap();
        assert_eq!(claims.claims, 2);
        claims.finish().unwrap();
        // Values by `md5sum` and `git hash-object`.
        assert_eq!(
            String::from_utf8(table).unwrap(),
            "expect,a.tar/b,6,md5,b1946ac92492d2347c6235b4d2611184\n\
             expect,a.tar/b,6,git_blob,ce013625030ba8dba906f756967f9e9ca394464a\n"
        );
    }
}
