//! Columns that hold JSON as it came: marked as such in the schema, so that JSONL is written with the same characters and
//! Parquet with plain strings.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow_schema::Field;
use serde::Deserialize;

/// What a column of JSON holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonColumn {
    /// One value: a string with its quotes, a number, an object. Null: the field was not there.
    Value,
    /// An object whose members are fields of the document.
    Object,
}

const KEY: &str = "dateline.json";

/// `field` with the mark of a column of JSON.
pub(crate) fn mark(field: Field, column: JsonColumn) -> Field {
    let value = match column {
        JsonColumn::Value => "value",
        JsonColumn::Object => "object",
    };
    field.with_metadata(HashMap::from([(KEY.to_owned(), value.to_owned())]))
}

/// What JSON a column holds; `None`: it is a column of another kind.
pub(crate) fn marked(field: &Field) -> Option<JsonColumn> {
    match field.metadata().get(KEY)?.as_str() {
        "value" => Some(JsonColumn::Value),
        "object" => Some(JsonColumn::Object),
        _ => None,
    }
}

/// `field` without the mark.
pub(crate) fn unmark(field: &Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.remove(KEY);
    field.clone().with_metadata(metadata)
}

/// An object of these members, whose values are JSON already; `None` if there are none.
pub(crate) fn object<'p>(members: impl Iterator<Item = (&'p str, &'p str)>) -> Option<String> {
    let mut object = String::new();
    for (name, value) in members {
        object.push(if object.is_empty() { '{' } else { ',' });
        object.push_str(&string(name));
        object.push(':');
        object.push_str(value);
    }
    if object.is_empty() {
        return None;
    }
    object.push('}');
    Some(object)
}

/// `text` as a JSON string.
pub(crate) fn string(text: &str) -> String {
    serde_json::to_string(text).expect("a string has a JSON form")
}

/// A value of JSON as a plain string: a string without its quotes and escapes, anything else as it is. A string of
/// broken surrogates stays in its quotes; a null is none.
pub(crate) fn plain(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first() {
        Some(b'n') => None,
        Some(b'"') => Some(serde_json::from_str::<Name<'_>>(value).map_or(Cow::Borrowed(value), |name| name.0)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// What is wrong in a line: its "line 1" is not the line of the file, and would mislead.
pub(crate) fn in_line(error: &serde_json::Error) -> String {
    error.to_string().replace("line 1 column", "column")
}

/// A string that is borrowed where it has no escapes, which serde does for `Cow` only when told.
#[derive(Deserialize)]
pub(crate) struct Name<'n>(#[serde(borrow)] pub(crate) Cow<'n, str>);
