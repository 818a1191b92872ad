//! How long a compressed frame is: what follows it in its buffer no reader shows.

use arrow_ipc::CompressionType;

/// Bytes of the frame with which a compressed buffer begins; `None` if there is none.
pub fn frame_len(codec: CompressionType, bytes: &[u8]) -> Option<usize> {
    match codec {
        CompressionType::LZ4_FRAME => lz4(bytes),
        // A skippable frame holds nothing that is shown, and nobody begins a buffer with one.
        CompressionType::ZSTD if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => {
            zstd_safe::find_frame_compressed_size(bytes).ok().filter(|len| *len <= bytes.len())
        }
        _ => None,
    }
}

/// LZ4 frame format 1.6.4: magic number, descriptor, blocks with their lengths, an end mark.
fn lz4(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(&[0x04, 0x22, 0x4d, 0x18]) {
        return None;
    }
    let flags = *bytes.get(4)?;
    let has = |bit: u8, len: usize| if flags & bit != 0 { len } else { 0 };
    let mut at = 4 + 2 + has(0x08, 8) + has(0x01, 4) + 1;
    loop {
        let size = bytes.get(at..at.checked_add(4)?)?;
        let size = u32::from_le_bytes(size.try_into().ok()?);
        at += 4;
        if size == 0 {
            break;
        }
        // The highest bit says that the block is not compressed.
        at = at.checked_add((size & 0x7fff_ffff) as usize + has(0x10, 4))?;
    }
    at += has(0x04, 4);
    (at <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn frames_end_where_they_say() {
        for len in [1usize, 100, 300_000] {
            let data: Vec<u8> = (0..len).map(|n| (n * n % 251) as u8).collect();
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(&data).unwrap();
            let lz4 = encoder.finish().unwrap();
            let mut zstd = Vec::with_capacity(len + 1000);
            zstd_safe::compress(&mut zstd, &data, 3).unwrap();
            for (codec, frame) in [(CompressionType::LZ4_FRAME, lz4), (CompressionType::ZSTD, zstd)] {
                let more = [&frame[..], b"hidden"].concat();
                assert_eq!(frame_len(codec, &frame), Some(frame.len()));
                assert_eq!(frame_len(codec, &more), Some(frame.len()));
                for cut in 0..frame.len().min(40) {
                    assert_eq!(frame_len(codec, &frame[..cut]), None);
                }
            }
        }
    }
}
