//! Metadata that says what cannot be: told, and neither believed nor allocated for.

use std::time::Instant;

use arrow_ipc::{BodyCompression, DictionaryBatch, Message, RecordBatch};
use arrow_ipc::{
    BodyCompressionArgs, BodyCompressionMethod, Buffer, CompressionType, DictionaryBatchArgs, FieldNode,
    MessageArgs, MessageHeader, MetadataVersion, RecordBatchArgs,
};
use arrow_schema::{DataType, Field, Schema};
use flatbuffers::FlatBufferBuilder;

use super::Told;
use super::files::{Form, all_types, options, small, write};
use crate::shard::RegionClass;

/// A record batch as its metadata describes it.
#[derive(Clone, Default)]
struct Lie {
    rows: i64,
    nodes: Vec<(i64, i64)>,
    buffers: Vec<(i64, i64)>,
    variadic: Vec<i64>,
    codec: Option<CompressionType>,
    body: Vec<u8>,
    /// What the message says of its body, where that is another length.
    body_len: Option<i64>,
    dictionary: Option<(i64, bool)>,
}

impl Lie {
    fn message(&self) -> Vec<u8> {
        let mut fbb = FlatBufferBuilder::new();
        let nodes: Vec<_> = self.nodes.iter().map(|(len, nulls)| FieldNode::new(*len, *nulls)).collect();
        let buffers: Vec<_> = self.buffers.iter().map(|(at, len)| Buffer::new(*at, *len)).collect();
        let nodes = Some(fbb.create_vector(&nodes));
        let buffers = Some(fbb.create_vector(&buffers));
        let variadic = (!self.variadic.is_empty()).then(|| fbb.create_vector(&self.variadic));
        let compression = self.codec.map(|codec| {
            BodyCompression::create(
                &mut fbb,
                &BodyCompressionArgs { codec, method: BodyCompressionMethod::BUFFER },
            )
        });
        let args = RecordBatchArgs {
            length: self.rows,
            nodes,
            buffers,
            compression,
            variadicBufferCounts: variadic,
        };
        let batch = RecordBatch::create(&mut fbb, &args);
        let (header_type, header) = match self.dictionary {
            None => (MessageHeader::RecordBatch, batch.as_union_value()),
            Some((id, delta)) => {
                let args = DictionaryBatchArgs { id, data: Some(batch), isDelta: delta };
                let dictionary = DictionaryBatch::create(&mut fbb, &args);
                (MessageHeader::DictionaryBatch, dictionary.as_union_value())
            }
        };
        let args = MessageArgs {
            version: MetadataVersion::V5,
            header_type,
            header: Some(header),
            bodyLength: self.body_len.unwrap_or(self.body.len() as i64),
            custom_metadata: None,
        };
        let message = Message::create(&mut fbb, &args);
        fbb.finish(message, None);
        let mut metadata = fbb.finished_data().to_vec();
        metadata.resize(metadata.len().next_multiple_of(8), 0);
        [&[0xff; 4], &(metadata.len() as i32).to_le_bytes()[..], &metadata, &self.body].concat()
    }
}

/// A stream of one column of this type and these messages, and a sound batch of no rows after them.
fn stream(data_type: DataType, lies: &[Lie]) -> Vec<u8> {
    let schema = std::sync::Arc::new(Schema::new(vec![Field::new("c", data_type, true)]));
    let empty = arrow_array::RecordBatch::new_empty(schema);
    let whole = write(Form::Stream, &[empty], options(None, 8));
    // The schema's message: a prefix, and as much as it says.
    let at = 8 + i32::from_le_bytes([whole[4], whole[5], whole[6], whole[7]]) as usize;
    let lies: Vec<u8> = lies.iter().flat_map(Lie::message).collect();
    [&whole[..at], &lies, &whole[at..]].concat()
}

fn why(data_type: DataType, lie: Lie) -> String {
    let started = Instant::now();
    let told = Told::of(&stream(data_type, &[lie]));
    assert!(started.elapsed().as_secs() < 2);
    assert!(told.most_memory < 8 << 20, "{}", told.most_memory);
    assert_eq!((told.rows.len(), told.unreadable().len()), (0, 1), "{:?}", told.faults);
    told.unreadable()[0].to_string()
}

fn text(buffers: [(i64, i64); 3]) -> Lie {
    let body =
        [&[3, 0, 0, 0, 0, 0, 0, 0][..], &[0; 4], &[1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], b"ab\0\0\0\0\0\0"];
    Lie { rows: 2, nodes: vec![(2, 0)], buffers: buffers.to_vec(), body: body.concat(), ..Lie::default() }
}

const TEXT: [(i64, i64); 3] = [(0, 1), (8, 12), (24, 2)];

#[test]
fn buffers_that_cannot_be_are_refused() {
    let told = Told::of(&stream(DataType::Utf8, &[text(TEXT)]));
    assert!(told.is_clean() && told.rows == [0..2], "{:?}", told.faults);
    let refused = |buffers, what: &str| {
        assert_eq!(why(DataType::Utf8, text(buffers)), format!("record batch 0: {what}"));
    };
    let cannot = "one of its buffers is said to lie where it cannot";
    for bad in [(24, 9), (-8, 2), (24, -1), (i64::MAX - 7, 8), (1 << 40, 1), (33, 0)] {
        refused([TEXT[0], TEXT[1], bad], cannot);
    }
    refused([TEXT[0], TEXT[1], (8, 2)], "its buffers overlap");
    refused([TEXT[0], (4, 12), TEXT[2]], "one of its buffers is not aligned");
    refused([TEXT[0], (8, 8), TEXT[2]], "one of its buffers has 8 bytes and needs 12");
    refused([TEXT[0], TEXT[1], (24, 1)], "values lead to byte 2 of 1");
    // What is refused lies there as a whole, and the next batch goes on.
    let told = Told::of(&stream(DataType::Utf8, &[text([TEXT[0], TEXT[1], (8, 2)]), text(TEXT)]));
    assert_eq!((told.rows, told.hidden), (vec![2..4], vec![text(TEXT).body]));
}

#[test]
fn numbers_of_rows_are_not_believed() {
    let null = |rows: i64| Lie { rows, nodes: vec![(rows, rows)], ..Lie::default() };
    let told = Told::of(&stream(DataType::Null, &[null(3000)]));
    assert_eq!((told.unreadable().len(), told.rows.len()), (0, 3));
    for rows in [1 << 60, 1 << 31, i64::MAX] {
        let over = "record batch 0: its number of values is over the limit for a file of its size";
        assert_eq!(why(DataType::Null, null(rows)), over);
    }
    assert_eq!(why(DataType::Null, null(-1)), "record batch 0: it is said to have -1 rows");
    // Each for itself would do.
    let told = Told::by(&stream(DataType::Null, &vec![null(1 << 22); 10]), 1 << 16, "a.arrow", false);
    assert!((5..9).contains(&told.unreadable().len()), "{}", told.unreadable().len());
    for (nodes, what) in [
        (vec![(3, 0)], "its buffers has 12 bytes and needs 16"),
        (vec![(2, 3)], "a column is said to have 3 nulls among 2 values"),
        (vec![], "it has fewer columns than its schema"),
        (vec![(2, 0), (2, 0)], "it has more columns or buffers than its schema"),
        (vec![(1, 0)], "a column has 1 values for 2 rows"),
        (vec![(2, 1)], "it cannot be decoded"),
    ] {
        let said = why(DataType::Utf8, Lie { nodes, ..text(TEXT) });
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn lengths_of_compressed_buffers_are_not_believed() {
    let zeros = |len: usize, said: i64| {
        let mut frame = Vec::with_capacity(1 << 20);
        zstd_safe::compress(&mut frame, &vec![0; len], 3).unwrap();
        let mut body = [&said.to_le_bytes()[..], &frame].concat();
        let stored = body.len() as i64;
        body.resize(body.len().next_multiple_of(8), 0);
        let rows = len as i64;
        let (nodes, buffers) = (vec![(rows, 0)], vec![(0, 0), (0, stored)]);
        Lie { rows, nodes, buffers, body, codec: Some(CompressionType::ZSTD), ..Lie::default() }
    };
    let told = Told::of(&stream(DataType::Int8, &[zeros(2000, 2000)]));
    assert!(told.is_clean() && told.rows == [0..1024, 1024..2000], "{:?}", told.faults);
    let over = "record batch 0: one of its buffers is over the limit of 256 MiB once decompressed";
    for (said, what) in [
        (i64::MAX, over),
        ((256 << 20) + 1, over),
        (-2, "record batch 0: a compressed buffer has a negative length"),
        (1999, "record batch 0: one of its buffers has 1999 bytes and needs 2000"),
        (2001, "record batch 0: it cannot be decoded"),
    ] {
        let said = why(DataType::Int8, zeros(2000, said));
        assert!(said.starts_with(what), "{said}");
    }
    let mut other = zeros(2000, 2000);
    other.codec = Some(CompressionType::LZ4_FRAME);
    assert_eq!(why(DataType::Int8, other), "record batch 0: one of its buffers is no compressed frame");
    // Bytes after the frame: no decoder shows them.
    let mut more = zeros(2000, 2000);
    let (frame, at) = (more.buffers[1].1 as usize, more.body.len());
    more.body.extend_from_slice(b"hidden ");
    more.buffers[1].1 = more.body.len() as i64;
    let told = Told::of(&stream(DataType::Int8, &[more]));
    assert!(told.hidden.len() == 1 && told.hidden[0].ends_with(b"hidden "), "{frame} {at} {:?}", told.hidden);
    // Thousandfold, again and again: of a small file no more than so much is decompressed.
    let big = zeros(16 << 20, 16 << 20);
    let told = Told::by(&stream(DataType::Int8, &vec![big; 80]), 1 << 16, "a.arrow", false);
    assert!(told.unreadable().len() > 10, "{}", told.unreadable().len());
}

#[test]
fn lengths_of_messages_are_not_believed() {
    let lie = |body_len: i64| Lie { body_len: Some(body_len), ..text(TEXT) };
    let said = |lie: Lie| Told::of(&stream(DataType::Utf8, &[lie])).unreadable().join("; ");
    let cut = "it ends within a message: it may be cut short";
    assert_eq!(said(lie((512 << 20) - 8)), cut);
    assert_eq!(said(lie(i64::MAX)), format!("record batch 0: its body is over the limit of 512 MiB; {cut}"));
    let lost = "nothing after it can be read";
    assert_eq!(said(lie(-1)), format!("a message is said to have a negative length; {lost}"));
    let sound = write(Form::Stream, &small(), options(None, 8));
    for (len, why) in [
        (i32::MAX, "the metadata of a message is over the limit of 16 MiB"),
        (-7, "the metadata of a message is said to have a negative length"),
    ] {
        let mut bytes = sound.clone();
        let at = 8 + i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
        bytes[at + 4..at + 8].copy_from_slice(&len.to_le_bytes());
        let told = Told::of(&bytes);
        assert_eq!(told.unreadable(), [format!("{why}; {lost}")]);
        assert_eq!(told.classes(RegionClass::Opaque), [at as u64..bytes.len() as u64]);
    }
}

#[test]
fn a_lost_dictionary_is_lost_to_the_batches_that_name_it() {
    let whole = all_types(20, 0).project(&[12]).unwrap();
    let bytes = write(Form::Stream, &[whole], options(None, 8));
    let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let keys = Lie {
        rows: 2,
        nodes: vec![(2, 0)],
        buffers: vec![(0, 0), (0, 8)],
        body: vec![0, 0, 0, 0, 1, 0, 0, 0],
        ..Lie::default()
    };
    let words = Lie { dictionary: Some((0, false)), ..text(TEXT) };
    assert!(Told::of(&bytes).is_clean());
    let told = Told::of(&stream(data_type.clone(), &[words.clone(), keys.clone()]));
    assert!(told.is_clean() && told.rows == [0..2], "{:?}", told.faults);
    let bad = Lie { buffers: vec![TEXT[0], TEXT[1], (8, 2)], ..words.clone() };
    let more = Lie { dictionary: Some((0, true)), ..text(TEXT) };
    let told = Told::of(&stream(
        data_type.clone(),
        &[words.clone(), bad, more, keys.clone(), words.clone(), keys.clone()],
    ));
    assert_eq!(
        told.unreadable(),
        [
            "a batch of dictionary 0: its buffers overlap",
            "a batch of dictionary 0: the dictionary that it adds to could not be read",
            "record batch 0: a dictionary that it may need could not be read",
        ]
    );
    assert_eq!(told.rows, [2..4]);
    // Keys without a dictionary, keys out of it, and a dictionary that no column names.
    let out = Lie { body: vec![9; 8], ..keys.clone() };
    for lies in
        [vec![keys.clone()], vec![words.clone(), out], vec![Lie { dictionary: Some((7, false)), ..words }]]
    {
        assert_eq!(Told::of(&stream(data_type.clone(), &lies)).unreadable().len(), lies.len().min(1));
    }
}

#[test]
fn values_that_are_named_again_and_again_are_bounded() {
    // One view of lists names the same thousands of values in each row.
    let child = DataType::ListView(Field::new("item", DataType::Null, true).into());
    let lie = |rows: usize, times: i32| {
        let offsets = vec![0u8; rows * 4];
        let sizes: Vec<u8> = (0..rows).flat_map(|_| times.to_le_bytes()).collect();
        let n = (rows * 4) as i64;
        let nodes = vec![(rows as i64, 0), (i64::from(times), i64::from(times))];
        Lie {
            rows: rows as i64,
            nodes,
            buffers: vec![(0, 0), (0, n), (n, n)],
            body: [offsets, sizes].concat(),
            ..Lie::default()
        }
    };
    let told = Told::of(&stream(child.clone(), &[lie(64, 1 << 17)]));
    assert_eq!((told.unreadable().len(), told.rows.len()), (0, 8));
    let nested = DataType::ListView(Field::new("item", child, true).into());
    let mut both = lie(64, 1 << 13);
    let inner = lie(1 << 13, 1 << 13);
    both.nodes = vec![both.nodes[0], inner.nodes[0], inner.nodes[1]];
    let at = both.body.len() as i64;
    both.buffers.extend(inner.buffers.iter().map(|(offset, len)| (offset + at, *len)));
    both.body.extend_from_slice(&inner.body);
    let told = Told::of(&stream(nested, &[both]));
    assert_eq!(told.unreadable(), ["record batch 0: its rows repeat lists more often than the limit"]);
}
