//! shardproof's command line: parse, run, exit code.

mod cli;

use std::panic;
use std::process::ExitCode;

use clap::Parser as _;
use shardproof::error::Error;

use cli::{Cli, signals, tell};

fn main() -> ExitCode {
    panic::set_hook(Box::new(tell_of_bug));
    let arguments = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match cli::run(Cli::parse(), arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let code = match error.downcast_ref::<Error>() {
                Some(Error::Interrupted { signal, .. }) => signals::exit_code(signal),
                _ => 2,
            };
            match code {
                2 => tell(&format!("error: {error:#}")),
                _ => tell(&format!("{error:#}")),
            }
            ExitCode::from(code)
        }
    }
}

/// Where it happened, and nothing else: the payload of a panic may hold what must not be shown. A panic of a cursor
/// is caught and becomes a finding about its file; any other ends the run with exit code 101.
fn tell_of_bug(info: &panic::PanicHookInfo<'_>) {
    let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
    tell(&format!("an internal check failed{place}; this is a bug, please report it with this line"));
}
