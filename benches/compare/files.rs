//! Datasets of plain files, with a manifest for every tool that verifies them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::Bench;
use crate::data::{Data, Noise};

/// What is written beside the files and their `SHA256SUMS`.
#[derive(Clone, Copy, PartialEq)]
pub enum Beside {
    /// No more.
    Nothing,
    /// What the peers read: a hashdeep list, BLAKE3 sums, a bag of hard links.
    Peers,
    /// A hashdeep list with MD5, SHA-1 and SHA-256, and two that are wrong about the first file.
    Three,
}

/// Files of a folder `data`, and their manifests above it.
pub struct Files {
    pub data: Data,
    pub items: u64,
    pub bytes: u64,
}

impl Files {
    /// Equal sizes, a thousand in a folder.
    pub fn equal(bench: &Bench, name: &str, count: u64, size: u64, beside: Beside) -> Result<Files> {
        let all = (0..count).map(|i| (format!("{:03}/{i:07}.bin", i / 1000), size)).collect();
        Files::make(bench, name, all, beside)
    }

    /// These names with these sizes.
    pub fn make(bench: &Bench, name: &str, all: Vec<(String, u64)>, beside: Beside) -> Result<Files> {
        let (items, bytes) = (all.len() as u64, all.iter().map(|(_, size)| size).sum());
        // Each small file takes a block of 4 KiB and two names in folders.
        let on_disk = all.iter().map(|(_, size)| size.next_multiple_of(4096) + 200).sum();
        let data = bench.store.data(name, on_disk, |folder| write(folder, &all, beside))?;
        Ok(Files { data, items, bytes })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.data.folder.join(name)
    }

    pub fn dataset(&self) -> PathBuf {
        self.path("data")
    }

    pub fn sums(&self) -> PathBuf {
        self.path("SHA256SUMS")
    }
}

/// The first name of [`Files::equal`].
pub const FIRST: &str = "0000000.bin";

fn write(folder: &Path, all: &[(String, u64)], beside: Beside) -> Result<()> {
    let create = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let mut sums = create("SHA256SUMS")?;
    let mut peers = match beside {
        Beside::Peers => Some(Peers::new(folder)?),
        _ => None,
    };
    let mut three = match beside {
        Beside::Three => Some(Three::new(folder)?),
        _ => None,
    };
    for (seed, (name, size)) in all.iter().enumerate() {
        let path = folder.join("data").join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let digests = write_one(&path, seed as u64, *size, beside)?;
        writeln!(sums, "{}  {name}", digests.sha256)?;
        if let Some(peers) = &mut peers {
            peers.file(&path, name, *size, &digests)?;
        }
        if let Some(three) = &mut three {
            three.file(name, *size, &digests)?;
        }
    }
    sums.flush()?;
    peers.map_or(Ok(()), Peers::end)?;
    three.map_or(Ok(()), Three::end)
}

struct Digests {
    sha256: String,
    /// Only for peers.
    blake3: String,
    /// Only where three are asked for.
    md5_sha1: Option<(String, String)>,
}

fn write_one(path: &Path, seed: u64, size: u64, beside: Beside) -> Result<Digests> {
    let mut file = File::create(path)?;
    let mut noise = Noise::new(seed);
    let mut piece = vec![0; size.min(1 << 20) as usize];
    let (mut sha256, mut blake3) = (Sha256::new(), blake3::Hasher::new());
    let mut md5_sha1 = (beside == Beside::Three).then(|| (Md5::new(), Sha1::new()));
    let mut left = size;
    while left > 0 {
        let piece = &mut piece[..left.min(1 << 20) as usize];
        noise.fill(piece);
        sha256.update(&piece);
        if beside == Beside::Peers {
            blake3.update(piece);
        }
        if let Some((md5, sha1)) = &mut md5_sha1 {
            md5.update(&piece);
            sha1.update(&piece);
        }
        file.write_all(piece)?;
        left -= piece.len() as u64;
    }
    Ok(Digests {
        sha256: hex::encode(sha256.finalize()),
        blake3: blake3.finalize().to_hex().to_string(),
        md5_sha1: md5_sha1.map(|(md5, sha1)| (hex::encode(md5.finalize()), hex::encode(sha1.finalize()))),
    })
}

/// Manifests of the peers. hashdeep's names are those that it finds when it is run in `data` with `-r -l .`.
struct Peers {
    hashdeep: BufWriter<File>,
    blake3: BufWriter<File>,
    bag: PathBuf,
    manifest: BufWriter<File>,
}

impl Peers {
    fn new(folder: &Path) -> Result<Peers> {
        let bag = folder.join("bag");
        fs::create_dir_all(bag.join("data"))?;
        fs::write(bag.join("bagit.txt"), "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")?;
        let mut hashdeep = BufWriter::new(File::create(folder.join("known.hashdeep"))?);
        hashdeep.write_all(b"%%%% HASHDEEP-1.0\n%%%% size,sha256,filename\n")?;
        Ok(Peers {
            hashdeep,
            blake3: BufWriter::new(File::create(folder.join("B3SUMS"))?),
            manifest: BufWriter::new(File::create(bag.join("manifest-sha256.txt"))?),
            bag,
        })
    }

    fn file(&mut self, path: &Path, name: &str, size: u64, digests: &Digests) -> Result<()> {
        writeln!(self.hashdeep, "{size},{},./{name}", digests.sha256)?;
        writeln!(self.blake3, "{}  {name}", digests.blake3)?;
        writeln!(self.manifest, "{}  data/{name}", digests.sha256)?;
        let link = self.bag.join("data").join(name);
        if let Some(parent) = link.parent() {
            fs::create_dir_all(parent)?;
        }
        // The same bytes under another name: equal data, and warm as well.
        Ok(fs::hard_link(path, link)?)
    }

    fn end(self) -> Result<()> {
        for mut list in [self.hashdeep, self.blake3, self.manifest] {
            list.flush()?;
        }
        Ok(())
    }
}

/// Three digests of each file; of the two others, one has a wrong MD5 and one a wrong SHA-1 for the first file.
struct Three {
    lists: [(&'static str, BufWriter<File>); 3],
    first: bool,
}

impl Three {
    fn new(folder: &Path) -> Result<Three> {
        let list = |wrong: &'static str, name: &str| -> Result<_> {
            let mut list = BufWriter::new(File::create(folder.join(name))?);
            list.write_all(b"%%%% HASHDEEP-1.0\n%%%% size,md5,sha1,sha256,filename\n")?;
            Ok((wrong, list))
        };
        let lists = [
            list("", "known.hashdeep")?,
            list("md5", "wrong-md5.hashdeep")?,
            list("sha1", "wrong-sha1.hashdeep")?,
        ];
        Ok(Three { lists, first: true })
    }

    fn file(&mut self, name: &str, size: u64, digests: &Digests) -> Result<()> {
        let Some((md5, sha1)) = &digests.md5_sha1 else { return Ok(()) };
        for (wrong, list) in &mut self.lists {
            let [md5, sha1] = [("md5", md5), ("sha1", sha1)].map(|(algorithm, digest)| {
                // Another first digit makes another digest.
                let other = if digest.starts_with('5') { "6" } else { "5" };
                let right = !self.first || *wrong != algorithm;
                if right { digest.clone() } else { format!("{other}{}", &digest[1..]) }
            });
            writeln!(list, "{size},{md5},{sha1},{},./{name}", digests.sha256)?;
        }
        self.first = false;
        Ok(())
    }

    fn end(self) -> Result<()> {
        for (_, mut list) in self.lists {
            list.flush()?;
        }
        Ok(())
    }
}
