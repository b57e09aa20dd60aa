//! What goes over the wire: one text or many in, mentions out, in the shape of a JSONL line.

use std::sync::Arc;

use dateline_engine::Outcome;
use dateline_text::record::{self, EntityRecord, MentionRecord};
use dateline_text::{Mention, OffsetUnit, entities};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::json::{Field, Source};
use crate::options::{NAMES, OptionReader, Options};
use crate::problem::{Code, Problem};

/// A text to annotate with what goes back beside its mentions.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: Arc<str>,
    /// The caller's own fields, exactly as they came and in their order; the text among them if it was asked for.
    echo: Vec<(String, Box<RawValue>)>,
}

/// A document that cannot be annotated.
#[derive(Debug)]
pub(crate) struct BadDocument {
    pub(crate) id: Option<Box<RawValue>>,
    pub(crate) problem: Problem,
}

/// A document, if it can be annotated.
pub(crate) type Parsed = Result<Document, BadDocument>;

/// The texts of a JSON body.
#[derive(Debug)]
pub(crate) enum Texts {
    One(Document),
    Many(Vec<Parsed>),
}

/// Reads a JSON body. A problem of one of many documents is that document's own.
///
/// # Errors
/// What is wrong with the body as a whole; more than `max_documents` of them, too.
pub(crate) fn parse_body(
    body: &str,
    mut reader: OptionReader<'_>,
    max_documents: usize,
) -> Result<(Options, Texts), Problem> {
    let source = Source::body(body);
    if body.trim_ascii().is_empty() {
        return Err(Problem::new(Code::InvalidJson, "the body is empty: send a JSON object such as {\"text\": \"…\"}"));
    }
    let mut one = Vec::new();
    let mut many: Option<Field<'_>> = None;
    for field in source.fields()? {
        match field.name.as_str() {
            "text" | "id" => one.push(field),
            "documents" if many.is_some() => return Err(twice(source, &field)),
            "documents" => many = Some(field),
            _ if reader.field(source, &field)? => {}
            _ => return Err(unknown(source, &field, &format!("text, id, documents, {NAMES}"))),
        }
    }
    let options = reader.finish()?;
    let Some(many) = many else {
        let document = document(source, one, options.include_text, Strict::Yes).map_err(|bad| bad.problem)?;
        return Ok((options, Texts::One(document)));
    };
    if let Some(field) = one.first() {
        let detail = format!("`{}` beside `documents`: send one text or many", field.name);
        let problem = Problem::of_field(Code::InvalidField, &field.name, detail);
        return Err(problem.at(source.place_of(field.value.get())));
    }
    let documents = source.elements(&many, max_documents)?.map_err(|count| {
        let detail = format!(
            "{count} documents are more than the {max_documents} that this service takes in one body; send a stream \
             of lines (application/x-ndjson), whose length is unlimited, or several requests"
        );
        Problem::of_field(Code::TooManyDocuments, "documents", detail)
    })?;
    let documents = documents.into_iter().map(|source| match source.fields_of("a document") {
        Ok(fields) => document(source, fields, options.include_text, Strict::Yes),
        Err(problem) => Err(BadDocument { id: None, problem }),
    });
    let documents = documents.collect();
    Ok((options, Texts::Many(documents)))
}

/// Reads a line of an NDJSON body: a document, whose other fields pass through.
pub(crate) fn parse_line(line: &str, number: usize, include_text: bool) -> Parsed {
    let source = Source::line(line, number);
    match source.fields() {
        Ok(fields) => document(source, fields, include_text, Strict::No),
        Err(problem) => Err(BadDocument { id: None, problem }),
    }
}

/// Whether fields other than `id` and `text` are refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strict {
    Yes,
    No,
}

fn document(source: Source<'_>, fields: Vec<Field<'_>>, include_text: bool, strict: Strict) -> Parsed {
    let mut text: Option<String> = None;
    let mut id: Option<Box<RawValue>> = None;
    let mut echo = Vec::with_capacity(fields.len());
    for field in fields {
        let checked = match field.name.as_str() {
            "text" if text.is_some() => Err(twice(source, &field)),
            "text" => source.value(&field).map(|value| text = Some(value)),
            "id" if id.is_some() => Err(twice(source, &field)),
            "id" => check_id(source, &field).map(|()| id = Some(field.value.to_owned())),
            _ if strict == Strict::Yes => Err(unknown(source, &field, "id, text")),
            _ => Ok(()),
        };
        if let Err(problem) = checked {
            return Err(BadDocument { id, problem });
        }
        // Old mentions and entities make way for the new ones.
        let goes_back = match field.name.as_str() {
            "text" => include_text,
            "mentions" | "entities" => false,
            _ => true,
        };
        if goes_back {
            echo.push((field.name, field.value.to_owned()));
        }
    }
    match text {
        Some(text) => Ok(Document { text: Arc::from(text), echo }),
        None => {
            let problem = Problem::of_field(Code::MissingField, "text", "`text` is missing: a string to annotate");
            Err(BadDocument { id, problem })
        }
    }
}

/// An id is a string or a number (or null, which is none); it goes back as it came.
fn check_id<'s>(source: Source<'s>, field: &Field<'s>) -> Result<(), Problem> {
    match field.value.get().as_bytes().first() {
        Some(b'"') => source.value::<String>(field).map(drop),
        Some(b'-' | b'0'..=b'9' | b'n') => Ok(()),
        _ => {
            let problem = Problem::of_field(Code::InvalidField, "id", "`id` is neither a string nor a number");
            Err(problem.at(source.place_of(field.value.get())))
        }
    }
}

fn twice<'s>(source: Source<'s>, field: &Field<'s>) -> Problem {
    let detail = format!("`{}` is given twice", field.name);
    Problem::of_field(Code::InvalidField, &field.name, detail).at(source.place_of(field.value.get()))
}

fn unknown<'s>(source: Source<'s>, field: &Field<'s>, known: &str) -> Problem {
    let detail = format!("unknown field `{}`; known are {known}", field.name);
    Problem::of_field(Code::UnknownField, &field.name, detail).at(source.place_of(field.value.get()))
}

/// A document with its mentions, in the shape of a JSONL line.
#[derive(Debug)]
pub(crate) struct Annotated {
    echo: Vec<(String, Box<RawValue>)>,
    mentions: Vec<MentionRecord>,
    entities: Option<Vec<EntityRecord>>,
}

impl Annotated {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for (name, value) in &self.echo {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("mentions", &self.mentions)?;
        match &self.entities {
            Some(entities) => map.serialize_entry("entities", entities),
            None => Ok(()),
        }
    }
}

impl Serialize for Annotated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

impl Document {
    /// The document as it is answered, with the mentions that pass the filter, and their entities.
    pub(crate) fn answer(self, outcome: Outcome, options: &Options) -> Result<Annotated, BadDocument> {
        match outcome {
            Ok(mentions) => {
                let mentions: Vec<Mention> = options.filter.apply(mentions);
                let entities = options.entities.then(|| {
                    let entities = entities::group(&self.text, &mentions);
                    record::entities(&self.text, &mentions, &entities)
                });
                let mentions = record::mentions(&self.text, &mentions, options.offsets);
                Ok(Annotated { echo: self.echo, mentions, entities })
            }
            Err(failure) => {
                let id = self.echo.into_iter().find(|(name, _)| name == "id").map(|(_, id)| id);
                Err(BadDocument { id, problem: failure.into() })
            }
        }
    }
}

/// The answer to one text.
pub(crate) struct OneAnswer<'a> {
    pub(crate) model: &'a str,
    pub(crate) offsets: OffsetUnit,
    pub(crate) document: Annotated,
}

impl Serialize for OneAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("offsets", &self.offsets)?;
        self.document.entries(&mut map)?;
        map.end()
    }
}

/// The answer to many texts: what was annotated, in order, and what could not be.
#[derive(serde::Serialize)]
pub(crate) struct ManyAnswer<'a> {
    pub(crate) model: &'a str,
    pub(crate) offsets: OffsetUnit,
    pub(crate) documents: Vec<Annotated>,
    pub(crate) errors: Vec<DocumentError>,
}

/// What was wrong with one of many documents.
pub(crate) struct DocumentError {
    pub(crate) index: usize,
    pub(crate) bad: BadDocument,
}

impl Serialize for DocumentError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        if let Some(id) = &self.bad.id {
            map.serialize_entry("id", id)?;
        }
        self.bad.problem.entries(&mut map)?;
        map.end()
    }
}

/// What stands in the place of a line that could not be annotated.
#[derive(serde::Serialize)]
pub(crate) struct LineError<'a> {
    pub(crate) line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Box<RawValue>>,
    pub(crate) error: &'a Problem,
}
