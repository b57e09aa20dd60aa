//! What is known of the machine and of this process. Where a system does not tell, a report leaves it out.

use std::fs;
use std::num::NonZeroUsize;
use std::thread;

use serde::Serialize;

/// Where a report was made.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    /// The processor's name, on Linux on x86.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu: Option<String>,
    /// How many threads this process may run at once.
    pub(super) cores: usize,
    /// The system, as Rust names it.
    pub(super) os: &'static str,
    /// The architecture, as Rust names it.
    pub(super) architecture: &'static str,
}

impl Machine {
    /// The machine that this process runs on.
    pub(super) fn of_this_process() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            cpu: field(&cpuinfo, "model name").map(ToOwned::to_owned),
            cores: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
        }
    }
}

/// Memory of this process that lies in RAM, in bytes: its own and the pages of files that it has read, such as the
/// binary's with the model in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Resident {
    /// Now.
    pub(super) now: u64,
    /// The most so far.
    pub(super) most: u64,
}

impl Resident {
    /// Of this process; `None` where there is no `/proc`.
    pub(super) fn of_this_process() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/status").ok()?)
    }

    fn parse(status: &str) -> Option<Self> {
        let bytes = |name| Some(field(status, name)?.strip_suffix(" kB")?.parse::<u64>().ok()? << 10);
        Some(Self { now: bytes("VmRSS")?, most: bytes("VmHWM")? })
    }
}

/// The value of the first line `name : value`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    values.into_iter().find_map(|(key, value)| (key.trim() == name).then_some(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_read() {
        let status = "Name:\tdateline\nVmHWM:\t   90000 kB\nVmRSS:\t   80000 kB\nThreads:\t3\n";
        assert_eq!(Resident::parse(status), Some(Resident { now: 80_000 << 10, most: 90_000 << 10 }));
        assert_eq!(Resident::parse("Name:\tdateline\n"), None);
        assert_eq!(field("processor\t: 0\nmodel name\t: A: B\nmodel name\t: C\n", "model name"), Some("A: B"));
    }
}
