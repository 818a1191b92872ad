//! Writes the demo dataset of the README: harmless synthetic files that show every finding of an audit.
//!
//! `cargo run --example make_demo [FOLDER]` writes it to `testdata/demo`, or to the folder that is named. A test holds
//! that the checked-in files are what this program writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("testdata/demo"), PathBuf::from);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    write_demo(&folder)
}

/// Writes the demo into a folder: `dataset/`, the manifest `SHA256SUMS` and the list `known-bad.txt`.
pub fn write_demo(folder: &Path) -> io::Result<()> {
    let mut demo = Demo { dataset: folder.join("dataset"), sums: String::new() };

    // As published.
    demo.published("README.txt", b"A small dataset of gradients and captions, made for a demonstration.\n")?;
    for i in 0..4u8 {
        demo.published(&format!("images/{i:03}.ppm"), &gradient(i))?;
        demo.published(&format!("captions/{i:03}.txt"), format!("gradient number {i}\n").as_bytes())?;
    }

    // altered: the caption was changed after publication; the other one lost its end.
    demo.claim("captions/004.txt", b"a gradient from red to blue\n");
    demo.put("captions/004.txt", b"a gradient from blue to red\n")?;
    demo.claim("captions/005.txt", b"a long caption that was cut short on its way here\n");
    demo.put("captions/005.txt", b"a long caption that was cut sh")?;

    // missing: published, not here. moved: here under another name.
    demo.claim("captions/006.txt", b"this caption was lost\n");
    demo.claim("captions/007.txt", b"this caption was renamed\n");
    demo.put("captions/seven.txt", b"this caption was renamed\n")?;

    // undisclosed: nobody published it.
    demo.put("extra/notes.txt", b"added by somebody, published by nobody\n")?;

    // known-bad: a gradient like the others, but its digest stands on the list.
    let flagged = gradient(200);
    demo.published("images/200.ppm", &flagged)?;
    let harmless = "# A list of known-bad digests for the demonstration; the one it holds is that of a plain gradient.\n";
    fs::write(folder.join("known-bad.txt"), format!("{harmless}{}\n", hex(&flagged)))?;

    // A shard whose samples are published one by one; one of them was changed, and bytes hide after its end.
    let mut shard = Vec::new();
    for (name, published, stored) in [
        ("000.txt", "first sample\n", "first sample\n"),
        ("001.txt", "second sample\n", "another sample\n"),
        ("002.txt", "third sample\n", "third sample\n"),
    ] {
        tar_member(&mut shard, name, stored.as_bytes());
        demo.claim(&format!("shards/train-000.tar/{name}"), published.as_bytes());
    }
    shard.extend_from_slice(&[0; 1024]);
    shard.extend_from_slice(b"these bytes lie after the end of the archive, where no reader shows them\n");
    demo.put("shards/train-000.tar", &shard)?;

    // unreadable: published like this, cut in the middle of a sample all the same.
    let mut cut = Vec::new();
    tar_member(&mut cut, "000.txt", b"a sample that is whole\n");
    tar_member(&mut cut, "001.txt", &[b'x'; 900]);
    cut.truncate(cut.len() - 800);
    demo.published("shards/train-001.tar", &cut)?;

    // pointer: the data was never fetched.
    let data = gradient(9);
    demo.claim("images/009.ppm", &data);
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
        hex(&data),
        data.len()
    );
    demo.put("images/009.ppm", pointer.as_bytes())?;

    // conflict: the manifest contradicts itself. bad-claim: an MD5 where SHA-256 is said. unverifiable: an algorithm
    // that cannot be computed. unsafe-name: a name that leads out of the dataset.
    demo.claim("captions/008.txt", b"one version\n");
    demo.claim("captions/008.txt", b"another version\n");
    demo.put("captions/008.txt", b"one version\n")?;
    demo.put("captions/009.txt", b"hello\n")?;
    demo.sums.push_str("b1946ac92492d2347c6235b4d2611184  captions/009.txt\n");
    demo.put("captions/010.txt", b"hello again\n")?;
    demo.sums.push_str(&format!("SHA3-256 (captions/010.txt) = {}\n", "1f".repeat(32)));
    demo.sums.push_str(&format!("{}  ../outside.txt\n", hex(b"outside\n")));

    // opaque: hashed whole, not opened.
    demo.published(
        "extra/archive.7z",
        b"7z\xbc\xaf\x27\x1c\0\x04 an archive of a kind that is not opened\n",
    )?;

    fs::write(folder.join("SHA256SUMS"), demo.sums)
}

struct Demo {
    dataset: PathBuf,
    sums: String,
}

impl Demo {
    fn published(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.claim(path, content);
        self.put(path, content)
    }

    fn claim(&mut self, path: &str, content: &[u8]) {
        self.sums.push_str(&format!("{}  {path}\n", hex(content)));
    }

    fn put(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let path = self.dataset.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)
    }
}

/// A 16×16 picture (binary PPM) whose colours run with `seed`.
fn gradient(seed: u8) -> Vec<u8> {
    let mut picture = b"P6 16 16 255\n".to_vec();
    for y in 0..16u8 {
        for x in 0..16u8 {
            picture.extend_from_slice(&[x.wrapping_mul(15).wrapping_add(seed), y.wrapping_mul(15), seed]);
        }
    }
    picture
}

/// Appends a ustar entry with its padding.
fn tar_member(archive: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend_from_slice(&header);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect()
}
