//! What a manifest says: claims, and how far each manifest claims to be complete.

use serde::{Deserialize, Serialize};

use crate::digest::Digests;
use crate::locator::{ItemPath, UnsafeName};
use crate::observation::Observation;

/// Names one of the run's manifests or hash lists, in the order they were given or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(pub u32);

/// One entry of a manifest: an item of this name has this size and these digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which manifest says so.
    pub source: SourceId,
    /// Line of the entry, from 1; for formats without lines the ordinal of the entry, from 1.
    pub line: u64,
    /// What it is about.
    pub subject: Subject,
    /// Size in bytes, where the manifest gives one.
    pub size: Option<u64>,
    /// Digests that an item can be compared with. Empty where `unusable` says why.
    pub digests: Digests,
    /// Why the claim's digest cannot be compared.
    pub unusable: Option<Unusable>,
    /// The claim was left by a download that did not finish.
    pub interrupted: bool,
    /// It says nothing where another claim on the same place can be compared: a pointer stands for its data only as long
    /// as nobody publishes the pointer's own text.
    pub yields: bool,
    /// For a file whose samples are claimed as well, by an index: how many.
    pub inside: Option<ClaimedInside>,
    /// For something inside a file: how much of its name is the file's, where the manifest says so.
    pub shard: Option<u32>,
    /// The bytes of the digest that stands in the manifest, where its length or form does not fit the algorithm that is
    /// named. Such a claim is `unusable`; if the bytes turn out to be another digest of the item, that is told.
    pub doubtful: Option<Vec<u8>>,
    /// The URL that the publisher left the item at, for it to be fetched from there. Such an entry says where, and the
    /// digest stands in another claim.
    pub fetch: Option<Vec<u8>>,
    /// The path of the URL, for a claim that stands at a file which has only its file name in common: it holds for that
    /// file if the content is equal, and is absent otherwise.
    pub url: Option<ItemPath>,
}

/// What an index claims of a file beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedInside {
    /// Members with claims of their own, by name.
    pub members: u64,
    /// Rows and cells, which are known by their content only.
    pub unnamed: u64,
}

impl Claim {
    /// A claim that something is there, and nothing more.
    pub fn new(source: SourceId, line: u64, subject: Subject) -> Self {
        Claim {
            source,
            line,
            subject,
            size: None,
            digests: Digests::new(),
            unusable: None,
            interrupted: false,
            yields: false,
            inside: None,
            shard: None,
            doubtful: None,
            fetch: None,
            url: None,
        }
    }

    /// Whether everything that it says and that was measured agrees, and something was compared.
    pub fn holds_for(&self, item: &Observation) -> bool {
        let compared =
            self.digests.iter().filter_map(|claimed| Some((claimed, item.digests.of(claimed.algorithm())?)));
        let (agree, differ): (Vec<_>, Vec<_>) = compared.partition(|(claimed, measured)| claimed == measured);
        !agree.is_empty() && differ.is_empty() && self.size.is_none_or(|size| size == item.length)
    }
}

/// What a claim is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// An item of this path: a file, or `shard.tar/member`.
    Path(ItemPath),
    /// What was published at a URL: it stands at the file whose path has the most in common with the URL's, from the end.
    Url {
        /// The path of the URL, without its host.
        path: ItemPath,
        /// Other names that a download of it may have.
        also: Vec<ItemPath>,
    },
    /// A name that is refused.
    Refused {
        /// The name as it stands in the manifest.
        name: Vec<u8>,
        /// Why.
        why: UnsafeName,
    },
}

/// Why a claim's digest is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unusable {
    /// It cannot be right: wrong number of digits, a placeholder. Told as `bad-claim`.
    Impossible(String),
    /// It names an algorithm that shardproof does not compute, or gives no digest. Told as `unverifiable`.
    NotComputable(String),
}

/// What a manifest claims to list completely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Everything below this folder of the dataset (empty: below the root).
    Folder(Vec<u8>),
    /// Everything below each of these folders of the dataset.
    Folders(Vec<Vec<u8>>),
    /// Only what it names.
    Named,
    /// It lists what arrived; what should have arrived cannot be told.
    Unknown,
}

impl Scope {
    /// Whether an item that nothing claims, at `path`, contradicts this manifest.
    pub fn covers(&self, path: &[u8]) -> bool {
        match self {
            Scope::Folder(base) => is_below(path, base),
            Scope::Folders(bases) => bases.iter().any(|base| is_below(path, base)),
            Scope::Named | Scope::Unknown => false,
        }
    }

    /// The word in reports: `folder`, `named`, `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            Scope::Folder(_) | Scope::Folders(_) => "folder",
            Scope::Named => "named",
            Scope::Unknown => "unknown",
        }
    }
}

fn is_below(path: &[u8], base: &[u8]) -> bool {
    base.is_empty() || path.strip_prefix(base).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// What a reader of manifests hands its claims to.
pub trait ClaimSink {
    /// Takes an entry.
    fn claim(&mut self, claim: Claim) -> crate::error::Result<()>;

    /// Takes an entry on a folder as a whole. A folder is no item: nothing is compared with it, and the entry says why.
    fn folder(&mut self, claim: Claim) -> crate::error::Result<()> {
        self.claim(claim)
    }

    /// Takes a line that is no claim: where it is and what is wrong with it, as a fragment (`it has no digest`).
    /// The line itself is never passed on: it may be anything.
    fn reject(&mut self, line: u64, reason: String) -> crate::error::Result<()>;

    /// Takes an entry that is about no single file, a repository or a set of files, and can therefore not be compared:
    /// its ordinal, what it is called, and why.
    ///
    /// # Errors
    /// Where the sink cannot keep it.
    fn uncheckable(&mut self, line: u64, name: &[u8], why: Unusable) -> crate::error::Result<()> {
        let (Unusable::Impossible(why) | Unusable::NotComputable(why)) = why;
        self.reject(line, format!("{}: {why}", crate::locator::Escaped(name)))
    }

    /// Takes what breaks a rule of the format, though the manifest can be read: the line where there is one, and what is
    /// wrong, as a sentence without its capital.
    fn broken(&mut self, line: Option<u64>, reason: String) -> crate::error::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_covers_what_lies_below_it_only() {
        let data = Scope::Folder(b"data".to_vec());
        assert!(data.covers(b"data/a"));
        assert!(!data.covers(b"data"));
        assert!(!data.covers(b"database/a"));
        assert!(Scope::Folder(Vec::new()).covers(b"x"));
        let two = Scope::Folders(vec![b"a".to_vec(), b"b/c".to_vec()]);
        assert!(two.covers(b"a/x") && two.covers(b"b/c/x") && !two.covers(b"b/x"));
        assert!(!Scope::Named.covers(b"x"));
        assert!(!Scope::Unknown.covers(b"x"));
    }
}
