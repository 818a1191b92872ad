//! Writes one shard: a folder of files, a tar, a table.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::claims::{Claims, Digesting};
use super::random::{Random, Words};
use super::recipe::{Layout, Recipe};
use crate::digest::{Algorithm, DigestSet};

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Samples in them.
    pub samples: u64,
    /// Claims of them: one for each digest of an item.
    pub claims: u64,
}

/// How random content is written: in pieces of this.
const PIECE: usize = 64 << 10;

/// What no format begins with, so that random bytes are never taken for one.
const MARK: &[u8] = b"SYNTHETIC\0";

/// Words of all shards.
const WORDS: u64 = 3;

/// Uncompressed bytes of a row group, and of the rows that are handed over at once.
const ROW_GROUP: u64 = 16 << 20;
const BATCH: usize = 1 << 20;

/// The name of a shard below the dataset.
pub fn name_of(layout: Layout, shard: u64) -> String {
    match layout {
        Layout::Folder => format!("shard-{shard:05}"),
        other => format!("shard-{shard:05}.{}", other.name()),
    }
}

/// The name of a sample in its shard.
pub fn sample_name(sample: u64) -> String {
    format!("{sample:08}.bin")
}

/// Writes one shard below `folder`, and claims of it to `claims`. It ends early with an error where `stop` is set.
pub fn write(
    recipe: &Recipe,
    shard: u64,
    algorithms: DigestSet,
    folder: &Path,
    claims: &mut Claims<impl Write>,
    stop: &AtomicBool,
) -> io::Result<Made> {
    let name = name_of(recipe.layout, shard);
    let path = folder.join(&name);
    if recipe.layout == Layout::Folder {
        return write_files(recipe, shard, &name, algorithms, &path, claims, stop);
    }
    // A git object name begins with the length: what is written to nowhere first tells it.
    let len = match algorithms.contains(Algorithm::GitBlob) {
        false => None,
        true => {
            let mut nowhere = Claims::new(io::sink());
            let counting = Digesting::new(io::sink(), DigestSet::EMPTY, None);
            let (counted, _) = pack(recipe, shard, &name, algorithms, counting, &mut nowhere, stop)?;
            Some(counted.finish().2)
        }
    };
    let out = BufWriter::with_capacity(1 << 20, File::create_new(&path)?);
    let out = Digesting::new(out, algorithms, len);
    let (out, samples) = pack(recipe, shard, &name, algorithms, out, claims, stop)?;
    let (mut out, digests, bytes) = out.finish();
    out.flush()?;
    claims.item(&name, bytes, &digests)?;
    Ok(Made { files: 1, bytes, samples, claims: claims.claims })
}

/// Packs the samples of a shard into one file.
fn pack<W: Write + Send>(
    recipe: &Recipe,
    shard: u64,
    name: &str,
    algorithms: DigestSet,
    out: Digesting<W>,
    claims: &mut Claims<impl Write>,
    stop: &AtomicBool,
) -> io::Result<(Digesting<W>, u64)> {
    match recipe.layout {
        Layout::Parquet => write_parquet(recipe, shard, out, stop),
        Layout::Jsonl => write_jsonl(recipe, shard, out, stop),
        Layout::Tar | Layout::Folder => write_tar(recipe, shard, name, algorithms, out, claims, stop),
    }
}

fn write_files(
    recipe: &Recipe,
    shard: u64,
    name: &str,
    algorithms: DigestSet,
    folder: &Path,
    claims: &mut Claims<impl Write>,
    stop: &AtomicBool,
) -> io::Result<Made> {
    fs::create_dir(folder)?;
    let mut random = recipe.content(shard);
    let mut made = Made::default();
    for size in recipe.sizes(shard) {
        go_on(stop)?;
        let sample = sample_name(made.samples);
        let out = File::create_new(folder.join(&sample))?;
        let mut out = Digesting::new(out, algorithms, Some(size));
        write_content(&mut random, size, &mut out)?;
        let (_, digests, bytes) = out.finish();
        claims.item(&format!("{name}/{sample}"), bytes, &digests)?;
        made.samples += 1;
        made.files += 1;
        made.bytes += bytes;
    }
    made.claims = claims.claims;
    Ok(made)
}

fn write_tar<W: Write>(
    recipe: &Recipe,
    shard: u64,
    name: &str,
    algorithms: DigestSet,
    mut out: Digesting<W>,
    claims: &mut Claims<impl Write>,
    stop: &AtomicBool,
) -> io::Result<(Digesting<W>, u64)> {
    let mut random = recipe.content(shard);
    let mut samples = 0;
    for size in recipe.sizes(shard) {
        go_on(stop)?;
        let sample = sample_name(samples);
        let mut header = tar::Header::new_ustar();
        header.set_path(&sample)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        out.write_all(header.as_bytes())?;
        let mut member = Digesting::new(&mut out, algorithms, Some(size));
        write_content(&mut random, size, &mut member)?;
        let (_, digests, bytes) = member.finish();
        let padding = bytes.next_multiple_of(512) - bytes;
        out.write_all(&[0; 512][..padding as usize])?;
        claims.item(&format!("{name}/{sample}"), bytes, &digests)?;
        samples += 1;
    }
    out.write_all(&[0; 1024])?;
    Ok((out, samples))
}

/// Content that nothing compresses, as that of images is.
fn write_content(random: &mut Random, size: u64, out: &mut impl Write) -> io::Result<()> {
    let mut piece = [0; PIECE];
    let mut left = size;
    while left > 0 {
        let len = left.min(PIECE as u64) as usize;
        random.fill(&mut piece[..len]);
        if left == size {
            let marked = MARK.len().min(len);
            piece[..marked].copy_from_slice(&MARK[..marked]);
        }
        out.write_all(&piece[..len])?;
        left -= len as u64;
    }
    Ok(())
}

/// Rows of a shard: an identifier, a URL and a caption, the latter two as long together as the sample shall be.
struct Rows {
    random: Random,
    words: Words,
    sizes: super::random::Sizes,
    shard: u64,
    row: u64,
}

struct Row {
    id: i64,
    url: String,
    caption: String,
}

impl Rows {
    fn new(recipe: &Recipe, shard: u64) -> Rows {
        let words = Words::new(Random::new(recipe.seed, &[WORDS]));
        Rows { random: recipe.content(shard), words, sizes: recipe.sizes(shard), shard, row: 0 }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let size = self.sizes.next()? as usize;
        let mut url = format!("https://images.example/{:016x}.jpg", self.random.number());
        url.truncate(size);
        let mut caption = String::with_capacity(size + 16);
        self.words.fill(&mut self.random, &mut caption, size - url.len());
        let id = (self.shard << 40 | self.row) as i64;
        self.row += 1;
        Some(Row { id, url, caption })
    }
}

fn write_jsonl<W: Write>(
    recipe: &Recipe,
    shard: u64,
    mut out: Digesting<W>,
    stop: &AtomicBool,
) -> io::Result<(Digesting<W>, u64)> {
    let mut rows = Rows::new(recipe, shard);
    let mut text = Vec::with_capacity(2 * PIECE);
    for Row { id, url, caption } in rows.by_ref() {
        // Words and digits need no escapes.
        writeln!(text, "{{\"id\":{id},\"url\":\"{url}\",\"caption\":\"{caption}\"}}")?;
        if text.len() >= PIECE {
            go_on(stop)?;
            out.write_all(&text)?;
            text.clear();
        }
    }
    out.write_all(&text)?;
    Ok((out, rows.row))
}

fn write_parquet<W: Write + Send>(
    recipe: &Recipe,
    shard: u64,
    out: Digesting<W>,
    stop: &AtomicBool,
) -> io::Result<(Digesting<W>, u64)> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("url", DataType::Utf8, false),
        Field::new("caption", DataType::Utf8, false),
    ]));
    let group = (ROW_GROUP / recipe.sample_bytes).clamp(1, 1 << 16) as usize;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(group))
        .build();
    let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
    let mut rows = Rows::new(recipe, shard);
    loop {
        go_on(stop)?;
        let (mut ids, mut urls, mut captions, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
        while bytes < BATCH
            && let Some(Row { id, url, caption }) = rows.next()
        {
            bytes += url.len() + caption.len();
            ids.push(id);
            urls.push(url);
            captions.push(caption);
        }
        if ids.is_empty() {
            break;
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(ids)),
            Arc::new(StringArray::from(urls)),
            Arc::new(StringArray::from(captions)),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(io::Error::other)?;
        writer.write(&batch)?;
    }
    Ok((writer.into_inner()?, rows.row))
}

fn go_on(stop: &AtomicBool) -> io::Result<()> {
    match stop.load(Ordering::Relaxed) {
        true => Err(io::ErrorKind::Interrupted.into()),
        false => Ok(()),
    }
}
