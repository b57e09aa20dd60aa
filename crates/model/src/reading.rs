//! A text on its way through the encoder: its tokens, its windows, and the logits that have come back so far.

use std::ops::Range;

use crate::tokenise::Tokens;
use crate::window::Window;

/// A text that was read and waits for its windows to be encoded, in any order and in any batches.
#[derive(Clone, Debug)]
pub struct Reading {
    tokens: Tokens,
    windows: Vec<Window>,
    /// `[words, tags]`.
    logits: Vec<f32>,
    tags: usize,
}

impl Reading {
    pub(crate) fn new(tokens: Tokens, windows: Vec<Window>, tags: usize) -> Self {
        let logits = vec![0.0; tokens.words.len() * tags];
        Self { tokens, windows, logits, tags }
    }

    /// The text's tokens.
    #[must_use]
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// How many windows the text has; none if it has no tokens.
    #[must_use]
    pub const fn windows(&self) -> usize {
        self.windows.len()
    }

    /// Tokens of a window, special tokens included.
    ///
    /// # Panics
    /// If there is no such window.
    #[must_use]
    pub fn window_tokens(&self, window: usize) -> usize {
        self.pieces(window).len() + 2
    }

    /// Keeps the logits of the words that `window` decides. The window's first token, the special one, is row
    /// `first_row` of `logits` (`[tokens, tags]`).
    ///
    /// # Panics
    /// If there is no such window, or `logits` ends before it.
    pub fn place(&mut self, window: usize, logits: &[f32], first_row: usize) {
        let (first_piece, tags) = (self.pieces(window).start, self.tags);
        for word in self.windows[window].decides.clone() {
            let row = first_row + 1 + self.tokens.words[word].first_piece - first_piece;
            self.logits[word * tags..(word + 1) * tags].copy_from_slice(&logits[row * tags..(row + 1) * tags]);
        }
    }

    /// The logits of the words that were placed, and zeros for the others: `[words, tags]`.
    #[must_use]
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// The pieces that a window reads.
    pub(crate) fn pieces(&self, window: usize) -> Range<usize> {
        let words = &self.tokens.words[self.windows[window].words.clone()];
        let (first, last) = (words.first(), words.last());
        first.map_or(0, |word| word.first_piece)..last.map_or(0, |word| word.end_piece)
    }
}
