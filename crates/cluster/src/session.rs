//! What client, scheduler and executors must know alike: the functions that queries may call, the table that they may
//! name, and the settings without which a killed executor costs more than its own shards.

use std::sync::Arc;

use ballista_core::config::{
    BALLISTA_ADAPTIVE_PLANNER_ENABLED, BALLISTA_CLIENT_GRPC_HTTP2_KEEPALIVE_INTERVAL_SECONDS,
    BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK,
};
use ballista_core::extension::{SessionConfigExt, SessionStateExt};
use ballista_core::utils::default_session_builder;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::async_udf::AsyncScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::annotate::Annotate;
use crate::manifest::Codec;
use crate::shard::AnnotateShard;
use crate::stores::environment;
use crate::worker::Worker;

/// Messages between the processes may be so long: a plan of a hundred thousand shards is a few MiB.
pub(crate) const MESSAGE_BYTES: u32 = 256 << 20;

/// The settings of a session.
pub(crate) fn config() -> SessionConfig {
    SessionConfig::new_with_ballista()
        // A task is a shard: what a lost one costs.
        .set_usize(BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK, 1)
        // The static planner loses tasks of executors that are killed.
        .set_bool(BALLISTA_ADAPTIVE_PLANNER_ENABLED, true)
        // A scheduler that is gone without a word is noticed in seconds.
        .set_u64(BALLISTA_CLIENT_GRPC_HTTP2_KEEPALIVE_INTERVAL_SECONDS, 5)
        .with_ballista_grpc_client_max_message_size(MESSAGE_BYTES as usize)
        .with_ballista_logical_extension_codec(Arc::new(Codec::default()))
}

/// Registers our functions. Only with a worker can they be run; without, queries with them can be planned.
fn register(state: &mut SessionState, worker: Option<&Arc<Worker>>) -> Result<()> {
    let shard = AsyncScalarUDF::new(Arc::new(AnnotateShard::new(worker.cloned())));
    let annotate = AsyncScalarUDF::new(Arc::new(Annotate::new(worker.cloned())));
    for function in [shard, annotate] {
        state.register_udf(Arc::new(function.into_scalar_udf()))?;
    }
    Ok(())
}

/// A session of the scheduler's or an executor's, with `config`'s settings.
pub(crate) fn state(
    config: SessionConfig,
    environment: Arc<RuntimeEnv>,
    worker: Option<&Arc<Worker>>,
) -> Result<SessionState> {
    let state = default_session_builder(config)?;
    let mut state = SessionStateBuilder::new_from_existing(state).with_runtime_env(environment).build();
    register(&mut state, worker)?;
    Ok(state)
}

/// A client's session with the scheduler at `url`.
pub(crate) fn client(url: &str) -> Result<SessionContext> {
    let state = SessionStateBuilder::new()
        .with_config(config())
        .with_runtime_env(environment(None)?)
        .with_default_features()
        .build();
    let mut state = state.upgrade_for_ballista(url.to_owned())?;
    // After the upgrade: it drops the functions that it does not know.
    register(&mut state, None)?;
    Ok(SessionContext::new_with_state(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_knows_the_functions() {
        let known = |state: &SessionState| {
            ["annotate", "annotate_shard", "abs"].iter().all(|name| state.scalar_functions().contains_key(*name))
        };
        assert!(known(&client("http://127.0.0.1:1").unwrap().state()));
        assert!(known(&state(config(), environment(None).unwrap(), None).unwrap()));
    }
}
