//! All claims on one place against one item there.

use crate::claim::{Claim, ClaimedInside, SourceId, Unusable};
use crate::digest::{Algorithm, Digest, Digests};
use crate::observation::{Observation, PointerSeen, State, Unread};

/// The claims on one place, equal ones counted once.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    distinct: Vec<(Claim, u64)>,
    /// More different claims than are kept: the first that was too many, and how many there were.
    beyond: Option<(SourceId, u64, u64)>,
}

impl Claims {
    /// Different claims kept for one place. Where there are more, nobody's word is taken for it.
    const KEPT: usize = 256;

    /// Adds a claim.
    pub fn push(&mut self, claim: Claim) {
        let same = |kept: &Claim| {
            kept.digests == claim.digests
                && kept.size == claim.size
                && kept.unusable == claim.unusable
                && kept.interrupted == claim.interrupted
                && kept.yields == claim.yields
                && kept.inside == claim.inside
                && kept.doubtful == claim.doubtful
                && kept.fetch.is_some() == claim.fetch.is_some()
                && kept.url == claim.url
        };
        if let Some((_, count)) = self.distinct.iter_mut().find(|(kept, _)| same(kept)) {
            *count += 1;
        } else if self.distinct.len() >= Self::KEPT {
            self.beyond.get_or_insert((claim.source, claim.line, 0)).2 += 1;
        } else {
            self.distinct.push((claim, 1));
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.distinct.is_empty()
    }

    /// The different claims, each with how often it was made.
    pub fn iter(&self) -> impl Iterator<Item = (&Claim, u64)> {
        self.distinct.iter().map(|(claim, count)| (claim, *count))
    }

    /// The different claims, to be amended by what was found out about them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        self.distinct.iter_mut().map(|(claim, _)| claim)
    }

    /// How many claims there are.
    pub fn count(&self) -> u64 {
        self.distinct.iter().map(|(_, count)| count).sum::<u64>() + self.beyond.map_or(0, |(.., count)| count)
    }

    /// Whether there are more different claims than can be told apart.
    pub fn are_too_many(&self) -> bool {
        self.beyond.is_some()
    }

    /// What an index claims of the inside, if one does.
    pub fn inside(&self) -> Option<ClaimedInside> {
        self.distinct.iter().find_map(|(claim, _)| claim.inside)
    }

    /// How many rows and cells are claimed with the place.
    pub fn unnamed(&self) -> u64 {
        self.distinct.iter().filter_map(|(claim, _)| claim.inside).map(|inside| inside.unnamed).sum()
    }

    /// The first claim, which names the place in reports.
    pub fn first(&self) -> Option<&Claim> {
        self.distinct.first().map(|(claim, _)| claim)
    }

    /// Claims whose digests can be compared; those that yield only where there is no other.
    fn usable(&self) -> impl Iterator<Item = (&Claim, u64)> {
        let outspoken = self.iter().any(|(claim, _)| claim.unusable.is_none() && !claim.yields);
        self.iter().filter(move |(claim, _)| claim.unusable.is_none() && !(outspoken && claim.yields))
    }

    /// All digests and sizes that usable claims give, or how they contradict each other.
    pub fn together(&self) -> Result<Together, Contradiction> {
        if let Some((source, line, _)) = self.beyond {
            let what = format!("more than {} different things", Self::KEPT);
            let with = self.first().map(|first| (first.source, first.line));
            return Err(Contradiction { what, source, line, with });
        }
        let mut all = Together::default();
        for (claim, _) in self.usable() {
            for digest in claim.digests.iter() {
                if !all.digests.insert(digest.clone()) {
                    return Err(
                        self.contradiction(claim, &format!("different {} digests", digest.algorithm()))
                    );
                }
            }
            match (all.size, claim.size) {
                (Some(one), Some(other)) if one != other => {
                    return Err(self.contradiction(claim, &format!("{one} and {other} bytes")));
                }
                (None, size) => all.size = size,
                _ => {}
            }
        }
        if all.digests.is_empty() && all.size.is_none() {
            // Of what no digest can be compared, the size can.
            let sized = |(claim, _): (&Claim, u64)| match claim.unusable {
                Some(Unusable::NotComputable(_)) => claim.size,
                _ => None,
            };
            all.size = self.iter().find_map(sized);
        }
        Ok(all)
    }

    fn contradiction(&self, claim: &Claim, what: &str) -> Contradiction {
        let with = self.usable().map(|(c, _)| c).find(|c| c.digests != claim.digests || c.size != claim.size);
        Contradiction {
            what: what.to_string(),
            source: claim.source,
            line: claim.line,
            with: with.map(|c| (c.source, c.line)),
        }
    }

    /// The usable claim that gives this digest, for reports.
    pub fn giving(&self, digest: &Digest) -> Option<&Claim> {
        self.usable().map(|(claim, _)| claim).find(|claim| claim.digests.of(digest.algorithm()).is_some())
    }
}

/// What the usable claims on a place say together.
#[derive(Clone, Debug, Default)]
pub struct Together {
    /// Their digests, one per algorithm.
    pub digests: Digests,
    /// Their size.
    pub size: Option<u64>,
}

/// Two claims on one place that cannot both hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// In what they differ, as a fragment: `different sha256 digests`.
    pub what: String,
    /// The later one's manifest.
    pub source: SourceId,
    /// And line.
    pub line: u64,
    /// The earlier one's manifest and line.
    pub with: Option<(SourceId, u64)>,
}

/// What claims and item make of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Every digest that could be compared agrees: these.
    Intact(Digests),
    /// None agrees.
    Altered {
        /// The strongest claimed digest that was compared.
        expected: Option<Digest>,
        /// What was measured in its place.
        found: Option<Digest>,
        /// How they differ, as a sentence.
        detail: String,
    },
    /// None agrees, and the item is a pointer to the data.
    Pointer(String),
    /// Some agree, some do not.
    Conflict(String),
    /// Nothing could be compared.
    Incomparable,
    /// The item was not read.
    Unread(Unread),
}

/// Judges one item by what is claimed of its place.
pub fn judge(together: &Together, item: &Observation) -> Judgement {
    if let State::Unread(why) = item.state {
        return Judgement::Unread(why);
    }
    let mut agree = Vec::new();
    let mut differ = Vec::new();
    for claimed in together.digests.iter() {
        if let Some(measured) = item.digests.of(claimed.algorithm()) {
            if measured == claimed { agree.push(claimed) } else { differ.push((claimed, measured)) }
        }
    }
    let other_size = together.size.filter(|&size| size != item.length);
    if differ.is_empty() && other_size.is_none() {
        return match (agree.is_empty(), &item.pointer) {
            (false, _) => Judgement::Intact(agree.into_iter().cloned().collect()),
            (true, None) => Judgement::Incomparable,
            // Whatever is claimed, it is the data that is claimed.
            (true, Some(pointer)) => Judgement::Pointer(told(pointer, together)),
        };
    }
    if let Some(agreed) = agree.last() {
        let detail = match (differ.last(), other_size) {
            (Some((claimed, _)), _) => format!(
                "its {} is as claimed, its {} is not: the claims cannot both be right",
                agreed.algorithm(),
                claimed.algorithm()
            ),
            (None, Some(size)) => format!(
                "its {} is as claimed, but it has {} bytes and not {size}: the claim contradicts itself",
                agreed.algorithm(),
                item.length
            ),
            (None, None) => unreachable!("differ or other_size is set: checked above"),
        };
        return Judgement::Conflict(detail);
    }
    if let Some(pointer) = &item.pointer {
        return Judgement::Pointer(told(pointer, together));
    }
    let detail = match other_size {
        Some(_) if item.length == 0 => "it is empty".to_string(),
        Some(size) if item.length < size => format!("cut short: {} of {size} bytes", item.length),
        Some(size) => format!("extended: {} bytes instead of {size}", item.length),
        None if together.size.is_some() => "same size, other content".to_string(),
        None => "other content".to_string(),
    };
    let strongest = differ.last();
    let expected =
        strongest.map(|(claimed, _)| (*claimed).clone()).or_else(|| together.digests.strongest().cloned());
    Judgement::Altered { expected, found: strongest.map(|(_, measured)| (*measured).clone()), detail }
}

/// What stands in place of the data, as a sentence.
fn told(pointer: &PointerSeen, together: &Together) -> String {
    match pointer {
        PointerSeen::Lfs { oid, size } => {
            let claimed = together.digests.of(Algorithm::Sha256).map(Digest::bytes);
            let whose = if claimed == Some(&oid[..]) { "the claimed data" } else { "other data" };
            format!(
                "a Git LFS pointer to {whose} of {size} bytes stands in its place; fetch it with `git lfs pull`"
            )
        }
        PointerSeen::Annex { size } => {
            let size = size.map_or_else(String::new, |size| format!(" to {size} bytes"));
            format!("a git-annex pointer{size} stands in its place; fetch the data with `git annex get`")
        }
    }
}

/// Why a claim that is not usable was not checked: the reason in reports and the sentence.
pub fn excuse(unusable: &Unusable) -> (crate::finding::Code, &str) {
    match unusable {
        Unusable::Impossible(why) => (crate::finding::Code::BadClaim, why),
        Unusable::NotComputable(why) => (crate::finding::Code::Unverifiable, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Subject;
    use crate::locator::{ItemPath, Locator};
    use crate::observation::{Kind, Observation, PointerSeen};

    fn digest(algorithm: Algorithm, byte: u8) -> Digest {
        Digest::new(algorithm, &vec![byte; algorithm.len()]).unwrap()
    }

    fn claim(line: u64, size: Option<u64>, digests: Vec<Digest>) -> Claim {
        Claim {
            size,
            digests: digests.into_iter().collect(),
            ..Claim::new(SourceId(0), line, Subject::Path(ItemPath::parse(b"a").unwrap()))
        }
    }

    fn item(length: u64, digests: Vec<Digest>) -> Observation {
        let digests = digests.into_iter().collect();
        Observation { length, digests, ..Observation::new(Locator::file(Some(0), "a"), 0, Kind::File) }
    }

    fn judged(claims: Vec<Claim>, item: &Observation) -> Judgement {
        let mut all = Claims::default();
        claims.into_iter().for_each(|c| all.push(c));
        judge(&all.together().unwrap(), item)
    }

    #[test]
    fn an_item_is_judged_by_every_digest() {
        use Algorithm::{Md5, Sha256};
        let seen = item(10, vec![digest(Md5, 1), digest(Sha256, 2)]);
        assert!(matches!(judged(vec![claim(1, None, vec![digest(Sha256, 2)])], &seen), Judgement::Intact(_)));
        assert!(matches!(
            judged(vec![claim(1, None, vec![digest(Sha256, 3)])], &seen),
            Judgement::Altered { detail, .. } if detail == "other content"
        ));
        assert!(matches!(
            judged(vec![claim(1, None, vec![digest(Md5, 1), digest(Sha256, 3)])], &seen),
            Judgement::Conflict(_)
        ));
        assert!(matches!(
            judged(vec![claim(1, Some(12), vec![digest(Sha256, 3)])], &seen),
            Judgement::Altered { detail, .. } if detail == "cut short: 10 of 12 bytes"
        ));
        assert!(matches!(
            judged(vec![claim(1, Some(9), vec![digest(Md5, 1)])], &seen),
            Judgement::Conflict(_)
        ));
        assert_eq!(judged(vec![claim(1, Some(10), vec![])], &seen), Judgement::Incomparable);
        assert!(matches!(judged(vec![claim(1, Some(11), vec![])], &seen), Judgement::Altered { .. }));
    }

    #[test]
    fn contradicting_claims_are_seen_before_any_item() {
        let mut all = Claims::default();
        all.push(claim(1, None, vec![digest(Algorithm::Sha1, 1)]));
        all.push(claim(2, None, vec![digest(Algorithm::Sha1, 1)]));
        assert_eq!((all.count(), all.iter().count()), (2, 1));
        assert!(all.together().is_ok());
        all.push(claim(3, None, vec![digest(Algorithm::Sha1, 2)]));
        let contradiction = all.together().unwrap_err();
        assert_eq!((contradiction.line, contradiction.with), (3, Some((SourceId(0), 1))));
    }

    #[test]
    fn more_claims_than_are_kept_are_nobodys_word() {
        let mut all = Claims::default();
        for line in 1..=300 {
            all.push(claim(line, Some(line), vec![digest(Algorithm::Md5, 1)]));
        }
        assert_eq!(all.count(), 300);
        assert!(all.are_too_many() && all.together().is_err());
    }

    #[test]
    fn a_claim_that_yields_speaks_only_alone() {
        let pointer =
            |line| Claim { yields: true, ..claim(line, Some(9), vec![digest(Algorithm::Sha256, 9)]) };
        let own = || claim(2, None, vec![digest(Algorithm::Sha256, 7)]);
        let seen = item(130, vec![digest(Algorithm::Sha256, 7)]);
        assert!(matches!(judged(vec![pointer(1)], &seen), Judgement::Altered { .. }));
        for claims in [vec![pointer(1), own()], vec![own(), pointer(3)]] {
            assert!(matches!(judged(claims, &seen), Judgement::Intact(_)));
        }
        let unusable = Claim { unusable: Some(Unusable::Impossible(String::new())), size: Some(5), ..own() };
        assert!(matches!(judged(vec![pointer(1), unusable], &seen), Judgement::Altered { .. }));
    }

    #[test]
    fn of_what_has_no_digest_to_compare_the_size_counts() {
        let seen = item(130, vec![digest(Algorithm::Sha256, 7)]);
        let sized = |size| {
            let unusable = Some(Unusable::NotComputable(String::new()));
            judged(vec![Claim { unusable, ..claim(1, Some(size), vec![]) }], &seen)
        };
        assert_eq!(sized(130), Judgement::Incomparable);
        assert!(matches!(sized(131), Judgement::Altered { detail, .. } if detail.starts_with("cut short")));
    }

    #[test]
    fn a_pointer_of_git_annex_is_told_whatever_its_key_is() {
        let seen = Observation {
            pointer: Some(PointerSeen::Annex { size: Some(5) }),
            ..item(130, vec![digest(Algorithm::Sha256, 7)])
        };
        let unusable = || Some(Unusable::NotComputable(String::new()));
        for claim in [
            claim(1, Some(5), vec![digest(Algorithm::Sha256, 9)]),
            Claim { unusable: unusable(), ..claim(1, Some(5), vec![]) },
            Claim { unusable: unusable(), ..claim(1, None, vec![]) },
        ] {
            assert!(
                matches!(judged(vec![claim], &seen), Judgement::Pointer(detail) if detail.contains("5 bytes"))
            );
        }
    }

    #[test]
    fn a_pointer_is_told_unless_its_own_text_is_claimed() {
        let mut seen = item(130, vec![digest(Algorithm::Sha256, 7)]);
        seen.pointer = Some(PointerSeen::Lfs { oid: [9; 32], size: 1000 });
        assert!(matches!(
            judged(vec![claim(1, Some(1000), vec![digest(Algorithm::Sha256, 9)])], &seen),
            Judgement::Pointer(detail) if detail.contains("the claimed data")
        ));
        assert_eq!(
            judged(vec![claim(1, None, vec![digest(Algorithm::Sha256, 7)])], &seen),
            Judgement::Intact(std::iter::once(digest(Algorithm::Sha256, 7)).collect())
        );
    }
}
