//! Entries of a tree: what they hold, and the digest that follows from it.

use serde::Deserialize;
use serde_json::Value;
use sha1::Digest as _;

use crate::claim::Unusable;
use crate::digest::{Algorithm, Digest};
use crate::manifest::lfs_pointer::{self, Pointer};

/// An entry as the API answers it. Keys that are not used here may hold anything.
#[derive(Deserialize)]
pub(super) struct ApiEntry {
    #[serde(rename = "type", default)]
    pub(super) kind: Value,
    #[serde(default)]
    pub(super) oid: Value,
    #[serde(default)]
    pub(super) size: Value,
    #[serde(default)]
    pub(super) path: Value,
    #[serde(default)]
    pub(super) lfs: Option<ApiLfs>,
}

/// The LFS part of an [`ApiEntry`].
#[derive(Deserialize)]
pub(super) struct ApiLfs {
    #[serde(default)]
    pub(super) oid: Value,
    #[serde(default)]
    pub(super) size: Value,
    #[serde(default, rename = "pointerSize")]
    pub(super) pointer_size: Value,
}

/// An entry as `hf download` keeps it.
#[derive(Deserialize)]
pub(super) struct KeptEntry {
    #[serde(default)]
    pub(super) size: Value,
    #[serde(default)]
    pub(super) blob_id: Value,
    #[serde(default)]
    pub(super) lfs_sha256: Value,
    #[serde(default)]
    pub(super) lfs_size: Value,
}

/// The digest and size of a file, whichever form its entry has.
pub(super) struct Content<'a> {
    /// The git object name: of the content, or with LFS of the pointer.
    pub(super) oid: &'a Value,
    /// Its size.
    pub(super) size: &'a Value,
    /// The LFS part, if there is one.
    pub(super) lfs: Option<ApiLfs>,
}

impl Content<'_> {
    /// The size, where it is a number.
    pub(super) fn size(&self) -> Option<u64> {
        let lfs = self.lfs.as_ref().and_then(|lfs| lfs.size.as_u64());
        lfs.or(self.size.as_u64())
    }

    /// The digest of the content.
    pub(super) fn digest(&self) -> Result<Digest, Unusable> {
        match &self.lfs {
            Some(lfs) => self.lfs_digest(lfs),
            None => git_blob(self.oid),
        }
    }

    /// The SHA-256 of an LFS file, once the entry agrees with itself: its outer `oid` is the git object name of the
    /// pointer, and the pointer follows from digest and size.
    fn lfs_digest(&self, lfs: &ApiLfs) -> Result<Digest, Unusable> {
        let impossible = |why: &str| Err(Unusable::Impossible(why.to_owned()));
        let Some(hex) = lfs.oid.as_str() else { return impossible("its LFS entry has no sha256") };
        let digest = Digest::from_hex(Algorithm::Sha256, hex.as_bytes())
            .map_err(|e| Unusable::Impossible(e.to_string()))?;
        let Some(size) = lfs.size.as_u64() else { return impossible("its LFS entry has no size") };
        if self.size.as_u64().is_some_and(|outer| outer != size) {
            return impossible("it gives two different sizes");
        }
        let Ok(oid) = digest.bytes().try_into() else { return impossible("its sha256 has a wrong length") };
        let blob = git_blob(self.oid)?;
        let pointer = lfs_pointer::canonical(&Pointer { oid, size });
        // A pointer of another length was written by hand: what its text is cannot be told.
        let other_text = lfs.pointer_size.as_u64().is_some_and(|len| len != pointer.len() as u64);
        if other_text || git_blob_name(&pointer) == blob.bytes() {
            return Ok(digest);
        }
        impossible("its git object name is not that of the pointer with its sha256 and size")
    }
}

fn git_blob(oid: &Value) -> Result<Digest, Unusable> {
    let Some(hex) = oid.as_str() else {
        return Err(Unusable::Impossible("it has no git object name".to_owned()));
    };
    Digest::from_hex(Algorithm::GitBlob, hex.as_bytes()).map_err(|e| Unusable::Impossible(e.to_string()))
}

/// The git object name of a file with this text.
fn git_blob_name(text: &str) -> [u8; 20] {
    sha1::Sha1::digest(format!("blob {}\0{text}", text.len())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_are_those_of_git() {
        // `printf 'hello\n' | git hash-object --stdin`
        let name = git_blob_name("hello\n");
        assert_eq!(hex::encode(name), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
