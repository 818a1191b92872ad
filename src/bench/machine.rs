//! What the operating system says of the machine and of this process. What it does not say is `None`, never a guess.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The machine that figures are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The processor as the system calls it.
    pub cpu: Option<String>,
    /// Cores as the system counts them.
    pub cores: usize,
    /// Bytes of the largest cache.
    pub cache: Option<u64>,
    /// System and architecture.
    pub system: String,
    /// Whether the program was built to be fast.
    pub optimised: bool,
}

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| model(&text));
        Machine {
            cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cache: largest_cache(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            optimised: !cfg!(debug_assertions),
        }
    }
}

fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

/// From the first core's caches (Documentation/ABI/stable/sysfs-devices-system-cpu of Linux).
fn largest_cache() -> Option<u64> {
    let of = |index: u32| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        cache_size(&fs::read_to_string(path).ok()?)
    };
    (0..8).filter_map(of).max()
}

fn cache_size(text: &str) -> Option<u64> {
    text.trim().strip_suffix('K')?.parse::<u64>().ok()?.checked_mul(1024)
}

/// CPU time that all threads of this process have had.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Most bytes that were resident since the start, or since [`forget_peak`] (proc_pid_status(5), `VmHWM`).
pub fn peak_memory() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Lets the peak begin anew; whether that was possible (proc_pid_clear_refs(5)).
pub fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Memory that can be had without swapping (proc_meminfo(5)).
pub fn available_memory() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(model("processor : 0\nmodel name\t: Some CPU 9000\n"), Some("Some CPU 9000".into()));
        assert_eq!(model("processor : 0\n"), None);
        assert_eq!(cache_size("32768K\n"), Some(32 << 20));
        assert_eq!(cache_size("large"), None);
        assert_eq!(kilobytes("VmPeak:\t 9 kB\nVmHWM:\t  12 kB\n", "VmHWM:"), Some(12 << 10));
        assert_eq!(kilobytes("VmPeak:\t 9 kB\n", "VmHWM:"), None);
    }

    #[test]
    fn cpu_time_passes_where_work_is_done() {
        let before = cpu_time();
        let mut random = crate::bench::synthetic::random::Random::new(1, &[]);
        while cpu_time() == before {
            std::hint::black_box(random.number());
        }
        assert!(cpu_time() > before);
    }
}
