//! What a surface says about whom it may name: the keys by which mentions find each other.

use super::sound::{readings, sound};
use super::words::{Shape, Word};

/// How a short form chooses among the things that answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// If several do, the one that the same short form meant before; else the one whose longer form was last mentioned;
    /// if none was yet, the one that is mentioned first.
    Nearest,
    /// If several do, none.
    Only,
    /// As `Only`, and only if its longer form is mentioned before the short one ever is.
    Later,
}

/// A question: is there a thing of which this surface is a short form?
#[derive(Clone, Debug)]
pub(super) struct Ask<K> {
    /// The keys of the short form; any of them will do.
    pub(super) keys: Vec<K>,
    /// What to do if several things answer.
    pub(super) choice: Choice,
}

/// When a form asks. What asks later meets things that are already put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Round {
    /// A name in its own right: like names are one thing, which may still turn out to be the short form of another.
    Whole,
    /// A form that lacks a part, such as initials before a surname: each mention of it may mean another thing.
    Partial,
    /// A form that is one part, such as a surname: likewise.
    Bare,
}

impl Round {
    /// All, in order.
    pub(super) const ALL: [Self; 3] = [Self::Whole, Self::Partial, Self::Bare];
}

/// A surface as its class's rules read it.
#[derive(Clone, Debug)]
pub(super) struct Form<K> {
    /// Surfaces that share one of these name the same thing.
    pub(super) same: Vec<K>,
    /// What it may be short for, the likeliest first.
    pub(super) asks: Vec<Ask<K>>,
    /// When it asks.
    pub(super) round: Round,
    /// The short forms that it answers to.
    pub(super) offers: Vec<K>,
    /// How much of a name it is: names are chosen by it.
    pub(super) fullness: usize,
    /// Whether brackets after a longer name may hold it: a name or an abbreviation, not a kind.
    pub(super) bracketed: bool,
}

impl Form<String> {
    /// A form that is found by its words only.
    pub(super) fn whole(same: Vec<String>, words: &[Word]) -> Self {
        Self {
            same,
            asks: Vec::new(),
            round: Round::Whole,
            offers: Vec::new(),
            fullness: fullness(words),
            bracketed: false,
        }
    }

    /// Adds a question; one without keys is none.
    pub(super) fn ask(&mut self, keys: Vec<String>, choice: Choice) {
        if !keys.is_empty() {
            self.asks.push(Ask { keys, choice });
        }
    }
}

/// The key of `words` under `kind`, as they are.
pub(super) fn key(kind: &str, words: &[&str]) -> String {
    format!("{kind}:{}", words.join(" "))
}

/// The keys of `words` under `kind`, by sound: one for each reading that differs.
pub(super) fn sounds(kind: &str, words: &[&str]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::with_capacity(1);
    for reading in readings(words) {
        let sounds: Vec<String> = words.iter().map(|word| sound(word, reading)).collect();
        let key = format!("{kind}:{}", sounds.join(" "));
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// How many words of a name there are: capitalised ones that are neither initials nor an abbreviation. A name in
/// capitals, as in a headline, counts as less than the same name in small letters.
pub(super) fn fullness(words: &[Word]) -> usize {
    let named = |word: &&Word| word.shape == Shape::Capital && word.text.chars().count() > 1;
    2 * words.iter().filter(named).count()
        + usize::from(words.iter().any(|word| word.text.bytes().any(|b| b.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    #[test]
    fn fuller_names_count_more() {
        let fullness = |surface| fullness(&words(surface));
        assert!(fullness("Volodymyr Zelensky") > fullness("V. Zelensky"));
        assert!(fullness("V. Zelensky") > fullness("ZELENSKY"));
        assert!(fullness("United States") > fullness("U.S."));
        assert!(fullness("Shahed-136 drones") > fullness("Shaheds"));
    }

    #[test]
    fn a_name_without_doubtful_letters_has_one_key() {
        assert_eq!(sounds("x", &["oman"]).len(), 1);
        assert_eq!(sounds("x", &["bergen"]).len(), 4);
    }
}
