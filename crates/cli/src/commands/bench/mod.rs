//! `dateline bench`: how fast a model is on this machine, how soon it answers and how much memory it takes.
//!
//! What is measured is what the other commands do: the model is loaded as they load it, and the whole path from JSONL
//! to JSONL is that of `annotate`, but in memory ([`work`]). Everything takes turns in short rounds ([`rounds`]).

mod instructions;
mod machine;
mod report;
mod rounds;
mod stories;
mod table;
mod work;

use std::io::{self, Write};
use std::time::Instant;

use crate::args::{BenchConfig, BenchTask};
use crate::failure::Failure;
use crate::progress::{Progress, ProgressMode};

use self::machine::Resident;
use self::report::{Known, Memory, Report, Short, Start};
use self::work::{Bench, Corpus, Settings};

/// How many stories are made up where no file is named: a few batches of the usual size.
const STORIES: usize = 64;
/// Words of the text whose latency is measured.
const SHORT_WORDS: usize = 60;

/// Does what `task` says, in a process that began at `started`.
pub(super) fn run(task: BenchTask, started: Instant) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match task {
        BenchTask::List => Ok(instructions::write_list(&mut out, &instructions::sets()?)?),
        BenchTask::Measure(config) => {
            let report = measure(&config, started)?;
            if config.json {
                serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
                Ok(writeln!(out)?)
            } else {
                Ok(write!(out, "{report}")?)
            }
        }
    }
}

fn measure(config: &BenchConfig, started: Instant) -> Result<Report, Failure> {
    let loading = Instant::now();
    let annotator = config.model.load()?;
    let load = loading.elapsed().as_secs_f64();
    let after_load = Resident::of_this_process();
    // A made-up text also where files are named: figures of two runs are of the same one.
    let short = stories::story(0, SHORT_WORDS);
    annotator.annotate(&short)?;
    let start = Start { load, first_answer: started.elapsed().as_secs_f64() };

    let made_up = config.sources.is_empty();
    let texts = if made_up { stories::stories(STORIES) } else { work::texts_of(&config.sources)? };
    let corpus = Corpus::read(&annotator, texts)?;
    let bench = Bench { annotator: &annotator, options: &config.model.run, corpus: &corpus };
    let mut settings = Settings::new(bench, &short, config.time, instructions::peak_probe(annotator.info()))?;
    let mut turns = settings.all();
    let mut progress = Progress::over_steps((turns.len() * rounds::ROUNDS) as u64, ProgressMode::Auto);
    rounds::measure(&mut turns, config.time, &mut |step, name| progress.at(step as u64, name.to_owned()))?;
    drop(progress);

    let known = Known {
        annotator: &annotator,
        options: &config.model.run,
        corpus: &corpus,
        made_up,
        start,
        memory: Memory::of(after_load, Resident::of_this_process()),
        short: Short { words: SHORT_WORDS, tokens: Corpus::read(&annotator, vec![short.clone()])?.tokens() },
        price_per_hour: config.price_per_hour,
    };
    Ok(Report::new(known, &settings))
}
