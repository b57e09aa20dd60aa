//! Cuts a text of any length into windows that the encoder can take, each with context on both sides.
//!
//! Neighbouring windows share `stride` tokens. The cut between what one decides and what the next decides lies in the
//! middle of the shared part, so every word is decided where it has most context; the cut moves forward to a paragraph
//! or sentence where one is near, and never falls inside a word.

use std::ops::Range;

use crate::tokenise::{Boundary, Tokens};

/// A stretch of a text for one pass of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The words that it reads.
    pub words: Range<usize>,
    /// The words whose logits are taken from it; every word of a text is decided by exactly one window.
    pub decides: Range<usize>,
}

/// The windows of a text, of at most `max_pieces` pieces each (without special tokens), `stride` of them shared with
/// the neighbour. A text without tokens has no windows.
///
/// # Panics
/// If a window could not hold the longest possible word and its context: [`crate::ModelConfig`] has checked that.
#[must_use]
pub fn windows(tokens: &Tokens, max_pieces: usize, stride: usize) -> Vec<Window> {
    let words = tokens.words.len();
    if tokens.len() <= max_pieces {
        let all = Window { words: 0..words, decides: 0..words };
        return if words == 0 { Vec::new() } else { vec![all] };
    }
    let cutter = Cutter { tokens, max_pieces, context: stride / 2 };
    assert!(cutter.context + crate::tokenise::MAX_WORD_PIECES <= max_pieces, "a window holds a word and its context");
    let mut windows = Vec::new();
    let mut decided = 0;
    while decided < words {
        let start = cutter.reach_back(decided, cutter.context);
        let end = cutter.reach(start, max_pieces);
        let cut = if end == words { words } else { cutter.cut(start, decided) };
        windows.push(Window { words: start..end.max(cut), decides: decided..cut });
        decided = cut;
    }
    windows
}

struct Cutter<'t> {
    tokens: &'t Tokens,
    max_pieces: usize,
    /// Pieces of context on each side of a cut.
    context: usize,
}

impl Cutter<'_> {
    /// The furthest word such that `start..word` has at most `pieces` pieces.
    fn reach(&self, start: usize, pieces: usize) -> usize {
        let words = &self.tokens.words;
        let limit = words[start].first_piece + pieces;
        start + words[start..].partition_point(|word| word.end_piece <= limit)
    }

    /// The earliest word such that `word..end` has at most `pieces` pieces.
    fn reach_back(&self, end: usize, pieces: usize) -> usize {
        let words = &self.tokens.words[..end];
        let last = words.last().map_or(0, |word| word.end_piece);
        words.partition_point(|word| word.first_piece + pieces < last)
    }

    /// Where a window that starts at `start` and decides from `decided` stops deciding.
    fn cut(&self, start: usize, decided: usize) -> usize {
        let furthest = self.reach(start, self.max_pieces - self.context).max(decided + 1);
        // Up to two fifths of a window are given up for a clean cut.
        let nearest = self.reach(start, (self.max_pieces - self.context) * 3 / 5).max(decided + 1);
        let best = |boundary| {
            (nearest..=furthest)
                .rev()
                .find(|&word| self.tokens.words.get(word).is_some_and(|word| word.boundary >= boundary))
        };
        best(Boundary::Paragraph).or_else(|| best(Boundary::Sentence)).unwrap_or(furthest)
    }
}

#[cfg(test)]
mod tests {
    use dateline_text::Span;
    use proptest::prelude::*;

    use super::*;
    use crate::tokenise::{MAX_WORD_PIECES, Word};

    fn tokens(words: &[(usize, Boundary)]) -> Tokens {
        let mut tokens = Tokens::default();
        for &(pieces, boundary) in words {
            let first_piece = tokens.ids.len();
            tokens.ids.extend(vec![7; pieces]);
            tokens.type_ids.extend(vec![0; pieces]);
            tokens.spans.extend(vec![Span::new(0, 0); pieces]);
            tokens.words.push(Word { span: Span::new(0, 0), first_piece, end_piece: first_piece + pieces, boundary });
        }
        tokens
    }

    fn pieces(tokens: &Tokens, words: &Range<usize>) -> usize {
        tokens.words[words.end - 1].end_piece - tokens.words[words.start].first_piece
    }

    proptest! {
        #[test]
        fn every_word_is_decided_once_and_fits(
            words in prop::collection::vec((1..=MAX_WORD_PIECES, 0..10_u8), 0..300),
            max_pieces in 22_usize..120,
            share in 0.0_f64..0.5,
        ) {
            let words: Vec<_> = words.into_iter().map(|(pieces, kind)| (pieces, match kind {
                0 => Boundary::Paragraph,
                1 | 2 => Boundary::Sentence,
                _ => Boundary::None,
            })).collect();
            let tokens = tokens(&words);
            let stride = (max_pieces as f64 * share) as usize;
            let mut next = 0;
            for window in windows(&tokens, max_pieces, stride) {
                prop_assert!(pieces(&tokens, &window.words) <= max_pieces);
                prop_assert!(window.words.start <= window.decides.start && window.decides.end <= window.words.end);
                prop_assert_eq!(window.decides.start, next);
                prop_assert!(window.decides.end > next);
                next = window.decides.end;
            }
            prop_assert_eq!(next, words.len());
        }
    }

    #[test]
    fn words_are_decided_with_context_on_both_sides() {
        let tokens = tokens(&[(1, Boundary::None); 500]);
        let windows = windows(&tokens, 100, 40);
        for window in &windows {
            assert!(window.decides.start == 0 || window.decides.start - window.words.start == 20);
            assert!(window.decides.end == 500 || window.words.end - window.decides.end == 20);
        }
        assert_eq!(windows.len(), 8);
    }

    #[test]
    fn a_cut_prefers_a_paragraph_then_a_sentence() {
        let mut words = [(1, Boundary::None); 200];
        words[60].1 = Boundary::Sentence;
        assert_eq!(windows(&tokens(&words), 100, 40)[0].decides, 0..60);
        words[55].1 = Boundary::Paragraph;
        assert_eq!(windows(&tokens(&words), 100, 40)[0].decides, 0..55);
        words[55].1 = Boundary::None;
        words[60].1 = Boundary::None;
        assert_eq!(windows(&tokens(&words), 100, 40)[0].decides, 0..80);
    }

    #[test]
    fn a_short_text_is_one_window() {
        assert_eq!(windows(&tokens(&[(3, Boundary::None); 10]), 30, 10), [Window { words: 0..10, decides: 0..10 }]);
        assert!(windows(&Tokens::default(), 30, 10).is_empty());
    }
}
