//! The Open Inference Protocol, version 2, over HTTP: what KServe, Triton and their clients speak. A tensor of texts goes
//! in; the mentions come back as JSON for each text and as columns. Tensors may be binary.

mod request;
mod tensor;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dateline_engine::ModelInfo;
use dateline_text::{Label, Mention};
use serde::{Deserialize, Serialize};

use request::{INPUT, Request};
pub(crate) use tensor::Output;
use tensor::{Found, Tensor};

use super::LabelMap;
use crate::annotate::Asker;
use crate::app::App;
use crate::body::Incoming;
use crate::health;
use crate::problem::{Code, Problem};
use crate::request::{aside, check_encoding, json, only_json, refuse, whole_bytes};

/// The header that says how much of a body is JSON.
const HEADER_LENGTH: &str = "inference-header-content-length";
const BINARY: &str = "application/octet-stream";

/// What the operator says of this protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OpenInferenceSettings {
    /// What labels are called; a label without an entry keeps its name.
    pub labels: LabelMap,
}

impl OpenInferenceSettings {
    /// These settings, and those of `other` where these say nothing.
    pub(super) fn or(self, other: Self) -> Self {
        Self { labels: self.labels.or(other.labels) }
    }
}

/// The routes that want a key. A model of a hub has a slash in its name, which clients send as it is.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/models/{model}", get(model))
        .route("/v2/models/{model}/ready", get(model_ready))
        .route("/v2/models/{model}/infer", post(infer))
        .route("/v2/models/{model}/{name}", get(model))
        .route("/v2/models/{model}/{name}/ready", get(model_ready))
        .route("/v2/models/{model}/{name}/infer", post(infer))
}

/// The routes that probes ask, none of which needs a key.
pub(super) fn open_routes() -> Router<App> {
    Router::new().route("/v2/health/live", get(live)).route("/v2/health/ready", get(ready))
}

/// Whether a request goes by this protocol.
pub(super) fn is_asked(uri: &Uri) -> bool {
    uri.path() == "/v2" || uri.path().starts_with("/v2/")
}

/// Leaves gzip alone of what a client says that it can unpack. Triton's client for asyncio undoes gzip and deflate, but lets
/// its HTTP library say that it knows others, too.
pub(crate) async fn only_gzip(mut request: axum::extract::Request) -> axum::extract::Request {
    if is_asked(request.uri()) {
        let accepted = request.headers_mut().remove(header::ACCEPT_ENCODING);
        let accepts = |accepted: HeaderValue| accepted.to_str().is_ok_and(|names| names.contains("gzip"));
        if accepted.is_some_and(accepts) {
            request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    request
}

/// Whether the route at `uri` takes POST and nothing else.
pub(super) fn is_posted(uri: &Uri) -> bool {
    uri.path().starts_with("/v2/models/") && uri.path().ends_with("/infer")
}

/// A problem with its detail where the clients of this protocol look for it, too.
pub(super) fn refusal(problem: Problem) -> Response {
    let detail = problem.detail.clone();
    problem.response_with(&[("error", &detail)])
}

#[derive(Serialize)]
struct Live {
    live: bool,
}

async fn live(State(app): State<App>) -> Response {
    health::check_works(&app).map_or_else(refusal, |()| health::fresh(json(&Live { live: true })))
}

#[derive(Serialize)]
struct Ready<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'m str>,
    ready: bool,
}

async fn ready(State(app): State<App>) -> Response {
    is_ready(&app, None)
}

fn is_ready(app: &App, name: Option<&str>) -> Response {
    health::check_ready(app).map_or_else(refusal, |_| health::fresh(json(&Ready { name, ready: true })))
}

#[derive(Serialize)]
struct Server {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 1],
}

async fn server() -> Response {
    json(&Server { name: "dateline", version: env!("CARGO_PKG_VERSION"), extensions: ["binary_tensor_data"] })
}

/// A tensor as a model's description has it.
#[derive(Serialize)]
struct Described {
    name: &'static str,
    datatype: &'static str,
    /// -1 is any number.
    shape: [i64; 1],
}

#[derive(Serialize)]
struct Description<'m> {
    name: &'m str,
    platform: &'static str,
    inputs: [Described; 1],
    outputs: [Described; Output::ALL.len()],
}

/// What a model takes and gives.
async fn model(State(app): State<App>, Path(name): Path<Vec<String>>) -> Response {
    let models = app.engine().models();
    let index = match find(models, &name) {
        Ok(index) => index,
        Err(problem) => return refusal(problem),
    };
    let outputs = Output::ALL.map(|output| Described { name: output.name(), datatype: output.datatype(), shape: [-1] });
    let inputs = [Described { name: INPUT, datatype: "BYTES", shape: [-1] }];
    json(&Description { name: &models[index].name, platform: "dateline", inputs, outputs })
}

async fn model_ready(State(app): State<App>, Path(name): Path<Vec<String>>) -> Response {
    let models = app.engine().models();
    find(models, &name).map_or_else(refusal, |index| is_ready(&app, Some(&models[index].name)))
}

fn find(models: &[ModelInfo], name: &[String]) -> Result<usize, Problem> {
    let name = name.join("/");
    models.iter().position(|model| model.name == name).ok_or_else(|| {
        let served: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        let detail = format!("there is no model {name:?}; there is {}", served.join(", "));
        Problem::new(Code::ModelNotFound, detail)
    })
}

/// Annotates the texts of a request.
async fn infer(State(app): State<App>, Path(name): Path<Vec<String>>, headers: HeaderMap, body: Body) -> Response {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    match answer(&app, &name, &headers, &mut body).await {
        Ok(response) => response,
        Err(problem) => refusal(refuse(problem, &headers, body).await),
    }
}

#[derive(Serialize)]
struct Answer<'m> {
    model_name: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'m str>,
    outputs: Vec<Tensor>,
}

async fn answer(app: &App, name: &[String], headers: &HeaderMap, body: &mut Incoming) -> Result<Response, Problem> {
    let models = app.engine().models();
    let model = find(models, name)?;
    if !is_binary(headers) {
        only_json(headers)?;
    }
    check_encoding(headers)?;
    let header = header_length(headers)?;
    let (most, info) = (app.limits().max_documents, models[model].clone());
    let read = whole_bytes(app, headers, body, move |body| Request::parse(body, header, &info, most)).await?;
    let (request, length) = (read.value, read.length);
    let asker = Asker { app, model, deadline: read.deadline };
    let outcomes = match request.texts.as_slice() {
        [] => Vec::new(),
        [text] => vec![asker.one(text).await?],
        texts => asker.many(texts).await?,
    };
    // The protocol has no place for an error beside answers.
    let found = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let app = app.clone();
    Ok(aside(length, move || respond(&app, model, &request, found)).await)
}

fn respond(app: &App, model: usize, request: &Request, found: Vec<Vec<Mention>>) -> Response {
    let labels = &app.integrations().open_inference.labels;
    let name = |mention: Mention| {
        let label = Label::new(labels.name_of(mention.label.as_str())?);
        Some(Mention { label, ..mention })
    };
    let kept = |found: Vec<Mention>| {
        found.into_iter().filter(|mention| request.options.filter.keeps(mention)).filter_map(name).collect()
    };
    let found: Vec<Vec<Mention>> = found.into_iter().map(kept).collect();
    let (outputs, bytes) =
        Found::new(&request.texts, &found, request.options.offsets).tensors(&request.outputs, request.column);
    let has_binary = request.outputs.iter().any(|(_, binary)| *binary);
    let answer = Answer { model_name: &app.engine().models()[model].name, id: request.id.as_deref(), outputs };
    if !has_binary {
        return json(&answer);
    }
    let mut body = serde_json::to_vec(&answer).expect("answers are plain JSON");
    let length = HeaderValue::from(body.len());
    body.extend_from_slice(&bytes);
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static(BINARY)), (HeaderName::from_static(HEADER_LENGTH), length)];
    (headers, body).into_response()
}

fn is_binary(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().eq_ignore_ascii_case(BINARY.as_bytes()))
}

fn header_length(headers: &HeaderMap) -> Result<Option<usize>, Problem> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    value.to_str().ok().and_then(|length| length.parse().ok()).map(Some).ok_or_else(|| {
        let detail = format!("Inference-Header-Content-Length: {value:?} is not a whole number, 0 or more");
        Problem::of_field(Code::InvalidField, HEADER_LENGTH, detail)
    })
}
