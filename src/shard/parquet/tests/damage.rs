//! Damage of every byte of small files: no panic gets out, no byte is unaccounted for, nothing takes long.

use std::time::{Duration, Instant};

use parquet::basic::Compression;
use parquet::file::properties::WriterVersion;

use super::Told;
use super::files::{Shape, table, with_crc, write};

/// Files of two kinds, each small enough for every byte to be damaged.
fn kinds() -> [Vec<u8>; 2] {
    let columns = table().project(&[1, 2, 4]).unwrap();
    let dictionary = Shape {
        codec: Compression::SNAPPY,
        dictionary: true,
        version: WriterVersion::PARQUET_2_0,
        rows_per_group: 3,
    };
    let files = [write(&columns, dictionary), with_crc(crc32fast::hash)];
    for file in &files {
        assert!(file.len() < 4096, "{}", file.len());
    }
    files
}

#[test]
fn every_truncation_is_told() {
    for bytes in kinds() {
        for len in 4..bytes.len() {
            assert!(!Told::of(&bytes[..len]).faults.is_empty(), "cut to {len}");
        }
    }
}

#[test]
fn every_flipped_byte_is_survived() {
    for bytes in kinds() {
        for at in 0..bytes.len() {
            for xor in [1, 0x80, 0xff] {
                let mut flipped = bytes.clone();
                flipped[at] ^= xor;
                let started = Instant::now();
                let told = Told::of(&flipped);
                let took = started.elapsed();
                assert!(took < Duration::from_secs(2), "byte {at} ^ {xor:#x} took {took:?}");
                assert!(told.cells.len() < 1000, "byte {at} ^ {xor:#x}");
            }
        }
    }
}

#[test]
fn a_flip_in_a_page_with_a_check_sum_is_told() {
    let bytes = with_crc(crc32fast::hash);
    let told = Told::of(&bytes);
    let payload = told.classes(crate::shard::RegionClass::Payload);
    for at in payload[0].clone() {
        let mut flipped = bytes.clone();
        flipped[at as usize] ^= 0x10;
        let told = Told::of(&flipped);
        assert!(told.cells.is_empty() && told.faults.len() == 1, "byte {at}");
    }
}
