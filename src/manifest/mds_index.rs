//! The `index.json` of MDS datasets (MosaicML Streaming, version 2): for each shard its file as it is and, where it was
//! compressed, its compressed file, with sizes and digests.
//!
//! `{"version": 2, "shards": [{"version": 2, "format": "mds", "samples", "raw_data": {"basename", "bytes", "hashes":
//! {ALGORITHM: hex}}, "zip_data": null or the same, …}]}`. A dataset lies on the disk compressed, raw, or as both, so
//! each file is claimed that is there; where neither is, what was published is: the compressed one if there is one
//! (`streaming/base/format/base/reader.py` of mosaicml-streaming 0.13.0). The formats `json`, `csv`, `tsv` and `xsv` have
//! a second file, `raw_meta` and `zip_meta`.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::entries::{Each, Stop, read};
use super::labelled::Writing;
use super::{Context, ManifestError, ManifestFormat, open_regular, subject};
use crate::claim::{Claim, ClaimSink, Scope, Subject};

/// The format of MDS indexes.
#[derive(Clone, Copy, Debug)]
pub struct MdsIndex;

impl ManifestFormat for MdsIndex {
    fn name(&self) -> &'static str {
        "mds"
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
        head.trim_ascii_start().starts_with(b"{") && has(b"\"shards\"") && has(b"\"raw_data\"")
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let mut reading = Reading { context, sink, ordinal: 0, claims: 0, found: Found::default() };
        let version = read(input, "an MDS index", |stop| Index { reading: &mut reading, stop })?;
        if version.as_ref().and_then(Value::as_u64) != Some(2) {
            return Err(not_this_format("its version is not 2, the only one known"));
        }
        if reading.ordinal == 0 {
            return Err(not_this_format("it lists no shard"));
        }
        if reading.claims == 0 {
            return Err(not_this_format("none of the shards it lists is described as an index has it"));
        }
        reading.tell_place()?;
        Ok(Scope::Folder(Vec::new()))
    }
}

fn not_this_format(why: &str) -> ManifestError {
    ManifestError::NotThisFormat(why.to_owned())
}

/// One run over an index.
struct Reading<'a> {
    context: &'a Context<'a>,
    sink: &'a mut dyn ClaimSink,
    /// Shards so far.
    ordinal: u64,
    /// Files claimed so far.
    claims: u64,
    found: Found,
}

/// Which files lie beside the index.
#[derive(Default)]
struct Found {
    any: bool,
    /// Files that are published in two forms, of which neither is there.
    neither: u64,
}

/// A file of a shard.
struct FileInfo<'v> {
    name: &'v str,
    size: u64,
    hashes: Vec<(&'v str, &'v str)>,
}

impl Reading<'_> {
    fn shard(&mut self, shard: &Value) -> Result<(), ManifestError> {
        self.ordinal += 1;
        match Self::files(shard) {
            Ok(files) => {
                for (raw, zip) in &files {
                    self.claims(raw, zip.as_ref())?;
                }
                if shard["format"] == "mds"
                    && let Some((raw, _)) = files.first()
                {
                    self.compare_samples(raw, shard["samples"].as_u64())?;
                }
                Ok(())
            }
            Err(why) => Ok(self.sink.reject(self.ordinal, why.to_owned())?),
        }
    }

    /// The files of a shard, each raw and perhaps compressed.
    fn files(shard: &Value) -> Result<Vec<(FileInfo<'_>, Option<FileInfo<'_>>)>, &'static str> {
        if shard["version"].as_u64() != Some(2) {
            return Err("its version is not 2, the only one known");
        }
        let keys: &[(&str, &str)] = match shard["format"].as_str() {
            Some("mds") => &[("raw_data", "zip_data")],
            Some("json" | "csv" | "tsv" | "xsv") => &[("raw_data", "zip_data"), ("raw_meta", "zip_meta")],
            _ => return Err("its format is not known"),
        };
        keys.iter()
            .map(|(raw, zip)| {
                let zip = &shard[*zip];
                // What Python takes for nothing is nothing.
                let none = zip.is_null() || zip.as_object().is_some_and(|info| info.is_empty());
                let zip = if none { None } else { Some(FileInfo::read(zip).ok_or(NO_FILE)?) };
                Ok((FileInfo::read(&shard[*raw]).ok_or(NO_FILE)?, zip))
            })
            .collect()
    }

    fn claims(&mut self, raw: &FileInfo<'_>, zip: Option<&FileInfo<'_>>) -> Result<(), ManifestError> {
        let (has_raw, has_zip) = (self.is_there(raw), zip.is_some_and(|zip| self.is_there(zip)));
        self.found.any |= has_raw || has_zip;
        self.found.neither += u64::from(zip.is_some() && !has_raw && !has_zip);
        if let Some(zip) = zip.filter(|_| has_zip || !has_raw) {
            self.claim(zip)?;
        }
        if has_raw || zip.is_none() {
            self.claim(raw)?;
        }
        Ok(())
    }

    fn claim(&mut self, file: &FileInfo<'_>) -> Result<(), ManifestError> {
        self.claims += 1;
        let subject = subject(file.name.as_bytes());
        let mut claim =
            Claim { size: Some(file.size), ..Claim::new(self.context.source, self.ordinal, subject) };
        // By default an index is written without hashes: sizes are compared then.
        for (algorithm, value) in &file.hashes {
            claim = claim.labelled(algorithm, value.as_bytes(), Writing::Hex);
        }
        Ok(self.sink.claim(claim)?)
    }

    /// Says why files may be told as missing: without one beside the index nobody knows in which form they are there.
    fn tell_place(&mut self) -> Result<(), ManifestError> {
        if self.found.any || self.found.neither == 0 {
            return Ok(());
        }
        let why = "none of its shards lies beside it, so they are sought as compressed files only: if they lie raw in \
                   another folder, verify with a copy of the index in that folder";
        Ok(self.sink.broken(None, why.to_owned())?)
    }

    /// Where a file would lie, if its name is one.
    fn place(&self, file: &FileInfo<'_>) -> Option<PathBuf> {
        let Subject::Path(path) = subject(file.name.as_bytes()) else { return None };
        Some(self.context.path.parent()?.join(OsStr::from_bytes(path.as_bytes())))
    }

    fn is_there(&self, file: &FileInfo<'_>) -> bool {
        self.place(file).is_some_and(|path| path.symlink_metadata().is_ok())
    }

    /// A shard that lies there raw begins with the number of its samples: where the index has another, nobody can read
    /// both.
    fn compare_samples(&mut self, raw: &FileInfo<'_>, claimed: Option<u64>) -> Result<(), ManifestError> {
        let mut first = [0; 4];
        let Some(mut file) = self.place(raw).and_then(|path| open_regular(&path).ok()) else { return Ok(()) };
        if file.read_exact(&mut first).is_err() {
            return Ok(());
        }
        let there = u64::from(u32::from_le_bytes(first));
        if claimed == Some(there) {
            return Ok(());
        }
        let claimed = claimed.map_or_else(|| "no number of".to_owned(), |claimed| claimed.to_string());
        let why = format!("it gives {claimed} samples for a shard that says it has {there}");
        Ok(self.sink.broken(Some(self.ordinal), why)?)
    }
}

const NO_FILE: &str = "a file of it has no name, size or digests as an index has them";

impl<'v> FileInfo<'v> {
    fn read(info: &'v Value) -> Option<Self> {
        let hashes = match &info["hashes"] {
            Value::Null => Vec::new(),
            // A value that is no text is no digest, and is told as one that is missing.
            Value::Object(hashes) => hashes
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
                .collect(),
            _ => return None,
        };
        let (name, size) = (info["basename"].as_str()?, info["bytes"].as_u64()?);
        Some(FileInfo { name, size, hashes })
    }
}

/// The whole index; its value is the version.
struct Index<'r, 'a> {
    reading: &'r mut Reading<'a>,
    stop: Stop,
}

impl<'de> DeserializeSeed<'de> for Index<'_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Index<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an MDS index")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut version = None;
        while let Some(key) = self.stop.short(|| map.next_key::<String>())? {
            match key.as_str() {
                "version" => version = Some(self.stop.short(|| map.next_value())?),
                "shards" => {
                    map.next_value_seed(Each(&self.stop, |shard| self.reading.shard(&shard)))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::json;

    use super::super::testing::Kept;
    use super::*;
    use crate::claim::SourceId;
    use crate::digest::DigestSet;

    const MD5: &str = "62e6422c0eb60ba19fab58206234fab1";
    const XXH64: &str = "00fb07f8b1b1f46f";

    fn file(name: &str, hashes: Value) -> Value {
        json!({"basename": name, "bytes": 7, "hashes": hashes})
    }

    fn index(raw: Value, zip: Value) -> Value {
        let shard = json!({"version": 2, "format": "mds", "samples": 3, "raw_data": raw, "zip_data": zip});
        json!({"shards": [shard], "version": 2})
    }

    fn read_in(folder: &Path, index: &Value) -> (Result<Scope, ManifestError>, Kept) {
        let mut kept = Kept::default();
        let path = folder.join("index.json");
        let context = Context {
            source: SourceId(0),
            file_name: b"index.json",
            path: &path,
            declared: DigestSet::EMPTY,
        };
        (MdsIndex.read(&mut index.to_string().as_bytes(), &context, &mut kept), kept)
    }

    #[test]
    fn the_files_that_are_there_are_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let index = index(
            file("s.mds", json!({"md5": MD5, "xxh64": XXH64})),
            file("s.mds.zstd", json!({"md5": MD5})),
        );
        let paths = || {
            let (scope, kept) = read_in(folder.path(), &index);
            assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
            assert!(kept.rejected.is_empty());
            let is_beside = fs::read_dir(folder.path()).unwrap().next().is_some();
            assert_eq!(kept.broken.len(), usize::from(!is_beside), "it is told where no shard is there");
            kept.paths()
        };
        assert_eq!(paths(), ["s.mds.zstd"], "what was published is missing");
        fs::write(folder.path().join("s.mds"), [3, 0, 0, 0]).unwrap();
        assert_eq!(paths(), ["s.mds"]);
        fs::write(folder.path().join("s.mds.zstd"), "").unwrap();
        assert_eq!(paths(), ["s.mds.zstd", "s.mds"]);
        fs::remove_file(folder.path().join("s.mds")).unwrap();
        assert_eq!(paths(), ["s.mds.zstd"]);
    }

    #[test]
    fn a_shard_that_was_never_compressed_is_claimed_with_all_its_digests() {
        let folder = tempfile::tempdir().unwrap();
        let raw = file("sub/s.mds", json!({"md5": MD5, "xxh64": XXH64, "whirl": "00"}));
        let kept = read_in(folder.path(), &index(raw, Value::Null)).1;
        assert_eq!(kept.paths(), ["sub/s.mds"]);
        let names: Vec<_> = kept.claims[0].digests.iter().map(|digest| digest.algorithm().name()).collect();
        assert_eq!(
            (names, kept.claims[0].size, &kept.claims[0].unusable),
            (vec!["xxh64", "md5"], Some(7), &None)
        );
        let kept = read_in(folder.path(), &index(file("s.mds", json!({})), Value::Null)).1;
        assert_eq!((kept.claims[0].size, &kept.claims[0].unusable), (Some(7), &None), "sizes are compared");
        assert!(kept.claims[0].digests.is_empty());
        let kept = read_in(folder.path(), &index(file("../s.mds", json!({"md5": MD5})), Value::Null)).1;
        assert!(matches!(kept.claims[0].subject, Subject::Refused { .. }));
    }

    #[test]
    fn another_number_of_samples_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("s.mds"), [4, 0, 0, 0]).unwrap();
        let kept = read_in(folder.path(), &index(file("s.mds", json!({"md5": MD5})), Value::Null)).1;
        assert_eq!(kept.broken.len(), 1);
        assert!(
            kept.broken[0].1.contains("3 samples") && kept.broken[0].1.contains("has 4"),
            "{:?}",
            kept.broken
        );
    }

    #[test]
    fn nothing_of_any_length_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let shard = index(file("s.mds", json!({"md5": MD5})), Value::Null)["shards"][0].to_string();
        let read = |text: String| {
            let mut kept = Kept::default();
            let path = folder.path().join("index.json");
            let context =
                Context { source: SourceId(0), file_name: b"x", path: &path, declared: DigestSet::EMPTY };
            MdsIndex.read(&mut text.as_bytes(), &context, &mut kept).map_err(|e| e.to_string())
        };
        let long = "0,".repeat(1 << 20);
        let within = shard.replacen('{', &format!("{{\"x\": [{long}0],"), 1);
        assert!(read(format!(r#"{{"version": 2, "shards": [{within}]}}"#)).unwrap_err().contains("an entry"));
        let key = "k".repeat(1 << 18);
        for text in [
            format!(r#"{{"version": 2, "{key}": 1, "shards": [{shard}]}}"#),
            format!(r#"{{"version": "{key}", "shards": [{shard}]}}"#),
        ] {
            assert!(read(text).unwrap_err().contains("a key or value"));
        }
        let passed = format!(r#"{{"x": [{long}"{key}"], "version": 2, "shards": [{shard}]}}"#);
        assert!(read(passed).is_ok(), "what is passed over is not held");
        let many = vec![shard.as_str(); 9000].join(",");
        assert!(many.len() > 1 << 20 && read(format!(r#"{{"version": 2, "shards": [{many}]}}"#)).is_ok());
    }

    #[test]
    fn other_shapes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let sound = index(file("s.mds", json!({"md5": MD5})), Value::Null);
        let text = sound.to_string();
        assert!(MdsIndex.recognises(b"index.json", text.as_bytes()));
        let refused = |index: &Value| read_in(folder.path(), index).0.unwrap_err().to_string();
        let mut other = sound.clone();
        other["version"] = json!(1);
        assert!(refused(&other).contains("version"));
        assert!(refused(&json!({"shards": [], "version": 2})).contains("no shard"));
        assert!(refused(&json!({"shards": {}, "version": 2})).contains("shape"));
        assert!(refused(&json!([])).contains("shape"));
        let rejected = |key: &str, value: Value| {
            let mut other = sound.clone();
            other["shards"][0][key] = value;
            let (read, kept) = read_in(folder.path(), &other);
            assert!(read.unwrap_err().to_string().contains("none of the shards"), "{key}");
            (kept.claims.len(), kept.rejected.len())
        };
        for (key, value) in [
            ("version", json!(1)),
            ("format", json!("new")),
            ("raw_data", Value::Null),
            ("raw_data", json!({"basename": "s.mds", "bytes": -1, "hashes": {}})),
            ("zip_data", json!("s.mds.zstd")),
            ("zip_data", json!({"basename": "s.mds.zstd", "bytes": 1, "hashes": []})),
        ] {
            assert_eq!(rejected(key, value), (0, 1), "{key}");
        }
        for cut in 0..text.len() {
            let (mut kept, path) = (Kept::default(), folder.path().join("index.json"));
            let context = Context {
                source: SourceId(0),
                file_name: b"index.json",
                path: &path,
                declared: DigestSet::EMPTY,
            };
            assert!(
                MdsIndex.read(&mut &text.as_bytes()[..cut], &context, &mut kept).is_err(),
                "cut to {cut}"
            );
        }
    }
}
