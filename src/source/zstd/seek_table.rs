//! The seek table that may stand at the end of a zstd file ("Zstandard Seekable Format" 0.1.0, in zstd's `contrib`).

/// First byte of the skippable frame it stands in.
pub const FRAME: u8 = 0x5e;

/// The longest table that is looked at; what is longer counts as hidden.
pub const LIMIT: u64 = 4 << 20;

/// The last bytes of its footer.
pub const MAGIC: [u8; 4] = 0x8f92_eab1_u32.to_le_bytes();

/// What the decoder has seen before the table.
pub struct Before {
    /// Frames, skippable ones included.
    pub frames: u64,
    /// Bytes of the file.
    pub compressed: u64,
    /// Bytes that came out.
    pub decompressed: u64,
}

/// Whether the content of a skippable frame is a table of what stands before it: nothing else can hide in one that
/// adds up, except in its check sums.
pub fn adds_up(content: &[u8], before: &Before) -> bool {
    let Some((entries, [a, b, c, d, flags, magic @ ..])) = content.split_last_chunk::<9>() else {
        return false;
    };
    let count = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    let len = if flags & 0x80 != 0 { 12 } else { 8 };
    if *magic != MAGIC
        || flags & 0x7c != 0
        || count > before.frames
        || entries.len() as u64 != count * len as u64
    {
        return false;
    }
    let (mut compressed, mut decompressed) = (0u64, 0u64);
    for entry in entries.chunks_exact(len) {
        if let [a, b, c, d, e, f, g, h, ..] = *entry {
            compressed += u64::from(u32::from_le_bytes([a, b, c, d]));
            decompressed += u64::from(u32::from_le_bytes([e, f, g, h]));
        }
    }
    (compressed, decompressed) == (before.compressed, before.decompressed)
}
