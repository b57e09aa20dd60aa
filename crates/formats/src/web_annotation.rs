//! W3C Web Annotations as JSON-LD lines: a line is a document, as an annotation collection with its one page inside.
//! (A collection and not the bare page, because a page must have annotations, and a document may have no mentions.)
//!
//! Each mention is an annotation. Its body is a tag with the label, and a second body names the entity where that is known.
//! Its target says where, in two ways: by quote (`exact` with 32 characters on either side) and by position, in code points
//! (Web Annotation Data Model, 4.2.4 and 4.2.5). The creator is the model, the generator Dateline.
//!
//! The model has no term for a score, nor for the annotated text itself. Both come by other vocabularies, named in each line's
//! context: `taConfidence` of the W3C's ITS, and `about` with `chars` of the W3C's Content in RDF. Readers that do not
//! know them still see plain annotations.
//!
//! Read: the same, a page for itself, and annotations of others as long as `about.chars` has the text. Position decides;
//! a quote that is not there is an error, and an annotation that has nothing but a quote is looked for by it.
//!
//! **Lost:** which mentions are one entity (its name stays), and relevance; fields beside the text other than `language`.

use std::io;

use dateline_text::{Document, OffsetMap, OffsetUnit};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::jsonl::push_line;
use crate::lines::Lines;
use crate::marks::{self, Mark};
use crate::newsroom::{self, Story};
use crate::{Annotated, FormatError, LeftOut, Options};

/// The format's name.
pub const NAME: &str = "web-annotation";

/// How many characters of a text's neighbourhood a quote has on either side.
const AROUND: usize = 32;

/// Writes annotation collections, a line a document.
pub struct Writer<W> {
    sink: W,
    model: Option<String>,
}

impl<W: io::Write> Writer<W> {
    /// Lines onto `sink`; `options` say which model made the annotations.
    #[must_use]
    pub fn new(sink: W, options: &Options) -> Self {
        Self { sink, model: options.model.clone() }
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        let mut line = Vec::new();
        push_line(&mut line, &collection(annotated, self.model.as_deref()))?;
        Ok(self.sink.write_all(&line)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.sink.flush()?)
    }
}

#[derive(Serialize)]
struct Collection<'a> {
    #[serde(rename = "@context")]
    context: Value,
    id: String,
    r#type: &'static str,
    label: &'static str,
    about: Text<'a>,
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Page<'a>>,
}

#[derive(Serialize)]
struct Text<'a> {
    id: String,
    r#type: &'static str,
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<&'a str>,
    chars: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    id: String,
    r#type: &'static str,
    part_of: String,
    start_index: usize,
    items: Vec<Annotation<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation<'a> {
    id: String,
    r#type: &'static str,
    motivation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator: Option<Software<'a>>,
    generator: Software<'a>,
    ta_confidence: f32,
    body: Vec<Body>,
    target: Target,
}

#[derive(Clone, Copy, Serialize)]
struct Software<'a> {
    r#type: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
struct Body {
    r#type: &'static str,
    purpose: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Target {
    source: String,
    selector: [Selector; 2],
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Selector {
    TextQuoteSelector { exact: String, prefix: String, suffix: String },
    TextPositionSelector { start: usize, end: usize },
}

fn collection<'a>(annotated: &'a Annotated, model: Option<&'a str>) -> Collection<'a> {
    let Annotated { document, mentions, entities, extra, .. } = annotated;
    let text = document.text.as_str();
    let source = newsroom::uri(document);
    let id = newsroom::urn(&[NAME, &source]);
    let mut names: Vec<Option<&str>> = vec![None; mentions.len()];
    for entity in entities {
        entity.mentions.iter().for_each(|&mention| names[mention] = Some(entity.name(text, mentions)));
    }
    let mut map = OffsetMap::new(text, OffsetUnit::Codepoint);
    let items: Vec<Annotation<'_>> = mentions
        .iter()
        .enumerate()
        .map(|(index, mention)| {
            let body = |purpose, value| Body { r#type: "TextualBody", purpose, value };
            let name = names[index].map(newsroom::one_line);
            let (start, end) = map.span_from_bytes(mention.span);
            Annotation {
                id: format!("{id}#m{}", index + 1),
                r#type: "Annotation",
                motivation: "tagging",
                creator: model.map(|name| Software { r#type: "Software", name }),
                generator: Software { r#type: "Software", name: "Dateline" },
                ta_confidence: mention.score,
                body: [Some(body("tagging", mention.label.to_string())), name.map(|name| body("identifying", name))]
                    .into_iter()
                    .flatten()
                    .collect(),
                target: Target {
                    source: source.clone(),
                    selector: [
                        Selector::TextQuoteSelector {
                            exact: mention.slice(text).to_owned(),
                            prefix: last_chars(&text[..mention.span.start()]).to_owned(),
                            suffix: text[mention.span.end()..].chars().take(AROUND).collect(),
                        },
                        Selector::TextPositionSelector { start, end },
                    ],
                },
            }
        })
        .collect();
    Collection {
        context: json!(["http://www.w3.org/ns/anno.jsonld", {
            "about": {"@id": "http://schema.org/about", "@type": "@id"},
            "chars": "http://www.w3.org/2011/content#chars",
            "identifier": "http://purl.org/dc/terms/identifier",
            "taConfidence": {
                "@id": "http://www.w3.org/2005/11/its/rdf#taConfidence",
                "@type": "http://www.w3.org/2001/XMLSchema#double",
            },
        }]),
        r#type: "AnnotationCollection",
        label: "Mentions",
        about: Text {
            id: source.clone(),
            r#type: "Text",
            format: "text/plain",
            language: Story::of(extra).language,
            identifier: document.id.as_deref().filter(|id| *id != source),
            chars: text,
        },
        total: items.len(),
        first: (!items.is_empty()).then(|| Page {
            id: format!("{id}#page"),
            r#type: "AnnotationPage",
            part_of: id.clone(),
            start_index: 0,
            items,
        }),
        id,
    }
}

fn last_chars(text: &str) -> &str {
    let start = text.char_indices().rev().take(AROUND).last().map_or(text.len(), |(at, _)| at);
    &text[start..]
}

/// Reads annotation collections and pages, a line each.
pub struct Reader<R> {
    lines: Lines<R>,
}

impl<R: io::BufRead> Reader<R> {
    /// The documents of `source`.
    #[must_use]
    pub const fn new(source: R) -> Self {
        Self { lines: Lines::new(NAME, source) }
    }
}

impl<R: io::BufRead> Iterator for Reader<R> {
    type Item = Result<Annotated, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.lines.object()? {
            Ok(object) => document(&object).map_err(|why| self.lines.malformed(why)),
            Err(error) => Err(error),
        })
    }
}

fn document(object: &Map<String, Value>) -> Result<Annotated, String> {
    let about = object.get("about").and_then(Value::as_object);
    let text = about.and_then(|about| about.get("chars")?.as_str()).ok_or(
        "has no text: beside its annotations a collection needs {\"about\": {\"id\": …, \"chars\": the text}}",
    )?;
    let mut left_out = Vec::new();
    let page = match (is_a(object, "AnnotationPage"), object.get("first")) {
        (true, _) => Some(object),
        (false, None) => None,
        (false, Some(Value::Object(page))) => Some(page),
        (false, Some(_)) => return Err("its first page is elsewhere: put the page itself into the line".to_owned()),
    };
    if page.is_some_and(|page| page.contains_key("next")) {
        left_out.push(LeftOut { what: "next".to_owned(), why: "further pages are elsewhere".to_owned() });
    }
    let mut found = Vec::new();
    for (index, item) in list(page.and_then(|page| page.get("items"))).iter().enumerate() {
        let what = format!("annotation {index}");
        match mark(&what, item, text).map_err(|why| format!("{what}: {why}"))? {
            Ok(mark) => found.push(mark),
            Err(why) => left_out.push(LeftOut { what, why: why.to_owned() }),
        }
    }
    let settled = marks::settle(text, OffsetUnit::Codepoint, found)?;
    left_out.extend(settled.left_out);
    let field = |name: &str| about.and_then(|about| about.get(name)?.as_str()).map(ToOwned::to_owned);
    let id = field("id").and_then(|uri| newsroom::id(uri, field("identifier").as_slice(), text));
    let mut annotated = Annotated::new(Document { id, text: text.to_owned() }, settled.mentions);
    annotated.left_out = left_out;
    if let Some(language) = field("language") {
        annotated.extra.insert("language".to_owned(), Value::String(language));
    }
    Ok(annotated)
}

/// The mark that an annotation is, or why it is none that has a place here.
fn mark(what: &str, item: &Value, text: &str) -> Result<Result<Mark, &'static str>, String> {
    let tag = list(item.get("body")).iter().find_map(|body| {
        let purposes = list(body.get("purpose").or_else(|| item.get("motivation")));
        let tags = purposes.iter().any(|purpose| ["tagging", "classifying"].contains(&purpose.as_str().unwrap_or("")));
        body.get("value")?.as_str().filter(|value| tags && !value.is_empty())
    });
    let Some(label) = tag else { return Ok(Err("has no tag, so no label")) };
    let selectors = list(item.get("target").and_then(|target| target.get("selector")));
    let selector = |name| selectors.iter().find(|it| it.as_object().is_some_and(|it| is_a(it, name)));
    let quote = selector("TextQuoteSelector");
    let part = |name: &str| quote.and_then(|quote| quote.get(name)?.as_str());
    let score = marks::score(item.get("taConfidence"))?;
    let (start, end) = match (selector("TextPositionSelector"), part("exact")) {
        (Some(position), _) => {
            let offset = |name| marks::offset(position.get(name).unwrap_or(&Value::Null));
            (offset("start")?, offset("end")?)
        }
        (None, Some(exact)) => match quoted(text, part("prefix").unwrap_or(""), exact, part("suffix").unwrap_or("")) {
            Some(range) => range,
            None => return Err("its quote is not in the text, or more than once".to_owned()),
        },
        (None, None) => return Ok(Err("has neither a text position nor a text quote")),
    };
    let text = part("exact").map(ToOwned::to_owned);
    Ok(Ok(Mark { what: what.to_owned(), start, end, label: label.to_owned(), score, text }))
}

/// Where `exact` stands between `prefix` and `suffix`, in code points, if that is one place.
fn quoted(text: &str, prefix: &str, exact: &str, suffix: &str) -> Option<(usize, usize)> {
    let whole = [prefix, exact, suffix].concat();
    let first = text.find(&whole).filter(|_| !exact.is_empty())?;
    // The next place may overlap the first.
    let step = whole.chars().next().map_or(1, char::len_utf8);
    if text[first + step..].contains(&whole) {
        return None;
    }
    let mut map = OffsetMap::new(text, OffsetUnit::Codepoint);
    let start = first + prefix.len();
    Some((map.from_bytes(start), map.from_bytes(start + exact.len())))
}

/// In JSON-LD one value may stand where a list may.
fn list(value: Option<&Value>) -> &[Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(values)) => values,
        Some(value) => std::slice::from_ref(value),
    }
}

fn is_a(object: &Map<String, Value>, name: &str) -> bool {
    list(object.get("type")).iter().any(|it| it.as_str() == Some(name))
}
