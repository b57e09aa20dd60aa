//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dateline_engine::Engine;

use crate::Limits;
use crate::access::Access;
use crate::integrations::Integrations;
use crate::observe::HttpMetrics;
use crate::room::Room;

/// The service's state. Clones share it.
#[derive(Clone)]
pub(crate) struct App {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    limits: Limits,
    access: Access,
    metrics: HttpMetrics,
    room: Room,
    integrations: Integrations,
    draining: AtomicBool,
}

impl App {
    pub(crate) fn new(engine: Engine, limits: Limits, access: Access) -> Self {
        let metrics = HttpMetrics::new(&engine);
        let room = Room::new(limits.max_held_bytes);
        let (integrations, draining) = (Integrations::standard(), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { engine, limits, access, metrics, room, integrations, draining }) }
    }

    /// The way to the models.
    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// What is too much.
    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Who may call.
    pub(crate) fn access(&self) -> &Access {
        &self.shared.access
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &HttpMetrics {
        &self.shared.metrics
    }

    /// What protocols of other products are told.
    pub(crate) fn integrations(&self) -> &Integrations {
        &self.shared.integrations
    }

    /// Room for bodies in memory.
    pub(crate) fn room(&self) -> &Room {
        &self.shared.room
    }

    /// The shutdown has begun: load balancers are to send nothing more.
    pub(crate) fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    /// Whether the shutdown has begun.
    pub(crate) fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Acquire)
    }
}
