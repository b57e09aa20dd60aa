//! Hugging Face's token-classification contract, so that its clients work with this service unchanged:
//! `{"inputs", "parameters"}` in, a list of entities out.
//!
//! Entities are our mentions, exact slices with their calibrated scores, so the strategies that join pieces into words
//! ("simple", "first", "average", "max") have nothing to choose between and answer alike. "none" answers the pieces of
//! the mentions as the model's vocabulary writes them, with `B-` and `I-`, each with its mention's score.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use dateline_engine::{Engine, Failure, Piece};
use dateline_text::{Mention, OffsetUnit, record};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::annotate::Asker;
use crate::app::App;
use crate::body::Incoming;
use crate::json::{Field, Source};
use crate::problem::{Code, Problem};
use crate::request::{aside, check_encoding, json, only_json, pairs, refuse, whole};

/// Answers one text or many.
pub(crate) async fn classify(
    State(app): State<App>,
    Path(model): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    match answer(&app, &model, &uri, &headers, &mut body).await {
        Ok(response) => response,
        Err(problem) => refusal(refuse(problem, &headers, body).await),
    }
}

/// Whether a request goes by this contract.
pub(crate) fn is_asked(uri: &Uri) -> bool {
    uri.path().starts_with("/v1/hf/")
}

/// A problem with its detail where the clients of this contract look for it, too. They take 503 for a model that is
/// being loaded and ask again at once and without end, so one that is overloaded says 429.
pub(crate) fn refusal(problem: Problem) -> Response {
    let problem = match problem.code {
        Code::Overloaded => Problem { code: Code::RateLimited, ..problem },
        _ => problem,
    };
    let detail = problem.detail.clone();
    problem.response_with(&[("error", &detail)])
}

async fn answer(
    app: &App,
    model: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Response, Problem> {
    let model = app.engine().models().iter().position(|served| served.name == model).ok_or_else(|| {
        let detail = format!("there is no model {model:?}; GET /v1/models names those that are served");
        Problem::new(Code::ModelNotFound, detail)
    })?;
    only_json(headers)?;
    check_encoding(headers)?;
    let unit = unit(uri)?;
    let most = app.limits().max_documents;
    let read = whole(app, headers, body, move |text| HfRequest::parse(text, most)).await?;
    let (request, length) = (read.value, read.length);
    let asker = Asker { app, model, deadline: read.deadline };
    let outcomes = match &request.inputs {
        Inputs::One(text) => vec![asker.one(text).await?],
        Inputs::Many(texts) => asker.many(texts).await?,
    };
    // The contract has no place for an error beside answers.
    let found = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let writer = Writer { engine: app.engine().clone(), model, unit, pieces: request.pieces, ignore: request.ignore };
    aside(length, move || match request.inputs {
        Inputs::One(text) => Ok(json(&writer.entities(&text, &found[0])?)),
        Inputs::Many(texts) => {
            let lists = texts.iter().zip(&found).map(|(text, found)| writer.entities(text, found));
            Ok(json(&lists.collect::<Result<Vec<_>, Problem>>()?))
        }
    })
    .await
}

/// The unit of offsets, the one option of ours that this contract takes: Python's, unless a caller counts otherwise.
fn unit(uri: &Uri) -> Result<OffsetUnit, Problem> {
    let mut unit = OffsetUnit::default();
    for (name, value) in pairs(uri)? {
        if name != "offsets" {
            let detail = format!("unknown query parameter `{name}`; known is offsets");
            return Err(Problem::of_field(Code::UnknownField, name, detail));
        }
        let invalid = |error| Problem::of_field(Code::InvalidField, "offsets", format!("`offsets`: {error}"));
        unit = value.parse().map_err(|error| invalid(format!("{error}")))?;
    }
    Ok(unit)
}

/// What a client asks.
#[derive(Debug)]
struct HfRequest {
    inputs: Inputs,
    /// Answer pieces, not mentions.
    pieces: bool,
    /// Labels to leave out.
    ignore: Vec<String>,
}

#[derive(Debug)]
enum Inputs {
    One(Arc<str>),
    Many(Vec<Arc<str>>),
}

impl HfRequest {
    fn parse(body: &str, max_texts: usize) -> Result<Self, Problem> {
        let source = Source::body(body);
        let (mut inputs, mut pieces, mut ignore) = (None, false, Vec::new());
        for field in source.fields()? {
            match field.name.as_str() {
                "inputs" if inputs.is_some() => {
                    let problem = Problem::of_field(Code::InvalidField, "inputs", "`inputs` is given twice");
                    return Err(problem.at(source.place_of(field.value.get())));
                }
                "inputs" => inputs = Some(read_inputs(source, &field, max_texts)?),
                "parameters" if is_null(&field) => {}
                "parameters" => {
                    for field in source.object(field.value.get(), "`parameters`")? {
                        read_parameter(source, &field, &mut pieces, &mut ignore)?;
                    }
                }
                // How to queue and cache on somebody else's machines.
                "options" => {}
                name => {
                    let detail = format!("unknown field `{name}`; known are inputs, parameters, options");
                    let problem = Problem::of_field(Code::UnknownField, name, detail);
                    return Err(problem.at(source.place_of(field.value.get())));
                }
            }
        }
        let inputs = inputs.ok_or_else(|| {
            let detail = "`inputs` is missing: a string, or a list of strings, to annotate";
            Problem::of_field(Code::MissingField, "inputs", detail)
        })?;
        Ok(Self { inputs, pieces, ignore })
    }
}

fn read_inputs<'s>(source: Source<'s>, field: &Field<'s>, most: usize) -> Result<Inputs, Problem> {
    if !field.value.get().starts_with('[') {
        return Ok(Inputs::One(Arc::from(source.value::<String>(field)?)));
    }
    let elements = source.elements(field, most)?.map_err(|count| {
        let detail = format!("{count} texts are more than the {most} that this service takes in one body");
        Problem::of_field(Code::TooManyDocuments, "inputs", detail)
    })?;
    let text = |element: &Source<'s>| element.text_of("inputs").map(Arc::from);
    Ok(Inputs::Many(elements.iter().map(text).collect::<Result<_, _>>()?))
}

fn read_parameter<'s>(
    source: Source<'s>,
    field: &Field<'s>,
    pieces: &mut bool,
    ignore: &mut Vec<String>,
) -> Result<(), Problem> {
    let refuse =
        |code, detail| Err(Problem::of_field(code, field.name.clone(), detail).at(source.place_of(field.value.get())));
    match field.name.as_str() {
        _ if is_null(field) => Ok(()),
        "aggregation_strategy" => match source.value::<String>(field)?.as_str() {
            "none" => {
                *pieces = true;
                Ok(())
            }
            "simple" | "first" | "average" | "max" => Ok(()),
            other => {
                let detail =
                    format!("`aggregation_strategy`: {other:?} is none of none, simple, first, average and max");
                refuse(Code::InvalidField, detail)
            }
        },
        "ignore_labels" => {
            *ignore = source.value(field)?;
            Ok(())
        }
        // How far the windows of a long text overlap is the model's own affair here: all of a text is always read.
        "stride" => match source.value::<f64>(field)? {
            stride if stride >= 0.0 && stride.fract() == 0.0 => Ok(()),
            stride => refuse(Code::InvalidField, format!("`stride`: {stride} is not a whole number, 0 or more")),
        },
        name => {
            let known = "known are aggregation_strategy, ignore_labels, stride";
            refuse(Code::UnknownField, format!("unknown parameter `{name}`; {known}"))
        }
    }
}

fn is_null(field: &Field<'_>) -> bool {
    let value: &RawValue = field.value;
    value.get() == "null"
}

/// An entity: a mention, or a piece of one.
#[derive(Debug, Serialize)]
struct Entity {
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    score: f64,
    /// The number of the piece in the text, from 1: before the first stands the model's special token.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    word: String,
    start: usize,
    end: usize,
}

/// Writes mentions as entities.
struct Writer {
    engine: Engine,
    model: usize,
    unit: OffsetUnit,
    pieces: bool,
    ignore: Vec<String>,
}

impl Writer {
    fn entities(&self, text: &str, found: &[Mention]) -> Result<Vec<Entity>, Problem> {
        let kept: Vec<Mention> = found
            .iter()
            .filter(|mention| !self.ignore.iter().any(|label| mention.label.as_str() == label))
            .cloned()
            .collect();
        if !self.pieces {
            let entity = |mention: record::MentionRecord| Entity {
                entity_group: Some(mention.label.to_string()),
                entity: None,
                score: mention.score,
                index: None,
                word: mention.text,
                start: mention.start,
                end: mention.end,
            };
            return Ok(record::mentions(text, &kept, self.unit).into_iter().map(entity).collect());
        }
        let pieces = self.engine.pieces(self.model, text).map_err(|_| Failure::Model)?;
        Ok(self.pieces_of(text, &kept, &pieces))
    }

    fn pieces_of(&self, text: &str, mentions: &[Mention], pieces: &[Piece]) -> Vec<Entity> {
        let (mut tags, mut places) = (Vec::new(), Vec::new());
        let mut rest = pieces.iter().enumerate().peekable();
        for mention in mentions {
            let mut prefix = 'B';
            while let Some((index, piece)) = rest.next_if(|(_, piece)| piece.span.start() < mention.span.end()) {
                if piece.span.start() >= mention.span.start() && !piece.span.is_empty() {
                    tags.push((format!("{prefix}-{}", mention.label), index + 1, piece.token.clone()));
                    places.push(Mention { span: piece.span, ..mention.clone() });
                    prefix = 'I';
                }
            }
        }
        let records = record::mentions(text, &places, self.unit);
        let entity = |((tag, index, word), place): ((String, usize, String), record::MentionRecord)| Entity {
            entity_group: None,
            entity: Some(tag),
            score: place.score,
            index: Some(index),
            word,
            start: place.start,
            end: place.end,
        };
        tags.into_iter().zip(records).map(entity).collect()
    }
}
