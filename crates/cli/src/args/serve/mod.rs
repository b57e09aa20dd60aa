//! The arguments of `dateline serve`: a flag beats the environment, which beats the file of `--config`, which beats the
//! default.
//!
//! clap itself lets a flag beat its variable, so what it hands over ([`ServeSettings`]) is laid over what the file says,
//! that over the defaults, and the result is checked once ([`resolve`]). One struct names every setting, so that flag,
//! variable and key cannot drift apart.

mod defaults;
mod environment;
mod file;
mod printed;
mod resolve;
mod settings;
mod values;

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::failure::Failure;
use crate::model::Places;

pub(crate) use environment::unknown_variables;
pub(crate) use resolve::ServeConfig;
pub(crate) use settings::ServeSettings;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline serve
  dateline serve --listen 0.0.0.0:8080 --keys keys.toml
  dateline serve --config dateline.toml --print-config
  dateline serve --model dateline-en-small --model fr=models/fr --device cuda:all
  curl http://127.0.0.1:8080/v1/annotate --json '{\"text\": \"The 3rd Brigade left Kyiv.\"}'
  curl http://127.0.0.1:8080/v1/annotate -H 'Content-Type: application/x-ndjson' --data-binary @archive.jsonl

Each setting can be given in four places, of which the first that has it counts: the flag (--max-body 64), the
environment (DATELINE_MAX_BODY=64), the file of --config (max-body = 64), the default. --print-config shows the outcome.
A list is separated by commas, or given once an entry; in the file it is a list of strings. An empty variable is as
good as none. Paths are relative to the folder in which the command runs. The file has tables for integrations, too.

It says \"listening on http://…\" on standard error when it listens; GET /health/ready answers 200 once the model is
ready. On Ctrl-C or SIGTERM it finishes what is in flight and ends.";

/// What `dateline serve` is given.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A TOML file of settings; each key is the name of a flag below.
    #[arg(long, env = "DATELINE_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Print every setting as it would be used, as a file for --config, and end.
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    settings: ServeSettings,
}

/// What `dateline serve` is to do.
pub(crate) enum ServeTask {
    /// Serve.
    Serve(Box<ServeConfig>),
    /// Print this configuration and end.
    Print(String),
}

impl ServeArgs {
    /// Reads the file, fills in what was left out, and checks it all.
    pub(crate) fn resolve(self) -> Result<ServeTask, Failure> {
        self.resolve_in(&Places::of_this_process())
    }

    fn resolve_in(self, places: &Places) -> Result<ServeTask, Failure> {
        let file = match &self.config {
            Some(path) => file::read(path)?,
            None => ServeSettings::default(),
        };
        let settings = self.settings.or(file).or(ServeSettings::defaults());
        let printed = self.print_config.then(|| printed::to_toml(&settings));
        // Checked also when it is only printed, so that --print-config is a test of the configuration.
        let config = settings.resolve(places)?;
        Ok(match printed {
            Some(text) => ServeTask::Print(text),
            None => ServeTask::Serve(Box::new(config)),
        })
    }
}

#[cfg(test)]
mod tests;
