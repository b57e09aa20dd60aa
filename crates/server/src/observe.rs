//! What the operator sees of requests: an id in and out, one line of log and a few numbers for each. Nothing of what a
//! request says gets into any of them: no text, no path that no route has, no detail of a problem.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use dateline_engine::Engine;
use hyper::body::{Frame, SizeHint};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tracing::{Instrument, Span};

use crate::access::Caller;
use crate::app::App;
use crate::problem::ProblemCode;
use crate::trace::TraceContext;

/// What stands for the status of a request whose caller left before it was answered, as web servers have it.
const LEFT: u16 = 499;

/// Routes that machines ask all the time.
const PROBES: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

tokio::task_local! {
    static REQUEST_ID: String;
}

/// The id of the request that is being answered.
pub(crate) fn request_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

/// What is counted, the engine's numbers included.
pub(crate) struct HttpMetrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabel, Histogram>,
    bytes: Family<RouteLabel, Counter>,
    in_flight: Gauge,
    cut_off: Counter,
}

impl HttpMetrics {
    pub(crate) fn new(engine: &Engine) -> Self {
        let mut registry = Registry::with_prefix("dateline");
        engine.metrics().register(&mut registry);
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.5, 13))),
            bytes: Family::default(),
            in_flight: Gauge::default(),
            cut_off: Counter::default(),
            registry: Registry::default(),
        };
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", build);
        let http = registry.sub_registry_with_prefix("http");
        http.register("requests", "Requests by route, method and status", metrics.requests.clone());
        let help = "Time from the head of a request to the end of its answer";
        http.register_with_unit("request", help, Unit::Seconds, metrics.seconds.clone());
        http.register_with_unit("answered", "Bytes of answers, as they go out", Unit::Bytes, metrics.bytes.clone());
        http.register("requests_in_flight", "Requests that are being answered", metrics.in_flight.clone());
        http.register("answers_cut_off", "Answers that did not come to their end", metrics.cut_off.clone());
        Self { registry, ..metrics }
    }

    /// All numbers, as OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all that is written to it");
        text
    }
}

/// Gives a request its id, answers it, and notes what became of it.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let mut context = TraceContext::of(request.headers());
    let method = known_method(request.method());
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("(none)", MatchedPath::as_str).to_owned();
    app.metrics().in_flight.inc();
    let span = context.span(method, &route);
    let request_id = context.request_id.clone();
    // From here on it is noted even if the caller leaves before there is an answer, which drops all of this.
    let mut note = Note {
        begun,
        method,
        route,
        status: LEFT,
        code: None,
        caller: None,
        context,
        bytes: 0,
        ended: false,
        span,
        app,
    };
    let answering = next.run(request).instrument(note.span.clone());
    let (mut head, body) = REQUEST_ID.scope(request_id, answering).await.into_parts();
    for (name, value) in
        [("x-request-id", note.context.request_id.clone()), ("traceparent", note.context.traceparent())]
    {
        let value = HeaderValue::from_str(&value).expect("ids are plain characters");
        head.headers.insert(HeaderName::from_static(name), value);
    }
    note.status = head.status.as_u16();
    note.code = head.extensions.get::<ProblemCode>().map(|ProblemCode(code)| code.name());
    note.caller = head.extensions.get::<Caller>().and_then(|caller| caller.name().map(str::to_owned));
    // The answer to HEAD has the head of a body that nobody reads.
    note.ended = body.is_end_stream() || method == "HEAD";
    Response::from_parts(head, Body::new(Observed { body, note: Mutex::new(note) }))
}

/// Methods that somebody invents do not become a new time series each.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        _ => "(other)",
    }
}

/// What is noted of a request when its answer has ended or was dropped.
struct Note {
    begun: Instant,
    method: &'static str,
    route: String,
    status: u16,
    code: Option<&'static str>,
    caller: Option<String>,
    context: TraceContext,
    bytes: u64,
    ended: bool,
    span: Span,
    app: App,
}

impl Drop for Note {
    fn drop(&mut self) {
        let metrics = self.app.metrics();
        let route = RouteLabel { route: self.route.clone() };
        let time = self.begun.elapsed();
        metrics.in_flight.dec();
        metrics.seconds.get_or_create(&route).observe(time.as_secs_f64());
        metrics.bytes.get_or_create(&route).inc_by(self.bytes);
        let labels = RequestLabels { route: self.route.clone(), method: self.method, status: self.status };
        metrics.requests.get_or_create(&labels).inc();
        if !self.ended {
            metrics.cut_off.inc();
        }
        self.span.record("http.response.status_code", self.status);
        // Thousandths of a millisecond, without the digits that binary fractions add.
        let ms = (time.as_secs_f64() * 1e6).round() / 1e3;
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    method = self.method,
                    route = self.route,
                    status = self.status,
                    code = self.code,
                    caller = self.caller,
                    ms,
                    bytes = self.bytes,
                    complete = self.ended,
                    request_id = self.context.request_id,
                    trace_id = self.context.trace_id,
                    "answered"
                )
            };
        }
        // Probes and scrapes come every few seconds for ever; who wants to see them asks for it.
        if PROBES.contains(&self.route.as_str()) && self.status < 400 {
            line!(tracing::Level::DEBUG);
        } else {
            line!(tracing::Level::INFO);
        }
    }
}

/// A body that is noted when it ends.
struct Observed {
    body: Body,
    /// Never locked: a body is polled by one task, but must be shareable.
    note: Mutex<Note>,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let ended = self.body.is_end_stream();
        let note = self.note.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &frame {
            Some(Ok(frame)) => {
                note.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                note.ended |= ended;
            }
            Some(Err(_)) => {}
            None => note.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
