//! Layers as writers make them.

use std::io::Write;

use arrow_ipc::writer::{DictionaryHandling, IpcWriteOptions};

use super::Told;
use super::files::{CODECS, FORMS, Form, all_types, options, small, write};
use crate::shard::RegionClass;

#[test]
fn every_row_of_every_type_is_read() {
    // The second batch has words that the first has not.
    let batches = [all_types(50, 0), all_types(2100, 4)];
    for form in FORMS {
        for codec in CODECS {
            for alignment in [8, 64] {
                // In a file, what is added to a dictionary has to come as an addition.
                let bytes = write(form, &batches, options(codec, alignment));
                let told = Told::of(&bytes);
                let what = format!("{form:?} {codec:?} {alignment}");
                assert!(told.is_clean(), "{what}: {:?} {:?}", told.faults, told.regions);
                assert_eq!(told.rows.len(), 4, "{what}");
                assert_eq!(told.rows.last(), Some(&(50 + 2048..2150)), "{what}");
                let slices = [(0, 1024), (1024, 1024), (2048, 52)].map(|(at, n)| batches[1].slice(at, n));
                assert_eq!(told.batches[0], batches[0], "{what}");
                assert_eq!(told.batches[1..], slices, "{what}");
                for most in [7, 1000] {
                    let mut again = Told::by(&bytes, most, "a.arrow", true);
                    again.most_memory = told.most_memory;
                    assert!(again == told, "{what} in pieces of {most}");
                }
            }
        }
    }
}

#[test]
fn a_byte_at_a_time_is_as_good() {
    for form in FORMS {
        let bytes = write(form, &small(), options(None, 8));
        let told = Told::of(&bytes);
        assert!(told.is_clean(), "{:?} {:?}", told.faults, told.regions);
        assert_eq!(told.rows, [0..3, 3..6]);
        let mut again = Told::by(&bytes, 1, "a.arrow", true);
        again.most_memory = told.most_memory;
        assert_eq!(again, told);
    }
}

#[test]
fn without_rows_the_ledger_is_the_same() {
    for form in FORMS {
        for codec in CODECS {
            let bytes = write(form, &[all_types(50, 0), all_types(60, 4)], options(codec, 64));
            let (told, without) = (Told::of(&bytes), Told::by(&bytes, 64 * 1024, "a.arrow", false));
            assert_eq!(without.regions, told.regions);
            assert_eq!((without.batches.len(), without.rows.len(), without.faults.len()), (0, 0, 0));
        }
    }
}

#[test]
fn a_stream_in_a_compressed_stream_is_read() {
    let batches = [all_types(50, 0), all_types(3000, 4)];
    for form in FORMS {
        let bytes = write(form, &batches, options(None, 64));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).unwrap();
        let told = Told::by(&gzip.finish().unwrap(), 64 * 1024, "a.arrow.gz", true);
        assert!(told.is_clean(), "{:?}", told.faults);
        assert_eq!(told.rows.last(), Some(&(50 + 2048..3050)));
        assert!(told.most_memory > bytes.len() / 2 && told.most_memory < bytes.len() * 3 + (4 << 20));
    }
}

#[test]
fn dictionaries_may_be_replaced_in_streams() {
    let batches = [all_types(50, 0), all_types(60, 4)];
    let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Resend);
    let bytes = write(Form::Stream, &batches, options);
    let told = Told::of(&bytes);
    assert!(told.is_clean(), "{:?}", told.faults);
    assert_eq!(told.batches, batches);
}

#[test]
fn the_classes_of_a_small_stream_are_what_they_should_be() {
    let bytes = write(Form::Stream, &small(), options(None, 8));
    let told = Told::of(&bytes);
    let payload: u64 = told.classes(RegionClass::Payload).iter().map(|range| range.end - range.start).sum();
    // Bits of validity where there are nulls, four offsets, texts, three numbers.
    assert_eq!(payload, (1 + 16 + 43 + 24) + (16 + 10 + 24));
}

#[test]
fn what_it_is_shows_in_name_and_content() {
    use crate::shard::recognise;
    let name = |name: &str, head: &[u8]| recognise(name.as_bytes(), head).map(|format| format.name());
    let (file, stream) =
        (write(Form::File, &small(), options(None, 64)), write(Form::Stream, &small(), options(None, 8)));
    let head = |bytes: &[u8]| bytes[..512].to_vec();
    assert_eq!(name("x", &head(&file)), Some("arrow"));
    for called in ["data.arrow", "x.ARROWS", "x.ipc", "x.feather", ""] {
        assert_eq!(name(called, &head(&stream)), Some("arrow"), "{called}");
    }
    assert_eq!(name("x.bin", &head(&stream)), None);
    assert_eq!(name("x.arrow", b"something else"), Some("container by its name only"));
    assert_eq!(name("x.ipc", b"something else"), None);
    assert_eq!(name("x.arrow", b"version https://git-lfs.github.com/spec/v1\n"), None);
    // Before 0.15 there was no continuation marker.
    let old = "file of Arrow before 0.15";
    assert_eq!(name("x.arrow", &stream[4..512]), Some(old));
    assert_eq!(name("x", &[&file[..64], &file[68..512]].concat()), Some(old));
    assert_eq!(name("x", b"FEA1"), Some("Feather file of version 1"));
}
