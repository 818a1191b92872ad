//! Where reports go: standard output, and files that appear whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use shardproof::audit::{AuditOptions, Report};
use shardproof::report::{self, Look, RenderError, Renderer, RepairList};

use super::meaning::before_colon;
use super::options::OutputArgs;

/// The reports of a run.
pub struct Outputs {
    stdout: Box<dyn Renderer>,
    files: Vec<(Box<dyn Renderer>, Target)>,
}

/// Where one report goes.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// A file that is written beside its place and moved there.
    File { folder: PathBuf, path: PathBuf },
    /// A pipe or a device, which can only be written to.
    Stream(PathBuf),
}

impl Outputs {
    /// Decides where reports go, and refuses what could not be written, before anything is read.
    pub fn prepare(
        args: &OutputArgs,
        failed_out: Option<&Path>,
        options: &AuditOptions,
    ) -> anyhow::Result<Outputs> {
        let look = Look { colour: io::stdout().is_terminal() && wants_colour() };
        let stdout = report::by_name(&args.format, look).ok_or_else(|| anyhow!(known_formats()))?;
        check_terminal(stdout.as_ref(), io::stdout().is_terminal())?;
        let mut files: Vec<(Box<dyn Renderer>, Target)> = Vec::new();
        for word in &args.report {
            let (format, path) =
                before_colon(word).filter(|(_, path)| !path.is_empty()).ok_or_else(|| {
                    anyhow!("--report {} is not FORMAT:FILE; {}", word.display(), known_formats())
                })?;
            let renderer = report::by_name(format, Look::default())
                .ok_or_else(|| anyhow!("no report format is called {format:?}; {}", known_formats()))?;
            let target = Target::of(Path::new(path), options)?;
            if matches!(target, Target::File { .. }) && files.iter().any(|(_, other)| *other == target) {
                bail!("two reports would be written to {}", path.display());
            }
            files.push((renderer, target));
        }
        if let Some(path) = failed_out {
            let target = Target::of(path, options)?;
            if matches!(target, Target::File { .. }) && files.iter().any(|(_, other)| *other == target) {
                bail!("a report and the list of --failed-out would both be written to {}", path.display());
            }
            let scratch = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
            files.push((Box::new(RepairList { scratch }), target));
        }
        Ok(Outputs { stdout, files })
    }

    /// Writes all reports. One that fails does not keep the others from being written.
    pub fn write(&self, report: &Report) -> anyhow::Result<()> {
        let mut failed = None;
        for (renderer, target) in &self.files {
            let written = target.write(renderer.as_ref(), report);
            failed = failed.or(written.err());
        }
        let written = to_stdout(|out| self.stdout.render(report, out));
        failed.or(written.err()).map_or(Ok(()), Err)
    }
}

/// What is no text would garble a terminal.
fn check_terminal(renderer: &dyn Renderer, terminal: bool) -> anyhow::Result<()> {
    if terminal && !renderer.is_text() {
        bail!(
            "--format {0} is no text, and standard output is a terminal; write it to a file with --report {0}:FILE",
            renderer.name()
        );
    }
    Ok(())
}

fn known_formats() -> String {
    format!("known formats are {}", report::names().join(", "))
}

/// What the user says about colours in the environment (no-color.org).
fn wants_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Writes to standard output. Whoever reads only the beginning has what they wanted.
pub fn to_stdout(write: impl FnOnce(&mut dyn Write) -> Result<(), RenderError>) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = write(&mut out).and_then(|()| Ok(out.flush()?));
    match written {
        Err(RenderError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is still buffered has no reader either: dropped unwritten.
            drop(out.into_parts());
            Ok(())
        }
        written => written.context("cannot write to standard output"),
    }
}

impl Target {
    /// Where a report of this path is written. Links are followed, so that a link stays one.
    fn of(typed: &Path, options: &AuditOptions) -> anyhow::Result<Target> {
        let refuse = |why: &str| anyhow!("cannot write the report {}: {why}", typed.display());
        let here = fs::metadata(typed);
        let is_link = fs::symlink_metadata(typed).is_ok_and(|m| m.is_symlink());
        let path = match &here {
            Ok(m) if m.is_dir() => return Err(refuse("it is a folder")),
            Ok(m) if m.is_file() => fs::canonicalize(typed).map_err(|e| refuse(&e.to_string()))?,
            Err(_) if is_link => return Err(refuse("it is a link that leads nowhere")),
            _ => typed.to_path_buf(),
        };
        let name = path.file_name().ok_or_else(|| refuse("it has no file name"))?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = fs::canonicalize(folder).map_err(|cause| {
            refuse(&format!("its folder cannot be used ({cause}); make the folder first"))
        })?;
        let path = folder.join(name);
        for root in &options.roots {
            // A root that does not exist is told of by the run.
            if fs::canonicalize(root).is_ok_and(|root| path.starts_with(root)) {
                return Err(refuse(&format!(
                    "it lies inside the dataset {}, and nothing is ever written inside a DATASET; name a file \
                     outside of it",
                    root.display()
                )));
            }
        }
        let sources = options.manifests.iter().chain(&options.hash_lists).map(|spec| &spec.path);
        for source in sources.chain(options.accept.iter().map(|list| &list.path)) {
            if fs::canonicalize(source).is_ok_and(|source| source == path) {
                return Err(refuse("it is a manifest or list of this run"));
            }
        }
        if here.is_ok_and(|m| !m.is_file()) {
            return Ok(Target::Stream(typed.to_path_buf()));
        }
        // Hours of reading for a report that cannot be kept: better told now. The trial file never has a name.
        tempfile::tempfile_in(&folder)
            .map_err(|cause| refuse(&format!("nothing can be written in its folder ({cause})")))?;
        Ok(Target::File { folder, path })
    }

    fn write(&self, renderer: &dyn Renderer, report: &Report) -> anyhow::Result<()> {
        let path = match self {
            Target::File { path, .. } | Target::Stream(path) => path,
        };
        self.try_write(renderer, report)
            .with_context(|| format!("cannot write the report {}", path.display()))
    }

    fn try_write(&self, renderer: &dyn Renderer, report: &Report) -> anyhow::Result<()> {
        match self {
            Target::Stream(path) => {
                let out = OpenOptions::new().write(true).open(path)?;
                render(renderer, report, out)?;
            }
            Target::File { folder, path } => {
                // Who may read hits is decided before the first byte is written, not after.
                let mode = if report.has_hits() { 0o600 } else { 0o666 };
                let file = tempfile::Builder::new()
                    .prefix(".shardproof-")
                    .suffix(".part")
                    .permissions(Permissions::from_mode(mode))
                    .tempfile_in(folder)?;
                render(renderer, report, file.as_file())?;
                file.as_file().sync_all()?;
                file.persist(path)?;
                File::open(folder)?.sync_all()?;
            }
        }
        Ok(())
    }
}

fn render(renderer: &dyn Renderer, report: &Report, out: impl Write) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    renderer.render(report, &mut out)?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_shown_on_a_terminal() {
        for name in report::names() {
            let renderer = report::by_name(name, Look::default()).unwrap();
            assert!(check_terminal(renderer.as_ref(), false).is_ok());
            assert_eq!(check_terminal(renderer.as_ref(), true).is_err(), name == "parquet", "{name}");
        }
    }
}
