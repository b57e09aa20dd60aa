//! `dateline serve`: the HTTP service until Ctrl-C or SIGTERM. Loads each model on each device, starts the engine before
//! them and the service before that, and turns signals into what they ask for.

use std::env;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process;

use dateline_engine::{Engine, EngineModel, EngineOptions};
use dateline_model::{Annotator, DeviceSpec, RunOptions};
use dateline_server::{Limits, ServerConfig, Service, ServiceError};
use tokio::sync::mpsc;

use crate::args::{ServeConfig, ServeTask, unknown_variables};
use crate::failure::Failure;
use crate::logging;
use crate::model::{GPU_BATCH_TOKENS, ModelChoice};
use crate::signals::Signals;

/// Files that the process has open besides connections: the model, the log, the runtime's own.
const FILES_BESIDES_CONNECTIONS: u64 = 64;
/// Bodies in memory may be so many times what may wait for the models: they hold more than their texts.
const HELD_PER_QUEUED: usize = 4;

/// Serves until the process is told to end, or prints how it would.
pub(super) fn run(task: ServeTask) -> Result<(), Failure> {
    let config = match task {
        ServeTask::Print(text) => return Ok(io::stdout().lock().write_all(text.as_bytes())?),
        ServeTask::Serve(config) => *config,
    };
    // Held to the end: dropping it sends the last traces off.
    let _traces = logging::init(config.log_format, &config.log_level, config.otlp_endpoint.as_deref())?;
    for warning in unknown_variables(env::vars_os().filter_map(|(name, _)| name.into_string().ok())) {
        tracing::warn!("{warning}");
    }
    allow_files_for(config.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("dateline-http")
        .enable_all()
        .build()
        .map_err(Failure::work)?;
    // Heard from the start on: loading a model may take its time.
    let (end, reload) = runtime.block_on(async { (told_to_end(), told_to_reload()) });
    let engine = start_engine(&config)?;
    let result = runtime.block_on(async {
        let service = Service::bind(engine, server_config(config)).map_err(|error| match error {
            ServiceError::Keys(_) | ServiceError::Tls(_) => Failure::Usage(error.to_string()),
            _ => Failure::work(error),
        })?;
        service.run(end, reload).await.map_err(Failure::work)
    });
    // Bodies that are still being read for callers who left are nobody's loss.
    runtime.shutdown_background();
    result
}

/// Loads the models and starts the threads that run them.
fn start_engine(config: &ServeConfig) -> Result<Engine, Failure> {
    let each = config.devices.iter().map(|device| device.each()).collect::<Result<Vec<_>, _>>()?;
    let devices = each.concat();
    let on_cpu = devices.iter().all(|device| *device == DeviceSpec::Cpu);
    let defaults = EngineOptions::default();
    let max_batch_tokens = config
        .max_batch_tokens
        .map_or_else(|| if on_cpu { defaults.max_batch_tokens } else { GPU_BATCH_TOKENS }, NonZeroUsize::get);
    let mut models = Vec::with_capacity(config.models.len());
    for model in &config.models {
        let load = |&device: &DeviceSpec| -> Result<Annotator, Failure> {
            let run = RunOptions { device, precision: config.precision, threads: config.threads, max_batch_tokens };
            ModelChoice { located: model.located.clone(), hub: model.hub.clone(), run }.load()
        };
        let replicas = devices.iter().map(load).collect::<Result<_, _>>()?;
        models.push(EngineModel { name: model.name.clone(), replicas });
    }
    let options = EngineOptions {
        devices: devices.iter().map(ToString::to_string).collect(),
        max_batch_tokens,
        text_threads: config.text_threads.map_or(defaults.text_threads, NonZeroUsize::get),
        // The engine counts for each of its two lanes, an operator for the process.
        queue_bytes: config.max_queue_bytes / 2,
    };
    Engine::start(models, options).map_err(Failure::work)
}

fn server_config(config: ServeConfig) -> ServerConfig {
    ServerConfig {
        listen: config.listen,
        metrics_listen: config.metrics_listen,
        tls: config.tls,
        keys: config.keys,
        cors_origins: config.cors_origins,
        integrations: config.integrations,
        limits: Limits {
            max_body_bytes: config.max_body_bytes,
            max_documents: config.max_documents,
            // One body of the largest size must always fit.
            max_held_bytes: config.max_queue_bytes.saturating_mul(HELD_PER_QUEUED).max(config.max_body_bytes),
            max_connections: config.max_connections,
            header_timeout: config.header_timeout,
            idle_timeout: config.idle_timeout,
            request_timeout: config.request_timeout,
            drain_timeout: config.drain_timeout,
            rate_limit: config.rate_limit,
        },
    }
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

/// Completes on Ctrl-C or, where there is one, on SIGTERM. Who says it twice does not want to wait: the process ends.
fn told_to_end() -> impl Future<Output = ()> + Send + 'static {
    let (say, mut said) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut signals = Signals::new();
        signals.next().await;
        // The service has ended already if nobody hears it.
        let _ = say.send(()).await;
        signals.next().await;
        tracing::warn!("told to end again: requests in flight are cut off");
        process::exit(1);
    });
    async move {
        let _ = said.recv().await;
    }
}

/// A message for every SIGHUP, where there is one.
fn told_to_reload() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    #[cfg(unix)]
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(mut hangup) => while hangup.recv().await.is_some() && sender.send(()).await.is_ok() {},
            Err(error) => tracing::warn!(%error, "SIGHUP will not be heard"),
        }
    });
    #[cfg(not(unix))]
    drop(sender);
    receiver
}
