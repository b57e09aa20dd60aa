//! One document of the input with the fields that its owner put beside the text.
//!
//! Fields that are not the text are kept as the JSON that they were, in their order: a number with more digits than a
//! float holds, or an object of a thousand keys, comes out as it went in and costs no parsing.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{BadInput, Rejected};

/// A field of a record, in its place.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    /// Where the text stood.
    Text,
    /// Any other field: its name and its JSON.
    Other(String, Box<RawValue>),
}

/// A document and the fields around its text.
#[derive(Debug)]
pub(crate) struct Record {
    fields: Vec<Field>,
    text: String,
}

impl Record {
    /// A text that is no JSON, with the id that it shall have.
    pub(super) fn plain(id: Option<Box<RawValue>>, text: String) -> Self {
        let id = id.map(|id| Field::Other("id".to_owned(), id));
        Self { fields: id.into_iter().chain([Field::Text]).collect(), text }
    }

    /// A line of JSONL.
    pub(crate) fn parse(line: &str) -> Result<Self, Rejected> {
        let Object(pairs) = serde_json::from_str(line)
            .map_err(|error| Rejected { id: None, error: BadInput::NotAnObject(in_line(&error)) })?;
        let mut text = None;
        let mut fields = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            match name.as_str() {
                "text" if text.is_some() => {
                    return Err(Rejected { id: id_of(&fields).map(ToOwned::to_owned), error: BadInput::TwoTexts });
                }
                "text" => {
                    text = Some(serde_json::from_str::<String>(value.get()));
                    fields.push(Field::Text);
                }
                // What a record is given here anew; an earlier run's would be second fields of those names.
                "mentions" | "entities" => {}
                _ => fields.push(Field::Other(name, value)),
            }
        }
        let error = match text {
            Some(Ok(text)) => return Ok(Self { fields, text }),
            Some(Err(error)) => BadInput::BadText(in_line(&error)),
            None => BadInput::NoText,
        };
        Err(Rejected { id: id_of(&fields).map(ToOwned::to_owned), error })
    }

    /// The document's text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// All fields, in the order in which they came.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The document's id as JSON: any value that its owner chose.
    pub(crate) fn id(&self) -> Option<&RawValue> {
        id_of(&self.fields)
    }
}

fn id_of(fields: &[Field]) -> Option<&RawValue> {
    fields.iter().find_map(|field| match field {
        Field::Other(name, value) if name == "id" => Some(&**value),
        _ => None,
    })
}

/// What is wrong with a line: its "line 1" is not the line of the file, and would mislead.
fn in_line(error: &serde_json::Error) -> String {
    error.to_string().replace("line 1 column", "column")
}

/// A JSON object whose values are not looked into.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(record: &Record) -> Vec<String> {
        let show = |field: &Field| match field {
            Field::Text => "text".to_owned(),
            Field::Other(name, value) => format!("{name}={}", value.get()),
        };
        record.fields().iter().map(show).collect()
    }

    #[test]
    fn fields_keep_their_order_and_their_digits() {
        let line = r#"{"z":1.10,"text":"a","id":12345678901234567890123,"a":{"y":[1, 2],"x":null}}"#;
        let record = Record::parse(line).unwrap();
        assert_eq!(shown(&record), ["z=1.10", "text", "id=12345678901234567890123", r#"a={"y":[1, 2],"x":null}"#]);
        assert_eq!(record.id().map(RawValue::get), Some("12345678901234567890123"));
    }

    /// JSON readers differ in which of two fields of one name they take: annotating either would be a guess.
    #[test]
    fn two_texts_are_refused() {
        let rejected = Record::parse(r#"{"id":1,"text":"a","text":"b"}"#).unwrap_err();
        assert_eq!(rejected.id.map(|id| id.get().to_owned()).as_deref(), Some("1"));
        assert!(matches!(rejected.error, BadInput::TwoTexts));
    }

    /// An annotated file can be annotated again, with another model or other options.
    #[test]
    fn mentions_of_an_earlier_run_make_way() {
        let record = Record::parse(r#"{"mentions":[{"start":0}],"text":"b"}"#).unwrap();
        assert_eq!((record.text(), shown(&record)), ("b", vec!["text".to_owned()]));
    }

    #[test]
    fn escapes_become_characters() {
        let record = Record::parse(r#"{"text":"\ud83d\ude80 Ky\u0069v \u0000\n"}"#).unwrap();
        assert_eq!(record.text(), "🚀 Kyiv \0\n");
    }
}
