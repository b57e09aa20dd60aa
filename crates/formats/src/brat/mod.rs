//! brat's standoff: a text as it is (`.txt`), and beside it what is marked (`.ann`).
//!
//! ```text
//! T1→PLACE 0 4→Kyiv
//! T2→UNIT 12 16;17 24→93rd Brigade
//! ```
//!
//! (`→` is a tab.) Offsets are code points. A line of the `.ann` cannot hold a line break, so a mention over one is written in the pieces
//! between (brat's discontinuous spans); pieces with nothing but white space between them are read as one mention.
//! What counts as a line break is what Python's `splitlines` breaks at, since brat reads lines with it
//! (`nlplab/brat`, `server/src/annotation.py`).
//!
//! A stream of pairs is a tar archive ([`Writer`], [`Reader`]), since brat keeps a folder of them: `dateline convert --to brat
//! | tar x` makes that folder, and `tar c` of one can be read. [`ann`] and [`from_ann`] are the mapping of one pair, for who
//! has the two files.
//!
//! **Left out** on reading, each with its line's number: relations, events, attributes, normalisations, equivalences and
//! notes, for which a mention here has no place; mentions in pieces with words between, since a mention here is one slice of
//! the text; and of overlapping ones all but the outermost.
//!
//! **Lost:** scores, entities and other fields.
//!
//! **Refused:** labels that are empty or have white space or control characters in them, and mentions that begin or end
//! with a line break.

mod archive;

use std::fmt::Write as _;

use dateline_text::{Mention, OffsetMap, OffsetUnit, Span};

pub use archive::{Reader, Writer};

use crate::marks::{self, Mark};
use crate::tokens::is_gap;
use crate::{Annotated, FormatError, LeftOut};

/// The format's name.
pub const NAME: &str = "brat";

/// The `.ann` of a document.
///
/// # Errors
/// [`FormatError::Unwritable`] if brat has no way to spell a label or a mention.
pub fn ann(annotated: &Annotated) -> Result<String, FormatError> {
    let refused = |why: String| FormatError::Unwritable { format: NAME, why };
    let text = &annotated.document.text;
    let mut map = OffsetMap::new(text, OffsetUnit::Codepoint);
    let mut out = String::new();
    for (index, mention) in annotated.mentions.iter().enumerate() {
        let label = mention.label.as_str();
        if label.is_empty() || label.contains(|c: char| is_gap(c) || c.is_control()) {
            let why = "it must not be empty or have white space or control characters";
            return Err(refused(format!("a type cannot spell the label {label:?}: {why}")));
        }
        let words = mention.slice(text);
        if words.starts_with(is_break) || words.ends_with(is_break) {
            return Err(refused(format!("mention {index} begins or ends with a line break; trim it")));
        }
        // A `String` takes everything.
        let _ = write!(out, "T{}\t{label} ", index + 1);
        let mut shown = String::with_capacity(words.len());
        for piece in between_breaks(text, mention) {
            let (start, end) = map.span_from_bytes(piece);
            let separator = if shown.is_empty() { "" } else { ";" };
            let _ = write!(out, "{separator}{start} {end}");
            if !shown.is_empty() {
                shown.push(' ');
            }
            shown.push_str(piece.slice(text).expect("pieces are slices of their text"));
        }
        let _ = writeln!(out, "\t{shown}");
    }
    Ok(out)
}

/// The mentions in the `.ann` of `text`, and what else is in it.
///
/// # Errors
/// [`FormatError::Malformed`] if a mention is not as brat has it, or its words are not those at its offsets.
pub fn from_ann(text: &str, ann: &str) -> Result<(Vec<Mention>, Vec<LeftOut>), FormatError> {
    let malformed = |place: String, why: String| FormatError::Malformed { format: NAME, place, why };
    let mut map = OffsetMap::new(text, OffsetUnit::Codepoint);
    let (mut marks, mut left_out) = (Vec::new(), Vec::new());
    for (index, line) in ann.trim_start_matches('\u{feff}').split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            continue;
        }
        let (id, rest) = line.split_once('\t').unwrap_or((line, ""));
        let what = format!("line {} ({id})", index + 1);
        let why = match id.chars().next() {
            Some('T') => match mention(text, &mut map, rest) {
                Err(why) => return Err(malformed(what, why)),
                Ok(Some((start, end, label))) => {
                    marks.push(Mark { what, start, end, label, score: None, text: None });
                    continue;
                }
                Ok(None) => "it is in pieces with words between, and a mention here is one",
            },
            Some('R' | '*') => "relations have no place here",
            Some('E') => "events have no place here",
            Some('A' | 'M') => "attributes have no place here",
            Some('N') => "normalisations have no place here",
            Some('#') => "notes have no place here",
            _ => "not a kind of line that brat has",
        };
        // Whoever wrote a line that brat does not have may have put words of the text where its id would be.
        let what = if id.len() <= 12 { what } else { format!("line {}", index + 1) };
        left_out.push(LeftOut { what, why: why.to_owned() });
    }
    let settled = marks::settle(text, OffsetUnit::Codepoint, marks);
    let mut settled = settled.map_err(|why| malformed("in the .ann".to_owned(), why))?;
    left_out.append(&mut settled.left_out);
    Ok((settled.mentions, left_out))
}

/// Start and end in code points and the label of a `T` line after its id; `None` if its pieces have words between.
fn mention(text: &str, map: &mut OffsetMap<'_>, line: &str) -> Result<Option<(usize, usize, String)>, String> {
    const EXPECTED: &str = "is not a mention: a tab, a type, offsets such as `0 4` or `0 4;5 9`, a tab, the words";
    let (data, words) = line.split_once('\t').map_or((line, None), |(data, words)| (data, Some(words)));
    let (label, offsets) = data.split_once(' ').ok_or(EXPECTED)?;
    let mut pieces: Vec<Span> = Vec::new();
    for pair in offsets.trim_end().split(';') {
        let (start, end) = pair.split_once(' ').ok_or(EXPECTED)?;
        let [start, end] = [start.parse().map_err(|_| EXPECTED)?, end.parse().map_err(|_| EXPECTED)?];
        let piece = map.span_to_bytes(start, end).map_err(|error| error.to_string())?;
        if pieces.last().is_some_and(|last| last.end() > piece.start()) {
            return Err("its pieces are not in order, or overlap".to_owned());
        }
        pieces.push(piece);
    }
    if let Some(words) = words.filter(|words| !words.trim().is_empty()) {
        let slices: Vec<&str> = pieces.iter().filter_map(|piece| piece.slice(text)).collect();
        // brat before 1.3 joined the pieces without a space.
        let same = [slices.join(" "), slices.concat()].iter().any(|shown| {
            words.strip_prefix(shown.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(is_gap))
        });
        if !same {
            return Err("its words are not those at its offsets, counted in code points".to_owned());
        }
    }
    let apart = pieces.windows(2).any(|pair| !text[pair[0].end()..pair[1].start()].chars().all(is_gap));
    let whole = pieces.iter().copied().reduce(Span::cover).ok_or(EXPECTED)?;
    let (start, end) = map.span_from_bytes(whole);
    Ok((!apart).then(|| (start, end, label.to_owned())))
}

/// Whether Python's `splitlines` breaks a line at `c`.
const fn is_break(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The pieces of a mention that are left between its line breaks.
fn between_breaks(text: &str, mention: &Mention) -> Vec<Span> {
    let words = mention.slice(text);
    let base = words.as_ptr() as usize;
    words
        .split(is_break)
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let start = mention.span.start() + (piece.as_ptr() as usize - base);
            Span::new(start, start + piece.len())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use dateline_text::{Document, Label};

    use super::*;

    fn annotated(text: &str, spans: &[(usize, usize)], label: &str) -> Annotated {
        let mention = |&(start, end): &(usize, usize)| Mention::new(Span::new(start, end), Label::new(label), 1.0);
        let document = Document { id: None, text: text.to_owned() };
        Annotated::new(document, spans.iter().map(mention).collect())
    }

    #[test]
    fn a_mention_over_line_breaks_is_written_in_pieces() {
        let text = "🚀 93rd\r\n\nBrigade\u{2028}of\tit";
        let annotated = annotated(text, &[(5, text.len())], "UNIT");
        let ann = ann(&annotated).unwrap();
        assert_eq!(ann, "T1\tUNIT 2 6;9 16;17 22\t93rd Brigade of\tit\n");
        assert_eq!(from_ann(text, &ann).unwrap(), (annotated.mentions, Vec::new()));
    }

    #[test]
    fn what_has_no_place_is_named_with_its_line() {
        let text = "Ada and Bob Lee met";
        let ann = "T1\tPERSON 0 3;12 15\tAda Lee\nT2\tPERSON 8 15\tBob Lee\nT3\tPERSON 12 15\tLee\n\
                   R1\tKin Arg1:T1 Arg2:T2\t\nE1\tMeet:T4\n*\tAlias T1 T2\nA1\tOld T2\nN1\tReference T2 Q:1\tx\n\
                   #1\tNote T2\thm\nwho knows what this is\n";
        let (mentions, left_out) = from_ann(text, ann).unwrap();
        assert_eq!(mentions, [Mention::new(Span::new(8, 15), Label::new("PERSON"), 1.0)]);
        let left_out: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        let expected = [
            "line 1 (T1): it is in pieces with words between, and a mention here is one",
            "line 4 (R1): relations have no place here",
            "line 5 (E1): events have no place here",
            "line 6 (*): relations have no place here",
            "line 7 (A1): attributes have no place here",
            "line 8 (N1): normalisations have no place here",
            "line 9 (#1): notes have no place here",
            "line 10: not a kind of line that brat has",
            "line 3 (T3): it overlaps another, and mentions here do not",
        ];
        assert_eq!(left_out, expected);
    }

    #[test]
    fn what_is_no_mention_is_an_error() {
        let said = |line: &str| from_ann("🚀 Kyiv", line).unwrap_err().to_string();
        assert!(said("T1\tPLACE 3 7\tKyiv").contains("brat, line 1 (T1): offset 7 is past the end"));
        assert!(said("T1\tPLACE 1 5\tKyiv").contains("its words are not those at its offsets"));
        assert!(said("\nT1\tPLACE\t2 6").contains("line 2 (T1): is not a mention"));
        assert!(said("T1\tPLACE 4 6;2 3\tiv K").contains("not in order"));
        assert_eq!(from_ann("🚀 Kyiv", "T1\tPLACE 2 6\r\n").unwrap().0.len(), 1, "words may be missing");
    }

    #[test]
    fn refuses_what_it_cannot_spell() {
        let said =
            |label: &str, spans: &[(usize, usize)]| ann(&annotated("\nKyiv\n", spans, label)).unwrap_err().to_string();
        assert!(said("armed group", &[(1, 5)]).contains("cannot spell the label \"armed group\""));
        assert!(said("", &[(1, 5)]).contains("cannot spell"));
        assert!(said("PLACE", &[(0, 5)]).contains("mention 0 begins or ends with a line break"));
        assert!(said("PLACE", &[(1, 6)]).contains("mention 0 begins or ends with a line break"));
    }
}
