//! `dateline-cluster executor`: Ballista's, with a model behind our functions. It does one task at a time, which is one
//! shard: inside it, reading, annotating and writing overlap.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use datafusion::prelude::SessionConfig;
use tracing::info;

use crate::args::ExecutorArgs;
use crate::failure::Failure;
use crate::net;
use crate::session::{self, MESSAGE_BYTES};
use crate::stop::told_to_stop;
use crate::stores::environment;

/// More tasks at a time would share the one model, and a document on which it fails would be tried again beside others
/// instead of alone.
const TASKS_AT_ONCE: usize = 1;

/// Runs until the process is told to stop.
pub(crate) async fn run(args: ExecutorArgs) -> Result<(), Failure> {
    let (host, port) = args
        .scheduler
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.trim_start_matches("http://"), port.parse().ok()?)))
        .ok_or_else(|| Failure::Usage(format!("--scheduler {}: give HOST:PORT", args.scheduler)))?;
    net::free(SocketAddr::new(args.listen.bind, args.port))?;
    let model = args.model;
    let worker = tokio::task::spawn_blocking(move || model.start()).await.map_err(Failure::work)??;
    let worker = Arc::new(worker);
    // For as long as this process lives; a killed one leaves it to whoever cleans the folder for temporary files.
    let own = match &args.work_dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("dateline-executor-").tempdir().map_err(Failure::work)?),
    };
    let folder = args.work_dir.as_deref().or_else(|| own.as_ref().map(tempfile::TempDir::path));
    let folder = folder.and_then(|folder| folder.to_str()).map(str::to_owned);
    let environment = environment(folder.as_deref())?;
    let state = session::state(session::config(), Arc::clone(&environment), Some(&worker))?;
    let config = ExecutorProcessConfig {
        bind_host: args.listen.bind.to_string(),
        external_host: args.advertise,
        port: args.port,
        scheduler_host: host.to_owned(),
        scheduler_port: port,
        // Its wait has no end; ours has.
        scheduler_connect_timeout_seconds: 0,
        vcores: TASKS_AT_ONCE,
        task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
        work_dir: folder,
        grpc_max_decoding_message_size: MESSAGE_BYTES,
        grpc_max_encoding_message_size: MESSAGE_BYTES,
        override_function_registry: Some(Arc::new(BallistaFunctionRegistry::from(&state))),
        override_config_producer: Some(Arc::new(session::config)),
        override_runtime_producer: Some(Arc::new(move |_: &SessionConfig| Ok(Arc::clone(&environment)))),
        ..ExecutorProcessConfig::default()
    };
    info!(scheduler = args.scheduler, "waits for the scheduler");
    net::scheduler_answers(&format!("{host}:{port}"), Duration::from_secs(args.wait.into())).await?;
    info!(id = config.executor_id, port = args.port, "executor begins");
    let stopped = tokio::spawn(told_to_stop());
    // It hears the same signals, and ends its task first.
    start_executor_process(Arc::new(config)).await?;
    if stopped.is_finished() { Ok(()) } else { Err(Failure::work("the executor ended by itself; its log says why")) }
}
