//! For people: the text with its mentions in colour, or in brackets where there is none, then a table of them.
//!
//! A text may hold control characters, and a terminal obeys them. They are shown as their pictures (␛ for escape), so
//! that no story can move the reader's cursor; only line breaks and tabs stay what they are.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use dateline_formats::FormatError;
use dateline_text::record::{self, MentionRecord};
use dateline_text::{Label, Mention};
use serde_json::value::RawValue;

use super::{Output, OutputOptions};
use crate::input::{Origin, Record};

const PALETTE: [AnsiColor; 6] =
    [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Red, AnsiColor::Magenta, AnsiColor::Blue];
const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Writes marked texts and tables.
pub(crate) struct Pretty<W> {
    sink: W,
    options: OutputOptions,
    colors: bool,
    labels: Vec<Label>,
    documents: usize,
}

impl<W: Write> Pretty<W> {
    /// Marked texts and tables onto `sink`; each of `labels` gets a colour of its own.
    pub(crate) fn new(sink: W, options: OutputOptions, colors: bool, labels: &[Label]) -> Self {
        Self { sink, options, colors, labels: labels.to_owned(), documents: 0 }
    }

    fn style(&self, label: &Label) -> Style {
        let index = self.labels.iter().position(|known| known == label).unwrap_or(0);
        Style::new().bold().fg_color(Some(PALETTE[index % PALETTE.len()].into()))
    }

    fn styled(&mut self, style: Style, text: &str) -> io::Result<()> {
        if self.colors { write!(self.sink, "{style}{text}{style:#}") } else { self.sink.write_all(text.as_bytes()) }
    }

    fn marked(&mut self, text: &str, mentions: &[Mention]) -> io::Result<()> {
        let mut shown = 0;
        for mention in mentions {
            self.sink.write_all(visible(&text[shown..mention.span.start()]).as_bytes())?;
            let words = visible(mention.slice(text));
            if self.colors {
                self.styled(self.style(&mention.label), &words)?;
            } else {
                write!(self.sink, "[{words} {} {:.2}]", mention.label, mention.score)?;
            }
            shown = mention.span.end();
        }
        let rest = visible(&text[shown..]);
        self.sink.write_all(rest.as_bytes())?;
        if rest.ends_with('\n') { Ok(()) } else { self.sink.write_all(b"\n") }
    }

    fn table(&mut self, mentions: &[MentionRecord]) -> io::Result<()> {
        let width = |heading: &str, cell: &dyn Fn(&MentionRecord) -> usize| {
            mentions.iter().map(cell).fold(heading.len(), usize::max)
        };
        let label_width = width("label", &|mention| mention.label.as_str().chars().count());
        let start_width = width("start", &|mention| digits(mention.start));
        let end_width = width("end", &|mention| digits(mention.end));
        let heading =
            format!("{:label_width$}  score  {:>start_width$}  {:>end_width$}  text", "label", "start", "end");
        self.styled(FAINT, &heading)?;
        for MentionRecord { start, end, label, text, score } in mentions {
            self.sink.write_all(b"\n")?;
            self.styled(self.style(label), &format!("{label:label_width$}"))?;
            let words = visible(text).replace(['\n', '\t'], " ");
            write!(self.sink, "   {score:.2}  {start:start_width$}  {end:end_width$}  {words}")?;
        }
        self.sink.write_all(b"\n")
    }
}

impl<W: Write> Output for Pretty<W> {
    fn document(&mut self, _: &Origin, record: &Record, mentions: &[Mention]) -> Result<(), FormatError> {
        if self.documents > 0 {
            self.sink.write_all(b"\n")?;
        }
        self.documents += 1;
        if let Some(id) = record.id() {
            let name = serde_json::from_str::<String>(id.get()).unwrap_or_else(|_| id.get().to_owned());
            self.styled(HEADING, &visible(&name))?;
            self.sink.write_all(b"\n")?;
        }
        self.marked(record.text(), mentions)?;
        self.sink.write_all(b"\n")?;
        if mentions.is_empty() {
            self.styled(FAINT, "no mentions")?;
            return Ok(self.sink.write_all(b"\n")?);
        }
        Ok(self.table(&record::mentions(record.text(), mentions, self.options.offsets))?)
    }

    /// Nothing: the person has read the message on standard error.
    fn failure(&mut self, _: &Origin, _: Option<&RawValue>, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// `text` with nothing in it that a terminal would obey, line breaks and tabs apart.
fn visible(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let picture = |c: char| match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    // A carriage return before a line break is how Windows ends a line, and no news to anybody.
    let text = text.replace("\r\n", "\n");
    Cow::Owned(text.chars().map(|c| if obeyed(c) { picture(c) } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use dateline_text::{OffsetUnit, Span};

    use super::*;

    fn shown(text: &str, names: &[(&str, &str)], colors: bool) -> String {
        let record = Record::parse(&serde_json::json!({"id": "a", "text": text}).to_string()).unwrap();
        let mentions: Vec<_> = names
            .iter()
            .map(|(name, label)| {
                let start = text.find(name).unwrap();
                Mention::new(Span::new(start, start + name.len()), Label::new(label), 0.977)
            })
            .collect();
        let options = OutputOptions { offsets: OffsetUnit::Codepoint, include_text: false, entities: true };
        let mut sink = Vec::new();
        let origin = Origin { file: None, line: None };
        Pretty::new(&mut sink, options, colors, &["PERSON".into(), "PLACE".into()])
            .document(&origin, &record, &mentions)
            .unwrap();
        String::from_utf8(sink).unwrap()
    }

    #[test]
    fn brackets_where_there_is_no_colour() {
        let expected = "a\n🚀 [Ann Orr PERSON 0.98] left [Kyiv PLACE 0.98].\n\n\
            label   score  start  end  text\n\
            PERSON   0.98      2    9  Ann Orr\n\
            PLACE    0.98     15   19  Kyiv\n";
        assert_eq!(shown("🚀 Ann Orr left Kyiv.", &[("Ann Orr", "PERSON"), ("Kyiv", "PLACE")], false), expected);
        assert_eq!(shown("Nobody.\n", &[], false), "a\nNobody.\n\nno mentions\n");
    }

    #[test]
    fn labels_have_colours_of_their_own() {
        let shown = shown("Ann left Kyiv", &[("Ann", "PERSON"), ("Kyiv", "PLACE")], true);
        assert!(shown.contains("\u{1b}[1m\u{1b}[36mAnn\u{1b}[0m left \u{1b}[1m\u{1b}[32mKyiv\u{1b}[0m"), "{shown:?}");
    }

    /// A hostile text must not be able to clear the screen or retitle the window of whoever looks at it.
    #[test]
    fn escapes_of_the_text_are_shown_and_not_obeyed() {
        let shown = shown("a\u{1b}[2J\u{9b}\r\nKy\niv\0", &[("Ky\niv", "PLACE")], false);
        assert!(shown.starts_with("a\na␛[2J\u{fffd}\n[Ky\niv PLACE 0.98]␀\n"), "{shown:?}");
        assert!(shown.ends_with("  Ky iv\n"), "{shown:?}");
    }
}
