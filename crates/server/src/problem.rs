//! The single table from what can go wrong to its HTTP status, and the problem details of RFC 9457 that say so.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dateline_engine::{Failure, Overloaded};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::observe;

/// Everything that can be wrong with a request, as callers' programs see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidJson,
    InvalidUtf8,
    BodyBroken,
    Unauthorized,
    NotFound,
    ModelNotFound,
    MethodNotAllowed,
    Timeout,
    BodyTooLarge,
    LineTooLarge,
    TooManyDocuments,
    UnsupportedMediaType,
    UnsupportedEncoding,
    MissingField,
    UnknownField,
    InvalidField,
    RateLimited,
    ModelFailed,
    Internal,
    NotReady,
    Overloaded,
    Draining,
    DeadlineExceeded,
}

impl Code {
    /// All of them.
    #[cfg(test)]
    const ALL: [Self; 23] = [
        Self::InvalidJson,
        Self::InvalidUtf8,
        Self::BodyBroken,
        Self::Unauthorized,
        Self::NotFound,
        Self::ModelNotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::BodyTooLarge,
        Self::LineTooLarge,
        Self::TooManyDocuments,
        Self::UnsupportedMediaType,
        Self::UnsupportedEncoding,
        Self::MissingField,
        Self::UnknownField,
        Self::InvalidField,
        Self::RateLimited,
        Self::ModelFailed,
        Self::Internal,
        Self::NotReady,
        Self::Overloaded,
        Self::Draining,
        Self::DeadlineExceeded,
    ];

    /// The table: status, code and title of every problem.
    const fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json", "Not valid JSON"),
            Self::InvalidUtf8 => (StatusCode::BAD_REQUEST, "invalid_utf8", "Not valid UTF-8"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken", "The body broke off"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "No valid API key"),
            Self::ModelNotFound => (StatusCode::NOT_FOUND, "model_not_found", "No such model"),
            Self::TooManyDocuments => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_documents", "Too many documents"),
            Self::UnsupportedEncoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "Unsupported content encoding")
            }
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The service failed"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too much work is waiting"),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining", "The service is shutting down"),
            Self::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", "It took too long"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "No such resource"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed"),
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "timeout", "The other side went silent"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large"),
            Self::LineTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "line_too_large", "The line is too long"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported content type")
            }
            Self::MissingField => (StatusCode::UNPROCESSABLE_ENTITY, "missing_field", "A field is missing"),
            Self::UnknownField => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_field", "Unknown field"),
            Self::InvalidField => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", "A field has a wrong value"),
            Self::ModelFailed => (StatusCode::INTERNAL_SERVER_ERROR, "model_failed", "The model failed"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The model is not ready"),
        }
    }

    /// The HTTP status.
    pub(crate) const fn status(self) -> StatusCode {
        self.row().0
    }

    /// The code's name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        self.row().1
    }
}

/// What was wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) detail: String,
    /// The field of the body or of the query that is at fault.
    pub(crate) field: Option<String>,
    /// Line and column of the body, from 1, counted in characters.
    pub(crate) place: Option<(usize, usize)>,
    /// When to try again, in seconds.
    pub(crate) retry_after: Option<u64>,
}

/// What a response carries so that the log can say what was wrong. Never the detail: it may quote the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProblemCode(pub(crate) Code);

impl Problem {
    /// A problem that has no place.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, place: None, retry_after: None }
    }

    /// A problem of a field.
    pub(crate) fn of_field(code: Code, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, detail) }
    }

    /// The same problem at a line and column.
    pub(crate) fn at(self, place: (usize, usize)) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The same problem, to be tried again after so many seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The entries that say more than the code: detail and, when known, field, line and column.
    pub(crate) fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("code", self.code.name())?;
        map.serialize_entry("detail", &self.detail)?;
        if let Some(field) = &self.field {
            map.serialize_entry("field", field)?;
        }
        if let Some((line, column)) = self.place {
            map.serialize_entry("line", &line)?;
            map.serialize_entry("column", &column)?;
        }
        Ok(())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Model => {
                Self::new(Code::ModelFailed, "the model failed on this text; the operator of the service sees why")
            }
            Failure::Deadline => Self::new(
                Code::DeadlineExceeded,
                "the answer took longer than this service allows a request; send less at once, or a stream of lines \
                 (application/x-ndjson), which may take any time",
            ),
            Failure::Stopped => draining(),
        }
    }
}

impl From<Overloaded> for Problem {
    fn from(overloaded: Overloaded) -> Self {
        let seconds = overloaded.retry_after.as_secs().max(1);
        let detail = format!("too many texts wait for the model; try again in {seconds} s");
        Self::new(Code::Overloaded, detail).retry_after(seconds)
    }
}

/// The service is about to end.
pub(crate) fn draining() -> Problem {
    Problem::new(Code::Draining, "the service is shutting down; another instance may answer").retry_after(1)
}

impl Problem {
    fn head<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let (status, name, title) = self.code.row();
        map.serialize_entry("type", &format_args!("urn:dateline:problem:{name}"))?;
        map.serialize_entry("title", title)?;
        map.serialize_entry("status", &status.as_u16())?;
        self.entries(map)
    }

    /// The response, with `extra` as further members of its body.
    pub(crate) fn response_with(self, extra: &[(&str, &str)]) -> Response {
        let body = Body { problem: &self, request_id: observe::request_id(), extra };
        let body = serde_json::to_vec(&body).expect("a problem is plain JSON");
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (self.code.status(), headers, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(ProblemCode(self.code));
        response
    }
}

/// A problem that stands in a line of an answer.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.head(&mut map)?;
        map.end()
    }
}

/// A problem that is an answer.
struct Body<'p> {
    problem: &'p Problem,
    request_id: Option<String>,
    extra: &'p [(&'p str, &'p str)],
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.problem.head(&mut map)?;
        if let Some(id) = &self.request_id {
            map.serialize_entry("request_id", id)?;
        }
        for (name, value) in self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.response_with(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::problems::PROBLEMS;

    /// What the service's description says of problems is what the service says.
    #[test]
    fn the_description_names_every_problem() {
        let described: Vec<_> = PROBLEMS.iter().map(|row| (row.status, row.code, row.title)).collect();
        let said: Vec<_> = Code::ALL.iter().map(|code| code.row()).collect();
        for (status, code, title) in &said {
            assert!(
                described.contains(&(status.as_u16(), code, title)),
                "{code} is not described so: {status}, {title}"
            );
        }
        assert_eq!(described.len(), said.len());
    }

    #[test]
    fn is_a_problem_detail() {
        let problem = Problem::of_field(Code::UnknownField, "txet", "unknown field").at((3, 7));
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            concat!(
                r#"{"type":"urn:dateline:problem:unknown_field","title":"Unknown field","status":422,"#,
                r#""code":"unknown_field","detail":"unknown field","field":"txet","line":3,"column":7}"#
            )
        );
        assert_eq!(problem.into_response().headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
