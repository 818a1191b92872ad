//! Copies of random datasets, packed anew and edited at random, against the index of what they were: a plain comparison
//! of two multisets says what must come out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/copies.rs"]
mod copies;
#[path = "common/packing.rs"]
mod packing;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use common::{run, told, verifying};
use packing::{Fields, Files, Form, difference, fields_of, pack, records_of};
use proptest::prelude::*;
use shardproof::audit::{AuditOptions, Mode, Report, Silent, index};
use shardproof::check::balance::ClaimClass;
use shardproof::finding::Finding;
use shardproof::report::{Json, Renderer};

/// A change of a copy: numbers choose what it is about.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Change,
    Delete,
    Add,
    Duplicate,
    SwapTexts,
    Move,
    Truncate,
    Flip,
    Rename,
}

/// One case.
#[derive(Clone, Debug)]
struct Case {
    samples: Vec<Fields>,
    numbers: bool,
    distinct: bool,
    forms: (usize, usize),
    shards: (Vec<u8>, Option<Vec<u8>>),
    edits: Vec<(Edit, usize, usize)>,
}

fn cases() -> impl Strategy<Value = Case> {
    // No line of a text is another field: a line that is found would speak for the text that it was cut from.
    let texts = prop::sample::select(vec!["", "a", "b", "two\nlines", "end\n", "é \"quoted\", c"]);
    let urls = prop::sample::select(vec!["t", "u", "v", "w"]);
    let fields = (prop::option::weighted(0.8, texts), prop::option::weighted(0.8, urls), 0i64..3);
    let fields = fields.prop_map(|(text, url, n)| Fields {
        text: text.map(str::to_string),
        // A sample with nothing in it has no files.
        url: url.or(text.is_none().then_some("only")).map(str::to_string),
        number: Some(n),
    });
    let edit = prop::sample::select(vec![
        Edit::Change,
        Edit::Change,
        Edit::Delete,
        Edit::Delete,
        Edit::Add,
        Edit::Add,
        Edit::Duplicate,
        Edit::SwapTexts,
        Edit::Move,
        Edit::Move,
        Edit::Truncate,
        Edit::Flip,
        Edit::Rename,
    ]);
    let edits = prop::collection::vec((edit, 0usize..1000, 0usize..1000), 0..4);
    let shards = (prop::collection::vec(0u8..3, 12), prop::option::of(prop::collection::vec(0u8..3, 12)));
    let flags = (any::<bool>(), prop::bool::weighted(0.3), any::<bool>());
    let all = (prop::collection::vec(fields, 1..12), flags, (0usize..100, 0usize..100), shards, edits);
    all.prop_map(|(mut samples, (numbers, distinct, same_form), mut forms, shards, edits)| {
        for (i, sample) in samples.iter_mut().enumerate() {
            if !numbers {
                sample.number = None;
            }
            if distinct {
                sample.text = sample.text.as_ref().map(|text| format!("{text}{i}"));
                sample.url = sample.url.as_ref().map(|url| format!("{url} {i}"));
            }
        }
        if same_form {
            forms.1 = forms.0;
        }
        Case { samples, numbers, distinct, forms, shards, edits }
    })
}

/// Samples in shards, each with a key of its own.
type Shards = Vec<Vec<(usize, Fields)>>;

fn shards_of(samples: &[(usize, Fields)], by: &[u8]) -> Shards {
    let mut shards = vec![Vec::new(); 3];
    for ((key, fields), shard) in samples.iter().zip(by.iter().cycle()) {
        shards[usize::from(*shard)].push((*key, fields.clone()));
    }
    shards
}

/// Two copies as files, whether the second was damaged, and its samples.
fn copies_of(case: &Case) -> (Files, Files, bool, Vec<Fields>) {
    let allowed: Vec<Form> = Form::ALL.into_iter().filter(|form| form.is_typed() || !case.numbers).collect();
    let form = |n: usize| allowed[n % allowed.len()];
    let (of_a, of_b) = (form(case.forms.0), form(case.forms.1));
    let samples: Vec<_> = case.samples.iter().cloned().enumerate().collect();
    let a = pack(of_a, &shards_of(&samples, &case.shards.0));
    let mut shards = shards_of(&samples, case.shards.1.as_ref().unwrap_or(&case.shards.0));
    let mut next = 100;
    let mut of_files = Vec::new();
    for &(edit, n, m) in &case.edits {
        let at = |shards: &Shards, n: usize| -> Option<(usize, usize)> {
            let all: Vec<_> =
                (0..shards.len()).flat_map(|s| (0..shards[s].len()).map(move |i| (s, i))).collect();
            (!all.is_empty()).then(|| all[n % all.len()])
        };
        let place = at(&shards, n);
        next += 1;
        match (edit, place) {
            (Edit::Add, _) => {
                let number = case.numbers.then_some(1);
                let fields = Fields { text: Some(format!("new {next}")), url: Some("t".into()), number };
                let fields = if case.distinct {
                    Fields { url: Some(format!("url {next}")), ..fields }
                } else {
                    fields
                };
                shards[m % 3].push((next, fields));
            }
            (Edit::Change, Some((s, i))) => {
                let fields = &mut shards[s][i].1;
                match m % 3 {
                    0 if case.numbers => fields.number = Some(7 + next as i64),
                    _ if fields.text.is_some() => fields.text = Some(format!("changed {next}")),
                    _ => fields.url = Some(format!("changed {next}")),
                }
            }
            (Edit::Delete, Some((s, i))) => drop(shards[s].remove(i)),
            (Edit::Duplicate, Some((s, i))) => {
                let fields = shards[s][i].1.clone();
                shards[m % 3].push((next, fields));
            }
            (Edit::SwapTexts, Some((s, i))) => {
                let Some((t, j)) = at(&shards, m) else { continue };
                let (one, other) = (shards[s][i].1.text.clone(), shards[t][j].1.text.clone());
                // A sample stays one.
                if (one.is_some() || shards[t][j].1.url.is_some())
                    && (other.is_some() || shards[s][i].1.url.is_some())
                {
                    shards[s][i].1.text = other;
                    shards[t][j].1.text = one;
                }
            }
            (Edit::Move, Some((s, i))) => {
                let sample = shards[s].remove(i);
                shards[m % 3].push(sample);
            }
            (Edit::Truncate | Edit::Flip | Edit::Rename, _) => of_files.push((edit, n, m)),
            (_, None) => {}
        }
    }
    let mut b = pack(of_b, &shards);
    let mut damaged = false;
    for (edit, n, m) in of_files {
        let Some(name) = b.keys().nth(n % b.len().max(1)).cloned() else { continue };
        let mut content = b.remove(&name).unwrap();
        match edit {
            Edit::Rename if name.contains('/') => drop(b.insert(name, content)),
            Edit::Rename => drop(b.insert(format!("renamed-{name}"), content)),
            _ if content.is_empty() => drop(b.insert(name, content)),
            Edit::Truncate => {
                content.truncate(m % content.len());
                damaged = true;
                b.insert(name, content);
            }
            _ => {
                let at = m % content.len();
                content[at] ^= 1 << (n % 8);
                damaged = true;
                b.insert(name, content);
            }
        }
    }
    let here = shards.into_iter().flatten().map(|(_, fields)| fields).collect();
    (a, b, damaged, here)
}

fn write(folder: &Path, files: &Files) {
    fs::create_dir_all(folder).unwrap();
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn indexed(home: &Path, name: &str) {
    let mut options = AuditOptions::new(Mode::Index, vec![home.join(name)]);
    options.output = Some(home.join(format!("{name}.index")));
    options.threads = 2;
    index(&options, &Silent, &AtomicBool::new(false)).unwrap();
}

/// The report without `run`.
fn json(report: &Report) -> serde_json::Value {
    let mut text = Vec::new();
    Json.render(report, &mut text).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    value.as_object_mut().unwrap().remove("run");
    value
}

fn findings(report: &Report) -> Vec<Finding> {
    report.findings().map(Result::unwrap).collect()
}

/// Whether each field is a file or a member of its own: nothing else is claimed, or seen, of a sample.
fn are_fields(files: &Files) -> bool {
    files.keys().any(|name| name.ends_with(".txt") || name.ends_with(".url") || name.contains(".tar"))
}

fn check(case: &Case) {
    let (a, b, damaged, here) = copies_of(case);
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    write(&home.join("a"), &a);
    write(&home.join("b"), &b);
    indexed(home, "a");
    indexed(home, "b");
    let options = verifying(&home.join("b"), &home.join("a.index"));
    // The equations hold: `run` asserts it.
    let report = run(&options);
    let all = told(&report);
    let context = format!(
        "{:?} against {:?}\n{all:#?}\n{:#?}",
        b.keys().collect::<Vec<_>>(),
        a.keys().collect::<Vec<_>>(),
        report.coverage.balance
    );
    // Valid exactly where nothing is different.
    assert_eq!(report.exit_code == 0, a == b && !a.is_empty(), "{context}");

    let (claimed, seen) = (records_of(&case.samples), records_of(&here));
    let (values, here_values) = (fields_of(&case.samples), fields_of(&here));
    let (lost, new) = match are_fields(&a) || are_fields(&b) {
        true => (difference(&values, &here_values), difference(&here_values, &values)),
        false => (difference(&claimed, &seen), difference(&seen, &claimed)),
    };
    let any = |codes: &[&str]| all.iter().any(|finding| codes.contains(&finding.split(' ').next().unwrap()));
    if !damaged {
        // A name with other content is altered: neither is what it had sought elsewhere, nor where what it has is from.
        let renamed = are_fields(&a) && are_fields(&b) && any(&["altered"]);
        for finding in findings(&report) {
            let named = finding.locator.as_ref().is_some_and(|l| l.row.is_none());
            let name = finding.locator.as_ref().map(|l| String::from_utf8_lossy(&l.shard).into_owned());
            let name = name.unwrap_or_default();
            let changed = a.contains_key(&name) && b.contains_key(&name) && a[&name] != b[&name];
            match finding.code.name() {
                "moved" => {}
                // What has a name and is here with other bytes may be told as such, wherever its content went.
                "altered" => assert!((named && changed) || lost > 0, "{finding:?}\n{context}"),
                "missing" => assert!(lost > 0 || renamed, "{finding:?}\n{context}"),
                "undisclosed" => assert!(new > 0 || renamed, "{finding:?}\n{context}"),
                "unverified" => assert!(lost > 0 || new > 0, "{finding:?}\n{context}"),
                other => panic!("{other} {context}"),
            }
        }
        assert!(lost == 0 || any(&["missing", "altered", "unverified"]), "{lost} lost: {context}");
        let apart = findings(&report).iter().any(|finding| finding.detail.contains("not together"));
        assert!(new == 0 || apart || any(&["undisclosed", "altered", "unverified"]), "{new} new: {context}");
        // Values are paired one to one: as many claims are left as there are values too few.
        let few = difference(&values, &here_values);
        let balance = &report.coverage.balance;
        let gone = balance.claims_of(ClaimClass::Missing) + balance.claims_of(ClaimClass::Altered);
        assert!(gone >= few, "{few} values: {context}");
    }

    // Neither threads nor memory change a word.
    let reference = json(&report);
    for (threads, memory) in [(1, 16), (7, 256), (2, 16)] {
        let mut options = options.clone();
        options.threads = threads;
        options.memory = memory << 20;
        let other = json(&run(&options));
        assert_eq!(other, reference, "{threads} threads, {memory} MiB: {context}");
    }
    // An index of the copy says what the copy says; of a damaged one it tells what could not be read as well.
    let of_index = run(&verifying(&home.join("b.index"), &home.join("a.index")));
    let told_of = told(&of_index);
    if damaged {
        assert_eq!(of_index.exit_code == 0, a == b, "{told_of:?} {context}");
    } else {
        assert_eq!(findings(&of_index), findings(&report), "{told_of:#?} {context}");
        assert_eq!(of_index.exit_code, report.exit_code, "{context}");
        assert_eq!(
            of_index.coverage.balance.claims_by_class(),
            report.coverage.balance.claims_by_class(),
            "{context}"
        );
    }
    // And the other way round: an index of a damaged copy never makes anything valid but that copy.
    let back = run(&verifying(&home.join("a"), &home.join("b.index")));
    assert!(back.exit_code != 0 || a == b, "{:?} {context}", told(&back));
    if damaged {
        let same = run(&verifying(&home.join("b"), &home.join("b.index")));
        let _: BTreeMap<_, _> = same.counts;
        assert!(same.coverage.broken.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("SHARDPROOF_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_copy_is_told_by_its_samples(case in cases()) {
        check(&case);
    }
}
