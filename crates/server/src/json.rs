//! Reads JSON with its places: every error says at which line and column of the whole body it is, however deep the
//! value, and values stay raw until somebody wants them, so that ids and unknown fields go back exactly as they came.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::problem::{Code, Problem};

/// The most fields of an object. Each takes far more memory than its bytes.
const MOST_FIELDS: usize = 10_000;

/// A JSON text and where it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'s> {
    text: &'s str,
    first_line: usize,
    /// Of the text's first line.
    first_column: usize,
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
        Self { text, first_line: 1, first_column: 1 }
    }

    /// The line of that number, from 1, of a longer body.
    pub(crate) const fn line(text: &'s str, number: usize) -> Self {
        Self { text, first_line: number, first_column: 1 }
    }

    /// The elements of the list `field`, at most `most` of them, each with its own place: finding the places of many
    /// mistakes in a long list must not take a walk over the whole body for each. `Err` is how many there are.
    pub(crate) fn elements(&self, field: &Field<'s>, most: usize) -> Result<Result<Vec<Source<'s>>, usize>, Problem> {
        let value = field.value.get();
        let elements: Elements<'s> =
            Elements::read(value, most).map_err(|error| self.problem_of(value, &field.name, &error))?;
        if elements.count > most {
            return Ok(Err(elements.count));
        }
        let (mut line, mut column) = self.place_of(value);
        let mut walked = self.offset_of(value);
        let places = elements.values.into_iter().map(|element| {
            let start = self.offset_of(element.get());
            for &byte in &self.text.as_bytes()[walked..start] {
                match byte {
                    b'\n' => (line, column) = (line + 1, 1),
                    byte => column += usize::from(byte & 0xC0 != 0x80),
                }
            }
            walked = start;
            Source { text: element.get(), first_line: line, first_column: column }
        });
        Ok(Ok(places.collect()))
    }

    /// The fields of the object that the whole text is, in their order.
    pub(crate) fn fields(&self) -> Result<Vec<Field<'s>>, Problem> {
        self.fields_of("the JSON value")
    }

    /// As [`Source::fields`]; `what` names the object in errors.
    pub(crate) fn fields_of(&self, what: &str) -> Result<Vec<Field<'s>>, Problem> {
        self.object(self.text, what)
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
        serde_json::from_str(value).map_err(|error| self.problem_of(value, &field.name, &error))
    }

    /// The whole text as a string; `name` is the field whose element it is.
    pub(crate) fn text_of(&self, name: &str) -> Result<String, Problem> {
        self.element(name)
    }

    /// The whole text as a `T`; `name` is the field whose element it is.
    pub(crate) fn element<T: Deserialize<'s>>(&self, name: &str) -> Result<T, Problem> {
        serde_json::from_str(self.text).map_err(|error| self.problem_of(self.text, name, &error))
    }

    /// The line and column at which `part` of the text begins.
    pub(crate) fn place_of(&self, part: &str) -> (usize, usize) {
        self.place(self.offset_of(part) + 1)
    }

    fn problem_of(&self, part: &str, field: &str, error: &serde_json::Error) -> Problem {
        self.problem(part, &format!("`{field}`"), Some(field), error)
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
        let column = if line == 0 { column + self.first_column - 1 } else { column };
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

/// The first elements of a list, and how many it has.
struct Elements<'s> {
    values: Vec<&'s RawValue>,
    count: usize,
}

impl<'s> Elements<'s> {
    fn read(list: &'s str, most: usize) -> Result<Self, serde_json::Error> {
        struct Counting(usize);

        impl<'de> Visitor<'de> for Counting {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut elements = Elements { values: Vec::new(), count: 0 };
                while elements.count < self.0
                    && let Some(value) = list.next_element()?
                {
                    elements.values.push(value);
                    elements.count += 1;
                }
                while elements.count >= self.0 && list.next_element::<IgnoredAny>()?.is_some() {
                    elements.count += 1;
                }
                Ok(elements)
            }
        }

        let mut deserializer = serde_json::Deserializer::from_str(list);
        deserializer.deserialize_seq(Counting(most))
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
                    if fields.len() == MOST_FIELDS {
                        return Err(A::Error::custom(format_args!("an object of more than {MOST_FIELDS} fields")));
                    }
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
    fn an_element_knows_its_place_in_the_whole() {
        let body =
            "{\"é\": [1,\n  {\"a\": x}, 🚀, {\"text\": 5,\n\"b\": 6}]}".replace("🚀", "\"🚀\"").replace(": x", ": 0");
        let source = Source::body(&body);
        let field = &source.fields().unwrap()[0];
        assert_eq!(source.elements(field, 3).unwrap().unwrap_err(), 4);
        let elements = source.elements(field, 4).unwrap().unwrap();
        for element in &elements {
            assert_eq!(element.place(1), source.place_of(element.text));
        }
        let fields = elements[3].fields().unwrap();
        assert_eq!(elements[3].place_of(fields[1].value.get()), source.place_of(fields[1].value.get()));
        let problem = elements[3].value::<String>(&fields[0]).unwrap_err();
        assert_eq!(problem.place, Some((2, 27)), "{}", problem.detail);
        let list = source.elements(&Field { name: "é".to_owned(), value: fields[0].value }, 4);
        assert!(list.unwrap_err().detail.contains("expected a list"));
    }

    #[test]
    fn an_object_has_no_end_of_fields() {
        let fields = |count: usize| format!("{{{}}}", vec!["\"a\":1"; count].join(","));
        assert_eq!(Source::body(&fields(MOST_FIELDS)).fields().unwrap().len(), MOST_FIELDS);
        let problem = Source::body(&fields(MOST_FIELDS + 1)).fields().unwrap_err();
        assert_eq!(problem.code, Code::InvalidField);
        assert!(problem.detail.contains("10000 fields"), "{}", problem.detail);
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
