//! Chaining values side by side, as vectors hold them.

use super::Words;

/// Chaining values of `WAVES` × `WIDTH` messages: the first words of `WIDTH` messages beside one another, then their
/// second words, and so on; lane `n` is the element `n % WIDTH` of wave `n / WIDTH`.
#[repr(C, align(64))]
pub(in crate::digest) struct Transposed<const WIDTH: usize, const WORDS: usize, const WAVES: usize>(
    pub(super) [[[u32; WIDTH]; WORDS]; WAVES],
);

impl<const WIDTH: usize, const WORDS: usize, const WAVES: usize> Transposed<WIDTH, WORDS, WAVES> {
    pub(super) fn new() -> Self {
        Transposed([[[0; WIDTH]; WORDS]; WAVES])
    }

    pub(super) fn set(&mut self, lane: usize, words: &Words) {
        for (row, word) in self.0[lane / WIDTH].iter_mut().zip(words) {
            row[lane % WIDTH] = *word;
        }
    }

    pub(super) fn get(&self, lane: usize) -> Words {
        let mut words = [0; 8];
        for (word, row) in words.iter_mut().zip(&self.0[lane / WIDTH]) {
            *word = row[lane % WIDTH];
        }
        words
    }
}

/// The pointers of each wave.
///
/// # Panics
/// Where there is not one for each lane.
pub(super) fn pointers<const WIDTH: usize, const WAVES: usize>(
    from: &mut [*const u8],
) -> &mut [[*const u8; WIDTH]; WAVES] {
    let given = from.len();
    let (waves, rest) = from.as_chunks_mut::<WIDTH>();
    match waves.try_into() {
        Ok(waves) if rest.is_empty() => waves,
        _ => panic!("{} lanes take as many pointers, not {given}", WIDTH * WAVES),
    }
}
