//! The shape of a batch: what its metadata says of rows, nodes and buffers, held against the schema and the body
//! before the `arrow-ipc` crate sees any of it.
//!
//! The crate slices a body by the numbers in the metadata and panics where they lead out of it, and reserves memory for
//! as many bytes as a compressed buffer says of itself. So each buffer must lie in the body, alone, and be long enough
//! for its values; how much it decompresses to is bounded.

use std::ops::Range;

use arrow_ipc::{BodyCompressionMethod, CompressionType, MetadataVersion, RecordBatch};
use arrow_schema::{DataType, UnionMode};

use super::frame::frame_len;
use super::limits;

/// What a batch may come to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Values of all columns, nested ones counted for themselves.
    pub values: u64,
    /// Bytes of compressed buffers once decompressed.
    pub inflated: u64,
}

/// A batch that can be decoded.
#[derive(Debug, Default)]
pub struct Shape {
    /// Its rows.
    pub rows: u64,
    /// Its buffers in the order in which they lie in the body.
    pub parts: Vec<Part>,
    /// Its values.
    pub values: u64,
    /// Bytes that its compressed buffers decompress to.
    pub inflated: u64,
}

/// A buffer in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Bytes of the body.
    pub stored: Range<usize>,
    /// Those among them that some value refers to, so far as that shows without decompressing.
    pub used: Range<usize>,
}

/// Looks over a batch of columns of these types.
pub fn look_over<'a>(
    columns: impl Iterator<Item = &'a DataType>,
    batch: RecordBatch<'_>,
    version: MetadataVersion,
    body: &[u8],
    bounds: Bounds,
) -> Result<Shape, String> {
    let rows = number(batch.length(), "rows")?;
    let compression = match batch.compression() {
        None => None,
        Some(said) if said.method() != BodyCompressionMethod::BUFFER => {
            return Err("its buffers are compressed by a method that is not known".to_string());
        }
        Some(said) => match said.codec() {
            codec @ (CompressionType::LZ4_FRAME | CompressionType::ZSTD) => Some(codec),
            _ => return Err("its buffers are compressed by a codec that is not known".to_string()),
        },
    };
    let mut look = Look {
        nodes: batch.nodes().into_iter().flatten().map(|node| (node.length(), node.null_count())),
        buffers: batch.buffers().into_iter().flatten().map(|buffer| (buffer.offset(), buffer.length())),
        variadic: batch.variadicBufferCounts().into_iter().flatten(),
        compression,
        version,
        body,
        bounds,
        shape: Shape { rows: rows as u64, ..Shape::default() },
    };
    look.charge(rows)?;
    for column in columns {
        let len = look.column(column, None)?;
        if len != rows {
            return Err(format!("a column has {len} values for {rows} rows"));
        }
    }
    if look.nodes.next().is_some() || look.buffers.next().is_some() || look.variadic.next().is_some() {
        return Err("it has more columns or buffers than its schema".to_string());
    }
    let mut shape = look.shape;
    shape.parts.sort_by_key(|part| part.stored.start);
    if shape.parts.windows(2).any(|pair| pair[0].stored.end > pair[1].stored.start) {
        return Err("its buffers overlap".to_string());
    }
    Ok(shape)
}

struct Look<'a, N, B, V> {
    nodes: N,
    buffers: B,
    variadic: V,
    compression: Option<CompressionType>,
    version: MetadataVersion,
    body: &'a [u8],
    bounds: Bounds,
    shape: Shape,
}

/// Length and number of nulls.
struct Node {
    len: usize,
    nulls: usize,
    /// The values that something refers to.
    live: Range<usize>,
}

/// A buffer as it lies in the body.
struct Stored {
    range: Range<usize>,
    /// Its bytes once decompressed.
    len: usize,
    /// Where they lie in the body, where they are not compressed.
    plain: Option<Range<usize>>,
    /// What decoders take of a compressed one.
    frame: usize,
}

impl<N, B, V> Look<'_, N, B, V>
where
    N: Iterator<Item = (i64, i64)>,
    B: Iterator<Item = (i64, i64)>,
    V: Iterator<Item = i64>,
{
    /// A column of which something refers to the live values, to all where that is not known; returns its length. The
    /// order of nodes and buffers is that of the Arrow columnar format, "Buffer listing for each layout".
    fn column(&mut self, data_type: &DataType, live: Option<Range<usize>>) -> Result<usize, String> {
        use DataType::{
            Binary, BinaryView, Boolean, Dictionary, FixedSizeBinary, FixedSizeList, LargeBinary, LargeList,
            LargeListView, LargeUtf8, List, ListView, Map, Null, RunEndEncoded, Struct, Union, Utf8,
            Utf8View,
        };
        let node = self.node(live)?;
        let all = Some(node.live.clone());
        match data_type {
            Null => {}
            Boolean => {
                self.validity(&node)?;
                let bits = self.buffer(node.len.div_ceil(8))?;
                self.used(bits, node.live.start / 8..node.live.end.div_ceil(8));
            }
            Utf8 | Binary => self.texts(&node, 4)?,
            LargeUtf8 | LargeBinary => self.texts(&node, 8)?,
            Utf8View | BinaryView => {
                self.validity(&node)?;
                self.fixed(&node, 16)?;
                let count = self.variadic.next().ok_or("a number of its buffers is missing")?;
                for _ in 0..number(count, "buffers")? {
                    let data = self.buffer(0)?;
                    let len = data.len;
                    self.used(data, 0..len);
                }
            }
            FixedSizeBinary(width) => {
                self.validity(&node)?;
                self.fixed(&node, number(i64::from(*width), "bytes in a value")?)?;
            }
            List(child) | Map(child, _) => self.lists(&node, 4, child.data_type())?,
            LargeList(child) => self.lists(&node, 8, child.data_type())?,
            ListView(child) | LargeListView(child) => {
                self.validity(&node)?;
                let width = if matches!(data_type, ListView(_)) { 4 } else { 8 };
                self.fixed(&node, width)?;
                self.fixed(&node, width)?;
                self.column(child.data_type(), None)?;
            }
            FixedSizeList(child, size) => {
                self.validity(&node)?;
                let size = number(i64::from(*size), "values in a list")?;
                let times = |n: usize| n.checked_mul(size).ok_or("its lists are too long");
                let live = times(node.live.start)?..times(node.live.end)?;
                self.column(child.data_type(), Some(live))?;
            }
            Struct(fields) => {
                self.validity(&node)?;
                for field in fields {
                    self.column(field.data_type(), all.clone())?;
                }
            }
            RunEndEncoded(ends, values) => {
                self.column(ends.data_type(), None)?;
                self.column(values.data_type(), None)?;
            }
            Dictionary(keys, _) => {
                self.validity(&node)?;
                self.fixed(
                    &node,
                    keys.primitive_width().ok_or("its dictionary has keys that are no numbers")?,
                )?;
            }
            Union(fields, mode) => {
                if self.version < MetadataVersion::V5 {
                    self.validity(&node)?;
                }
                self.fixed(&node, 1)?;
                if *mode == UnionMode::Dense {
                    self.fixed(&node, 4)?;
                }
                for (_, field) in fields.iter() {
                    let live = if *mode == UnionMode::Dense { None } else { all.clone() };
                    self.column(field.data_type(), live)?;
                }
            }
            other => {
                let width = other.primitive_width().ok_or("one of its types is not known")?;
                self.validity(&node)?;
                self.fixed(&node, width)?;
            }
        }
        Ok(node.len)
    }

    fn node(&mut self, live: Option<Range<usize>>) -> Result<Node, String> {
        let (len, nulls) = self.nodes.next().ok_or("it has fewer columns than its schema")?;
        let (len, nulls) = (number(len, "values")?, number(nulls, "nulls")?);
        if nulls > len {
            return Err(format!("a column is said to have {nulls} nulls among {len} values"));
        }
        self.charge(len)?;
        let live = live.unwrap_or(0..len);
        if live.start > live.end || live.end > len {
            return Err(format!("lists lead to value {} of {len}", live.end));
        }
        Ok(Node { len, nulls, live })
    }

    fn charge(&mut self, values: usize) -> Result<(), String> {
        self.shape.values = self.shape.values.saturating_add(values as u64);
        if self.shape.values > self.bounds.values {
            return Err("its number of values is over the limit for a file of its size".to_string());
        }
        Ok(())
    }

    fn validity(&mut self, node: &Node) -> Result<(), String> {
        let need = node.len.div_ceil(8);
        let bits = self.buffer(if node.nulls > 0 { need } else { 0 })?;
        let used = need.min(bits.len);
        self.used(bits, 0..used);
        Ok(())
    }

    fn fixed(&mut self, node: &Node, width: usize) -> Result<(), String> {
        let values = self.buffer(times(node.len, width)?)?;
        self.used(values, node.live.start * width..node.live.end * width);
        Ok(())
    }

    fn texts(&mut self, node: &Node, width: usize) -> Result<(), String> {
        self.validity(node)?;
        let live = self.offsets(node, width)?;
        let values = self.buffer(0)?;
        let live = live.unwrap_or(0..values.len);
        if live.end > values.len {
            return Err(format!("values lead to byte {} of {}", live.end, values.len));
        }
        self.used(values, live);
        Ok(())
    }

    fn lists(&mut self, node: &Node, width: usize, child: &DataType) -> Result<(), String> {
        self.validity(node)?;
        let live = self.offsets(node, width)?;
        self.column(child, live)?;
        Ok(())
    }

    /// Takes the buffer of offsets: what the live values refer to in turn, where it can be seen.
    fn offsets(&mut self, node: &Node, width: usize) -> Result<Option<Range<usize>>, String> {
        let need = if node.len == 0 { 0 } else { times(node.len + 1, width)? };
        let stored = self.buffer(need)?;
        let live = &node.live;
        let mut leads = Some(0..0);
        let mut used = 0..0;
        if !live.is_empty() {
            used = live.start * width..(live.end + 1) * width;
            leads = match &stored.plain {
                None => None,
                Some(plain) => {
                    let bytes = &self.body[plain.clone()];
                    let (start, end) = (offset(bytes, live.start, width), offset(bytes, live.end, width));
                    let found = start.zip(end).filter(|(start, end)| start <= end);
                    let (start, end) = found.ok_or("its offsets do not rise")?;
                    Some(start..end)
                }
            };
        } else if node.len == 0 {
            // Writers may give an empty column its one offset.
            used.end = stored.len.min(width);
        }
        self.used(stored, used);
        Ok(leads)
    }

    /// Takes the next buffer, which must come to so many bytes.
    fn buffer(&mut self, need: usize) -> Result<Stored, String> {
        let (offset, len) = self.buffers.next().ok_or("it has fewer buffers than its schema")?;
        let lies = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
        let range = lies.and_then(|(offset, len)| Some(offset..offset.checked_add(len)?));
        let range = range.filter(|range| range.end <= self.body.len());
        let range = range.ok_or("one of its buffers is said to lie where it cannot")?;
        if range.start % 8 != 0 && !range.is_empty() {
            return Err("one of its buffers is not aligned".to_string());
        }
        let stored = self.unwrap(range)?;
        if stored.len < need {
            return Err(format!("one of its buffers has {} bytes and needs {need}", stored.len));
        }
        Ok(stored)
    }

    /// A compressed buffer begins with its length once decompressed; −1 says that it is not compressed after all.
    fn unwrap(&mut self, range: Range<usize>) -> Result<Stored, String> {
        let Some(codec) = self.compression.filter(|_| !range.is_empty()) else {
            return Ok(Stored { len: range.len(), plain: Some(range.clone()), range, frame: 0 });
        };
        let bytes = &self.body[range.clone()];
        let Some((head, frame)) = bytes.split_first_chunk::<8>() else {
            return Err("one of its compressed buffers is too short".to_string());
        };
        let plain = range.start + 8..range.end;
        match i64::from_le_bytes(*head) {
            -1 => Ok(Stored { len: plain.len(), plain: Some(plain), range, frame: 0 }),
            0 => Ok(Stored { len: 0, plain: None, range, frame: 8 }),
            said => {
                let len = u64::try_from(said).map_err(|_| "a compressed buffer has a negative length")?;
                if len > limits::BUFFER {
                    return Err(
                        "one of its buffers is over the limit of 256 MiB once decompressed".to_string()
                    );
                }
                self.shape.inflated += len;
                if self.shape.inflated > limits::INFLATED {
                    return Err("its buffers are over the limit of 512 MiB once decompressed".to_string());
                }
                if self.shape.inflated > self.bounds.inflated {
                    return Err(
                        "its buffers decompress to more than the limit for a file of its size".to_string()
                    );
                }
                let frame = frame_len(codec, frame).ok_or("one of its buffers is no compressed frame")?;
                // At most the limit, so it fits.
                Ok(Stored { len: len as usize, plain: None, range, frame: 8 + frame })
            }
        }
    }

    /// Notes where a buffer lies and which of its bytes something refers to.
    fn used(&mut self, stored: Stored, used: Range<usize>) {
        let Stored { range, plain, frame, .. } = stored;
        let Some(plain) = plain else {
            let used = range.start..range.start + frame;
            return self.part(range, used);
        };
        if plain.start > range.start {
            self.part(range.start..plain.start, range.start..plain.start);
        }
        let used = plain.start + used.start..plain.start + used.end;
        self.part(plain, used);
    }

    fn part(&mut self, stored: Range<usize>, used: Range<usize>) {
        if !stored.is_empty() {
            self.shape.parts.push(Part { stored, used });
        }
    }
}

fn number(said: i64, of: &str) -> Result<usize, String> {
    usize::try_from(said).map_err(|_| format!("it is said to have {said} {of}"))
}

fn times(len: usize, width: usize) -> Result<usize, String> {
    len.checked_mul(width).ok_or_else(|| "its number of values is over any limit".to_string())
}

fn offset(bytes: &[u8], index: usize, width: usize) -> Option<usize> {
    let bytes = bytes.get(index * width..(index + 1) * width)?;
    match width {
        4 => usize::try_from(i32::from_le_bytes(bytes.try_into().ok()?)).ok(),
        _ => usize::try_from(i64::from_le_bytes(bytes.try_into().ok()?)).ok(),
    }
}
