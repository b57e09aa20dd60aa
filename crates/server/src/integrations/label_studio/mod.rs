//! A machine learning backend of Label Studio: tasks come with the XML of their labelling interface, predictions go back
//! as its regions.
//!
//! Offsets are code points: the editor shows an array of characters, made with JavaScript's string iterator, and counts
//! in that (`selection-tools.js` and `domManager.ts` of its rich text tags; until its pull request 6135, of July 2024, what
//! it highlighted after an emoji was shifted all the same). The names and tokens that the contract sends along (`access_token`, `hostname`, `login`, `password`) are never read out of a body.

mod interface;
mod memory;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dateline_engine::Outcome;
use dateline_text::{Mention, OffsetUnit, record};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::interface::{Control, Interface};
pub(crate) use self::memory::Memory;
use super::LabelMap;
use crate::access::Caller;
use crate::annotate::Asker;
use crate::app::App;
use crate::body::Incoming;
use crate::health;
use crate::json::{Field, Source};
use crate::problem::{Code, Problem};
use crate::request::{Whole, aside, check_encoding, json as answer_json, only_json, refuse, whole};

/// Where the protocol is; its clients put `/predict` and the like behind it.
const BASE: &str = "/integrations/label-studio";

/// What the operator says of this protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LabelStudioSettings {
    /// What interfaces call our labels, besides our own names for them. What an interface does not offer is left out.
    pub labels: LabelMap,
}

impl LabelStudioSettings {
    pub(super) fn standard() -> Self {
        Self {
            labels: LabelMap::of(&[
                ("PERSON", &["PER"]),
                ("PLACE", &["LOCATION", "LOC", "GPE"]),
                ("UNIT", &["MILITARY UNIT", "ORGANIZATION", "ORG"]),
                ("WEAPON", &["WEAPON SYSTEM", "PRODUCT"]),
            ]),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self { labels: self.labels.or(other.labels) }
    }

    /// What `control` calls `label`; `None` if it does not offer it, or the operator leaves it out.
    fn name_in<'c>(&self, control: &'c Control, label: &str) -> Option<&'c str> {
        match self.labels.names(label) {
            Some([]) => None,
            Some(names) => control.offered([label].into_iter().chain(names.iter().map(String::as_str))),
            None => control.offered([label]),
        }
    }
}

/// The protocol's routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(&format!("{BASE}/health"), get(healthy))
        .route(&format!("{BASE}/versions"), get(versions))
        .route(&format!("{BASE}/setup"), post(setup))
        .route(&format!("{BASE}/predict"), post(predict))
        .route(&format!("{BASE}/webhook"), post(webhook))
}

/// Whether a request goes by this protocol.
pub(super) fn is_asked(uri: &Uri) -> bool {
    uri.path().starts_with("/integrations/label-studio/")
}

/// The password of a request with basic authentication, which is what Label Studio offers to protect a backend with:
/// the key of this service stands there, beside any name.
pub(super) fn presented(headers: &HeaderMap) -> Option<String> {
    let (scheme, pair) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(pair.trim()))?;
    let pair = String::from_utf8(pair.ok()?).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

async fn healthy(State(app): State<App>) -> Result<Json<Value>, Problem> {
    health::check_works(&app)?;
    Ok(Json(json!({"status": "UP", "model_class": "Dateline"})))
}

async fn versions(State(app): State<App>) -> Json<Value> {
    let names: Vec<&str> = app.engine().models().iter().map(|model| model.name.as_str()).collect();
    Json(json!({"versions": names}))
}

/// A project is connected: its interface is read, so that a mistake in it is told at once, and kept for predictions that
/// come without one.
async fn setup(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let read =
        read(&app, &headers, body, |source, fields| Ok((project(source, fields)?, text(source, fields, "schema")?)));
    let (project, schema) = read.await?.value;
    if let Some(schema) = schema {
        let interface = Arc::new(parse("schema", &schema)?);
        if let Some(project) = project {
            app.label_studio().keep(caller, project, interface);
        }
    }
    Ok(answer_json(&json!({"model_version": app.engine().models()[0].name})))
}

/// Something happened in a project. Nothing follows from it here: the models of this service are trained elsewhere. Who
/// asks for training is told so, or Label Studio would show it as going on for ever.
async fn webhook(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    read(&app, &headers, body, |source, fields| match text(source, fields, "action")?.as_deref() {
        Some("START_TRAINING") => {
            let detail = "this service does not train: `dateline train` does, on what Label Studio exports";
            Err(Problem::of_field(Code::InvalidField, "action", detail))
        }
        _ => Ok(()),
    })
    .await?;
    Ok(answer_json(&json!({"status": "ok", "result": null})))
}

async fn predict(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let own = app.clone();
    let read = read(&app, &headers, body, move |source, fields| Job::parse(&own, caller, source, fields)).await?;
    let (job, length) = (read.value, read.length);
    if job.without_text > 0 {
        tracing::warn!(tasks = job.without_text, "tasks have no text where their interface says: they stay empty");
    }
    let asker = Asker { app: &app, model: job.model, deadline: read.deadline };
    let outcomes = match &job.texts[..] {
        [] => Vec::new(),
        [only] => vec![Ok(asker.one(&only.text).await??)],
        texts => asker.many(&texts.iter().map(|text| Arc::clone(&text.text)).collect::<Vec<_>>()).await?,
    };
    let own = app.clone();
    Ok(aside(length, move || answer_json(&job.answer(&own, &outcomes))).await)
}

/// Reads a body of this protocol. Fields that `parse` does not ask for are let through: Label Studio sends more with
/// each of its releases.
async fn read<T: Send + 'static>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    parse: impl for<'s> FnOnce(Source<'s>, &[Field<'s>]) -> Result<T, Problem> + Send + 'static,
) -> Result<Whole<T>, Problem> {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    let read = async {
        only_json(headers)?;
        check_encoding(headers)?;
        whole(app, headers, &mut body, |text| {
            let source = Source::body(text);
            parse(source, &source.fields()?)
        })
        .await
    };
    match read.await {
        Ok(read) => Ok(read),
        Err(problem) => Err(refuse(problem, headers, body).await),
    }
}

fn field<'f, 's>(fields: &'f [Field<'s>], name: &str) -> Option<&'f Field<'s>> {
    fields.iter().find(|field| field.name == name && field.value.get() != "null")
}

fn text(source: Source<'_>, fields: &[Field<'_>], name: &str) -> Result<Option<String>, Problem> {
    field(fields, name).map(|field| source.value(field)).transpose()
}

/// The project's name: a string or a number.
fn project(source: Source<'_>, fields: &[Field<'_>]) -> Result<Option<String>, Problem> {
    let value: Option<Value> = field(fields, "project").map(|field| source.value(field)).transpose()?;
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => {
            let detail = "`project` is neither a string nor a number";
            Err(Problem::of_field(Code::InvalidField, "project", detail))
        }
    }
}

fn parse(name: &'static str, xml: &str) -> Result<Interface, Problem> {
    Interface::parse(xml).map_err(|error| {
        Problem::of_field(Code::InvalidField, name, format!("`{name}` is no labelling interface: {error}"))
    })
}

/// What a request for predictions asks.
#[derive(Debug)]
struct Job {
    model: usize,
    interface: Arc<Interface>,
    tasks: usize,
    texts: Vec<TaskText>,
    without_text: usize,
}

/// A text of a task.
#[derive(Debug)]
struct TaskText {
    task: usize,
    /// Which pair of the interface it belongs to.
    pair: usize,
    text: Arc<str>,
}

impl Job {
    fn parse(app: &App, caller: Caller, source: Source<'_>, fields: &[Field<'_>]) -> Result<Self, Problem> {
        let project = project(source, fields)?;
        let interface = match text(source, fields, "label_config")? {
            Some(xml) => Arc::new(parse("label_config", &xml)?),
            None => {
                let known = project.and_then(|project| app.label_studio().recall(caller, project));
                known.ok_or_else(|| {
                    let detail =
                        "`label_config` is missing, and no setup of this project came before: the interface's XML";
                    Problem::of_field(Code::MissingField, "label_config", detail)
                })?
            }
        };
        let version = text(source, fields, "model_version")?;
        let models = app.engine().models();
        let model = version.and_then(|version| models.iter().position(|model| model.name == version)).unwrap_or(0);
        let tasks = field(fields, "tasks").ok_or_else(|| {
            Problem::of_field(Code::MissingField, "tasks", "`tasks` is missing: the tasks to predict")
        })?;
        let most = app.limits().max_documents;
        let tasks = source.elements(tasks, most)?.map_err(|count| {
            let detail = format!("{count} tasks are more than the {most} that this service takes in one body");
            Problem::of_field(Code::TooManyDocuments, "tasks", detail)
        })?;
        let mut job = Self { model, interface, tasks: tasks.len(), texts: Vec::new(), without_text: 0 };
        for (task, source) in tasks.into_iter().enumerate() {
            let fields = source.fields_of("a task")?;
            let data: Option<Map<String, Value>> =
                field(&fields, "data").map(|field| source.value(field)).transpose()?;
            let before = job.texts.len();
            let pairs = job.interface.pairs().enumerate();
            job.texts.extend(pairs.filter_map(|(pair, (tag, _))| {
                let text = tag.of(data.as_ref()?)?;
                Some(TaskText { task, pair, text: Arc::from(text) })
            }));
            job.without_text += usize::from(job.texts.len() == before);
        }
        Ok(job)
    }

    /// The predictions, one for each task in their order.
    fn answer(&self, app: &App, outcomes: &[Outcome]) -> Answer {
        let settings = &app.integrations().label_studio;
        let pairs: Vec<_> = self.interface.pairs().collect();
        let version = &app.engine().models()[self.model].name;
        let empty = || Prediction { model_version: version.clone(), score: None, result: Vec::new() };
        let mut results: Vec<Predictions> = (0..self.tasks).map(|_| Predictions::One(empty())).collect();
        for (text, outcome) in self.texts.iter().zip(outcomes) {
            let (tag, controls) = &pairs[text.pair];
            match (outcome, &mut results[text.task]) {
                (Err(_), failed) => *failed = Predictions::None([]),
                (Ok(found), Predictions::One(prediction)) => prediction.result.extend(
                    controls.iter().flat_map(|control| regions(settings, control, &tag.name, &text.text, found)),
                ),
                (Ok(_), Predictions::None(_)) => {}
            }
        }
        for result in &mut results {
            if let Predictions::One(prediction) = result {
                prediction.rate();
            }
        }
        Answer { results }
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    results: Vec<Predictions>,
}

/// What answers a task.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Predictions {
    One(Prediction),
    /// The model failed on it. Label Studio takes a list of predictions as well; of an empty one it keeps nothing, and
    /// asks again another time, where an empty prediction would say that there is nothing to find.
    None([Prediction; 0]),
}

/// What the model has to say of a task.
#[derive(Debug, Serialize)]
struct Prediction {
    model_version: String,
    /// How sure the model is of its regions on average, by which tasks can be put into an order.
    score: Option<f64>,
    result: Vec<Region>,
}

impl Prediction {
    fn rate(&mut self) {
        if !self.result.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "regions of a text are not that many")]
            let count = self.result.len() as f64;
            let mean = self.result.iter().map(|region| region.score).sum::<f64>() / count;
            self.score = Some((mean * 1e4).round() / 1e4);
        }
    }
}

/// A mention, under one control.
#[derive(Debug, PartialEq, Serialize)]
struct Region {
    id: String,
    from_name: String,
    to_name: String,
    r#type: &'static str,
    value: Labelled,
    score: f64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Labelled {
    start: usize,
    end: usize,
    text: String,
    labels: [String; 1],
}

fn regions(settings: &LabelStudioSettings, control: &Control, tag: &str, text: &str, found: &[Mention]) -> Vec<Region> {
    let region = |record: record::MentionRecord| {
        let label = settings.name_in(control, record.label.as_str())?.to_owned();
        Some(Region {
            id: region_id(&control.name, tag, record.start, record.end, &label),
            from_name: control.name.clone(),
            to_name: tag.to_owned(),
            r#type: "labels",
            score: record.score,
            value: Labelled { start: record.start, end: record.end, text: record.text, labels: [label] },
        })
    };
    record::mentions(text, found, OffsetUnit::Codepoint).into_iter().filter_map(region).collect()
}

/// The id of a region: the same for the same region, so that asking again changes nothing.
fn region_id(control: &str, tag: &str, start: usize, end: usize, label: &str) -> String {
    let hash = Sha256::digest(format!("{control}\0{tag}\0{start}\0{end}\0{label}"));
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
