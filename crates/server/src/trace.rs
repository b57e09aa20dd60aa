//! Where a request belongs: its id, and its place in a trace that crosses services (W3C Trace Context, level 1).
//!
//! An id or a context that a caller sends is kept, so that his log and ours can be laid side by side; one that is not
//! well formed is replaced, because it ends up in logs and headers.

use axum::http::HeaderMap;
use tracing::Span;
use tracing::field::Empty;

/// The longest id that is taken over.
const LONGEST_ID: usize = 128;

/// Names a request in logs and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// The request's id.
    pub(crate) request_id: String,
    /// 32 hexadecimal digits, the same for all services that the request passes.
    pub(crate) trace_id: String,
    /// 16 hexadecimal digits: this service's part.
    pub(crate) span_id: String,
    /// The caller's part, if there is one.
    pub(crate) parent_id: Option<String>,
    /// Whether the caller records the trace.
    pub(crate) sampled: bool,
}

impl TraceContext {
    /// That of a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).filter(|id| is_id(id));
        let request_id = request_id.map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned);
        let span_id = format!("{:016x}", rand::random::<u64>().max(1));
        match headers.get("traceparent").and_then(|parent| parent.to_str().ok()).and_then(parse) {
            Some((trace_id, parent_id, sampled)) => Self {
                request_id,
                trace_id: trace_id.to_owned(),
                span_id,
                parent_id: Some(parent_id.to_owned()),
                sampled,
            },
            None => {
                let trace_id = format!("{:032x}", rand::random::<u128>().max(1));
                Self { request_id, trace_id, span_id, parent_id: None, sampled: false }
            }
        }
    }

    /// The span of the request, for a subscriber that makes traces of spans. If it does, this service's part of the
    /// trace goes by the ids that the subscriber gave it.
    pub(crate) fn span(&mut self, method: &'static str, route: &str) -> Span {
        let span = tracing::info_span!(
            "request",
            otel.name = format!("{method} {route}"),
            otel.kind = "server",
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            request_id = self.request_id,
        );
        #[cfg(feature = "otlp")]
        self.join(&span);
        span
    }

    /// Makes the span a part of the caller's trace, and takes over its ids.
    #[cfg(feature = "otlp")]
    fn join(&mut self, span: &Span) {
        use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
        use tracing_opentelemetry::OpenTelemetrySpanExt;

        if let Some(parent) = &self.parent_id
            && let (Ok(trace), Ok(parent)) = (TraceId::from_hex(&self.trace_id), SpanId::from_hex(parent))
        {
            let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
            let remote = SpanContext::new(trace, parent, flags, true, TraceState::NONE);
            // It fails only where no subscriber makes traces, and then there is none to join.
            let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
        }
        let context = span.context();
        let own = context.span().span_context().clone();
        if own.is_valid() && !own.is_remote() {
            self.trace_id = own.trace_id().to_string();
            self.span_id = own.span_id().to_string();
            self.sampled = own.is_sampled();
        }
    }

    /// What goes back, and on to others.
    pub(crate) fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

fn is_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(&byte))
}

/// Trace id, parent id and sampling of a `traceparent`. Versions after 00 may have more parts, 00 may not.
fn parse(traceparent: &str) -> Option<(&str, &str, bool)> {
    let mut parts = traceparent.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let whole = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let named = hex(trace, 32) && !zero(trace) && hex(parent, 16) && !zero(parent) && hex(flags, 2);
    (whole && named).then(|| (trace, parent, u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> TraceContext {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        TraceContext::of(&map)
    }

    #[test]
    fn what_is_well_formed_is_kept() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = of(&[("x-request-id", "cms:42/a"), ("traceparent", parent)]);
        assert_eq!(context.request_id, "cms:42/a");
        assert_eq!(context.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent_id.as_deref(), Some("00f067aa0ba902b7"));
        assert!(context.sampled && parse(&context.traceparent()).is_some());
        assert_ne!(context.span_id, "00f067aa0ba902b7");
    }

    #[test]
    fn what_is_not_is_replaced() {
        for parent in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert!(parse(parent).is_none(), "{parent}");
        }
        assert!(parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more").is_some());
        let long = "x".repeat(LONGEST_ID + 1);
        for id in ["", "two words", "<script>", &long] {
            assert_ne!(of(&[("x-request-id", id)]).request_id, id);
        }
    }
}
