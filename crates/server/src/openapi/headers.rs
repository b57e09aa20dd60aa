//! The headers of answers, each described once.

use serde_json::json;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Type};

/// All headers that answers refer to.
pub(crate) fn all() -> [(&'static str, Header); 6] {
    let traceparent = string().pattern(Some("^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"));
    [
        (
            "X-Request-Id",
            HeaderBuilder::new()
                .schema(Some(string().min_length(Some(1))))
                .description(Some("What the service's log calls this request."))
                .example(Some(json!(super::examples::REQUEST_ID)))
                .build(),
        ),
        (
            "traceparent",
            HeaderBuilder::new()
                .schema(Some(traceparent))
                .description(Some("The trace of this request, as in W3C Trace Context."))
                .example(Some(json!(super::examples::TRACEPARENT)))
                .build(),
        ),
        (
            "dateline-model",
            HeaderBuilder::new()
                .schema(Some(string()))
                .description(Some("The model that reads the lines."))
                .example(Some(json!("dateline-en-small")))
                .build(),
        ),
        (
            "dateline-offsets",
            HeaderBuilder::new()
                .schema(Some(Ref::from_schema_name("OffsetUnit")))
                .description(Some("The unit of the offsets in the lines."))
                .example(Some(json!("codepoint")))
                .build(),
        ),
        (
            "Retry-After",
            HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize))))
                .description(Some("When to try again, in seconds."))
                .example(Some(json!(2)))
                .build(),
        ),
        (
            "WWW-Authenticate",
            HeaderBuilder::new()
                .schema(Some(string()))
                .description(Some("How to send a key."))
                .example(Some(json!("Bearer")))
                .build(),
        ),
    ]
}

/// The response with the headers that every answer has.
pub(crate) fn common(response: ResponseBuilder) -> ResponseBuilder {
    refer(refer(response, "X-Request-Id"), "traceparent")
}

/// The response with the header of that name.
pub(crate) fn refer(response: ResponseBuilder, name: &str) -> ResponseBuilder {
    response.header_ref(name, Ref::new(format!("#/components/headers/{name}")))
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
