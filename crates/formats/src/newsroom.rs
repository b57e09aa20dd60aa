//! What the newsroom formats have in common: entities by what they are, names on one line, an address for every
//! document, and the few other fields of a story that they all have a place for.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, SecondsFormat};
use dateline_text::{Document, Label};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::Annotated;

/// What newsrooms sort the things that a story speaks of into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A human being.
    Person,
    /// Where something is.
    Place,
    /// People who act as one: a unit, an army, an authority.
    Organisation,
    /// A thing that can be touched: a weapon.
    Object,
    /// What a model with labels of its own finds beside those.
    Other,
}

impl Kind {
    /// The kind of what is marked as `label`, by Dateline's labels and by those that other models have for the same.
    pub(crate) fn of(label: &Label) -> Self {
        match label.as_str().to_ascii_uppercase().as_str() {
            "PERSON" | "PER" => Self::Person,
            "PLACE" | "LOCATION" | "LOC" | "GPE" | "FAC" => Self::Place,
            "UNIT" | "ORGANISATION" | "ORGANIZATION" | "ORG" => Self::Organisation,
            "WEAPON" => Self::Object,
            _ => Self::Other,
        }
    }
}

/// An entity with its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    /// What it is marked as.
    pub(crate) label: Label,
    /// Its name, on one line; never empty.
    pub(crate) name: String,
    /// Its mentions, as ascending indices into the document's mentions; never empty.
    pub(crate) mentions: Vec<usize>,
    /// The best score of its mentions, 0 to 1.
    pub(crate) score: f32,
    /// How much the document is about it, 0 to 1, if that is known.
    pub(crate) relevance: Option<f32>,
}

impl Named {
    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        Kind::of(&self.label)
    }
}

/// The entities of a document, by their first mention. Mentions of none of them are entities of their own: one for each
/// label and wording, wherever that stands.
pub(crate) fn entities(annotated: &Annotated) -> Vec<Named> {
    let Annotated { document, mentions, entities, .. } = annotated;
    let mut taken = vec![false; mentions.len()];
    let mut named = Vec::with_capacity(entities.len());
    for entity in entities {
        for &mention in &entity.mentions {
            taken[mention] = true;
        }
        named.push(Named {
            label: entity.label.clone(),
            name: one_line(entity.name(&document.text, mentions)),
            mentions: entity.mentions.clone(),
            score: entity.score,
            relevance: Some(entity.relevance),
        });
    }
    let mut by_wording: HashMap<(Label, String), usize> = HashMap::new();
    for (index, mention) in mentions.iter().enumerate().filter(|(index, _)| !taken[*index]) {
        let name = one_line(mention.slice(&document.text));
        let known = *by_wording.entry((mention.label.clone(), name.clone())).or_insert_with(|| {
            named.push(Named {
                label: mention.label.clone(),
                name,
                mentions: Vec::new(),
                score: mention.score,
                relevance: None,
            });
            named.len() - 1
        });
        named[known].mentions.push(index);
        named[known].score = named[known].score.max(mention.score);
    }
    // A mention of nothing but white space has no name to be listed by; its mark in the text stays.
    named.retain(|entity| !entity.name.is_empty());
    named.sort_by_key(|entity| entity.mentions[0]);
    named
}

/// A name as lists have it: words that stand on two lines of a text are one name all the same.
pub(crate) fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A probability in percent, as IPTC's formats have it.
pub(crate) fn percent(share: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100 after the clamp")]
    let percent = (share.clamp(0.0, 1.0) * 100.0).round() as u8;
    percent
}

/// The document's address: its id if that is one, else a UUID made of the id, or of the text where there is no id. The
/// same document always has the same.
pub(crate) fn uri(document: &Document) -> String {
    match &document.id {
        Some(id) if is_uri(id) => id.clone(),
        Some(id) => urn(&["id", id]),
        None => urn(&["text", &document.text]),
    }
}

/// The id of a document that was written with the address `uri`, `stated` being the ids beside it.
pub(crate) fn id(uri: String, stated: &[String], text: &str) -> Option<String> {
    match stated.iter().find(|id| urn(&["id", id]) == uri) {
        Some(id) => Some(id.clone()),
        None => Some(uri).filter(|uri| *uri != urn(&["text", text])),
    }
}

/// A UUID of RFC 9562's version 8: the first bits of a hash of `parts`.
pub(crate) fn urn(parts: &[&str]) -> String {
    let hash = hash(parts);
    // The 8 is the version, the a begins with the variant's two bits.
    format!("urn:uuid:{}-{}-8{}-a{}-{}", &hash[..8], &hash[8..12], &hash[13..16], &hash[17..20], &hash[20..32])
}

/// A hash of `parts` in 64 hexadecimal digits, different for any two lists.
pub(crate) fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `id` is a URI by RFC 3986: a scheme of more than a drive's letter, and then only characters that may be there.
fn is_uri(id: &str) -> bool {
    let Some((scheme, rest)) = id.split_once(':') else { return false };
    let mut scheme = scheme.bytes();
    let named = scheme.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && scheme.len() > 0
        && scheme.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let allowed = |(at, byte): (usize, u8)| match byte {
        b'%' => rest.as_bytes().get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        b'#' => rest.find('#') == Some(at),
        _ => byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=".contains(&byte),
    };
    named && !rest.is_empty() && rest.bytes().enumerate().all(allowed)
}

/// The fields of a story beside its text, as far as its other fields tell them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Story<'e> {
    /// `headline` or `title`.
    pub(crate) headline: Option<&'e str>,
    /// `byline` or `author`.
    pub(crate) byline: Option<&'e str>,
    /// `language` or `lang`, if it is a tag such as `en` or `uk-UA`.
    pub(crate) language: Option<&'e str>,
    /// `date`, `published` or `versionCreated`, if it is a day, or a time with its zone. As it came.
    pub(crate) date: Option<&'e str>,
    /// The same as a time with its zone, RFC 3339, if it has one.
    pub(crate) time: Option<String>,
}

impl<'e> Story<'e> {
    /// What `extra` tells.
    pub(crate) fn of(extra: &'e Map<String, Value>) -> Self {
        let field =
            |names: &[&str]| names.iter().find_map(|name| extra.get(*name)?.as_str().filter(|it| !it.is_empty()));
        let date = field(&["versionCreated", "versioncreated", "date", "published"]);
        let time = date.and_then(time);
        let day = date.filter(|date| date.len() == 10 && NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok());
        Self {
            headline: field(&["headline", "title"]),
            byline: field(&["byline", "author"]),
            language: field(&["language", "lang"]).filter(|tag| is_language(tag)),
            date: if time.is_some() { date } else { day },
            time,
        }
    }
}

/// `date` as XML and JSON Schema both take it, if it is a time with its zone.
pub(crate) fn time(date: &str) -> Option<String> {
    DateTime::parse_from_rfc3339(date).ok().map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    parts
        .next()
        .is_some_and(|part| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic()))
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use dateline_text::{Entity, Mention, Span};
    use serde_json::json;

    use super::*;

    fn annotated(text: &str, marks: &[(&str, &str, f32)]) -> Annotated {
        let mut from = 0;
        let mentions = marks.iter().map(|(words, label, score)| {
            let start = from + text[from..].find(words).unwrap();
            from = start + words.len();
            Mention::new(Span::new(start, from), Label::new(label), *score)
        });
        let mentions = mentions.collect();
        Annotated::new(Document { id: None, text: text.to_owned() }, mentions)
    }

    #[test]
    fn each_wording_is_an_entity_where_there_are_none() {
        let marks =
            [("Kyiv", "PLACE", 0.5), ("New\nYork", "PLACE", 0.7), ("Kyiv", "PLACE", 0.9), ("Kyiv", "UNIT", 0.4)];
        let annotated = annotated("Kyiv, New\nYork, Kyiv, Kyiv", &marks);
        let named = entities(&annotated);
        let said: Vec<_> =
            named.iter().map(|it| (it.name.as_str(), &it.mentions[..], it.score, it.relevance)).collect();
        let expected: [(&str, &[usize], f32, Option<f32>); 3] =
            [("Kyiv", &[0, 2], 0.9, None), ("New York", &[1], 0.7, None), ("Kyiv", &[3], 0.4, None)];
        assert_eq!(said, expected);
    }

    #[test]
    fn no_mention_is_lost_beside_entities() {
        let marks = [("Azov", "UNIT", 0.9), ("Petrenko", "PERSON", 0.5), ("Ivan Petrenko", "PERSON", 0.8)];
        let mut annotated = annotated("Azov, Petrenko, Ivan Petrenko", &marks);
        let petrenko = Entity { label: "PERSON".into(), name: 2, mentions: vec![1, 2], score: 0.8, relevance: 0.25 };
        annotated.entities = vec![petrenko];
        let named = entities(&annotated);
        let said: Vec<_> = named.iter().map(|it| (it.name.as_str(), it.kind(), it.relevance)).collect();
        assert_eq!(said, [("Azov", Kind::Organisation, None), ("Ivan Petrenko", Kind::Person, Some(0.25))]);
    }

    #[test]
    fn an_id_that_is_an_address_is_kept() {
        for id in ["http://example.org/a?b=%20#c", "urn:newsml:example.org:20240502:a1", "tag:example.org,2024:a"] {
            assert_eq!(uri(&Document { id: Some(id.to_owned()), text: String::new() }), id);
        }
        for id in
            ["a1", "C:/x", "C:\\x", "doc: 1", "http://example.org/%2", "http://example.org/ü", "a#b:c", "x:#a#b", "ab:"]
        {
            let document = Document { id: Some(id.to_owned()), text: String::new() };
            let uri = uri(&document);
            assert!(is_uri(&uri) && uri.starts_with("urn:uuid:") && uri.len() == 45, "{uri}");
            assert_eq!(super::id(uri, document.id.as_slice(), ""), document.id);
        }
        let document = Document { id: None, text: "a".to_owned() };
        assert_eq!(id(uri(&document), &[], "a"), None);
        assert_eq!(
            id("http://example.org/a".to_owned(), &["b".to_owned()], "a").as_deref(),
            Some("http://example.org/a")
        );
    }

    #[test]
    fn a_uuid_says_its_version_and_variant() {
        let urn = urn(&["text", "Kyiv"]);
        assert_eq!((&urn[23..24], &urn[28..29]), ("8", "a"), "{urn}");
        assert_ne!(urn, super::urn(&["textK", "yiv"]));
    }

    #[test]
    fn only_fields_that_are_what_they_say_are_taken() {
        let extra = json!({"headline": "", "title": "Held", "lang": "uk-UA", "date": "2024-05-02", "author": 7});
        let story = Story::of(extra.as_object().unwrap());
        let expected =
            Story { headline: Some("Held"), language: Some("uk-UA"), date: Some("2024-05-02"), ..Story::default() };
        assert_eq!(story, expected);
        let extra = json!({"date": "2024-05-02T10:00:00.5+00:00", "language": "Old English"});
        let story = Story::of(extra.as_object().unwrap());
        assert_eq!((story.time.as_deref(), story.language), (Some("2024-05-02T10:00:00.500Z"), None));
        for wrong in ["yesterday", "2024-13-02", "2024-05-02T10:00:00", "2024-5-2"] {
            let extra = json!({ "date": wrong });
            assert_eq!(Story::of(extra.as_object().unwrap()), Story::default(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_rounded_to_percent() {
        assert_eq!([0.0, 0.004, 0.005, 0.996, 1.0].map(percent), [0, 0, 1, 100, 100]);
    }
}
