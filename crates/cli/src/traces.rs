//! Traces to an OpenTelemetry collector (OTLP over HTTP), in builds with the feature `otlp`; in others there is nothing
//! to start. Spans hold a request's route, method, status and id, never its text.

use crate::failure::Failure;

#[cfg(feature = "otlp")]
mod exporting {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::{SpanExporter, WithExportConfig};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::{Layer, Registry};

    use super::Failure;

    /// Adds the spans to what the log's subscriber does.
    pub(crate) type TracesLayer = Option<Box<dyn Layer<Registry> + Send + Sync>>;

    /// What sends spans away.
    pub(crate) struct Traces {
        provider: Option<SdkTracerProvider>,
    }

    impl Traces {
        /// Sends spans to the collector at `endpoint`, if there is one; a bare address is completed with `/v1/traces`.
        pub(crate) fn start(endpoint: Option<&str>) -> Result<(Self, TracesLayer), Failure> {
            let Some(endpoint) = endpoint else { return Ok((Self { provider: None }, None)) };
            if !endpoint.starts_with("http://") {
                return Err(Failure::Usage(format!(
                    "otlp-endpoint {endpoint:?}: give http://HOST:PORT; traces go to a collector nearby by plain HTTP"
                )));
            }
            let bare = endpoint.split_once("://").is_none_or(|(_, rest)| !rest.trim_end_matches('/').contains('/'));
            let url = if bare { format!("{}/v1/traces", endpoint.trim_end_matches('/')) } else { endpoint.to_owned() };
            let exporter = SpanExporter::builder().with_http().with_endpoint(url).build().map_err(Failure::work)?;
            let resource = Resource::builder().with_service_name("dateline").build();
            let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
            let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("dateline"));
            let layer = layer.with_filter(LevelFilter::INFO);
            Ok((Self { provider: Some(provider) }, Some(Box::new(layer))))
        }
    }

    impl Drop for Traces {
        fn drop(&mut self) {
            if let Some(Err(error)) = self.provider.take().map(|provider| provider.shutdown()) {
                tracing::warn!(%error, "the last traces were not sent");
            }
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod exporting {
    use tracing_subscriber::layer::Identity;

    use super::Failure;

    /// Adds nothing.
    pub(crate) type TracesLayer = Identity;

    /// Sends nothing.
    pub(crate) struct Traces;

    impl Traces {
        /// Nothing to start: the configuration has refused an endpoint.
        #[expect(clippy::unnecessary_wraps, reason = "the same in both builds")]
        pub(crate) fn start(_: Option<&str>) -> Result<(Self, TracesLayer), Failure> {
            Ok((Self, Identity::new()))
        }
    }
}

pub(crate) use exporting::{Traces, TracesLayer};
