//! What several suites need: where the shared material lies, and a plain observer.
#![allow(dead_code, reason = "each suite uses a part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use shardproof::audit::{AuditOptions, Mode, Report, Silent, SourceSpec, audit};
use shardproof::digest::{DigestSet, Hasher, LaneHasher};
use shardproof::error::Result;
use shardproof::finding::Code;
use shardproof::locator::Locator;
use shardproof::observation::Observation;
use shardproof::observe::{InHand, Job, Jobs, Next, Observer, work};
use shardproof::plan::{Inside, ShardPlan};
use shardproof::report::{Json, Renderer};
use shardproof::shard::Part;
use shardproof::source::Source;

/// A folder of other people's suites and data; `SHARDPROOF_SHARED` says where they lie.
pub fn shared(below: &str) -> PathBuf {
    let root = std::env::var_os("SHARDPROOF_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(below);
    assert!(path.exists(), "{} is needed for this test; set SHARDPROOF_SHARED", path.display());
    path
}

/// Options for verifying a folder against one manifest.
pub fn verifying(dataset: &Path, manifest: &Path) -> AuditOptions {
    let mut options = AuditOptions::new(Mode::Verify, vec![dataset.to_path_buf()]);
    options.manifests = vec![SourceSpec { format: None, path: manifest.to_path_buf() }];
    options.threads = 2;
    options
}

/// Runs an audit that must be possible.
pub fn run(options: &AuditOptions) -> Report {
    let report = try_run(options).expect("the run is possible");
    assert_eq!(report.coverage.broken, Vec::<String>::new(), "the books do not balance");
    report
}

/// Runs an audit.
pub fn try_run(options: &AuditOptions) -> Result<Report> {
    audit(options, &Silent, &AtomicBool::new(false))
}

/// A report as JSON without what may differ between two runs: `run`, and these fields of its coverage.
pub fn lasting(report: &Report, differing: &[&str]) -> String {
    let mut text = Vec::new();
    Json.render(report, &mut text).expect("memory takes it");
    let mut value: serde_json::Value = serde_json::from_slice(&text).expect("a report is JSON");
    value.as_object_mut().and_then(|all| all.remove("run")).expect("a report has `run`");
    for name in differing {
        value["coverage"].as_object_mut().and_then(|coverage| coverage.remove(*name)).expect("it is covered");
    }
    serde_json::to_string_pretty(&value).expect("it was JSON")
}

/// What a run that reuses what another one read tells otherwise.
pub const REUSED: [&str; 3] = ["shards_read", "shards_reused", "bytes_read"];

/// How often a code was found.
pub fn count(report: &Report, code: Code) -> u64 {
    report.counts.get(&code).copied().unwrap_or(0)
}

/// Findings as `code shard[ member…]`, sorted.
pub fn told(report: &Report) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all: Vec<String> = report
        .findings()
        .map(|finding| {
            let finding = finding.expect("findings can be read back");
            let place = finding.locator.map(|l| {
                let members: String = l.member.iter().map(|m| format!(" {}", text(m))).collect();
                format!("{}{members}", text(&l.shard))
            });
            format!("{} {}", finding.code, place.unwrap_or_default())
        })
        .collect();
    all.sort();
    all
}

/// Everything that is observed of one source when all of it is asked for.
pub struct Scan {
    /// Items in the order in which they ended.
    pub observations: Vec<Observation>,
    /// What was wrong.
    pub faults: Vec<(Locator, Code, String)>,
}

/// Reads one source with a plan.
pub fn scan(source: Arc<dyn Source>, name: &str, digests: DigestSet) -> Scan {
    scan_with(&mut LaneHasher::new(), source, name, digests)
}

/// Reads one source with a plan and a hasher.
pub fn scan_with(hasher: &mut dyn Hasher, source: Arc<dyn Source>, name: &str, digests: DigestSet) -> Scan {
    let plan =
        ShardPlan { file: digests, inside: Inside::Open, stream: digests, samples: digests, records: false };
    scan_planned(hasher, source, name, plan)
}

/// Reads one source with any plan.
pub fn scan_plan(source: Arc<dyn Source>, name: &str, plan: ShardPlan) -> Scan {
    scan_planned(&mut LaneHasher::new(), source, name, plan)
}

/// Reads one source with this plan and a hasher.
pub fn scan_planned(hasher: &mut dyn Hasher, source: Arc<dyn Source>, name: &str, plan: ShardPlan) -> Scan {
    let stamp = source.stamp().expect("the source has a stamp");
    let path = name.as_bytes().to_vec();
    let job =
        Job { root: 0, path, plan, exempt: false, stamp, part: Part::Whole, source: Ok(source), known: None };
    let mut kept = Scan { observations: Vec::new(), faults: Vec::new() };
    work(&One(Mutex::new(Some(job))), hasher, &mut kept, 64 << 20).expect("observing never fails in memory");
    kept
}

struct One(Mutex<Option<Job>>);

impl Jobs for One {
    fn next(&self, _in_hand: &InHand) -> Result<Next> {
        let job = self.0.lock().expect("no test panics while it holds the job").take();
        Ok(job.map_or(Next::Nothing, |job| Next::Job(Box::new(job))))
    }
}

impl Observer for Scan {
    fn observation(&mut self, observation: Observation) -> Result<()> {
        self.observations.push(observation);
        Ok(())
    }

    fn fault(&mut self, locator: Locator, code: Code, detail: String) -> Result<()> {
        self.faults.push((locator, code, detail));
        Ok(())
    }

    fn rows(&mut self, _: u16, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }

    fn read(&mut self, _: u64) {}

    fn stopped(&self) -> bool {
        false
    }
}
