//! The shapes of what goes over the wire, for the OpenAPI document only.
//!
//! Nothing of this is ever filled in: the wire types serialise by hand, so that ids and unknown fields go back to the
//! letter, which no derived type can do. The price is that a shape stands in two places; the contract test (`make
//! contract`), which asks a running service what this document promises, is what holds the two together.
//! The comments of types and fields are the descriptions that readers of the document see.

#![expect(dead_code, reason = "described, never made")]

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::problems;

/// An id is what no derived schema says: a string or any number, or null.
pub(crate) struct DocumentId;

impl PartialSchema for DocumentId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Number, Type::Null]))
            .description(Some(
                "Whatever the caller calls the document: a string or a number. It goes back to the letter, digits \
                 beyond what a 64-bit number holds included. `null` is as good as none.",
            ))
            .examples([json!("story-17"), json!(17)])
            .into()
    }
}

impl ToSchema for DocumentId {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("DocumentId")
    }
}

/// The unit that `start` and `end` are counted in. `text[start..end]`, counted so, is always the mention.
///
/// * `codepoint`, unless asked otherwise: Unicode code points, as Python, spaCy, Label Studio and W3C Web Annotation count
/// * `utf16`: UTF-16 code units, as JavaScript, Java and UIMA count
/// * `byte`: bytes of UTF-8, as Rust, Go and search indexes count
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum OffsetUnit {
    Codepoint,
    Utf16,
    Byte,
}

/// One text.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnnotateOne {
    #[schema(required = false)]
    id: DocumentId,
    /// The text to annotate, of any length: long ones are read in overlapping windows.
    text: String,
    #[schema(required = false)]
    offsets: OffsetUnit,
    /// Leaves out mentions that the model is less sure of.
    #[schema(required = false, minimum = 0, maximum = 1, default = 0)]
    min_score: f64,
    /// Keeps mentions of these labels only. Each must be one that the model knows; `GET /v1/labels` lists them.
    #[schema(required = false, example = json!(["UNIT", "WEAPON"]))]
    labels: Vec<String>,
    /// The model that reads the text, one of `GET /v1/models`; without it the default one.
    #[schema(required = false, example = "dateline-en-small")]
    model: String,
    /// Whether the text goes back with its mentions.
    #[schema(required = false, default = false)]
    include_text: bool,
    /// Whether mentions of one thing are grouped into `entities`, too.
    #[schema(required = false, default = true)]
    entities: bool,
}

/// Many texts.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnnotateMany {
    /// The texts, in the order in which they are answered.
    documents: Vec<Document>,
    #[schema(required = false)]
    offsets: OffsetUnit,
    /// Leaves out mentions that the model is less sure of.
    #[schema(required = false, minimum = 0, maximum = 1, default = 0)]
    min_score: f64,
    /// Keeps mentions of these labels only. Each must be one that the model knows; `GET /v1/labels` lists them.
    #[schema(required = false, example = json!(["UNIT", "WEAPON"]))]
    labels: Vec<String>,
    /// The model that reads the texts, one of `GET /v1/models`; without it the default one.
    #[schema(required = false, example = "dateline-en-small")]
    model: String,
    /// Whether each text goes back with its mentions.
    #[schema(required = false, default = false)]
    include_text: bool,
    /// Whether mentions of one thing are grouped into `entities`, too.
    #[schema(required = false, default = true)]
    entities: bool,
}

/// One text or many, with the options for all of them. A name that stands in neither form is refused.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum AnnotateRequest {
    One(AnnotateOne),
    Many(AnnotateMany),
}

/// One of many texts.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    #[schema(required = false)]
    id: DocumentId,
    /// The text to annotate, of any length.
    text: String,
}

/// A line of a streamed body. Fields other than `id` and `text` go back as they came; old `mentions` and
/// `entities` make way for the new ones.
#[derive(ToSchema)]
pub(crate) struct DocumentLine {
    #[schema(required = false)]
    id: DocumentId,
    /// The text to annotate, of any length up to the service's limit for a line.
    text: String,
}

/// A stretch of the text that names something.
#[derive(ToSchema)]
pub(crate) struct Mention {
    /// Where it begins, in the unit of `offsets`.
    start: usize,
    /// Where it ends: one past its last unit.
    end: usize,
    /// What it names, one of the model's labels.
    #[schema(example = "PLACE")]
    label: String,
    /// The mention itself, exactly as it stands in the text.
    text: String,
    /// How sure the model is: among mentions with 0.9, nine of ten are right.
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
}

/// Somebody or something that the text names, once or more often.
#[derive(ToSchema)]
pub(crate) struct Entity {
    /// What it is: the label of its mentions.
    #[schema(example = "PLACE")]
    label: String,
    /// Its name: that of its mentions which says most.
    name: String,
    /// Its mentions: places in the list `mentions`, counted from 0.
    mentions: Vec<usize>,
    /// How many they are.
    #[schema(minimum = 1)]
    count: usize,
    /// The best score of its mentions.
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
    /// How much the text is about it.
    #[schema(minimum = 0, maximum = 1)]
    relevance: f64,
}

/// The answer to one text.
#[derive(ToSchema)]
pub(crate) struct OneAnswer {
    /// The model that read the text.
    model: String,
    offsets: OffsetUnit,
    #[schema(required = false)]
    id: DocumentId,
    /// The text, if `include_text` asked for it.
    #[schema(required = false)]
    text: String,
    /// What the text names, in its order; mentions never overlap.
    mentions: Vec<Mention>,
    /// Who and what that is, those that the text is most about first; not there if the request says `entities: false`.
    #[schema(required = false)]
    entities: Vec<Entity>,
}

/// The answer to many texts.
#[derive(ToSchema)]
pub(crate) struct ManyAnswer {
    /// The model that read the texts.
    model: String,
    offsets: OffsetUnit,
    /// What was annotated, in the order of the request.
    documents: Vec<AnnotatedDocument>,
    /// What could not be annotated, in the order of the request. One bad document does not keep the others back.
    errors: Vec<DocumentError>,
}

/// The answer to a JSON body: for one text its mentions, for many the documents.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum AnnotateAnswer {
    One(OneAnswer),
    Many(ManyAnswer),
}

/// One of many texts, read.
#[derive(ToSchema)]
pub(crate) struct AnnotatedDocument {
    #[schema(required = false)]
    id: DocumentId,
    /// The text, if `include_text` asked for it.
    #[schema(required = false)]
    text: String,
    /// What the text names, in its order; mentions never overlap.
    mentions: Vec<Mention>,
    /// Who and what that is, those that the text is most about first; not there if the request says `entities: false`.
    #[schema(required = false)]
    entities: Vec<Entity>,
}

/// A line of a streamed body, read: the caller's fields as they came, and the mentions.
#[derive(ToSchema)]
pub(crate) struct AnnotatedLine {
    #[schema(required = false)]
    id: DocumentId,
    /// What the text names, in its order; mentions never overlap.
    mentions: Vec<Mention>,
    /// Who and what that is, those that the text is most about first; not there if the request says `entities: false`.
    #[schema(required = false)]
    entities: Vec<Entity>,
}

/// What stands in the place of a line that could not be annotated.
#[derive(ToSchema)]
pub(crate) struct LineError {
    /// The line of the body, from 1.
    #[schema(minimum = 1)]
    line: usize,
    #[schema(required = false)]
    id: DocumentId,
    error: Problem,
}

/// What was wrong with one of many documents.
#[derive(ToSchema)]
pub(crate) struct DocumentError {
    /// Which of `documents` it is, from 0.
    index: usize,
    #[schema(required = false)]
    id: DocumentId,
    code: ProblemCode,
    /// What was wrong, and what to do.
    detail: String,
    /// The field at fault.
    #[schema(required = false)]
    field: String,
    /// The line of the body at fault, from 1.
    #[schema(required = false, minimum = 1)]
    line: usize,
    /// The column of that line, from 1, in characters.
    #[schema(required = false, minimum = 1)]
    column: usize,
}

/// The codes of problems, out of their table.
pub(crate) struct ProblemCode;

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        let about = "Everything that can be wrong, for programs. Codes may be added; none changes its meaning.";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(format!("{about}\n\n{}", problems::table())))
            .enum_values(Some(problems::PROBLEMS.iter().map(|row| row.code)))
            .into()
    }
}

impl ToSchema for ProblemCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemCode")
    }
}

/// What was wrong, where, and what to do: a problem detail as in RFC 9457.
#[derive(ToSchema)]
pub(crate) struct Problem {
    /// The code as a URI. It names the kind of problem; there is nothing to fetch.
    #[schema(schema_with = problem_type)]
    r#type: String,
    /// The kind of problem, for people. It never differs from one occurrence to the next.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    code: ProblemCode,
    /// What was wrong this time, and what to do. For people: its wording may change.
    detail: String,
    /// The field of the body, or the parameter of the query, that is at fault.
    #[schema(required = false)]
    field: String,
    /// The line of the body at fault, from 1.
    #[schema(required = false, minimum = 1)]
    line: usize,
    /// The column of that line, from 1, in characters.
    #[schema(required = false, minimum = 1)]
    column: usize,
    /// The same as the header `X-Request-Id`: what to tell the operator.
    #[schema(required = false)]
    request_id: String,
}

fn problem_type() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .pattern(Some("^urn:dateline:problem:[a-z0-9_]+$"))
        .description(Some("The code as a URI. It names the kind of problem; there is nothing to fetch."))
        .into()
}

/// The models of the service.
#[derive(ToSchema)]
pub(crate) struct Models {
    /// All of them, the default one first.
    models: Vec<Model>,
}

/// A model.
#[derive(ToSchema)]
pub(crate) struct Model {
    /// What `model` calls it.
    #[schema(example = "dateline-en-small")]
    name: String,
    /// Whether it reads texts for which no model is named.
    default: bool,
    /// The kind of network.
    #[schema(example = "bert")]
    architecture: String,
    /// How many tokens it sees at once. Longer texts are read in overlapping windows of this size.
    #[schema(minimum = 1)]
    window_tokens: usize,
    /// How exactly it computes: `int8`, `bf16` or `f32`.
    #[schema(example = "int8")]
    precision: String,
    /// What it marks.
    labels: Vec<String>,
}

/// What a model marks.
#[derive(ToSchema)]
pub(crate) struct Labels {
    /// The model.
    model: String,
    /// Its labels.
    labels: Vec<String>,
}

/// The process runs.
#[derive(ToSchema)]
pub(crate) struct Live {
    #[schema(pattern = "^live$")]
    status: String,
}

/// Texts can be annotated.
#[derive(ToSchema)]
pub(crate) struct Ready {
    #[schema(pattern = "^ready$")]
    status: String,
    /// The devices that the models run on.
    devices: Vec<DeviceState>,
    /// The names of the models, the default one first.
    models: Vec<String>,
}

/// A device that the models run on.
#[derive(ToSchema)]
pub(crate) struct DeviceState {
    /// Its name.
    #[schema(example = "cpu")]
    device: String,
    /// Whether texts run on it; one that failed is started again while the others go on.
    #[schema(schema_with = device_state)]
    state: String,
}

fn device_state() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Whether texts run on it; one that failed is started again while the others go on."))
        .enum_values(Some(["ready", "starting", "restarting", "failing"]))
        .into()
}
