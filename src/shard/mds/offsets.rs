//! Where the samples of a shard lie. Offsets that contradict those beside them are passed over, and the samples that
//! they bound are lost.

/// The offsets of a shard: sample `i` lies from offset `i` to offset `i + 1`.
#[derive(Debug, Default)]
pub struct Offsets {
    all: Vec<u32>,
    /// The sample that comes next.
    next: usize,
    /// Where it begins: the last offset that was believed.
    last: u64,
}

/// What lies next in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A sample of so many bytes.
    Sample(u64),
    /// So many samples whose offsets contradict each other, in so many bytes.
    Lost {
        /// How many.
        samples: u64,
        /// Their bytes; `None` where they go on to the end of the shard.
        len: Option<u64>,
    },
    /// There are no more samples.
    End,
}

impl Offsets {
    /// One more, as it is read.
    pub fn push(&mut self, offset: u32) {
        self.all.push(offset);
    }

    /// Bytes of memory that it takes.
    pub fn footprint(&self) -> usize {
        self.all.capacity() * size_of::<u32>()
    }

    /// How many samples there are.
    pub fn samples(&self) -> u64 {
        self.all.len().saturating_sub(1) as u64
    }

    /// The sample that comes next.
    pub fn next_sample(&self) -> u64 {
        self.next as u64
    }

    /// Begins with what lies between the header, of this length, and the first sample.
    pub fn begin(&mut self, header: u64) -> Span {
        self.last = header;
        if self.is_sound(0) {
            return Span::Sample(self.believe(0));
        }
        self.pass_from(1)
    }

    /// The next sample, or what is in place of some.
    pub fn advance(&mut self) -> Span {
        let at = self.next + 1;
        if at >= self.all.len() {
            return Span::End;
        }
        if self.is_sound(at) {
            self.next = at;
            return Span::Sample(self.believe(at));
        }
        self.pass_from(at + 1)
    }

    /// Goes on at the first sound offset from here on.
    fn pass_from(&mut self, from: usize) -> Span {
        let before = self.next;
        let sound = (from..self.all.len()).find(|&at| self.is_sound(at));
        self.next = sound.unwrap_or(self.all.len().saturating_sub(1));
        let samples = (self.next - before) as u64;
        Span::Lost { samples, len: sound.map(|at| self.believe(at)) }
    }

    /// It lies behind what was believed, and not behind the next one.
    fn is_sound(&self, at: usize) -> bool {
        let Some(&offset) = self.all.get(at) else { return false };
        u64::from(offset) >= self.last && self.all.get(at + 1).is_none_or(|&next| offset <= next)
    }

    /// Takes an offset as the end of what came before it: the length of that.
    fn believe(&mut self, at: usize) -> u64 {
        let before = self.last;
        self.last = self.all.get(at).map_or(before, |&offset| u64::from(offset));
        self.last.saturating_sub(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(offsets: &[u32], header: u64) -> Vec<Span> {
        let mut all = Offsets::default();
        offsets.iter().for_each(|&offset| all.push(offset));
        let mut spans = vec![all.begin(header)];
        while !spans.ends_with(&[Span::End]) {
            spans.push(all.advance());
        }
        assert_eq!(all.next_sample(), all.samples());
        spans
    }

    #[test]
    fn samples_lie_between_offsets() {
        use Span::*;
        assert_eq!(spans(&[30, 40, 40, 45], 20), [Sample(10), Sample(10), Sample(0), Sample(5), End]);
        assert_eq!(spans(&[30], 8), [Sample(22), End]);
    }

    #[test]
    fn one_wrong_offset_costs_the_samples_beside_it() {
        use Span::*;
        let lost = |samples, len| Lost { samples, len: Some(len) };
        // Too far, and too near.
        for wrong in [u32::MAX, 3, 0] {
            let found = spans(&[30, 40, wrong, 60, 70], 24);
            let expected = if wrong == u32::MAX {
                vec![Sample(6), Sample(10), lost(2, 20), Sample(10), End]
            } else {
                // The offset before a small one looks too large as well.
                vec![Sample(6), lost(3, 30), Sample(10), End]
            };
            assert_eq!(found, expected, "{wrong}");
        }
        assert_eq!(spans(&[50, 40, 45], 16), [lost(1, 24), Sample(5), End]);
        assert_eq!(spans(&[30, 40, 20], 16), [Sample(14), Lost { samples: 2, len: None }, End]);
    }
}
