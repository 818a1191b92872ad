//! Raw deflate (RFC 1951), as a zip's entries are compressed: one stream, and what follows it.

use flate2::{Decompress, FlushDecompress, Status};

use super::RegionClass::{Payload, Trailing};
use super::decoder::{Damage, Decoder, Turn};

/// A decoder of one raw deflate stream.
#[derive(Debug)]
pub struct Deflate {
    state: State,
    /// Bytes of the input taken so far.
    at: u64,
    inflate: Decompress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    /// After the final block: nothing of it is data.
    Trailing,
    Lost,
}

impl Default for Deflate {
    fn default() -> Self {
        Deflate { state: State::Data, at: 0, inflate: Decompress::new(false) }
    }
}

impl Decoder for Deflate {
    fn footprint(&self) -> usize {
        // The window and the tables of zlib-rs.
        size_of::<Self>() + 64 * 1024
    }

    fn turn(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        match self.state {
            State::Data => self.inflate(input, output),
            State::Trailing if !input.is_empty() => {
                self.at += input.len() as u64;
                Turn::Took { read: input.len(), class: Trailing, wrote: 0 }
            }
            State::Trailing | State::Lost => Turn::Idle,
        }
    }

    fn finish(&mut self) -> Option<Damage> {
        (self.state == State::Data).then(|| Damage {
            at: self.at,
            cut: true,
            detail: "the deflate data is cut short".into(),
        })
    }
}

impl Deflate {
    fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        let (read_before, wrote_before) = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, output, FlushDecompress::None);
        let read = (self.inflate.total_in() - read_before) as usize;
        let wrote = (self.inflate.total_out() - wrote_before) as usize;
        self.at += read as u64;
        if matches!(result, Ok(Status::StreamEnd)) {
            self.state = State::Trailing;
            return Turn::Took { read, class: Payload, wrote };
        }
        if read > 0 || wrote > 0 {
            // An error that comes with progress comes again without it.
            return Turn::Took { read, class: Payload, wrote };
        }
        match result {
            Ok(_) if input.is_empty() || output.is_empty() => Turn::Idle,
            Ok(_) => self.lost("the deflate data stands still"),
            Err(_) => self.lost("the deflate data is damaged"),
        }
    }

    fn lost(&mut self, detail: &str) -> Turn {
        self.state = State::Lost;
        Turn::Lost(Damage { at: self.at, cut: false, detail: detail.into() })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::RegionClass::Opaque;
    use super::super::decoder::tests::{Outcome, drive};
    use super::*;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(input: &[u8]) -> Outcome {
        let whole = drive(&mut Deflate::default(), input, input.len().max(1), 1 << 16);
        for (piece, room) in [(1, 1), (7, 100), (100, 3)] {
            assert_eq!(
                drive(&mut Deflate::default(), input, piece, room),
                whole,
                "pieces of {piece}, {room}"
            );
        }
        whole
    }

    #[test]
    fn what_follows_the_final_block_is_no_data() {
        let data: Vec<u8> = (0..5000u32).map(|i| (i * i % 97) as u8).collect();
        let input = deflated(&data);
        let n = input.len();
        let outcome = decoded(&[&input[..], b"hidden"].concat());
        assert_eq!(outcome.output, data);
        assert_eq!(outcome.regions, [(Payload, n), (Trailing, n + 6)]);
        assert_eq!(outcome.damages, []);
    }

    #[test]
    fn cut_and_damaged_data_is_told() {
        let input = deflated(b"hello, hello, hello, hello");
        for len in 0..input.len() {
            let damages = decoded(&input[..len]).damages;
            assert!(matches!(&damages[..], [Damage { cut: true, .. }]), "{len}: {damages:?}");
        }
        let outcome = decoded(&[0xff, 1, 2, 3]);
        assert_eq!(outcome.damages.len(), 1);
        assert_eq!(outcome.regions.last().map(|r| r.0), Some(Opaque));
    }
}
