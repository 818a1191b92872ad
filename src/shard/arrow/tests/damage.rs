//! Damage of every byte of small layers: no panic gets out, no byte is unaccounted for, nothing takes long or much.

use std::time::{Duration, Instant};

use super::Told;
use super::files::{CODECS, FORMS, Form, all_types, options, small, write};

/// Layers of both forms, each small enough for every byte to be damaged.
fn kinds() -> Vec<(Form, Vec<u8>)> {
    let mut all = Vec::new();
    for form in FORMS {
        all.extend(CODECS.map(|codec| (form, write(form, &small(), options(codec, 8)))));
        let (first, second) = (all_types(4, 0), all_types(6, 4));
        // Views, lists, words of a dictionary, an image, runs.
        let some = [2, 9, 12, 13, 14];
        let some = [first.project(&some).unwrap(), second.project(&some).unwrap()];
        all.push((form, write(form, &some, options(None, 8))));
    }
    all
}

#[test]
fn every_truncation_is_told() {
    for (form, bytes) in kinds() {
        let whole = Told::of(&bytes);
        let mut untold = 0;
        for len in 8..bytes.len() {
            let told = Told::of(&bytes[..len]);
            assert!(told.rows.len() <= whole.rows.len());
            untold += usize::from(told.faults.is_empty());
        }
        // A stream may end after any of its messages, before its end marker: schema, two batches, two dictionaries.
        let most = if form == Form::File { 0 } else { 6 };
        assert!(untold <= most, "{form:?}: {untold}");
    }
}

#[test]
fn every_flipped_byte_is_survived() {
    for (form, bytes) in kinds() {
        for at in 0..bytes.len() {
            for xor in [0x01, 0x10, 0x80] {
                let mut flipped = bytes.clone();
                flipped[at] ^= xor;
                let started = Instant::now();
                let told = Told::of(&flipped);
                let took = started.elapsed();
                assert!(took < Duration::from_secs(2), "{form:?} byte {at} ^ {xor:#x} took {took:?}");
                assert!(told.most_memory < 4 << 20, "{form:?} byte {at} ^ {xor:#x}: {}", told.most_memory);
                assert!(told.rows.len() <= 2, "{form:?} byte {at} ^ {xor:#x}");
            }
        }
    }
}
