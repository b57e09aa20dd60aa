//! What the engine counts and measures, in Prometheus' terms. Labels are few and known beforehand: lane, phase, device,
//! the names of models; never anything of a request.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::Lane;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TextLabels {
    model: String,
    lane: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeviceLabel {
    device: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BatchLabels {
    device: String,
    model: String,
    lane: &'static str,
}

/// How a text left the engine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    Answered,
    Failed,
    Expired,
    Abandoned,
}

/// A stretch of a text's way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// From the submission to the text thread.
    Queue,
    /// Tokenising and cutting into windows.
    Read,
    /// From the text thread to the first batch.
    Wait,
    /// One batch in the encoder; without the batches that passed in its pauses.
    Encode,
    /// Putting a batch together.
    Pack,
    /// Logits to mentions.
    Decode,
    /// From the submission to the outcome.
    Total,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Read => "read",
            Self::Wait => "wait",
            Self::Encode => "encode",
            Self::Pack => "pack",
            Self::Decode => "decode",
            Self::Total => "total",
        }
    }
}

/// The engine's counters, gauges and histograms.
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    texts: Family<TextLabels, Counter>,
    tokens: Family<BatchLabels, Counter>,
    waiting: Family<LaneLabel, Gauge>,
    ready_tokens: Family<LaneLabel, Gauge>,
    batch_tokens: Family<BatchLabels, Histogram>,
    batch_windows: Family<BatchLabels, Histogram>,
    phases: Family<PhaseLabels, Histogram>,
    device_ready: Family<DeviceLabel, Gauge>,
    restarts: Family<DeviceLabel, Counter>,
}

impl EngineMetrics {
    pub(crate) fn new() -> Self {
        let sizes = || Histogram::new(exponential_buckets(16.0, 2.0, 12));
        let counts = || Histogram::new(exponential_buckets(1.0, 2.0, 11));
        let seconds = || Histogram::new(exponential_buckets(0.0001, 2.5, 14));
        Self {
            texts: Family::default(),
            tokens: Family::default(),
            waiting: Family::default(),
            ready_tokens: Family::default(),
            batch_tokens: Family::new_with_constructor(sizes),
            batch_windows: Family::new_with_constructor(counts),
            phases: Family::new_with_constructor(seconds),
            device_ready: Family::default(),
            restarts: Family::default(),
        }
    }

    /// Puts all of them into a registry, under names that begin with `engine_`.
    pub fn register(&self, registry: &mut Registry) {
        let engine = registry.sub_registry_with_prefix("engine");
        engine.register("texts", "Texts by what came of them", self.texts.clone());
        engine.register("tokens", "Tokens that went through a device, special tokens included", self.tokens.clone());
        engine.register("waiting_texts", "Texts that wait to be read", self.waiting.clone());
        engine.register("ready_tokens", "Tokens that were read and wait for a device", self.ready_tokens.clone());
        engine.register("batch_tokens", "Tokens of a batch", self.batch_tokens.clone());
        engine.register("batch_windows", "Windows of a batch", self.batch_windows.clone());
        let help = "Time in a phase of the work; encode and pack are per batch, the others per text";
        engine.register_with_unit("phase", help, Unit::Seconds, self.phases.clone());
        engine.register(
            "device_ready",
            "Whether the device's thread is warm (1) or starting (0)",
            self.device_ready.clone(),
        );
        engine.register(
            "device_restarts",
            "Times that a device's thread was started again after a panic",
            self.restarts.clone(),
        );
    }

    pub(crate) fn text(&self, model: &str, lane: Lane, left: Left) {
        let outcome = match left {
            Left::Answered => "answered",
            Left::Failed => "failed",
            Left::Expired => "expired",
            Left::Abandoned => "abandoned",
        };
        self.texts.get_or_create(&TextLabels { model: model.to_owned(), lane: lane.name(), outcome }).inc();
    }

    pub(crate) fn batch(&self, device: &str, model: &str, lane: Lane, size: BatchSize) {
        let labels = BatchLabels { device: device.to_owned(), model: model.to_owned(), lane: lane.name() };
        self.tokens.get_or_create(&labels).inc_by(size.tokens as u64);
        self.batch_tokens.get_or_create(&labels).observe(size.tokens as f64);
        self.batch_windows.get_or_create(&labels).observe(size.windows as f64);
    }

    /// Tokens that went through a device for a model in a lane.
    pub(crate) fn tokens(&self, device: &str, model: &str, lane: Lane) -> u64 {
        let labels = BatchLabels { device: device.to_owned(), model: model.to_owned(), lane: lane.name() };
        self.tokens.get(&labels).map_or(0, |tokens| tokens.get())
    }

    pub(crate) fn phase(&self, phase: Phase, lane: Lane, time: Duration) {
        let labels = PhaseLabels { phase: phase.name(), lane: lane.name() };
        self.phases.get_or_create(&labels).observe(time.as_secs_f64());
    }

    pub(crate) fn waiting(&self, lane: Lane, texts: usize, ready_tokens: usize) {
        let label = LaneLabel { lane: lane.name() };
        self.waiting.get_or_create(&label).set(texts as i64);
        self.ready_tokens.get_or_create(&label).set(ready_tokens as i64);
    }

    pub(crate) fn device(&self, device: &str, ready: bool) {
        let label = DeviceLabel { device: device.to_owned() };
        self.device_ready.get_or_create(&label).set(i64::from(ready));
        // Shown from the first scrape on: an alert on its increase must not miss the first one.
        let _ = self.restarts.get_or_create(&label);
    }

    pub(crate) fn restarted(&self, device: &str) {
        self.restarts.get_or_create(&DeviceLabel { device: device.to_owned() }).inc();
    }
}

/// How large a batch was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSize {
    pub(crate) tokens: usize,
    pub(crate) windows: usize,
}
