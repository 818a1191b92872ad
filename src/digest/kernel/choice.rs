//! Which kernel to use for how many messages in flight.
//!
//! Which one is the fastest cannot be told from the CPU's features: some split vectors of AVX-512 in two, some have
//! SHA extensions that are no faster than AVX2 is. So the kernels that this CPU can run are timed once, when the first
//! message of their compression function comes.
#![allow(unsafe_code, reason = "kernels are run to be timed")]

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{BLOCK, Compression, Instructions, Kernel, Name, dispatch, forced_kernel};

/// Which kernel to use for how many messages in flight, of one compression function.
#[derive(Debug)]
pub(in crate::digest) struct Choice {
    /// The kernel for one message, for two, and so on; never empty.
    by_messages: Vec<Name>,
}

/// By how much a kernel with more lanes has to be faster, so that noise while timing decides nothing.
const BETTER: f64 = 1.03;

impl Choice {
    /// The choice for a compression function on this CPU. The first call takes about a millisecond.
    pub fn of(compression: Compression) -> &'static Choice {
        static MD5: OnceLock<Choice> = OnceLock::new();
        static SHA1: OnceLock<Choice> = OnceLock::new();
        static SHA256: OnceLock<Choice> = OnceLock::new();
        let choice = match compression {
            Compression::Md5 => &MD5,
            Compression::Sha1 => &SHA1,
            Compression::Sha256 => &SHA256,
        };
        choice.get_or_init(|| Choice::measured(compression))
    }

    /// The kernel to use while `messages` of them are in flight.
    pub fn for_messages(&self, messages: usize) -> Name {
        self.by_messages[messages.clamp(1, self.by_messages.len()) - 1]
    }

    /// The most messages that a kernel of this choice works on at once.
    pub fn most_lanes(&self) -> usize {
        self.by_messages.iter().map(|name| name.lanes()).max().unwrap_or(1)
    }

    fn measured(compression: Compression) -> Choice {
        // What cannot be followed was told when the program began; here it only must not be obeyed.
        let forced = forced_kernel().unwrap_or(Some(Instructions::Portable));
        Choice::from_rates(&rates(&eligible(compression, forced)), forced)
    }

    /// The choice among kernels of known rates with all lanes busy, of which one is portable. With fewer messages than
    /// lanes a kernel takes as long, and does less.
    fn from_rates(kernels: &[(Name, f64)], forced: Option<Instructions>) -> Choice {
        let mut kernels = kernels.to_vec();
        kernels.sort_by_key(|(name, _)| name.lanes());
        let most = kernels.last().map_or(1, |(name, _)| name.lanes());
        let best = |messages: usize| {
            let busy = |name: Name| messages.min(name.lanes()) as f64 / name.lanes() as f64;
            let of_several = |name: Name| forced.is_some() && messages > 1 && name.lanes() > 1;
            let mut best = kernels[0];
            for &(name, rate) in &kernels[1..] {
                let forced_over_portable = of_several(name) && !of_several(best.0);
                if forced_over_portable || rate * busy(name) >= BETTER * best.1 * busy(best.0) {
                    best = (name, rate);
                }
            }
            best.0
        };
        Choice { by_messages: (1..=most).map(best).collect() }
    }
}

/// The kernels to choose among: those that this CPU has the instructions for and, where a set is forced, those of that
/// set beside the portable one.
fn eligible(compression: Compression, forced: Option<Instructions>) -> Vec<Name> {
    let allowed = |name: &Name| {
        let instructions = name.instructions();
        instructions == Instructions::Portable || forced.is_none_or(|forced| forced == instructions)
    };
    let of_this = Name::ALL.iter().copied().filter(|name| name.compression() == compression);
    of_this.filter(|name| name.is_available()).filter(allowed).collect()
}

/// Bytes in a nanosecond of each kernel with all lanes busy, on data in the nearest cache: the best of several runs.
///
/// Kernels take turns, since what else goes on in this core may slow it down for longer than one kernel is timed. Each
/// turn has several runs, since wide vectors take some microseconds to come up to speed on some CPUs.
fn rates(names: &[Name]) -> Vec<(Name, f64)> {
    const TURNS: usize = 10;
    const TURN: Duration = Duration::from_micros(10);

    let mut rates: Vec<(Name, f64)> = names.iter().map(|&name| (name, 0.0)).collect();
    for _ in 0..TURNS {
        for (name, best) in &mut rates {
            let begun = Instant::now();
            loop {
                *best = best.max(dispatch!(*name, K => rate_of_run::<K>(*name)));
                if begun.elapsed() >= TURN {
                    break;
                }
            }
        }
    }
    rates
}

/// Bytes in a nanosecond of one run.
fn rate_of_run<K: Kernel>(name: Name) -> f64 {
    /// Bytes of all lanes, at least: much longer than looking at the clock takes, and much less than the nearest cache.
    const BYTES: usize = 8 << 10;
    /// Blocks of a lane, at least.
    const BLOCKS: usize = 8;
    static DATA: [u8; 32 * BLOCKS * BLOCK] = [0x5a; 32 * BLOCKS * BLOCK];

    assert!(name.is_available(), "{} would be run on a CPU that lacks its instructions", name.text());
    let blocks = BLOCKS.max(BYTES / (BLOCK * K::LANES));
    let lanes = DATA.chunks_exact(blocks * BLOCK).cycle().take(K::LANES);
    let mut from: Vec<*const u8> = lanes.map(<[u8]>::as_ptr).collect();
    let mut state = K::new();
    let begun = Instant::now();
    // SAFETY: the CPU was asked just now, and each pointer is to a chunk of this many blocks.
    unsafe { K::compress(black_box(&mut state), &mut from, blocks) };
    let took = begun.elapsed().as_nanos().max(1);
    (K::LANES * blocks * BLOCK) as f64 / took as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number of messages gets a kernel that this CPU can run, whichever set is forced.
    #[test]
    fn choices_are_available() {
        for compression in Compression::ALL {
            for forced in [None].into_iter().chain(Instructions::ALL.map(Some)) {
                let kernels: Vec<(Name, f64)> =
                    eligible(compression, forced).into_iter().map(|name| (name, 1.0)).collect();
                let choice = Choice::from_rates(&kernels, forced);
                for messages in 0..100 {
                    let name = choice.for_messages(messages);
                    assert!(name.is_available(), "{}", name.text());
                    assert_eq!(name.compression(), compression);
                    let allowed = [Some(Instructions::Portable), forced.or(Some(name.instructions()))];
                    assert!(allowed.contains(&Some(name.instructions())), "{forced:?}: {}", name.text());
                }
            }
        }
    }

    #[test]
    fn the_measured_choice_is_for_this_cpu() {
        for compression in Compression::ALL {
            let choice = Choice::of(compression);
            assert!(choice.most_lanes() >= choice.for_messages(usize::MAX).lanes());
            for messages in 1..=choice.most_lanes() {
                let name = choice.for_messages(messages);
                assert!(name.is_available() && name.compression() == compression, "{}", name.text());
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn idle_lanes_count_against_a_kernel() {
        let rates = [
            (Name::Sha256Portable, 2.0),
            (Name::Sha256Ni2, 3.0),
            (Name::Sha256Ni3, 3.5),
            (Name::Sha256Avx2x8, 4.5),
        ];
        let choice = Choice::from_rates(&rates, None);
        let names: Vec<Name> = (1..=9).map(|n| choice.for_messages(n)).collect();
        let (one, two, three, eight) =
            (Name::Sha256Portable, Name::Sha256Ni2, Name::Sha256Ni3, Name::Sha256Avx2x8);
        // With six messages eight lanes do 3.375, with seven 3.94.
        assert_eq!(names, [one, two, three, three, three, three, eight, eight, eight]);
        assert_eq!(choice.most_lanes(), 8);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn more_lanes_have_to_be_faster_by_more_than_noise() {
        let rates = [(Name::Md5Avx2x8, 4.0), (Name::Md5Portable, 0.7), (Name::Md5Avx2x16, 4.1)];
        let choice = Choice::from_rates(&rates, None);
        assert_eq!(choice.for_messages(16), Name::Md5Avx2x8);
        assert_eq!(choice.most_lanes(), 8);
        assert_eq!(choice.for_messages(1), Name::Md5Portable);
        let rates = [(Name::Md5Avx2x8, 4.0), (Name::Md5Portable, 0.7), (Name::Md5Avx2x16, 4.2)];
        assert_eq!(Choice::from_rates(&rates, None).for_messages(16), Name::Md5Avx2x16);
    }

    /// Forced kernels are used even where they are the slower ones, but not for a single message.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn what_is_forced_is_used() {
        let rates = [(Name::Sha256Portable, 2.0), (Name::Sha256Avx2x8, 1.7)];
        let choice = Choice::from_rates(&rates, Some(Instructions::Avx2));
        assert_eq!(choice.for_messages(1), Name::Sha256Portable);
        for messages in 2..20 {
            assert_eq!(choice.for_messages(messages), Name::Sha256Avx2x8);
        }
        let unforced = Choice::from_rates(&rates, None);
        assert_eq!(unforced.for_messages(8), Name::Sha256Portable);
    }
}
