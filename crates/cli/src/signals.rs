//! What a person or a supervisor says to a process that runs: that it is to end.

/// What ends a process from outside.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Hears them from now on. Within a runtime of tokio.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok(),
        }
    }

    /// Completes at the next one: Ctrl-C or, where there is one, SIGTERM.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(terminate) = &mut self.terminate {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a signal to wait for, the work goes on until the process is ended by force.
            std::future::pending::<()>().await;
        }
    }
}
