//! A service from its socket to its end: bind, run, reload, drain.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use dateline_engine::{DeviceState, Engine};
use socket2::{Domain, Socket, Type};
use tokio::sync::{mpsc, watch};

use crate::access::Access;
use crate::app::App;
use crate::keys::{KeyError, KeyStore};
use crate::listen::{self, ListenError, ListenOptions, Tls};
use crate::{ServerConfig, routes};

/// Connections that the system keeps until they are accepted; it may have a lower limit of its own.
const BACKLOG: i32 = 4096;

/// Why the service ended or never began.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source} (choose another with --{flag} ADDRESS:PORT)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The option that names it.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file of API keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The certificate or its key cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The listener broke, or the shutdown cut requests off.
    #[error("{0}")]
    Listener(String),
}

impl From<ListenError> for ServiceError {
    fn from(error: ListenError) -> Self {
        Self::Listener(error.to_string())
    }
}

/// A service that has its addresses and does not answer yet.
pub struct Service {
    app: App,
    config: ServerConfig,
    listener: TcpListener,
    address: SocketAddr,
    metrics: Option<(TcpListener, SocketAddr)>,
    tls: Option<Tls>,
    keys: Option<Arc<KeyStore>>,
}

impl Service {
    /// Takes the addresses, and reads the keys and the certificate.
    ///
    /// # Errors
    /// [`ServiceError`] if any of them cannot be had.
    pub fn bind(engine: Engine, config: ServerConfig) -> Result<Self, ServiceError> {
        let (app, keys) = app(engine, &config)?;
        let tls =
            config.tls.as_ref().map(Tls::load).transpose().map_err(|error| ServiceError::Tls(error.to_string()))?;
        let (listener, address) = bind(config.listen, "listen")?;
        let metrics = config.metrics_listen.map(|address| bind(address, "metrics-listen")).transpose()?;
        Ok(Self { app, config, listener, address, metrics, tls, keys })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it has metrics and health without a key, if anywhere.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, address)| *address)
    }

    /// Answers until `shutdown` completes, then finishes the requests in flight. Each message of `reload` has keys and
    /// certificate read again; what cannot be read stays as it was, and the log says so.
    ///
    /// The log says "listening on URL" at once, "ready" when every device is warm and "not ready" when one is not.
    ///
    /// # Errors
    /// [`ServiceError::Listener`] if a listener breaks, or requests outlive the drain.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
        reload: mpsc::Receiver<()>,
    ) -> Result<(), ServiceError> {
        let Self { app, config, listener, address, metrics, tls, keys } = self;
        let (announce, stopping) = watch::channel(false);
        tokio::spawn({
            let app = app.clone();
            async move {
                shutdown.await;
                tracing::info!("shutting down: requests in flight are finished");
                app.drain();
                announce.send_replace(true);
            }
        });
        let reloading = tokio::spawn(reload_on(reload, keys, tls.clone()));
        let watching = tokio::spawn(say_when_ready(app.engine().watch(), model_names(app.engine())));

        let scheme = if tls.is_some() { "https" } else { "http" };
        tracing::info!("listening on {scheme}://{address}");
        let router = routes::router(app.clone(), &config.cors_origins);
        let options = ListenOptions {
            max_connections: config.limits.max_connections,
            header_timeout: config.limits.header_timeout,
            write_timeout: config.limits.idle_timeout,
            drain_timeout: config.limits.drain_timeout,
        };
        let serving = listen::run(listener, router, options.clone(), tls, stopping.clone());
        let result = match metrics {
            Some((listener, address)) => {
                tracing::info!("metrics on http://{address}/metrics");
                // Probes and metrics go on through the drain: it is then that they are looked at.
                let beside = listen::run(listener, routes::metrics_router(app), options, None, watch::channel(false).1);
                tokio::select! {
                    result = serving => result,
                    result = beside => result,
                }
            }
            None => serving.await,
        };
        reloading.abort();
        watching.abort();
        Ok(result?)
    }
}

fn bind(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), ServiceError> {
    let refuse = |source| ServiceError::Listen { address, flag, source };
    let listener = listen_on(address).map_err(refuse)?;
    let bound = listener.local_addr().map_err(refuse)?;
    Ok((listener, bound))
}

/// As the standard library binds, but for the backlog: with its 128 a burst of connections is partly dropped by the
/// system, and comes again only after a second or three.
fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The service's routes without a socket, for tests and for embedding in another service. What the config says of
/// addresses, certificates and connections plays no part here.
///
/// # Errors
/// [`ServiceError::Keys`] if the file of API keys cannot be used.
pub fn router(engine: Engine, config: &ServerConfig) -> Result<Router, ServiceError> {
    let (app, _) = app(engine, config)?;
    Ok(routes::router(app, &config.cors_origins))
}

/// The state behind the routes, and the keys that let callers in.
fn app(engine: Engine, config: &ServerConfig) -> Result<(App, Option<Arc<KeyStore>>), ServiceError> {
    let keys = config.keys.as_ref().map(KeyStore::load).transpose()?.map(Arc::new);
    let access = Access::new(keys.clone(), config.limits.rate_limit);
    Ok((App::new(engine, config.limits.clone(), access, config.integrations.clone()), keys))
}

async fn reload_on(mut reload: mpsc::Receiver<()>, keys: Option<Arc<KeyStore>>, tls: Option<Tls>) {
    while reload.recv().await.is_some() {
        match keys.as_ref().map(|keys| keys.reload()) {
            Some(Ok(count)) => tracing::info!(keys = count, "API keys were read again"),
            Some(Err(error)) => tracing::error!(%error, "API keys stay as they were"),
            None => {}
        }
        match tls.as_ref().map(Tls::reload) {
            Some(Ok(())) => tracing::info!("the certificate was read again"),
            Some(Err(error)) => tracing::error!(%error, "the certificate stays as it was"),
            None => {}
        }
    }
}

fn model_names(engine: &Engine) -> String {
    let names: Vec<&str> = engine.models().iter().map(|model| model.name.as_str()).collect();
    names.join(", ")
}

async fn say_when_ready(mut states: watch::Receiver<Vec<DeviceState>>, models: String) {
    let ready = |states: &Vec<DeviceState>| states.iter().all(|state| *state == DeviceState::Ready);
    while states.wait_for(ready).await.is_ok() {
        tracing::info!("ready, with the model {models}");
        if states.wait_for(|states| !ready(states)).await.is_err() {
            return;
        }
        tracing::warn!("not ready: a device is started again");
    }
}
