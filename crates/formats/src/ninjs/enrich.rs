//! A story that is ninjs already: which text of it to annotate, and the same story with the entities in.
//!
//! Versions 1, 2 and 3 are understood: by what `$standard` or `standard` says, else by their fields. Nothing but the lists of
//! entities changes: every other field, and everything that those lists have already, keeps its place and its bytes (white
//! space between fields does not), so that numbers of any length and spelling come out as they came.

use std::collections::HashSet;

use indexmap::IndexMap;
use quick_xml::Reader;
use quick_xml::escape::resolve_html5_entity;
use quick_xml::events::Event;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{NAME, Subject, Thing, distinct};
use crate::newsroom::{self, Kind};
use crate::{Annotated, FormatError};

/// A story in ninjs of any version.
#[derive(Debug)]
pub struct Item<'j> {
    fields: IndexMap<String, &'j RawValue>,
    /// Its version, as far as it is known: 1, 2 or 3, and what stands after the point.
    version: (u32, Option<u32>),
}

impl<'j> Item<'j> {
    /// The story in `json`.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] if `json` is no object, a field stands there twice, or the version is one we do not know.
    pub fn parse(json: &'j str) -> Result<Self, FormatError> {
        let Fields(fields) = serde_json::from_str(json).map_err(|error| malformed("/", error.to_string()))?;
        let mut item = Self { fields, version: (0, None) };
        item.version = item.stated_version()?.unwrap_or_else(|| (item.version_by_fields(), None));
        Ok(item)
    }

    /// The major version: 1, 2 or 3.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version.0
    }

    /// The text to annotate: the main headline, a blank line, and the main body; `None` if there is neither.
    ///
    /// The body is the first plain one of role `main`, else the first plain one, else the first of role `main` in HTML, else the
    /// first in HTML, without its markup (in version 1: `body_text`, else another `body_…`, `body_xhtml` and `body_html`
    /// last). Where no body is, such as beside a picture, the descriptions stand for it, chosen alike.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] if a field is not what the standard says, or its markup cannot be followed.
    pub fn text(&self) -> Result<Option<String>, FormatError> {
        let (headline, body, description) = if self.version() == 1 {
            let body = self.best(self.named_by_kind("body_")?)?;
            (self.string("headline")?, body, self.named_by_kind("description_")?)
        } else {
            let headline = self.best(self.listed("headlines")?)?;
            (headline, self.best(self.listed("bodies")?)?, self.listed("descriptions")?)
        };
        let body = match body {
            Some(body) => Some(body),
            None => self.best(description)?,
        };
        let parts: Vec<String> =
            [headline, body].into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
        Ok((!parts.is_empty()).then(|| parts.join("\n\n")))
    }

    /// The story as JSON with the entities of `found`, by `model`. Names that a list has already, in whatever case, are not
    /// added again.
    ///
    /// Confidence and relevance go into the subjects of stories that say that they are of a version which has them there (1.5,
    /// 2.1, 3.0 and later); to others only names are added.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] if a list of entities is no list of objects.
    pub fn enriched(&self, found: &Annotated, model: Option<&str>) -> Result<String, FormatError> {
        let [people, places, organisations, objects, subjects] = if self.version() == 1 {
            ["person", "place", "organisation", "object", "subject"]
        } else {
            ["people", "places", "organisations", "objects", "subjects"]
        };
        let scored = match self.version {
            (1, Some(minor)) => minor >= 5,
            (2, Some(minor)) => minor >= 1,
            (3, Some(_)) => true,
            _ => false,
        };
        let mut added: IndexMap<&str, Vec<(String, Box<RawValue>)>> = IndexMap::new();
        for entity in distinct(newsroom::entities(found)) {
            let list = match entity.kind() {
                Kind::Person => Some(people),
                Kind::Place => Some(places),
                Kind::Organisation => Some(organisations),
                Kind::Object => Some(objects),
                Kind::Other => None,
            };
            if let Some(list) = list {
                added.entry(list).or_default().push((entity.name.clone(), raw(&Thing::mentioned(&entity.name))));
            }
            if scored {
                let subject = raw(&Subject::mentioned(&entity, model));
                added.entry(subjects).or_default().push((entity.name, subject));
            } else if list.is_none() {
                added.entry(subjects).or_default().push((entity.name.clone(), raw(&Thing::mentioned(&entity.name))));
            }
        }
        let mut fields: IndexMap<&str, String> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.get().to_owned())).collect();
        for (name, things) in added {
            let list = self.extended(name, things)?;
            fields.insert(name, list);
        }
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
        Ok(format!("{{{}}}", fields.join(",")))
    }

    /// The list `name` with those `things` at its end that it does not have yet.
    fn extended(&self, name: &str, things: Vec<(String, Box<RawValue>)>) -> Result<String, FormatError> {
        let mut known = HashSet::new();
        let mut list: Vec<&RawValue> = Vec::new();
        if let Some(value) = self.fields.get(name) {
            let wrong =
                |error: serde_json::Error| malformed(&format!("/{name}"), format!("is no list of objects: {error}"));
            list = serde_json::from_str(value.get()).map_err(wrong)?;
            for thing in &list {
                let Fields(thing) = serde_json::from_str(thing.get()).map_err(wrong)?;
                let known_by = thing.get("name").and_then(|name| serde_json::from_str::<String>(name.get()).ok());
                known.extend(known_by.map(|name| folded(&name)));
            }
        }
        let new: Vec<Box<RawValue>> =
            things.into_iter().filter(|(name, _)| known.insert(folded(name))).map(|(_, thing)| thing).collect();
        list.extend(new.iter().map(AsRef::as_ref));
        Ok(format!("[{}]", list.iter().map(|thing| thing.get()).collect::<Vec<_>>().join(",")))
    }

    /// The version that the story says it is of.
    fn stated_version(&self) -> Result<Option<(u32, Option<u32>)>, FormatError> {
        for (name, only) in [("$standard", Some(1)), ("standard", None)] {
            let Some(standard) = self.fields.get(name) else { continue };
            let standard: Value = serde_json::from_str(standard.get()).unwrap_or_default();
            let Some(version) = standard.get("version").and_then(Value::as_str) else { continue };
            let mut numbers = version.split('.').map(|number| number.parse().ok());
            let major = numbers.next().flatten().filter(|major| only.unwrap_or(*major) == *major);
            return match major {
                Some(major @ 1..=3) => Ok(Some((major, numbers.next().flatten()))),
                _ => Err(malformed(
                    &format!("/{name}/version"),
                    format!("is {version:?}; versions 1, 2 and 3 of ninjs are known here"),
                )),
            };
        }
        Ok(None)
    }

    fn version_by_fields(&self) -> u32 {
        let has = |name: &&str| self.fields.contains_key(*name);
        let of_1 = ["person", "place", "organisation", "object", "subject", "headline"];
        if of_1.iter().any(has)
            || self.fields.keys().any(|name| name.starts_with("body_") || name.starts_with("description_"))
        {
            return 1;
        }
        let of_2 =
            ["versioncreated", "firstcreated", "pubstatus", "copyrightholder", "altids", "infosources", "usageterms"];
        if of_2.iter().any(has) { 2 } else { 3 }
    }

    /// The string in the field `name`.
    fn string(&self, name: &str) -> Result<Option<String>, FormatError> {
        let value = self.fields.get(name).map(|value| serde_json::from_str(value.get()));
        value.transpose().map_err(|_| malformed(&format!("/{name}"), "is no string".to_owned()))
    }

    /// The texts in fields `kind…` of version 1.
    fn named_by_kind(&self, kind: &str) -> Result<Vec<Content>, FormatError> {
        let names = self.fields.keys().filter(|name| name.starts_with(kind));
        names
            .map(|name| {
                let markup = ["html", "xml", "nitf"].iter().any(|word| name.to_ascii_lowercase().contains(word));
                let role = name[kind.len()..].to_owned();
                let value = self.string(name)?.unwrap_or_default();
                Ok(Content { place: format!("/{name}"), main: role == "text", markup, value })
            })
            .collect()
    }

    /// The texts in the list `name` of versions 2 and 3.
    fn listed(&self, name: &str) -> Result<Vec<Content>, FormatError> {
        let Some(value) = self.fields.get(name) else { return Ok(Vec::new()) };
        let list: Vec<Value> =
            serde_json::from_str(value.get()).map_err(|_| malformed(&format!("/{name}"), "is no list".to_owned()))?;
        let content = |(index, content): (usize, &Value)| {
            let field = |name: &str| content.get(name).and_then(Value::as_str);
            let place = format!("/{name}/{index}");
            let value =
                field("value").ok_or_else(|| malformed(&place, "has no \"value\" that is a string".to_owned()))?;
            let kind =
                field("contentType").or_else(|| field("contenttype")).unwrap_or("text/plain").to_ascii_lowercase();
            let markup = kind.contains("html") || kind.contains("xml");
            Ok(Content { place, main: field("role") == Some("main"), markup, value: value.to_owned() })
        };
        list.iter().enumerate().map(content).collect()
    }

    /// The text that speaks for the story, without markup.
    fn best(&self, contents: Vec<Content>) -> Result<Option<String>, FormatError> {
        let best = contents.into_iter().min_by_key(|content| (content.markup, !content.main));
        best.map(Content::plain).transpose()
    }
}

/// One of a story's texts.
struct Content {
    place: String,
    main: bool,
    markup: bool,
    value: String,
}

impl Content {
    fn plain(self) -> Result<String, FormatError> {
        if !self.markup {
            return Ok(self.value);
        }
        without_markup(&self.value).map_err(|why| {
            malformed(&self.place, format!("its markup cannot be followed ({why}); give a body in text/plain, too"))
        })
    }
}

/// Elements that stand on lines of their own.
const BLOCKS: [&str; 22] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "dd",
    "div",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "li",
    "p",
    "section",
    "tr",
];

/// The text of HTML or XHTML: a blank line between blocks, none of the markup, no scripts or styles. It is not a browser:
/// of HTML that is no XML, elements without end and a bare `&` are fine, but not a bare `<`.
fn without_markup(html: &str) -> Result<String, String> {
    let mut reader = Reader::from_str(html);
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    reader.config_mut().allow_dangling_amp = true;
    let mut text = String::new();
    let mut hidden = 0_usize;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Eof => return Ok(text.trim().to_owned()),
            Event::Start(tag) if is_hidden(tag.local_name().as_ref()) => hidden += 1,
            Event::End(tag) if is_hidden(tag.local_name().as_ref()) => hidden = hidden.saturating_sub(1),
            _ if hidden > 0 => {}
            Event::Start(tag) => part(&mut text, tag.local_name().as_ref()),
            Event::Empty(tag) => part(&mut text, tag.local_name().as_ref()),
            Event::End(tag) => {
                let name = tag.local_name();
                if name.as_ref() != "br" {
                    part(&mut text, name.as_ref());
                }
            }
            Event::Text(words) => words_of(&mut text, words.as_ref()),
            Event::CData(words) => words_of(&mut text, words.as_ref()),
            Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|error| error.to_string())? {
                Some(character) => text.push(character),
                None => {
                    let name: &str = name.as_ref();
                    text.push_str(resolve_html5_entity(name).ok_or_else(|| format!("&{name}; is no character"))?);
                }
            },
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn is_hidden(name: &str) -> bool {
    ["script", "style", "head"].iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
}

/// Ends what stands before an element, if that begins on a line of its own.
fn part(text: &mut String, name: &str) {
    if name.eq_ignore_ascii_case("br") {
        text.push('\n');
    } else if BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block)) {
        text.truncate(text.trim_end().len());
        if !text.is_empty() {
            text.push_str("\n\n");
        }
    }
}

/// Adds words as a browser would: any white space of the source is one space.
fn words_of(text: &mut String, words: &str) {
    for character in words.chars() {
        if matches!(character, ' ' | '\t' | '\n' | '\r') {
            if !text.is_empty() && !text.ends_with([' ', '\n']) {
                text.push(' ');
            }
        } else {
            text.push(character);
        }
    }
}

/// A name as names are compared.
fn folded(name: &str) -> String {
    newsroom::one_line(name).to_lowercase()
}

fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("strings and numbers are JSON")
}

fn malformed(place: &str, why: String) -> FormatError {
    FormatError::Malformed { format: NAME, place: place.to_owned(), why }
}

/// The fields of an object as they came, none of them twice.
struct Fields<'j>(IndexMap<String, &'j RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = IndexMap::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if fields.contains_key(&name) {
                        return Err(de::Error::custom(format_args!("the field {name:?} stands there twice")));
                    }
                    fields.insert(name, value);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
