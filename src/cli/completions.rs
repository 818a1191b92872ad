//! `shardproof completions`: completions for a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, output};

/// Print completions for a shell.
///
/// For bash: `shardproof completions bash > ~/.local/share/bash-completion/completions/shardproof`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints them.
    pub fn print(self) -> anyhow::Result<u8> {
        // Written to memory first: the generator panics where a pipe is closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "shardproof", &mut script);
        output::to_stdout(|out| Ok(out.write_all(&script)?))?;
        Ok(0)
    }
}
