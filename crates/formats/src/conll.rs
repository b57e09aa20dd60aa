//! CoNLL-2003's columns: a token a line, its tag in the last column, a blank line between sentences.
//!
//! ```text
//! -DOCSTART- -X- -X- O
//!
//! Kyiv -X- -X- B-PLACE
//! held -X- -X- O
//! . -X- -X- O
//! ```
//!
//! Written: columns for a part of speech and a chunk that nobody determined are `-X-`. Tokens are the words of UAX #29, cut
//! wherever a mention begins or ends, so a mention is always whole tokens; sentences are those of UAX #29, but no mention is
//! cut by one. Tags are IOB2 (`B-` begins every mention) or BIOES.
//!
//! Read: columns between spaces or tabs, the tag in the last; IOB1, IOB2, BIOES and BILOU, told apart by nothing, since one
//! rule reads them all: a mention goes on at `I-` or `E-` (`L-`) of its own label, and ends at anything else or after `E-`,
//! `S-` (`U-`). A document begins at `-DOCSTART-`; a file without that is one document.
//!
//! **Lost:** white space. The text that is read is the tokens with a space between two of them and a newline between
//! sentences; everything else of the text, and which of its characters are in which mention, is as it was. White space at a
//! mention's ends is no part of it. Ids, scores, entities and other fields have no place in this format.
//!
//! **Refused:** labels that are empty or have white space in them, and mentions of nothing but white space.

use std::fmt::Write as _;
use std::io;

use dateline_text::{Document, Label, Mention, Span};
use unicode_segmentation::UnicodeSegmentation;

use crate::lines::Lines;
use crate::tokens::{is_gap, is_gap_piece, pieces};
use crate::{Annotated, FormatError};

const START: &str = "-DOCSTART-";

/// How tags say where a mention begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `B-` begins a mention, `I-` goes on with it.
    Bio,
    /// Also `E-` for its last token, and `S-` for its only one.
    Bioes,
}

impl Scheme {
    /// The format's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bio => "conll",
            Self::Bioes => "conll-bioes",
        }
    }

    /// The prefix of the tag of a token that is, or is not, its mention's first and last.
    const fn prefix(self, first: bool, last: bool) -> char {
        match (self, first, last) {
            (Self::Bio, true, _) | (Self::Bioes, true, false) => 'B',
            (Self::Bio, false, _) | (Self::Bioes, false, false) => 'I',
            (Self::Bioes, false, true) => 'E',
            (Self::Bioes, true, true) => 'S',
        }
    }
}

/// Writes CoNLL-2003's columns.
pub struct Writer<W> {
    sink: W,
    scheme: Scheme,
}

impl<W: io::Write> Writer<W> {
    /// Columns onto `sink`, with tags of `scheme`.
    #[must_use]
    pub const fn new(sink: W, scheme: Scheme) -> Self {
        Self { sink, scheme }
    }

    /// The columns of a document.
    fn columns(&self, text: &str, mentions: &[Mention]) -> Result<String, String> {
        for (number, mention) in mentions.iter().enumerate() {
            let label = mention.label.as_str();
            if label.is_empty() || label.contains(is_gap) {
                return Err(format!(
                    "a tag cannot spell the label {label:?}: it must not be empty or have white space"
                ));
            }
            if mention.slice(text).chars().all(is_gap) {
                return Err(format!("mention {number} is nothing but white space, which has no tokens"));
            }
        }
        let mut out = format!("{START} -X- -X- O\n\n");
        let tokens: Vec<Span> =
            pieces(text, mentions).into_iter().filter(|piece| !is_gap_piece(text, *piece)).collect();
        let mut sentences = text.split_sentence_bound_indices().map(|(start, _)| start).skip(1).peekable();
        let mut ahead = mentions.iter().peekable();
        let mut inside: Option<&Mention> = None;
        for (index, token) in tokens.iter().enumerate() {
            while ahead.next_if(|mention| mention.span.end() <= token.start()).is_some() {}
            let mention = ahead.peek().copied().filter(|mention| mention.span.overlaps(*token));
            let goes_on =
                mention.is_some() && mention.map(|mention| mention.span) == inside.map(|mention| mention.span);
            let mut new_sentence = false;
            while sentences.next_if(|&start| start <= token.start()).is_some() {
                new_sentence = index > 0 && !goes_on;
            }
            if new_sentence {
                out.push('\n');
            }
            out.push_str(token.slice(text).expect("pieces are slices of their text"));
            out.push_str(" -X- -X- ");
            match mention {
                None => out.push_str("O\n"),
                Some(mention) => {
                    let last = tokens.get(index + 1).is_none_or(|next| next.start() >= mention.span.end());
                    // A `String` takes everything.
                    let _ = writeln!(out, "{}-{}", self.scheme.prefix(!goes_on, last), mention.label);
                }
            }
            inside = mention;
        }
        if !tokens.is_empty() {
            out.push('\n');
        }
        Ok(out)
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        let columns = self.columns(&annotated.document.text, &annotated.mentions);
        let columns = columns.map_err(|why| FormatError::Unwritable { format: self.scheme.name(), why })?;
        Ok(self.sink.write_all(columns.as_bytes())?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.sink.flush()?)
    }
}

/// Reads CoNLL-2003's columns.
pub struct Reader<R> {
    lines: Lines<R>,
    /// Whether the next document's `-DOCSTART-` was read already.
    started: bool,
}

impl<R: io::BufRead> Reader<R> {
    /// The documents of `source`. Tags may be of any scheme; the one given only decides the format's name in errors.
    #[must_use]
    pub const fn new(source: R, scheme: Scheme) -> Self {
        Self { lines: Lines::new(scheme.name(), source), started: false }
    }
}

impl<R: io::BufRead> Iterator for Reader<R> {
    type Item = Result<Annotated, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut begun = std::mem::take(&mut self.started);
        let mut building = Building::default();
        let mut error = None;
        while let Some(line) = self.lines.line() {
            let said = match line {
                Err(problem @ FormatError::Io(_)) => return Some(Err(problem)),
                Err(problem) => Err(problem),
                Ok(line) if line.starts_with(START) => {
                    if begun {
                        self.started = true;
                        break;
                    }
                    begun = true;
                    Ok(())
                }
                Ok(line) => {
                    begun |= !line.is_empty();
                    building.line(&line).map_err(|why| self.lines.malformed(why))
                }
            };
            // The first error stands for its document, whose other lines are passed over.
            error = error.or(said.err());
            begun |= error.is_some();
        }
        match error {
            Some(error) => Some(Err(error)),
            None => begun.then(|| Ok(building.finish())),
        }
    }
}

/// A document of which some lines were read.
#[derive(Default)]
struct Building {
    text: String,
    mentions: Vec<Mention>,
    /// Whether the last of `mentions` may go on.
    open: bool,
    /// Whether a sentence ended since the last token.
    gap: bool,
}

impl Building {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut columns = line.split([' ', '\t']).filter(|column| !column.is_empty());
        let Some(token) = columns.next() else {
            // A mention does not go over the end of a sentence.
            (self.gap, self.open) = (true, false);
            return Ok(());
        };
        let tag = columns.next_back().ok_or("has one column: a token and its tag are needed")?;
        let (prefix, label) = match tag.split_once('-') {
            None if tag == "O" => ("O", ""),
            Some((prefix @ ("B" | "I" | "E" | "L" | "S" | "U"), label)) if !label.is_empty() => (prefix, label),
            _ => {
                return Err(format!(
                    "{tag:?} is not a tag: O, or one of B, I, E, S, L and U with a hyphen and a label"
                ));
            }
        };
        if !self.text.is_empty() {
            self.text.push(if self.gap { '\n' } else { ' ' });
        }
        self.gap = false;
        let start = self.text.len();
        self.text.push_str(token);
        let end = self.text.len();
        match self.mentions.last_mut() {
            Some(last) if self.open && matches!(prefix, "I" | "E" | "L") && last.label == label => {
                last.span = Span::new(last.span.start(), end);
            }
            _ if prefix == "O" => {}
            _ => self.mentions.push(Mention::new(Span::new(start, end), Label::new(label), 1.0)),
        }
        self.open = matches!(prefix, "B" | "I");
        Ok(())
    }

    fn finish(self) -> Annotated {
        Annotated::new(Document { id: None, text: self.text }, self.mentions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Write as _;

    fn read(input: &str) -> Vec<Result<String, String>> {
        let shown = |annotated: Annotated| {
            let text = &annotated.document.text;
            let mentions =
                annotated.mentions.iter().map(|mention| format!("{}={}", mention.label, mention.slice(text)));
            format!("{text:?} {}", mentions.collect::<Vec<_>>().join(" "))
        };
        Reader::new(input.as_bytes(), Scheme::Bio)
            .map(|one| one.map(shown).map_err(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn one_rule_reads_every_scheme() {
        let expected = [Ok("\"New York met Bob\\nAda .\" PLACE=New York PERSON=Bob PERSON=Ada".to_owned())];
        let iob1 = "New NNP I-NP I-PLACE\nYork NNP I-NP I-PLACE\nmet VBD I-VP O\nBob NNP I-NP I-PERSON\n\nAda X X I-PERSON\n. . O O\n";
        assert_eq!(read(iob1), expected);
        assert_eq!(read("New\tB-PLACE\nYork\tI-PLACE\nmet\tO\nBob\tB-PERSON\n\t\nAda\tB-PERSON\n.\tO"), expected);
        assert_eq!(
            read("New B-PLACE\r\nYork E-PLACE\r\nmet O\r\nBob S-PERSON\r\n\r\nAda S-PERSON\r\n. O\r\n"),
            expected
        );
        assert_eq!(read("New B-PLACE\nYork L-PLACE\nmet O\nBob U-PERSON\n\nAda U-PERSON\n. O\n"), expected);
    }

    #[test]
    fn neighbours_of_one_label_stay_two() {
        let expected = [Ok("\"Bob Ada Eve\" PERSON=Bob PERSON=Ada PLACE=Eve".to_owned())];
        assert_eq!(read("Bob I-PERSON\nAda B-PERSON\nEve I-PLACE\n"), expected);
        assert_eq!(read("Bob S-PERSON\nAda S-PERSON\nEve S-PLACE\n"), expected);
    }

    #[test]
    fn a_mention_ends_at_what_does_not_go_on_with_it() {
        let expected = [Ok("\"Bob saw Ada\\nEve\" PERSON=Bob PERSON=Ada PERSON=Eve".to_owned())];
        assert_eq!(read("Bob I-PERSON\nsaw O\nAda I-PERSON\n\nEve I-PERSON\n"), expected);
        let after_its_end = [Ok("\"Bob Lee Ada\" PERSON=Bob Lee PERSON=Ada".to_owned())];
        assert_eq!(read("Bob B-PERSON\nLee E-PERSON\nAda I-PERSON\n"), after_its_end);
        assert_eq!(read("Bob B-PERSON\nLee L-PERSON\nAda E-PERSON\n"), after_its_end);
    }

    #[test]
    fn a_bad_document_is_named_and_the_next_is_read() {
        let input = "-DOCSTART- O\n\nBob B-PERSON\nAda\nx Q-1\n-DOCSTART- O\n\n-DOCSTART- -X- -X- O\n\nx O\n";
        let expected = [
            Err("conll, line 4: has one column: a token and its tag are needed".to_owned()),
            Ok("\"\" ".to_owned()),
            Ok("\"x\" ".to_owned()),
        ];
        assert_eq!(read(input), expected);
        assert_eq!(read("\n\n"), []);
    }

    #[test]
    fn refuses_what_a_column_cannot_hold() {
        let refused = |label: &str, text: &str| {
            let mention = Mention::new(Span::new(0, text.len()), Label::new(label), 1.0);
            let annotated = Annotated::new(Document { id: None, text: text.to_owned() }, vec![mention]);
            let mut sink = Vec::new();
            let error = Writer::new(&mut sink, Scheme::Bioes).document(&annotated).unwrap_err().to_string();
            assert_eq!(sink, b"", "nothing of it is written");
            error
        };
        assert!(refused("military unit", "Azov").contains("cannot spell the label \"military unit\""));
        assert!(refused("", "Azov").starts_with("conll-bioes cannot hold this document: a tag cannot spell"));
        assert!(refused("UNIT", " \u{a0}\u{1f}").contains("mention 0 is nothing but white space"));
    }

    #[test]
    fn a_sentence_does_not_cut_a_mention() {
        let text = "He met Dr. Ada. Then left.";
        let mention = Mention::new(Span::new(7, 14), Label::new("PERSON"), 1.0);
        let annotated = Annotated::new(Document { id: None, text: text.to_owned() }, vec![mention]);
        let mut sink = Vec::new();
        Writer::new(&mut sink, Scheme::Bioes).document(&annotated).unwrap();
        let columns = String::from_utf8(sink).unwrap().replace(" -X- -X- ", "/").replace('\n', " ");
        let expected = "-DOCSTART-/O  He/O met/O Dr/B-PERSON ./I-PERSON Ada/E-PERSON ./O  Then/O left/O ./O  ";
        assert_eq!(columns, expected);
    }
}
