//! `dateline quantise`: whether a model loses nothing by int8, and the file that makes it the CPU's choice if so.

use std::io::{self, Write};

use dateline_train::{TrainError, quantise, read_corpus};

use crate::args::QuantiseConfig;
use crate::failure::Failure;
use crate::terminal;

/// Measures both precisions, prints the figures, and says what was written or why nothing was.
pub(super) fn run(config: QuantiseConfig) -> Result<(), Failure> {
    let QuantiseConfig { folder, texts, dev, offsets, options } = config;
    let read = |path| read_corpus(path, offsets)?.strict().map_err(TrainError::from);
    let mut all = Vec::new();
    for path in &texts {
        all.extend(read(path).map_err(failure)?);
    }
    let dev = read(&dev).map_err(failure)?;
    let result = quantise(&folder, &all, &dev, &options).map_err(failure)?;
    writeln!(io::stdout().lock(), "{result}")?;
    if !result.kept {
        return Err(Failure::work(format!(
            "int8 is not good enough, and the model stays without an int8.safetensors: {}",
            result.reason()
        )));
    }
    terminal::say(format_args!("{} has its int8.safetensors: the CPU takes int8 for it now", folder.display()));
    Ok(())
}

fn failure(error: TrainError) -> Failure {
    match error {
        TrainError::Model(error) => Failure::Model(error),
        // Wrong files: nothing was begun.
        TrainError::Read { .. } | TrainError::Corpus(_) | TrainError::Empty(_) | TrainError::Report { .. } => {
            Failure::Usage(error.to_string())
        }
        other => Failure::work(other),
    }
}
