//! Sets of instructions, and the environment variable that forces one of them.

use std::ffi::OsString;

/// The environment variable that forces a set of instructions.
const VARIABLE: &str = "SHARDPROOF_KERNEL";

/// A set of instructions that kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Instructions {
    /// What the crates of each algorithm do by themselves for one message at a time.
    Portable,
    /// The SHA extensions of x86-64, with SSSE3 and SSE4.1.
    ShaNi,
    /// AVX2.
    Avx2,
    /// AVX-512, of which F and BW are used.
    Avx512,
}

impl Instructions {
    /// All of them.
    pub const ALL: [Instructions; 4] =
        [Instructions::Portable, Instructions::ShaNi, Instructions::Avx2, Instructions::Avx512];

    /// The name in `SHARDPROOF_KERNEL`.
    pub fn name(self) -> &'static str {
        match self {
            Instructions::Portable => "portable",
            Instructions::ShaNi => "sha-ni",
            Instructions::Avx2 => "avx2",
            Instructions::Avx512 => "avx512",
        }
    }

    /// Whether this CPU has them, and the operating system keeps the registers that they use.
    pub fn are_available(self) -> bool {
        match self {
            Instructions::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Instructions::ShaNi => {
                is_x86_feature_detected!("sha")
                    && is_x86_feature_detected!("ssse3")
                    && is_x86_feature_detected!("sse4.1")
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::ShaNi | Instructions::Avx2 | Instructions::Avx512 => false,
        }
    }
}

/// Why `SHARDPROOF_KERNEL` cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// It names no set of instructions.
    #[error(
        "the environment variable SHARDPROOF_KERNEL is {value:?}, which names no instructions to hash with. \
         Set it to portable, sha-ni, avx2 or avx512, or unset it to use the fastest."
    )]
    Unknown {
        /// What it is set to.
        value: OsString,
    },
    /// It names instructions that this CPU lacks.
    #[error(
        "the environment variable SHARDPROOF_KERNEL is {}, but this CPU lacks these instructions. \
         Unset it, or set it to portable.", .instructions.name()
    )]
    Absent {
        /// What it names.
        instructions: Instructions,
    },
}

/// The set of instructions that `SHARDPROOF_KERNEL` forces, if it is set to something: hashing then uses kernels of
/// that set alone and, for algorithms and numbers of messages that it has none for, portable ones. Whoever starts
/// hashing asks this first and tells the error; hashing itself takes portable kernels where there is one.
///
/// # Errors
/// Where the variable names nothing known, or what this CPU lacks.
pub fn forced_kernel() -> Result<Option<Instructions>, KernelError> {
    match std::env::var_os(VARIABLE) {
        Some(value) if !value.is_empty() => forced_by(value, Instructions::are_available).map(Some),
        _ => Ok(None),
    }
}

fn forced_by(value: OsString, available: impl Fn(Instructions) -> bool) -> Result<Instructions, KernelError> {
    match Instructions::ALL.into_iter().find(|instructions| value == instructions.name()) {
        None => Err(KernelError::Unknown { value }),
        Some(instructions) if available(instructions) => Ok(instructions),
        Some(instructions) => Err(KernelError::Absent { instructions }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_is_forced_by_its_name() {
        for instructions in Instructions::ALL {
            assert_eq!(forced_by(instructions.name().into(), |_| true), Ok(instructions));
        }
    }

    #[test]
    fn what_the_cpu_lacks_is_refused() {
        let refused = forced_by("avx512".into(), |i| i != Instructions::Avx512);
        assert_eq!(refused, Err(KernelError::Absent { instructions: Instructions::Avx512 }));
        assert!(refused.unwrap_err().to_string().contains("avx512, but this CPU lacks"));
    }

    #[test]
    fn other_names_are_refused() {
        for value in ["", "AVX2", "sse2", "avx2 ", "portable,avx2"] {
            assert_eq!(
                forced_by(value.into(), |_| true),
                Err(KernelError::Unknown { value: value.into() }),
                "{value:?}"
            );
        }
    }
}
