//! Findings: facts about the data that somebody has to look at.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::claim::SourceId;
use crate::digest::Digest;
use crate::locator::Locator;

/// A fact about one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of fact.
    pub code: Code,
    /// For `known-bad`: how sure the match is.
    pub level: Option<Level>,
    /// Where; `None` only where the manifest names no place.
    pub locator: Option<Locator>,
    /// The manifest or list that says so.
    pub source: Option<SourceId>,
    /// Its line or entry, from 1.
    pub line: Option<u64>,
    /// The digest claimed. Never that of a known-bad item.
    pub expected: Option<Digest>,
    /// The digest measured. Never that of a known-bad item.
    pub found: Option<Digest>,
    /// Hamming distance in bits, for perceptual matches.
    pub distance: Option<u16>,
    /// One sentence for a person.
    pub detail: String,
}

impl Finding {
    /// A fact about a place that no claim is needed for.
    pub fn of_place(code: Code, locator: Locator, detail: String) -> Finding {
        Finding {
            code,
            level: None,
            locator: Some(locator),
            source: None,
            line: None,
            expected: None,
            found: None,
            distance: None,
            detail,
        }
    }
}

/// The kinds of findings. `docs/findings.md` has a heading for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Code {
    /// On a hash list.
    KnownBad,
    /// Same place, other content.
    Altered,
    /// Claimed, not there.
    Missing,
    /// Claimed at one place, found at another.
    Moved,
    /// There, in scope, claimed by nothing.
    Undisclosed,
    /// A pointer stands in place of the data.
    Pointer,
    /// Manifests disagree about an item, or one contradicts itself.
    Conflict,
    /// A name that could leave the dataset.
    UnsafeName,
    /// A manifest that can be read and breaks the rules of its format.
    BadManifest,
    /// A claim that cannot be right, or a line that is no claim.
    BadClaim,
    /// No usable digest.
    Unverifiable,
    /// Could not be told, because something was not read.
    Unverified,
    /// Corrupt, truncated, over a limit, or not to be opened.
    Unreadable,
    /// The file changed while it was read.
    ChangedWhileReading,
    /// A link that was not followed.
    UnfollowedLink,
    /// A table names data that lies outside of it.
    ExternalReference,
    /// One name twice in a container.
    Duplicate,
    /// A name with characters that hide or reorder text.
    OddName,
    /// Hashed whole, its inside not accounted for.
    Opaque,
}

impl Code {
    /// All codes, worst first.
    pub const ALL: [Code; 19] = [
        Code::KnownBad,
        Code::Altered,
        Code::Missing,
        Code::Moved,
        Code::Undisclosed,
        Code::Pointer,
        Code::Conflict,
        Code::UnsafeName,
        Code::BadManifest,
        Code::BadClaim,
        Code::Unverifiable,
        Code::Unverified,
        Code::Unreadable,
        Code::ChangedWhileReading,
        Code::UnfollowedLink,
        Code::ExternalReference,
        Code::Duplicate,
        Code::OddName,
        Code::Opaque,
    ];

    /// The code in reports.
    pub fn name(self) -> &'static str {
        match self {
            Code::KnownBad => "known-bad",
            Code::Altered => "altered",
            Code::Missing => "missing",
            Code::Moved => "moved",
            Code::Undisclosed => "undisclosed",
            Code::Pointer => "pointer",
            Code::Conflict => "conflict",
            Code::UnsafeName => "unsafe-name",
            Code::BadManifest => "bad-manifest",
            Code::BadClaim => "bad-claim",
            Code::Unverifiable => "unverifiable",
            Code::Unverified => "unverified",
            Code::Unreadable => "unreadable",
            Code::ChangedWhileReading => "changed-while-reading",
            Code::UnfollowedLink => "unfollowed-link",
            Code::ExternalReference => "external-reference",
            Code::Duplicate => "duplicate",
            Code::OddName => "odd-name",
            Code::Opaque => "opaque",
        }
    }

    /// What it does to the verdict.
    pub fn class(self) -> Class {
        match self {
            Code::KnownBad
            | Code::Altered
            | Code::Missing
            | Code::Moved
            | Code::Undisclosed
            | Code::Pointer
            | Code::Conflict
            | Code::UnsafeName
            | Code::BadManifest => Class::Wrong,
            Code::BadClaim
            | Code::Unverifiable
            | Code::Unverified
            | Code::Unreadable
            | Code::ChangedWhileReading
            | Code::UnfollowedLink
            | Code::ExternalReference => Class::Gap,
            Code::Duplicate | Code::OddName | Code::Opaque => Class::Note,
        }
    }

    /// One line for a person who has never met the code.
    pub fn meaning(self) -> &'static str {
        match self {
            Code::KnownBad => "on a hash list",
            Code::Altered => "the content is not what was published",
            Code::Missing => "published, but not here",
            Code::Moved => "here under another name or in another shard",
            Code::Undisclosed => "here, but published by no manifest",
            Code::Pointer => "a pointer stands in place of the data",
            Code::Conflict => "the manifests contradict each other or themselves",
            Code::UnsafeName => "a name that could lead out of the dataset; refused",
            Code::BadManifest => "a manifest that breaks the rules of its own format",
            Code::BadClaim => "an entry of a manifest that cannot be right",
            Code::Unverifiable => "published without a digest that can be checked",
            Code::Unverified => "could not be told, because something was not read",
            Code::Unreadable => "damaged, cut short, or not to be opened",
            Code::ChangedWhileReading => "changed while it was read",
            Code::UnfollowedLink => "a link that was not followed",
            Code::ExternalReference => "a table names data that lies outside of it",
            Code::Duplicate => "one name more than once in a container",
            Code::OddName => "a name with characters that hide or reorder text",
            Code::Opaque => "hashed whole; what is inside was not looked at",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a finding does to the verdict and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The dataset is not what it should be: exit 1.
    Wrong,
    /// Something was not checked: exit 3.
    Gap,
    /// Worth knowing.
    Note,
}

impl Class {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Class::Wrong => "wrong",
            Class::Gap => "gap",
            Class::Note => "note",
        }
    }
}

/// How sure a match with a hash list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Equal by a digest without known collisions.
    Confirmed,
    /// Equal by MD5 or SHA-1: collisions exist.
    ExactWeak,
}

impl Level {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Level::Confirmed => "confirmed",
            Level::ExactWeak => "exact-weak",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once() {
        let mut names: Vec<_> = Code::ALL.iter().map(|c| c.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
