//! JSONL: a document a line. Fields beside the text are carried as the JSON that they were.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ReadError;
use super::bridge::{Bridge, Outlet};
use super::lines::{Line, Lines};
use super::rows::{Rows, longest, too_long};
use super::utf8;
use crate::json::{self, JsonColumn};
use crate::{Chunk, Kind, Object, ReadOptions};

/// The column of all fields that have none of their own.
const FIELDS: &str = "fields";

/// Which fields are carried, and as what.
struct Columns {
    id: String,
    /// Fields with a column of their own; `None`: all others go into one column as an object.
    named: Option<Vec<String>>,
}

impl Columns {
    fn new(options: &ReadOptions) -> Self {
        let id = options.id_column.clone().unwrap_or_else(|| "id".to_owned());
        let named = options
            .carry
            .as_ref()
            .map(|names| names.iter().filter(|name| **name != id && **name != options.text_column).cloned().collect());
        Self { id, named }
    }

    fn schema(&self) -> SchemaRef {
        let value = |name: &str| json::mark(Field::new(name, DataType::Utf8, true), JsonColumn::Value);
        let mut fields = vec![value(&self.id)];
        match &self.named {
            Some(named) => fields.extend(named.iter().map(|name| value(name))),
            None => fields.push(json::mark(Field::new(FIELDS, DataType::Utf8, true), JsonColumn::Object)),
        }
        Arc::new(Schema::new(fields))
    }
}

/// Reads the lines of one part.
pub(super) fn read(
    bridge: &Bridge,
    outlet: &Outlet<Chunk>,
    object: &Object,
    kind: Kind,
    range: Range<u64>,
    options: &ReadOptions,
) -> Result<(), ReadError> {
    let columns = Columns::new(options);
    let mut rows = Rows::new(columns.schema(), options);
    let limit = longest(options);
    let mut lines = Lines::open(bridge, object, kind, range, limit)?;
    while let Some(line) = lines.next()? {
        if let Some(chunk) = push(&mut rows, &line, &columns, options, limit) {
            outlet.send(chunk)?;
        }
    }
    rows.take().map_or(Ok(()), |chunk| outlet.send(chunk))
}

fn push(rows: &mut Rows, line: &Line<'_>, columns: &Columns, options: &ReadOptions, limit: usize) -> Option<Chunk> {
    let parsed = if line.length > line.bytes.len() as u64 {
        Err(too_long("a line", Some(line.length), limit))
    } else {
        utf8(line.bytes).map_err(|error| format!("the line {error}")).and_then(parse)
    };
    let pairs = match parsed {
        Ok(pairs) => pairs,
        Err(error) => return rows.push(line.position, Err(error), columns.schema().fields().iter().map(|_| None)),
    };
    let text = text_of(&pairs, &options.text_column);
    let value = |name: &str| pairs.iter().find(|(field, _)| field == name).map(|(_, value)| value.get());
    let id = value(&columns.id);
    match &columns.named {
        Some(named) => rows.push(line.position, text, [id].into_iter().chain(named.iter().map(|name| value(name)))),
        None => {
            let others = pairs.iter().filter(|(name, _)| *name != columns.id && *name != options.text_column);
            let others = json::object(others.map(|(name, value)| (&**name, value.get())));
            rows.push(line.position, text, [id, others.as_deref()])
        }
    }
}

fn text_of(pairs: &Pairs<'_>, column: &str) -> Result<Arc<str>, String> {
    let mut texts = pairs.iter().filter(|(name, _)| name == column);
    let Some((_, text)) = texts.next() else {
        let names: Vec<_> = pairs.iter().take(8).map(|(name, _)| format!("{name:?}")).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(format!("the line has no field {column:?}; it has {names}"));
    };
    // Readers of JSON differ in which of two they take: annotating either would be a guess.
    if texts.next().is_some() {
        return Err(format!("the line has two fields {column:?}"));
    }
    if text.get() == "null" {
        return Err(format!("the field {column:?} is null"));
    }
    match serde_json::from_str::<json::Name<'_>>(text.get()) {
        Ok(text) => Ok(Arc::from(&*text.0)),
        Err(error) => {
            Err(format!("the field {column:?} is not a string of Unicode characters ({})", json::in_line(&error)))
        }
    }
}

/// Names and values of an object, in their order; values are not looked into.
type Pairs<'l> = Vec<(Cow<'l, str>, &'l RawValue)>;

fn parse(line: &str) -> Result<Pairs<'_>, String> {
    serde_json::from_str(line)
        .map(|ObjectLine(pairs)| pairs)
        .map_err(|error| format!("the line is not a JSON object ({})", json::in_line(&error)))
}

struct ObjectLine<'l>(Pairs<'l>);

impl<'de> Deserialize<'de> for ObjectLine<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = ObjectLine<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry::<json::Name<'de>, &'de RawValue>()? {
                    pairs.push((pair.0.0, pair.1));
                }
                Ok(ObjectLine(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// How many lines are looked at before a missing text field is taken for a wrong name.
const LOOKED_AT: usize = 100;

/// An error if none of the first lines has the field of the texts, but some have others: the name is then more likely
/// wrong than each of them.
pub(crate) fn check_names(
    bridge: &Bridge,
    object: &Object,
    kind: Kind,
    options: &ReadOptions,
) -> Result<(), ReadError> {
    let mut lines = Lines::all(bridge, object, kind, longest(options))?;
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..LOOKED_AT {
        let Some(line) = lines.next()? else { break };
        let Ok(Ok(pairs)) = utf8(line.bytes).map(parse) else { continue };
        for (name, _) in pairs {
            if name == options.text_column {
                return Ok(());
            }
            if !seen.iter().any(|known| *known == name) {
                seen.push(name.into_owned());
            }
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    Err(ReadError::MissingColumn { name: object.name.clone(), column: options.text_column.clone(), columns: seen })
}
