//! The protocols of other products in the document: iMatrics, INCEpTION and the Open Inference Protocol. Their shapes are
//! other people's; only what this service reads and writes of them is described.

#![expect(dead_code, reason = "described, never made")]

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{
    Content, ContentBuilder, HttpMethod, PathItem, PathsBuilder, RefOr, Required, SecurityRequirement,
};

use super::paths::{JSON, content, keyed, ok, open, operation, parameter_ref, refuse, string};
use super::problems::{Family, reference};
use super::{BASIC, examples};
use crate::integrations::imatrics::uuid;
use crate::integrations::open_inference::Output;

const BINARY: &str = "application/octet-stream";

const IMATRICS: &str = "\
What Superdesk's iMatrics client asks of an article. What the article speaks of comes back as concepts, the most relevant \
first; a concept's uuid (version 5) follows from its label and title. Other fields of the body are ignored. Of the rest of \
iMatrics' protocol nothing is served: concepts are not stored.";

const INCEPTION: &str = "\
Version 1 of the protocol of INCEpTION's external recommenders: the document comes back as it was, with a suggestion for \
each mention on the layer that the request names. Offsets, those of `range` included, are UTF-16 units, as UIMA counts. \
Other fields of the body are ignored. `POST /integrations/inception/train` is refused: this service does not learn from \
requests.";

const NINJS: &str = "\
A story in IPTC's ninjs, version 1, 2 or 3, goes back with the people, places, organisations (units) and objects (weapons) \
that its headline and its body speak of, in the fields that its version has for them. Confidence and relevance stand in its \
`subjects` where that version allows them. Everything else goes back as it came, and names that are there already are not \
added again.";

const INFER: &str = "\
The Open Inference Protocol, version 2, of KServe and Triton. The one input is `text`, strings of the shape [n] or [n, 1]. \
The outputs are `mentions`, for each text a string of JSON, and as columns of all mentions `document` (the number of the \
text), `start`, `end`, `label` and `score`. Tensors may be binary both ways: with Inference-Header-Content-Length, strings \
behind their length in four bytes. A slash in the model's name may stand as it is or as `%2F`.";

/// The paths, behind those of the service's own.
pub(super) fn paths(own: PathsBuilder) -> PathsBuilder {
    let get = |operation: OperationBuilder| PathItem::new(HttpMethod::Get, operation);
    let post = |operation: OperationBuilder| PathItem::new(HttpMethod::Post, operation);
    own.path("/v1/ninjs", post(ninjs()))
        .path("/integrations/imatrics/article/analysis", post(imatrics()))
        .path("/integrations/inception/predict", post(inception()))
        .path("/v2", get(server()))
        .path("/v2/health/live", get(live()))
        .path("/v2/health/ready", get(ready()))
        .path("/v2/models/{model}", get(model()))
        .path("/v2/models/{model}/ready", get(model_ready()))
        .path("/v2/models/{model}/infer", post(infer()))
}

/// Every schema, by name.
pub(super) fn schemas(add: &mut impl FnMut(String, RefOr<Schema>)) {
    fn collect<T: ToSchema>(add: &mut impl FnMut(String, RefOr<Schema>)) {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        add(T::name().into_owned(), T::schema());
        for (name, schema) in parts {
            // The service's own, which is there already.
            if name != "OffsetUnit" {
                add(name, schema);
            }
        }
    }
    collect::<NinjsStory>(add);
    collect::<ImatricsArticle>(add);
    collect::<ImatricsAnswer>(add);
    collect::<InceptionRequest>(add);
    collect::<InceptionAnswer>(add);
    collect::<InferenceServer>(add);
    collect::<InferenceLive>(add);
    collect::<InferenceReady>(add);
    collect::<InferenceModel>(add);
    collect::<InferenceRequest>(add);
    collect::<InferenceAnswer>(add);
}

/// A story in IPTC's ninjs, of any version: the standard's own schema says what can stand there.
#[derive(ToSchema)]
pub(crate) struct NinjsStory {
    /// The story's name for the world.
    #[schema(required = false)]
    uri: String,
}

/// An article.
#[derive(ToSchema)]
pub(crate) struct ImatricsArticle {
    /// Its headline.
    headline: Option<String>,
    /// Its paragraphs, as plain text.
    body: Vec<String>,
}

/// What an article speaks of.
#[derive(ToSchema)]
pub(crate) struct ImatricsAnswer {
    /// The most relevant first.
    concepts: Vec<ImatricsConcept>,
    /// Always empty: there is no thesaurus above the concepts.
    broader: Vec<Value>,
}

/// A person, a place, a unit or a weapon; with `conceptFields` only the fields that it names.
#[derive(ToSchema)]
pub(crate) struct ImatricsConcept {
    /// Version 5, of the URL `urn:dateline:entity:LABEL:TITLE`.
    #[schema(required = false, format = "uuid")]
    uuid: String,
    /// How the article names it best.
    #[schema(required = false)]
    title: String,
    /// Its type, `person`, `place`, `organisation` or `object` unless the operator says otherwise.
    #[schema(required = false, example = "place")]
    r#type: String,
    /// How much the article is about it.
    #[schema(required = false, minimum = 0, maximum = 1)]
    weight: f64,
    /// What else the article calls it.
    #[schema(required = false)]
    aliases: Vec<String>,
    /// Always `dateline`.
    #[schema(required = false)]
    source: String,
    /// Always empty: concepts are linked to no other source.
    #[schema(required = false)]
    links: Vec<Value>,
    /// Always empty.
    #[schema(required = false, value_type = Object)]
    geometry: Value,
}

/// A document and where suggestions go.
#[derive(ToSchema)]
pub(crate) struct InceptionRequest {
    metadata: InceptionMetadata,
    document: InceptionDocument,
    /// UIMA's type system, as XML.
    #[serde(rename = "typeSystem")]
    type_system: String,
}

/// What is to be filled.
#[derive(ToSchema)]
pub(crate) struct InceptionMetadata {
    /// A type of the type system that descends from `uima.tcas.Annotation`.
    layer: String,
    /// A feature of the layer that takes strings.
    feature: String,
    /// The part of the text for which suggestions are wanted; -1 to -1 is all of it.
    range: Option<InceptionRange>,
}

/// A part of a text, in UTF-16 units.
#[derive(ToSchema)]
pub(crate) struct InceptionRange {
    begin: i64,
    end: i64,
}

/// A document.
#[derive(ToSchema)]
pub(crate) struct InceptionDocument {
    /// UIMA's XMI.
    xmi: String,
}

/// The document with suggestions.
#[derive(ToSchema)]
pub(crate) struct InceptionAnswer {
    /// UIMA's XMI: what was sent, and the suggestions.
    document: String,
}

/// What answers.
#[derive(ToSchema)]
pub(crate) struct InferenceServer {
    name: String,
    version: String,
    /// Extensions of the protocol that are served.
    extensions: Vec<String>,
}

/// That it runs.
#[derive(ToSchema)]
pub(crate) struct InferenceLive {
    live: bool,
}

/// That texts can be annotated.
#[derive(ToSchema)]
pub(crate) struct InferenceReady {
    /// The model that was asked for.
    #[schema(required = false)]
    name: String,
    ready: bool,
}

/// A model.
#[derive(ToSchema)]
pub(crate) struct InferenceModel {
    name: String,
    platform: String,
    inputs: Vec<InferenceDescribed>,
    outputs: Vec<InferenceDescribed>,
}

/// A tensor that a model takes or gives.
#[derive(ToSchema)]
pub(crate) struct InferenceDescribed {
    name: String,
    datatype: String,
    /// -1 is any number.
    shape: Vec<i64>,
}

/// Texts for a model.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InferenceRequest {
    /// Goes back as it came.
    id: Option<String>,
    #[schema(required = false)]
    parameters: Option<InferenceParameters>,
    #[schema(min_items = 1, max_items = 1)]
    inputs: Vec<InferenceInput>,
    /// Without it all outputs come back.
    #[schema(required = false, max_items = 6)]
    outputs: Option<Vec<InferenceWanted>>,
}

/// Options.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InferenceParameters {
    #[schema(required = false)]
    offsets: Option<super::schemas::OffsetUnit>,
    /// Leaves out mentions that the model is less sure of.
    #[schema(required = false, minimum = 0, maximum = 1)]
    min_score: Option<f64>,
    /// Keeps mentions of these labels only, separated by commas.
    #[schema(required = false, example = "PLACE,UNIT")]
    labels: Option<String>,
    /// Whether outputs come back in binary that do not say so themselves.
    #[schema(required = false)]
    binary_data_output: Option<bool>,
}

/// The texts.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InferenceInput {
    #[schema(pattern = "^text$")]
    name: String,
    #[schema(pattern = "^BYTES$")]
    datatype: String,
    /// [n] or [n, 1].
    #[schema(min_items = 1, max_items = 2)]
    shape: Vec<usize>,
    /// n texts, or n lists of one; missing where the texts follow in binary.
    #[schema(required = false)]
    data: Vec<String>,
    #[schema(required = false)]
    parameters: Option<InferenceSize>,
}

/// Where the texts follow in binary.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InferenceSize {
    /// Bytes of the tensor.
    #[schema(required = false)]
    binary_data_size: usize,
}

/// An output that is wanted.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InferenceWanted {
    #[schema(pattern = "^(mentions|document|start|end|label|score)$")]
    name: String,
    #[schema(required = false)]
    parameters: Option<InferenceBinary>,
}

/// How an output comes back.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InferenceBinary {
    #[schema(required = false)]
    binary_data: bool,
}

/// The mentions, as tensors.
#[derive(ToSchema)]
pub(crate) struct InferenceAnswer {
    model_name: String,
    /// That of the request.
    #[schema(required = false)]
    id: String,
    outputs: Vec<InferenceOutput>,
}

/// A tensor.
#[derive(ToSchema)]
pub(crate) struct InferenceOutput {
    name: String,
    datatype: String,
    shape: Vec<usize>,
    /// Strings or numbers; missing where they follow in binary.
    #[schema(required = false)]
    data: Vec<Value>,
    #[schema(required = false)]
    parameters: InferenceSize,
}

/// An operation of clients that may send their key as a password.
fn with_password(operation: OperationBuilder) -> OperationBuilder {
    let none: [&str; 0] = [];
    keyed(operation).security(SecurityRequirement::new(BASIC, none))
}

fn body(about: &str, content: Content) -> RequestBody {
    RequestBodyBuilder::new().description(Some(about)).required(Some(Required::True)).content(JSON, content).build()
}

fn ninjs() -> OperationBuilder {
    let story = json!({
        "standard": {"name": "ninjs", "version": "3.1"}, "uri": "urn:example:1",
        "bodies": [{"contenttype": "text/plain", "value": examples::DRONES}],
    });
    let mut answer = story.clone();
    answer["places"] = json!([{"name": examples::DRONES_NAMES[1].0}]);
    answer["objects"] = json!([{"name": examples::DRONES_NAMES[0].0}]);
    let operation = operation("integrations", "enrichNinjs", "Enrich a story in ninjs", NINJS);
    let operation = ["min_score", "labels", "model"]
        .into_iter()
        .fold(operation, |operation, name| operation.parameter_ref(parameter_ref(name)));
    let operation = operation
        .parameter_ref(parameter_ref("traceparent"))
        .request_body(Some(body("A story in ninjs.", content("NinjsStory", [("story", "A story", story)]))));
    let answer = content("NinjsStory", [("story", "The story with what it speaks of", answer)]);
    let operation = operation.response("200", ok("The story, enriched.", JSON, answer));
    refuse(keyed(operation), Family::Plain, &[400, 401, 408, 413, 415, 422, 429, 500, 503, 504])
}

fn imatrics() -> OperationBuilder {
    let names = &examples::DRONES_NAMES[1];
    let article = json!({
        "uuid": "urn:newsml:localhost:1", "pubStatus": false, "headline": "Depot hit", "language": "en",
        "body": [examples::DRONES],
    });
    let concept = json!({
        "uuid": uuid(names.1, names.0).to_string(), "title": names.0, "type": "place", "weight": 0.9, "aliases": [],
        "source": "dateline", "links": [], "geometry": {},
    });
    let answer = json!({"concepts": [concept], "broader": []});
    let query = |name: &str, about: &str, schema: ObjectBuilder| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(schema))
    };
    let most = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize)).maximum(Some(1_000_000_usize));
    let operation = operation("integrations", "imatricsAnalysis", "Analyse an article as iMatrics", IMATRICS)
        .parameter(query("conceptFields", "The fields of a concept, separated by commas; without it all.", string()))
        .parameter(query("entities", "How many concepts at most; without it all.", most))
        .parameter_ref(parameter_ref("traceparent"))
        .request_body(Some(body("An article.", content("ImatricsArticle", [("article", "An article", article)]))))
        .response("200", ok("The concepts.", JSON, content("ImatricsAnswer", [("article", "Its concepts", answer)])));
    refuse(with_password(operation), Family::Plain, &[400, 401, 408, 413, 415, 422, 429, 500, 503, 504])
}

fn inception() -> OperationBuilder {
    // Shortened: a whole document is long, and has the addresses of its namespaces in it.
    let request = json!({
        "metadata": {
            "layer": "custom.Name", "feature": "value", "projectId": 1, "anchoringMode": "tokens",
            "crossSentence": false, "range": {"begin": 0, "end": 17},
        },
        "document": {"xmi": "<xmi:XMI … sofaString=\"🚀 near Port Almeda\"/>…", "documentId": 7, "userId": "annotator"},
        "typeSystem": "<typeSystemDescription …",
    });
    let answer = json!({
        "document": "<xmi:XMI … <custom:Name xmi:id=\"9\" sofa=\"1\" begin=\"8\" end=\"19\" value=\"PLACE\" \
                     value_score=\"0.9822\" inception_internal_predicted=\"true\"/>…",
    });
    let request = content("InceptionRequest", [("document", "A document, shortened", request)]);
    let answer = content("InceptionAnswer", [("document", "With a suggestion, shortened", answer)]);
    let operation = operation("integrations", "inceptionPredict", "Suggest annotations to INCEpTION", INCEPTION)
        .parameter_ref(parameter_ref("traceparent"))
        .request_body(Some(body("A document.", request)))
        .response("200", ok("The document.", JSON, answer));
    refuse(with_password(operation), Family::Plain, &[400, 401, 408, 413, 415, 422, 429, 500, 503, 504])
}

fn server() -> OperationBuilder {
    let answer = json!({
        "name": "dateline", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"],
    });
    let about = "What answers, by the Open Inference Protocol.";
    let operation = operation("integrations", "inferenceServer", "Describe the service to inference clients", about)
        .response("200", ok("What answers.", JSON, content("InferenceServer", [("server", "A service", answer)])));
    // The members of its problems are those that clients of Hugging Face endpoints read, too.
    refuse(with_password(operation), Family::HuggingFace, &[401, 429])
}

fn live() -> OperationBuilder {
    let content = content("InferenceLive", [("live", "It runs", json!({"live": true}))]);
    let about = "As `GET /health/live`, by the Open Inference Protocol. No key is asked for.";
    open(operation("integrations", "inferenceLive", "Whether the process runs, for inference clients", about))
        .response("200", ok("It runs.", JSON, content))
        .response("503", reference(Family::HuggingFace, 503))
}

fn ready() -> OperationBuilder {
    let content = content("InferenceReady", [("ready", "Ready", json!({"ready": true}))]);
    let about = "As `GET /health/ready`, by the Open Inference Protocol. No key is asked for.";
    open(operation("integrations", "inferenceReady", "Whether texts can be annotated, for inference clients", about))
        .response("200", ok("Texts can be annotated.", JSON, content))
        .response("503", reference(Family::HuggingFace, 503))
}

fn of_model(operation: OperationBuilder) -> OperationBuilder {
    let model = ParameterBuilder::new()
        .name("model")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("A model, one of `GET /v1/models`."))
        .schema(Some(string().min_length(Some(1))))
        .example(Some(examples::MODEL.into()));
    with_password(operation).parameter(model)
}

fn model() -> OperationBuilder {
    let tensor = |output: Output| json!({"name": output.name(), "datatype": output.datatype(), "shape": [-1]});
    let answer = json!({
        "name": examples::MODEL, "platform": "dateline",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": Output::ALL.map(tensor),
    });
    let about = "What a model takes and gives, by the Open Inference Protocol.";
    let operation =
        of_model(operation("integrations", "inferenceModel", "Describe a model to inference clients", about))
            .response("200", ok("The model.", JSON, content("InferenceModel", [("model", "A model", answer)])));
    refuse(operation, Family::HuggingFace, &[401, 404, 429])
}

fn model_ready() -> OperationBuilder {
    let answer = json!({"name": examples::MODEL, "ready": true});
    let about = "Answers 200 while the model can annotate, by the Open Inference Protocol.";
    let operation = operation("integrations", "inferenceModelReady", "Whether a model can annotate", about);
    let operation = of_model(operation)
        .response("200", ok("It can.", JSON, content("InferenceReady", [("ready", "Ready", answer)])));
    refuse(operation, Family::HuggingFace, &[401, 404, 429, 503])
}

fn infer() -> OperationBuilder {
    let request = json!({
        "id": "a1", "parameters": {"offsets": "codepoint"},
        "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [examples::DRONES]}],
        "outputs": [{"name": "mentions"}, {"name": "label"}],
    });
    let mentions = examples::mentions(examples::DRONES, &examples::DRONES_NAMES).to_string();
    let labels = examples::DRONES_NAMES.map(|name| name.1);
    let answer = json!({
        "model_name": examples::MODEL, "id": "a1",
        "outputs": [
            {"name": "mentions", "datatype": "BYTES", "shape": [1], "data": [mentions]},
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": labels},
        ],
    });
    let binary = ExampleBuilder::new().summary("The beginning of its JSON").value(Some("{\"model_name\":".into()));
    let binary = ContentBuilder::new().schema(Some(string())).examples_from_iter([("binary", binary)]).build();
    let answer = content("InferenceAnswer", [("text", "One text", answer)]);
    let answer =
        ok("The tensors; in binary behind the JSON if that is asked for.", JSON, answer).content(BINARY, binary);
    let about = "A tensor of texts.";
    let operation = operation("integrations", "inferenceInfer", "Annotate texts as an inference server", INFER);
    let operation = of_model(operation)
        .parameter_ref(parameter_ref("traceparent"))
        .request_body(Some(body(about, content("InferenceRequest", [("text", "One text", request)]))))
        .response("200", answer);
    refuse(operation, Family::HuggingFace, &[400, 401, 404, 408, 413, 415, 422, 429, 500, 503, 504])
}
