//! The HTTP service: routes, wire types, problem details and the web page. It knows no machine learning: a model is
//! anything that is [`Annotate`].
//!
//! `POST /v1/annotate` takes one text, a batch or a stream of NDJSON lines and answers in the shape of a JSONL line;
//! `/health/live` and `/health/ready` are for probes, `/` is the page. Every error is a problem detail of RFC 9457.
//!
//! One thread owns the model and requests wait their turn before it ([`Annotate`] blocks, so it never runs on a thread
//! of the runtime). What this first form trades away is throughput across callers: texts of different requests are not
//! batched together. What it keeps is fairness: a long batch is cut into chunks, and others pass between them.

mod annotate;
mod body;
mod json;
#[cfg_attr(not(test), expect(dead_code, reason = "`serve` still runs on axum's own listener"))]
mod listen;
mod ndjson;
mod openapi;
mod options;
mod page;
mod problem;
mod routes;
mod wire;
mod worker;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use annotate::{Annotate, AnnotateError};
pub use listen::TlsFiles;
pub use openapi::openapi_json;

/// How the service listens and what it allows.
#[derive(Clone)]
pub struct ServerConfig {
    /// The address to listen on; port 0 takes a free one, and [`Observer::listening`] says which.
    pub listen: SocketAddr,
    /// The longest JSON body, and the longest line of an NDJSON body (which is unlimited as a whole), in bytes.
    pub max_body_bytes: usize,
    /// How long the service waits for the next piece of a body, or for a reader to take the next piece of an answer.
    pub idle_timeout: Duration,
    /// How long requests in flight may go on after the shutdown began.
    pub shutdown_grace: Duration,
    /// How many chunks of work wait before the model; more wait at their own request.
    pub queue_chunks: usize,
    /// Hears what happens.
    pub observer: Arc<dyn Observer>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            max_body_bytes: 32 << 20,
            idle_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(30),
            queue_chunks: 64,
            observer: Arc::new(Silent),
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("listen", &self.listen)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("idle_timeout", &self.idle_timeout)
            .field("shutdown_grace", &self.shutdown_grace)
            .field("queue_chunks", &self.queue_chunks)
            .finish_non_exhaustive()
    }
}

/// Hears what happens in the service, which itself prints nothing. Called from the service's threads: be quick.
pub trait Observer: Send + Sync {
    /// The service listens on `address`.
    fn listening(&self, address: SocketAddr) {
        let _ = address;
    }
    /// The model answered its warm-up text; `/health/ready` is 200 from now on.
    fn ready(&self) {}
    /// The model failed or panicked; `detail` is for the operator, callers see only that it failed.
    fn model_failed(&self, detail: &str) {
        let _ = detail;
    }
}

/// The observer that ignores all.
struct Silent;

impl Observer for Silent {}

/// Why the service ended or never began.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source} (choose another with --listen ADDRESS:PORT)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The model's thread cannot be started.
    #[error("cannot start the model's thread: {0}")]
    Thread(io::Error),
    /// The listener broke.
    #[error("the listener failed: {0}")]
    Accept(io::Error),
    /// The shutdown cut requests off.
    #[error("shut down with requests still in flight after {0:?} of grace")]
    CutOff(Duration),
}

/// Runs the service until `shutdown` completes, then finishes the requests in flight.
///
/// The listener opens at once; `/health/ready` turns 200 when the model has answered a warm-up text.
///
/// # Errors
/// [`ServerError`] if the address or the thread cannot be had, or if requests outlived the grace.
pub async fn serve(
    annotator: impl Annotate,
    config: ServerConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })?;
    let bound = listener.local_addr().map_err(|source| ServerError::Listen { address, source })?;
    let router = router(annotator, &config)?;
    config.observer.listening(bound);

    let (announce, stopping) = watch::channel(false);
    tokio::spawn(async move {
        shutdown.await;
        announce.send_replace(true);
    });
    let serving = axum::serve(listener, router).with_graceful_shutdown(stopped(stopping.clone()));
    let grace = config.shutdown_grace;
    let too_late = async move {
        stopped(stopping).await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        result = serving.into_future() => result.map_err(ServerError::Accept),
        () = too_late => Err(ServerError::CutOff(grace)),
    }
}

/// Completes when the shutdown was announced; never if its announcer is gone without a word.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The service's routes with their model thread, for tests and for embedding in another service. The thread ends when
/// the router and all its requests are gone. `listen` and `shutdown_grace` of the config play no part here.
///
/// # Errors
/// [`ServerError::Thread`] if the model's thread cannot be started.
pub fn router(annotator: impl Annotate, config: &ServerConfig) -> Result<Router, ServerError> {
    let worker = worker::Worker::start(Arc::new(annotator), config.queue_chunks, Arc::clone(&config.observer))
        .map_err(ServerError::Thread)?;
    Ok(routes::router(worker, config))
}
