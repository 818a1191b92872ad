//! The program under test, held to its memory and to what its report says in every run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::measured::Run;

/// Peak resident bytes that no run may exceed.
const MEMORY: u64 = 300_000_000;

/// The program with its version.
pub struct Program {
    path: PathBuf,
    pub version: String,
}

impl Program {
    pub fn new(named: Option<&Path>) -> Result<Program> {
        let path = named.unwrap_or(Path::new(env!("CARGO_BIN_EXE_shardproof")));
        let path = path.canonicalize().with_context(|| format!("{} is not there", path.display()))?;
        let told = Command::new(&path).arg("--version").output()?;
        let version = String::from_utf8_lossy(&told.stdout);
        let Some(version) = version.trim().strip_prefix("shardproof ") else {
            bail!("{} is not shardproof: `--version` says {version:?}", path.display());
        };
        Ok(Program { version: version.to_owned(), path })
    }

    /// A dataset and its sums: everything listed is there and intact.
    pub fn verify(&self, dataset: &Path, manifest: &Path, items: u64) -> Result<Run> {
        let (run, report) =
            self.run(["verify".as_ref(), dataset.as_os_str(), "--manifest".as_ref(), manifest.as_os_str()])?;
        let coverage = &report["coverage"];
        ensure!(
            run.code == Some(0) && coverage["claims"] == items && coverage["ok"] == items,
            "shardproof verify did not verify {items} items of {}: exit code {:?}, {coverage}",
            dataset.display(),
            run.code
        );
        Ok(run)
    }

    /// Runs it with a report in JSON.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<(Run, Value)> {
        let mut command = Command::new(&self.path);
        command.args(arguments).args(["--format", "json", "-q"]);
        let run = Run::of(&command)?.context("shardproof is not there any more")?;
        let report = serde_json::from_slice(&run.stdout).with_context(|| {
            let said = String::from_utf8_lossy(&run.stderr).into_owned();
            format!("shardproof gave no report (exit code {:?}): {said}", run.code)
        })?;
        ensure!(
            run.peak < MEMORY,
            "shardproof took {} MB; it has to stay under {} MB",
            run.peak / 1_000_000,
            MEMORY / 1_000_000
        );
        Ok((run, report))
    }
}
