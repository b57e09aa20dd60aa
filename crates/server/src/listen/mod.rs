//! Owns the sockets: takes connections in, limits what each may cost, and lets them go when the service stops. It
//! knows nothing of what is served.
//!
//! A peer is bounded in every phase: so many connections at once, so long for a handshake, for the head of a request
//! and between two requests, so long without taking anything of an answer. Only the body of a request is timed by who
//! reads it. Connections over the limit wait in the system's backlog, where they cost us nothing, and are served in
//! turn; the price is that their senders wait instead of being told to come back later.
//!
//! The loop is our own over hyper because there is no ready one that waits before it accepts: axum's `serve` has no
//! timeouts, and axum-server takes in every socket at once and brings HTTP/2 along. Only HTTP/1.1 is spoken; who wants
//! HTTP/2 puts a proxy in front.

mod connection;
#[cfg(test)]
mod tests;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use connection::Connections;
pub use tls::TlsFiles;
pub(crate) use tls::{Tls, TlsError};

/// How long the listener rests after the system refused it a connection, which is mostly for want of file descriptors.
/// It wakes sooner when a connection ends and gives one back.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// How the service listens.
#[derive(Clone, Debug)]
pub(crate) struct ListenOptions {
    /// How many connections are open at once, at least 1; more wait in the system's backlog until one ends. Idle
    /// kept-alive ones count, for up to `header_timeout`.
    pub(crate) max_connections: usize,
    /// How long the head of a request may take, from the end of the last answer: so an idle kept-alive connection
    /// lives no longer either. Also for the TLS handshake.
    pub(crate) header_timeout: Duration,
    /// A peer that takes nothing of its answer for so long is disconnected.
    pub(crate) write_timeout: Duration,
    /// How long requests in flight may go on once the service stops.
    pub(crate) drain_timeout: Duration,
}

/// Why the service cannot listen, or did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The listener cannot be served on.
    #[error("the listener failed: {0}")]
    Accept(io::Error),
    /// The stop cut requests off.
    #[error("shut down with requests still in flight after {0:?} of grace")]
    CutOff(Duration),
}

/// Serves `router` on `listener`, each request with the peer's address as `ConnectInfo<SocketAddr>`, until `stopping`
/// turns true. Then new connections are refused, idle ones closed, and requests in flight have `drain_timeout` to end.
///
/// # Errors
/// [`ListenError::Accept`] if the listener is none; [`ListenError::CutOff`] if requests outlived the drain. What a
/// single connection suffers is no error of the service.
pub(crate) async fn run(
    listener: std::net::TcpListener,
    router: Router,
    options: ListenOptions,
    tls: Option<Tls>,
    stopping: watch::Receiver<bool>,
) -> Result<(), ListenError> {
    listener.set_nonblocking(true).map_err(ListenError::Accept)?;
    let listener = TcpListener::from_std(listener).map_err(ListenError::Accept)?;
    let most = options.max_connections.max(1);
    let drain = options.drain_timeout;
    let connections = Arc::new(Connections::new(router, &options, tls, stopping.clone()));

    let mut open = JoinSet::new();
    {
        let mut stop = std::pin::pin!(stopped(stopping));
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                // A place is free again. How the connection ended was its own affair.
                Some(_) = open.join_next() => {}
                (stream, peer) = accept(&listener), if open.len() < most => {
                    open.spawn(Arc::clone(&connections).serve(stream, peer));
                }
            }
        }
    }
    drop(listener);

    let ending = async { while open.join_next().await.is_some() {} };
    // Whatever is left ends with the set that holds it.
    tokio::time::timeout(drain, ending).await.map_err(|_| ListenError::CutOff(drain))
}

/// The next connection. Errors pass: those of one connection at once, those of the system after a rest, so that the
/// loop does not spin while there is nothing to be had. Nothing is lost if this is dropped halfway.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if gone_already(&error) => tracing::debug!(%error, "a connection broke before it was accepted"),
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again (is the limit of open files too low?)");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether it was the peer's doing, so that the next one in the backlog may fare better.
fn gone_already(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Completes when the stop was announced; never if its announcer is gone without a word.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
