//! JSON lines as spaCy's annotation tool Prodigy has them, and as scripts for spaCy's training read them.
//!
//! ```json
//! {"id":"a1","text":"Kyiv held.","tokens":[{"text":"Kyiv","start":0,"end":4,"id":0,"ws":true},…],
//!  "spans":[{"start":0,"end":4,"token_start":0,"token_end":0,"label":"PLACE","score":0.98}],"meta":{"id":"a1"}}
//! ```
//!
//! Offsets are code points, as in Python; `token_end` is the last token, not one past it. Tokens are the words of UAX #29,
//! cut wherever a mention begins or ends, and whatever white space is not the one space after a token (`ws`) is a token
//! too: so the tokens make up the text again and every mention is whole tokens, whatever language's tokeniser spaCy has.
//! `meta`, which Prodigy shows with the text, has the id and the model beside what was in the document's own `meta`.
//!
//! Read: the same, with tokens or without; `spans` may be spelled as in [`crate::jsonl`]. Where somebody answered
//! `reject` or `ignore`, the spans are not right and are left out.
//!
//! **Lost:** scores beyond four decimals, and entities. A numeric `id` becomes a string; an empty `meta` is none. Tokens are
//! made anew. Labels of any spelling are kept.

use std::io;

use dateline_text::record;
use dateline_text::{Mention, OffsetMap, OffsetUnit, Span};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::jsonl::Fields;
use crate::lines::Lines;
use crate::tokens::pieces;
use crate::{Annotated, FormatError, LeftOut, Options, marks};

/// The format's name.
pub const NAME: &str = "spacy";

#[derive(Serialize)]
struct Token<'t> {
    text: &'t str,
    start: usize,
    end: usize,
    id: usize,
    ws: bool,
}

#[derive(Serialize)]
struct SpanRecord<'t> {
    start: usize,
    end: usize,
    token_start: usize,
    token_end: usize,
    label: &'t str,
    score: f64,
}

/// Writes Prodigy's JSON lines.
pub struct Writer<W> {
    sink: W,
    model: Option<String>,
}

impl<W: io::Write> Writer<W> {
    /// Lines onto `sink`; `options` say which model it was.
    #[must_use]
    pub fn new(sink: W, options: &Options) -> Self {
        Self { sink, model: options.model.clone() }
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        marks::no_clash(NAME, &annotated.extra, &["id", "text", "tokens", "spans"])?;
        let Annotated { document, mentions, extra, .. } = annotated;
        let mut line = Fields::default();
        if let Some(id) = &document.id {
            line.add("id", id)?;
        }
        line.add("text", &document.text)?;
        let tokens = tokens(&document.text, mentions);
        line.add("tokens", &tokens)?;
        let spans: Vec<SpanRecord<'_>> = record::mentions(&document.text, mentions, OffsetUnit::Codepoint)
            .iter()
            .zip(mentions)
            .map(|(record, mention)| SpanRecord {
                start: record.start,
                end: record.end,
                token_start: tokens.partition_point(|token| token.start < record.start),
                token_end: tokens.partition_point(|token| token.end < record.end),
                label: mention.label.as_str(),
                score: record.score,
            })
            .collect();
        line.add("spans", &spans)?;
        if let Some(meta) = meta(extra.get("meta"), document.id.as_deref(), self.model.as_deref()) {
            line.add("meta", &meta)?;
        }
        for (name, value) in extra.iter().filter(|(name, _)| *name != "meta") {
            line.add(name, value)?;
        }
        Ok(self.sink.write_all(&line.finish(b"}\n"))?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.sink.flush()?)
    }
}

/// What Prodigy shows with the text: the document's own `meta`, and the id and the model where that does not say them.
fn meta(own: Option<&Value>, id: Option<&str>, model: Option<&str>) -> Option<Value> {
    let mut meta = match own {
        None => Map::new(),
        Some(Value::Object(meta)) => meta.clone(),
        Some(other) => return Some(other.clone()),
    };
    for (name, value) in [("id", id), ("model", model)] {
        if let Some(value) = value {
            meta.entry(name).or_insert_with(|| value.into());
        }
    }
    (!meta.is_empty()).then_some(Value::Object(meta))
}

/// Tokens of which the text is made, with offsets in code points.
fn tokens<'t>(text: &'t str, mentions: &[Mention]) -> Vec<Token<'t>> {
    let mut map = OffsetMap::new(text, OffsetUnit::Codepoint);
    let mut tokens: Vec<Token<'t>> = Vec::new();
    let mut ahead = mentions.iter().peekable();
    for piece in pieces(text, mentions) {
        while ahead.next_if(|mention| mention.span.end() < piece.start()).is_some() {}
        let space = Span::new(piece.start(), piece.start() + 1);
        // A space at which a mention begins or ends is a token, as it is of the mention.
        let at_edge = ahead
            .clone()
            .take_while(|mention| mention.span.start() <= space.start())
            .any(|mention| mention.span.start() == space.start() || mention.span.end() == space.end());
        let rest = match tokens.last_mut() {
            Some(last) if !last.ws && !at_edge && space.slice(text) == Some(" ") => {
                last.ws = true;
                Span::new(space.end(), piece.end())
            }
            _ => piece,
        };
        if !rest.is_empty() {
            let (start, end) = map.span_from_bytes(rest);
            let text = rest.slice(text).expect("pieces are slices of their text");
            tokens.push(Token { text, start, end, id: tokens.len(), ws: false });
        }
    }
    tokens
}

/// Reads Prodigy's JSON lines.
pub struct Reader<R> {
    lines: Lines<R>,
}

impl<R: io::BufRead> Reader<R> {
    /// The documents of `source`.
    #[must_use]
    pub const fn new(source: R) -> Self {
        Self { lines: Lines::new(NAME, source) }
    }
}

impl<R: io::BufRead> Iterator for Reader<R> {
    type Item = Result<Annotated, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.lines.object()? {
            Ok(fields) => document(fields).map_err(|why| self.lines.malformed(why)),
            Err(error) => Err(error),
        })
    }
}

fn document(mut fields: Map<String, Value>) -> Result<Annotated, String> {
    let mut marks = marks::list("spans", fields.remove("spans"))?;
    fields.remove("tokens");
    let mut left_out = Vec::new();
    if let Some(answer @ ("reject" | "ignore")) = fields.get("answer").and_then(Value::as_str) {
        let why = format!("the answer to them was {answer:?}");
        if !marks.is_empty() {
            left_out.push(LeftOut { what: format!("all {} spans", marks.len()), why });
        }
        marks.clear();
    }
    let mut id = marks::id(fields.remove("id"))?;
    if let Some(Value::Object(meta)) = fields.get_mut("meta") {
        if id.is_none() {
            id = marks::id(meta.get("id").cloned()).unwrap_or(None);
        }
        // What the writer put there, and what has become the document's id.
        if id.is_some() && marks::id(meta.get("id").cloned()) == Ok(id.clone()) {
            meta.remove("id");
        }
        if meta.is_empty() {
            fields.remove("meta");
        }
    }
    let (mut annotated, _) = marks::document(fields, OffsetUnit::Codepoint, marks)?;
    annotated.document.id = id;
    annotated.left_out.append(&mut left_out);
    Ok(annotated)
}

#[cfg(test)]
mod tests {
    use dateline_text::{Document, Label};

    use super::*;
    use crate::Write as _;

    fn read(line: &str) -> Annotated {
        Reader::new(line.as_bytes()).next().unwrap().unwrap()
    }

    #[test]
    fn tokens_make_up_the_text_and_mentions_are_whole_tokens() {
        let text = " 🚀  Kyiv held\n ";
        let mentions =
            [(7, 12), (15, 16)].map(|(start, end)| Mention::new(Span::new(start, end), Label::new("X"), 1.0));
        let shown: Vec<String> = tokens(text, &mentions)
            .iter()
            .map(|token| format!("{:?}{}-{}{}", token.text, token.start, token.end, if token.ws { "+" } else { "" }))
            .collect();
        // The space after Kyiv is in the mention, so it is no `ws`.
        let expected = [
            "\" \"0-1",
            "\"🚀\"1-2+",
            "\" \"3-4",
            "\"Kyiv\"4-8",
            "\" \"8-9",
            "\"hel\"9-12",
            "\"d\"12-13",
            "\"\\n\"13-14+",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn reads_without_tokens_and_takes_the_id_from_meta() {
        let annotated =
            read(r#"{"text":"🚀 Kyiv","spans":[{"start":2,"end":6,"label":"PLACE"}],"meta":{"id":7,"by":"x"}}"#);
        assert_eq!(annotated.document.id.as_deref(), Some("7"));
        assert_eq!(annotated.mentions[0].span, Span::new(5, 9));
        assert_eq!(Value::Object(annotated.extra).to_string(), r#"{"meta":{"by":"x"}}"#);
    }

    #[test]
    fn what_was_rejected_is_no_mention() {
        let annotated = read(r#"{"text":"Kyiv","spans":[{"start":0,"end":4,"label":"UNIT"}],"answer":"reject"}"#);
        assert_eq!(annotated.mentions, []);
        assert_eq!(annotated.left_out[0].to_string(), "all 1 spans: the answer to them was \"reject\"");
    }

    #[test]
    fn an_extra_field_never_hides_one_of_the_formats_own() {
        let document = Document { id: None, text: String::new() };
        let mut annotated = Annotated::new(document, Vec::new());
        annotated.extra.insert("tokens".to_owned(), 3.into());
        let error = Writer::new(io::sink(), &Options::default()).document(&annotated).unwrap_err();
        assert!(error.to_string().contains("its field \"tokens\" has the name"), "{error}");
    }
}
