//! INCEpTION's external recommender (version 1 of its protocol): a document in UIMA's XMI comes in, and goes back with a
//! suggestion for every mention. Offsets are UTF-16 units there, and the layer and feature to fill are named.
//!
//! Training is refused: the model here does not learn from requests, and a silent "done" would be a lie.

mod types;
mod xmi;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::post;
use serde::{Deserialize, Serialize};

use types::Layer;
use xmi::{Cas, Suggestion};

use super::LabelMap;
use crate::annotate::Asker;
use crate::app::App;
use crate::body::Incoming;
use crate::json::{Field, Source};
use crate::problem::{Code, Problem};
use crate::request::{aside, check_encoding, json, only_json, refuse, whole};

/// Elements in more levels are refused: XMI has four, and each level costs memory.
const MOST_LEVELS: usize = 64;

/// What the operator says of this protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct InceptionSettings {
    /// What labels are called; a label without an entry keeps its name.
    pub labels: LabelMap,
}

impl InceptionSettings {
    /// These settings, and those of `other` where these say nothing.
    pub(super) fn or(self, other: Self) -> Self {
        Self { labels: self.labels.or(other.labels) }
    }
}

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/integrations/inception/predict", post(predict))
        .route("/integrations/inception/train", post(train))
}

/// Whether a request goes by this protocol.
pub(super) fn is_asked(uri: &Uri) -> bool {
    uri.path().starts_with("/integrations/inception/")
}

/// Answers a document with its suggestions.
async fn predict(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    match answer(&app, &headers, &mut body).await {
        Ok(response) => Ok(response),
        Err(problem) => Err(refuse(problem, &headers, body).await),
    }
}

/// Says that nobody learns here.
async fn train(State(app): State<App>, headers: HeaderMap, body: Body) -> Problem {
    let detail = "this service does not learn from requests: clear \"Trainable\" in the recommender's settings; \
                  `dateline train` makes models of annotated documents";
    refuse(Problem::new(Code::NotFound, detail), &headers, Incoming::new(body, app.limits().idle_timeout)).await
}

#[derive(Serialize)]
struct Answer {
    document: String,
}

async fn answer(app: &App, headers: &HeaderMap, body: &mut Incoming) -> Result<Response, Problem> {
    only_json(headers)?;
    check_encoding(headers)?;
    let read = whole(app, headers, body, Prediction::parse).await?;
    let (prediction, length) = (read.value, read.length);
    let text: Arc<str> = Arc::from(prediction.cas.text.as_str());
    let found = Asker { app, model: 0, deadline: read.deadline }.one(&text).await??;
    let app = app.clone();
    let respond = move || {
        let Prediction { cas, layer, range } = prediction;
        let found = range.map_or_else(|| found.clone(), |range| cas.within(&found, range));
        let labels = &app.integrations().inception.labels;
        let suggestions: Vec<Suggestion> = found
            .iter()
            .filter_map(|mention| {
                let label = labels.name_of(mention.label.as_str())?.to_owned();
                Some(Suggestion { span: mention.span, label, score: mention.score })
            })
            .collect();
        json(&Answer { document: cas.with(&suggestions, &layer) })
    };
    Ok(aside(length, respond).await)
}

/// What INCEpTION asks.
#[derive(Debug)]
struct Prediction {
    cas: Cas,
    layer: Layer,
    /// The part of the text that suggestions are wanted for, in UTF-16 units.
    range: Option<(usize, usize)>,
}

/// A part of the text; INCEpTION says -1 to -1 for none in particular.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Range {
    begin: i64,
    end: i64,
}

impl Prediction {
    /// Reads a request. Fields that play no part here are left alone: which there are depends on INCEpTION's version.
    fn parse(body: &str) -> Result<Self, Problem> {
        let source = Source::body(body);
        let fields = source.fields()?;
        let metadata = Object::of(source, &fields, "metadata")?;
        let document = Object::of(source, &fields, "document")?;
        let types: String = source.value(named(&fields, "typeSystem", "typeSystem")?)?;
        let (layer, feature): (String, String) = (metadata.value("layer")?, metadata.value("feature")?);
        let layer = Layer::find(&types, &layer, &feature)?;
        let range = metadata.optional::<Option<Range>>("range")?.flatten();
        let range = range.map(|range| metadata.bounds(range)).transpose()?.flatten();
        let field = document.field("xmi")?;
        let cas = Cas::read(source.value(field)?).map_err(|detail| {
            let detail = format!("`document.xmi`: {detail}");
            Problem::of_field(Code::InvalidField, "document.xmi", detail).at(source.place_of(field.value.get()))
        })?;
        Ok(Self { cas, layer, range })
    }
}

/// An object of the body.
struct Object<'s> {
    source: Source<'s>,
    name: &'static str,
    fields: Vec<Field<'s>>,
}

impl<'s> Object<'s> {
    fn of(source: Source<'s>, fields: &[Field<'s>], name: &'static str) -> Result<Self, Problem> {
        let field = named(fields, name, name)?;
        Ok(Self { source, name, fields: source.object(field.value.get(), &format!("`{name}`"))? })
    }

    fn field(&self, name: &str) -> Result<&Field<'s>, Problem> {
        named(&self.fields, name, &format!("{}.{name}", self.name))
    }

    fn value<T: Deserialize<'s>>(&self, name: &str) -> Result<T, Problem> {
        self.source.value(self.field(name)?)
    }

    fn optional<T: Deserialize<'s>>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.fields.iter().find(|field| field.name == name).map(|field| self.source.value(field)).transpose()
    }

    fn bounds(&self, Range { begin, end }: Range) -> Result<Option<(usize, usize)>, Problem> {
        match (usize::try_from(begin), usize::try_from(end)) {
            (Ok(begin), Ok(end)) if begin <= end => Ok(Some((begin, end))),
            (Err(_), Err(_)) => Ok(None),
            _ => {
                let name = format!("{}.range", self.name);
                let detail = format!("`{name}`: {begin} to {end} is no part of a text");
                Err(Problem::of_field(Code::InvalidField, name, detail))
            }
        }
    }
}

fn named<'f, 's>(fields: &'f [Field<'s>], name: &str, path: &str) -> Result<&'f Field<'s>, Problem> {
    fields.iter().find(|field| field.name == name).ok_or_else(|| {
        let detail = format!("`{path}` is missing: send what INCEpTION's external recommender sends");
        Problem::of_field(Code::MissingField, path, detail)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request() -> Value {
        let types = "<typeSystemDescription><types><typeDescription><name>my.Name</name>\
            <supertypeName>uima.tcas.Annotation</supertypeName><features>\
            <featureDescription><name>value</name><rangeTypeName>uima.cas.String</rangeTypeName></featureDescription>\
            <featureDescription><name>inception_internal_predicted</name><rangeTypeName>uima.cas.Boolean</rangeTypeName>\
            </featureDescription></features></typeDescription></types></typeSystemDescription>";
        let xmi = "<xmi:XMI xmlns:xmi=\"http://www.omg.org/XMI\" xmlns:cas=\"http:///uima/cas.ecore\">\
            <cas:Sofa xmi:id=\"1\" sofaID=\"_InitialView\" sofaString=\"Kyiv\"/><cas:View sofa=\"1\"/></xmi:XMI>";
        json!({
            "metadata": {
                "layer": "my.Name", "feature": "value", "projectId": 1, "anchoringMode": "tokens",
                "crossSentence": false, "range": {"begin": 0, "end": 4},
            },
            "document": {"xmi": xmi, "documentId": 7, "userId": "someone"},
            "typeSystem": types,
        })
    }

    #[test]
    fn reads_what_inception_sends() {
        let prediction = Prediction::parse(&request().to_string()).unwrap();
        assert_eq!((prediction.cas.text.as_str(), prediction.range), ("Kyiv", Some((0, 4))));
        assert_eq!(prediction.layer.element, "Name");
        for everything in [json!({"begin": -1, "end": -1}), Value::Null] {
            let mut request = request();
            request["metadata"]["range"] = everything;
            assert_eq!(Prediction::parse(&request.to_string()).unwrap().range, None);
        }
        let mut request = request();
        request["metadata"].as_object_mut().unwrap().remove("range");
        assert_eq!(Prediction::parse(&request.to_string()).unwrap().range, None);
    }

    #[test]
    fn says_what_a_request_lacks() {
        for (pointer, value, field, code) in [
            ("/metadata", json!(1), None, Code::InvalidField),
            ("/metadata/layer", json!("my.Other"), Some("metadata.layer"), Code::InvalidField),
            ("/metadata/range", json!({"begin": 4, "end": 0}), Some("metadata.range"), Code::InvalidField),
            ("/metadata/range", json!({"begin": -1, "end": 3}), Some("metadata.range"), Code::InvalidField),
            ("/document/xmi", json!("<xmi:XMI/>"), Some("document.xmi"), Code::InvalidField),
            ("/typeSystem", json!("<types>"), Some("typeSystem"), Code::InvalidField),
        ] {
            let mut request = request();
            *request.pointer_mut(pointer).unwrap() = value;
            let problem = Prediction::parse(&request.to_string()).unwrap_err();
            assert_eq!((problem.field.as_deref(), problem.code), (field, code), "{pointer}: {}", problem.detail);
        }
        for (object, name, path) in [
            ("", "document", "document"),
            ("", "typeSystem", "typeSystem"),
            ("/document", "xmi", "document.xmi"),
            ("/metadata", "feature", "metadata.feature"),
        ] {
            let mut request = request();
            request.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(name);
            let problem = Prediction::parse(&request.to_string()).unwrap_err();
            assert_eq!((problem.code, problem.field.as_deref()), (Code::MissingField, Some(path)));
        }
    }
}
