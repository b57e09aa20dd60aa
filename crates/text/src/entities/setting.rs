//! What the text around mentions says: that two of them are one thing, and of what kind a place is.

use super::class::Class;
use super::form::Form;
use super::place::{self, Setting};
use super::words::words;
use crate::{Mention, Span};

/// How many bytes between two mentions are read: no phrase that makes two names one is longer.
const GAP: usize = 80;
/// How many characters around a place are read for its kind.
const AROUND: usize = 80;

/// Words that say that the next name is another name of the last one.
const TRIGGERS: &[&str] = &["known", "alias", "nicknamed", "aka", "abbreviated", "formerly"];

/// Words that may stand beside them.
const FILLERS: &[&str] = &[
    "also",
    "better",
    "widely",
    "commonly",
    "locally",
    "popularly",
    "more",
    "best",
    "often",
    "sometimes",
    "previously",
    "the",
    "by",
    "his",
    "her",
    "their",
    "its",
    "nom",
    "de",
    "guerre",
    "call",
    "sign",
    "callsign",
    "acronym",
    "initials",
    "name",
    "as",
    "or",
    "simply",
    "under",
    "code",
    "codename",
    "in",
    "english",
    "french",
    "arabic",
    "spanish",
    "which",
    "is",
    "was",
    "who",
    "to",
    "soldiers",
    "comrades",
    "then",
    "once",
    "now",
    "war",
    "called",
    "a",
    "k",
];

/// Whether the text says that `left` and `right`, the next mention with the same label, are one thing: `right` stands
/// in brackets behind `left`, or a phrase such as `also known as` between them.
pub(super) fn apposed<K>(text: &str, class: Class, left: (Span, &Form<K>), right: (Span, &Form<K>)) -> bool {
    let (Some(between), Some(behind)) = (text.get(left.0.end()..right.0.start()), text.get(right.0.end()..)) else {
        return false;
    };
    if between.len() > GAP || between.contains(['.', '\n', ';']) && !between.contains("a.k.a.") {
        return false;
    }
    let bare = between.trim().trim_end_matches(['"', '“', '«', '\'', '‘']);
    let closes = behind.trim_start_matches(['"', '”', '»', '\'', '’', ',']).starts_with([')', ']']);
    if matches!(bare, "(" | "[" | "(the" | "(the ") && closes {
        return match class {
            Class::Unit => right.1.bracketed,
            Class::Weapon => left.1.bracketed && right.1.bracketed,
            Class::Place => right.1.bracketed && !right.1.asks.is_empty(),
            Class::Person => bare.len() < between.trim().len(),
            Class::Other => false,
        };
    }
    if class == Class::Unit && matches!(bare, ", or" | ", or the" | "or") && behind.starts_with([',', '.']) {
        return right.1.bracketed && right.1.fullness == 0 && left.1.fullness > 0;
    }
    let said = words(between);
    let says = |word: &str| said.iter().any(|said| said.text == word);
    (said.iter().any(|word| TRIGGERS.contains(&word.text.as_str()))
        || says("called") && (says("also") || says("sometimes")))
        && said.iter().all(|word| TRIGGERS.contains(&word.text.as_str()) || FILLERS.contains(&word.text.as_str()))
        && class != Class::Other
}

/// The setting of the place at `span`.
pub(super) fn setting(text: &str, mention: &Mention) -> Setting {
    let before = text[..mention.span.start()].trim_end_matches([' ', '\u{a0}']);
    let article = before.len() < mention.span.start()
        && before.len() >= 3
        && before.is_char_boundary(before.len() - 3)
        && before[before.len() - 3..].eq_ignore_ascii_case("the")
        && !before[..before.len() - 3].ends_with(char::is_alphanumeric);
    let behind = near(&text[mention.span.end()..]);
    let behind = behind.strip_prefix("'s").or_else(|| behind.strip_prefix("’s")).unwrap_or(behind);
    let word = behind.trim_start_matches([' ', '\u{a0}']).split(|c: char| !c.is_alphabetic()).next().unwrap_or("");
    let next = behind.starts_with([' ', '\u{a0}']);
    let told = place::kind(word).filter(|kind| next && matches!(*kind, "region" | "state" | "river" | "district"));
    let kind = told.or_else(|| shared_kind(behind)).or_else(|| {
        let said = before.strip_suffix(" of")?;
        let word = said.char_indices().rev().take(AROUND).take_while(|(_, c)| c.is_alphabetic()).last();
        word.and_then(|(at, _)| place::kind(&said[at..])).filter(|kind| *kind == "region")
    });
    // In `the [Donetsk] front` the article is the front's.
    let followed = next && word.starts_with(char::is_lowercase) && !VERBS.contains(&word);
    Setting { kind, article: article && !followed }
}

/// The beginning of `text` that may belong to a mention before it: however long a text's words are, little is read.
fn near(text: &str) -> &str {
    text.char_indices().nth(AROUND).map_or(text, |(end, _)| &text[..end])
}

/// The kind that closes a list of places which `behind` goes on with: `[Sumy] and Kharkiv oblasts`.
fn shared_kind(behind: &str) -> Option<&'static str> {
    let mut listed = false;
    let sentence = behind.split(['.', '\n']).next().unwrap_or("");
    for word in sentence.split([' ', ',']).filter(|word| !word.is_empty()) {
        if word == "and" || word == "or" {
            listed = true;
        } else if !word.starts_with(char::is_uppercase) {
            let kind = word.strip_suffix('s').and_then(place::kind)?;
            return (listed && kind == "region").then_some(kind);
        }
    }
    None
}

/// Small words that a noun with `the` before it is followed by: the article is the mention's own.
const VERBS: &[&str] = &[
    "and", "or", "in", "at", "on", "to", "from", "for", "with", "by", "near", "is", "was", "has", "had", "could",
    "can", "would", "will", "into", "where", "which", "that", "as", "after", "before", "under", "between", "through",
    "flows", "runs", "were", "are", "said", "but", "when", "while", "this", "since", "last", "a", "an", "the", "of",
    "over", "about",
];
