//! A page to look at: each text with its mentions in coloured `<mark data-label data-score>`.
//!
//! The page needs nothing from outside and runs no script. As a fragment it is the articles without the page around them,
//! for a page of one's own. Colours have enough contrast for dark text on them; the label is also written behind each
//! mention, so nothing depends on colours. Texts are isolated from each other's direction of writing.
//!
//! Write-only: **lost** are entities, other fields and scores beyond four decimals. HTML has no control characters but
//! tab and line feed: `\r\n` is one line feed, and others are shown by a visible stand-in with their number
//! (`<span class="control" title="U+0000">␀</span>`), as are code points that Unicode keeps from text (U+FFFE, …).
//!
//! **Refused:** labels with such characters, and ids with them.

use std::fmt::Write as _;
use std::io;

use dateline_text::record;
use dateline_text::{Mention, OffsetUnit};

use crate::{Annotated, FormatError, Options};

/// The format's name.
pub const NAME: &str = "html";

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mentions</title>
<style>
body { margin: 2rem auto; padding: 0 1rem; max-width: 46rem; font: 1.05rem/1.7 Georgia, serif; color: #1a1a1a; background: #fff; }
article { margin-bottom: 3rem; }
h2 { font: 600 0.9rem/1.4 system-ui, sans-serif; color: #555; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
mark { padding: 0.05em 0.2em; border-radius: 0.25em; color: #1a1a1a; background: #e4e4e4; unicode-bidi: isolate; }
mark::after { content: attr(data-label); margin-inline-start: 0.4em; font: 600 0.6em/1 system-ui, sans-serif; color: #333; }
.control { color: #8a1c1c; }
</style>
</head>
<body>
"#;

/// Writes a page of texts with marks.
pub struct Writer<W> {
    sink: W,
    fragment: bool,
    begun: bool,
}

impl<W: io::Write> Writer<W> {
    /// A page onto `sink`; `options` say whether it is only to be a fragment of one.
    #[must_use]
    pub const fn new(sink: W, options: &Options) -> Self {
        Self { sink, fragment: options.fragment, begun: false }
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.begun && !self.fragment {
            self.sink.write_all(HEAD.as_bytes())?;
        }
        self.begun = true;
        Ok(())
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        let article = article(annotated).map_err(|why| FormatError::Unwritable { format: NAME, why })?;
        self.begin()?;
        Ok(self.sink.write_all(article.as_bytes())?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.begin()?;
        if !self.fragment {
            self.sink.write_all(b"</body>\n</html>\n")?;
        }
        Ok(self.sink.flush()?)
    }
}

fn article(annotated: &Annotated) -> Result<String, String> {
    let text = &annotated.document.text;
    let mut out = String::with_capacity(text.len() + text.len() / 4 + 64);
    out.push_str("<article>\n");
    if let Some(id) = &annotated.document.id {
        let _ = writeln!(out, "<h2 dir=\"auto\">{}</h2>", plain("id", id)?);
    }
    out.push_str("<p class=\"text\" dir=\"auto\">");
    let mut done = 0;
    let records = record::mentions(text, &annotated.mentions, OffsetUnit::Codepoint);
    for (Mention { span, label, .. }, record) in annotated.mentions.iter().zip(records) {
        content(&mut out, text, done, span.start());
        let label = plain("label", label.as_str())?;
        // A `String` takes everything.
        let _ = write!(out, "<mark data-label=\"{label}\" data-score=\"{}\"", record.score);
        let _ = write!(out, " title=\"{label} {}\" style=\"background: {}\">", record.score, colour(&record.label));
        content(&mut out, text, span.start(), span.end());
        out.push_str("</mark>");
        done = span.end();
    }
    content(&mut out, text, done, text.len());
    out.push_str("</p>\n</article>\n");
    Ok(out)
}

/// A light colour for a label: chosen for the default model's four, and a hue told by the name for others, the same in
/// every page.
fn colour(label: &dateline_text::Label) -> String {
    let hue = match label.as_str() {
        "PERSON" => 45,
        "PLACE" => 140,
        "UNIT" => 215,
        "WEAPON" => 5,
        other => other.bytes().fold(17_u32, |hue, byte| (hue * 31 + u32::from(byte)) % 360),
    };
    format!("hsl({hue} 75% 85%)")
}

/// `text[start..end]` where it may hold elements.
fn content(out: &mut String, text: &str, start: usize, end: usize) {
    for (place, c) in text[start..end].char_indices() {
        match c {
            '\r' if text[start + place..].starts_with("\r\n") => {}
            c if unfit(c) => {
                let _ = write!(out, "<span class=\"control\" title=\"U+{:04X}\">{}</span>", u32::from(c), stand_in(c));
            }
            c => escape(out, c),
        }
    }
}

/// `text` for an attribute or a heading, which cannot show characters that HTML does not have.
fn plain(what: &str, text: &str) -> Result<String, String> {
    if let Some(c) = text.chars().find(|&c| unfit(c)) {
        return Err(format!("its {what} {text:?} has U+{:04X} in it, which HTML cannot hold", u32::from(c)));
    }
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| escape(&mut out, c));
    Ok(out)
}

fn escape(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        c => out.push(c),
    }
}

/// Whether HTML does not allow `c`, or reads it as something else.
fn unfit(c: char) -> bool {
    let code = u32::from(c);
    (c.is_control() && c != '\t' && c != '\n') || code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// What is seen in place of a character that HTML does not have.
fn stand_in(c: char) -> char {
    let picture = match u32::from(c) {
        code @ 0..=0x1f => 0x2400 + code,
        0x7f => 0x2421,
        _ => 0xfffd,
    };
    char::from_u32(picture).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use dateline_text::{Document, Label, Span};

    use super::*;
    use crate::Write as _;

    fn fragment(text: &str, spans: &[(usize, usize)], label: &str) -> Result<String, FormatError> {
        let mention = |&(start, end): &(usize, usize)| Mention::new(Span::new(start, end), Label::new(label), 0.5);
        let document = Document { id: Some("<1>".into()), text: text.to_owned() };
        let mut sink = Vec::new();
        let mut writer = Writer::new(&mut sink, &Options { fragment: true, ..Options::default() });
        writer.document(&Annotated::new(document, spans.iter().map(mention).collect()))?;
        Box::new(writer).finish()?;
        Ok(String::from_utf8(sink).unwrap())
    }

    #[test]
    fn nothing_in_a_text_is_markup() {
        let html = fragment("<b>&\"Kyiv\"\0\r\nx\r\u{85}", &[(5, 9)], "a\"<b>").unwrap();
        let expected = "<article>\n<h2 dir=\"auto\">&lt;1&gt;</h2>\n<p class=\"text\" dir=\"auto\">&lt;b&gt;&amp;&quot;\
            <mark data-label=\"a&quot;&lt;b&gt;\" data-score=\"0.5\" title=\"a&quot;&lt;b&gt; 0.5\" \
            style=\"background: hsl(COLOUR 75% 85%)\">Kyiv</mark>&quot;\
            <span class=\"control\" title=\"U+0000\">␀</span>\nx<span class=\"control\" title=\"U+000D\">␍</span>\
            <span class=\"control\" title=\"U+0085\">\u{fffd}</span></p>\n</article>\n";
        let hue = html.split("hsl(").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        assert_eq!(html, expected.replace("COLOUR", hue));
    }

    #[test]
    fn a_label_that_html_cannot_hold_is_refused() {
        let error = fragment("Kyiv", &[(0, 4)], "PLA\u{1}CE").unwrap_err();
        assert_eq!(
            error.to_string(),
            "html cannot hold this document: its label \"PLA\\u{1}CE\" has U+0001 in it, which HTML cannot hold"
        );
    }

    #[test]
    fn a_page_without_texts_is_whole() {
        let mut sink = Vec::new();
        Box::new(Writer::new(&mut sink, &Options::default())).finish().unwrap();
        assert_eq!(String::from_utf8(sink).unwrap(), format!("{HEAD}</body>\n</html>\n"));
    }
}
