//! One digest of one message that comes in pieces, for what is read on its own and not by a worker.

use super::state::State;
use super::{Algorithm, Digest};

/// A digest under way.
pub struct Running(State);

impl Running {
    /// Begins. `length` is the length of the whole message in bytes, which a git object name begins with: without it
    /// there is none.
    pub fn new(algorithm: Algorithm, length: Option<u64>) -> Option<Running> {
        State::new(algorithm, length).map(Running)
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest; `None` where the message was not as long as was said.
    pub fn finish(self) -> Option<Digest> {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_one_message() {
        let digest = |length| {
            let mut running = Running::new(Algorithm::GitBlob, Some(length))?;
            running.update(b"hel");
            running.update(b"lo\n");
            running.finish().map(|digest| hex::encode(digest.bytes()))
        };
        // `printf 'hello\n' | git hash-object --stdin`
        assert_eq!(digest(6).as_deref(), Some("ce013625030ba8dba906f756967f9e9ca394464a"));
        assert_eq!(digest(7), None);
        assert!(Running::new(Algorithm::GitBlob, None).is_none());
    }
}
