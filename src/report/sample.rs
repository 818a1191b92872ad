//! Finished reports to test renderers with.

use std::path::PathBuf;

use crate::audit::report::Coverage;
use crate::audit::{Report, SourceReport, Verdict};
use crate::check::balance::{Balance, ClaimClass, ItemClass};
use crate::claim::SourceId;
use crate::digest::{Algorithm, Digest};
use crate::finding::{Class, Code, Finding, Level};
use crate::index::spool::{Scratch, Spool};
use crate::locator::Locator;

/// One byte, in hexadecimal, of the digest that stands on the list of [`hit`].
pub const LISTED: &str = "5a";

/// A dataset of 44 files, all intact.
pub fn clean() -> Report {
    let mut balance = accounts(44, 44);
    balance.claims(ClaimClass::Ok, 44);
    (0..44).for_each(|_| balance.item(ItemClass::Ok));
    balance.algorithms.insert(Algorithm::Sha256, 44);
    report(1, balance, Vec::new())
}

/// Something of everything that can be wrong, with so many roots.
pub fn bad(roots: u16) -> Report {
    let mut balance = accounts(1003, 1002);
    balance.claims(ClaimClass::Ok, 1000);
    balance.claims(ClaimClass::Altered, 1);
    balance.claims(ClaimClass::Missing, 1);
    balance.claims(ClaimClass::NotChecked("bad-claim"), 1);
    (0..1000).for_each(|_| balance.item(ItemClass::Ok));
    balance.item(ItemClass::Altered);
    balance.item(ItemClass::NotRead("unreadable"));
    balance.algorithms.insert(Algorithm::Md5, 1000);
    let place = |root, shard: &[u8], member: &[&str]| Locator {
        member: member.iter().map(|m| m.as_bytes().to_vec()).collect(),
        ..Locator::file(root, shard)
    };
    let digest = |byte| Some(Digest::new(Algorithm::Sha256, &[byte; 32]).unwrap());
    let last = Some(roots - 1);
    let told = |code, locator, detail: &str| Finding::of_place(code, locator, detail.to_string());
    let findings = vec![
        Finding {
            source: Some(SourceId(0)),
            line: Some(3),
            expected: digest(1),
            found: digest(2),
            ..told(Code::Altered, place(last, b"a.tar", &["000.jpg"]), "same size, other content")
        },
        told(Code::OddName, place(last, b"a\xff", &[]), "it is not UTF-8"),
        told(Code::Undisclosed, place(last, b"b.tar", &["a.zip", "b"]), "no manifest claims it"),
        Finding {
            source: Some(SourceId(0)),
            line: Some(9),
            expected: digest(3),
            ..told(Code::Missing, place(None, b"gone.txt", &[]), "nothing of this name is here")
        },
        Finding {
            source: Some(SourceId(0)),
            line: Some(10),
            locator: None,
            ..told(Code::BadClaim, Locator::default(), "this line is no claim: it has no name")
        },
        told(Code::Unreadable, place(last, b"\x1b[31m.bin", &[]), "permission denied"),
    ];
    report(roots, balance, findings)
}

/// One item on a hash list.
pub fn hit(reveal: bool) -> Report {
    let listed: u8 = u8::from_str_radix(LISTED, 16).unwrap();
    let digest = Some(Digest::new(Algorithm::Md5, &[listed; 32][..16]).unwrap());
    let mut finding =
        Finding::of_place(Code::KnownBad, Locator::file(Some(0), "x.jpg"), "it is on the list".to_string());
    finding.level = Some(Level::ExactWeak);
    finding.source = Some(SourceId(0));
    finding.line = Some(7);
    if reveal {
        (finding.expected, finding.found) =
            (Some(Digest::new(Algorithm::Sha256, &[listed; 32]).unwrap()), digest);
    }
    let mut balance = accounts(0, 2);
    (0..2).for_each(|_| balance.item(ItemClass::OutOfScope));
    let mut report = report(1, balance, vec![finding]);
    report.reveal = reveal;
    report.coverage.looked_up = 2;
    report.options.insert("command", "flag".to_string());
    let mut list = SourceReport::new("hash-list", b"list.txt".to_vec());
    list.format = "plain";
    list.entries = 9;
    report.sources = vec![list];
    report
}

fn accounts(claims_in: u64, items_in: u64) -> Balance {
    let mut balance = Balance::default();
    (balance.claims_in, balance.items_in) = (claims_in, items_in);
    balance
}

fn report(roots: u16, balance: Balance, findings: Vec<Finding>) -> Report {
    let scratch = Scratch::new(&std::env::temp_dir(), 1 << 20);
    let mut spool = Spool::new(&scratch);
    let mut counts = std::collections::BTreeMap::new();
    for (number, finding) in findings.iter().enumerate() {
        *counts.entry(finding.code).or_default() += 1;
        spool.push(&number.to_be_bytes(), finding).unwrap();
    }
    let any = |class| findings.iter().any(|f| f.code.class() == class);
    let (verdict, exit_code) = match (any(Class::Wrong), any(Class::Gap)) {
        (true, _) => (Verdict::Invalid, 1),
        (false, true) => (Verdict::Incomplete, 3),
        (false, false) => (Verdict::Valid, 0),
    };
    let mut manifest = SourceReport::new("manifest", b"SHA256SUMS".to_vec());
    manifest.format = "sums";
    manifest.sha256 = Some("ab".repeat(32));
    manifest.entries = balance.claims_in;
    manifest.scope = Some("folder");
    if counts.contains_key(&Code::BadClaim) {
        manifest.rejected = 1;
        manifest.rejections = vec![(10, "it has no name".to_string())];
    }
    Report {
        verdict,
        exit_code,
        options: [("command", "verify".to_string())].into(),
        arguments: vec!["verify".to_string(), "data".to_string()],
        started: jiff::Timestamp::UNIX_EPOCH,
        finished: jiff::Timestamp::UNIX_EPOCH,
        roots: ["data/a", "data/b"][..usize::from(roots)].iter().map(PathBuf::from).collect(),
        shards: balance.items_in,
        samples: 0,
        bytes: 1 << 30,
        sources: vec![manifest],
        coverage: Coverage {
            scope: "whole",
            looked_up: 0,
            shards_read: balance.items_in,
            shards_reused: 0,
            bytes_read: 1 << 30,
            broken: balance.broken(),
            balance,
            left_out: 0,
            spilled: 0,
        },
        counts,
        findings: spool.sorted().unwrap(),
        reveal: false,
        lacking: false,
        accepted: None,
    }
}
