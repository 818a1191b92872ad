//! Names under which manifests lie in a dataset.

/// Whether a file of this name, without folders, is taken for a sums or hashdeep manifest when it lies in a dataset. The
/// list is closed: other manifests are used when they are named.
pub fn looks_like_manifest(file_name: &[u8]) -> bool {
    let name = file_name.to_ascii_lowercase();
    let stem = name.strip_suffix(b".asc").unwrap_or(&name);
    let stem = stem.strip_suffix(b".txt").unwrap_or(stem);
    WHOLE.contains(&stem) || ends_like_a_sums_file(&name)
}

/// Names that many files have which are no manifests: one of them is used where its content is that of a manifest.
pub fn may_be_manifest(file_name: &[u8]) -> bool {
    const NAMES: [&[u8]; 3] = [b"bagit.txt", b"datapackage.json", b"index.json"];
    NAMES.contains(&file_name)
}

/// Whether a manifest found at `path` is a bag in the payload of another one of those `found`: there it is data, and what
/// the outer bag says of it counts.
pub fn is_bag_in_a_bag(path: &[u8], found: &mut dyn Iterator<Item = &[u8]>) -> bool {
    const NAME: &[u8] = b"bagit.txt";
    let folder = |path: &[u8]| path.strip_suffix(NAME).map(<[u8]>::to_vec);
    let Some(inner) = folder(path) else { return false };
    found.filter_map(folder).any(|mut outer| {
        outer.extend_from_slice(b"data/");
        inner.starts_with(&outer)
    })
}

/// Names as tools' manuals and mirrors write them, in lower case and without `.txt` or `.asc`.
const WHOLE: [&[u8]; 24] = [
    b"checksum",
    b"checksums",
    b"md5sum",
    b"md5sums",
    b"sha1sum",
    b"sha1sums",
    b"sha224sum",
    b"sha224sums",
    b"sha256sum",
    b"sha256sums",
    b"sha384sum",
    b"sha384sums",
    b"sha512sum",
    b"sha512sums",
    b"b2sum",
    b"b2sums",
    b"b3sum",
    b"b3sums",
    b"blake3sums",
    b"cksum",
    b"cksums",
    b"sm3sums",
    b"hashdeep",
    b"sums",
];

/// `a.tar.sha256`, `a.tar.sha256sum`, `list.hashdeep`, `dump-md5sums.txt`.
fn ends_like_a_sums_file(name: &[u8]) -> bool {
    const ALGORITHMS: [&[u8]; 10] =
        [b"md5", b"sha1", b"sha224", b"sha256", b"sha384", b"sha512", b"b2", b"b3", b"blake3", b"sm3"];
    if name.ends_with(b".hashdeep") {
        return true;
    }
    if let Some(stem) = name.strip_suffix(b".txt") {
        return stem.ends_with(b"-md5sums") || stem.ends_with(b"-sha1sums") || stem.ends_with(b"-sha256sums");
    }
    let Some(dot) = name.iter().rposition(|&b| b == b'.') else { return false };
    let (stem, ending) = (&name[..dot], &name[dot + 1..]);
    let word = [&b"sums"[..], b"sum"].iter().find_map(|end| ending.strip_suffix(*end)).unwrap_or(ending);
    !stem.is_empty() && ALGORITHMS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bag_in_a_payload_is_data() {
        let inside = |path: &str, others: &[&str]| {
            is_bag_in_a_bag(path.as_bytes(), &mut others.iter().map(|other| other.as_bytes()))
        };
        assert!(inside("b/data/bagit.txt", &["b/data/bagit.txt", "b/bagit.txt"]));
        assert!(inside("data/x/bagit.txt", &["bagit.txt"]));
        assert!(!inside("bagit.txt", &["bagit.txt"]) && !inside("c/bagit.txt", &["bagit.txt"]));
        assert!(!inside("data/SHA256SUMS", &["bagit.txt"]));
    }

    #[test]
    fn names_of_manifests_and_of_other_files() {
        for name in [
            "SHA256SUMS",
            "sha256sums.txt",
            "SHA256SUMS.txt",
            "SHA256SUMS.asc",
            "MD5SUMS",
            "md5sum.txt",
            "md5sums.txt",
            "checksums.txt",
            "CHECKSUMS",
            "a.tar.sha256",
            "a.tar.sha256sum",
            "a.md5",
            "a.sha1",
            "a.sha512",
            "a.b2",
            "a.b3",
            "known.hashdeep",
            "enwiki-20240101-md5sums.txt",
            "b2sums",
            "B3SUMS",
        ] {
            assert!(looks_like_manifest(name.as_bytes()), "{name}");
        }
        for name in [
            "manifest-sha256.txt",
            "tagmanifest-md5.txt",
            "README.md",
            "sha256",
            ".md5",
            "a.tar",
            "sums.json",
            "checksums.json",
            "train-sha256.parquet",
            "",
            "a.sfv",
        ] {
            assert!(!looks_like_manifest(name.as_bytes()), "{name}");
        }
    }
}
