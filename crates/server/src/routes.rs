//! The routes, and what every request goes through before and after its own.

use std::any::Any;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{self, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;

use crate::app::App;
use crate::problem::{Code, Problem};
use crate::{access, annotate, health, hf, integrations, models, observe, openapi, page, unpack};

/// All routes of the service; pages of `cors_origins` may call those that need a key.
pub(crate) fn router(app: App, cors_origins: &[String]) -> Router {
    let keyed = Router::new()
        .route("/v1/annotate", post(annotate::annotate))
        .route("/v1/hf/{*model}", post(hf::classify))
        .route("/v1/models", get(models::models))
        .route("/v1/labels", get(models::labels))
        .merge(integrations::routes())
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(from_fn(unpack::zstd))
        .route("/metrics", get(health::metrics))
        .route_layer(from_fn_with_state(app.clone(), access::check));
    let all = keyed
        .merge(health::routes())
        .merge(integrations::open_routes())
        .merge(page::routes())
        .merge(openapi::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found);
    // Outside of the keys: a browser asks for leave without one, and a page is to read why it was refused.
    let all = if cors_origins.is_empty() { all } else { all.layer(pages_of(cors_origins)) };
    observed(all, app)
}

/// The routes of the address that is for probes and metrics only.
pub(crate) fn metrics_router(app: App) -> Router {
    let all = Router::new().route("/metrics", get(health::metrics)).merge(health::routes());
    observed(all.method_not_allowed_fallback(method_not_allowed).fallback(no_such_metrics), app)
}

fn observed(routes: Router<App>, app: App) -> Router {
    routes
        // JSON shrinks to a tenth at any level; the time is better spent on texts.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(map_request(integrations::open_inference::only_gzip))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

/// A panic of a handler is an answer, too. The payload may quote a text; the process's panic hook says where it was.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::new(Code::Internal, "the service failed; its operator sees where").into_response()
}

fn pages_of(origins: &[String]) -> CorsLayer {
    let name = HeaderName::from_static;
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            name("x-api-key"),
            name("x-request-id"),
            name("traceparent"),
        ])
        .expose_headers([
            header::RETRY_AFTER,
            name("dateline-model"),
            name("dateline-offsets"),
            name("traceparent"),
            name("x-request-id"),
        ]);
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(cors::Any);
    }
    // An origin that no header can hold is none that a browser sends.
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    layer.allow_origin(origins.collect::<Vec<_>>())
}

async fn not_found(uri: Uri) -> Response {
    let detail = format!("nothing is at {}; texts go to POST /v1/annotate, /docs describes the rest", uri.path());
    integrations::refusal(&uri, Problem::new(Code::NotFound, detail))
}

async fn no_such_metrics(uri: Uri) -> Problem {
    let detail = format!("nothing is at {}; this address has /metrics, /health/live and /health/ready", uri.path());
    Problem::new(Code::NotFound, detail)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let posted = hf::is_asked(&uri) || uri.path() == "/v1/annotate" || integrations::is_posted(&uri);
    let allowed = if posted { "POST" } else { "GET" };
    let detail = format!("{method} is not what {} takes: use {allowed}", uri.path());
    integrations::refusal(&uri, Problem::new(Code::MethodNotAllowed, detail))
}
