//! FollowTheMoney entities as JSON lines, as investigation tools such as Aleph load them: for each document a `PlainText`, then a
//! `Mention` for each entity.
//!
//! The document has its text in `bodyText` and the names in `peopleMentioned`, `companiesMentioned` (units) and
//! `locationMentioned`. FollowTheMoney has no property and no schema for what a weapon is, nor for labels of other models: those
//! names are `keywords` of the document, where they cannot be taken for names of people or companies, and their mentions are
//! without `detectedSchema`. A mention's names are the entity's name and then its other wordings.
//!
//! The document's id is its own if FollowTheMoney takes it (letters, digits, dots and hyphens), else a hash of it, or of the text
//! where there is none; a mention's is a hash of the document's id, the label and the name. So the same input always gives
//! the same ids, and loading it twice changes nothing. `fileName`, which is required, is the document's own id.
//!
//! A value may have 65,000 characters. A longer text is several values of `bodyText`, cut at white space where there is some; one
//! after the other they are the text.
//!
//! **Lost:** where mentions stand, scores, relevance, the language (FollowTheMoney has other codes), other fields. It cannot be read
//! back. FollowTheMoney itself, when it cleans values, normalises them (NFC) and removes control characters.

use std::collections::HashSet;
use std::io;

use indexmap::IndexSet;
use serde::Serialize;

use crate::jsonl::push_line;
use crate::newsroom::{self, Kind, Named, Story};
use crate::{Annotated, FormatError, Options};

/// The format's name.
pub const NAME: &str = "ftm";

/// How many characters a value of a text property may have.
const LONGEST_TEXT: usize = 65_000;
/// How many characters a name may have.
const LONGEST_NAME: usize = 384;
/// How many characters a string may have.
const LONGEST_STRING: usize = 1024;
/// How many characters an id may have.
const LONGEST_ID: usize = 200;

/// Writes FollowTheMoney entities, one a line.
pub struct Writer<W> {
    sink: W,
    model: Option<String>,
}

impl<W: io::Write> Writer<W> {
    /// Lines onto `sink`; `options` say which model found the mentions.
    #[must_use]
    pub fn new(sink: W, options: &Options) -> Self {
        Self { sink, model: options.model.clone() }
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        let entities = newsroom::entities(annotated);
        if let Some(index) = entities.iter().position(|entity| entity.name.chars().count() > LONGEST_NAME) {
            let why =
                format!("entity {index} has a name of more than {LONGEST_NAME} characters; leave its mention out");
            return Err(FormatError::Unwritable { format: NAME, why });
        }
        let id = id(annotated);
        let mut lines = Vec::new();
        line(&mut lines, &id, "PlainText", &plain_text(annotated, &id, &entities, self.model.as_deref())?)?;
        let mut seen = HashSet::new();
        for entity in &entities {
            let key = newsroom::hash(&["mention", &id, entity.label.as_str(), &entity.name]);
            // Two entities of one name are one mention here: names are all that it has.
            if seen.insert(key.clone()) {
                line(&mut lines, &key[..40], "Mention", &mention(annotated, &id, entity))?;
            }
        }
        Ok(self.sink.write_all(&lines)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.sink.flush()?)
    }
}

fn line(lines: &mut Vec<u8>, id: &str, schema: &'static str, properties: &impl Serialize) -> Result<(), FormatError> {
    #[derive(Serialize)]
    struct Entity<'a, P> {
        id: &'a str,
        schema: &'static str,
        properties: &'a P,
    }

    push_line(lines, &Entity { id, schema, properties })
}

/// The document's id, as FollowTheMoney takes one.
fn id(annotated: &Annotated) -> String {
    let document = &annotated.document;
    let ends = |id: &str| [id.chars().next(), id.chars().last()].iter().flatten().all(char::is_ascii_alphanumeric);
    let allowed = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    match &document.id {
        Some(id) if (1..=LONGEST_ID).contains(&id.len()) && allowed(id) && ends(id) => id.clone(),
        Some(id) => newsroom::hash(&["id", id])[..40].to_owned(),
        None => newsroom::hash(&["text", &document.text])[..40].to_owned(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainText<'a> {
    file_name: [String; 1],
    mime_type: [&'static str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    title: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    author: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    date: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    body_text: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    people_mentioned: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    companies_mentioned: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    location_mentioned: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    processing_agent: Vec<&'a str>,
}

fn plain_text<'a>(
    annotated: &'a Annotated,
    id: &str,
    entities: &'a [Named],
    model: Option<&'a str>,
) -> Result<PlainText<'a>, FormatError> {
    let Annotated { document, extra, .. } = annotated;
    let story = Story::of(extra);
    let names = |kinds: &[Kind]| {
        let of_kind = entities.iter().filter(|entity| kinds.contains(&entity.kind()));
        let names: IndexSet<&str> = of_kind.map(|entity| entity.name.as_str()).collect();
        names.into_iter().collect()
    };
    let file_name = document.id.as_deref().map(str::trim).filter(|id| !id.is_empty()).unwrap_or(id).to_owned();
    let strings = [("id", Some(file_name.as_str())), ("headline", story.headline), ("byline", story.byline)];
    let too_long = |value: Option<&str>| value.is_some_and(|value| value.chars().count() > LONGEST_STRING);
    if let Some((name, _)) = strings.into_iter().find(|(_, value)| too_long(*value)) {
        let why = format!("its {name} has more than {LONGEST_STRING} characters");
        return Err(FormatError::Unwritable { format: NAME, why });
    }
    Ok(PlainText {
        file_name: [file_name],
        mime_type: ["text/plain"],
        title: story.headline.into_iter().collect(),
        author: story.byline.into_iter().collect(),
        date: story.date.into_iter().collect(),
        body_text: values(&document.text),
        people_mentioned: names(&[Kind::Person]),
        companies_mentioned: names(&[Kind::Organisation]),
        location_mentioned: names(&[Kind::Place]),
        keywords: names(&[Kind::Object, Kind::Other]),
        processing_agent: model.into_iter().collect(),
    })
}

/// The text as values that are short enough, in order.
fn values(text: &str) -> Vec<&str> {
    let mut values = Vec::new();
    let mut rest = text;
    while let Some((longest, _)) = rest.char_indices().nth(LONGEST_TEXT) {
        let cut = rest[..longest].rfind(char::is_whitespace).filter(|&cut| cut > 0).unwrap_or(longest);
        let (value, after) = rest.split_at(cut);
        values.push(value);
        rest = after;
    }
    values.extend(Some(rest).filter(|rest| !rest.is_empty()));
    values
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mention<'a> {
    document: [&'a str; 1],
    name: IndexSet<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    detected_schema: Vec<&'static str>,
}

fn mention<'a>(annotated: &Annotated, document: &'a str, entity: &Named) -> Mention<'a> {
    let wording = |&index: &usize| newsroom::one_line(annotated.mentions[index].slice(&annotated.document.text));
    let names = std::iter::once(entity.name.clone()).chain(entity.mentions.iter().map(wording));
    let name: IndexSet<String> = names.filter(|name| !name.is_empty()).collect();
    let schema = match entity.kind() {
        Kind::Person => Some("Person"),
        Kind::Place => Some("Address"),
        Kind::Organisation => Some("Organization"),
        Kind::Object | Kind::Other => None,
    };
    Mention { document: [document], name, detected_schema: schema.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_white_space_and_stays_whole() {
        let text = "Київ 🚀 ".repeat(20_000);
        let values = values(&text);
        assert_eq!(values.concat(), text);
        assert!(values.len() == 3 && values.iter().all(|value| value.chars().count() <= LONGEST_TEXT));
        assert!(values[1..].iter().all(|value| value.starts_with(' ')));
        assert_eq!(super::values(&"ї".repeat(LONGEST_TEXT + 1)).len(), 2, "where there is no white space, anywhere");
    }
}
