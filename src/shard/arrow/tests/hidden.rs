//! Bytes that readers pass over: each is told, hashed and of the right class.

use super::Told;
use super::files::{FORMS, Form, options, small, write};
use crate::shard::RegionClass;

fn stream() -> Vec<u8> {
    write(Form::Stream, &small(), options(None, 8))
}

fn file() -> Vec<u8> {
    write(Form::File, &small(), options(None, 8))
}

/// Where the footer of a file begins.
fn footer_at(file: &[u8]) -> usize {
    let end = &file[file.len() - 10..];
    file.len() - 10 - i32::from_le_bytes([end[0], end[1], end[2], end[3]]) as usize
}

#[test]
fn what_follows_the_end_of_a_stream_is_trailing() {
    let stream = stream();
    for more in [b"hidden".to_vec(), stream.clone()] {
        let told = Told::of(&[&stream[..], &more].concat());
        assert_eq!(told.unreadable(), [""; 0]);
        assert_eq!(told.rows, [0..3, 3..6]);
        let all = stream.len() as u64..(stream.len() + more.len()) as u64;
        assert_eq!((told.classes(RegionClass::Trailing), &told.hidden[0]), (vec![all], &more));
    }
    let told = Told::of(&[&stream[..], &[0; 100]].concat());
    assert!(told.is_clean());
    // The end marker of old, and none at all.
    let bare = &stream[..stream.len() - 8];
    for (end, hidden) in [(&[][..], 0), (&[0; 4], 0), (b"\0\0\0\0hidden", 1)] {
        let told = Told::of(&[bare, end].concat());
        assert_eq!((told.unreadable().len(), told.rows.len(), told.hidden.len()), (0, 2, hidden));
    }
    let told = Told::of(&[bare, b"no message"].concat());
    assert_eq!(
        told.unreadable(),
        ["where a message is to begin there is none; nothing after it can be read"]
    );
    assert_eq!(told.hidden, [b"no message"]);
}

#[test]
fn what_stands_before_the_footer_is_dead() {
    let file = file();
    let at = footer_at(&file);
    for (gap, hidden) in [(vec![0; 64], false), (b"\0\0hidden".to_vec(), true)] {
        let told = Told::of(&[&file[..at], &gap, &file[at..]].concat());
        assert_eq!((told.unreadable().len(), told.rows.len()), (0, 2));
        assert_eq!(told.hidden, if hidden { vec![b"hidden".to_vec()] } else { vec![] });
        assert_eq!(told.classes(RegionClass::Dead).len(), usize::from(hidden));
    }
    // More than a footer may have: no more than that is kept.
    let mut gap = vec![0; 100_000];
    gap.resize(40 << 20, 7);
    let told = Told::of(&[&file[..at], &gap, &file[at..]].concat());
    assert_eq!(told.classes(RegionClass::Dead), [(at + 100_000) as u64..(at + (40 << 20)) as u64]);
    assert!(told.most_memory < 20 << 20, "{}", told.most_memory);
    // Without an end marker the footer follows the last message.
    let told = Told::of(&[&file[..at - 8], &file[at..]].concat());
    assert!(told.is_clean() && told.rows.len() == 2, "{:?}", told.faults);
}

#[test]
fn what_follows_a_footer_or_stands_for_it_is_told() {
    let file = file();
    let cut = "it begins as an Arrow file and does not end as one: it may be cut short";
    let told = Told::of(&[&file[..], b"hidden"].concat());
    assert_eq!(told.unreadable(), [cut]);
    assert_eq!((told.rows.len(), told.classes(RegionClass::Opaque).len()), (2, 1));
    let mut long = file.clone();
    let at = long.len() - 10;
    long[at..at + 4].copy_from_slice(&(file.len() as i32).to_le_bytes());
    assert_eq!(Told::of(&long).unreadable(), ["its footer is said to reach into its messages"]);
}

#[test]
fn a_batch_that_the_footer_does_not_list_is_told() {
    let (one, two) = (write(Form::File, &small()[..1], options(None, 8)), file());
    // The messages of both batches and the footer of a file with the first alone.
    let told = Told::of(&[&two[..footer_at(&two)], &one[footer_at(&one)..]].concat());
    let why =
        "record batch 1, rows from 3 on: the footer does not list it, so readers of files do not show it";
    assert_eq!((told.unreadable(), told.rows.len()), (vec![why], 2));
    // And the other way round.
    let told = Told::of(&[&one[..footer_at(&one)], &two[footer_at(&two)..]].concat());
    assert_eq!(told.unreadable().len(), 1);
    assert!(told.unreadable()[0].starts_with("its footer lists a record batch at byte "));
    // A footer for another table.
    let other = small().map(|batch| batch.project(&[1, 0]).unwrap());
    let other = write(Form::File, &other, options(None, 8));
    let told = Told::of(&[&two[..footer_at(&two)], &other[footer_at(&other)..]].concat());
    assert!(told.unreadable().contains(&"its footer and its first message have different schemas"));
}

#[test]
fn padding_that_is_not_zero_is_told() {
    for form in FORMS {
        let bytes = write(form, &small(), options(None, 64));
        let sound = Told::of(&bytes);
        for range in sound.classes(RegionClass::ZeroPad) {
            let mut padded = bytes.clone();
            padded[range.end as usize - 1] = b'!';
            let told = Told::of(&padded);
            assert_eq!(told.hidden, [b"!"], "{form:?} {range:?}");
            assert_eq!(told.classes(RegionClass::NonzeroPad), [range.end - 1..range.end]);
            assert_eq!((told.unreadable().len(), &told.batches), (0, &sound.batches));
        }
    }
    let mut file = file();
    file[7] = b'!';
    let told = Told::of(&file);
    assert_eq!((told.hidden.len(), told.rows.len()), (1, 2));
}
