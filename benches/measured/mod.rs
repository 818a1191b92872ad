//! Processes as the kernel counts their time and memory.
#![allow(dead_code, missing_docs, reason = "each benchmark uses a part")]

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A finished process.
pub struct Run {
    pub wall: Duration,
    pub cpu: Duration,
    /// Peak resident bytes.
    pub peak: u64,
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
}

impl Run {
    /// Runs a command; `None` if it is not installed.
    pub fn of(command: &mut Command) -> Option<Run> {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let id = child.id();
        let (peak, ticks) = (AtomicU64::new(0), AtomicU64::new(0));
        let mut stdout = child.stdout.take().expect("it was piped");
        let (status, stdout) = std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut stdout, &mut bytes).map(|_| bytes)
            });
            // Peak memory and CPU time as the kernel counts them, looked at until the end.
            let status = loop {
                if let Some(status) = child.try_wait().expect("a child can be waited for") {
                    break status;
                }
                let (rss, cpu) = usage(id);
                peak.fetch_max(rss, Ordering::Relaxed);
                ticks.fetch_max(cpu, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            };
            (status, reader.join().expect("the reader ends").expect("output can be read"))
        });
        Some(Run {
            wall: started.elapsed(),
            // A tick is 10 ms on Linux (USER_HZ).
            cpu: Duration::from_millis(ticks.load(Ordering::Relaxed) * 10),
            peak: peak.load(Ordering::Relaxed),
            code: status.code(),
            stdout,
        })
    }
}

/// Peak resident bytes and CPU ticks of a process so far.
pub fn usage(id: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // Some fields are negative; the state is a letter.
    let fields: Vec<i64> = after_name.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    // Fields after the name and the state: utime and stime are the 11th and 12th numbers (proc(5)).
    let cpu = fields.get(10).copied().unwrap_or(0) + fields.get(11).copied().unwrap_or(0);
    (peak * 1024, u64::try_from(cpu).unwrap_or(0))
}
