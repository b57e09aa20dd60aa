//! News items back to documents: the characters of each XHTML body, and the spans in it that are mentions.

use std::collections::HashMap;
use std::io::BufRead;

use dateline_text::{Document, Entity, Label, OffsetUnit};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader as Xml, XmlVersion};
use serde_json::{Map, Value};

use super::{MENTION, NAME, SCORE};
use crate::marks::{self, Mark};
use crate::{Annotated, FormatError, LeftOut, newsroom};

/// Reads news items, alone or in a message.
pub struct Reader<R> {
    xml: Xml<R>,
    items: usize,
    done: bool,
}

impl<R: BufRead> Reader<R> {
    /// The documents of `source`.
    #[must_use]
    pub fn new(source: R) -> Self {
        Self { xml: Xml::from_reader(source), items: 0, done: false }
    }

    /// The next item; `None` at the end.
    fn item(&mut self) -> Result<Option<Item>, String> {
        let mut item: Option<Item> = None;
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let event = self.xml.read_event_into(&mut buffer).map_err(|error| error.to_string())?;
            match (&mut item, event) {
                (None, Event::Eof) => return Ok(None),
                (Some(_), Event::Eof) => return Err("the file ends before its end".to_owned()),
                (None, Event::Start(tag)) if tag.local_name().as_ref() == "newsItem" => {
                    self.items += 1;
                    item = Some(Item { guid: attribute(&tag, "guid")?, ..Item::default() });
                }
                (None, _) => {}
                (Some(item), Event::Start(tag)) => item.start(&tag)?,
                (Some(item), Event::Empty(tag)) => {
                    item.start(&tag)?;
                    item.end();
                }
                (Some(_), Event::End(tag)) if tag.local_name().as_ref() == "newsItem" => return Ok(item),
                (Some(item), Event::End(_)) => item.end(),
                (Some(item), Event::Text(text)) => item.text(&text.xml10_content()),
                (Some(item), Event::CData(text)) => item.text(&text.xml10_content()),
                (Some(item), Event::GeneralRef(name)) => {
                    match name.resolve_char_ref().map_err(|error| error.to_string())? {
                        Some(character) => item.text(character.encode_utf8(&mut [0; 4])),
                        None => {
                            let name: &str = name.as_ref();
                            let known = resolve_xml_entity(name);
                            item.text(known.ok_or_else(|| format!("&{name}; is not one of XML's own entities"))?);
                        }
                    }
                }
                (Some(_), Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Annotated, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.item();
        // Whatever is wrong with the XML itself, nothing behind it can be trusted; a story is only its own.
        self.done = !matches!(read, Ok(Some(_)));
        let document = read.and_then(|item| item.map(Item::document).transpose());
        let place = if self.items == 0 { "its beginning".to_owned() } else { format!("news item {}", self.items) };
        document.map_err(|why| FormatError::Malformed { format: NAME, place, why }).transpose()
    }
}

/// A news item as far as it is read.
#[derive(Default)]
struct Item {
    guid: Option<String>,
    alt_ids: Vec<String>,
    headline: Option<String>,
    byline: Option<String>,
    date: Option<String>,
    language: Option<String>,
    /// The local names of the elements that are open below `newsItem`.
    open: Vec<String>,
    /// How many of them were open where `inlineXML` and, in it, `body` began.
    inline: Option<usize>,
    body: Option<usize>,
    /// For each open element the mark that it is, as an index.
    marks_open: Vec<Option<usize>>,
    text: String,
    has_body: bool,
    marks: Vec<Mark>,
    /// The mark that has an id.
    by_id: HashMap<String, usize>,
    references: Vec<Reference>,
}

/// An `inlineRef` with a relevance, as we write entities.
struct Reference {
    ids: Vec<String>,
    name: String,
    score: f32,
    relevance: f32,
}

impl Item {
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        let name = tag.local_name().as_ref().to_owned();
        let mut mark = None;
        if self.body.is_some() {
            // Paragraphs of others may have nothing between them, and words of two must not become one.
            let block = matches!(name.as_str(), "p" | "div" | "li" | "tr" | "h1" | "h2" | "h3" | "h4" | "blockquote");
            if block && self.text.chars().next_back().is_some_and(|last| !last.is_whitespace()) {
                self.text.push_str("\n\n");
            }
            let class = attribute(tag, "class")?.unwrap_or_default();
            let label = attribute(tag, "title")?.filter(|_| class.split_whitespace().any(|name| name == MENTION));
            if let Some(label) = label {
                let score = class.split_whitespace().find_map(|name| name.strip_prefix(SCORE)?.parse::<f64>().ok());
                let score = marks::score(score.map(Value::from).as_ref())?;
                let at = self.text.len();
                mark = Some(self.marks.len());
                let what = format!("mention {}", self.marks.len());
                self.marks.push(Mark { what, start: at, end: at, label, score, text: None });
                if let Some(id) = attribute(tag, "id")? {
                    self.by_id.insert(id, self.marks.len() - 1);
                }
            }
        } else if name == "inlineXML" {
            self.inline = Some(self.open.len());
        } else if name == "body" && self.inline.is_some() {
            self.has_body = true;
            self.body = Some(self.open.len());
        } else if name == "altId" {
            self.alt_ids.push(String::new());
        } else if name == "language" && self.open == ["contentMeta"] {
            self.language = attribute(tag, "tag")?;
        } else if name == "inlineRef" {
            let percent = |name| Ok::<_, String>(attribute(tag, name)?.and_then(|it| it.parse::<u8>().ok()));
            if let (Some(score), Some(relevance)) = (percent("confidence")?, percent("relevance")?) {
                self.references.push(Reference {
                    ids: attribute(tag, "idrefs")?
                        .unwrap_or_default()
                        .split_whitespace()
                        .map(ToOwned::to_owned)
                        .collect(),
                    name: attribute(tag, "literal")?.unwrap_or_default(),
                    score: f32::from(score.min(100)) / 100.0,
                    relevance: f32::from(relevance.min(100)) / 100.0,
                });
            }
        }
        self.open.push(name);
        self.marks_open.push(mark);
        Ok(())
    }

    fn end(&mut self) {
        self.open.pop();
        let depth = self.open.len();
        self.inline = self.inline.filter(|at| *at < depth);
        self.body = self.body.filter(|at| *at < depth);
        if let Some(Some(mark)) = self.marks_open.pop() {
            self.marks[mark].end = self.text.len();
        }
    }

    fn text(&mut self, text: &str) {
        if self.body.is_some() {
            self.text.push_str(text);
            return;
        }
        let [parent, name] = self.open.as_slice() else { return };
        let field = match (parent.as_str(), name.as_str()) {
            ("contentMeta", "altId") => self.alt_ids.last_mut().expect("it has begun"),
            ("contentMeta", "headline") => self.headline.get_or_insert_default(),
            ("contentMeta", "by") => self.byline.get_or_insert_default(),
            ("contentMeta", "contentCreated") => self.date.get_or_insert_default(),
            _ => return,
        };
        field.push_str(text);
    }

    fn document(self) -> Result<Annotated, String> {
        if !self.has_body {
            return Err("has no XHTML body in an inlineXML element, so no text".to_owned());
        }
        let settled = marks::settle(&self.text, OffsetUnit::Byte, self.marks)?;
        let id = self.guid.and_then(|guid| newsroom::id(guid, &self.alt_ids, &self.text));
        let mut annotated = Annotated::new(Document { id, text: self.text }, settled.mentions);
        annotated.left_out = settled.left_out;
        let fields =
            [("headline", self.headline), ("byline", self.byline), ("language", self.language), ("date", self.date)];
        annotated.extra = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
            .collect::<Map<_, _>>();
        if settled.as_they_came {
            for (number, reference) in self.references.into_iter().enumerate() {
                match entity(&annotated, &self.by_id, &reference) {
                    Some(entity) => annotated.entities.push(entity),
                    None => annotated.left_out.push(LeftOut {
                        what: format!("inlineRef {}", number + 1),
                        why: "it refers to no mentions of one label, one of which has its name".to_owned(),
                    }),
                }
            }
        } else if !self.references.is_empty() {
            let why = "they refer to mentions that have no place here".to_owned();
            annotated.left_out.push(LeftOut { what: "inlineRef elements".to_owned(), why });
        }
        Ok(annotated)
    }
}

fn entity(annotated: &Annotated, by_id: &HashMap<String, usize>, reference: &Reference) -> Option<Entity> {
    let Annotated { document, mentions, .. } = annotated;
    let mut of_it: Vec<usize> = reference.ids.iter().filter_map(|id| by_id.get(id).copied()).collect();
    of_it.sort_unstable();
    of_it.dedup();
    let words = |index: &&usize| newsroom::one_line(mentions[**index].slice(&document.text)) == reference.name;
    let name = *of_it.iter().find(words)?;
    let label: &Label = &mentions[name].label;
    of_it.iter().all(|&index| mentions[index].label == *label).then(|| Entity {
        label: label.clone(),
        name,
        mentions: of_it.clone(),
        score: reference.score,
        relevance: reference.relevance,
    })
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let attribute = tag.try_get_attribute(name).map_err(|error| error.to_string())?;
    let value = attribute.map(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0));
    value.transpose().map(|value| value.map(Into::into)).map_err(|error| error.to_string())
}
