//! Where a model runs, by name: `cpu`, `cuda`, `cuda:1`, `metal`. A device that this build cannot use is an error with
//! the way out, never a silent fall back to the CPU.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;

use crate::ModelError;

/// A device as the user names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceSpec {
    /// The CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU by its ordinal.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

impl DeviceSpec {
    /// Opens the device.
    ///
    /// # Errors
    /// [`ModelError::Device`] if this build has no support for it or the machine has no such device.
    pub fn open(self) -> Result<Device, ModelError> {
        let (built, feature) = match self {
            Self::Cpu => return Ok(Device::Cpu),
            Self::Cuda(_) => (cfg!(feature = "cuda"), "cuda"),
            Self::Metal => (cfg!(feature = "metal"), "metal"),
        };
        let refuse = |detail| ModelError::Device { device: self.to_string(), detail };
        if !built {
            return Err(refuse(format!(
                "this build of dateline has no {feature} support: build it with `--features {feature}`, or use \
                 `--device cpu`"
            )));
        }
        let opened = match self {
            Self::Cuda(ordinal) => Device::new_cuda(ordinal),
            _ => Device::new_metal(0),
        };
        opened.map_err(|error| refuse(format!("it cannot be opened ({error}): is it there, and its driver installed?")))
    }
}

impl FromStr for DeviceSpec {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || ModelError::Device {
            device: name.to_owned(),
            detail: "there is no such device: use \"cpu\", \"cuda\", \"cuda:N\" or \"metal\"".to_owned(),
        };
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu),
            None if name == "cuda" => Ok(Self::Cuda(0)),
            None if name == "metal" => Ok(Self::Metal),
            Some(("cuda", ordinal)) => ordinal.parse().map(Self::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_name() {
        for (name, spec) in [("cpu", DeviceSpec::Cpu), ("cuda", DeviceSpec::Cuda(0)), ("cuda:3", DeviceSpec::Cuda(3))] {
            assert_eq!(name.parse::<DeviceSpec>().unwrap(), spec);
        }
        for name in ["gpu", "cuda:", "cuda:x", "cpu:0", ""] {
            assert!(name.parse::<DeviceSpec>().unwrap_err().to_string().contains("\"cuda:N\""), "{name}");
        }
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn a_build_without_the_device_says_so() {
        for spec in [DeviceSpec::Cuda(1), DeviceSpec::Metal] {
            let message = spec.open().unwrap_err().to_string();
            assert!(message.contains("--features") && message.contains("--device cpu"), "{message}");
        }
    }
}
