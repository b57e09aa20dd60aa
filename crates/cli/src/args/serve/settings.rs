//! Every setting of `dateline serve`, once: each field is a flag, a variable and a key of the configuration file, but for
//! the tables of the integrations, which the file alone can have.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueHint};
use dateline_model::{DeviceSpec, Precision};
use dateline_server::integrations::Integrations;
use serde::{Deserialize, Serialize};

use super::values::{ModelSpec, Origin, Seconds, list, word};
use crate::logging::LogFormat;

/// The settings that one source has; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ServeSettings {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080].
    #[arg(long, env = "DATELINE_LISTEN", value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// The models: for each a folder, the name of a model in a search folder, or an id on a hub, and before it the name
    /// that it has in the API if that is to be another. The first is the one of requests that name none
    /// [default: dateline-en-small].
    #[arg(short, long, env = "DATELINE_MODEL", value_name = "[NAME=]FOLDER|NAME|OWNER/NAME", value_delimiter = ',')]
    #[arg(value_hint = ValueHint::DirPath, help_heading = MODEL)]
    #[serde(with = "list")]
    pub(super) model: Option<Vec<ModelSpec>>,
    /// The branch, tag or commit of the model on a hub.
    #[arg(long, env = "DATELINE_REVISION", help_heading = MODEL)]
    pub(super) revision: Option<String>,
    /// Use only what was fetched from the hub before.
    #[arg(long, env = "DATELINE_OFFLINE", value_name = "BOOL", help_heading = MODEL)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(super) offline: Option<bool>,
    /// Where to run: cpu, metal, one or more of cuda:N, or cuda:all, which is every GPU [default: cpu].
    #[arg(long, env = "DATELINE_DEVICE", value_name = "DEVICE", value_delimiter = ',', help_heading = MODEL)]
    #[serde(with = "list")]
    pub(super) device: Option<Vec<DeviceSpec>>,
    /// How exactly to compute: int8, bf16 or f32 [default: int8 on the CPU for models that were found to lose nothing by
    /// it, bf16 on NVIDIA's GPUs, else f32].
    #[arg(long, env = "DATELINE_PRECISION", help_heading = MODEL)]
    #[serde(with = "word")]
    pub(super) precision: Option<Precision>,
    /// Threads of the model on the CPU [default: one per core].
    #[arg(long, env = "DATELINE_THREADS", value_name = "N", help_heading = MODEL)]
    pub(super) threads: Option<NonZeroUsize>,
    /// Threads that prepare texts and read the model's answers [default: as the device needs].
    #[arg(long, env = "DATELINE_TEXT_THREADS", value_name = "N", help_heading = MODEL)]
    pub(super) text_threads: Option<NonZeroUsize>,
    /// Tokens that go through the model at once: more use a GPU better and take more memory [default: as the device
    /// needs].
    #[arg(long, env = "DATELINE_MAX_BATCH_TOKENS", value_name = "N", help_heading = MODEL)]
    pub(super) max_batch_tokens: Option<NonZeroUsize>,
    /// Text that may wait for the model, in MiB, half of it in the lane of single texts and half in that of batches and
    /// streams; more is refused with 503 [default: 64].
    #[arg(long, env = "DATELINE_MAX_QUEUE", value_name = "MIB", help_heading = LIMITS)]
    pub(super) max_queue: Option<NonZeroUsize>,
    /// The longest body, or line of a streamed body, in MiB [default: 32].
    #[arg(long, env = "DATELINE_MAX_BODY", value_name = "MIB", help_heading = LIMITS)]
    pub(super) max_body: Option<NonZeroUsize>,
    /// The most documents in one batch [default: 10000].
    #[arg(long, env = "DATELINE_MAX_DOCUMENTS", value_name = "N", help_heading = LIMITS)]
    pub(super) max_documents: Option<NonZeroUsize>,
    /// The most connections at once [default: 4096].
    #[arg(long, env = "DATELINE_MAX_CONNECTIONS", value_name = "N", help_heading = LIMITS)]
    pub(super) max_connections: Option<NonZeroUsize>,
    /// How long the header of a request may take, in seconds [default: 15].
    #[arg(long, env = "DATELINE_HEADER_TIMEOUT", value_name = "SECONDS", help_heading = LIMITS)]
    pub(super) header_timeout: Option<Seconds>,
    /// How long the other side of a connection may be silent, in seconds [default: 60].
    #[arg(long, env = "DATELINE_IDLE_TIMEOUT", value_name = "SECONDS", help_heading = LIMITS)]
    pub(super) idle_timeout: Option<Seconds>,
    /// How long a request that is not a stream may take, in seconds [default: 300].
    #[arg(long, env = "DATELINE_REQUEST_TIMEOUT", value_name = "SECONDS", help_heading = LIMITS)]
    pub(super) request_timeout: Option<Seconds>,
    /// How long requests in flight may go on after the service was told to end, in seconds [default: 30].
    #[arg(long, env = "DATELINE_DRAIN_TIMEOUT", value_name = "SECONDS", help_heading = LIMITS)]
    pub(super) drain_timeout: Option<Seconds>,
    /// Requests per second of one caller; 0 does not limit them [default: 0].
    #[arg(long, env = "DATELINE_RATE_LIMIT", value_name = "N", help_heading = LIMITS)]
    pub(super) rate_limit: Option<u32>,
    /// The file of API keys that callers must have one of; see `dateline keys`.
    #[arg(long, env = "DATELINE_KEYS", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = ACCESS)]
    pub(super) keys: Option<PathBuf>,
    /// Let everyone in who reaches an address that other machines reach, too, when there are no --keys.
    #[arg(long, env = "DATELINE_OPEN", value_name = "BOOL", help_heading = ACCESS)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(super) open: Option<bool>,
    /// Serve /metrics and /health on an address of their own, too, where no key is asked for.
    #[arg(long, env = "DATELINE_METRICS_LISTEN", value_name = "ADDRESS:PORT", help_heading = ACCESS)]
    pub(super) metrics_listen: Option<SocketAddr>,
    /// Web pages that may call the service from a browser, such as `https://desk.example`; `*` for all [default: none].
    #[arg(long, env = "DATELINE_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', help_heading = ACCESS)]
    #[serde(with = "list")]
    pub(super) cors_origin: Option<Vec<Origin>>,
    /// The certificate chain for HTTPS, in PEM.
    #[arg(long, env = "DATELINE_TLS_CERT", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = ACCESS)]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, env = "DATELINE_TLS_KEY", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = ACCESS)]
    pub(super) tls_key: Option<PathBuf>,
    /// How to write the log on standard error [default: text].
    #[arg(long, env = "DATELINE_LOG_FORMAT", value_name = "FORMAT", value_enum, help_heading = LOG)]
    pub(super) log_format: Option<LogFormat>,
    /// What to log: error, warn, info, debug or trace, also by module, as in info,dateline_server=debug [default: info].
    #[arg(long, env = "DATELINE_LOG_LEVEL", value_name = "LEVEL", help_heading = LOG)]
    pub(super) log_level: Option<String>,
    /// Where to send traces, in builds with the feature `otlp`.
    #[arg(long, env = "DATELINE_OTLP_ENDPOINT", value_name = "URL", value_hint = ValueHint::Url, help_heading = LOG)]
    pub(super) otlp_endpoint: Option<String>,
    /// Tables of the file alone: what the protocols of other products are to do.
    #[arg(skip)]
    pub(super) integrations: Integrations,
}

const MODEL: &str = "Model";
const LIMITS: &str = "Limits";
const ACCESS: &str = "Access";
const LOG: &str = "Log";

impl ServeSettings {
    /// These settings, and those of `other` where these say nothing.
    pub(super) fn or(self, other: Self) -> Self {
        // Taken apart, so that a setting which is forgotten here does not compile.
        let Self {
            listen,
            model,
            revision,
            offline,
            device,
            precision,
            threads,
            text_threads,
            max_batch_tokens,
            max_queue,
            max_body,
            max_documents,
            max_connections,
            header_timeout,
            idle_timeout,
            request_timeout,
            drain_timeout,
            rate_limit,
            keys,
            open,
            metrics_listen,
            cors_origin,
            tls_cert,
            tls_key,
            log_format,
            log_level,
            otlp_endpoint,
            integrations,
        } = self;
        Self {
            listen: listen.or(other.listen),
            model: model.or(other.model),
            revision: revision.or(other.revision),
            offline: offline.or(other.offline),
            device: device.or(other.device),
            precision: precision.or(other.precision),
            threads: threads.or(other.threads),
            text_threads: text_threads.or(other.text_threads),
            max_batch_tokens: max_batch_tokens.or(other.max_batch_tokens),
            max_queue: max_queue.or(other.max_queue),
            max_body: max_body.or(other.max_body),
            max_documents: max_documents.or(other.max_documents),
            max_connections: max_connections.or(other.max_connections),
            header_timeout: header_timeout.or(other.header_timeout),
            idle_timeout: idle_timeout.or(other.idle_timeout),
            request_timeout: request_timeout.or(other.request_timeout),
            drain_timeout: drain_timeout.or(other.drain_timeout),
            rate_limit: rate_limit.or(other.rate_limit),
            keys: keys.or(other.keys),
            open: open.or(other.open),
            metrics_listen: metrics_listen.or(other.metrics_listen),
            cors_origin: cors_origin.or(other.cors_origin),
            tls_cert: tls_cert.or(other.tls_cert),
            tls_key: tls_key.or(other.tls_key),
            log_format: log_format.or(other.log_format),
            log_level: log_level.or(other.log_level),
            otlp_endpoint: otlp_endpoint.or(other.otlp_endpoint),
            integrations: integrations.or(other.integrations),
        }
    }
}
