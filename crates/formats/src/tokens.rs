//! Words of a text (UAX #29), cut wherever a mention begins or ends, for formats that mark tokens.

use dateline_text::{Mention, Span};
use unicode_segmentation::UnicodeSegmentation;

/// Whether `c` stands between tokens and never in one: Unicode's white space, and the four separators that only Python
/// takes for white space, since readers in Python split lines and columns there.
pub(crate) fn is_gap(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The whole text in pieces: each is one word or a run of [`is_gap`], and no piece goes over the edge of a mention.
pub(crate) fn pieces(text: &str, mentions: &[Mention]) -> Vec<Span> {
    let mut edges = mentions.iter().flat_map(|mention| [mention.span.start(), mention.span.end()]).peekable();
    let mut pieces = Vec::new();
    for (word_start, word) in text.split_word_bound_indices() {
        let mut start = word_start;
        let mut last_is_gap = None;
        for (offset, c) in word.char_indices() {
            let here = word_start + offset;
            while edges.next_if(|&edge| edge < here).is_some() {}
            let turns = last_is_gap.is_some_and(|last| last != is_gap(c));
            if here > start && (turns || edges.peek() == Some(&here)) {
                pieces.push(Span::new(start, here));
                start = here;
            }
            last_is_gap = Some(is_gap(c));
        }
        pieces.push(Span::new(start, word_start + word.len()));
    }
    pieces
}

/// Whether a piece is white space.
pub(crate) fn is_gap_piece(text: &str, piece: Span) -> bool {
    piece.slice(text).is_some_and(|piece| piece.starts_with(is_gap))
}

#[cfg(test)]
mod tests {
    use dateline_text::Label;

    use super::*;

    fn cut(text: &str, spans: &[(usize, usize)]) -> Vec<String> {
        let mention = |&(start, end): &(usize, usize)| Mention::new(Span::new(start, end), Label::new("X"), 1.0);
        let mentions: Vec<Mention> = spans.iter().map(mention).collect();
        pieces(text, &mentions).into_iter().map(|piece| piece.slice(text).unwrap().to_owned()).collect()
    }

    #[test]
    fn words_and_gaps() {
        assert_eq!(cut("T-72s  at\r\nBakhmut.", &[]), ["T", "-", "72s", "  ", "at", "\r\n", "Bakhmut", "."]);
        // A narrow no-break space joins digits to one word, and a combining mark sticks to the space before it.
        assert_eq!(cut("5\u{202f}000 \u{301}", &[]), ["5", "\u{202f}", "000", " ", "\u{301}"]);
    }

    #[test]
    fn edges_of_mentions_cut_words() {
        assert_eq!(cut("pro-Kyivers", &[(4, 8)]), ["pro", "-", "Kyiv", "ers"]);
        assert_eq!(cut("🇺🇦x", &[(0, 4), (4, 8)]), ["🇺", "🇦", "x"]);
        assert_eq!(cut("a   b", &[(2, 5)]), ["a", " ", "  ", "b"]);
    }
}
