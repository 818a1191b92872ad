//! The command line: one file per command, and what the commands share.

mod audit;
mod bench;
mod completions;
mod diff;
mod flag;
mod help;
mod index;
mod meaning;
mod options;
mod output;
mod progress;
pub mod signals;
mod verify;

use std::io::{self, Write};
use std::path::Path;

use anyhow::bail;
use clap::{Parser, Subcommand};
use shardproof::audit::{AuditOptions, Mode, Progress as _};

use options::OutputArgs;
use output::Outputs;
use progress::Telling;
use signals::Signals;

/// Verify datasets against what their publishers claimed, and flag known harmful content, in one parallel read.
///
/// shardproof reads every file of a dataset once, looks inside tar shards, tables and texts sample by sample, and
/// reports what is altered, missing, moved, undisclosed or known-bad, and what it could not check. Nothing leaves the
/// machine, nothing is written into the dataset, and no flagged content is ever shown.
#[derive(Debug, Parser)]
#[command(version, after_long_help = help::with_exit_codes(help::START))]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Audit(Box<audit::Audit>),
    Verify(Box<verify::Verify>),
    Flag(Box<flag::Flag>),
    Index(Box<index::Index>),
    Diff(Box<diff::Diff>),
    Bench(Box<bench::Bench>),
    Completions(completions::Completions),
}

/// Runs a command; the exit code where the job could be done.
pub fn run(cli: Cli, arguments: Vec<String>) -> anyhow::Result<u8> {
    // Hashing itself would go on with portable kernels, and nobody would know that these were measured.
    shardproof::digest::forced_kernel()?;
    let mut first = None;
    let (mut options, output, failed_out) = match cli.command {
        Command::Audit(typed) => (typed.meaning()?, typed.output, typed.outcome.failed_out),
        Command::Verify(typed) => (typed.meaning()?, typed.output, typed.outcome.failed_out),
        Command::Flag(typed) => (typed.meaning()?, typed.output, typed.outcome.failed_out),
        Command::Diff(typed) => {
            first = Some(typed.first.clone());
            (typed.meaning()?, typed.output, typed.outcome.failed_out)
        }
        Command::Index(typed) => (typed.meaning()?, typed.reports, None),
        Command::Bench(typed) => return typed.run(arguments),
        Command::Completions(typed) => return typed.print(),
    };
    options.arguments = arguments;
    if options.look_only {
        return look(&options, &output, failed_out.as_deref());
    }
    let outputs = Outputs::prepare(&output, failed_out.as_deref(), &options)?;
    check(&options, first.as_deref(), &output, &outputs)
}

/// Audits, and writes all reports. `first` is what a dataset is compared with by `diff`.
fn check(
    options: &AuditOptions,
    first: Option<&Path>,
    output: &OutputArgs,
    outputs: &Outputs,
) -> anyhow::Result<u8> {
    let signals = Signals::listen()?;
    let progress = Telling::new(output.progress, output.quiet);
    let result = match options.mode {
        Mode::Diff => {
            let first = first.unwrap_or(Path::new(""));
            shardproof::audit::diff(first, options, &progress, signals.stop())
        }
        Mode::Index => shardproof::audit::index(options, &progress, signals.stop()),
        _ => shardproof::audit::audit(options, &progress, signals.stop()),
    };
    if result.is_ok() {
        progress.stage("writing");
    }
    progress.finish();
    let report = result.map_err(|error| signals.named(error, options.state.as_deref()))?;
    outputs.write(&report)?;
    Ok(report.exit_code)
}

/// Looks at what a run would do, and tells that in place of a report.
fn look(options: &AuditOptions, output: &OutputArgs, failed_out: Option<&Path>) -> anyhow::Result<u8> {
    if !output.report.is_empty() || failed_out.is_some() {
        bail!("--plan checks nothing, so there is nothing to write; leave --report and --failed-out away");
    }
    let Some(render) = shardproof::report::outlook::by_name(&output.format) else {
        bail!("--plan is told as human or json, not as {}", output.format);
    };
    let signals = Signals::listen()?;
    let progress = Telling::new(output.progress, output.quiet);
    let result = shardproof::audit::outlook(options, &progress, signals.stop());
    progress.finish();
    let outlook = result.map_err(|error| signals.named(error, None))?;
    output::to_stdout(|out| Ok(render(&outlook, out)?))?;
    Ok(0)
}

/// Says something on standard error. Where that is closed, nobody is left to be told.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "shardproof: {text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_table_of_options_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_is_explained() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} of {}", argument.get_id(), command.get_name());
            }
        }
    }
}
