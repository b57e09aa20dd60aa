//! Labelled texts from JSONL: `{"id"?, "source"?, "ref"?, "text", "spans": [{"start", "end", "label"}]}` a line.
//!
//! A bad line is a fault that names file and line; the good lines beside it are kept, and the caller decides whether
//! faults are fatal.

use std::fmt;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use dateline_text::{Label, OffsetMap, OffsetUnit, Span};
use serde::Deserialize;

use crate::TrainError;

/// A text with its marked spans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// The text's name, if it has one.
    pub id: Option<String>,
    /// The collection that it comes from; reports are split by it.
    pub source: Option<String>,
    /// The document that it is a part of; neighbours are joined within it first.
    pub document: Option<String>,
    /// The text itself.
    pub text: String,
    /// The marked spans, in bytes, ascending, not overlapping.
    pub spans: Vec<(Span, Label)>,
}

/// A line that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {problem}", path = path.display())]
pub struct LineFault {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// What a file held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corpus {
    /// The usable texts, in the file's order.
    pub examples: Vec<Example>,
    /// The lines that were not usable.
    pub faults: Vec<LineFault>,
}

impl Corpus {
    /// The examples, if there is no fault.
    ///
    /// # Errors
    /// The first fault.
    pub fn strict(self) -> Result<Vec<Example>, LineFault> {
        match self.faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(self.examples),
        }
    }
}

#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    source: Option<String>,
    #[serde(rename = "ref")]
    document: Option<String>,
    text: String,
    #[serde(default)]
    spans: Vec<Mark>,
}

#[derive(Deserialize)]
struct Mark {
    start: usize,
    end: usize,
    label: Label,
}

/// Reads labelled texts, whose offsets count in `unit`. Empty lines are passed over.
///
/// # Errors
/// [`TrainError::Read`] if the file itself cannot be read; bad lines are [`Corpus::faults`].
pub fn read_corpus(path: &Path, unit: OffsetUnit) -> Result<Corpus, TrainError> {
    let file = std::fs::File::open(path).map_err(TrainError::read(path))?;
    let mut reader = std::io::BufReader::new(file);
    let mut corpus = Corpus::default();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(TrainError::read(path))? == 0 {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match parse(&bytes, unit) {
            Ok(example) => corpus.examples.push(example),
            Err(problem) => corpus.faults.push(LineFault { path: path.to_owned(), line, problem }),
        }
    }
    Ok(corpus)
}

fn parse(json: &[u8], unit: OffsetUnit) -> Result<Example, String> {
    let line: Line = serde_json::from_slice(json).map_err(|error| format!("not a labelled text: {error}"))?;
    let Line { id, source, document, text, mut spans } = line;
    spans.sort_by_key(|mark| mark.start);
    let mut map = OffsetMap::new(&text, unit);
    let mut bytes: Vec<(Span, Label)> = Vec::with_capacity(spans.len());
    for Mark { start, end, label } in spans {
        let place = Place { start, end, label: &label };
        let span = map.span_to_bytes(start, end).map_err(|error| format!("{place}: {error}"))?;
        if span.is_empty() {
            return Err(format!("{place} is empty"));
        }
        if let Some((earlier, other)) = bytes.last().filter(|(earlier, _)| earlier.overlaps(span)) {
            let words = earlier.slice(&text).unwrap_or_default();
            return Err(format!("{place} overlaps the {other} span {words:?}"));
        }
        bytes.push((span, label));
    }
    Ok(Example { id, source, document, text, spans: bytes })
}

/// A span in the words of its file, for messages.
struct Place<'l> {
    start: usize,
    end: usize,
    label: &'l Label,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} span {}..{}", self.label, self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(lines: &[u8], unit: OffsetUnit) -> Corpus {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines).unwrap();
        read_corpus(file.path(), unit).unwrap()
    }

    #[test]
    fn offsets_become_bytes() {
        let line = r#"{"id":"a","text":"🚀 Lviv","spans":[{"start":2,"end":6,"label":"PLACE"}],"more":1}"#;
        let corpus = read(line.as_bytes(), OffsetUnit::Codepoint);
        assert_eq!(corpus.faults, []);
        assert_eq!(corpus.examples[0].spans, [(Span::new(5, 9), Label::new("PLACE"))]);
        let utf16 = read(line.replace("2,", "3,").replace("6,", "7,").as_bytes(), OffsetUnit::Utf16);
        assert_eq!(utf16.examples, corpus.examples);
    }

    #[test]
    fn a_bad_line_is_named_and_loses_no_other() {
        let lines = b"{\"text\":\"fine\"}\n\nnonsense\n\
            {\"text\":\"ab\",\"spans\":[{\"start\":0,\"end\":9,\"label\":\"X\"}]}\n\
            {\"text\":\"ab\",\"spans\":[{\"start\":1,\"end\":1,\"label\":\"X\"}]}\n\
            {\"text\":\"abc\",\"spans\":[{\"start\":1,\"end\":3,\"label\":\"Y\"},{\"start\":0,\"end\":2,\"label\":\"X\"}]}\n\
            {\"text\":\"\xff\"}\n{\"text\":\"also fine\"}";
        let corpus = read(lines, OffsetUnit::Codepoint);
        assert_eq!(corpus.examples.len(), 2);
        let faults: Vec<_> = corpus.faults.iter().map(|fault| (fault.line, fault.problem.as_str())).collect();
        assert_eq!(faults.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
        assert!(faults[1].1.contains("0..9") && faults[1].1.contains("past the end"));
        assert!(faults[2].1.contains("is empty"));
        assert!(faults[3].1.contains("the Y span 1..3 overlaps the X span \"ab\""));
        assert!(corpus.clone().strict().unwrap_err().to_string().contains(":3: "));
    }
}
