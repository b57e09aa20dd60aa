//! Where a model runs, by name: `cpu`, `cuda`, `cuda:1`, `cuda:all`, `metal`. A device that this build cannot use is an
//! error with the way out, never a silent fall back to the CPU.

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
    /// Every NVIDIA GPU of the machine: [`DeviceSpec::each`] says which there are.
    CudaAll,
    /// Apple's GPU.
    Metal,
}

impl DeviceSpec {
    /// The devices that are meant, each by itself: for [`DeviceSpec::CudaAll`] those that the driver counts, otherwise
    /// this one.
    ///
    /// # Errors
    /// [`ModelError::Device`] if all GPUs are meant and this build has no support for them, they cannot be counted, or
    /// there are none.
    pub fn each(self) -> Result<Vec<Self>, ModelError> {
        if self != Self::CudaAll {
            return Ok(vec![self]);
        }
        self.check_build()?;
        match cuda_devices().map_err(|error| self.absent(&error))? {
            0 => {
                Err(self.refused("the driver knows of no GPU here: use `--device cpu`, or see what hides them".into()))
            }
            count => Ok((0..count).map(Self::Cuda).collect()),
        }
    }

    /// Opens the device.
    ///
    /// # Errors
    /// [`ModelError::Device`] if this build has no support for it, if the machine has no such device, or if more than
    /// one is meant.
    pub fn open(self) -> Result<Device, ModelError> {
        self.check_build()?;
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(ordinal) => Device::new_cuda(ordinal).map_err(|error| self.absent(&error)),
            Self::CudaAll => Err(self.refused(
                "those are several devices, and this is work for one: name it, as in \"cuda:0\" (`dateline serve` \
                 takes several)"
                    .to_owned(),
            )),
            Self::Metal => Device::new_metal(0).map_err(|error| self.absent(&error)),
        }
    }

    fn check_build(self) -> Result<(), ModelError> {
        let (built, how) = match self {
            Self::Cpu => return Ok(()),
            Self::Cuda(_) | Self::CudaAll => (cfg!(feature = "cuda"), "`make build-cuda`"),
            Self::Metal => (cfg!(feature = "metal"), "`--features metal`"),
        };
        if built {
            return Ok(());
        }
        Err(self.refused(format!(
            "this build of dateline has no support for it: build it with {how}, or use `--device cpu`"
        )))
    }

    fn absent(self, error: &dyn fmt::Display) -> ModelError {
        let driver = match self {
            Self::Metal => "",
            _ => ", its driver installed, and CUDA's libraries on LD_LIBRARY_PATH",
        };
        self.refused(format!("it cannot be opened ({error}): is it there{driver}?"))
    }

    fn refused(self, detail: String) -> ModelError {
        ModelError::Device { device: self.to_string(), detail }
    }
}

/// How many NVIDIA GPUs the driver lets this process see.
#[cfg(feature = "cuda")]
fn cuda_devices() -> Result<usize, candle_core::Error> {
    use candle_core::cuda_backend::cudarc::driver::CudaContext;

    let count = CudaContext::device_count().map_err(candle_core::Error::wrap)?;
    usize::try_from(count).map_err(candle_core::Error::wrap)
}

/// How many NVIDIA GPUs this build can use.
#[cfg(not(feature = "cuda"))]
fn cuda_devices() -> Result<usize, candle_core::Error> {
    Ok(0)
}

impl FromStr for DeviceSpec {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || ModelError::Device {
            device: name.to_owned(),
            detail: "there is no such device: use \"cpu\", \"cuda\", \"cuda:N\", \"cuda:all\" or \"metal\"".to_owned(),
        };
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu),
            None if name == "cuda" => Ok(Self::Cuda(0)),
            None if name == "metal" => Ok(Self::Metal),
            Some(("cuda", "all")) => Ok(Self::CudaAll),
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
            Self::CudaAll => f.write_str("cuda:all"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_name() {
        let names = [
            ("cpu", DeviceSpec::Cpu),
            ("cuda:0", DeviceSpec::Cuda(0)),
            ("cuda:3", DeviceSpec::Cuda(3)),
            ("cuda:all", DeviceSpec::CudaAll),
            ("metal", DeviceSpec::Metal),
        ];
        for (name, spec) in names {
            assert_eq!(name.parse::<DeviceSpec>().unwrap(), spec);
            assert_eq!(spec.to_string(), name);
        }
        assert_eq!("cuda".parse::<DeviceSpec>().unwrap(), DeviceSpec::Cuda(0));
        for name in ["gpu", "cuda:", "cuda:x", "cuda:ALL", "cuda:-1", "cpu:0", "cpu:all", "metal:all", ""] {
            assert!(name.parse::<DeviceSpec>().unwrap_err().to_string().contains("\"cuda:N\""), "{name}");
        }
    }

    #[test]
    fn one_device_is_each_of_itself() {
        for spec in [DeviceSpec::Cpu, DeviceSpec::Cuda(2), DeviceSpec::Metal] {
            assert_eq!(spec.each().unwrap(), [spec]);
        }
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn a_build_without_the_device_says_so() {
        for (spec, way) in [(DeviceSpec::Cuda(1), "make build-cuda"), (DeviceSpec::Metal, "--features metal")] {
            let message = spec.open().unwrap_err().to_string();
            assert!(message.contains(way) && message.contains("--device cpu"), "{message}");
        }
        let message = DeviceSpec::CudaAll.each().unwrap_err().to_string();
        assert!(message.contains("\"cuda:all\"") && message.contains("make build-cuda"), "{message}");
    }

    /// Also on a machine without a driver, where such a build must start and say what is missing.
    #[cfg(feature = "cuda")]
    #[test]
    fn a_gpu_that_is_not_there_is_an_error() {
        let message = DeviceSpec::Cuda(4242).open().unwrap_err().to_string();
        assert!(message.contains("\"cuda:4242\"") && message.contains("cannot be opened"), "{message}");
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn all_devices_are_more_than_can_be_opened() {
        let message = DeviceSpec::CudaAll.open().unwrap_err().to_string();
        assert!(message.contains("name it, as in \"cuda:0\""), "{message}");
    }
}
