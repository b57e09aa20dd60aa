//! What can go wrong, as the document tells it: every code with its status and an example, and from these the responses
//! that operations share. A table beside that of `problem.rs` because a reader wants to see what a problem looks like,
//! which the service's own table does not know.

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::Ref;
use utoipa::openapi::{ContentBuilder, RefOr};

/// A code with an example.
pub(crate) struct Row {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The code on the wire.
    pub(crate) code: &'static str,
    /// The title on the wire.
    pub(crate) title: &'static str,
    detail: &'static str,
    /// What the example has beside its detail: the field, line and column.
    field: Option<&'static str>,
    place: Option<(u32, u32)>,
}

const fn row(status: u16, code: &'static str, title: &'static str, detail: &'static str) -> Row {
    Row { status, code, title, detail, field: None, place: None }
}

impl Row {
    const fn of(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    const fn at(self, line: u32, column: u32) -> Self {
        Self { place: Some((line, column)), ..self }
    }

    fn example(&self) -> Value {
        let mut problem = json!({
            "type": format!("urn:dateline:problem:{}", self.code),
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": super::examples::REQUEST_ID,
        });
        if let Some(field) = self.field {
            problem["field"] = field.into();
        }
        if let Some((line, column)) = self.place {
            problem["line"] = line.into();
            problem["column"] = column.into();
        }
        problem
    }
}

/// Every code.
pub(crate) const PROBLEMS: [Row; 23] = [
    row(400, "invalid_json", "Not valid JSON", "not valid JSON at line 1, column 17: EOF while parsing a string")
        .at(1, 17),
    row(400, "invalid_utf8", "Not valid UTF-8", "the body is not valid UTF-8 at line 1, column 12: send UTF-8")
        .at(1, 12),
    row(400, "body_broken", "The body broke off", "the body broke off, or is not what its Content-Encoding says"),
    row(401, "unauthorized", "No valid API key", "send a valid API key: Authorization: Bearer KEY, or X-API-Key: KEY"),
    row(404, "not_found", "No such resource", "nothing is at /v3; texts go to POST /v1/annotate, the page is at /"),
    row(404, "model_not_found", "No such model", "there is no model \"tiny\"; there is dateline-en-small"),
    row(405, "method_not_allowed", "Method not allowed", "GET is not what /v1/annotate takes: use POST"),
    row(408, "timeout", "The other side went silent", "no more of the body came for 60 seconds"),
    row(413, "body_too_large", "The body is too large", "the body is larger than 33554432 bytes; send it in parts"),
    row(413, "line_too_large", "The line is too long", "line 3 is longer than 33554432 bytes").at(3, 1),
    row(413, "too_many_documents", "Too many documents", "more than 10000 documents; send application/x-ndjson")
        .of("documents"),
    row(415, "unsupported_media_type", "Unsupported content type", "the content type \"text/plain\" is not accepted"),
    row(
        415,
        "unsupported_encoding",
        "Unsupported content encoding",
        "the content encoding \"deflate\" is not accepted; send gzip, br or zstd",
    ),
    row(422, "missing_field", "A field is missing", "`text` is missing: a string to annotate").of("text"),
    row(422, "unknown_field", "Unknown field", "unknown field `txet`; known are id, text").of("txet").at(1, 11),
    row(422, "invalid_field", "A field has a wrong value", "`min_score`: 1.5 is not between 0 and 1")
        .of("min_score")
        .at(1, 34),
    row(429, "rate_limited", "Too many requests", "more requests than this key may make; try again in 2 seconds"),
    row(500, "model_failed", "The model failed", "the model failed on this text; the operator of the service sees why"),
    row(500, "internal", "The service failed", "the service failed; its operator sees why under the request id"),
    row(503, "not_ready", "The model is not ready", "the model has not answered its first text yet; ask again soon"),
    row(503, "overloaded", "Too much work is waiting", "too many texts are waiting; try again in 3 seconds"),
    row(503, "draining", "The service is shutting down", "the service is shutting down; another instance may answer"),
    row(504, "deadline_exceeded", "It took too long", "the answer took longer than 60 seconds; send less at once"),
];

/// What no documented operation answers: another path, another method, and a line of a stream whose status is 200.
const ELSEWHERE: [&str; 3] = ["not_found", "method_not_allowed", "line_too_large"];

/// Every status of a refusal: the name of its response, and what it says.
const STATUSES: [(u16, &str, &str); 11] = [
    (400, "Malformed", "The body is not what it says it is."),
    (401, "Unauthorized", "The service wants an API key, and there is no valid one."),
    (404, "NoSuchModel", "The service has no such model."),
    (408, "TimedOut", "The rest of the body did not come."),
    (413, "TooLarge", "The body has more bytes, or more documents, than the service takes at once."),
    (415, "Unsupported", "The content type or content encoding is not accepted."),
    (422, "Refused", "The body can be read, but a field of it or of the query is missing, unknown or wrong."),
    (429, "RateLimited", "The caller asks more often than it may."),
    (500, "Failed", "The service failed. It is not the caller's fault."),
    (503, "Unavailable", "The service cannot take the request now; later, or on another instance, it can."),
    (504, "TooSlow", "The answer took longer than the service allows."),
];

/// What the problems of a route look like.
#[derive(Clone, Copy)]
pub(crate) enum Family {
    /// Problem details.
    Plain,
    /// Problem details with the member that clients of Hugging Face endpoints read.
    HuggingFace,
}

impl Family {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::HuggingFace => "Hf",
        }
    }
}

/// A reference to the shared response for `status`.
pub(crate) fn reference(family: Family, status: u16) -> Ref {
    let (_, name, _) =
        STATUSES.iter().find(|row| row.0 == status).expect("operations refuse with statuses of the table");
    Ref::from_response_name(format!("{}{name}", family.prefix()))
}

/// The shared responses, by name.
pub(crate) fn responses() -> impl Iterator<Item = (String, RefOr<Response>)> {
    [Family::Plain, Family::HuggingFace].into_iter().flat_map(|family| {
        STATUSES.iter().map(move |&(status, name, description)| {
            (format!("{}{name}", family.prefix()), response(family, status, description).into())
        })
    })
}

fn response(family: Family, status: u16, description: &str) -> ResponseBuilder {
    let rows = PROBLEMS.iter().filter(|row| row.status == status && !ELSEWHERE.contains(&row.code));
    let examples = rows.map(|row| {
        let mut example = row.example();
        if matches!(family, Family::HuggingFace) {
            example["error"] = row.detail.into();
        }
        (row.code, ExampleBuilder::new().summary(row.title).value(Some(example)))
    });
    let schema = Ref::from_schema_name(format!("{}Problem", family.prefix()));
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    let response = super::headers::common(ResponseBuilder::new().description(description));
    let response = match status {
        401 => super::headers::refer(response, "WWW-Authenticate"),
        429 | 503 => super::headers::refer(response, "Retry-After"),
        _ => response,
    };
    response.content("application/problem+json", content)
}

/// The table of codes as Markdown, for the description of the codes.
pub(crate) fn table() -> String {
    let rows = PROBLEMS.iter().map(|row| format!("| {} | `{}` | {} |\n", row.status, row.code, row.title));
    format!("| status | code | meaning |\n|---|---|---|\n{}", rows.collect::<String>())
}
