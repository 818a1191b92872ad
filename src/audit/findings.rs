//! Findings of a run on their way to the report: counted, kept sorted by place, and cleared of digests that stand on a
//! hash list.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lists::Lists;
use crate::check::FindingSink;
use crate::claim::SourceId;
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::Escaped;

/// Collects the findings of one worker or one stage.
pub struct Findings {
    spool: Spool<Finding>,
    counts: BTreeMap<Code, u64>,
    names: Arc<Names>,
    lists: Arc<Lists>,
    reveal: bool,
}

/// What roots and sources are called in the report: findings are sorted by these names.
#[derive(Debug, Default)]
pub struct Names {
    /// Dataset roots as typed; empty where there is only one, which is not named.
    pub roots: Vec<Vec<u8>>,
    /// Manifests and lists.
    pub sources: Vec<Vec<u8>>,
}

impl Findings {
    /// An empty collection.
    pub fn new(names: Arc<Names>, lists: Arc<Lists>, reveal: bool, scratch: &Scratch) -> Self {
        Findings { spool: Spool::new(scratch), counts: BTreeMap::new(), names, lists, reveal }
    }

    /// All findings of several collections in the report's order, and their counts.
    ///
    /// # Errors
    /// Where scratch files fail.
    pub fn sorted(all: Vec<Findings>) -> Result<(Sorted<Finding>, BTreeMap<Code, u64>)> {
        let mut counts = BTreeMap::new();
        let mut spools = Vec::new();
        for findings in all {
            for (code, n) in findings.counts {
                *counts.entry(code).or_default() += n;
            }
            spools.push(findings.spool);
        }
        Ok((Sorted::of(spools)?, counts))
    }
}

impl FindingSink for Findings {
    fn source_name(&self, source: SourceId) -> String {
        let name = self.names.sources.get(source.0 as usize);
        name.map_or_else(|| "another manifest".to_string(), |name| Escaped(name).to_string())
    }

    fn finding(&mut self, mut finding: Finding) -> Result<()> {
        // What a manifest expects may itself stand on a list: no such digest leaves the program.
        let listed =
            |digest: &Option<crate::digest::Digest>| digest.as_ref().is_some_and(|d| self.lists.holds(d));
        if !self.reveal && (listed(&finding.expected) || listed(&finding.found)) {
            finding.expected = None;
            finding.found = None;
        }
        *self.counts.entry(finding.code).or_default() += 1;
        self.spool.push(&sort_key(&finding, &self.names), &finding)
    }
}

/// Root, shard, member, row, column, offset, code, source, line: each so encoded that bytes compare as the parts do,
/// and what is absent comes first.
fn sort_key(finding: &Finding, names: &Names) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    let number = |key: &mut Vec<u8>, n: Option<u64>| match n {
        None => key.push(0),
        Some(n) => {
            key.push(1);
            key.extend_from_slice(&n.to_be_bytes());
        }
    };
    let text = |key: &mut Vec<u8>, text: Option<&[u8]>| match text {
        None => key.push(0),
        Some(text) => {
            key.push(1);
            for &byte in text {
                key.push(byte);
                if byte == 0 {
                    key.push(255);
                }
            }
            key.extend_from_slice(&[0, 0]);
        }
    };
    match &finding.locator {
        None => key.push(0),
        Some(locator) => {
            key.push(1);
            let root = locator.root.and_then(|r| names.roots.get(usize::from(r)));
            text(&mut key, root.map(Vec::as_slice));
            text(&mut key, Some(&locator.shard));
            for name in &locator.member {
                text(&mut key, Some(name));
            }
            key.push(0);
            number(&mut key, locator.row);
            text(&mut key, locator.column.as_ref().map(|c| c.as_bytes()));
            number(&mut key, locator.offset);
        }
    }
    text(&mut key, Some(finding.code.name().as_bytes()));
    let source = finding.source.and_then(|s| names.sources.get(s.0 as usize));
    text(&mut key, source.map(Vec::as_slice));
    number(&mut key, finding.line);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locator::Locator;

    #[test]
    fn findings_sort_by_place_then_code() {
        let names = Names { roots: vec![b"b".to_vec(), b"a".to_vec()], sources: Vec::new() };
        let at = |root, shard: &str, member: &[&str], offset, code| {
            let member = member.iter().map(|m| m.as_bytes().to_vec()).collect();
            let locator = Locator { root, shard: shard.into(), member, offset, ..Locator::default() };
            sort_key(&Finding::of_place(code, locator, String::new()), &names)
        };
        let keys = [
            at(None, "z", &[], None, Code::Missing),
            at(Some(1), "x", &[], None, Code::Altered),
            at(Some(0), "a", &[], None, Code::Opaque),
            at(Some(0), "a", &[], None, Code::Unreadable),
            at(Some(0), "a", &[], Some(3), Code::Altered),
            at(Some(0), "a", &["m"], None, Code::Altered),
            at(Some(0), "a!", &[], None, Code::Altered),
        ];
        assert!(keys.is_sorted(), "{keys:?}");
    }
}
