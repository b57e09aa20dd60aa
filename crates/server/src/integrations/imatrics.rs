//! The part of iMatrics' protocol that Superdesk's client speaks: an article comes in, and what it speaks of goes back as
//! concepts, the most relevant first.
//!
//! A concept is an entity of the article, not a mention. Its uuid follows from label and name alone, so the same name is
//! the same tag in every article, although nothing is stored here. For the same reason nothing can be searched, created or
//! sent back, and requests for that are told so.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use axum::routing::{any, post};
use dateline_text::{Entity, Mention, entities, record};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::LabelMap;
use crate::annotate::Asker;
use crate::app::App;
use crate::body::Incoming;
use crate::json::Source;
use crate::problem::{Code, Problem};
use crate::request::{aside, check_encoding, json, only_json, pairs, refuse, whole};

/// Between the parts of an article: no name goes over a blank line.
const BETWEEN: &str = "\n\n";
/// Nobody can mean more concepts.
const MOST_CONCEPTS: usize = 1_000_000;
/// Whom an editor sees as the source of a tag.
const SOURCE: &str = "dateline";

/// What the operator says of this protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImatricsSettings {
    /// The types of concepts; a label without an entry is its own type.
    pub labels: LabelMap,
}

impl ImatricsSettings {
    /// What holds where nobody says otherwise: the types that Superdesk knows.
    pub(super) fn standard() -> Self {
        let labels = LabelMap::of(&[
            ("PERSON", &["person"]),
            ("PLACE", &["place"]),
            ("UNIT", &["organisation"]),
            ("WEAPON", &["object"]),
        ]);
        Self { labels }
    }

    /// These settings, and those of `other` where these say nothing.
    pub(super) fn or(self, other: Self) -> Self {
        Self { labels: self.labels.or(other.labels) }
    }
}

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/integrations/imatrics/article/analysis", post(analyse))
        .route("/integrations/imatrics/{*service}", any(elsewhere))
}

/// Whether a request goes by this protocol.
pub(super) fn is_asked(uri: &Uri) -> bool {
    uri.path().starts_with("/integrations/imatrics/")
}

/// Answers an article with its concepts.
async fn analyse(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    match answer(&app, &uri, &headers, &mut body).await {
        Ok(response) => Ok(response),
        Err(problem) => Err(refuse(problem, &headers, body).await),
    }
}

/// Says of everything else that the protocol has that it is not to be had here.
async fn elsewhere(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Problem {
    let detail = format!(
        "{method} {} is not served: of iMatrics' protocol there is POST article/analysis. Concepts are not stored here, \
         so they cannot be searched, created, deleted or sent back",
        uri.path()
    );
    refuse(Problem::new(Code::NotFound, detail), &headers, Incoming::new(body, app.limits().idle_timeout)).await
}

async fn answer(app: &App, uri: &Uri, headers: &HeaderMap, body: &mut Incoming) -> Result<Response, Problem> {
    only_json(headers)?;
    check_encoding(headers)?;
    let choice = Choice::read(&pairs(uri)?)?;
    let read = whole(app, headers, body, article).await?;
    let (text, length): (Arc<str>, usize) = (Arc::from(read.value), read.length);
    let found = Asker { app, model: 0, deadline: read.deadline }.one(&text).await??;
    let app = app.clone();
    let respond = move || {
        let labels = &app.integrations().imatrics.labels;
        json(&choice.answer(&text, &found, |label| labels.name_of(label).map(str::to_owned)))
    };
    Ok(aside(length, respond).await)
}

/// The text of an article: its headline and its paragraphs. Fields that play no part here are left alone: a client sends
/// what it has.
fn article(body: &str) -> Result<String, Problem> {
    let source = Source::body(body);
    let fields = source.fields()?;
    let find = |name: &str| fields.iter().find(|field| field.name == name);
    let paragraphs: Vec<String> = match find("body") {
        Some(body) => source.value(body)?,
        None => {
            let detail = "`body` is missing: the paragraphs of an article, a list of strings";
            return Err(Problem::of_field(Code::MissingField, "body", detail));
        }
    };
    let headline = find("headline").map(|field| source.value::<Option<String>>(field)).transpose()?.flatten();
    let parts: Vec<String> = headline.into_iter().chain(paragraphs).collect();
    Ok(parts.join(BETWEEN))
}

/// What a client wants of the concepts, by its query.
#[derive(Debug, Default, PartialEq)]
struct Choice {
    /// The fields of a concept, all of them if it names none.
    fields: Option<Vec<String>>,
    /// How many concepts at most.
    most: Option<usize>,
}

impl Choice {
    /// Reads the query. Of what else iMatrics has there, nothing concerns names.
    fn read(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let mut choice = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "conceptFields" => {
                    choice.fields = Some(value.split(',').map(|field| field.trim().to_owned()).collect());
                }
                "entities" => {
                    let most = value.parse().ok().filter(|&most| most <= MOST_CONCEPTS);
                    choice.most = Some(most.ok_or_else(|| {
                        let detail = format!("`entities`: {value:?} is not a whole number from 0 to {MOST_CONCEPTS}");
                        Problem::of_field(Code::InvalidField, "entities", detail)
                    })?);
                }
                _ => {}
            }
        }
        Ok(choice)
    }

    /// The concepts of a text; `kind` is what a label is called here, `None` for one that is left out.
    fn answer(&self, text: &str, found: &[Mention], kind: impl Fn(&str) -> Option<String>) -> Answer {
        let entities = entities::group(text, found);
        let (mut concepts, mut known) = (Vec::<Concept>::new(), HashMap::new());
        for entity in &entities {
            let Some(kind) = kind(entity.label.as_str()) else { continue };
            let concept = Concept::new(text, found, entity, kind);
            // Two things of one name have one uuid: for an editor they are one tag.
            let next = concepts.len();
            match known.entry(concept.uuid) {
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(next);
                    concepts.push(concept);
                }
                std::collections::hash_map::Entry::Occupied(place) => concepts[*place.get()].join(concept),
            }
        }
        concepts.truncate(self.most.unwrap_or(usize::MAX));
        let shown = |concept: Concept| concept.fields(self.fields.as_deref());
        Answer { concepts: concepts.into_iter().map(shown).collect(), broader: [] }
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    concepts: Vec<Map<String, Value>>,
    /// What a thesaurus has above the concepts: there is none here.
    broader: [(); 0],
}

/// An entity as a concept.
#[derive(Debug)]
struct Concept {
    uuid: Uuid,
    title: String,
    kind: String,
    weight: f64,
    /// What else the article calls it.
    aliases: Vec<String>,
}

impl Concept {
    fn new(text: &str, found: &[Mention], entity: &Entity, kind: String) -> Self {
        let title = entity.name(text, found);
        let mut aliases: Vec<String> = Vec::new();
        for &mention in &entity.mentions {
            let name = found[mention].slice(text);
            if name != title && !aliases.iter().any(|alias| alias == name) {
                aliases.push(name.to_owned());
            }
        }
        let weight = record::entities(text, found, std::slice::from_ref(entity))[0].relevance;
        Self { uuid: uuid(entity.label.as_str(), title), title: title.to_owned(), kind, weight, aliases }
    }

    fn join(&mut self, other: Self) {
        let aliases = other.aliases.into_iter().filter(|alias| !self.aliases.contains(alias)).collect::<Vec<_>>();
        self.aliases.extend(aliases);
    }

    /// The fields that are asked for.
    fn fields(self, asked: Option<&[String]>) -> Map<String, Value> {
        let all = [
            ("uuid", self.uuid.to_string().into()),
            ("title", self.title.into()),
            ("type", self.kind.into()),
            ("weight", self.weight.into()),
            ("aliases", self.aliases.into()),
            ("source", SOURCE.into()),
            ("links", Value::Array(Vec::new())),
            ("geometry", Map::new().into()),
        ];
        let is_asked = |name: &str| asked.is_none_or(|asked| asked.iter().any(|asked| asked == name));
        all.into_iter().filter(|(name, _)| is_asked(name)).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The uuid of what is called `name`: version 5 of RFC 9562, so that others can compute it, too.
pub(crate) fn uuid(label: &str, name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:dateline:entity:{label}:{name}").as_bytes())
}

#[cfg(test)]
mod tests {
    use dateline_text::{Label, Span};
    use serde_json::json;

    use super::*;

    fn mentions(text: &str, names: &[(&str, &str)]) -> Vec<Mention> {
        let mut from = 0;
        let mention = |&(name, label): &(&str, &str)| {
            let start = from + text[from..].find(name).unwrap();
            from = start + name.len();
            Mention::new(Span::new(start, from), Label::new(label), 0.9)
        };
        names.iter().map(mention).collect()
    }

    fn kind(label: &str) -> Option<String> {
        (label != "WEAPON").then(|| label.to_lowercase())
    }

    fn query(pairs: &[(&str, &str)]) -> Result<Choice, Problem> {
        Choice::read(&pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn an_article_is_its_headline_and_paragraphs() {
        let body = json!({
            "uuid": "urn:newsml:1", "pubStatus": false, "language": "en", "headline": "🚀 Almeda hit",
            "body": ["One.", "Two."], "concepts": [],
        });
        assert_eq!(article(&body.to_string()).unwrap(), "🚀 Almeda hit\n\nOne.\n\nTwo.");
        assert_eq!(article(r#"{"headline": null, "body": ["a"]}"#).unwrap(), "a");
        assert_eq!(article(r#"{"body": []}"#).unwrap(), "");
        assert_eq!(article(r#"{"headline": "a", "body": []}"#).unwrap(), "a");
        assert_eq!(article(r#"{"headline": "a"}"#).unwrap_err().code, Code::MissingField);
        let problem = article(r#"{"body": "one text"}"#).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), (Code::InvalidField, Some("body")));
    }

    #[test]
    fn mentions_of_one_thing_are_one_concept() {
        let text = "Ilse Brandt left Port Almeda. Brandt spoke of drones. 🚀 Ilse Brandt waited in Port Almeda.";
        let found = mentions(
            text,
            &[
                ("Ilse Brandt", "PERSON"),
                ("Port Almeda", "PLACE"),
                ("Brandt", "PERSON"),
                ("drones", "WEAPON"),
                ("Ilse Brandt", "PERSON"),
                ("Port Almeda", "PLACE"),
            ],
        );
        let answer = serde_json::to_value(Choice::default().answer(text, &found, kind)).unwrap();
        let concepts = answer["concepts"].as_array().unwrap();
        let named: Vec<_> = concepts.iter().map(|concept| (&concept["title"], &concept["type"])).collect();
        assert_eq!(named, [(&json!("Ilse Brandt"), &json!("person")), (&json!("Port Almeda"), &json!("place"))]);
        assert_eq!(concepts[0]["aliases"], json!(["Brandt"]));
        assert_eq!(concepts[0]["uuid"], uuid("PERSON", "Ilse Brandt").to_string());
        assert_eq!((&concepts[0]["links"], &concepts[0]["geometry"]), (&json!([]), &json!({})));
        assert_eq!(answer["broader"], json!([]));
        let weights: Vec<f64> = concepts.iter().map(|concept| concept["weight"].as_f64().unwrap()).collect();
        assert!(weights[0] >= weights[1] && weights.iter().all(|weight| (0.0..=1.0).contains(weight)), "{weights:?}");
    }

    #[test]
    fn a_client_chooses_fields_and_how_many() {
        let text = "Almeda, Varosh";
        let found = mentions(text, &[("Almeda", "PLACE"), ("Varosh", "PLACE")]);
        let choice =
            query(&[("conceptFields", "uuid, title,broader"), ("entities", "1"), ("cleanText", "False")]).unwrap();
        let answer = serde_json::to_value(choice.answer(text, &found, kind)).unwrap();
        let uuid = uuid("PLACE", "Almeda").to_string();
        assert_eq!(answer, json!({"concepts": [{"uuid": uuid, "title": "Almeda"}], "broader": []}));
        assert_eq!(query(&[("entities", "many")]).unwrap_err().field.as_deref(), Some("entities"));
        assert_eq!(query(&[]).unwrap(), Choice::default());
    }

    /// Others may have written these down: they must never change.
    #[test]
    fn uuids_stay_what_they_are() {
        assert_eq!(uuid("PLACE", "Port Almeda").get_version_num(), 5);
        assert_eq!(uuid("PLACE", "Port Almeda").to_string(), "21dbe9f5-a01f-551f-85ee-69c91b509311");
        assert_ne!(uuid("UNIT", "Port Almeda"), uuid("PLACE", "Port Almeda"));
    }
}
