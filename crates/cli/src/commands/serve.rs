//! `dateline serve`: the HTTP service until Ctrl-C or SIGTERM.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use dateline_model::RunOptions;
use dateline_server::{Observer, ServerConfig};

use crate::args::{ServeConfig, ServeTask, unknown_variables};
use crate::failure::Failure;
use crate::logging;
use crate::model::ModelChoice;

/// Files that the process has open besides connections: the model, the log, the runtime's own.
const FILES_BESIDES_CONNECTIONS: u64 = 64;

/// Serves until the process is told to end, or prints how it would.
pub(super) fn run(task: ServeTask) -> Result<(), Failure> {
    let config = match task {
        ServeTask::Print(text) => return Ok(io::stdout().lock().write_all(text.as_bytes())?),
        ServeTask::Serve(config) => *config,
    };
    logging::init(config.log_format, &config.log_level)?;
    for warning in unknown_variables(env::vars_os().filter_map(|(name, _)| name.into_string().ok())) {
        tracing::warn!("{warning}");
    }
    allow_files_for(config.max_connections);
    serve(config)
}

fn serve(config: ServeConfig) -> Result<(), Failure> {
    let server = ServerConfig {
        listen: config.listen,
        max_body_bytes: config.max_body_bytes,
        idle_timeout: config.idle_timeout,
        shutdown_grace: config.drain_timeout,
        ..ServerConfig::default()
    };
    let model = config.models.into_iter().next().expect("a checked configuration has a model");
    let device = config.devices.first().copied().unwrap_or_default();
    let defaults = RunOptions::default();
    let max_batch_tokens = config.max_batch_tokens.map_or(defaults.max_batch_tokens, NonZeroUsize::get);
    let run = RunOptions { device, threads: config.threads, max_batch_tokens };
    let annotator = ModelChoice { located: model.located, hub: model.hub, run }.load()?;
    let server = ServerConfig { observer: Arc::new(Log { model: model.name }), ..server };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("dateline-http")
        .enable_all()
        .build()
        .map_err(Failure::work)?;
    runtime.block_on(dateline_server::serve(annotator, server, told_to_end())).map_err(Failure::work)
}

/// Raises the limit of open files as far as the system lets this process: each connection is one, and the usual limit
/// of 1024 is meant for programs that use `select`.
fn allow_files_for(connections: usize) {
    let needed = FILES_BESIDES_CONNECTIONS.saturating_add(u64::try_from(connections).unwrap_or(u64::MAX));
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < needed => {
            tracing::warn!(
                limit,
                connections,
                "fewer files may be open than max-connections needs: raise `ulimit -Hn`"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

/// Logs what happens. Scripts wait for the words "listening on http://…" and "ready" in a line: do not change them.
struct Log {
    model: String,
}

impl Observer for Log {
    fn listening(&self, address: SocketAddr) {
        tracing::info!("listening on http://{address}");
    }

    fn ready(&self) {
        tracing::info!("ready, with the model {}", self.model);
    }

    fn model_failed(&self, detail: &str) {
        tracing::error!(detail, "the model failed");
    }
}

/// Completes on Ctrl-C or, where there is one, on SIGTERM.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a signal to wait for, the service runs until the process is ended by force.
        std::future::pending::<()>().await;
    }
}
