//! Seeded bytes, sizes and words: the same seed gives the same data on every machine and in every version.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): a few lines that never
//! change, where generators of crates may change what a seed gives.

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed that is called so: streams of other names have nothing in common with it.
    pub fn new(seed: u64, names: &[u64]) -> Random {
        let mut random = Random(seed);
        for &name in names {
            random = Random(random.number() ^ name.wrapping_mul(0xd6e8_feb8_6659_fd93));
        }
        random
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `end`; `end` is far below 2⁶⁴, so that the remainder favours nothing that would be noticed.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Sizes of samples that have a total: between half and one and a half times the mean, the last up to twice.
pub struct Sizes {
    random: Random,
    mean: u64,
    left: u64,
}

impl Sizes {
    /// Sizes that are `total` together.
    pub fn new(random: Random, mean: u64, total: u64) -> Sizes {
        Sizes { random, mean: mean.max(1), left: total }
    }
}

impl Iterator for Sizes {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        let least = self.mean.div_ceil(2);
        let size = (least + self.random.below(self.mean)).min(self.left);
        // No crumb at the end.
        let size = if self.left - size < least { self.left } else { size };
        self.left -= size;
        Some(size)
    }
}

/// Words of which captions are made: 4,096 of them, so that text packs about as real text does.
pub struct Words(Vec<String>);

impl Words {
    const COUNT: u64 = 4096;

    /// The words of a seed.
    pub fn new(mut random: Random) -> Words {
        let mut word = || -> String {
            let len = 2 + random.below(9);
            (0..len).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
        };
        Words((0..Self::COUNT).map(|_| word()).collect())
    }

    /// Appends words until the text has exactly this many bytes.
    pub fn fill(&self, random: &mut Random, text: &mut String, len: usize) {
        while text.len() < len {
            text.push_str(&self.0[(random.number() % Self::COUNT) as usize]);
            text.push(' ');
        }
        // All of it is ASCII.
        text.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of SplitMix64 from state 1234567, as Rosetta Code and the JDK give them.
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut random = Random(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.number()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn streams_of_other_names_and_seeds_differ() {
        let first = |seed, names: &[u64]| Random::new(seed, names).number();
        let all = [first(1, &[]), first(1, &[0]), first(1, &[1]), first(1, &[0, 1]), first(2, &[1])];
        let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn sizes_add_up_and_keep_near_their_mean() {
        for (mean, total) in
            [(1, 1), (1, 10), (100, 99), (100, 149), (100, 10_000), (40 << 10, (8 << 20) + 1)]
        {
            let sizes: Vec<u64> = Sizes::new(Random::new(7, &[]), mean, total).collect();
            assert_eq!(sizes.iter().sum::<u64>(), total);
            let (last, others) = sizes.split_last().unwrap();
            assert!(*last <= 2 * mean, "{last} of {mean}");
            assert!(others.iter().all(|&size| size >= mean / 2 && size <= mean + mean.div_ceil(2)));
        }
    }

    #[test]
    fn a_text_has_the_length_that_was_asked_for() {
        let words = Words::new(Random::new(1, &[]));
        for len in [0, 1, 50, 1000] {
            let mut text = String::from("");
            words.fill(&mut Random::new(2, &[]), &mut text, len);
            assert_eq!(text.len(), len);
            assert!(text.is_ascii());
        }
    }
}
