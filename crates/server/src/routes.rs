//! The routes: which body is read how, and what answers it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;

use crate::body::{Incoming, utf8};
use crate::ndjson;
use crate::options::{OptionReader, Options};
use crate::problem::{Code, Problem};
use crate::wire::{DocumentError, ManyAnswer, OneAnswer, Parsed, Texts, parse_body};
use crate::worker::Worker;
use crate::{ServerConfig, page};

/// What the content types of a request may be, for error messages.
const ACCEPTED: &str = "application/json, or application/x-ndjson for a document a line";

/// What all routes share.
#[derive(Clone)]
struct App {
    worker: Worker,
    max_body_bytes: usize,
    idle: Duration,
}

/// All routes of the service.
pub(crate) fn router(worker: Worker, config: &ServerConfig) -> Router {
    let app = App { worker, max_body_bytes: config.max_body_bytes, idle: config.idle_timeout };
    Router::new()
        .route("/v1/annotate", post(annotate))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .merge(page::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(app)
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Lines,
    /// JSON if it begins like an object: what `curl -d` sends as a form.
    MaybeJson,
}

async fn annotate(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut body = Incoming::new(body, app.idle);
    let result = answer(&app, &uri, &headers, &mut body).await;
    match result {
        Ok(Answer::Whole(response)) => Ok(response),
        Ok(Answer::Lines(options)) => Ok(stream(app, options, body)),
        Err(problem) => {
            // A client that waits for leave to send would take a reading of its body for that leave; and of a body that
            // stopped coming there is nothing to read.
            let gone = matches!(problem.code, Code::Timeout | Code::BodyBroken);
            if !gone && !headers.contains_key(header::EXPECT) {
                body.discard().await;
            }
            Err(problem)
        }
    }
}

/// What answers a request: all at once, or line by line while its body is still coming.
enum Answer {
    Whole(Response),
    Lines(Options),
}

async fn answer(app: &App, uri: &Uri, headers: &HeaderMap, body: &mut Incoming) -> Result<Answer, Problem> {
    let format = format(headers)?;
    let options = query(app, uri)?;
    if format == Format::Lines {
        return Ok(Answer::Lines(options.finish()));
    }
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bytes = body.read_all(app.max_body_bytes, declared).await?;
    let text = utf8(&bytes)?;
    if format == Format::MaybeJson && !text.trim_start().starts_with('{') {
        let detail = format!("a form is not accepted: send {ACCEPTED}");
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let (options, texts) = parse_body(text, options)?;
    drop(bytes);
    match texts {
        Texts::One(document) => {
            let outcome = app.worker.annotate_all(std::slice::from_ref(&document.text)).await.remove(0);
            let document = document.answer(outcome, &options).map_err(|bad| bad.problem)?;
            let model = app.worker.model();
            Ok(Answer::Whole(json(&OneAnswer { model, offsets: options.offsets, document })))
        }
        Texts::Many(documents) => many(app, &options, documents).await.map(Answer::Whole),
    }
}

/// Annotates a batch. What is wrong with single documents stands beside the others; only if nothing but the model is
/// at fault for every one of them is the whole request a failure.
async fn many(app: &App, options: &Options, parsed: Vec<Parsed>) -> Result<Response, Problem> {
    let texts: Vec<Arc<str>> = parsed.iter().flatten().map(|document| Arc::clone(&document.text)).collect();
    let outcomes = app.worker.annotate_all(&texts).await;
    if !outcomes.is_empty() && outcomes.len() == parsed.len() && outcomes.iter().all(Result::is_err) {
        return Err(Problem::new(Code::ModelFailed, "the model failed on every document of the request"));
    }
    let mut outcomes = outcomes.into_iter();
    let (mut documents, mut errors) = (Vec::with_capacity(texts.len()), Vec::new());
    for (index, parsed) in parsed.into_iter().enumerate() {
        let answer =
            parsed.and_then(|document| document.answer(outcomes.next().expect("every text has an outcome"), options));
        match answer {
            Ok(annotated) => documents.push(annotated),
            Err(bad) => errors.push(DocumentError { index, bad }),
        }
    }
    Ok(json(&ManyAnswer { model: app.worker.model(), offsets: options.offsets, documents, errors }))
}

/// Answers line by line; the model and the offset unit, which hold for every line, are named in headers.
fn stream(app: App, options: Options, body: Incoming) -> Response {
    let unit = HeaderValue::from_static(options.offsets.name());
    let model = HeaderValue::from_str(app.worker.model());
    let App { worker, max_body_bytes, idle } = app;
    let settings = ndjson::Settings { worker, options, max_line_bytes: max_body_bytes, idle };
    let mut response = ndjson::annotate(settings, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(HeaderName::from_static("dateline-offsets"), unit);
    // A name that no header can hold is still in every other kind of answer.
    if let Ok(model) = model {
        headers.insert(HeaderName::from_static("dateline-model"), model);
    }
    response
}

fn query<'a>(app: &'a App, uri: &Uri) -> Result<OptionReader<'a>, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|error| Problem::new(Code::InvalidField, format!("the query cannot be read: {error}")))?;
    OptionReader::new(app.worker.labels()).query(&pairs)
}

/// The format that the content type names.
fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Format::Json) };
    let refuse = |detail: String| Problem::new(Code::UnsupportedMediaType, format!("{detail}: send {ACCEPTED}"));
    let value = value.to_str().map_err(|_| refuse("the content type is not readable".to_owned()))?;
    let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
    let charset =
        parameters.split(';').filter_map(|parameter| parameter.split_once('=')).find_map(|(name, charset)| {
            name.trim().eq_ignore_ascii_case("charset").then(|| charset.trim().trim_matches('"').to_ascii_lowercase())
        });
    if let Some(charset) = charset.filter(|charset| !matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii")) {
        return Err(refuse(format!("the charset {charset:?} is not accepted, only UTF-8")));
    }
    match kind.trim().to_ascii_lowercase().as_str() {
        "application/json" | "text/json" => Ok(Format::Json),
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines"
        | "application/jsonlines" => Ok(Format::Lines),
        "application/x-www-form-urlencoded" => Ok(Format::MaybeJson),
        other => Err(refuse(format!("the content type {other:?} is not accepted"))),
    }
}

fn json(value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers are plain JSON");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The answer of the health routes.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<dateline_text::Label>>,
}

async fn live() -> Response {
    fresh(Health { status: "live", model: None, labels: None })
}

async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    if !app.worker.is_ready() {
        return Err(Problem::new(Code::NotReady, "the model has not answered its first text yet; ask again soon"));
    }
    let (model, labels) = (app.worker.model().to_owned(), app.worker.labels().to_vec());
    Ok(fresh(Health { status: "ready", model: Some(model), labels: Some(labels) }))
}

fn fresh(health: Health) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(health)).into_response()
}

async fn not_found(uri: Uri) -> Problem {
    let detail = format!("nothing is at {}; texts go to POST /v1/annotate, the page is at /", uri.path());
    Problem::new(Code::NotFound, detail)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let allowed = if uri.path() == "/v1/annotate" { "POST" } else { "GET" };
    Problem::new(Code::MethodNotAllowed, format!("{method} is not what {} takes: use {allowed}", uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_choose_the_format() {
        let of = |value: &'static str| {
            format(&[(header::CONTENT_TYPE, HeaderValue::from_static(value))].into_iter().collect())
        };
        assert_eq!(format(&HeaderMap::new()), Ok(Format::Json));
        assert_eq!(of("Application/JSON; charset=UTF-8"), Ok(Format::Json));
        assert_eq!(of("application/x-www-form-urlencoded"), Ok(Format::MaybeJson));
        for lines in ["application/x-ndjson", "application/jsonl", "application/jsonlines; charset=\"utf-8\""] {
            assert_eq!(of(lines), Ok(Format::Lines));
        }
        assert_eq!(of("text/plain").unwrap_err().code, Code::UnsupportedMediaType);
        assert!(of("application/json; charset=latin1").unwrap_err().detail.contains("latin1"));
    }
}
