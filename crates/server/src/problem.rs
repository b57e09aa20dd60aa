//! The single table from what can go wrong to its HTTP status, and the problem details of RFC 9457 that say so.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Everything that can be wrong with a request, as callers' programs see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidJson,
    InvalidUtf8,
    BodyBroken,
    NotFound,
    MethodNotAllowed,
    Timeout,
    BodyTooLarge,
    LineTooLarge,
    UnsupportedMediaType,
    MissingField,
    UnknownField,
    InvalidField,
    ModelFailed,
    NotReady,
}

impl Code {
    /// The table: status, code and title of every problem.
    const fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json", "Not valid JSON"),
            Self::InvalidUtf8 => (StatusCode::BAD_REQUEST, "invalid_utf8", "Not valid UTF-8"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken", "The body broke off"),
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
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The model is still warming up"),
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
}

impl Problem {
    /// A problem that has no place.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, place: None }
    }

    /// A problem of a field.
    pub(crate) fn of_field(code: Code, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, detail) }
    }

    /// The same problem at a line and column.
    pub(crate) fn at(self, place: (usize, usize)) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The model failed on a text.
    pub(crate) fn model_failed() -> Self {
        Self::new(Code::ModelFailed, "the model failed on this text; the operator of the service sees why")
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

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (status, name, title) = self.code.row();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:dateline:problem:{name}"))?;
        map.serialize_entry("title", title)?;
        map.serialize_entry("status", &status.as_u16())?;
        self.entries(&mut map)?;
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("a problem is plain JSON");
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        (self.code.status(), headers, body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
