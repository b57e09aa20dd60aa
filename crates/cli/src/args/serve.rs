//! The arguments of `dateline serve`.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use dateline_server::ServerConfig;

use super::ModelArgs;
use crate::failure::Failure;
use crate::model::ModelChoice;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline serve
  dateline serve --listen 0.0.0.0:8080 --threads 8
  curl http://127.0.0.1:8080/v1/annotate --json '{\"text\": \"The 3rd Brigade left Kyiv.\"}'
  curl http://127.0.0.1:8080/v1/annotate -H 'Content-Type: application/x-ndjson' --data-binary @archive.jsonl

It says \"listening on http://…\" on standard error when it listens; GET /health/ready answers 200 once the model is
ready. On Ctrl-C or SIGTERM it finishes what is in flight and ends.";

/// What `dateline serve` is given.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "DATELINE_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The longest body, or line of a streamed body, in MiB [default: 32].
    #[arg(long, value_name = "MIB")]
    max_body: Option<NonZeroUsize>,
    /// How long requests in flight may go on after the service was told to end, in seconds [default: 30].
    #[arg(long, value_name = "SECONDS")]
    grace: Option<NonZeroU64>,
    #[command(flatten)]
    model: ModelArgs,
}

/// What `dateline serve` does.
pub(crate) struct ServeConfig {
    /// How to listen and what to allow.
    pub(crate) server: ServerConfig,
    /// The model.
    pub(crate) model: ModelChoice,
}

impl ServeArgs {
    /// Checks the arguments and fills in what was left out.
    pub(crate) fn resolve(self) -> Result<ServeConfig, Failure> {
        let mut server = ServerConfig { listen: self.listen, ..ServerConfig::default() };
        if let Some(mebibytes) = self.max_body {
            server.max_body_bytes = mebibytes.get().saturating_mul(1 << 20);
        }
        if let Some(seconds) = self.grace {
            server.shutdown_grace = Duration::from_secs(seconds.get());
        }
        Ok(ServeConfig { server, model: self.model.resolve()? })
    }
}
