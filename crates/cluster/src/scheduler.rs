//! `dateline-cluster scheduler`: Ballista's, with our functions. It hands out tasks and forgets them when it ends; what was
//! done lies in the outputs.

use std::net::SocketAddr;
use std::sync::Arc;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use tracing::info;

use crate::args::SchedulerArgs;
use crate::failure::Failure;
use crate::manifest::Codec;
use crate::net;
use crate::session::{self, MESSAGE_BYTES};
use crate::stop::told_to_stop;
use crate::stores::environment;

/// How often it is looked for executors that are not heard of any more, in seconds.
const LOOK_EVERY: u64 = 2;

/// Runs until the process is told to stop.
pub(crate) async fn run(args: SchedulerArgs) -> Result<(), Failure> {
    let environment = environment(None)?;
    let address = SocketAddr::new(args.listen.bind, args.port);
    net::free(address)?;
    let config = SchedulerConfig {
        bind_host: args.listen.bind.to_string(),
        bind_port: args.port,
        external_host: args.listen.bind.to_string(),
        // Executors ask for tasks. So nobody has to reach them, and one that was taken for dead just asks again; pushed
        // tasks would have it told to end itself.
        scheduling_policy: TaskSchedulingPolicy::PullStaged,
        executor_timeout_seconds: args.executor_timeout,
        expire_dead_executor_interval_seconds: LOOK_EVERY,
        no_executors_grace_period_seconds: args.no_executors,
        // Clients need not reach executors: rows go by way of the scheduler.
        enable_embedded_flight_proxy: true,
        disable_rest_api: true,
        grpc_server_max_decoding_message_size: MESSAGE_BYTES,
        grpc_server_max_encoding_message_size: MESSAGE_BYTES,
        grpc_client_max_message_size: MESSAGE_BYTES,
        override_config_producer: Some(Arc::new(session::config)),
        override_session_builder: Some(Arc::new(move |config| session::state(config, Arc::clone(&environment), None))),
        override_logical_codec: Some(Arc::new(Codec::default())),
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config).await?;
    info!(%address, "scheduler begins");
    tokio::select! {
        ended = start_server(cluster, address, Arc::new(config)) => Ok(ended?),
        () = told_to_stop() => Ok(()),
    }
}
