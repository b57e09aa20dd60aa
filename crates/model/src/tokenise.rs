//! A text to tokens that know where they stand in it.
//!
//! The `tokenizers` crate does the splitting; this module feeds it and reads its offsets. A long text is handed over
//! in segments cut at white space, so memory stays in proportion and a "word" of a megabyte cannot stall it. Pieces
//! are gathered into words, the units that are tagged: a word ends where the tokeniser's own word ends and where
//! letters meet punctuation, so `Kyiv-based` is three words for every family of tokenisers.

use dateline_text::Span;
use serde::de::IgnoredAny;
use tokenizers::Tokenizer;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::casing::{SPECIAL, casing_class};
use crate::{ModelConfig, ModelError};

/// Bytes of text that the tokeniser sees at once.
const SEGMENT_BYTES: usize = 16 * 1024;

/// White space before a segment that the tokeniser still gets to see.
const KEPT_BLANK_BYTES: usize = 64;

/// A word of more pieces is tagged in parts, so that any word fits any window.
pub(crate) const MAX_WORD_PIECES: usize = 16;

/// What stands before a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Boundary {
    /// Nothing but, perhaps, white space.
    None,
    /// The end of a sentence: a good place to cut a window.
    Sentence,
    /// A blank line, which no mention crosses; also the start of the text.
    Paragraph,
}

/// A word: the unit that is tagged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands in the text; empty for pieces that are only white space.
    pub span: Span,
    /// Its first piece, an index into [`Tokens::ids`]: its logits are the word's.
    pub first_piece: usize,
    /// One past its last piece.
    pub end_piece: usize,
    /// What stands before it.
    pub boundary: Boundary,
}

/// A text's tokens, without special ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Token type ids: casing classes if the model wants them, else 0. As many as ids.
    pub type_ids: Vec<u32>,
    /// Where each token stands in the text, in bytes. As many as ids.
    pub spans: Vec<Span>,
    /// The words, which share out all tokens among themselves in order.
    pub words: Vec<Word>,
}

impl Tokens {
    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// A model's tokeniser.
#[derive(Clone, Debug)]
pub struct Tokeniser {
    inner: Tokenizer,
    casing: bool,
    first: u32,
    last: u32,
}

impl Tokeniser {
    /// Reads `tokenizer.json` of the model that `config` describes.
    ///
    /// # Errors
    /// [`ModelError::Tokeniser`] if the file is damaged, does not fit the model's vocabulary, or does not put one
    /// special token before and one behind a text.
    pub fn load(json: &[u8], config: &ModelConfig) -> Result<Self, ModelError> {
        let damaged = |why: String| {
            ModelError::Tokeniser(format!("it is damaged or of an unknown form ({why}): fetch or copy it again"))
        };
        // `tokenizers` panics on some damage: on JSON that breaks off in the decoder, on a template that names what is
        // not there. The first is common and found here; the rest is caught, at the price of a panic's message.
        str::from_utf8(json)
            .map_err(|error| error.to_string())
            .and_then(|json| serde_json::from_str::<IgnoredAny>(json).map_err(|error| error.to_string()))
            .map_err(damaged)?;
        let (inner, around) = std::panic::catch_unwind(|| read(json))
            .unwrap_or_else(|_| Err("the tokenizers library panicked".into()))
            .map_err(|error| damaged(error.to_string()))?;
        let [first, last] = *around else {
            return Err(ModelError::Tokeniser(format!(
                "it puts {} special tokens around a text, not one before and one behind: save it with its \
                 post-processor",
                around.len()
            )));
        };
        let largest = inner.get_vocab(true).into_values().chain([first, last]).max().unwrap_or(0);
        if largest as usize >= config.encoder.vocab_size {
            return Err(ModelError::Tokeniser(format!(
                "it gives ids up to {largest}, but config.json gives the model {} rows: is it this model's tokeniser?",
                config.encoder.vocab_size
            )));
        }
        Ok(Self { inner, casing: config.dateline.casing_token_types, first, last })
    }

    /// The special token before every window (`[CLS]`, `<s>`).
    #[must_use]
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// The special token behind every window (`[SEP]`, `</s>`).
    #[must_use]
    pub const fn last(&self) -> u32 {
        self.last
    }

    /// The piece of text that a token id stands for, as the vocabulary writes it (`##ing`, `Ġthe`).
    #[must_use]
    pub fn piece(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The type of special tokens.
    #[must_use]
    pub const fn special_type(&self) -> u32 {
        if self.casing { SPECIAL } else { 0 }
    }

    /// The tokens of `text`, of whatever length.
    ///
    /// # Errors
    /// [`ModelError::Tokeniser`] if the tokeniser itself fails.
    pub fn tokenise(&self, text: &str) -> Result<Tokens, ModelError> {
        let mut tokens = Tokens::default();
        let mut marks = BoundaryMarks::new(text);
        for segment in segments(text) {
            let slice = segment.slice(text).expect("segments are cut between characters");
            // Offsets are in bytes of the segment; special tokens are put around windows, not around segments.
            let encoding = self
                .inner
                .encode(slice, false)
                .map_err(|error| ModelError::Tokeniser(format!("it failed on bytes {segment} of a text: {error}")))?;
            self.append(&mut tokens, &mut marks, &encoding, segment.start());
        }
        Ok(tokens)
    }

    fn append(&self, tokens: &mut Tokens, marks: &mut BoundaryMarks<'_>, encoding: &tokenizers::Encoding, base: usize) {
        let text = marks.text;
        let mut words = WordBuilder::new(text, tokens.ids.len());
        for ((&id, &(start, end)), &word) in
            encoding.get_ids().iter().zip(encoding.get_offsets()).zip(encoding.get_word_ids())
        {
            // A byte-level tokeniser may cut a character; its pieces then all stand for the whole of it.
            let start = text.floor_char_boundary(base + start);
            let end = text.ceil_char_boundary(base + end).max(start);
            tokens.ids.push(id);
            tokens.spans.push(Span::new(start, end));
            words.push(Span::new(start, end), word);
        }
        for (span, pieces) in words.finish() {
            let class = if self.casing { casing_class(&text[std::ops::Range::from(span)]) } else { 0 };
            tokens.type_ids.extend(pieces.clone().map(|_| class));
            let boundary = marks.before(span);
            tokens.words.push(Word { span, first_piece: pieces.start, end_piece: pieces.end, boundary });
        }
    }
}

/// Reads a tokeniser, and the special tokens that its own template puts around a text.
fn read(json: &[u8]) -> tokenizers::Result<(Tokenizer, Vec<u32>)> {
    let mut tokenizer = Tokenizer::from_bytes(json)?;
    // Many folders carry the truncation and padding of their training; here nothing is ever cut or padded.
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    // A story that quotes "[SEP]" means those five characters.
    tokenizer.set_encode_special_tokens(true);
    let around = tokenizer.encode("", true)?.get_ids().to_vec();
    Ok((tokenizer, around))
}

/// Cuts a text into the pieces that the tokeniser sees: before white space where there is some, and without long runs
/// of white space between them but for one character (byte-level tokenisers want to see that one).
fn segments(text: &str) -> impl Iterator<Item = Span> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let rest = &text[next..];
        let ink = rest.len() - rest.trim_start().len();
        if ink == rest.len() {
            return None;
        }
        // A run of ordinary length goes to the tokeniser as it is; of a longer one the last character is enough.
        let blank =
            if ink <= KEPT_BLANK_BYTES { ink } else { rest[..ink].chars().next_back().map_or(0, char::len_utf8) };
        let start = next + ink - blank;
        next = segment_end(text, start);
        Some(Span::new(start, next))
    })
}

fn segment_end(text: &str, start: usize) -> usize {
    if text.len() - start <= SEGMENT_BYTES {
        return text.len();
    }
    let limit = text.floor_char_boundary(start + SEGMENT_BYTES);
    let window = &text[start..limit];
    // Cutting in the blank that was kept at the start would make no progress.
    let ink = window.len() - window.trim_start().len();
    let blank = window.char_indices().rev().take_while(|&(at, _)| at > ink).find(|(_, c)| c.is_whitespace());
    blank.map_or(limit, |(at, _)| start + at)
}

/// Gathers pieces into words.
struct WordBuilder<'t> {
    text: &'t str,
    next_piece: usize,
    previous: Option<(Span, Option<u32>)>,
    words: Vec<(Span, std::ops::Range<usize>)>,
}

impl<'t> WordBuilder<'t> {
    fn new(text: &'t str, next_piece: usize) -> Self {
        Self { text, next_piece, previous: None, words: Vec::new() }
    }

    fn push(&mut self, piece: Span, word_id: Option<u32>) {
        let joins = self.previous.is_some_and(|(previous, previous_word)| {
            previous_word == word_id
                && self.words.last().is_some_and(|(_, pieces)| pieces.len() < MAX_WORD_PIECES)
                && (piece.start() < previous.end() || !self.punctuation_between(previous, piece))
        });
        match self.words.last_mut().filter(|_| joins) {
            Some((span, pieces)) => {
                *span = span.cover(piece);
                pieces.end += 1;
            }
            None => self.words.push((piece, self.next_piece..self.next_piece + 1)),
        }
        self.next_piece += 1;
        self.previous = Some((piece, word_id));
    }

    /// Whether the last character of one piece or the first of the next is neither letter, digit nor mark.
    fn punctuation_between(&self, left: Span, right: Span) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || is_mark(c);
        let last = left.slice(self.text).and_then(|slice| slice.chars().next_back());
        let first = right.slice(self.text).and_then(|slice| slice.trim_start().chars().next());
        !last.is_none_or(is_word) || !first.is_none_or(is_word)
    }

    fn finish(self) -> impl Iterator<Item = (Span, std::ops::Range<usize>)> {
        let text = self.text;
        let mut end = 0;
        self.words.into_iter().map(move |(span, pieces)| {
            // Parts of one long word can overlap by a character that a byte-level tokeniser has cut.
            let span = whole_characters(text, span.trim(text));
            let start = span.start().max(end.min(span.end()));
            end = span.end().max(end);
            (Span::new(start, span.end()), pieces)
        })
    }
}

/// The span with the combining marks that follow it: tokenisers that strip accents leave those outside all pieces, but
/// a reader's character is not cut.
fn whole_characters(text: &str, span: Span) -> Span {
    if span.is_empty() || text.as_bytes().get(span.end()).is_none_or(u8::is_ascii) {
        return span;
    }
    let mut cursor = GraphemeCursor::new(span.start(), text.len(), true);
    let mut end = span.start();
    while end < span.end() {
        end = cursor.next_boundary(text, 0).ok().flatten().unwrap_or(span.end());
    }
    Span::new(span.start(), end)
}

/// Whether the character is a combining mark, which belongs to the letter before it.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{200c}' | '\u{200d}')
}

/// Tells what stands before each word, in one walk over the text.
struct BoundaryMarks<'t> {
    text: &'t str,
    sentences: std::iter::Peekable<Box<dyn Iterator<Item = usize> + 't>>,
    end_of_previous: Option<usize>,
}

impl<'t> BoundaryMarks<'t> {
    fn new(text: &'t str) -> Self {
        let starts: Box<dyn Iterator<Item = usize>> =
            Box::new(text.split_sentence_bound_indices().map(|(start, _)| start));
        Self { text, sentences: starts.peekable(), end_of_previous: None }
    }

    fn before(&mut self, word: Span) -> Boundary {
        if word.is_empty() {
            return Boundary::None;
        }
        let mut starts_sentence = false;
        while self.sentences.next_if(|&start| start <= word.start()).is_some() {
            starts_sentence = true;
        }
        let previous = self.end_of_previous.replace(word.end());
        let Some(previous) = previous.filter(|&end| end <= word.start()) else {
            return if previous.is_none() { Boundary::Paragraph } else { Boundary::None };
        };
        let gap = &self.text[previous..word.start()];
        if gap.bytes().filter(|&byte| byte == b'\n').count() > 1 {
            Boundary::Paragraph
        } else if starts_sentence {
            Boundary::Sentence
        } else {
            Boundary::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_hold_all_ink_in_order() {
        let word = "x".repeat(3 * SEGMENT_BYTES + 7);
        let blank = " ".repeat(1 << 20);
        let text = format!("{blank}One two.{blank}{word} é{blank}");
        let parts: Vec<_> = segments(&text).collect();
        assert!(parts.iter().all(|span| span.len() <= SEGMENT_BYTES));
        assert!(parts.windows(2).all(|pair| pair[0].end() <= pair[1].start()));
        let ink: String = parts.iter().flat_map(|span| span.slice(&text)).flat_map(str::split_whitespace).collect();
        assert_eq!(ink, text.split_whitespace().collect::<String>());
        assert_eq!(segments("").count() + segments(&blank).count(), 0);
    }

    #[test]
    fn a_segment_is_cut_before_white_space() {
        let text = "Kyiv ".repeat(SEGMENT_BYTES);
        let parts: Vec<_> = segments(&text).collect();
        assert!(parts.len() > 4);
        for span in &parts[1..] {
            assert!(span.slice(&text).unwrap().starts_with(" Kyiv"));
        }
    }

    #[test]
    fn boundaries_before_words() {
        let text = "Kyiv held. Then\r\n\r\nrain fell\non Lviv.";
        let mut marks = BoundaryMarks::new(text);
        let mut at = 0;
        let found: Vec<_> = ["Kyiv", "held", ".", "Then", "rain", "fell", "on", "Lviv"]
            .into_iter()
            .map(|word| {
                let start = at + text[at..].find(word).unwrap();
                at = start + word.len();
                marks.before(Span::new(start, at))
            })
            .collect();
        use Boundary::{None, Paragraph, Sentence};
        // UAX #29 ends a sentence at every line end; a window may well be cut there, and only there it matters.
        assert_eq!(found, [Paragraph, None, None, Sentence, Paragraph, None, Sentence, None]);
    }
}
