//! Decompression of pages, each to exactly the length that its header declares and never further.
//!
//! The codecs are those of `CompressionCodec` in `parquet.thrift`. All but LZO, which nobody writes, are known.

use std::cell::RefCell;
use std::io::{Cursor, Read};

use bytes::Bytes;
use parquet::basic::Compression;

/// Why a page cannot be decompressed.
type Trouble = String;

/// Decompresses what must come to `len` bytes, which the caller has bounded.
pub fn decompress(codec: Compression, input: &Bytes, len: usize) -> Result<Bytes, Trouble> {
    let output = match codec {
        Compression::UNCOMPRESSED => return Ok(input.clone()),
        _ if len == 0 => return Ok(Bytes::new()),
        Compression::SNAPPY => snappy(input, len)?,
        Compression::GZIP(_) => bounded(flate2::read::MultiGzDecoder::new(&input[..]), len)?,
        Compression::BROTLI(_) => bounded(brotli_decompressor::Decompressor::new(&input[..], 4096), len)?,
        Compression::ZSTD(_) => zstd(input, len)?,
        Compression::LZ4_RAW => lz4(input, len)?,
        // The deprecated codec has the framing of Hadoop, that of LZ4 frames, or none (parquet-format, "Compression").
        Compression::LZ4 => lz4_of_hadoop(input, len)
            .or_else(|_| bounded(lz4_flex::frame::FrameDecoder::new(Cursor::new(&input[..])), len))
            .or_else(|_| lz4(input, len))?,
        Compression::LZO => return Err("its codec, LZO, is not known".to_string()),
    };
    if output.len() == len {
        Ok(Bytes::from(output))
    } else {
        Err(format!("a page decompresses to {} bytes, its header says {len}", output.len()))
    }
}

fn zstd(input: &[u8], len: usize) -> Result<Vec<u8>, Trouble> {
    thread_local! {
        // Making one costs as much as a small page; each call begins it anew.
        static CONTEXT: RefCell<Option<zstd_safe::DCtx<'static>>> = const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|context| {
        let mut made = context.take().or_else(zstd_safe::DCtx::try_create).ok_or("there is no memory")?;
        let mut output = Vec::with_capacity(len);
        let told = made.decompress(&mut output, input);
        *context = Some(made);
        told.map_err(|code| zstd_safe::get_error_name(code).to_string())?;
        Ok(output)
    })
}

fn bounded(decoder: impl Read, len: usize) -> Result<Vec<u8>, Trouble> {
    let mut output = Vec::with_capacity(len);
    let mut decoder = decoder.take(len as u64 + 1);
    decoder.read_to_end(&mut output).map_err(|error| format!("a page does not decompress: {error}"))?;
    if output.len() > len {
        return Err(format!("a page decompresses to more than the {len} bytes that its header says"));
    }
    Ok(output)
}

fn snappy(input: &[u8], len: usize) -> Result<Vec<u8>, Trouble> {
    let wrong = |error: snap::Error| format!("a page does not decompress: {error}");
    if snap::raw::decompress_len(input).map_err(wrong)? != len {
        return Err("a page and its header disagree about its length".to_string());
    }
    let mut output = vec![0; len];
    snap::raw::Decoder::new().decompress(input, &mut output).map_err(wrong)?;
    Ok(output)
}

fn lz4(input: &[u8], len: usize) -> Result<Vec<u8>, Trouble> {
    let mut output = vec![0; len];
    let n = lz4_flex::block::decompress_into(input, &mut output)
        .map_err(|error| format!("a page does not decompress: {error}"))?;
    output.truncate(n);
    Ok(output)
}

/// Blocks of two big-endian lengths, decompressed and compressed, and the data.
fn lz4_of_hadoop(mut input: &[u8], len: usize) -> Result<Vec<u8>, Trouble> {
    let cut = || "a page does not decompress: it is cut short".to_string();
    let mut output = Vec::with_capacity(len);
    while let Some((head, rest)) = input.split_first_chunk::<8>() {
        let number =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (long, short) = (number(0), number(4));
        if long > len - output.len() || short > rest.len() {
            return Err(cut());
        }
        let block = lz4(&rest[..short], long)?;
        if block.len() != long {
            return Err(cut());
        }
        output.extend_from_slice(&block);
        input = &rest[short..];
    }
    if input.is_empty() { Ok(output) } else { Err(cut()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use parquet::basic::{BrotliLevel, GzipLevel};

    use super::*;

    #[test]
    fn no_codec_goes_past_the_declared_length() {
        let zeros = vec![0; 10_000_000];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let gzip = Bytes::from(gzip.finish().unwrap());
        let codec = Compression::GZIP(GzipLevel::default());
        assert_eq!(decompress(codec, &gzip, zeros.len()).unwrap(), zeros);
        for len in [1, 9_999_999, 10_000_001] {
            assert!(decompress(codec, &gzip, len).is_err());
        }
        assert!(
            decompress(Compression::BROTLI(BrotliLevel::default()), &Bytes::from_static(&[6]), 5).is_err()
        );
        let lz4 = Bytes::from(lz4_flex::block::compress(&zeros));
        assert_eq!(decompress(Compression::LZ4_RAW, &lz4, zeros.len()).unwrap(), zeros);
        assert!(decompress(Compression::LZ4_RAW, &lz4, 100).is_err());
        let block = lz4_flex::block::compress(b"hello hello hello");
        let hadoop = [&17u32.to_be_bytes()[..], &(block.len() as u32).to_be_bytes(), &block].concat();
        assert_eq!(decompress(Compression::LZ4, &hadoop.into(), 17).unwrap(), &b"hello hello hello"[..]);
        assert_eq!(decompress(Compression::LZ4, &block.into(), 17).unwrap(), &b"hello hello hello"[..]);
    }
}
