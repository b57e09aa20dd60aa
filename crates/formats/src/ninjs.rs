//! IPTC's ninjs, news in JSON: a line is a story, in version 3.1 or 2.1. [`Item`] puts entities into a story that is ninjs
//! already.
//!
//! The text is the one body (`text/plain`, role `main`). Persons are `people`, places `places`, units `organisations`,
//! weapons `objects`, each with its name and `rel: mentions`. The standard has room for numbers only in `subjects`, so each
//! entity is a subject, too, with `confidence` (its best mention's score), `relevance` where it is known, both in percent,
//! and the model as `creator`. What a model's own label says that is none of the four is a subject only.
//!
//! Of the fields beside the text come along: `headline` (or `title`), `byline` (or `author`), `language`, and a date that is
//! a time with its zone, as `versionCreated`. `uri` is the document's id if that is one, else made of it; the id itself is
//! then among the `altIds`.
//!
//! **Lost:** where mentions stand and how often, their scores, labels, and other fields. It cannot be read back.

mod enrich;

use std::collections::HashSet;
use std::io;

use serde::Serialize;

use crate::jsonl::push_line;
use crate::newsroom::{self, Kind, Named, Story};
use crate::{Annotated, FormatError, Options};

pub use enrich::Item;

/// The format's name, in its current version.
pub const NAME: &str = "ninjs";
/// The name of the format's second version.
pub const NAME_2: &str = "ninjs-2";

/// Which ninjs to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Version 2.1, whose names are all in small letters.
    V2,
    /// Version 3.1.
    V3,
}

impl Version {
    /// The format's name on the command line and over HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2 => NAME_2,
            Self::V3 => NAME,
        }
    }
}

/// Writes ninjs, a line a story.
pub struct Writer<W> {
    sink: W,
    version: Version,
    model: Option<String>,
}

impl<W: io::Write> Writer<W> {
    /// Lines of `version` onto `sink`; `options` say which model found the entities.
    #[must_use]
    pub fn new(sink: W, version: Version, options: &Options) -> Self {
        Self { sink, version, model: options.model.clone() }
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        let story = story(annotated, self.model.as_deref());
        let mut line = Vec::new();
        match self.version {
            Version::V2 => push_line(&mut line, &V2::from(story))?,
            Version::V3 => push_line(&mut line, &story)?,
        }
        Ok(self.sink.write_all(&line)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.sink.flush()?)
    }
}

/// A story in version 3.1, with the fields in IPTC's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct V3<'a> {
    uri: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headlines: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    bodies: [Content<'a>; 1],
    #[serde(flatten)]
    entities: Entities<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alt_ids: Vec<AltId<'a>>,
    standard: Standard,
}

/// The same in version 2.1, which spells some names differently.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
struct V2<'a> {
    uri: String,
    r#type: &'static str,
    #[serde(rename = "versioncreated", skip_serializing_if = "Option::is_none")]
    version_created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headlines: Vec<Content2<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    bodies: [Content2<'a>; 1],
    #[serde(flatten)]
    entities: Entities<'a>,
    #[serde(rename = "altids", skip_serializing_if = "Vec::is_empty")]
    alt_ids: Vec<AltId<'a>>,
    standard: Standard,
}

impl<'a> From<V3<'a>> for V2<'a> {
    fn from(story: V3<'a>) -> Self {
        Self {
            uri: story.uri,
            r#type: story.r#type,
            version_created: story.version_created,
            language: story.language,
            headlines: story.headlines.into_iter().map(Content2::from).collect(),
            by: story.by,
            bodies: story.bodies.map(Content2::from),
            entities: story.entities,
            alt_ids: story.alt_ids,
            standard: Standard {
                name: NAME,
                version: "2.1",
                schema: "http://www.iptc.org/std/ninjs/ninjs-schema_2.1.json#",
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    role: &'static str,
    content_type: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct Content2<'a> {
    role: &'static str,
    contenttype: &'static str,
    value: &'a str,
}

impl<'a> From<Content<'a>> for Content2<'a> {
    fn from(Content { role, content_type: contenttype, value }: Content<'a>) -> Self {
        Self { role, contenttype, value }
    }
}

/// Entities where ninjs has a place for them. The names are the same in versions 2 and 3.
#[derive(Default, Serialize)]
struct Entities<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    people: Vec<Thing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    organisations: Vec<Thing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<Thing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subjects: Vec<Subject<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<Thing>,
}

#[derive(Serialize)]
struct Thing {
    name: String,
    rel: &'static str,
}

impl Thing {
    fn mentioned(name: &str) -> Self {
        Self { name: name.to_owned(), rel: MENTIONS }
    }
}

/// What IPTC's own examples have as the relation of a story to what occurs in it.
const MENTIONS: &str = "mentions";

#[derive(Serialize)]
struct Subject<'a> {
    name: String,
    rel: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relevance: Option<u8>,
    confidence: u8,
}

impl<'a> Subject<'a> {
    fn mentioned(entity: &Named, model: Option<&'a str>) -> Self {
        Self {
            name: entity.name.clone(),
            rel: MENTIONS,
            creator: model,
            relevance: entity.relevance.map(newsroom::percent),
            confidence: newsroom::percent(entity.score),
        }
    }
}

#[derive(Serialize)]
struct AltId<'a> {
    role: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct Standard {
    name: &'static str,
    version: &'static str,
    schema: &'static str,
}

fn story<'a>(annotated: &'a Annotated, model: Option<&'a str>) -> V3<'a> {
    let Annotated { document, extra, .. } = annotated;
    let story = Story::of(extra);
    let uri = newsroom::uri(document);
    let main = |value| Content { role: "main", content_type: "text/plain", value };
    let mut entities = Entities::default();
    for entity in distinct(newsroom::entities(annotated)) {
        let list = match entity.kind() {
            Kind::Person => Some(&mut entities.people),
            Kind::Place => Some(&mut entities.places),
            Kind::Organisation => Some(&mut entities.organisations),
            Kind::Object => Some(&mut entities.objects),
            Kind::Other => None,
        };
        if let Some(list) = list {
            list.push(Thing::mentioned(&entity.name));
        }
        entities.subjects.push(Subject::mentioned(&entity, model));
    }
    V3 {
        r#type: "text",
        version_created: story.time,
        language: story.language,
        headlines: story.headline.map(main).into_iter().collect(),
        by: story.byline,
        bodies: [main(&document.text)],
        entities,
        alt_ids: document.id.iter().filter(|id| **id != uri).map(|value| AltId { role: "id", value }).collect(),
        uri,
        standard: Standard {
            name: NAME,
            version: "3.1",
            schema: "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json#",
        },
    }
}

/// Of entities that ninjs cannot tell apart, the first: names are all that it has.
fn distinct(entities: Vec<Named>) -> impl Iterator<Item = Named> {
    let mut seen = HashSet::new();
    entities.into_iter().filter(move |entity| seen.insert((entity.kind(), entity.name.clone())))
}
