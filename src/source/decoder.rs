//! Decoders of compressed streams: driven with slices, they say turn by turn what the bytes they took are.

use super::RegionClass;

/// A decoder of one compressed format, reading a file's bytes from the first to the last.
///
/// It allocates nothing for what the input claims: output goes into the caller's buffer, and memory beyond a fixed
/// state is bounded by a limit of the format (a window, a table).
pub trait Decoder: Send {
    /// Bytes of memory it holds, an upper bound.
    fn footprint(&self) -> usize;

    /// Takes some bytes from the front of `input` and writes some to the front of `output`.
    fn turn(&mut self, input: &[u8], output: &mut [u8]) -> Turn;

    /// The input has ended, all of it having been taken; says so if more was due.
    fn finish(&mut self) -> Option<Damage>;
}

/// What one turn of a decoder did.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: it wants more input, or room for output.
    Idle,
    /// It took `read` bytes, which are of this class, and wrote `wrote`.
    Took {
        /// Bytes taken from the input.
        read: usize,
        /// What they are.
        class: RegionClass,
        /// Bytes written to the output.
        wrote: usize,
    },
    /// It took `read` bytes, whose class it will tell later, and wrote `wrote`.
    Held {
        /// Bytes taken from the input.
        read: usize,
        /// Bytes written to the output.
        wrote: usize,
    },
    /// All the bytes held are of this class.
    Settled(RegionClass),
    /// The next region begins with the next byte and is so long.
    Announced(u64),
    /// A check failed. The framing is intact and the decoder goes on.
    Failed(Damage),
    /// The rest of the input cannot be decoded.
    Lost(Damage),
}

/// What is wrong with a compressed stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Byte of the input.
    pub at: u64,
    /// The input ended too early, rather than being wrong.
    pub cut: bool,
    /// One sentence for a person.
    pub detail: String,
}

/// Drives a decoder over a whole input in pieces of the given sizes: the output, regions and damages.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What became of an input.
    #[derive(Debug, Default, PartialEq, Eq)]
    pub struct Outcome {
        /// The decoded bytes.
        pub output: Vec<u8>,
        /// Class and end of each region; adjacent ones of a class are merged.
        pub regions: Vec<(RegionClass, usize)>,
        /// Damages in order.
        pub damages: Vec<Damage>,
    }

    impl Outcome {
        fn add(&mut self, class: RegionClass, len: usize) {
            let at = self.regions.last().map_or(0, |last| last.1);
            match self.regions.last_mut() {
                _ if len == 0 => {}
                Some(last) if last.0 == class => last.1 += len,
                _ => self.regions.push((class, at + len)),
            }
        }
    }

    /// Decodes `input`, offered in pieces of `piece` bytes, with room for `room` bytes of output at a time.
    pub fn drive(decoder: &mut dyn Decoder, input: &[u8], piece: usize, room: usize) -> Outcome {
        let mut outcome = Outcome::default();
        let mut buffer = vec![0; room];
        let (mut held, mut lost, mut turns) = (0, false, 0u64);
        for mut part in input.chunks(piece) {
            while !lost {
                turns += 1;
                assert!(turns < 10_000_000, "no progress");
                match decoder.turn(part, &mut buffer) {
                    Turn::Idle => {
                        assert!(part.is_empty(), "idle with {} bytes left", part.len());
                        break;
                    }
                    Turn::Took { read, class, wrote } => {
                        assert_eq!(held, 0);
                        outcome.add(class, read);
                        outcome.output.extend_from_slice(&buffer[..wrote]);
                        part = &part[read..];
                    }
                    Turn::Held { read, wrote } => {
                        held += read;
                        outcome.output.extend_from_slice(&buffer[..wrote]);
                        part = &part[read..];
                    }
                    Turn::Settled(class) => outcome.add(class, std::mem::take(&mut held)),
                    Turn::Announced(_) => {}
                    Turn::Failed(damage) => outcome.damages.push(damage),
                    Turn::Lost(damage) => {
                        outcome.damages.push(damage);
                        lost = true;
                    }
                }
            }
            if lost {
                outcome.add(RegionClass::Opaque, held + part.len());
                held = 0;
            }
        }
        if !lost {
            outcome.damages.extend(decoder.finish());
            outcome.add(RegionClass::Opaque, held);
        }
        assert_eq!(outcome.regions.last().map_or(0, |last| last.1), input.len(), "every byte has a class");
        outcome
    }
}
