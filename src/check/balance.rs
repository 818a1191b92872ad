//! The proof at the end of every run: what went in came out, each in exactly one class.

use std::collections::BTreeMap;

use crate::digest::Algorithm;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimClass {
    /// Found intact.
    Ok,
    /// Same place, other content.
    Altered,
    /// Not there.
    Missing,
    /// Found elsewhere.
    Moved,
    /// A pointer stands in its place.
    Pointer,
    /// Not checked, for this reason.
    NotChecked(&'static str),
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemClass {
    /// As claimed, or covered by what holds it.
    Ok,
    /// Other content than claimed, or inside something that has.
    Altered,
    /// Claimed elsewhere, or inside something that is.
    Moved,
    /// A pointer in place of data.
    Pointer,
    /// Claimed by nothing though a manifest claims to be complete here.
    Undisclosed,
    /// Read, but not comparable, for this reason.
    NotChecked(&'static str),
    /// Nothing claims to be complete here.
    OutOfScope,
    /// Not read, for this reason.
    NotRead(&'static str),
}

/// The count of everything that went in and of every class that came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Claims taken from the manifests, refused lines included.
    pub claims_in: u64,
    /// Items observed or listed.
    pub items_in: u64,
    claims: BTreeMap<ClaimClass, u64>,
    items: BTreeMap<ItemClass, u64>,
    /// Claims found intact, by the strongest digest that showed it.
    pub algorithms: BTreeMap<Algorithm, u64>,
}

impl Balance {
    /// Settles `count` claims.
    pub fn claims(&mut self, class: ClaimClass, count: u64) {
        if count > 0 {
            *self.claims.entry(class).or_default() += count;
        }
    }

    /// Settles one item.
    pub fn item(&mut self, class: ItemClass) {
        self.items(class, 1);
    }

    /// Settles `count` items.
    pub fn items(&mut self, class: ItemClass, count: u64) {
        if count > 0 {
            *self.items.entry(class).or_default() += count;
        }
    }

    /// Claims of one class.
    pub fn claims_of(&self, class: ClaimClass) -> u64 {
        self.claims.get(&class).copied().unwrap_or(0)
    }

    /// Items of one class.
    pub fn items_of(&self, class: ItemClass) -> u64 {
        self.items.get(&class).copied().unwrap_or(0)
    }

    /// Claims not checked, by reason.
    pub fn claims_not_checked(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.claims.iter().filter_map(|(class, &n)| match class {
            ClaimClass::NotChecked(reason) => Some((*reason, n)),
            _ => None,
        })
    }

    /// Items not checked and items not read, by reason.
    pub fn items_not_checked(&self) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for (class, n) in &self.items {
            if let ItemClass::NotChecked(reason) | ItemClass::NotRead(reason) = class {
                *all.entry(*reason).or_default() += n;
            }
        }
        all
    }

    /// Claims that were settled one way or the other.
    pub fn claims_checked(&self) -> u64 {
        let settled = |class: &ClaimClass| !matches!(class, ClaimClass::NotChecked(_));
        self.claims.iter().filter(|(class, _)| settled(class)).map(|(_, n)| n).sum()
    }

    /// Items by the word of their class: `not_checked` and `not_read` over all reasons.
    pub fn items_by_class(&self) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for (class, n) in &self.items {
            let name = match class {
                ItemClass::Ok => "ok",
                ItemClass::Altered => "altered",
                ItemClass::Moved => "moved",
                ItemClass::Pointer => "pointer",
                ItemClass::Undisclosed => "undisclosed",
                ItemClass::NotChecked(_) => "not_checked",
                ItemClass::OutOfScope => "out_of_scope",
                ItemClass::NotRead(_) => "not_read",
            };
            *all.entry(name).or_default() += n;
        }
        all
    }

    /// Claims by the word of their class.
    pub fn claims_by_class(&self) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for (class, n) in &self.claims {
            let name = match class {
                ClaimClass::Ok => "ok",
                ClaimClass::Altered => "altered",
                ClaimClass::Missing => "missing",
                ClaimClass::Moved => "moved",
                ClaimClass::Pointer => "pointer",
                ClaimClass::NotChecked(_) => "not_checked",
            };
            *all.entry(name).or_default() += n;
        }
        all
    }

    /// The equations that do not hold, as sentences; none after a sound run.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let claims_out: u64 = self.claims.values().sum();
        if claims_out != self.claims_in {
            broken.push(format!(
                "{} claims went in and {claims_out} were settled; this is a bug, please report it",
                self.claims_in
            ));
        }
        let items_out: u64 = self.items.values().sum();
        if items_out != self.items_in {
            broken.push(format!(
                "{} items went in and {items_out} were settled; this is a bug, please report it",
                self.items_in
            ));
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_claim_or_item_breaks_an_equation() {
        let mut balance = Balance { claims_in: 2, items_in: 1, ..Balance::default() };
        balance.claims(ClaimClass::Ok, 1);
        balance.item(ItemClass::Ok);
        assert_eq!(balance.broken().len(), 1);
        balance.claims(ClaimClass::NotChecked("unverified"), 1);
        assert!(balance.broken().is_empty());
        assert_eq!(balance.claims_checked(), 1);
        balance.item(ItemClass::Undisclosed);
        assert_eq!(balance.broken().len(), 1);
    }
}
