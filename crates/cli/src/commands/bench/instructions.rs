//! Which of the CPU's instruction sets the encoder can use, and how much their multiply-adds can do at most.

use std::io::{self, Write};
use std::time::Duration;

/// An instruction set: its name, whether this machine has it, and whether it is the one in use.
pub(super) type InstructionSet = (&'static str, bool, bool);

/// The name of the instruction set in use, and what measures for about the given time how many of its multiply-adds
/// one core does a second.
pub(super) type PeakProbe = (&'static str, Box<dyn FnMut(Duration) -> f64>);

/// The instruction sets that this build has kernels for; none where the products are a library's, which chooses for
/// itself and does not tell.
pub(super) fn sets() -> Vec<InstructionSet> {
    Vec::new()
}

/// What measures the instruction set in use, if it is known.
pub(super) fn peak_probe() -> Option<PeakProbe> {
    None
}

/// Prints the list, the best set first as `sets` has it.
pub(super) fn write_list(out: &mut dyn Write, sets: &[InstructionSet]) -> io::Result<()> {
    if sets.is_empty() {
        return writeln!(out, "This build has no kernels to choose from: the library below it takes what the CPU has.");
    }
    let width = sets.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, available, chosen) in sets {
        let says = match (available, chosen) {
            (_, true) => "in use",
            (true, false) => "available",
            (false, false) => "not on this machine",
        };
        writeln!(out, "{name:width$}  {says}")?;
    }
    writeln!(out, "\nDATELINE_CPU=NAME uses another one that is available.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(sets: &[InstructionSet]) -> String {
        let mut out = Vec::new();
        write_list(&mut out, sets).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_list_says_what_is_there_and_what_is_used() {
        let list = list(&[("wide", false, false), ("narrow-dot", true, true), ("plain", true, false)]);
        let lines: Vec<_> = list.lines().collect();
        assert_eq!(lines[..3], ["wide        not on this machine", "narrow-dot  in use", "plain       available"]);
        assert!(lines[4].contains("DATELINE_CPU=NAME"), "{list}");
    }

    /// Without kernels there is nothing that DATELINE_CPU could choose.
    #[test]
    fn a_build_without_kernels_says_so() {
        assert!(!list(&[]).contains("DATELINE_CPU"));
    }
}
