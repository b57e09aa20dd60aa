//! `POST /v1/annotate`: which body is read how, and what answers it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use dateline_engine::{Failure, Lane, Outcome, Request};
use serde::Serialize;

use crate::app::App;
use crate::body::{Incoming, utf8};
use crate::options::{OptionReader, Options};
use crate::problem::{Code, Problem};
use crate::wire::{DocumentError, ManyAnswer, OneAnswer, Parsed, Texts, parse_body};
use crate::{health, ndjson};

/// What the content types of a request may be, for error messages.
const ACCEPTED: &str = "application/json, or application/x-ndjson for a document a line";
/// Up to so many bytes a single text is taken for a story that somebody waits for; whatever is longer, and every batch
/// and stream, is bulk.
const INTERACTIVE_BYTES: usize = 16 << 10;
/// JSON of so many bytes is read and written on a thread of its own: it takes long enough to hold others up.
const LONG_JSON: usize = 64 << 10;

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Lines,
    /// JSON if it begins like an object: what `curl -d` sends as a form.
    MaybeJson,
}

/// Annotates the texts of a body.
pub(crate) async fn annotate(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    match answer(&app, &uri, &headers, &mut body).await {
        Ok(Answer::Whole(response)) => Ok(response),
        Ok(Answer::Lines(options)) => {
            if headers.contains_key(header::EXPECT) {
                // Reading gives the client leave to send; an answer that began without would be its final word.
                body.peek().await?;
            }
            Ok(stream(app, options, body))
        }
        Err(problem) => Err(refuse(problem, &headers, body).await),
    }
}

/// Makes sure that a client which is still sending gets to read why its request is refused.
pub(crate) async fn refuse(problem: Problem, headers: &HeaderMap, mut body: Incoming) -> Problem {
    // A client that waits for leave to send would take a reading of its body for that leave; and of a body that
    // stopped coming there is nothing to read.
    let gone = matches!(problem.code, Code::Timeout | Code::BodyBroken);
    if !gone && !headers.contains_key(header::EXPECT) {
        body.discard().await;
    }
    problem
}

/// What answers a request: all at once, or line by line while its body is still coming.
enum Answer {
    Whole(Response),
    Lines(Options),
}

async fn answer(app: &App, uri: &Uri, headers: &HeaderMap, body: &mut Incoming) -> Result<Answer, Problem> {
    let format = format(headers)?;
    check_encoding(headers)?;
    query(app, uri)?;
    if format == Format::Lines {
        health::check_works(app)?;
        return Ok(Answer::Lines(query(app, uri)?.finish()?));
    }
    let mut held = app.room().hold();
    let bytes = body.read_all(app.limits().max_body_bytes, declared(headers), &mut held).await?;
    let deadline = Instant::now() + app.limits().request_timeout;
    let length = bytes.len();
    let (own, uri) = (app.clone(), uri.clone());
    let (held, parsed) = aside(length, move || {
        // Goes with the work: should the caller leave, the memory is not free before the work is done.
        (held, read(&bytes, format, &own, &uri))
    })
    .await;
    let _held = held;
    let (options, texts) = parsed?;
    let asker = Asker { app, model: options.model, deadline };
    match texts {
        Texts::One(document) => {
            let outcome = asker.one(&document.text).await?;
            let document = document.answer(outcome, &options).map_err(|bad| bad.problem)?;
            let (app, offsets) = (app.clone(), options.offsets);
            let respond = move || {
                let model = &app.engine().models()[options.model].name;
                json(&OneAnswer { model, offsets, document })
            };
            Ok(Answer::Whole(aside(length, respond).await))
        }
        Texts::Many(documents) => many(asker, options, documents, length).await.map(Answer::Whole),
    }
}

fn read(bytes: &[u8], format: Format, app: &App, uri: &Uri) -> Result<(Options, Texts), Problem> {
    let text = utf8(bytes)?;
    // What begins otherwise is a form; nothing at all, or JSON of another kind, is told what it lacks.
    if format == Format::MaybeJson && !text.trim_start().is_empty() && !text.trim_start().starts_with(['{', '[', '"']) {
        let detail = format!("a form is not accepted: send {ACCEPTED}");
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    parse_body(text, query(app, uri)?, app.limits().max_documents)
}

/// Hands the texts of one request to the engine.
pub(crate) struct Asker<'a> {
    pub(crate) app: &'a App,
    pub(crate) model: usize,
    pub(crate) deadline: Instant,
}

impl Asker<'_> {
    /// Annotates one text; somebody waits for it unless it is very long.
    pub(crate) async fn one(&self, text: &Arc<str>) -> Result<Outcome, Problem> {
        health::check_works(self.app)?;
        let lane = if text.len() <= INTERACTIVE_BYTES { Lane::Interactive } else { Lane::Bulk };
        Ok(self.app.engine().try_submit(self.request(text, lane))?.outcome().await)
    }

    /// Annotates a batch. A service that has no room for its first text says so at once; after that the batch waits.
    pub(crate) async fn many(&self, texts: &[Arc<str>]) -> Result<Vec<Outcome>, Problem> {
        health::check_works(self.app)?;
        self.app.engine().has_room(Lane::Bulk)?;
        let requests = texts.iter().map(|text| self.request(text, Lane::Bulk)).collect();
        let all = self.app.engine().annotate_all(requests);
        // The texts have the deadline each; waiting for room in the queue has it only here.
        let outcomes = tokio::time::timeout_at(self.deadline.into(), all).await.map_err(|_| Failure::Deadline)?;
        // Half a job is none: who gave up on a text gave up on the request.
        let given_up = outcomes.iter().find_map(|outcome| match outcome {
            Err(failure @ (Failure::Deadline | Failure::Stopped)) => Some(*failure),
            _ => None,
        });
        match given_up {
            Some(failure) => Err(failure.into()),
            None if !outcomes.is_empty() && outcomes.iter().all(Result::is_err) => {
                Err(Problem::new(Code::ModelFailed, "the model failed on every document of the request"))
            }
            None => Ok(outcomes),
        }
    }

    fn request(&self, text: &Arc<str>, lane: Lane) -> Request {
        Request { text: Arc::clone(text), model: self.model, lane, deadline: Some(self.deadline) }
    }
}

/// Annotates a batch. What is wrong with single documents stands beside the others.
async fn many(asker: Asker<'_>, options: Options, parsed: Vec<Parsed>, length: usize) -> Result<Response, Problem> {
    let texts: Vec<Arc<str>> = parsed.iter().flatten().map(|document| Arc::clone(&document.text)).collect();
    let outcomes = match asker.many(&texts).await {
        // Other documents of the body were at fault by themselves: each is told its own.
        Err(problem) if problem.code == Code::ModelFailed && texts.len() < parsed.len() => {
            vec![Err(Failure::Model); texts.len()]
        }
        outcomes => outcomes?,
    };
    let app = asker.app.clone();
    let respond = move || {
        let mut outcomes = outcomes.into_iter();
        let (mut documents, mut errors) = (Vec::with_capacity(texts.len()), Vec::new());
        for (index, parsed) in parsed.into_iter().enumerate() {
            let answer = parsed
                .and_then(|document| document.answer(outcomes.next().expect("every text has an outcome"), &options));
            match answer {
                Ok(annotated) => documents.push(annotated),
                Err(bad) => errors.push(DocumentError { index, bad }),
            }
        }
        let model = &app.engine().models()[options.model].name;
        json(&ManyAnswer { model, offsets: options.offsets, documents, errors })
    };
    Ok(aside(length, respond).await)
}

/// Answers line by line; the model and the offset unit, which hold for every line, are named in headers.
fn stream(app: App, options: Options, body: Incoming) -> Response {
    let unit = HeaderValue::from_static(options.offsets.name());
    let model = HeaderValue::from_str(&app.engine().models()[options.model].name);
    let mut response = ndjson::annotate(app, options, body).into_response();
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
    OptionReader::new(app.engine().models()).query(&pairs(uri)?)
}

/// The names and values of the query.
pub(crate) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|error| Problem::new(Code::InvalidField, format!("the query cannot be read: {error}")))?;
    Ok(pairs)
}

/// What the sender says of the body's length.
pub(crate) fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses a body in an encoding that nobody has undone on its way here.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            let detail = format!("the content encoding {encoding:?} is not accepted: send gzip, br, zstd, or none");
            Err(Problem::new(Code::UnsupportedEncoding, detail))
        }
        _ => Ok(()),
    }
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

/// Refuses what is not JSON, for routes that take nothing else.
pub(crate) fn only_json(headers: &HeaderMap) -> Result<(), Problem> {
    match format(headers)? {
        Format::Json | Format::MaybeJson => Ok(()),
        Format::Lines => Err(Problem::new(Code::UnsupportedMediaType, "this route takes application/json only")),
    }
}

/// Does `work` on a body of `length` bytes; if that may take long, on a thread of its own, where it holds nobody up.
pub(crate) async fn aside<T: Send + 'static>(length: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if length <= LONG_JSON {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A response of JSON.
pub(crate) fn json(value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers are plain JSON");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
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
