//! Which of the CPU's instruction sets the encoder can use, and how much their multiply-adds can do at most.

use std::io::{self, Write};
use std::time::Duration;

use dateline_model::kernels::{Cpu, Isa, peak};
use dateline_model::{ModelInfo, Precision};

use crate::failure::Failure;

/// An instruction set: its name, whether this machine has it, and whether it is the one in use.
pub(super) type InstructionSet = (&'static str, bool, bool);

/// The name of the instruction set in use, and what measures for about the given time how many of its multiply-adds
/// one core does a second.
pub(super) type PeakProbe = (&'static str, Box<dyn FnMut(Duration) -> f64>);

/// The instruction sets that there are kernels for, the fastest first.
pub(super) fn sets() -> Result<Vec<InstructionSet>, Failure> {
    let chosen = Cpu::chosen().map_err(|error| Failure::Usage(error.to_string()))?.isa();
    Ok(Isa::ALL.map(|isa| (isa.name(), isa.is_available(), isa == chosen)).into())
}

/// What measures the instruction set in use, where a model's products are int8 ones.
pub(super) fn peak_probe(model: &ModelInfo) -> Option<PeakProbe> {
    let cpu = Cpu::chosen().ok().filter(|_| model.precision == Precision::Int8)?;
    Some((cpu.isa().name(), Box::new(move |time| peak::int8(cpu, time))))
}

/// Prints the list, the best set first as `sets` has it.
pub(super) fn write_list(out: &mut dyn Write, sets: &[InstructionSet]) -> io::Result<()> {
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
}
