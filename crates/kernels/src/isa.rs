//! Which instruction sets there are, which of them this machine has, and which one is used.

use std::fmt;

/// The environment variable that chooses the instruction set.
const VARIABLE: &str = "DATELINE_CPU";

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 (F, BW, DQ, VL) with VNNI: Intel since Ice Lake, AMD since Zen 4.
    Avx512Vnni,
    /// AVX2 and FMA with 256-bit VNNI: Intel's client processors since Alder Lake.
    AvxVnni,
    /// AVX2 and FMA: x86-64 since Haswell and Zen.
    Avx2,
    /// NEON with dot products: 64-bit Arm since Neoverse N1 and Apple M1.
    Neon,
    /// None: any machine, slowly.
    Scalar,
}

impl Isa {
    /// All of them, the fastest first.
    pub const ALL: [Self; 5] = [Self::Avx512Vnni, Self::AvxVnni, Self::Avx2, Self::Neon, Self::Scalar];

    /// Its name, as `DATELINE_CPU` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512Vnni => "avx512-vnni",
            Self::AvxVnni => "avx-vnni",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Scalar => "scalar",
        }
    }

    /// Whether this machine has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("fma");
            match self {
                Self::Avx512Vnni => {
                    avx2 && has!("avx512f")
                        && has!("avx512bw")
                        && has!("avx512dq")
                        && has!("avx512vl")
                        && has!("avx512vnni")
                }
                Self::AvxVnni => avx2 && has!("avxvnni"),
                Self::Avx2 => avx2,
                Self::Neon => false,
                Self::Scalar => true,
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            match self {
                Self::Neon => std::arch::is_aarch64_feature_detected!("dotprod"),
                Self::Scalar => true,
                _ => false,
            }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            matches!(self, Self::Scalar)
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `DATELINE_CPU` asks for what cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE} is {asked:?}, but this machine has only {available}: unset it, or set it to one of these")]
pub struct CpuError {
    asked: String,
    available: String,
}

/// An instruction set that this machine has: its methods are the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    isa: Isa,
}

impl Cpu {
    /// The instruction set, if this machine has it.
    #[must_use]
    pub fn of(isa: Isa) -> Option<Self> {
        isa.is_available().then_some(Self { isa })
    }

    /// The fastest that this machine has.
    #[must_use]
    pub fn best() -> Self {
        let isa = Isa::ALL.into_iter().find(|isa| isa.is_available()).unwrap_or(Isa::Scalar);
        Self { isa }
    }

    /// All that this machine has, the fastest first.
    pub fn all() -> impl Iterator<Item = Self> {
        Isa::ALL.into_iter().filter_map(Self::of)
    }

    /// The one that the environment variable `DATELINE_CPU` names, or the fastest.
    ///
    /// # Errors
    /// [`CpuError`] if it names one that is unknown or that this machine lacks.
    pub fn chosen() -> Result<Self, CpuError> {
        match std::env::var_os(VARIABLE) {
            Some(name) if !name.is_empty() => Self::named(&name.to_string_lossy()),
            _ => Ok(Self::best()),
        }
    }

    fn named(name: &str) -> Result<Self, CpuError> {
        Self::all().find(|cpu| cpu.isa.name() == name).ok_or_else(|| CpuError {
            asked: name.to_owned(),
            available: Self::all().map(|cpu| cpu.isa.name()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Which one it is.
    #[must_use]
    pub const fn isa(self) -> Isa {
        self.isa
    }
}

/// Compiles a generic kernel, an unsafe function over `S: Simd`, for every instruction set, as a safe function that
/// takes a [`Cpu`]. The kernel is inlined into functions that have the instruction set; it relies on nothing else.
macro_rules! kernel {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? = $generic:ident) => {
        $(#[$doc])*
        $vis fn $name(cpu: $crate::Cpu, $($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $type),*) $(-> $ret)? {
                // SAFETY: compiled for this instruction set; the rest is the outer function's to vouch for.
                unsafe { $generic::<$crate::simd::Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avxvnni")]
            unsafe fn avx_vnni($($arg: $type),*) $(-> $ret)? {
                // SAFETY: as above.
                unsafe { $generic::<$crate::simd::AvxVnni>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
            unsafe fn avx512_vnni($($arg: $type),*) $(-> $ret)? {
                // SAFETY: as above.
                unsafe { $generic::<$crate::simd::Avx512Vnni>($($arg),*) }
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,dotprod")]
            unsafe fn neon($($arg: $type),*) $(-> $ret)? {
                // SAFETY: as above.
                unsafe { $generic::<$crate::simd::Neon>($($arg),*) }
            }
            // SAFETY: a `Cpu` is only made for an instruction set that this machine has.
            unsafe {
                match cpu.isa() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::Isa::Avx512Vnni => avx512_vnni($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::Isa::AvxVnni => avx_vnni($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::Isa::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::Isa::Neon => neon($($arg),*),
                    _ => $generic::<$crate::simd::Scalar>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use kernel;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_set_is_chosen_by_name_where_it_is_there() {
        assert_eq!(Cpu::named("scalar").unwrap().isa(), Isa::Scalar);
        let message = Cpu::named("avx1024").unwrap_err().to_string();
        assert!(message.contains("\"avx1024\"") && message.contains("scalar"), "{message}");
        assert_eq!(Cpu::all().next(), Some(Cpu::best()));
        for isa in Isa::ALL {
            assert_eq!(Cpu::named(isa.name()).is_ok(), isa.is_available());
        }
    }
}
