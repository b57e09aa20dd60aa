//! From settings to the configuration that the service runs on: every value is there, and what contradicts itself is
//! refused here, before a model is loaded or a port is taken.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use dateline_model::{DeviceSpec, Precision};
use dateline_server::TlsFiles;
use dateline_server::integrations::Integrations;

use super::ServeSettings;
use super::values::{ModelSpec, Origin, Seconds};
use crate::args::model::check_revision;
use crate::failure::Failure;
use crate::logging::{self, LogFormat};
use crate::model::{HubRequest, Located, Places, locate};

/// Whether this build can send traces away.
const SENDS_TRACES: bool = cfg!(feature = "otlp");

/// What `dateline serve` does, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServeConfig {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// The models, at least one, of different names; the first is the default.
    pub(crate) models: Vec<ServedModel>,
    /// The devices, at least one, each once; [`DeviceSpec::each`] counts those of `cuda:all` when the service starts.
    pub(crate) devices: Vec<DeviceSpec>,
    /// How exactly the models compute; `None` leaves it to each model and device.
    pub(crate) precision: Option<Precision>,
    /// Threads of the model on the CPU; `None` is one per core.
    pub(crate) threads: Option<NonZeroUsize>,
    /// Threads that tokenise and decode; `None` leaves it to the engine.
    pub(crate) text_threads: Option<NonZeroUsize>,
    /// Tokens that go through the model at once; `None` leaves it to the engine.
    pub(crate) max_batch_tokens: Option<NonZeroUsize>,
    /// Bytes of text that may wait for the model.
    pub(crate) max_queue_bytes: usize,
    /// The longest body, or line of a streamed body, in bytes.
    pub(crate) max_body_bytes: usize,
    /// The most documents in one batch.
    pub(crate) max_documents: usize,
    /// The most connections at once.
    pub(crate) max_connections: usize,
    /// How long the header of a request may take.
    pub(crate) header_timeout: Duration,
    /// How long the other side may be silent.
    pub(crate) idle_timeout: Duration,
    /// How long a request that is not a stream may take.
    pub(crate) request_timeout: Duration,
    /// How long requests may go on after the end was announced; zero cuts them off at once.
    pub(crate) drain_timeout: Duration,
    /// Requests per second of one caller; `None` does not limit them.
    pub(crate) rate_limit: Option<NonZeroU32>,
    /// The file of API keys; `None` lets everyone in.
    pub(crate) keys: Option<PathBuf>,
    /// Where to serve metrics and health without a key.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The origins of pages that may call the service; `["*"]` is all, none is none.
    pub(crate) cors_origins: Vec<String>,
    /// HTTPS; `None` serves HTTP.
    pub(crate) tls: Option<TlsFiles>,
    /// How to log.
    pub(crate) log_format: LogFormat,
    /// What to log, in the syntax of `EnvFilter`, which it was checked against.
    pub(crate) log_level: String,
    /// Where to send traces.
    pub(crate) otlp_endpoint: Option<String>,
    /// What the protocols of other products are to do.
    pub(crate) integrations: Integrations,
}

/// A model that was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServedModel {
    /// Its name in the API.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) located: Located,
    /// How to fetch it, if it lies on a hub.
    pub(crate) hub: HubRequest,
}

impl ServeSettings {
    /// Checks settings over which the defaults were laid. No model is opened or fetched.
    pub(super) fn resolve(self, places: &Places) -> Result<ServeConfig, Failure> {
        let hub = HubRequest { revision: self.revision, offline: set(self.offline) };
        let log_level = set(self.log_level);
        logging::filter(&log_level)?;
        self.integrations.check().map_err(usage)?;
        let config = ServeConfig {
            listen: set(self.listen),
            models: find_models(&set(self.model), &hub, places)?,
            devices: distinct_devices(set(self.device))?,
            precision: self.precision,
            threads: self.threads,
            text_threads: self.text_threads,
            max_batch_tokens: self.max_batch_tokens,
            max_queue_bytes: mebibytes(set(self.max_queue)),
            max_body_bytes: mebibytes(set(self.max_body)),
            max_documents: set(self.max_documents).get(),
            max_connections: set(self.max_connections).get(),
            header_timeout: some_time("header-timeout", set(self.header_timeout))?,
            idle_timeout: some_time("idle-timeout", set(self.idle_timeout))?,
            request_timeout: some_time("request-timeout", set(self.request_timeout))?,
            drain_timeout: set(self.drain_timeout).0,
            rate_limit: NonZeroU32::new(set(self.rate_limit)),
            keys: self.keys,
            metrics_listen: self.metrics_listen,
            cors_origins: origins(&set(self.cors_origin))?,
            tls: tls(self.tls_cert, self.tls_key)?,
            log_format: set(self.log_format),
            log_level,
            otlp_endpoint: self.otlp_endpoint,
            integrations: self.integrations,
        };
        check_access(&config, set(self.open))?;
        check_metrics(&config)?;
        if config.otlp_endpoint.is_some() && !SENDS_TRACES {
            return Err(usage(
                "this build of dateline sends no traces: build it with the feature `otlp`, or leave out \
                 otlp-endpoint",
            ));
        }
        Ok(config)
    }
}

/// A value that has a default.
fn set<T>(value: Option<T>) -> T {
    value.expect("the defaults were laid over the settings")
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::Usage(message.into())
}

fn mebibytes(count: NonZeroUsize) -> usize {
    count.get().saturating_mul(1 << 20)
}

fn some_time(name: &str, seconds: Seconds) -> Result<Duration, Failure> {
    if seconds.0.is_zero() {
        return Err(usage(format!("{name} is 0, in which nothing can be done: give more seconds, or leave it out")));
    }
    Ok(seconds.0)
}

fn find_models(specs: &[ModelSpec], hub: &HubRequest, places: &Places) -> Result<Vec<ServedModel>, Failure> {
    let mut models: Vec<ServedModel> = Vec::new();
    for spec in specs {
        let located = locate(Some(&spec.source), places)?;
        let name = spec.name.clone().unwrap_or_else(|| located.name());
        if models.iter().any(|other| other.name == name) {
            return Err(usage(format!(
                "there are two models called {name}: name one of them otherwise, as in --model other={}",
                spec.source
            )));
        }
        models.push(ServedModel { name, located, hub: hub.clone() });
    }
    if models.is_empty() {
        return Err(usage("model is an empty list: name a model, or leave it out"));
    }
    let located: Vec<_> = models.iter().map(|model| &model.located).collect();
    check_revision(hub.revision.as_deref(), &located)?;
    Ok(models)
}

fn distinct_devices(devices: Vec<DeviceSpec>) -> Result<Vec<DeviceSpec>, Failure> {
    if devices.is_empty() {
        return Err(usage("device is an empty list: name a device, or leave it out"));
    }
    match devices.iter().enumerate().find(|(index, device)| devices[..*index].contains(device)) {
        Some((_, device)) => Err(usage(format!("device names {device} twice: one model runs there once"))),
        None if devices.contains(&DeviceSpec::CudaAll)
            && devices.iter().any(|device| matches!(device, DeviceSpec::Cuda(_))) =>
        {
            Err(usage("device names cuda:all and others of them: cuda:all stands for every GPU there is"))
        }
        None => Ok(devices),
    }
}

fn origins(origins: &[Origin]) -> Result<Vec<String>, Failure> {
    if origins.len() > 1 && origins.iter().any(Origin::is_any) {
        return Err(usage("cors-origin names * and others: * stands for all of them"));
    }
    Ok(origins.iter().map(ToString::to_string).collect())
}

fn tls(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, Failure> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { certificate: cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(usage("tls-cert goes with tls-key: give the certificate's private key, too")),
        (None, Some(_)) => Err(usage("tls-key goes with tls-cert: give the key's certificate, too")),
    }
}

/// Whoever opens the service to other machines says on purpose who may call it.
fn check_access(config: &ServeConfig, open: bool) -> Result<(), Failure> {
    let loopback = config.listen.ip().to_canonical().is_loopback();
    if loopback || open || config.keys.is_some() {
        return Ok(());
    }
    Err(usage(format!(
        "{} is reached by other machines, too, and whoever reaches it could call the service: give callers keys with \
         --keys FILE (`dateline keys add NAME --file FILE` makes one), or say with --open that everyone may",
        config.listen
    )))
}

fn check_metrics(config: &ServeConfig) -> Result<(), Failure> {
    if config.metrics_listen == Some(config.listen) && config.listen.port() != 0 {
        return Err(usage(format!("listen and metrics-listen are both {}: give one another port", config.listen)));
    }
    Ok(())
}
