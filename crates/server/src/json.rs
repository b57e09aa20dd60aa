//! Reads JSON with its places: every error says at which line and column of the whole body it is, however deep the
//! value, and values stay raw until somebody wants them, so that ids and unknown fields go back exactly as they came.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::problem::{Code, Problem};

/// A JSON text and where it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'s> {
    text: &'s str,
    first_line: usize,
}

/// A field of an object, its value not yet read.
#[derive(Debug)]
pub(crate) struct Field<'s> {
    pub(crate) name: String,
    pub(crate) value: &'s RawValue,
}

impl<'s> Source<'s> {
    /// A whole body.
    pub(crate) const fn body(text: &'s str) -> Self {
        Self { text, first_line: 1 }
    }

    /// The line of that number, from 1, of a longer body.
    pub(crate) const fn line(text: &'s str, number: usize) -> Self {
        Self { text, first_line: number }
    }

    /// The fields of the object that the whole text is, in their order.
    pub(crate) fn fields(&self) -> Result<Vec<Field<'s>>, Problem> {
        self.object(self.text, "the JSON value")
    }

    /// The fields of the object `value`, which must be a part of the text; `what` names it in errors.
    pub(crate) fn object(&self, value: &'s str, what: &str) -> Result<Vec<Field<'s>>, Problem> {
        let fields: Fields<'s> =
            serde_json::from_str(value).map_err(|error| self.problem(value, what, None, &error))?;
        Ok(fields.0)
    }

    /// The value of `field` as a `T`.
    pub(crate) fn value<T: Deserialize<'s>>(&self, field: &Field<'s>) -> Result<T, Problem> {
        let value = field.value.get();
        serde_json::from_str(value)
            .map_err(|error| self.problem(value, &format!("`{}`", field.name), Some(&field.name), &error))
    }

    /// The line and column at which `part` of the text begins.
    pub(crate) fn place_of(&self, part: &str) -> (usize, usize) {
        self.place(self.offset_of(part) + 1)
    }

    fn problem(&self, part: &str, what: &str, field: Option<&str>, error: &serde_json::Error) -> Problem {
        let line_start: usize = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let place = self.place(self.offset_of(part) + line_start + error.column());
        let (line, column) = place;
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        let problem = if error.classify() == Category::Data {
            Problem::new(Code::InvalidField, format!("{what}: {} (line {line}, column {column})", plain(message)))
        } else {
            Problem::new(
                Code::InvalidJson,
                format!("not valid JSON at line {line}, column {column}: {message}{}", hint(message)),
            )
        };
        Problem { field: field.map(str::to_owned), ..problem }.at(place)
    }

    /// Where `part`, a slice of the text, begins in it.
    fn offset_of(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    /// Line and column, in characters, of the last of the first `bytes` bytes.
    fn place(&self, bytes: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..bytes.min(self.text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count();
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let column = before[start..].iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
        (self.first_line + line, column.max(1))
    }
}

/// The message in JSON's words where it has Rust's. What is quoted in it is the caller's own and stays.
fn plain(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let found = match found {
        "invalid type: sequence" => "invalid type: list",
        "invalid type: map" => "invalid type: object",
        found => found,
    };
    let expected = match expected {
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        expected => expected,
    };
    format!("{found}, expected {expected}")
}

/// What to do about the mistakes that people make.
fn hint(message: &str) -> &'static str {
    if message.contains("surrogate") || message.contains("end of hex escape") {
        " (a \\u escape is half of a surrogate pair; no text has half a character)"
    } else if message.starts_with("trailing characters") {
        " (for several JSON values, a line each, send Content-Type: application/x-ndjson)"
    } else if message.starts_with("control character") {
        " (write line breaks inside strings as \\n)"
    } else {
        ""
    }
}

struct Fields<'s>(Vec<Field<'s>>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    fields.push(Field { name, value });
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_that_of_the_whole_body() {
        let body = "{\"a\": 1,\n \"né\": \"x\\ud800y\"}";
        let source = Source::body(body);
        let fields = source.fields().unwrap();
        assert_eq!(source.value::<u32>(&fields[0]), Ok(1));
        assert_eq!(source.place_of(fields[0].value.get()), (1, 7));
        let problem = source.value::<String>(&fields[1]).unwrap_err();
        assert_eq!((problem.code, problem.place), (Code::InvalidJson, Some((2, 16))), "{}", problem.detail);
        assert!(problem.detail.contains("surrogate"), "{}", problem.detail);
        assert_eq!(problem.field.as_deref(), Some("né"));
    }

    #[test]
    fn a_wrong_type_is_no_syntax_error() {
        let source = Source::line("{\"text\": [5]}", 7);
        let fields = source.fields().unwrap();
        let problem = source.value::<String>(&fields[0]).unwrap_err();
        assert_eq!((problem.code, problem.place.map(|place| place.0)), (Code::InvalidField, Some(7)));
        assert!(problem.detail.starts_with("`text`: invalid type: list, expected a string"), "{}", problem.detail);
        assert_eq!(Source::body("[1]").fields().unwrap_err().code, Code::InvalidField);
    }

    #[test]
    fn every_cut_of_a_body_is_a_syntax_error() {
        let body = "{\"id\": 12, \"text\": \"Port \\u00c1\\n🚀\", \"offsets\": [null, true]}";
        assert_eq!(Source::body(body).fields().unwrap().len(), 3);
        for cut in (0..body.len()).filter(|&cut| body.is_char_boundary(cut)) {
            let problem = Source::body(&body[..cut]).fields().unwrap_err();
            assert_eq!(problem.code, Code::InvalidJson, "cut at {cut}: {}", problem.detail);
        }
    }
}
