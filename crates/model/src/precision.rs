//! The arithmetic of a model's linear layers, by name: `int8`, `bf16`, `f32`.

use std::fmt;
use std::str::FromStr;

use crate::ModelError;

/// How exactly a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Linear layers in 8 bits, everything else in f32. On the CPU.
    Int8,
    /// Weights and activations in bfloat16, sums in f32. On GPUs.
    Bf16,
    /// Everything in f32. Anywhere.
    F32,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Int8, Self::Bf16, Self::F32];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }
}

impl FromStr for Precision {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|precision| precision.name() == name).ok_or_else(|| ModelError::Precision {
            precision: name.to_owned(),
            detail: "there is no such precision: use \"int8\", \"bf16\" or \"f32\"".to_owned(),
        })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_known_by_name() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse::<Precision>().unwrap(), precision);
        }
        assert!("int4".parse::<Precision>().unwrap_err().to_string().contains("\"int8\""));
    }
}
