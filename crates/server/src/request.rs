//! How a request is read, whatever it asks for: its content type, encoding, query and body; and how JSON answers it.

use std::time::Instant;

use axum::extract::Query;
use axum::http::Uri;
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::App;
use crate::body::{Incoming, utf8};
use crate::problem::{Code, Problem};
use crate::room::Held;

/// What the content types of a request may be, for error messages.
pub(crate) const ACCEPTED: &str = "application/json, or application/x-ndjson for a document a line";
/// JSON of so many bytes is read and written on a thread of its own: it takes long enough to hold others up.
const LONG_JSON: usize = 64 << 10;

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Lines,
    /// JSON if it begins like an object: what `curl -d` sends as a form.
    MaybeJson,
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

/// What a whole body was made into, and what goes with it while the request is answered.
pub(crate) struct Whole<T> {
    pub(crate) value: T,
    /// Bytes of the body, unpacked.
    pub(crate) length: usize,
    /// When the answer is of no use any more.
    pub(crate) deadline: Instant,
    /// The body's room in memory.
    _held: Held,
}

/// Reads a whole body and makes something of its text.
pub(crate) async fn whole<T: Send + 'static>(
    app: &App,
    headers: &HeaderMap,
    body: &mut Incoming,
    parse: impl FnOnce(&str) -> Result<T, Problem> + Send + 'static,
) -> Result<Whole<T>, Problem> {
    whole_bytes(app, headers, body, move |bytes| utf8(bytes).and_then(parse)).await
}

/// As [`whole`], for a body that is more than a text.
pub(crate) async fn whole_bytes<T: Send + 'static>(
    app: &App,
    headers: &HeaderMap,
    body: &mut Incoming,
    parse: impl FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
) -> Result<Whole<T>, Problem> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut held = app.room().hold();
    let bytes = body.read_all(app.limits().max_body_bytes, declared, &mut held).await?;
    let (length, deadline) = (bytes.len(), Instant::now() + app.limits().request_timeout);
    // The room goes with the work: should the caller leave, the memory is not free before the work is done.
    let (held, parsed) = aside(length, move || (held, parse(&bytes))).await;
    Ok(Whole { value: parsed?, length, deadline, _held: held })
}

/// The names and values of the query.
pub(crate) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|error| Problem::new(Code::InvalidField, format!("the query cannot be read: {error}")))?;
    Ok(pairs)
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
pub(crate) fn format(headers: &HeaderMap) -> Result<Format, Problem> {
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
    use axum::http::HeaderValue;

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
