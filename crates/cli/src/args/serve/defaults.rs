//! What `dateline serve` does where nobody says otherwise. What is not here has no value of its own: it is left to the
//! device, or it is off.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use dateline_model::DeviceSpec;
use dateline_server::integrations::Integrations;

use super::ServeSettings;
use super::values::{ModelSpec, Seconds};
use crate::logging::LogFormat;
use crate::model::DEFAULT_MODEL;

impl ServeSettings {
    /// The defaults.
    pub(super) fn defaults() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            model: Some(vec![ModelSpec::of(DEFAULT_MODEL)]),
            offline: Some(false),
            device: Some(vec![DeviceSpec::Cpu]),
            max_queue: NonZeroUsize::new(64),
            max_body: NonZeroUsize::new(32),
            max_documents: NonZeroUsize::new(10_000),
            max_connections: NonZeroUsize::new(4096),
            header_timeout: Some(Seconds::whole(15)),
            idle_timeout: Some(Seconds::whole(60)),
            request_timeout: Some(Seconds::whole(300)),
            drain_timeout: Some(Seconds::whole(30)),
            rate_limit: Some(0),
            open: Some(false),
            cors_origin: Some(Vec::new()),
            log_format: Some(LogFormat::Text),
            log_level: Some("info".to_owned()),
            integrations: Integrations::standard(),
            ..Self::default()
        }
    }
}
