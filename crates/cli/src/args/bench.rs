//! The arguments of `dateline bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::ModelArgs;
use crate::failure::Failure;
use crate::input::Source;
use crate::model::ModelChoice;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline bench
  dateline bench archive.jsonl --seconds 120
  dateline bench --threads 1 --price-per-hour 0.09
  dateline bench --json > bench.json
  dateline bench --list

A rate is the median of five rounds, beside the lowest and the highest; a round measures each thing in turn, so that a
machine that is busy for a while is so for all of them. A token is one that the encoder reads: special tokens count, and
those that two windows of a long text share count twice. The encoder's input is cut to the size of small batches, so
that a batch of 64 tokens is one of 64 tokens.";

/// What `dateline bench` is given.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Texts to measure with, as `annotate` reads them; of more than a megabyte the beginning [default: stories that
    /// are made up, always the same].
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// How long to measure in all, about; a slow machine takes longer.
    #[arg(long, default_value = "20", value_name = "S", value_parser = seconds)]
    seconds: Duration,
    /// Print the whole report as JSON; times are in seconds, memory is in bytes.
    #[arg(long)]
    json: bool,
    /// What the machine costs an hour: adds what a million words cost.
    #[arg(long, value_name = "PRICE", value_parser = price)]
    price_per_hour: Option<f64>,
    /// List the instruction sets that the encoder can use on this machine, and measure nothing.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// What `dateline bench` is to do.
pub(crate) enum BenchTask {
    /// Measure.
    Measure(Box<BenchConfig>),
    /// List the instruction sets.
    List,
}

/// What is measured, and how.
pub(crate) struct BenchConfig {
    /// Where the texts are; none for made-up ones.
    pub(crate) sources: Vec<Source>,
    /// How long to measure.
    pub(crate) time: Duration,
    /// Whether the report is printed as JSON.
    pub(crate) json: bool,
    /// What the machine costs an hour.
    pub(crate) price_per_hour: Option<f64>,
    /// The model.
    pub(crate) model: ModelChoice,
}

impl BenchArgs {
    /// Finds the model, if one is needed.
    pub(crate) fn resolve(self) -> Result<BenchTask, Failure> {
        if self.list {
            return Ok(BenchTask::List);
        }
        Ok(BenchTask::Measure(Box::new(BenchConfig {
            sources: self.files.into_iter().map(Source::named).collect(),
            time: self.seconds,
            json: self.json,
            price_per_hour: self.price_per_hour,
            model: self.model.resolve()?,
        })))
    }
}

/// A time up to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if seconds > 0.0 && seconds <= 86_400.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must be above 0 and no more than a day (86400)".to_owned())
    }
}

/// A price in any currency.
fn price(text: &str) -> Result<f64, String> {
    let price: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if price.is_finite() && price >= 0.0 { Ok(price) } else { Err("a price is 0 or more".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_prices_are_checked() {
        assert_eq!(seconds("0.05"), Ok(Duration::from_millis(50)));
        for bad in ["0", "-1", "1e9", "NaN", "inf", "20s", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!((price("0"), price("1.5")), (Ok(0.0), Ok(1.5)));
        for bad in ["-1", "NaN", "inf", "1 €"] {
            assert!(price(bad).is_err(), "{bad}");
        }
    }
}
