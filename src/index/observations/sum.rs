//! The order-independent sum over the digests of a part, by which a lost, doubled or exchanged row shows.

use crate::digest::Algorithm;
use crate::observation::Observation;

/// A sum modulo 2²⁵⁶.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestSum([u64; 4]);

impl DigestSum {
    /// Adds an item: its SHA-256 and its record, or where it has neither the strongest digest it has.
    pub fn add(&mut self, seen: &Observation) {
        let sha256 = seen.digests.of(Algorithm::Sha256).map(|digest| digest.bytes());
        let record = seen.record.as_ref().map(|record| &record[..]);
        let other = || seen.digests.strongest().map(|digest| digest.bytes());
        for bytes in sha256.into_iter().chain(record) {
            self.add_bytes(bytes);
        }
        if sha256.is_none()
            && record.is_none()
            && let Some(bytes) = other()
        {
            self.add_bytes(bytes);
        }
    }

    /// Adds a number of up to 32 bytes, the least significant first; further bytes are left out.
    fn add_bytes(&mut self, bytes: &[u8]) {
        let mut carry = false;
        for (limb, at) in self.0.iter_mut().zip((0..).step_by(8)) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(bytes.iter().skip(at)) {
                *to = *from;
            }
            let (sum, over) = limb.overflowing_add(u64::from_le_bytes(word));
            let (sum, over_by_carry) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || over_by_carry;
        }
    }

    /// Adds another sum.
    pub fn add_sum(&mut self, other: DigestSum) {
        let bytes: Vec<u8> = other.0.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        self.add_bytes(&bytes);
    }

    /// 64 hexadecimal digits, the most significant first.
    pub fn to_hex(self) -> String {
        self.0.iter().rev().map(|limb| format!("{limb:016x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_carry_and_do_not_depend_on_the_order() {
        let add = |all: &[[u8; 32]]| {
            let mut sum = DigestSum::default();
            all.iter().for_each(|bytes| sum.add_bytes(bytes));
            sum
        };
        let mut one = [0; 32];
        one[0] = 1;
        let most = [0xff; 32];
        assert_eq!(add(&[most, one]), DigestSum::default());
        assert_eq!(add(&[one, [7; 32], most]), add(&[[7; 32]]));
        let mut sum = add(&[[7; 32]]);
        sum.add_sum(add(&[most]));
        sum.add_sum(add(&[one]));
        assert_eq!(sum.to_hex(), "07".repeat(32));
        let mut carried = [0; 32];
        carried[8] = 1;
        let mut low = [0; 32];
        low[..8].fill(0xff);
        assert_eq!(add(&[low, one]), add(&[carried]));
    }
}
