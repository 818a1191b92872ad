//! Which kernels there are: one table, and what is made of it.

use super::{Compression, Instructions, Kernel};

/// The table of all kernels, handed on to another macro with what else that needs. The number in a name is that of
/// lanes; the portable ones have one.
macro_rules! with_kernels {
    ($then:ident!($($more:tt)*)) => {
        $crate::digest::kernel::$then! { ($($more)*)
            any {
                Md5Portable, "md5-portable", Md5, Portable, $crate::digest::kernel::portable::Md5;
                Sha1Portable, "sha1-portable", Sha1, Portable, $crate::digest::kernel::portable::Sha1;
                Sha256Portable, "sha256-portable", Sha256, Portable, $crate::digest::kernel::portable::Sha256;
            }
            x86_64 {
                Md5Avx2x8, "md5-avx2x8", Md5, Avx2, $crate::digest::kernel::avx2::Md5<1>;
                Md5Avx2x16, "md5-avx2x16", Md5, Avx2, $crate::digest::kernel::avx2::Md5<2>;
                Md5Avx512x16, "md5-avx512x16", Md5, Avx512, $crate::digest::kernel::avx512::Md5<1>;
                Md5Avx512x32, "md5-avx512x32", Md5, Avx512, $crate::digest::kernel::avx512::Md5<2>;
                Sha1Ni2, "sha1-ni2", Sha1, ShaNi, $crate::digest::kernel::sha_ni::Sha1<2>;
                Sha1Ni3, "sha1-ni3", Sha1, ShaNi, $crate::digest::kernel::sha_ni::Sha1<3>;
                Sha1Ni4, "sha1-ni4", Sha1, ShaNi, $crate::digest::kernel::sha_ni::Sha1<4>;
                Sha1Avx2x8, "sha1-avx2x8", Sha1, Avx2, $crate::digest::kernel::avx2::Sha1<1>;
                Sha1Avx512x16, "sha1-avx512x16", Sha1, Avx512, $crate::digest::kernel::avx512::Sha1<1>;
                Sha1Avx512x32, "sha1-avx512x32", Sha1, Avx512, $crate::digest::kernel::avx512::Sha1<2>;
                Sha256Ni2, "sha256-ni2", Sha256, ShaNi, $crate::digest::kernel::sha_ni::Sha256<2>;
                Sha256Ni3, "sha256-ni3", Sha256, ShaNi, $crate::digest::kernel::sha_ni::Sha256<3>;
                Sha256Avx2x8, "sha256-avx2x8", Sha256, Avx2, $crate::digest::kernel::avx2::Sha256<1>;
                Sha256Avx512x16, "sha256-avx512x16", Sha256, Avx512, $crate::digest::kernel::avx512::Sha256<1>;
                Sha256Avx512x32, "sha256-avx512x32", Sha256, Avx512, $crate::digest::kernel::avx512::Sha256<2>;
            }
        }
    };
}
pub(in crate::digest) use with_kernels;

/// Does something generic with the type of a kernel: `dispatch!(name, K => run::<K>(…))`.
macro_rules! dispatch {
    ($name:expr, $kernel:ident => $work:expr) => {
        $crate::digest::kernel::with_kernels!(dispatch_arms!($name, $kernel, $work))
    };
}
pub(in crate::digest) use dispatch;

macro_rules! dispatch_arms {
    (($name:expr, $kernel:ident, $work:expr)
     any { $($any:ident, $any_text:literal, $any_compression:ident, $any_instructions:ident, $any_type:ty;)+ }
     x86_64 { $($x86:ident, $x86_text:literal, $x86_compression:ident, $x86_instructions:ident, $x86_type:ty;)+ }) => {
        match $name {
            $($crate::digest::kernel::Name::$any => {
                type $kernel = $any_type;
                $work
            })+
            $(#[cfg(target_arch = "x86_64")]
            $crate::digest::kernel::Name::$x86 => {
                type $kernel = $x86_type;
                $work
            })+
        }
    };
}
pub(in crate::digest) use dispatch_arms;

macro_rules! define_names {
    (()
     any { $($any:ident, $any_text:literal, $any_compression:ident, $any_instructions:ident, $any_type:ty;)+ }
     x86_64 { $($x86:ident, $x86_text:literal, $x86_compression:ident, $x86_instructions:ident, $x86_type:ty;)+ }) => {
        /// Every kernel that there is for the architecture compiled for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::digest) enum Name {
            $($any,)+
            $(#[cfg(target_arch = "x86_64")] $x86,)+
        }

        impl Name {
            /// All of them.
            pub const ALL: &'static [Name] = &[
                $(Name::$any,)+
                $(#[cfg(target_arch = "x86_64")] Name::$x86,)+
            ];

            /// What it computes.
            pub fn compression(self) -> Compression {
                match self {
                    $(Name::$any => Compression::$any_compression,)+
                    $(#[cfg(target_arch = "x86_64")] Name::$x86 => Compression::$x86_compression,)+
                }
            }

            /// The instructions that it needs.
            pub fn instructions(self) -> Instructions {
                match self {
                    $(Name::$any => Instructions::$any_instructions,)+
                    $(#[cfg(target_arch = "x86_64")] Name::$x86 => Instructions::$x86_instructions,)+
                }
            }

            /// What it is called where measurements are told.
            pub fn text(self) -> &'static str {
                match self {
                    $(Name::$any => $any_text,)+
                    $(#[cfg(target_arch = "x86_64")] Name::$x86 => $x86_text,)+
                }
            }
        }
    };
}
pub(super) use define_names;
with_kernels!(define_names!());

impl Name {
    /// Messages that it works on at once.
    pub fn lanes(self) -> usize {
        dispatch!(self, K => K::LANES)
    }

    /// Whether this CPU has the instructions that it needs, and the operating system keeps their registers.
    pub fn is_available(self) -> bool {
        self.instructions().are_available()
    }
}
