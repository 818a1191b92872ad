//! Ctrl-C and SIGTERM: the first asks the run to stop, the second ends the program at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context as _;
use shardproof::error::Error;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

const CTRL_C: &str = "Ctrl-C";
const TERMINATED: &str = "SIGTERM";

/// Which signals have come.
pub struct Signals {
    stop: Arc<AtomicBool>,
    first: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> anyhow::Result<Signals> {
        let signals = Signals { stop: Arc::default(), first: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            let register = || -> std::io::Result<()> {
                // Actions run in this order: whether it is the second signal is asked before the first is noted.
                flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&signals.stop))?;
                flag::register_usize(signal, Arc::clone(&signals.first), signal as usize)?;
                flag::register(signal, Arc::clone(&signals.stop))?;
                Ok(())
            };
            register().context("cannot listen for Ctrl-C and SIGTERM")?;
        }
        Ok(signals)
    }

    /// Set once a signal has come.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// The error of an interrupted run with the signal that interrupted it, and where the run goes on.
    pub fn named(&self, error: Error, state: Option<&Path>) -> Error {
        match error {
            Error::Interrupted { .. } => {
                let terminated = self.first.load(Ordering::SeqCst) == SIGTERM as usize;
                let signal = if terminated { TERMINATED } else { CTRL_C };
                Error::Interrupted { signal, kept: state.map(Path::to_path_buf) }
            }
            other => other,
        }
    }
}

/// The exit code of a run that this signal stopped.
pub fn exit_code(signal: &str) -> u8 {
    let number = if signal == TERMINATED { SIGTERM } else { SIGINT };
    128 + number as u8
}
