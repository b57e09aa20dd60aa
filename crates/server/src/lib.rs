//! The HTTP service: routes, wire types, problem details, who may call and how much, and the web page. It knows no
//! machine learning: it hands texts to a [`dateline_engine::Engine`] and writes what comes back.
//!
//! ```text
//! listen (sockets, TLS, limits of a connection)
//!   └─ observe (request id, trace, log, metrics) ─ compression ─ access (key, rate) ─ decompression
//!        └─ annotate · hf · integrations · models · health · metrics · page
//! ```
//!
//! `POST /v1/annotate` takes one text, a batch or a stream of NDJSON lines and answers in the shape of a JSONL line.
//! Every error is a problem detail of RFC 9457, and `problem.rs` is the one place that says which status it has.

mod access;
mod annotate;
mod app;
mod assets;
mod body;
mod health;
mod hf;
pub mod integrations;
mod json;
pub mod keys;
mod listen;
mod models;
mod ndjson;
mod observe;
mod openapi;
mod options;
mod page;
mod problem;
mod request;
mod room;
mod routes;
mod service;
mod trace;
mod unpack;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use integrations::Integrations;
pub use listen::TlsFiles;
pub use openapi::openapi_json;
pub use service::{Service, ServiceError, router};

/// How the service listens, whom it lets in and what it allows.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// The address to listen on; port 0 takes a free one, and [`Service::address`] says which.
    pub listen: SocketAddr,
    /// Where `/metrics` and `/health/*` are to be had without a key, besides.
    pub metrics_listen: Option<SocketAddr>,
    /// The certificate, for HTTPS.
    pub tls: Option<TlsFiles>,
    /// The file of API keys; without one everybody is let in.
    pub keys: Option<PathBuf>,
    /// The origins whose pages may call; `*` means all. None by default.
    pub cors_origins: Vec<String>,
    /// What the protocols of other products are to do.
    pub integrations: Integrations,
    /// What is too much.
    pub limits: Limits,
}

/// What is too much and what takes too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest JSON body, and the longest line of an NDJSON body (which is unlimited as a whole), in bytes.
    pub max_body_bytes: usize,
    /// The most documents of a JSON body.
    pub max_documents: usize,
    /// Bytes of bodies that are held in memory at once, over all requests.
    pub max_held_bytes: usize,
    /// Connections that are open at once; more wait until one ends.
    pub max_connections: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long the service waits for the next piece of a body, or for a reader to take the next piece of an answer.
    pub idle_timeout: Duration,
    /// How long the answer to a request may take once its body is there; a stream of lines may take any time.
    pub request_timeout: Duration,
    /// How long requests in flight may go on after the shutdown began.
    pub drain_timeout: Duration,
    /// Requests a second that a caller may make.
    pub rate_limit: Option<NonZeroU32>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            metrics_listen: None,
            tls: None,
            keys: None,
            cors_origins: Vec::new(),
            integrations: Integrations::standard(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            max_documents: 10_000,
            max_held_bytes: 256 << 20,
            max_connections: 4096,
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(300),
            drain_timeout: Duration::from_secs(30),
            rate_limit: None,
        }
    }
}
