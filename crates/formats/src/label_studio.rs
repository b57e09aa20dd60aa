//! Label Studio's JSON: a list of tasks with predictions to import, and with annotations as it exports them.
//!
//! ```json
//! [{"data":{"id":"a1","text":"Kyiv held."},"predictions":[{"model_version":"dateline-en-small","score":0.98,"result":[
//!   {"id":"m1","from_name":"label","to_name":"text","type":"labels",
//!    "value":{"start":0,"end":4,"text":"Kyiv","labels":["PLACE"],"score":0.98}}]}]}]
//! ```
//!
//! Written: for a project with `<Labels name="label" toName="text">` and `<Text name="text" value="$text"/>`, whose labels
//! are the mentions'. A prediction's score is that of its least sure mention, so that sorting by it brings up
//! what to look at first. Ids count the mentions of a task, so equal documents make equal tasks. A task's own
//! `id` is Label Studio's to give: the document's is in `data`, with its other fields.
//!
//! Read: the first annotation that was not cancelled, or else the first prediction; other results than labels of a text
//! (relations, choices, …) and other annotations of the task are left out and named. The text is `data.text`.
//!
//! Offsets are code points. The page converts what the browser counts in UTF-16 units: `charsToCodePoints` in
//! `HumanSignal/label-studio`, `web/libs/editor/src/utils/selection-tools.js`. Before frontend pull request 308 it
//! did not, and from the introduction of `domManager.ts` until pull request 6135 (2024) not everywhere; such offsets after
//! an emoji do not fit the words beside them, and are an error rather than other words. Line breaks count one
//! for each `\r` and each `\n`, as they do here.
//!
//! **Lost:** scores beyond four decimals, entities, and on reading what is Label Studio's own in a task (project, times, who
//! annotated, drafts). Labels of any spelling are kept; whether the project's
//! configuration has them is its owner's matter.

use std::io::{self, BufRead};

use dateline_text::record;
use dateline_text::{OffsetMap, OffsetUnit};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::marks::{self, Mark};
use crate::{Annotated, FormatError, LeftOut, Options};

/// The format's name.
pub const NAME: &str = "label-studio";

/// Writes tasks with predictions.
pub struct Writer<W> {
    sink: W,
    model: String,
    any: bool,
}

impl<W: io::Write> Writer<W> {
    /// A list of tasks onto `sink`; `options` say which model predicts.
    #[must_use]
    pub fn new(sink: W, options: &Options) -> Self {
        Self { sink, model: options.model.clone().unwrap_or_else(|| "dateline".to_owned()), any: false }
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        marks::no_clash(NAME, &annotated.extra, &["id", "text"])?;
        let document = &annotated.document;
        let mut data = annotated.extra.clone();
        data.insert("text".to_owned(), document.text.clone().into());
        if let Some(id) = &document.id {
            data.insert("id".to_owned(), id.clone().into());
        }
        let records = record::mentions(&document.text, &annotated.mentions, OffsetUnit::Codepoint);
        let score = records.iter().map(|record| record.score).reduce(f64::min);
        let result: Vec<Value> = records
            .into_iter()
            .enumerate()
            .map(|(index, record)| {
                json!({
                    "id": format!("m{}", index + 1),
                    "from_name": "label",
                    "to_name": "text",
                    "type": "labels",
                    "value": {
                        "start": record.start,
                        "end": record.end,
                        "text": record.text,
                        "labels": [record.label],
                        "score": record.score,
                    },
                })
            })
            .collect();
        let mut prediction = json!({ "model_version": self.model, "result": result });
        if let Some(score) = score {
            prediction["score"] = score.into();
        }
        let task = json!({ "data": data, "predictions": [prediction] });
        let mut bytes = if self.any { b",\n".to_vec() } else { b"[\n".to_vec() };
        serde_json::to_writer(&mut bytes, &task).map_err(io::Error::from)?;
        self.sink.write_all(&bytes)?;
        self.any = true;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.sink.write_all(if self.any { b"\n]\n" } else { b"[]\n" })?;
        Ok(self.sink.flush()?)
    }
}

/// Reads a list of tasks, one at a time.
pub struct Reader<R> {
    source: R,
    task: usize,
    done: bool,
}

impl<R: BufRead> Reader<R> {
    /// The documents of `source`.
    #[must_use]
    pub const fn new(source: R) -> Self {
        Self { source, task: 0, done: false }
    }

    fn malformed(&self, why: String) -> FormatError {
        let place = if self.task == 0 { "at the start".to_owned() } else { format!("task {}", self.task) };
        FormatError::Malformed { format: NAME, place, why }
    }

    /// The next byte that is not white space, still to be read.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.source.fill_buf()?;
            let Some(&byte) = buffer.first() else { return Ok(None) };
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.source.consume(1);
        }
    }

    /// Passes over what stands before the next task; `false` if none follows.
    fn advance(&mut self) -> Result<bool, FormatError> {
        let (expected, said) =
            if self.task == 0 { (b'[', "is not a list of tasks") } else { (b',', "a comma is missing") };
        match self.peek()? {
            Some(b']') if self.task > 0 => {
                self.source.consume(1);
                return match self.peek()? {
                    None => Ok(false),
                    Some(_) => Err(self.malformed("something follows the list's end".to_owned())),
                };
            }
            Some(byte) if byte == expected => self.source.consume(1),
            None if self.task > 0 => return Err(self.malformed("the list has no end: the file is cut off".to_owned())),
            _ => return Err(self.malformed(said.to_owned())),
        }
        if self.task == 0 && self.peek()? == Some(b']') {
            self.source.consume(1);
            return Ok(false);
        }
        self.task += 1;
        // A deserialiser takes no byte beyond an object's end, but would one beyond a number's.
        match self.peek()? {
            Some(b'{') => Ok(true),
            _ => Err(self.malformed("is not an object".to_owned())),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Annotated, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.advance() {
            Ok(true) => {}
            Ok(false) => {
                self.done = true;
                return None;
            }
            Err(error) => {
                self.done = true;
                return Some(Err(error));
            }
        }
        let task = Map::deserialize(&mut serde_json::Deserializer::from_reader(&mut self.source));
        Some(match task {
            Ok(task) => document(task).map_err(|why| self.malformed(why)),
            Err(error) => {
                // Where the next task begins is anybody's guess.
                self.done = true;
                Err(if error.is_io() { FormatError::Io(error.into()) } else { self.malformed(error.to_string()) })
            }
        })
    }
}

fn document(mut task: Map<String, Value>) -> Result<Annotated, String> {
    let Some(Value::Object(mut data)) = task.remove("data") else {
        return Err("has no object \"data\": only Label Studio's export \"JSON\" is read, not \"JSON-MIN\"".to_owned());
    };
    let id = marks::id(data.remove("id"))?.or(marks::id(task.remove("id"))?);
    let mut left_out = Vec::new();
    let mut chosen = None;
    for (list, one) in [("annotations", "annotation"), ("predictions", "prediction")] {
        let Some(Value::Array(versions)) = task.remove(list) else { continue };
        for (number, version) in versions.into_iter().enumerate() {
            let what = format!("{one} {}", number + 1);
            let why = if version["was_cancelled"] == Value::Bool(true) {
                "it was cancelled"
            } else if chosen.is_some() {
                "another of the task was taken"
            } else {
                chosen = Some((what, version));
                continue;
            };
            left_out.push(LeftOut { what, why: why.to_owned() });
        }
    }
    let Some(Value::String(text)) = data.get("text") else {
        return Err("\"data\" has no string \"text\"".to_owned());
    };
    let mut marks = Vec::new();
    if let Some((what, version)) = chosen {
        let Some(results) = version["result"].as_array() else { return Err(format!("{what} has no list \"result\"")) };
        let mut map = OffsetMap::new(text, OffsetUnit::Codepoint);
        for (number, result) in results.iter().enumerate() {
            let what = format!("{what}, result {}", number + 1);
            if result["type"] == "labels" {
                marks.append(&mut regions(text, &mut map, &what, result).map_err(|why| format!("{what}: {why}"))?);
            } else {
                let why = format!("its type is {}, not \"labels\"", result["type"]);
                left_out.push(LeftOut { what, why });
            }
        }
    }
    let (mut annotated, _) = marks::document(data, OffsetUnit::Codepoint, marks)?;
    annotated.document.id = id;
    left_out.append(&mut annotated.left_out);
    annotated.left_out = left_out;
    Ok(annotated)
}

/// The marks of a result: one for each of its labels.
fn regions(text: &str, map: &mut OffsetMap<'_>, what: &str, result: &Value) -> Result<Vec<Mark>, String> {
    let value = &result["value"];
    let (start, end) = (marks::offset(&value["start"])?, marks::offset(&value["end"])?);
    let score = match value.get("score") {
        None => marks::score(result.get("score"))?,
        score => marks::score(score)?,
    };
    if let Some(words) = value["text"].as_str() {
        let span = map.span_to_bytes(start, end).map_err(|error| error.to_string())?;
        let slice = span.slice(text).expect("a converted span is a slice of its text");
        // The page writes line breaks as a backslash and an n, and white space as the browser shows it.
        let bare = |words: &str| words.replace("\\n", "").split_whitespace().collect::<String>();
        if bare(words) != bare(slice) {
            return Err("its own words are not those at its offsets, counted in code points".to_owned());
        }
    }
    let Some(labels) = value["labels"].as_array() else { return Err("has no list \"labels\"".to_owned()) };
    let mark = |label: &Value| {
        let label = label.as_str().ok_or("a label is not a string")?.to_owned();
        Ok(Mark { what: what.to_owned(), start, end, label, score, text: None })
    };
    labels.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use dateline_text::Span;

    use super::*;

    fn read(input: &str) -> Vec<Result<Annotated, String>> {
        Reader::new(input.as_bytes()).map(|one| one.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn reads_an_export_and_names_what_it_leaves_out() {
        let export = r#" [ {"id":12,"data":{"text":"🚀 Kyiv\nheld","src":"x"},"project":3,
          "annotations":[{"was_cancelled":true,"result":[]},
            {"was_cancelled":false,"result":[
              {"id":"a","type":"labels","from_name":"l","to_name":"t","origin":"manual",
               "value":{"start":2,"end":11,"text":"Kyiv\\nheld","labels":["PLACE","CITY"]}},
              {"id":"b","type":"relation","from_id":"a","to_id":"a"}]},
            {"result":[]}],
          "predictions":[{"model_version":"x","result":[]}]} ] "#;
        let [Ok(annotated)] = &read(export)[..] else { panic!("{:?}", read(export)) };
        assert_eq!(annotated.document.id.as_deref(), Some("12"));
        assert_eq!(annotated.mentions.len(), 1);
        assert_eq!((annotated.mentions[0].span, &annotated.mentions[0].label), (Span::new(5, 14), &"PLACE".into()));
        let left_out: Vec<String> = annotated.left_out.iter().map(ToString::to_string).collect();
        let expected = [
            "annotation 1: it was cancelled",
            "annotation 3: another of the task was taken",
            "prediction 1: another of the task was taken",
            "annotation 2, result 2: its type is \"relation\", not \"labels\"",
            "annotation 2, result 1: it overlaps another, and mentions here do not",
        ];
        assert_eq!(left_out, expected);
        assert_eq!(Value::Object(annotated.extra.clone()).to_string(), r#"{"src":"x"}"#);
    }

    /// As versions of Label Studio exported that counted UTF-16 units.
    #[test]
    fn offsets_that_do_not_fit_their_words_are_an_error() {
        let task = |start, end| {
            let value = format!(r#"{{"start":{start},"end":{end},"text":"Kyiv","labels":["PLACE"]}}"#);
            format!(
                r#"{{"data":{{"text":"🚀 Kyiv."}},"annotations":[{{"result":[{{"type":"labels","value":{value}}}]}}]}}"#
            )
        };
        let said = read(&format!("[{},{}]", task(3, 7), task(2, 6)));
        let why = "annotation 1, result 1: its own words are not those at its offsets, counted in code points";
        assert_eq!(said[0], Err(format!("label-studio, task 1: {why}")));
        assert_eq!(said[1].as_ref().unwrap().mentions[0].span, Span::new(5, 9));
    }

    #[test]
    fn an_input_that_is_cut_off_is_an_error_after_what_was_whole() {
        let whole = r#"{"data":{"text":"a"}}"#;
        assert_eq!(read("[]"), []);
        assert!(read("")[0].as_ref().unwrap_err().contains("at the start: is not a list of tasks"));
        assert!(read("{}")[0].is_err());
        for cut in ["[", "[{\"data\"", "[1]"] {
            assert!(matches!(&read(cut)[..], [Err(_)]), "{cut}");
        }
        for cut in [format!("[{whole}"), format!("[{whole},"), format!("[{whole}{whole}]"), format!("[{whole}]x")] {
            assert!(matches!(&read(&cut)[..], [Ok(_), Err(_)]), "{cut}: {:?}", read(&cut));
        }
        assert!(read(r#"[{"id":1,"text":"a"}]"#)[0].as_ref().unwrap_err().contains("JSON-MIN"));
    }
}
