//! What the measured rates mean for more data on more cores: CPU time scaled by bytes or by samples, and nothing else.

use super::synthetic::Layout;

/// Numbers of cores that are told.
pub const CORES: [u64; 3] = [1, 16, 1000];

/// A terabyte, decimal as storage is sold.
const TERABYTE: f64 = 1e12;

/// Rows of LAION-5B's metadata, and bytes of its images (Schuhmann et al., "LAION-5B", NeurIPS 2022: 5.85 billion pairs,
/// 220 TB at 384 × 384).
const LAION_ROWS: f64 = 5.85e9;
const LAION_BYTES: f64 = 220e12;

/// What a run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// How the samples were packed.
    pub layout: Layout,
    /// CPU seconds of the whole run, all threads together.
    pub cpu_seconds: f64,
    /// Bytes of files.
    pub bytes: u64,
    /// Samples.
    pub samples: u64,
}

/// Something larger.
#[derive(Clone, Debug, PartialEq)]
pub struct Extrapolation {
    /// What it is.
    pub what: &'static str,
    /// By what it was scaled: `bytes`, or `samples`.
    pub by: &'static str,
    /// How much of that it has.
    pub amount: f64,
    /// Bytes that storage has to deliver for it.
    pub bytes: f64,
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// Seconds on so many cores, and bytes that all storage has to deliver in a second for that.
    pub on: Vec<(u64, f64, f64)>,
}

impl Cost {
    /// What a terabyte and LAION-5B take.
    pub fn extrapolate(&self) -> Vec<Extrapolation> {
        let rows = match self.layout.has_rows() {
            true => "LAION-5B's 5.85 billion metadata rows",
            false => "5.85 billion such samples",
        };
        vec![
            self.by_bytes("1 TB", TERABYTE),
            self.by_samples(rows, LAION_ROWS),
            self.by_bytes("LAION-5B's 220 TB", LAION_BYTES),
        ]
    }

    fn by_bytes(&self, what: &'static str, bytes: f64) -> Extrapolation {
        let cpu_seconds = self.cpu_seconds * (bytes / self.bytes.max(1) as f64);
        Extrapolation {
            what,
            by: "bytes",
            amount: bytes,
            bytes,
            cpu_seconds,
            on: on_cores(cpu_seconds, bytes),
        }
    }

    fn by_samples(&self, what: &'static str, amount: f64) -> Extrapolation {
        let samples = self.samples.max(1) as f64;
        let cpu_seconds = self.cpu_seconds * (amount / samples);
        let bytes = self.bytes as f64 / samples * amount;
        Extrapolation { what, by: "samples", amount, bytes, cpu_seconds, on: on_cores(cpu_seconds, bytes) }
    }
}

fn on_cores(cpu_seconds: f64, bytes: f64) -> Vec<(u64, f64, f64)> {
    let on = |cores: u64| {
        let seconds = cpu_seconds / cores as f64;
        (cores, seconds, bytes / seconds.max(f64::MIN_POSITIVE))
    };
    CORES.into_iter().map(on).collect()
}

/// What is assumed, one sentence each: whoever reads the figures has to know.
pub fn assumptions(layout: Layout) -> Vec<&'static str> {
    let of_samples = match layout.has_rows() {
        true => "Rows are scaled by the CPU time of a row of this layout and size.",
        false => {
            "This layout has no rows: what is told of 5.85 billion samples is of such samples, not of metadata rows; \
             `--layout parquet` or `jsonl` measures those."
        }
    };
    vec![
        "CPU seconds of the whole run are scaled by bytes or by samples, and divided by cores: the work is spread evenly, and \
         every core is as fast as one of these while all of them are busy.",
        "Storage delivers: the data of this run were in memory already. How much it has to deliver is told for each number of \
         cores, all machines together; a machine of 16 cores needs what 16 cores need.",
        of_samples,
        "The 220 TB are taken for files of this layout and samples of this size.",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(layout: Layout) -> Cost {
        Cost { layout, cpu_seconds: 2.0, bytes: 4_000_000_000, samples: 1_000_000 }
    }

    #[test]
    fn cpu_time_is_scaled_by_bytes_and_by_samples() {
        let all = cost(Layout::Parquet).extrapolate();
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        // Half a second for each GB.
        assert!(near(all[0].cpu_seconds, 500.0) && near(all[2].cpu_seconds, 110_000.0), "{all:?}");
        // Two microseconds and 4,000 bytes for each row.
        assert!(near(all[1].cpu_seconds, 11_700.0) && near(all[1].bytes, 23.4e12), "{all:?}");
        assert_eq!((all[0].by, all[1].by, all[2].by), ("bytes", "samples", "bytes"));
        let cores: Vec<u64> = all[0].on.iter().map(|on| on.0).collect();
        assert_eq!(cores, [1, 16, 1000]);
        // A core takes 2 GB/s: sixteen need 32, whatever is read.
        for of in [&all[0], &all[1], &all[2]] {
            for (cores, seconds, bandwidth) in &of.on {
                assert!(near(*seconds, of.cpu_seconds / *cores as f64));
                assert!(near(*bandwidth, 2e9 * *cores as f64), "{of:?}");
            }
        }
    }

    #[test]
    fn what_has_no_rows_does_not_speak_of_rows() {
        let what = |layout| cost(layout).extrapolate()[1].what;
        assert!(what(Layout::Tar).contains("such samples") && !what(Layout::Folder).contains("rows"));
        assert!(what(Layout::Jsonl).contains("metadata rows"));
        assert!(assumptions(Layout::Tar).iter().any(|text| text.contains("has no rows")));
        assert!(!assumptions(Layout::Parquet).iter().any(|text| text.contains("has no rows")));
    }
}
