//! How far a run is, on standard error: a bar on a terminal, a line a minute elsewhere.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shardproof::audit::Progress;
use shardproof::locator::Escaped;
use shardproof::report::amounts::Bytes;

use super::options::When;
use super::tell;

/// Tells a person how far the run is.
pub struct Telling {
    shown: Shown,
    notices: bool,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines(Lines),
}

impl Telling {
    /// As the options say, and as standard error can show it.
    pub fn new(when: When, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let shown = match when {
            _ if quiet => Shown::Nothing,
            When::Never => Shown::Nothing,
            When::Auto | When::Always if terminal => Shown::Bar(bar()),
            When::Auto | When::Always => {
                Shown::Lines(Lines::new(Duration::from_secs(60), when == When::Always))
            }
        };
        Telling { shown, notices: !quiet }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Telling {
    fn stage(&self, name: &'static str) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_style(style("{spinner} {prefix}"));
                bar.set_prefix(name);
            }
            Shown::Lines(lines) if lines.stages => tell(name),
            Shown::Lines(_) => {}
        }
    }

    fn planned(&self, bytes: u64, files: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_style(style(
                    "{prefix} [{bar:24}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left  \
                     {wide_msg}",
                ));
                bar.set_length(bytes);
                // Rate and rest count from the first byte on, not from the listing.
                bar.reset_eta();
                bar.reset_elapsed();
            }
            Shown::Lines(lines) => lines.plan(bytes, files),
        }
    }

    fn begin(&self, path: &[u8]) {
        match &self.shown {
            Shown::Nothing => {}
            // Redrawing is limited by the bar itself; small files are gone before anybody has read their names.
            Shown::Bar(bar) => bar.set_message(Escaped(path).to_string()),
            Shown::Lines(lines) => lines.begin(path),
        }
    }

    fn read(&self, bytes: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.inc(bytes),
            Shown::Lines(lines) => {
                if let Some(line) = lines.after(bytes, lines.begun.elapsed()) {
                    tell(&line);
                }
            }
        }
    }

    fn notice(&self, text: &str) {
        match &self.shown {
            _ if !self.notices => {}
            Shown::Bar(bar) => bar.suspend(|| tell(text)),
            Shown::Nothing | Shown::Lines(_) => tell(text),
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn style(template: &str) -> ProgressStyle {
    // Templates stand in this file and are tested; a broken one shows a plain bar and never stops a run.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// Plain lines, one in each interval.
struct Lines {
    stages: bool,
    every: Duration,
    begun: Instant,
    /// Milliseconds after `begun` when reading began, and when the next line is due.
    reading_since: AtomicU64,
    due: AtomicU64,
    read: AtomicU64,
    planned: AtomicU64,
    /// The file that was begun last.
    file: Mutex<Vec<u8>>,
}

impl Lines {
    fn new(every: Duration, stages: bool) -> Self {
        Lines {
            stages,
            every,
            begun: Instant::now(),
            reading_since: AtomicU64::new(0),
            due: AtomicU64::new(every.as_millis() as u64),
            read: AtomicU64::new(0),
            planned: AtomicU64::new(0),
            file: Mutex::default(),
        }
    }

    fn plan(&self, bytes: u64, files: u64) {
        self.planned.store(bytes, Ordering::Relaxed);
        self.reading_since.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
        if self.stages {
            let files = if files == 1 { "1 file".to_string() } else { format!("{files} files") };
            tell(&format!("{files} in all, {} to read", Bytes(bytes)));
        }
    }

    fn begin(&self, path: &[u8]) {
        if let Ok(mut file) = self.file.lock() {
            file.clear();
            file.extend_from_slice(path);
        }
    }

    /// Takes note of bytes read by `now`; a line where one is due, from one worker only.
    fn after(&self, bytes: u64, now: Duration) -> Option<String> {
        let read = self.read.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let now = now.as_millis() as u64;
        let due = self.due.load(Ordering::Relaxed);
        let next = now + self.every.as_millis() as u64;
        if now < due || self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return None;
        }
        let planned = self.planned.load(Ordering::Relaxed);
        let elapsed = now.saturating_sub(self.reading_since.load(Ordering::Relaxed)).max(1) as f64 / 1000.0;
        let rate = read as f64 / elapsed;
        // Shards that are read twice make more than was planned.
        let part = if planned == 0 { 1.0 } else { (read as f64 / planned as f64).min(1.0) };
        let left = planned.saturating_sub(read) as f64 / rate.max(1.0);
        let file = self.file.lock().map(|file| file.clone()).unwrap_or_default();
        Some(format!(
            "read {} of {} ({:.1} %), {}/s, about {} left; now at {}",
            Bytes(read),
            Bytes(planned),
            part * 100.0,
            Bytes(rate as u64),
            rough(left as u64),
            Escaped(&file)
        ))
    }
}

/// A time as far as an estimate goes: its two largest units.
fn rough(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_once_in_each_interval() {
        let lines = Lines::new(Duration::from_secs(60), false);
        lines.planned.store(4 << 30, Ordering::Relaxed);
        lines.begin(b"a\nb.tar");
        assert_eq!(lines.after(1 << 29, Duration::from_secs(30)), None);
        let line = lines.after(1 << 29, Duration::from_secs(64)).unwrap();
        assert_eq!(
            line,
            "read 1.00 GiB of 4.00 GiB (25.0 %), 16.0 MiB/s, about 4 min left; now at a\\nb.tar"
        );
        assert_eq!(lines.after(1, Duration::from_secs(65)), None);
        assert!(lines.after(1, Duration::from_secs(124)).is_some());
    }

    #[test]
    fn times_are_rough() {
        for (seconds, text) in [(5, "5 s"), (61, "2 min"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(rough(seconds), text);
        }
    }
}
