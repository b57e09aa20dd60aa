//! `dateline serve`: the HTTP service until Ctrl-C or SIGTERM.

use std::net::SocketAddr;
use std::sync::Arc;

use dateline_server::Observer;

use crate::args::ServeConfig;
use crate::failure::Failure;
use crate::terminal;

/// Serves until the process is told to end.
pub(super) fn run(config: ServeConfig) -> Result<(), Failure> {
    let annotator = config.model.load()?;
    let mut server = config.server;
    server.observer = Arc::new(Console { model: annotator.info().name.clone() });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("dateline-http")
        .enable_all()
        .build()
        .map_err(Failure::work)?;
    runtime.block_on(dateline_server::serve(annotator, server, told_to_end())).map_err(Failure::work)
}

/// Says on standard error what happens. The first line is what scripts wait for: do not change it.
struct Console {
    model: String,
}

impl Observer for Console {
    fn listening(&self, address: SocketAddr) {
        terminal::say(format_args!("listening on http://{address}"));
    }

    fn ready(&self) {
        terminal::say(format_args!("ready, with the model {}", self.model));
    }

    fn model_failed(&self, detail: &str) {
        terminal::say(format_args!("error: the model failed: {detail}"));
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
