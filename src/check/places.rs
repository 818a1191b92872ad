//! The first round: claims and items that meet at one place.

mod holders;
mod leftovers;

use self::holders::{Container, Containers};
pub use self::leftovers::{Absent, AlteredFile, Joined, Leftovers, Loose, OpenClaim, Role};
use super::balance::{Balance, ClaimClass, ItemClass};
use super::fits::{Fit, Fitting};
use super::judgement::{Claims, Contradiction, Judgement, excuse, judge};
use super::{FindingSink, is_below, item_key, place_of_claim, place_of_item};
use crate::claim::{Claim, SourceId, Unusable};
use crate::digest::{Algorithm, Digests};
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::locator::{Locator, place_key};
use crate::manifest::bookkeeping::is_partial_download;
use crate::observation::{Kind, Observation, State, Unread};

/// Looks on while the claims and the files of a place meet.
pub trait Onlooker {
    /// A file, and all claims on its place.
    ///
    /// # Errors
    /// Where what came of it could not be kept.
    fn meets(&mut self, place: &[u8], claims: &Claims, item: &Observation) -> Result<()>;
}

/// Nobody looks on.
pub struct Nobody;

impl Onlooker for Nobody {
    fn meets(&mut self, _: &[u8], _: &Claims, _: &Observation) -> Result<()> {
        Ok(())
    }
}

/// Joins claims and items by place. Both are sorted by place.
///
/// # Errors
/// Where scratch files fail or a finding cannot be kept.
pub fn settle(
    claims: &Sorted<Claim>,
    items: &Sorted<Observation>,
    fits: &Sorted<Fit>,
    onlooker: &mut dyn Onlooker,
    scratch: &Scratch,
    balance: &mut Balance,
    findings: &mut dyn FindingSink,
) -> Result<Joined> {
    let mut round = Round {
        balance,
        findings,
        absent: Spool::new(scratch),
        loose: Spool::new(scratch),
        blind: Spool::new(scratch),
        opened: Spool::new(scratch),
        containers: Containers::default(),
    };
    let mut fits = fits.iter().peekable();
    let mut claims = claims.iter().peekable();
    let mut items = items.iter().peekable();
    let mut place = Vec::new();
    loop {
        match (claims.peek(), items.peek()) {
            (None, None) => break,
            (Some(Err(_)), _) | (_, Some(Err(_))) => {
                for failed in [claims.next().map(|r| r.map(drop)), items.next().map(|r| r.map(drop))] {
                    failed.transpose()?;
                }
                continue;
            }
            (claim, item) => {
                // Keys are compared with their marker, as the sorted records are.
                let claim = claim.and_then(|r| r.as_ref().ok()).map(|(key, _)| key.as_slice());
                let item =
                    item.and_then(|r| r.as_ref().ok()).map(|(key, _)| &key[..key.len().saturating_sub(10)]);
                let first = match (claim, item) {
                    (Some(claim), Some(item)) => claim.min(item),
                    (one, other) => one.or(other).unwrap_or_default(),
                };
                place.clear();
                place.extend_from_slice(place_of_claim(first));
            }
        }
        round.enter(&place)?;
        let item = match items.peek() {
            Some(Ok((key, item))) if place_of_item(key) == place => Some(item),
            _ => None,
        };
        // What stands here by its file name only, and has other content than the item, is elsewhere. One that was not
        // read may be what was published.
        let holds = |claim: &Claim| {
            item.is_some_and(|item| matches!(item.state, State::Unread(_)) || claim.holds_for(item))
        };
        let mut here = Claims::default();
        let mut elsewhere: Vec<Claim> = Vec::new();
        while let Some(record) = claims.next_if(|r| r.as_ref().is_ok_and(|(k, _)| place_of_claim(k) == place))
        {
            let (_, claim) = record?;
            match claim.url.is_some() && !holds(&claim) {
                true if elsewhere.len() < NAMESAKES => elsewhere.push(claim),
                true => round.absent_url(claim, true)?,
                false => here.push(claim),
            }
        }
        // Whether the file of that name is nothing but what these might have been.
        let is_open = here.is_empty() && item.is_some();
        for claim in elsewhere {
            round.absent_url(claim, is_open)?;
        }
        let mut fits_here = Vec::new();
        while let Some(fit) = fits.next_if(|r| r.as_ref().map_or(true, |(k, _)| place_of_claim(k) == place)) {
            fits_here.push(fit?.1);
        }
        let mut meeting = Meeting { fits: fits_here, ..Meeting::new(here) };
        while let Some(record) = items.next_if(|r| r.as_ref().is_ok_and(|(k, _)| place_of_item(k) == place)) {
            let (_, item) = record?;
            if item.kind == Kind::File {
                onlooker.meets(&place, &meeting.claims, &item)?;
            }
            round.item(&place, &mut meeting, item)?;
        }
        round.leave(meeting)?;
    }
    round.close_containers(|_| true)?;
    let Round { absent, loose, blind, opened, .. } = round;
    Ok(Joined { absent, loose, blind, opened })
}

/// Claims that are held while it is not yet known whether another one settles the file of their name.
const NAMESAKES: usize = 4096;

/// The claims on one place while its items come by.
struct Meeting {
    claims: Claims,
    together: std::result::Result<super::judgement::Together, Contradiction>,
    /// What the items made of the claims, best first.
    outcome: Option<Outcome>,
    /// The first item here.
    item: Option<Locator>,
    /// Of claims that contradict each other, the one that the first item agrees with.
    right: Option<(SourceId, u64)>,
    /// The digests that agreed of the item that was found intact, and the claims, where more was found out about them.
    intact: Option<(Option<Claims>, Digests)>,
    /// What was found out about claims that do not hold as they are labelled.
    fits: Vec<Fit>,
    /// The first item that nothing claimed could be compared with.
    incomparable: Option<Locator>,
    /// Roots that had a member of this name already.
    members_of: Vec<u16>,
    /// An index claims several entries of this name in one archive: for each of the different claims, how many entries
    /// it may still hold for.
    entries: Option<Vec<u64>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Intact,
    Pointer,
    Altered,
    Conflict,
    Incomparable,
    Unread(&'static str),
}

impl Meeting {
    fn new(claims: Claims) -> Self {
        let together = claims.together();
        let of_archive = claims.iter().all(|(claim, _)| claim.shard.is_some()) && !claims.are_too_many();
        let entries =
            (together.is_err() && of_archive).then(|| claims.iter().map(|(_, count)| count).collect());
        Meeting {
            entries,
            claims,
            together,
            outcome: None,
            item: None,
            fits: Vec::new(),
            intact: None,
            right: None,
            incomparable: None,
            members_of: Vec::new(),
        }
    }

    fn note(&mut self, outcome: Outcome) {
        self.outcome = Some(self.outcome.map_or(outcome, |before| before.min(outcome)));
    }

    /// Judges one of several entries of one name: each claim holds for one.
    fn judge_entry(&mut self, item: &Observation) -> (ItemClass, Option<Finding>) {
        if let State::Unread(why) = item.state {
            self.note(Outcome::Unread(why.name()));
            return (ItemClass::NotRead(why.name()), None);
        }
        let fits = |((claim, _), left): &((&Claim, u64), &mut u64)| **left > 0 && claim.holds_for(item);
        let fitting = self.claims.iter().zip(self.entries.iter_mut().flatten()).find(fits);
        let fits = fitting.map(|(_, left)| *left -= 1).is_some();
        if fits {
            self.note(Outcome::Intact);
            return (ItemClass::Ok, None);
        }
        self.note(Outcome::Altered);
        let detail = "several entries of this name are claimed, and none that is left has this content";
        let mut finding = Finding::of_place(Code::Altered, item.locator.clone(), detail.to_string());
        finding.source = self.claims.first().map(|claim| claim.source);
        finding.line = self.claims.first().map(|claim| claim.line);
        (ItemClass::Altered, Some(finding))
    }
}

struct Round<'a> {
    balance: &'a mut Balance,
    findings: &'a mut dyn FindingSink,
    absent: Spool<Absent>,
    loose: Spool<Loose>,
    blind: Spool<String>,
    opened: Spool<OpenClaim>,
    /// The file of each root that holds the current place.
    containers: Containers,
}

impl Round<'_> {
    /// Closes the containers that do not hold this place.
    fn enter(&mut self, place: &[u8]) -> Result<()> {
        self.close_containers(|container| !is_below(place, &container.place) && place != container.place)
    }

    fn close_containers(&mut self, ended: impl Fn(&Container) -> bool) -> Result<()> {
        for (root, container) in self.containers.take(ended) {
            self.close(root, container)?;
        }
        Ok(())
    }

    /// What was published at a URL is not here: the file with its name has other content.
    fn absent_url(&mut self, claim: Claim, is_open: bool) -> Result<()> {
        let Some(url) = claim.url else { return Ok(()) };
        let namesake = match &claim.subject {
            crate::claim::Subject::Path(path) => Some((path.as_bytes().to_vec(), is_open)),
            _ => None,
        };
        let key = super::claim_key(&place_key(url.as_bytes()));
        let absent = Absent {
            name: url.into_bytes(),
            shard: None,
            shard_is_here: false,
            claims: 1,
            namesake,
            digests: claim.digests,
            size: claim.size,
            source: claim.source,
            line: claim.line,
            interrupted: false,
            fetch: None,
            inside: None,
        };
        self.tell_impossible(claim.unusable.as_ref(), &absent)?;
        self.absent.push(&key, &absent)
    }

    /// A claim that cannot be right is told, whether its item is here or not.
    fn tell_impossible(&mut self, unusable: Option<&Unusable>, absent: &Absent) -> Result<()> {
        let Some(Unusable::Impossible(why)) = unusable else { return Ok(()) };
        let mut finding =
            Finding::of_place(Code::BadClaim, claimed_place(&absent.name, absent.shard), why.clone());
        (finding.source, finding.line) = (Some(absent.source), Some(absent.line));
        self.findings.finding(finding)
    }

    /// All items in a file and all claims on names inside it have come by.
    fn close(&mut self, root: u16, container: Container) -> Result<()> {
        let Container { place, loose, altered, settled_members, sought_inside, .. } = container;
        let (seen, role) = match (loose, altered) {
            (Some(seen), _) => (seen, Role::File { settled_members, sought_inside }),
            (None, Some((seen, file))) => {
                (seen, Role::Altered(Box::new(AlteredFile { sought_inside, ..file })))
            }
            (None, None) => return Ok(()),
        };
        self.loose.push(&item_key(&place, root, seen.item), &Loose { seen, role })
    }

    fn item(&mut self, place: &[u8], meeting: &mut Meeting, item: Observation) -> Result<()> {
        let root = item.locator.root.unwrap_or(0);
        if item.kind == Kind::File {
            return self.file(place, root, meeting, item);
        }
        let named = item.kind == Kind::Member && !item.hidden && item.locator.place_key() == place;
        if named && meeting.members_of.contains(&root) {
            let detail =
                "its container has an entry of this name before it; readers disagree which one counts";
            self.findings.finding(Finding::of_place(Code::Duplicate, item.locator.clone(), detail.into()))?;
        } else if named {
            meeting.members_of.push(root);
        }
        if named && !meeting.claims.is_empty() {
            let class = self.judge(meeting, &item)?;
            self.balance.item(class);
            if let Some(container) = self.containers.get_mut(root) {
                container.settled_members += 1;
                if let Some((_, file)) = &mut container.altered {
                    *if class == ItemClass::Ok { &mut file.sound_members } else { &mut file.odd_members } +=
                        1;
                }
            }
            return Ok(());
        }
        // Nothing claims it by name: it shares what became of its container, where that is settled.
        let container = self.containers.get(root);
        let role = match container.and_then(|c| c.class) {
            None => Role::InLoose,
            Some(ItemClass::Altered) if container.is_some_and(|c| c.claimed_inside) => Role::InRepacked,
            Some(ItemClass::Altered) => Role::InAltered,
            Some(class) => {
                self.balance.item(class);
                return Ok(());
            }
        };
        self.loose.push(&item_key(place, root, item.item), &Loose { seen: item, role })
    }

    fn file(&mut self, place: &[u8], root: u16, meeting: &mut Meeting, mut item: Observation) -> Result<()> {
        if item.inside_incomplete || matches!(item.state, State::Unread(_)) {
            self.blind
                .push(&super::claim_key(place), &format!("{} was not read to its end", item.locator))?;
        }
        // What stands at the name of a download that did not finish is the unfinished file, not the claimed one.
        let unfinished = is_partial_download(&item.locator.shard)
            && !meeting.claims.is_empty()
            && meeting.claims.iter().all(|(claim, _)| claim.interrupted);
        item.exempt |= unfinished;
        for digest in Fitting::measured(&meeting.fits, root) {
            item.digests.insert(digest.clone());
        }
        let unclaimed = unfinished || meeting.claims.is_empty();
        let claimed_inside = meeting.claims.iter().any(|(claim, _)| claim.inside.is_some());
        let (class, told) = match unclaimed {
            true => (None, None),
            false => {
                let (class, finding) = self.judged(meeting, &item)?;
                (Some(class), finding)
            }
        };
        let mut altered = None;
        match class {
            // What its samples are decides what is told of it, and its rows and cells are settled with it.
            Some(ItemClass::Altered) if claimed_inside || item.unnamed > 0 => {
                let finding = if claimed_inside {
                    told
                } else {
                    told.map_or(Ok(()), |finding| self.findings.finding(finding))?;
                    None
                };
                let file = AlteredFile {
                    finding,
                    claimed_inside,
                    sound_members: 0,
                    odd_members: 0,
                    sought_inside: false,
                };
                altered = Some((item.clone(), file));
            }
            Some(class) => {
                told.map_or(Ok(()), |finding| self.findings.finding(finding))?;
                self.balance.items(class, item.unnamed);
            }
            None => {}
        }
        if let Some(class) = class.filter(|_| altered.is_none()) {
            self.balance.item(class);
        }
        let covers = claimed_inside && class == Some(ItemClass::Ok) && !item.opened;
        let loose = class.is_none().then_some(item);
        let container = Container {
            place: place.to_vec(),
            class,
            loose,
            altered,
            claimed_inside,
            covers,
            settled_members: 0,
            sought_inside: false,
        };
        // A place holds one file of a root: an earlier container of this root cannot hold this place.
        match self.containers.insert(root, container) {
            Some(before) => self.close(root, before),
            None => Ok(()),
        }
    }

    /// Judges an item by the claims on its place, tells the finding, and says what became of the item.
    fn judge(&mut self, meeting: &mut Meeting, item: &Observation) -> Result<ItemClass> {
        let (class, finding) = self.judged(meeting, item)?;
        finding.map_or(Ok(()), |finding| self.findings.finding(finding))?;
        Ok(class)
    }

    /// Judges an item by the claims on its place: what became of it, and what is to be told.
    fn judged(&mut self, meeting: &mut Meeting, item: &Observation) -> Result<(ItemClass, Option<Finding>)> {
        meeting.item.get_or_insert_with(|| item.locator.clone());
        let mut fitted = None;
        if !meeting.fits.is_empty() {
            let claims = Fitting::apply(&meeting.fits, &meeting.claims, item);
            fitted = claims.together().ok().map(|together| (claims, together));
        }
        let together = match &meeting.together {
            Ok(together) => fitted.as_ref().map_or(together, |(_, together)| together),
            Err(_) if meeting.entries.is_some() => return Ok(meeting.judge_entry(item)),
            Err(_) => {
                if meeting.right.is_none() {
                    let right =
                        meeting.claims.iter().map(|(claim, _)| claim).find(|claim| claim.holds_for(item));
                    meeting.right = right.map(|claim| (claim.source, claim.line));
                }
                meeting.note(Outcome::Conflict);
                return Ok((ItemClass::NotChecked(Code::Conflict.name()), None));
            }
        };
        let judgement = judge(together, item);
        let (outcome, class) = match &judgement {
            Judgement::Intact(_) => (Outcome::Intact, ItemClass::Ok),
            Judgement::Altered { .. } => (Outcome::Altered, ItemClass::Altered),
            Judgement::Pointer(_) => (Outcome::Pointer, ItemClass::Pointer),
            Judgement::Conflict(_) => (Outcome::Conflict, ItemClass::NotChecked(Code::Conflict.name())),
            Judgement::Incomparable => {
                (Outcome::Incomparable, ItemClass::NotChecked(incomparable(&meeting.claims).name()))
            }
            Judgement::Unread(Unread::Pointer) => (Outcome::Pointer, ItemClass::Pointer),
            Judgement::Unread(why) => (Outcome::Unread(why.name()), ItemClass::NotRead(why.name())),
        };
        if let Judgement::Intact(agreed) = &judgement
            && meeting.intact.is_none()
        {
            meeting.intact = Some((fitted.map(|(claims, _)| claims), agreed.clone()));
        }
        meeting.note(outcome);
        let (code, expected, found, detail) = match judgement {
            // No digest of a known-bad item is shown, of whatever algorithm.
            Judgement::Altered { detail, .. } if item.known_bad => (Code::Altered, None, None, detail),
            Judgement::Altered { expected, found, mut detail } => {
                if let Some(more) = Fitting::line_ends(&meeting.fits, item.locator.root.unwrap_or(0)) {
                    detail = format!("{detail}; {more}");
                }
                (Code::Altered, expected, found, detail)
            }
            Judgement::Pointer(detail) => (Code::Pointer, None, None, detail),
            Judgement::Conflict(detail) => (Code::Conflict, None, None, detail),
            // The others make no finding here: intact needs none, incomparable claims are told once for the place
            // when it is left, and why an item was not read has been told when that happened.
            Judgement::Incomparable => {
                meeting.incomparable.get_or_insert_with(|| item.locator.clone());
                return Ok((class, None));
            }
            Judgement::Intact(_) | Judgement::Unread(_) => return Ok((class, None)),
        };
        let by = expected.as_ref().and_then(|d| meeting.claims.giving(d)).or(meeting.claims.first());
        let finding = Finding {
            code,
            level: None,
            locator: Some(item.locator.clone()),
            source: by.map(|c| c.source),
            line: by.map(|c| c.line),
            expected,
            found,
            distance: None,
            detail,
        };
        Ok((class, Some(finding)))
    }

    /// Settles the claims on a place once all its items have come by.
    fn leave(&mut self, meeting: Meeting) -> Result<()> {
        let Some(first) = meeting.claims.first() else { return Ok(()) };
        let name = match &first.subject {
            crate::claim::Subject::Path(path) => path.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let place = place_key(&name);
        let holder =
            self.containers.iter().map(|c| c.place.as_slice()).filter(|holder| is_below(&place, holder));
        let here = holder.map(<[u8]>::len).max();
        let shard = here.or(first.shard.map(|len| len as usize));
        let locator = meeting.item.clone().unwrap_or_else(|| claimed_place(&name, shard));
        let of_index = meeting.claims.iter().all(|(claim, _)| claim.shard.is_some());
        let covers = |c: &Container| c.covers && is_below(&place, &c.place);
        if of_index && meeting.outcome.is_none() && self.containers.iter().any(covers) {
            return self.settle_covered(&meeting, &locator);
        }
        if meeting.entries.is_some() && meeting.outcome.is_some() {
            return self.settle_entries(&meeting, &locator);
        }
        if let Err(contradiction) = &meeting.together {
            let Contradiction { what, source, line, with } = contradiction;
            let with = match with {
                Some((other, at)) if other == source => format!("line {at}"),
                Some((other, at)) => format!("line {at} of {}", self.findings.source_name(*other)),
                None => "another claim".to_string(),
            };
            let verdict = match (meeting.right, &meeting.item) {
                (Some((right, at)), _) if right == *source => format!("; what is here is as line {at} says"),
                (Some((right, at)), _) => {
                    let name = self.findings.source_name(right);
                    format!("; what is here is as line {at} of {name} says")
                }
                (None, Some(_)) => "; what is here is as none of them says, or was not read".to_string(),
                (None, None) => "; nothing of this name is here".to_string(),
            };
            let class = ClaimClass::NotChecked(Code::Conflict.name());
            self.balance.claims(class, meeting.claims.count() + meeting.claims.unnamed());
            return self.findings.finding(Finding {
                code: Code::Conflict,
                level: None,
                locator: Some(locator),
                source: Some(*source),
                line: Some(*line),
                expected: None,
                found: None,
                distance: None,
                detail: format!("{what} are claimed of it, here and in {with}{verdict}"),
            });
        }
        let Some(outcome) = meeting.outcome else {
            for container in self.containers.iter_mut().filter(|c| is_below(&place, &c.place)) {
                container.sought_inside = true;
            }
            let together = meeting.together.unwrap_or_default();
            let absent = Absent {
                name,
                shard,
                shard_is_here: here.is_some(),
                claims: meeting.claims.count(),
                digests: together.digests,
                size: together.size,
                source: first.source,
                line: first.line,
                interrupted: meeting.claims.iter().any(|(c, _)| c.interrupted),
                namesake: None,
                fetch: meeting.claims.iter().find_map(|(c, _)| c.fetch.clone()),
                inside: meeting.claims.inside(),
            };
            self.tell_impossible(first.unusable.as_ref(), &absent)?;
            return self.absent.push(&super::claim_key(&place), &absent);
        };
        if let Some(item) = meeting.incomparable.filter(|_| outcome != Outcome::Incomparable) {
            // Another item at this place settled the claims; this one must not pass in silence.
            let detail = "no digest of it was measured that a manifest claims of its name".to_string();
            self.findings.finding(Finding::of_place(Code::Unverifiable, item, detail))?;
        }
        let inside = meeting.claims.inside();
        let (fitted, agreed) = meeting.intact.unwrap_or_default();
        let claims = fitted.unwrap_or(meeting.claims);
        for (claim, count) in claims.iter() {
            let unnamed = claim.inside.map_or(0, |inside| inside.unnamed);
            let class = match (outcome, &claim.unusable) {
                // What its samples are decides what becomes of it.
                (Outcome::Altered, _) if inside.is_some() => {
                    let (source, name) = (claim.source, name.clone());
                    let open = OpenClaim { source, name, claims: count, unnamed };
                    self.opened.push(&super::claim_key(&place), &open)?;
                    continue;
                }
                (Outcome::Altered, _) => ClaimClass::Altered,
                (Outcome::Pointer, _) => ClaimClass::Pointer,
                (Outcome::Conflict, _) => ClaimClass::NotChecked(Code::Conflict.name()),
                (Outcome::Unread(why), _) => ClaimClass::NotChecked(why),
                (Outcome::Intact | Outcome::Incomparable, Some(unusable)) => {
                    let (code, why) = excuse(unusable);
                    self.unchecked(claim, &locator, code, why)?;
                    ClaimClass::NotChecked(code.name())
                }
                (Outcome::Intact, None) if claim.yields && !all_in(&claim.digests, &agreed) => {
                    // Where git itself says that the pointer's text is the file, that is what was published.
                    if agreed.of(Algorithm::GitBlob).is_some() {
                        ClaimClass::NotChecked("its pointer is published as it is")
                    } else {
                        let why = "a pointer stands in place of the data, and a manifest lists the pointer";
                        self.unchecked(claim, &locator, Code::Pointer, why)?;
                        ClaimClass::Pointer
                    }
                }
                (Outcome::Intact, None) if !all_in(&claim.digests, &agreed) => {
                    let lacking = claim.digests.set().minus(agreed.set());
                    let lacking: Vec<_> = lacking.iter().map(Algorithm::name).collect();
                    let why = format!("its {} was not measured", lacking.join(" and "));
                    self.unchecked(claim, &locator, Code::Unverifiable, &why)?;
                    ClaimClass::NotChecked(Code::Unverifiable.name())
                }
                (Outcome::Intact, None) => match claim.digests.strongest() {
                    Some(strongest) => {
                        *self.balance.algorithms.entry(strongest.algorithm()).or_default() += count + unnamed;
                        ClaimClass::Ok
                    }
                    // It says where the item was to be fetched from; what was fetched is as another claim says.
                    None if claim.fetch.is_some() => ClaimClass::Ok,
                    None => {
                        self.unchecked(
                            claim,
                            &locator,
                            Code::Unverifiable,
                            "the manifest gives no digest of it",
                        )?;
                        ClaimClass::NotChecked(Code::Unverifiable.name())
                    }
                },
                (Outcome::Incomparable, None) => {
                    let why = "nothing that the manifest says of it could be compared";
                    self.unchecked(claim, &locator, Code::Unverifiable, why)?;
                    ClaimClass::NotChecked(Code::Unverifiable.name())
                }
            };
            self.balance.claims(class, count + unnamed);
        }
        Ok(())
    }

    /// Settles what an index claims inside a file that is as it claims, and was not opened for that.
    fn settle_covered(&mut self, meeting: &Meeting, locator: &Locator) -> Result<()> {
        for (claim, count) in meeting.claims.iter() {
            let class = match (&claim.unusable, claim.digests.strongest()) {
                (Some(unusable), _) => {
                    let (code, why) = excuse(unusable);
                    self.unchecked(claim, locator, code, why)?;
                    ClaimClass::NotChecked(code.name())
                }
                (None, strongest) => {
                    if let Some(strongest) = strongest {
                        *self.balance.algorithms.entry(strongest.algorithm()).or_default() += count;
                    }
                    ClaimClass::Ok
                }
            };
            self.balance.claims(class, count);
        }
        Ok(())
    }

    /// Settles claims on several entries of one name, of which some are here.
    fn settle_entries(&mut self, meeting: &Meeting, locator: &Locator) -> Result<()> {
        let mut lost = 0;
        for ((claim, count), &left) in meeting.claims.iter().zip(meeting.entries.iter().flatten()) {
            if let Some(unusable) = &claim.unusable {
                let (code, why) = excuse(unusable);
                self.unchecked(claim, locator, code, why)?;
                self.balance.claims(ClaimClass::NotChecked(code.name()), count);
                continue;
            }
            if let Some(strongest) = claim.digests.strongest() {
                *self.balance.algorithms.entry(strongest.algorithm()).or_default() += count - left;
            }
            self.balance.claims(ClaimClass::Ok, count - left);
            lost += left;
        }
        let Some(first) = meeting.claims.first().filter(|_| lost > 0) else { return Ok(()) };
        for container in self.containers.iter_mut() {
            container.sought_inside = true;
        }
        let detail = "not all entries of this name are here as they are claimed";
        self.unchecked(first, locator, Code::Missing, detail)?;
        self.balance.claims(ClaimClass::Missing, lost);
        Ok(())
    }

    fn unchecked(&mut self, claim: &Claim, locator: &Locator, code: Code, why: &str) -> Result<()> {
        self.findings.finding(Finding {
            code,
            level: None,
            locator: Some(locator.clone()),
            source: Some(claim.source),
            line: Some(claim.line),
            expected: None,
            found: None,
            distance: None,
            detail: why.to_string(),
        })
    }
}

/// Whether each of these digests is one that agreed.
fn all_in(claimed: &Digests, agreed: &Digests) -> bool {
    claimed.iter().all(|digest| agreed.of(digest.algorithm()) == Some(digest))
}

/// Where a name points: into the file that its first `shard` bytes name, or to a file.
pub fn claimed_place(name: &[u8], shard: Option<usize>) -> Locator {
    match shard {
        Some(len) => Locator { member: vec![name[len + 1..].to_vec()], ..Locator::file(None, &name[..len]) },
        None => Locator::file(None, name),
    }
}

/// The code under which claims that nothing can be compared with are told: the first one's reason.
fn incomparable(claims: &Claims) -> Code {
    match claims.first().and_then(|c| c.unusable.as_ref()) {
        Some(Unusable::Impossible(_)) => Code::BadClaim,
        _ => Code::Unverifiable,
    }
}
