//! The first round, with what it raises doubts about: claims that do not hold are tried in other ways, and only if one
//! of those fits is the round held again with what was found out. An intact dataset is joined once.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::distrust::{self, Doubts};
use super::findings::Findings;
use super::options::AuditOptions;
use super::progress::Progress;
use super::run::go_on;
use crate::check::balance::Balance;
use crate::check::places::{self, Leftovers, Nobody};
use crate::claim::Claim;
use crate::error::Result;
use crate::index::spool::{Scratch, Sorted, Spool};
use crate::observation::Observation;

/// Joins claims and items by place; what is left of both, what was found, and how many bytes were read again. What does
/// not hold is read again only where `doubting`.
///
/// # Errors
/// Where scratch files fail or the run was stopped.
#[allow(clippy::too_many_arguments, reason = "the parts of one run, each used once")]
pub fn settle(
    options: &AuditOptions,
    claims: &Sorted<Claim>,
    items: &Sorted<Observation>,
    blind: Spool<String>,
    doubting: bool,
    scratch: &Scratch,
    balance: &mut Balance,
    findings: &mut Findings,
    new_findings: &dyn Fn() -> Findings,
    progress: &dyn Progress,
    until: Option<Instant>,
    stop: &AtomicBool,
) -> Result<(Leftovers, Findings, u64)> {
    let none = Spool::new(scratch).sorted()?;
    let (mut settled, mut found) = (balance.clone(), new_findings());
    if !doubting {
        let joined = places::settle(claims, items, &none, &mut Nobody, scratch, balance, &mut found)?;
        return Ok((joined.leftovers(blind)?, found, 0));
    }
    let mut doubts = Doubts::new(scratch);
    let mut joined = places::settle(claims, items, &none, &mut doubts, scratch, &mut settled, &mut found)?;
    go_on(stop)?;
    let distrust = distrust::settle(options, doubts, scratch, findings, progress, until, stop)?;
    go_on(stop)?;
    if !distrust.fits.is_empty() {
        (settled, found) = (balance.clone(), new_findings());
        let fits = &distrust.fits;
        joined = places::settle(claims, items, fits, &mut Nobody, scratch, &mut settled, &mut found)?;
    }
    *balance = settled;
    Ok((joined.leftovers(blind)?, found, distrust.bytes))
}
