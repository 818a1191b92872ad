//! Who takes claims, beside the loader itself.

use super::Loader;
use crate::claim::{Claim, ClaimSink, Subject, Unusable};
use crate::error::Result;
use crate::locator::Escaped;

/// Takes the claims of one of many files that are told as one manifest: the file's ordinal is their line.
pub(super) struct OfOne<'a, 'b> {
    pub loader: &'a mut Loader<'b>,
    pub name: &'a [u8],
    pub line: u64,
}

impl OfOne<'_, '_> {
    /// A claim as it is told: a problem of it is one of this file.
    fn told(&self, mut claim: Claim) -> Claim {
        claim.line = self.line;
        if let Some(Unusable::Impossible(why) | Unusable::NotComputable(why)) = &mut claim.unusable {
            why.push_str(&format!(" (in {})", Escaped(self.name)));
        }
        claim
    }
}

impl ClaimSink for OfOne<'_, '_> {
    fn claim(&mut self, claim: Claim) -> Result<()> {
        let claim = self.told(claim);
        self.loader.claim(claim)
    }

    fn folder(&mut self, claim: Claim) -> Result<()> {
        let claim = self.told(claim);
        self.loader.folder(claim)
    }

    fn reject(&mut self, _: u64, reason: String) -> Result<()> {
        self.loader.reject(self.line, format!("{reason} (in {})", Escaped(self.name)))
    }

    fn broken(&mut self, _: Option<u64>, reason: String) -> Result<()> {
        self.loader.broken(Some(self.line), format!("{reason} (in {})", Escaped(self.name)))
    }
}

/// Takes claims and keeps none: a manifest is read on trial.
pub(super) struct Nowhere;

impl ClaimSink for Nowhere {
    fn claim(&mut self, _: Claim) -> Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: u64, _: String) -> Result<()> {
        Ok(())
    }

    fn broken(&mut self, _: Option<u64>, _: String) -> Result<()> {
        Ok(())
    }
}

/// Takes claims and sees whether one of them is about something in the dataset folder.
pub(super) struct Reaching<'a> {
    /// The dataset folder below the manifest's base.
    pub strip: &'a [u8],
    pub any: bool,
}

impl ClaimSink for Reaching<'_> {
    fn claim(&mut self, claim: Claim) -> Result<()> {
        if let Subject::Path(path) = &claim.subject {
            self.any |= path.as_bytes().strip_prefix(self.strip).is_some_and(|rest| rest.starts_with(b"/"));
        }
        Ok(())
    }

    fn reject(&mut self, _: u64, _: String) -> Result<()> {
        Ok(())
    }

    fn broken(&mut self, _: Option<u64>, _: String) -> Result<()> {
        Ok(())
    }
}
