//! How a word is written: the one thing that an uncased tokeniser throws away and that names live by. The default
//! model gets it back as the token type of each of the word's pieces.

/// Number of casing classes: the rows of a casing model's token type table.
pub const CLASSES: usize = 8;

/// The class of special tokens.
pub(crate) const SPECIAL: u32 = 0;
const LOWER: u32 = 1;
const TITLE: u32 = 2;
const UPPER: u32 = 3;
const ALPHANUMERIC: u32 = 4;
const DIGITS: u32 = 5;
const PUNCTUATION: u32 = 6;
const MIXED: u32 = 7;

/// The casing class of a word as it stands in the text: 1 lower case (or without case), 2 Title, 3 UPPER (a single
/// capital too), 4 letters and digits, 5 digits, 6 punctuation and symbols, 7 mIxed. Special tokens are 0.
///
/// ```
/// use dateline_model::casing_class;
///
/// assert_eq!(["drones", "Kyiv", "HIMARS", "T72B3", "2022", "-", "iPhone"].map(casing_class), [1, 2, 3, 4, 5, 6, 7]);
/// ```
#[must_use]
pub fn casing_class(word: &str) -> u32 {
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    let digits = word.chars().filter(|c| c.is_numeric()).count();
    match (letters, digits) {
        (0, 0) => return PUNCTUATION,
        (0, _) => return DIGITS,
        (_, 0) => {}
        _ => return ALPHANUMERIC,
    }
    let upper = word.chars().filter(|c| c.is_uppercase()).count();
    let lower = word.chars().filter(|c| c.is_lowercase()).count();
    let first_is_upper = word.chars().find(|c| c.is_alphabetic()).is_some_and(char::is_uppercase);
    match (upper, lower) {
        (0, _) => LOWER,
        (_, 0) => UPPER,
        (1, _) if first_is_upper => TITLE,
        _ => MIXED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_awkward_words() {
        for (word, class) in [
            ("U", UPPER),
            ("дрон", LOWER),
            ("Київ", TITLE),
            ("دمشق", LOWER),
            ("McCain", MIXED),
            ("x", LOWER),
            ("²", DIGITS),
            ("🚀", PUNCTUATION),
            ("\0", PUNCTUATION),
            ("", PUNCTUATION),
            ("E\u{301}tat", TITLE),
            ("F16", ALPHANUMERIC),
        ] {
            assert_eq!(casing_class(word), class, "{word:?}");
        }
    }
}
