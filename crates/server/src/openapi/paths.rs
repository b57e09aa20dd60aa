//! The operations: what each takes and what it answers. Written with builders and not as attributes of the handlers, so
//! that the handlers stay readable; the contract test notices when the two part.

use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{
    Content, ContentBuilder, HttpMethod, PathItem, Paths, PathsBuilder, RefOr, Required, SecurityRequirement,
};

use super::problems::{Family, reference};
use super::{API_KEY, BEARER, examples, headers, integrations, protocols};

pub(super) const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

const ANNOTATE: &str = "\
Finds the names in one text (`text`), in many (`documents`), or in a stream of JSON lines, by the content type:

* `application/json`: one text or many. The options stand beside them or in the query, not in both.
* `application/x-ndjson` (or `application/ndjson`, `application/jsonl`, `application/jsonlines`, \
`application/x-jsonlines`): a document a line, of any number. Lines are answered in order while the body still \
arrives; fields other than `text` go back as they came. The options stand in the query. The status is 200 once the \
stream began: what is wrong with a line stands in its place.

A body may be compressed (`Content-Encoding: gzip`, `br` or `zstd`), and so is the answer where `Accept-Encoding` asks \
for it. A document that cannot be annotated does not keep back those beside it.";

const HUGGING_FACE: &str = "\
Takes and gives what a token-classification endpoint of Hugging Face does, so that a client made for one needs no \
change but its address. `{model}` is a name of `GET /v1/models`; a slash in it may stand as it is or as `%2F`. Offsets \
are code points there, and here unless the query says otherwise. Problems have the member `error`, which such clients \
read.";

/// All paths.
pub(crate) fn paths() -> Paths {
    protocols::paths(own()).build()
}

/// Those of the service's own contract.
fn own() -> PathsBuilder {
    let get = |operation: OperationBuilder| PathItem::new(HttpMethod::Get, operation);
    let post = |operation: OperationBuilder| PathItem::new(HttpMethod::Post, operation);
    PathsBuilder::new()
        .path("/v1/annotate", post(annotate()))
        .path("/v1/models", get(models()))
        .path("/v1/labels", get(labels()))
        .path("/v1/hf/{model}", post(hugging_face()))
        .path("/health/live", get(live()))
        .path("/health/ready", get(ready()))
        .path("/integrations/comprehend", post(integrations::comprehend()))
        .path("/integrations/label-studio/health", get(integrations::label_studio_health()))
        .path("/integrations/label-studio/versions", get(integrations::label_studio_versions()))
        .path("/integrations/label-studio/setup", post(integrations::label_studio_setup()))
        .path("/integrations/label-studio/predict", post(integrations::label_studio_predict()))
        .path("/integrations/label-studio/webhook", post(integrations::label_studio_webhook()))
        .path("/metrics", get(metrics()))
        .path("/openapi.json", get(document()))
        .path("/docs", get(docs()))
}

fn annotate() -> OperationBuilder {
    let json = content("AnnotateRequest", [("text", "One text", examples::one()), ("texts", "Many", examples::many())]);
    let lines = lines(Ref::from_schema_name("DocumentLine").into(), [("stream", "Two lines", examples::stream())]);
    let body = RequestBodyBuilder::new()
        .description(Some("One text, many, or a stream of them."))
        .required(Some(Required::True))
        .content(JSON, json)
        .content(LINES, lines)
        .build();
    let json = content(
        "AnnotateAnswer",
        [
            ("text", "One text", examples::one_answer()),
            ("texts", "Many", examples::many_answer()),
            ("texts-partial", "Many, one of them wrong", examples::partial_answer()),
        ],
    );
    let line =
        AnyOfBuilder::new().item(Ref::from_schema_name("AnnotatedLine")).item(Ref::from_schema_name("LineError"));
    let lines = self::lines(
        line.into(),
        [
            ("stream", "Two lines", examples::stream_answer()),
            ("stream-partial", "Two lines, one of them wrong", examples::partial_stream_answer()),
        ],
    );
    let answer = headers::common(ResponseBuilder::new().description("The mentions."));
    let answer = headers::refer(headers::refer(answer, "dateline-model"), "dateline-offsets");
    let answer = answer.content(JSON, json).content(LINES, lines);
    let operation = operation("annotate", "annotate", "Annotate texts", ANNOTATE).request_body(Some(body));
    let operation = QUERY.into_iter().fold(operation, |operation, name| operation.parameter_ref(parameter_ref(name)));
    let operation = operation.parameter_ref(parameter_ref("traceparent")).response("200", answer);
    refuse(keyed(operation), Family::Plain, &[400, 401, 408, 413, 415, 422, 429, 500, 503, 504])
}

fn models() -> OperationBuilder {
    let answer =
        ok("The models, the default one first.", JSON, content("Models", [("models", "A model", examples::models())]));
    let about = "The models that the service has loaded, each with what it marks.";
    refuse(
        keyed(operation("models", "models", "List the models", about).response("200", answer)),
        Family::Plain,
        &[401, 429],
    )
}

fn labels() -> OperationBuilder {
    let example = ("default", "The default model", examples::labels());
    let answer = ok("The labels.", JSON, content("Labels", [example]));
    let about = "What a model marks: the one named in the query, or the default one.";
    let operation = operation("models", "labels", "List the labels of a model", about);
    let operation = operation.parameter_ref(parameter_ref("model")).response("200", answer);
    refuse(keyed(operation), Family::Plain, &[401, 404, 422, 429])
}

fn hugging_face() -> OperationBuilder {
    let body = RequestBody::builder()
        .description(Some("One text, or many."))
        .required(Some(Required::True))
        .content(
            JSON,
            content("HfRequest", [("text", "One text", examples::hf()), ("texts", "Many", examples::hf_many())]),
        )
        .build();
    let answer = content(
        "HfAnswer",
        [
            ("text", "One text", examples::hf_answer()),
            ("texts", "Many", examples::hf_many_answer()),
            ("tokens", "One text, every token by itself", examples::hf_tokens_answer()),
        ],
    );
    let model = ParameterBuilder::new()
        .name("model")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The model that reads the texts, one of `GET /v1/models`."))
        .schema(Some(string().min_length(Some(1))))
        .example(Some(examples::MODEL.into()));
    let operation = operation("huggingface", "huggingFace", "Annotate texts as a Hugging Face endpoint", HUGGING_FACE)
        .parameter(model)
        .parameter_ref(parameter_ref("offsets"))
        .parameter_ref(parameter_ref("traceparent"))
        .request_body(Some(body))
        .response("200", ok("The mentions, for a list of texts a list each.", JSON, answer));
    refuse(keyed(operation), Family::HuggingFace, &[400, 401, 404, 408, 413, 415, 422, 429, 500, 503, 504])
}

fn live() -> OperationBuilder {
    let content = content("Live", [("live", "It runs", serde_json::json!({"status": "live"}))]);
    let about = "Answers 200 as long as the process runs; 503 if no device could be brought to work several times in a \
                 row, so that the process should be started anew. No key is asked for.";
    open(operation("operations", "live", "Whether the process runs", about))
        .response("200", ok("It runs.", JSON, content))
        .response("503", reference(Family::Plain, 503))
}

fn ready() -> OperationBuilder {
    let content = content("Ready", [("ready", "Ready", examples::ready())]);
    let about = "Answers 200 once a model has answered its first text, and until the shutdown begins. No key is asked \
                 for.";
    let operation = open(operation("operations", "ready", "Whether texts can be annotated", about))
        .response("200", ok("Texts can be annotated.", JSON, content));
    operation.response("503", reference(Family::Plain, 503))
}

fn metrics() -> OperationBuilder {
    let example = ExampleBuilder::new().summary("The first lines").value(Some(examples::METRICS.into()));
    let content = ContentBuilder::new().schema(Some(string())).examples_from_iter([("metrics", example)]).build();
    let about = "Counters and histograms in the OpenMetrics text format, for Prometheus and its like.";
    let operation = keyed(operation("operations", "metrics", "Metrics", about));
    refuse(
        operation.response("200", ok("The metrics.", "application/openmetrics-text", content)),
        Family::Plain,
        &[401, 429],
    )
}

fn document() -> OperationBuilder {
    let schema = ObjectBuilder::new().required("openapi").property("openapi", string().pattern(Some(r"^3\.1\.")));
    let example = serde_json::json!({
        "openapi": "3.1.0", "info": {"title": super::TITLE, "version": env!("CARGO_PKG_VERSION")}, "paths": {},
    });
    let example = ExampleBuilder::new().summary("Its beginning").value(Some(example));
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter([("document", example)]).build();
    let about = "This description, as OpenAPI 3.1. No key is asked for.";
    open(operation("operations", "openapi", "This document", about)).response("200", ok("The document.", JSON, content))
}

fn docs() -> OperationBuilder {
    let example = ExampleBuilder::new().summary("Its beginning").value(Some("<!doctype html>".into()));
    let content = ContentBuilder::new().schema(Some(string())).examples_from_iter([("page", example)]).build();
    let about = "A page to read this description on and to try the service. No key is asked for.";
    open(operation("operations", "docs", "This document, to read", about))
        .response("200", ok("The page.", "text/html", content))
}

/// The options of a request in its query.
const QUERY: [&str; 6] = ["offsets", "min_score", "labels", "model", "include_text", "entities"];

/// The shared parameters. They have neither example nor default: a page to try the service on would send these, and a
/// body that says the same again is refused.
pub(crate) fn parameters() -> Vec<Parameter> {
    let query = |name: &str, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(description))
    };
    let score = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0_usize)).maximum(Some(1_usize));
    let choice = || Some(ObjectBuilder::new().schema_type(Type::Boolean));
    let labels = ArrayBuilder::new().items(string().min_length(Some(1))).min_items(Some(1));
    vec![
        query("offsets", "The unit that `start` and `end` are counted in.")
            .schema(Some(Ref::from_schema_name("OffsetUnit")))
            .build(),
        query("min_score", "Leaves out mentions that the model is less sure of.").schema(Some(score)).build(),
        query("labels", "Keeps mentions of these labels only, separated by commas.")
            .style(Some(ParameterStyle::Form))
            .explode(Some(false))
            .schema(Some(labels))
            .build(),
        query("model", "A model, one of `GET /v1/models`; without it the default one.")
            .schema(Some(string()))
            .build(),
        query("include_text", "Whether each text goes back with its mentions.").schema(choice()).build(),
        query("entities", "Whether mentions of one thing are grouped into `entities`, too.").schema(choice()).build(),
        ParameterBuilder::new()
            .name("traceparent")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "The trace that the request belongs to, as in W3C Trace Context. One that is not well-formed is ignored.",
            ))
            .schema(Some(string()))
            .build(),
    ]
}

pub(super) fn parameter_ref(name: &str) -> Ref {
    Ref::new(format!("#/components/parameters/{name}"))
}

pub(super) fn operation(tag: &str, id: &str, summary: &str, description: &str) -> OperationBuilder {
    OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary)).description(Some(description))
}

/// An operation that wants a key if the service has any: no key, or either way to send one.
pub(super) fn keyed(operation: OperationBuilder) -> OperationBuilder {
    let none: [&str; 0] = [];
    operation
        .security(SecurityRequirement::default())
        .security(SecurityRequirement::new(BEARER, none))
        .security(SecurityRequirement::new(API_KEY, none))
}

/// An operation that never wants a key.
pub(super) fn open(operation: OperationBuilder) -> OperationBuilder {
    operation.securities(Some([]))
}

pub(super) fn refuse(operation: OperationBuilder, family: Family, statuses: &[u16]) -> OperationBuilder {
    statuses
        .iter()
        .fold(operation, |operation, &status| operation.response(status.to_string(), reference(family, status)))
}

pub(super) fn ok(description: &str, kind: &str, content: Content) -> ResponseBuilder {
    headers::common(ResponseBuilder::new().description(description)).content(kind, content)
}

pub(super) fn content<const N: usize>(schema: &str, examples: [(&'static str, &str, Value); N]) -> Content {
    let schema = Ref::from_schema_name(schema);
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(shown(examples)).build()
}

/// JSON lines. OpenAPI 3.1 has no word for them; as 3.2 does, the whole of them is described as an array, and shown as
/// the text that it is.
fn lines<const N: usize>(line: RefOr<Schema>, examples: [(&'static str, &str, Value); N]) -> Content {
    let schema = ArrayBuilder::new().items(line).description(Some("The lines, each a JSON value of its own."));
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(shown(examples)).build()
}

fn shown<const N: usize>(examples: [(&'static str, &str, Value); N]) -> [(&'static str, ExampleBuilder); N] {
    examples.map(|(name, summary, value)| (name, ExampleBuilder::new().summary(summary).value(Some(value))))
}

pub(super) fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
