//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dateline_engine::Engine;

use crate::Limits;
use crate::access::Access;
use crate::integrations::{Integrations, label_studio};
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
    label_studio: label_studio::Memory,
    draining: AtomicBool,
}

impl App {
    pub(crate) fn new(engine: Engine, limits: Limits, access: Access, integrations: Integrations) -> Self {
        let metrics = HttpMetrics::new(&engine);
        let room = Room::new(limits.max_held_bytes);
        let shared = Shared {
            engine,
            limits,
            access,
            metrics,
            room,
            integrations,
            label_studio: label_studio::Memory::default(),
            draining: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
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

    /// Room for bodies in memory.
    pub(crate) fn room(&self) -> &Room {
        &self.shared.room
    }

    /// What the protocols of other products are to do.
    pub(crate) fn integrations(&self) -> &Integrations {
        &self.shared.integrations
    }

    /// What is remembered of Label Studio's projects.
    pub(crate) fn label_studio(&self) -> &label_studio::Memory {
        &self.shared.label_studio
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
