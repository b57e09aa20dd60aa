//! The protocols of other products, for the OpenAPI document only: what their clients send and get. These protocols have
//! descriptions of their own; what stands here is what this service makes of them.

#![expect(dead_code, reason = "described, never made")]

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{RefOr, Required};

use super::problems::Family;
use super::{examples, headers};
use crate::openapi::paths::{JSON, content, keyed, ok, operation, refuse, string};

const AMAZON_JSON: &str = "application/x-amz-json-1.1";

const COMPREHEND: &str = "\
Amazon Comprehend's `DetectEntities` and `BatchDetectEntities`, as the AWS SDKs send them (AWS JSON 1.1), here and at `/`. \
The header `X-Amz-Target` names the action. The key of this service is the access key id of the signature, which is not \
checked otherwise. Offsets are code points. Limits and errors are Amazon's.";

const PREDICT: &str = "\
Predictions for tasks of Label Studio. `label_config` says which text of a task is meant and which labels there are; a \
label that it does not offer is left out. Without `label_config` that of the project's last setup counts. A task without \
a text has an empty prediction; one on which the model failed has an empty list in its place. Offsets are code points.";

/// What `DetectEntities` or `BatchDetectEntities` takes; other members are let through.
#[derive(ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ComprehendRequest {
    /// The language of the texts, one that this service reads.
    #[schema(example = "en")]
    language_code: String,
    /// `DetectEntities`: the text, of at most 100,000 bytes.
    text: Option<String>,
    /// `BatchDetectEntities`: at most 25 texts, of at most 5,000 bytes each.
    #[schema(min_items = 1, max_items = 25)]
    text_list: Option<Vec<String>>,
}

/// What was found in one text (`Entities`), or in many (`ResultList`, `ErrorList`).
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum ComprehendAnswer {
    One(ComprehendEntities),
    Many(ComprehendBatch),
}

/// What was found in a text.
#[derive(ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ComprehendEntities {
    entities: Vec<ComprehendEntity>,
}

/// What was found in many texts, and which of them could not be read.
#[derive(ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ComprehendBatch {
    result_list: Vec<ComprehendResult>,
    error_list: Vec<ComprehendError>,
}

/// What was found in one of many texts.
#[derive(ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ComprehendResult {
    /// Which text, from 0.
    index: usize,
    entities: Vec<ComprehendEntity>,
}

/// What was wrong with one of many texts.
#[derive(ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ComprehendError {
    /// Which text, from 0.
    index: usize,
    #[schema(example = "TEXT_SIZE_LIMIT_EXCEEDED")]
    error_code: String,
    error_message: String,
}

/// A mention.
#[derive(ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ComprehendEntity {
    /// How sure the model is.
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
    /// What it names.
    r#type: ComprehendType,
    /// The mention.
    text: String,
    /// Where it begins, in code points.
    begin_offset: usize,
    /// One past its end, in code points.
    end_offset: usize,
}

/// The types of Comprehend.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ComprehendType {
    Person,
    Location,
    Organization,
    CommercialItem,
    Event,
    Date,
    Quantity,
    Title,
    Other,
}

/// What went wrong, under Amazon's name for it.
#[derive(ToSchema)]
pub(crate) struct ComprehendFault {
    #[serde(rename = "__type")]
    #[schema(example = "InvalidRequestException")]
    kind: String,
    #[serde(rename = "Message")]
    message: String,
}

/// Tasks to predict; other members are let through.
#[derive(ToSchema)]
pub(crate) struct LabelStudioTasks {
    tasks: Vec<LabelStudioTask>,
    /// The XML of the labelling interface.
    label_config: Option<String>,
    /// The project, whose last setup counts if there is no `label_config`.
    #[schema(required = false)]
    project: super::schemas::DocumentId,
    /// The model that reads the texts, one of `GET /v1/models`; another name is as good as none.
    model_version: Option<String>,
}

/// A task; other members are let through.
#[derive(ToSchema)]
pub(crate) struct LabelStudioTask {
    /// Its data, among them the text.
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
}

/// A prediction for each task, in their order.
#[derive(ToSchema)]
pub(crate) struct LabelStudioResults {
    results: Vec<LabelStudioPredictions>,
}

/// A prediction, or an empty list where the model failed.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum LabelStudioPredictions {
    One(LabelStudioPrediction),
    None(Vec<LabelStudioPrediction>),
}

/// What was found in a task.
#[derive(ToSchema)]
pub(crate) struct LabelStudioPrediction {
    /// The model that read it.
    #[schema(example = "dateline-en-small")]
    model_version: String,
    /// The average of the regions' scores; null if there are none.
    #[schema(required)]
    score: Option<f64>,
    result: Vec<LabelStudioRegion>,
}

/// A mention under a control of the interface.
#[derive(ToSchema)]
pub(crate) struct LabelStudioRegion {
    /// The same for the same region.
    id: String,
    from_name: String,
    to_name: String,
    /// Always `labels`.
    #[schema(example = "labels")]
    r#type: String,
    value: LabelStudioLabelled,
    /// How sure the model is.
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
}

/// Where a region is and what it names.
#[derive(ToSchema)]
pub(crate) struct LabelStudioLabelled {
    /// Where it begins, in code points.
    start: usize,
    /// One past its end, in code points.
    end: usize,
    /// The mention.
    text: String,
    /// Its one label, as the interface has it.
    labels: Vec<String>,
}

/// A project that is connected. Only these members are read.
#[derive(ToSchema)]
pub(crate) struct LabelStudioSetup {
    #[schema(required = false)]
    project: super::schemas::DocumentId,
    /// The XML of its labelling interface.
    schema: Option<String>,
}

/// The model that a connected project gets.
#[derive(ToSchema)]
pub(crate) struct LabelStudioVersion {
    #[schema(example = "dateline-en-small")]
    model_version: String,
}

/// The models that there are.
#[derive(ToSchema)]
pub(crate) struct LabelStudioVersions {
    versions: Vec<String>,
}

/// The backend is up.
#[derive(ToSchema)]
pub(crate) struct LabelStudioHealth {
    #[schema(example = "UP")]
    status: String,
    #[schema(example = "Dateline")]
    model_class: String,
}

/// Something that happened in a project.
#[derive(ToSchema)]
pub(crate) struct LabelStudioEvent {
    #[schema(example = "ANNOTATION_CREATED")]
    action: Option<String>,
}

/// An event was heard.
#[derive(ToSchema)]
pub(crate) struct LabelStudioHeard {
    #[schema(example = "ok")]
    status: String,
    /// Always null: nothing follows from an event.
    #[schema(required, value_type = Option<Object>)]
    result: Option<Value>,
}

/// The schemas of all protocols, by name.
pub(super) fn collect(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    fn one<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
    one::<ComprehendRequest>(schemas);
    one::<ComprehendAnswer>(schemas);
    one::<ComprehendFault>(schemas);
    one::<LabelStudioTasks>(schemas);
    one::<LabelStudioResults>(schemas);
    one::<LabelStudioSetup>(schemas);
    one::<LabelStudioVersion>(schemas);
    one::<LabelStudioVersions>(schemas);
    one::<LabelStudioHealth>(schemas);
    one::<LabelStudioEvent>(schemas);
    one::<LabelStudioHeard>(schemas);
}

fn body(description: &str, kind: &str, content: utoipa::openapi::Content) -> RequestBody {
    let body = RequestBodyBuilder::new().description(Some(description)).required(Some(Required::True));
    body.content(kind, content).build()
}

/// Amazon Comprehend.
pub(super) fn comprehend() -> OperationBuilder {
    let actions = ["DetectEntities", "BatchDetectEntities"].map(|name| format!("Comprehend_20171127.{name}"));
    let target = ParameterBuilder::new()
        .name("X-Amz-Target")
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some("The action."))
        .schema(Some(string().enum_values(Some(actions))));
    let request = content(
        "ComprehendRequest",
        [("text", "One text", examples::comprehend()), ("texts", "Many", examples::comprehend_many())],
    );
    let answer = content(
        "ComprehendAnswer",
        [("text", "One text", examples::comprehend_answer()), ("texts", "Many", examples::comprehend_many_answer())],
    );
    let operation = operation("integrations", "comprehend", "Annotate texts as Amazon Comprehend", COMPREHEND)
        .parameter(target)
        .request_body(Some(body("One text, or many.", AMAZON_JSON, request)))
        .response("200", ok("The entities.", AMAZON_JSON, answer));
    let faults = [
        (400, "InvalidRequestException", "The request is wrong, or its key is."),
        (429, "TooManyRequestsException", "The caller asks more often than it may."),
        (500, "InternalServerException", "The service failed. It is not the caller's fault."),
        (503, "ServiceUnavailableException", "The service cannot take the request now; later it can."),
    ];
    faults.into_iter().fold(keyed(operation), |operation, (status, name, description)| {
        operation.response(status.to_string(), fault(status, name, description))
    })
}

fn fault(status: u16, name: &str, description: &str) -> ResponseBuilder {
    let example = json!({"__type": name, "Message": description});
    let kind = HeaderBuilder::new().schema(Some(string())).description(Some("The name of the error, as in the body."));
    let response =
        headers::common(ResponseBuilder::new().description(description)).header("x-amzn-errortype", kind.build());
    let response = if status == 429 || status == 503 { headers::refer(response, "Retry-After") } else { response };
    response.content(AMAZON_JSON, content("ComprehendFault", [("fault", "An error", example)]))
}

/// Label Studio's machine learning backend: predictions.
pub(super) fn label_studio_predict() -> OperationBuilder {
    let request = content("LabelStudioTasks", [("task", "One task", examples::label_studio())]);
    let answer = content("LabelStudioResults", [("task", "One task", examples::label_studio_answer())]);
    let operation = operation("integrations", "labelStudioPredict", "Predict tasks of Label Studio", PREDICT)
        .request_body(Some(body("Tasks and their interface.", JSON, request)))
        .response("200", ok("A prediction for each task.", JSON, answer));
    refuse(keyed(operation), Family::Plain, &[400, 401, 408, 413, 415, 422, 429, 500, 503, 504])
}

/// Label Studio's machine learning backend: a project is connected.
pub(super) fn label_studio_setup() -> OperationBuilder {
    let example = json!({"project": "1.1732300000", "schema": examples::INTERFACE});
    let request = content("LabelStudioSetup", [("project", "A project", example)]);
    let answer = json!({"model_version": examples::MODEL});
    let answer = content("LabelStudioVersion", [("model", "The model", answer)]);
    let about = "Reads the interface of a project, and keeps it for predictions that come without one. Tokens and \
                 addresses that Label Studio sends along are neither read nor kept.";
    let operation = operation("integrations", "labelStudioSetup", "Connect a project of Label Studio", about)
        .request_body(Some(body("The project and its interface.", JSON, request)))
        .response("200", ok("It is connected.", JSON, answer));
    refuse(keyed(operation), Family::Plain, &[400, 401, 408, 413, 415, 422, 429])
}

/// Label Studio's machine learning backend: events.
pub(super) fn label_studio_webhook() -> OperationBuilder {
    let request = content("LabelStudioEvent", [("event", "An event", json!({"action": "ANNOTATION_CREATED"}))]);
    let answer = content("LabelStudioHeard", [("heard", "Heard", json!({"status": "ok", "result": null}))]);
    let about = "Nothing follows from an event. `START_TRAINING` is refused: this service does not train.";
    let operation = operation("integrations", "labelStudioWebhook", "Hear of an event in Label Studio", about)
        .request_body(Some(body("The event.", JSON, request)))
        .response("200", ok("It was heard.", JSON, answer));
    refuse(keyed(operation), Family::Plain, &[400, 401, 408, 413, 415, 422, 429])
}

/// Label Studio's machine learning backend: whether it is up.
pub(super) fn label_studio_health() -> OperationBuilder {
    let example = json!({"status": "UP", "model_class": "Dateline"});
    let answer = content("LabelStudioHealth", [("up", "It is up", example)]);
    let about = "What Label Studio asks before it connects a project or asks for predictions.";
    let operation = operation("integrations", "labelStudioHealth", "Whether the backend is up", about);
    refuse(keyed(operation.response("200", ok("It is up.", JSON, answer))), Family::Plain, &[401, 429, 503])
}

/// Label Studio's machine learning backend: its models.
pub(super) fn label_studio_versions() -> OperationBuilder {
    let answer = content("LabelStudioVersions", [("models", "A model", json!({"versions": [examples::MODEL]}))]);
    let about = "The models that there are, by the names of `GET /v1/models`.";
    let operation = operation("integrations", "labelStudioVersions", "The models of the backend", about);
    refuse(keyed(operation.response("200", ok("The models.", JSON, answer))), Family::Plain, &[401, 429])
}
