//! What publishers claim: one file per format, each turning a manifest into claims.
//!
//! A reader trusts nothing: names pass through [`crate::locator::ItemPath`], a digest of the wrong length is an
//! unusable claim, a line that is no claim is rejected and counted.

pub mod annex_key;
pub mod annex_store;
pub mod bagit;
pub mod bookkeeping;
pub mod claims;
pub mod croissant;
mod csv_line;
pub mod dataverse;
pub mod debian;
pub mod discover;
pub mod dvc;
mod entries;
pub mod frictionless;
pub mod hashdeep;
pub mod hf_dataset_infos;
pub mod hf_local;
pub mod hf_tree;
mod json_limit;
mod json_walk;
pub mod labelled;
pub mod lfs_pointer;
mod lines;
pub mod mds_index;
pub mod path_list;
pub mod pooch;
pub mod record;
pub mod sums;
pub mod tfds;
pub mod wids;
pub mod zenodo;

use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::claim::{Claim, ClaimSink, Scope, SourceId, Subject, Unusable};
use crate::digest::DigestSet;
use crate::locator::ItemPath;

/// All formats of manifests in one file. Those with a mark of their own come first, sums files last.
pub fn formats() -> &'static [&'static dyn ManifestFormat] {
    &[
        &bagit::BagIt,
        &hashdeep::Hashdeep,
        &hf_tree::HfTree,
        &croissant::Croissant,
        &hf_dataset_infos::HfDatasetInfos,
        &frictionless::Frictionless,
        &dataverse::Dataverse,
        &zenodo::Zenodo,
        &mds_index::MdsIndex,
        &wids::Wids,
        &dvc::Dvc,
        &claims::ClaimsTable,
        &tfds::Tfds,
        &path_list::PathList,
        &record::Record,
        &debian::DebianMd5sums,
        &pooch::Pooch,
        &sums::Sums,
    ]
}

/// The format of this name, as it stands before the colon of `FORMAT:FILE`.
pub fn by_name(name: &str) -> Option<&'static dyn ManifestFormat> {
    formats().iter().copied().find(|format| format.name() == name)
}

/// The format of a file of this name that begins with these bytes (up to 64 KiB).
///
/// A file that is named like a sums file counts as one even where no line of its beginning is a checksum line: reading
/// it then says what is wrong. JSON of an unknown shape counts as nothing.
pub fn recognise(file_name: &[u8], head: &[u8]) -> Option<&'static dyn ManifestFormat> {
    formats().iter().copied().find(|format| format.recognises(file_name, head))
}

/// The format of the file at this path that begins with these bytes: as [`recognise`], with an eye on its folder.
pub fn recognise_at(path: &Path, head: &[u8]) -> Option<&'static dyn ManifestFormat> {
    formats().iter().copied().find(|format| format.recognises_at(path, head))
}

/// A format of manifests in one file.
pub trait ManifestFormat: Sync {
    /// Its name in reports and before the colon of `FORMAT:FILE`.
    fn name(&self) -> &'static str;

    /// Whether a file of this name that begins with these bytes (up to 64 KiB) is one.
    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool;

    /// Whether one that lies in a dataset is used without being named. A list of downloads is not: what it lists has most
    /// often been unpacked or converted, and would be missing.
    fn is_used_where_it_lies(&self) -> bool {
        true
    }

    /// Whether the file at this path is one: for formats that are known by the folder they lie in.
    fn recognises_at(&self, path: &Path, head: &[u8]) -> bool {
        self.recognises(path.file_name().unwrap_or_default().as_bytes(), head)
    }

    /// The folder that names in the manifest `file`, a real path, are relative to, where the format says which that is.
    /// Where it says nothing, that is the folder of the manifest, if it lies in the dataset, and else the dataset.
    fn base(&self, _file: &Path) -> Option<PathBuf> {
        None
    }

    /// Reads all claims. Names are relative to the manifest's base folder, as they stand in it.
    ///
    /// # Errors
    /// Where the whole cannot be used, or reading fails.
    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError>;
}

/// The file by which a folder that is a manifest as a whole is read: the `bagit.txt` of a bag.
pub fn entry_of_folder(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(bagit::DECLARATION)).filter(|file| file.is_file())
}

/// What a reader knows beside the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The number of the manifest among the run's sources.
    pub source: SourceId,
    /// Its file name without folders.
    pub file_name: &'a [u8],
    /// The file itself, for formats that speak of what lies beside it. Only regular files are opened there: see
    /// [`open_regular`].
    pub path: &'a Path,
    /// Algorithms the user declared for digests that do not say theirs; empty: by length and file name.
    pub declared: DigestSet,
}

/// Why a manifest cannot be used as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Its bytes are not of this format.
    #[error("{0}")]
    NotThisFormat(String),
    /// Reading failed.
    #[error("reading it failed: {0}")]
    Io(#[from] std::io::Error),
    /// The sink gave up.
    #[error(transparent)]
    Sink(#[from] crate::error::Error),
}

/// The folder, below the root, that the manifest at `path` below the root speaks of by its format, where that is not the
/// folder it lies in: the trees that `hf download` keeps lie in a folder of their own.
pub fn base_below(root: &Path, path: &[u8]) -> Option<Vec<u8>> {
    hf_local::base_of_tree(root, path)
}

/// Opens a file of the dataset that must be a regular one. It never waits: a pipe that stands at the name is refused.
///
/// # Errors
/// Where it cannot be opened or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}

/// What a claim of this URL is about, and of other names that a download of it may have. What is no URL of a host counts
/// as a path beside the manifest.
///
/// Of a URL the path counts, its `%XX` decoded; what stands after `?` or `#` does not (RFC 3986).
pub fn url_subject(url: &[u8], also: &[&[u8]]) -> Subject {
    let Some(path) = path_of_url(url) else { return subject(url) };
    let parsed = |name: &[u8]| ItemPath::parse(name.strip_prefix(b"/").unwrap_or(name));
    let mut names = std::iter::once(path.as_slice()).chain(also.iter().copied()).map(parsed);
    match names.find_map(Result::ok) {
        Some(path) => Subject::Url { path, also: names.filter_map(Result::ok).collect() },
        None => Subject::Refused { name: url.to_vec(), why: crate::locator::UnsafeName::Empty },
    }
}

/// What a registry's entry about a download is about: of a URL, its path; of a path, wherever the registry lay that says
/// so, as much of its end as a file here has.
///
/// Where the path names no file (`https://host/uc?id=…`), the query does, and stands with it: otherwise all downloads of
/// such a host would be one.
fn download_subject(url: &[u8], also: &[&[u8]]) -> Subject {
    if let Some(path) = path_of_url(url) {
        let subject = url_subject(url, also);
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let query = url.iter().position(|&b| b == b'?').map(|at| &url[at..]);
        let (Some(query), false, Subject::Url { path: of_url, also }) =
            (query, name.contains(&b'.'), &subject)
        else {
            return subject;
        };
        return match ItemPath::parse(&[path.as_slice(), query].concat()) {
            Ok(whole) => {
                let also = std::iter::once(of_url.clone()).chain(also.iter().cloned()).collect();
                Subject::Url { path: whole, also }
            }
            Err(_) => subject,
        };
    }
    let at = url.iter().position(|&b| b != b'/').unwrap_or(url.len());
    match ItemPath::parse(&url[at..]) {
        Ok(path) => {
            let also = also.iter().filter_map(|name| ItemPath::parse(name).ok()).collect();
            Subject::Url { path, also }
        }
        Err(why) => Subject::Refused { name: url.to_vec(), why },
    }
}

/// The path of `scheme://host/path`, without the leading `/`; `None` for what has no scheme and host.
fn path_of_url(url: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memmem::find(url, b"://")?;
    let (scheme, rest) = (&url[..at], &url[at + 3..]);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !is_scheme {
        return None;
    }
    let end = rest.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(rest.len());
    let path = rest[..end].iter().position(|&b| b == b'/').map_or(&b""[..], |at| &rest[at + 1..end]);
    Some(percent_decoded(path))
}

/// `%XX` as the byte it stands for; a `%` that no two hexadecimal digits follow stands for itself.
pub(crate) fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16)).map(|d| d as u8);
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// What a claim of this name is about: names from outside only become paths that stay below the root.
pub fn subject(name: &[u8]) -> Subject {
    match ItemPath::parse(name) {
        Ok(path) => Subject::Path(path),
        Err(why) => Subject::Refused { name: name.to_vec(), why },
    }
}

/// The claim of an entry that gives no digest: its size can be compared all the same, and told where it differs.
fn without_digest(claim: Claim) -> Claim {
    let unusable = Unusable::NotComputable("the manifest gives no digest of it".to_owned());
    Claim { unusable: claim.size.is_none().then_some(unusable), ..claim }
}

/// Whether the text, blanks aside, begins like a JSON array or object.
fn begins_like_json(head: &[u8]) -> bool {
    matches!(head.trim_ascii_start().first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod testing {
    use super::*;

    /// A sink that keeps everything.
    #[derive(Default)]
    pub struct Kept {
        pub claims: Vec<Claim>,
        pub rejected: Vec<(u64, String)>,
        pub broken: Vec<(Option<u64>, String)>,
        /// Entries about no single file: ordinal, name, and why.
        pub uncheckable: Vec<(u64, String, crate::claim::Unusable)>,
    }

    impl ClaimSink for Kept {
        fn claim(&mut self, claim: Claim) -> crate::error::Result<()> {
            self.claims.push(claim);
            Ok(())
        }

        fn reject(&mut self, line: u64, reason: String) -> crate::error::Result<()> {
            self.rejected.push((line, reason));
            Ok(())
        }

        fn uncheckable(
            &mut self,
            line: u64,
            name: &[u8],
            why: crate::claim::Unusable,
        ) -> crate::error::Result<()> {
            self.uncheckable.push((line, String::from_utf8_lossy(name).into_owned(), why));
            Ok(())
        }

        fn broken(&mut self, line: Option<u64>, reason: String) -> crate::error::Result<()> {
            self.broken.push((line, reason));
            Ok(())
        }
    }

    impl Kept {
        /// The names of all claims: a path, `url PATH` for what was published at a URL, `refused`.
        pub fn names(&self) -> Vec<String> {
            let text = |path: &ItemPath| String::from_utf8_lossy(path.as_bytes()).into_owned();
            let name = |claim: &Claim| match &claim.subject {
                Subject::Path(path) => text(path),
                Subject::Url { path, also } => {
                    let also: String = also.iter().map(|path| format!(" or {}", text(path))).collect();
                    format!("url {}{also}", text(path))
                }
                Subject::Refused { .. } => "refused".to_owned(),
            };
            self.claims.iter().map(name).collect()
        }

        /// The paths claimed, refused names left out.
        pub fn paths(&self) -> Vec<String> {
            let path = |c: &Claim| match &c.subject {
                Subject::Path(path) => Some(String::from_utf8_lossy(path.as_bytes()).into_owned()),
                _ => None,
            };
            self.claims.iter().filter_map(path).collect()
        }
    }

    /// Reads `content` as a file of this name and format.
    pub fn read(
        format: &dyn ManifestFormat,
        file_name: &str,
        declared: DigestSet,
        content: &[u8],
    ) -> (Result<Scope, ManifestError>, Kept) {
        let mut kept = Kept::default();
        let path = Path::new(file_name);
        let context = Context { source: SourceId(7), file_name: file_name.as_bytes(), path, declared };
        let scope = format.read(&mut &*content, &context, &mut kept);
        (scope, kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format_of(file_name: &str, head: &str) -> Option<&'static str> {
        recognise(file_name.as_bytes(), head.as_bytes()).map(|format| format.name())
    }

    #[test]
    fn of_a_url_the_path_counts() {
        let path = |url: &str| match url_subject(url.as_bytes(), &[b"a.csv"]) {
            Subject::Url { path, also } => {
                (String::from_utf8_lossy(path.as_bytes()).into_owned(), also.len())
            }
            Subject::Path(path) => (String::from_utf8_lossy(path.as_bytes()).into_owned(), 9),
            Subject::Refused { .. } => (String::new(), 0),
        };
        assert_eq!(path("https://h.org/d/a%20b.csv?x=1#y"), ("d/a b.csv".into(), 1));
        assert_eq!(path("s3://bucket/d/a%2.csv"), ("d/a%2.csv".into(), 1));
        assert_eq!(path("https://h.org"), ("a.csv".into(), 0));
        assert_eq!(path("https://h.org/../../etc/x"), ("a.csv".into(), 0));
        assert_eq!(path("data/a.csv"), ("data/a.csv".into(), 9));
        assert_eq!(path("://x/y"), (":/x/y".into(), 9));
    }

    #[test]
    fn a_query_tells_downloads_apart_whose_path_names_no_file() {
        let path = |url: &str| match download_subject(url.as_bytes(), &[b"a.zip"]) {
            Subject::Url { path, also } => {
                (String::from_utf8_lossy(path.as_bytes()).into_owned(), also.len())
            }
            _ => (String::new(), 0),
        };
        assert_eq!(path("https://h.com/uc?export=download&id=1"), ("uc?export=download&id=1".into(), 2));
        assert_eq!(path("https://h.com/d/a.csv?raw=1"), ("d/a.csv".into(), 1));
        assert_eq!(path("https://h.com/uc"), ("uc".into(), 1));
        assert_eq!(path("https://h.com/uc?/../x"), ("uc".into(), 1));
        assert_eq!(path("/home/x/a.csv"), ("home/x/a.csv".into(), 1));
        assert_eq!(path("../a.csv"), (String::new(), 0));
    }

    #[test]
    fn formats_are_told_by_content_and_json_never_becomes_sums() {
        let line = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  a.txt\n";
        assert_eq!(format_of("list", line), Some("sums"));
        assert_eq!(format_of("SHA256SUMS", "what\n"), Some("sums"));
        assert_eq!(format_of("SHA256SUMS", "{\"a\": 1}"), None);
        assert_eq!(format_of("notes.txt", "what\n"), None);
        assert_eq!(format_of("a.dvc", "outs:\n- md5: x\n"), Some("dvc"));
        assert_eq!(format_of("dvc.lock", "schema: '2.0'\nstages:\n"), Some("dvc"));
        assert_eq!(format_of("list.yaml", "outs:\n- md5: x\n"), None);
        assert_eq!(format_of("SHA256SUMS", "%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n"), Some("hashdeep"));
        assert_eq!(format_of("x.json", "[{\"type\":\"file\",\"oid\":\"\",\"path\":\"\"}]"), Some("hf-tree"));
        assert_eq!(format_of("x.json", "{\"format_version\": 1, \"files\": {"), Some("hf-tree"));
        let tfds =
            line.trim_end().split(' ').next().map(|sum| format!("https://h.org/a.zip\t6\t{sum}\ta.zip\n"));
        assert_eq!(format_of("checksums.txt", &tfds.unwrap_or_default()), Some("tfds"));
        for (name, json) in [
            (
                "croissant",
                r#"{"@context": {}, "@type": "sc:Dataset", "distribution": [{"@type": "sc:FileObject""#,
            ),
            (
                "croissant",
                r#"{"@type": "Dataset", "conformsTo": "http://mlcommons.org/croissant/1.1", "files": 1"#,
            ),
            (
                "hf-dataset-infos",
                r#"{"default": {"features": {}, "download_checksums": {"https://h.org/a": {"#,
            ),
            ("zenodo", r#"{"id": 1, "files": [{"id": "x", "key": "a", "size": 6, "checksum": "md5:0"#),
            ("zenodo", r#"[{"checksum": "0", "filename": "a", "filesize": 6"#),
            (
                "dataverse",
                r#"{"status": "OK", "data": [{"label": "a", "dataFile": {"filename": "a", "filesize": 1,
                "checksum": {"type": "MD5""#,
            ),
        ] {
            assert_eq!(format_of("index.json", json), Some(name), "{json}");
        }
        assert_eq!(
            format_of("index.json", r#"{"version": 2, "shards": [{"raw_data": {"basename": "a""#),
            Some("mds")
        );
        assert_eq!(format_of("warc.paths", "crawl-data/CC-MAIN-2025-43/a.warc.gz\n"), Some("paths"));
        assert_eq!(format_of("bagit.txt", "BagIt-Version: 1.0\n"), Some("bagit"));
        assert_eq!(format_of("bagit.txt", line), Some("sums"));
        assert_eq!(format_of("manifest-sha256.txt", line), Some("bagit"));
        assert_eq!(format_of("manifest.txt", line), Some("sums"));
        assert_eq!(format_of("datapackage.json", "{\"resources\": ["), Some("frictionless"));
        assert_eq!(format_of("datapackage.json", "{\"name\": 1}"), None);
        assert_eq!(format_of("RECORD", "a/b.py,sha256=abc,1\n"), Some("record"));
        assert_eq!(format_of("md5sums", "b1946ac92492d2347c6235b4d2611184  a\n"), Some("sums"));
        let (digest, name) = line.trim_end().split_once("  ").unwrap();
        assert_eq!(format_of("registry.txt", &format!("{name} {digest}\n")), Some("pooch"));
        assert_eq!(format_of("registry.txt", &format!("{digest}  {digest}\n")), Some("sums"));
        assert_eq!(format_of("x", "stance,name,size,algorithm,digest\n"), Some("claims"));
        assert_eq!(format_of("x", "PAR1...."), Some("claims"));
        assert!(formats().iter().all(|f| by_name(f.name()).is_some_and(|g| g.name() == f.name())));
        assert!(by_name("nothing").is_none());
    }
}
