//! The bytes of a body by class: what values refer to, what pads it, and what nothing refers to.

use std::ops::Range;

use super::shape::Part;
use crate::shard::RegionClass;
use crate::source::first_nonzero;

/// Buffers are padded to 8 bytes, or to as many as this: no more of what lies between them is padding.
const PADDING: usize = 64;

/// A stretch of a body.
pub type Stretch = (Range<usize>, RegionClass);

/// The stretches of a body with these buffers, which lie in it in this order and do not overlap. They cover it exactly.
pub fn regions(parts: &[Part], body: &[u8]) -> Vec<Stretch> {
    let mut all = Vec::new();
    let mut at = 0;
    for Part { stored, used } in parts {
        gap(at..stored.start, body, at == 0, &mut all);
        if used.is_empty() {
            gap(stored.clone(), body, true, &mut all);
        } else {
            gap(stored.start..used.start, body, true, &mut all);
            push(used.clone(), RegionClass::Payload, &mut all);
            gap(used.end..stored.end, body, false, &mut all);
        }
        at = stored.end;
    }
    gap(at..body.len(), body, at == 0, &mut all);
    all
}

/// Bytes that nothing refers to. Zeros are padding, and a few others after a buffer's values as well; what is too long
/// for that, or stands before any value, is dead.
fn gap(range: Range<usize>, body: &[u8], before: bool, all: &mut Vec<Stretch>) {
    let bytes = &body[range.clone()];
    let zeros = first_nonzero(bytes).unwrap_or(bytes.len());
    push(range.start..range.start + zeros, RegionClass::ZeroPad, all);
    let class = if before || range.len() >= PADDING { RegionClass::Dead } else { RegionClass::NonzeroPad };
    push(range.start + zeros..range.end, class, all);
}

fn push(range: Range<usize>, class: RegionClass, all: &mut Vec<Stretch>) {
    if range.is_empty() {
        return;
    }
    match all.last_mut() {
        Some((last, same)) if *same == class => last.end = range.end,
        _ => all.push((range, class)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_refers_to_is_told_apart() {
        let mut body = [0u8; 200];
        body[9] = 1;
        body[20..24].fill(2);
        body[31] = 3;
        body[190] = 4;
        let parts = [
            Part { stored: 0..10, used: 2..8 },
            Part { stored: 16..24, used: 16..20 },
            Part { stored: 24..30, used: 24..30 },
        ];
        assert_eq!(
            regions(&parts, &body),
            [
                (0..2, RegionClass::ZeroPad),
                (2..8, RegionClass::Payload),
                (8..9, RegionClass::ZeroPad),
                (9..10, RegionClass::NonzeroPad),
                (10..16, RegionClass::ZeroPad),
                (16..20, RegionClass::Payload),
                (20..24, RegionClass::NonzeroPad),
                (24..30, RegionClass::Payload),
                (30..31, RegionClass::ZeroPad),
                (31..200, RegionClass::Dead),
            ]
        );
        assert_eq!(regions(&[], &body[..9]), [(0..9, RegionClass::ZeroPad)]);
    }
}
