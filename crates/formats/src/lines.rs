//! Lines of an input with their numbers, and the JSON objects that some formats have in them.

use std::fmt;
use std::io::BufRead;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::FormatError;

/// The lines of an input. An error of one line is followed by the next line, an error of the input by nothing.
pub(crate) struct Lines<R> {
    format: &'static str,
    source: R,
    number: usize,
    failed: bool,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `source`, which is of `format`.
    pub(crate) const fn new(format: &'static str, source: R) -> Self {
        Self { format, source, number: 0, failed: false }
    }

    /// `why` as an error of the line that was read last.
    pub(crate) fn malformed(&self, why: impl Into<String>) -> FormatError {
        FormatError::Malformed { format: self.format, place: format!("line {}", self.number), why: why.into() }
    }

    /// The next line without its end, `\n` or `\r\n`. A byte order mark at the start is no part of the first.
    pub(crate) fn line(&mut self) -> Option<Result<String, FormatError>> {
        if self.failed {
            return None;
        }
        let mut line = Vec::new();
        match self.source.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => {
                self.failed = true;
                return Some(Err(error.into()));
            }
        }
        self.number += 1;
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        let Ok(mut line) = String::from_utf8(line) else {
            return Some(Err(self.malformed("is not UTF-8: convert the file first")));
        };
        if self.number == 1 && line.starts_with('\u{feff}') {
            line.remove(0);
        }
        Some(Ok(line))
    }

    /// The object in the next line that is not blank.
    pub(crate) fn object(&mut self) -> Option<Result<Map<String, Value>, FormatError>> {
        loop {
            return Some(match self.line()? {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => match serde_json::from_str::<Object>(&line) {
                    Ok(Object(object)) => Ok(object),
                    // Its "line 1" is not the line of the file, and would mislead.
                    Err(error) => Err(self.malformed(error.to_string().replace("line 1 column", "column"))),
                },
                Err(error) => Err(error),
            });
        }
    }
}

/// A JSON object in which no field stands twice: readers differ in which of the two they take, so either is a guess.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object in a line")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
                let mut fields = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.contains_key(&name) {
                        return Err(M::Error::custom(format_args!("the field {name:?} stands there twice")));
                    }
                    fields.insert(name, value);
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named_and_the_next_is_read() {
        let source = b"\xef\xbb\xbf{\"a\":1}\r\n\n\xff\n{\"a\":1,\"a\":2}\n[1]\n{\"a\":3}".as_slice();
        let mut lines = Lines::new("jsonl", source);
        let mut said = Vec::new();
        while let Some(object) = lines.object() {
            said.push(object.map_or_else(|error| error.to_string(), |object| Value::from(object).to_string()));
        }
        let expected = [
            "{\"a\":1}",
            "jsonl, line 3: is not UTF-8: convert the file first",
            "jsonl, line 4: the field \"a\" stands there twice at column 13",
            "jsonl, line 5: invalid type: sequence, expected a JSON object in a line at column 0",
            "{\"a\":3}",
        ];
        assert_eq!(said, expected);
    }
}
