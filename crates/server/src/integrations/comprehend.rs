//! Amazon Comprehend's `DetectEntities` and `BatchDetectEntities` (AWS JSON 1.1), so that the AWS SDKs work with this
//! service once their endpoint is set.
//!
//! Limits, error names and the shape of errors are Amazon's: programs decide by them. Offsets are code points, which is
//! what its documentation means by UTF-8 characters. The action is named in a header, and a client calls the path of its
//! endpoint alone, `/` if that has none.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use dateline_engine::{Failure, Outcome};
use dateline_text::{Mention, OffsetUnit, record};
use serde::{Deserialize, Serialize};

use super::LabelMap;
use crate::annotate::Asker;
use crate::app::App;
use crate::body::Incoming;
use crate::json::{Field, Source};
use crate::observe;
use crate::problem::{Code, Problem, ProblemCode};
use crate::request::{aside, check_encoding, only_json, refuse, whole};

/// What SDKs of this protocol call a body.
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// What every action begins with.
const TARGET: &str = "Comprehend_20171127.";
/// How the signature that SDKs send begins.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 ";
/// The longest text of `DetectEntities`, in bytes.
const LONGEST_TEXT: usize = 100_000;
/// The longest text of `BatchDetectEntities`, in bytes.
const LONGEST_IN_BATCH: usize = 5_000;
/// The most texts of `BatchDetectEntities`.
const LARGEST_BATCH: usize = 25;
/// The types that an entity may have.
const TYPES: [&str; 9] =
    ["PERSON", "LOCATION", "ORGANIZATION", "COMMERCIAL_ITEM", "EVENT", "DATE", "QUANTITY", "TITLE", "OTHER"];
/// The languages that the protocol knows.
const LANGUAGES: [&str; 12] = ["en", "es", "fr", "de", "it", "pt", "ar", "hi", "ja", "ko", "zh", "zh-TW"];

/// What the operator says of this protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ComprehendSettings {
    /// The values of `LanguageCode` that the default model can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub languages: Option<Vec<String>>,
    /// The type of each label. A label without an entry keeps its name if that is a type, and is `OTHER` if not.
    pub labels: LabelMap,
}

impl ComprehendSettings {
    pub(super) fn standard() -> Self {
        Self {
            languages: Some(vec!["en".to_owned()]),
            labels: LabelMap::of(&[
                ("PLACE", &["LOCATION"]),
                ("UNIT", &["ORGANIZATION"]),
                ("WEAPON", &["COMMERCIAL_ITEM"]),
                // What models of other makers call theirs.
                ("PER", &["PERSON"]),
                ("LOC", &["LOCATION"]),
                ("GPE", &["LOCATION"]),
                ("ORG", &["ORGANIZATION"]),
            ]),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self { languages: self.languages.or(other.languages), labels: self.labels.or(other.labels) }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        for (label, names) in self.labels.entries() {
            if names.len() > 1 {
                return Err(format!("integrations.comprehend.labels: {label} has several types: give it one"));
            }
            if let Some(name) = names.iter().find(|name| !TYPES.contains(&name.as_str())) {
                let types = TYPES.join(", ");
                return Err(format!("integrations.comprehend.labels: {label} = {name:?} is none of {types}"));
            }
        }
        match self.languages.iter().flatten().find(|language| !LANGUAGES.contains(&language.as_str())) {
            Some(language) => {
                Err(format!("integrations.comprehend.languages: {language:?} is none of {}", LANGUAGES.join(", ")))
            }
            None => Ok(()),
        }
    }

    /// The type of what the model calls `label`; `None` if it is left out.
    fn kind_of<'a>(&'a self, label: &'a str) -> Option<&'a str> {
        match self.labels.names(label) {
            Some(names) => names.first().map(String::as_str),
            None => Some(if TYPES.contains(&label) { label } else { "OTHER" }),
        }
    }
}

/// The protocol's routes: with a path of their own, with and without the slash that the JavaScript SDK puts there, and
/// where a client asks whose endpoint has no path.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", post(act))
        .route("/integrations/comprehend", post(act))
        .route("/integrations/comprehend/", post(act))
}

/// Whether a request goes by this protocol.
pub(super) fn is_asked(uri: &Uri) -> bool {
    matches!(uri.path(), "/" | "/integrations/comprehend" | "/integrations/comprehend/")
}

/// The access key id of a signed request, which is where the key of this service stands. The signature is not looked at:
/// to check it the service would have to keep the keys themselves, and it keeps their hashes.
pub(super) fn presented(headers: &HeaderMap) -> Option<String> {
    let signature = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(SIGNATURE)?;
    let credential = signature.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?;
    Some(credential.split('/').next().unwrap_or(credential).to_owned())
}

/// What went wrong, under the name that the protocol has for it.
#[derive(Debug, PartialEq)]
struct Fault {
    name: &'static str,
    problem: Problem,
}

impl Fault {
    fn new(name: &'static str, code: Code, detail: impl Into<String>) -> Self {
        Self { name, problem: Problem::new(code, detail) }
    }

    /// Statuses are those of Amazon, but for what is to be tried again: proxies and metrics should see that as well.
    fn status(&self) -> StatusCode {
        match self.name {
            "InternalServerException" => StatusCode::INTERNAL_SERVER_ERROR,
            "ServiceUnavailableException" => StatusCode::SERVICE_UNAVAILABLE,
            "TooManyRequestsException" => StatusCode::TOO_MANY_REQUESTS,
            _ if self.problem.code == Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let name = match problem.code {
            Code::Unauthorized => "UnrecognizedClientException",
            Code::RateLimited => "TooManyRequestsException",
            Code::InvalidJson | Code::InvalidUtf8 | Code::BodyBroken => "SerializationException",
            Code::BodyTooLarge => "TextSizeLimitExceededException",
            Code::TooManyDocuments => "BatchSizeLimitExceededException",
            Code::Overloaded | Code::Draining | Code::NotReady => "ServiceUnavailableException",
            Code::ModelFailed | Code::Internal | Code::DeadlineExceeded => "InternalServerException",
            _ => "InvalidRequestException",
        };
        Self { name, problem }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Problem::from(failure).into()
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"__type": self.name, "Message": self.problem.detail});
        let mut response = (self.status(), answer(&body)).into_response();
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(self.name));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.problem.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(ProblemCode(self.problem.code));
        response
    }
}

/// A problem in the protocol's shape.
pub(super) fn refusal(problem: Problem) -> Response {
    Fault::from(problem).into_response()
}

fn answer(value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers are plain JSON");
    let mut response = ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
    if let Some(id) = observe::request_id().and_then(|id| HeaderValue::try_from(id).ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

async fn act(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    let answered = match Action::of(&headers) {
        Ok(Action::One) => one(&app, &headers, &mut body).await,
        Ok(Action::Batch) => batch(&app, &headers, &mut body).await,
        Err(fault) => Err(fault),
    };
    match answered {
        Ok(response) => response,
        Err(Fault { name, problem }) => Fault { name, problem: refuse(problem, &headers, body).await }.into_response(),
    }
}

/// What a client wants done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    One,
    Batch,
}

impl Action {
    fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        match target.strip_prefix(TARGET) {
            Some("DetectEntities") => Ok(Self::One),
            Some("BatchDetectEntities") => Ok(Self::Batch),
            _ => {
                let detail = format!(
                    "this service knows {TARGET}DetectEntities and {TARGET}BatchDetectEntities as X-Amz-Target; \
                     /docs describes its own interface"
                );
                Err(Fault::new("UnknownOperationException", Code::InvalidField, detail))
            }
        }
    }
}

async fn one(app: &App, headers: &HeaderMap, body: &mut Incoming) -> Result<Response, Fault> {
    let read = read(app, headers, body, |ask| ask.one()).await?;
    let asker = Asker { app, model: 0, deadline: read.deadline };
    let text = read.value;
    let found = asker.one(&text).await?.map_err(Fault::from)?;
    let settings = app.integrations().comprehend.clone();
    Ok(aside(read.length, move || answer(&Entities { entities: entities(&settings, &text, &found) })).await)
}

async fn batch(app: &App, headers: &HeaderMap, body: &mut Incoming) -> Result<Response, Fault> {
    let read = read(app, headers, body, |ask| ask.batch()).await?;
    let asker = Asker { app, model: 0, deadline: read.deadline };
    let texts: Vec<Arc<str>> = read.value.iter().flatten().cloned().collect();
    let outcomes = match asker.many(&texts).await {
        // Other texts were too long by themselves: each is told its own.
        Err(problem) if problem.code == Code::ModelFailed && texts.len() < read.value.len() => {
            vec![Err(Failure::Model); texts.len()]
        }
        outcomes => outcomes?,
    };
    let settings = app.integrations().comprehend.clone();
    let documents = read.value;
    Ok(aside(read.length, move || answer(&BatchAnswer::of(&settings, documents, outcomes))).await)
}

/// Reads a body; `parse` makes of it what its action needs. A fault of parsing keeps its name.
async fn read<T: Send + 'static>(
    app: &App,
    headers: &HeaderMap,
    body: &mut Incoming,
    parse: impl FnOnce(&Ask<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<Read<T>, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-amz-json-1.")) {
        only_json(headers)?;
    }
    check_encoding(headers)?;
    let languages = app.integrations().comprehend.languages.clone().unwrap_or_default();
    let read = whole(app, headers, body, move |text| {
        let source = Source::body(text);
        let ask = Ask { source, fields: source.fields()? };
        Ok(ask.check_language(&languages).and_then(|()| parse(&ask)))
    })
    .await?;
    Ok(Read { length: read.length, deadline: read.deadline, value: read.value? })
}

struct Read<T> {
    value: T,
    length: usize,
    deadline: std::time::Instant,
}

/// The fields of a request. Those that are not known are let through, as Amazon does.
struct Ask<'s> {
    source: Source<'s>,
    fields: Vec<Field<'s>>,
}

impl<'s> Ask<'s> {
    fn field(&self, name: &str) -> Option<&Field<'s>> {
        self.fields.iter().find(|field| field.name == name && field.value.get() != "null")
    }

    fn needed(&self, name: &str, what: &str) -> Result<&Field<'s>, Fault> {
        self.field(name)
            .ok_or_else(|| Problem::of_field(Code::MissingField, name, format!("`{name}` is missing: {what}")).into())
    }

    fn check_language(&self, served: &[String]) -> Result<(), Fault> {
        let field = self.needed("LanguageCode", "the language of the text, such as \"en\"")?;
        let language: String = self.source.value(field)?;
        if served.contains(&language) {
            return Ok(());
        }
        if LANGUAGES.contains(&language.as_str()) {
            let detail = format!("the language {language} is not one that this service reads: {}", served.join(", "));
            return Err(Fault::new("UnsupportedLanguageException", Code::InvalidField, detail));
        }
        let detail = format!("`LanguageCode`: {language:?} is none of {}", LANGUAGES.join(", "));
        Err(Problem::of_field(Code::InvalidField, "LanguageCode", detail).into())
    }

    fn one(&self) -> Result<Arc<str>, Fault> {
        for name in ["EndpointArn", "Bytes", "DocumentReaderConfig"] {
            if self.field(name).is_some() {
                let detail =
                    format!("`{name}`: this service has neither custom models nor a reader of documents: send `Text`");
                return Err(Problem::of_field(Code::InvalidField, name, detail).into());
            }
        }
        let field = self.needed("Text", "the text to annotate")?;
        let text: String = self.source.value(field)?;
        if text.is_empty() {
            return Err(empty("Text").into());
        }
        match too_long(&text, LONGEST_TEXT) {
            Some(detail) => Err(Fault::new("TextSizeLimitExceededException", Code::BodyTooLarge, detail)),
            None => Ok(text.into()),
        }
    }

    /// The texts, `Err` with what is wrong for those that are too long.
    fn batch(&self) -> Result<Vec<Result<Arc<str>, String>>, Fault> {
        let field = self.needed("TextList", "the texts to annotate")?;
        let elements = self.source.elements(field, LARGEST_BATCH)?.map_err(|count| {
            let detail = format!("{count} documents are more than the {LARGEST_BATCH} that a batch may have");
            Problem::of_field(Code::TooManyDocuments, "TextList", detail)
        })?;
        if elements.is_empty() {
            return Err(empty("TextList").into());
        }
        let read = |element: Source<'_>| {
            let text = element.text_of("TextList")?;
            if text.is_empty() {
                return Err(empty("TextList").into());
            }
            Ok(match too_long(&text, LONGEST_IN_BATCH) {
                Some(detail) => Err(detail),
                None => Ok(text.into()),
            })
        };
        elements.into_iter().map(read).collect()
    }
}

fn empty(name: &'static str) -> Problem {
    Problem::of_field(Code::InvalidField, name, format!("`{name}` has nothing in it: a text has a character at least"))
}

fn too_long(text: &str, limit: usize) -> Option<String> {
    (text.len() > limit).then(|| {
        format!("the text is larger than {limit} bytes, the limit of this action: it has {} bytes", text.len())
    })
}

#[derive(Debug, Serialize)]
struct Entities<'a> {
    #[serde(rename = "Entities")]
    entities: Vec<Entity<'a>>,
}

/// A mention.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entity<'a> {
    score: f64,
    r#type: &'a str,
    text: String,
    begin_offset: usize,
    end_offset: usize,
}

fn entities<'a>(settings: &'a ComprehendSettings, text: &str, found: &'a [Mention]) -> Vec<Entity<'a>> {
    let entity = |(mention, record): (&'a Mention, record::MentionRecord)| {
        let kind = settings.kind_of(mention.label.as_str())?;
        Some(Entity {
            score: record.score,
            r#type: kind,
            text: record.text,
            begin_offset: record.start,
            end_offset: record.end,
        })
    };
    found.iter().zip(record::mentions(text, found, OffsetUnit::Codepoint)).filter_map(entity).collect()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer {
    result_list: Vec<serde_json::Value>,
    error_list: Vec<ItemError>,
}

/// What was wrong with one text of a batch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ItemError {
    index: usize,
    error_code: &'static str,
    error_message: String,
}

impl BatchAnswer {
    /// `outcomes` are those of the documents that have a text, in their order.
    fn of(settings: &ComprehendSettings, documents: Vec<Result<Arc<str>, String>>, outcomes: Vec<Outcome>) -> Self {
        let mut outcomes = outcomes.into_iter();
        let mut answer = Self { result_list: Vec::new(), error_list: Vec::new() };
        for (index, document) in documents.into_iter().enumerate() {
            let text = match document {
                Ok(text) => text,
                Err(error_message) => {
                    answer.error_list.push(ItemError { index, error_code: "TEXT_SIZE_LIMIT_EXCEEDED", error_message });
                    continue;
                }
            };
            match outcomes.next().expect("every text has an outcome") {
                Ok(found) => {
                    let entities = entities(settings, &text, &found);
                    answer.result_list.push(serde_json::json!({"Index": index, "Entities": entities}));
                }
                Err(failure) => {
                    let error_message = Problem::from(failure).detail;
                    answer.error_list.push(ItemError { index, error_code: "INTERNAL_SERVER_ERROR", error_message });
                }
            }
        }
        answer
    }
}
